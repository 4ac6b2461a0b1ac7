/* The life of the nodes. */
#include "tests/sim/hullsim.h"

#include "raft/core/memory.h"

#include <assert.h>

raft_time node_clock(const struct node *node)
{
    int64_t now = (int64_t)node->world->now;
    return (raft_time)(now + now * node->clock_ppm / 1000000 +
                       node->clock_offset);
}

/* The earliest virtual time at which the node's clock shows `at`. */
static uint64_t clock_inverse(const struct node *node, raft_time at)
{
    int64_t local = (int64_t)at - node->clock_offset;
    return (uint64_t)(local * 1000000 / (1000000 + node->clock_ppm) + 1);
}

static void options_of(const struct node *node, struct hull_options *options)
{
    struct world *world = node->world;
    hull_options_default(options);
    options->raft.self = node->at + 1;
    options->raft.boot = rng_next(&world->core) | 1;
    options->raft.seed = rng_next(&world->core);
    if (world->params.slow == 1) {
        options->raft.heartbeat_us = 20 * 1000;
        options->raft.election_us = 140 * 1000;
        options->raft.lease_us = 100 * 1000;
        options->raft.probe_retry_us = 50 * 1000;
        options->forward_retry_us = 60 * 1000;
        options->read_retry_us = 40 * 1000;
    }
    options->raft.lease_ask = rng_chance(&world->core, world->params.lease_ppm);
    options->raft.append_bytes_max = world->params.append_bytes_max;
    options->raft.window_appends = world->params.window_appends;
    options->cache_bytes = world->params.cache_bytes;
    options->log_trailing = world->params.log_trailing;
    options->waiting_max = world->params.waiting_max;
}

static void plan_session(struct node *node)
{
    struct world *world = node->world;
    if (node->newcomer) {
        uint64_t wait = rng_below(&world->chaos, 20 * 1000) + 1;
        world_push(world, (struct event){.at = world->now + wait,
                                         .kind = EV_SESSION,
                                         .node = node->at,
                                         .life = node->life});
    }
}

/* A newcomer asks to count, or does, when it may. */
static void try_session(struct node *node)
{
    struct world *world = node->world;
    struct op *op = node->session;
    if (op != NULL && op->completed && op->outcome == HULL_DONE) {
        if (hull_joined(node->hull, node_clock(node)) == 0) {
            sim_trace(world, node, "counts");
            world->counters.joined++;
            disk_join(&node->disk);
            node->newcomer = false;
        }
    } else if (op == NULL || op->completed || !op->taken || op->nobody) {
        node->session = work_one(node, false, 300 * 1000);
    }
    plan_session(node);
}

void node_start(struct node *node)
{
    struct world *world = node->world;
    assert(node->hull == NULL);
    node->life++;
    node->undo_low = 0;
    node->fetching = false;
    disk_settle(&node->disk, world);
    node->paused_until = 0;
    node->restart_at = UINT64_MAX;
    node->applied = node->disk.tree_durable;
    const struct log_image *image = &node->disk.now;
    struct raft_boot boot = {
        .now = node_clock(node),
        .term = image->term,
        .vote = image->vote,
        .base_index = image->base,
        .base_term = image->base_term,
        .applied = node->applied,
        .count = image->count,
        .members.count = world->params.nodes,
        .newcomer = image->rejoining,
    };
    node->newcomer = image->rejoining;
    node->session = NULL;
    for (uint32_t i = 0; i < world->params.nodes; i++) {
        boot.members.list[i] = (struct raft_member){.id = i + 1, .voter = true};
    }
    raft_term *terms = xcalloc(image->count, sizeof(*terms));
    uint32_t *sizes = xcalloc(image->count, sizeof(*sizes));
    for (size_t i = 0; i < image->count; i++) {
        terms[i] = image->list[i]->term;
        sizes[i] = (uint32_t)image->list[i]->size;
    }
    boot.terms = terms;
    boot.sizes = sizes;
    struct hull_options options;
    options_of(node, &options);
    node->pilot = pilot_model(node);
    node->log = log_model(node);
    sim_trace(world, node, "starts: term %llu log %llu..%llu applied %llu",
              (unsigned long long)image->term,
              (unsigned long long)image->base + 1,
              (unsigned long long)image_last(image),
              (unsigned long long)node->applied);
    node->hull = hull_new(&options, &boot, node->disk.last_time_ns,
                          &node->pilot, &node->log);
    free(terms);
    free(sizes);
    node_turn_end(node);
    plan_session(node);
    world_push(world, (struct event){.at = world->now + 1000,
                                     .kind = EV_WORK,
                                     .node = node->at,
                                     .life = node->life});
    world_push(world, (struct event){.at = world->now + 20 * 1000,
                                     .kind = EV_TREE,
                                     .node = node->at,
                                     .life = node->life});
}

