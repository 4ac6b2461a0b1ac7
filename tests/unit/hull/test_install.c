#include "tests/unit/hull/bench.h"

#include <string.h>

static void installed(struct bench *b, raft_index index, raft_term term)
{
    b->applied = index; /* the pilot's tree */
    const struct hull_snapshot snapshot = {
        .index = index, .term = term, .time_ns = 1000};
    hull_installed(b->hull, b->now, &snapshot);
    hull_check(b->hull);
}

/* willemt/raft 130: what somebody waits for is in the snapshot, and will not go
 * by. The leader is asked again, and its log gives the first answer. */
static void a_command_in_the_snapshot_is_sent_again(void **state)
{
    (void)state;
    struct bench b;
    struct caller caller = {0};
    bench_open(&b, 3);
    heartbeat(&b, OTHER, 1);
    submit(&b, &caller, 1, 10 * 1000 * 1000);
    hull_flush(b.hull, b.now);
    reply(&b, OTHER, FORWARD_TAKEN, OTHER);
    size_t before = forwards_to(&b, OTHER);
    installed(&b, 20, 1);
    assert_int_equal(b.reset_index, 20);
    assert_int_equal(b.reset_doubtful, 1);
    assert_int_equal(caller.completed, 0);
    hull_flush(b.hull, b.now);
    assert_int_equal(forwards_to(&b, OTHER), before + 1);
    struct hull_status status;
    hull_get_status(b.hull, b.now, &status);
    assert_int_equal(status.applied, 20);
    assert_int_equal(status.raft.first, 21);
    bench_close(&b);
}

static void a_read_is_served_from_the_snapshot(void **state)
{
    (void)state;
    struct bench b;
    struct caller read = {0};
    bench_open(&b, 3);
    heartbeat(&b, OTHER, 1);
    assert_int_equal(hull_read(b.hull, b.now, b.now + 1000000, &read), 0);
    hull_flush(b.hull, b.now);
    struct raft_message answer = {.type = RAFT_READ_REPLY,
                                  .from = OTHER,
                                  .to = SELF,
                                  .term = 1,
                                  .boot = 9,
                                  .granted = true,
                                  .read_id = last_read_id(&b),
                                  .read_index = 15};
    deliver(&b, frame_encode_raft(&answer, NULL));
    assert_int_equal(read.completed, 0);
    installed(&b, 20, 1);
    expect(&read, HULL_DONE);
    bench_close(&b);
}

static void says_that_we_are_behind(struct bench *b, node_id leader)
{
    struct raft_message beat = {.type = RAFT_APPEND,
                                .from = leader,
                                .to = SELF,
                                .term = 2,
                                .boot = 9,
                                .prev_index = 30,
                                .prev_term = 1,
                                .first = 31,
                                .sent = 1,
                                .behind = true};
    deliver(b, frame_encode_raft(&beat, NULL));
    assert_int_equal(b->snapshot_from, leader);
}

static void sends_a_part(struct bench *b, node_id from)
{
    struct frame bulk = frame_new(3);
    memcpy(bulk.data + FRAME_HEADER_SIZE, "abc", 3);
    frame_seal(&bulk, FRAME_SNAPSHOT, 0, from, SELF);
    deliver(b, bulk);
}

static void who_is_behind_is_told_to_the_pilot(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 3);
    says_that_we_are_behind(&b, THIRD);
    sends_a_part(&b, THIRD);
    assert_int_equal(b.bulks, 1);
    bench_close(&b);
}

/* Whoever joins knows the one member that it was told of. Only the snapshot names
 * the others, and the leader may be one of them. */
static void a_leader_that_is_not_known_yet_sends_the_snapshot(void **state)
{
    (void)state;
    enum { UNKNOWN = 4, STRANGER = 5 };
    struct bench b;
    bench_open(&b, 3);
    says_that_we_are_behind(&b, UNKNOWN);
    sends_a_part(&b, STRANGER);
    assert_int_equal(b.bulks, 0);
    sends_a_part(&b, UNKNOWN);
    assert_int_equal(b.bulks, 1);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_in_the_snapshot_is_sent_again),
        cmocka_unit_test(a_read_is_served_from_the_snapshot),
        cmocka_unit_test(who_is_behind_is_told_to_the_pilot),
        cmocka_unit_test(a_leader_that_is_not_known_yet_sends_the_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
