/* election.c -- who leads (dissertation 3.4, 3.6, 4.2.3, 9.6).
 *
 * A node that loses patience first asks whether it could win (pre-vote), which
 * changes nothing anywhere; so a node that was cut off cannot disturb the
 * others when it returns. Voters that hear a leader which itself hears a
 * majority refuse both questions, so a leader that works is never deposed but
 * by its own wish.
 */
#include "raft/core/raft_int.h"

#include "raft/core/quorum.h"

#include <assert.h>

enum { PATIENCE_PERCENT_MAX = 100 }; /* of an election timeout, added */

/* splitmix64 */
static uint64_t next_random(struct raft *r)
{
    r->random += 0x9e3779b97f4a7c15U;
    uint64_t z = r->random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

void election_restart_timer(struct raft *r)
{
    raft_time timeout = r->options.election_us;
    timeout += next_random(r) % r->options.election_us;
    if (r->priority < r->priority_best) {
        /* Those who are preferred shall be the first to try. */
        uint32_t behind = r->priority_best - r->priority;
        timeout += (raft_time)r->options.election_us *
                   (behind < PATIENCE_PERCENT_MAX ? behind
                                                  : PATIENCE_PERCENT_MAX) /
                   100;
    }
    r->election_at = r->now + timeout;
}

static void new_term(struct raft *r, raft_term term, node_id vote)
{
    assert(term > r->term);
    r->term = term;
    r->vote = vote;
    lease_void(r);
    emit_save(r);
}

void become_follower(struct raft *r, raft_term term, node_id leader)
{
    assert(r->role != RAFT_FAULTED);
    if (term > r->term) {
        new_term(r, term, 0);
    }
    raft_set_role(r, RAFT_FOLLOWER, leader);
    election_restart_timer(r);
}

static void clear_votes(struct raft *r)
{
    r->self_granted = false;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        r->peers[i].vote = false;
    }
}

static bool votes_won(const struct raft *r)
{
    uint32_t votes = r->self_voter && r->self_granted ? 1 : 0;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        if (r->peers[i].voter && r->peers[i].vote) {
            votes++;
        }
    }
    return votes >= quorum_size(r->voters);
}

static void ask_voters(struct raft *r, enum raft_message_type type,
                       raft_term term, bool transfer, raft_token after)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        if (!r->peers[i].voter) {
            continue;
        }
        struct raft_message ask = message_to(r, type, r->peers[i].id);
        ask.term = term;
        ask.prev_index = tail_last_index(&r->tail);
        ask.prev_term = tail_last_term(&r->tail);
        ask.transfer = transfer;
        emit_send(r, &ask, after);
    }
}

/* Nobody has a record yet, as far as we know: not our log, nor theirs. */
static bool may_found(const struct raft *r, raft_index last)
{
    return r->may_found && tail_last_index(&r->tail) == 0 && last == 0;
}

/* The questions wait for the disk: a candidate that forgot its term could ask
 * again in the same one with a shorter log, and old grants would count. */
static void become_candidate(struct raft *r, bool transfer)
{
    r->newcomer = false; /* if it was, it is one of the founders */
    new_term(r, r->term + 1, r->options.self);
    raft_set_role(r, RAFT_CANDIDATE, 0);
    clear_votes(r);
    r->campaign_at = r->now;
    election_restart_timer(r);
    ask_voters(r, RAFT_VOTE, r->term, transfer, r->term_token);
}

static void become_precandidate(struct raft *r)
{
    raft_set_role(r, RAFT_PRECANDIDATE, 0);
    clear_votes(r);
    r->self_granted = true;
    election_restart_timer(r);
    if (votes_won(r)) {
        become_candidate(r, false);
        return;
    }
    ask_voters(r, RAFT_PREVOTE, r->term + 1, false, 0);
}

static void become_leader(struct raft *r)
{
    assert(r->vote == r->options.self);
    raft_set_role(r, RAFT_LEADER, r->options.self);
    leader_start(r);
}

