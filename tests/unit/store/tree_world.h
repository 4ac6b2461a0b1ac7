/* tree_world.h -- a tree with its segments in the scratch directory, and the
 * few changes that the tests of trees make most. Every helper fails the test on
 * an error, and runs in the transaction that world_begin() opened.
 */
#ifndef TESTS_UNIT_STORE_TREE_WORLD_H
#define TESTS_UNIT_STORE_TREE_WORLD_H

#include "store/segment.h"
#include "store/tree.h"
#include "tests/unit/store/testing.h"

struct world {
    char directory[512];
    struct segments *segments;
    struct segment_writer *writer;
    struct tree *tree;
    uint64_t time;
};

/* Creates (when there is none) and opens all in directory. */
void world_open(struct world *world, const char *directory);
void world_close(struct world *world);
void world_reopen(struct world *world);
/* Commits, and expects tree_check() to find nothing. */
void world_check(struct world *world);
/* How many problems tree_check() finds; the first is kept in first. */
int world_problems(struct world *world, char *first, size_t size);

uint64_t world_mkdir(struct world *world, uint64_t parent, const char *name);
uint64_t world_create(struct world *world, uint64_t parent, const char *name);
/* Unlinks a file and removes its inode when that was the last name. */
void world_remove(struct world *world, uint64_t parent, const char *name);
/* Writes to a file through a segment, or inline, and keeps its inode true. */
void world_write(struct world *world, uint64_t ino, uint64_t offset,
                 const void *data, size_t size, bool segment);
/* Changes the size as truncate(2) does, without a new body. */
void world_cut(struct world *world, uint64_t ino, uint64_t size);
uint64_t world_body(struct world *world, uint64_t ino);
uint32_t world_extents(struct world *world, uint64_t ino);

#endif
