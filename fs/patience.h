/* patience.h -- how long a request may wait, when others have waited in vain.
 *
 * A request waits op_timeout, so that a change of leader is ridden out. But one
 * system call can be several requests in a row, and the kernel makes callers wait
 * for each other (for a name that is being looked up, for a directory that is
 * being changed): the waits would add up. So when one request has waited in full
 * without an answer to anybody since it began, the node as a whole has waited:
 *
 *   PATIENT --patience_timed_out--> IN VAIN --patience_answered--> PATIENT
 *
 * In vain, a request may wait as long as it has been quiet since the last one
 * gave up, but no longer than half of op_timeout, or 2 s: time for a network that
 * is whole again to connect. Who follows at once on a failure fails at once:
 * however many wait for each other, together they wait no more than that. When a
 * leader is heard, all may wait a second for it, and the node asks for itself
 * (node.c), so that callers find it patient again. docs/decisions/0014
 *
 * Pure: time comes as an argument. Thread: loop.
 */
#ifndef FS_PATIENCE_H
#define FS_PATIENCE_H

#include "raft/core/raft.h"

struct patience {
    raft_time full_us;  /* op_timeout */
    raft_time answered; /* the last time that anything was */
    raft_time gave_up;  /* the last time that a request did, in vain */
    raft_time hope;     /* until when a leader that was heard may answer */
    bool in_vain;
    bool asking;        /* the node's own question is under way */
};

/* When a request that comes now gives up. */
raft_time patience_deadline(const struct patience *patience, raft_time now);
/* A read or a command was done, whatever its result. */
void patience_answered(struct patience *patience, raft_time now);
/* A request that came at `began` has given up. */
void patience_timed_out(struct patience *patience, raft_time began,
                        raft_time now);
/* A leader is known that was not before. */
void patience_leader_heard(struct patience *patience, raft_time now);

#endif
