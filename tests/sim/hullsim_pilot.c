/* An application that remembers one thing: the order of everything. */
#include "tests/sim/hullsim.h"

#include "raft/core/memory.h"
#include "raft/wire/cursor.h"
#include "raft/wire/hash.h"

#include <string.h>

struct op *op_of_record(struct world *world, const struct record *record)
{
    if (record->code != RECORD_COMMAND) {
        return NULL;
    }
    struct reader reader = reader_init(record->body);
    uint64_t number = read_u64(&reader);
    if (!reader_ok(&reader) || number >= world->op_count) {
        sim_fail(world, NULL, "a command that nobody submitted");
    }
    return &world->ops[number];
}

static uint64_t record_hash(const struct record *record)
{
    size_t size = record_size(record, true);
    void *bytes = xmalloc(size);
    record_encode(record, true, bytes);
    uint64_t hash = hash64((struct bytes){bytes, size}, 0);
    free(bytes);
    return hash;
}

static bool error_strikes(struct node *node)
{
    struct world *world = node->world;
    return !world->calm &&
           rng_chance(&world->chaos, world->params.io_error_ppm);
}

static int pilot_stage(void *self, struct record *record)
{
    struct node *node = self;
    if (error_strikes(node)) {
        return -5;
    }
    if (record->payload.data == NULL || record->place.segment != 0) {
        sim_fail(node->world, node, "staged twice, or without its payload");
    }
    record->place.segment = node->at + 1;
    return 0;
}

static int pilot_undo(void *self, const struct record *record)
{
    struct node *node = self;
    struct world *world = node->world;
    raft_index expected =
        node->undo_low != 0 ? node->undo_low - 1 : image_last(&node->disk.now);
    if (record->index != expected) {
        sim_fail(world, node, "undo of %llu, expected %llu",
                 (unsigned long long)record->index,
                 (unsigned long long)expected);
    }
    if (record->index <= world->history_count &&
        world->history[record->index - 1].hash == record_hash(record)) {
        sim_fail(world, node, "undo of committed record %llu",
                 (unsigned long long)record->index);
    }
    node->undo_low = record->index;
    world->counters.undone++;
    sim_trace(world, node, "undo %llu", (unsigned long long)record->index);
    return error_strikes(node) ? -5 : 0;
}

static void history_add(struct world *world, const struct node *node,
                        const struct record *record, struct op *op)
{
    if (world->history_count == world->history_capacity) {
        world->history_capacity =
            world->history_capacity == 0 ? 1024 : world->history_capacity * 2;
        world->history = xrealloc(world->history, world->history_capacity *
                                                      sizeof(*world->history));
    }
    world->history[world->history_count] = (struct committed){
        .term = record->term,
        .hash = record_hash(record),
        .chain = record->chain,
        .session = record->session,
        .serial = record->serial,
        .time_ns = record->time_ns,
        .op = op,
        .key = op == NULL      ? KEYS
               : op->key != 0 ? op->key
                              : name_at(record->index - 1),
    };
    world->history_count++;
    if (record->index > 1 &&
        record->time_ns <= world->history[record->index - 2].time_ns) {
        sim_fail(world, node, "time does not grow at %llu",
                 (unsigned long long)record->index);
    }
    if (op == NULL) {
        return;
    }
    if (op->completed && op->outcome == HULL_NOT_DONE) {
        sim_fail(world, node, "NOT_DONE, but committed at %llu",
                 (unsigned long long)record->index);
    }
    world->counters.duplicates += op->first != 0;
    if (op->first == 0) {
        op->first = record->index;
    }
}

static int pilot_apply(void *self, struct record *record,
                       struct hull_result *result)
{
    struct node *node = self;
    struct world *world = node->world;
    if (error_strikes(node)) {
        return -5;
    }
    if (record->index != node->applied + 1) {
        sim_fail(world, node, "applies %llu after %llu",
                 (unsigned long long)record->index,
                 (unsigned long long)node->applied);
    }
    struct op *op = op_of_record(world, record);
    if (record->index == world->history_count + 1) {
        history_add(world, node, record, op);
    } else if (world->history[record->index - 1].hash != record_hash(record)) {
        sim_fail(world, node, "applies another record %llu than others did",
                 (unsigned long long)record->index);
    }
    node->applied = record->index;
    if (op != NULL) {
        /* What was done the first time is done; its result is given again. */
        result->error = 0;
        result->value[0] = op->first;
    }
    return 0;
}

