/* footprint.h -- which objects a record will touch, and a read looks at.
 *
 * A key is an inode number: its attributes, contents, names in it, extended
 * attributes. What locks it has is a key of its own, since locks change nothing
 * else. See raft/hull/dirty.h for what they are for.
 *
 * Whatever apply learns to change must be named here: too many keys cost a round
 * trip, one too few is a stale read. tests/unit/fs/test_footprint.c compares
 * with what apply does.
 *
 * Thread: loop. Pure of FUSE.
 */
#ifndef FS_FOOTPRINT_H
#define FS_FOOTPRINT_H

#include "raft/hull/pilot.h"
#include "raft/wire/record.h"
#include "store/tree.h"

static inline uint64_t footprint_locks(uint64_t ino)
{
    return ino | (uint64_t)1 << 63;
}

/* Names are looked up in the tree as it is now. */
void footprint_of(struct tree *tree, const struct record *record,
                  struct footprint *out);

#endif
