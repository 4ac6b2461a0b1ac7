/* apply_name.c -- names that are made: create, mknod, mkdir, symlink, link. */
#include "fs/apply_int.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/stat.h>

/* The directory, if the name may be made in it. EEXIST: *there is what has the
 * name. */
static int place_get(struct call *call, struct inode *dir, struct dentry *there)
{
    const struct command *command = call->command;
    int rc = apply_dir_get(call, command->parent, dir);
    if (rc == 0) {
        rc = apply_name_check(command->parent, command->name);
    }
    if (rc == 0) {
        rc = apply_entry_get(call, command->parent, command->name, there);
        rc = rc == ENOENT ? 0 : rc == 0 ? EEXIST : rc;
    }
    return rc;
}

struct inode apply_inode_new(struct call *call, const struct inode *dir,
                             uint32_t mode)
{
    struct inode inode = {
        .ino = tree_next_ino(call->tree),
        .mode = mode,
        .uid = call->command->caller.uid,
        .gid = call->command->caller.gid,
        .nlink = 1,
        .atime = call->now,
        .mtime = call->now,
        .ctime = call->now,
        .btime = call->now,
    };
    if ((dir->mode & S_ISGID) != 0) {
        inode.gid = dir->gid;
    }
    if (S_ISDIR(mode)) {
        inode.nlink = 2;
        inode.parent = dir->ino;
        inode.mode |= dir->mode & S_ISGID;
    }
    if (S_ISREG(mode)) {
        inode.body = inode.ino; /* bodies are numbered by the same counter */
    }
    return inode;
}

/* Adds the inode, its name and what they change in dir. */
static int inode_add(struct call *call, struct inode *dir,
                     const struct inode *inode)
{
    int rc = tree_inode_add(call->tree, inode);
    if (rc < 0) {
        return rc;
    }
    apply_changed(call, inode->ino);
    rc = tree_dentry_add(call->tree, dir->ino, apply_view(call->command->name),
                         inode->ino, inode->mode & S_IFMT);
    if (rc < 0) {
        return rc;
    }
    dir->nlink += S_ISDIR(inode->mode) ? 1 : 0;
    apply_touch_content(call, dir);
    call->result->value[VALUE_INO] = inode->ino;
    return apply_inode_put(call, dir);
}

/* The same, with the permissions that umask and the ACL of dir leave it. */
static int inode_make(struct call *call, const struct inode *dir, uint32_t type,
                      uint32_t allowed, struct inode *out)
{
    *out = apply_inode_new(call, dir, type | (call->command->mode & allowed));
    return apply_acl_inherit(call, dir, out);
}

/* Would the kernel open this existing file for the caller? It could not check,
 * since it took the name for free. The caller's other groups are not known
 * here, so what is not certain counts as no. */
static bool may_open(const struct inode *inode, bool has_acl,
                     const struct command *command)
{
    uint32_t uid = command->caller.uid;
    if (uid == 0) {
        return true;
    }
    uint32_t granted = (inode->mode >> 3) & inode->mode;
    if (uid == inode->uid) {
        granted = inode->mode >> 6;
    } else if (has_acl) {
        return false; /* whom it names, and what its group may do */
    } else if (command->caller.gid == inode->gid) {
        granted = inode->mode >> 3;
    }
    uint32_t access = command->flags & O_ACCMODE;
    uint32_t wanted = (access != O_WRONLY ? S_IROTH : 0) |
                      (access != O_RDONLY ? S_IWOTH : 0) |
                      ((command->flags & O_TRUNC) != 0 ? S_IWOTH : 0);
    return (granted & wanted) == wanted;
}

static int open_existing(struct call *call, uint64_t ino)
{
    const struct command *command = call->command;
    if ((command->flags & O_EXCL) != 0) {
        return EEXIST;
    }
    struct inode inode;
    int rc = apply_inode_get(call, ino, &inode);
    if (rc != 0) {
        return rc;
    }
    if (S_ISDIR(inode.mode)) {
        return EISDIR;
    }
    rc = apply_acl_has_access(call, ino);
    if (rc < 0) {
        return rc;
    }
    /* Another node made something there meanwhile. ESTALE lets the kernel look
     * the name up again and do what open(2) does with a link, a pipe, a file
     * that is not the caller's. */
    if (!S_ISREG(inode.mode) || !may_open(&inode, rc == 1, command)) {
        return ESTALE;
    }
    call->result->value[VALUE_INO] = ino;
    if ((command->flags & O_TRUNC) == 0) {
        return 0;
    }
    rc = apply_resize(call, &inode, 0);
    if (rc < 0) {
        return rc;
    }
    rc = apply_capability_drop(call, ino);
    if (rc < 0) {
        return rc;
    }
    if (command->caller.uid != 0) {
        apply_privileges_drop(call, &inode);
    }
    apply_touch_content(call, &inode);
    return apply_inode_put(call, &inode);
}

