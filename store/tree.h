/* tree.h -- the replicated tree on this node's disk: tree.db.
 *
 * Rows only; what an operation means is decided in fs/apply. Everything here is
 * part of the replicated state and the same on every node, but for where the
 * bytes of an extent lie (segment, position) and for the purge list.
 *
 * The tree lags the log safely: a commit is not synced, and after a crash it is
 * replayed from its applied index on. tree_begin() ... tree_commit() bracket any
 * number of applied records; the applied index is part of the same transaction.
 *
 * State digest: the sum modulo 2^64 of XXH3-64 of each row of inodes, dentries,
 * symlinks, xattrs, sessions and locks (seeded by the table), maintained row by
 * row, so that it is a function of the state alone and can be computed anew by
 * tree_check(). The contents of files enter through inode.data_hash, a chain
 * over everything that was written to the inode.
 *
 * Tables: inodes, orphans (those with nlink 0), dentries(parent, name -> ino,
 * type, cookie), symlinks, extents(body, offset -> size, segment, position, skip,
 * payload, inline bytes), xattrs(ino, name -> value), sessions, locks(ino, id),
 * results, purge, config, meta.
 *
 * Thread: loop; the background thread reads through its own connection.
 * Memory: names and views are valid until the next call on the tree.
 */
#ifndef STORE_TREE_H
#define STORE_TREE_H

#include "store/db.h"
#include "store/segment.h"

enum {
    TREE_ROOT = 1,
    TREE_NAME_MAX = 255,
    TREE_INLINE_MAX = 4096, /* extents up to this size live in their row */
};

struct inode {
    uint64_t ino;
    uint32_t mode; /* type and permissions, as st_mode */
    uint32_t uid, gid;
    uint32_t nlink;
    uint64_t rdev;
    uint64_t size;
    uint64_t blocks;   /* bytes of data that extents hold (not 512s) */
    int64_t atime, mtime, ctime, btime; /* ns since 1970 */
    uint64_t parent;   /* directories: for ".."; else 0 */
    uint64_t body;     /* key of its extents; a new one when cut to 0 */
    uint64_t data_hash;
    uint64_t orphaned; /* index of the record that took the last link, or 0 */
};

struct dentry {
    uint64_t ino;
    uint64_t cookie; /* grows with every name ever made; 1 and 2 are . and .. */
    uint32_t type;   /* S_IFMT bits */
    struct view name;
};

struct extent {
    uint64_t offset, size;
    struct place place;  /* segment 0: inline */
    struct view inlined; /* `size` bytes when inline */
};

struct tree;

/* Makes an empty tree: root directory ino 1, mode 0755, uid/gid 0, times 0. */
int tree_create(const char *path, uint64_t cluster_id);
int tree_open(const char *path, struct segments *segments, struct tree **out);
void tree_close(struct tree *tree); /* rolls back what is not committed */

/* --- transaction and meta --- */
int tree_begin(struct tree *tree); /* no-op inside a transaction */
int tree_commit(struct tree *tree);
uint64_t tree_applied(const struct tree *tree);
/* index, term, time and chain of the record just applied; in the transaction. */
int tree_set_applied(struct tree *tree, uint64_t index, uint64_t term,
                     uint64_t time_ns, uint64_t chain);
uint64_t tree_applied_term(const struct tree *tree);
uint64_t tree_applied_chain(const struct tree *tree);
uint64_t tree_time_ns(const struct tree *tree);
uint64_t tree_digest(const struct tree *tree);
/* Next inode number (also used for bodies); part of the state. */
uint64_t tree_next_ino(struct tree *tree);
int tree_wal_fd(struct tree *tree);
/* Makes durable what was committed before it was opened. */
int tree_settle(struct tree *tree);

/* --- inodes --- */
int tree_inode_get(struct tree *tree, uint64_t ino, struct inode *out);
int tree_inode_add(struct tree *tree, const struct inode *inode);
/* Replaces the row; `inode` was read by get. */
int tree_inode_set(struct tree *tree, const struct inode *inode);
/* Also drops symlink and xattrs, and puts the body on the purge list. */
int tree_inode_remove(struct tree *tree, uint64_t ino);
/* Inodes with nlink 0 in order of ino, from after; returns count (<= max) or a
 * negative code. */
