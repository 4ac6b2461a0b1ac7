#include "tests/unit/hull/bench.h"

#include <string.h>

static void a_command_is_done_when_its_record_is_synced(void **state)
{
    (void)state;
    struct bench b;
    struct caller caller = {0};
    lead_alone(&b);
    submit(&b, &caller, 1, 1000000);
    hull_flush(b.hull, b.now);
    assert_int_equal(caller.completed, 0);
    synced(&b, 0);
    expect(&caller, HULL_DONE);
    assert_int_equal(caller.result.value[0], 2);
    bench_close(&b);
}

static void what_comes_during_a_sync_rides_on_the_next(void **state)
{
    (void)state;
    struct bench b;
    struct caller callers[5] = {{0}};
    lead_alone(&b);
    uint32_t before = b.syncs;
    for (uint64_t i = 0; i < 5; i++) {
        submit(&b, &callers[i], i + 1, 1000000);
        hull_flush(b.hull, b.now);
    }
    assert_int_equal(b.syncs, before + 1);
    synced(&b, 0);
    assert_int_equal(b.syncs, before + 2);
    expect(&callers[0], HULL_DONE);
    assert_int_equal(callers[1].completed, 0);
    synced(&b, 0);
    expect(&callers[4], HULL_DONE);
    assert_int_equal(b.disk.syncing, 0);
    bench_close(&b);
}

static void large_records_that_all_have_do_not_stay_in_the_log(void **state)
{
    (void)state;
    static const char large[256 * 1024];
    struct bench b;
    struct hull_status status;
    lead_alone(&b);
    while (b.disk.count < LOG_MAX) {
        struct caller caller = {0};
        struct record *record =
            record_new(RECORD_COMMAND, (struct bytes){"body", 4},
                       (struct bytes){large, sizeof large});
        record->session = 7;
        record->serial = b.disk.count;
        record->origin = SELF;
        assert_int_equal(
            hull_submit(b.hull, b.now, record, b.now + 9000000, &caller), 0);
        hull_flush(b.hull, b.now);
        synced(&b, 0);
        expect(&caller, HULL_DONE);
    }
    hull_tree_durable(b.hull, b.now, b.applied);
    hull_get_status(b.hull, b.now, &status);
    assert_in_range(status.raft.first, LOG_MAX - 66, LOG_MAX - 60);
    bench_close(&b);
}

static void time_stamps_grow_though_the_clock_stands(void **state)
{
    (void)state;
    struct bench b;
    struct caller callers[2] = {{0}};
    lead_alone(&b);
    submit(&b, &callers[0], 1, 1000000);
    submit(&b, &callers[1], 2, 1000000);
    hull_flush(b.hull, b.now);
    assert_int_equal(b.disk.list[0]->time_ns, 101);
    assert_int_equal(b.disk.list[1]->time_ns, 102);
    assert_int_equal(b.disk.list[2]->time_ns, 103);
    bench_close(&b);
}

static void a_failed_write_takes_the_node_out_of_service(void **state)
{
    (void)state;
    struct bench b;
    struct caller caller = {0}, later = {0};
    lead_alone(&b);
    submit(&b, &caller, 1, 1000000);
    b.fails[CALL_APPEND] = -28;
    hull_flush(b.hull, b.now);
    expect(&caller, HULL_STOPPED);
    assert_int_equal(b.note.code, EVENT_APPEND_FAILED);
    assert_int_equal(b.note.error, -28);
    assert_int_equal(hull_deadline(b.hull), UINT64_MAX);
    struct record *record = command("more", 2);
    assert_int_equal(hull_submit(b.hull, b.now, record, b.now + 9, &later), -1);
    record_unref(record);
    assert_int_equal(hull_read(b.hull, b.now, b.now + 9, &later), -1);
    struct hull_status status;
    hull_get_status(b.hull, b.now, &status);
    assert_true(status.faulted);
    assert_non_null(strstr(status.fault, "-28"));
    hull_check(b.hull);
    bench_close(&b);
}

static void a_failed_sync_takes_the_node_out_of_service(void **state)
{
    (void)state;
    struct bench b;
    struct caller caller = {0};
    lead_alone(&b);
    submit(&b, &caller, 1, 1000000);
    hull_flush(b.hull, b.now);
    synced(&b, -5);
    expect(&caller, HULL_STOPPED);
    bench_close(&b);
}

static void a_read_shows_what_was_done_before(void **state)
{
    (void)state;
    struct bench b;
    struct caller read = {0};
    lead_alone(&b);
    assert_int_equal(hull_read(b.hull, b.now, b.now + 1000, &read), 0);
    assert_int_equal(read.completed, 0);
    hull_flush(b.hull, b.now);
    expect(&read, HULL_DONE);
    bench_close(&b);
}

static void a_pilot_may_submit_while_it_is_told(void **state)
{
    (void)state;
    struct bench b;
    struct caller caller = {0}, nested = {0};
    lead_alone(&b);
    b.nested = &nested;
    submit(&b, &caller, 1, 1000000);
    hull_flush(b.hull, b.now);
    synced(&b, 0);
    expect(&caller, HULL_DONE);
    assert_int_equal(nested.completed, 0);
    hull_flush(b.hull, b.now);
    synced(&b, 0);
    expect(&nested, HULL_DONE);
    bench_close(&b);
}

static void a_notice_to_ourselves_waits_for_the_flush(void **state)
{
    (void)state;
    struct bench b;
    lead_alone(&b);
    assert_true(hull_notice(b.hull, (struct bytes){"hi", 2}));
    assert_int_equal(b.notices, 0);
    hull_flush(b.hull, b.now);
    assert_int_equal(b.notices, 1);
    bench_close(&b);
}

static void stopping_tells_everybody_once(void **state)
{
    (void)state;
    struct bench b;
    struct caller caller = {0}, read = {0};
    bench_open(&b, 3);
    submit(&b, &caller, 1, 1000000);
    assert_int_equal(hull_read(b.hull, b.now, b.now + 1000, &read), 0);
    bench_close(&b);
    expect(&caller, HULL_STOPPED);
    expect(&read, HULL_STOPPED);
}

static void too_many_are_pushed_back(void **state)
{
    (void)state;
    struct bench b;
    struct caller callers[8] = {{0}}, one_more = {0};
    bench_open(&b, 3);
    for (uint64_t i = 0; i < 8; i++) {
        submit(&b, &callers[i], i + 1, 1000000);
    }
    struct record *record = command("more", 9);
    assert_int_equal(hull_submit(b.hull, b.now, record, b.now + 9, &one_more),
                     -1);
    record_unref(record);
    bench_close(&b);
    assert_int_equal(one_more.completed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_is_done_when_its_record_is_synced),
        cmocka_unit_test(what_comes_during_a_sync_rides_on_the_next),
        cmocka_unit_test(large_records_that_all_have_do_not_stay_in_the_log),
        cmocka_unit_test(time_stamps_grow_though_the_clock_stands),
        cmocka_unit_test(a_failed_write_takes_the_node_out_of_service),
        cmocka_unit_test(a_failed_sync_takes_the_node_out_of_service),
        cmocka_unit_test(a_read_shows_what_was_done_before),
        cmocka_unit_test(a_pilot_may_submit_while_it_is_told),
        cmocka_unit_test(a_notice_to_ourselves_waits_for_the_flush),
        cmocka_unit_test(stopping_tells_everybody_once),
        cmocka_unit_test(too_many_are_pushed_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
