/* readindex.h -- reads that wait for the leader's word (dissertation 6.4).
 *
 * At the leader, a read that arrived at time t may be answered once a majority
 * has acknowledged an APPEND that was sent at t or later: then no newer leader
 * can have committed anything before t. At a follower, a read waits for the
 * leader's answer under a number of its own, so that an answer to a read of an
 * earlier life of this node is recognised and thrown away.
 *
 * Memory: a ring of RAFT_READS_MAX, allocated once. In order of arrival.
 */
#ifndef RAFT_CORE_READINDEX_H
#define RAFT_CORE_READINDEX_H

#include "raft/core/types.h"

struct read_waiting {
    node_id asker;    /* 0: this node */
    uint64_t read_id; /* the asker's */
    uint64_t wire_id; /* follower: the number in the READ message */
    raft_time arrived;
    raft_index index; /* leader: commit index on arrival; 0: not valid yet */
};

struct read_queue {
    struct read_waiting *ring; /* owned */
    uint32_t head, count;
};

void read_queue_init(struct read_queue *queue);
void read_queue_release(struct read_queue *queue);

/* False: full. */
bool read_queue_add(struct read_queue *queue, struct read_waiting read);
/* NULL: fewer are waiting. Good until the next call. */
struct read_waiting *read_queue_get(const struct read_queue *queue,
                                    uint32_t position);
void read_queue_drop_first(struct read_queue *queue);
/* Takes out the read with that wire_id. False: there is none. */
bool read_queue_take(struct read_queue *queue, uint64_t wire_id,
                     struct read_waiting *out);

#endif
