/* The envelope, and the frames around the consensus. */
#include "raft/wire/frame.h"
#include "tests/unit/wire/golden.h"
#include "tests/unit/wire/hostile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct bytes view(const struct frame *frame)
{
    return (struct bytes){frame->data, frame->size};
}

static struct frame notice(const char *text)
{
    struct frame frame = frame_new(strlen(text));
    memcpy(frame.data + FRAME_HEADER_SIZE, text, strlen(text));
    frame_seal(&frame, FRAME_NOTICE, FRAME_RELAYED, 1, 2);
    return frame;
}

static void a_header_tells_kind_size_and_nodes(void **state)
{
    (void)state;
    struct frame frame = notice("hello");
    struct frame_header header;
    const char *why = NULL;
    assert_int_equal(frame_header_decode(view(&frame), &header, &why), 1);
    assert_int_equal(header.kind, FRAME_NOTICE);
    assert_int_equal(header.body_size, 5);
    assert_int_equal(header.flags, FRAME_RELAYED);
    assert_true(header.from == 1 && header.to == 2);
    assert_true(frame_ok(view(&frame)));
    assert_int_equal(frame_body(view(&frame)).size, 5);
    golden_check("frame-notice", view(&frame));
    frame_release(&frame);
    assert_null(frame.data);
}

static void a_short_header_waits_for_more(void **state)
{
    (void)state;
    struct frame frame = notice("");
    struct frame_header header;
    const char *why = NULL;
    for (size_t size = 0; size < FRAME_HEADER_SIZE; size++) {
        struct bytes part = {frame.data, size};
        assert_int_equal(frame_header_decode(part, &header, &why), 0);
    }
    assert_true(frame_ok(view(&frame))); /* an empty body is fine */
    frame_release(&frame);
}

static const char *refusal(size_t at, uint8_t value)
{
    struct frame frame = notice("x");
    struct frame_header header;
    const char *why = NULL;
    frame.data[at] = value;
    assert_int_equal(frame_header_decode(view(&frame), &header, &why), -1);
    frame_release(&frame);
    return why;
}

static void what_is_not_a_frame_is_said(void **state)
{
    (void)state;
    assert_string_equal(refusal(0, 'G'), "this is not the protocol of raftfs");
    assert_string_equal(refusal(4, 9), "another version of the protocol");
    assert_string_equal(refusal(6, 0), "unknown kind of frame");
    assert_string_equal(refusal(6, FRAME_KINDS_END), "unknown kind of frame");
    assert_string_equal(refusal(11, 1), "frame is too large");
}

static void damaged_frames_are_refused(void **state)
{
    (void)state;
    struct frame frame = notice("some words to be damaged");
    hostile_cuts(view(&frame), frame_ok);
    hostile_flips_refused(view(&frame), frame_ok);
    hostile_noise(view(&frame), frame_ok);
    frame_release(&frame);
}

/* --- forward --- */

static bool decode_forward(struct bytes body)
{
    struct record *record;
    if (frame_decode_forward(body, &record) < 0) {
        return false;
    }
    record_unref(record);
    return true;
}

static void a_forwarded_record_comes_back_as_it_was(void **state)
{
    (void)state;
    struct bytes body = {"cmd", 3}, payload = {"data", 4};
    struct record *record = record_new(RECORD_COMMAND, body, payload);
    struct record *back = NULL;
    record->session = 8;
    record->serial = 9;
    struct frame frame = frame_encode_forward(1, 2, record);
    assert_true(frame_ok(view(&frame)));
    golden_check("frame-forward", view(&frame));
    assert_int_equal(frame_decode_forward(frame_body(view(&frame)), &back), 0);
    assert_true(back->session == 8 && back->serial == 9);
    assert_int_equal(back->index, 0);
    assert_memory_equal(back->payload.data, "data", 4);
    hostile_cuts(frame_body(view(&frame)), decode_forward);
    hostile_flips_refused(frame_body(view(&frame)), decode_forward);
    record_unref(back);
    record_unref(record);
    frame_release(&frame);
}

static bool decode_forward_reply(struct bytes body)
{
    struct forward_reply reply;
    return frame_decode_forward_reply(body, &reply) == 0;
}

static void a_forward_reply_comes_back_as_it_was(void **state)
{
    (void)state;
    struct forward_reply reply = {.session = 8,
                                  .serial = 9,
                                  .leader = 3,
                                  .status = FORWARD_TAKEN,
                                  .index = 77,
                                  .term = 4};
    struct forward_reply back;
    struct frame frame = frame_encode_forward_reply(2, 1, &reply);
    golden_check("frame-forward-reply", view(&frame));
    struct bytes body = frame_body(view(&frame));
    assert_int_equal(frame_decode_forward_reply(body, &back), 0);
    assert_true(back.session == 8 && back.serial == 9 && back.leader == 3);
    assert_true(back.index == 77 && back.term == 4);
    assert_int_equal(back.status, FORWARD_TAKEN);
    hostile_cuts(body, decode_forward_reply);
    hostile_noise(body, decode_forward_reply);
    frame.data[FRAME_HEADER_SIZE + 16] = FORWARD_STATUS_END;
    assert_false(decode_forward_reply(body));
    frame.data[FRAME_HEADER_SIZE + 16] = 0;
    assert_false(decode_forward_reply(body));
    frame_release(&frame);
}

