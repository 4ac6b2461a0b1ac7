/* writes.h -- which log writes are under way, and what is durable.
 *
 * Every write (save, append, truncate) gets the next token. The log makes them
 * durable in that order and names the last one that is. Asking by token and
 * not by index is what makes truncation safe: "index 7 is durable" may speak
 * of a record that has been replaced since; "write 10 is durable" may not.
 *
 * Memory: owns its ring, which holds appends that are not durable yet; the
 * flow control of leader and submitters bounds them.
 */
#ifndef RAFT_CORE_WRITES_H
#define RAFT_CORE_WRITES_H

#include "raft/core/types.h"

struct write {
    raft_token token;
    raft_index last; /* the log's last record after it, less what was cut */
};

struct writes {
    raft_token issued;        /* newest token given out */
    raft_token durable;       /* newest token known to be on disk */
    raft_index durable_index; /* records up to here are on disk */
    struct write *ring;       /* owned */
    size_t head, count, capacity;
};

/* All records up to durable_index are on disk already. */
void writes_init(struct writes *writes, raft_index durable_index);
void writes_release(struct writes *writes);

/* A write that adds no record. */
raft_token writes_next(struct writes *writes);
/* A write that adds records; `last` is the newest. */
raft_token writes_append(struct writes *writes, raft_index last);
/* A write that forgets `from` and all after it. */
raft_token writes_truncate(struct writes *writes, raft_index from);
/* Records up to index are durable, in another way than by these writes; with
 * `all`, there are no others. */
void writes_reset(struct writes *writes, raft_index index, bool all);
/* Everything up to token is on disk. A token of the past is ignored. */
void writes_done(struct writes *writes, raft_token token);

/* The write that makes records up to index durable; 0: they are. */
raft_token writes_covering(const struct writes *writes, raft_index index);

#endif