int tree_orphans(struct tree *tree, uint64_t after, struct inode *out, int max);

int tree_symlink_set(struct tree *tree, uint64_t ino, struct view target);
int tree_symlink_get(struct tree *tree, uint64_t ino, struct view *out);

/* --- extended attributes --- */
enum { TREE_XATTR_VALUE_MAX = 65536, TREE_XATTR_LIST_MAX = 65536 };
/* STORE_NOT_FOUND: the inode has none of that name. Costs nothing while the
 * whole tree has no attribute. */
int tree_xattr_get(struct tree *tree, uint64_t ino, struct view name,
                   struct view *out);
/* Adds or replaces; ino is there. */
int tree_xattr_set(struct tree *tree, uint64_t ino, struct view name,
                   struct view value);
int tree_xattr_remove(struct tree *tree, uint64_t ino, struct view name);
/* In order of name. each() returns false to stop, and calls nothing of the
 * tree. */
int tree_xattr_each(struct tree *tree, uint64_t ino,
                    bool (*each)(void *arg, struct view name), void *arg);
/* The bytes of a record that apply needs and only a segment has: checked. */
int tree_payload_read(struct tree *tree, struct place place, void *out,
                      size_t size);

/* --- names --- */
int tree_dentry_get(struct tree *tree, uint64_t parent, struct view name,
                    struct dentry *out);
int tree_dentry_add(struct tree *tree, uint64_t parent, struct view name,
                    uint64_t ino, uint32_t type); /* gives it a new cookie */
/* The name is there and leads elsewhere from now on; it keeps its cookie, so that
 * a listing under way finds it once, as a name that was there throughout. */
int tree_dentry_set(struct tree *tree, uint64_t parent, struct view name,
                    uint64_t ino, uint32_t type);
/* Above the cookies of all names. */
uint64_t tree_next_cookie(const struct tree *tree);
int tree_dentry_remove(struct tree *tree, uint64_t parent, struct view name);
/* Names with cookie > after, in order of cookie. each() returns false to stop;
 * it must not call the tree's dentry functions (inode_get is allowed). */
int tree_dentry_each(struct tree *tree, uint64_t parent, uint64_t after,
                     bool (*each)(void *arg, const struct dentry *dentry),
                     void *arg);
/* 1 empty, 0 not, or a negative code. */
int tree_dir_empty(struct tree *tree, uint64_t parent);

/* --- contents --- */
/* Puts size bytes at offset of body: from src when place.segment is 0 (size <=
 * TREE_INLINE_MAX then), else pointing at the segment's record, all of it. Older
 * extents below are cut or split. *added is by how many bytes the body's data
 * grew (may be negative). */
int tree_write(struct tree *tree, uint64_t body, uint64_t offset,
               struct place place, struct view src, uint64_t size,
               int64_t *added);
/* Drops data at and after offset. */
int tree_cut(struct tree *tree, uint64_t body, uint64_t offset,
             int64_t *added);
/* Makes a hole of [offset, offset+size). */
int tree_punch(struct tree *tree, uint64_t body, uint64_t offset,
               uint64_t size, int64_t *added);
/* Makes [to, to+size) of to_body the same as [from, from+size) of from_body, by
 * pointing at the same segments. Within one body the two must not overlap. */
int tree_copy(struct tree *tree, uint64_t from_body, uint64_t from,
              uint64_t to_body, uint64_t to, uint64_t size, int64_t *added);
/* Forgets all of a body, later, in the background (purge list). */
int tree_body_drop(struct tree *tree, uint64_t body);
/* Extents that touch [offset, offset+size), in order. */
int tree_extents(struct tree *tree, uint64_t body, uint64_t offset,
                 uint64_t size,
                 bool (*each)(void *arg, const struct extent *extent),
                 void *arg);
/* Fills out with size bytes (holes are zeros); reads segments. Whoever knows the
 * inode's size cuts the request. */
