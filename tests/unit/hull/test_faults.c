/* Every call of the log and the pilot fails once: the node goes out of service
 * with the code that says which, tells it once, and does nothing more. */
#include "tests/unit/hull/bench.h"

#include "raft/wire/members.h"

#include <string.h>

static int sent_cannot_sync(struct bench *b, node_id to, enum hull_event code)
{
    int count = 0;
    for (size_t i = 0; i < b->sent_count; i++) {
        struct bytes whole = {b->sent[i].data, b->sent[i].size};
        struct frame_header header;
        struct cannot_sync what;
        const char *why;
        frame_header_decode(whole, &header, &why);
        if (header.kind == FRAME_CANNOT_SYNC && header.to == to) {
            assert_int_equal(
                frame_decode_cannot_sync(frame_body(whole), &what), 0);
            assert_string_equal(what.code, event_name(code));
            assert_int_equal(what.index, b->note.index);
            count++;
        }
    }
    return count;
}

static void expect_fault(struct bench *b, enum hull_event code, int error)
{
    struct hull_status status;
    hull_get_status(b->hull, b->now, &status);
    assert_true(status.faulted);
    assert_int_equal(b->events.counts[code], 1);
    assert_int_equal(b->note.code, code);
    assert_int_equal(b->note.error, error);
    assert_non_null(strstr(status.fault, event_sentence(code)));
    assert_int_equal(hull_deadline(b->hull), UINT64_MAX);
    if (b->leader != 0) {
        assert_int_equal(sent_cannot_sync(b, b->leader, code), 1);
    }
    size_t sent = b->sent_count;
    pass(b, 5 * 1000 * 1000);
    assert_int_equal(b->sent_count, sent);
    hull_check(b->hull);
}

/* `from` sends the record (which is taken) as one of `term` at `index`, behind
 * prev_term. */
static void append_record(struct bench *b, struct record *record, node_id from,
                          raft_term term, raft_index index,
                          raft_term prev_term, raft_index commit)
{
    record->origin = from;
    record->index = index;
    record->term = term;
    record->time_ns = 500 + index;
    uint64_t before = index == 1 ? 0 : b->disk.list[index - 2]->chain;
    record->chain = record_chain(record, before);
    struct raft_message m = {.type = RAFT_APPEND,
                             .from = from,
                             .to = SELF,
                             .term = term,
                             .boot = from,
                             .first = index,
                             .prev_index = index - 1,
                             .prev_term = prev_term,
                             .count = 1,
                             .commit = commit,
                             .quorum_ok = true,
                             .sent = 1};
    deliver(b, frame_encode_raft(&m, &record));
    record_unref(record);
    while (b->disk.syncing != 0) {
        synced(b, 0);
    }
}

static void append(struct bench *b, node_id from, raft_term term,
                   raft_index index, raft_term prev_term, raft_index commit)
{
    append_record(b, command("theirs", 1000 * term + index), from, term, index,
                  prev_term, commit);
}

/* OTHER's records 1..count of term 1, of which the first is committed. */
static void follow(struct bench *b, raft_index count)
{
    bench_open(b, 3);
    for (raft_index i = 1; i <= count; i++) {
        append(b, OTHER, 1, i, i == 1 ? 0 : 1, 1);
    }
    assert_int_equal(b->disk.count, count);
}

/* Its records 1 and 2 are of the same terms, but its first is another. */
static void a_leader_with_another_past(void **state)
{
    (void)state;
    struct bench b;
    follow(&b, 1);
    struct record *first = command("another", 1);
    struct record *second = command("theirs", 2);
    first->origin = second->origin = OTHER;
    first->term = second->term = 1;
    first->index = 1;
    second->index = 2;
    second->chain = record_chain(second, record_chain(first, 0));
    struct raft_message m = {.type = RAFT_APPEND,
                             .from = OTHER,
                             .to = SELF,
                             .term = 1,
                             .boot = OTHER,
                             .first = 2,
                             .prev_index = 1,
                             .prev_term = 1,
                             .count = 1,
                             .commit = 1,
                             .quorum_ok = true,
                             .sent = 1};
    deliver(&b, frame_encode_raft(&m, &second));
    expect_fault(&b, EVENT_DIVERGED, 0);
    assert_int_equal(b.disk.count, 1);
    record_unref(first);
    record_unref(second);
    bench_close(&b);
}

