#include "store/reclaim_int.h"

#include "store/error.h"

#include <assert.h>

struct closed {
    uint64_t id, bytes;
};

/* Those that one look looks at. */
struct look {
    struct reclaim *reclaim;
    struct closed list[RECLAIM_SEGMENTS_LOOK];
    uint32_t count;
    uint64_t dead[RECLAIM_SEGMENTS_LOOK];
    uint64_t dead_bytes;
    uint32_t dead_count;
    uint64_t staged_max;
    bool more;
};

/* Will no record that is not in the log yet refer to it? */
static bool is_settled(const struct look *look, uint64_t id)
{
    return id < look->reclaim->closed_before || id < look->staged_max ||
           places_has(&look->reclaim->merged, id);
}

static void take_closed(void *arg, uint64_t id, uint64_t bytes, bool writing)
{
    struct look *look = arg;
    if (writing || id < look->reclaim->scan_from || !is_settled(look, id)) {
        return;
    }
    if (look->count == RECLAIM_SEGMENTS_LOOK) {
        look->more = true;
        return;
    }
    look->list[look->count++] = (struct closed){id, bytes};
}

static int count_live(struct reclaim *reclaim, uint64_t id, uint64_t *out)
{
    sqlite3_stmt *statement = reclaim->live_bytes;
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)id);
    int rc = db_row(&reclaim->reader, statement, "count live bytes");
    if (rc < 0) {
        return rc;
    }
    assert(rc == 1);
    *out = (uint64_t)sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return 0;
}

/* Copies what is alive in a segment to the merging one, as far as the batch has
 * room: a later look does the rest. */
static int move_out(struct reclaim *reclaim, uint64_t id)
{
    struct run *run = reclaim->run;
    sqlite3_stmt *statement = reclaim->extents_of_segment;
    int rc = db_begin(&reclaim->reader);
    if (rc < 0) {
        return rc;
    }
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)id);
    while ((rc = db_row(&reclaim->reader, statement, "look for extents")) ==
           1) {
        struct extent_row row;
        uint64_t body = (uint64_t)sqlite3_column_int64(statement, 7);
        tree_extent_columns(statement, &row);
        if (run_add(run, body, &row)) {
            continue;
        }
        rc = run_write(reclaim, run);
        if (rc < 0 || batch_is_full(reclaim->building) ||
            reclaim_is_stopping(reclaim)) {
            break;
        }
        run_add(run, body, &row);
    }
    sqlite3_reset(statement);
    if (rc == 0 && run->count > 0) {
        rc = run_write(reclaim, run);
    }
    run->count = 0;
    run->size = 0;
    int end = db_rollback(&reclaim->reader);
    return rc < 0 ? rc : end;
}

static int unlink_dead(struct reclaim *reclaim, struct look *look)
{
    if (look->dead_count > 0 && segments_pinned(reclaim->segments)) {
        reclaim->left_over += look->dead_count; /* look again, later */
        look->dead_count = 0;
    }
    if (look->dead_count == 0) {
        return 0;
    }
    /* Neither database must come back as it was when it referred to them. */
    int rc = reclaim_sync_log(reclaim);
    if (rc == 0) {
        rc = reclaim_sync_tree(reclaim);
    }
    for (uint32_t i = 0; rc >= 0 && i < look->dead_count; i++) {
        rc = segments_remove(reclaim->segments, look->dead[i]);
    }
    if (rc < 0) {
        return rc;
    }
    pthread_mutex_lock(&reclaim->lock);
    reclaim->status.segments_removed += look->dead_count;
    reclaim->status.bytes_reclaimed += look->dead_bytes;
    pthread_mutex_unlock(&reclaim->lock);
    return 0;
}

/* What is to be done about one segment, known not to be in the log. */
static int judge(struct reclaim *reclaim, struct look *look,
                 const struct closed *segment)
{
    uint64_t live;
    int rc = count_live(reclaim, segment->id, &live);
    if (rc < 0) {
        return rc;
    }
    if (live == 0) {
        look->dead[look->dead_count++] = segment->id;
        look->dead_bytes += segment->bytes;
    } else if (live < segment->bytes / 4 && !batch_is_full(reclaim->building)) {
        rc = move_out(reclaim, segment->id);
    }
    return rc;
}

/* Asks the loop; true when its answer is there. */
static bool log_was_told(struct reclaim *reclaim, struct look *look)
{
    pthread_mutex_lock(&reclaim->lock);
    bool told = reclaim->places_state == PLACES_TOLD;
    bool ask = reclaim->places_state == PLACES_UNKNOWN;
    if (ask) {
        reclaim->places_state = PLACES_ASKED;
    }
    look->staged_max = reclaim->staged_max;
    pthread_mutex_unlock(&reclaim->lock);
    if (ask) {
        reclaim->wake(reclaim->arg);
    }
    return told;
}

/* Is there a reason to scan again? */
static bool begin_scan(struct reclaim *reclaim)
{
    uint64_t commits = atomic_load(&reclaim->tree->commits);
    if (!reclaim->scanning && commits == reclaim->scan_commits &&
        reclaim->left_over == 0) {
        return false;
    }
    if (!reclaim->scanning) {
        reclaim->scanning = true;
        reclaim->scan_from = 0;
        reclaim->scan_commits = commits;
        reclaim->left_over = 0;
    }
    return true;
}

static void end_slice(struct reclaim *reclaim, const struct look *look)
{
    if (look->more) {
        reclaim->scan_from = look->list[look->count - 1].id + 1;
        return;
    }
    reclaim->scanning = false;
    pthread_mutex_lock(&reclaim->lock);
    reclaim->places_state = PLACES_UNKNOWN; /* the next scan asks anew */
    pthread_mutex_unlock(&reclaim->lock);
}

int reclaim_segments(struct reclaim *reclaim)
{
    struct look look = {.reclaim = reclaim};
    if (!begin_scan(reclaim) || !log_was_told(reclaim, &look)) {
        return 0;
    }
    segments_each(reclaim->segments, take_closed, &look);
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < look.count; i++) {
        if (places_has(&reclaim->places, look.list[i].id)) {
            reclaim->left_over++;
        } else {
            rc = judge(reclaim, &look, &look.list[i]);
        }
    }
    if (rc == 0) {
        rc = unlink_dead(reclaim, &look);
    }
    if (rc < 0) {
        return rc;
    }
    end_slice(reclaim, &look);
    return look.more && look.dead_count > 0;
}
