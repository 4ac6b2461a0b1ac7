#include "raft/hull/hull_int.h"

#include "raft/wire/members.h"

#include <string.h>

/* --- records --- */

struct record *change_record(struct hull *hull, raft_index index)
{
    const struct raft_config *config = raft_config_at(hull->raft, index);
    uint8_t body[MEMBERS_BODY_MAX];
    assert(config != NULL);
    struct bytes bytes = {.data = body, .size = members_size(&config->members)};
    assert(bytes.size <= sizeof(body));
    members_encode(&config->members, body);
    return record_new(RECORD_CONFIG, bytes, (struct bytes){0});
}

int change_configs(struct record *const *records, uint32_t count,
                   struct raft_config **out, size_t *out_count)
{
    *out = NULL;
    *out_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (records[i]->code != RECORD_CONFIG) {
            continue;
        }
        *out = xrealloc(*out, (*out_count + 1) * sizeof(**out));
        struct raft_config *config = &(*out)[*out_count];
        config->index = records[i]->index;
        if (members_decode(records[i]->body, &config->members) < 0) {
            free(*out);
            *out = NULL;
            return -1;
        }
        (*out_count)++;
    }
    return 0;
}

/* --- who belongs to the cluster --- */

void change_members(struct hull *hull)
{
    const struct raft_config *latest = raft_config_latest(hull->raft);
    hull->members = latest->members;
    news_keep(&hull->news, &hull->members);
    hull->pilot->members(hull->pilot->self, latest,
                         raft_config_committed(hull->raft));
}

const struct raft_members *hull_members(const struct hull *hull)
{
    return &hull->members;
}

/* --- changes that are asked for --- */

static enum raft_change_result submit(struct hull *hull,
                                      const struct raft_change *change)
{
    struct raft_event event = {.type = RAFT_EVENT_CHANGE, .change = change};
    int rc = hull_step(hull, &event);
    return rc < 0 ? RAFT_CHANGE_NOT_LEADER : (enum raft_change_result)rc;
}

bool hull_change(struct hull *hull, raft_time now, uint64_t request,
                 const struct raft_change *change)
{
    if (hull->faulted || hull->leader == 0) {
        return false;
    }
    hull_enter(hull, now);
    if (hull->role == RAFT_LEADER) {
        enum raft_change_result result = submit(hull, change);
        hull->pilot->changed(hull->pilot->self, request, result);
    } else {
        struct frame frame =
            frame_encode_change(hull->self, hull->leader, request, change);
        hull_send(hull, hull->leader, &frame);
    }
    hull_leave(hull);
    return true;
}

void change_receive(struct hull *hull, node_id from, struct bytes body)
{
    uint64_t request;
    struct raft_change change;
    if (frame_decode_change(body, &request, &change) < 0) {
        hull->count.frames_bad++;
        return;
    }
    enum raft_change_result result = submit(hull, &change);
    if (!hull->faulted) {
        struct frame frame =
            frame_encode_change_reply(hull->self, from, request, result);
        hull_send(hull, from, &frame);
    }
}

void change_reply_receive(struct hull *hull, struct bytes body)
{
    uint64_t request;
    enum raft_change_result result;
    if (frame_decode_change_reply(body, &request, &result) < 0) {
        hull->count.frames_bad++;
        return;
    }
    hull->pilot->changed(hull->pilot->self, request, result);
}
