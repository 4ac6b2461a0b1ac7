/* space.h -- a full disk is ENOSPC for callers, not the end of a node.
 *
 * Every node holds the whole tree, so there is as much room as on the smallest
 * disk. A node with less free room than a reserve says so in its notices to the
 * leader, the leader tells all, and while anybody is short each node refuses what
 * needs room before it is in the log:
 *
 *     ENOUGH --free < reserve--> SHORT --free > reserve and a quarter--> ENOUGH
 *
 * On the reserve live removals, what was in the log already, and the background
 * work that gives room back. Who is not heard of does not count.
 *
 * Thread: loop.
 */
#ifndef FS_SPACE_H
#define FS_SPACE_H

#include "raft/wire/cursor.h"
#include "raft/core/raft.h"

#include <sys/statvfs.h>

struct command;
struct node;

struct space {
    bool here;        /* this node is short */
    bool elsewhere;   /* by the leader's word, */
    raft_time told;   /* which is good for a while */
    uint64_t written; /* since the last look at the disk */
};

/* Every second. */
void space_tick(struct node *node);
/* So many bytes went to the disk: looks sooner when they are many. */
void space_written(struct node *node, uint64_t bytes);
/* NULL, or why there is no room. For people. */
const char *space_why_short(const struct node *node);
/* Should this command be refused with ENOSPC? */
bool space_refuses(const struct node *node, const struct command *command);
/* What callers may use of the disk: nothing while anybody is short. */
uint64_t space_free(const struct node *node, const struct statvfs *disk);
/* What is free on the disk of this node above its reserve. */
uint64_t space_above_reserve(const struct node *node);

/* The leader has spoken: a NOTICE_SPACE, behind its first byte. */
void space_hear(struct node *node, struct reader *r);
/* The leader tells all. */
void space_lead(struct node *node);

#endif
