/* replicate.c -- the leader's side of the log (dissertation 3.5, 10.2).
 *
 * Records leave before our own disk has them; we count ourselves when it does.
 * Answers can be understood without remembering what they answer: a granted
 * one says up to where the follower's log is durable and equal to ours, a
 * refused one where to try next.
 */
#include "raft/core/raft_int.h"

#include "raft/core/limits.h"
#include "raft/core/quorum.h"

#include <assert.h>

static void send_append(struct raft *r, struct peer *peer, raft_index prev,
                        uint32_t count, bool answer)
{
    assert(prev >= r->tail.base_index);
    assert(prev + count <= tail_last_index(&r->tail));
    struct raft_message m = message_to(r, RAFT_APPEND, peer->id);
    m.prev_index = prev;
    m.prev_term = tail_term(&r->tail, prev);
    m.commit = r->commit;
    m.first = prev + 1;
    m.count = count;
    m.quorum_ok = leader_quorum_ok(r);
    m.behind = peer->state == RAFT_SNAPSHOT;
    m.trim = r->trim;
    m.sent = answer ? r->now : 0;
    grant_fill(r, peer, &m);
    emit_send(r, &m, 0);
    raft_index told = prev + count < r->commit ? prev + count : r->commit;
    if (told > peer->told) {
        peer->told = told;
    }
}

/* How many records from `first` on go into one APPEND, at least one if there
 * is any. */
static uint32_t batch(const struct raft *r, raft_index first, uint32_t *bytes)
{
    uint32_t count = 0;
    *bytes = 0;
    while (count < r->options.append_records_max) {
        uint32_t size = tail_size(&r->tail, first + count);
        bool fits = count == 0 ||
                    (uint64_t)*bytes + size <= r->options.append_bytes_max;
        if (first + count > tail_last_index(&r->tail) || !fits) {
            break;
        }
        *bytes += size;
        count++;
    }
    return count;
}

static void become_snapshot(struct raft *r, struct peer *peer)
{
    peer->state = RAFT_SNAPSHOT;
    peer->takes_none = false;
    peer->probed = 0;
    window_clear(&peer->window);
    if (!peer->noted) {
        peer->noted = true;
        emit_note(r, RAFT_NOTE_NEEDS_SNAPSHOT, peer->id);
    }
}

/* Everything from next on is taken back: ask there, or where our log begins.
 * Whether the peer has what came before is for its answer to say. */
static void probe_from(struct raft *r, struct peer *peer, raft_index next)
{
    assert(next > peer->match);
    if (next <= r->tail.base_index) {
        next = r->tail.base_index + 1;
    }
    peer->next = next;
    peer->state = RAFT_PROBE;
    peer->probed = 0;
    peer->told = 0;
    window_clear(&peer->window);
}

static void send_probe(struct raft *r, struct peer *peer)
{
    uint32_t bytes;
    uint32_t count = batch(r, peer->next, &bytes);
    peer->probed = r->now;
    send_append(r, peer, peer->next - 1, count, true);
}

static void send_window(struct raft *r, struct peer *peer)
{
    while (peer->next <= tail_last_index(&r->tail) &&
           window_open(&peer->window)) {
        uint32_t bytes;
        uint32_t count = batch(r, peer->next, &bytes);
        if (peer->window.count == 0) {
            peer->moved = r->now;
        }
        send_append(r, peer, peer->next - 1, count, true);
        peer->next += count;
        window_add(&peer->window, peer->next - 1, bytes);
    }
}

/* A new commit index goes out at once. It names the newest record it speaks of
 * as prev, not our last one: a follower that misses later ones still learns
 * it. Nobody needs an answer. */
static void send_commit(struct raft *r, struct peer *peer)
{
    raft_index known = peer->next - 1;
    if (known > r->commit) {
        known = r->commit;
    }
    if (peer->told >= known) {
        return;
    }
    raft_index prev = known > peer->match ? known : peer->match;
    if (prev >= r->tail.base_index) {
        send_append(r, peer, prev, 0, false);
    }
}

/* Whom the latest configuration leaves out hears of it when it is committed:
 * with the record in its log and us gone, it would refuse to elect those who
 * lack it, and must not run itself. */
static bool must_not_know_yet(const struct raft *r, const struct peer *peer)
{
    return peer->leaving && config_pending(r);
}

static void replicate_peer(struct raft *r, struct peer *peer)
{
    if (must_not_know_yet(r, peer)) {
        return;
    }
    switch (peer->state) {
    case RAFT_PROBE:
        if (peer->probed == 0 ||
            r->now >= peer->probed + r->options.probe_retry_us) {
            send_probe(r, peer);
        }
        break;
    case RAFT_REPLICATE:
        send_window(r, peer);
        send_commit(r, peer);
        break;
    case RAFT_SNAPSHOT:
        break; /* heartbeats ask whether it has come back */
    }
}

void replicate_all(struct raft *r)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        replicate_peer(r, &r->peers[i]);
    }
}

