/* ops_file.c -- requests about the contents of files.
 *
 * Appending descriptors are opened for direct I/O: the kernel must not put bytes
 * into its page cache at an offset that only apply knows. All others use the
 * page cache, whose pages the kernel drops when a look at the attributes (before
 * each read(2), FUSE_CAP_AUTO_INVAL_DATA) shows another mtime or size.
 */
#include "fs/ops.h"

#include "fs/acl.h"
#include "fs/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The lowest bit of fuse_file_info.fh: what the kernel does with this descriptor,
 * whatever flags it gets later (fcntl). */
enum { FH_DIRECT = 1 };

/* How long after another node's change an open still gets direct I/O. */
#define QUIET_US ((raft_time)2 * 1000 * 1000)
#define SMALL_QUIET_US ((raft_time)600 * 1000 * 1000)
#define DIRECT_SIZE_MAX ((uint64_t)16 << 20)

/* Whether the pages that the kernel may hold of an inode are those of its last
 * open here. mtime alone is not enough: it can be set back (cp -p, rsync). ctime
 * grows with every change of anything. */
static bool contents_are_known(struct node *node, const struct inode *inode)
{
    struct known_contents *slot =
        &node->known[(inode->ino * 0x9e3779b97f4a7c15ull) >> 32 &
                     (KNOWN_CONTENTS - 1)];
    bool known = slot->ino == inode->ino && slot->ctime == inode->ctime;
    *slot = (struct known_contents){.ino = inode->ino, .ctime = inode->ctime};
    return known;
}

static struct foreign_change *foreign_change_slot(struct node *node,
                                                  uint64_t ino)
{
    return &node->foreign[(ino * 0x9e3779b97f4a7c15ull) >> 32 &
                          (FOREIGN_CHANGES - 1)];
}

/* Of two threads that learn of a change at the same moment, the kernel lets one
 * look at the old pages while the other is still dropping them. So a file that
 * other nodes are changing is read without pages. A read(2) of a small file costs
 * one request either way, so it stays so for long, for descriptors that are kept;
 * a large one gets the speed of the page cache back soon (docs/decisions/0024). */
static bool changes_elsewhere(struct node *node, const struct inode *inode)
{
    const struct foreign_change *last = foreign_change_slot(node, inode->ino);
    raft_time quiet = QUIET_US;
    if (node->newer.maps_direct && inode->size <= DIRECT_SIZE_MAX) {
        quiet = SMALL_QUIET_US;
    }
    return last->ino == inode->ino && node_now() - last->at < quiet;
}

void ops_changed_elsewhere(struct node *node, const struct apply_change *change)
{
    for (uint32_t i = 0; i < change->ino_count; i++) {
        *foreign_change_slot(node, change->inos[i]) = (struct foreign_change){
            .ino = change->inos[i], .at = node_now()};
    }
}

/* Through the page cache a write(2) shows its bytes to all readers of this machine
 * before it is in the log, and takes them back when it fails: they would read what
 * never was (docs/decisions/0026). */
static bool writes_directly(const struct node *node, int flags)
{
    return (flags & O_APPEND) != 0 ||
           (node->newer.maps_direct && (flags & O_ACCMODE) != O_RDONLY);
}

static void fill_open(struct node *node, const struct inode *inode,
                      struct fuse_file_info *file)
{
    file->keep_cache = contents_are_known(node, inode);
    file->direct_io = writes_directly(node, file->flags) ||
                      changes_elsewhere(node, inode);
    file->fh = locks_new_handle(&node->locks);
    if (file->direct_io) {
        file->fh |= FH_DIRECT;
    }
}

static void reply_open(struct request *request, const struct inode *inode)
{
    struct node *node = request->node;
    fill_open(node, inode, &request->file);
    openfiles_add(&node->openfiles, inode->ino);
    if (fuse_reply_open(request->fuse, &request->file) == -ENOENT) {
        openfiles_drop(&node->openfiles, inode->ino); /* nobody waits */
    }
}

/* --- create --- */

/* Somebody was faster. The kernel has checked the directory, not this file: let
 * it in where owner, group or others plainly may, else make the kernel walk the
 * path again and do its own check. */
