/* member.h -- who belongs to the cluster, who of them votes, and how that may
 * change.
 *
 * A change is a new whole list, never an edit: so a record says all there is to
 * know, and taking it back is to take the list before. At most one voter comes
 * or goes at a time; then any majority of the old list and any of the new one
 * have a node in common (dissertation 4.1).
 */
#ifndef RAFT_CORE_MEMBER_H
#define RAFT_CORE_MEMBER_H

#include "raft/core/types.h"

/* Values travel between nodes: never reuse one. */
enum raft_change_op {
    RAFT_CHANGE_WRITE = 1, /* write down the members as they are */
    RAFT_CHANGE_ADD,       /* as learner; `joining` says whether for long */
    RAFT_CHANGE_PROMOTE,   /* a learner is to vote, once it has caught up */
    RAFT_CHANGE_REMOVE,
    RAFT_CHANGE_MOVE,      /* to another address */
    RAFT_CHANGE_PRIORITY,
    RAFT_CHANGE_TRANSFER,  /* leadership, to member.id (0: the best) */
    RAFT_CHANGE_OPS_END
};

struct raft_change {
    enum raft_change_op op;
    bool force;                /* REMOVE: lower min_voters where it forbids it */
    struct raft_member member; /* whom it is about; what the op needs of it */
};

/* How the leader takes it. Values travel between nodes, too. */
enum raft_change_result {
    RAFT_CHANGE_OK,         /* in the log; done when it is committed */
    RAFT_CHANGE_SAME,       /* it is so already */
    RAFT_CHANGE_NOT_LEADER, /* ask again: at the leader, */
    RAFT_CHANGE_BUSY,       /* in a moment: just elected, handing over, or a
                             * majority would need a newcomer */
    RAFT_CHANGE_PENDING,    /* another change is not committed yet */
    RAFT_CHANGE_UNKNOWN,    /* no such member */
    RAFT_CHANGE_EXISTS,     /* a member of that name has another address */
    RAFT_CHANGE_TAKEN,      /* another member has that address */
    RAFT_CHANGE_FULL,       /* RAFT_NODES_MAX */
    RAFT_CHANGE_FEWER,      /* it would leave fewer than min_voters */
    RAFT_CHANGE_LAST,       /* it would leave no voter */
    RAFT_CHANGE_NO_TARGET,  /* TRANSFER: that node cannot lead now */
    RAFT_CHANGE_INVALID,
    RAFT_CHANGE_RESULTS_END
};

/* NULL: not a member. */
const struct raft_member *member_find(const struct raft_members *members,
                                      node_id id);
bool member_is_voter(const struct raft_members *members, node_id id);
uint32_t member_voters(const struct raft_members *members);
/* False: too many, an id of 0, or an id twice. */
bool member_list_valid(const struct raft_members *members);
/* At most one node votes in one list and not in the other. */
bool member_lists_adjacent(const struct raft_members *a,
                           const struct raft_members *b);
/* The list as it would be after the change (any but TRANSFER), into *out. With
 * another result than OK *out is as `members`. */
enum raft_change_result member_change(const struct raft_members *members,
                                      const struct raft_change *change,
                                      struct raft_members *out);

#endif
