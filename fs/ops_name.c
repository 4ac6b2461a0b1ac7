/* ops_name.c -- requests that look up, make and remove names. */
#include "fs/ops.h"

#include <errno.h>
#include <string.h>

static bool name_is(const struct request *request, const char *name)
{
    return request->name_size == strlen(name) &&
           memcmp(request->name, name, request->name_size) == 0;
}

/* "." and ".." are looked up only where somebody comes with a file handle that
 * the kernel does not know any more: request->ino is the file itself. */
static void reply_by_number(struct request *request)
{
    struct inode inode;
    int rc = tree_inode_get(request->node->tree, request->ino, &inode);
    if (rc < 0 || inode.nlink == 0) {
        fuse_reply_err(request->fuse, ESTALE);
    } else if (name_is(request, "..") && inode.parent != 0) {
        reply_entry(request, inode.parent);
    } else {
        reply_entry(request, request->ino);
    }
}

static void do_lookup(struct request *request, const struct hull_result *result)
{
    (void)result;
    if (name_is(request, ".") || name_is(request, "..")) {
        reply_by_number(request);
        return;
    }
    struct dentry dentry;
    int rc = tree_dentry_get(request->node->tree, request->ino,
                             (struct view){.data = request->name,
                                           .size = request->name_size},
                             &dentry);
    if (rc < 0) {
        /* Names that are not there are not cached (no entry with ino 0). */
        fuse_reply_err(request->fuse, ops_errno(request->node, rc));
        return;
    }
    reply_entry(request, dentry.ino);
}

/* The name, and what has it: two objects, looked at in the same moment. */
static bool lookup_is_fresh(struct request *request, raft_time now)
{
    struct hull *hull = request->node->hull;
    struct view name = {.data = request->name, .size = request->name_size};
    struct dentry dentry;
    if (!hull_read_now(hull, now, &request->ino, 1)) {
        return false;
    }
    int rc = tree_dentry_get(request->node->tree, request->ino, name, &dentry);
    return rc < 0 || hull_read_now(hull, now, &dentry.ino, 1);
}

void op_lookup(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
    struct node *node = ops_node(fuse);
    if (virtual_lookup(node, fuse, parent, name) || !ops_name_ok(fuse, name)) {
        return;
    }
    struct request *request = request_new(node, fuse, do_lookup);
    if (request == NULL) {
        return;
    }
    request->ino = parent;
    request->name_size = strlen(name);
    memcpy(request->name, name, request->name_size);
    /* What lies above is not behind a name here. */
    bool is_above = name_is(request, ".") || name_is(request, "..");
    request->is_fresh = is_above ? request_all_fresh : lookup_is_fresh;
    request_read(request);
}

static void do_entry(struct request *request, const struct hull_result *result)
{
    reply_entry(request, result->value[VALUE_INO]);
}

static void do_nothing(struct request *request,
                       const struct hull_result *result)
{
    (void)result;
    fuse_reply_err(request->fuse, 0);
}

static void submit(fuse_req_t fuse, request_done *done, struct command *command)
{
    if (virtual_is(command->parent) || virtual_is(command->new_parent) ||
        virtual_is(command->ino)) {
        fuse_reply_err(fuse, EPERM);
        return;
    }
    struct request *request = request_new(ops_node(fuse), fuse, done);
    if (request != NULL) {
        request_command(request, command, (struct bytes){0});
    }
}

void op_mknod(fuse_req_t fuse, fuse_ino_t parent, const char *name,
              mode_t mode, dev_t rdev)
{
    if (!ops_name_ok(fuse, name)) {
        return;
    }
    struct command command = {
        .op = OP_MKNOD,
        .parent = parent,
        .name = ops_name(name),
        .mode = mode,
        .umask = fuse_req_ctx(fuse)->umask,
        .rdev = rdev,
    };
    submit(fuse, do_entry, &command);
}

void op_mkdir(fuse_req_t fuse, fuse_ino_t parent, const char *name,
              mode_t mode)
{
    if (!ops_name_ok(fuse, name)) {
        return;
    }
    struct command command = {
        .op = OP_MKDIR,
        .parent = parent,
        .name = ops_name(name),
        .mode = mode,
        .umask = fuse_req_ctx(fuse)->umask,
    };
    submit(fuse, do_entry, &command);
}

void op_symlink(fuse_req_t fuse, const char *target, fuse_ino_t parent,
                const char *name)
{
    if (!ops_name_ok(fuse, name)) {
        return;
    }
    if (strlen(target) > COMMAND_TARGET_MAX) {
        fuse_reply_err(fuse, ENAMETOOLONG);
        return;
    }
    struct command command = {
        .op = OP_SYMLINK,
        .parent = parent,
        .name = ops_name(name),
        .target = ops_name(target),
    };
    submit(fuse, do_entry, &command);
}

void op_link(fuse_req_t fuse, fuse_ino_t ino, fuse_ino_t parent,
             const char *name)
{
    if (!ops_name_ok(fuse, name)) {
        return;
    }
    struct command command = {
        .op = OP_LINK,
        .ino = ino,
        .parent = parent,
        .name = ops_name(name),
    };
    submit(fuse, do_entry, &command);
}

void op_unlink(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
    if (!ops_name_ok(fuse, name)) {
        return;
    }
    struct command command = {
        .op = OP_UNLINK, .parent = parent, .name = ops_name(name)};
    submit(fuse, do_nothing, &command);
}

void op_rmdir(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
    if (!ops_name_ok(fuse, name)) {
        return;
    }
    struct command command = {
        .op = OP_RMDIR, .parent = parent, .name = ops_name(name)};
    submit(fuse, do_nothing, &command);
}

void op_rename(fuse_req_t fuse, fuse_ino_t parent, const char *name,
               fuse_ino_t new_parent, const char *new_name,
               unsigned int flags)
{
    if (!ops_name_ok(fuse, name) || !ops_name_ok(fuse, new_name)) {
        return;
    }
    struct command command = {
        .op = OP_RENAME,
        .parent = parent,
        .name = ops_name(name),
        .new_parent = new_parent,
        .new_name = ops_name(new_name),
        .flags = flags,
    };
    submit(fuse, do_nothing, &command);
}
