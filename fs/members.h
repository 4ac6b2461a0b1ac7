/* members.h -- who belongs to the cluster, as this node knows it, and how people
 * change that.
 *
 * raftfs.json is read for it once: at the first start its nodes become the
 * configuration that the tree keeps. From then on CONFIG records of the log say
 * who belongs here, and a file that says something else is told about in the
 * log of events, never obeyed.
 *
 * A change is asked for with the control command "change", which answers at
 * once; "change-result" tells what the leader said, and "members" how it is.
 *
 * Thread: loop.
 */
#ifndef FS_MEMBERS_H
#define FS_MEMBERS_H

#include "raft/core/raft.h"

#include <jansson.h>

struct node;
struct log_head;
struct transport_options;

enum { MEMBER_REQUESTS = 16 }; /* whose outcomes are remembered */

struct member_requests {
    uint64_t last; /* number of the newest */
    struct {
        uint64_t id;
        int result; /* enum raft_change_result; -1: not known */
    } list[MEMBER_REQUESTS];
};

/* Fills members and configs of boot; *configs is the caller's to free. */
int members_boot(struct node *node, const struct log_head *head,
                 struct raft_boot *boot, struct raft_config **configs);
/* The committed configuration of a tree that came as a snapshot; index 0: it has
 * none, and ours was put into it. */
int members_of_tree(struct node *node, struct raft_config *out);
/* The pilot's. */
void members_changed(void *self, const struct raft_config *latest,
                     const struct raft_config *committed);
void members_answered(void *self, uint64_t request,
                      enum raft_change_result result);
/* What the network needs to know to start. */
void members_transport(struct node *node, struct transport_options *options);
/* Once a second: a leader writes the file's configuration into the log, and a
 * node that was moved listens at its new address. */
void members_tick(struct node *node);

/* NULL: this node is not in the configuration in force. */
const struct raft_member *members_self(const struct node *node);
/* True: this node is no member (any more, or yet); text says so to people. */
bool members_why_out(const struct node *node, char text[256]);
/* "?" when nobody has that id. */
const char *members_name(const struct node *node, node_id id);
/* 0: nobody has that name. */
node_id members_id(const struct node *node, const char *name);

json_t *members_json(struct node *node);
json_t *members_control_change(struct node *node, const json_t *request);
json_t *members_control_result(struct node *node, const json_t *request);

#endif
