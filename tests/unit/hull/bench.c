#include "tests/unit/hull/bench.h"

#include <stdio.h>
#include <string.h>

struct record *command(const char *body, uint64_t serial)
{
    struct record *record = record_new(
        RECORD_COMMAND, (struct bytes){body, strlen(body)}, (struct bytes){0});
    record->origin = SELF;
    record->session = 7;
    record->serial = serial;
    return record;
}

/* --- log --- */

static struct log_api disk_of(struct bench *b)
{
    return memory_log_api(&b->disk);
}

static int log_append(void *self, struct record *const *records, size_t count)
{
    struct bench *b = self;
    int rc = b->fails[CALL_APPEND];
    return rc < 0 ? rc : disk_of(b).append(&b->disk, records, count);
}

static int log_truncate(void *self, raft_index from)
{
    struct bench *b = self;
    int rc = b->fails[CALL_TRUNCATE];
    return rc < 0 ? rc : disk_of(b).truncate(&b->disk, from);
}

static int log_save(void *self, raft_term term, node_id vote)
{
    struct bench *b = self;
    int rc = b->fails[CALL_SAVE];
    return rc < 0 ? rc : disk_of(b).save(&b->disk, term, vote);
}

static int log_read(void *self, raft_index index, struct record **out)
{
    struct bench *b = self;
    int rc = b->fails[CALL_READ];
    return rc < 0 ? rc : disk_of(b).read(&b->disk, index, out);
}

static int log_chain(void *self, raft_index index, uint64_t *out)
{
    struct bench *b = self;
    int rc = b->fails[CALL_READ];
    return rc < 0 ? rc : disk_of(b).chain(&b->disk, index, out);
}

static int log_compact(void *self, raft_index upto)
{
    struct bench *b = self;
    int rc = b->fails[CALL_COMPACT];
    return rc < 0 ? rc : disk_of(b).compact(&b->disk, upto);
}

static int log_reset(void *self, raft_index index, raft_term term,
                     uint64_t chain, raft_index doubtful)
{
    struct bench *b = self;
    b->reset_index = index;
    b->reset_doubtful = doubtful;
    return disk_of(b).reset(&b->disk, index, term, chain, doubtful);
}

static void log_sync(void *self, raft_token token)
{
    struct bench *b = self;
    disk_of(b).sync(&b->disk, token);
    b->sent_at_sync = b->sent_count;
    b->syncs++;
}

struct log_api bench_log(struct bench *b)
{
    return (struct log_api){
        .self = b,
        .append = log_append,
        .truncate = log_truncate,
        .save = log_save,
        .read = log_read,
        .chain = log_chain,
        .compact = log_compact,
        .reset = log_reset,
        .sync = log_sync,
    };
}

/* --- pilot --- */

static int pilot_stage(void *self, struct record *record)
{
    struct bench *b = self;
    (void)record;
    return b->fails[CALL_STAGE];
}

static int pilot_undo(void *self, const struct record *record)
{
    struct bench *b = self;
    if (b->fails[CALL_UNDO] < 0 && record->index == b->undo_fails_at) {
        return b->fails[CALL_UNDO];
    }
    assert_true(b->undone_count < LOG_MAX);
    b->undone[b->undone_count] = record->index;
    b->undone_count++;
    return 0;
}

static int pilot_apply(void *self, struct record *record,
                       struct hull_result *result)
{
    struct bench *b = self;
    if (b->fails[CALL_APPLY] < 0) {
        return b->fails[CALL_APPLY];
    }
    assert_int_equal(record->index, b->applied + 1);
    b->applied = record->index;
    result->value[0] = record->index;
    return 0;
}

