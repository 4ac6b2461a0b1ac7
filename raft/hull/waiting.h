/* waiting.h -- the callers that wait: for a command or for a read.
 *
 * Every waiter stands in the list of its state, in the heap of deadlines, and
 * in hash tables by context and (commands) by (session, serial). Lists are in
 * order of arrival in the state; since all waiters of a state wait equally long
 * for their retry, the head is the next one due.
 *
 * Commands                                    Reads
 *
 *   QUEUED --forward--> SENT --taken--> LOGGED  QUEUED --> ASKED --> ANSWERED
 *      |                                ^
 *      +------------ we lead -----------+
 *   SENT and LOGGED go back to QUEUED when the leader changes, the record is
 *   superseded, or nothing is heard for too long.
 *
 * Thread: loop. Memory: a waiter holds one reference of its record.
 */
#ifndef RAFT_HULL_WAITING_H
#define RAFT_HULL_WAITING_H

#include "raft/core/types.h"
#include "raft/wire/record.h"

enum waiter_state {
    COMMAND_QUEUED, /* in no log that we know of, nor on its way */
    COMMAND_SENT,   /* forwarded, no answer yet */
    COMMAND_LOGGED, /* in the leader's log at index, term */
    READ_QUEUED,
    READ_ASKED,    /* a read index is asked for */
    READ_ANSWERED, /* waits until index is applied */
    WAITER_STATES
};

struct waiter {
    struct waiter *next, *prev;  /* in the list of its state */
    struct waiter *next_context; /* in its bucket */
    struct waiter *next_key;     /* commands: in its bucket */
    enum waiter_state state;
    void *context;      /* NULL: nobody waits, no deadline */
    raft_time deadline; /* UINT64_MAX: none */
    size_t heap_at;     /* place in the heap */

    /* Commands */
    struct record *record; /* owned */
    raft_time retry_at;    /* SENT, LOGGED */
    bool exposed;          /* it was in a log: it may be done */
    uint32_t forwards;     /* sent to another node so often, and so often */
    uint32_t refusals;     /* that node said that it certainly did nothing */
    uint32_t bounces;      /* followed a hint, since the last timer */
    node_id sent_to;       /* SENT, LOGGED: the leader of then */
    raft_term sent_term;   /* and our term of then */
    raft_index index;      /* LOGGED; READ_ANSWERED */
    raft_term term;        /* LOGGED */

    /* Reads: any round of this number or later began after the read came */
    uint64_t since;
    bool settles;       /* we had a lease: it is ready, too, when the records */
    raft_index settled; /* up to here are applied, which were in our log */
};

struct waiter_list {
    struct waiter *head, *tail;
    size_t count;
    size_t bytes; /* of records */
};

struct waiting {
    struct waiter_list lists[WAITER_STATES];
    size_t count, count_max;
    struct waiter **heap; /* owned; those with a context, by deadline */
    size_t heap_count, heap_capacity;
    struct waiter **by_context, **by_key; /* owned */
    size_t buckets;                       /* of each; power of two */
};

void waiting_init(struct waiting *waiting, size_t count_max);
/* All waiters must be gone. */
void waiting_release(struct waiting *waiting);
bool waiting_full(const struct waiting *waiting);
/* Takes over the reference of record. */
struct waiter *waiting_add_command(struct waiting *waiting,
                                   struct record *record, raft_time deadline,
                                   void *context);
struct waiter *waiting_add_read(struct waiting *waiting, raft_time deadline,
                                void *context);
/* To the end of another list, or of the same. */
void waiting_move(struct waiting *waiting, struct waiter *waiter,
                  enum waiter_state state);
/* Frees the waiter and drops its record. */
void waiting_remove(struct waiting *waiting, struct waiter *waiter);

struct waiter *waiting_head(const struct waiting *waiting,
                            enum waiter_state state);
struct waiter *waiting_any(const struct waiting *waiting);
/* The waiter for this very command (key and body), NULL: none. */
struct waiter *waiting_match(const struct waiting *waiting,
                             const struct record *record);
/* Any waiter of this key. */
struct waiter *waiting_find(const struct waiting *waiting, uint64_t session,
                            uint64_t serial);
struct waiter *waiting_find_context(const struct waiting *waiting,
                                    const void *context);
/* One whose deadline has come, the earliest first; NULL: none. */
struct waiter *waiting_expired(const struct waiting *waiting, raft_time now);
/* UINT64_MAX: none. */
raft_time waiting_deadline(const struct waiting *waiting);

size_t waiting_commands(const struct waiting *waiting);
size_t waiting_reads(const struct waiting *waiting);
size_t waiting_bytes(const struct waiting *waiting);
bool waiter_is_command(const struct waiter *waiter);
/* No log can have it, now or later, if it is not sent any more. */
bool waiter_certainly_not_done(const struct waiter *waiter);
void waiting_check(const struct waiting *waiting);

#endif
