/* apply_rename.c -- rename(2) with all that Linux says about it.
 *
 * Names two entries: `from` is moved, `to` is what has the new name now (it may
 * not exist). The checks come in the order of the kernel's do_renameat2() and
 * vfs_rename(), so that of two reasons the same one is given.
 */
#include "fs/apply_int.h"

#include <assert.h>
#include <stdio.h>
#include <sys/stat.h>

struct renaming {
    struct inode dirs[2];
    struct inode *old_dir, *new_dir; /* the same one if it stays in its place */
    struct inode from, to;
    bool has_to;
};

static int dirs_get(struct call *call, struct renaming *r)
{
    const struct command *command = call->command;
    r->old_dir = &r->dirs[0];
    r->new_dir = &r->dirs[0];
    int rc = apply_dir_get(call, command->parent, r->old_dir);
    if (rc == 0 && command->new_parent != command->parent) {
        r->new_dir = &r->dirs[1];
        rc = apply_dir_get(call, command->new_parent, r->new_dir);
    }
    return rc;
}

static int entries_get(struct call *call, struct renaming *r)
{
    const struct command *command = call->command;
    struct dentry entry;
    int rc = apply_entry_get(call, command->parent, command->name, &entry);
    if (rc == 0) {
        rc = apply_inode_get(call, entry.ino, &r->from);
    }
    if (rc != 0) {
        return rc;
    }
    rc = apply_entry_get(call, command->new_parent, command->new_name, &entry);
    r->has_to = rc == 0;
    if (rc != 0) {
        return rc == ENOENT ? 0 : rc;
    }
    return apply_inode_get(call, entry.ino, &r->to);
}

static int names_check(const struct command *command)
{
    int rc = apply_name_check(command->parent, command->name);
    if (rc == 0) {
        rc = apply_name_check(command->new_parent, command->new_name);
    }
    return rc;
}

static int flags_check(uint32_t flags)
{
    uint32_t known = RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT;
    bool exchange = (flags & RENAME_EXCHANGE) != 0;
    return (flags & ~known) != 0 || (exchange && flags != RENAME_EXCHANGE)
               ? EINVAL
               : 0;
}

/* Is ino the directory dir, or above it? Returns 1, 0 or a negative code. */
static int is_above(struct call *call, uint64_t ino, const struct inode *dir)
{
    uint64_t at = dir->ino;
    uint64_t parent = dir->parent;
    while (at != ino && at != TREE_ROOT) {
        struct inode above;
        int rc = tree_inode_get(call->tree, parent, &above);
        if (rc < 0) {
            return rc;
        }
        at = above.ino;
        parent = above.parent;
    }
    return at == ino;
}

static int ancestry_check(struct call *call, const struct renaming *r)
{
    if (S_ISDIR(r->from.mode)) {
        int above = is_above(call, r->from.ino, r->new_dir);
        if (above != 0) {
            return above < 0 ? above : EINVAL;
        }
    }
    if (r->has_to && S_ISDIR(r->to.mode)) {
        int above = is_above(call, r->to.ino, r->old_dir);
        if (above != 0) {
            bool exchange = (call->command->flags & RENAME_EXCHANGE) != 0;
            return above < 0 ? above : exchange ? EINVAL : ENOTEMPTY;
        }
    }
    return 0;
}

/* May `from` take the place of `to`? */
static int replace_check(struct call *call, const struct renaming *r)
{
    bool from_dir = S_ISDIR(r->from.mode);
    bool to_dir = S_ISDIR(r->to.mode);
    if (from_dir != to_dir) {
        return from_dir ? ENOTDIR : EISDIR;
    }
    if (!to_dir) {
        return 0;
    }
    int empty = tree_dir_empty(call->tree, r->to.ino);
    return empty < 0 ? empty : empty == 0 ? ENOTEMPTY : 0;
}

static bool is_same(const struct renaming *r)
{
    return r->has_to && r->from.ino == r->to.ino;
}

