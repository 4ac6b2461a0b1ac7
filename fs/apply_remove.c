/* apply_remove.c -- names that go: unlink, rmdir; and what nobody has open any
 * more: reap. */
#include "fs/apply_int.h"

#include "store/error.h"

#include <assert.h>
#include <sys/stat.h>

/* The directory, and the inode that has the name in it. */
static int named_get(struct call *call, struct inode *dir, struct inode *inode)
{
    const struct command *command = call->command;
    int rc = apply_dir_get(call, command->parent, dir);
    if (rc == 0) {
        rc = apply_name_check(command->parent, command->name);
    }
    struct dentry entry;
    if (rc == 0) {
        rc = apply_entry_get(call, command->parent, command->name, &entry);
    }
    if (rc == 0) {
        rc = apply_inode_get(call, entry.ino, inode);
    }
    return rc;
}

static int named_remove(struct call *call, struct inode *dir,
                        struct inode *inode)
{
    int rc = tree_dentry_remove(call->tree, dir->ino,
                                apply_view(call->command->name));
    if (rc < 0) {
        return rc;
    }
    rc = apply_link_drop(call, inode);
    if (rc < 0) {
        return rc;
    }
    apply_touch_content(call, dir);
    return apply_inode_put(call, dir);
}

int apply_unlink(struct call *call)
{
    struct inode dir;
    struct inode inode;
    int rc = named_get(call, &dir, &inode);
    if (rc != 0) {
        return rc;
    }
    if (S_ISDIR(inode.mode)) {
        return EISDIR;
    }
    return named_remove(call, &dir, &inode);
}

int apply_rmdir(struct call *call)
{
    struct inode dir;
    struct inode inode;
    int rc = named_get(call, &dir, &inode);
    if (rc != 0) {
        return rc;
    }
    if (!S_ISDIR(inode.mode)) {
        return ENOTDIR;
    }
    int empty = tree_dir_empty(call->tree, inode.ino);
    if (empty <= 0) {
        return empty < 0 ? empty : ENOTEMPTY;
    }
    assert(dir.nlink > 2);
    dir.nlink--;
    return named_remove(call, &dir, &inode);
}

static int reap_one(struct call *call, uint64_t ino)
{
    struct inode inode;
    int rc = tree_inode_get(call->tree, ino, &inode);
    if (rc == STORE_NOT_FOUND) {
        return 0; /* the leader's list was made twice */
    }
    if (rc < 0 || inode.nlink > 0) {
        return rc;
    }
    return tree_inode_remove(call->tree, ino);
}

int apply_reap(struct call *call)
{
    const struct command *command = call->command;
    size_t size = (size_t)command->ino_count * sizeof(uint64_t);
    struct reader r = reader_init((struct bytes){command->inos, size});
    for (uint32_t i = 0; i < command->ino_count; i++) {
        int rc = reap_one(call, read_u64(&r));
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}
