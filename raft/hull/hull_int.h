/* hull_int.h -- what the files of the hull share.
 *
 * Every public call that may do work runs between hull_enter() and
 * hull_leave(). The core is never stepped while effects are being performed:
 * what comes in meanwhile (a sync that completes at once, a fault) is
 * remembered and worked off in hull_leave().
 *
 *   hull.c     life, the work loop, events in
 *   receive.c  frames in
 *   perform.c  effects out
 *   cannot.c   a node out of service says so
 *   apply.c    committed records to the pilot, compaction
 *   install.c  the tree has come as a snapshot
 *   submit.c   queues of commands, the leader's batch
 *   forward.c  commands that travel to the leader, and their answers
 *   change.c   membership: configurations in records, changes that travel
 *   reads.c    rounds of read indexes
 *   status.c   status and invariants
 */
#ifndef RAFT_HULL_HULL_INT_H
#define RAFT_HULL_HULL_INT_H

#include "raft/hull/cache.h"
#include "raft/hull/cannot.h"
#include "raft/hull/dirty.h"
#include "raft/hull/held.h"
#include "raft/hull/hull.h"
#include "raft/hull/inflight.h"
#include "raft/hull/news.h"
#include "raft/core/memory.h"
#include "raft/hull/waiting.h"

#include <assert.h>

enum {
    APPLY_BATCH = 256,    /* records a call; then heartbeats get their turn */
    SUBMIT_BATCH = 1024,  /* records in one log write */
    COMPACT_BATCH = 8192, /* records a step */
    COMPACT_LEAST = 64,   /* fewer are not worth a transaction */
    TRAILING_LEAST = 4096,/* records kept although all members have them: a
                           * peer whose news is late needs no snapshot */
    TRAILING_LEAST_BYTES = 16 * 1024 * 1024, /* and no more of them: they hold
                           * the bytes of files that are gone */
    NOTICES_MAX = 256,    /* queued in one turn of the loop */
    BOUNCES_MAX = 3,      /* two confused nodes must not play ping-pong */
    ROUNDS_MAX = 64,      /* read index rounds without an answer */
    REFUSED_RETRY_US = 20 * 1000, /* the core is handing over: try again then */
    LOGGED_RETRY_FACTOR = 5, /* of forward_retry_us: taken, but never applied */
    FORWARD_WINDOW_BYTES = 8 * 1024 * 1024, /* forwarded and not answered */
};

/* A record that another node forwarded to us. */
struct inbox_entry {
    node_id from;
    struct record *record; /* owned */
};

struct inbox {
    struct inbox_entry *list; /* owned */
    size_t count, capacity, bytes;
    struct inflight keys; /* so that a repeated one is not queued twice */
};

struct notice {
    void *data; /* owned */
    size_t size;
};

struct hull {
    struct hull_options options;
    const struct pilot *pilot;
    const struct log_api *log;
    struct raft *raft; /* owned */
    struct raft_effects effects;
    struct raft_members members; /* in force */
    node_id self;

    bool busy;     /* between enter and leave */
    raft_time now; /* of the call under way; never goes back */

    /* As of the last ROLE effect */
    enum raft_role role;
    raft_term term;
    node_id leader;

    raft_index commit, applied;
    raft_index tree_durable, compacted;
    raft_index hold; /* 0: none */
    uint64_t last_time_ns;

    /* Group commit */
    raft_token written, syncing, synced; /* syncing 0: none under way */
    bool durable_came;                   /* a sync ended while busy */
    raft_token durable_token;
    int durable_status;

    bool full; /* the disk */
    bool faulted, fault_told;
    struct hull_note fault; /* why: code, error, text */

    struct cannot cannot;
    struct cache cache;
    struct held held;
    struct news news;
    struct waiting waiting;
    struct inflight inflight;
    struct inbox inbox;
    raft_time submit_retry_at; /* 0: nothing was refused */
    struct notice notices[NOTICES_MAX];
    size_t notice_count;