static void a_failed_save(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 3);
    b.fails[CALL_SAVE] = -5;
    heartbeat(&b, OTHER, 1);
    expect_fault(&b, EVENT_SAVE_FAILED, -5);
    bench_close(&b);
}

static void a_failed_append(void **state)
{
    (void)state;
    struct bench b;
    follow(&b, 1);
    b.fails[CALL_APPEND] = -5;
    append(&b, OTHER, 1, 2, 1, 1);
    expect_fault(&b, EVENT_APPEND_FAILED, -5);
    bench_close(&b);
}

static void a_failed_stage(void **state)
{
    (void)state;
    struct bench b;
    struct caller caller = {0};
    lead_alone(&b);
    struct record *record = record_new(
        RECORD_COMMAND, (struct bytes){"w", 1}, (struct bytes){"payload", 7});
    record->origin = SELF;
    record->session = 7;
    record->serial = 1;
    b.fails[CALL_STAGE] = -5;
    assert_int_equal(
        hull_submit(b.hull, b.now, record, b.now + 1000, &caller), 0);
    hull_flush(b.hull, b.now);
    expect(&caller, HULL_STOPPED);
    expect_fault(&b, EVENT_STAGE_FAILED, -5);
    bench_close(&b);
}

static void a_failed_sync(void **state)
{
    (void)state;
    struct bench b;
    struct caller caller = {0};
    lead_alone(&b);
    submit(&b, &caller, 1, 1000000);
    hull_flush(b.hull, b.now);
    synced(&b, -5);
    expect(&caller, HULL_STOPPED);
    expect_fault(&b, EVENT_SYNC_FAILED, -5);
    assert_int_equal(b.disk.syncing, 0); /* never tried again */
    bench_close(&b);
}

static void a_failed_truncate(void **state)
{
    (void)state;
    struct bench b;
    follow(&b, 3);
    b.fails[CALL_TRUNCATE] = -5;
    append(&b, THIRD, 2, 2, 1, 1);
    expect_fault(&b, EVENT_TRUNCATE_FAILED, -5);
    assert_int_equal(b.disk.count, 3);
    assert_int_equal(b.disk.list[1]->term, 1);
    bench_close(&b);
}

/* What stands in the log is undone newest first, then it is cut, and only then
 * the new leader's records are written. A failure in the middle keeps them all. */
static void a_failed_undo_writes_nothing(void **state)
{
    (void)state;
    struct bench b;
    follow(&b, 4);
    b.fails[CALL_UNDO] = -7;
    b.undo_fails_at = 3;
    append(&b, THIRD, 2, 2, 1, 1);
    expect_fault(&b, EVENT_UNDO_FAILED, -7);
    assert_int_equal(b.note.index, 3);
    assert_int_equal(b.undone_count, 1);
    assert_int_equal(b.undone[0], 4);
    assert_int_equal(b.disk.count, 4);
    assert_int_equal(b.disk.list[3]->term, 1);
    bench_close(&b);
}

static void an_undo_takes_the_newest_first(void **state)
{
    (void)state;
    struct bench b;
    follow(&b, 4);
    append(&b, THIRD, 2, 2, 1, 1);
    assert_int_equal(b.events.counts[EVENT_TRUNCATED], 1);
    assert_int_equal(b.undone_count, 3);
    for (raft_index i = 0; i < 3; i++) {
        assert_int_equal(b.undone[i], 4 - i);
    }
    assert_int_equal(b.disk.count, 2);
    assert_int_equal(b.disk.list[1]->term, 2);
    bench_close(&b);
}