int apply_create(struct call *call)
{
    struct inode dir;
    struct dentry there;
    int rc = place_get(call, &dir, &there);
    if (rc == EEXIST) {
        return open_existing(call, there.ino);
    }
    if (rc != 0) {
        return rc;
    }
    struct inode inode;
    rc = inode_make(call, &dir, S_IFREG, ALLPERMS, &inode);
    call->result->value[VALUE_MADE] = 1;
    return rc < 0 ? rc : inode_add(call, &dir, &inode);
}

/* An orphan from the start, for whoever has opened it. It remembers its
 * directory until it gets a name: a file that has lost its last one never gets
 * another, even if a node that has not heard of that asks for it. */
int apply_tmpfile(struct call *call)
{
    struct inode dir;
    struct inode inode;
    int rc = apply_dir_get(call, call->command->parent, &dir);
    if (rc == 0) {
        rc = inode_make(call, &dir, S_IFREG, ALLPERMS, &inode);
    }
    if (rc != 0) {
        return rc;
    }
    inode.nlink = 0;
    inode.parent = dir.ino;
    inode.orphaned = call->record->index;
    apply_changed(call, inode.ino);
    call->result->value[VALUE_INO] = inode.ino;
    call->result->value[VALUE_MADE] = 1;
    return tree_inode_add(call->tree, &inode);
}

int apply_mknod(struct call *call)
{
    const struct command *command = call->command;
    uint32_t type = command->mode & S_IFMT;
    uint64_t rdev = 0;
    switch (type) {
    case 0:
        type = S_IFREG;
        break;
    case S_IFREG:
    case S_IFIFO:
    case S_IFSOCK:
        break;
    case S_IFCHR:
    case S_IFBLK:
        rdev = command->rdev;
        break;
    case S_IFDIR:
        return EPERM;
    default:
        return EINVAL;
    }
    struct inode dir;
    struct dentry there;
    int rc = place_get(call, &dir, &there);
    if (rc != 0) {
        return rc;
    }
    struct inode inode;
    rc = inode_make(call, &dir, type, ALLPERMS, &inode);
    if (rc < 0) {
        return rc;
    }
    inode.rdev = rdev;
    return inode_add(call, &dir, &inode);
}

int apply_mkdir(struct call *call)
{
    struct inode dir;
    struct dentry there;
    int rc = place_get(call, &dir, &there);
    if (rc != 0) {
        return rc;
    }
    uint32_t allowed = ACCESSPERMS | S_ISVTX; /* as mkdir(2) */
    struct inode inode;
    rc = inode_make(call, &dir, S_IFDIR, allowed, &inode);
    return rc < 0 ? rc : inode_add(call, &dir, &inode);
}

int apply_symlink(struct call *call)
{
    struct bytes target = call->command->target;
    if (target.size == 0) {
        return ENOENT; /* as symlink(2) */
    }
    if (target.size > COMMAND_TARGET_MAX) {
        return ENAMETOOLONG;
    }
    struct inode dir;
    struct dentry there;
    int rc = place_get(call, &dir, &there);
    if (rc != 0) {
        return rc;
    }
    struct inode inode = apply_inode_new(call, &dir, S_IFLNK | ACCESSPERMS);
    inode.size = target.size;
    rc = inode_add(call, &dir, &inode);
    if (rc < 0) {
        return rc;
    }
    return tree_symlink_set(call->tree, inode.ino, apply_view(target));
}

int apply_link(struct call *call)
{
    struct inode dir;
    struct dentry there;
    int rc = place_get(call, &dir, &there);
    if (rc != 0) {
        return rc;
    }
    struct inode inode;
    rc = apply_inode_get(call, call->command->ino, &inode);
    if (rc != 0) {
        return rc;
    }
    if (S_ISDIR(inode.mode)) {
        return EPERM;
    }
    if (inode.nlink == 0 && inode.parent == 0) {
        return ENOENT;
    }
    if (inode.nlink >= APPLY_LINKS_MAX) {
        return EMLINK;
    }
    inode.nlink++;
    inode.parent = 0;
    inode.orphaned = 0;
    apply_touch(call, &inode);
    rc = apply_inode_put(call, &inode);
    if (rc < 0) {
        return rc;
    }
    rc = tree_dentry_add(call->tree, dir.ino, apply_view(call->command->name),
                         inode.ino, inode.mode & S_IFMT);
    if (rc < 0) {
        return rc;
    }
    call->result->value[VALUE_INO] = inode.ino;
    apply_touch_content(call, &dir);
    return apply_inode_put(call, &dir);
}
