/* Messages of the consensus, as frames. */
#include "raft/wire/frame.h"
#include "tests/unit/wire/golden.h"
#include "tests/unit/wire/hostile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* One message of each type with all fields that the type carries. */
static const struct raft_message samples[] = {
    {.type = RAFT_PREVOTE,
     .from = 11,
     .to = 12,
     .term = 5,
     .boot = 77,
     .prev_index = 100,
     .prev_term = 4},
    {.type = RAFT_PREVOTE_REPLY,
     .from = 12,
     .to = 11,
     .term = 5,
     .boot = 78,
     .granted = true},
    {.type = RAFT_VOTE,
     .from = 11,
     .to = 12,
     .term = 5,
     .boot = 77,
     .prev_index = 100,
     .prev_term = 4,
     .transfer = true},
    {.type = RAFT_VOTE_REPLY,
     .from = 12,
     .to = 11,
     .term = 5,
     .boot = 78,
     .granted = true,
     .quiet = 750000},
    {.type = RAFT_APPEND,
     .from = 11,
     .to = 12,
     .term = 5,
     .boot = 77,
     .prev_index = 100,
     .prev_term = 4,
     .commit = 99,
     .first = 101,
     .quorum_ok = true,
     .trim = 50,
     .sent = 123456789,
     .lease_boot = 78,
     .lease_asked = 987654321,
     .lease_us = 480000,
     .revoke = true,
     .count = 2},
    {.type = RAFT_APPEND_REPLY,
     .from = 12,
     .to = 11,
     .term = 5,
     .boot = 78,
     .granted = true,
     .match = 102,
     .hint = 90,
     .hint_term = 3,
     .applied = 98,
     .seen = 104,
     .asked = 987654321,
     .dropped = 987650000,
     .sent = 123456789},
    {.type = RAFT_READ,
     .from = 12,
     .to = 11,
     .term = 5,
     .boot = 78,
     .read_id = 4242},
    {.type = RAFT_READ_REPLY,
     .from = 11,
     .to = 12,
     .term = 5,
     .boot = 77,
     .read_id = 4242,
     .granted = true,
     .read_index = 101},
    {.type = RAFT_TIMEOUT_NOW, .from = 11, .to = 12, .term = 5, .boot = 77},
};
static const char *const names[] = {
    "prevote",      "prevote-reply", "vote",       "vote-reply",  "append",
    "append-reply", "read",          "read-reply", "timeout-now",
};

enum { SAMPLES = sizeof(samples) / sizeof(samples[0]) };

static struct record *records_101_102[2];

static int make_records(void **state)
{
    (void)state;
    struct bytes body = {"mkdir", 5}, payload = {"bytes of a write", 16};
    records_101_102[0] = record_new(RECORD_COMMAND, body, (struct bytes){0});
    records_101_102[1] = record_new(RECORD_COMMAND, body, payload);
    for (unsigned i = 0; i < 2; i++) {
        records_101_102[i]->index = 101 + i;
        records_101_102[i]->term = 4 + i;
        records_101_102[i]->time_ns = 1000 + i;
    }
    return 0;
}

static int free_records(void **state)
{
    (void)state;
    record_unref(records_101_102[0]);
    record_unref(records_101_102[1]);
    return 0;
}

static struct frame encode(const struct raft_message *message)
{
    return frame_encode_raft(message,
                             message->count > 0 ? records_101_102 : NULL);
}

static struct bytes view(const struct frame *frame)
{
    return (struct bytes){frame->data, frame->size};
}

static bool decode_body(struct bytes body)
{
    struct raft_message message;
    struct record **records;
    if (frame_decode_raft(body, &message, &records) < 0) {
        assert_null(records);
        return false;
    }
    frame_records_free(records, message.count);
    return true;
}

static bool decode_whole(struct bytes whole)
{
    return frame_ok(whole) && decode_body(frame_body(whole));
}

/* The padding of structs is not compared: field by field. */
static void assert_same(const struct raft_message *a,
                        const struct raft_message *b)
{
    assert_int_equal(a->type, b->type);
    const struct raft_message_field *field = raft_message_fields;
    for (; field->name != NULL; field++) {
        if (raft_message_get(a, field) != raft_message_get(b, field)) {
            fail_msg("%s of a message of type %d", field->name, a->type);
        }
    }
}

