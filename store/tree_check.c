#include "store/tree_int.h"

#include "store/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    /* Told of one kind of problem: who reads on learns nothing new. */
    COMPLAINTS_OF_A_KIND = 100,
};

struct checker {
    struct tree *tree;
    void (*complain)(void *arg, const char *text);
    void *arg;
    uint64_t complaints;
};

__attribute__((format(printf, 2, 3))) static void found(struct checker *checker,
                                                        const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    checker->complaints++;
    if (checker->complain != NULL) {
        checker->complain(checker->arg, text);
    }
}

/* --- what SQL can say: each row of an answer is a sentence about a problem ---
 */

#define FILE_TYPE "& 0xf000) " /* S_IFMT */
#define IS_DIR "= 0x4000"      /* S_IFDIR */

static const char *const rules[] = {
    /* Names and links. */
    "SELECT printf('name %d/%s: inode %d is not there', parent,"
    " CAST(name AS TEXT), ino) FROM dentries"
    " WHERE ino NOT IN (SELECT ino FROM inodes)",

    "SELECT printf('name %d/%s: is in no living directory', parent,"
    " CAST(name AS TEXT)) FROM dentries WHERE parent NOT IN"
    " (SELECT ino FROM inodes WHERE (mode " FILE_TYPE IS_DIR " AND nlink > 0)",

    "SELECT printf('name %d/%s: type %x, its inode %d has mode %x', d.parent,"
    " CAST(d.name AS TEXT), d.type, d.ino, i.mode)"
    " FROM dentries d JOIN inodes i USING(ino)"
    " WHERE d.type <> (i.mode " FILE_TYPE,

    /* A join would look at all names for each inode: they have no index by it. */
    "SELECT printf('inode %d: nlink %d, has %d names', ino, nlink, names) FROM"
    " (SELECT ino, sum(links) AS nlink, sum(name) AS names FROM"
    "  (SELECT ino, nlink AS links, 0 AS name FROM inodes"
    "    WHERE NOT (mode " FILE_TYPE IS_DIR
    "   UNION ALL SELECT ino, 0, 1 FROM dentries WHERE NOT type " IS_DIR ")"
    "  GROUP BY ino) WHERE nlink <> names",

    "SELECT printf('directory %d: nlink %d, has %d directories', ino, nlink,"
    " subdirs) FROM (SELECT i.ino, i.nlink, count(d.ino) AS subdirs"
    "  FROM inodes i LEFT JOIN dentries d ON d.parent = i.ino AND "
    "d.type " IS_DIR "  WHERE (i.mode " FILE_TYPE IS_DIR
    " AND i.nlink > 0 GROUP BY i.ino)"
    " WHERE nlink <> subdirs + 2",

    "SELECT printf('directory %d: has %d names', ino, names) FROM"
    " (SELECT i.ino, i.nlink, count(d.ino) AS names FROM inodes i"
    "  LEFT JOIN dentries d ON d.ino = i.ino"
    "  WHERE (i.mode " FILE_TYPE IS_DIR " GROUP BY i.ino)"
    " WHERE names <> (nlink > 0 AND ino <> 1)",

    "SELECT printf('directory %d: is in %d, but says %d', i.ino, d.parent,"
    " i.parent) FROM inodes i JOIN dentries d ON d.ino = i.ino"
    " WHERE (i.mode " FILE_TYPE IS_DIR " AND d.parent <> i.parent",

    "WITH RECURSIVE below(ino) AS (SELECT 1 UNION SELECT d.ino FROM below"
    "  JOIN dentries d ON d.parent = below.ino AND d.type " IS_DIR ")"
    " SELECT printf('directory %d: cannot be reached from the root', ino)"
    " FROM inodes WHERE (mode " FILE_TYPE IS_DIR " AND nlink > 0"
    " AND ino NOT IN below",

    "SELECT printf('directory %d: cookie %d twice', parent, cookie)"
    " FROM dentries GROUP BY parent, cookie HAVING count(*) > 1",

    "SELECT printf('cookie %d: is not below the next one', cookie)"
    " FROM dentries, meta WHERE cookie < 3 OR cookie >= next_cookie",

    "SELECT printf('inode %d or body %d: is not below the next one', i.ino,"
    " i.body) FROM inodes i, meta WHERE i.ino >= next_ino"
    " OR i.body >= next_ino",

    "SELECT 'the root is not there' WHERE NOT EXISTS (SELECT 1 FROM inodes"
    " WHERE ino = 1 AND (mode " FILE_TYPE IS_DIR " AND nlink > 0)",

    "SELECT printf('orphan %d: is not known as such, or is none', ino) FROM"
    " (SELECT ino FROM orphans UNION ALL SELECT ino FROM inodes"
    "  WHERE nlink = 0) GROUP BY ino HAVING count(*) <> 2",

    "SELECT printf('symlink %d: has a target, but is none', ino) FROM symlinks"
    " WHERE ino NOT IN (SELECT ino FROM inodes WHERE (mode " FILE_TYPE
    " = 0xa000)",

    "SELECT printf('symlink %d: has no target', ino) FROM inodes"
    " WHERE (mode " FILE_TYPE " = 0xa000"
    " AND ino NOT IN (SELECT ino FROM symlinks)",

    "SELECT printf('attribute %s: inode %d is not there', CAST(name AS TEXT),"
    " ino) FROM xattrs WHERE ino <> 0 AND ino NOT IN (SELECT ino FROM inodes)",

    "SELECT printf('attribute %s of inode %d: %d bytes', CAST(name AS TEXT),"
    " ino, length(value)) FROM xattrs WHERE length(value) > 65536"
    " OR length(name) NOT BETWEEN 1 AND 255",

    /* Contents. */
    "SELECT printf('body %d: extents at %d and before overlap', body, offset)"
    " FROM (SELECT body, offset, lag(offset + size) OVER"
    "  (PARTITION BY body ORDER BY offset) AS before FROM extents)"
    " WHERE before > offset",

    "SELECT printf('body %d: extent at %d is malformed', body, offset)"
    " FROM extents WHERE size <= 0 OR offset < 0 OR offset + size < 0"
    " OR (segment = 0 AND (bytes IS NULL OR size <> length(bytes)"
    "  OR size > 4096 OR position <= 0 OR skip <> 0"
    "  OR position >= (SELECT next_stamp FROM meta)))"
    " OR (segment <> 0 AND (bytes IS NOT NULL OR skip < 0"
    "  OR skip + size > payload))",

    "SELECT printf('extent stamp %d: was given twice', position) FROM extents"
    " WHERE segment = 0 GROUP BY position HAVING count(*) > 1",

    "SELECT printf('body %d: extents of nobody', body) FROM extents"
    " WHERE body NOT IN (SELECT body FROM inodes)"
    " AND body NOT IN (SELECT body FROM purge) GROUP BY body",

    "SELECT printf('body %d: belongs to %d inodes', body, count(*))"
    " FROM inodes WHERE body <> 0 GROUP BY body HAVING count(*) > 1",

    "SELECT printf('body %d: is to be purged, but inode %d has it', body, ino)"
    " FROM inodes JOIN purge USING(body)",

    "SELECT printf('inode %d: %d bytes of data, has %d', ino, blocks, data)"
    " FROM (SELECT i.ino, i.blocks, total(e.size) AS data FROM inodes i"
    "  LEFT JOIN extents e ON e.body = i.body AND i.body <> 0 GROUP BY i.ino)"
    " WHERE blocks <> data",

    "SELECT printf('inode %d: size %d, data up to %d', ino, size, data_end)"
    " FROM (SELECT i.ino, i.size, max(e.offset + e.size) AS data_end"
    "  FROM inodes i JOIN extents e ON e.body = i.body GROUP BY i.ino)"
    " WHERE data_end > size",

    /* Locks. */
    "SELECT printf('inode %d: locks %d and %d cannot both be held', a.ino, a.id,"
    " b.id) FROM locks a JOIN locks b ON a.ino = b.ino AND a.id < b.id"
    " AND a.kind = b.kind AND a.start <= b.last AND b.start <= a.last"
    " WHERE NOT a.waits AND NOT b.waits AND (a.write OR b.write"
    " OR (a.session = b.session AND a.owner = b.owner))",

    "SELECT printf('inode %d: lock %d is malformed', ino, locks.id)"
    " FROM locks, meta WHERE start > last OR start < 0"
    " OR kind NOT IN (1, 2) OR locks.id >= next_lock",

    "SELECT printf('inode %d: lock %d of session %d, which is not there', ino,"
    " id, session) FROM locks"
    " WHERE session NOT IN (SELECT session FROM sessions)",

    /* Counters. */
    "SELECT printf('usage: says %d inodes and %d bytes, finds %d and %d',"
    " inodes, bytes, n, sum) FROM meta, (SELECT count(*) AS n,"
    "  ifnull(sum(blocks), 0) AS sum FROM inodes)"
    " WHERE n <> inodes OR sum <> bytes",
};

