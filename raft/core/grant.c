/* grant.c -- the leader's side of other nodes' read leases.
 *
 * A peer that holds a lease reads by itself. So no record is committed, for
 * anybody to see, before each holder has it in its log, by name and not by
 * number, or its lease has run out. A peer that dies or stops therefore costs
 * one lease time, once: each request is granted once, and it asks no more.
 *
 *   asked --grant_fill--> held (until `hold`, our clock) --time--> nothing
 *     ^                    |  |
 *     +---next answer------+  +--revoke, answered with `dropped`--> nothing
 *
 * What a peer has in memory it loses when it crashes, and its lease with it. So
 * `seen` is of one incarnation. Which of two is the later? One that answers an
 * APPEND that was sent after we heard the other: the dead receive nothing.
 *
 * A new leader does not know whom older ones granted what. It commits nothing
 * until everybody is in its term, which voids older leases, or until they must
 * have ended: a voter that has not acknowledged an older leader for `quiet` has
 * not supported it, and no lease is longer than its support.
 */
#include "raft/core/raft_int.h"

#include <assert.h>

enum {
    /* Slower than the others is no reason below this: two thirds of a
     * heartbeat's work on a busy machine can take as long. */
    SLOW_LEAST_US = 20 * 1000,
    SLOW_FACTOR = 4, /* times the median */
    SLOW_SHARE = 4,  /* of the lease: slow in any company */
};

/* --- a new leader --- */

static uint64_t least_quiet(const struct raft *r)
{
    uint64_t quiet = election_quiet(r);
    for (uint32_t i = 0; i < r->peer_count; i++) {
        const struct peer *peer = &r->peers[i];
        if (peer->voter && peer->vote && peer->quiet < quiet) {
            quiet = peer->quiet;
        }
    }
    return quiet;
}

void grant_start(struct raft *r)
{
    uint64_t wait = lease_stretch(r, r->options.lease_us);
    uint64_t quiet = least_quiet(r);
    r->defer_until = wait > quiet ? r->now + (wait - quiet) : 0;
    r->quiet_elections += wait <= quiet;
    r->gated = false;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        struct peer *peer = &r->peers[i];
        peer->grant = (struct grant){.joined = peer->vote};
    }
}

void grant_joined(struct peer *peer)
{
    peer->grant.joined = true;
}

bool grant_deferring(const struct raft *r)
{
    if (r->role != RAFT_LEADER || r->clock >= r->defer_until ||
        MUTANT(NO_WAIT)) {
        return false;
    }
    for (uint32_t i = 0; i < r->peer_count; i++) {
        if (!r->peers[i].grant.joined) {
            return true;
        }
    }
    return false;
}

/* --- granting --- */

/* A node whose disk is full answers at once that it has nothing new. */
static bool is_late(const struct raft *r, const struct grant *g)
{
    return g->late != 0 && r->clock >= g->late_since +
                                           r->options.lease_us / SLOW_SHARE;
}

bool grant_refused(const struct raft *r, const struct peer *peer)
{
    return peer->grant.slow || is_late(r, &peer->grant);
}

static bool may_grant(const struct raft *r, const struct peer *peer,
                      raft_time end)
{
    const struct grant *g = &peer->grant;
    bool complete = g->seen >= r->commit || MUTANT(NO_MATCH);
    return leader_settled(r) && g->boot != 0 && g->asked > g->granted &&
           complete && !grant_refused(r, peer) && !peer->leaving && r->now < end;
}

/* The clock counts, not `now`, which may be ahead of it. */
bool grant_holds(const struct raft *r, const struct peer *peer)
{
    return r->clock < peer->grant.hold;
}

static void revoke(struct peer *peer, struct raft_message *m)
{
    m->revoke = true;
    if (MUTANT(REVOKE_AT_ONCE)) {
        peer->grant.hold = 0;
    }
}

void grant_fill(struct raft *r, struct peer *peer, struct raft_message *m)
{
    struct grant *g = &peer->grant;
    raft_time end = lease_end(r);
    if ((grant_refused(r, peer) || peer->leaving) && grant_holds(r, peer)) {
        revoke(peer, m);
    }
    if (!may_grant(r, peer, end)) {
        return;
    }
    uint64_t us = lease_shrink(r, end - r->now);
    if (us == 0) {
        return;
    }
    g->granted = g->asked;
    if (end > g->hold) {
        g->hold = end;
    }
    m->lease_boot = g->boot;
    m->lease_asked = g->asked;
    m->lease_us = us;
}

/* --- answers --- */