/* --- hello --- */

static bool decode_cannot_sync(struct bytes body)
{
    struct cannot_sync what;
    return frame_decode_cannot_sync(body, &what) == 0;
}

static void cannot_sync_comes_back_as_it_was(void **state)
{
    (void)state;
    struct cannot_sync back, what = {
        .index = 77, .term = 4, .error = -5, .code = "undo-failed"};
    struct frame frame = frame_encode_cannot_sync(2, 1, &what);
    golden_check("frame-cannot-sync", view(&frame));
    struct bytes body = frame_body(view(&frame));
    assert_int_equal(frame_decode_cannot_sync(body, &back), 0);
    assert_true(back.index == 77 && back.term == 4 && back.error == -5);
    assert_string_equal(back.code, "undo-failed");
    hostile_cuts(body, decode_cannot_sync);
    hostile_noise(body, decode_cannot_sync);
    frame.data[frame.size - 1] = '\n';
    assert_false(decode_cannot_sync(body));
    frame_release(&frame);
}

static bool decode_hello(struct bytes body)
{
    struct hello hello;
    return frame_decode_hello(body, &hello) == 0;
}

static void a_hello_comes_back_as_it_was(void **state)
{
    (void)state;
    struct hello hello = {.protocol = 1,
                          .cluster_id = 0xc0ffee,
                          .node = 5,
                          .boot = 6,
                          .name = "n1",
                          .status = HELLO_WRONG_NODE,
                          .disk = 0xd15c,
                          .rejoined = true,
                          .lease_us = 500000};
    struct hello back;
    struct frame frame = frame_encode_hello(FRAME_HELLO_REPLY, 5, 7, &hello);
    golden_check("frame-hello-reply", view(&frame));
    struct bytes body = frame_body(view(&frame));
    assert_int_equal(frame_decode_hello(body, &back), 0);
    assert_int_equal(back.protocol, 1);
    assert_int_equal(back.cluster_id, 0xc0ffee);
    assert_true(back.node == 5 && back.boot == 6);
    assert_string_equal(back.name, "n1");
    assert_int_equal(back.status, HELLO_WRONG_NODE);
    assert_true(back.disk == 0xd15c && back.rejoined);
    assert_int_equal(back.lease_us, 500000);
    hostile_cuts(body, decode_hello);
    hostile_noise(body, decode_hello);
    frame_release(&frame);
}

static bool hello_with_name(const char *name)
{
    struct hello hello = {.protocol = 1};
    memcpy(hello.name, name, strlen(name) + 1);
    struct frame frame = frame_encode_hello(FRAME_HELLO, 1, 2, &hello);
    bool taken = decode_hello(frame_body(view(&frame)));
    frame_release(&frame);
    return taken;
}

static void a_strangers_name_cannot_draw_on_the_terminal(void **state)
{
    (void)state;
    assert_true(hello_with_name("node-1"));
    assert_true(hello_with_name("123456789012345678901234567890123456789012345"
                                "678901234567890123"));
    assert_false(hello_with_name("\033[2J"));
    assert_false(hello_with_name("a\nb"));
    assert_false(hello_with_name("\xc2\x9b"));
}

/* --- ping --- */

static bool decode_ping(struct bytes body)
{
    struct ping ping;
    return frame_decode_ping(body, &ping) == 0;
}

static void a_ping_comes_back_as_it_was(void **state)
{
    (void)state;
    struct ping ping = {
        .count = 2,
        .rows = {{.node = 3, .hears = true}, {.node = 4, .heard_by = true}}};
    struct ping back;
    struct frame frame = frame_encode_ping(1, 2, &ping);
    golden_check("frame-ping", view(&frame));
    struct bytes body = frame_body(view(&frame));
    assert_int_equal(frame_decode_ping(body, &back), 0);
    assert_int_equal(back.count, 2);
    assert_true(back.rows[0].node == 3 && back.rows[1].node == 4);
    assert_true(back.rows[0].hears && !back.rows[0].heard_by);
    assert_true(!back.rows[1].hears && back.rows[1].heard_by);
    hostile_cuts(body, decode_ping);
    hostile_noise(body, decode_ping);
    frame.data[FRAME_HEADER_SIZE + 4 + 8] = 2; /* a bool is 0 or 1 */
    assert_false(decode_ping(body));
    frame.data[FRAME_HEADER_SIZE + 4 + 8] = 1;
    frame.data[FRAME_HEADER_SIZE] = RAFT_PEERS_MAX + 1;
    assert_false(decode_ping(body));
    frame_release(&frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_tells_kind_size_and_nodes),
        cmocka_unit_test(a_short_header_waits_for_more),
        cmocka_unit_test(what_is_not_a_frame_is_said),
        cmocka_unit_test(damaged_frames_are_refused),
        cmocka_unit_test(a_forwarded_record_comes_back_as_it_was),
        cmocka_unit_test(a_forward_reply_comes_back_as_it_was),
        cmocka_unit_test(cannot_sync_comes_back_as_it_was),
        cmocka_unit_test(a_hello_comes_back_as_it_was),
        cmocka_unit_test(a_strangers_name_cannot_draw_on_the_terminal),
        cmocka_unit_test(a_ping_comes_back_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
