/* hull.h -- the raft server that a program embeds.
 *
 * The hull turns frames, submitted commands and the passing of time into events
 * of the core, and the core's effects into calls of the log and the pilot, in
 * order. It still does no I/O of its own, has no clock and no thread: the
 * simulator runs it as it is.
 *
 * What it adds to the core:
 *  - batching: hull_submit(), hull_read() and forwarded commands queue;
 *    hull_flush() makes one log write, one APPEND per peer and one read index
 *    of all that came in since the last. The owner calls it before it sleeps.
 *  - group commit: one sync under way, everything else rides on the next.
 *  - forwarding: a command submitted on a follower goes to the leader, and again
 *    to the next one when the leader changes or says nothing, until its record
 *    is seen in our own apply, known by (origin, session, serial). A record that
 *    reaches the log twice is the pilot's to recognise (sessions).
 *  - time stamps: the leader's clock, never going back within the log.
 *  - deadlines: each caller context completes exactly once.
 *  - a cache of recent records, so that sending needs no log read.
 *
 * Thread: one. `now` is CLOCK_BOOTTIME in us, read right before each call.
 */
#ifndef RAFT_HULL_HULL_H
#define RAFT_HULL_HULL_H

#include "raft/core/raft.h"
#include "raft/hull/log_api.h"
#include "raft/hull/pilot.h"

struct hull_options {
    struct raft_options raft;
    uint32_t forward_retry_us;  /* 300 ms: resend a forward that got no answer */
    uint32_t read_retry_us;     /* 200 ms: resend a READ that got no answer */
    uint32_t waiting_max;       /* commands and reads that wait at once: 16384 */
    uint32_t cache_bytes;       /* record cache, 64 MiB */
    uint32_t unsent_bytes_max;  /* records of waiting commands, 64 MiB; as much
                                 * again for what others forward to us */
    uint32_t log_trailing;      /* records kept for members that are behind:
                                 * 131072, but a few when all have them */
    uint64_t log_trailing_bytes;/* and no more bytes of them: 256 MiB */
};
void hull_options_default(struct hull_options *options);

/* What may change while it runs; see above. */
struct hull_settings {
    struct raft_settings raft;
    uint32_t log_trailing;
    uint64_t log_trailing_bytes;
};

struct hull;

/* Borrows pilot and log for its life. boot as in raft.h; last_time_ns is the
 * largest record time in the log or tree. Records above boot->applied are
 * applied when they are known to be committed. */
struct hull *hull_new(const struct hull_options *options,
                      const struct raft_boot *boot, uint64_t last_time_ns,
                      const struct pilot *pilot, const struct log_api *log);
/* Completes everything with HULL_STOPPED, then frees. */
void hull_free(struct hull *hull);

/* Queues a command. On success (0) takes over the caller's reference of record
 * (code, origin, session, serial, body and payload set; index 0), and
 * `caller_context` will complete exactly once; it may be NULL when nobody waits
 * (then neither complete nor a deadline). Never completes before it returns.
 * -1: too much is waiting (push back) or the hull is faulted; nothing was taken. */
int hull_submit(struct hull *hull, raft_time now, struct record *record,
                raft_time deadline, void *caller_context);
/* Queues a linearizable read; read_ready comes exactly once, never before this
 * returns. -1 as above. */
int hull_read(struct hull *hull, raft_time now, raft_time deadline,
              void *caller_context);
/* True: what the tree says of these keys (NULL: of anything), right now, is as
 * good as the answer of hull_read(). Needs raft_options.lease_ask; `now` must be
 * read right before. */
bool hull_read_now(struct hull *hull, raft_time now, const uint64_t *keys,
                   size_t count);
/* Completes the context at once with HULL_CANCELLED, if it still waits:
 * returns true. A command that was not sent yet is withdrawn. */
bool hull_cancel(struct hull *hull, void *caller_context);
/* Bytes for the leader's pilot (to itself when we lead). Unreliable. False: no
 * leader is known. */
bool hull_notice(struct hull *hull, struct bytes body);

/* A whole, checksummed frame addressed to this node has arrived (any kind below
 * FRAME_HELLO). Borrowed. Bytes that make no sense are counted and dropped. */
void hull_receive(struct hull *hull, raft_time now, struct bytes frame);
/* The deadline has come (calling early or late is harmless). */
void hull_tick(struct hull *hull, raft_time now);
/* Works off what was queued. Call before sleeping. */
void hull_flush(struct hull *hull, raft_time now);
/* While it is full the node takes no records of a leader, and so acknowledges
 * none: it hears heartbeats, votes, and is behind. */
void hull_set_full(struct hull *hull, bool full);
/* Goes by these from now on. -1: they make no sense, or out of service. */
int hull_set(struct hull *hull, raft_time now,
             const struct hull_settings *settings);
/* The sync named token is done; status != 0 faults the node. */
void hull_log_durable(struct hull *hull, raft_time now, raft_token token,
                      int status);
/* The pilot's tree is durable up to index: the log may be compacted behind. */
void hull_tree_durable(struct hull *hull, raft_time now, raft_index index);
/* The tree is now that of a snapshot: as it was after record `index`, of `term`
 * and time. It is durable, and newer than what was applied before. */
struct hull_snapshot {
    raft_index index;
    raft_term term;
    uint64_t time_ns;
    uint64_t chain; /* of the record at index: wire/record.h */
    struct raft_config config; /* committed there; index 0: the one we know */
};
void hull_installed(struct hull *hull, raft_time now,
                    const struct hull_snapshot *snapshot);
/* This node has applied a record of its own life: it counts again.
 * See struct raft_boot. -1: not now, it follows nobody. */
int hull_joined(struct hull *hull, raft_time now);
/* Records above index stay in the log until the next call; 0: no such wish. */
void hull_hold(struct hull *hull, raft_index index);
/* Takes the node out of service; waiting contexts complete with HULL_STOPPED. */
void hull_fault(struct hull *hull, raft_time now, const char *why);
/* Asks to hand leadership to target (0: best). -1: not leader. */
int hull_transfer(struct hull *hull, raft_time now, node_id target);

/* Asks the leader, wherever it is, to change who belongs to the cluster (or to
 * hand over). pilot->changed(request, result) tells what it says; OK means that
 * it is in its log, and pilot->members() shows when it is committed. A question
 * or an answer may be lost: ask again. False: no leader is known. */
bool hull_change(struct hull *hull, raft_time now, uint64_t request,
                 const struct raft_change *change);

/* When hull_tick() is due; UINT64_MAX: never. */
raft_time hull_deadline(const struct hull *hull);

struct hull_status {
    struct raft_status raft;
    bool faulted;
    char fault[EVENT_TEXT_SIZE];
    raft_index applied;       /* applied, not necessarily durable in the tree */
    uint64_t commands_waiting, reads_waiting;
    uint64_t syncs, records_written, frames_bad, forwards_sent, forwards_resent,
             reads_done, reads_now, reads_settled, undone;
};
void hull_get_status(const struct hull *hull, raft_time now,
                     struct hull_status *out);
/* Why a peer has said that it is out of service; NULL: it has not, or we do not
 * lead. */
const struct cannot_sync *hull_cannot_sync(const struct hull *hull,
                                           node_id peer);
bool hull_is_leader(const struct hull *hull);
node_id hull_leader(const struct hull *hull); /* 0: unknown */
/* In force; good until the next call of the hull. */
const struct raft_members *hull_members(const struct hull *hull);
/* Invariants of hull and core. */
void hull_check(const struct hull *hull);

#endif
