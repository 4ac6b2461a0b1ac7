#include "fs/rejoin.h"

#include "fs/node.h"

#define PATIENCE_US ((raft_time)30 * 1000 * 1000)
#define PAUSE_US ((raft_time)100 * 1000)

void rejoin_open(struct node *node, const struct log_head *head)
{
    node->rejoin = (struct rejoin){
        .disk = head->disk,
        .rejoined = head->rejoined,
        .newcomer = head->standing == LOG_REJOINING,
    };
}

static void ask(struct node *node, raft_time now)
{
    struct rejoin *rejoin = &node->rejoin;
    if (now < rejoin->ask_at || node->role != RAFT_FOLLOWER ||
        node->leader == 0) {
        return;
    }
    rejoin->ask_at = now + PAUSE_US;
    rejoin->asking =
        hull_read(node->hull, now, now + PATIENCE_US, rejoin) == 0;
}

void rejoin_answered(struct node *node, enum hull_outcome outcome)
{
    node->rejoin.asking = false;
    node->rejoin.ready = outcome == HULL_DONE;
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

void rejoin_step(struct node *node)
{
    struct rejoin *rejoin = &node->rejoin;
    if (!rejoin->newcomer || rejoin->asking || node->faulted ||
        node->stopping) {
        return;
    }
    if (rejoin->ready) {
        join(node);
    } else {
        ask(node, node_now());
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
