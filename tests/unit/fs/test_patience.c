#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fs/patience.h"

enum { FULL = 3000000, SHORT = FULL / 2 };

static struct patience new_patience(void)
{
    return (struct patience){.full_us = FULL};
}

/* One request that came at 1 s has given up at 4 s. */
static struct patience in_vain(void)
{
    struct patience patience = new_patience();
    patience_timed_out(&patience, 1000000, 4000000);
    assert_true(patience.in_vain);
    return patience;
}

static void who_follows_on_a_failure_fails_at_once(void **state)
{
    (void)state;
    struct patience patience = in_vain();
    raft_time now = 4000000;
    for (int i = 0; i < 1000; i++) {
        raft_time began = now + 10; /* the kernel lets the next one in */
        now = patience_deadline(&patience, began);
        patience_timed_out(&patience, began, now);
    }
    /* A thousand that waited for each other. */
    assert_in_range(now, 4000000, 4000000 + SHORT);
}

static void quiet_gives_patience_back_but_not_much(void **state)
{
    (void)state;
    struct patience patience = in_vain();
    assert_int_equal(patience_deadline(&patience, 4050000), 4100000);
    assert_int_equal(patience_deadline(&patience, 9000000), 9000000 + SHORT);
    patience.full_us = 60000000;
    assert_int_equal(patience_deadline(&patience, 9000000), 11000000);
}

static void any_answer_gives_all_of_it_back(void **state)
{
    (void)state;
    struct patience patience = in_vain();
    patience_answered(&patience, 5000000);
    assert_int_equal(patience_deadline(&patience, 5000000), 5000000 + FULL);
}

static void a_leader_that_is_heard_gets_a_second(void **state)
{
    (void)state;
    struct patience patience = in_vain();
    patience_leader_heard(&patience, 4000000);
    assert_int_equal(patience_deadline(&patience, 4000010), 5000000);
    assert_int_equal(patience_deadline(&patience, 4999999), 4999999 + 999999);
    assert_int_equal(patience_deadline(&patience, 6000000), 6000000 + SHORT);
}

/* Never longer than op_timeout, however short that is. */
static void hope_does_not_exceed_the_timeout(void **state)
{
    (void)state;
    struct patience patience = {.full_us = 100000};
    patience_timed_out(&patience, 1000000, 1100000);
    patience_leader_heard(&patience, 1100000);
    assert_int_equal(patience_deadline(&patience, 1200000), 1300000);
}

static void one_that_gave_up_early_says_nothing_of_others(void **state)
{
    (void)state;
    struct patience patience = new_patience();
    patience_timed_out(&patience, 1000000, 1500000);
    assert_false(patience.in_vain);
}

static void one_that_others_overtook_says_nothing_of_others(void **state)
{
    (void)state;
    struct patience patience = new_patience();
    patience_answered(&patience, 3000000);
    patience_timed_out(&patience, 1000000, 4000000);
    assert_false(patience.in_vain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_follows_on_a_failure_fails_at_once),
        cmocka_unit_test(quiet_gives_patience_back_but_not_much),
        cmocka_unit_test(any_answer_gives_all_of_it_back),
        cmocka_unit_test(a_leader_that_is_heard_gets_a_second),
        cmocka_unit_test(hope_does_not_exceed_the_timeout),
        cmocka_unit_test(one_that_gave_up_early_says_nothing_of_others),
        cmocka_unit_test(one_that_others_overtook_says_nothing_of_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
