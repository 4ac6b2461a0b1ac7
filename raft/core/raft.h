/* raft.h -- the consensus algorithm as a pure function.
 *
 * raft_step(raft, event, effects) is all there is: one event goes in, the state
 * changes, effects come out, and nothing else happens. No I/O, no clock, no
 * chance but the seed, no callbacks. The hull feeds it and performs the effects
 * IN THE ORDER in which they stand; that order is the contract:
 *
 *   SAVE, UNDO, TRUNCATE and APPEND go to the log in order, each with a token.
 *   When the log has made everything up to a token durable, the hull says so
 *   with a RAFT_DURABLE event. A SEND with `after` != 0 must not leave before
 *   that token is durable; one with `after` == 0 leaves at once. That is how
 *   the leader sends before its own disk is done (dissertation 10.2.1) and how
 *   votes and acknowledgements never do.
 *
 * The core keeps of each record only term and size (struct tail), never bytes.
 *
 * States (functions that move):
 *
 *     FOLLOWER --become_precandidate--> PRECANDIDATE --become_candidate-->
 *     CANDIDATE --become_leader--> LEADER;  all --become_follower--> FOLLOWER
 *
 * Thread: none of its own; the caller serialises. Time: every event carries
 * `now`, CLOCK_BOOTTIME read immediately before the step (not a cached loop
 * time, and not a clock that stops in suspend: leases depend on it).
 * Memory: events are borrowed for the step; effects are valid until the next.
 */
#ifndef RAFT_CORE_RAFT_H
#define RAFT_CORE_RAFT_H

#include "raft/core/member.h"
#include "raft/core/message.h"
#include "raft/core/types.h"

#include <stdio.h>

enum raft_role { RAFT_FOLLOWER, RAFT_PRECANDIDATE, RAFT_CANDIDATE, RAFT_LEADER,
                 RAFT_FAULTED };

struct raft_options {
    node_id self;
    uint64_t boot;              /* random nonce of this incarnation, not 0 */
    uint64_t seed;              /* for election timeouts */
    uint32_t heartbeat_us;      /* default 100 ms */
    uint32_t election_us;       /* minimum election timeout E, default 700 ms;
                                 * timeouts are uniform in [E, 2E) */
    uint32_t lease_us;          /* read lease D, default 500 ms, 0: none. The
                                 * same on all nodes. E >= D (1+rho)/(1-rho)
                                 * is asserted */
    bool lease_ask;             /* want a read lease as a follower: reads need
                                 * no message then, but writes everywhere wait
                                 * until this node has them in memory */
    uint32_t drift_ppm;         /* rho: bound on clock rate error, 10000 */
    uint32_t append_bytes_max;  /* bytes of records in one APPEND, 1 MiB; a
                                 * single larger record still goes alone */
    uint32_t append_records_max;/* records in one APPEND, 512 */
    uint32_t window_bytes;      /* unacknowledged bytes per peer, 8 MiB */
    uint32_t window_appends;    /* unacknowledged APPENDs per peer, 64 */
    uint32_t probe_retry_us;    /* resend of a probe or stalled window, 250 ms */
};

/* Fills in the defaults above; self, boot and seed stay 0. */
void raft_options_default(struct raft_options *options);

/* What the log holds when the node starts. All of it must be durable: what was
 * read from the file system's memory only is synced before. */
struct raft_boot {
    raft_time now;
    raft_term term;
    node_id vote;
    raft_index base_index; /* the record before the first one kept; 0: none */
    raft_term base_term;
    raft_index applied;    /* durable in the tree; committed for certain */
    size_t count;          /* records base_index+1 .. base_index+count */
    const raft_term *terms;
    const uint32_t *sizes; /* encoded bytes, payload included */
    /* The newest configuration at or below `applied`, as the tree keeps it;
     * members_index 0: from the file. A node that shall join does not stand in
     * it, and knows at least one member to hear from. */
    struct raft_members members;
    raft_index members_index;
    /* The disk is new, or lost something: what was promised with an older one is
     * not known. Such a node does not vote and is not counted until it is told
     * RAFT_EVENT_JOINED. may_found: but while its log is empty it may vote for
     * somebody whose log is empty too, and then it is a member. */
    bool newcomer, may_found;
    /* The CONFIG records of the log above `applied`, in order. */
    const struct raft_config *configs;
    size_t config_count;
};

/* What may change while the core runs. */
struct raft_settings {
    uint32_t heartbeat_us; /* less than election_us */
    uint32_t window_bytes; /* as in raft_options */
    bool lease_ask;        /* no more: what it holds is given up, which the leader
                            * hears with the next answer to a heartbeat */
};