static void count_hull(struct node *node)
{
    struct hull_status status;
    hull_get_status(node->hull, node_clock(node), &status);
    struct counters *counters = &node->world->counters;
    counters->forwards += status.forwards_sent;
    counters->resent += status.forwards_resent;
    counters->records += status.records_written;
    counters->reads_settled += status.reads_settled;
    if (status.frames_bad != 0) {
        sim_fail(node->world, node, "%llu frames were found bad",
                 (unsigned long long)status.frames_bad);
    }
}

/* Everybody who waited on this node has been told. */
static void check_all_told(struct node *node)
{
    const struct world *world = node->world;
    for (uint32_t i = 0; i < world->op_count; i++) {
        const struct op *op = &world->ops[i];
        if (op->node == node->at && op->life == node->life && op->taken &&
            !op->nobody && !op->completed) {
            sim_fail(node->world, node, "op %u was never completed", i);
        }
    }
}

void node_crash(struct node *node)
{
    if (node->hull == NULL) {
        return;
    }
    sim_trace(node->world, node, "goes down");
    node->world->counters.crashes++;
    count_hull(node);
    node->chatty = false;
    hull_free(node->hull);
    node->hull = NULL;
    node->tick_at = UINT64_MAX;
    check_all_told(node);
    disk_crash(&node->disk, &node->world->disk_chance);
}

/* After anything that the node's loop does. */
void node_turn_end(struct node *node)
{
    struct world *world = node->world;
    if (!world->calm &&
        rng_chance(&world->work, world->params.defer_flush_ppm)) {
        world_push(
            world,
            (struct event){.at = world->now + rng_below(&world->work, 3000) + 1,
                           .kind = EV_FLUSH,
                           .node = node->at,
                           .life = node->life});
    } else {
        hull_flush(node->hull, node_clock(node));
    }
    /* It looks at every record: with long logs not after each turn. */
    if (rng_below(&world->chaos, 1 + world->history_count / 16) == 0) {
        hull_check(node->hull);
    }
    struct hull_status status;
    hull_get_status(node->hull, node_clock(node), &status);
    if (status.faulted) {
        sim_trace(world, node, "is faulted: %s", status.fault);
        world->counters.faulted++;
        node_crash(node);
        node->restart_at =
            world->now + rng_below(&world->chaos, 500 * 1000) + 1000;
        return;
    }
    if (status.applied != node->applied) {
        sim_fail(world, node, "hull and pilot differ in what is applied");
    }
    raft_time deadline = hull_deadline(node->hull);
    node->tick_at = UINT64_MAX;
    if (deadline != UINT64_MAX) {
        node->tick_at = deadline <= node_clock(node)
                            ? world->now + 20
                            : clock_inverse(node, deadline);
    }
}

