/* cannot.h -- a node that cannot follow says so (FOLLOWER_CANNOT_SYNC).
 *
 * A node that has taken itself out of service tells its leader why, once when it
 * happens and then whenever a leader sends it something, at most every second:
 * the leader may be a new one. Whoever is told remembers it, so that status can
 * show it, and tells its pilot; the node counts for nothing, since it
 * acknowledges nothing, and who belongs to the cluster is not changed. It is
 * forgotten when the node answers an APPEND again, and when the lead comes or
 * goes: only a leader hears of the end, and is told anew.
 *
 * Thread: loop.
 */
#ifndef RAFT_HULL_CANNOT_H
#define RAFT_HULL_CANNOT_H

#include "raft/wire/frame.h"

enum { CANNOT_SYNC_EVERY_US = 1000 * 1000 };

struct cannot_peer {
    node_id id; /* 0: free */
    struct cannot_sync what;
};

struct cannot {
    node_id leader; /* when it happened; 0: unknown */
    raft_time said; /* 0: never */
    struct cannot_peer peers[RAFT_NODES_MAX];
};

/* True when it is news. */
bool cannot_hear(struct cannot *cannot, node_id id,
                 const struct cannot_sync *what);
void cannot_forget(struct cannot *cannot, node_id id);
void cannot_forget_all(struct cannot *cannot);
/* NULL: the node has said nothing. */
const struct cannot_sync *cannot_find(const struct cannot *cannot, node_id id);

#endif
