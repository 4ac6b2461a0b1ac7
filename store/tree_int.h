/* tree_int.h -- what the files of the tree share.
 *
 * Inode rows are cached and written back when the transaction commits: a batch
 * of records that touches one directory writes its row once. So whoever asks
 * SQL about inodes calls tree_inodes_flush() before.
 *
 * An inline extent has no place; its row's `position` holds a stamp instead,
 * which no other row ever had. So merging (tree_swap) can tell that an extent
 * is the very one that was read, without comparing bytes.
 *
 * Thread: loop, but for the two counters that say so.
 */
#ifndef STORE_TREE_INT_H
#define STORE_TREE_INT_H

#include "store/tree.h"

#include <stdatomic.h>

enum {
    TREE_FORMAT = 3,
    TREE_INODES_CACHED = 4096, /* a power of 2; about 650 KiB */
    TREE_TAILS_CACHED = 64,    /* likewise; bodies being appended to */
    /* Appended bytes join the inline extent before them up to this size: above
     * it the row would need a page of its own, and growing that on each append
     * costs more than merging in the background. */
    TREE_COALESCE_MAX = 960,
};

/* Seeds of the row hashes: part of the state digest, never reuse one. */
enum tree_table {
    TABLE_INODES = 1,
    TABLE_DENTRIES,
    TABLE_SYMLINKS,
    TABLE_XATTRS,
    TABLE_SESSIONS,
    TABLE_LOCKS,
};

enum tree_statement {
    TREE_READ_BEGIN,
    TREE_READ_END,
    TREE_META_SET,
    TREE_INODE_GET,
    TREE_INODE_INSERT,
    TREE_INODE_UPDATE,
    TREE_INODE_DELETE,
    TREE_ORPHAN_ADD,
    TREE_ORPHAN_DELETE,
    TREE_ORPHANS,
    TREE_SYMLINK_ADD,
    TREE_SYMLINK_GET,
    TREE_SYMLINK_DELETE,
    TREE_XATTR_ANY,
    TREE_XATTR_GET,
    TREE_XATTR_PUT,
    TREE_XATTR_DELETE,
    TREE_XATTR_EACH,
    TREE_XATTR_ROWS,
    TREE_XATTR_DELETE_ALL,
    TREE_DENTRY_GET,
    TREE_DENTRY_ADD,
    TREE_DENTRY_DELETE,
    TREE_DENTRY_EACH,
    TREE_DENTRY_ANY,
    TREE_EXTENT_LAST,
    TREE_EXTENT_BEFORE,
    TREE_EXTENTS_BELOW,
    TREE_EXTENTS_TOUCHING,
    TREE_EXTENT_ADD,
    TREE_EXTENT_REPLACE,
    TREE_EXTENTS_DELETE,
    TREE_SESSION_PUT,
    TREE_SESSION_DELETE,
    TREE_SESSIONS,
    TREE_LOCK_ADD,
    TREE_LOCK_DELETE,
    TREE_LOCKS_OF_INODE,
    TREE_LOCKS_OF_SESSION,
    TREE_LOCKS_OF_OWNER,
    TREE_LOCKS,
    TREE_CONFIG_PUT,
    TREE_CONFIG_GET,
    TREE_RESULT_PUT,
    TREE_RESULTS_TRIM,
    TREE_PURGE_ADD,
    TREE_PURGE_FIRST,
    TREE_PURGE_UPTO,
    TREE_PURGE_DELETE,
    TREE_STATEMENTS
};

enum cached_state {
    CACHED_NOTHING,
    CACHED_CLEAN,   /* as in the table */
    CACHED_CHANGED, /* newer than its row */
    CACHED_NEW,     /* has no row yet */
};

struct cached_inode {
    struct inode inode;
    uint64_t hash; /* by which the row counts in the digest */
    enum cached_state state;
    bool listed; /* in tree.unwritten */
};

/* The last extent of a body that is written to: an append need not look. */
struct tail {
    uint64_t body; /* 0: empty slot */
    uint64_t end;  /* of all its extents */
    uint64_t offset, size;
    bool joins; /* inline and small: bytes[] are its bytes */
    uint8_t bytes[TREE_COALESCE_MAX];
};

struct session_hash {
    uint64_t session, hash;
};

struct tree_meta { /* one row; written by each commit */
    uint64_t cluster_id;
    uint64_t applied, term, time_ns, chain;
    uint64_t digest;
    uint64_t next_ino, next_cookie, next_lock;
    uint64_t next_stamp; /* of inline extents; this node's own */
    uint64_t inodes, bytes;
};

