/* dirty.h -- what the records that are not applied yet will touch.
 *
 * A node with a read lease answers from its tree, unless a record behind
 * `applied` touches what is asked for: it may be committed already, and its
 * caller may have been told. So each record that enters the log enters here,
 * and leaves when it is applied, or truncated after its undo.
 *
 * What a record that takes a name away touches depends on the inode which has
 * the name now; so it is asked for again whenever the tree has changed. That
 * finds everything: of the records that touch an existing inode, the first finds
 * it under the name that it has now.
 *
 * Thread: loop. Memory: owns its ring; one reference of each record that must
 * be asked again.
 */
#ifndef RAFT_HULL_DIRTY_H
#define RAFT_HULL_DIRTY_H

#include "raft/hull/pilot.h"

struct dirty_record {
    raft_index index;
    struct footprint footprint;
    struct record *record; /* owned, NULL: never ask again */
    raft_index asked;      /* applied index of the footprint */
};

struct dirty {
    struct dirty_record *ring; /* owned */
    size_t head, count, capacity;
    raft_index booted; /* records up to here were in the log at the start, and
                        * are not looked at: they touch everything */
};

void dirty_init(struct dirty *dirty, raft_index last);
void dirty_release(struct dirty *dirty);
/* The next record of the log, in order. */
void dirty_add(struct dirty *dirty, const struct pilot *pilot,
               struct record *record, raft_index applied);
void dirty_applied(struct dirty *dirty, raft_index applied);
void dirty_truncate(struct dirty *dirty, raft_index from);
/* Does any of them touch one of the keys? NULL: is there any? */
bool dirty_touches(struct dirty *dirty, const struct pilot *pilot,
                   raft_index applied, const uint64_t *keys, size_t count);
/* The newest one; `applied` when there is none. */
raft_index dirty_last(const struct dirty *dirty, raft_index applied);

#endif
