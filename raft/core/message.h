/* message.h -- what nodes say to each other: the consensus part.
 *
 * One struct for all types; which fields a type has stands beside them, and in
 * raft_message_fields. The bytes are made by raft/wire. Records of an APPEND are not in here: the core
 * names them by `first` and `count`, the hull attaches them.
 */
#ifndef RAFT_CORE_MESSAGE_H
#define RAFT_CORE_MESSAGE_H

#include "raft/core/types.h"

enum raft_message_type {
    RAFT_PREVOTE = 1,   /* would you vote for me in `term`? changes nothing */
    RAFT_PREVOTE_REPLY,
    RAFT_VOTE,
    RAFT_VOTE_REPLY,
    RAFT_APPEND,        /* records and heartbeat in one */
    RAFT_APPEND_REPLY,
    RAFT_READ,          /* follower asks for a read index */
    RAFT_READ_REPLY,
    RAFT_TIMEOUT_NOW,   /* leadership transfer: campaign at once */
    RAFT_MESSAGE_TYPES_END
};

struct raft_message {
    enum raft_message_type type;
    node_id from, to;
    raft_term term;  /* the sender's; in PREVOTE the term it would campaign in;
                      * a granted PREVOTE_REPLY echoes the request's, a refused
                      * one carries the voter's */
    uint64_t boot;   /* nonce of the sender's incarnation */

    /* PREVOTE, VOTE: the candidate's last record.
     * APPEND: the record before the first one sent. */
    raft_index prev_index;
    raft_term prev_term;

    /* APPEND */
    raft_index commit; /* leader's commit index; the receiver caps it at
                        * prev_index + count */
    raft_index first;  /* == prev_index + 1 */
    uint32_t count;    /* records attached; 0: heartbeat or probe */
    bool quorum_ok;    /* the leader had contact with a majority within one
                        * minimum election timeout; only such an APPEND makes
                        * voters sticky */
    bool behind;       /* APPEND: what the receiver needs is compacted away: it
                        * needs a snapshot */
    bool transfer;     /* VOTE: authorised by TIMEOUT_NOW, ignores stickiness */
    raft_index trim;   /* every member has applied up to here durably, so the
                        * log up to here may be compacted */

    /* APPEND: leader's clock when sent; APPEND_REPLY: echoed. Opaque to the
     * follower; serves ReadIndex, lease and check-quorum alike. 0 in an APPEND
     * without records: it only tells a commit index; no answer is wanted. */
    raft_time sent;

    /* APPEND: a read lease. It answers the receiver's request and is counted
     * from there, on the receiver's clock; worth nothing to another incarnation,
     * or before the receiver's log agrees with ours up to `commit`. */
    uint64_t lease_boot;   /* whose request */
    raft_time lease_asked; /* ... made at this time */
    uint64_t lease_us;     /* 0: no grant */
    bool revoke;           /* give up what you have */

    /* APPEND_REPLY */
    bool newcomer;     /* we may have forgotten what we promised: not to be
                        * counted, for a commit as for a lease */
    raft_index seen;   /* our log in memory agrees with yours up to here */
    raft_time asked;   /* a lease is wanted; our clock. 0: not */
    raft_time dropped; /* what was asked up to this time is not used any more */

    uint64_t quiet; /* VOTE_REPLY granted: us since we last acknowledged an
                     * older term's leader, or led */

    /* Replies */
    bool granted;         /* PREVOTE_REPLY, VOTE_REPLY; APPEND_REPLY: matched;
                           * READ_REPLY: index is valid */
    raft_index match;     /* APPEND_REPLY granted: prev + count of THIS request,
                           * durable on the follower */
    raft_index hint;      /* APPEND_REPLY refused: a probe at or below this
                           * index may match ... */
    raft_term hint_term;  /* ... where the follower's term is this */
    raft_index applied;   /* APPEND_REPLY: applied and durable in its tree */

    uint64_t read_id;     /* READ, READ_REPLY: chosen by the asker */
    raft_index read_index;/* READ_REPLY */
};

/* In the order of the bytes on the wire; the last one has no name. */
struct raft_message_field {
    const char *name;
    size_t at;      /* in struct raft_message */
    size_t size;    /* 1 is a bool; 4 or 8 */
    uint32_t types; /* a bit for each type that has it, 1 << type */
};
extern const struct raft_message_field raft_message_fields[];

bool raft_message_has(const struct raft_message_field *field,
                      enum raft_message_type type);
uint64_t raft_message_get(const struct raft_message *message,
                          const struct raft_message_field *field);
void raft_message_set(struct raft_message *message,
                      const struct raft_message_field *field, uint64_t value);

#endif