/* Calls row() for each row of the answer. */
static int query(struct checker *checker, const char *sql,
                 void (*row)(struct checker *checker, sqlite3_stmt *statement))
{
    struct db *db = &checker->tree->db;
    sqlite3_stmt *statement = NULL;
    int rc = db_prepare(db, sql, &statement);
    if (rc < 0) {
        return rc;
    }
    while ((rc = db_row(db, statement, "check")) == 1) {
        row(checker, statement);
    }
    sqlite3_finalize(statement);
    return rc;
}

static void sentence(struct checker *checker, sqlite3_stmt *statement)
{
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    found(checker, "%s", text != NULL ? text : "");
}

static int check_rules(struct checker *checker)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof(rules) / sizeof(rules[0]); i++) {
        char sql[1024];
        int size = snprintf(sql, sizeof(sql), "SELECT * FROM (%s) LIMIT %d",
                            rules[i], COMPLAINTS_OF_A_KIND);
        assert(size > 0 && (size_t)size < sizeof(sql));
        rc = query(checker, sql, sentence);
    }
    return rc;
}

/* --- the file itself --- */

static void integrity(struct checker *checker, sqlite3_stmt *statement)
{
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    if (text == NULL || sqlite3_stricmp(text, "ok") != 0) {
        found(checker, "database: %s", text != NULL ? text : "");
    }
}

