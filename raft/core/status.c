/* status.c -- what people may know of a node. */
#include "raft/core/raft_int.h"

static struct raft_peer_status peer_status(const struct raft *r,
                                           const struct peer *peer)
{
    return (struct raft_peer_status){
        .id = peer->id,
        .voter = peer->voter,
        .leaving = peer->leaving,
        .newcomer = peer->newcomer,
        .caught_up = peer->caught_up,
        .rounds = peer->rounds,
        .state = peer->state,
        .match = peer->match,
        .next = peer->next,
        .applied = peer->applied,
        .seen = peer->grant.seen,
        .slow = grant_refused(r, peer),
        .appends_in_flight = peer->window.count,
        .heard = peer->heard,
    };
}

void raft_get_status(const struct raft *r, raft_time now,
                     struct raft_status *out)
{
    /* The lease may have run out since the last step. */
    struct raft view = *r;
    if (view.now < now) {
        view.now = now;
    }
    if (view.clock < now) {
        view.clock = now;
    }
    bool leads = r->role == RAFT_LEADER;
    *out = (struct raft_status){
        .role = r->role,
        .newcomer = r->newcomer,
        .term = r->term,
        .vote = r->vote,
        .leader = r->leader,
        .first = r->tail.base_index + 1,
        .last = tail_last_index(&r->tail),
        .durable = r->writes.durable_index,
        .commit = r->commit,
        .applied = r->applied,
        .trim = r->trim < r->applied ? r->trim : r->applied,
        .quorum_ok = leads && leader_quorum_ok(&view),
        .lease_valid = raft_may_read(r, view.now),
        .deferring = leads && grant_deferring(&view),
        .leases_ended = r->leases_ended,
        .commits_gated = r->commits_gated,
        .quiet_elections = r->quiet_elections,
        .reads_waiting = r->reads.count + r->asked.count,
        .voter = r->self_voter,
        .removed = r->removed,
        .config_latest = configs_latest(&r->configs)->index,
        .config_committed = configs_committed(&r->configs)->index,
        .peer_count = r->peer_count,
    };
    for (uint32_t i = 0; i < r->peer_count; i++) {
        out->peers[i] = peer_status(r, &r->peers[i]);
        out->peers[i].holder = leads && grant_holds(&view, &r->peers[i]);
        out->holders += out->peers[i].holder;
    }
}
