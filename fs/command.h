/* command.h -- what a caller wants, as the body of a log record.
 *
 * A command carries everything that apply needs: the operation, its arguments,
 * and who asked (so that files get the right owner, and people can ask who did
 * it). No clock: the time is the record's, stamped by the leader.
 *
 * Bytes: u16 version · u16 op · caller (u32 uid, gid, pid · u8 length, name of
 * the program, at most 15) · u64 ack_below · then the fields of the op, in the
 * order of the table in docs/formats.md. Unused fields do not travel.
 *
 * The bytes of a write are not in here: they are the record's payload.
 *
 * Pure: no FUSE header, so that the simulator links it.
 */
#ifndef FS_COMMAND_H
#define FS_COMMAND_H

#include "raft/wire/cursor.h"

enum {
    COMMAND_NAME_MAX = 255,
    COMMAND_TARGET_MAX = 4095,
    COMMAND_BODY_MAX = 8192, /* encoded */
    COMMAND_PAYLOAD_MAX = 1024 * 1024, /* one write */
    COMMAND_REAP_MAX = 512,
    /* Above Linux's flags of setxattr(2): the caller is not of the file's group,
     * so that a new access ACL takes the set-gid bit away. */
    COMMAND_KILL_SGID = 4,
    COMMAND_ANYWAY = 8, /* the caller may change ACLs, whoever the owner is */
};

/* Values are on disk: never reuse one. Each op's fields are in brackets. */
enum command_op {
    OP_SESSION_OPEN = 1, /* node name [name], boot nonce [number] */
    OP_SESSION_END,      /* [session] */
    OP_REAP,             /* orphans nobody has open [inos] */
    OP_CREATE,           /* regular file [parent, name, mode, umask, flags]:
                          * flags O_EXCL: EEXIST if the name is there; without it
                          * an existing regular file is opened instead (and cut
                          * to 0 with O_TRUNC) */
    OP_MKNOD,            /* [parent, name, mode, umask, rdev] */
    OP_MKDIR,            /* [parent, name, mode, umask] */
    OP_SYMLINK,          /* [parent, name, target] */
    OP_LINK,             /* [ino, parent, name] */
    OP_UNLINK,           /* [parent, name] */
    OP_RMDIR,            /* [parent, name] */
    OP_RENAME,           /* [parent, name, new_parent, new_name, flags]
                          * RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT */
    OP_SETATTR,          /* [ino, set, mode, new_uid, new_gid, size, atime, mtime] */
    OP_WRITE,            /* [ino, offset, flags] and payload; flags O_APPEND: at the
                          * end, wherever that is when it is applied */
    OP_LOCK,             /* [ino, owner, lock flags, start, last] */
    OP_LOCK_CANCEL,      /* of one that was asked for with the serial [number]:
                          * it does not wait, and will not be applied, any more
                          * [ino, owner, number, lock flags, start, last] */
    OP_LOCK_RELEASE,     /* all that owner holds [ino, owner, lock flags] */
    OP_LOCK_BREAK,       /* takes a held lock from its holder, for people: row
                          * [number] of the locks of [ino] */
    OP_SETTING,          /* of the whole cluster: [name] is what JSON text [target]
                          * says; null: of each node again */
    OP_SETXATTR = 40,    /* [ino, xattr name, flags] and payload, the value: flags
                          * XATTR_CREATE, XATTR_REPLACE, COMMAND_KILL_SGID,
                          * COMMAND_ANYWAY */
    OP_REMOVEXATTR,      /* any but an ACL [ino, xattr name] */
    OP_FALLOCATE,        /* [ino, offset, size, flags]: the mode of fallocate(2) */
    OP_COPY_RANGE,       /* [ino, offset, source, source_offset, size] */
    OP_TMPFILE,          /* regular file without a name, O_TMPFILE; OP_LINK may
                          * give it one [parent, mode, umask] */
    OP_REMOVE_ACL,       /* [ino, xattr name, flags]: COMMAND_ANYWAY */
    OP_END
};

/* Locks of the two kinds do not know each other. A lock is shared (for reading)
 * unless LOCK_FOR_WRITE says that it is not. */
enum command_lock {
    LOCK_IS_POSIX = 1, /* fcntl(2), else flock(2) */
    LOCK_FOR_WRITE = 2,
    LOCK_UNLOCK = 4,
    LOCK_WAIT = 8,
    LOCK_GIVE_BACK = 16, /* OP_LOCK_CANCEL: also if it was granted meanwhile */
    LOCK_FLAGS = 31,
};
#define LOCK_LAST_MAX ((uint64_t)INT64_MAX) /* the end of every file */

enum command_set { /* OP_SETATTR: what to change */
    SET_MODE = 1, SET_UID = 2, SET_GID = 4, SET_SIZE = 8, SET_ATIME = 16,
    SET_MTIME = 32, SET_ATIME_NOW = 64, SET_MTIME_NOW = 128,
    SET_ANYWAY = 256, /* the caller may, whoever the owner is */
};

struct command_caller {
    uint32_t uid, gid, pid;
    char comm[16]; /* NUL-terminated */
};

struct command {
    uint16_t op;
    struct command_caller caller;
    uint64_t ack_below; /* the node has got the results of all serials of this
                         * session below this one: they may be forgotten */
    uint64_t ino, parent, new_parent;
    struct bytes name, new_name, target; /* views */
    uint32_t mode, umask, flags, set, new_uid, new_gid;
    uint64_t rdev, size, offset, number, session;
    uint64_t owner, start, last; /* locks: bytes start to last */
    uint64_t source, source_offset;
    int64_t atime, mtime; /* ns */
    uint32_t ino_count;
    const uint8_t *inos; /* OP_REAP: ino_count little-endian u64 (unaligned) */
};

/* Encoded size, at most COMMAND_BODY_MAX; writes to out when it is not NULL. */
size_t command_encode(const struct command *command, void *out, size_t size);
/* Views point into src. 0, or -1: not a valid command (bounds, names with / or
 * NUL or of length 0, unknown op). */
int command_decode(struct bytes src, struct command *out);
const char *command_op_name(uint16_t op);
/* One line for `raftfs log`: "rename 12/a -> 15/b"; no newline. payload_size is
 * the record's. */
void command_print(const struct command *command, uint64_t payload_size,
                   char *out, size_t size);

#endif
