#include "raft/hull/hull_int.h"

struct record *hull_record_get(struct hull *hull, raft_index index)
{
    struct record *record = cache_get(&hull->cache, index);
    if (record != NULL) {
        return record_ref(record);
    }
    int rc = hull->log->read(hull->log->self, index, &record);
    if (rc < 0 || record->index != index) {
        if (rc >= 0) {
            record_unref(record);
        }
        hull_fail(hull, EVENT_READ_FAILED, index, rc);
        return NULL;
    }
    return record;
}

/* The caller is told between this record and the next, so that what it sees in
 * the tree is its own command's doing. */
static void tell_caller(struct hull *hull, const struct record *record,
                        const struct hull_result *result)
{
    if (record->origin != hull->self) {
        return;
    }
    struct waiter *waiter = waiting_match(&hull->waiting, record);
    if (waiter != NULL) {
        hull_complete(hull, waiter, HULL_DONE, result);
    }
}

static void apply_one(struct hull *hull)
{
    raft_index index = hull->applied + 1;
    struct record *record = hull_record_get(hull, index);
    if (record == NULL) {
        return;
    }
    struct hull_result result = {0};
    int rc = hull->pilot->apply(hull->pilot->self, record, &result);
    if (rc < 0) {
        hull_fail(hull, EVENT_APPLY_FAILED, index, rc);
    } else {
        hull->applied = index;
        dirty_applied(&hull->dirty, index);
        inflight_remove(&hull->inflight, record, index);
        tell_caller(hull, record, &result);
    }
    record_unref(record);
}

void hull_apply(struct hull *hull)
{
    raft_index begin = hull->applied;
    while (!hull->faulted && hull->applied < hull->commit &&
           hull->applied - begin < APPLY_BATCH) {
        apply_one(hull);
    }
    if (hull->applied != begin) {
        int rc = hull->pilot->applied(hull->pilot->self, hull->applied);
        if (rc < 0) {
            hull_fail(hull, EVENT_APPLIED_FAILED, hull->applied, rc);
        }
    }
    reads_release(hull);
}

static raft_index behind(raft_index index, uint64_t count)
{
    return index > count ? index - count : 0;
}

static raft_index min(raft_index a, raft_index b)
{
    return a < b ? a : b;
}

static raft_index max(raft_index a, raft_index b)
{
    return a > b ? a : b;
}

/* The last index that may go when all members have `all`. */
static raft_index compact_had(const struct hull *hull, raft_index all)
{
    if (all < hull->compacted + COMPACT_LEAST) {
        return 0; /* not worth the look */
    }
    uint64_t trailing = hull->options.log_trailing;
    uint64_t least = trailing < TRAILING_LEAST ? trailing : TRAILING_LEAST;
    raft_index large = raft_keeping(hull->raft, TRAILING_LEAST_BYTES);
    return min(max(behind(all, least), large), all);
}

/* What all members have may go, but for the last few. For those who are behind
 * more is kept, but not without end: then they need a snapshot. */
static raft_index compact_goal(const struct hull *hull)
{
    struct raft_status status;
    raft_get_status(hull->raft, hull->now, &status);
    uint64_t trailing = hull->options.log_trailing;
    raft_index had =
        compact_had(hull, min(status.trim, hull->tree_durable));
    raft_index old = behind(hull->tree_durable, trailing);
    raft_index large =
        raft_keeping(hull->raft, hull->options.log_trailing_bytes);
    raft_index goal = min(max(max(had, old), large), hull->tree_durable);
    return hull->hold != 0 ? min(goal, hull->hold) : goal;
}

void hull_compact(struct hull *hull)
{
    if (hull->faulted) {
        return;
    }
    raft_index upto = compact_goal(hull);
    if (upto < hull->compacted + COMPACT_LEAST) {
        return;
    }
    if (upto > hull->compacted + COMPACT_BATCH) {
        upto = hull->compacted + COMPACT_BATCH;
    }
    int rc = hull->log->compact(hull->log->self, upto);
    if (rc < 0) {
        hull_fail(hull, EVENT_COMPACT_FAILED, upto, rc);
        return;
    }
    hull->compacted = upto;
    struct raft_event event = {.type = RAFT_EVENT_COMPACTED, .index = upto};
    hull_step(hull, &event);
}
