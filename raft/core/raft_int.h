/* raft_int.h -- the core's state, and what its files offer to each other.
 *
 * Files by idea: raft.c takes events apart, election.c decides who leads,
 * replicate.c is the leader's side of the log and follow.c the follower's,
 * change.c puts configurations in force and changes them, readindex.c answers
 * reads, lease.c knows how long a node may read by itself, grant.c is the
 * leader's side of others' leases, transfer.c hands over, install.c begins the
 * log behind a snapshot, effects.c writes the list that a step returns.
 */
#ifndef RAFT_CORE_RAFT_INT_H
#define RAFT_CORE_RAFT_INT_H

#include "raft/core/configs.h"
#include "raft/core/member.h"
#include "raft/core/mutant.h"
#include "raft/core/raft.h"
#include "raft/core/readindex.h"
#include "raft/core/tail.h"
#include "raft/core/window.h"
#include "raft/core/writes.h"

enum {
    /* A leader that is not the preferred one lets the dust settle first, in
     * election timeouts; and so long again after a try that failed. */
    HANDOVER_ELECTIONS = 5,
    /* So long a node that was removed is told so, if it does not answer. */
    LEAVING_ELECTIONS = 10,
};

/* What a leader knows of one peer's read lease; see grant.c. */
struct grant {
    uint64_t boot;     /* the incarnation that we believe; 0: none yet */
    raft_time since;   /* when we first heard it in this term */
    raft_index seen;   /* equal to our log in its memory; never below match */
    raft_time asked;   /* its newest request, by its clock */
    raft_time granted; /* the newest request that we granted */
    raft_time hold;    /* until then it may read, by our clock; 0: no lease */
    bool joined;       /* it is in our term, so it has no older lease */
    uint32_t latency;  /* us; smoothed time until it answers */
    bool slow;
    raft_index late; /* a commit waits, or waited, until it has seen this; 0: none */
    raft_time late_since;
};

struct peer {
    node_id id;
    bool voter;
    bool joining;    /* it shall vote, once it has caught up */
    uint8_t priority;
    bool leaving;    /* not a member; a leader sends on until it knows */
    raft_time leaving_since;
    bool newcomer;   /* by its last answer: it does not count */
    uint64_t answered; /* the incarnation that said so */
    raft_time heard; /* its last message, 0: never */
    bool vote;       /* it granted our current pre-vote or vote */
    uint64_t quiet;  /* ... and had not acknowledged a leader for so long */

    /* What we know as leader of this term.
     *
     *   PROBE      where do the logs agree? One APPEND at a time.
     *   REPLICATE  match is certain, next runs ahead, the window bounds it.
     *   SNAPSHOT   what it needs is compacted away; heartbeats verify base.
     *
     *   PROBE --peer_matched--> REPLICATE --peer_refused, a stalled window,
     *   a new incarnation--> PROBE --peer_refused below our base-->
     *   SNAPSHOT --peer_matched--> REPLICATE
     */
    enum raft_progress_state state;
    raft_index match;   /* durable there and equal to ours */
    raft_index next;    /* the next record to send */
    raft_index applied; /* durable in its tree */
    raft_index told;    /* the commit index it can know from what we sent */
    raft_time acked;    /* newest of our send times that it echoed; 0: none */
    raft_time probed;   /* when the unanswered probe left; 0: none */
    bool takes_none;    /* it agrees, and took none of the probe's records: its
                         * disk may be full. One probe at a time, without haste */
    raft_time moved;    /* the window's last progress, or its first APPEND */
    bool noted;         /* NEEDS_SNAPSHOT was said */
    /* Learners catch up in rounds (4.2.1): one ends when the peer has what the
     * log had when it began. When one was shorter than an election timeout, the
     * learner may vote. */
    raft_index round_end;
    raft_time round_began;
    uint32_t rounds;
    bool caught_up;
    struct window window;
    struct grant grant;
};

struct raft {
    struct raft_options options;
    struct configs configs;
    /* What the latest one says, for quick use. */
    bool self_voter;
    uint8_t priority;      /* ours */
    uint8_t priority_best; /* of the voters */
    uint32_t voters;
    uint32_t peer_count;
    struct peer peers[RAFT_PEERS_MAX]; /* all but us; some may be leaving */
    bool was_member;  /* some configuration since the start had us */
    bool removed;     /* and the committed one has not */
    bool config_news; /* this step changed something about it */
    uint64_t random;

    raft_time clock; /* the last event's time */
    raft_time now;   /* the same, made strictly growing: two steps never share
                      * a time, so "sent at or after" is an order of steps */
    raft_time lead;  /* the most that now ever was ahead of clock */

