/* raft/uv/transport.h over a simulated network. Links lose, delay, reorder and
 * double frames, each direction for itself; pings and relays are as in the real
 * transport, with the real routes (raft/hull/route.c). So is who talks to whom
 * (raft/uv/peers.c): the members, at the address that the list has for them, those
 * who were members a moment ago, and those who know a newer list.
 */
#include "tests/sim/full/full.h"

#include "raft/core/memory.h"
#include "raft/hull/route.h"

#include <assert.h>
#include <string.h>

enum {
    PING_MS = 100,
    FRESH_US = 350 * 1000,
    SILENCE_US = 1500 * 1000,
    STRANGER_US = 10 * 1000 * 1000,
};

struct link { /* to one machine */
    bool open, member;
    raft_index config; /* the newest that it said it knows */
    uint64_t disk;     /* 0: it was not looked at yet */
    raft_time heard, strange_since;
    char address[RAFT_ADDRESS_SIZE], old[RAFT_ADDRESS_SIZE];
};

struct transport {
    struct sim_node *sim;
    struct transport_calls calls;
    struct transport_options options;
    struct route *route; /* owned */
    uv_timer_t ticker;
    struct link links[NODES_MAX];
};

void transport_options_default(struct transport_options *options)
{
    *options = (struct transport_options){.ping_us = PING_MS * 1000};
}

static uint32_t at_of(node_id id)
{
    for (uint32_t i = 0; i < world.params.nodes; i++) {
        if (config_node_id(world.nodes[i].name) == id) {
            return i;
        }
    }
    assert(false);
}

static struct frame frame_copy(const struct frame *frame)
{
    struct frame out = {.data = xmalloc(frame->size), .size = frame->size};
    memcpy(out.data, frame->data, frame->size);
    return out;
}

static uint64_t arrival(uint32_t from, uint32_t to)
{
    uint64_t at = world.now + 1 + rng_tail(&world.net, world.params.delay_us);
    if (world.params.fifo) {
        uint64_t *busy = &world.link_busy[from][to];
        at = at > *busy ? at : *busy + 1;
        *busy = at;
    }
    return at;
}

static void post(struct sim_node *sim, uint32_t to, struct frame frame)
{
    world_push((struct event){.at = arrival(sim->at, to),
                              .kind = EV_FRAME,
                              .node = to,
                              .from = sim->at,
                              .frame = frame});
}

/* Who has moved may not know it yet, and still be at the old place. */
static bool finds(const struct transport *transport, uint32_t to)
{
    const struct link *link = &transport->links[to];
    const char *at = world.nodes[to].hello.listens;
    return link->open &&
           (strcmp(link->address, at) == 0 || strcmp(link->old, at) == 0);
}

/* Takes the frame. */
static void link_send(struct sim_node *sim, uint32_t to, struct frame *frame)
{
    const struct params *params = &world.params;
    struct frame_header header;
    const char *why;
    world.counters.frames++;
    if (sim->dying || !finds(sim->transport, to) ||
        world.cut_until[sim->at][to] > world.now ||
        (!world.calm && rng_chance(&world.net, params->drop_ppm))) {
        world.counters.dropped++;
        frame_release(frame);
        return;
    }
    frame_header_decode((struct bytes){frame->data, frame->size}, &header,
                        &why);
    if (header.kind == FRAME_RAFT && !world.calm &&
        rng_chance(&world.net, params->duplicate_ppm)) {
        world.counters.duplicated++;
        post(sim, to, frame_copy(frame));
    }
    post(sim, to, *frame);
    *frame = (struct frame){.data = NULL};
}

/* --- who talks to whom --- */

static node_id id_of(uint32_t at)
{
    return config_node_id(world.nodes[at].name);
}

static struct link *link_open(struct transport *transport, uint32_t at)
{
    struct link *link = &transport->links[at];
    if (!link->open) {
        *link = (struct link){
            .open = true, .strange_since = node_clock(transport->sim)};
        route_add(transport->route, id_of(at));
    }
    return link;
}

static void readdress(struct link *link, const char *address)
{
    if (strcmp(link->address, address) != 0) {
        memcpy(link->old, link->address, sizeof(link->old));
        snprintf(link->address, sizeof(link->address), "%s", address);
    }
}

/* What a HELLO would say, and whether it is welcome. */
static bool admits(struct transport *transport, uint32_t from)
{
    const struct hello_of *hello = &world.nodes[from].hello;
    struct link *link = &transport->links[from];
    if (!link->open) {
        if (hello->config <= transport->options.config) {
            return false;
        }
        world.counters.strangers++;
        sim_trace(transport->sim, "meets n%u", from + 1);
        link = link_open(transport, from);
        readdress(link, hello->address);
    }
    link->config = hello->config > link->config ? hello->config : link->config;
    if (strcmp(hello->address, link->address) != 0) {
        memcpy(link->old, hello->address, sizeof(link->old));
    }
    if (link->disk == hello->disk) {
        return true;
    }
    if (!transport->calls.knows(transport->calls.self, id_of(from),
                                hello->disk, hello->rejoined)) {
        return false;
    }
    link->disk = hello->disk;
    return true;
}

static void forget_strangers(struct transport *transport, raft_time now)
{
    for (uint32_t i = 0; i < world.params.nodes; i++) {
        struct link *link = &transport->links[i];
        bool knows_more = link->config > transport->options.config;
        if (link->member || (knows_more && now - link->heard < SILENCE_US)) {
            link->strange_since = now;
        } else if (link->open && now - link->strange_since > STRANGER_US) {
            link->open = false;
            route_remove(transport->route, id_of(i));
        }
    }
}

