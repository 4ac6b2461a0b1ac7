/* ops_xattr.c -- requests about extended attributes.
 *
 * Two kinds of questions come from the kernel itself and very often: "has it a
 * capability?" before every write(2), and "has it an ACL?" while it checks
 * permissions. They are answered from this node's tree at once. For the first,
 * apply drops capabilities itself, whatever the kernel thinks. For ACLs the
 * kernel has just looked the inode up, since nothing of it is cached: that was the
 * linearizable look, and the tree has not gone back since.
 */
#include "fs/ops.h"

#include "fs/acl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct view xattr_name(const struct request *request)
{
    return (struct view){.data = request->name, .size = request->name_size};
}

static void reply_value(struct request *request, const void *data, size_t size)
{
    if (request->size == 0) {
        fuse_reply_xattr(request->fuse, size);
    } else if (request->size < size) {
        fuse_reply_err(request->fuse, ERANGE);
    } else {
        fuse_reply_buf(request->fuse, data, size);
    }
}

/* --- get --- */

static void do_getxattr(struct request *request,
                        const struct hull_result *result)
{
    (void)result;
    struct view value;
    int rc = tree_xattr_get(request->node->tree, request->ino,
                            xattr_name(request), &value);
    if (rc < 0) {
        fuse_reply_err(request->fuse, rc == STORE_NOT_FOUND
                                          ? ENODATA
                                          : ops_errno(request->node, rc));
        return;
    }
    reply_value(request, value.data, value.size);
}

static bool begins_with(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool is_acl(const char *name)
{
    return strcmp(name, ACL_ACCESS_NAME) == 0 ||
           strcmp(name, ACL_DEFAULT_NAME) == 0;
}

/* As apply does for those that change something. */
static int name_check(const char *name)
{
    static const char *const prefixes[] = {"user.", "trusted.", "security."};
    if (is_acl(name)) {
        return 0;
    }
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (begins_with(name, prefixes[i])) {
            return strcmp(name, prefixes[i]) == 0 ? EINVAL : 0;
        }
    }
    return EOPNOTSUPP;
}

/* See above. Programs that want to know a capability give a buffer for it. */
static bool is_asked_by_kernel(const char *name, size_t size)
{
    return begins_with(name, "system.posix_acl_") ||
           (size == 0 && strcmp(name, "security.capability") == 0);
}

void op_getxattr(fuse_req_t fuse, fuse_ino_t ino, const char *name,
                 size_t size)
{
    if (virtual_is(ino)) {
        fuse_reply_err(fuse, ENODATA);
        return;
    }
    int error = strlen(name) > COMMAND_NAME_MAX ? ERANGE : name_check(name);
    if (error != 0) {
        fuse_reply_err(fuse, error);
        return;
    }
    struct request *request = request_new(ops_node(fuse), fuse, do_getxattr);
    if (request == NULL) {
        return;
    }
    request->ino = ino;
    request->size = size;
    request->name_size = strlen(name);
    memcpy(request->name, name, request->name_size);
    if (is_asked_by_kernel(name, size)) {
        do_getxattr(request, NULL);
        request_free(request);
    } else {
        ops_read(request);
    }
}

/* --- list --- */

struct list {
    bool sees_trusted;
    size_t size;
    char names[TREE_XATTR_LIST_MAX];
};

static bool list_name(void *arg, struct view name)
{
    static const char trusted[] = "trusted.";
    struct list *list = arg;
    bool hidden = !list->sees_trusted && name.size > strlen(trusted) &&
                  memcmp(name.data, trusted, strlen(trusted)) == 0;
    if (hidden || name.size + 1 > sizeof list->names - list->size) {
        return true;
    }
    memcpy(list->names + list->size, name.data, name.size);
    list->size += name.size;
    list->names[list->size++] = '\0';
    return true;
}

static void do_listxattr(struct request *request,
                         const struct hull_result *result)
{
    (void)result;
    struct list *list = malloc(sizeof *list);
    if (list == NULL) {
        abort();
    }
    list->size = 0;
    list->sees_trusted = fuse_req_ctx(request->fuse)->uid == 0;
    int rc = tree_xattr_each(request->node->tree, request->ino, list_name,
                             list);
    if (rc < 0) {
        fuse_reply_err(request->fuse, ops_errno(request->node, rc));
    } else {
        reply_value(request, list->names, list->size);
    }
    free(list);
}

void op_listxattr(fuse_req_t fuse, fuse_ino_t ino, size_t size)
{
    if (virtual_is(ino)) {
        if (size == 0) {
            fuse_reply_xattr(fuse, 0);
        } else {
            fuse_reply_buf(fuse, NULL, 0);
        }
        return;
    }
    struct request *request = request_new(ops_node(fuse), fuse, do_listxattr);
    if (request != NULL) {
        request->ino = ino;
        request->size = size;
        ops_read(request);
    }
}

/* --- set and remove --- */

static void do_nothing(struct request *request,
                       const struct hull_result *result)
{
    (void)result;
    fuse_reply_err(request->fuse, 0);
}

static bool kills_sgid(fuse_req_t fuse, uint64_t ino, const char *name)
{
    struct inode inode;
    return strcmp(name, ACL_ACCESS_NAME) == 0 &&
           tree_inode_get(ops_node(fuse)->tree, ino, &inode) == 0 &&
           !request_is_of_group(fuse, inode.gid);
}

static void submit(fuse_req_t fuse, struct command *command,
                   struct bytes payload)
{
    if (virtual_is(command->ino)) {
        fuse_reply_err(fuse, EPERM);
        return;
    }
    if (command->name.size == 0 || command->name.size > COMMAND_NAME_MAX) {
        fuse_reply_err(fuse, ERANGE);
        return;
    }
    struct request *request = request_new(ops_node(fuse), fuse, do_nothing);
    if (request != NULL) {
        request_command(request, command, payload);
    }
}

void op_setxattr(fuse_req_t fuse, fuse_ino_t ino, const char *name,
                 const char *value, size_t size, int flags)
{
    struct command command = {
        .op = OP_SETXATTR,
        .ino = ino,
        .name = ops_name(name),
        .flags = (uint32_t)flags,
    };
    if (size > TREE_XATTR_VALUE_MAX) {
        fuse_reply_err(fuse, E2BIG);
        return;
    }
    if (kills_sgid(fuse, ino, name)) {
        command.flags |= COMMAND_KILL_SGID;
    }
    submit(fuse, &command, (struct bytes){.data = value, .size = size});
}

void op_removexattr(fuse_req_t fuse, fuse_ino_t ino, const char *name)
{
    struct command command = {
        .op = is_acl(name) ? OP_REMOVE_ACL : OP_REMOVEXATTR,
        .ino = ino,
        .name = ops_name(name),
    };
    submit(fuse, &command, (struct bytes){0});
}
