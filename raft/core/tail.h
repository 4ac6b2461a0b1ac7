/* tail.h -- term and size of every record of the log, in memory.
 *
 * The core decides from terms and counts bytes for flow control; what a record
 * says it never needs. Sixteen bytes a record keep even a million records
 * small, and each lookup is one array access.
 *
 * The record at base_index is the last one before the array: it is compacted
 * away but its term is still known, so that an APPEND that follows it can be
 * verified. base_index 0 with base_term 0 is the empty beginning.
 *
 * Memory: owns its arrays. Appending, truncating and compacting are amortised
 * O(1) per record.
 */
#ifndef RAFT_CORE_TAIL_H
#define RAFT_CORE_TAIL_H

#include "raft/core/types.h"

struct tail {
    raft_index base_index;
    raft_term base_term;
    raft_term *terms; /* owned */
    uint32_t *sizes;  /* owned; same positions as terms */
    size_t start;     /* position of record base_index + 1 */
    size_t count;
    size_t capacity;
    uint64_t bytes; /* of all records kept */
};

void tail_init(struct tail *tail, raft_index base_index, raft_term base_term);
void tail_release(struct tail *tail);

/* Adds the record after the last one. Terms never decrease along the log. */
void tail_append(struct tail *tail, raft_term term, uint32_t size);
/* Forgets record `from` and all after it. from > base_index. */
void tail_truncate(struct tail *tail, raft_index from);
/* Forgets records up to `upto`, which becomes the base. upto <= last. */
void tail_compact(struct tail *tail, raft_index upto);

raft_index tail_last_index(const struct tail *tail);
raft_term tail_last_term(const struct tail *tail);
/* 0 where the log has no record (and at index 0). The base has its term. */
raft_term tail_term(const struct tail *tail, raft_index index);
/* 0 where the log has no record. */
uint32_t tail_size(const struct tail *tail, raft_index index);

/* Forget up to there, and the records that are left are of at most so many
 * bytes. */
raft_index tail_keeping(const struct tail *tail, uint64_t bytes_max);

/* The largest index <= `index` whose term is <= `term`, but not below the
 * base. Both sides skip with it when they look for the place where two logs
 * part: one round trip per term, not one per record (dissertation 3.5). */
raft_index tail_find(const struct tail *tail, raft_index index, raft_term term);

#endif
