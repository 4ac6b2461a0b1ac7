/* The membership's part of the control socket. */
#include "fs/members.h"

#include "fs/log.h"
#include "fs/node.h"

#include <inttypes.h>
#include <string.h>

/* --- what the leader says to a change --- */

static const struct {
    const char *word, *sentence;
} results[RAFT_CHANGE_RESULTS_END] = {
    [RAFT_CHANGE_OK] = {"ok", "the leader has it in its log"},
    [RAFT_CHANGE_SAME] = {"same", "it is so already"},
    [RAFT_CHANGE_NOT_LEADER] = {"not-leader", "the leader has changed"},
    [RAFT_CHANGE_BUSY] = {"busy", "the leader was just elected, or hands over, or "
                                  "a majority would need a node that was made "
                                  "anew and does not count yet"},
    [RAFT_CHANGE_PENDING] =
        {"pending", "another change of the members is under way and not "
                    "committed yet; one at a time"},
    [RAFT_CHANGE_UNKNOWN] = {"unknown", "no member of this cluster has that "
                                        "name"},
    [RAFT_CHANGE_EXISTS] = {"exists", "a member of that name has another "
                                      "address; `raftfs member move` changes "
                                      "it"},
    [RAFT_CHANGE_TAKEN] = {"taken", "another member has that address"},
    [RAFT_CHANGE_FULL] = {"full", "the cluster has as many members as it can "
                                  "have"},
    [RAFT_CHANGE_FEWER] = {"fewer", "it would leave fewer voters than the "
                                    "cluster was made for; --force does it all "
                                    "the same"},
    [RAFT_CHANGE_LAST] = {"last", "it is the last voter"},
    [RAFT_CHANGE_NO_TARGET] = {"no-target", "no such voter is in contact with "
                                            "the leader"},
    [RAFT_CHANGE_INVALID] = {"invalid", "the leader does not understand it"},
};

void members_answered(void *self, uint64_t request,
                      enum raft_change_result result)
{
    struct node *node = self;
    if (request == 0) {
        return; /* nobody asked */
    }
    struct member_requests *requests = &node->member_requests;
    size_t at = request % MEMBER_REQUESTS;
    if (requests->list[at].id == request) {
        requests->list[at].result = (int)result;
    }
}

json_t *members_control_result(struct node *node, const json_t *request)
{
    uint64_t id =
        (uint64_t)json_integer_value(json_object_get(request, "id"));
    const struct member_requests *requests = &node->member_requests;
    size_t at = id % MEMBER_REQUESTS;
    if (id == 0 || requests->list[at].id != id) {
        return json_pack("{s:s}", "error", "there was no such change");
    }
    if (requests->list[at].result < 0) {
        return json_pack("{s:n}", "result");
    }
    return json_pack("{s:s,s:s}", "result",
                     results[requests->list[at].result].word, "text",
                     results[requests->list[at].result].sentence);
}

/* --- asking for one --- */

static bool take_op(const char *action, struct raft_change *out)
{
    static const struct {
        const char *action;
        enum raft_change_op op;
    } ops[] = {
        {"add", RAFT_CHANGE_ADD},           {"promote", RAFT_CHANGE_PROMOTE},
        {"remove", RAFT_CHANGE_REMOVE},     {"move", RAFT_CHANGE_MOVE},
        {"priority", RAFT_CHANGE_PRIORITY}, {"transfer", RAFT_CHANGE_TRANSFER},
    };
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (action != NULL && strcmp(ops[i].action, action) == 0) {
            out->op = ops[i].op;
            return true;
        }
    }
    return false;
}

/* True: what the request says about the node makes sense. */
static bool take_member(const json_t *request, struct raft_change *change)
{
    struct raft_member *member = &change->member;
    char host[256], port[16];
    const char *name = json_string_value(json_object_get(request, "name"));
    const char *address =
        json_string_value(json_object_get(request, "address"));
    const json_t *priority = json_object_get(request, "priority");
    json_int_t number = priority == NULL ? RAFT_PRIORITY_DEFAULT
                                         : json_integer_value(priority);
    if (name == NULL && change->op == RAFT_CHANGE_TRANSFER) {
        return true;
    }
    bool needs_address =
        change->op == RAFT_CHANGE_ADD || change->op == RAFT_CHANGE_MOVE;
    if (name == NULL || !config_name_ok(name) || number < 0 || number > 255 ||
        (needs_address && (address == NULL ||
                           config_split_address(address, host, port) < 0))) {
        return false;
    }
    member->id = config_node_id(name);
    member->priority = (uint8_t)number;
    member->joining =
        !json_is_true(json_object_get(request, "learner"));
    snprintf(member->name, sizeof member->name, "%s", name);
    snprintf(member->address, sizeof member->address, "%s",
             needs_address ? address : "");
    return true;
}

