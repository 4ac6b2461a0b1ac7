#include "tests/unit/store/log_world.h"

#include "tests/unit/store/testing.h"

#include "store/error.h"
#include "store/io.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void log_world_init(struct log_world *world, const char *directory)
{
    *world = (struct log_world){0};
    mkdir(directory, 0700);
    snprintf(world->path, sizeof(world->path), "%s/log.db", directory);
    snprintf(world->segments_path, sizeof(world->segments_path), "%s/segments",
             directory);
}

int log_world_create(const struct log_world *world)
{
    return raftlog_create(world->path, 11, 22);
}

int log_world_open(struct log_world *world)
{
    int rc = segments_open(world->segments_path, &world->segments);
    if (rc == 0) {
        rc = segment_writer_open(world->segments, &world->writer);
    }
    if (rc == 0) {
        rc = raftlog_open(world->path, world->segments, &world->log,
                          &world->head);
    }
    if (rc < 0) {
        log_world_close(world);
    }
    return rc;
}

void log_world_close(struct log_world *world)
{
    raftlog_close(world->log);
    segment_writer_close(world->writer);
    segments_close(world->segments);
    free(world->head.terms);
    free(world->head.sizes);
    world->log = NULL;
    world->writer = NULL;
    world->segments = NULL;
    world->head = (struct log_head){0};
}

/* --- rows whose content follows from index and term --- */

static bool in_segment(uint64_t index)
{
    return index % 3 == 0;
}

static void fill_payload(uint64_t index, uint64_t term,
                         uint8_t out[LOG_WORLD_PAYLOAD])
{
    for (int i = 0; i < LOG_WORLD_PAYLOAD; i++) {
        out[i] = (uint8_t)(index * 31 + term * 7 + (uint64_t)i);
    }
}

static size_t fill_bytes(uint64_t index, uint64_t term, char out[64])
{
    return (size_t)snprintf(out, 64, "record %d of term %d", (int)index,
                            (int)term);
}

enum { BATCH_MAX = 2000 };

static int stage(struct log_world *world, struct log_row *row)
{
    uint8_t payload[LOG_WORLD_PAYLOAD];
    fill_payload(row->index, row->term, payload);
    row->payload_size = sizeof(payload);
    row->size += (uint32_t)sizeof(payload);
    return segment_append(world->writer,
                          (struct view){payload, sizeof(payload)}, &row->place);
}

uint64_t log_world_chain(uint64_t index, uint64_t term)
{
    return (term << 32 | index) * 0x9e3779b97f4a7c15;
}

int log_world_append(struct log_world *world, uint64_t term, size_t count)
{
    static struct log_row rows[BATCH_MAX];
    static char texts[BATCH_MAX][64];
    assert(count <= BATCH_MAX);
    for (size_t i = 0; i < count; i++) {
        uint64_t index = raftlog_last(world->log) + 1 + i;
        size_t size = fill_bytes(index, term, texts[i]);
        rows[i] = (struct log_row){
            .index = index,
            .term = term,
            .chain = log_world_chain(index, term),
            .size = (uint32_t)size,
            .bytes = {texts[i], size},
        };
        int rc = in_segment(index) ? stage(world, &rows[i]) : 0;
        if (rc < 0) {
            return rc;
        }
    }
    return raftlog_append(world->log, rows, count);
}

int log_world_sync(struct log_world *world)
{
    int fds[16];
    int count = segment_writer_dirty(world->writer, fds, 15);
    fds[count] = raftlog_wal_fd(world->log);
    if (fds[count] < 0) {
        return STORE_IO;
    }
    for (int i = 0; i <= count; i++) {
        if (store_io.fdatasync(fds[i]) < 0) {
            return store_fail(STORE_IO, "cannot sync");
        }
    }
    segment_writer_synced(world->writer);
    raftlog_durable(world->log, raftlog_last(world->log));
    return 0;
}

void log_world_assert_row(struct log_world *world, uint64_t index,
                          uint64_t term)
{
    struct log_row row;
    char text[64];
    uint8_t expected[LOG_WORLD_PAYLOAD], payload[LOG_WORLD_PAYLOAD];
    assert_ok(raftlog_read(world->log, index, &row));
    assert_int_equal(row.index, index);
    assert_int_equal(row.term, term);
    size_t size = fill_bytes(index, term, text);
    assert_int_equal(row.bytes.size, size);
    assert_memory_equal(row.bytes.data, text, size);
    if (!in_segment(index)) {
        assert_int_equal(row.size, size);
        assert_int_equal(row.place.segment, 0);
        return;
    }
    assert_int_equal(row.size, size + LOG_WORLD_PAYLOAD);
    assert_int_equal(row.payload_size, LOG_WORLD_PAYLOAD);
    assert_ok(segments_read_checked(world->segments, row.place, payload,
                                    sizeof(payload)));
    fill_payload(index, term, expected);
    assert_memory_equal(payload, expected, sizeof(payload));
}

void log_world_assert_whole(struct log_world *world)
{
    const struct log_head *head = &world->head;
    uint64_t first = head->base_index + 1;
    assert_int_equal(raftlog_last(world->log), head->base_index + head->count);
    assert_int_equal(head->cluster_id, 11);
    assert_int_equal(head->node, 22);
    for (size_t i = 0; i < head->count; i++) {
        struct log_row row;
        log_world_assert_row(world, first + i, head->terms[i]);
        assert_ok(raftlog_read(world->log, first + i, &row));
        assert_int_equal(row.size, head->sizes[i]);
    }
}
