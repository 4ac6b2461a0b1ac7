#include "raft/core/member.h"

#include <string.h>

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

/* How many vote in `a` and not in `b`. */
static uint32_t voters_without(const struct raft_members *a,
                               const struct raft_members *b)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < a->count; i++) {
        if (a->list[i].voter && !member_is_voter(b, a->list[i].id)) {
            count++;
        }
    }
    return count;
}

bool member_lists_adjacent(const struct raft_members *a,
                           const struct raft_members *b)
{
    return voters_without(a, b) + voters_without(b, a) <= 1;
}

static struct raft_member *find(struct raft_members *members, node_id id)
{
    for (uint32_t i = 0; i < members->count; i++) {
        if (members->list[i].id == id) {
            return &members->list[i];
        }
    }
    return NULL;
}

static bool address_taken(const struct raft_members *members,
                          const struct raft_member *by)
{
    for (uint32_t i = 0; i < members->count; i++) {
        const struct raft_member *other = &members->list[i];
        if (other->id != by->id && by->address[0] != '\0' &&
            strcmp(other->address, by->address) == 0) {
            return true;
        }
    }
    return false;
}

static enum raft_change_result add(struct raft_members *members,
                                   const struct raft_member *member)
{
    const struct raft_member *old = member_find(members, member->id);
    if (old != NULL) {
        return strcmp(old->address, member->address) == 0 ? RAFT_CHANGE_SAME
                                                          : RAFT_CHANGE_EXISTS;
    }
    if (address_taken(members, member)) {
        return RAFT_CHANGE_TAKEN;
    }
    if (members->count == RAFT_NODES_MAX) {
        return RAFT_CHANGE_FULL;
    }
    struct raft_member *new = &members->list[members->count];
    members->count++;
    *new = *member;
    new->voter = false;
    return RAFT_CHANGE_OK;
}

static enum raft_change_result promote(struct raft_member *member)
{
    if (member->voter || member->joining) {
        return RAFT_CHANGE_SAME;
    }
    member->joining = true;
    return RAFT_CHANGE_OK;
}

static enum raft_change_result take_out(struct raft_members *members,
                                        struct raft_member *member, bool force)
{
    uint32_t left = member_voters(members) - (member->voter ? 1 : 0);
    if (member->voter && left == 0) {
        return RAFT_CHANGE_LAST;
    }
    if (member->voter && left < members->min_voters) {
        if (!force) {
            return RAFT_CHANGE_FEWER;
        }
        /* Else those who are left could not elect anybody. */
        members->min_voters = left;
    }
    members->count--;
    for (; member < &members->list[members->count]; member++) {
        *member = member[1];
    }
    return RAFT_CHANGE_OK;
}

static enum raft_change_result move(struct raft_members *members,
                                    struct raft_member *member,
                                    const struct raft_member *to)
{
    if (strcmp(member->address, to->address) == 0) {
        return RAFT_CHANGE_SAME;
    }
    if (address_taken(members, to)) {
        return RAFT_CHANGE_TAKEN;
    }
    memcpy(member->address, to->address, sizeof(member->address));
    return RAFT_CHANGE_OK;
}

static enum raft_change_result prefer(struct raft_member *member,
                                      uint8_t priority)
{
    if (member->priority == priority) {
        return RAFT_CHANGE_SAME;
    }
    member->priority = priority;
    return RAFT_CHANGE_OK;
}

static enum raft_change_result edit(struct raft_members *members,
                                    const struct raft_change *change)
{
    struct raft_member *member = find(members, change->member.id);
    if (change->op == RAFT_CHANGE_WRITE) {
        return RAFT_CHANGE_OK;
    }
    if (change->op == RAFT_CHANGE_ADD) {
        return change->member.id == 0 ? RAFT_CHANGE_INVALID
                                      : add(members, &change->member);
    }
    if (member == NULL) {
        return RAFT_CHANGE_UNKNOWN;
    }
    switch (change->op) {
    case RAFT_CHANGE_PROMOTE:
        return promote(member);
    case RAFT_CHANGE_REMOVE:
        return take_out(members, member, change->force);
    case RAFT_CHANGE_MOVE:
        return move(members, member, &change->member);
    case RAFT_CHANGE_PRIORITY:
        return prefer(member, change->member.priority);
    default:
        return RAFT_CHANGE_INVALID;
    }
}

enum raft_change_result member_change(const struct raft_members *members,
                                      const struct raft_change *change,
                                      struct raft_members *out)
{
    *out = *members;
    enum raft_change_result result = edit(out, change);
    if (result != RAFT_CHANGE_OK) {
        *out = *members;
    }
    return result;
}
