/* transfer.c -- handing leadership over (dissertation 3.10).
 *
 * The leader takes no more records, waits until the target has all of its log,
 * and tells it to campaign at once. If that does not lead to a new leader
 * within an election timeout, the leader goes on as before. Reads under leases go
 * on all the while: should the target win, it waits until they have ended.
 */
#include "raft/core/raft_int.h"

static const struct peer *best_target(const struct raft *r)
{
    const struct peer *best = NULL;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        const struct peer *peer = &r->peers[i];
        bool fresh =
            peer->acked != 0 && r->now < peer->acked + r->options.election_us;
        if (peer->voter && fresh && !peer->newcomer &&
            (best == NULL || peer->priority > best->priority ||
             (peer->priority == best->priority && peer->match > best->match))) {
            best = peer;
        }
    }
    return best;
}

int transfer_start(struct raft *r, node_id target)
{
    if (r->role != RAFT_LEADER || r->transfer_to != 0) {
        return -1;
    }
    const struct peer *peer =
        target == 0 ? best_target(r) : raft_find_peer(r, target);
    if (peer == NULL || !peer->voter || peer->newcomer) {
        return -1;
    }
    r->transfer_to = peer->id;
    r->transfer_until = r->now + r->options.election_us;
    transfer_progress(r, peer);
    return 0;
}

void transfer_progress(struct raft *r, const struct peer *peer)
{
    if (r->transfer_to != peer->id || peer->match < tail_last_index(&r->tail)) {
        return;
    }
    /* Said again with every answer: the first may have been lost. */
    struct raft_message message = message_to(r, RAFT_TIMEOUT_NOW, peer->id);
    emit_send(r, &message, 0);
}

void transfer_expire(struct raft *r)
{
    if (r->transfer_to != 0 && r->now >= r->transfer_until) {
        r->transfer_to = 0;
    }
}