    /* Reads */
    struct dirty dirty;      /* only if we ask for leases */
    size_t settling;         /* waiters that have `settled` */
    uint64_t round, round_answered;
    raft_time read_retry_at; /* while reads are ASKED */

    /* What the event under way attaches */
    struct record **attached; /* borrowed; of an APPEND message */
    uint32_t attached_count;
    struct record **batch; /* borrowed; of a SUBMIT */
    uint32_t batch_count;

    struct hull_status count; /* counters only */
};

/* hull.c */
void hull_enter(struct hull *hull, raft_time now);
void hull_leave(struct hull *hull);
/* Steps the core and performs the effects. A faulted node steps no more. */
int hull_step(struct hull *hull, struct raft_event *event);
/* Marks the node as faulted; the rest is done in hull_leave(). index: of the
 * record that it is about, or 0; error: what the failing call returned. */
void hull_fail(struct hull *hull, enum hull_event code, raft_index index,
               int error);
void hull_fail_text(struct hull *hull, enum hull_event code, raft_index index,
                    int error, const char *text);
void hull_note_send(struct hull *hull, const struct hull_note *note);
bool hull_is_member(const struct hull *hull, node_id id);
void hull_send(struct hull *hull, node_id to, struct frame *frame);
void hull_sync_start(struct hull *hull);
/* Removes the waiter, then tells its caller (if there is one). */
void hull_complete(struct hull *hull, struct waiter *waiter,
                   enum hull_outcome outcome, const struct hull_result *result);

/* perform.c */
void hull_perform(struct hull *hull);
/* Sends the news that have waited long enough. */
void hull_news(struct hull *hull);

/* cannot.c */
/* Unless it was said within the last second. */
void cannot_say(struct hull *hull, node_id to);
void cannot_receive(struct hull *hull, node_id from, struct bytes body);

/* apply.c */
/* One reference of a record that must be there; NULL: faulted. */
struct record *hull_record_get(struct hull *hull, raft_index index);
void hull_apply(struct hull *hull);
void hull_compact(struct hull *hull);

/* submit.c */
void submit_flush(struct hull *hull);
void submit_superseded(struct hull *hull, const struct record *record);
void notices_flush(struct hull *hull);
void inbox_init(struct inbox *inbox);
void inbox_release(struct inbox *inbox);
/* Empties it, telling the origins that we are not the leader. */
void inbox_refuse(struct hull *hull, enum forward_status status);

/* forward.c */
void forward_flush(struct hull *hull);
void forward_retries(struct hull *hull);
void forward_leader_known(struct hull *hull);
/* All that was given to anybody goes back to the queue. */
void forward_again(struct hull *hull);
void forward_receive(struct hull *hull, node_id from, struct bytes body);
void forward_reply_receive(struct hull *hull, node_id from, struct bytes body);
void forward_reply_send(struct hull *hull, node_id to,
                        const struct record *record, enum forward_status status,
                        raft_index index, raft_term term);

/* change.c */
/* The body of the CONFIG record at index. */
struct record *change_record(struct hull *hull, raft_index index);
/* The CONFIG records among those of an APPEND: *out is the caller's to free.
 * -1: one of them makes no sense. */
int change_configs(struct record *const *records, uint32_t count,
                   struct raft_config **out, size_t *out_count);
void change_members(struct hull *hull);
void change_receive(struct hull *hull, node_id from, struct bytes body);
void change_reply_receive(struct hull *hull, struct bytes body);

/* reads.c */
void reads_flush(struct hull *hull);
void reads_answered(struct hull *hull, uint64_t round, raft_index index);
void reads_failed(struct hull *hull, uint64_t round);
void reads_release(struct hull *hull);
/* Records from `from` on are gone: nobody needs to wait for them. */
void reads_truncated(struct hull *hull, raft_index from);

#endif
