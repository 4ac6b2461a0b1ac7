#include "raft/hull/inflight.h"

#include "tests/unit/hull/cmocka_all.h"

static struct record *command(node_id origin, uint64_t session, uint64_t serial,
                              char content)
{
    struct record *record = record_new(
        RECORD_COMMAND, (struct bytes){&content, 1}, (struct bytes){0});
    record->origin = origin;
    record->session = session;
    record->serial = serial;
    return record;
}

static void a_command_is_known_until_it_is_removed(void **state)
{
    (void)state;
    struct inflight inflight;
    inflight_init(&inflight);
    for (uint64_t i = 1; i <= 20000; i++) {
        struct record *record = command(i % 3 + 1, i % 7 + 1, i, 'a');
        inflight_put(&inflight, record, i);
        record_unref(record);
    }
    for (uint64_t i = 1; i <= 20000; i++) {
        struct record *record = command(i % 3 + 1, i % 7 + 1, i, 'a');
        assert_int_equal(inflight_get(&inflight, record), i);
        inflight_remove(&inflight, record, i);
        assert_int_equal(inflight_get(&inflight, record), 0);
        record_unref(record);
    }
    assert_int_equal(inflight.count, 0);
    inflight_release(&inflight);
}

static void another_origin_or_body_is_another_command(void **state)
{
    (void)state;
    struct inflight inflight;
    inflight_init(&inflight);
    struct record *record = command(1, 0, 1, 'a');
    struct record *other_origin = command(2, 0, 1, 'a');
    struct record *other_body = command(1, 0, 1, 'b');
    inflight_put(&inflight, record, 9);
    assert_int_equal(inflight_get(&inflight, other_origin), 0);
    assert_int_equal(inflight_get(&inflight, other_body), 0);
    record_unref(record);
    record_unref(other_origin);
    record_unref(other_body);
    inflight_release(&inflight);
}

static void the_newest_place_counts(void **state)
{
    (void)state;
    struct inflight inflight;
    inflight_init(&inflight);
    struct record *record = command(1, 2, 3, 'a');
    inflight_put(&inflight, record, 9);
    inflight_put(&inflight, record, 12);
    inflight_remove(&inflight, record, 9); /* applied; the second is not */
    assert_int_equal(inflight_get(&inflight, record), 12);
    record_unref(record);
    inflight_release(&inflight);
}

static void without_identity_nothing_is_remembered(void **state)
{
    (void)state;
    struct inflight inflight;
    inflight_init(&inflight);
    struct record *record = command(1, 0, 0, 'a');
    inflight_put(&inflight, record, 9);
    assert_int_equal(inflight_get(&inflight, record), 0);
    inflight_remove(&inflight, record, 9);
    record_unref(record);
    inflight_release(&inflight);
}

static void a_full_table_takes_no_more(void **state)
{
    (void)state;
    struct inflight inflight;
    inflight_init(&inflight);
    for (uint64_t i = 1; i <= INFLIGHT_MAX + 10; i++) {
        struct record *record = command(1, 1, i, 'a');
        inflight_put(&inflight, record, i);
        record_unref(record);
    }
    assert_int_equal(inflight.count, INFLIGHT_MAX);
    inflight_release(&inflight);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_is_known_until_it_is_removed),
        cmocka_unit_test(another_origin_or_body_is_another_command),
        cmocka_unit_test(the_newest_place_counts),
        cmocka_unit_test(without_identity_nothing_is_remembered),
        cmocka_unit_test(a_full_table_takes_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