/* --- digest --- */

struct digest_check {
    struct checker checker;
    uint64_t digest;
};

static void add_hash(struct checker *checker, uint64_t hash)
{
    ((struct digest_check *)checker)->digest += hash;
}

static void add_inode(struct checker *checker, sqlite3_stmt *statement)
{
    struct inode inode;
    tree_inode_columns(statement, &inode);
    add_hash(checker, tree_hash_inode(&inode));
}

static void add_dentry(struct checker *checker, sqlite3_stmt *statement)
{
    struct dentry dentry = {
        .ino = tree_column(statement, 1),
        .type = (uint32_t)tree_column(statement, 2),
        .cookie = tree_column(statement, 3),
        .name = tree_column_view(statement, 4),
    };
    if (dentry.name.size == 0 || dentry.name.size > TREE_NAME_MAX) {
        found(checker, "name in %llu: has %zu bytes",
              (unsigned long long)tree_column(statement, 0), dentry.name.size);
        return;
    }
    add_hash(checker, tree_hash_dentry(tree_column(statement, 0), &dentry));
}

static void add_symlink(struct checker *checker, sqlite3_stmt *statement)
{
    add_hash(checker, tree_hash_named(TABLE_SYMLINKS, tree_column(statement, 0),
                                      tree_column_view(statement, 1)));
}

static void add_xattr(struct checker *checker, sqlite3_stmt *statement)
{
    add_hash(checker, tree_hash_xattr(tree_column(statement, 0),
                                      tree_column_view(statement, 1),
                                      tree_column_view(statement, 2)));
}

static void add_session(struct checker *checker, sqlite3_stmt *statement)
{
    add_hash(checker, tree_hash_named(TABLE_SESSIONS, tree_column(statement, 0),
                                      tree_column_view(statement, 1)));
}

static void add_lock(struct checker *checker, sqlite3_stmt *statement)
{
    struct tree_lock lock;
    tree_lock_columns(statement, &lock);
    add_hash(checker, tree_hash_lock(&lock));
}

