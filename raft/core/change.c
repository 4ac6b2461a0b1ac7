/* change.c -- configurations come into force, are committed, or are cut off
 * again; and the leader's part in it (dissertation 4).
 *
 * A leader begins no change before a record of its own term is committed, nor
 * while another change is not: without the first rule two leaders could each
 * change an older configuration, and two of those need not have a node in
 * common.
 */
#include "raft/core/raft_int.h"

#include "raft/core/limits.h"
#include "raft/core/quorum.h"

#include <assert.h>

/* --- peers follow the latest configuration --- */

static void forget_peer(struct raft *r, struct peer *peer)
{
    window_release(&peer->window);
    r->peer_count--;
    *peer = r->peers[r->peer_count];
}

/* Some configuration that still counts, or may count again, has it. */
static bool is_named(const struct raft *r, node_id id)
{
    for (size_t i = 0; i < r->configs.count; i++) {
        if (member_find(&r->configs.list[i].members, id) != NULL) {
            return true;
        }
    }
    return false;
}

static void forget_unnamed(struct raft *r)
{
    uint32_t i = 0;
    while (i < r->peer_count) {
        if (!is_named(r, r->peers[i].id)) {
            forget_peer(r, &r->peers[i]);
        } else {
            i++;
        }
    }
}

static struct peer *add_peer(struct raft *r, node_id id)
{
    assert(r->peer_count < RAFT_PEERS_MAX);
    struct peer *peer = &r->peers[r->peer_count];
    r->peer_count++;
    *peer = (struct peer){.id = id};
    window_init(&peer->window, r->options.window_appends,
                r->options.window_bytes);
    peer->next = tail_last_index(&r->tail) + 1;
    if (r->role == RAFT_LEADER) {
        leader_add_peer(r, peer);
        grant_joined(peer); /* no older lease outlives what removed it */
    }
    return peer;
}

/* Whom only an older configuration names: it may hold a lease, and hears that
 * it was removed. */
static void mark_leaving(struct raft *r, const struct raft_members *members)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        struct peer *peer = &r->peers[i];
        if (!peer->leaving && member_find(members, peer->id) == NULL) {
            peer->leaving = true;
            peer->leaving_since = r->now;
            peer->voter = false;
            peer->joining = false;
        }
    }
}

static void add_named(struct raft *r, const struct raft_members *members)
{
    for (uint32_t i = 0; i < members->count; i++) {
        node_id id = members->list[i].id;
        if (id != r->options.self && raft_find_peer(r, id) == NULL &&
            r->peer_count < RAFT_PEERS_MAX) {
            add_peer(r, id);
        }
    }
}

static void use_member(struct raft *r, const struct raft_member *member)
{
    if (member->voter && member->priority > r->priority_best) {
        r->priority_best = member->priority;
    }
    if (member->id == r->options.self) {
        r->priority = member->priority;
        return;
    }
    struct peer *peer = raft_find_peer(r, member->id);
    if (peer == NULL) {
        return; /* too many have come and gone in records that may be cut off */
    }
    peer->leaving = false;
    peer->voter = member->voter;
    peer->joining = member->joining;
    peer->priority = member->priority;
}

/* From now on the latest configuration counts. */
static void use_latest(struct raft *r)
{
    const struct raft_members *members = &configs_latest(&r->configs)->members;
    if (r->role != RAFT_LEADER) {
        forget_unnamed(r);
    }
    r->config_news = true;
    r->self_voter = member_is_voter(members, r->options.self);
    r->voters = member_voters(members);
    r->priority = 0;
    r->priority_best = 0;
    /* After a restart an older one may have us, and the latest not. */
    r->was_member = r->was_member || is_named(r, r->options.self);
    add_named(r, members);
    for (size_t i = r->configs.count; i > 1; i--) {
        add_named(r, &r->configs.list[i - 2].members);
    }
    mark_leaving(r, members);
    for (uint32_t i = 0; i < members->count; i++) {
        use_member(r, &members->list[i]);
    }
}

void config_start(struct raft *r, const struct raft_boot *boot)
{
    const struct raft_config base = {.index = boot->members_index,
                                     .members = boot->members};
    assert(base.index <= boot->applied);
    configs_init(&r->configs, &base);
    for (size_t i = 0; i < boot->config_count; i++) {
        assert(boot->configs[i].index > boot->applied);
        assert(boot->configs[i].index <= tail_last_index(&r->tail));
        assert(member_list_valid(&boot->configs[i].members));
        configs_push(&r->configs, &boot->configs[i]);
    }
    use_latest(r);
    r->config_news = false; /* whoever starts us knows */
}

