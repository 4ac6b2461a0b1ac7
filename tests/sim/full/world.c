/* Virtual time, and the life of the nodes. */
#include "tests/sim/full/full.h"

#include "raft/core/memory.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

enum {
    SETTLE_US = 5 * 1000 * 1000,
    SETTLES_MAX = 12,
    TURNS_MAX = 1000, /* of a loop at one time */
};

struct world world;
struct sim_node *here;

/* --- chance --- */

uint64_t rng_next(struct rng *rng) /* splitmix64 */
{
    uint64_t z = rng->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t rng_below(struct rng *rng, uint64_t limit)
{
    return limit == 0 ? 0 : rng_next(rng) % limit;
}

bool rng_chance(struct rng *rng, uint32_t per_million)
{
    return rng_below(rng, 1000000) < per_million;
}

uint64_t rng_tail(struct rng *rng, uint64_t mean)
{
    uint64_t out = rng_below(rng, mean) + mean / 2;
    while (rng_chance(rng, 100000)) {
        out += rng_below(rng, mean * 8 + 1);
    }
    return out;
}

/* --- events --- */

static bool earlier(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void world_push(struct event event)
{
    if (world.heap_count == world.heap_capacity) {
        world.heap_capacity = world.heap_capacity * 2 + 64;
        world.heap =
            xrealloc(world.heap, world.heap_capacity * sizeof(*world.heap));
    }
    event.order = world.order++;
    size_t at = world.heap_count++;
    while (at > 0 && earlier(&event, &world.heap[(at - 1) / 2])) {
        world.heap[at] = world.heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    world.heap[at] = event;
}

static struct event world_pop(void)
{
    struct event out = world.heap[0];
    struct event last = world.heap[--world.heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= world.heap_count) {
            break;
        }
        if (child + 1 < world.heap_count &&
            earlier(&world.heap[child + 1], &world.heap[child])) {
            child++;
        }
        if (!earlier(&world.heap[child], &last)) {
            break;
        }
        world.heap[at] = world.heap[child];
        at = child;
    }
    world.heap[at] = last;
    return out;
}

/* --- clocks --- */

raft_time node_clock(const struct sim_node *sim)
{
    int64_t now = (int64_t)world.now;
    return (raft_time)(now + now * sim->clock_ppm / 1000000 +
                       sim->clock_offset);
}

uint64_t clock_inverse(const struct sim_node *sim, raft_time at)
{
    int64_t local = (int64_t)at - sim->clock_offset;
    return local <= 0
               ? 0
               : (uint64_t)(local * 1000000 / (1000000 + sim->clock_ppm) + 1);
}

/* --- nodes --- */

struct sim_node *sim_of_node(const struct node *node)
{
    for (uint32_t i = 0; i < world.params.nodes; i++) {
        if (world.nodes[i].node == node) {
            return &world.nodes[i];
        }
    }
    return NULL;
}

void node_wake(struct sim_node *sim)
{
    uint64_t at = world.now + 1 + rng_below(&world.core, world.params.lag_us);
    if (at < sim->turn_at) {
        sim->turn_at = at;
    }
}

int __wrap_config_read(const char *path, struct config *config,
                       char error[256]);
int __wrap_raftlog_extend(struct raftlog *log, uint64_t size);
int __real_raftlog_extend(struct raftlog *log, uint64_t size);

static void name_node(struct config *config, uint32_t at, const char *address)
{
    struct config_node *node = &config->nodes[config->node_count++];
    snprintf(node->name, sizeof(node->name), "%s", world.nodes[at].name);
    snprintf(node->address, sizeof(node->address), "%s", address);
    node->id = config_node_id(node->name);
}

int __wrap_config_read(const char *path, struct config *config,
                       char error[256])
{
    (void)path;
    (void)error;
    snprintf(config->name, sizeof(config->name), "%s", here->name);
    snprintf(config->cluster, sizeof(config->cluster), "simulated");
    config->cluster_id = 42;
    config->heartbeat_ms = 30;
    config->election_ms = 200;
    config->lease_ms = 150;
    config->session_timeout_ms = 2500;
    config->op_timeout_ms = 2000;
    config->log_trailing = world.params.log_trailing;
    config->log_trailing_mb = 1000;
    config->snapshot_mb_s = 100;
    snprintf(config->listen, sizeof(config->listen), "%s", here->address);
    config->joining = here->joins;
    config->node_count = 0;
    if (here->joins) {
        name_node(config, here->at, here->address);
        name_node(config, here->contact, here->contact_address);
        return 0;
    }
    for (uint32_t i = 0; i < world.params.members; i++) {
        char address[32];
        members_address(i, 0, address);
        name_node(config, i, address);
    }
    return 0;
}

/* Zeros that nobody reads would be most of the simulated disk. */
int __wrap_raftlog_extend(struct raftlog *log, uint64_t size)
{
    return __real_raftlog_extend(log, size / 256);
}

void __real_hull_options_default(struct hull_options *options);
void __wrap_hull_options_default(struct hull_options *options);
void __real_reclaim_options_default(struct reclaim_options *options);
void __wrap_reclaim_options_default(struct reclaim_options *options);

/* Small limits are met more often. */
void __wrap_hull_options_default(struct hull_options *options)
{
    const struct params *params = &world.params;
    __real_hull_options_default(options);
    options->raft.append_bytes_max = params->append_bytes_max;
    options->raft.window_appends = params->window_appends;
    options->cache_bytes = params->cache_bytes;
}

void __wrap_reclaim_options_default(struct reclaim_options *options)
{
    __real_reclaim_options_default(options);
    options->checkpoint_bytes = world.params.checkpoint_bytes;
    options->merge_extents = world.params.merge_extents;
}

int __real_image_settle(const char *datadir);
int __wrap_image_settle(const char *datadir);

/* A tree takes the place of another: rare, and short. */
int __wrap_image_settle(const char *datadir)
{
    bool runs = here->node->hull != NULL;
    if (runs && here->swap_error_at > 0) {
        here->stumbled = true;
        here->disk.io_error_at = here->swap_error_at;
        here->swap_error_at = 0;
    }
    return __real_image_settle(datadir);
}

void node_init(struct sim_node *sim, bool joins)
{
    char path[64];
    here = sim;
    sim->exists = true;
    sim->joins = joins;
    sim->disk.room = UINT64_MAX / 2;
    disk_make(&sim->disk, sim->directory, true);
    snprintf(path, sizeof(path), "%s/segments", sim->directory);
    disk_make(&sim->disk, path, true);
    snprintf(path, sizeof(path), "%s/log.db", sim->directory);
    node_id id = config_node_id(sim->name);
    int rc = joins ? raftlog_create_again(path, 42, id, LOG_REJOINING)
                   : raftlog_create(path, 42, id);
    assert(rc == 0);
    snprintf(path, sizeof(path), "%s/tree.db", sim->directory);
    rc = tree_create(path, 42);
    assert(rc == 0);
    disk_settle(&sim->disk);
    here = NULL;
}

/* It knows nothing of what it promised. */
void node_wipe(struct sim_node *sim)
{
    assert(sim->node == NULL && !sim->dying);
    disk_release(&sim->disk);
    sim->exists = false;
    sim->promise = (struct promise){.vote = 0};
    sim->acked = sim->acked_term = 0;
    sim->log_base = sim->log_last = 0;
}

static void close_node(struct sim_node *sim)
{
    clients_node_gone(sim);
    node_close(sim->node);
    free(sim->node);
    sim->node = NULL;
    sim->turn_at = UINT64_MAX;
    sim->timer_count = sim->async_count = sim->idle_count = 0;
}

/* The process has ended: nothing that it still holds is left. */
static void bury(struct sim_node *sim)
{
    here = sim;
    if (sim->node != NULL) {
        close_node(sim);
    }
    if (sim->dying) {
        disk_release(&sim->disk);
        disk_take(&sim->disk, &sim->image);
        sim->dying = false;
    }
    here = NULL;
    /* Some are away for longer than their session lives. */
    uint64_t away = rng_chance(&world.chaos, 100000) ? 4000 : 300;
    away = world.calm ? 10 : away;
    sim->restart_at =
        world.now + 1000 + rng_tail(&world.chaos, away * 1000);
    if (sim->off) {
        sim->restart_at = UINT64_MAX;
    }
}

void node_crash(struct sim_node *sim, bool with_power)
{
    if (sim->dying || (sim->node == NULL && here != sim)) {
        return;
    }
    sim_trace(sim, "%s", with_power ? "is killed" : "loses power");
    world.counters.crashes++;
    world.counters.kills += with_power;
    world.counters.powerless += !with_power;
    sim->dying = true;
    disk_after_crash(&sim->disk, with_power, &sim->image);
    sim->disk.doomed = true;
}

void node_stop_cleanly(struct sim_node *sim)
{
    if (sim->node != NULL && !sim->dying) {
        sim_trace(sim, "is stopped");
        bury(sim);
    }
}

void node_start(struct sim_node *sim)
{
    char why[512] = "";
    struct daemon_options options = {
        .datadir = sim->directory,
        .reads = world.params.leases ? READS_LEASE : READS_INDEX};
    here = sim;
    sim->life++;
    sim->restart_at = UINT64_MAX;
    sim->crash_after = 0;
    sim->undo_low = 0;
    sim->seen_term = sim->seen_commit = sim->seen_applied = 0;
    sim->stumbled = sim->disk.io_error_at > 0 || sim->disk.sync_failed;
    sim->node = xcalloc(1, sizeof(*sim->node));
    sim->node->ready_fd = -1;
    sim_trace(sim, "starts");
    int rc = node_open(sim->node, &options, why);
    if (rc == 0) {
        rc = node_run(sim->node); /* returns: the loop is ours */
        node_wake(sim);
        clients_start(sim);
        here = NULL;
        return;
    }
    sim_trace(sim, "cannot start: %s", why);
    if (!sim->dying && !sim->stumbled && sim->disk.room > 1 << 20) {
        sim_fail(sim, "start", "%s", why);
    }
    sim->disk.io_error_at = 0; /* a person has looked after it */
    sim->disk.room = UINT64_MAX / 2;
    bury(sim);
}

/* --- what happens next --- */

static void after_event(struct sim_node *sim)
{
    if (sim->node != NULL && !sim->dying) {
        watch_turn(sim);
    }
    if (sim->node != NULL && !sim->dying && sim->node->faulted &&
        sim->crash_after == 0) {
        world.counters.out_of_service++;
        if (!sim->stumbled && sim->disk.room > 1 << 20) {
            sim_fail(sim, "fault", "is out of service without a reason: %s",
                     store_error_text());
        }
        sim->crash_after = world.now + rng_below(&world.chaos, 500 * 1000) + 1;
    }
    here = NULL;
    if (sim->dying) {
        bury(sim);
    }
}

/* The node that has something to do first; NULL: none. */
static struct sim_node *node_next(uint64_t *at)
{
    struct sim_node *out = NULL;
    *at = UINT64_MAX;
    for (uint32_t i = 0; i < world.params.nodes; i++) {
        struct sim_node *sim = &world.nodes[i];
        uint64_t due = sim->restart_at;
        if (sim->node != NULL) {
            uint64_t fibers = fibers_due(i);
            due = loop_due(sim);
            due = fibers < due ? fibers : due;
            due = due < sim->paused_until ? sim->paused_until : due;
            if (sim->crash_after != 0 && sim->crash_after < due) {
                due = sim->crash_after;
            }
        }
        if (due < *at) {
            *at = due;
            out = sim;
        }
    }
    return out;
}

/* A real loop would burn the processor. */
static void see_turn(struct sim_node *sim)
{
    sim->turns = sim->turned_at == world.now ? sim->turns + 1 : 0;
    sim->turned_at = world.now;
    if (sim->turns > TURNS_MAX) {
        sim_fail(sim, "spin", "its loop goes round without a pause");
    }
}

static void node_runs(struct sim_node *sim)
{
    if (sim->node == NULL) {
        node_start(sim);
        if (sim->node == NULL) {
            return;
        }
    } else if (sim->crash_after != 0 && sim->crash_after <= world.now) {
        /* A person has restarted it, and mended the disk. */
        node_crash(sim, true);
        sim->image.room = UINT64_MAX / 2;
    } else {
        fibers_run(sim->at);
        if (!sim->dying && loop_due(sim) <= world.now) {
            here = sim;
            see_turn(sim);
            loop_turn(sim);
        }
    }
    after_event(sim);
}

static void event_run(struct event *event)
{
    struct sim_node *sim = &world.nodes[event->node];
    if (event->kind == EV_FAULT || event->kind == EV_PERSON) {
        if (event->kind == EV_FAULT) {
            chaos_strike();
        } else {
            members_step(event->what);
        }
        for (uint32_t i = 0; i < world.params.nodes; i++) {
            after_event(&world.nodes[i]);
        }
        return;
    }
    if (event->kind == EV_WORK && event->what == NULL) {
        return; /* done when the node was closed */
    }
    if (sim->node == NULL || (event->life != 0 && event->life != sim->life)) {
        return;
    }
    if (sim->paused_until > world.now) {
        /* Healing ends a pause. */
        event->at = sim->paused_until < world.params.faults_end
                        ? sim->paused_until
                        : world.params.faults_end + 1;
        world_push(*event);
        event->frame = (struct frame){.data = NULL};
        return;
    }
    here = sim;
    if (event->kind == EV_FRAME) {
        sim_note((uint64_t)event->from << 32 | event->frame.size);
        net_arrives(event);
    } else if (event->kind == EV_CLIENT) {
        client_step(event->what);
    } else if (event->kind == EV_WORK) {
        loop_work(event);
    } else {
        struct client *client = event->what;
        if (client->waits != NULL && client->waits->number == event->number &&
            client->waits->on_interrupt != NULL) {
            world.counters.interrupts++;
            client->waits->on_interrupt(client->waits,
                                        client->waits->on_interrupt_arg);
        }
    }
    node_wake(sim);
    after_event(sim);
}

/* False: the end has come. */
static bool world_step(uint64_t end)
{
    uint64_t node_at;
    struct sim_node *sim = node_next(&node_at);
    uint64_t event_at = world.heap_count > 0 ? world.heap[0].at : UINT64_MAX;
    uint64_t at = node_at < event_at ? node_at : event_at;
    if (at > end) {
        world.now = end;
        return false;
    }
    world.now = at > world.now ? at : world.now;
    sim_note(world.now);
    if (event_at <= node_at) {
        struct event event = world_pop();
        event_run(&event);
        frame_release(&event.frame);
    } else {
        node_runs(sim);
    }
    return true;
}

/* Safety: everything fails. Liveness: nothing does any more, and all that waits
 * must come to its end. */
void world_run(void)
{
    while (world_step(world.params.faults_end)) {
    }
    sim_trace(NULL, "all faults end");
    chaos_heal();
    for (uint32_t i = 0; i < world.params.nodes; i++) {
        after_event(&world.nodes[i]);
    }
    /* Who was far behind, with a small window and a slow disk, needs longer. */
    uint64_t end = world.now + SETTLE_US;
    for (int i = 0; i < SETTLES_MAX; i++) {
        while (world_step(end)) {
        }
        if (watch_converged()) {
            break;
        }
        end += SETTLE_US;
    }
    for (uint32_t i = 0; i < world.params.nodes; i++) {
        here = &world.nodes[i];
        if (is_healed(i) && (here->node == NULL || !clients_ask_last(here))) {
            sim_fail(here, "liveness", "cannot be used after healing");
        }
        here = NULL;
    }
    end += SETTLE_US;
    while (world_step(end)) {
    }
    watch_end();
}

/* --- the whole --- */

static uint64_t pick(struct rng *rng, const uint64_t *list, size_t count)
{
    return list[rng_below(rng, count)];
}
#define PICK(rng, ...)                                                         \
    pick(rng, (const uint64_t[]){__VA_ARGS__},                                 \
         sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

void params_draw(struct rng *rng)
{
    world.params = (struct params){
        .nodes = (uint32_t)PICK(rng, 1, 2, 3, 3, 3, 3, 4, 5, 5),
        .clients = (uint32_t)PICK(rng, 1, 2, 3, 4),
        .delay_us = PICK(rng, 50, 200, 1000, 5000),
        .drop_ppm = (uint32_t)PICK(rng, 0, 0, 2000, 50000),
        .duplicate_ppm = (uint32_t)PICK(rng, 0, 5000, 100000),
        .fifo = PICK(rng, 0, 1, 1) == 1,
        .sync_us = PICK(rng, 100, 1000, 5000, 20000),
        .stall_ppm = (uint32_t)PICK(rng, 0, 2000, 20000),
        .think_us = PICK(rng, 300, 2000, 10000),
        .leases = PICK(rng, 0, 1) == 1,
        .fault_us = PICK(rng, 60000, 200000, 500000, 2000000),
        .lag_us = (uint32_t)PICK(rng, 1, 100, 3000),
        .big_ppm = (uint32_t)PICK(rng, 0, 100000, 600000),
        .checkpoint_bytes = (uint32_t)PICK(rng, 65536, 262144, 8388608),
        .merge_extents = (uint32_t)PICK(rng, 3, 8, 16),
        .append_bytes_max = (uint32_t)PICK(rng, 1000, 20000, 1000000),
        .window_appends = (uint32_t)PICK(rng, 1, 4, 64),
        .cache_bytes = (uint32_t)PICK(rng, 1000, 50000, 10000000),
        .log_trailing = (uint32_t)PICK(rng, 0, 20, 4096),
    };
    world.params.faults_end = PICK(rng, 2000, 4000, 8000, 15000) * 1000;
}

/* A share of seeds has more machines than members, and somebody who changes who
 * is one; a share ends with a majority alone. */
static void draw_ways(uint64_t seed)
{
    struct rng rng = {seed * 0xd1342543de82ef95u + 7};
    struct params *params = &world.params;
    params->members = params->nodes;
    if (rng_chance(&rng, 350000)) {
        params->nodes += 1 + (uint32_t)rng_below(&rng, 2);
    }
    params->core_only = rng_chance(&rng, 300000);
}

void world_init(uint64_t seed)
{
    struct world old = world;
    world = (struct world){.seed = seed,
                           .verbose = old.verbose,
                           .puml = old.puml,
                           .faults_left = old.faults_left,
                           .trial = old.trial};
    struct rng root = {seed * 0x2545f4914f6cdd1du + 1};
    world.net.state = rng_next(&root);
    world.disk.state = rng_next(&root);
    world.chaos.state = rng_next(&root);
    world.work.state = rng_next(&root);
    world.core.state = rng_next(&root);
    params_draw(&root);
    draw_ways(seed);
    vfs_reset();
    world.now = 10;
    for (uint32_t i = 0; i < world.params.nodes; i++) {
        struct sim_node *sim = &world.nodes[i];
        *sim = (struct sim_node){
            .at = i,
            .turn_at = UINT64_MAX,
            .clock_offset = (int64_t)rng_below(&root, 1u << 30) + 100000000,
            .clock_ppm = (int64_t)rng_below(&root, 18001) - 9000,
            .wall_offset = 1700000000ll * 1000000 +
                           (int64_t)rng_below(&root, 4000000) - 2000000,
            .restart_at = rng_below(&root, 50 * 1000),
        };
        snprintf(sim->directory, sizeof(sim->directory), "/n%u", i + 1);
        snprintf(sim->name, sizeof(sim->name), "n%u", i + 1);
        for (uint32_t c = 0; c < CLIENTS_MAX; c++) {
            world.clients[i][c] =
                (struct client){.sim = sim, .at = i * CLIENTS_MAX + c};
        }
    }
    members_init();
    world_push(
        (struct event){.at = world.params.fault_us, .kind = EV_FAULT});
}

void world_release(void)
{
    world.over = true;
    for (uint32_t i = 0; i < world.params.nodes; i++) {
        struct sim_node *sim = &world.nodes[i];
        bury(sim);
        disk_release(&sim->disk);
        free(sim->terms);
    }
    while (world.heap_count > 0) {
        struct event event = world_pop();
        frame_release(&event.frame);
    }
    for (size_t i = 0; i < world.logged_capacity; i++) {
        while (world.logged[i] != NULL) {
            struct logged *next = world.logged[i]->next;
            free(world.logged[i]);
            world.logged[i] = next;
        }
    }
    for (uint32_t i = 0; i < NODES_MAX; i++) {
        for (uint32_t c = 0; c < CLIENTS_MAX; c++) {
            free(world.clients[i][c].answer.bytes);
        }
    }
    free(world.logged);
    free(world.heap);
    free(world.history);
    free(world.leaders);
    free(world.tokens);
    free(world.journal);
}
