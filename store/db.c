#include "store/db.h"

#include "store/error.h"
#include "store/io.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    /* Only another process's reader or a recovery can hold us up: briefly. */
    BUSY_TIMEOUT_MS = 5000,
};

/* A cache of 16 MiB holds the inner pages of a tree of some million names.
 * cell_size_check finds damaged pages before they are walked. */
static const char settings[] = "PRAGMA synchronous=NORMAL;"
                               "PRAGMA wal_autocheckpoint=0;"
                               "PRAGMA mmap_size=0;"
                               "PRAGMA cache_size=-16384;"
                               "PRAGMA temp_store=MEMORY;"
                               "PRAGMA foreign_keys=OFF;"
                               "PRAGMA cell_size_check=ON;";

static int code_of_sqlite(sqlite3 *handle, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return STORE_FULL;
    case SQLITE_IOERR:
        /* SQLite calls a full disk an I/O error when it extends the shared
         * memory file. */
        return store_code_of_errno(sqlite3_system_errno(handle)) == STORE_FULL
                   ? STORE_FULL
                   : STORE_IO;
    case SQLITE_CANTOPEN:
        return store_code_of_errno(sqlite3_system_errno(handle));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR: /* our SQL is fixed: a table or column is missing */
    case SQLITE_SCHEMA:
    case SQLITE_MISMATCH:
        return STORE_CORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return STORE_LOCKED;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
        return STORE_ACCESS;
    case SQLITE_CONSTRAINT:
        return STORE_EXISTS;
    case SQLITE_TOOBIG:
        return STORE_INVALID;
    default:
        return STORE_IO;
    }
}

int db_fail(struct db *db, int rc, const char *what)
{
    assert(rc != SQLITE_OK && rc != SQLITE_ROW && rc != SQLITE_DONE);
    if ((rc & 0xff) == SQLITE_NOMEM) {
        fprintf(stderr, "out of memory in %s\n", what);
        abort();
    }
    return store_fail(code_of_sqlite(db->handle, rc), "%s: %s: %s (%d)",
                      db->path, what, sqlite3_errmsg(db->handle), rc);
}

int db_exec(struct db *db, const char *sql)
{
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : db_fail(db, rc, sql);
}

int db_prepare(struct db *db, const char *sql, sqlite3_stmt **out)
{
    int rc = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                out, NULL);
    return rc == SQLITE_OK ? 0 : db_fail(db, rc, sql);
}

int db_run(struct db *db, sqlite3_stmt *statement, const char *what)
{
    int rc = sqlite3_step(statement);
    assert(rc != SQLITE_ROW);
    rc = rc == SQLITE_DONE ? 0 : db_fail(db, rc, what);
    sqlite3_reset(statement);
    return rc;
}

int db_row(struct db *db, sqlite3_stmt *statement, const char *what)
{
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        return 1;
    }
    rc = rc == SQLITE_DONE ? 0 : db_fail(db, rc, what);
    sqlite3_reset(statement);
    return rc;
}

/* A statement that fails may have rolled the whole transaction back. */
static void note_transaction(struct db *db)
{
    db->in_transaction = sqlite3_get_autocommit(db->handle) == 0;
}

int db_begin(struct db *db)
{
    assert(!db->in_transaction);
    int rc = db_run(db, db->begin, "begin");
    note_transaction(db);
    return rc;
}

int db_commit(struct db *db)
{
    assert(db->in_transaction);
    int rc = db_run(db, db->commit, "commit");
    note_transaction(db);
    return rc;
}

int db_rollback(struct db *db)
{
    int rc = 0;
    note_transaction(db);
    if (db->in_transaction) {
        rc = db_run(db, db->rollback, "rollback");
    }
    note_transaction(db);
    return rc;
}

/* Statement by statement, since each has its own way to fail. */
static int set_up_wal(struct db *db)
{
    sqlite3_stmt *statement = NULL;
    int rc = db_exec(db, "PRAGMA page_size=4096; PRAGMA auto_vacuum=NONE");
    if (rc < 0) {
        return rc;
    }
    rc = db_prepare(db, "PRAGMA journal_mode=WAL", &statement);
    if (rc < 0) {
        return rc;
    }
    rc = db_row(db, statement, "journal_mode");
    if (rc == 1) {
        const unsigned char *mode = sqlite3_column_text(statement, 0);
        rc = mode != NULL && strcmp((const char *)mode, "wal") == 0
                 ? 0
                 : store_fail(STORE_IO, "%s: cannot use a WAL", db->path);
    }
    sqlite3_finalize(statement);
    return rc;
}

