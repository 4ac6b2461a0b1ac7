#include "store/reclaim_int.h"

#include "store/error.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void reclaim_options_default(struct reclaim_options *options)
{
    *options = (struct reclaim_options){
        .checkpoint_bytes = 8 * 1024 * 1024,
        .interval_ms = 1000,
        .merge_extents = 16,
    };
}

/* --- sets of segments --- */

bool places_has(const struct places *places, uint64_t id)
{
    for (size_t i = places->count; i > 0; i--) {
        if (places->ids[i - 1] == id) {
            return true;
        }
    }
    return false;
}

void places_add(struct places *places, uint64_t id)
{
    if (places_has(places, id)) {
        return;
    }
    if (places->count == places->capacity) {
        places->capacity = places->capacity * 2 + 16;
        places->ids =
            realloc(places->ids, places->capacity * sizeof(*places->ids));
        assert(places->ids != NULL);
    }
    places->ids[places->count++] = id;
}

/* --- the thread --- */

bool reclaim_is_stopping(struct reclaim *reclaim)
{
    pthread_mutex_lock(&reclaim->lock);
    bool stopping = reclaim->stopping;
    pthread_mutex_unlock(&reclaim->lock);
    return stopping;
}

/* May segments be judged? Not while a swap waits, or its commit does. */
static bool swaps_are_done(struct reclaim *reclaim)
{
    pthread_mutex_lock(&reclaim->lock);
    bool done =
        reclaim->offered == NULL &&
        atomic_load(&reclaim->tree->commits) >= reclaim->offered_commits;
    pthread_mutex_unlock(&reclaim->lock);
    return done;
}

/* Merges, moves, unlinks; 1: again at once, 0: wait. */
static int tidy(struct reclaim *reclaim)
{
    reclaim_take_touched(reclaim);
    if (!swaps_are_done(reclaim)) {
        return 0;
    }
    reclaim->building->no_room = false;
    int rc = reclaim_merge(reclaim);
    int more = rc < 0 ? rc : reclaim_segments(reclaim);
    if (more < 0) {
        return more;
    }
    rc = reclaim_offer(reclaim);
    if (rc == 1) {
        reclaim->wake(reclaim->arg);
        return 0; /* the loop pokes us when it has taken all */
    }
    return rc < 0 ? rc : more;
}

static int look(struct reclaim *reclaim)
{
    int news = reclaim_sync_tree(reclaim);
    for (int i = 0; news >= 0 && i < WALS; i++) {
        int rc = reclaim_checkpoint(reclaim, i);
        news = rc < 0 ? rc : news | rc;
    }
    if (news < 0) {
        return news;
    }
    if (news > 0) {
        reclaim->wake(reclaim->arg);
    }
    return reclaim_is_stopping(reclaim) ? 0 : tidy(reclaim);
}

static void wait_for_work(struct reclaim *reclaim)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns =
        (uint64_t)until.tv_nsec + reclaim->options.interval_ms * 1000000ull;
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    pthread_mutex_lock(&reclaim->lock);
    int rc = 0;
    while (!reclaim->stopping && !reclaim->poked && rc != ETIMEDOUT) {
        rc = pthread_cond_timedwait(&reclaim->poke, &reclaim->lock, &until);
    }
    reclaim->poked = false;
    pthread_mutex_unlock(&reclaim->lock);
}

static void *run_thread(void *arg)
{
    struct reclaim *reclaim = arg;
    while (!reclaim_is_stopping(reclaim)) {
        int rc = look(reclaim);
        if (rc < 0) {
            pthread_mutex_lock(&reclaim->lock);
            reclaim->failed = rc;
            snprintf(reclaim->why, sizeof(reclaim->why), "%s",
                     store_error_text());
            pthread_mutex_unlock(&reclaim->lock);
            reclaim->wake(reclaim->arg);
            return NULL;
        }
        if (rc == 0) {
            wait_for_work(reclaim);
        }
    }
    return NULL;
}

/* --- the loop's side --- */

static void poke(struct reclaim *reclaim)
{
    pthread_mutex_lock(&reclaim->lock);
    reclaim->poked = true;
    pthread_cond_signal(&reclaim->poke);
    pthread_mutex_unlock(&reclaim->lock);
}

void reclaim_touched(struct reclaim *reclaim, uint64_t body)
{
    pthread_mutex_lock(&reclaim->lock);
    uint32_t at = reclaim->touched_count; /* search the latest first */
    while (at > 0 && reclaim->touched[at - 1].body != body) {
        at--;
    }
    if (at > 0) {
        reclaim->touched[at - 1].count++;
    } else if (reclaim->touched_count < RECLAIM_TOUCHED_MAX) {
        reclaim->touched[reclaim->touched_count++] =
            (struct touch){.body = body, .count = 1};
    }
    pthread_mutex_unlock(&reclaim->lock);
}

