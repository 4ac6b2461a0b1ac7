/* What breaks, and when. Each fault is drawn from its own number, so that leaving
 * one out (shrinking) does not change the others.
 */
#include "tests/sim/full/full.h"

#include <string.h>

enum fault {
    FAULT_KILL,
    FAULT_POWER,
    FAULT_POWER_MID_WRITE,
    FAULT_KILL_MID_WRITE,
    FAULT_POWER_ALL,
    FAULT_STOP,
    FAULT_PAUSE,
    FAULT_CUT,
    FAULT_ISOLATE,
    FAULT_BRIDGE,
    FAULT_CHAIN,
    FAULT_FLAP,
    FAULT_IO_ERROR,
    FAULT_SYNC,
    FAULT_FULL,
    FAULT_SLOW_DISK,
    FAULT_WALL_JUMP,
    FAULT_TRANSFER,
    FAULT_KINDS,
    FAULT_MEMBERS = FAULT_KINDS, /* only where there are spare machines */
};

enum { MEMBERS_PPM = 400000, FOR_EVER_US = 1000 * 1000 * 1000 };

const char *const chaos_names[] = {
    "kill",    "power-off", "power-off in a write", "kill in a write",
    "power-off of all", "stop", "pause", "one-way cut", "isolation", "bridge",
    "chain", "flapping link", "I/O error", "failed sync", "full disk",
    "slow disk", "jump of the wall clock", "transfer",
    "change of the members",
};

static void cut(uint32_t from, uint32_t to, uint64_t us)
{
    uint64_t until = world.now + us;
    if (until > world.cut_until[from][to]) {
        world.cut_until[from][to] = until;
    }
}

static void cut_both(uint32_t a, uint32_t b, uint64_t us)
{
    cut(a, b, us);
    cut(b, a, us);
}

static void isolate(uint32_t at, uint64_t us)
{
    for (uint32_t i = 0; i < world.params.nodes; i++) {
        if (i != at) {
            cut_both(i, at, us);
        }
    }
}

/* Two halves that only the middle hears. */
static void bridge(uint32_t middle, uint64_t us)
{
    world.counters.bridges++;
    for (uint32_t a = 0; a < world.params.nodes; a++) {
        for (uint32_t b = 0; b < a; b++) {
            if (a != middle && b != middle && (a + b) % 2 == 1) {
                cut_both(a, b, us);
            }
        }
    }
}

static void chain(uint64_t us)
{
    world.counters.bridges++;
    for (uint32_t a = 0; a < world.params.nodes; a++) {
        for (uint32_t b = 0; b + 1 < a; b++) {
            cut_both(a, b, us);
        }
    }
}

static void disk_fault(struct sim_node *sim, enum fault fault, struct rng *rng)
{
    if (sim->node == NULL) {
        return;
    }
    sim->stumbled = true;
    switch (fault) {
    case FAULT_IO_ERROR:
        sim->disk.io_error_at = 1 + (uint32_t)rng_below(rng, 200);
        sim->swap_error_at = 1 + (uint32_t)rng_below(rng, 12);
        break;
    case FAULT_SYNC:
        sim->disk.sync_failed = true;
        break;
    case FAULT_FULL:
        sim->disk.room = rng_below(rng, 200 * 1000);
        break;
    default:
        break;
    }
}

