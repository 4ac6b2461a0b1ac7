#include "raft/core/member.h"

const struct raft_member *member_find(const struct raft_members *members,
                                      node_id id)
{
    for (uint32_t i = 0; i < members->count; i++) {
        if (members->list[i].id == id) {
            return &members->list[i];
        }
    }
    return NULL;
}

bool member_is_voter(const struct raft_members *members, node_id id)
{
    const struct raft_member *member = member_find(members, id);
    return member != NULL && member->voter;
}

uint32_t member_voters(const struct raft_members *members)
{
    uint32_t voters = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        if (members->list[i].voter) {
            voters++;
        }
    }
    return voters;
}

bool member_list_valid(const struct raft_members *members)
{
    if (members->count > RAFT_NODES_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < members->count; i++) {
        node_id id = members->list[i].id;
        if (id == 0 || member_find(members, id) != &members->list[i]) {
            return false;
        }
    }
    return true;
}
