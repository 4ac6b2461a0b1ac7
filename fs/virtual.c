/* virtual.c -- the directory .raftfs at the root of the mount.
 *
 * Not listed, not part of the tree, and answered by this node alone, so it works
 * without a quorum: status (JSON), leader, members, errors. A file's text is
 * made when it is opened and belongs to that open file.
 */
#include "fs/ops.h"

#include "fs/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define VIRTUAL_BASE (1ull << 62) /* far above what the tree will ever number */

enum { VIRTUAL_FILES = 4 };

static char *text_status(struct node *node);
static char *text_leader(struct node *node);
static char *text_members(struct node *node);
static char *text_errors(struct node *node);

static const struct {
    const char *name;
    char *(*text)(struct node *node);
} files[VIRTUAL_FILES] = {
    {"status", text_status},
    {"leader", text_leader},
    {"members", text_members},
    {"errors", text_errors},
};

static char *duplicate(const char *text)
{
    char *copy = strdup(text);
    if (copy == NULL) {
        abort();
    }
    return copy;
}

static char *dump(json_t *json)
{
    char *text = json_dumps(json, JSON_INDENT(2));
    if (text == NULL) {
        abort();
    }
    json_decref(json);
    size_t size = strlen(text);
    text = realloc(text, size + 2);
    if (text == NULL) {
        abort();
    }
    memcpy(text + size, "\n", 2);
    return text;
}

static char *text_status(struct node *node)
{
    return dump(status_json(node));
}

static char *text_leader(struct node *node)
{
    char text[80];
    node_id leader = hull_leader(node->hull);
    if (leader == 0) {
        return duplicate("");
    }
    snprintf(text, sizeof text, "%s\n", members_name(node, leader));
    return duplicate(text);
}

static char *text_members(struct node *node)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        abort();
    }
    const struct raft_members *members = &node->members.members;
    for (uint32_t i = 0; i < members->count; i++) {
        const struct raft_member *member = &members->list[i];
        fprintf(out, "%s %s%s\n", member->name, member->address,
                member->voter     ? ""
                : member->joining ? " joining"
                                  : " learner");
    }
    fclose(out);
    return text;
}

static char *text_errors(struct node *node)
{
    return events_errors(node);
}

bool virtual_is(uint64_t ino)
{
    return ino >= VIRTUAL_BASE;
}

static void fill_stat(struct node *node, uint64_t ino, struct stat *st)
{
    bool directory = ino == VIRTUAL_BASE;
    struct timespec started = {.tv_sec = node->started_wall};
    *st = (struct stat){
        .st_ino = ino,
        .st_mode = directory ? S_IFDIR | 0555 : S_IFREG | 0444,
        .st_nlink = directory ? 2 : 1,
        .st_mtim = started,
        .st_ctim = started,
        .st_atim = started,
        .st_blksize = 4096,
    };
}

bool virtual_lookup(struct node *node, fuse_req_t fuse, uint64_t parent,
                    const char *name)
{
    struct fuse_entry_param entry = {.generation = 1};
    if (parent == TREE_ROOT && strcmp(name, VIRTUAL_NAME) == 0) {
        entry.ino = VIRTUAL_BASE;
    } else if (parent != VIRTUAL_BASE) {
        return false;
    }
    for (int i = 0; entry.ino == 0 && i < VIRTUAL_FILES; i++) {
        if (strcmp(name, files[i].name) == 0) {
            entry.ino = VIRTUAL_BASE + 1 + (uint64_t)i;
        }
    }
    if (entry.ino == 0) {
        fuse_reply_err(fuse, ENOENT);
    } else {
        fill_stat(node, entry.ino, &entry.attr);
        fuse_reply_entry(fuse, &entry);
    }
    return true;
}

bool virtual_getattr(struct node *node, fuse_req_t fuse, uint64_t ino)
{
    if (!virtual_is(ino)) {
        return false;
    }
    struct stat st;
    fill_stat(node, ino, &st);
    if (newer_is_statx(fuse)) {
        newer_reply_statx(fuse, &st, st.st_ctim);
    } else {
        fuse_reply_attr(fuse, &st, 0.0);
    }
    return true;
}

static int file_of(uint64_t ino)
{
    return ino > VIRTUAL_BASE && ino <= VIRTUAL_BASE + VIRTUAL_FILES
               ? (int)(ino - VIRTUAL_BASE - 1)
               : -1;
}

bool virtual_open(struct node *node, fuse_req_t fuse, uint64_t ino,
                  struct fuse_file_info *file)
{
    if (!virtual_is(ino)) {
        return false;
    }
    int index = file_of(ino);
    if (index < 0) {
        fuse_reply_err(fuse, ENOENT);
        return true;
    }
    if ((file->flags & O_ACCMODE) != O_RDONLY) {
        fuse_reply_err(fuse, EACCES);
        return true;
    }
    char *text = files[index].text(node);
    file->fh = (uint64_t)(uintptr_t)text;
    file->direct_io = 1; /* its size is not known before */
    if (fuse_reply_open(fuse, file) == -ENOENT) {
        free(text);
    }
    return true;
}

bool virtual_read(fuse_req_t fuse, uint64_t ino, size_t size, off_t offset,
                  struct fuse_file_info *file)
{
    if (!virtual_is(ino)) {
        return false;
    }
    const char *text = (const char *)(uintptr_t)file->fh;
    size_t length = strlen(text);
    if ((size_t)offset >= length) {
        fuse_reply_buf(fuse, NULL, 0);
        return true;
    }
    size_t left = length - (size_t)offset;
    fuse_reply_buf(fuse, text + offset, size < left ? size : left);
    return true;
}

bool virtual_release(fuse_req_t fuse, uint64_t ino,
                     struct fuse_file_info *file)
{
    if (!virtual_is(ino)) {
        return false;
    }
    free((char *)(uintptr_t)file->fh);
    fuse_reply_err(fuse, 0);
    return true;
}

bool virtual_opendir(fuse_req_t fuse, uint64_t ino,
                     struct fuse_file_info *file)
{
    if (!virtual_is(ino)) {
        return false;
    }
    fuse_reply_open(fuse, file);
    return true;
}

bool virtual_readdir(struct node *node, fuse_req_t fuse, uint64_t ino,
                     size_t size, off_t offset, bool plus)
{
    if (!virtual_is(ino)) {
        return false;
    }
    char bytes[2048];
    size_t used = 0;
    for (off_t i = offset; i < VIRTUAL_FILES; i++) {
        struct fuse_entry_param entry = {
            .ino = VIRTUAL_BASE + 1 + (uint64_t)i, .generation = 1};
        fill_stat(node, entry.ino, &entry.attr);
        size_t room = (size < sizeof bytes ? size : sizeof bytes) - used;
        size_t needed =
            plus ? fuse_add_direntry_plus(fuse, bytes + used, room,
                                          files[i].name, &entry, i + 1)
                 : fuse_add_direntry(fuse, bytes + used, room, files[i].name,
                                     &entry.attr, i + 1);
        if (needed > room) {
            break;
        }
        used += needed;
    }
    fuse_reply_buf(fuse, bytes, used);
    return true;
}