static bool may_plainly_open(struct node *node, const struct inode *inode,
                             const struct fuse_ctx *caller, int flags)
{
    struct view acl;
    struct view acl_name = {ACL_ACCESS_NAME, sizeof ACL_ACCESS_NAME - 1};
    int access = flags & O_ACCMODE;
    unsigned wanted = (access != O_WRONLY ? 4u : 0) |
                      (access != O_RDONLY ? 2u : 0);
    unsigned mode = inode->mode;
    if (flags & O_TRUNC) {
        return false; /* cutting it is another command */
    }
    if (caller->uid == 0) {
        return true;
    }
    if (caller->uid == inode->uid) {
        mode >>= 6;
    } else if (tree_xattr_get(node->tree, inode->ino, acl_name, &acl) !=
               STORE_NOT_FOUND) {
        return false; /* its group bits are a mask, and it may name the caller */
    } else if (caller->gid == inode->gid) {
        mode >>= 3;
    }
    return (mode & wanted) == wanted;
}

static void do_create(struct request *request, const struct hull_result *result)
{
    struct node *node = request->node;
    struct inode inode;
    struct fuse_entry_param entry = {.ino = result->value[VALUE_INO],
                                     .generation = 1};
    int rc = tree_inode_get(node->tree, entry.ino, &inode);
    if (rc < 0) {
        fuse_reply_err(request->fuse, ops_errno(node, rc));
        return;
    }
    if (result->value[VALUE_MADE] == 0 &&
        !may_plainly_open(node, &inode, fuse_req_ctx(request->fuse),
                          request->file.flags)) {
        fuse_reply_err(request->fuse, ESTALE);
        return;
    }
    stat_fill(node, &inode, &entry.attr);
    fill_open(node, &inode, &request->file);
    openfiles_add(&node->openfiles, inode.ino);
    if (fuse_reply_create(request->fuse, &entry, &request->file) == -ENOENT) {
        openfiles_drop(&node->openfiles, inode.ino);
    }
}

void op_create(fuse_req_t fuse, fuse_ino_t parent, const char *name,
               mode_t mode, struct fuse_file_info *file)
{
    if (virtual_is(parent)) {
        fuse_reply_err(fuse, EPERM);
        return;
    }
    if (!ops_name_ok(fuse, name)) {
        return;
    }
    bool is_named = strcmp(name, NEWER_NO_NAME) != 0;
    struct command command = {
        .op = is_named ? OP_CREATE : OP_TMPFILE,
        .parent = parent,
        .name = ops_name(name),
        .mode = mode,
        .umask = fuse_req_ctx(fuse)->umask,
        .flags = (uint32_t)file->flags & O_EXCL,
    };
    struct request *request = request_new(ops_node(fuse), fuse, do_create);
    if (request != NULL) {
        request->file = *file;
        request_command(request, &command, (struct bytes){0});
    }
}

/* --- open and release --- */

static int get_openable(struct node *node, uint64_t ino, struct inode *inode)
{
    int rc = tree_inode_get(node->tree, ino, inode);
    if (rc == STORE_NOT_FOUND) {
        return ESTALE;
    }
    if (rc < 0) {
        return ops_errno(node, rc);
    }
    /* Its last name is gone and the leader may have been told already that
     * this node does not hold it. */
    bool gone = inode->nlink == 0 && !openfiles_has(&node->openfiles, ino) &&
                !session_may_open(node, inode->orphaned);
    return gone ? ESTALE : 0;
}

static void do_open_cut(struct request *request,
                        const struct hull_result *result)
{
    (void)result;
    struct inode inode;
    int error = get_openable(request->node, request->ino, &inode);
    if (error != 0) {
        fuse_reply_err(request->fuse, error);
        return;
    }
    reply_open(request, &inode);
}

static void open_and_cut(struct request *request)
{
    struct command command = {
        .op = OP_SETATTR,
        .ino = request->ino,
        .set = SET_SIZE | SET_MTIME_NOW, /* even if it is empty already */
        .size = 0,
    };
    request_command(request, &command, (struct bytes){0});
}

void op_open(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *file)
{
    struct node *node = ops_node(fuse);
    struct inode inode;
    if (virtual_open(node, fuse, ino, file)) {
        return;
    }
    int error = get_openable(node, ino, &inode);
    if (error != 0) {
        fuse_reply_err(fuse, error);
        return;
    }
    struct request *request = request_new(node, fuse, do_open_cut);
    if (request == NULL) {
        return;
    }
    request->ino = ino;
    request->file = *file;
    if ((file->flags & O_TRUNC) && S_ISREG(inode.mode)) {
        open_and_cut(request);
    } else {
        reply_open(request, &inode);
        request_free(request);
    }
}

