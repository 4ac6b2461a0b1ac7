/* apply_xattr.c -- extended attributes: set, remove. */
#include "fs/apply_int.h"

#include "store/error.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static const struct view capability = {"security.capability", 19};

int apply_capability_drop(struct call *call, uint64_t ino)
{
    int rc = tree_xattr_remove(call->tree, ino, capability);
    return rc == STORE_NOT_FOUND ? 0 : rc;
}

/* What a namespace's prefix leaves of the name; -1: it is of another one. */
static int rest_of(struct bytes name, const char *prefix)
{
    size_t size = strlen(prefix);
    bool begins = name.size >= size && memcmp(name.data, prefix, size) == 0;
    return begins ? (int)(name.size - size) : -1;
}

/* Who may do what was checked by the kernel; this is about what there is. */
static int name_check(const struct inode *inode, struct bytes name)
{
    static const char *const prefixes[] = {"user.", "trusted.", "security."};
    bool has_user = S_ISREG(inode->mode) || S_ISDIR(inode->mode);
    if (rest_of(name, "user.") >= 0 && !has_user) {
        return EPERM; /* as xattr(7) */
    }
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        int rest = rest_of(name, prefixes[i]);
        if (rest >= 0) {
            return rest > 0 ? 0 : EINVAL;
        }
    }
    return apply_acl_is_name(name) ? 0 : EOPNOTSUPP;
}

static bool count_bytes(void *arg, struct view name)
{
    *(size_t *)arg += name.size + 1;
    return true;
}

/* As one list of names, all must fit into what listxattr(2) can give. */
static int room_check(struct call *call, uint64_t ino, struct bytes name)
{
    size_t size = name.size + 1;
    int rc = tree_xattr_each(call->tree, ino, count_bytes, &size);
    return rc == 0 && size > TREE_XATTR_LIST_MAX ? ENOSPC : rc;
}

static int presence_check(struct call *call, uint64_t ino)
{
    const struct command *command = call->command;
    struct view there;
    int rc = tree_xattr_get(call->tree, ino, apply_view(command->name), &there);
    if (rc == STORE_NOT_FOUND) {
        return (command->flags & XATTR_REPLACE) != 0
                   ? ENODATA
                   : room_check(call, ino, command->name);
    }
    return rc == 0 && (command->flags & XATTR_CREATE) != 0 ? EEXIST : rc;
}

/* The value is the record's payload; a large one may be in a segment only.
 * Frees nothing: *owned does. */
static int value_get(struct call *call, struct view *out, void **owned)
{
    const struct record *record = call->record;
    if (record->payload.data != NULL || record->payload_size == 0) {
        *out = (struct view){record->payload.data,
                             (size_t)record->payload_size};
        return 0;
    }
    *owned = malloc((size_t)record->payload_size);
    assert(*owned != NULL);
    *out = (struct view){*owned, (size_t)record->payload_size};
    struct place place = {record->place.segment, record->place.position};
    return tree_payload_read(call->tree, place, *owned, out->size);
}

static int set_value(struct call *call, struct inode *inode)
{
    const struct command *command = call->command;
    struct view value = {0};
    void *owned = NULL;
    int rc = value_get(call, &value, &owned);
    if (rc == 0 && apply_acl_is_name(command->name)) {
        rc = apply_owner_check(call, inode,
                               (command->flags & COMMAND_ANYWAY) != 0);
        rc = rc != 0 ? rc : apply_acl_set(call, inode, value);
    } else if (rc == 0) {
        rc = tree_xattr_set(call->tree, inode->ino, apply_view(command->name),
                            value);
    }
    free(owned);
    return rc;
}

int apply_setxattr(struct call *call)
{
    const struct command *command = call->command;
    uint32_t known = XATTR_CREATE | XATTR_REPLACE | COMMAND_KILL_SGID |
                     COMMAND_ANYWAY;
    struct inode inode;
    int rc = apply_inode_get(call, command->ino, &inode);
    if (rc == 0) {
        rc = name_check(&inode, command->name);
    }
    if (rc == 0 && (command->flags & ~known) != 0) {
        rc = EINVAL;
    }
    if (rc == 0 && call->record->payload_size > TREE_XATTR_VALUE_MAX) {
        rc = E2BIG;
    }
    if (rc == 0) {
        rc = presence_check(call, inode.ino);
    }
    if (rc == 0) {
        rc = set_value(call, &inode);
    }
    if (rc != 0) {
        return rc;
    }
    apply_touch(call, &inode);
    return apply_inode_put(call, &inode);
}

/* Logs may have ACLs in an OP_REMOVEXATTR, from when nobody was asked. */
static int removal_check(const struct call *call, const struct inode *inode)
{
    const struct command *command = call->command;
    if (command->op != OP_REMOVE_ACL) {
        return 0;
    }
    if ((command->flags & ~(uint32_t)COMMAND_ANYWAY) != 0 ||
        !apply_acl_is_name(command->name)) {
        return EINVAL;
    }
    return apply_owner_check(call, inode,
                             (command->flags & COMMAND_ANYWAY) != 0);
}

int apply_removexattr(struct call *call)
{
    const struct command *command = call->command;
    struct inode inode;
    int rc = apply_inode_get(call, command->ino, &inode);
    if (rc == 0) {
        rc = name_check(&inode, command->name);
    }
    if (rc == 0) {
        rc = removal_check(call, &inode);
    }
    if (rc != 0) {
        return rc;
    }
    rc = tree_xattr_remove(call->tree, inode.ino, apply_view(command->name));
    if (rc == STORE_NOT_FOUND) {
        /* To have no ACL is the same as to have one that says nothing. */
        return apply_acl_is_name(command->name) ? 0 : ENODATA;
    }
    if (rc != 0) {
        return rc;
    }
    apply_touch(call, &inode);
    return apply_inode_put(call, &inode);
}