enum raft_event_type {
    RAFT_EVENT_TIME,     /* the deadline of raft_deadline() has come */
    RAFT_EVENT_MESSAGE,  /* a message has arrived */
    RAFT_EVENT_SUBMIT,   /* leader only: append these records */
    RAFT_EVENT_READ,     /* a read index is wanted */
    RAFT_EVENT_DURABLE,  /* all log writes up to `token` are on disk */
    RAFT_EVENT_APPLIED,  /* all records up to `index` are durable in the tree */
    RAFT_EVENT_COMPACTED,/* log records up to `index` are gone */
    RAFT_EVENT_INSTALLED,/* the tree is now as it was after record `index` of
                          * `term`, which is committed: the log begins there */
    RAFT_EVENT_JOINED,   /* a newcomer has applied a record of its own life, which
                          * the others have committed without it; -1 when it
                          * follows nobody at this moment */
    RAFT_EVENT_TRANSFER, /* leader only: hand over to `target` (0: the best) */
    RAFT_EVENT_CHANGE,   /* leader only: change who belongs to the cluster */
    RAFT_EVENT_SET,      /* other settings from now on; what peers rely on
                          * (election, lease) is for life */
    RAFT_EVENT_FAULT,    /* take this node out of service: no votes, no acks */
};

struct raft_event {
    enum raft_event_type type;
    raft_time now;
    const struct raft_message *message; /* MESSAGE */
    const uint32_t *sizes;              /* SUBMIT: bytes of each record; for a
                                         * MESSAGE of type APPEND: the same for
                                         * the attached records */
    const raft_term *terms;             /* MESSAGE APPEND: term of each record */
    const struct raft_config *configs;  /* MESSAGE APPEND: the CONFIG records;
                                         * INSTALLED: the committed one */
    size_t config_count;                /* among the attached, in order */
    const struct raft_change *change;   /* CHANGE */
    struct raft_settings settings;      /* SET: a sound one, or -1 */
    uint32_t count;                     /* SUBMIT */
    uint64_t read_id;                   /* READ: returned in READ_OK/READ_FAIL */
    raft_token token;                   /* DURABLE */
    raft_index index;                   /* APPLIED, COMPACTED, INSTALLED */
    raft_term term;                     /* INSTALLED */
    node_id target;                     /* TRANSFER */
};

enum raft_effect_type {
    RAFT_DO_SAVE,     /* persist term and vote */
    RAFT_DO_UNDO,     /* records last..first are superseded: undo newest first */
    RAFT_DO_TRUNCATE, /* forget records first.. */
    RAFT_DO_APPEND,   /* write records first..first+count-1 */
    RAFT_DO_SEND,
    RAFT_DO_COMMIT,   /* records up to `index` may be applied: they are
                       * committed, and durable here too, so that no tree is
                       * ever ahead of its log */
    RAFT_DO_READ_OK,  /* read `read_id` may be served once `index` is applied */
    RAFT_DO_READ_FAIL,/* it cannot be served here; ask again later */
    RAFT_DO_SNAPSHOT, /* follower: the leader has no more what we need */
    RAFT_DO_ROLE,     /* role, term or leader changed: for status and events */
    RAFT_DO_MEMBERS,  /* another configuration is in force, or is committed:
                       * see raft_config_latest() and raft_config_committed() */
    RAFT_DO_NOTE,     /* something worth an event: code below */
    RAFT_DO_FATAL,    /* this node must stop: divergence at or below commit */
};

/* Where the bytes of an APPEND effect come from. */
enum raft_source { RAFT_FROM_SUBMIT, RAFT_FROM_MESSAGE, RAFT_FROM_CORE };

enum raft_note_code {
    RAFT_NOTE_NONE,
    RAFT_NOTE_LOST_QUORUM,      /* leader stepped down: no majority in contact */
    RAFT_NOTE_TRUNCATED,        /* a conflict cut first..last */
    RAFT_NOTE_DIVERGED,         /* conflict at or below commit */
    RAFT_NOTE_VOTE_REFUSED,
    RAFT_NOTE_NEEDS_SNAPSHOT,   /* `peer` is behind the log's start */
    RAFT_NOTE_MEMBERS,          /* the record `first` changes who belongs here */
    RAFT_NOTE_MEMBERS_CUT,      /* and was cut off again; `first` is in force */
    RAFT_NOTE_REMOVED,          /* this node is not a member any more */
    RAFT_NOTE_HANDS_OVER,       /* to `peer`, which is preferred as leader */
};