/* A heartbeat speaks only of what the peer certainly has on its disk: so its
 * answer never waits for a write there. */
void replicate_heartbeat(struct raft *r)
{
    r->heartbeat_at = r->now + r->options.heartbeat_us;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        struct peer *peer = &r->peers[i];
        raft_index prev = peer->match;
        if (peer->state == RAFT_PROBE) {
            prev = peer->next - 1;
        }
        if (prev < r->tail.base_index) {
            prev = r->tail.base_index;
        }
        send_append(r, peer, prev, 0, true);
    }
}

void leader_submit(struct raft *r, const uint32_t *sizes, uint32_t count)
{
    assert(r->role == RAFT_LEADER);
    raft_index first = tail_last_index(&r->tail) + 1;
    for (uint32_t i = 0; i < count; i++) {
        tail_append(&r->tail, r->term, sizes[i]);
    }
    emit_append(r, first, RAFT_FROM_SUBMIT, 0);
    replicate_all(r);
}

void leader_add_peer(struct raft *r, struct peer *peer)
{
    peer->match = 0;
    peer->applied = 0;
    peer->acked = 0;
    peer->noted = false;
    peer->takes_none = false;
    peer->leaving_since = r->now;
    probe_from(r, peer, tail_last_index(&r->tail) + 1);
    leader_start_round(r, peer);
}

void leader_start(struct raft *r)
{
    raft_index last = tail_last_index(&r->tail);
    r->term_start = last + 1;
    r->led_since = r->now;
    r->transfer_to = 0;
    r->read_round = 0;
    grant_start(r);
    r->handover_at = r->now + HANDOVER_ELECTIONS * (raft_time)r->options.election_us;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        leader_add_peer(r, &r->peers[i]);
    }
    /* Older terms' records commit only under one of this term (3.6.2). */
    tail_append(&r->tail, r->term, RAFT_TERM_START_SIZE);
    emit_append(r, r->term_start, RAFT_FROM_CORE, 0);
    r->heartbeat_at = r->now + r->options.heartbeat_us;
    replicate_all(r);
    leader_advance(r);
}

void leader_advance(struct raft *r)
{
    uint64_t matches[RAFT_NODES_MAX];
    uint32_t count = 0;
    if (r->self_voter) {
        matches[count] = r->writes.durable_index;
        count++;
    }
    for (uint32_t i = 0; i < r->peer_count; i++) {
        if (r->peers[i].voter) {
            matches[count] = r->peers[i].newcomer ? 0 : r->peers[i].match;
            count++;
        }
    }
    raft_index reached = quorum_reached(matches, count);
    r->gated = r->gated && reached > r->commit;
    bool hasty = MUTANT(EARLY_COMMIT) && !grant_deferring(r);
    if (reached > r->commit && !hasty) {
        reached = grant_gate(r, reached);
    }
    if (reached > r->commit && tail_term(&r->tail, reached) == r->term) {
        r->commit = reached;
    }
    emit_commit(r);
    replicate_all(r);
    reads_confirm(r);
}

void leader_update_trim(struct raft *r)
{
    raft_index trim = r->applied;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        if (!r->peers[i].leaving && r->peers[i].applied < trim) {
            trim = r->peers[i].applied;
        }
    }
    if (trim > r->trim) {
        r->trim = trim;
    }
}

/* A window for who takes nothing would be refused but for its first APPEND, be probed
 * for, and be sent again, as fast as the network is. */
static void look_whether_it_takes(const struct raft *r, struct peer *peer,
                                  const struct raft_message *m)
{
    bool of_probe = peer->state == RAFT_PROBE && m->sent == peer->probed &&
                    peer->next <= tail_last_index(&r->tail);
    if (m->match > peer->match || m->seen >= peer->next) {
        peer->takes_none = false;
    } else if (of_probe && m->match < peer->next) {
        peer->takes_none = true;
    }
}

static void peer_matched(struct raft *r, struct peer *peer, raft_index match)
{
    /* What it has applied was committed, so it is equal to ours as well. */
    if (match < peer->applied) {
        match = peer->applied;
    }
    if (match > tail_last_index(&r->tail)) {
        match = tail_last_index(&r->tail);
    }
    if (match > peer->match) {
        peer->match = match;
        peer->moved = r->now;
    }
    if (match > peer->grant.seen) {
        peer->grant.seen = match;
    }
    window_free_to(&peer->window, peer->match);
    if (peer->state != RAFT_REPLICATE && !peer->takes_none &&
        peer->match >= r->tail.base_index) {
        peer->state = RAFT_REPLICATE;
        peer->next = peer->match + 1;
        peer->probed = 0;
        peer->told = 0;
        peer->noted = false;
        window_clear(&peer->window);
    }
    if (peer->next <= peer->match) {
        peer->next = peer->match + 1;
    }
}

/* Only for an answer that no later one has overtaken, and that does not deny
 * what an earlier one has granted. */
