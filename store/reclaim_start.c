#include "store/reclaim_int.h"

#include "store/error.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void reclaim_options_default(struct reclaim_options *options)
{
    *options = (struct reclaim_options){
        .checkpoint_bytes = 8 * 1024 * 1024,
        .interval_ms = 1000,
        .merge_extents = 16,
    };
}

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
        pthread_create(&reclaim->thread, NULL, reclaim_run, reclaim) != 0) {
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
