/* apply.h -- (tree, record) -> result: what every command means.
 *
 * The POSIX rules of raftfs live here and nowhere else. A deterministic
 * function: same log, same tree, same inode numbers, same times on every node;
 * no clock, no chance, no I/O but the tree. An errno is a result like any other
 * (all nodes see the same); a negative return means that THIS node's tree cannot
 * be trusted any more.
 *
 * A command checks everything first and changes the tree after that, so that an
 * errno leaves it as it was.
 *
 * Sessions (DESIGN: exactly once): a record of a session that has ended is
 * refused with ESTALE and changes nothing; a (session, serial) that was applied
 * already changes nothing and gives its first result again. Results are kept for
 * serials at or above the session's ack_below (at most APPLY_WINDOW_MAX).
 * The table of sessions is kept in memory and written to the tree's session rows
 * by apply_flush(), before each tree_commit().
 *
 * Thread: loop. Pure of FUSE, so that the simulator links it.
 */
#ifndef FS_APPLY_H
#define FS_APPLY_H

#include "fs/command.h"
#include "raft/wire/record.h"
#include "store/tree.h"

enum { APPLY_WINDOW_MAX = 8192 };

enum apply_value { /* what apply_result.value[] means */
    VALUE_INO = 0,    /* CREATE, MKNOD, MKDIR, SYMLINK, LINK: the inode;
                       * SESSION_OPEN: the session id */
    VALUE_MADE = 1,   /* CREATE, TMPFILE: 1 when it made the file */
    VALUE_SIZE = 1,   /* WRITE: bytes written */
    VALUE_OFFSET = 2, /* WRITE: where they went */
    VALUE_GONE = 3,   /* UNLINK, RENAME, RMDIR: ino that lost its last link, or 0 */
    VALUE_LOCK = 0,   /* LOCK: enum apply_lock */
};

enum apply_lock {
    LOCK_GRANTED = 1,
    LOCK_QUEUED = 2, /* a later record grants it: apply_change.grants */
};

struct apply_result {
    int32_t error; /* 0 or errno */
    uint64_t value[4];
};

struct apply_session {
    uint64_t id;       /* index of the record that opened it */
    node_id node;
    uint64_t boot;
    uint64_t opened_ns;
    char name[64];
    uint64_t ack_below;
    uint32_t results; /* kept */
};

struct apply;

/* Loads the sessions from the tree. Borrows the tree. */
int apply_open(struct tree *tree, struct apply **out);
void apply_close(struct apply *apply);
/* record->index must be tree_applied() + 1 and place or payload be set. Begins a
 * tree transaction if none is open; sets the tree's applied index, term, time. A
 * record whose body is not a valid command is a result too (EINVAL). Records of
 * codes other than RECORD_COMMAND change only the applied index; an unknown code
 * is a negative return (needs a newer version). */
int apply_record(struct apply *apply, const struct record *record,
                 struct apply_result *result);
/* Writes changed sessions to the tree; call before tree_commit(), and before
 * tree_digest() if the digest is to be compared with another node's. After a
 * negative return of apply_record() it fails too: there is nothing to commit. */
int apply_flush(struct apply *apply);

/* Sessions in order of id; false: no such. */
bool apply_session_get(const struct apply *apply, uint64_t session,
                       struct apply_session *out);
size_t apply_sessions(const struct apply *apply, struct apply_session *out,
                      size_t max);

/* The session is open, and has the result of this serial: it was applied, and
 * its node may not have heard of it yet. */
bool apply_was_done(const struct apply *apply, uint64_t session,
                    uint64_t serial);

/* What apply has just changed, for whoever keeps caches: valid until the next
 * apply_record(). */
struct apply_change {
    uint64_t inos[8]; /* whose attributes or contents changed */
    uint32_t ino_count;
    uint64_t small_body; /* a body that got a small extent, or 0 */
    bool session_ended;  /* or several did */
    /* Locks that waited and are held now, by the commands that asked. */
    const struct apply_grant *grants;
    size_t grant_count;
    /* A lock that was taken from its holder; session 0: none. */
    struct apply_broken {
        uint64_t session, owner, ino;
    } broken;
    bool settings; /* one of the cluster's */
};
struct apply_grant {
    uint64_t session, serial;
};
const struct apply_change *apply_last_change(const struct apply *apply);

#endif
