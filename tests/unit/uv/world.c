#include "world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_MAX_MS = 20000, CLUSTER = 0xab };

/* Bound ones are kept until all are known, so that they differ. */
static void choose_ports(struct world *world)
{
    int fds[WORLD_NODES + 1];
    for (uint32_t i = 1; i <= world->count; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET};
        socklen_t size = sizeof(address);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_true(fds[i] >= 0);
        assert_int_equal(bind(fds[i], (struct sockaddr *)&address, size), 0);
        assert_int_equal(
            getsockname(fds[i], (struct sockaddr *)&address, &size), 0);
        world->nodes[i].port = ntohs(address.sin_port);
    }
    for (uint32_t i = 1; i <= world->count; i++) {
        close(fds[i]);
    }
}

static void set_options(struct world *world, node_id id)
{
    struct world_node *node = &world->nodes[id];
    struct transport_options *options = &node->options;
    transport_options_default(options);
    options->cluster_id = CLUSTER;
    options->self = id;
    options->boot = 1000 + id;
    options->ping_us = 40 * 1000;
    options->silence_us = 600 * 1000;
    options->connect_us = 300 * 1000;
    snprintf(options->name, sizeof(options->name), "n%u", (unsigned)id);
    snprintf(options->listen_host, sizeof(options->listen_host), "127.0.0.1");
    snprintf(options->listen_port, sizeof(options->listen_port), "%u",
             node->port);
    for (uint32_t i = 1; i <= world->count; i++) {
        if (i == id) {
            continue;
        }
        struct transport_peer *peer = &options->peers[options->peer_count++];
        peer->id = i;
        snprintf(peer->name, sizeof(peer->name), "n%u", i);
        snprintf(peer->host, sizeof(peer->host), "127.0.0.1");
        snprintf(peer->port, sizeof(peer->port), "%u", world->nodes[i].port);
    }
}

static void on_waker(uv_timer_t *timer)
{
    (void)timer;
}

struct world *world_new(uint32_t count)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    assert_true(count <= WORLD_NODES);
    world->count = count;
    assert_int_equal(uv_loop_init(&world->loop), 0);
    uv_timer_init(&world->loop, &world->waker);
    uv_timer_start(&world->waker, on_waker, 10, 10);
    choose_ports(world);
    for (uint32_t i = 1; i <= count; i++) {
        world->nodes[i].world = world;
        world->nodes[i].id = i;
        set_options(world, i);
    }
    return world;
}

static void on_closed(void *arg)
{
    struct world_node *node = arg;
    node->closed = true;
}

static void on_receive(void *self, struct bytes frame)
{
    struct world_node *node = self;
    struct frame_header header;
    const char *why;
    assert_true(frame_ok(frame));
    assert_int_equal(frame_header_decode(frame, &header, &why), 1);
    assert_int_equal(header.kind, FRAME_NOTICE);
    assert_int_equal(header.to, node->id);
    struct bytes body = frame_body(frame);
    assert_true(body.size >= sizeof(node->last_value));
    memcpy(&node->last_value, body.data, sizeof(node->last_value));
    node->received++;
    node->received_size += body.size;
    node->last_from = header.from;
    if (node->close_on_receive) {
        transport_close(node->transport, on_closed, node);
        node->transport = NULL;
    }
}

static void on_note(void *self, enum hull_event code, node_id peer,
                    const char *text)
{
    struct world_node *node = self;
    (void)peer;
    if (node->note_count < WORLD_NOTES) {
        snprintf(node->notes[node->note_count], sizeof(node->notes[0]),
                 "%s %s %s", event_severity_name(event_severity(code)),
                 event_name(code), text);
        node->note_count++;
    }
}

void world_start(struct world *world, node_id id)
{
    struct world_node *node = &world->nodes[id];
    const struct transport_calls calls = {
        .self = node, .receive = on_receive, .note = on_note};
    char why[256] = "";
    assert_null(node->transport);
    node->closed = false;
    if (transport_open(&world->loop, &node->options, &calls, &node->transport,
                       why) < 0) {
        fail_msg("%s", why);
    }
}

