/* lease.c -- how long a node may read its own tree without asking anybody.
 *
 * R1: a majority that answered APPENDs sent at s or later was in our term then,
 * and whoever is elected with one of them waits until such answers are D old
 * (grant.c). So until s + D by our clock nobody else has committed anything.
 * Counted from sending, never from the answer.
 *
 * A follower asks with every answer and is granted what is left of that time
 * (less what clocks may differ), counted on its own clock from its request,
 * which came before the grant. It is valid in this term and this life only, and
 * only when the log agrees with the leader's up to what was committed.
 * Decision 0017 has all rules.
 */
#include "raft/core/raft_int.h"

#include "raft/core/quorum.h"

#ifdef RAFT_MUTANTS
enum raft_mutant raft_mutant;
raft_time lease_survivors[RAFT_NODES_MAX];
#endif

raft_time leader_acked_time(const struct raft *r)
{
    uint64_t times[RAFT_NODES_MAX];
    uint32_t count = 0;
    if (r->self_voter) {
        times[count] = r->now;
        count++;
    }
    for (uint32_t i = 0; i < r->peer_count; i++) {
        if (r->peers[i].voter) {
            times[count] = r->peers[i].newcomer ? 0 : r->peers[i].acked;
            count++;
        }
    }
    return quorum_reached(times, count);
}

bool leader_settled(const struct raft *r)
{
    return r->role == RAFT_LEADER &&
           (r->commit >= r->term_start || MUTANT(NO_TERM_START));
}

/* The votes that elected us are contact too, not older than the campaign. */
bool leader_quorum_ok(const struct raft *r)
{
    raft_time contact = leader_acked_time(r);
    if (contact < r->campaign_at) {
        contact = r->campaign_at;
    }
    return r->now < contact + r->options.election_us;
}

raft_time leader_patience(const struct raft *r)
{
    raft_time contact = leader_acked_time(r);
    if (contact < r->led_since) {
        contact = r->led_since;
    }
    return contact + r->options.election_us;
}

uint64_t lease_stretch(const struct raft *r, uint64_t us)
{
    uint64_t rho = MUTANT(NO_DRIFT) ? 0 : r->options.drift_ppm;
    return (us * (1000000 + rho) + (1000000 - rho) - 1) / (1000000 - rho);
}

uint64_t lease_shrink(const struct raft *r, uint64_t us)
{
    uint64_t rho = MUTANT(NO_DRIFT) ? 0 : r->options.drift_ppm;
    return us * (1000000 - rho) / (1000000 + rho);
}

/* `lead`: send times are up to so much ahead of the clock, and a lease must
 * not be longer for it. A leader that has left, and hands over, has none: whoever
 * leads next need not know that there is such a node. */
raft_time lease_end(const struct raft *r)
{
    if (config_left(r)) {
        return 0;
    }
    raft_time acked = MUTANT(NO_CAP) ? r->now : leader_acked_time(r);
    raft_time end = acked + r->options.lease_us;
    return acked == 0 || end <= r->lead ? 0 : end - r->lead;
}

bool lease_valid(const struct raft *r)
{
    return r->role == RAFT_LEADER &&
           (r->now < lease_end(r) || MUTANT(LEADER_READ));
}

/* --- a follower's --- */

/* The request's time is the clock's, not `now`, which may be ahead of it. A newcomer
 * asks for none: with its older disk it may have gone on to a later term, and whoever
 * leads there takes it for one whose older leases are void. */
void lease_ask(const struct raft *r, struct raft_message *reply)
{
    bool wants = r->options.lease_ask && !r->newcomer;
    reply->asked = wants ? r->clock : 0;
    reply->dropped = r->lease_floor;
}

static bool covers_grant(const struct raft *r, const struct raft_message *m)
{
    return r->verified >= m->commit || MUTANT(NO_MATCH);
}

void lease_take(struct raft *r, const struct raft_message *m)
{
    if (m->revoke) {
        lease_drop(r);
    }
    bool ours = m->lease_boot == r->options.boot || MUTANT(OLD_REQUEST);
    if (m->lease_us == 0 || !r->options.lease_ask || !ours ||
        m->lease_asked <= r->lease_floor || !covers_grant(r, m)) {
        return;
    }
    raft_time from = MUTANT(RECEIPT) ? r->clock : m->lease_asked;
    if (from + m->lease_us > r->lease_until) {
        r->lease_until = from + m->lease_us;
    }
}

void lease_drop(struct raft *r)
{
    r->lease_until = 0;
    r->lease_floor = r->clock;
}

void lease_void(struct raft *r)
{
    if (!MUTANT(NO_TERM) && !MUTANT(SURVIVE)) {
        r->lease_until = 0;
    }
    r->verified = 0;
}

bool raft_may_read(const struct raft *r, raft_time now)
{
    if (r->role == RAFT_LEADER) {
        struct raft view = *r;
        view.now = view.now < now ? now : view.now;
        return leader_settled(r) && lease_valid(&view);
    }
    bool follows = r->role == RAFT_FOLLOWER && r->leader != 0;
    return (follows || MUTANT(NO_TERM) || MUTANT(SURVIVE)) &&
           now < r->lease_until;
}