json_t *members_control_change(struct node *node, const json_t *request)
{
    struct raft_change change = {
        .force = json_is_true(json_object_get(request, "force"))};
    const char *action = json_string_value(json_object_get(request, "action"));
    if (!take_op(action, &change) || !take_member(request, &change)) {
        return json_pack("{s:s}", "error", "that is not a change of members");
    }
    struct member_requests *requests = &node->member_requests;
    uint64_t id = ++requests->last;
    requests->list[id % MEMBER_REQUESTS].id = id;
    requests->list[id % MEMBER_REQUESTS].result = -1;
    log_event(LOG_INFO, "change asked", "action=%s node=%s", action,
              change.member.name);
    if (!hull_change(node->hull, node_now(), id, &change)) {
        id = 0; /* no leader at present */
    }
    return json_pack("{s:I}", "id", (json_int_t)id);
}

/* --- how it is --- */

static const char *role_of(const struct raft_member *member)
{
    return member->voter ? "voter" : member->joining ? "joining" : "learner";
}

static json_t *member_json(const struct raft_member *member)
{
    return json_pack("{s:s,s:s,s:s,s:i}", "name", member->name, "address",
                     member->address, "role", role_of(member), "priority",
                     (int)member->priority);
}

static const struct raft_peer_status *
progress_of(const struct raft_status *raft, node_id id)
{
    for (uint32_t i = 0; i < raft->peer_count; i++) {
        if (raft->peers[i].id == id) {
            return &raft->peers[i];
        }
    }
    return NULL;
}

/* What only the leader knows. */
static void add_progress(json_t *out, const struct raft_status *raft,
                         const struct raft_peer_status *peer)
{
    uint64_t lag = raft->last > peer->match ? raft->last - peer->match : 0;
    json_object_set_new(out, "match", json_integer((json_int_t)peer->match));
    json_object_set_new(out, "lag", json_integer((json_int_t)lag));
    json_object_set_new(out, "rounds", json_integer(peer->rounds));
    json_object_set_new(out, "caught_up", json_boolean(peer->caught_up));
    json_object_set_new(out, "needs_snapshot",
                        json_boolean(peer->state == RAFT_SNAPSHOT));
}

static json_t *latest_json(struct node *node, const struct raft_status *raft)
{
    json_t *out = json_array();
    const struct raft_members *members = &node->members.members;
    for (uint32_t i = 0; i < members->count; i++) {
        const struct raft_member *member = &members->list[i];
        json_t *row = member_json(member);
        const struct raft_peer_status *peer = progress_of(raft, member->id);
        struct transport_peer_status link = {.connected = false};
        bool here = member->id == node->self;
        if (!here) {
            transport_get_status(node->transport, member->id, &link);
        }
        json_object_set_new(row, "this_node", json_boolean(here));
        json_object_set_new(row, "connected",
                            json_boolean(here || link.connected));
        json_object_set_new(row, "leader",
                            json_boolean(member->id == raft->leader));
        if (raft->role == RAFT_LEADER && peer != NULL) {
            add_progress(row, raft, peer);
        }
        json_array_append_new(out, row);
    }
    return out;
}

json_t *members_json(struct node *node)
{
    struct hull_status hull;
    hull_get_status(node->hull, node_now(), &hull);
    json_t *committed = json_array();
    const struct raft_members *list = &node->members_committed.members;
    for (uint32_t i = 0; i < list->count; i++) {
        json_array_append_new(committed, member_json(&list->list[i]));
    }
    return json_pack(
        "{s:s,s:I,s:I,s:b,s:i,s:s,s:b,s:o,s:o}", "name", node->config.name,
        "record", (json_int_t)node->members.index, "committed_record",
        (json_int_t)node->members_committed.index, "pending",
        node->members.index != node->members_committed.index, "min_voters",
        (int)node->members.members.min_voters, "leader",
        hull.raft.leader == 0 ? "" : members_name(node, hull.raft.leader),
        "removed", (int)hull.raft.removed, "members",
        latest_json(node, &hull.raft), "committed", committed);
}
