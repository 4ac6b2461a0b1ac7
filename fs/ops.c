#include "fs/ops.h"

#include "fs/errno.h"
#include "fs/log.h"
#include "store/error.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

struct node *ops_node(fuse_req_t fuse)
{
    return fuse_req_userdata(fuse);
}

struct bytes ops_name(const char *name)
{
    return (struct bytes){.data = name, .size = strlen(name)};
}

bool ops_name_ok(fuse_req_t fuse, const char *name)
{
    if (strlen(name) > COMMAND_NAME_MAX) {
        fuse_reply_err(fuse, ENAMETOOLONG);
        return false;
    }
    return true;
}

int ops_errno(struct node *node, int code)
{
    if (code == STORE_IO || code == STORE_CORRUPT) {
        node_fault(node, "the tree cannot be read: %s", store_error_text());
    }
    return errno_of_store(code);
}

struct timespec timespec_of(int64_t ns)
{
    int64_t seconds = ns / 1000000000, rest = ns % 1000000000;
    if (rest < 0) {
        rest += 1000000000;
        seconds--;
    }
    return (struct timespec){.tv_sec = seconds, .tv_nsec = rest};
}

/* As ext4: some programs take a directory of size 0 for an empty one. */
enum { DIRECTORY_SIZE = 4096 };

void stat_fill(const struct node *node, const struct inode *inode,
               struct stat *st)
{
    const struct daemon_options *options = &node->options;
    bool is_dir = S_ISDIR(inode->mode);
    *st = (struct stat){
        .st_ino = inode->ino,
        .st_mode = inode->mode,
        .st_nlink = inode->nlink,
        .st_uid = options->has_uid ? options->uid : inode->uid,
        .st_gid = options->has_gid ? options->gid : inode->gid,
        .st_rdev = inode->rdev,
        .st_size = is_dir ? DIRECTORY_SIZE : (off_t)inode->size,
        .st_blocks = is_dir ? DIRECTORY_SIZE / 512
                            : (blkcnt_t)((inode->blocks + 511) / 512),
        .st_blksize = 4096,
        .st_atim = timespec_of(inode->atime),
        .st_mtim = timespec_of(inode->mtime),
        .st_ctim = timespec_of(inode->ctime),
    };
}

/* A file that has gone in the meantime: ESTALE makes the kernel walk the path
 * once more, and the program gets the ENOENT (or the new file) of that walk. */
static int stale(int code)
{
    return code == STORE_NOT_FOUND ? ESTALE : 0;
}

void reply_entry(struct request *request, uint64_t ino)
{
    struct inode inode;
    struct fuse_entry_param entry = {.ino = ino, .generation = 1};
    int rc = tree_inode_get(request->node->tree, ino, &inode);
    if (rc < 0) {
        int error = stale(rc);
        fuse_reply_err(request->fuse,
                       error ? error : ops_errno(request->node, rc));
        return;
    }
    stat_fill(request->node, &inode, &entry.attr);
    fuse_reply_entry(request->fuse, &entry);
}

void reply_attr(struct request *request, uint64_t ino)
{
    struct inode inode;
    struct stat st;
    int rc = tree_inode_get(request->node->tree, ino, &inode);
    if (rc < 0) {
        int error = stale(rc);
        fuse_reply_err(request->fuse,
                       error ? error : ops_errno(request->node, rc));
        return;
    }
    stat_fill(request->node, &inode, &st);
    fuse_reply_attr(request->fuse, &st, 0.0);
}

static void op_init(void *userdata, struct fuse_conn_info *connection)
{
    /* Without them the kernel would keep locks to itself, and two nodes could
     * hold the same. */
    unsigned locks = FUSE_CAP_POSIX_LOCKS | FUSE_CAP_FLOCK_LOCKS;
    if ((connection->capable & locks) != locks) {
        struct node *node = userdata;
        log_event(LOG_ERROR, "kernel without locks",
                  "why=\"this kernel's FUSE does not pass locks on\"");
        node->exit_code = 111;
        node_stop(node);
    }
    connection->want |= connection->capable & locks;
    /* Never FUSE_CAP_WRITEBACK_CACHE: it lets the kernel choose the offsets of
     * appends. No splicing: requests are read into one buffer. */
    connection->want &=
        ~(unsigned)(FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_SPLICE_READ |
                    FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
    connection->want |= connection->capable &
                        (FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_ATOMIC_O_TRUNC |
                         FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS |
                         FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_ASYNC_READ |
                         FUSE_CAP_ASYNC_DIO | FUSE_CAP_POSIX_ACL |
                         FUSE_CAP_DONT_MASK | FUSE_CAP_EXPORT_SUPPORT);
    connection->max_write = COMMAND_PAYLOAD_MAX;
    connection->max_readahead = COMMAND_PAYLOAD_MAX;
}

static void op_forget(fuse_req_t fuse, fuse_ino_t ino, uint64_t lookups)
{
    (void)ino;
    (void)lookups;
    fuse_reply_none(fuse);
}

static void op_forget_multi(fuse_req_t fuse, size_t count,
                            struct fuse_forget_data *forgets)
{
    (void)count;
    (void)forgets;
    fuse_reply_none(fuse);
}

const struct fuse_lowlevel_ops fuse_operations = {
    .init = op_init,
    .lookup = op_lookup,
    .forget = op_forget,
    .forget_multi = op_forget_multi,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .readlink = op_readlink,
    .mknod = op_mknod,
    .mkdir = op_mkdir,
    .unlink = op_unlink,
    .rmdir = op_rmdir,
    .symlink = op_symlink,
    .rename = op_rename,
    .link = op_link,
    .create = op_create,
    .open = op_open,
    .read = op_read,
    .write = op_write,
    .flush = op_flush,
    .getlk = op_getlk,
    .setlk = op_setlk,
    .flock = op_flock,
    .release = op_release,
    .fsync = op_fsync,
    .lseek = op_lseek,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .readdirplus = op_readdirplus,
    .releasedir = op_releasedir,
    .fsyncdir = op_fsync,
    .statfs = op_statfs,
    .getxattr = op_getxattr,
    .listxattr = op_listxattr,
    .setxattr = op_setxattr,
    .removexattr = op_removexattr,
    .fallocate = op_fallocate,
    .copy_file_range = op_copy_file_range,
};
