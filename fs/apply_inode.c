#include "fs/apply_int.h"

#include "store/error.h"

#include <assert.h>
#include <string.h>
#include <sys/stat.h>

struct view apply_view(struct bytes bytes)
{
    return (struct view){.data = bytes.data, .size = bytes.size};
}

int apply_inode_get(struct call *call, uint64_t ino, struct inode *out)
{
    int rc = tree_inode_get(call->tree, ino, out);
    /* ESTALE makes the kernel look the path up anew, once. */
    return rc == STORE_NOT_FOUND ? ESTALE : rc;
}

int apply_dir_get(struct call *call, uint64_t ino, struct inode *out)
{
    int rc = apply_inode_get(call, ino, out);
    if (rc != 0) {
        return rc;
    }
    if (!S_ISDIR(out->mode)) {
        return ENOTDIR;
    }
    return out->nlink == 0 ? ENOENT : 0;
}

int apply_entry_get(struct call *call, uint64_t parent, struct bytes name,
                    struct dentry *out)
{
    int rc = tree_dentry_get(call->tree, parent, apply_view(name), out);
    out->name = (struct view){0};
    return rc == STORE_NOT_FOUND ? ENOENT : rc;
}

static bool name_is(struct bytes name, const char *text)
{
    return name.size == strlen(text) && memcmp(name.data, text, name.size) == 0;
}

int apply_name_check(uint64_t parent, struct bytes name)
{
    if (name.size > TREE_NAME_MAX) {
        return ENAMETOOLONG;
    }
    /* The kernel resolves these; as rows they would break the tree. */
    if (name.size == 0 || name_is(name, ".") || name_is(name, "..")) {
        return EINVAL;
    }
    /* Shown by every mount, stored by none. */
    if (parent == TREE_ROOT && name_is(name, ".raftfs")) {
        return EPERM;
    }
    return 0;
}

void apply_touch(struct call *call, struct inode *inode)
{
    inode->ctime = call->now > inode->ctime ? call->now : inode->ctime + 1;
}

void apply_touch_mtime(struct call *call, struct inode *inode)
{
    /* A program may have set any mtime, the future included: like ext4 we take
     * the present again, but never the same value twice in a row, since the
     * kernel keeps its pages of a file whose mtime it knows already. */
    inode->mtime = call->now != inode->mtime ? call->now : call->now + 1;
}

void apply_touch_content(struct call *call, struct inode *inode)
{
    apply_touch(call, inode);
    apply_touch_mtime(call, inode);
}

int apply_inode_put(struct call *call, const struct inode *inode)
{
    apply_changed(call, inode->ino);
    return tree_inode_set(call->tree, inode);
}

int apply_link_drop(struct call *call, struct inode *inode)
{
    assert(inode->nlink > 0);
    inode->nlink = S_ISDIR(inode->mode) ? 0 : inode->nlink - 1;
    apply_touch(call, inode);
    if (inode->nlink == 0) {
        /* Somebody may have it open: it stays until OP_REAP. */
        inode->orphaned = call->record->index;
        call->result->value[VALUE_GONE] = inode->ino;
    }
    return apply_inode_put(call, inode);
}

int apply_owner_check(const struct call *call, const struct inode *inode,
                      bool anyway)
{
    uint32_t uid = call->command->caller.uid;
    return uid == 0 || uid == inode->uid || anyway ? 0 : EPERM;
}

void apply_privileges_drop(const struct call *call, struct inode *inode)
{
    const struct command_caller *caller = &call->command->caller;
    /* Without group execution the bit once meant mandatory locking, and Linux
     * leaves it to root and to the group, which the caller's node has looked up
     * (choose_group() in fs/request.c). */
    bool may_keep = caller->uid == 0 || caller->gid == inode->gid;
    inode->mode &= ~(uint32_t)S_ISUID;
    if ((inode->mode & S_IXGRP) != 0 || !may_keep) {
        inode->mode &= ~(uint32_t)S_ISGID;
    }
}

void apply_hash_step(struct inode *inode, uint64_t offset, uint64_t size,
                     const uint64_t payload_hash[2])
{
    uint8_t step[5 * 8];
    struct writer w = writer_init(step, sizeof step);
    write_u64(&w, inode->data_hash);
    write_u64(&w, offset);
    write_u64(&w, size);
    write_u64(&w, payload_hash[0]);
    write_u64(&w, payload_hash[1]);
    inode->data_hash = store_hash64((struct view){step, sizeof step}, 0);
}

/* All contents go: the old body is forgotten in the background, however many
 * extents it has. */
static int empty_body(struct call *call, struct inode *inode)
{
    int rc = tree_body_drop(call->tree, inode->body);
    if (rc < 0) {
        return rc;
    }
    inode->body = tree_next_ino(call->tree);
    inode->blocks = 0;
    inode->data_hash = 0;
    return 0;
}

static int cut_body(struct call *call, struct inode *inode, uint64_t size)
{
    static const uint64_t no_payload[2];
    int64_t added = 0;
    int rc = tree_cut(call->tree, inode->body, size, &added);
    if (rc < 0) {
        return rc;
    }
    assert(added <= 0 && inode->blocks >= (uint64_t)-added);
    inode->blocks -= (uint64_t)-added;
    apply_hash_step(inode, size, 0, no_payload);
    return 0;
}

int apply_resize(struct call *call, struct inode *inode, uint64_t size)
{
    assert(S_ISREG(inode->mode));
    int rc = 0;
    if (size < inode->size) {
        rc = size == 0 ? empty_body(call, inode) : cut_body(call, inode, size);
    }
    inode->size = size; /* when it grows: the rest is a hole */
    return rc;
}