static void tree_event(struct node *node)
{
    struct world *world = node->world;
    /* A tree must not be ahead of its own log after a power failure. */
    raft_index index = node->applied;
    if (index > image_last(&node->disk.durable)) {
        index = image_last(&node->disk.durable);
    }
    if (index > node->disk.tree_durable) {
        node->disk.tree_durable = index;
        hull_tree_durable(node->hull, node_clock(node), index);
    }
    world_push(world,
               (struct event){.at = world->now + 1000 +
                                    rng_below(&world->disk_chance, 100 * 1000),
                              .kind = EV_TREE,
                              .node = node->at,
                              .life = node->life});
}

static void node_event(struct node *node, struct event *event)
{
    raft_time now = node_clock(node);
    switch (event->kind) {
    case EV_FRAME:
        hull_receive(node->hull, now,
                     (struct bytes){event->frame.data, event->frame.size});
        break;
    case EV_SYNC:
        if (event->number == 0) {
            disk_durable(&node->disk, node->disk.sync_mark);
        }
        hull_log_durable(node->hull, now, event->token,
                         event->number == 0 ? 0 : -5);
        break;
    case EV_WORK:
        work_some(node);
        break;
    case EV_CANCEL: {
        struct op *op = &node->world->ops[event->number];
        bool waits = !op->completed;
        if (hull_cancel(node->hull, op) != waits) {
            sim_fail(node->world, node, "cancel of op %llu",
                     (unsigned long long)event->number);
        }
        break;
    }
    case EV_TREE:
        tree_event(node);
        break;
    case EV_SNAPSHOT:
        snapshot_event(node, event->number);
        break;
    case EV_SESSION:
        try_session(node);
        break;
    case EV_FLUSH:
        hull_flush(node->hull, now);
        break;
    case EV_FAULT:
        assert(false);
        break;
    }
    node_turn_end(node);
}

static void event_run(struct world *world, struct event *event)
{
    if (event->kind == EV_FAULT) {
        chaos_strike(world);
        return;
    }
    struct node *node = &world->nodes[event->node];
    bool is_his = event->life == 0 || event->life == node->life;
    if (node->hull == NULL || !is_his) {
        frame_release(&event->frame);
        return;
    }
    if (node->paused_until > world->now) {
        /* Healing ends a pause. */
        event->at = node->paused_until < world->params.faults_end
                        ? node->paused_until
                        : world->params.faults_end + 1;
        world_push(world, *event);
        return;
    }
    node_event(node, event);
    frame_release(&event->frame);
}

/* The node whose timer or restart comes first; NULL: none. */
static struct node *timer_next(struct world *world, uint64_t *at)
{
    struct node *out = NULL;
    *at = UINT64_MAX;
    for (uint32_t i = 0; i < world->params.nodes; i++) {
        struct node *node = &world->nodes[i];
        uint64_t due = node->hull == NULL ? node->restart_at : node->tick_at;
        if (node->hull != NULL && due < node->paused_until) {
            due = node->paused_until;
        }
        if (due < *at) {
            *at = due;
            out = node;
        }
    }
    return out;
}

bool world_step(struct world *world)
{
    uint64_t timer_at;
    struct node *node = timer_next(world, &timer_at);
    uint64_t event_at = world->heap_count == 0 ? UINT64_MAX : world->heap[0].at;
    uint64_t at = timer_at < event_at ? timer_at : event_at;
    if (at > world->params.end) {
        world->now = world->params.end;
        return false;
    }
    world->now = at > world->now ? at : world->now;
    if (event_at <= timer_at) {
        struct event event = world_pop(world);
        event_run(world, &event);
    } else if (node->hull == NULL) {
        node_start(node);
    } else {
        hull_tick(node->hull, node_clock(node));
        node_turn_end(node);
    }
    return true;
}

void world_release(struct world *world)
{
    for (uint32_t i = 0; i < world->params.nodes; i++) {
        node_crash(&world->nodes[i]);
        disk_release(&world->nodes[i].disk);
    }
    while (world->heap_count > 0) {
        struct event event = world_pop(world);
        frame_release(&event.frame);
    }
    free(world->heap);
    free(world->history);
    free(world->leaders);
}
