/* route.h -- which neighbour carries a frame to a node we cannot reach directly.
 *
 * Networks break in one direction, or between two of three machines. Each node
 * tells its peers in every ping whom it hears and who hears it; from these rows
 * a sender learns whether its own frames arrive and, if they do not, which peer
 * can pass them on: a chain n1-n2-n3 or a one-way cut then costs latency, not
 * service. One hop only; a relayed frame is never relayed again.
 *
 * Pure: time comes as an argument. Thread: loop.
 */
#ifndef RAFT_HULL_ROUTE_H
#define RAFT_HULL_ROUTE_H

#include "raft/core/types.h"
#include "raft/wire/frame.h"

struct route; /* opaque: table per peer */

/* fresh_us: a peer that was not heard directly for so long is not heard. */
struct route *route_new(node_id self, const struct raft_members *members,
                        uint32_t fresh_us);
void route_free(struct route *route);
/* Peers come and go; one that is there already stays as it is. False: there is
 * no room for another. */
bool route_add(struct route *route, node_id peer);
void route_remove(struct route *route, node_id peer);
/* A frame came directly (not relayed) from peer. */
void route_heard(struct route *route, raft_time now, node_id peer);
/* A ping came directly from peer. */
void route_ping(struct route *route, raft_time now, node_id peer,
                const struct ping *ping);
/* The rows to send to everybody. */
void route_make_ping(const struct route *route, raft_time now,
                     struct ping *out);
/* The node to hand a frame for `to` to: `to` itself where the direct way works
 * or nothing better is known, else a relay. */
node_id route_next(const struct route *route, raft_time now, node_id to);

struct route_status {
    node_id node;
    bool hears;      /* we hear it directly */
    bool heard_by;   /* it hears us directly, by its own word */
    node_id via;     /* relay in use, 0: direct */
    raft_time heard; /* when last, 0: never */
};
void route_get_status(const struct route *route, raft_time now, node_id node,
                      struct route_status *out);

#endif
