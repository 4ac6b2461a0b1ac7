/* A leader whose records another one replaces, and whose callers still wait. */
#include "tests/unit/hull/bench.h"

enum { LONG = 600 * 1000 * 1000 }; /* us */

static struct hull_status status_of(struct bench *b)
{
    struct hull_status status;
    hull_get_status(b->hull, b->now, &status);
    return status;
}

static void sync_all(struct bench *b)
{
    while (b->disk.syncing != 0) {
        synced(b, 0);
        hull_flush(b->hull, b->now);
    }
}

static void answer(struct bench *b, enum raft_message_type type, raft_term term)
{
    struct raft_message m = {.type = type,
                             .from = OTHER,
                             .to = SELF,
                             .term = term,
                             .boot = OTHER,
                             .granted = true};
    deliver(b, frame_encode_raft(&m, NULL));
}

/* OTHER votes for us. */
static void win(struct bench *b)
{
    while (status_of(b).raft.role != RAFT_PRECANDIDATE) {
        pass(b, 10 * 1000);
    }
    answer(b, RAFT_PREVOTE_REPLY, status_of(b).raft.term + 1);
    sync_all(b);
    answer(b, RAFT_VOTE_REPLY, status_of(b).raft.term);
    assert_true(hull_is_leader(b->hull));
    sync_all(b);
}

/* `from` leads in `term`, and its record is at `index`, behind one of
 * prev_term. */
static void append(struct bench *b, node_id from, raft_term term,
                   struct record *record, raft_term prev_term,
                   raft_index commit)
{
    record->term = term;
    record->time_ns = 1000 * term;
    raft_index prev = record->index - 1;
    uint64_t before = prev > 0 ? b->disk.list[prev - 1]->chain : 0;
    record->chain = record_chain(record, before);
    struct raft_message m = {.type = RAFT_APPEND,
                             .from = from,
                             .to = SELF,
                             .term = term,
                             .boot = from,
                             .first = record->index,
                             .prev_index = prev,
                             .prev_term = prev_term,
                             .count = 1,
                             .commit = commit,
                             .quorum_ok = true,
                             .sent = 1};
    deliver(b, frame_encode_raft(&m, &record));
    record_unref(record);
    sync_all(b);
}

static void forward(struct bench *b)
{
    struct record *record = command("of a caller of another node", 1);
    record->origin = OTHER;
    record->session = 9;
    deliver(b, frame_encode_forward(OTHER, SELF, record));
    record_unref(record);
}

static void expect_command(const struct bench *b, raft_index index,
                           uint64_t session)
{
    assert_true(index <= b->disk.count);
    const struct record *record = b->disk.list[index - 1];
    assert_int_equal(record->code, RECORD_COMMAND);
    assert_int_equal(record->session, session);
    assert_int_equal(record->serial, 1);
}

/* Its own command and a forwarded one stood in its log, and were cut. It leads
 * again while both still wait: neither counts as logged, and the own one is
 * stamped anew. */
static void who_leads_again_logs_anew_what_was_cut(void **state)
{
    (void)state;
    struct bench b;
    struct caller caller = {0};
    bench_open(&b, 3);
    win(&b);
    submit(&b, &caller, 1, LONG);
    hull_flush(b.hull, b.now);
    forward(&b);
    assert_int_equal(b.disk.count, 3); /* 1 begins the term */
    expect_command(&b, 2, 7);
    expect_command(&b, 3, 9);

    struct record *theirs = command("of the next leader", 8);
    theirs->index = 1;
    append(&b, THIRD, 2, theirs, 0, 0);
    assert_int_equal(b.undone_count, 3);
    assert_int_equal(b.disk.count, 1);
    assert_int_equal(caller.completed, 0);

    win(&b);
    forward(&b);
    hull_flush(b.hull, b.now);
    assert_int_equal(b.disk.count, 4); /* 2 begins the term */
    expect_command(&b, 3, 7);
    expect_command(&b, 4, 9);
    assert_int_equal(caller.completed, 0);
    bench_close(&b);
}

/* A name is (node, session, serial): two nodes may have the same numbers. */
static void a_command_of_another_node_is_not_ours(void **state)
{
    (void)state;
    struct bench b;
    struct caller caller = {0};
    bench_open(&b, 3);
    heartbeat(&b, OTHER, 1);
    submit(&b, &caller, 1, LONG);
    hull_flush(b.hull, b.now);
    struct record *theirs = command("do it", 1);
    theirs->origin = THIRD;
    theirs->index = 1;
    append(&b, OTHER, 1, theirs, 0, 1);
    assert_int_equal(b.applied, 1);
    assert_int_equal(caller.completed, 0);
    struct record *ours = command("do it", 1);
    ours->index = 2;
    append(&b, OTHER, 1, ours, 1, 2);
    expect(&caller, HULL_DONE);
    assert_int_equal(caller.result.value[0], 2);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_leads_again_logs_anew_what_was_cut),
        cmocka_unit_test(a_command_of_another_node_is_not_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
