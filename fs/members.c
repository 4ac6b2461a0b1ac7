#include "fs/members.h"

#include "fs/log.h"
#include "fs/node.h"
#include "raft/wire/members.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- at the start --- */

static struct raft_member member_of_file(const struct config_node *from)
{
    struct raft_member member = {
        .id = from->id, .voter = true, .priority = RAFT_PRIORITY_DEFAULT};
    snprintf(member.name, sizeof member.name, "%s", from->name);
    snprintf(member.address, sizeof member.address, "%s", from->address);
    return member;
}

/* Who joins a cluster is not a member of it yet, and must not elect anybody. */
static struct raft_members members_of_file(const struct node *node)
{
    const struct config *config = &node->config;
    struct raft_members members = {.count = 0};
    for (uint32_t i = 0; i < config->node_count; i++) {
        if (!config->joining || config->nodes[i].id != node->self) {
            members.list[members.count++] = member_of_file(&config->nodes[i]);
        }
    }
    members.min_voters = config->joining ? 0 : members.count / 2 + 1;
    return members;
}

static int keep_in_tree(struct node *node, const struct raft_members *members)
{
    uint8_t body[MEMBERS_BODY_MAX];
    members_encode(members, body);
    int rc = tree_begin(node->tree);
    if (rc == 0) {
        rc = tree_config_put(node->tree, 0,
                             (struct view){body, members_size(members)});
    }
    return rc == 0 ? tree_commit(node->tree) : rc;
}

static int read_tree(struct node *node, struct raft_boot *boot)
{
    struct blob body = BLOB_EMPTY;
    int rc = tree_config_get(node->tree, &boot->members_index, &body);
    if (rc == 1) {
        rc = members_decode((struct bytes){body.data, body.size},
                            &boot->members) < 0
                 ? store_fail(STORE_CORRUPT, "tree.db: its configuration "
                                             "cannot be decoded")
                 : 0;
    } else if (rc == 0) {
        boot->members = members_of_file(node);
        boot->members_index = 0;
        rc = keep_in_tree(node, &boot->members);
    }
    blob_release(&body);
    return rc;
}

static int read_record(struct node *node, uint64_t index,
                       struct raft_config **configs, size_t *count)
{
    struct record *record;
    int rc = node->log_api.read(node, index, &record);
    if (rc < 0) {
        return rc;
    }
    if (record->code == RECORD_CONFIG) {
        *configs = realloc(*configs, (*count + 1) * sizeof **configs);
        if (*configs == NULL) {
            abort();
        }
        struct raft_config *config = &(*configs)[(*count)++];
        config->index = index;
        if (members_decode(record->body, &config->members) < 0) {
            rc = store_fail(STORE_VERSION,
                            "log record %" PRIu64 " is a configuration of a "
                            "kind that this version does not know",
                            index);
        }
    }
    record_unref(record);
    return rc;
}

static void compare_with_file(const struct node *node,
                              const struct raft_boot *boot)
{
    const struct config *config = &node->config;
    if (boot->members_index == 0 || config->joining) {
        return;
    }
    bool same = config->node_count == boot->members.count;
    for (uint32_t i = 0; i < config->node_count; i++) {
        same = same &&
               member_find(&boot->members, config->nodes[i].id) != NULL;
    }
    if (!same) {
        log_event(LOG_INFO, "file differs",
                  "text=\"raftfs.json does not name the members that the log "
                  "names; the log counts\" index=%" PRIu64,
                  boot->members_index);
    }
}

int members_boot(struct node *node, const struct log_head *head,
                 struct raft_boot *boot, struct raft_config **configs)
{
    *configs = NULL;
    int rc = read_tree(node, boot);
    uint64_t last = head->base_index + head->count;
    for (uint64_t i = boot->applied + 1; rc == 0 && i <= last; i++) {
        rc = read_record(node, i, configs, &boot->config_count);
    }
    boot->configs = *configs;
    if (rc == 0) {
        compare_with_file(node, boot);
    }
    return rc;
}

/* --- addresses --- */

const struct raft_member *members_self(const struct node *node)
{
    return member_find(&node->members.members, node->self);
}

/* Where to listen so that others find us at `address`: a node that listens on
 * all addresses of its machine goes on with that, at another port. */
static void place_for(const struct node *node, const char *address,
                      char host[256], char port[16])
{
    char old_port[16];
    config_split_address(address, host, port);
    if (strncmp(node->config.listen, "0.0.0.0:", 8) == 0 ||
        strncmp(node->config.listen, "[::]:", 5) == 0) {
        config_split_address(node->config.listen, host, old_port);
    }
}

static bool was_moved(const struct node *node, const char *address)
{
    const struct config_node *file = config_find(&node->config, node->self);
    return address[0] != '\0' && strcmp(file->address, address) != 0;
}

