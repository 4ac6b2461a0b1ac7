/* world.h -- a few transports in one loop, on ports of 127.0.0.1.
 *
 * Tests wait for what shall come true, up to a generous limit, and never for a
 * time. Pings are fast, so that the waits are short.
 */
#ifndef TESTS_UNIT_UV_WORLD_H
#define TESTS_UNIT_UV_WORLD_H

#include "raft/uv/transport.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { WORLD_NODES = 3, WORLD_NOTES = 200 };

struct world;

struct world_node {
    struct world *world;
    node_id id;
    uint16_t port;
    struct transport *transport; /* NULL: not running */
    bool closed;
    struct transport_options options;
    uint64_t received;      /* frames */
    uint64_t received_size; /* bytes of bodies */
    uint64_t last_value;    /* of the last frame */
    node_id last_from;
    bool close_on_receive;
    uint32_t note_count;
    char notes[WORLD_NOTES][300]; /* "severity code text" */
};

struct world {
    uv_loop_t loop;
    uv_timer_t waker; /* bounds each sleep of the loop */
    uint32_t count;
    struct world_node nodes[WORLD_NODES + 1]; /* by id; 0 is not used */
};

/* Nodes 1..count with options for each other; none is running. */
struct world *world_new(uint32_t count);
/* Stops what runs; asserts that nothing is left in the loop. */
void world_free(struct world *world);
void world_start(struct world *world, node_id id);
void world_start_all(struct world *world);
void world_stop(struct world *world, node_id id);

/* Runs the loop until check(world, arg), or fails the test by the name. */
#define world_wait(world, check, arg)                                          \
    world_wait_for(world, check, arg, #check, __LINE__)
void world_wait_for(struct world *world,
                    bool (*check)(struct world *world, uint64_t arg),
                    uint64_t arg, const char *name, int line);
/* Runs the loop for so long: to see that something does not happen. */
void world_run(struct world *world, uint32_t ms);

/* Every running node is connected to every other one and knows it. */
bool all_connected(struct world *world, uint64_t unused);

/* A notice with a body that begins with value, of body_size >= 8. */
void world_send(struct world *world, node_id from, node_id to, uint64_t value,
                size_t body_size);
/* Sends until one more frame was received by `to`: a frame may be lost when the
 * ways change, as on a busy machine they may. */
void world_send_until_received(struct world *world, node_id from, node_id to,
                               uint64_t value);
/* Notes of a node that contain text. */
uint32_t world_count_notes(const struct world *world, node_id id,
                           const char *text);
struct transport_peer_status world_status(const struct world *world, node_id id,
                                          node_id peer);

/* A blocking client socket to the node's port. */
int world_connect(struct world *world, node_id id);

#endif
