/* rejoin.h -- a member whose data directory was lost and made anew.
 *
 * It has forgotten how it voted and what it acknowledged, so it must not be taken
 * for the node that it was. Every data directory has a number; the others remember
 * it, and refuse a member that comes with another one, unless that was made with
 * `raftfs init --rejoin`. Such a node is a newcomer: it neither votes nor counts
 * (raft_boot.newcomer) until it has opened a session: that is a record of its new
 * life, which the others have committed without it, and it has all that came before.
 *
 * Decision 0025. Thread: loop.
 */
#ifndef FS_REJOIN_H
#define FS_REJOIN_H

#include "raft/hull/hull.h"
#include "store/raftlog.h"

struct node;

struct rejoin {
    uint64_t disk; /* number of this data directory */
    bool rejoined; /* it was made in the place of another */
    bool newcomer;
};

void rejoin_open(struct node *node, const struct log_head *head);
/* Takes the next step, if there is one. Before the loop sleeps. */
void rejoin_step(struct node *node);
/* For the transport: remembers the data directories of members. */
bool rejoin_knows(void *self, node_id peer, uint64_t disk, bool rejoined);

#endif
