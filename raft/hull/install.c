#include "raft/hull/hull_int.h"

/* They follow a record that never was: newest first, as when a leader supersedes
 * them. Those before are in the snapshot, or others are in their place. */
static void undo_after(struct hull *hull, raft_index index, raft_index last)
{
    for (raft_index i = last; i > index && !hull->faulted; i--) {
        struct record *record = hull_record_get(hull, i);
        if (record == NULL) {
            return;
        }
        if (hull->pilot->undo(hull->pilot->self, record) < 0) {
            hull_fail(hull, EVENT_UNDO_FAILED, i, -1);
        }
        submit_superseded(hull, record);
        record_unref(record);
        hull->count.undone++;
    }
}

static void begin_behind(struct hull *hull,
                         const struct hull_snapshot *snapshot)
{
    struct raft_status status;
    raft_index index = snapshot->index;
    raft_get_status(hull->raft, hull->now, &status);
    bool keeps = raft_term_at(hull->raft, index) == snapshot->term;
    if (!keeps) {
        undo_after(hull, index, status.last);
    }
    if (hull->faulted) {
        return;
    }
    int rc = hull->log->reset(hull->log->self, index, snapshot->term,
                              snapshot->chain, hull->commit + 1);
    if (rc < 0) {
        hull_fail(hull, EVENT_TRUNCATE_FAILED, index, rc);
        return;
    }
    if (!keeps) {
        cache_truncate(&hull->cache, 0);
        dirty_truncate(&hull->dirty, index + 1);
        reads_truncated(hull, index + 1);
    }
    dirty_applied(&hull->dirty, index);
    /* It would claim that what is gone is still to be applied. */
    inflight_release(&hull->inflight);
    inflight_init(&hull->inflight);
    hull->commit = index > hull->commit ? index : hull->commit;
    hull->applied = hull->tree_durable = hull->compacted = index;
    struct raft_event event = {.type = RAFT_EVENT_INSTALLED,
                               .index = index,
                               .term = snapshot->term,
                               .configs = &snapshot->config};
    hull_step(hull, &event);
}

void hull_installed(struct hull *hull, raft_time now,
                    const struct hull_snapshot *snapshot)
{
    if (hull->faulted) {
        return;
    }
    assert(snapshot->index > hull->applied);
    hull_enter(hull, now);
    begin_behind(hull, snapshot);
    if (snapshot->time_ns > hull->last_time_ns) {
        hull->last_time_ns = snapshot->time_ns;
    }
    /* Some of what our callers wait for may be in the snapshot: it will not go
     * by again, but the log's answer to a repeated command is the first one. */
    if (!hull->faulted && hull->role != RAFT_LEADER) {
        forward_again(hull);
    }
    hull_leave(hull);
}
