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
/* The pilot's. */
void members_changed(void *self, const struct raft_config *latest,
                     const struct raft_config *committed);
void members_answered(void *self, uint64_t request,
                      enum raft_change_result result);
/* Once a second: a leader writes the file's configuration into the log. */
void members_tick(struct node *node);

/* "?" when nobody has that id. */
const char *members_name(const struct node *node, node_id id);
/* 0: nobody has that name. */
node_id members_id(const struct node *node, const char *name);

json_t *members_json(struct node *node);
json_t *members_control_change(struct node *node, const json_t *request);
json_t *members_control_result(struct node *node, const json_t *request);

#endif
