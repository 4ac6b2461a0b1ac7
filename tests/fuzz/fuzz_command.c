#include "fs/command.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct command command;
    struct bytes src = {data, size};
    if (command_decode(src, &command) < 0) {
        return 0;
    }
    uint8_t again[COMMAND_BODY_MAX];
    size_t used = command_encode(&command, again, sizeof(again));
    must_be_same(src, (struct bytes){again, used});
    char line[128];
    command_print(&command, 1, line, sizeof(line));
    for (const char *at = line; *at != '\0'; at++) {
        must((unsigned char)*at >= ' ' && *at != 0x7f);
    }
    return 0;
}
