/* ops_dir.c -- requests that list directories.
 *
 * The offset of an entry is its cookie: a number that grows with every name ever
 * made. So a listing that goes on after any change finds each name that was
 * there throughout exactly once. What was made after the listing began is not
 * shown: a program that renames what it finds would never come to the end.
 */
#include "fs/ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { COOKIE_DOT = 1, COOKIE_DOTDOT = 2, LISTING_MAX = 1024 * 1024 };

/* Behind fuse_file_info.fh of an open directory. */
struct open_directory {
    uint64_t end; /* cookies from here on are younger than the listing */
};

static struct open_directory *open_directory(const struct fuse_file_info *file)
{
    return (struct open_directory *)(uintptr_t)file->fh;
}

struct listing {
    struct request *request;
    uint64_t end;
    char *bytes; /* owned */
    size_t size, used;
    bool plus, full;
    int error;
};

static bool add(struct listing *listing, const char *name,
                const struct inode *inode, uint64_t cookie)
{
    fuse_req_t fuse = listing->request->fuse;
    char *at = listing->bytes + listing->used;
    size_t room = listing->size - listing->used, needed;
    if (listing->plus) {
        struct fuse_entry_param entry = {.ino = inode->ino, .generation = 1};
        stat_fill(listing->request->node, inode, &entry.attr);
        if (cookie <= COOKIE_DOTDOT) {
            entry.ino = 0; /* . and .. are not looked up */
        }
        needed = fuse_add_direntry_plus(fuse, at, room, name, &entry,
                                        (off_t)cookie);
    } else {
        struct stat st = {.st_ino = inode->ino, .st_mode = inode->mode};
        needed = fuse_add_direntry(fuse, at, room, name, &st, (off_t)cookie);
    }
    if (needed > room) {
        listing->full = true;
        return false;
    }
    listing->used += needed;
    return true;
}

static bool add_name(void *arg, const struct dentry *dentry)
{
    struct listing *listing = arg;
    struct node *node = listing->request->node;
    char name[COMMAND_NAME_MAX + 1];
    struct inode inode = {.ino = dentry->ino, .mode = dentry->type};
    uint64_t cookie = dentry->cookie;
    if (cookie >= listing->end) {
        return false;
    }
    memcpy(name, dentry->name.data, dentry->name.size);
    name[dentry->name.size] = '\0';
    if (listing->plus) {
        int rc = tree_inode_get(node->tree, dentry->ino, &inode);
        if (rc < 0) {
            listing->error = ops_errno(node, rc);
            return false;
        }
    }
    return add(listing, name, &inode, cookie);
}

static int fill(struct listing *listing, const struct inode *directory,
                uint64_t after)
{
    struct node *node = listing->request->node;
    struct inode up = {.ino = directory->parent == 0 ? directory->ino
                                                     : directory->parent,
                       .mode = directory->mode};
    if (after < COOKIE_DOT && !add(listing, ".", directory, COOKIE_DOT)) {
        return 0;
    }
    if (after < COOKIE_DOTDOT && !add(listing, "..", &up, COOKIE_DOTDOT)) {
        return 0;
    }
    uint64_t from = after < COOKIE_DOTDOT ? COOKIE_DOTDOT : after;
    return tree_dentry_each(node->tree, directory->ino, from, add_name,
                            listing);
}

static uint64_t end_of_listing(struct request *request)
{
    struct open_directory *open = open_directory(&request->file);
    if (open == NULL) {
        return UINT64_MAX; /* listed without having been opened */
    }
    if (request->offset == 0) {
        open->end = tree_next_cookie(request->node->tree); /* or rewound */
    }
    return open->end;
}

static void reply_listing(struct request *request, bool plus)
{
    struct node *node = request->node;
    struct inode directory;
    struct listing listing = {
        .request = request,
        .end = end_of_listing(request),
        .size = request->size < LISTING_MAX ? request->size : LISTING_MAX,
        .plus = plus,
    };
    int rc = tree_inode_get(node->tree, request->ino, &directory);
    if (rc < 0) {
        fuse_reply_err(request->fuse, rc == STORE_NOT_FOUND
                                          ? ESTALE
                                          : ops_errno(node, rc));
        return;
    }
    if (directory.nlink == 0) {
        fuse_reply_err(request->fuse, ENOENT); /* removed while it is open */
        return;
    }
    listing.bytes = malloc(listing.size);
    if (listing.bytes == NULL) {
        abort();
    }
    rc = fill(&listing, &directory, (uint64_t)request->offset);
    if (rc < 0) {
        fuse_reply_err(request->fuse, ops_errno(node, rc));
    } else if (listing.error != 0) {
        fuse_reply_err(request->fuse, listing.error);
    } else {
        fuse_reply_buf(request->fuse, listing.bytes, listing.used);
    }
    free(listing.bytes);
}

static void do_readdir(struct request *request,
                       const struct hull_result *result)
{
    (void)result;
    reply_listing(request, false);
}

static void do_readdirplus(struct request *request,
                           const struct hull_result *result)
{
    (void)result;
    reply_listing(request, true);
}

static void list(fuse_req_t fuse, uint64_t ino, size_t size, off_t offset,
                 const struct fuse_file_info *file, request_done *done)
{
    struct request *request = request_new(ops_node(fuse), fuse, done);
    if (request != NULL) {
        request->file = *file;
        request->ino = ino;
        request->size = size;
        request->offset = offset;
        if (done == do_readdirplus) {
            request->is_fresh = request_all_fresh; /* of every entry */
        }
        request_read(request);
    }
}

void op_readdir(fuse_req_t fuse, fuse_ino_t ino, size_t size, off_t offset,
                struct fuse_file_info *file)
{
    if (!virtual_readdir(ops_node(fuse), fuse, ino, size, offset, false)) {
        list(fuse, ino, size, offset, file, do_readdir);
    }
}

void op_readdirplus(fuse_req_t fuse, fuse_ino_t ino, size_t size,
                    off_t offset, struct fuse_file_info *file)
{
    if (!virtual_readdir(ops_node(fuse), fuse, ino, size, offset, true)) {
        list(fuse, ino, size, offset, file, do_readdirplus);
    }
}

void op_opendir(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *file)
{
    struct node *node = ops_node(fuse);
    struct inode inode;
    if (virtual_opendir(fuse, ino, file)) {
        return;
    }
    int rc = tree_inode_get(node->tree, ino, &inode);
    if (rc < 0) {
        fuse_reply_err(fuse, rc == STORE_NOT_FOUND ? ESTALE
                                                   : ops_errno(node, rc));
        return;
    }
    struct open_directory *open = calloc(1, sizeof *open);
    if (open == NULL) {
        abort();
    }
    file->fh = (uint64_t)(uintptr_t)open;
    openfiles_add(&node->openfiles, ino);
    if (fuse_reply_open(fuse, file) == -ENOENT) {
        openfiles_drop(&node->openfiles, ino);
        free(open);
    }
}

void op_releasedir(fuse_req_t fuse, fuse_ino_t ino,
                   struct fuse_file_info *file)
{
    if (!virtual_is(ino)) {
        openfiles_drop(&ops_node(fuse)->openfiles, ino);
        free(open_directory(file));
    }
    fuse_reply_err(fuse, 0);
}
