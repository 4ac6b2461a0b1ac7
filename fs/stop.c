/* stop.c -- how a node goes: calls that are under way get their answers first.
 *
 *   SERVING --node_stop--> DRAINING --on_drain--> LEAVING --> the loop ends
 *
 * One call of a program can be several requests, so a node that is drained still
 * takes new ones until none has come for a while. Where programs do not pause, it
 * takes none after TAKE_US, and after DRAIN_US what still waits gets EIO.
 *
 * A leader that just goes leaves the others without service for an election
 * timeout; one that hands over does not.
 */
#include "fs/node.h"

enum {
    DRAIN_US = 2000000,
    TAKE_US = 1500000,
    QUIET_US = 200000, /* between two requests of one call, on a busy machine */
    LOOK_MS = 10,
    FAREWELL_MS = 500,
    LAST_WORDS_MS = 100,
    ANSWER_MS = 50, /* to a heartbeat, on a busy machine */
};

static void on_farewell(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

static void leave(struct node *node)
{
    node->leaving = true;
    uv_timer_stop(&node->farewell);
    if (hull_is_leader(node->hull) && node->members.members.count > 1 &&
        hull_transfer(node->hull, node_now(), 0) == 0) {
        uv_timer_start(&node->farewell, on_farewell, FAREWELL_MS, 0);
    } else {
        uv_stop(&node->loop);
    }
}

static bool is_quiet(const struct node *node, raft_time now)
{
    bool may_come = node->mounted && now - node->stop_began < TAKE_US;
    return now >= node->lease_told_at && node->reads_under_way == 0 &&
           !requests_are_under_way(node) &&
           (!may_come || now - node->asked_at >= QUIET_US);
}

static void on_drain(uv_timer_t *timer)
{
    struct node *node = timer->data;
    raft_time now = node_now();
    if (now - node->stop_began >= TAKE_US && node->fuse_watched) {
        uv_poll_stop(&node->fuse_poll);
    }
    if (is_quiet(node, now) || now - node->stop_began >= DRAIN_US) {
        leave(node);
    }
}

/* Else writers would wait until it has run out. */
static void give_lease_up(struct node *node)
{
    if (node->options.reads == READS_LEASE && node->role == RAFT_FOLLOWER &&
        node->leader != 0) {
        node->lease_told_at =
            node->stop_began +
            (raft_time)(node->config.heartbeat_ms + ANSWER_MS) * 1000;
        node->settings.changed = true;
    }
}

void node_stop(struct node *node)
{
    if (node->stopping) {
        return;
    }
    node->stopping = true;
    node->stop_began = node->asked_at = node_now();
    give_lease_up(node);
    uv_timer_start(&node->farewell, on_drain, 0, LOOK_MS);
}

/* The vote for the next leader waits for the disk. Without it that one would not
 * know that we hold nobody to an older term, and would wait for our lease. */
void node_role_changed(struct node *node)
{
    if (node->leaving && node->role != RAFT_LEADER) {
        uv_timer_start(&node->farewell, on_farewell, LAST_WORDS_MS, 0);
    }
}
