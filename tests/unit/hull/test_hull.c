/* One real hull; what is around it is a script. */
#include "raft/hull/hull.h"

#include "tests/unit/hull/cmocka_all.h"

#include <stdio.h>
#include <string.h>

enum { SELF = 1, OTHER = 2, THIRD = 3, LOG_MAX = 64, SENT_MAX = 256 };

struct caller { /* a context */
    int completed;
    enum hull_outcome outcome;
    struct hull_result result;
};

struct bench {
    struct hull *hull;
    raft_time now;
    /* log */
    struct record *log[LOG_MAX]; /* [index - 1] */
    size_t log_count;
    int append_result;
    raft_token sync_token; /* asked for and not answered; 0: none */
    uint32_t syncs;
    /* pilot */
    raft_index applied;
    struct frame sent[SENT_MAX];
    size_t sent_count;
    uint32_t notices;
    struct caller *nested; /* submits once more from complete() */
    char note[32];
};

static struct record *command(const char *body, uint64_t serial)
{
    struct record *record = record_new(
        RECORD_COMMAND, (struct bytes){body, strlen(body)}, (struct bytes){0});
    record->origin = SELF;
    record->session = 7;
    record->serial = serial;
    return record;
}

/* --- log --- */

static int log_append(void *self, struct record *const *records, size_t count)
{
    struct bench *b = self;
    if (b->append_result < 0) {
        return b->append_result;
    }
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(records[i]->index, b->log_count + 1);
        assert_true(b->log_count < LOG_MAX);
        b->log[b->log_count] = record_ref(records[i]);
        b->log_count++;
    }
    return 0;
}

static int log_truncate(void *self, raft_index from)
{
    struct bench *b = self;
    while (b->log_count >= from) {
        b->log_count--;
        record_unref(b->log[b->log_count]);
    }
    return 0;
}

static int log_save(void *self, raft_term term, node_id vote)
{
    (void)self, (void)term, (void)vote;
    return 0;
}

static int log_read(void *self, raft_index index, struct record **out)
{
    struct bench *b = self;
    if (index == 0 || index > b->log_count) {
        return -1;
    }
    *out = record_ref(b->log[index - 1]);
    return 0;
}

static int log_compact(void *self, raft_index upto)
{
    (void)self, (void)upto;
    return 0;
}

static void log_sync(void *self, raft_token token)
{
    struct bench *b = self;
    assert_int_equal(b->sync_token, 0); /* at most one is under way */
    b->sync_token = token;
    b->syncs++;
}

static const struct log_api log_calls = {
    .append = log_append,
    .truncate = log_truncate,
    .save = log_save,
    .read = log_read,
    .compact = log_compact,
    .sync = log_sync,
};

/* --- pilot --- */

static int pilot_stage(void *self, struct record *record)
{
    (void)self, (void)record;
    return 0;
}

static int pilot_undo(void *self, const struct record *record)
{
    (void)self, (void)record;
    return 0;
}

static int pilot_apply(void *self, struct record *record,
                       struct hull_result *result)
{
    struct bench *b = self;
    assert_int_equal(record->index, b->applied + 1);
    b->applied = record->index;
    result->value[0] = record->index;
    return 0;
}

static int pilot_applied(void *self, raft_index index)
{
    struct bench *b = self;
    assert_int_equal(index, b->applied);
    return 0;
}

static void pilot_complete(void *self, void *context, enum hull_outcome outcome,
                           const struct hull_result *result)
{
    struct bench *b = self;
    struct caller *caller = context;
    caller->completed++;
    caller->outcome = outcome;
    caller->result = *result;
    if (b->nested != NULL) {
        struct caller *next = b->nested;
        b->nested = NULL;
        hull_submit(b->hull, b->now, command("nested", 99), b->now + 1000000,
                    next);
    }
}

static void pilot_read_ready(void *self, void *context,
                             enum hull_outcome outcome)
{
    (void)self;
    struct caller *caller = context;
    caller->completed++;
    caller->outcome = outcome;
}

static void pilot_send(void *self, node_id to, struct frame *frame)
{
    struct bench *b = self;
    (void)to;
    assert_true(b->sent_count < SENT_MAX);
    b->sent[b->sent_count] = *frame;
    b->sent_count++;
}

static void pilot_notice(void *self, node_id from, struct bytes body)
{
    struct bench *b = self;
    assert_int_equal(from, SELF);
    assert_int_equal(body.size, 2);
    b->notices++;
}

static void pilot_role(void *self, enum raft_role role, raft_term term,
                       node_id leader)
{
    (void)self, (void)role, (void)term, (void)leader;
}

static void pilot_note(void *self, const struct hull_note *note)
{
    struct bench *b = self;
    snprintf(b->note, sizeof(b->note), "%s", note->code);
}

static uint64_t pilot_wall_ns(void *self)
{
    (void)self;
    return 5; /* a clock that stands */
}

static const struct pilot pilot_calls = {
    .stage = pilot_stage,
    .undo = pilot_undo,
    .apply = pilot_apply,
    .applied = pilot_applied,
    .complete = pilot_complete,
    .read_ready = pilot_read_ready,
    .send = pilot_send,
    .notice = pilot_notice,
    .role = pilot_role,
    .note = pilot_note,
    .wall_ns = pilot_wall_ns,
};

/* --- bench --- */

static struct pilot the_pilot;
static struct log_api the_log;