void members_transport(struct node *node, struct transport_options *options)
{
    const struct config *config = &node->config;
    const struct raft_member *self = members_self(node);
    const char *address = self != NULL ? self->address : "";
    if (!was_moved(node, address)) {
        address = config_find(config, node->self)->address;
        config_split_address(config->listen, options->listen_host,
                             options->listen_port);
    } else {
        place_for(node, address, options->listen_host, options->listen_port);
    }
    snprintf(node->address, sizeof node->address, "%s", address);
    snprintf(options->address, sizeof options->address, "%s", address);
    options->config = node->members.index;
    /* The file may know better than the log where to find a member whose own
     * file says "all addresses". */
    for (uint32_t i = 0; i < config->node_count; i++) {
        const struct config_node *peer = &config->nodes[i];
        if (peer->id == node->self ||
            member_find(&node->members.members, peer->id) == NULL) {
            continue;
        }
        struct transport_peer *to = &options->peers[options->peer_count++];
        to->id = peer->id;
        snprintf(to->name, sizeof to->name, "%s", peer->name);
        config_split_address(peer->address, to->host, to->port);
    }
}

static void follow_move(struct node *node)
{
    const struct raft_member *self =
        member_find(&node->members_committed.members, node->self);
    char host[256], port[16], why[256] = "";
    if (self == NULL || strcmp(self->address, node->address) == 0 ||
        node->members_committed.index == 0) {
        return;
    }
    place_for(node, self->address, host, port);
    snprintf(node->address, sizeof node->address, "%s", self->address);
    if (transport_listen(node->transport, self->address, host, port, why) < 0) {
        log_event(LOG_ERROR, "cannot move", "address=%s why=\"%s\"",
                  self->address, why);
    } else {
        log_event(LOG_INFO, "moved", "address=%s", self->address);
    }
}

int members_of_tree(struct node *node, struct raft_config *out)
{
    struct blob body = BLOB_EMPTY;
    int rc = tree_config_get(node->tree, &out->index, &body);
    if (rc == 1) {
        rc = members_decode((struct bytes){body.data, body.size},
                            &out->members) < 0
                 ? store_fail(STORE_CORRUPT, "the snapshot's configuration "
                                             "cannot be decoded")
                 : 0;
    } else if (rc == 0) {
        out->index = 0;
        rc = keep_in_tree(node, &node->members_committed.members);
    }
    blob_release(&body);
    return rc;
}

/* --- while it runs --- */

void members_changed(void *self, const struct raft_config *latest,
                     const struct raft_config *committed)
{
    struct node *node = self;
    node->members = *latest;
    node->members_committed = *committed;
    if (node->transport != NULL) {
        transport_set_members(node->transport, latest->index,
                              &latest->members);
    }
}

void members_tick(struct node *node)
{
    /* So that who joins, and who starts again, finds it where all else is. */
    const struct raft_change change = {.op = RAFT_CHANGE_WRITE};
    if (node->members.index == 0 && hull_is_leader(node->hull)) {
        hull_change(node->hull, node_now(), 0, &change);
    }
    follow_move(node);
}

/* The name of a member that says it does not know this node; NULL: none. */
static const char *who_refuses(const struct node *node)
{
    const struct raft_members *members = &node->members.members;
    struct transport_peer_status link;
    for (uint32_t i = 0; i < members->count; i++) {
        if (members->list[i].id != node->self &&
            transport_get_status(node->transport, members->list[i].id, &link) &&
            link.unknown_there) {
            return members->list[i].name;
        }
    }
    return NULL;
}

bool members_why_out(const struct node *node, char text[256])
{
    struct hull_status hull;
    hull_get_status(node->hull, node_now(), &hull);
    const struct raft_status raft = hull.raft;
    const char *refuses = raft.leader == 0 ? who_refuses(node) : NULL;
    if (raft.removed) {
        snprintf(text, 256, "this node was removed from the cluster");
    } else if (refuses != NULL && members_self(node) != NULL) {
        snprintf(text, 256,
                 "node %s says that this node is not a member of the cluster "
                 "any more",
                 refuses);
    } else if (members_self(node) == NULL && node->config.joining) {
        snprintf(text, 256,
                 "this node is not a member of the cluster yet; `raftfs member "
                 "add %s=ADDRESS:PORT` on one of the others makes it one",
                 node->config.name);
    } else if (members_self(node) == NULL) {
        snprintf(text, 256, "this node is not a member of the cluster");
    } else {
        return false;
    }
    return true;
}

const char *members_name(const struct node *node, node_id id)
{
    const struct raft_member *member = member_find(&node->members.members, id);
    if (member == NULL) {
        member = member_find(&node->members_committed.members, id);
    }
    const char *name = member != NULL && member->name[0] != '\0'
                           ? member->name
                           : config_node_name(&node->config, id);
    return name != NULL ? name : "?";
}

node_id members_id(const struct node *node, const char *name)
{
    node_id id = name == NULL ? 0 : config_node_id(name);
    return member_find(&node->members.members, id) != NULL ? id : 0;
}
