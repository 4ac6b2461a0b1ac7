#include "store/image_int.h"

#include "store/error.h"
#include "store/inspect.h"
#include "store/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { COPY_PAGES = 1024 }; /* between two looks at stop */

void image_path(const char *datadir, const char *name, char out[4096])
{
    snprintf(out, 4096, "%s/%s", datadir, name);
}

static int unlink_one(const char *path)
{
    if (store_io.unlink(path) < 0 && errno != ENOENT) {
        return store_fail_errno(errno, "%s: cannot remove", path);
    }
    return 0;
}

static int unlink_wal(const char *path)
{
    static const char *const ends[] = {"-wal", "-shm", "-journal"};
    char name[4112];
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof(ends) / sizeof(ends[0]); i++) {
        snprintf(name, sizeof(name), "%s%s", path, ends[i]);
        rc = unlink_one(name);
    }
    return rc;
}

int image_unlink(const char *path)
{
    /* The WAL belongs to the database and would be taken for that of the next
     * one: it goes first. */
    int rc = unlink_wal(path);
    return rc < 0 ? rc : unlink_one(path);
}

/* --- copying --- */

static int open_copy(const char *path, sqlite3 **out)
{
    sqlite3 *copy = NULL;
    int sq = sqlite3_open_v2(path, &copy,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                                 SQLITE_OPEN_NOMUTEX,
                             NULL);
    if (sq == SQLITE_OK) {
        /* Nobody relies on it after a crash. */
        sq = sqlite3_exec(copy,
                          "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF",
                          NULL, NULL, NULL);
    }
    if (sq != SQLITE_OK) {
        int rc = store_fail(STORE_IO, "%s: %s", path, sqlite3_errmsg(copy));
        sqlite3_close(copy);
        return rc;
    }
    *out = copy;
    return 0;
}

static int copy_pages(struct db *from, sqlite3 *copy, const atomic_bool *stop)
{
    sqlite3_backup *backup =
        sqlite3_backup_init(copy, "main", from->handle, "main");
    if (backup == NULL) {
        return store_fail(STORE_IO, "copy of %s: %s", from->path,
                          sqlite3_errmsg(copy));
    }
    int sq = SQLITE_OK;
    while (sq == SQLITE_OK && (stop == NULL || !atomic_load(stop))) {
        sq = sqlite3_backup_step(backup, COPY_PAGES);
    }
    sqlite3_backup_finish(backup);
    if (sq == SQLITE_OK) {
        return store_fail(STORE_LOCKED, "copy of %s: stopped", from->path);
    }
    if (sq != SQLITE_DONE) {
        int code = (sq & 0xff) == SQLITE_FULL      ? STORE_FULL
                   : (sq & 0xff) == SQLITE_CORRUPT ? STORE_CORRUPT
                                                   : STORE_IO;
        return store_fail(code, "copy of %s: %s", from->path,
                          sqlite3_errstr(sq));
    }
    return 0;
}

int image_copy(const char *from, const char *to, const atomic_bool *stop)
{
    struct db source = {.wal_fd = -1};
    sqlite3 *copy = NULL;
    int rc = image_unlink(to);
    if (rc == 0) {
        rc = db_open(from, DB_READ_ONLY, &source);
    }
    if (rc == 0) {
        rc = open_copy(to, &copy);
    }
    if (rc == 0) {
        /* One read transaction over all steps: else each commit of the node
         * would make the copy start again. */
        rc = db_begin(&source);
    }
    if (rc == 0) {
        rc = db_exec(&source, "SELECT applied FROM meta");
    }
    if (rc == 0) {
        rc = copy_pages(&source, copy, stop);
    }
    if (source.handle != NULL) {
        db_rollback(&source);
    }
    db_close(&source);
    sqlite3_close(copy);
    return rc;
}

/* --- the last renames --- */

static int put_in_place(const char *datadir, const char *ready)
{
    char tree[4096];
    image_path(datadir, "tree.db", tree);
    int rc = image_unlink(tree);
    if (rc == 0 && rename(ready, tree) < 0) {
        rc = store_fail_errno(errno, "%s: cannot rename", ready);
    }
    return rc < 0 ? rc : store_sync_directory(datadir);
}

/* -1: there is none, or it cannot be read. */
static int64_t applied_of(const char *path)
{
    struct inspect_results look;
    uint64_t applied = 0;
    if (access(path, F_OK) < 0 || inspect_results_open(path, &look) < 0) {
        return -1;
    }
    int rc = inspect_results_applied(&look, &applied);
    inspect_results_close(&look);
    return rc < 0 ? -1 : (int64_t)applied;
}

int image_settle(const char *datadir)
{
    char tree[4096];
    char path[4096];
    image_path(datadir, "tree.view.db", path);
    int rc = image_unlink(path);
    image_path(datadir, "tree.ready.db", path);
    if (rc < 0 || access(path, F_OK) < 0) {
        return rc;
    }
    image_path(datadir, "tree.db", tree);
    if (applied_of(path) <= applied_of(tree)) {
        return image_unlink(path); /* the log was faster */
    }
    /* Complete and durable since it has that name. From here on the old tree is
     * of no use any more. */
    rc = put_in_place(datadir, path);
    return rc < 0 ? rc : 1;
}

int image_installed(struct tree *tree)
{
    sqlite3_stmt *statement = NULL;
    int rc = db_prepare(&tree->db,
                        "SELECT 1 FROM sqlite_master WHERE name='installed'",
                        &statement);
    if (rc == 0) {
        rc = db_row(&tree->db, statement, "look whether it is new");
    }
    sqlite3_finalize(statement);
    return rc;
}

int image_installed_done(struct tree *tree)
{
    int rc = tree_begin(tree);
    return rc < 0 ? rc : db_exec(&tree->db, "DROP TABLE IF EXISTS installed");
}