static int take_swap(struct reclaim *reclaim, const struct swap *swap)
{
    int rc = tree_begin(reclaim->tree);
    if (rc == 0) {
        rc = tree_swap(reclaim->tree, swap->body, swap->old, swap->count,
                       &swap->merged);
    }
    if (rc < 0) {
        return rc;
    }
    pthread_mutex_lock(&reclaim->lock);
    if (rc == 1) {
        reclaim->status.merges++;
        reclaim->status.extents_merged += swap->count;
    } else {
        reclaim->status.swaps_refused++;
    }
    pthread_mutex_unlock(&reclaim->lock);
    return 0;
}

/* Swaps up to a slice of extents: 1 more are left, 0 done. */
static int take_batch(struct reclaim *reclaim)
{
    pthread_mutex_lock(&reclaim->lock);
    struct batch *batch = reclaim->offered;
    pthread_mutex_unlock(&reclaim->lock);
    if (batch == NULL) {
        return 0;
    }
    uint32_t rows = 0;
    while (batch->taken < batch->count && rows < RECLAIM_RUN_ROWS) {
        const struct swap *swap = &batch->swaps[batch->taken];
        int rc = take_swap(reclaim, swap);
        if (rc < 0) {
            return rc;
        }
        rows += swap->count;
        batch->taken++;
    }
    if (batch->taken < batch->count) {
        return 1;
    }
    pthread_mutex_lock(&reclaim->lock);
    reclaim->offered = NULL;
    reclaim->offered_commits = atomic_load(&reclaim->tree->commits) + 1;
    pthread_mutex_unlock(&reclaim->lock);
    batch_free(batch);
    return 0;
}

static void tell_place(void *arg, uint64_t segment, uint64_t bytes)
{
    struct reclaim *reclaim = arg;
    (void)bytes;
    places_add(&reclaim->places, segment);
    if (segment > reclaim->staged_max) {
        reclaim->staged_max = segment;
    }
}

/* Answers which segments the log refers to, if that was asked. */
static int tell_places(struct reclaim *reclaim)
{
    int rc = 0;
    pthread_mutex_lock(&reclaim->lock);
    bool asked = reclaim->places_state == PLACES_ASKED;
    if (asked) {
        reclaim->places.count = 0;
        rc = raftlog_places(reclaim->log, tell_place, reclaim);
        reclaim->places_state = PLACES_TOLD;
    }
    pthread_mutex_unlock(&reclaim->lock);
    if (asked) {
        poke(reclaim);
    }
    return rc;
}

static int take_slice(struct reclaim *reclaim)
{
    bool own = !reclaim->tree->db.in_transaction;
    int more = take_batch(reclaim);
    if (more < 0) {
        return more;
    }
    int purge = tree_purge_step(reclaim->tree, RECLAIM_PURGE_ROWS);
    if (purge < 0) {
        return purge;
    }
    int rc = own ? tree_commit(reclaim->tree) : 0;
    if (rc == 0 && own) {
        rc = reclaim_finish(reclaim);
    }
    return rc < 0 ? rc : more | purge;
}

int reclaim_step(struct reclaim *reclaim, uint64_t *durable)
{
    pthread_mutex_lock(&reclaim->lock);
    int failed = reclaim->failed;
    bool had_batch = reclaim->offered != NULL;
    if (reclaim->durable > *durable) {
        *durable = reclaim->durable;
    }
    pthread_mutex_unlock(&reclaim->lock);
    if (failed < 0) {
        return store_fail(failed, "background: %s", reclaim->why);
    }
    int more = take_slice(reclaim);
    if (more < 0) {
        return more;
    }
    int rc = tell_places(reclaim);
    pthread_mutex_lock(&reclaim->lock);
    bool has_batch = reclaim->offered != NULL;
    pthread_mutex_unlock(&reclaim->lock);
    if (had_batch && !has_batch) {
        poke(reclaim); /* it waits with the next for this one's end */
    }
    return rc < 0 ? rc : more;
}

void reclaim_get_status(struct reclaim *reclaim, struct reclaim_status *out)
{
    pthread_mutex_lock(&reclaim->lock);
    *out = reclaim->status;
    pthread_mutex_unlock(&reclaim->lock);
    out->segment_bytes = segments_bytes(reclaim->segments);
}

/* --- start and stop --- */

/* Segments come in order of id: what comes before the first that is being
 * written to was closed. */
struct closed_note {
    uint64_t after_last;
    bool stopped;
};

static void note_closed(void *arg, uint64_t id, uint64_t bytes, bool writing)
{
    struct closed_note *note = arg;
    (void)bytes;
    note->stopped = note->stopped || writing;
    if (!note->stopped) {
        note->after_last = id + 1;
    }
}

static int open_files(struct reclaim *reclaim, const char *datadir)
{
    static const char *const names[WALS] = {"log.db", "tree.db"};
    char path[4096];
    int rc = 0;
    for (int i = 0; rc == 0 && i < WALS; i++) {
        int size = snprintf(path, sizeof(path), "%s/%s", datadir, names[i]);
        if (size >= (int)sizeof(path)) {
            return store_fail(STORE_INVALID, "path too long: %s", datadir);
        }
        rc = db_open(path, DB_READ_WRITE, &reclaim->checkpointers[i]);
        if (rc == 0 && db_wal_fd(&reclaim->checkpointers[i]) < 0) {
            rc = STORE_IO;
        }
        if (rc == 0) {
            rc = db_open(path, DB_READ_WRITE, &reclaim->finishers[i]);
        }
    }
    if (rc == 0) {
        rc = db_open(reclaim->tree->db.path, DB_READ_ONLY, &reclaim->reader);
    }
    return rc;
}

