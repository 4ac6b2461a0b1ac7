#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fs/openfiles.h"

#include <string.h>

static void opened_twice_needs_two_releases(void **state)
{
    (void)state;
    struct openfiles files = {0};
    assert_false(openfiles_has(&files, 7));
    openfiles_add(&files, 7);
    openfiles_add(&files, 7);
    openfiles_drop(&files, 7);
    assert_true(openfiles_has(&files, 7));
    openfiles_drop(&files, 7);
    assert_false(openfiles_has(&files, 7));
    openfiles_release(&files);
}

static void each_is_named_once(void **state)
{
    (void)state;
    struct openfiles files = {0};
    size_t at = 0;
    assert_int_equal(openfiles_next(&files, &at), 0);
    for (uint64_t ino = 1; ino <= 300; ino++) {
        openfiles_add(&files, ino);
        openfiles_add(&files, ino);
    }
    uint64_t ino, sum = 0, count = 0;
    for (at = 0; (ino = openfiles_next(&files, &at)) != 0; count++) {
        sum += ino;
    }
    assert_int_equal(count, 300);
    assert_int_equal(sum, 300 * 301 / 2);
    openfiles_release(&files);
}

/* Against a plain array, with inode numbers that collide often. */
static void any_order_agrees_with_a_plain_array(void **state)
{
    (void)state;
    enum { INODES = 500, STEPS = 200000 };
    static unsigned counts[INODES];
    memset(counts, 0, sizeof counts);
    struct openfiles files = {0};
    uint64_t random = 42;
    for (int i = 0; i < STEPS; i++) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        unsigned at = (unsigned)(random >> 33) % INODES;
        uint64_t ino = 1 + at * 4096ull;
        if (counts[at] > 0 && (random >> 20) % 2 == 0) {
            openfiles_drop(&files, ino);
            counts[at]--;
        } else if (counts[at] < 3) {
            openfiles_add(&files, ino);
            counts[at]++;
        }
        assert_int_equal(openfiles_has(&files, ino), counts[at] > 0);
    }
    size_t open = 0;
    for (unsigned at = 0; at < INODES; at++) {
        assert_int_equal(openfiles_has(&files, 1 + at * 4096ull),
                         counts[at] > 0);
        open += counts[at] > 0;
    }
    assert_int_equal(files.used, open);
    openfiles_release(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opened_twice_needs_two_releases),
        cmocka_unit_test(each_is_named_once),
        cmocka_unit_test(any_order_agrees_with_a_plain_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
