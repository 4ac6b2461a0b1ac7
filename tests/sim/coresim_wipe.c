/* coresim_wipe.c -- nodes that lose their disks (decision 0025). */
#include "tests/sim/coresim.h"

void plan_session(struct world *w, node_id id)
{
    if (corenet_node(&w->net, id)->newcomer) {
        plan(w, (struct happening){.at = w->now + 1 + below(w, 20000),
                                   .kind = SESSION,
                                   .node = id,
                                   .life = w->machines[id - 1].life});
    }
}

/* The record goes to the leader on the way of all messages, now and then. */
static void forward_session(struct world *w, node_id id)
{
    struct raft_status status;
    raft_get_status(corenet_node(&w->net, id)->core, local(w, id), &status);
    node_id leader = status.leader;
    if (leader != 0 && !w->cut[id - 1][leader - 1] && chance(w, 700000)) {
        plan(w, (struct happening){.at = w->now + delay(w),
                                   .kind = SUBMIT,
                                   .node = leader,
                                   .value = corenet_session(&w->net, id)});
    }
}

void try_session(struct world *w, node_id id)
{
    if (can_act(w, id)) {
        if (corenet_join(&w->net, id, local(w, id)) == 0) {
            coverage.joins++;
            tell(w, "joins", id);
        } else if (!corenet_node(&w->net, id)->session_open) {
            forward_session(w, id);
        }
        after_step(w, id);
    }
    plan_session(w, id);
}

/* Its disk is the first one, or has something that is committed, and all of that. */
static bool is_whole(const struct world *w, node_id id)
{
    const struct corenet_truth *t = &w->net.truth;
    const struct corenet_record *record =
        corenet_at(&w->net.nodes[id - 1].disk, t->committed_count);
    return w->net.nodes[id - 1].wipes == 0 ||
           (record != NULL &&
            record->term == t->committed[t->committed_count - 1].term);
}

/* Also when it counts again, and would not after a crash. */
static bool is_lost(const struct world *w, node_id id)
{
    return w->net.nodes[id - 1].disk.rejoining;
}

/* Whoever is lost, or would be, must leave a majority: also when all of them vote. */
static bool can_lose(const struct world *w, const struct raft_members *members,
                     node_id id)
{
    uint32_t voters = 0;
    uint32_t lost = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        const struct raft_member *member = &members->list[i];
        bool gone = member->id == id || is_lost(w, member->id);
        voters += member->voter || gone;
        lost += gone;
    }
    return lost == 0 || 2 * lost < voters;
}

static bool can_lose_by(const struct world *w, const struct corenet_image *image,
                        raft_index tree, node_id id)
{
    bool can = true;
    for (raft_index i = tree + 1; i <= corenet_last(image); i++) {
        const struct corenet_record *record = corenet_at(image, i);
        if (record != NULL && record->config != 0) {
            can = can && can_lose(w, &w->net.configs[record->config], id);
        }
    }
    return can;
}

/* By every configuration that somebody may count with, now or after a restart: the one
 * in its tree, or what its log has above. */
static bool may_wipe(const struct world *w, node_id id)
{
    bool may = true;
    for (uint32_t i = 0; i < w->count; i++) {
        const struct corenet_node *node = &w->net.nodes[i];
        if (node->tree_config != 0) {
            may = may && can_lose(w, &w->net.configs[node->tree_config], id);
        } else if (!node->disk.rejoining) {
            may = may && can_lose(w, &w->net.members, id);
        }
        may = may && can_lose_by(w, &node->memory, node->tree, id) &&
              can_lose_by(w, &node->disk, node->tree, id);
    }
    /* Of two nodes the other one must have all. */
    return w->count == 2 ? is_whole(w, 3 - id) : may;
}

void wipe_node(struct world *w, node_id id)
{
    if (!may_wipe(w, id)) {
        return;
    }
    crash(w, id); /* and starts again in a while, if it is not down already */
    coverage.wipes++;
    tell(w, "wipe", id);
    corenet_wipe(&w->net, id, w->count == 2);
}

bool too_bold(const struct world *w, node_id id,
              const struct raft_change *change)
{
    const struct raft *core = w->net.nodes[id - 1].core;
    struct raft_members next;
    if (member_change(&raft_config_latest(core)->members, change, &next) !=
            RAFT_CHANGE_OK ||
        can_lose(w, &next, 0)) {
        return false;
    }
    struct raft_status status;
    raft_get_status(core, local(w, id), &status);
    uint32_t unknown = 0;
    for (uint32_t i = 0; i < status.peer_count; i++) {
        const struct raft_peer_status *peer = &status.peers[i];
        unknown += is_lost(w, peer->id) && !peer->newcomer;
    }
    return unknown > 0;
}

uint64_t outlives_disk(struct world *w, const struct raft_message *m)
{
    bool vote = m->type == RAFT_VOTE_REPLY && m->granted;
    bool ack = m->type == RAFT_APPEND_REPLY && m->granted;
    if (!w->wipes || !w->faults ||
        !((vote && chance(w, 100000)) || (ack && chance(w, 300)))) {
        return 0;
    }
    plan(w, (struct happening){
                .at = w->now + 1, .kind = WIPE, .node = m->from});
    return 1 + below(w, 2 * (uint64_t)w->net.options.election_us);
}
