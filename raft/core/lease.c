/* lease.c -- how long a leader may be certain that it is the only one.
 *
 * A voter that hears an APPEND with quorum_ok helps to elect nobody else for
 * the minimum election timeout E by its clock. So when a majority has answered
 * APPENDs sent at s or later, no other leader can exist before s + E by any
 * clock, and reads need no round trip while now < s + D, where D is less than
 * E by twice the drift of clocks (dissertation 6.4.1). Counted from sending,
 * never from the answer.
 */
#include "raft/core/raft_int.h"

#include "raft/core/quorum.h"

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
            times[count] = r->peers[i].acked;
            count++;
        }
    }
    return quorum_reached(times, count);
}

bool leader_settled(const struct raft *r)
{
    return r->role == RAFT_LEADER && r->commit >= r->term_start;
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

/* `lead`: send times are up to so much ahead of the clock, and a lease must
 * not be longer for it. */
bool lease_valid(const struct raft *r)
{
    if (r->role != RAFT_LEADER || r->transfer_to != 0 || r->lease_off) {
        return false;
    }
    raft_time acked = leader_acked_time(r);
    return acked >= r->vouched_since &&
           r->now + r->lead < acked + r->options.lease_us;
}
