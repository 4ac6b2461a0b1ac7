/* The network, and what goes wrong in the world. */
#include "tests/sim/hullsim.h"

#include <string.h>

static struct frame copy_of(const struct frame *frame)
{
    struct frame out = frame_new(frame->size - FRAME_HEADER_SIZE);
    memcpy(out.data, frame->data, frame->size);
    return out;
}

static void deliver(struct node *from, uint32_t to, struct frame frame,
                    uint64_t delay, bool is_late)
{
    struct world *world = from->world;
    uint64_t at = world->now + delay + 1;
    if (world->params.fifo && !is_late) {
        uint64_t *last = &world->link_busy[from->at][to];
        at = at > *last ? at : *last;
        *last = at;
    }
    world_push(
        world,
        (struct event){.at = at, .kind = EV_FRAME, .node = to, .frame = frame});
}

/* Commands and their answers travel at most once, as they do over TCP: that is
 * what NOT_DONE after a refusal rests on. The core's messages may come twice.
 */
static bool may_come_twice(const struct frame *frame)
{
    struct frame_header header;
    const char *why;
    frame_header_decode((struct bytes){frame->data, frame->size}, &header,
                        &why);
    return header.kind == FRAME_RAFT;
}

void net_send(struct node *from, node_id to_id, struct frame frame)
{
    struct world *world = from->world;
    uint32_t to = (uint32_t)(to_id - 1);
    uint64_t delay = rng_tail(&world->net, world->params.delay_us);
    world->counters.frames++;
    if (!frame_ok((struct bytes){frame.data, frame.size})) {
        sim_fail(world, from, "sends a broken frame");
    }
    if (world->cut_until[from->at][to] > world->now ||
        (!world->calm && rng_chance(&world->net, world->params.drop_ppm))) {
        world->counters.dropped++;
        frame_release(&frame);
        return;
    }
    if (!world->calm && may_come_twice(&frame) &&
        rng_chance(&world->net, world->params.duplicate_ppm)) {
        uint64_t later = rng_tail(&world->net, 200 * 1000);
        deliver(from, to, copy_of(&frame), delay + later, true);
    }
    deliver(from, to, frame, delay, false);
}

/* --- faults --- */

static struct node *some_node(struct world *world)
{
    return &world->nodes[rng_below(&world->chaos, world->params.nodes)];
}

static uint64_t some_while(struct world *world)
{
    return world->params.slow *
           rng_tail(&world->chaos, rng_below(&world->chaos, 600 * 1000) + 1);
}

static void crash_one(struct world *world, struct node *node)
{
    node_crash(node);
    node->restart_at = world->now + 1 + some_while(world);
}

/* A majority keeps its disks, those who do not count yet not counted. */
static void wipe(struct world *world, struct node *node)
{
    uint32_t lost = node->disk.durable.rejoining ? 0 : 1;
    for (uint32_t i = 0; i < world->params.nodes; i++) {
        lost += world->nodes[i].disk.durable.rejoining;
    }
    if (2 * lost >= world->params.nodes) {
        return;
    }
    crash_one(world, node);
    sim_trace(world, node, "loses its disk");
    world->counters.wipes++;
    disk_wipe(&node->disk);
    node->wipes++;
}

static void cut(struct world *world, uint32_t from, uint32_t to, uint64_t until)
{
    sim_trace(world, &world->nodes[from], "cut to n%u until %.3f", to + 1,
              (double)until / 1e6);
    world->cut_until[from][to] = until;
}

static void isolate(struct world *world, uint32_t who, uint64_t until, bool in,
                    bool out)
{
    for (uint32_t i = 0; i < world->params.nodes; i++) {
        if (i != who && in) {
            cut(world, i, who, until);
        }
        if (i != who && out) {
            cut(world, who, i, until);
        }
    }
}

static void split(struct world *world, uint64_t until)
{
    uint64_t side = rng_next(&world->chaos);
    for (uint32_t i = 0; i < world->params.nodes; i++) {
        for (uint32_t j = 0; j < world->params.nodes; j++) {
            if (((side >> i) & 1) != ((side >> j) & 1)) {
                cut(world, i, j, until);
            }
        }
    }
}

static void strike(struct world *world)
{
    struct node *node = some_node(world);
    uint32_t other = some_node(world)->at;
    uint64_t until = world->now + some_while(world);
    if (world->params.wipes && rng_chance(&world->chaos, 200000)) {
        wipe(world, node);
        return;
    }
    switch (rng_below(&world->chaos, 10)) {
    case 0:
    case 1:
        crash_one(world, node);
        break;
    case 2:
        if (rng_chance(&world->chaos, 300000)) { /* power failure */
            for (uint32_t i = 0; i < world->params.nodes; i++) {
                crash_one(world, &world->nodes[i]);
            }
        }
        break;
    case 3:
        sim_trace(world, node, "paused until %.3f", (double)until / 1e6);
        node->paused_until = until;
        break;
    case 4:
        cut(world, node->at, other, until);
        break;
    case 5:
        cut(world, node->at, other, until);
        cut(world, other, node->at, until);
        break;
    case 6:
        isolate(world, node->at, until, true, true);
        break;
    case 7:
        isolate(world, node->at, until, rng_chance(&world->chaos, 500000),
                true);
        break;
    case 8:
        split(world, until);
        break;
    default:
        if (node->hull != NULL && node->paused_until <= world->now) {
            hull_transfer(node->hull, node_clock(node),
                          rng_below(&world->chaos, world->params.nodes + 1));
            node_turn_end(node);
        }
        break;
    }
}

void chaos_strike(struct world *world)
{
    if (world->calm) {
        return;
    }
    strike(world);
    uint64_t wait = rng_tail(&world->chaos, world->params.fault_us) + 1;
    world_push(world,
               (struct event){.at = world->now + wait, .kind = EV_FAULT});
}

void chaos_heal(struct world *world)
{
    world->calm = true;
    /* A backlog must be worked off before the end, whatever the windows. */
    world->params.sync_us = 100;
    world->params.delay_us = 100;
    memset(world->cut_until, 0, sizeof(world->cut_until));
    for (uint32_t i = 0; i < world->params.nodes; i++) {
        struct node *node = &world->nodes[i];
        node->paused_until = 0;
        if (node->hull == NULL) {
            node->restart_at = world->now + 1;
        }
    }
}