static int check_digest(struct checker *checker)
{
    static const struct {
        const char *sql;
        void (*row)(struct checker *checker, sqlite3_stmt *statement);
    } tables[] = {
        {"SELECT * FROM inodes", add_inode},
        {"SELECT parent, ino, type, cookie, name FROM dentries", add_dentry},
        {"SELECT ino, target FROM symlinks", add_symlink},
        {"SELECT ino, name, value FROM xattrs", add_xattr},
        {"SELECT session, row FROM sessions", add_session},
        {"SELECT * FROM locks", add_lock},
    };
    struct digest_check check = {.checker = *checker};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof(tables) / sizeof(tables[0]); i++) {
        rc = query(&check.checker, tables[i].sql, tables[i].row);
    }
    *checker = check.checker;
    if (rc == 0 && check.digest != checker->tree->meta.digest) {
        found(checker, "digest: says %016llx, finds %016llx",
              (unsigned long long)checker->tree->meta.digest,
              (unsigned long long)check.digest);
    }
    return rc;
}

/* --- segments --- */

struct segment_size {
    uint64_t id, bytes;
    bool found;
};

static void match_segment(void *arg, uint64_t id, uint64_t bytes, bool writing)
{
    struct segment_size *wanted = arg;
    (void)writing; /* its file has grown before anything points at it */
    if (id == wanted->id) {
        wanted->bytes = bytes;
        wanted->found = true;
    }
}

static void check_segment(struct checker *checker, sqlite3_stmt *statement)
{
    struct segment_size segment = {.id = tree_column(statement, 0)};
    segments_each(checker->tree->segments, match_segment, &segment);
    if (!segment.found) {
        found(checker, "segment %llu: is not there",
              (unsigned long long)segment.id);
    } else if (tree_column(statement, 1) > segment.bytes) {
        found(checker, "segment %llu: ends at %llu, extents reach %llu",
              (unsigned long long)segment.id, (unsigned long long)segment.bytes,
              (unsigned long long)tree_column(statement, 1));
    }
}

/* Each record once, in the order in which they lie there. */
static int check_records(struct checker *checker)
{
    struct db *db = &checker->tree->db;
    struct blob payload = BLOB_EMPTY;
    sqlite3_stmt *statement = NULL;
    int damaged = 0;
    int rc = db_prepare(db,
                        "SELECT DISTINCT segment, position, payload"
                        " FROM extents WHERE segment <> 0"
                        " ORDER BY segment, position",
                        &statement);
    if (rc < 0) {
        return rc;
    }
    while (damaged < COMPLAINTS_OF_A_KIND &&
           (rc = db_row(db, statement, "check records")) == 1) {
        struct place place = {.segment = tree_column(statement, 0),
                              .position = tree_column(statement, 1)};
        size_t size = (size_t)tree_column(statement, 2);
        if (segments_read_checked(checker->tree->segments, place,
                                  blob_resize(&payload, size), size) < 0) {
            found(checker, "%s", store_error_text());
            damaged++;
        }
    }
    sqlite3_finalize(statement);
    blob_release(&payload);
    return rc < 0 ? rc : 0;
}

int tree_check(struct tree *tree, void (*complain)(void *arg, const char *text),
               void *arg)
{
    struct checker checker = {.tree = tree, .complain = complain, .arg = arg};
    int rc = tree_inodes_flush(tree);
    /* The counters of a transaction under way are in memory. */
    if (rc == 0 && tree->db.in_transaction) {
        rc = tree_meta_flush(tree);
    }
    if (rc == 0) {
        rc = query(&checker, "PRAGMA integrity_check(20)", integrity);
    }
    if (rc == 0) {
        rc = check_rules(&checker);
    }
    if (rc == 0) {
        rc = check_digest(&checker);
    }
    if (rc == 0 && tree->segments != NULL) {
        rc = query(&checker,
                   "SELECT segment, max(position + payload) FROM extents"
                   " WHERE segment <> 0 GROUP BY segment",
                   check_segment);
        if (rc == 0 && checker.complaints == 0) {
            rc = check_records(&checker);
        }
    }
    if (rc == 0 && checker.complaints > 0) {
        rc = store_fail(STORE_CORRUPT, "%s: %llu problems", tree->db.path,
                        (unsigned long long)checker.complaints);
    }
    return rc;
}
