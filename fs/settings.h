/* settings.h -- what a node goes by that may change while it runs.
 *
 * Each has a value of the node's own, from raftfs.json, and may have one for the
 * whole cluster, which counts more: set by a record of the log (OP_SETTING), it
 * stands in the tree, comes with snapshots, and holds for nodes that join later.
 * A value for the cluster that does not fit a node (its election timeout is too
 * short for that heartbeat) is left out there, and said.
 *
 * Timeouts that nodes rely on of each other (election, lease, session) are no
 * settings: they are read at the start, and the same everywhere.
 *
 * Thread: loop.
 */
#ifndef FS_SETTINGS_H
#define FS_SETTINGS_H

#include "raft/hull/hull.h"
#include "raft/json/config.h"

#include <jansson.h>

struct apply_change;
struct node;

enum { SETTINGS = 6 };
#define SETTINGS_KEYS                                                          \
    "heartbeat_ms, op_timeout_ms, log_trailing, log_trailing_mb, "             \
    "snapshot_mb_s, window_mb"

struct settings {
    uint32_t own[SETTINGS]; /* as in raftfs.json */
    bool changed;           /* in the tree, and node->config does not know yet */
    bool timeout_given;     /* -o op_timeout: counts more, until another is set */
};

/* Takes those of node->config as the node's own. */
void settings_init(struct node *node);
/* Puts what the tree says over the node's own, into node->config, and what hull
 * and requests go by. Before there is a hull: into node->config alone. */
void settings_adopt(struct node *node);
/* For the hull, from node->config. A node that stops asks for no lease, nor does one
 * without a mount: nobody reads there. */
struct hull_settings settings_of_hull(const struct node *node);

bool settings_has(const char *key);
/* New reference: {key: value} of the cluster's. */
json_t *settings_of_cluster(struct node *node);
/* Would the node take it? 0, or -1 with a sentence in error. */
int settings_check(struct node *node, const char *key, const json_t *value,
                   char error[256]);
/* The node's own, in raftfs.json and at once. 0, or -1 with a sentence. */
int settings_set_own(struct node *node, const char *key, const json_t *value,
                     char error[256]);

#endif