static bool may_run(const struct raft *r)
{
    return config_may_run(r) && (!r->newcomer || may_found(r, 0));
}

void election_timeout(struct raft *r)
{
    if (may_run(r)) {
        become_precandidate(r);
    } else {
        become_follower(r, r->term, 0); /* whoever led is not heard */
    }
}

void election_transfer(struct raft *r)
{
    if (may_run(r) && r->role == RAFT_FOLLOWER) {
        become_candidate(r, true);
    }
}

/* The clock, which is not ahead: the quiet is rather too short. */
uint64_t election_quiet(const struct raft *r)
{
    return r->clock > r->supported ? r->clock - r->supported : 0;
}

bool election_sticky(const struct raft *r)
{
    if (r->role == RAFT_LEADER) {
        return leader_quorum_ok(r);
    }
    return r->clock < r->sticky_from + r->options.election_us;
}

/* Safety rests on it: whoever wins has every committed record. */
static bool up_to_date(const struct raft *r, const struct raft_message *m)
{
    raft_term term = tail_last_term(&r->tail);
    if (r->newcomer && !may_found(r, m->prev_index)) {
        return false; /* of what our log once had nothing is known */
    }
    if (m->prev_term != term) {
        return m->prev_term > term;
    }
    return m->prev_index >= tail_last_index(&r->tail);
}

/* Also a learner answers, and a node that was removed: whoever asks may know a later
 * configuration, in which it is a voter, and need it (dissertation 4.2.2). Only votes
 * of voters count, and whether it is one is for the candidate to say. */
void election_prevote(struct raft *r, const struct raft_message *m)
{
    bool granted = m->term > r->term && !election_sticky(r) && up_to_date(r, m);
    struct raft_message reply = message_to(r, RAFT_PREVOTE_REPLY, m->from);
    reply.granted = granted;
    if (granted) {
        reply.term = m->term;
    }
    emit_send(r, &reply, 0);
}

void election_prevote_reply(struct raft *r, const struct raft_message *m)
{
    struct peer *peer = raft_find_peer(r, m->from);
    if (r->role != RAFT_PRECANDIDATE || !m->granted || peer == NULL ||
        m->term != r->term + 1) {
        return;
    }
    peer->vote = true;
    if (votes_won(r)) {
        become_candidate(r, false);
    }
}

void election_vote(struct raft *r, const struct raft_message *m)
{
    assert(m->term == r->term);
    bool free = r->vote == 0 && r->leader == 0;
    bool granted = (free || r->vote == m->from) && up_to_date(r, m);
    if (granted && r->vote == 0) {
        r->newcomer = false;
        r->vote = m->from;
        emit_save(r);
    }
    if (granted && r->role == RAFT_PRECANDIDATE) {
        become_follower(r, r->term, 0);
    }
    struct raft_message reply = message_to(r, RAFT_VOTE_REPLY, m->from);
    reply.granted = granted;
    if (granted) {
        reply.quiet = election_quiet(r);
        election_restart_timer(r);
        emit_send(r, &reply, unless_durable(r, r->term_token));
    } else {
        emit_send(r, &reply, 0);
        emit_note(r, RAFT_NOTE_VOTE_REFUSED, m->from);
    }
}

void election_vote_reply(struct raft *r, const struct raft_message *m)
{
    struct peer *peer = raft_find_peer(r, m->from);
    if (!m->granted || peer == NULL) {
        return;
    }
    assert(m->term == r->term);
    grant_joined(peer);
    if (r->role == RAFT_LEADER) {
        leader_advance(r);
    }
    if (r->role != RAFT_CANDIDATE) {
        return;
    }
    peer->vote = true;
    peer->quiet = m->quiet;
    if (votes_won(r)) {
        become_leader(r);
    }
}

void election_durable(struct raft *r)
{
    if (r->role != RAFT_CANDIDATE || r->self_granted ||
        unless_durable(r, r->term_token) != 0) {
        return;
    }
    r->self_granted = true;
    if (votes_won(r)) {
        become_leader(r);
    }
}