int tree_read(struct tree *tree, uint64_t body, uint64_t offset, void *out,
              size_t size);
/* Next data (data=true) or hole at or after offset, as lseek(2): behind the end,
 * at size, is a hole. STORE_NOT_FOUND: no data before size, or offset is not. */
int tree_seek(struct tree *tree, uint64_t body, uint64_t offset, uint64_t size,
              bool data, uint64_t *out);

/* --- sessions: opaque rows, the state of fs/session --- */
int tree_session_put(struct tree *tree, uint64_t session, struct view row);
int tree_session_remove(struct tree *tree, uint64_t session);
int tree_session_each(struct tree *tree,
                      bool (*each)(void *arg, uint64_t session,
                                   struct view row),
                      void *arg);

/* --- locks: rows only; who may have which is decided in fs/apply_lock.c --- */
enum tree_lock_kind { TREE_LOCK_FLOCK = 1, TREE_LOCK_POSIX = 2 };

struct tree_lock {
    uint64_t id; /* grows: the order in which they came */
    uint64_t ino;
    uint64_t session, owner; /* together: whose it is */
    uint64_t serial;         /* of the command that asked for it */
    uint64_t start, last;    /* bytes, both included */
    int64_t since;           /* ns since 1970: asked for, or granted */
    uint32_t pid;            /* with comm for people */
    uint32_t kind;
    bool write; /* nobody else may have it; else shared with other readers */
    bool waits; /* not granted yet */
    char comm[16];
};

struct tree_locks {
    struct tree_lock *rows; /* owned; in order of (ino, id) */
    size_t count, capacity;
};

int tree_lock_add(struct tree *tree, struct tree_lock *lock); /* gives an id */
/* `lock` is a row as it was read or added. */
int tree_lock_remove(struct tree *tree, const struct tree_lock *lock);
uint64_t tree_lock_count(const struct tree *tree); /* no scan */
/* Each replaces what is in *out. */
int tree_locks_of_inode(struct tree *tree, uint64_t ino,
                        struct tree_locks *out);
int tree_locks_of_session(struct tree *tree, uint64_t session,
                          struct tree_locks *out);
int tree_locks_of_owner(struct tree *tree, uint64_t session, uint64_t owner,
                        struct tree_locks *out);
int tree_locks_all(struct tree *tree, struct tree_locks *out);
void tree_locks_append(struct tree_locks *locks, const struct tree_lock *lock);
void tree_locks_release(struct tree_locks *locks);

/* Settings of the whole cluster are attributes of this inode, which no file has:
 * so they are part of the digest, and of what a snapshot brings. */
#define TREE_SETTINGS ((uint64_t)0)

/* The committed configuration of the cluster, as bytes of the caller, and the
 * index of its record. Not part of the digest. get: 1, and *out is replaced; 0:
 * there is none. */
int tree_config_put(struct tree *tree, uint64_t index, struct view body);
int tree_config_get(struct tree *tree, uint64_t *index, struct blob *out);

/* Errors of applied records, for `raftfs log` (not part of the digest); a record
 * without a row succeeded. Rows below the log's start are dropped. */
int tree_result_put(struct tree *tree, uint64_t index, int32_t error);
int tree_results_trim(struct tree *tree, uint64_t upto);

/* --- the background work of this node (docs in store/reclaim.h) --- */
/* Deletes up to `most` extent rows of purged bodies: 1 more is left, 0 done.
 * Begins a transaction when there is work and none is open. */
int tree_purge_step(struct tree *tree, uint32_t most);

/* --- check --- */
/* Recomputes the digest and every count (nlink, blocks, dangling names, extents
 * that overlap or lie outside segments), and reads the records of segments that
 * extents point at, to compare their checksums. 0, or STORE_CORRUPT; each problem
 * is told to complain(arg, text). */
int tree_check(struct tree *tree, void (*complain)(void *arg, const char *text),
               void *arg);
struct tree_usage { uint64_t inodes, bytes; };
/* Kept up to date, no scan. */
void tree_get_usage(const struct tree *tree, struct tree_usage *out);

#endif