/* The record is kept as it is: evidence. */
static void a_contradicted_commit_is_never_obeyed(void **state)
{
    (void)state;
    struct bench b;
    follow(&b, 2);
    append(&b, OTHER, 1, 3, 1, 3);
    assert_int_equal(b.applied, 3);
    append(&b, THIRD, 2, 2, 1, 3);
    expect_fault(&b, EVENT_DIVERGED, 0);
    assert_int_equal(b.note.peer, THIRD);
    assert_int_equal(b.note.index, 2);
    assert_int_equal(b.undone_count, 0);
    assert_int_equal(b.disk.count, 3);
    assert_int_equal(b.disk.list[1]->term, 1);
    bench_close(&b);
}

static void a_failed_apply(void **state)
{
    (void)state;
    struct bench b;
    follow(&b, 2);
    b.fails[CALL_APPLY] = -5;
    append(&b, OTHER, 1, 3, 1, 2);
    expect_fault(&b, EVENT_APPLY_FAILED, -5);
    assert_int_equal(b.note.index, 2);
    bench_close(&b);
}

static void a_failed_end_of_apply(void **state)
{
    (void)state;
    struct bench b;
    follow(&b, 2);
    b.fails[CALL_APPLIED] = -5;
    append(&b, OTHER, 1, 3, 1, 2);
    expect_fault(&b, EVENT_APPLIED_FAILED, -5);
    bench_close(&b);
}

/* A record that is not in the cache. */
static void a_failed_read(void **state)
{
    (void)state;
    struct bench b;
    struct hull_options options;
    hull_options_default(&options);
    options.cache_bytes = 0;
    bench_open_with(&b, 3, &options);
    append(&b, OTHER, 1, 1, 0, 0);
    append(&b, OTHER, 1, 2, 1, 0);
    b.fails[CALL_READ] = -3;
    append(&b, OTHER, 1, 3, 1, 2);
    expect_fault(&b, EVENT_READ_FAILED, -3);
    bench_close(&b);
}

static void a_failed_compact(void **state)
{
    (void)state;
    struct bench b;
    struct hull_options options;
    hull_options_default(&options);
    options.log_trailing = 0;
    bench_open_with(&b, 1, &options);
    become_leader(&b);
    while (b.disk.count < LOG_MAX) {
        struct caller caller = {0};
        submit(&b, &caller, b.disk.count, 1000000);
        hull_flush(b.hull, b.now);
        synced(&b, 0);
        expect(&caller, HULL_DONE);
    }
    b.fails[CALL_COMPACT] = -5;
    hull_tree_durable(b.hull, b.now, b.applied);
    expect_fault(&b, EVENT_COMPACT_FAILED, -5);
    bench_close(&b);
}

static void the_program_may_say_so(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 3);
    hull_fault(b.hull, b.now, "the tree smells");
    assert_int_equal(b.note.code, EVENT_OUT_OF_SERVICE);
    assert_string_equal(b.note.text, "the tree smells");
    bench_close(&b);
}

/* SELF is elected by OTHER. */
static void elect(struct bench *b, raft_term term)
{
    for (enum raft_message_type type = RAFT_PREVOTE_REPLY;
         type <= RAFT_VOTE_REPLY; type += RAFT_VOTE_REPLY - RAFT_PREVOTE_REPLY) {
        pass(b, type == RAFT_PREVOTE_REPLY ? 2 * 700 * 1000 : 10);
        while (b->disk.syncing != 0) {
            synced(b, 0);
        }
        struct raft_message m = {.type = type,
                                 .from = OTHER,
                                 .to = SELF,
                                 .term = term,
                                 .boot = OTHER,
                                 .granted = true};
        deliver(b, frame_encode_raft(&m, NULL));
    }
    assert_true(hull_is_leader(b->hull));
}

