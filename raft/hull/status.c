#include "raft/hull/hull_int.h"

#include <string.h>

static void lower(raft_time *deadline, raft_time at)
{
    if (at < *deadline) {
        *deadline = at;
    }
}

raft_time hull_deadline(const struct hull *hull)
{
    if (hull->faulted) {
        return UINT64_MAX;
    }
    if (hull->applied < hull->commit) {
        return hull->now; /* a batch is waiting: as soon as possible */
    }
    const struct waiting *waiting = &hull->waiting;
    const struct waiter *sent = waiting_head(waiting, COMMAND_SENT);
    const struct waiter *logged = waiting_head(waiting, COMMAND_LOGGED);
    raft_time deadline = raft_deadline(hull->raft);
    lower(&deadline, waiting_deadline(waiting));
    lower(&deadline, news_deadline(&hull->news));
    if (sent != NULL) {
        lower(&deadline, sent->retry_at);
    }
    if (logged != NULL) {
        lower(&deadline, logged->retry_at);
    }
    if (waiting_head(waiting, READ_ASKED) != NULL) {
        lower(&deadline, hull->read_retry_at);
    }
    if (hull->submit_retry_at != 0) {
        lower(&deadline, hull->submit_retry_at);
    }
    return deadline;
}

void hull_get_status(const struct hull *hull, raft_time now,
                     struct hull_status *out)
{
    *out = hull->count;
    raft_get_status(hull->raft, now > hull->now ? now : hull->now, &out->raft);
    out->faulted = hull->faulted;
    memcpy(out->fault, hull->fault.text, sizeof(out->fault));
    out->applied = hull->applied;
    out->commands_waiting = waiting_commands(&hull->waiting);
    out->reads_waiting = waiting_reads(&hull->waiting);
}

bool hull_is_leader(const struct hull *hull)
{
    return !hull->faulted && hull->role == RAFT_LEADER;
}

node_id hull_leader(const struct hull *hull)
{
    return hull->faulted ? 0 : hull->leader;
}

static void check_against_core(const struct hull *hull)
{
    struct raft_status status;
    raft_get_status(hull->raft, hull->now, &status);
    assert(status.role == hull->role);
    assert(status.term == hull->term);
    assert(status.leader == hull->leader);
    /* It tells us only of what is durable here as well. */
    assert(hull->commit <= status.commit);
    assert(status.commit <= status.last);
    assert(hull->compacted < status.first);
    assert(!hull->options.raft.lease_ask ||
           dirty_last(&hull->dirty, hull->applied) == status.last);
}

/* After a failure the core may know of writes that never happened. */
void hull_check(const struct hull *hull)
{
    raft_check(hull->raft);
    waiting_check(&hull->waiting);
    cache_check(&hull->cache);
    assert(!hull->busy);
    assert(hull->applied <= hull->commit);
    assert(hull->compacted <= hull->tree_durable);
    assert(hull->tree_durable <= hull->applied);
    assert(hull->synced <= hull->written);
    assert(hull->syncing == 0 || hull->syncing > hull->synced);
    assert(hull->held.count <= HELD_MAX);
    assert(hull->inflight.count <= INFLIGHT_MAX);
    assert(hull->round_answered <= hull->round);
    if (hull->faulted) {
        assert(hull->fault_told);
        assert(hull->waiting.count == 0);
    } else {
        check_against_core(hull);
    }
}