#define ROW "offset, size, segment, position, skip, payload, bytes"

static int prepare(struct reclaim *reclaim)
{
    int rc = db_prepare(&reclaim->reader,
                        "SELECT " ROW " FROM extents"
                        " WHERE body=?1 AND offset>=?2 ORDER BY offset",
                        &reclaim->extents_from);
    if (rc == 0) {
        /* What is to be purged goes by itself. */
        rc = db_prepare(&reclaim->reader,
                        "SELECT " ROW ", body FROM extents"
                        " INDEXED BY extents_segment WHERE segment=?1 AND"
                        " segment<>0 AND body NOT IN (SELECT body FROM purge)"
                        " ORDER BY body, offset",
                        &reclaim->extents_of_segment);
    }
    if (rc == 0) {
        rc = db_prepare(&reclaim->reader,
                        "SELECT ifnull(sum(size), 0) FROM extents"
                        " INDEXED BY extents_segment"
                        " WHERE segment=?1 AND segment<>0",
                        &reclaim->live_bytes);
    }
    return rc;
}

static void release(struct reclaim *reclaim)
{
    sqlite3_finalize(reclaim->extents_from);
    sqlite3_finalize(reclaim->extents_of_segment);
    sqlite3_finalize(reclaim->live_bytes);
    db_close(&reclaim->reader);
    for (int i = 0; i < WALS; i++) {
        db_close(&reclaim->checkpointers[i]);
        db_close(&reclaim->finishers[i]);
    }
    segment_writer_close(reclaim->writer);
    batch_free(reclaim->building);
    batch_free(reclaim->offered);
    blob_release(&reclaim->data);
    blob_release(&reclaim->payload);
    free(reclaim->places.ids);
    free(reclaim->merged.ids);
    free(reclaim->candidates);
    free(reclaim->run);
    pthread_cond_destroy(&reclaim->poke);
    pthread_mutex_destroy(&reclaim->lock);
    free(reclaim);
}

static struct reclaim *new_reclaim(void)
{
    struct reclaim *reclaim = calloc(1, sizeof(*reclaim));
    assert(reclaim != NULL);
    reclaim->candidates =
        calloc(RECLAIM_CANDIDATES_MAX, sizeof(*reclaim->candidates));
    reclaim->run = calloc(1, sizeof(*reclaim->run));
    reclaim->building = calloc(1, sizeof(*reclaim->building));
    assert(reclaim->candidates != NULL && reclaim->run != NULL);
    assert(reclaim->building != NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&reclaim->poke, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&reclaim->lock, NULL);
    return reclaim;
}

int reclaim_start(const char *datadir, struct segments *segments,
                  struct raftlog *log, struct tree *tree,
                  const struct reclaim_options *options,
                  void (*wake)(void *arg), void *arg, struct reclaim **out)
{
    struct reclaim *reclaim = new_reclaim();
    reclaim->segments = segments;
    reclaim->log = log;
    reclaim->tree = tree;
    reclaim->options = *options;
    reclaim->wake = wake;
    reclaim->arg = arg;
    reclaim->scan_commits = UINT64_MAX; /* the first scan is due */
    reclaim->synced_commits = UINT64_MAX;
    reclaim->wal_fds[WAL_LOG] = raftlog_wal_fd(log);
    reclaim->wal_fds[WAL_TREE] = tree_wal_fd(tree);
    struct closed_note note = {0};
    segments_each(segments, note_closed, &note);
    reclaim->closed_before = note.after_last;
    int rc = reclaim->wal_fds[WAL_LOG] < 0 || reclaim->wal_fds[WAL_TREE] < 0
                 ? STORE_IO
                 : open_files(reclaim, datadir);
    if (rc == 0) {
        rc = prepare(reclaim);
    }
    if (rc == 0) {
        rc = segment_writer_open(segments, &reclaim->writer);
    }
    if (rc == 0 &&
        pthread_create(&reclaim->thread, NULL, run_thread, reclaim) != 0) {
        rc = store_fail(STORE_IO, "cannot start the background thread");
    }
    if (rc < 0) {
        release(reclaim);
        return rc;
    }
    *out = reclaim;
    return 0;
}

void reclaim_stop(struct reclaim *reclaim)
{
    if (reclaim == NULL) {
        return;
    }
    pthread_mutex_lock(&reclaim->lock);
    reclaim->stopping = true;
    pthread_cond_signal(&reclaim->poke);
    pthread_mutex_unlock(&reclaim->lock);
    for (int i = 0; i < WALS; i++) { /* a long checkpoint */
        sqlite3_interrupt(reclaim->checkpointers[i].handle);
    }
    pthread_join(reclaim->thread, NULL);
    release(reclaim);
}