static int pilot_applied(void *self, raft_index index)
{
    struct bench *b = self;
    assert_int_equal(index, b->applied);
    return b->fails[CALL_APPLIED];
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

static void pilot_bulk(void *self, node_id from, struct bytes body)
{
    struct bench *b = self;
    (void)from, (void)body;
    b->bulks++;
}

static void pilot_snapshot_wanted(void *self, node_id leader)
{
    struct bench *b = self;
    b->snapshot_from = leader;
}

static void pilot_role(void *self, enum raft_role role, raft_term term,
                       node_id leader)
{
    struct bench *b = self;
    (void)term;
    if (role != RAFT_FAULTED) {
        b->leader = role == RAFT_LEADER ? 0 : leader;
    }
}

static void pilot_note(void *self, const struct hull_note *note)
{
    struct bench *b = self;
    b->note = *note;
    event_ring_add(&b->events, 1000 * b->now, note);
}

static uint64_t pilot_wall_ns(void *self)
{
    (void)self;
    return 5; /* a clock that stands */
}

static void pilot_members(void *self, const struct raft_config *latest,
                          const struct raft_config *committed)
{
    struct bench *b = self;
    b->members = *latest;
    b->members_committed = *committed;
}

static void pilot_changed(void *self, uint64_t request,
                          enum raft_change_result result)
{
    struct bench *b = self;
    b->request = request;
    b->result = result;
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
    .bulk = pilot_bulk,
    .snapshot_wanted = pilot_snapshot_wanted,
    .role = pilot_role,
    .members = pilot_members,
    .changed = pilot_changed,
    .note = pilot_note,
    .wall_ns = pilot_wall_ns,
};

/* --- bench --- */

static struct pilot the_pilot;
static struct log_api the_log;

void bench_open(struct bench *b, uint32_t nodes)
{
    struct hull_options options;
    hull_options_default(&options);
    bench_open_with(b, nodes, &options);
}

void bench_open_with(struct bench *b, uint32_t nodes,
                     const struct hull_options *wanted)
{
    *b = (struct bench){.now = 1000};
    the_pilot = pilot_calls;
    the_pilot.self = b;
    the_log = bench_log(b);
    struct hull_options options = *wanted;
    options.raft.self = SELF;
    options.raft.boot = 77;
    options.waiting_max = 8;
    struct raft_boot boot = {.now = b->now, .members.count = nodes};
    for (uint32_t i = 0; i < nodes; i++) {
        boot.members.list[i] = (struct raft_member){.id = i + 1, .voter = true};
    }
    b->hull = hull_new(&options, &boot, 100, &the_pilot, &the_log);
}

void bench_close(struct bench *b)
{
    hull_free(b->hull);
    memory_log_release(&b->disk);
    for (size_t i = 0; i < b->sent_count; i++) {
        frame_release(&b->sent[i]);
    }
}

void synced(struct bench *b, int status)
{
    raft_token token = b->disk.syncing;
    assert_int_not_equal(token, 0);
    b->disk.syncing = 0;
    hull_log_durable(b->hull, b->now, token, status);
}

void pass(struct bench *b, raft_time duration)
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

void lead_alone(struct bench *b)
{
    bench_open(b, 1);
    become_leader(b);
}

void become_leader(struct bench *b)
{
    pass(b, 10);
    while (b->disk.syncing != 0) {
        synced(b, 0);
        pass(b, 10);
    }
    assert_true(hull_is_leader(b->hull));
    assert_int_equal(b->applied, 1); /* the record that begins the term */
}

void deliver(struct bench *b, struct frame frame)
{
    hull_receive(b->hull, b->now, (struct bytes){frame.data, frame.size});
    frame_release(&frame);
    hull_flush(b->hull, b->now);
    hull_check(b->hull);
}

void heartbeat(struct bench *b, node_id from, raft_term term)
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
    while (b->disk.syncing != 0) {
        synced(b, 0);
    }
}

void reply(struct bench *b, node_id from, enum forward_status status,
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

size_t forwards_to(const struct bench *b, node_id to)
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

void submit(struct bench *b, struct caller *caller, uint64_t serial,
            raft_time patience)
{
    struct record *record = command("do it", serial);
    assert_int_equal(
        hull_submit(b->hull, b->now, record, b->now + patience, caller), 0);
    assert_int_equal(caller->completed, 0);
}

void expect(const struct caller *caller, enum hull_outcome outcome)
{
    assert_int_equal(caller->completed, 1);
    assert_int_equal(caller->outcome, outcome);
}

uint64_t last_read_id(const struct bench *b)
{
    for (size_t i = b->sent_count; i > 0; i--) {
        struct bytes whole = {b->sent[i - 1].data, b->sent[i - 1].size};
        struct frame_header header;
        struct raft_message message;
        struct record **records;
        const char *why;
        assert_int_equal(frame_header_decode(whole, &header, &why), 1);
        if (header.kind == FRAME_RAFT &&
            frame_decode_raft(frame_body(whole), &message, &records) == 0 &&
            message.type == RAFT_READ) {
            return message.read_id;
        }
    }
    fail_msg("nothing was asked");
    return 0;
}
