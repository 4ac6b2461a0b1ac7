/* ops_attr.c -- requests about attributes. */
#include "fs/ops.h"

#include "store/error.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

enum { ROOT_PATIENCE_US = 500000 };

enum { GETATTR_STATX = 1 }; /* request.flags */

static void reply_statx(struct request *request)
{
    struct inode inode;
    struct stat st;
    int rc = tree_inode_get(request->node->tree, request->ino, &inode);
    if (rc < 0) {
        fuse_reply_err(request->fuse, rc == STORE_NOT_FOUND
                                          ? ESTALE
                                          : ops_errno(request->node, rc));
        return;
    }
    stat_fill(request->node, &inode, &st);
    newer_reply_statx(request->fuse, &st, timespec_of(inode.btime));
}

static void do_getattr(struct request *request,
                       const struct hull_result *result)
{
    (void)result;
    if (request->flags == GETATTR_STATX) {
        reply_statx(request);
    } else {
        reply_attr(request, request->ino);
    }
}

static void root_failed(struct request *request, int error)
{
    if (error == EINTR) {
        fuse_reply_err(request->fuse, error);
    } else {
        request->done(request, NULL);
    }
}

void ops_read(struct request *request)
{
    if (request->ino != TREE_ROOT) {
        request_read(request);
    } else if (hull_leader(request->node->hull) == 0) {
        request->done(request, NULL);
        request_free(request);
    } else {
        request->failed = root_failed;
        request_read_until(request, node_now() + ROOT_PATIENCE_US);
    }
}

void op_getattr(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *file)
{
    (void)file;
    struct node *node = ops_node(fuse);
    if (virtual_getattr(node, fuse, ino)) {
        return;
    }
    struct request *request = request_new(node, fuse, do_getattr);
    if (request == NULL) {
        return;
    }
    request->ino = ino;
    request->flags = newer_is_statx(fuse) ? GETATTR_STATX : 0;
    ops_read(request);
}

/* What lies outside of the years 1677 to 2262 is cut to these. */
static int64_t ns_of(struct timespec time)
{
    if (time.tv_sec >= INT64_MAX / 1000000000) {
        return INT64_MAX;
    }
    if (time.tv_sec <= INT64_MIN / 1000000000) {
        return INT64_MIN;
    }
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static uint32_t set_of(int to_set)
{
    static const struct {
        int fuse;
        uint32_t set;
    } pairs[] = {
        {FUSE_SET_ATTR_MODE, SET_MODE},
        {FUSE_SET_ATTR_UID, SET_UID},
        {FUSE_SET_ATTR_GID, SET_GID},
        {FUSE_SET_ATTR_SIZE, SET_SIZE},
        {FUSE_SET_ATTR_ATIME, SET_ATIME},
        {FUSE_SET_ATTR_MTIME, SET_MTIME},
        {FUSE_SET_ATTR_ATIME_NOW, SET_ATIME_NOW},
        {FUSE_SET_ATTR_MTIME_NOW, SET_MTIME_NOW},
    };
    uint32_t set = 0;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if (to_set & pairs[i].fuse) {
            set |= pairs[i].set;
        }
    }
    return set;
}

static void do_setattr(struct request *request,
                       const struct hull_result *result)
{
    (void)result;
    reply_attr(request, request->ino);
}

/* With uid= or gid= nobody else can own anything; and whom a file really belongs
 * to does not change when he is named. */
static bool owners_allowed(const struct daemon_options *options,
                           struct command *command)
{
    if (options->has_uid && (command->set & SET_UID) != 0) {
        command->set &= ~(uint32_t)SET_UID;
        if (command->new_uid != options->uid) {
            return false;
        }
    }
    if (options->has_gid && (command->set & SET_GID) != 0) {
        command->set &= ~(uint32_t)SET_GID;
        return command->new_gid == options->gid;
    }
    return true;
}

void op_setattr(fuse_req_t fuse, fuse_ino_t ino, struct stat *attr, int to_set,
                struct fuse_file_info *file)
{
    if (virtual_is(ino)) {
        fuse_reply_err(fuse, EPERM);
        return;
    }
    struct command command = {
        .op = OP_SETATTR,
        .ino = ino,
        .set = set_of(to_set),
        .mode = attr->st_mode,
        .new_uid = attr->st_uid,
        .new_gid = attr->st_gid,
        .size = (uint64_t)attr->st_size,
        .atime = ns_of(attr->st_atim),
        .mtime = ns_of(attr->st_mtim),
    };
    if (file != NULL && (command.set & (SET_SIZE | SET_MTIME)) == SET_SIZE) {
        command.set |= SET_MTIME_NOW; /* ftruncate(2): even to the same size */
    }
    if (!owners_allowed(&ops_node(fuse)->options, &command)) {
        fuse_reply_err(fuse, EPERM);
        return;
    }
    struct request *request = request_new(ops_node(fuse), fuse, do_setattr);
    if (request == NULL) {
        return;
    }
    request->ino = ino;
    request->file.fh = file != NULL ? file->fh : 0;
    /* Nothing to set is what chown(2) with -1 and -1 asks for: it moves ctime. */
    request_command(request, &command, (struct bytes){0});
}

static void do_readlink(struct request *request,
                        const struct hull_result *result)
{
    (void)result;
    char target[COMMAND_TARGET_MAX + 1];
    struct view view;
    int rc = tree_symlink_get(request->node->tree, request->ino, &view);
    if (rc < 0) {
        fuse_reply_err(request->fuse, ops_errno(request->node, rc));
        return;
    }
    size_t size = view.size < sizeof target ? view.size : sizeof target - 1;
    memcpy(target, view.data, size);
    target[size] = '\0';
    fuse_reply_readlink(request->fuse, target);
}

void op_readlink(fuse_req_t fuse, fuse_ino_t ino)
{
    struct request *request = request_new(ops_node(fuse), fuse, do_readlink);
    if (request != NULL) {
        request->ino = ino;
        request_read(request);
    }
}

/* Answered by this node alone, so that `df` never hangs: the room of its own
 * disk. */
void op_statfs(fuse_req_t fuse, fuse_ino_t ino)
{
    (void)ino;
    struct node *node = ops_node(fuse);
    struct statvfs disk;
    struct tree_usage usage;
    if (statvfs(node->options.datadir, &disk) < 0) {
        fuse_reply_err(fuse, EIO);
        return;
    }
    tree_get_usage(node->tree, &usage);
    uint64_t room = space_free(node, &disk);
    struct statvfs out = {
        .f_bsize = 4096,
        .f_frsize = 4096,
        .f_blocks = disk.f_blocks * disk.f_frsize / 4096,
        .f_bfree = room / 4096,
        .f_bavail = room / 4096,
        .f_files = usage.inodes + room / 512,
        .f_ffree = room / 512,
        .f_favail = room / 512,
        .f_namemax = COMMAND_NAME_MAX,
        .f_flag = node->options.read_only ? ST_RDONLY : 0,
    };
    fuse_reply_statfs(fuse, &out);
}