void config_append(struct raft *r, const struct raft_config *config)
{
    assert(config->index <= tail_last_index(&r->tail));
    assert(member_list_valid(&config->members));
    configs_push(&r->configs, config);
    use_latest(r);
    emit_note(r, RAFT_NOTE_MEMBERS, 0)->first = config->index;
}

void config_truncate(struct raft *r, raft_index from)
{
    if (configs_truncate(&r->configs, from)) {
        use_latest(r);
        emit_note(r, RAFT_NOTE_MEMBERS_CUT, 0)->first =
            configs_latest(&r->configs)->index;
    }
}

void config_install(struct raft *r, const struct raft_config *base,
                    raft_index index, bool keeps)
{
    assert(base->index <= index);
    assert(base->index == 0 || member_list_valid(&base->members));
    configs_install(&r->configs, base, index, keeps);
    use_latest(r);
}

bool config_pending(const struct raft *r)
{
    return configs_latest(&r->configs)->index > r->commit;
}

/* Whoever leaves itself out is needed until that is committed: its log may be
 * the only one that others, with shorter ones, would vote for (4.2.2). After a
 * restart it may not know yet that the list which made it a voter is committed,
 * so any of those before the latest counts. The floor protects against a cluster
 * that was shrunk by mistake. Both make elections rarer, never easier: votes are
 * counted by the latest configuration. */
bool config_may_run(const struct raft *r)
{
    const struct raft_members *latest = &configs_latest(&r->configs)->members;
    bool leaves = false;
    for (size_t i = 0; i + 1 < r->configs.count; i++) {
        leaves = leaves || member_is_voter(&r->configs.list[i].members,
                                           r->options.self);
    }
    return (r->self_voter || leaves) && r->voters >= latest->min_voters;
}

/* --- what has become committed --- */

/* A leader that has removed itself has led, without counting itself, until that
 * was committed (4.2.2). The best of the others need not wait for its patience
 * to end. */
static void leave(struct raft *r)
{
    emit_note(r, RAFT_NOTE_REMOVED, 0);
    r->leave_at = r->now + r->options.election_us;
    r->transfer_to = 0;
    if (transfer_start(r, 0) < 0) {
        become_follower(r, r->term, 0);
    }
}

bool config_left(const struct raft *r)
{
    return r->was_member && !config_pending(r) &&
           member_find(&configs_latest(&r->configs)->members,
                       r->options.self) == NULL;
}

static void look_whether_removed(struct raft *r)
{
    bool removed = config_left(r);
    if (removed == r->removed) {
        return;
    }
    r->removed = removed;
    r->config_news = true;
    if (removed && r->role == RAFT_LEADER) {
        leave(r);
    } else if (removed) {
        emit_note(r, RAFT_NOTE_REMOVED, 0);
    }
}

void config_step_end(struct raft *r)
{
    if (r->role == RAFT_FAULTED) {
        return;
    }
    if (configs_commit(&r->configs, r->commit)) {
        r->config_news = true;
    }
    look_whether_removed(r);
    if (r->config_news) {
        r->config_news = false;
        emit_members(r);
    }
}

/* --- the leader changes them --- */

static void leader_append_config(struct raft *r,
                                 const struct raft_members *members)
{
    assert(!config_pending(r));
    assert(leader_settled(r));
    assert(member_lists_adjacent(&configs_latest(&r->configs)->members,
                                 members));
    tail_append(&r->tail, r->term, RAFT_CONFIG_SIZE);
    const struct raft_config config = {.index = tail_last_index(&r->tail),
                                       .members = *members};
    emit_append(r, config.index, RAFT_FROM_CORE, 0)->code = RECORD_CONFIG;
    config_append(r, &config);
    replicate_all(r);
    leader_advance(r);
}

/* Newcomers count when a record of theirs is committed, and never where that needs
 * them. Who is one may not be known yet: that is a disk more that is lost. */
static bool can_commit(struct raft *r, const struct raft_members *members)
{
    uint32_t counting = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        const struct peer *peer = raft_find_peer(r, members->list[i].id);
        bool newcomer = peer != NULL && peer->newcomer;
        counting += members->list[i].voter && !newcomer;
    }
    return counting >= quorum_size(member_voters(members));
}

