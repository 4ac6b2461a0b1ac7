#include "raft/wire/record.h"
#include "tests/unit/wire/golden.h"
#include "tests/unit/wire/hostile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct record *sample(void)
{
    struct bytes body = {"the command", 11}, payload = {"the payload!", 12};
    struct record *record = record_new(RECORD_COMMAND, body, payload);
    record->index = 0x1122334455667788;
    record->term = 7;
    record->time_ns = 1700000000123456789;
    record->origin = 0x0102030405060708;
    record->session = 99;
    record->serial = 100;
    record->chain = 0xaabbccddeeff0011;
    record->place = (struct record_place){.segment = 5, .position = 64};
    return record;
}

static uint8_t *encoded(const struct record *record, bool with_payload,
                        struct bytes *out)
{
    size_t size = record_size(record, with_payload);
    uint8_t *data = malloc(size);
    assert_non_null(data);
    record_encode(record, with_payload, data);
    *out = (struct bytes){data, size};
    return data;
}

static void assert_same(const struct record *a, const struct record *b)
{
    assert_true(a->index == b->index);
    assert_true(a->term == b->term);
    assert_true(a->time_ns == b->time_ns);
    assert_int_equal(a->code, b->code);
    assert_true(a->origin == b->origin);
    assert_true(a->session == b->session);
    assert_true(a->serial == b->serial);
    assert_int_equal(a->body.size, b->body.size);
    assert_memory_equal(a->body.data, b->body.data, a->body.size);
    assert_true(a->payload_size == b->payload_size);
    assert_true(a->payload_hash[0] == b->payload_hash[0]);
    assert_true(a->payload_hash[1] == b->payload_hash[1]);
    assert_true(a->chain == b->chain);
}

/* Of everything in it that is the same on all nodes, and of what was before. */
static void the_chain_is_of_all_that_was(void **state)
{
    (void)state;
    struct record *record = sample();
    const struct record was = *record;
    uint64_t chain = record_chain(record, 5);
    assert_int_not_equal(record_chain(record, 6), chain);
    record->chain++;
    record->place.segment++;
    assert_int_equal(record_chain(record, 5), chain);
    struct {
        void *field;
        size_t size;
    } fields[] = {
        {&record->index, 8},           {&record->term, 8},
        {&record->time_ns, 8},         {&record->code, 2},
        {&record->origin, 8},          {&record->session, 8},
        {&record->serial, 8},          {&record->payload_hash[0], 8},
        {&record->payload_hash[1], 8}, {&record->payload_size, 8},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        uint8_t *byte = fields[i].field;
        *byte ^= 1;
        assert_int_not_equal(record_chain(record, 5), chain);
        *byte ^= 1;
    }
    record->body = (struct bytes){"the Command", 11};
    assert_int_not_equal(record_chain(record, 5), chain);
    record->body = was.body;
    assert_int_equal(record_chain(record, 5), chain);
    record_unref(record);
}

static bool decode_with(struct bytes src)
{
    struct record *record;
    size_t used;
    if (record_decode(src, true, &record, &used) < 0) {
        return false;
    }
    bool whole = used == src.size;
    record_unref(record);
    return whole;
}

static bool decode_without(struct bytes src)
{
    struct record *record;
    size_t used;
    if (record_decode(src, false, &record, &used) < 0) {
        return false;
    }
    bool whole = used == src.size;
    record_unref(record);
    return whole;
}

static void a_record_comes_back_as_it_was(void **state)
{
    (void)state;
    struct record *record = sample(), *back = NULL;
    struct bytes bytes;
    size_t used = 0;
    uint8_t *data = encoded(record, true, &bytes);
    assert_int_equal(record_decode(bytes, true, &back, &used), 0);
    assert_int_equal(used, bytes.size);
    assert_same(record, back);
    assert_memory_equal(back->payload.data, "the payload!", 12);
    assert_int_equal(back->refs, 1);
    assert_true(back->place.segment == 0); /* never travels */
    record_unref(back);
    record_unref(record);
    free(data);
}