static void strike(enum fault fault, struct rng *rng)
{
    uint32_t nodes = world.params.nodes;
    uint32_t at = (uint32_t)rng_below(rng, nodes);
    uint32_t other = (uint32_t)rng_below(rng, nodes);
    struct sim_node *sim = &world.nodes[at];
    uint64_t us = rng_tail(rng, 300 * 1000);
    sim_trace(sim, "fault %s, %llu us", chaos_names[fault],
              (unsigned long long)us);
    switch (fault) {
    case FAULT_KILL:
    case FAULT_POWER:
        node_crash(sim, fault == FAULT_KILL);
        break;
    case FAULT_POWER_ALL:
        for (uint32_t i = 0; i < nodes; i++) {
            node_crash(&world.nodes[i], false);
        }
        break;
    case FAULT_POWER_MID_WRITE:
    case FAULT_KILL_MID_WRITE:
        if (sim->node != NULL) {
            sim->disk.crash_at = 1 + (uint32_t)rng_below(rng, 40);
            sim->power_off = fault == FAULT_POWER_MID_WRITE;
        }
        break;
    case FAULT_STOP:
        node_stop_cleanly(sim);
        break;
    case FAULT_PAUSE:
        world.counters.pauses++;
        sim->paused_until = world.now + us * (1 + rng_below(rng, 5));
        break;
    case FAULT_CUT:
        world.counters.cuts++;
        cut(at, other, us * 2);
        break;
    case FAULT_ISOLATE:
        world.counters.cuts++;
        isolate(at, us * 2);
        break;
    case FAULT_BRIDGE:
        bridge(at, us * 2);
        break;
    case FAULT_CHAIN:
        chain(us * 2);
        break;
    case FAULT_FLAP:
        cut_both(at, other, us / 10);
        break;
    case FAULT_IO_ERROR:
    case FAULT_SYNC:
    case FAULT_FULL:
        disk_fault(sim, fault, rng);
        break;
    case FAULT_SLOW_DISK:
        sim->disk.slow = 1 + (uint32_t)rng_below(rng, 30);
        break;
    case FAULT_WALL_JUMP:
        world.counters.jumps++;
        sim->wall_offset += (int64_t)rng_below(rng, 20000000) - 10000000;
        break;
    case FAULT_TRANSFER:
        if (sim->node != NULL && hull_is_leader(sim->node->hull)) {
            world.counters.transfers++;
            here = sim;
            hull_transfer(sim->node->hull, node_clock(sim), 0);
            node_wake(sim);
            here = NULL;
        }
        break;
    case FAULT_MEMBERS:
        members_strike(rng);
        break;
    }
}

void faults_only(const uint32_t *list, size_t count)
{
    static bool left[FAULTS_MAX];
    memset(left, 0, sizeof(left));
    for (size_t i = 0; i < count; i++) {
        if (list[i] < FAULTS_MAX) {
            left[list[i]] = true;
        }
    }
    world.faults_left = left;
}

bool is_left_out(uint64_t number)
{
    return world.faults_left != NULL &&
           (number >= FAULTS_MAX || !world.faults_left[number]);
}

void chaos_strike(void)
{
    if (world.calm) {
        return;
    }
    uint64_t number = world.fault_number++;
    if (world.trial != NULL) {
        world.trial->faults = world.fault_number;
    }
    struct rng rng = {world.seed * 0x9e3779b97f4a7c15u + number};
    uint64_t wait = rng_tail(&rng, world.params.fault_us);
    enum fault fault = (enum fault)rng_below(&rng, FAULT_KINDS);
    if (world.params.nodes > world.params.members &&
        rng_chance(&rng, MEMBERS_PPM)) {
        fault = FAULT_MEMBERS;
    }
    if (!is_left_out(number)) {
        strike(fault, &rng);
    }
    world_push((struct event){.at = world.now + 1 + wait, .kind = EV_FAULT});
}

/* Cut off for ever, or down. */
static void lose(struct sim_node *sim, struct rng *rng)
{
    if (rng_chance(rng, 500000)) {
        sim_trace(sim, "stays cut off");
        isolate(sim->at, FOR_EVER_US);
        return;
    }
    sim_trace(sim, "stays down");
    sim->off = true;
    sim->restart_at = UINT64_MAX;
    node_crash(sim, rng_chance(rng, 500000));
}

static void lose_some(void)
{
    struct rng rng = {world.seed * 0x9e3779b97f4a7c15u + FAULTS_MAX};
    if (!world.params.core_only || !members_lose_some()) {
        return;
    }
    world.counters.cores++;
    for (uint32_t i = 0; i < world.params.nodes; i++) {
        if (world.nodes[i].lost) {
            lose(&world.nodes[i], &rng);
        }
    }
}

void chaos_heal(void)
{
    world.calm = true;
    for (uint32_t a = 0; a < world.params.nodes; a++) {
        struct sim_node *sim = &world.nodes[a];
        for (uint32_t b = 0; b < world.params.nodes; b++) {
            world.cut_until[a][b] = 0;
        }
        sim->paused_until = 0;
        if (sim->node == NULL && sim->exists && !sim->off) {
            sim->restart_at = world.now + 1000;
        }
        sim->disk.io_error_at = sim->disk.crash_at = sim->disk.slow = 0;
        sim->swap_error_at = 0;
        sim->disk.sync_failed = false;
        sim->disk.room = UINT64_MAX / 2;
    }
    lose_some();
}
