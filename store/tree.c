#include "store/tree_int.h"

#include "store/error.h"
#include "store/io.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* --- statements --- */

sqlite3_stmt *tree_bind1(struct tree *tree, enum tree_statement which,
                         uint64_t a)
{
    sqlite3_stmt *statement = tree->statements[which];
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)a);
    return statement;
}

sqlite3_stmt *tree_bind2(struct tree *tree, enum tree_statement which,
                         uint64_t a, uint64_t b)
{
    sqlite3_stmt *statement = tree_bind1(tree, which, a);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)b);
    return statement;
}

void tree_bind_view(sqlite3_stmt *statement, int column, struct view view)
{
    /* A NULL pointer would bind NULL instead of no bytes. */
    sqlite3_bind_blob64(statement, column, view.size > 0 ? view.data : "",
                        view.size, SQLITE_STATIC);
}

uint64_t tree_column(sqlite3_stmt *statement, int column)
{
    return (uint64_t)sqlite3_column_int64(statement, column);
}

struct view tree_column_view(sqlite3_stmt *statement, int column)
{
    const void *data = sqlite3_column_blob(statement, column);
    return (struct view){data, (size_t)sqlite3_column_bytes(statement, column)};
}

int tree_run(struct tree *tree, enum tree_statement which, const char *what)
{
    assert(tree->db.in_transaction);
    int rc = db_run(&tree->db, tree->statements[which], what);
    if (rc < 0) {
        tree->broken = rc;
    }
    return rc;
}

int tree_row(struct tree *tree, enum tree_statement which, const char *what)
{
    /* Beginning and ending a read transaction costs as much as a lookup: it
     * stays open until the next change. It does not hold up a checkpoint, for
     * it sees the last commit. */
    if (!tree->db.in_transaction && !tree->reading) {
        int rc =
            db_run(&tree->db, tree->statements[TREE_READ_BEGIN], "read begin");
        if (rc < 0) {
            return rc;
        }
        tree->reading = true;
    }
    int rc = db_row(&tree->db, tree->statements[which], what);
    if (rc < 0 && tree->db.in_transaction) {
        tree->broken = rc; /* a change that needed this is half done */
    }
    return rc;
}

void tree_digest_move(struct tree *tree, uint64_t old_hash, uint64_t new_hash)
{
    tree->meta.digest += new_hash - old_hash;
}

/* --- create, open, close --- */

static int insert_root(struct db *db, uint64_t cluster_id)
{
    struct inode root = {
        .ino = TREE_ROOT, .mode = S_IFDIR | 0755, .nlink = 2, .parent = 1};
    char sql[512];
    snprintf(sql, sizeof(sql),
             "INSERT INTO inodes VALUES(1, %u, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,"
             " 1, 0, 0, 0);"
             "INSERT INTO meta VALUES(1, %d, %lld, 0, 0, 0, %lld, %d, 3, 1, 1,"
             " 1, 0, 0);",
             root.mode, TREE_FORMAT, (long long)cluster_id,
             (long long)tree_hash_inode(&root), TREE_ROOT + 1);
    return db_exec(db, sql);
}

int tree_create(const char *path, uint64_t cluster_id)
{
    struct stat status;
    if (stat(path, &status) == 0) {
        return store_fail(STORE_EXISTS, "%s: is there already", path);
    }
    struct db db;
    int rc = db_open(path, DB_READ_WRITE, &db);
    if (rc < 0) {
        return rc;
    }
    rc = db_begin(&db);
    if (rc == 0) {
        rc = db_exec(&db, tree_schema);
    }
    if (rc == 0) {
        rc = insert_root(&db, cluster_id);
    }
    if (rc == 0) {
        rc = db_commit(&db);
    }
    if (rc == 0) {
        rc = db_checkpoint(&db); /* durable, with the file's name */
    }
    db_close(&db);
    return rc < 0 ? rc : store_sync_directory_of(path);
}

static int load_meta(struct tree *tree)
{
    sqlite3_stmt *statement = NULL;
    int rc = db_prepare(&tree->db,
                        "SELECT format, cluster_id, applied, term, time_ns,"
                        " digest, next_ino, next_cookie, next_lock,"
                        " next_stamp, inodes, bytes, chain,"
                        " (SELECT count(*) FROM purge),"
                        " (SELECT count(*) FROM locks)"
                        " FROM meta WHERE id=1",
                        &statement);
    if (rc < 0) {
        return rc;
    }
    rc = db_row(&tree->db, statement, "read meta");
    if (rc == 0) {
        rc = store_fail(STORE_CORRUPT, "%s: has no meta row", tree->db.path);
    } else if (rc == 1 && tree_column(statement, 0) != TREE_FORMAT) {
        rc = store_fail(STORE_VERSION, "%s: has format %d, known is %d",
                        tree->db.path, sqlite3_column_int(statement, 0),
                        TREE_FORMAT);
    } else if (rc == 1) {
        tree->meta = (struct tree_meta){
            .cluster_id = tree_column(statement, 1),
            .applied = tree_column(statement, 2),
            .term = tree_column(statement, 3),
            .time_ns = tree_column(statement, 4),
            .digest = tree_column(statement, 5),
            .next_ino = tree_column(statement, 6),
            .next_cookie = tree_column(statement, 7),
            .next_lock = tree_column(statement, 8),
            .next_stamp = tree_column(statement, 9),
            .inodes = tree_column(statement, 10),
            .bytes = tree_column(statement, 11),
            .chain = tree_column(statement, 12),
        };
        tree->purge_count = tree_column(statement, 13);
        tree->lock_count = tree_column(statement, 14);
        rc = 0;
    }
    sqlite3_finalize(statement);
    return rc;
}