void world_start_all(struct world *world)
{
    for (uint32_t i = 1; i <= world->count; i++) {
        world_start(world, i);
    }
}

static bool is_closed(struct world *world, uint64_t id)
{
    return world->nodes[id].closed;
}

void world_stop(struct world *world, node_id id)
{
    struct world_node *node = &world->nodes[id];
    assert_non_null(node->transport);
    transport_close(node->transport, on_closed, node);
    node->transport = NULL;
    world_wait(world, is_closed, id);
}

void world_free(struct world *world)
{
    for (uint32_t i = 1; i <= world->count; i++) {
        if (world->nodes[i].transport != NULL) {
            world_stop(world, i);
        }
    }
    uv_close((uv_handle_t *)&world->waker, NULL);
    assert_int_equal(uv_run(&world->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    free(world);
}

void world_wait_for(struct world *world,
                    bool (*check)(struct world *world, uint64_t arg),
                    uint64_t arg, const char *name, int line)
{
    uint64_t start = uv_hrtime();
    while (!check(world, arg)) {
        if ((uv_hrtime() - start) / 1000000 > WAIT_MAX_MS) {
            for (uint32_t i = 1; i <= world->count; i++) {
                for (uint32_t j = 0; j < world->nodes[i].note_count; j++) {
                    print_message("n%u: %s\n", i, world->nodes[i].notes[j]);
                }
            }
            fail_msg("line %d: waited in vain for %s(%llu)", line, name,
                     (unsigned long long)arg);
        }
        uv_run(&world->loop, UV_RUN_ONCE);
    }
}

void world_run(struct world *world, uint32_t ms)
{
    uint64_t start = uv_hrtime();
    while ((uv_hrtime() - start) / 1000000 < ms) {
        uv_run(&world->loop, UV_RUN_ONCE);
    }
}

bool all_connected(struct world *world, uint64_t unused)
{
    (void)unused;
    for (uint32_t i = 1; i <= world->count; i++) {
        for (uint32_t j = 1; j <= world->count; j++) {
            if (i == j || world->nodes[i].transport == NULL ||
                world->nodes[j].transport == NULL) {
                continue;
            }
            struct transport_peer_status status = world_status(world, i, j);
            if (!status.connected || !status.hears || !status.heard_by) {
                return false;
            }
        }
    }
    return true;
}

void world_send(struct world *world, node_id from, node_id to, uint64_t value,
                size_t body_size)
{
    struct frame frame = frame_new(body_size);
    assert_true(body_size >= sizeof(value));
    memset(frame.data + FRAME_HEADER_SIZE, 0x5a, body_size);
    memcpy(frame.data + FRAME_HEADER_SIZE, &value, sizeof(value));
    frame_seal(&frame, FRAME_NOTICE, 0, from, to);
    transport_send(world->nodes[from].transport, to, &frame);
}

void world_send_until_received(struct world *world, node_id from, node_id to,
                               uint64_t value)
{
    const struct world_node *node = &world->nodes[to];
    uint64_t before = node->received;
    for (int tries = 0; node->received == before; tries++) {
        assert_true(tries < 1000);
        world_send(world, from, to, value, 1000);
        world_run(world, 20);
    }
    assert_int_equal(node->last_value, value);
    assert_int_equal(node->last_from, from);
}

uint32_t world_count_notes(const struct world *world, node_id id,
                           const char *text)
{
    const struct world_node *node = &world->nodes[id];
    uint32_t count = 0;
    for (uint32_t i = 0; i < node->note_count; i++) {
        count += strstr(node->notes[i], text) != NULL;
    }
    return count;
}

struct transport_peer_status world_status(const struct world *world, node_id id,
                                          node_id peer)
{
    struct transport_peer_status status;
    assert_non_null(world->nodes[id].transport);
    assert_true(
        transport_get_status(world->nodes[id].transport, peer, &status));
    return status;
}

int world_connect(struct world *world, node_id id)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(world->nodes[id].port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)),
                     0);
    return fd;
}