/* What a leader stamps goes on from what is there. */
static void the_chain_goes_on(void **state)
{
    (void)state;
    struct bench b;
    struct caller caller = {0};
    follow(&b, 2);
    elect(&b, 2);
    submit(&b, &caller, 1, 1000000);
    hull_flush(b.hull, b.now);
    uint64_t chain = 0;
    for (raft_index i = 0; i < b.disk.count; i++) {
        chain = record_chain(b.disk.list[i], chain);
        assert_int_equal(b.disk.list[i]->chain, chain);
    }
    assert_int_equal(b.disk.count, 4);
    assert_int_not_equal(chain, 0);
    bench_close(&b);
}

static void a_leader_without_a_majority(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 3);
    elect(&b, 1);
    pass(&b, 2 * 1000 * 1000);
    assert_false(hull_is_leader(b.hull));
    assert_int_equal(b.events.counts[EVENT_LOST_QUORUM], 1);
    bench_close(&b);
}

static void a_candidate_that_nobody_needs(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 3);
    heartbeat(&b, OTHER, 1);
    struct raft_message m = {.type = RAFT_VOTE,
                             .from = THIRD,
                             .to = SELF,
                             .term = 2,
                             .boot = 6};
    deliver(&b, frame_encode_raft(&m, NULL));
    assert_int_equal(b.note.code, EVENT_VOTE_REFUSED);
    assert_int_equal(b.note.peer, THIRD);
    bench_close(&b);
}

/* The configuration of three, OTHER preferred, without SELF if wanted. */
static struct record *configuration(bool without_self)
{
    uint8_t body[MEMBERS_BODY_MAX];
    struct raft_members members = {.count = 0};
    for (node_id id = without_self ? OTHER : SELF; id <= THIRD; id++) {
        members.list[members.count++] = (struct raft_member){
            .id = id, .voter = true, .priority = id == OTHER ? 9 : 1};
    }
    members_encode(&members, body);
    return record_new(
        RECORD_CONFIG,
        (struct bytes){.data = body, .size = members_size(&members)},
        (struct bytes){0});
}

static void a_configuration_that_is_superseded(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 3);
    append_record(&b, configuration(false), OTHER, 1, 1, 0, 0);
    assert_int_equal(b.events.counts[EVENT_MEMBERS_CHANGED], 1);
    append(&b, THIRD, 2, 1, 0, 0);
    assert_int_equal(b.events.counts[EVENT_MEMBERS_RESTORED], 1);
    bench_close(&b);
}

static void a_node_that_is_not_wanted_any_more(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 3);
    append_record(&b, configuration(true), OTHER, 1, 1, 0, 1);
    assert_int_equal(b.events.counts[EVENT_REMOVED], 1);
    bench_close(&b);
}

static void a_peer_that_is_preferred(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 3);
    append_record(&b, configuration(false), OTHER, 1, 1, 0, 1);
    elect(&b, 2);
    while (b.disk.syncing != 0) {
        synced(&b, 0);
    }
    for (int i = 0; i < 20 && b.events.counts[EVENT_HANDS_OVER] == 0; i++) {
        struct raft_message m = {.type = RAFT_APPEND_REPLY,
                                 .from = OTHER,
                                 .to = SELF,
                                 .term = 2,
                                 .boot = OTHER,
                                 .sent = b.now,
                                 .granted = true,
                                 .match = 2};
        deliver(&b, frame_encode_raft(&m, NULL));
        pass(&b, 500 * 1000);
    }
    assert_int_equal(b.events.counts[EVENT_HANDS_OVER], 1);
    bench_close(&b);
}

static void a_configuration_of_another_version(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 3);
    append_record(&b,
                  record_new(RECORD_CONFIG, (struct bytes){"?", 1},
                             (struct bytes){0}),
                  OTHER, 1, 1, 0, 0);
    expect_fault(&b, EVENT_NEEDS_UPGRADE, 0);
    bench_close(&b);
}

/* The leader asks again and again, and is told at most once a second; another
 * leader is told, too. */
