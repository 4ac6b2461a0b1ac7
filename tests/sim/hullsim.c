/* hullsim -- runs simulated clusters from seeds until a rule is broken.
 *
 *   hullsim [--seeds N] [--first S] [--wipes] [--verbose]
 *
 * --wipes: disks are lost in every seed, not in every third.
 */
#include "tests/sim/hullsim.h"

#include "raft/core/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static uint64_t pick(struct rng *rng, const uint64_t *list, size_t count)
{
    return list[rng_below(rng, count)];
}
#define PICK(rng, ...)                                                         \
    pick(rng, (const uint64_t[]){__VA_ARGS__},                                 \
         sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void params_draw(struct params *params, struct rng *rng)
{
    *params = (struct params){
        .nodes = (uint32_t)PICK(rng, 1, 2, 3, 3, 3, 3, 4, 5, 5),
        .slow = (uint32_t)PICK(rng, 1, 1, 1, 5),
        .drop_ppm = (uint32_t)PICK(rng, 0, 0, 1000, 20000, 200000),
        .duplicate_ppm = (uint32_t)PICK(rng, 0, 1000, 50000, 300000),
        .delay_us = PICK(rng, 20, 100, 1000, 5000),
        .fifo = PICK(rng, 0, 1) == 1,
        .sync_us = PICK(rng, 50, 300, 3000, 20000),
        .sync_stall_ppm = (uint32_t)PICK(rng, 0, 0, 500, 5000),
        .sync_at_once_ppm = (uint32_t)PICK(rng, 0, 0, 500000, 1000000),
        .work_us = PICK(rng, 3000, 10000, 40000),
        .burst_max = (uint32_t)PICK(rng, 1, 2, 10),
        .read_ppm = (uint32_t)PICK(rng, 100000, 300000, 700000),
        .cancel_ppm = (uint32_t)PICK(rng, 0, 20000, 200000),
        .nobody_ppm = (uint32_t)PICK(rng, 0, 30000),
        .patience_us = PICK(rng, 10000, 100000, 1000000),
        .fault_us = PICK(rng, 50000, 200000, 1000000, 5000000),
        .io_error_ppm = (uint32_t)PICK(rng, 0, 0, 0, 50, 500),
        .defer_flush_ppm = (uint32_t)PICK(rng, 0, 200000, 800000),
        .append_bytes_max = (uint32_t)PICK(rng, 1000, 20000, 1000000),
        .window_appends = (uint32_t)PICK(rng, 1, 4, 64),
        .cache_bytes = (uint32_t)PICK(rng, 1000, 50000, 10000000),
        .log_trailing = (uint32_t)PICK(rng, 0, 20, 4096),
        .waiting_max = (uint32_t)PICK(rng, 20, 16384),
        .lease_ppm = (uint32_t)PICK(rng, 0, 500000, 1000000, 1000000),
    };
    params->faults_end = params->slow * PICK(rng, 500, 1000, 1000, 4000) * 1000;
    params->end = params->faults_end + params->slow * 5 * 1000 * 1000;
}

static void world_init(struct world *world, uint64_t seed, bool wipes,
                       bool verbose)
{
    *world = (struct world){.seed = seed, .verbose = verbose};
    struct rng root = {seed * 0x2545f4914f6cdd1du + 1};
    world->net.state = rng_next(&root);
    world->disk_chance.state = rng_next(&root);
    world->chaos.state = rng_next(&root);
    world->work.state = rng_next(&root);
    world->core.state = rng_next(&root);
    params_draw(&world->params, &root);
    world->params.wipes = seed % 3 == 0 || wipes;
    world->now = 10;
    for (uint32_t i = 0; i < world->params.nodes; i++) {
        struct node *node = &world->nodes[i];
        *node = (struct node){
            .world = world,
            .at = i,
            .clock_offset =
                (int64_t)rng_below(&root, 1000ull * 1000 * 1000) + 1,
            .clock_ppm = (int64_t)rng_below(&root, 18001) - 9000,
            .chatty = PICK(&root, 0, 0, 1) == 1,
            .tick_at = UINT64_MAX,
            .restart_at = rng_below(&root, 20 * 1000),
        };
        disk_init(&node->disk);
    }
    world_push(world,
               (struct event){.at = world->params.fault_us, .kind = EV_FAULT});
}

/* --- what must hold once the faults are over --- */

struct last_words { /* the ops submitted on each node after healing */
    uint32_t first, count;
};

static struct last_words ask_everywhere(struct world *world)
{
    struct last_words out = {.first = world->op_count};
    uint64_t patience = world->params.end;
    for (uint32_t i = 0; i < world->params.nodes; i++) {
        struct node *node = &world->nodes[i];
        if (node->hull == NULL) {
            sim_fail(world, node, "is still down");
        }
        work_one(node, false, patience);
        work_one(node, true, patience);
        node_turn_end(node);
    }
    out.count = world->op_count - out.first;
    return out;
}

static void check_end(struct world *world, struct last_words asked)
{
    uint32_t leaders = 0;
    for (uint32_t i = 0; i < world->params.nodes; i++) {
        struct node *node = &world->nodes[i];
        if (node->hull == NULL) {
            sim_fail(world, node, "is down at the end");
        }
        leaders += hull_is_leader(node->hull);
        if (node->newcomer && world->op_count < OPS_MAX) {
            sim_fail(world, node, "does not count at the end");
        }
        if (node->applied != world->history_count) {
            sim_fail(world, node, "applied %llu of %zu records",
                     (unsigned long long)node->applied, world->history_count);
        }
    }
    if (leaders != 1) {
        sim_fail(world, NULL, "%u leaders at the end", leaders);
    }
    for (uint32_t i = 0; i < asked.count; i++) {
        const struct op *op = &world->ops[asked.first + i];
        if (!op->completed || op->outcome != HULL_DONE) {
            sim_fail(world, &world->nodes[op->node],
                     "op %u after healing: completed %d, outcome %d",
                     asked.first + i, op->completed, (int)op->outcome);
        }
    }
    for (uint32_t i = 0; i < world->op_count; i++) {
        const struct op *op = &world->ops[i];
        if (op->completed || op->kind == OP_READ) {
            continue;
        }
        /* Nobody waits, but the node lives: it must have got it through. */
        if (op->taken && op->life == world->nodes[op->node].life &&
            op->first == 0) {
            sim_fail(world, &world->nodes[op->node],
                     "op %u, for nobody, was never done", i);
        }
    }
}

static void run_until(struct world *world, uint64_t end)
{
    uint64_t last = world->params.end;
    world->params.end = end;
    while (world_step(world)) {
    }
    world->params.end = last;
}

static void run(struct world *world)
{
    run_until(world, world->params.faults_end);
    sim_trace(world, NULL, "all faults end");
    chaos_heal(world);
    uint64_t settle = (world->params.end - world->now) / 2;
    run_until(world, world->now + settle);
    struct last_words asked = ask_everywhere(world);
    run_until(world, world->params.end);
    check_end(world, asked);
}

/* --- many seeds --- */

enum {
    COUNTERS = sizeof(struct counters) / sizeof(uint64_t),
    SEEDS_ENOUGH = 40, /* that many must have met everything once */
};

static const char *const names[COUNTERS] = {
    "elections", "undone",    "duplicates", "done",     "not_done",
    "unknown",   "cancelled", "stopped",    "reads",    "reads_late",
    "crashes",   "faulted",   "compacted",  "forwards", "resent",
    "frames",    "dropped",   "syncs",      "records",  "pushed_back",
    "notices",   "snapshots", "torn",       "kept",
    "reads_now", "reads_settled", "wipes",  "joined",
};

/* A simulation that never meets a case proves nothing about it. */
static int report(const uint64_t *sum, uint64_t seeds)
{
    int rc = 0;
    for (size_t i = 0; i < COUNTERS; i++) {
        printf("%s=%" PRIu64 "%s", names[i], sum[i], i % 7 == 6 ? "\n" : " ");
    }
    for (size_t i = 0; i < COUNTERS && seeds >= SEEDS_ENOUGH; i++) {
        if (sum[i] == 0) {
            printf("FAIL nothing was ever counted as %s\n", names[i]);
            rc = 1;
        }
    }
    return rc;
}

static void run_seed(struct world *world, uint64_t seed, bool wipes,
                     bool verbose, uint64_t *sum)
{
    world_init(world, seed, wipes, verbose);
    run(world);
    world_release(world);
    uint64_t counted[COUNTERS];
    memcpy(counted, &world->counters, sizeof(counted));
    for (size_t i = 0; i < COUNTERS; i++) {
        sum[i] += counted[i];
    }
}

int main(int argc, char **argv)
{
    uint64_t seeds = 100, first = 1;
    bool wipes = false, verbose = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
            i++;
            seeds = strtoull(argv[i], NULL, 10);
        } else if (strcmp(argv[i], "--first") == 0 && i + 1 < argc) {
            i++;
            first = strtoull(argv[i], NULL, 10);
        } else if (strcmp(argv[i], "--wipes") == 0) {
            wipes = true;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            verbose = true;
        } else {
            fprintf(stderr,
                    "usage: hullsim [--seeds N] [--first S] [--wipes] "
                    "[--verbose]\n");
            return 2;
        }
    }
    uint64_t sum[COUNTERS] = {0};
    struct world *world = xcalloc(1, sizeof(*world));
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        run_seed(world, seed, wipes, verbose, sum);
    }
    free(world);
    printf("%" PRIu64 " seeds from %" PRIu64 " hold\n", seeds, first);
    return report(sum, seeds);
}
