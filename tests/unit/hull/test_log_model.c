/* The rules of logs, for the model of tests/sim/hullsim: a log that knows what
 * a power failure would leave of it. */
#include "tests/sim/hullsim.h"
#include "tests/unit/hull/log_rules.h"

#include <stdlib.h>
#include <string.h>

static struct world world; /* nothing ever fails in it */
static struct node node;
static raft_token syncing; /* 0: none */

/* --- what the model wants of the simulator --- */

void sim_fail(struct world *of, const struct node *at, const char *format, ...)
{
    (void)of, (void)at, (void)format;
    abort();
}

struct op *op_of_record(struct world *of, const struct record *record)
{
    (void)of, (void)record;
    return NULL;
}

void world_push(struct world *of, struct event event)
{
    (void)of;
    syncing = event.token;
}

raft_time node_clock(const struct node *at)
{
    (void)at;
    return 0;
}

uint64_t rng_below(struct rng *rng, uint64_t limit)
{
    (void)rng, (void)limit;
    return 0; /* of a crash: nothing but what is durable */
}

bool rng_chance(struct rng *rng, uint32_t per_million)
{
    (void)rng, (void)per_million;
    return false;
}

uint64_t rng_tail(struct rng *rng, uint64_t mean)
{
    (void)rng;
    return mean;
}

void hull_log_durable(struct hull *hull, raft_time now, raft_token token,
                      int status)
{
    (void)hull, (void)now;
    log_rules_durable(token, status);
}

/* --- the subject --- */

static struct log_api open_log(void)
{
    world = (struct world){.calm = true};
    node = (struct node){.world = &world};
    disk_init(&node.disk);
    return log_model(&node);
}

static void close_log(void)
{
    disk_release(&node.disk);
}

/* The model has seen to it that what is large is in a segment. */
static void stage(struct record *record)
{
    record->place.segment = 1;
}

static void undone(raft_index from)
{
    node.undo_low = from;
}

static void tree_durable(raft_index upto)
{
    node.disk.tree_durable = upto;
}

/* As EV_SYNC does. */
static void finish_sync(void)
{
    disk_durable(&node.disk, node.disk.sync_mark);
    hull_log_durable(NULL, 0, syncing, 0);
}

static struct log_api reopen(struct log_kept *kept)
{
    struct rng rng = {0};
    disk_crash(&node.disk, &rng);
    node.undo_low = 0;
    const struct log_image *now = &node.disk.now;
    *kept = (struct log_kept){.term = now->term,
                              .vote = now->vote,
                              .base = now->base,
                              .base_term = now->base_term,
                              .last = image_last(now)};
    return log_model(&node);
}

int main(void)
{
    const struct log_subject subject = {.open = open_log,
                                        .close = close_log,
                                        .stage = stage,
                                        .undone = undone,
                                        .tree_durable = tree_durable,
                                        .finish_sync = finish_sync,
                                        .reopen = reopen};
    return log_rules_run(&subject);
}
