#include "raft/uv/notes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const raft_time SECOND = 1000 * 1000;
static const raft_time MINUTE = 60 * (raft_time)1000 * 1000;

static void a_key_is_told_once_a_minute_with_a_count(void **state)
{
    (void)state;
    struct notes notes = {0};
    uint64_t held;
    assert_true(notes_due(&notes, 5, "a", NOTES_MINUTE, &held));
    for (int i = 1; i < 60; i++) {
        assert_false(notes_due(&notes, 5 + (raft_time)i * SECOND, "a",
                               NOTES_MINUTE, &held));
    }
    assert_true(notes_due(&notes, 5 + MINUTE, "a", NOTES_MINUTE, &held));
    assert_int_equal(held, 59);
    assert_true(notes_due(&notes, 5, "b", NOTES_MINUTE, &held));
}

static void a_cause_that_lasts_is_told_once(void **state)
{
    (void)state;
    struct notes notes = {0};
    uint64_t held;
    assert_true(notes_due(&notes, 0, "a", NOTES_ONCE, &held));
    for (int i = 1; i < 1000; i++) {
        assert_false(
            notes_due(&notes, (raft_time)i * SECOND, "a", NOTES_ONCE, &held));
    }
    notes_forget(&notes, "a");
    assert_true(notes_due(&notes, 1000 * SECOND, "a", NOTES_ONCE, &held));
    assert_true(notes_due(&notes, 1060 * SECOND, "a", NOTES_ONCE, &held));
}

static void forgetting_takes_a_prefix(void **state)
{
    (void)state;
    struct notes notes = {0};
    uint64_t held;
    assert_true(notes_due(&notes, 0, "dial:1:x", NOTES_ONCE, &held));
    assert_true(notes_due(&notes, 0, "dial:1:y", NOTES_ONCE, &held));
    assert_true(notes_due(&notes, 0, "dial:2:x", NOTES_ONCE, &held));
    notes_forget(&notes, "dial:1:");
    assert_true(notes_due(&notes, 0, "dial:1:x", NOTES_ONCE, &held));
    assert_true(notes_due(&notes, 0, "dial:1:y", NOTES_ONCE, &held));
    assert_false(notes_due(&notes, 0, "dial:2:x", NOTES_ONCE, &held));
}

static void a_flood_of_keys_is_bounded(void **state)
{
    (void)state;
    struct notes notes = {0};
    char key[32];
    uint64_t held;
    int said = 0;
    for (int i = 0; i < 10000; i++) {
        snprintf(key, sizeof(key), "key %d", i);
        said += notes_due(&notes, (raft_time)i, key, NOTES_MINUTE, &held);
    }
    assert_int_equal(said, NOTES_MAX);
    assert_true(notes_due(&notes, 2 * MINUTE, "later", NOTES_MINUTE, &held));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_told_once_a_minute_with_a_count),
        cmocka_unit_test(a_cause_that_lasts_is_told_once),
        cmocka_unit_test(forgetting_takes_a_prefix),
        cmocka_unit_test(a_flood_of_keys_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
