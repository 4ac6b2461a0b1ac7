/* apply_int.h -- what the files of apply share.
 *
 * Every op is a function of one `struct call`. It returns 0, an errno
 * (positive: the result of the command, the tree is as it was) or a negative
 * code of store/ (this node's tree cannot be trusted any more).
 */
#ifndef FS_APPLY_INT_H
#define FS_APPLY_INT_H

#include "fs/apply.h"

#include <errno.h>

enum {
    APPLY_LINKS_MAX = 65000,  /* of a file, as ext4 */
    APPLY_SESSIONS_MAX = 256, /* nodes are few; bounds a runaway opener */
    APPLY_LOCKS_MAX = 8192,   /* held and waiting, in all of the tree */
    APPLY_FILE_LOCKS_MAX = 1024, /* all of a file's are read for each change */
    APPLY_SETTINGS_MAX = 64, /* of the cluster; and the bytes of one: */
    APPLY_SETTING_SIZE_MAX = 256,
    /* Extents below this size are worth merging. */
    APPLY_SMALL_EXTENT = 64 * 1024,
};

struct kept_result {
    uint64_t serial;
    struct apply_result result;
};

struct session {
    struct apply_session seen; /* .results is kept_count, filled when asked */
    uint64_t open_serial;      /* of the record that opened it */
    struct kept_result *kept; /* owned; serials grow from kept[kept_first] on */
    size_t kept_first, kept_count, kept_capacity;
    bool changed; /* since the last flush */
};

struct apply {
    struct tree *tree;        /* borrowed */
    struct session *sessions; /* owned, in order of id */
    size_t session_count, session_capacity;
    struct apply_change change;
    struct apply_grant *grants; /* owned; of change */
    size_t grant_capacity;
    int failed; /* the negative code that ended it: nothing more is applied */
};

struct call {
    struct apply *apply;
    struct tree *tree;
    const struct record *record;
    const struct command *command;
    struct apply_result *result;
    int64_t now; /* the record's time */
};

/* --- apply.c --- */
/* Tells apply_last_change() of ino. */
void apply_changed(struct call *call, uint64_t ino);

/* --- apply_inode.c: what the ops have in common --- */
int apply_inode_get(struct call *call, uint64_t ino, struct inode *out);
/* A directory that names can be put into: ESTALE, ENOTDIR, ENOENT (removed). */
int apply_dir_get(struct call *call, uint64_t ino, struct inode *out);
/* ENOENT; the name in *out is not to be used. */
int apply_entry_get(struct call *call, uint64_t parent, struct bytes name,
                    struct dentry *out);
/* Is this a name that programs may make or remove in that directory? */
int apply_name_check(uint64_t parent, struct bytes name);
/* Times "now", once per command and inode. ctime grows strictly; mtime is never
 * what it was, so that the kernel sees that something changed. */
void apply_touch(struct call *call, struct inode *inode); /* ctime */
void apply_touch_mtime(struct call *call, struct inode *inode);
void apply_touch_content(struct call *call, struct inode *inode); /* both */
/* Writes the row and tells apply_last_change(). */
int apply_inode_put(struct call *call, const struct inode *inode);
/* Takes one name from a file, or the only one from a directory; writes it. */
int apply_link_drop(struct call *call, struct inode *inode);
/* Set-uid and set-gid, which a change of contents or owner takes away. */
void apply_privileges_drop(const struct call *call, struct inode *inode);
/* Changes the size of a regular file; the caller touches and puts it. */
int apply_resize(struct call *call, struct inode *inode, uint64_t size);
/* Adds a step to the chain over all contents that an inode ever had. */
void apply_hash_step(struct inode *inode, uint64_t offset, uint64_t size,
                     const uint64_t payload_hash[2]);
struct view apply_view(struct bytes bytes);

/* Is the caller the owner, or may he do as if? The kernel has asked the same, but
 * of the owner that it had seen last: EPERM. */
int apply_owner_check(const struct call *call, const struct inode *inode,
                      bool anyway);

/* --- apply_name.c --- */
/* An inode of the caller that lies in dir; a directory that hands its group on
 * (set-gid) makes subdirectories that do so too. */
struct inode apply_inode_new(struct call *call, const struct inode *dir,
                             uint32_t mode);

/* --- apply_session.c --- */
int apply_sessions_load(struct apply *apply);
void apply_sessions_free(struct apply *apply);
struct session *apply_session_find(const struct apply *apply, uint64_t id);
/* True: this serial was applied already; *result is what it gave then. */
bool apply_session_seen(const struct session *session, uint64_t serial,
                        struct apply_result *result);
/* Remembers a result; forgets those below ack_below. */
void apply_session_keep(struct session *session, uint64_t serial,
                        uint64_t ack_below, const struct apply_result *result);
int apply_session_open(struct call *call);
int apply_session_end(struct call *call);

/* --- apply_xattr.c --- */
/* Whoever changes the contents or the owner of a file takes the privileges away
 * that it was given as it was. */
int apply_capability_drop(struct call *call, uint64_t ino);

/* --- apply_acl.c --- */
/* The mode of what is made in dir: the default ACL of dir decides, and the umask
 * only where there is none. An ACL that the new inode needs is set. */
int apply_acl_inherit(struct call *call, const struct inode *dir,
                      struct inode *inode);
/* 1 it has an access ACL, 0 not, or a negative code. */
int apply_acl_has_access(struct call *call, uint64_t ino);
/* inode->mode has changed: its access ACL follows. */
int apply_acl_chmod(struct call *call, const struct inode *inode);
/* The name is that of an ACL: 0, an errno or a negative code. An access ACL sets
 * the mode; one that says no more than the mode leaves no row. */
bool apply_acl_is_name(struct bytes name);
int apply_acl_set(struct call *call, struct inode *inode, struct view value);

/* --- apply_lock.c --- */
/* All that a session held goes to those who wait. */
int apply_locks_end_session(struct call *call, uint64_t session);

/* --- the ops --- */
int apply_create(struct call *call);
int apply_mknod(struct call *call);
int apply_mkdir(struct call *call);
int apply_symlink(struct call *call);
int apply_link(struct call *call);
int apply_unlink(struct call *call);
int apply_rmdir(struct call *call);
int apply_rename(struct call *call);
int apply_setattr(struct call *call);
int apply_write(struct call *call);
int apply_lock(struct call *call);
int apply_lock_cancel(struct call *call);
int apply_lock_release(struct call *call);
int apply_lock_break(struct call *call);
int apply_reap(struct call *call);
int apply_setxattr(struct call *call);
int apply_removexattr(struct call *call); /* and OP_REMOVE_ACL */
int apply_setting(struct call *call);
int apply_fallocate(struct call *call);
int apply_copy_range(struct call *call);
int apply_tmpfile(struct call *call);

#endif
