#include "fs/rejoin.h"

#include "fs/node.h"

void rejoin_open(struct node *node, const struct log_head *head)
{
    node->rejoin = (struct rejoin){
        .disk = head->disk,
        .rejoined = head->rejoined,
        .newcomer = head->standing == LOG_REJOINING,
    };
}

/* The vote is on the disk before the standing is, and both behind what was
 * applied. */
static void join(struct node *node)
{
    if (node_commit_tree(node) < 0 ||
        hull_joined(node->hull, node_now()) < 0) {
        return;
    }
    if (raftlog_save_standing(node->log, LOG_MEMBER) < 0) {
        node_fault(node, "the log cannot be written: %s", store_error_text());
        return;
    }
    node->rejoin.newcomer = false;
    node_event(node, EVENT_REJOINED, 0, tree_applied(node->tree),
               "it votes and counts again");
}

/* Its session is a record of this life, which a majority has committed without it:
 * so no older election can be won any more with the vote that it forgot. */
void rejoin_step(struct node *node)
{
    if (node->rejoin.newcomer && session_is_open(node) && !node->faulted &&
        !node->stopping) {
        join(node);
    }
}

bool rejoin_knows(void *self, node_id peer, uint64_t disk, bool rejoined)
{
    struct node *node = self;
    uint64_t known;
    int rc = raftlog_get_peer(node->log, peer, &known);
    if (rc == 0 && known == disk) {
        return true;
    }
    if (rc == 0 && !rejoined) {
        return false;
    }
    if (rc == 0 || rc == STORE_NOT_FOUND) {
        rc = raftlog_save_peer(node->log, peer, disk);
    }
    if (rc < 0) {
        node_fault(node, "the log cannot be written: %s", store_error_text());
    }
    return rc == 0;
}
