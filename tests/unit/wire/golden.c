#include "tests/unit/wire/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static FILE *open_golden(const char *name, const char *mode)
{
    char path[512];
    int length = snprintf(path, sizeof(path), "%s/%s.hex", GOLDEN_DIR, name);
    assert_true(length > 0 && (size_t)length < sizeof(path));
    FILE *file = fopen(path, mode);
    if (file == NULL) {
        fail_msg("cannot open %s", path);
    }
    return file;
}

static void golden_write(const char *name, struct bytes made)
{
    FILE *file = open_golden(name, "w");
    const uint8_t *at = made.data;
    for (size_t i = 0; i < made.size; i++) {
        bool last = i % 16 == 15 || i + 1 == made.size;
        fprintf(file, "%02x%c", at[i], last ? '\n' : ' ');
    }
    assert_int_equal(fclose(file), 0);
}

void golden_check(const char *name, struct bytes made)
{
    if (getenv("RAFTFS_GOLDEN_WRITE") != NULL) {
        golden_write(name, made);
        return;
    }
    FILE *file = open_golden(name, "r");
    const uint8_t *at = made.data;
    unsigned byte;
    size_t count = 0;
    while (fscanf(file, "%2x", &byte) == 1) {
        if (count >= made.size || at[count] != byte) {
            fail_msg("%s: byte %zu is not %02x any more", name, count, byte);
        }
        count++;
    }
    fclose(file);
    assert_int_equal(count, made.size);
}
