#include "raft/hull/route.h"

#include "raft/core/memory.h"

#include <assert.h>

struct peer {
    node_id id;
    raft_time heard;  /* last direct frame, 0: never */
    raft_time pinged; /* last direct ping, 0: never */
    struct ping ping; /* its rows */
};

struct route {
    node_id self;
    uint32_t fresh_us;
    uint32_t count;
    struct peer peers[RAFT_PEERS_MAX];
};

struct route *route_new(node_id self, const struct raft_members *members,
                        uint32_t fresh_us)
{
    assert(self != 0);
    assert(members->count <= RAFT_NODES_MAX);
    struct route *route = xcalloc(1, sizeof(*route));
    route->self = self;
    route->fresh_us = fresh_us;
    for (uint32_t i = 0; i < members->count; i++) {
        if (members->list[i].id != self) {
            route->peers[route->count] =
                (struct peer){.id = members->list[i].id};
            route->count++;
        }
    }
    return route;
}

void route_free(struct route *route)
{
    free(route);
}

static const struct peer *peer_get(const struct route *route, node_id id)
{
    for (uint32_t i = 0; i < route->count; i++) {
        if (route->peers[i].id == id) {
            return &route->peers[i];
        }
    }
    return NULL;
}

static struct peer *peer_change(struct route *route, node_id id)
{
    for (uint32_t i = 0; i < route->count; i++) {
        if (route->peers[i].id == id) {
            return &route->peers[i];
        }
    }
    return NULL;
}

bool route_add(struct route *route, node_id id)
{
    if (peer_get(route, id) != NULL) {
        return true;
    }
    if (route->count == RAFT_PEERS_MAX) {
        return false;
    }
    route->peers[route->count] = (struct peer){.id = id};
    route->count++;
    return true;
}

void route_remove(struct route *route, node_id id)
{
    struct peer *peer = peer_change(route, id);
    if (peer != NULL) {
        route->count--;
        *peer = route->peers[route->count];
    }
}

/* `then` is 0 for never; a clock that starts at 0 must not make that fresh. */
static bool is_fresh(const struct route *route, raft_time now, raft_time then)
{
    return then != 0 && now <= then + route->fresh_us;
}

/* What peer said of node in a ping that is still fresh; NULL: nothing. */
static const struct ping_row *row_get(const struct route *route, raft_time now,
                                      const struct peer *peer, node_id node)
{
    if (!is_fresh(route, now, peer->pinged)) {
        return NULL;
    }
    for (uint32_t i = 0; i < peer->ping.count; i++) {
        if (peer->ping.rows[i].node == node) {
            return &peer->ping.rows[i];
        }
    }
    return NULL;
}

/* Our frames arrive at peer: it says so itself, and we hear it. */
static bool reaches(const struct route *route, raft_time now,
                    const struct peer *peer)
{
    const struct ping_row *row = row_get(route, now, peer, route->self);
    return row != NULL && row->hears;
}

/* Frames of relay arrive at `to`, by to's own word. That relay hears `to` is
 * asked for as well: without, its knowledge is older than its ping. */
static bool can_relay(const struct route *route, raft_time now,
                      const struct peer *relay, node_id to)
{
    const struct ping_row *row = row_get(route, now, relay, to);
    return row != NULL && row->hears && row->heard_by &&
           reaches(route, now, relay);
}

void route_heard(struct route *route, raft_time now, node_id peer)
{
    struct peer *p = peer_change(route, peer);
    if (p != NULL) {
        p->heard = now;
    }
}

void route_ping(struct route *route, raft_time now, node_id peer,
                const struct ping *ping)
{
    assert(ping->count <= RAFT_PEERS_MAX);
    struct peer *p = peer_change(route, peer);
    if (p != NULL) {
        p->heard = now;
        p->pinged = now;
        p->ping = *ping;
    }
}

void route_make_ping(const struct route *route, raft_time now, struct ping *out)
{
    *out = (struct ping){.count = route->count};
    for (uint32_t i = 0; i < route->count; i++) {
        const struct peer *peer = &route->peers[i];
        out->rows[i] = (struct ping_row){
            .node = peer->id,
            .hears = is_fresh(route, now, peer->heard),
            .heard_by = reaches(route, now, peer),
        };
    }
}

node_id route_next(const struct route *route, raft_time now, node_id to)
{
    const struct peer *target = peer_get(route, to);
    if (target == NULL || reaches(route, now, target)) {
        return to;
    }
    /* Lowest place in the members' list first: the choice is stable, so that
     * frames of one stream rarely take different ways. */
    for (uint32_t i = 0; i < route->count; i++) {
        const struct peer *relay = &route->peers[i];
        if (relay != target && can_relay(route, now, relay, to)) {
            return relay->id;
        }
    }
    return to;
}

void route_get_status(const struct route *route, raft_time now, node_id node,
                      struct route_status *out)
{
    *out = (struct route_status){.node = node};
    const struct peer *peer = peer_get(route, node);
    if (peer == NULL) {
        return;
    }
    node_id next = route_next(route, now, node);
    out->hears = is_fresh(route, now, peer->heard);
    out->heard_by = reaches(route, now, peer);
    out->via = next == node ? 0 : next;
    out->heard = peer->heard;
}