bool grant_current(struct raft *r, struct peer *peer,
                   const struct raft_message *m)
{
    struct grant *g = &peer->grant;
    if (g->boot == m->boot) {
        return true;
    }
    if (g->boot != 0 && m->sent < g->since && !MUTANT(OLD_LIFE)) {
        return false;
    }
    if (g->boot != 0) {
        leader_peer_restarted(r, peer);
        if (!MUTANT(OLD_SEEN)) {
            g->seen = g->asked = g->granted = 0;
        }
    }
    g->boot = m->boot;
    g->since = r->now;
    return true;
}

static uint32_t median_latency(const struct raft *r)
{
    uint32_t sorted[RAFT_PEERS_MAX] = {0};
    for (uint32_t i = 0; i < r->peer_count; i++) {
        uint32_t at = i;
        uint32_t latency = r->peers[i].grant.latency;
        for (; at > 0 && sorted[at - 1] > latency; at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = latency;
    }
    return sorted[(r->peer_count - 1) / 2];
}

/* Writers wait for every holder; so one that is much slower than the others
 * gets no lease, until it takes half of what made it slow. */
static void judge(struct raft *r, struct peer *peer, raft_time sent)
{
    struct grant *g = &peer->grant;
    uint64_t sample = r->now - sent;
    if (sample > r->options.lease_us) {
        sample = r->options.lease_us;
    }
    uint64_t before = g->latency == 0 ? sample : g->latency;
    g->latency = (uint32_t)((7 * before + sample) / 8) + 1;
    uint64_t limit = (uint64_t)SLOW_FACTOR * median_latency(r);
    if (limit < SLOW_LEAST_US) {
        limit = SLOW_LEAST_US;
    }
    if (limit > r->options.lease_us / SLOW_SHARE) {
        limit = r->options.lease_us / SLOW_SHARE;
    }
    if (g->latency > limit) {
        g->slow = true;
    } else if (g->latency < limit / 2) {
        g->slow = false;
    }
}

void grant_reply(struct raft *r, struct peer *peer,
                 const struct raft_message *m)
{
    struct grant *g = &peer->grant;
    if (m->granted && m->seen > g->seen) {
        g->seen = m->seen;
    }
    if (g->seen >= g->late) {
        g->late = 0;
    }
    if (m->asked > g->asked) {
        g->asked = m->asked;
    }
    /* Also when it has restarted: then nothing was granted to this life. */
    if (g->granted <= m->dropped || (m->dropped != 0 && MUTANT(OLD_DROP))) {
        g->hold = 0;
    }
    if (m->sent > peer->acked) {
        judge(r, peer, m->sent);
    }
}

/* --- committing --- */

static void forget_ended(struct raft *r)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        struct peer *peer = &r->peers[i];
        if (peer->grant.hold != 0 && !grant_holds(r, peer)) {
            peer->grant.hold = 0;
            r->leases_ended++;
        }
    }
}

/* How it would be wrong: as many as there are holders have it, whoever. */
static raft_index gate_by_count(const struct raft *r, raft_index reached)
{
    uint32_t holders = 0;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        holders += grant_holds(r, &r->peers[i]);
    }
    for (; reached > r->commit; reached--) {
        uint32_t having = 0;
        for (uint32_t i = 0; i < r->peer_count; i++) {
            having += r->peers[i].grant.seen >= reached;
        }
        if (having >= holders) {
            break;
        }
    }
    return reached;
}

raft_index grant_gate(struct raft *r, raft_index reached)
{
    forget_ended(r);
    if (grant_deferring(r)) {
        return r->commit;
    }
    if (MUTANT(COUNT)) {
        return gate_by_count(r, reached);
    }
    raft_index gate = reached;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        struct peer *peer = &r->peers[i];
        struct grant *g = &peer->grant;
        if (!grant_holds(r, peer) || g->seen >= reached) {
            continue;
        }
        if (g->late == 0) {
            g->late = reached;
            g->late_since = r->clock;
        }
        gate = g->seen < gate ? g->seen : gate;
    }
    bool gated = gate < reached;
    r->commits_gated += gated && !r->gated;
    r->gated = gated;
    return MUTANT(NO_GATE) ? reached : gate;
}

raft_time grant_deadline(const struct raft *r)
{
    raft_time due = grant_deferring(r) ? r->defer_until : UINT64_MAX;
    for (uint32_t i = 0; i < r->peer_count && r->gated; i++) {
        const struct peer *peer = &r->peers[i];
        if (grant_holds(r, peer) && peer->grant.seen <= r->commit &&
            peer->grant.hold < due) {
            due = peer->grant.hold;
        }
    }
    return due;
}
