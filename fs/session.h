/* session.h -- this node's session in the log, and the leader's care for all.
 *
 * A session makes this node's commands exactly-once and its holds (open
 * orphans) mortal. It is opened by a log record as soon as a leader is known,
 * kept alive by a notice to the leader every KEEPALIVE_US, and ended by the
 * leader, with a log record, when nothing was heard for session_timeout. A node
 * that could not reach a leader for that long assumes the worst and opens a new
 * one.
 *
 *     NONE --session_tick--> OPENING --applied--> OPEN --session_lost--> NONE
 *
 * The leader also
 *  - reaps orphans: inodes without a name that no live session holds, once each
 *    has reported that it opens them no more: a program that has walked a path
 *    before the unlink is given some seconds to open what it has found;
 *  - compares the state digests that the notices carry with its own, and tells a
 *    node that differs to leave service; where most differ, it goes itself.
 *
 * What the leader has heard is volatile: a new leader starts with "heard just
 * now" for every session.
 *
 * Thread: loop.
 */
#ifndef FS_SESSION_H
#define FS_SESSION_H

#include "raft/hull/pilot.h"

struct node;
struct hull_result;

enum { SESSION_REPORTS_MAX = 4 * RAFT_NODES_MAX, SESSION_HELD_MAX = 4096 };

enum session_state { SESSION_NONE, SESSION_OPENING, SESSION_OPEN };

struct session_report { /* the leader's memory of one node */
    node_id node;
    uint64_t session; /* by its own word */
    uint64_t watched; /* of the tree: whose silence `heard` tells */
    raft_time heard;
    raft_index closed_upto; /* it opens nothing that was unlinked until then */
    bool no_room;   /* fs/space.h */
    uint64_t *held; /* owned */
    size_t held_count;
    raft_index differs; /* where its digest was not ours; 0: nowhere */
    raft_time differs_since;
};

struct session_keeper {
    enum session_state state;
    uint64_t id;
    uint64_t open_serial;  /* grows with every record that opens a session: a
                            * late one must not end its successor */
    raft_time opened;
    raft_time leader_heard;/* last time a leader was known */
    uint32_t opened_count;
    /* Files that were unlinked at this index or before are not opened here any
     * more; the leader has been told or will be. See session_may_open(). */
    raft_index closed_upto;
    raft_index marked; /* what it will be next, */
    raft_time marked_at; /* noted then */
    /* leader only */
    struct session_report reports[SESSION_REPORTS_MAX];
    size_t report_count;
    uint64_t ending; /* session whose end is in the log already */
    bool reaping; /* a record that reaps has not ended yet */
    uint64_t reaped_upto; /* the last orphan looked at, 0: all were */
    raft_time looked;     /* for silent sessions */
    uint64_t looks;       /* how often, and for orphans, since the start */
};

bool session_is_open(const struct node *node);
/* A file that was unlinked at this index, and that nobody here has open. */
bool session_may_open(const struct node *node, raft_index orphaned);
/* Every second, and when the role or the leader changes. */
void session_tick(struct node *node);
/* The log refused us: the session has ended. */
void session_lost(struct node *node);
/* The node became leader: forget what an earlier term heard. */
void session_lead(struct node *node);
/* The record that opens our session has ended. */
void session_completed(struct node *node, enum hull_outcome outcome,
                       const struct hull_result *result);
/* A record that reaps orphans has ended. */
void session_reaped(struct node *node, enum hull_outcome outcome);
void session_release(struct session_keeper *keeper);

#endif