static void peer_refused(struct raft *r, struct peer *peer, raft_index hint,
                         raft_term hint_term)
{
    if (hint < r->tail.base_index) {
        become_snapshot(r, peer);
        return;
    }
    /* Below the hint, skip our records of terms that the follower, at this
     * place, cannot have. */
    raft_index agree = tail_find(&r->tail, hint, hint_term);
    if (agree <= peer->match) {
        agree = peer->match;
    } else if (tail_term(&r->tail, agree) > hint_term) {
        become_snapshot(r, peer); /* the logs part before ours begins */
        return;
    }
    if (agree + 1 < peer->next || peer->state != RAFT_PROBE) {
        probe_from(r, peer, agree + 1);
    }
}

void leader_peer_restarted(struct raft *r, struct peer *peer)
{
    raft_index next = peer->match > 0 ? peer->match + 1 : peer->next;
    peer->match = 0; /* it may have lost its disk: verify again */
    peer->applied = 0;
    probe_from(r, peer, next);
}

/* Late words are of the life before the disk was lost, or of the time before it
 * joined. But the first ones of a new life may answer something older than the last
 * ones of the life before. */
static void hear_newcomer(struct peer *peer, const struct raft_message *m)
{
    bool overtaken = m->sent < peer->acked;
    bool is_new = m->newcomer && m->boot != peer->answered;
    if (!overtaken || is_new) {
        peer->newcomer = m->newcomer;
        peer->answered = m->boot;
    }
}

void leader_append_reply(struct raft *r, const struct raft_message *m)
{
    struct peer *peer = raft_find_peer(r, m->from);
    if (r->role != RAFT_LEADER || peer == NULL) {
        return;
    }
    assert(m->term == r->term);
    if (m->sent > r->now || m->match > tail_last_index(&r->tail) ||
        m->seen > tail_last_index(&r->tail)) {
        return; /* not an answer to anything we said */
    }
    if (!grant_current(r, peer, m)) {
        return;
    }
    hear_newcomer(peer, m);
    grant_joined(peer);
    grant_reply(r, peer, m);
    bool overtaken = m->sent < peer->acked;
    if (!overtaken) {
        peer->acked = m->sent;
    }
    if (m->applied > peer->applied) {
        peer->applied = m->applied;
        leader_update_trim(r);
    }
    if (m->granted) {
        look_whether_it_takes(r, peer, m);
        peer_matched(r, peer, m->match);
    } else if (!overtaken && m->hint >= peer->match) {
        peer_refused(r, peer, m->hint, m->hint_term);
    }
    leader_advance(r);
    leader_end_round(r, peer);
    transfer_progress(r, peer);
    leader_look_after_members(r);
}

void leader_compacted(struct raft *r)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        struct peer *peer = &r->peers[i];
        if (peer->next <= r->tail.base_index) {
            probe_from(r, peer, r->tail.base_index + 1);
        }
    }
}

/* Nothing of what is in flight was acknowledged for a while: it may be lost. */
static void retry_stalled(struct raft *r, struct peer *peer)
{
    if (peer->state == RAFT_REPLICATE && peer->window.count > 0 &&
        r->now >= peer->moved + r->options.probe_retry_us) {
        probe_from(r, peer, peer->match + 1);
    }
}

void leader_time(struct raft *r)
{
    if (r->now >= leader_patience(r)) {
        emit_note(r, RAFT_NOTE_LOST_QUORUM, 0);
        become_follower(r, r->term, 0);
        return;
    }
    transfer_expire(r);
    if (r->leave_at != 0 && r->now >= r->leave_at) {
        become_follower(r, r->term, 0);
        return;
    }
    leader_look_after_members(r);
    if (r->now >= r->heartbeat_at) {
        replicate_heartbeat(r);
    }
    for (uint32_t i = 0; i < r->peer_count; i++) {
        retry_stalled(r, &r->peers[i]);
    }
    leader_advance(r);
}

static raft_time peer_deadline(const struct raft *r, const struct peer *peer)
{
    if (must_not_know_yet(r, peer)) {
        return UINT64_MAX; /* nothing is sent that could be sent again */
    }
    if (peer->state == RAFT_PROBE) {
        return peer->probed + r->options.probe_retry_us;
    }
    if (peer->state == RAFT_REPLICATE && peer->window.count > 0) {
        return peer->moved + r->options.probe_retry_us;
    }
    return UINT64_MAX;
}

raft_time leader_deadline(const struct raft *r)
{
    if (r->peer_count == 0) {
        return UINT64_MAX;
    }
    raft_time due = leader_patience(r);
    if (r->heartbeat_at < due) {
        due = r->heartbeat_at;
    }
    if (r->transfer_to != 0 && r->transfer_until < due) {
        due = r->transfer_until;
    }
    if (r->leave_at != 0 && r->leave_at < due) {
        due = r->leave_at;
    }
    for (uint32_t i = 0; i < r->peer_count; i++) {
        raft_time at = peer_deadline(r, &r->peers[i]);
        if (at < due) {
            due = at;
        }
    }
    raft_time gate = grant_deadline(r);
    return gate < due ? gate : due;
}