static int rename_check(struct call *call, const struct renaming *r)
{
    uint32_t flags = call->command->flags;
    if ((flags & RENAME_NOREPLACE) != 0 && r->has_to) {
        return EEXIST;
    }
    if ((flags & RENAME_EXCHANGE) != 0 && !r->has_to) {
        return ENOENT;
    }
    int rc = ancestry_check(call, r);
    if (rc != 0 || is_same(r)) {
        return rc;
    }
    bool replaces = r->has_to && (flags & RENAME_EXCHANGE) == 0;
    return replaces ? replace_check(call, r) : 0;
}

/* A directory takes its ".." along. */
static void move_parent(struct inode *inode, struct inode *from_dir,
                        struct inode *to_dir)
{
    if (S_ISDIR(inode->mode)) {
        from_dir->nlink--;
        to_dir->nlink++;
        inode->parent = to_dir->ino;
    }
}

static int put_all(struct call *call, struct renaming *r)
{
    apply_touch(call, &r->from);
    apply_touch_content(call, r->old_dir);
    int rc = apply_inode_put(call, &r->from);
    if (rc == 0) {
        rc = apply_inode_put(call, r->old_dir);
    }
    if (rc == 0 && r->new_dir != r->old_dir) {
        apply_touch_content(call, r->new_dir);
        rc = apply_inode_put(call, r->new_dir);
    }
    return rc;
}

static int rename_exchange(struct call *call, struct renaming *r)
{
    const struct command *command = call->command;
    int rc = tree_dentry_set(call->tree, command->new_parent,
                             apply_view(command->new_name), r->from.ino,
                             r->from.mode & S_IFMT);
    if (rc == 0) {
        rc = tree_dentry_set(call->tree, command->parent,
                             apply_view(command->name), r->to.ino,
                             r->to.mode & S_IFMT);
    }
    if (rc < 0) {
        return rc;
    }
    move_parent(&r->from, r->old_dir, r->new_dir);
    move_parent(&r->to, r->new_dir, r->old_dir);
    apply_touch(call, &r->to);
    rc = apply_inode_put(call, &r->to);
    return rc < 0 ? rc : put_all(call, r);
}

/* What overlay filesystems leave in the old place: device 0, without
 * permissions. */
static int whiteout_add(struct call *call, const struct renaming *r)
{
    struct inode inode = apply_inode_new(call, r->old_dir, S_IFCHR);
    int rc = tree_inode_add(call->tree, &inode);
    if (rc < 0) {
        return rc;
    }
    apply_changed(call, inode.ino);
    return tree_dentry_add(call->tree, r->old_dir->ino,
                           apply_view(call->command->name), inode.ino, S_IFCHR);
}

static int rename_replace(struct call *call, struct renaming *r)
{
    const struct command *command = call->command;
    int rc = tree_dentry_remove(call->tree, command->parent,
                                apply_view(command->name));
    if (rc == 0) {
        rc = (r->has_to ? tree_dentry_set : tree_dentry_add)(
            call->tree, command->new_parent, apply_view(command->new_name),
            r->from.ino, r->from.mode & S_IFMT);
    }
    if (rc == 0 && r->has_to) {
        r->new_dir->nlink -= S_ISDIR(r->to.mode) ? 1 : 0;
        rc = apply_link_drop(call, &r->to);
    }
    if (rc < 0) {
        return rc;
    }
    move_parent(&r->from, r->old_dir, r->new_dir);
    if ((command->flags & RENAME_WHITEOUT) != 0) {
        rc = whiteout_add(call, r);
    }
    return rc < 0 ? rc : put_all(call, r);
}

int apply_rename(struct call *call)
{
    struct renaming r = {0};
    int rc = flags_check(call->command->flags);
    if (rc == 0) {
        rc = dirs_get(call, &r);
    }
    if (rc == 0) {
        rc = names_check(call->command);
    }
    if (rc == 0) {
        rc = entries_get(call, &r);
    }
    if (rc == 0) {
        rc = rename_check(call, &r);
    }
    if (rc != 0 || is_same(&r)) {
        return rc; /* two names of one file: nothing to do, says POSIX */
    }
    if ((call->command->flags & RENAME_EXCHANGE) != 0) {
        return rename_exchange(call, &r);
    }
    return rename_replace(call, &r);
}
