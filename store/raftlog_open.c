#include "store/raftlog_int.h"

#include "store/error.h"
#include "store/io.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

static const char schema[] =
    "CREATE TABLE records(idx INTEGER PRIMARY KEY, term INTEGER NOT NULL,"
    " size INTEGER NOT NULL, hash INTEGER NOT NULL, segment INTEGER NOT NULL,"
    " position INTEGER NOT NULL, payload_size INTEGER NOT NULL,"
    " durable INTEGER NOT NULL, chain INTEGER NOT NULL, bytes BLOB NOT NULL);"
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE quarantine(id INTEGER PRIMARY KEY AUTOINCREMENT, idx INTEGER NOT NULL,"
    " term INTEGER NOT NULL, segment INTEGER NOT NULL,"
    " position INTEGER NOT NULL, payload_size INTEGER NOT NULL,"
    " bytes BLOB NOT NULL, cut_ns INTEGER NOT NULL);";

/* --- the lock: one process runs a node --- */

/* A file of its own, so that readers may open the database beside us. The pid
 * in it is for people; the lock is what counts, and dies with its holder. */
static int lock_held(int fd, const char *path)
{
    char pid[24] = "";
    ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);
    long holder = n > 0 ? strtol(pid, NULL, 10) : 0;
    close(fd);
    return holder > 0 ? store_fail(STORE_LOCKED, "%s: in use by process %ld",
                                   path, holder)
                      : store_fail(STORE_LOCKED,
                                   "%s: in use by another process", path);
}

static void write_pid(int fd)
{
    char pid[24];
    struct iovec iov = {.iov_base = pid};
    iov.iov_len = (size_t)snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    if (store_io.ftruncate(fd, 0) == 0) {
        ssize_t n = store_io.pwritev(fd, &iov, 1, 0);
        (void)n; /* for people only */
    }
}

static int lock_log(const char *path, int *out)
{
    char name[4096];
    snprintf(name, sizeof(name), "%s.lock", path);
    int fd = store_io.open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return store_fail_errno(errno, "%s: cannot open", name);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        return lock_held(fd, path);
    }
    write_pid(fd);
    *out = fd;
    return 0;
}

/* --- meta --- */

static const struct {
    const char *key;
    size_t offset;
} meta_keys[] = {
    {"version", offsetof(struct raftlog_meta, version)},
    {"cluster_id", offsetof(struct raftlog_meta, cluster_id)},
    {"node", offsetof(struct raftlog_meta, node)},
    {"term", offsetof(struct raftlog_meta, term)},
    {"vote", offsetof(struct raftlog_meta, vote)},
    {"base_index", offsetof(struct raftlog_meta, base_index)},
    {"base_term", offsetof(struct raftlog_meta, base_term)},
    {"base_chain", offsetof(struct raftlog_meta, base_chain)},
    {"durable", offsetof(struct raftlog_meta, durable)},
    {"standing", offsetof(struct raftlog_meta, standing)},
    {"disk", offsetof(struct raftlog_meta, disk)},
    {"rejoined", offsetof(struct raftlog_meta, rejoined)},
};

static uint64_t *meta_field(struct raftlog_meta *meta, size_t i)
{
    return (uint64_t *)(void *)((char *)meta + meta_keys[i].offset);
}

enum { META_KEYS = sizeof(meta_keys) / sizeof(meta_keys[0]) };

static int get_meta(struct db *db, sqlite3_stmt *statement, const char *key,
                    uint64_t *out)
{
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    int rc = db_row(db, statement, "read meta");
    if (rc == 0) {
        return store_fail(STORE_CORRUPT, "%s: meta %s is missing", db->path,
                          key);
    }
    if (rc < 0) {
        return rc;
    }
    *out = (uint64_t)sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return 0;
}

int raftlog_load_meta(struct db *db, struct raftlog_meta *out)
{
    sqlite3_stmt *statement = NULL;
    int rc = db_prepare(db, "SELECT value FROM meta WHERE key=?1", &statement);
    for (size_t i = 0; rc == 0 && i < META_KEYS; i++) {
        rc = get_meta(db, statement, meta_keys[i].key, meta_field(out, i));
        if (rc == 0 && out->version != RAFTLOG_VERSION) {
            rc = store_fail(STORE_VERSION, "%s: version %" PRIu64 ", want %d",
                            db->path, out->version, RAFTLOG_VERSION);
        }
    }
    sqlite3_finalize(statement);
    return rc;
}

int raftlog_set_meta(struct raftlog *log, const char *key, uint64_t value)
{
    sqlite3_stmt *statement = log->sql[SQL_META];
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)value);
    return db_run(&log->db, statement, "write meta");
}

/* --- create --- */

static int fill_meta(struct db *db, struct raftlog_meta *meta)
{
    sqlite3_stmt *statement = NULL;
    int rc = db_prepare(db, "INSERT INTO meta VALUES(?1,?2)", &statement);
    for (size_t i = 0; rc == 0 && i < META_KEYS; i++) {
        sqlite3_bind_text(statement, 1, meta_keys[i].key, -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 2, (sqlite3_int64)*meta_field(meta, i));
        rc = db_run(db, statement, "write meta");
    }
    sqlite3_finalize(statement);
    return rc;
}

