/* apply_world.h -- a tree of its own and the records that made it, for the
 * tests of apply.
 *
 * A world makes the records itself: index, term, time and serial grow by
 * themselves, the payload is staged as a node would do. The records are kept,
 * so that they can be applied to another world.
 */
#ifndef TESTS_APPLY_WORLD_H
#define TESTS_APPLY_WORLD_H

#include "fs/apply.h"
#include "fs/footprint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { WORLD_NODE = 77 };

struct world {
    char dir[256];
    struct segments *segments;
    struct segment_writer *writer;
    struct tree *tree;
    struct apply *apply;

    uint64_t session; /* 0 until world_session() */
    uint64_t serial;  /* of the last record */
    uint64_t ack_below;
    uint64_t time_ns; /* of the last record */
    struct command_caller caller;

    struct apply_result result; /* of the last record */
    struct record **records;    /* owned; records[i] has index i + 1 */
    size_t record_count;
};

/* For cmocka: an empty tree with a session open; *state is the world. */
int world_setup(void **state);
int world_teardown(void **state);

/* A number below bound; the same sequence for the same first *state. */
uint64_t world_random(uint64_t *state, uint64_t bound);
void world_remove_files(const char *path); /* a directory and all below */

struct world *world_new(void);
void world_free(struct world *world);
/* Closes and opens everything again: what was not committed is lost. */
void world_commit(struct world *world);
void world_reopen(struct world *world);
void world_close(struct world *world);
void world_open(struct world *world);
void world_check(struct world *world);      /* tree_check(), and no complaint */
uint64_t world_digest(struct world *world); /* after a flush */

/* Opens a session for the node of that name (hash: WORLD_NODE + its length). */
uint64_t world_session(struct world *world, const char *name, uint64_t boot);
bool world_footprint_has(const struct footprint *footprint, uint64_t key);
/* Applies a record as it is (payload must be staged for this world). */
int world_apply(struct world *world, struct record *record);
/* The next record of that command; returns the errno, the rest is in .result.
 */
int world_run(struct world *world, struct command command);
int world_run_with(struct world *world, struct command command,
                   struct bytes payload);
struct record *world_record(struct world *world, const struct command *command,
                            struct bytes payload);

struct bytes world_text(const char *text);
int world_create(struct world *world, uint64_t parent, const char *name,
                 uint32_t mode, uint32_t flags);
int world_mkdir(struct world *world, uint64_t parent, const char *name,
                uint32_t mode);
int world_symlink(struct world *world, uint64_t parent, const char *name,
                  const char *target);
int world_link(struct world *world, uint64_t ino, uint64_t parent,
               const char *name);
int world_unlink(struct world *world, uint64_t parent, const char *name);
int world_rmdir(struct world *world, uint64_t parent, const char *name);
int world_rename(struct world *world, uint64_t parent, const char *name,
                 uint64_t new_parent, const char *new_name, uint32_t flags);
int world_write(struct world *world, uint64_t ino, uint64_t offset,
                uint32_t flags, const void *data, size_t size);
int world_truncate(struct world *world, uint64_t ino, uint64_t size);
int world_reap(struct world *world, uint64_t ino);

/* These must succeed; they give the inode. */
uint64_t world_file(struct world *world, uint64_t parent, const char *name);
uint64_t world_dir(struct world *world, uint64_t parent, const char *name);
struct inode world_inode(struct world *world, uint64_t ino);
bool world_has_inode(struct world *world, uint64_t ino);
void world_same_session(const struct apply_session *a,
                        const struct apply_session *b);
/* 0: no such name. */
uint64_t world_lookup(struct world *world, uint64_t parent, const char *name);

#endif
