/* apply_compare.c -- mirror_compare(): are the two trees the same? */
#include "tests/unit/fs/apply_mirror.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAMES_MAX = 64, INODES_MAX = 4096, FILE_MAX = 64 * 1024 };

struct names {
    char name[NAMES_MAX][16];
    size_t count;
};

struct comparison {
    struct mirror *m;
    struct { /* hard links are the same ones on both sides */
        uint64_t ours;
        ino_t theirs;
    } known[INODES_MAX];
    size_t known_count;
};

static bool add_name(void *arg, const struct dentry *dentry)
{
    struct names *names = arg;
    assert_in_range(names->count, 0, NAMES_MAX - 1);
    assert_in_range(dentry->name.size, 1, 15);
    char *name = names->name[names->count++];
    memcpy(name, dentry->name.data, dentry->name.size);
    name[dentry->name.size] = '\0';
    return true;
}

static size_t count_theirs(int fd)
{
    size_t count = 0;
    DIR *dir = fdopendir(dup(fd));
    assert_non_null(dir);
    rewinddir(dir);
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        bool is_dots =
            strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
        count += is_dots ? 0 : 1;
    }
    closedir(dir);
    return count;
}

static void compare_identity(struct comparison *c, uint64_t ours, ino_t theirs)
{
    for (size_t i = 0; i < c->known_count; i++) {
        bool same_ours = c->known[i].ours == ours;
        bool same_theirs = c->known[i].theirs == theirs;
        assert_int_equal(same_ours, same_theirs);
        if (same_ours) {
            return;
        }
    }
    assert_in_range(c->known_count, 0, INODES_MAX - 1);
    c->known[c->known_count].ours = ours;
    c->known[c->known_count].theirs = theirs;
    c->known_count++;
}

static void same_number(const struct comparison *c, const char *what,
                        uint64_t ino, uint64_t ours, uint64_t theirs)
{
    if (ours != theirs) {
        fail_msg("%s, after %s: %s of inode %llu: ours %llo, theirs %llo "
                 "(octal)",
                 c->m->context, c->m->call, what, (unsigned long long)ino,
                 (unsigned long long)ours, (unsigned long long)theirs);
    }
}

static void compare_attributes(struct comparison *c, const struct inode *ours,
                               const struct stat *theirs)
{
    same_number(c, "mode", ours->ino, ours->mode, theirs->st_mode);
    same_number(c, "uid", ours->ino, ours->uid, theirs->st_uid);
    same_number(c, "gid", ours->ino, ours->gid, theirs->st_gid);
    if (!S_ISDIR(ours->mode) || c->m->has_dir_links) {
        same_number(c, "nlink", ours->ino, ours->nlink, theirs->st_nlink);
    }
    if (!S_ISDIR(ours->mode)) {
        same_number(c, "size", ours->ino, ours->size,
                    (uint64_t)theirs->st_size);
    }
}

static void compare_content(struct comparison *c, const struct inode *inode,
                            int fd)
{
    static uint8_t ours[FILE_MAX], theirs[FILE_MAX];
    assert_in_range(inode->size, 0, FILE_MAX);
    ssize_t size = pread(fd, theirs, FILE_MAX, 0);
    assert_int_equal(size, inode->size);
    int rc = tree_read(c->m->world->tree, inode->body, 0, ours, inode->size);
    assert_int_equal(rc, 0);
    if (memcmp(ours, theirs, inode->size) != 0) {
        fail_msg("%s, after %s: contents of inode %llu differ", c->m->context,
                 c->m->call, (unsigned long long)inode->ino);
    }
}

static void compare_target(struct comparison *c, const struct inode *inode,
                           int parent, const char *name)
{
    char theirs[64];
    struct view ours;
    ssize_t size = readlinkat(parent, name, theirs, sizeof theirs);
    assert_int_equal(tree_symlink_get(c->m->world->tree, inode->ino, &ours), 0);
    assert_int_equal(size, ours.size);
    assert_memory_equal(theirs, ours.data, ours.size);
}

static void compare_dir(struct comparison *c, uint64_t ino, int fd);

static void compare_named(struct comparison *c, uint64_t parent, int parent_fd,
                          const char *name)
{
    struct stat st;
    uint64_t ino = world_lookup(c->m->world, parent, name);
    assert_int_not_equal(ino, 0);
    if (fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        fail_msg("%s, after %s: %s is not there", c->m->context, c->m->call,
                 name);
    }
    struct inode inode = world_inode(c->m->world, ino);
    compare_attributes(c, &inode, &st);
    compare_identity(c, ino, st.st_ino);
    if (S_ISLNK(inode.mode)) {
        compare_target(c, &inode, parent_fd, name);
    }
    if (!S_ISREG(inode.mode) && !S_ISDIR(inode.mode)) {
        return;
    }
    int fd = openat(parent_fd, name, O_RDONLY);
    assert_true(fd >= 0);
    if (S_ISDIR(inode.mode)) {
        assert_int_equal(inode.parent, parent);
        compare_dir(c, ino, fd);
    } else {
        compare_content(c, &inode, fd);
    }
    close(fd);
}

static void compare_dir(struct comparison *c, uint64_t ino, int fd)
{
    struct names names = {.count = 0};
    int rc = tree_dentry_each(c->m->world->tree, ino, 0, add_name, &names);
    assert_int_equal(rc, 0);
    assert_int_equal(count_theirs(fd), names.count);
    for (size_t i = 0; i < names.count; i++) {
        compare_named(c, ino, fd, names.name[i]);
    }
}

void mirror_compare(struct mirror *m)
{
    static struct comparison c;
    struct stat st;
    c = (struct comparison){.m = m};
    struct inode root = world_inode(m->world, TREE_ROOT);
    assert_int_equal(fstat(m->root, &st), 0);
    compare_attributes(&c, &root, &st);
    compare_dir(&c, TREE_ROOT, m->root);
    for (int i = 0; i < MIRROR_HELD; i++) {
        if (m->held[i].fd < 0) {
            continue;
        }
        struct inode inode = world_inode(m->world, m->held[i].ino);
        assert_int_equal(fstat(m->held[i].fd, &st), 0);
        compare_attributes(&c, &inode, &st);
        compare_identity(&c, inode.ino, st.st_ino);
        if (!m->held[i].is_dir) {
            compare_content(&c, &inode, m->held[i].fd);
        }
    }
}
