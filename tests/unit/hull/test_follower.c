#include "tests/unit/hull/bench.h"

static void without_a_leader_a_command_is_certainly_not_done(void **state)
{
    (void)state;
    struct bench b;
    struct caller caller = {0}, read = {0};
    bench_open(&b, 3);
    submit(&b, &caller, 1, 1000);
    assert_int_equal(hull_read(b.hull, b.now, b.now + 1000, &read), 0);
    pass(&b, 2000);
    expect(&caller, HULL_NOT_DONE);
    expect(&read, HULL_UNKNOWN);
    heartbeat(&b, OTHER, 1); /* now it must not leave any more */
    assert_int_equal(forwards_to(&b, OTHER), 0);
    bench_close(&b);
}

static void a_forwarded_command_may_be_done(void **state)
{
    (void)state;
    struct bench b;
    struct caller caller = {0};
    bench_open(&b, 3);
    heartbeat(&b, OTHER, 1);
    submit(&b, &caller, 1, 1000);
    hull_flush(b.hull, b.now);
    assert_int_equal(forwards_to(&b, OTHER), 1);
    pass(&b, 2000);
    expect(&caller, HULL_UNKNOWN);
    bench_close(&b);
}

static void a_refused_command_is_certainly_not_done(void **state)
{
    (void)state;
    struct bench b;
    struct caller caller = {0};
    bench_open(&b, 3);
    heartbeat(&b, OTHER, 1);
    submit(&b, &caller, 1, 1000);
    hull_flush(b.hull, b.now);
    reply(&b, OTHER, FORWARD_BUSY, 0);
    pass(&b, 2000);
    expect(&caller, HULL_NOT_DONE);
    bench_close(&b);
}

static void silence_is_answered_by_a_retry(void **state)
{
    (void)state;
    struct bench b;
    struct caller caller = {0};
    bench_open(&b, 3);
    heartbeat(&b, OTHER, 1);
    submit(&b, &caller, 1, 10 * 1000 * 1000);
    hull_flush(b.hull, b.now);
    pass(&b, 290 * 1000);
    assert_int_equal(forwards_to(&b, OTHER), 1);
    pass(&b, 20 * 1000);
    assert_int_equal(forwards_to(&b, OTHER), 2);
    reply(&b, OTHER, FORWARD_TAKEN, OTHER);
    pass(&b, 350 * 1000); /* it is in a log: no hurry */
    assert_int_equal(forwards_to(&b, OTHER), 2);
    bench_close(&b);
}

static void a_hint_is_followed_at_once(void **state)
{
    (void)state;
    struct bench b;
    struct caller caller = {0};
    bench_open(&b, 3);
    heartbeat(&b, OTHER, 1);
    submit(&b, &caller, 1, 10 * 1000 * 1000);
    hull_flush(b.hull, b.now);
    reply(&b, OTHER, FORWARD_NOT_LEADER, THIRD);
    assert_int_equal(forwards_to(&b, THIRD), 1);
    for (int i = 0; i < 5; i++) { /* two nodes that point at each other */
        reply(&b, THIRD, FORWARD_NOT_LEADER, OTHER);
        reply(&b, OTHER, FORWARD_NOT_LEADER, THIRD);
    }
    assert_true(forwards_to(&b, THIRD) + forwards_to(&b, OTHER) <= 4);
    bench_close(&b);
}

static void a_new_leader_gets_what_the_old_one_had(void **state)
{
    (void)state;
    struct bench b;
    struct caller caller = {0};
    bench_open(&b, 3);
    heartbeat(&b, OTHER, 1);
    submit(&b, &caller, 1, 10 * 1000 * 1000);
    hull_flush(b.hull, b.now);
    reply(&b, OTHER, FORWARD_TAKEN, OTHER);
    heartbeat(&b, THIRD, 2);
    assert_int_equal(forwards_to(&b, THIRD), 1);
    assert_int_equal(caller.completed, 0);
    bench_close(&b);
}

static void cancelling_withdraws_what_was_not_sent(void **state)
{
    (void)state;
    struct bench b;
    struct caller caller = {0};
    bench_open(&b, 3);
    submit(&b, &caller, 1, 10 * 1000 * 1000);
    assert_true(hull_cancel(b.hull, &caller));
    expect(&caller, HULL_CANCELLED);
    assert_false(hull_cancel(b.hull, &caller));
    heartbeat(&b, OTHER, 1);
    assert_int_equal(forwards_to(&b, OTHER), 0);
    bench_close(&b);
}

static void nonsense_is_counted_and_dropped(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 3);
    struct record *record = command("whose origin is not the sender", 1);
    deliver(&b, frame_encode_forward(OTHER, SELF, record));
    record_unref(record);
    struct frame cut = frame_new(3);
    frame_seal(&cut, FRAME_RAFT, 0, OTHER, SELF);
    deliver(&b, cut);
    struct frame stranger = frame_new(0);
    frame_seal(&stranger, FRAME_NOTICE, 0, 99, SELF);
    deliver(&b, stranger);
    struct hull_status status;
    hull_get_status(b.hull, b.now, &status);
    /* The stranger may be a node that was removed: no nonsense. */
    assert_int_equal(status.frames_bad, 2);
    assert_int_equal(b.notices, 0);
    assert_int_equal(b.sent_count, 0);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_leader_a_command_is_certainly_not_done),
        cmocka_unit_test(a_forwarded_command_may_be_done),
        cmocka_unit_test(a_refused_command_is_certainly_not_done),
        cmocka_unit_test(silence_is_answered_by_a_retry),
        cmocka_unit_test(a_hint_is_followed_at_once),
        cmocka_unit_test(a_new_leader_gets_what_the_old_one_had),
        cmocka_unit_test(cancelling_withdraws_what_was_not_sent),
        cmocka_unit_test(nonsense_is_counted_and_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