struct tree {
    struct db db;
    struct segments *segments;                 /* borrowed, may be NULL */
    sqlite3_stmt *statements[TREE_STATEMENTS]; /* owned */
    struct tree_meta meta;
    bool reading; /* a read transaction is open, to save its begin and end */
    int broken;   /* code: a change failed halfway, so nothing is committed */

    struct cached_inode *inodes; /* owned */
    uint16_t unwritten[TREE_INODES_CACHED];
    uint32_t unwritten_count;
    struct tail *tails; /* owned */

    struct {
        bool known;
        uint64_t parent;
        struct dentry dentry;
        uint8_t name[TREE_NAME_MAX];
    } last; /* the name asked for last: a removal follows its lookup */

    bool has_xattrs;               /* or had, since it was opened */
    struct session_hash *sessions; /* owned, in order of session */
    size_t session_count, session_capacity;
    uint64_t purge_count; /* rows of the purge list */
    uint64_t lock_count;
    struct blob scratch;  /* of views handed out */

    /* Read by the background thread. What was committed at `commits` is in the
     * WAL file, and holds all records up to `committed`. */
    _Atomic uint64_t committed;
    _Atomic uint64_t commits;
};

struct extent_row {
    uint64_t offset, size;
    uint64_t segment;  /* 0: inline */
    uint64_t position; /* of the payload's first byte; or the stamp */
    uint32_t skip;     /* from there to the extent's first byte */
    uint32_t payload;  /* size of the whole payload, for its checksum */
    struct view bytes; /* inline */
};

/* --- tree_sql.c --- */
extern const char tree_schema[];
extern const char *const tree_sql[TREE_STATEMENTS];

/* --- tree.c --- */
/* Runs a statement that changes the tree: a failure breaks the transaction. */
int tree_run(struct tree *tree, enum tree_statement which, const char *what);
/* First step of a reading statement, as db_row(). */
int tree_row(struct tree *tree, enum tree_statement which, const char *what);
/* The statement, with its parameters set to these. */
sqlite3_stmt *tree_bind1(struct tree *tree, enum tree_statement which,
                         uint64_t a);
sqlite3_stmt *tree_bind2(struct tree *tree, enum tree_statement which,
                         uint64_t a, uint64_t b);
void tree_bind_view(sqlite3_stmt *statement, int column, struct view view);
uint64_t tree_column(sqlite3_stmt *statement, int column);
struct view tree_column_view(sqlite3_stmt *statement, int column);
/* Writes the meta row. */
int tree_meta_flush(struct tree *tree);
/* Replaces one row's share of the digest; 0 stands for no row. */
void tree_digest_move(struct tree *tree, uint64_t old_hash, uint64_t new_hash);

/* --- tree_hash.c: the canonical bytes of rows --- */
uint64_t tree_hash_inode(const struct inode *inode);
uint64_t tree_hash_dentry(uint64_t parent, const struct dentry *dentry);
uint64_t tree_hash_xattr(uint64_t ino, struct view name, struct view value);
uint64_t tree_hash_lock(const struct tree_lock *lock);
/* Rows of a number and bytes: symlinks, sessions. */
uint64_t tree_hash_named(enum tree_table table, uint64_t key, struct view row);

/* --- tree_inode.c --- */
int tree_inodes_flush(struct tree *tree);
void tree_inode_columns(sqlite3_stmt *statement, struct inode *out);

/* --- tree_xattr.c --- */
int tree_xattrs_load(struct tree *tree);
/* All of an inode's, when it goes. */
int tree_xattrs_drop(struct tree *tree, uint64_t ino);

/* --- tree_extent.c --- */
void tree_extent_columns(sqlite3_stmt *statement, struct extent_row *out);
int tree_extent_add(struct tree *tree, uint64_t body,
                    const struct extent_row *row);
void tree_tail_forget(struct tree *tree, uint64_t body);

/* --- tree_session.c --- */
int tree_sessions_load(struct tree *tree);
void tree_sessions_release(struct tree *tree);

/* --- tree_lock.c --- */
void tree_lock_columns(sqlite3_stmt *statement, struct tree_lock *out);

/* --- tree_purge.c --- */
int tree_purge_add(struct tree *tree, uint64_t body);

/* --- tree_swap.c: for store/reclaim --- */
/* Replaces extents of a body, which follow each other without a gap, by one of
 * the same bytes. Only if they are still there, exactly: 1 done, 0 refused. */
int tree_swap(struct tree *tree, uint64_t body, const struct extent_row *old,
              uint32_t count, const struct extent_row *merged);

#endif
