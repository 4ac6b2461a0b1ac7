/* Changes of the membership: from whoever asks to the leader, into the log. */
#include "tests/unit/hull/bench.h"

#include "raft/wire/members.h"

static const struct raft_change add_two = {
    .op = RAFT_CHANGE_ADD,
    .member = {.id = OTHER, .name = "n2", .address = "h:1"}};

static void a_leader_writes_it_down(void **state)
{
    (void)state;
    struct bench b;
    struct raft_members members;
    lead_alone(&b);
    assert_true(hull_change(b.hull, b.now, 9, &add_two));
    assert_int_equal(b.request, 9);
    assert_int_equal(b.result, RAFT_CHANGE_OK);
    assert_int_equal(b.disk.count, 2);
    assert_int_equal(b.disk.list[1]->code, RECORD_CONFIG);
    assert_int_equal(members_decode(b.disk.list[1]->body, &members), 0);
    assert_int_equal(members.count, 2);
    assert_string_equal(members.list[1].address, "h:1");
    /* In force, and not committed before it is on disk. */
    assert_int_equal(b.members.index, 2);
    assert_int_equal(b.members_committed.index, 0);
    pass(&b, 10);
    synced(&b, 0);
    pass(&b, 10);
    assert_int_equal(b.members_committed.index, 2);
    assert_int_equal(b.applied, 2);
    hull_change(b.hull, b.now, 10, &add_two);
    assert_int_equal(b.result, RAFT_CHANGE_SAME);
    bench_close(&b);
}

static void others_ask_the_leader(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 3);
    assert_false(hull_change(b.hull, b.now, 1, &add_two)); /* nobody leads */
    heartbeat(&b, THIRD, 1);
    assert_true(hull_change(b.hull, b.now, 7, &add_two));
    struct frame_header header;
    const char *why;
    const struct frame *last = &b.sent[b.sent_count - 1];
    frame_header_decode((struct bytes){last->data, last->size}, &header, &why);
    assert_int_equal(header.kind, FRAME_CHANGE);
    assert_int_equal(header.to, THIRD);
    assert_int_equal(b.request, 0);
    deliver(&b, frame_encode_change_reply(THIRD, SELF, 7, RAFT_CHANGE_FULL));
    assert_int_equal(b.request, 7);
    assert_int_equal(b.result, RAFT_CHANGE_FULL);
    /* Who is asked and does not lead says so. */
    deliver(&b, frame_encode_change(OTHER, SELF, 8, &add_two));
    uint64_t request = 0;
    enum raft_change_result result = RAFT_CHANGE_OK;
    last = &b.sent[b.sent_count - 1];
    assert_int_equal(
        frame_decode_change_reply(
            frame_body((struct bytes){last->data, last->size}), &request,
            &result),
        0);
    assert_int_equal(request, 8);
    assert_int_equal(result, RAFT_CHANGE_NOT_LEADER);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leader_writes_it_down),
        cmocka_unit_test(others_ask_the_leader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