int leader_change(struct raft *r, const struct raft_change *change)
{
    struct raft_members next;
    if (r->role != RAFT_LEADER) {
        return RAFT_CHANGE_NOT_LEADER;
    }
    if (r->transfer_to != 0 || r->leave_at != 0 || !leader_settled(r)) {
        return RAFT_CHANGE_BUSY;
    }
    if (change->op == RAFT_CHANGE_TRANSFER) {
        if (change->member.id == r->options.self) {
            return RAFT_CHANGE_SAME;
        }
        return transfer_start(r, change->member.id) < 0 ? RAFT_CHANGE_NO_TARGET
                                                        : RAFT_CHANGE_OK;
    }
    const struct raft_members *now = &configs_latest(&r->configs)->members;
    enum raft_change_result result = member_change(now, change, &next);
    if (result == RAFT_CHANGE_OK && config_pending(r)) {
        return RAFT_CHANGE_PENDING;
    }
    if (result == RAFT_CHANGE_OK && r->peer_count == RAFT_PEERS_MAX) {
        return RAFT_CHANGE_BUSY; /* until some who left are forgotten */
    }
    if (result == RAFT_CHANGE_OK && !can_commit(r, &next)) {
        return RAFT_CHANGE_BUSY;
    }
    if (result == RAFT_CHANGE_OK) {
        leader_append_config(r, &next);
    }
    return result;
}

/* --- learners --- */

void leader_start_round(struct raft *r, struct peer *peer)
{
    peer->round_end = tail_last_index(&r->tail);
    peer->round_began = r->now;
    peer->rounds = 0;
    peer->caught_up = false;
}

void leader_end_round(struct raft *r, struct peer *peer)
{
    if (peer->voter || peer->match < peer->round_end) {
        return;
    }
    peer->caught_up = r->now - peer->round_began < r->options.election_us;
    peer->rounds++;
    peer->round_end = tail_last_index(&r->tail);
    peer->round_began = r->now;
}

static void promote_one(struct raft *r)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        const struct peer *peer = &r->peers[i];
        if (!peer->joining || !peer->caught_up || peer->newcomer) {
            continue;
        }
        struct raft_members next = configs_latest(&r->configs)->members;
        for (uint32_t at = 0; at < next.count; at++) {
            if (next.list[at].id == peer->id) {
                next.list[at].voter = true;
                next.list[at].joining = false;
            }
        }
        leader_append_config(r, &next);
        return;
    }
}

/* --- who leaves, who leads --- */

/* It need not be told any more: it knows, or does not answer. */
static bool has_left(const struct raft *r, const struct peer *peer)
{
    raft_index index = configs_latest(&r->configs)->index;
    raft_time patience =
        LEAVING_ELECTIONS * (raft_time)r->options.election_us;
    bool knows = peer->match >= index && peer->told >= index;
    return !grant_holds(r, peer) &&
           (knows || r->now >= peer->leaving_since + patience);
}

static void forget_who_has_left(struct raft *r)
{
    uint32_t i = 0;
    while (i < r->peer_count) {
        if (r->peers[i].leaving && has_left(r, &r->peers[i])) {
            forget_peer(r, &r->peers[i]);
        } else {
            i++;
        }
    }
}

/* The best of those who are preferred to us and have all that is committed. */
static const struct peer *preferred(const struct raft *r)
{
    const struct peer *best = NULL;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        const struct peer *peer = &r->peers[i];
        bool fresh =
            peer->acked != 0 && r->now < peer->acked + r->options.election_us;
        if (peer->voter && fresh && !peer->newcomer &&
            peer->priority > r->priority && peer->match >= r->commit &&
            (best == NULL || peer->priority > best->priority)) {
            best = peer;
        }
    }
    return best;
}

static void hand_over(struct raft *r)
{
    const struct peer *peer = preferred(r);
    if (r->now < r->handover_at || peer == NULL) {
        return;
    }
    r->handover_at =
        r->now + HANDOVER_ELECTIONS * (raft_time)r->options.election_us;
    emit_note(r, RAFT_NOTE_HANDS_OVER, peer->id);
    transfer_start(r, peer->id);
}

void leader_look_after_members(struct raft *r)
{
    if (r->role != RAFT_LEADER || config_pending(r) || !leader_settled(r) ||
        r->transfer_to != 0) {
        return;
    }
    forget_who_has_left(r);
    promote_one(r);
    if (r->self_voter && !config_pending(r)) {
        hand_over(r);
    }
}

/* --- for status --- */

const struct raft_config *raft_config_latest(const struct raft *r)
{
    return configs_latest(&r->configs);
}

const struct raft_config *raft_config_committed(const struct raft *r)
{
    return configs_committed(&r->configs);
}

const struct raft_config *raft_config_at(const struct raft *r,
                                         raft_index index)
{
    return configs_at(&r->configs, index);
}