static void every_message_comes_back_as_it_was(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        struct frame frame = encode(&samples[i]);
        struct raft_message back;
        struct record **records;
        assert_true(frame_ok(view(&frame)));
        assert_int_equal(
            frame_decode_raft(frame_body(view(&frame)), &back, &records), 0);
        assert_same(&samples[i], &back);
        if (back.count > 0) {
            assert_true(records[1]->index == 102);
            assert_memory_equal(records[1]->payload.data, "bytes of a write",
                                16);
        } else {
            assert_null(records);
        }
        frame_records_free(records, back.count);
        frame_release(&frame);
    }
}

static void no_field_of_a_type_is_lost(void **state)
{
    (void)state;
    for (unsigned type = 1; type < RAFT_MESSAGE_TYPES_END; type++) {
        struct raft_message message = {.type = (enum raft_message_type)type};
        const struct raft_message_field *field = raft_message_fields;
        for (; field->name != NULL; field++) {
            if (raft_message_has(field, message.type)) {
                raft_message_set(&message, field, UINT64_MAX / 3);
            }
        }
        message.count = 0;
        message.first = message.first == 0 ? 0 : message.prev_index + 1;
        struct frame frame = encode(&message);
        struct raft_message back;
        struct record **records;
        assert_int_equal(
            frame_decode_raft(frame_body(view(&frame)), &back, &records), 0);
        assert_same(&message, &back);
        frame_release(&frame);
    }
}

static void the_frame_names_sender_and_receiver(void **state)
{
    (void)state;
    struct frame frame = encode(&samples[0]);
    struct frame_header header;
    const char *why = NULL;
    assert_int_equal(frame_header_decode(view(&frame), &header, &why), 1);
    assert_int_equal(header.kind, FRAME_RAFT);
    assert_true(header.from == 11 && header.to == 12);
    frame_release(&frame);
}

static void damaged_messages_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        struct frame frame = encode(&samples[i]);
        hostile_cuts(view(&frame), decode_whole);
        hostile_flips_refused(view(&frame), decode_whole);
        hostile_cuts(frame_body(view(&frame)), decode_body);
        hostile_noise(frame_body(view(&frame)), decode_body);
        frame_release(&frame);
    }
}

static void records_must_be_the_ones_that_the_message_names(void **state)
{
    (void)state;
    struct raft_message message = samples[4];
    assert_int_equal(message.type, RAFT_APPEND);

    message.first = 102; /* not prev_index + 1 */
    struct frame frame = encode(&message);
    assert_false(decode_whole(view(&frame)));
    frame_release(&frame);

    message.first = 201; /* the records are 101 and 102 */
    message.prev_index = 200;
    frame = encode(&message);
    assert_false(decode_whole(view(&frame)));
    frame_release(&frame);

    message = samples[4];
    message.term = 4; /* the second record is of term 5 */
    frame = encode(&message);
    assert_false(decode_whole(view(&frame)));
    frame_release(&frame);

    message = samples[4];
    message.prev_term = 5; /* the first record is of term 4 */
    frame = encode(&message);
    assert_false(decode_whole(view(&frame)));
    frame_release(&frame);
}

static void a_count_that_cannot_be_is_refused_unread(void **state)
{
    (void)state;
    struct raft_message message = samples[4];
    message.count = 0;
    struct frame frame = encode(&message);
    /* type, from, to, term, boot, prev_index, prev_term, commit, first */
    uint8_t *count = frame.data + FRAME_HEADER_SIZE + 2 + 8 * 8;
    memset(count, 0xff, 4);
    assert_false(decode_body(frame_body(view(&frame))));
    frame_release(&frame);
}

static void the_last_index_does_not_wrap_around(void **state)
{
    (void)state;
    struct raft_message message = samples[4];
    message.count = 0;
    message.prev_index = UINT64_MAX;
    message.first = 0;
    struct frame frame = encode(&message);
    assert_false(decode_whole(view(&frame)));
    frame_release(&frame);
}

static void the_bytes_are_the_golden_ones(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        struct frame frame = encode(&samples[i]);
        char name[64];
        snprintf(name, sizeof(name), "message-%s", names[i]);
        golden_check(name, view(&frame));
        frame_release(&frame);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_comes_back_as_it_was),
        cmocka_unit_test(no_field_of_a_type_is_lost),
        cmocka_unit_test(the_frame_names_sender_and_receiver),
        cmocka_unit_test(damaged_messages_are_refused),
        cmocka_unit_test(records_must_be_the_ones_that_the_message_names),
        cmocka_unit_test(a_count_that_cannot_be_is_refused_unread),
        cmocka_unit_test(the_last_index_does_not_wrap_around),
        cmocka_unit_test(the_bytes_are_the_golden_ones),
    };
    return cmocka_run_group_tests(tests, make_records, free_records);
}
