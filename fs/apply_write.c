#include "fs/apply_int.h"

#include "store/error.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/stat.h>

/* Where this node has the bytes: in a segment, or in the record itself. */
static int bytes_put(struct call *call, struct inode *inode, uint64_t offset)
{
    const struct record *record = call->record;
    struct place place = {record->place.segment, record->place.position};
    struct view src = {0};
    if (place.segment == 0) {
        if (record->payload.data == NULL ||
            record->payload.size != record->payload_size ||
            record->payload_size > TREE_INLINE_MAX) {
            return store_fail(STORE_INVALID,
                              "the bytes of record %llu were not staged",
                              (unsigned long long)record->index);
        }
        src = apply_view(record->payload);
    }
    int64_t added = 0;
    int rc = tree_write(call->tree, inode->body, offset, place, src,
                        record->payload_size, &added);
    if (rc < 0) {
        return rc;
    }
    assert(added >= 0 || inode->blocks >= (uint64_t)-added);
    inode->blocks += (uint64_t)added;
    if (record->payload_size < APPLY_SMALL_EXTENT) {
        call->apply->change.small_body = inode->body;
    }
    return 0;
}

static int write_check(const struct inode *inode)
{
    if (S_ISDIR(inode->mode)) {
        return EISDIR;
    }
    return S_ISREG(inode->mode) ? 0 : EINVAL;
}

int apply_write(struct call *call)
{
    const struct command *command = call->command;
    uint64_t size = call->record->payload_size;
    struct inode inode;
    int rc = apply_inode_get(call, command->ino, &inode);
    if (rc == 0) {
        rc = write_check(&inode);
    }
    if (rc != 0) {
        return rc;
    }
    bool append = (command->flags & O_APPEND) != 0;
    uint64_t offset = append ? inode.size : command->offset;
    call->result->value[VALUE_OFFSET] = offset;
    if (size == 0) {
        return 0; /* as write(2): not even the times change */
    }
    if (offset > INT64_MAX || size > INT64_MAX - offset) {
        return EFBIG;
    }
    rc = bytes_put(call, &inode, offset);
    if (rc < 0) {
        return rc;
    }
    rc = apply_capability_drop(call, inode.ino);
    if (rc < 0) {
        return rc;
    }
    apply_hash_step(&inode, offset, size, call->record->payload_hash);
    if (offset + size > inode.size) {
        inode.size = offset + size;
    }
    if (command->caller.uid != 0) {
        apply_privileges_drop(call, &inode);
    }
    apply_touch_content(call, &inode);
    call->result->value[VALUE_SIZE] = size;
    return apply_inode_put(call, &inode);
}