static void every_leader_is_told(void **state)
{
    (void)state;
    struct bench b;
    follow(&b, 1);
    hull_fault(b.hull, b.now, "the tree smells");
    assert_int_equal(sent_cannot_sync(&b, OTHER, EVENT_OUT_OF_SERVICE), 1);
    for (int i = 0; i < 10; i++) {
        append(&b, OTHER, 1, 2, 1, 1);
        b.now += 150 * 1000;
    }
    assert_int_equal(sent_cannot_sync(&b, OTHER, EVENT_OUT_OF_SERVICE), 2);
    b.now += 1000 * 1000;
    append(&b, THIRD, 2, 2, 1, 1);
    assert_int_equal(sent_cannot_sync(&b, THIRD, EVENT_OUT_OF_SERVICE), 1);
    assert_int_equal(b.disk.count, 1);
    bench_close(&b);
}

static void a_peer_that_cannot_follow(void **state)
{
    (void)state;
    struct bench b;
    const struct cannot_sync what = {
        .index = 3, .term = 1, .error = -7, .code = "undo-failed"};
    bench_open(&b, 3);
    elect(&b, 1);
    for (int i = 0; i < 2; i++) { /* it is news once */
        deliver(&b, frame_encode_cannot_sync(OTHER, SELF, &what));
        assert_int_equal(b.events.counts[EVENT_PEER_CANNOT_SYNC], 1);
    }
    assert_int_equal(b.note.peer, OTHER);
    assert_int_equal(b.note.error, -7);
    assert_string_equal(hull_cannot_sync(b.hull, OTHER)->code, "undo-failed");
    assert_null(hull_cannot_sync(b.hull, THIRD));
    struct raft_message m = {.type = RAFT_APPEND_REPLY,
                             .from = OTHER,
                             .to = SELF,
                             .term = 1,
                             .boot = OTHER,
                             .sent = b.now};
    deliver(&b, frame_encode_raft(&m, NULL));
    assert_null(hull_cannot_sync(b.hull, OTHER));
    bench_close(&b);
}

/* Whoever leads next hears when the peer is mended, and this node does not. */
static void who_leads_no_more_knows_nothing_of_faults(void **state)
{
    (void)state;
    struct bench b;
    const struct cannot_sync what = {.index = 3, .code = "undo-failed"};
    bench_open(&b, 3);
    elect(&b, 1);
    deliver(&b, frame_encode_cannot_sync(OTHER, SELF, &what));
    assert_non_null(hull_cannot_sync(b.hull, OTHER));
    heartbeat(&b, THIRD, 2);
    assert_null(hull_cannot_sync(b.hull, OTHER));
    deliver(&b, frame_encode_cannot_sync(OTHER, SELF, &what)); /* a late one */
    assert_null(hull_cannot_sync(b.hull, OTHER));
    bench_close(&b);
}

/* It hears its leader, and acknowledges nothing that it has not. */
static void a_full_node_takes_no_records(void **state)
{
    (void)state;
    struct bench b;
    struct hull_status status;
    follow(&b, 2);
    hull_set_full(b.hull, true);
    append(&b, OTHER, 1, 3, 1, 2);
    assert_int_equal(b.disk.count, 2);
    assert_int_equal(b.applied, 2); /* what it has goes on */
    struct raft_message m;
    struct record **records;
    struct frame *last = &b.sent[b.sent_count - 1];
    assert_int_equal(
        frame_decode_raft(frame_body((struct bytes){last->data, last->size}),
                          &m, &records),
        0);
    assert_int_equal(m.type, RAFT_APPEND_REPLY);
    assert_int_equal(m.match, 2);
    hull_get_status(b.hull, b.now, &status);
    assert_false(status.faulted);
    hull_set_full(b.hull, false);
    append(&b, OTHER, 1, 3, 1, 3);
    assert_int_equal(b.applied, 3);
    bench_close(&b);
}

