#include "fs/apply_int.h"

#include <assert.h>
#include <sys/stat.h>

static int size_check(const struct inode *inode, uint64_t size)
{
    if (S_ISDIR(inode->mode)) {
        return EISDIR;
    }
    if (!S_ISREG(inode->mode)) {
        return EINVAL;
    }
    return size > INT64_MAX ? EFBIG : 0;
}

static int setattr_check(const struct inode *inode,
                         const struct command *command)
{
    if ((command->set & SET_MODE) != 0 && S_ISLNK(inode->mode)) {
        return EOPNOTSUPP;
    }
    if ((command->set & SET_SIZE) != 0) {
        return size_check(inode, command->size);
    }
    return 0;
}

/* What only the owner may do. Whoever writes makes the kernel take set-id bits
 * away in his name. */
static bool is_for_owner(const struct inode *inode,
                         const struct command *command)
{
    const uint32_t set_id = S_ISUID | S_ISGID;
    uint32_t set = command->set;
    uint32_t changed = (inode->mode ^ command->mode) & ALLPERMS;
    bool takes_away = (changed & ~set_id) == 0 && (changed & command->mode) == 0;
    return (set & (SET_UID | SET_GID)) != 0 ||
           ((set & SET_MODE) != 0 && !takes_away) ||
           (set & (SET_ATIME | SET_ATIME_NOW)) == SET_ATIME ||
           (set & (SET_MTIME | SET_MTIME_NOW)) == SET_MTIME;
}

/* truncate(2) to the size that it has; ftruncate(2) sets a time too. */
static bool is_cut_to_itself(const struct inode *inode,
                             const struct command *command)
{
    return (command->set & ~(uint32_t)SET_ANYWAY) == SET_SIZE &&
           command->size == inode->size &&
           (inode->mode & (S_ISUID | S_ISGID)) == 0;
}

static void set_owner_and_mode(const struct call *call, struct inode *inode)
{
    const struct command *command = call->command;
    uint32_t set = command->set;
    if ((set & SET_MODE) != 0) {
        inode->mode = (inode->mode & S_IFMT) | (command->mode & ALLPERMS);
    }
    /* chown(2) clears them whoever calls it, truncate(2) but for root. */
    bool cuts = (set & SET_SIZE) != 0 && command->caller.uid != 0;
    bool drops = cuts || (set & (SET_UID | SET_GID)) != 0;
    if (drops && !S_ISDIR(inode->mode)) {
        apply_privileges_drop(call, inode);
    }
    if ((set & SET_UID) != 0) {
        inode->uid = command->new_uid;
    }
    if ((set & SET_GID) != 0) {
        inode->gid = command->new_gid;
    }
}

static void set_times(struct call *call, struct inode *inode, bool resized)
{
    const struct command *command = call->command;
    if ((command->set & SET_ATIME_NOW) != 0) {
        inode->atime = call->now;
    } else if ((command->set & SET_ATIME) != 0) {
        inode->atime = command->atime;
    }
    apply_touch(call, inode);
    bool explicit = (command->set & (SET_MTIME | SET_MTIME_NOW)) == SET_MTIME;
    if (explicit) {
        inode->mtime = command->mtime;
    } else if ((command->set & SET_MTIME_NOW) != 0 || resized) {
        apply_touch_mtime(call, inode);
    }
}

/* What stands beside the row of the inode and follows it. */
static int attributes_follow(struct call *call, const struct inode *inode)
{
    uint32_t set = call->command->set;
    int rc = 0;
    if ((set & SET_MODE) != 0) {
        rc = apply_acl_chmod(call, inode);
    }
    if (rc == 0 && (set & (SET_SIZE | SET_UID | SET_GID)) != 0 &&
        !S_ISDIR(inode->mode)) {
        rc = apply_capability_drop(call, inode->ino);
    }
    return rc;
}

int apply_setattr(struct call *call)
{
    const struct command *command = call->command;
    struct inode inode;
    int rc = apply_inode_get(call, command->ino, &inode);
    if (rc == 0) {
        rc = setattr_check(&inode, command);
    }
    if (rc == 0 && is_for_owner(&inode, command)) {
        rc = apply_owner_check(call, &inode, (command->set & SET_ANYWAY) != 0);
    }
    if (rc != 0) {
        return rc;
    }
    if (is_cut_to_itself(&inode, command)) {
        return 0;
    }
    set_owner_and_mode(call, &inode);
    rc = attributes_follow(call, &inode);
    if (rc < 0) {
        return rc;
    }
    bool resizes =
        (command->set & SET_SIZE) != 0 && command->size != inode.size;
    if (resizes) {
        rc = apply_resize(call, &inode, command->size);
        if (rc < 0) {
            return rc;
        }
    }
    set_times(call, &inode, resizes);
    return apply_inode_put(call, &inode);
}