static void without_its_payload_it_still_knows_its_hash(void **state)
{
    (void)state;
    struct record *record = sample(), *back = NULL;
    struct bytes bytes;
    size_t used = 0;
    uint8_t *data = encoded(record, false, &bytes);
    assert_int_equal(record_decode(bytes, false, &back, &used), 0);
    assert_int_equal(used, bytes.size);
    assert_same(record, back);
    assert_null(back->payload.data);
    assert_true(record_payload_ok(back, record->payload));
    assert_false(record_payload_ok(back, (struct bytes){"the payload?", 12}));
    assert_false(record_payload_ok(back, (struct bytes){"the payload", 11}));
    record_unref(back);
    record_unref(record);
    free(data);
}

static void an_empty_payload_is_never_missing(void **state)
{
    (void)state;
    struct bytes nothing = {NULL, 0};
    struct record *record = record_new(RECORD_TERM_START, nothing, nothing);
    struct record *back = NULL;
    struct bytes bytes;
    size_t used;
    uint8_t *data = encoded(record, false, &bytes);
    assert_int_equal(bytes.size, RECORD_HEADER_SIZE);
    assert_int_equal(record_decode(bytes, false, &back, &used), 0);
    assert_non_null(back->payload.data);
    assert_int_equal(back->payload_size, 0);
    assert_true(record_payload_ok(back, nothing));
    assert_int_equal(record_size(back, true), record_size(back, false));
    record_unref(back);
    record_unref(record);
    free(data);
}

static void references_are_counted(void **state)
{
    (void)state;
    struct record *record = sample();
    assert_ptr_equal(record_ref(record), record);
    record_unref(record);
    assert_int_equal(record->refs, 1);
    record_unref(record);
    record_unref(NULL);
}

static void the_next_record_starts_where_this_one_ends(void **state)
{
    (void)state;
    struct record *record = sample(), *back = NULL;
    size_t size = record_size(record, true), used = 0;
    uint8_t *two = malloc(2 * size);
    assert_non_null(two);
    record_encode(record, true, two);
    record_encode(record, true, two + size);
    struct bytes both = {two, 2 * size};
    assert_int_equal(record_decode(both, true, &back, &used), 0);
    assert_int_equal(used, size);
    record_unref(back);
    record_unref(record);
    free(two);
}

static void damaged_records_are_refused(void **state)
{
    (void)state;
    struct record *record = sample();
    struct bytes bytes;
    uint8_t *data = encoded(record, true, &bytes);
    hostile_cuts(bytes, decode_with);
    hostile_flips_refused(bytes, decode_with);
    hostile_noise(bytes, decode_with);
    free(data);
    data = encoded(record, false, &bytes);
    hostile_cuts(bytes, decode_without);
    hostile_flips_refused(bytes, decode_without);
    hostile_noise(bytes, decode_without);
    free(data);
    record_unref(record);
}

static void the_bytes_are_the_golden_ones(void **state)
{
    (void)state;
    struct record *record = sample();
    struct bytes bytes;
    uint8_t *data = encoded(record, true, &bytes);
    golden_check("record", bytes);
    free(data);
    data = encoded(record, false, &bytes);
    golden_check("record-without-payload", bytes);
    free(data);
    record_unref(record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_chain_is_of_all_that_was),
        cmocka_unit_test(a_record_comes_back_as_it_was),
        cmocka_unit_test(without_its_payload_it_still_knows_its_hash),
        cmocka_unit_test(an_empty_payload_is_never_missing),
        cmocka_unit_test(references_are_counted),
        cmocka_unit_test(the_next_record_starts_where_this_one_ends),
        cmocka_unit_test(damaged_records_are_refused),
        cmocka_unit_test(the_bytes_are_the_golden_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
