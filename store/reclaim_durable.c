#include "store/reclaim_int.h"

#include "store/error.h"
#include "store/io.h"

#include <errno.h>
#include <string.h>

int reclaim_sync_tree(struct reclaim *reclaim)
{
    uint64_t commits = atomic_load(&reclaim->tree->commits);
    if (commits == reclaim->synced_commits) {
        return 0;
    }
    /* Stored before `commits` grew, so at least as new as it says. And what was
     * committed after this is not covered. */
    uint64_t applied = atomic_load(&reclaim->tree->committed);
    if (store_io.fdatasync(reclaim->wal_fds[WAL_TREE]) < 0) {
        return store_fail_errno(errno, "%s: cannot sync the WAL",
                                reclaim->tree->db.path);
    }
    reclaim->synced_commits = commits;
    pthread_mutex_lock(&reclaim->lock);
    if (applied > reclaim->durable) {
        reclaim->durable = applied;
    }
    pthread_mutex_unlock(&reclaim->lock);
    return 1;
}

int reclaim_sync_log(struct reclaim *reclaim)
{
    if (store_io.fdatasync(reclaim->wal_fds[WAL_LOG]) < 0) {
        return store_fail_errno(errno, "%s: cannot sync the WAL",
                                reclaim->checkpointers[WAL_LOG].path);
    }
    return 0;
}

struct wal_look {
    uint64_t bytes;   /* of all frames in use */
    uint64_t pending; /* of those not in the database file yet */
};

/* SQLite has no call that tells the size of a WAL without moving it, but its
 * index in shared memory begins with these numbers (sqlite.org/walformat.html,
 * 2.1 and 2.2). They may change as we look: an estimate is enough. */
static int look_at_wal(struct db *db, struct wal_look *out)
{
    enum { INDEX_REGION = 32768, FRAMES_AT = 16, BACKFILLED_AT = 96 };
    sqlite3_file *file = NULL;
    volatile void *region = NULL;
    *out = (struct wal_look){0};
    int rc = sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_FILE_POINTER,
                                  &file);
    if (rc == SQLITE_OK) {
        rc = file->pMethods->xShmMap(file, 0, INDEX_REGION, 0, &region);
    }
    if (rc != SQLITE_OK) {
        return db_fail(db, rc, "look at the WAL");
    }
    if (region == NULL) {
        return 0; /* nothing was written yet */
    }
    const volatile uint32_t *words = region;
    uint64_t frames = words[FRAMES_AT / 4];
    uint64_t backfilled = words[BACKFILLED_AT / 4];
    out->bytes = frames * RECLAIM_FRAME;
    out->pending =
        frames > backfilled ? (frames - backfilled) * RECLAIM_FRAME : 0;
    return 0;
}

int reclaim_checkpoint(struct reclaim *reclaim, enum reclaim_wal which)
{
    struct db *db = &reclaim->checkpointers[which];
    struct wal_look wal;
    int rc = look_at_wal(db, &wal);
    if (rc < 0 || wal.pending < reclaim->options.checkpoint_bytes) {
        return rc;
    }
    rc = db_checkpoint(db);
    if (rc == STORE_LOCKED || rc == STORE_FULL ||
        reclaim_is_stopping(reclaim)) {
        /* The loop does it just now; or unlinking may make room; or it was
         * interrupted. */
        return 0;
    }
    if (rc == 0) {
        rc = look_at_wal(db, &wal);
    }
    if (rc < 0) {
        return rc;
    }
    pthread_mutex_lock(&reclaim->lock);
    reclaim->status.checkpoints++;
    /* A WAL starts over only when nothing is pending where a change begins.
     * Under load there always is, if only what the loop is about to commit: so
     * the loop does the rest. */
    if (wal.bytes > 2 * (uint64_t)reclaim->options.checkpoint_bytes) {
        reclaim->finish[which] = true;
    }
    pthread_mutex_unlock(&reclaim->lock);
    return 1;
}

int reclaim_finish(struct reclaim *reclaim)
{
    bool finish[WALS];
    pthread_mutex_lock(&reclaim->lock);
    memcpy(finish, reclaim->finish, sizeof(finish));
    memset(reclaim->finish, 0, sizeof(reclaim->finish));
    pthread_mutex_unlock(&reclaim->lock);
    for (int i = 0; i < WALS; i++) {
        int rc = finish[i] ? db_checkpoint(&reclaim->finishers[i]) : 0;
        if (rc < 0 && rc != STORE_LOCKED && rc != STORE_FULL) {
            return rc;
        }
    }
    return 0;
}
