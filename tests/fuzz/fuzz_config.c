#include "raft/json/config.h"
#include "tests/fuzz/fuzz.h"

/* What was read and written again reads as the same. */
static void check_round_trip(const struct config *config)
{
    char error[256];
    struct config back;
    char *text = config_encode(config);
    must(config_decode((struct bytes){text, strlen(text)}, &back, error) == 0);
    char *again = config_encode(&back);
    must(strcmp(text, again) == 0);
    free(again);
    free(text);
    config_release(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[256] = "";
    struct config config;
    if (config_decode((struct bytes){data, size}, &config, error) < 0) {
        must(memchr(error, '\0', sizeof(error)) != NULL);
        must(error[0] != '\0');
    } else {
        check_round_trip(&config);
    }
    config_release(&config);
    return 0;
}
