/* apply_copy.c -- fallocate and copy_file_range: contents that change without
 * bytes that come from outside. */
#include "fs/apply_int.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/stat.h>

enum {
    /* Of one command, so that apply comes to an end soon also where the source
     * is of many small pieces; programs ask again for the rest. */
    APPLY_COPY_MAX = 4 * 1024 * 1024,
};

static int range_check(uint64_t offset, uint64_t size)
{
    return offset > INT64_MAX || size > INT64_MAX - offset ? EFBIG : 0;
}

static int file_get(struct call *call, uint64_t ino, struct inode *out)
{
    int rc = apply_inode_get(call, ino, out);
    if (rc != 0) {
        return rc;
    }
    if (S_ISDIR(out->mode)) {
        return EISDIR;
    }
    return S_ISREG(out->mode) ? 0 : EINVAL;
}

static void blocks_add(struct inode *inode, int64_t added)
{
    assert(added >= 0 || inode->blocks >= (uint64_t)-added);
    inode->blocks += (uint64_t)added;
}

/* What every change of contents does, as write(2). */
static int finish(struct call *call, struct inode *inode)
{
    if (call->command->caller.uid != 0) {
        apply_privileges_drop(call, inode);
    }
    int rc = apply_capability_drop(call, inode->ino);
    if (rc < 0) {
        return rc;
    }
    apply_touch_content(call, inode);
    return apply_inode_put(call, inode);
}

/* --- fallocate --- */

static bool mode_is_known(uint32_t mode)
{
    switch (mode) {
    case 0:
    case FALLOC_FL_KEEP_SIZE:
    case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
    case FALLOC_FL_ZERO_RANGE:
    case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE:
        return true;
    default:
        return false;
    }
}

static int punch(struct call *call, struct inode *inode)
{
    static const uint64_t no_payload[2];
    const struct command *command = call->command;
    int64_t added = 0;
    int rc = tree_punch(call->tree, inode->body, command->offset,
                        command->size, &added);
    if (rc < 0) {
        return rc;
    }
    blocks_add(inode, added);
    apply_hash_step(inode, command->offset, command->size, no_payload);
    return 0;
}

/* Room is not reserved: a segment is written at its end, so there is nothing to
 * reserve in it. What remains of fallocate(2) is the size, and zeros. */
int apply_fallocate(struct call *call)
{
    const struct command *command = call->command;
    uint32_t mode = command->flags;
    struct inode inode;
    int rc = file_get(call, command->ino, &inode);
    if (rc == 0) {
        rc = mode_is_known(mode) ? 0 : EOPNOTSUPP;
    }
    if (rc == 0) {
        rc = command->size == 0 ? EINVAL
                                : range_check(command->offset, command->size);
    }
    if (rc == 0 && (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0) {
        rc = punch(call, &inode);
    }
    if (rc != 0) {
        return rc;
    }
    uint64_t end = command->offset + command->size;
    if ((mode & FALLOC_FL_KEEP_SIZE) == 0 && end > inode.size) {
        inode.size = end;
    }
    return finish(call, &inode);
}

/* --- copy_file_range --- */

static uint64_t size_to_copy(const struct command *command,
                             const struct inode *source)
{
    if (command->source_offset >= source->size) {
        return 0;
    }
    uint64_t left = source->size - command->source_offset;
    uint64_t size = command->size < left ? command->size : left;
    return size < APPLY_COPY_MAX ? size : APPLY_COPY_MAX;
}

static bool overlaps(const struct command *command, uint64_t size)
{
    return command->ino == command->source &&
           command->offset < command->source_offset + size &&
           command->source_offset < command->offset + size;
}

/* The chain goes on with the chain of the source: what is copied is a function
 * of all that was ever written there. */
static int copy(struct call *call, const struct inode *source,
                struct inode *target, uint64_t size)
{
    const struct command *command = call->command;
    const uint64_t from[2] = {source->data_hash, command->source_offset};
    int64_t added = 0;
    int rc = tree_copy(call->tree, source->body, command->source_offset,
                       target->body, command->offset, size, &added);
    if (rc < 0) {
        return rc;
    }
    blocks_add(target, added);
    apply_hash_step(target, command->offset, size, from);
    if (command->offset + size > target->size) {
        target->size = command->offset + size;
    }
    call->apply->change.small_body = target->body;
    return 0;
}

int apply_copy_range(struct call *call)
{
    const struct command *command = call->command;
    struct inode source;
    struct inode target;
    int rc = file_get(call, command->source, &source);
    if (rc == 0) {
        rc = file_get(call, command->ino, &target);
    }
    if (rc != 0) {
        return rc;
    }
    uint64_t size = size_to_copy(command, &source);
    if (size == 0) {
        return 0;
    }
    rc = overlaps(command, size) ? EINVAL : range_check(command->offset, size);
    if (rc != 0) {
        return rc;
    }
    rc = copy(call, &source, &target, size);
    if (rc < 0) {
        return rc;
    }
    call->result->value[VALUE_SIZE] = size;
    return finish(call, &target);
}
