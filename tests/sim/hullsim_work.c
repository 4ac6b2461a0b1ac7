/* The callers: they submit, read, lose patience, and cancel. */
#include "tests/sim/hullsim.h"

#include "raft/wire/cursor.h"

static struct record *command_of(struct world *world, struct node *node,
                                 uint64_t number)
{
    static const uint8_t payload[6000];
    uint8_t body[48] = {0};
    struct writer writer = writer_init(body, sizeof(body));
    write_u64(&writer, number);
    size_t body_size = 8 + rng_below(&world->work, sizeof(body) - 8);
    size_t payload_size = 0;
    if (rng_chance(&world->work, 300000)) {
        payload_size = rng_below(&world->work, 300);
    } else if (rng_chance(&world->work, 20000)) {
        payload_size = sizeof(payload);
    }
    struct record *record =
        record_new(RECORD_COMMAND, (struct bytes){body, body_size},
                   (struct bytes){payload, payload_size});
    record->origin = node->at + 1;
    record->session = node->life * 100 + node->at;
    record->serial = number + 1;
    return record;
}

static raft_time deadline_of(struct node *node, uint64_t patience_us)
{
    return node_clock(node) + patience_us;
}

static int submit(struct node *node, struct op *op, uint64_t number,
                  uint64_t patience_us)
{
    struct world *world = node->world;
    struct record *record = command_of(world, node, number);
    op->nobody =
        !world->calm && rng_chance(&world->work, world->params.nobody_ppm);
    if (op->nobody && rng_chance(&world->work, 500000)) {
        record->session = 0; /* without identity */
        record->serial = 0;
    } else if (rng_chance(&world->work, 20000)) {
        record->session = 0; /* as the one that opens a session */
    }
    int rc =
        hull_submit(node->hull, node_clock(node), record,
                    deadline_of(node, patience_us), op->nobody ? NULL : op);
    if (rc < 0) {
        record_unref(record);
    }
    return rc;
}

uint64_t name_at(raft_index applied)
{
    return 1 + (applied * 7 / 3) % (KEYS - 1);
}

/* A reader that does not wait. */
static void read_now(struct node *node)
{
    struct world *world = node->world;
    uint64_t key = 1 + rng_below(&world->work, KEYS - 1);
    if (!hull_read_now(node->hull, node_clock(node), &key, 1)) {
        return;
    }
    world->counters.reads_now++;
    for (raft_index i = node->applied + 1; i <= world->floor; i++) {
        if (world->history[i - 1].key == key) {
            sim_fail(world, node, "stale read: shows %llu, must show %llu",
                     (unsigned long long)node->applied, (unsigned long long)i);
        }
    }
}

struct op *work_one(struct node *node, bool is_read, uint64_t patience_us)
{
    struct world *world = node->world;
    if (world->op_count == OPS_MAX) {
        return NULL;
    }
    uint64_t number = world->op_count;
    struct op *op = &world->ops[number];
    *op = (struct op){.kind = is_read ? OP_READ : OP_SUBMIT,
                      .node = node->at,
                      .life = node->life,
                      .floor = world->floor};
    world->op_count++;
    op->key = rng_below(&world->work, KEYS);
    if (is_read) {
        read_now(node);
    }
    node->in_api = true;
    int rc = is_read ? hull_read(node->hull, node_clock(node),
                                 deadline_of(node, patience_us), op)
                     : submit(node, op, number, patience_us);
    node->in_api = false;
    if (rc < 0) {
        world->counters.cannot_submit++;
        return op;
    }
    op->taken = true;
    if (!op->nobody && !world->calm &&
        rng_chance(&world->work, world->params.cancel_ppm)) {
        world_push(world,
                   (struct event){.at = world->now + 1 +
                                        rng_tail(&world->work, 20 * 1000),
                                  .kind = EV_CANCEL,
                                  .node = node->at,
                                  .life = node->life,
                                  .number = number});
    }
    return op;
}

void work_some(struct node *node)
{
    struct world *world = node->world;
    const struct params *params = &world->params;
    if (world->calm) {
        return;
    }
    uint64_t burst = 1 + rng_below(&world->work, params->burst_max);
    for (uint64_t i = 0; i < burst; i++) {
        work_one(node, rng_chance(&world->work, params->read_ppm),
                 rng_tail(&world->work, params->patience_us));
    }
    if (rng_chance(&world->work, 50000)) {
        node_id self = node->at + 1;
        hull_notice(node->hull, (struct bytes){&self, sizeof(self)});
    }
    world_push(world,
               (struct event){.at = world->now + 1 +
                                    rng_tail(&world->work, params->work_us),
                              .kind = EV_WORK,
                              .node = node->at,
                              .life = node->life});
}
