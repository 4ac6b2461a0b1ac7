/* member.h -- who belongs to the cluster, and who of them votes. */
#ifndef RAFT_CORE_MEMBER_H
#define RAFT_CORE_MEMBER_H

#include "raft/core/types.h"

/* NULL: not a member. */
const struct raft_member *member_find(const struct raft_members *members,
                                      node_id id);
bool member_is_voter(const struct raft_members *members, node_id id);
uint32_t member_voters(const struct raft_members *members);
/* False: too many, an id of 0, or an id twice. */
bool member_list_valid(const struct raft_members *members);

#endif