static int pilot_applied(void *self, raft_index index)
{
    struct node *node = self;
    if (index != node->applied) {
        sim_fail(node->world, node, "told of the wrong applied index");
    }
    return error_strikes(node) ? -5 : 0;
}

static void finish(struct node *node, struct op *op, enum hull_outcome outcome)
{
    struct world *world = node->world;
    if (op->completed || op->nobody) {
        sim_fail(world, node, "completed twice, or for nobody");
    }
    if (op->node != node->at || op->life != node->life) {
        sim_fail(world, node, "completed on another node");
    }
    if (node->in_api) {
        sim_fail(world, node, "completed before the call returned");
    }
    op->completed = true;
    op->outcome = outcome;
    if (outcome == HULL_DONE && node->applied > world->floor) {
        world->floor = node->applied;
    }
}

static void pilot_complete(void *self, void *context, enum hull_outcome outcome,
                           const struct hull_result *result)
{
    struct node *node = self;
    struct world *world = node->world;
    struct op *op = context;
    finish(node, op, outcome);
    switch (outcome) {
    case HULL_DONE:
        world->counters.done++;
        if (op->first == 0 || result->value[0] != op->first ||
            world->history[node->applied - 1].op != op) {
            sim_fail(world, node, "DONE, but not by the record applied last");
        }
        break;
    case HULL_NOT_DONE:
        world->counters.not_done++;
        if (op->in_log) {
            sim_fail(world, node, "NOT_DONE, but it was in a log");
        }
        break;
    case HULL_UNKNOWN:
        world->counters.unknown++;
        break;
    case HULL_CANCELLED:
        world->counters.cancelled++;
        break;
    case HULL_STOPPED:
        world->counters.stopped++;
        break;
    }
    if (node->world->calm || outcome != HULL_DONE || !node->chatty) {
        return;
    }
    node->chatty = false; /* a pilot may submit from its callbacks */
    work_one(node, false, 1000 * 1000);
    node->chatty = true;
}

static void pilot_read_ready(void *self, void *context,
                             enum hull_outcome outcome)
{
    struct node *node = self;
    struct world *world = node->world;
    struct op *op = context;
    finish(node, op, outcome);
    if (outcome == HULL_DONE) {
        world->counters.reads_done++;
        if (node->applied < op->floor) {
            sim_fail(world, node, "stale read: shows %llu, must show %llu",
                     (unsigned long long)node->applied,
                     (unsigned long long)op->floor);
        }
    } else if (outcome == HULL_UNKNOWN) {
        world->counters.reads_unknown++;
    } else if (outcome == HULL_NOT_DONE) {
        sim_fail(world, node, "a read can't be NOT_DONE");
    }
}

/* A name that records before it may give another meaning touches anything. */
static void pilot_footprint(void *self, const struct record *record,
                            struct footprint *out)
{
    struct node *node = self;
    const struct op *op = op_of_record(node->world, record);
    out->again = op != NULL && op->key == 0;
    out->all = out->again && record->index != node->applied + 1;
    out->count = op != NULL;
    out->keys[0] = op == NULL ? 0 : op->key != 0 ? op->key : name_at(node->applied);
}

static void pilot_send(void *self, node_id to, struct frame *frame)
{
    net_send(self, to, *frame);
    *frame = (struct frame){0};
}

static void pilot_notice(void *self, node_id from, struct bytes body)
{
    struct node *node = self;
    if (body.size != sizeof(from) ||
        memcmp(body.data, &from, sizeof(from)) != 0) {
        sim_fail(node->world, node, "a notice that was not sent");
    }
    node->world->counters.notices++;
}

static void pilot_bulk(void *self, node_id from, struct bytes body)
{
    struct node *node = self;
    (void)body;
    sim_fail(node->world, node, "bulk from %llu", (unsigned long long)from);
}

