#include "fs/footprint.h"

#include "fs/command.h"
#include "store/error.h"

#include <assert.h>

static void add(struct footprint *out, uint64_t key)
{
    assert(out->count < FOOTPRINT_KEYS_MAX);
    out->keys[out->count] = key;
    out->count++;
}

/* The inode that has the name now: it loses it, or is changed under it. */
static void add_named(struct tree *tree, struct footprint *out, uint64_t parent,
                      struct bytes name)
{
    struct dentry dentry;
    int rc = tree_dentry_get(
        tree, parent, (struct view){.data = name.data, .size = name.size},
        &dentry);
    out->again = true;
    if (rc == 0) {
        add(out, dentry.ino);
    } else if (rc != STORE_NOT_FOUND) {
        out->all = true;
    }
}

static void add_reaped(struct footprint *out, const struct command *command)
{
    struct reader r = reader_init((struct bytes){
        command->inos, (size_t)command->ino_count * sizeof(uint64_t)});
    out->all = command->ino_count > FOOTPRINT_KEYS_MAX;
    for (uint32_t i = 0; i < command->ino_count && !out->all; i++) {
        add(out, read_u64(&r));
    }
}

static void of_command(struct tree *tree, const struct command *command,
                       struct footprint *out)
{
    switch ((enum command_op)command->op) {
    case OP_MKNOD:
    case OP_TMPFILE:
    case OP_MKDIR:
    case OP_SYMLINK:
        add(out, command->parent); /* nobody knows the new one yet */
        return;
    case OP_LINK:
        add(out, command->parent);
        add(out, command->ino);
        return;
    case OP_CREATE: /* or cuts what is there */
    case OP_UNLINK:
    case OP_RMDIR:
        add(out, command->parent);
        add_named(tree, out, command->parent, command->name);
        return;
    case OP_RENAME:
        add(out, command->parent);
        add(out, command->new_parent);
        add_named(tree, out, command->parent, command->name);
        add_named(tree, out, command->new_parent, command->new_name);
        return;
    case OP_SETATTR:
    case OP_WRITE:
    case OP_SETXATTR:
    case OP_REMOVEXATTR:
    case OP_REMOVE_ACL:
    case OP_FALLOCATE:
        add(out, command->ino);
        return;
    case OP_COPY_RANGE:
        add(out, command->ino);
        add(out, command->source);
        return;
    case OP_LOCK:
    case OP_LOCK_CANCEL:
    case OP_LOCK_RELEASE:
    case OP_LOCK_BREAK:
        add(out, footprint_locks(command->ino));
        return;
    case OP_REAP:
        add_reaped(out, command);
        return;
    case OP_SESSION_OPEN: /* ends the node's earlier ones, with their locks */
    case OP_SESSION_END:
    case OP_SETTING:
    case OP_END:
        break;
    }
    out->all = true;
}

void footprint_of(struct tree *tree, const struct record *record,
                  struct footprint *out)
{
    struct command command;
    *out = (struct footprint){0};
    if (record->code == RECORD_TERM_START || record->code == RECORD_CONFIG ||
        record->code == RECORD_BARRIER) {
        return;
    }
    if (record->code != RECORD_COMMAND) {
        out->all = true;
    } else if (command_decode(record->body, &command) == 0) {
        of_command(tree, &command, out);
    }
}