/* The two disks of a majority work at the same time. */
static void a_leader_syncs_before_it_sends(void **state)
{
    (void)state;
    struct bench b;
    struct caller caller = {0};
    bench_open(&b, 3);
    elect(&b, 1);
    while (b.disk.syncing != 0) {
        synced(&b, 0);
    }
    /* A follower that has the term's record gets what comes at once. */
    struct raft_message answer = {.type = RAFT_APPEND_REPLY,
                                  .from = OTHER,
                                  .to = SELF,
                                  .term = 1,
                                  .boot = 9,
                                  .granted = true,
                                  .match = 1,
                                  .seen = 1,
                                  .sent = b.now};
    deliver(&b, frame_encode_raft(&answer, NULL));
    size_t before = b.sent_count;
    submit(&b, &caller, 1, 1000000);
    hull_flush(b.hull, b.now);
    assert_true(b.disk.syncing != 0);
    assert_int_equal(b.sent_at_sync, before);
    assert_true(b.sent_count > before);
    bench_close(&b);
}

/* At once, and nobody loses a role by it. */
static void the_heartbeat_changes_while_it_leads(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 3);
    elect(&b, 1);
    while (b.disk.syncing != 0) {
        synced(&b, 0);
    }
    pass(&b, 1000);
    size_t sent = b.sent_count;
    pass(&b, 99 * 1000); /* of 100: one round to two peers, at most */
    assert_true(b.sent_count - sent <= 4);
    struct hull_settings settings = {
        .raft = {.heartbeat_us = 10 * 1000, .window_bytes = 1 << 20,
                 .lease_ask = false},
        .log_trailing = 100,
        .log_trailing_bytes = 1 << 20,
    };
    assert_int_equal(hull_set(b.hull, b.now, &settings), 0);
    sent = b.sent_count;
    pass(&b, 100 * 1000);
    assert_true(b.sent_count - sent >= 18);
    assert_true(hull_is_leader(b.hull));
    settings.raft.heartbeat_us = 0;
    assert_int_equal(hull_set(b.hull, b.now, &settings), -1);
    settings.raft.heartbeat_us = 700 * 1000;
    assert_int_equal(hull_set(b.hull, b.now, &settings), -1);
    settings.raft.heartbeat_us = 10 * 1000;
    settings.raft.window_bytes = 0;
    assert_int_equal(hull_set(b.hull, b.now, &settings), -1);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leader_with_another_past),
        cmocka_unit_test(the_chain_goes_on),
        cmocka_unit_test(a_failed_save),
        cmocka_unit_test(a_failed_append),
        cmocka_unit_test(a_failed_stage),
        cmocka_unit_test(a_failed_sync),
        cmocka_unit_test(a_failed_truncate),
        cmocka_unit_test(a_failed_undo_writes_nothing),
        cmocka_unit_test(an_undo_takes_the_newest_first),
        cmocka_unit_test(a_contradicted_commit_is_never_obeyed),
        cmocka_unit_test(a_failed_apply),
        cmocka_unit_test(a_failed_end_of_apply),
        cmocka_unit_test(a_failed_read),
        cmocka_unit_test(a_failed_compact),
        cmocka_unit_test(a_leader_without_a_majority),
        cmocka_unit_test(a_candidate_that_nobody_needs),
        cmocka_unit_test(a_configuration_that_is_superseded),
        cmocka_unit_test(a_node_that_is_not_wanted_any_more),
        cmocka_unit_test(a_peer_that_is_preferred),
        cmocka_unit_test(a_configuration_of_another_version),
        cmocka_unit_test(a_leader_syncs_before_it_sends),
        cmocka_unit_test(the_heartbeat_changes_while_it_leads),
        cmocka_unit_test(a_full_node_takes_no_records),
        cmocka_unit_test(every_leader_is_told),
        cmocka_unit_test(a_peer_that_cannot_follow),
        cmocka_unit_test(who_leads_no_more_knows_nothing_of_faults),
        cmocka_unit_test(the_program_may_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
