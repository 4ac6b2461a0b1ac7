/* reclaim.h -- the background work of a node: checkpoint, merge, reclaim.
 *
 * All of it is local: where bytes lie is each node's own business.
 *  - checkpoint: moves the WAL files of log.db and tree.db into the databases,
 *    and makes the tree durable: done() then says up to which applied index.
 *  - merge: the many small extents of a body (an appended log) become one:
 *    inline if it fits, else in the merging segment. Read on the background
 *    thread from a snapshot, written and synced there, then SWAPPED on the loop
 *    thread by reclaim_swap(), only where the old extents are still exactly what
 *    was read.
 *  - reclaim: a segment of which less than a quarter is live has its live bytes
 *    moved like a merge; a segment to which neither the durable tree nor the log
 *    refers is unlinked. A segment that was freed by a swap is unlinked only
 *    after a later sync of tree.db: after a power loss the tree may come back as
 *    it was before the swap.
 *
 * Crash-safe: a merged copy that nobody swapped is dead bytes; a swap is one
 * transaction; an unlink comes after the sync.
 *
 * Thread: start/stop/poke/swap on the loop; callbacks come on the background
 * thread and must only wake the loop.
 */
#ifndef STORE_RECLAIM_H
#define STORE_RECLAIM_H

#include "store/raftlog.h"
#include "store/tree.h"

struct reclaim;

struct reclaim_options {
    uint32_t checkpoint_bytes; /* WAL size that is worth one: 8 MiB */
    uint32_t interval_ms;      /* longest pause between looks: 1000 */
    uint32_t merge_extents;    /* a body with more small extents: 16 */
};
void reclaim_options_default(struct reclaim_options *options);

/* wake(arg) is called on the background thread when reclaim_step() has work. */
int reclaim_start(const char *datadir, struct segments *segments,
                  struct raftlog *log, struct tree *tree,
                  const struct reclaim_options *options,
                  void (*wake)(void *arg), void *arg, struct reclaim **out);
void reclaim_stop(struct reclaim *reclaim);
/* Loop thread, between transactions or inside one: takes results (swaps, frees,
 * purge) in bounded slices of about a millisecond. *durable is raised to the
 * applied index that is durable now. 1: call again soon, 0: nothing left, or a
 * negative code, which stops the node. */
int reclaim_step(struct reclaim *reclaim, uint64_t *durable);
/* Loop thread, cheap, any time: body got a small extent; the log was cut; ... */
void reclaim_touched(struct reclaim *reclaim, uint64_t body);

struct reclaim_status {
    uint64_t checkpoints, merges, extents_merged, segments_removed,
             bytes_reclaimed, swaps_refused;
    uint64_t segment_bytes; /* on disk */
};
void reclaim_get_status(struct reclaim *reclaim, struct reclaim_status *out);

#endif
