/* log_api.h -- what a log must do for the hull.
 *
 * All calls are made by the hull's thread, in order, and return at once: they
 * write, but need not be durable. Durability is asked for with sync() and
 * announced by hull_log_durable(). A log that cannot write any more (full disk,
 * failed fsync) returns a negative code; the hull then faults the node and never
 * tries the same write again as if nothing had happened.
 *
 * tests/unit/hull/log_rules.c tells all of this exactly, to every log there is. What
 * the hull never does (an append that leaves a gap, a cut of what is compacted) may
 * meet an assertion.
 */
#ifndef RAFT_HULL_LOG_API_H
#define RAFT_HULL_LOG_API_H

#include "raft/core/types.h"
#include "raft/wire/record.h"

struct log_api {
    void *self;
    /* Adds records, whose indexes follow the last one without a gap. Where
     * place.segment is 0 the payload is kept inside the log. All or nothing. */
    int (*append)(void *self, struct record *const *records, size_t count);
    /* Forgets record `from` and all after it; never at or below commit. What
     * was forgotten may be kept in quarantine. Behind the end: nothing. */
    int (*truncate)(void *self, raft_index from);
    int (*save)(void *self, raft_term term, node_id vote);
    /* Gives one reference, payload included, place filled in. Negative: not there.
     */
    int (*read)(void *self, raft_index index, struct record **out);
    /* The chain (wire/record.h) of a record that is there, or of the place where
     * the log begins. */
    int (*chain)(void *self, raft_index index, uint64_t *out);
    /* Records up to `upto` may go. */
    int (*compact)(void *self, raft_index upto);
    /* The log begins behind `index`, of `term` and `chain`, from now on: durable
     * on return, with all that was written before. `index` is above where it
     * began.
     * What follows stays if the log has that very record; else all goes. Records
     * from `doubtful` on are not known to be committed, and may be kept in
     * quarantine. */
    int (*reset)(void *self, raft_index index, raft_term term, uint64_t chain,
                 raft_index doubtful);
    /* Starts making everything written so far durable. When that is done, the
     * owner of the hull's thread calls hull_log_durable(hull, token, status). At
     * most one sync is under way: the hull waits for it (group commit). May
     * call back before it returns. */
    void (*sync)(void *self, raft_token token);
};

#endif