struct raft_effect {
    enum raft_effect_type type;
    raft_token token;            /* SAVE, TRUNCATE, APPEND: this write's name */
    raft_term term;              /* SAVE, ROLE, and of the records of APPEND when
                                  * FROM_SUBMIT or FROM_CORE */
    node_id vote;                /* SAVE */
    raft_index first, last;      /* UNDO, TRUNCATE, APPEND */
    enum raft_source source;     /* APPEND */
    enum record_code code;       /* APPEND FROM_CORE: TERM_START, or CONFIG with
                                  * what raft_config_at(first) says */
    uint32_t skip;               /* APPEND FROM_MESSAGE: attached records passed
                                  * over because the log has them already */
    struct raft_message message; /* SEND; APPENDs name records first,count */
    raft_token after;            /* SEND: not before this is durable; 0: now */
    raft_index index;            /* COMMIT, READ_OK */
    uint64_t read_id;            /* READ_OK, READ_FAIL */
    enum raft_role role;         /* ROLE */
    node_id leader;              /* ROLE: 0 if unknown */
    enum raft_note_code note;    /* NOTE, FATAL */
    node_id peer;                /* NOTE; SNAPSHOT: the leader */
};

struct raft_effects {
    struct raft_effect *list; /* owned; grows, is reused by every step */
    size_t count, capacity;
};

enum raft_progress_state { RAFT_PROBE, RAFT_REPLICATE, RAFT_SNAPSHOT };

/* What the leader knows of one peer; for status. */
struct raft_peer_status {
    node_id id;
    bool voter;
    bool leaving;   /* not a member any more, and being told so */
    bool newcomer;  /* by its last answer: it does not count yet */
    bool caught_up; /* a learner that could vote */
    uint32_t rounds;/* of catching up that a learner has done (4.2.1) */
    enum raft_progress_state state;
    raft_index match, next, applied, seen;
    bool holder; /* has, or may have, a read lease */
    bool slow;   /* gets none, because its answers take too long */
    uint32_t appends_in_flight;
    raft_time heard; /* last message of the peer, 0: never */
};

struct raft_status {
    enum raft_role role;
    raft_term term;
    node_id vote, leader;
    raft_index first, last, durable, commit, applied, trim;
    bool newcomer;       /* does not vote, is not counted */
    bool quorum_ok;      /* leader: majority in contact */
    bool lease_valid;    /* reads are answered without a message */
    bool deferring;      /* leader: older leaders' leases may still be valid */
    uint32_t holders;    /* leader: peers with a read lease */
    uint64_t leases_ended;   /* leader: ran out without being renewed */
    uint64_t commits_gated;  /* leader: times a commit waited for a holder */
    uint64_t quiet_elections; /* won with no older lease to wait for */
    uint32_t reads_waiting;
    bool voter;          /* this node, in the configuration in force */
    bool removed;        /* it was a member; for certain it is none any more */
    raft_index config_latest, config_committed; /* their records; 0: older */
    uint32_t peer_count;
    struct raft_peer_status peers[RAFT_PEERS_MAX];
};

struct raft;

/* New core from what the log holds. It starts as a follower that behaves as if
 * it had just heard a leader (a restarted voter must not shorten anybody's
 * lease). Never fails (no memory: abort). */
struct raft *raft_new(const struct raft_options *options,
                      const struct raft_boot *boot);
void raft_free(struct raft *raft);

/* Clears effects, then appends this step's. now must not go back; equal is
 * allowed (the core makes its own time strictly grow). SUBMIT and TRANSFER
 * return -1 without any effect when this node is not the leader (or is handing
 * over); CHANGE returns an enum raft_change_result, and has effects only when
 * that is RAFT_CHANGE_OK; every other event returns 0. */
int raft_step(struct raft *raft, const struct raft_event *event,
              struct raft_effects *effects);
void raft_effects_release(struct raft_effects *effects);

/* When the next RAFT_EVENT_TIME is due; UINT64_MAX: never. */
raft_time raft_deadline(const struct raft *raft);

void raft_get_status(const struct raft *raft, raft_time now,
                     struct raft_status *out);
/* The tree may be read at `now` (read this very moment, before the tree is)
 * without a message, but for what a record behind `applied` in our log touches.
 */
bool raft_may_read(const struct raft *raft, raft_time now);
/* Term of a record of the log; 0 when it is not there. */
raft_term raft_term_at(const struct raft *raft, raft_index index);

/* Good until the next step. The one in force counts majorities; it may still
 * be cut off. */
const struct raft_config *raft_config_latest(const struct raft *raft);
const struct raft_config *raft_config_committed(const struct raft *raft);
/* The one whose record stands at index, when it is the committed one or above;
 * else NULL. */
const struct raft_config *raft_config_at(const struct raft *raft,
                                         raft_index index);
/* Up to where the log may go, if at most so many bytes of it are wanted. */
raft_index raft_keeping(const struct raft *raft, uint64_t bytes_max);

/* All invariants of the state; aborts with a sentence when one is broken.
 * Run after every step in tests and simulation. */
void raft_check(const struct raft *raft);
/* One readable line (no newline); the order of columns is fixed. */
void raft_print(const struct raft *raft, FILE *out);
/* SHORT says what one follows a story by, LONG every field of its type. */
enum raft_form { RAFT_SHORT, RAFT_LONG };
void raft_message_print(const struct raft_message *message, enum raft_form form,
                        FILE *out);

#endif