static int prepare_all(struct tree *tree)
{
    for (int i = 0; i < TREE_STATEMENTS; i++) {
        int rc = db_prepare(&tree->db, tree_sql[i], &tree->statements[i]);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

int tree_open(const char *path, struct segments *segments, struct tree **out)
{
    struct stat status;
    if (stat(path, &status) < 0) {
        return store_fail_errno(errno, "%s: cannot open", path);
    }
    struct tree *tree = calloc(1, sizeof(*tree));
    assert(tree != NULL);
    tree->segments = segments;
    tree->inodes = calloc(TREE_INODES_CACHED, sizeof(*tree->inodes));
    tree->tails = calloc(TREE_TAILS_CACHED, sizeof(*tree->tails));
    assert(tree->inodes != NULL && tree->tails != NULL);
    int rc = db_open(path, DB_READ_WRITE, &tree->db);
    if (rc == 0) {
        /* Zeroing freed pages doubles what a deletion writes. */
        rc = db_exec(&tree->db, "PRAGMA secure_delete=OFF");
    }
    if (rc == 0) {
        rc = load_meta(tree);
    }
    if (rc == 0) {
        rc = prepare_all(tree);
    }
    if (rc == 0) {
        rc = tree_sessions_load(tree);
    }
    if (rc == 0) {
        rc = tree_xattrs_load(tree);
    }
    if (rc < 0) {
        tree_close(tree);
        return rc;
    }
    atomic_store(&tree->committed, tree->meta.applied);
    *out = tree;
    return 0;
}

void tree_close(struct tree *tree)
{
    if (tree == NULL) {
        return;
    }
    if (tree->db.handle != NULL) {
        db_rollback(&tree->db);
    }
    for (int i = 0; i < TREE_STATEMENTS; i++) {
        sqlite3_finalize(tree->statements[i]);
    }
    db_close(&tree->db);
    tree_sessions_release(tree);
    blob_release(&tree->scratch);
    free(tree->inodes);
    free(tree->tails);
    free(tree);
}

/* --- transaction and meta --- */

int tree_begin(struct tree *tree)
{
    if (tree->db.in_transaction) {
        return 0;
    }
    if (tree->broken < 0) {
        return store_fail(tree->broken, "%s: a change failed before",
                          tree->db.path);
    }
    if (tree->reading) {
        /* Also lets the WAL start over when all of it was checkpointed. */
        int rc = db_run(&tree->db, tree->statements[TREE_READ_END], "read end");
        if (rc < 0) {
            return rc;
        }
        tree->reading = false;
    }
    return db_begin(&tree->db);
}

int tree_meta_flush(struct tree *tree)
{
    const struct tree_meta *meta = &tree->meta;
    const uint64_t values[] = {
        meta->applied,   meta->term,       meta->time_ns,
        meta->digest,    meta->next_ino,   meta->next_cookie,
        meta->next_lock, meta->next_stamp, meta->inodes,
        meta->bytes,     meta->chain,
    };
    sqlite3_stmt *statement = tree->statements[TREE_META_SET];
    for (int i = 0; i < (int)(sizeof(values) / sizeof(values[0])); i++) {
        sqlite3_bind_int64(statement, i + 1, (sqlite3_int64)values[i]);
    }
    return tree_run(tree, TREE_META_SET, "write meta");
}

int tree_commit(struct tree *tree)
{
    if (tree->broken < 0) { /* also when SQLite has rolled back: what was lost is
                             * not committed */
        return store_fail(tree->broken, "%s: a change failed before",
                          tree->db.path);
    }
    if (!tree->db.in_transaction) {
        return 0;
    }
    int rc = tree_inodes_flush(tree);
    if (rc == 0) {
        rc = tree_meta_flush(tree);
    }
    if (rc == 0) {
        rc = db_commit(&tree->db);
    }
    if (rc < 0) {
        tree->broken = rc;
        return rc;
    }
    /* In this order: who reads `commits` first finds no older `committed`. */
    atomic_store(&tree->committed, tree->meta.applied);
    atomic_fetch_add(&tree->commits, 1);
    return 0;
}

uint64_t tree_applied(const struct tree *tree)
{
    return tree->meta.applied;
}

int tree_set_applied(struct tree *tree, uint64_t index, uint64_t term,
                     uint64_t time_ns, uint64_t chain)
{
    assert(tree->db.in_transaction);
    assert(index >= tree->meta.applied);
    tree->meta.applied = index;
    tree->meta.term = term;
    tree->meta.time_ns = time_ns;
    tree->meta.chain = chain;
    return 0;
}

uint64_t tree_applied_term(const struct tree *tree)
{
    return tree->meta.term;
}

uint64_t tree_applied_chain(const struct tree *tree)
{
    return tree->meta.chain;
}

uint64_t tree_time_ns(const struct tree *tree)
{
    return tree->meta.time_ns;
}

uint64_t tree_digest(const struct tree *tree)
{
    return tree->meta.digest;
}

uint64_t tree_next_ino(struct tree *tree)
{
    assert(tree->db.in_transaction);
    return tree->meta.next_ino++;
}

int tree_settle(struct tree *tree)
{
    return db_settle(&tree->db);
}

int tree_wal_fd(struct tree *tree)
{
    return db_wal_fd(&tree->db);
}

void tree_get_usage(const struct tree *tree, struct tree_usage *out)
{
    *out = (struct tree_usage){tree->meta.inodes, tree->meta.bytes};
}
