#include "tests/unit/store/tree_world.h"

#include "store/error.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

void world_open(struct world *world, const char *directory)
{
    char path[600];
    if (world->directory != directory) {
        snprintf(world->directory, sizeof(world->directory), "%s", directory);
    }
    mkdir(world->directory, 0700);
    snprintf(path, sizeof(path), "%s/tree.db", world->directory);
    int rc = tree_create(path, 7);
    assert_true(rc == 0 || rc == STORE_EXISTS);
    snprintf(path, sizeof(path), "%s/segments", world->directory);
    assert_ok(segments_open(path, &world->segments));
    assert_ok(segment_writer_open(world->segments, &world->writer));
    snprintf(path, sizeof(path), "%s/tree.db", world->directory);
    assert_ok(tree_open(path, world->segments, &world->tree));
}

void world_close(struct world *world)
{
    tree_close(world->tree);
    segment_writer_close(world->writer);
    segments_close(world->segments);
    world->tree = NULL;
}

void world_reopen(struct world *world)
{
    assert_ok(tree_commit(world->tree));
    world_close(world);
    world_open(world, world->directory);
}

struct complaints {
    int count;
    char *first;
    size_t size;
};

static void complain(void *arg, const char *text)
{
    struct complaints *complaints = arg;
    if (complaints->count++ == 0 && complaints->size > 0) {
        snprintf(complaints->first, complaints->size, "%s", text);
    }
}

int world_problems(struct world *world, char *first, size_t size)
{
    struct complaints complaints = {.first = first, .size = size};
    int rc = tree_check(world->tree, complain, &complaints);
    assert_true(rc == 0 || rc == STORE_CORRUPT);
    assert_int_equal(rc == 0, complaints.count == 0);
    return complaints.count;
}

void world_check(struct world *world)
{
    char first[512] = "";
    assert_ok(tree_commit(world->tree));
    if (world_problems(world, first, sizeof(first)) > 0) {
        fail_msg("tree_check: %s", first);
    }
}

static struct view name_view(const char *name)
{
    return (struct view){name, strlen(name)};
}

static uint64_t make(struct world *world, uint64_t parent, const char *name,
                     uint32_t mode)
{
    struct inode above;
    bool dir = S_ISDIR(mode);
    assert_ok(tree_begin(world->tree));
    assert_ok(tree_inode_get(world->tree, parent, &above));
    struct inode inode = {
        .ino = tree_next_ino(world->tree),
        .mode = mode,
        .nlink = dir ? 2 : 1,
        .parent = dir ? parent : 0,
        .body = dir ? 0 : tree_next_ino(world->tree),
        .mtime = (int64_t)++world->time,
    };
    assert_ok(tree_inode_add(world->tree, &inode));
    assert_ok(tree_dentry_add(world->tree, parent, name_view(name), inode.ino,
                              mode & S_IFMT));
    above.nlink += dir;
    above.mtime = (int64_t)world->time;
    assert_ok(tree_inode_set(world->tree, &above));
    return inode.ino;
}

uint64_t world_mkdir(struct world *world, uint64_t parent, const char *name)
{
    return make(world, parent, name, S_IFDIR | 0755);
}

uint64_t world_create(struct world *world, uint64_t parent, const char *name)
{
    return make(world, parent, name, S_IFREG | 0644);
}

void world_remove(struct world *world, uint64_t parent, const char *name)
{
    struct dentry dentry;
    struct inode inode;
    assert_ok(tree_begin(world->tree));
    assert_ok(tree_dentry_get(world->tree, parent, name_view(name), &dentry));
    assert_ok(tree_dentry_remove(world->tree, parent, dentry.name));
    assert_ok(tree_inode_get(world->tree, dentry.ino, &inode));
    if (--inode.nlink > 0) {
        assert_ok(tree_inode_set(world->tree, &inode));
    } else {
        assert_ok(tree_inode_remove(world->tree, dentry.ino));
    }
}

void world_write(struct world *world, uint64_t ino, uint64_t offset,
                 const void *data, size_t size, bool segment)
{
    struct view src = {data, size};
    struct place place = {0};
    struct inode inode;
    int64_t added;
    if (segment) {
        assert_ok(segment_append(world->writer, src, &place));
    }
    assert_ok(tree_begin(world->tree));
    assert_ok(tree_inode_get(world->tree, ino, &inode));
    assert_ok(
        tree_write(world->tree, inode.body, offset, place, src, size, &added));
    inode.blocks += (uint64_t)added;
    if (offset + size > inode.size) {
        inode.size = offset + size;
    }
    inode.data_hash = inode.data_hash * 31 + store_hash64(src, offset);
    assert_ok(tree_inode_set(world->tree, &inode));
}

void world_cut(struct world *world, uint64_t ino, uint64_t size)
{
    struct inode inode;
    int64_t added;
    assert_ok(tree_begin(world->tree));
    assert_ok(tree_inode_get(world->tree, ino, &inode));
    assert_ok(tree_cut(world->tree, inode.body, size, &added));
    inode.blocks += (uint64_t)added;
    inode.size = size;
    assert_ok(tree_inode_set(world->tree, &inode));
}

uint64_t world_body(struct world *world, uint64_t ino)
{
    struct inode inode;
    assert_ok(tree_inode_get(world->tree, ino, &inode));
    return inode.body;
}

static bool count_extent(void *arg, const struct extent *extent)
{
    assert_true(extent->size > 0);
    ++*(uint32_t *)arg;
    return true;
}

uint32_t world_extents(struct world *world, uint64_t ino)
{
    uint32_t count = 0;
    assert_ok(tree_extents(world->tree, world_body(world, ino), 0, INT64_MAX,
                           count_extent, &count));
    return count;
}