/* What the leader's tree shows will be here some time later. */
static void pilot_snapshot_wanted(void *self, node_id leader)
{
    struct node *node = self;
    struct world *world = node->world;
    const struct node *source = &world->nodes[leader - 1];
    if (node->fetching || source->hull == NULL) {
        return;
    }
    node->fetching = true;
    uint64_t takes = rng_tail(&world->disk_chance, 100 * 1000) + 1;
    world_push(world, (struct event){.at = world->now + takes,
                                     .kind = EV_SNAPSHOT,
                                     .node = node->at,
                                     .life = node->life,
                                     .number = source->applied});
}

void snapshot_event(struct node *node, raft_index index)
{
    struct world *world = node->world;
    node->fetching = false;
    if (index <= node->applied) {
        return; /* the log was faster */
    }
    const struct committed *last = &world->history[index - 1];
    sim_trace(world, node, "snapshot at %llu, term %llu",
              (unsigned long long)index, (unsigned long long)last->term);
    world->counters.snapshots++;
    node->applied = node->disk.tree_durable = index;
    if (node->disk.last_time_ns < last->time_ns) {
        node->disk.last_time_ns = last->time_ns; /* the tree knows it */
    }
    if (!world->calm && rng_chance(&world->chaos, 200 * 1000)) {
        world->counters.snapshots_torn++;
        hull_fault(node->hull, node_clock(node), "died between tree and log");
        return;
    }
    const struct hull_snapshot snapshot = {
        .index = index,
        .term = last->term,
        .time_ns = last->time_ns,
        .chain = last->chain};
    hull_installed(node->hull, node_clock(node), &snapshot);
}

static void pilot_role(void *self, enum raft_role role, raft_term term,
                       node_id leader)
{
    struct node *node = self;
    struct world *world = node->world;
    sim_trace(world, node, "role %d term %llu leader %llu", (int)role,
              (unsigned long long)term, (unsigned long long)leader);
    if (role != RAFT_LEADER) {
        return;
    }
    if (term >= world->leaders_capacity) {
        size_t capacity = (size_t)term * 2 + 64;
        world->leaders =
            xrealloc(world->leaders, capacity * sizeof(world->leaders[0]));
        memset(world->leaders + world->leaders_capacity, 0,
               (capacity - world->leaders_capacity) *
                   sizeof(world->leaders[0]));
        world->leaders_capacity = capacity;
    }
    uint64_t who = node->wipes * NODES_MAX + node->at + 1;
    if (world->leaders[term] != 0 && world->leaders[term] != who) {
        sim_fail(world, node, "two leaders in term %llu",
                 (unsigned long long)term);
    }
    world->counters.elections += world->leaders[term] == 0;
    world->leaders[term] = who;
}

static void pilot_members(void *self, const struct raft_config *latest,
                          const struct raft_config *committed)
{
    struct node *node = self;
    sim_trace(node->world, node, "%u members by record %llu, %u by %llu",
              latest->members.count, (unsigned long long)latest->index,
              committed->members.count, (unsigned long long)committed->index);
}

static void pilot_changed(void *self, uint64_t request,
                          enum raft_change_result result)
{
    struct node *node = self;
    sim_trace(node->world, node, "change %llu: %d", (unsigned long long)request,
              (int)result);
}

static void pilot_note(void *self, const struct hull_note *note)
{
    struct node *node = self;
    sim_trace(node->world, node, "note %s %s", event_name(note->code), note->text);
    if (note->code == EVENT_DIVERGED) {
        sim_fail(node->world, node, "diverged");
    }
}

static uint64_t pilot_wall_ns(void *self)
{
    struct node *node = self;
    /* Wall clocks are set back now and then. */
    return 1000 * (1000 * 1000 + node->world->now -
                   rng_below(&node->world->chaos, 1000 * 1000));
}

struct pilot pilot_model(struct node *node)
{
    return (struct pilot){
        .self = node,
        .stage = pilot_stage,
        .undo = pilot_undo,
        .apply = pilot_apply,
        .applied = pilot_applied,
        .complete = pilot_complete,
        .read_ready = pilot_read_ready,
        .footprint = pilot_footprint,
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
}