    raft_term term;
    node_id vote;
    raft_token term_token; /* the write that makes term and vote durable */
    struct tail tail;
    struct writes writes;
    raft_index commit;
    raft_index told;    /* the commit index that the hull knows */
    raft_index applied; /* durable in our tree */
    raft_index trim;    /* every member has applied up to here */

    bool newcomer, may_found; /* see struct raft_boot */
    enum raft_role role;
    node_id leader;        /* 0: unknown */
    raft_time sticky_from; /* when a leader with a quorum was last heard */
    raft_time election_at; /* when a follower or candidate loses patience */
    raft_time supported;   /* when we last answered an APPEND, or led */

    /* Follower, in this term: */
    raft_index verified;   /* equal to the leader's log up to here */
    raft_time lease_until; /* 0: no lease */
    raft_time lease_floor; /* grants of requests up to here are not taken */

    /* Candidate and leader */
    raft_time campaign_at; /* when this term's campaign began */
    bool self_granted;     /* our own vote counts: it is durable */

    /* Leader */
    raft_index term_start; /* our TERM_START record */
    raft_time led_since;
    raft_time heartbeat_at;
    node_id transfer_to;     /* 0: no transfer under way */
    raft_time transfer_until;
    raft_time defer_until;   /* leases of older terms may last so long */
    bool gated;              /* a majority has more than holders let commit */
    raft_time leave_at;      /* we are removed: step down then; 0: we are not */
    raft_time handover_at;   /* look then whether a preferred one could lead */
    struct read_queue reads; /* leader: not confirmed yet */
    raft_time read_round;    /* last heartbeats sent for the sake of reads */
    struct read_queue asked; /* follower: sent to the leader */
    uint64_t wire_id;        /* of our last READ message */

    uint64_t leases_ended, commits_gated, quiet_elections;
    struct raft_effects *out; /* borrowed for the step */
};

/* raft.c */
struct peer *raft_find_peer(struct raft *r, node_id id);
/* The only function that changes role and leader: it tells the hull and
 * settles what waited for the old state. */
void raft_set_role(struct raft *r, enum raft_role role, node_id leader);
/* Fails whatever waits and goes out of service. */
void raft_fault(struct raft *r);

/* effects.c */
void emit_save(struct raft *r);
void emit_undo(struct raft *r, raft_index first, raft_index last);
void emit_truncate(struct raft *r, raft_index from);
/* The records are in the tail already; skip is for RAFT_FROM_MESSAGE. */
struct raft_effect *emit_append(struct raft *r, raft_index first, enum raft_source source,
                 uint32_t skip);
void emit_send(struct raft *r, const struct raft_message *message,
               raft_token after);
/* Tells the hull how far it may apply: what is committed and durable here. */
void emit_commit(struct raft *r);
void emit_read_ok(struct raft *r, uint64_t read_id, raft_index index);
void emit_read_fail(struct raft *r, uint64_t read_id);
void emit_snapshot(struct raft *r, node_id leader);
void emit_role(struct raft *r);
void emit_members(struct raft *r);
struct raft_effect *emit_note(struct raft *r, enum raft_note_code note,
                              node_id peer);
/* The node must stop: the record at index contradicts the leader's. */
void emit_fatal(struct raft *r, raft_index index, node_id peer);
/* A message of ours with the common fields filled in. */
struct raft_message message_to(const struct raft *r,
                               enum raft_message_type type, node_id to);
/* The token itself, or 0 when it is durable already. */
raft_token unless_durable(const struct raft *r, raft_token token);

/* election.c */
void election_restart_timer(struct raft *r);
void election_timeout(struct raft *r);
/* Campaigns at once, authorised by the leader to ignore stickiness. */
void election_transfer(struct raft *r);
/* The term must be newer, or the same with a role to leave. Saves it when it
 * is new. */
void become_follower(struct raft *r, raft_term term, node_id leader);
void election_prevote(struct raft *r, const struct raft_message *m);
void election_prevote_reply(struct raft *r, const struct raft_message *m);
/* A leader that hears a majority was heard within the minimum timeout. */
bool election_sticky(const struct raft *r);
void election_vote(struct raft *r, const struct raft_message *m);
void election_vote_reply(struct raft *r, const struct raft_message *m);
/* For how long we have supported no leader. */
uint64_t election_quiet(const struct raft *r);
/* Counts the own vote once it is on disk. */
void election_durable(struct raft *r);