static void bench_open(struct bench *b, uint32_t nodes)
{
    *b = (struct bench){.now = 1000};
    the_pilot = pilot_calls;
    the_pilot.self = b;
    the_log = log_calls;
    the_log.self = b;
    struct hull_options options;
    hull_options_default(&options);
    options.raft.self = SELF;
    options.raft.boot = 77;
    options.waiting_max = 8;
    struct raft_boot boot = {.now = b->now, .members.count = nodes};
    for (uint32_t i = 0; i < nodes; i++) {
        boot.members.list[i] = (struct raft_member){.id = i + 1, .voter = true};
    }
    b->hull = hull_new(&options, &boot, 100, &the_pilot, &the_log);
}

static void bench_close(struct bench *b)
{
    hull_free(b->hull);
    log_truncate(b, 1);
    for (size_t i = 0; i < b->sent_count; i++) {
        frame_release(&b->sent[i]);
    }
}

static void synced(struct bench *b, int status)
{
    raft_token token = b->sync_token;
    assert_int_not_equal(token, 0);
    b->sync_token = 0;
    hull_log_durable(b->hull, b->now, token, status);
}

/* Lets time pass until the node has nothing to do for a while. */
static void pass(struct bench *b, raft_time duration)
{
    raft_time end = b->now + duration;
    for (;;) {
        hull_flush(b->hull, b->now);
        hull_check(b->hull);
        raft_time due = hull_deadline(b->hull);
        if (due > end) {
            break;
        }
        b->now = due > b->now ? due : b->now + 1;
        hull_tick(b->hull, b->now);
    }
    b->now = end;
}

static void lead_alone(struct bench *b)
{
    bench_open(b, 1);
    pass(b, 10);
    while (b->sync_token != 0) {
        synced(b, 0);
        pass(b, 10);
    }
    assert_true(hull_is_leader(b->hull));
    assert_int_equal(b->applied, 1); /* the record that begins the term */
}

static void deliver(struct bench *b, struct frame frame)
{
    hull_receive(b->hull, b->now, (struct bytes){frame.data, frame.size});
    frame_release(&frame);
    hull_flush(b->hull, b->now);
    hull_check(b->hull);
}

/* OTHER leads term and has nothing to say. */
static void heartbeat(struct bench *b, node_id from, raft_term term)
{
    struct raft_message m = {.type = RAFT_APPEND,
                             .from = from,
                             .to = SELF,
                             .term = term,
                             .boot = 5,
                             .first = 1,
                             .quorum_ok = true,
                             .sent = 1};
    deliver(b, frame_encode_raft(&m, NULL));
    while (b->sync_token != 0) {
        synced(b, 0);
    }
}

static void reply(struct bench *b, node_id from, enum forward_status status,
                  node_id leader)
{
    struct forward_reply r = {.session = 7,
                              .serial = 1,
                              .status = status,
                              .index = 3,
                              .term = 1,
                              .leader = leader};
    deliver(b, frame_encode_forward_reply(from, SELF, &r));
}

static size_t forwards_to(const struct bench *b, node_id to)
{
    size_t count = 0;
    for (size_t i = 0; i < b->sent_count; i++) {
        struct frame_header header;
        const char *why;
        frame_header_decode((struct bytes){b->sent[i].data, b->sent[i].size},
                            &header, &why);
        count += header.kind == FRAME_FORWARD && header.to == to;
    }
    return count;
}

static void submit(struct bench *b, struct caller *caller, uint64_t serial,
                   raft_time patience)
{
    struct record *record = command("do it", serial);
    assert_int_equal(
        hull_submit(b->hull, b->now, record, b->now + patience, caller), 0);
    assert_int_equal(caller->completed, 0);
}

static void expect(const struct caller *caller, enum hull_outcome outcome)
{
    assert_int_equal(caller->completed, 1);
    assert_int_equal(caller->outcome, outcome);
}

/* --- alone --- */

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
    assert_int_equal(b.sync_token, 0);
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
    assert_int_equal(b.log[0]->time_ns, 101);
    assert_int_equal(b.log[1]->time_ns, 102);
    assert_int_equal(b.log[2]->time_ns, 103);
    bench_close(&b);
}

static void a_failed_write_takes_the_node_out_of_service(void **state)
{
    (void)state;
    struct bench b;
    struct caller caller = {0}, later = {0};
    lead_alone(&b);
    submit(&b, &caller, 1, 1000000);
    b.append_result = -28;
    hull_flush(b.hull, b.now);
    expect(&caller, HULL_STOPPED);
    assert_string_equal(b.note, "fault");
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

/* --- as a follower --- */

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
    assert_int_equal(status.frames_bad, 3);
    assert_int_equal(b.sent_count, 0);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_is_done_when_its_record_is_synced),
        cmocka_unit_test(what_comes_during_a_sync_rides_on_the_next),
        cmocka_unit_test(time_stamps_grow_though_the_clock_stands),
        cmocka_unit_test(a_failed_write_takes_the_node_out_of_service),
        cmocka_unit_test(a_failed_sync_takes_the_node_out_of_service),
        cmocka_unit_test(a_read_shows_what_was_done_before),
        cmocka_unit_test(a_pilot_may_submit_while_it_is_told),
        cmocka_unit_test(a_notice_to_ourselves_waits_for_the_flush),
        cmocka_unit_test(stopping_tells_everybody_once),
        cmocka_unit_test(too_many_are_pushed_back),
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
