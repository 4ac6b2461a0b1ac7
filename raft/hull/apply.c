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

/* Some records stay behind the trim mark, so that a peer whose news is late
 * does not need a snapshot. */
void hull_compact(struct hull *hull)
{
    if (hull->faulted) {
        return;
    }
    struct raft_status status;
    raft_get_status(hull->raft, hull->now, &status);
    raft_index upto =
        status.trim < hull->tree_durable ? status.trim : hull->tree_durable;
    if (upto < hull->compacted + hull->options.log_trailing + COMPACT_LEAST) {
        return;
    }
    upto -= hull->options.log_trailing;
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