/* replicate.c */
void leader_start(struct raft *r);
void leader_submit(struct raft *r, const uint32_t *sizes, uint32_t count);
void leader_append_reply(struct raft *r, const struct raft_message *m);
/* Recomputes the commit index and lets the peers know. */
void leader_advance(struct raft *r);
void leader_update_trim(struct raft *r);
void leader_time(struct raft *r);
raft_time leader_deadline(const struct raft *r);
void leader_compacted(struct raft *r);
/* The peer has restarted: what was in flight to it is gone. */
void leader_peer_restarted(struct raft *r, struct peer *peer);
void replicate_heartbeat(struct raft *r);
/* Sends everybody what he may have now. */
void replicate_all(struct raft *r);
/* As leader: we know nothing of the peer yet. */
void leader_add_peer(struct raft *r, struct peer *peer);

/* follow.c */
void follow_append(struct raft *r, const struct raft_event *event);

/* change.c */
void config_start(struct raft *r, const struct raft_boot *boot);
/* A CONFIG record is in the tail: it is in force. */
void config_append(struct raft *r, const struct raft_config *config);
/* Takes back what stood at `from` and later. */
void config_truncate(struct raft *r, raft_index from);
/* A snapshot's, as of index. */
void config_install(struct raft *r, const struct raft_config *base,
                    raft_index index, bool keeps);
/* The last thing of every step: what has become committed. */
void config_step_end(struct raft *r);
bool config_pending(const struct raft *r);
bool config_may_run(const struct raft *r);
/* The committed configuration is the latest, and has us no more. */
bool config_left(const struct raft *r);
/* enum raft_change_result */
int leader_change(struct raft *r, const struct raft_change *change);
void leader_start_round(struct raft *r, struct peer *peer);
/* Looks whether a learner has caught up. */
void leader_end_round(struct raft *r, struct peer *peer);
/* Whom to promote, whom to forget, whom to hand over to. */
void leader_look_after_members(struct raft *r);
/* install.c */
void install_done(struct raft *r, const struct raft_event *event);

/* readindex.c */
void read_event(struct raft *r, uint64_t read_id);
void read_request(struct raft *r, const struct raft_message *m);
void read_reply(struct raft *r, const struct raft_message *m);
void reads_confirm(struct raft *r);
void reads_fail(struct raft *r);
void asked_fail(struct raft *r);
raft_time asked_deadline(const struct raft *r);
void asked_expire(struct raft *r);

/* lease.c */
/* The newest send time that a majority has acknowledged in this term. */
raft_time leader_acked_time(const struct raft *r);
/* A record of our own term is committed: we know all that was committed. */
bool leader_settled(const struct raft *r);
bool leader_quorum_ok(const struct raft *r);
/* When the leader steps down if it hears nothing more. */
raft_time leader_patience(const struct raft *r);
/* A leader's own: until then nobody else can have committed anything. */
raft_time lease_end(const struct raft *r);
bool lease_valid(const struct raft *r);
/* The longest time that `us` can take by another clock, and the shortest. */
uint64_t lease_stretch(const struct raft *r, uint64_t us);
uint64_t lease_shrink(const struct raft *r, uint64_t us);
/* A follower's. */
void lease_ask(const struct raft *r, struct raft_message *reply);
void lease_take(struct raft *r, const struct raft_message *m);
/* Gives it up, also what is on its way. */
void lease_drop(struct raft *r);
/* It was another leader's, or another role's. */
void lease_void(struct raft *r);

/* grant.c */
/* A new leader; peers' votes still say how quiet they were. */
void grant_start(struct raft *r);
void grant_fill(struct raft *r, struct peer *peer, struct raft_message *m);
/* A message of our term: whatever the peer held of older ones is void. */
void grant_joined(struct peer *peer);
/* False: an answer of an earlier life of the peer, or of one that we can't place.
 * Nothing in it counts: not its memory, and its disk may be another by now. */
bool grant_current(struct raft *r, struct peer *peer,
                   const struct raft_message *m);
/* Before the answer changes peer->acked. */
void grant_reply(struct raft *r, struct peer *peer,
                 const struct raft_message *m);
/* How far of what a majority has `reached` may be committed. */
raft_index grant_gate(struct raft *r, raft_index reached);
/* It gets no lease: it answers late, or takes no records. */
bool grant_refused(const struct raft *r, const struct peer *peer);
/* When a commit that waits for leases may go on; UINT64_MAX: none does. */
raft_time grant_deadline(const struct raft *r);
bool grant_deferring(const struct raft *r);
bool grant_holds(const struct raft *r, const struct peer *peer);

/* transfer.c */
int transfer_start(struct raft *r, node_id target);
/* Sends TIMEOUT_NOW as soon as the target has everything. */
void transfer_progress(struct raft *r, const struct peer *peer);
void transfer_expire(struct raft *r);

#endif