void transport_set_members(struct transport *transport, raft_index config,
                           const struct raft_members *list)
{
    struct sim_node *sim = transport->sim;
    transport->options.config = sim->hello.config = config;
    for (uint32_t i = 0; i < world.params.nodes; i++) {
        transport->links[i].member = false;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        const struct raft_member *member = &list->list[i];
        if (member->id == transport->options.self) {
            continue;
        }
        struct link *link = link_open(transport, at_of(member->id));
        readdress(link, member->address);
        link->member = true;
    }
}

int transport_listen(struct transport *transport, const char *address,
                     const char *host, const char *port, char why[256])
{
    struct sim_node *sim = transport->sim;
    (void)why;
    snprintf(sim->hello.address, sizeof(sim->hello.address), "%s", address);
    snprintf(sim->hello.listens, sizeof(sim->hello.listens), "%s:%s", host,
             port);
    sim_trace(sim, "listens at %s", sim->hello.listens);
    return 0;
}

static void on_tick(uv_timer_t *ticker)
{
    struct transport *transport = ticker->data;
    struct ping ping;
    raft_time now = node_clock(transport->sim);
    forget_strangers(transport, now);
    route_make_ping(transport->route, now, &ping);
    for (uint32_t i = 0; i < world.params.nodes; i++) {
        if (transport->links[i].open) {
            struct frame frame =
                frame_encode_ping(transport->options.self, id_of(i), &ping);
            link_send(transport->sim, i, &frame);
        }
    }
}

int transport_open(uv_loop_t *loop, const struct transport_options *options,
                   const struct transport_calls *calls,
                   struct transport **out, char why[256])
{
    (void)why;
    struct transport *transport = xcalloc(1, sizeof(*transport));
    struct raft_members members = {.count = 1};
    struct sim_node *sim = loop->data;
    transport->sim = sim;
    transport->calls = *calls;
    transport->options = *options;
    members.list[0] = (struct raft_member){.id = options->self, .voter = true};
    transport->route = route_new(options->self, &members, FRESH_US);
    sim->transport = transport;
    sim->hello = (struct hello_of){.disk = options->disk,
                                   .rejoined = options->rejoined,
                                   .config = options->config};
    snprintf(sim->hello.address, sizeof(sim->hello.address), "%s",
             options->address);
    snprintf(sim->hello.listens, sizeof(sim->hello.listens), "%s:%s",
             options->listen_host, options->listen_port);
    uv_timer_init(loop, &transport->ticker);
    transport->ticker.data = transport;
    uv_timer_start(&transport->ticker, on_tick, PING_MS, PING_MS);
    *out = transport;
    return 0;
}

void transport_close(struct transport *transport, void (*closed)(void *arg),
                     void *arg)
{
    uv_timer_stop(&transport->ticker);
    transport->sim->transport = NULL;
    route_free(transport->route);
    free(transport);
    closed(arg);
}

void transport_send(struct transport *transport, node_id to,
                    struct frame *frame)
{
    struct sim_node *sim = transport->sim;
    if (!sim->dying) {
        watch_sends(sim, (struct bytes){frame->data, frame->size});
    }
    node_id next = route_next(transport->route, node_clock(sim), to);
    link_send(sim, at_of(next), frame);
}

static void relay(struct transport *transport,
                  const struct frame_header *header, struct bytes bytes)
{
    if ((header->flags & FRAME_RELAYED) != 0) {
        return;
    }
    struct bytes body = frame_body(bytes);
    struct frame frame = frame_new(body.size);
    memcpy(frame.data + FRAME_HEADER_SIZE, body.data, body.size);
    frame_seal(&frame, header->kind, header->flags | FRAME_RELAYED,
               header->from, header->to);
    world.counters.relayed++;
    link_send(transport->sim, at_of(header->to), &frame);
}

void net_arrives(struct event *event)
{
    struct sim_node *sim = &world.nodes[event->node];
    struct transport *transport = sim->transport;
    struct bytes bytes = {event->frame.data, event->frame.size};
    struct frame_header header;
    struct ping ping;
    const char *why;
    raft_time now = node_clock(sim);
    if (transport == NULL) {
        return;
    }
    int rc = frame_header_decode(bytes, &header, &why);
    assert(rc == 1 && frame_ok(bytes));
    if (!admits(transport, event->from)) {
        world.counters.turned_away++;
        return;
    }
    transport->links[event->from].heard = now;
    node_id neighbour = config_node_id(world.nodes[event->from].name);
    route_heard(transport->route, now, neighbour);
    if (header.kind == FRAME_PING) {
        if (frame_decode_ping(frame_body(bytes), &ping) == 0) {
            route_ping(transport->route, now, neighbour, &ping);
        }
    } else if (header.to == transport->options.self) {
        transport->calls.receive(transport->calls.self, bytes);
    } else {
        relay(transport, &header, bytes);
    }
}

/* --- for fs/status.c --- */

void transport_cut(struct transport *transport, node_id to, bool cut)
{
    (void)transport;
    (void)to;
    (void)cut;
}

bool transport_get_status(const struct transport *transport, node_id peer,
                          struct transport_peer_status *out)
{
    (void)transport;
    (void)peer;
    *out = (struct transport_peer_status){.via = 0};
    return false;
}

uint64_t transport_garbage(const struct transport *transport)
{
    (void)transport;
    return 0;
}