void op_release(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *file)
{
    if (virtual_release(fuse, ino, file)) {
        return;
    }
    struct node *node = ops_node(fuse);
    release_locks(node, ino, file);
    openfiles_drop(&node->openfiles, ino);
    if (!openfiles_has(&node->openfiles, ino)) {
        locks_file_closed(&node->locks, ino);
    }
    fuse_reply_err(fuse, 0);
}

/* --- reading --- */

static void read_now(struct node *node, fuse_req_t fuse, uint64_t ino,
                     size_t size, int64_t offset)
{
    struct inode inode;
    int rc = tree_inode_get(node->tree, ino, &inode);
    if (rc < 0) {
        fuse_reply_err(fuse, rc == STORE_NOT_FOUND ? ESTALE
                                                   : ops_errno(node, rc));
        return;
    }
    if ((uint64_t)offset >= inode.size) {
        fuse_reply_buf(fuse, NULL, 0);
        return;
    }
    if (size > inode.size - (uint64_t)offset) {
        size = (size_t)(inode.size - (uint64_t)offset);
    }
    reader_reply(node, fuse, &inode, (uint64_t)offset, size);
}

static void do_read(struct request *request, const struct hull_result *result)
{
    (void)result;
    read_now(request->node, request->fuse, request->ino, request->size,
             request->offset);
}

void op_read(fuse_req_t fuse, fuse_ino_t ino, size_t size, off_t offset,
             struct fuse_file_info *file)
{
    struct node *node = ops_node(fuse);
    if (virtual_read(fuse, ino, size, offset, file)) {
        return;
    }
    if (node->faulted) {
        fuse_reply_err(fuse, EIO);
        return;
    }
    /* A read(2) through the page cache has asked for the attributes first, and
     * that was the linearizable look; direct I/O has not. */
    if ((file->fh & FH_DIRECT) == 0 && (file->flags & O_DIRECT) == 0) {
        read_now(node, fuse, ino, size, offset);
        return;
    }
    struct request *request = request_new(node, fuse, do_read);
    if (request != NULL) {
        request->ino = ino;
        request->size = size;
        request->offset = offset;
        request_read(request);
    }
}

/* --- writing --- */

static void do_write(struct request *request, const struct hull_result *result)
{
    fuse_reply_write(request->fuse, (size_t)result->value[VALUE_SIZE]);
}

void op_write(fuse_req_t fuse, fuse_ino_t ino, const char *data, size_t size,
              off_t offset, struct fuse_file_info *file)
{
    if (virtual_is(ino)) {
        fuse_reply_err(fuse, EPERM);
        return;
    }
    struct command command = {
        .op = OP_WRITE,
        .ino = ino,
        .offset = (uint64_t)offset,
        .flags = (uint32_t)file->flags & O_APPEND,
    };
    struct request *request = request_new(ops_node(fuse), fuse, do_write);
    if (request != NULL) {
        request->ino = ino;
        request->file.fh = file->fh;
        request_command(request, &command,
                        (struct bytes){.data = data, .size = size});
    }
}

/* Every acknowledged write is on the disks of a majority already. */
void op_fsync(fuse_req_t fuse, fuse_ino_t ino, int datasync,
              struct fuse_file_info *file)
{
    (void)ino;
    (void)datasync;
    (void)file;
    fuse_reply_err(fuse, ops_node(fuse)->faulted ? EIO : 0);
}

static void do_lseek(struct request *request, const struct hull_result *result)
{
    (void)result;
    struct node *node = request->node;
    struct inode inode;
    uint64_t found;
    int rc = tree_inode_get(node->tree, request->ino, &inode);
    if (rc == 0) {
        rc = tree_seek(node->tree, inode.body, (uint64_t)request->offset,
                       inode.size, request->flags == SEEK_DATA, &found);
    }
    if (rc == STORE_NOT_FOUND) {
        fuse_reply_err(request->fuse, ENXIO);
    } else if (rc < 0) {
        fuse_reply_err(request->fuse, ops_errno(node, rc));
    } else {
        fuse_reply_lseek(request->fuse, (off_t)found);
    }
}

void op_lseek(fuse_req_t fuse, fuse_ino_t ino, off_t offset, int whence,
              struct fuse_file_info *file)
{
    (void)file;
    if (virtual_is(ino) || (whence != SEEK_DATA && whence != SEEK_HOLE)) {
        fuse_reply_err(fuse, EINVAL);
        return;
    }
    struct request *request = request_new(ops_node(fuse), fuse, do_lseek);
    if (request != NULL) {
        request->ino = ino;
        request->offset = offset;
        request->flags = (uint32_t)whence;
        request_read(request);
    }
}