static int refuse_existing(struct db *db)
{
    sqlite3_stmt *statement = NULL;
    int rc = db_prepare(db, "SELECT name FROM sqlite_master", &statement);
    if (rc < 0) {
        return rc;
    }
    rc = db_row(db, statement, "look for tables");
    sqlite3_finalize(statement);
    return rc == 1 ? store_fail(STORE_EXISTS, "%s: there is a log already",
                                db->path)
                   : rc;
}

static int write_schema(struct db *db, struct raftlog_meta *meta)
{
    char sql[64];
    snprintf(sql, sizeof(sql), "PRAGMA application_id=%d",
             RAFTLOG_APPLICATION_ID);
    int rc = db_exec(db, sql);
    if (rc == 0) {
        rc = db_exec(db, schema);
    }
    return rc < 0 ? rc : fill_meta(db, meta);
}

static int sync_wal(struct db *db)
{
    int fd = db_wal_fd(db);
    if (fd < 0) {
        return STORE_IO;
    }
    return store_io.fdatasync(fd) < 0
               ? store_fail_errno(errno, "%s: cannot sync", db->path)
               : 0;
}

/* In one transaction, so that a crash leaves a log or nothing of it. */
static int fill_database(struct db *db, struct raftlog_meta *meta)
{
    int rc = refuse_existing(db);
    if (rc == 0) {
        rc = db_begin(db);
    }
    if (rc < 0) {
        return rc;
    }
    rc = write_schema(db, meta);
    if (rc == 0) {
        rc = db_commit(db);
    }
    if (rc < 0) {
        db_rollback(db);
        return rc;
    }
    rc = sync_wal(db);
    return rc < 0 ? rc : store_sync_directory_of(db->path);
}

static int create(const char *path, uint64_t cluster_id, uint64_t node,
                  bool again, enum log_standing standing)
{
    struct raftlog_meta meta = {.version = RAFTLOG_VERSION,
                                .cluster_id = cluster_id,
                                .node = node,
                                .standing = standing,
                                .rejoined = again};
    if (getrandom(&meta.disk, sizeof(meta.disk), 0) !=
        (ssize_t)sizeof(meta.disk)) {
        return store_fail_errno(errno, "no random number");
    }
    struct db db = {.wal_fd = -1};
    int lock_fd = -1;
    int rc = lock_log(path, &lock_fd);
    if (rc < 0) {
        return rc;
    }
    rc = db_open(path, DB_READ_WRITE, &db);
    if (rc == 0) {
        rc = fill_database(&db, &meta);
    }
    db_close(&db);
    close(lock_fd);
    return rc;
}

int raftlog_create(const char *path, uint64_t cluster_id, uint64_t node)
{
    return create(path, cluster_id, node, false, LOG_NEW);
}

int raftlog_create_again(const char *path, uint64_t cluster_id, uint64_t node,
                         enum log_standing standing)
{
    return create(path, cluster_id, node, true, standing);
}

/* --- open and close --- */

static int prepare_all(struct raftlog *log)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < SQL_COUNT; i++) {
        rc = db_prepare(&log->db, raftlog_sql_text[i], &log->sql[i]);
    }
    return rc;
}

static int open_database(struct raftlog *log, const char *path)
{
    /* Opening would make an empty one. */
    if (access(path, F_OK) < 0) {
        return store_fail_errno(errno, "%s: cannot open", path);
    }
    int rc = lock_log(path, &log->lock_fd);
    if (rc == 0) {
        rc = db_open(path, DB_READ_WRITE, &log->db);
    }
    if (rc == 0) {
        rc = raftlog_load_meta(&log->db, &log->meta);
    }
    return rc < 0 ? rc : prepare_all(log);
}

static void release(struct raftlog *log)
{
    for (int i = 0; i < SQL_COUNT; i++) {
        sqlite3_finalize(log->sql[i]);
    }
    db_close(&log->db);
    if (log->lock_fd >= 0) {
        close(log->lock_fd);
    }
    place_uses_release(&log->uses);
    place_uses_release(&log->dropped);
    blob_release(&log->row);
    free(log);
}

/* Whatever is found is made durable, so that the node may say so. */
static int sync_found(struct raftlog *log)
{
    int rc = db_settle(&log->db);
    if (rc == 0) {
        log->durable = log->last;
    }
    return rc;
}

int raftlog_open(const char *path, struct segments *segments,
                 struct raftlog **out, struct log_head *head)
{
    struct raftlog *log = calloc(1, sizeof(*log));
    assert(log != NULL);
    log->lock_fd = -1;
    log->db.wal_fd = -1;
    log->inspecting = segments == NULL;
    *head = (struct log_head){0};
    int rc = open_database(log, path);
    if (rc == 0) {
        rc = raftlog_recover(log, segments, head);
    }
    if (rc == 0 && !log->inspecting) {
        rc = sync_found(log);
    }
    if (rc < 0) {
        free(head->terms);
        free(head->sizes);
        *head = (struct log_head){0};
        release(log);
        return rc;
    }
    head->durable_mark = log->durable;
    *out = log;
    return 0;
}

/* The mark is saved, so that damage found at the next start is told from a torn
 * tail. If that fails, only this is lost. */
static void save_durable(struct raftlog *log)
{
    if (log->inspecting || log->durable == log->meta.durable ||
        db_begin(&log->db) < 0) {
        return;
    }
    if (raftlog_set_meta(log, "durable", log->durable) < 0 ||
        db_commit(&log->db) < 0) {
        db_rollback(&log->db);
    }
}

void raftlog_close(struct raftlog *log)
{
    if (log == NULL) {
        return;
    }
    save_durable(log);
    release(log);
}