static int configure(struct db *db, enum db_mode mode)
{
    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    int rc = mode == DB_READ_WRITE ? set_up_wal(db) : 0;
    if (rc < 0) {
        return rc;
    }
    rc = db_exec(db, settings);
    if (rc < 0) {
        return rc;
    }
    /* The last connection to close must not remove the WAL file: it is reused,
     * and db_wal_fd()'s descriptor stays the live file. */
    int persist = 1;
    int sq = sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_PERSIST_WAL,
                                  &persist);
    if (sq != SQLITE_OK) {
        return db_fail(db, sq, "persist WAL");
    }
    /* A write transaction takes its lock first, not in the middle. */
    rc = db_prepare(db, mode == DB_READ_WRITE ? "BEGIN IMMEDIATE" : "BEGIN",
                    &db->begin);
    if (rc == 0) {
        rc = db_prepare(db, "COMMIT", &db->commit);
    }
    return rc < 0 ? rc : db_prepare(db, "ROLLBACK", &db->rollback);
}

int db_open(const char *path, enum db_mode mode, struct db *out)
{
    struct db db = {.wal_fd = -1, .path = strdup(path)};
    assert(db.path != NULL);
    int flags = mode == DB_READ_WRITE
                    ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                    : SQLITE_OPEN_READONLY;
    int rc = 0;
    int sq = sqlite3_open_v2(
        path, &db.handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
        NULL);
    if (sq != SQLITE_OK) {
        rc = db_fail(&db, sq, "open");
    } else {
        /* SQLite would checkpoint when the last connection closes, also when a sync
         * of the WAL had failed: the next one succeeds, for what was lost counts as
         * written, and pages go to the file whose WAL a loss of power takes. */
        sqlite3_db_config(db.handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
                          (int *)NULL);
        rc = configure(&db, mode);
    }
    if (rc < 0) {
        db_close(&db);
        return rc;
    }
    *out = db;
    return 0;
}

void db_close(struct db *db)
{
    if (db->handle == NULL) {
        free(db->path);
        *db = (struct db){.wal_fd = -1};
        return;
    }
    sqlite3_finalize(db->begin);
    sqlite3_finalize(db->commit);
    sqlite3_finalize(db->rollback);
    int rc = sqlite3_close(db->handle);
    assert(rc != SQLITE_BUSY); /* a statement was not finalized */
    if (db->wal_fd >= 0) {
        close(db->wal_fd);
    }
    free(db->path);
    *db = (struct db){.wal_fd = -1};
}

int db_wal_fd(struct db *db)
{
    if (db->wal_fd >= 0) {
        return db->wal_fd;
    }
    /* Reading anything makes SQLite open, and if need be create, the WAL. */
    int rc = db_exec(db, "SELECT count(*) FROM sqlite_master");
    if (rc < 0) {
        return -1;
    }
    char *name = sqlite3_mprintf("%s-wal", db->path);
    assert(name != NULL);
    db->wal_fd = open(name, O_RDONLY | O_CLOEXEC);
    if (db->wal_fd < 0) {
        store_fail_errno(errno, "%s: cannot open", name);
    }
    sqlite3_free(name);
    return db->wal_fd;
}

static int write_zeros(int fd, uint64_t from, uint64_t to)
{
    static const uint8_t zeros[64 * 1024];
    while (from < to) {
        size_t size = to - from < sizeof(zeros) ? to - from : sizeof(zeros);
        ssize_t wrote = pwrite(fd, zeros, size, (off_t)from);
        if (wrote < 0) {
            return errno == ENOSPC || errno == EDQUOT ? 0 : -1;
        }
        from += (uint64_t)wrote;
    }
    return fdatasync(fd);
}

int db_extend_wal(struct db *db, uint64_t size)
{
    struct stat st;
    if (db_wal_fd(db) < 0) {
        return STORE_IO;
    }
    char *name = sqlite3_mprintf("%s-wal", db->path);
    assert(name != NULL);
    int rc = 0;
    int fd = open(name, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 ||
        write_zeros(fd, (uint64_t)st.st_size, size) < 0) {
        rc = store_fail_errno(errno, "%s: cannot make room", name);
    }
    if (fd >= 0) {
        close(fd);
    }
    sqlite3_free(name);
    return rc;
}

int db_settle(struct db *db)
{
    if (db_wal_fd(db) < 0) { /* makes it, if need be */
        return STORE_IO;
    }
    char *name = sqlite3_mprintf("%s-wal", db->path);
    assert(name != NULL);
    int rc = store_rewrite(name, 0);
    sqlite3_free(name);
    return rc;
}

int db_checkpoint(struct db *db)
{
    int rc = sqlite3_wal_checkpoint_v2(db->handle, "main",
                                       SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return rc == SQLITE_OK ? 0 : db_fail(db, rc, "checkpoint");
}
