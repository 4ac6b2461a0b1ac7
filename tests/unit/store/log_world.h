/* log_world.h -- a node's log as the tests of raftlog build it: a directory
 * with log.db and segments/, rows whose content follows from index and term,
 * and a check of the whole. */
#ifndef TESTS_UNIT_STORE_LOG_WORLD_H
#define TESTS_UNIT_STORE_LOG_WORLD_H

#include "store/raftlog.h"
#include "store/segment.h"

enum { LOG_WORLD_PAYLOAD = 6000 };

struct log_world {
    char path[512]; /* of log.db */
    char segments_path[512];
    struct segments *segments;
    struct segment_writer *writer;
    struct raftlog *log;
    struct log_head head;
};

/* Empty, but for the paths below directory, which is made if missing. */
void log_world_init(struct log_world *world, const char *directory);
int log_world_create(const struct log_world *world);
int log_world_open(struct log_world *world);
/* Fine on what was never opened. */
void log_world_close(struct log_world *world);

/* Appends `count` rows of a term; every third has its payload in a segment. */
int log_world_append(struct log_world *world, uint64_t term, size_t count);
/* The chain that a row has. */
uint64_t log_world_chain(uint64_t index, uint64_t term);
/* What a sync makes durable, in its order. */
int log_world_sync(struct log_world *world);
/* Asserts that the row at index is the one that append made in that term. */
void log_world_assert_row(struct log_world *world, uint64_t index,
                          uint64_t term);
/* Asserts that the rows and what open() told of them are whole. */
void log_world_assert_whole(struct log_world *world);

#endif
