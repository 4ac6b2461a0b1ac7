#include "store/reclaim_int.h"

#include "store/error.h"
#include "store/io.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- candidates --- */

/* The body's place in the table, or that of the one least touched. */
static struct candidate *candidate_of(struct reclaim *reclaim, uint64_t body)
{
    struct candidate *least = &reclaim->candidates[0];
    for (int i = 0; i < RECLAIM_CANDIDATES_MAX; i++) {
        struct candidate *candidate = &reclaim->candidates[i];
        if (candidate->body == body) {
            return candidate;
        }
        if (candidate->touches < least->touches ||
            (candidate->body == 0 && least->body != 0)) {
            least = candidate;
        }
    }
    *least = (struct candidate){.body = body};
    return least;
}

void reclaim_take_touched(struct reclaim *reclaim)
{
    struct touch touched[RECLAIM_TOUCHED_MAX];
    pthread_mutex_lock(&reclaim->lock);
    uint32_t count = reclaim->touched_count;
    memcpy(touched, reclaim->touched, count * sizeof(touched[0]));
    reclaim->touched_count = 0;
    pthread_mutex_unlock(&reclaim->lock);
    for (uint32_t i = 0; i < count; i++) {
        candidate_of(reclaim, touched[i].body)->touches += touched[i].count;
    }
}

/* A large body is looked at only after many touches, so that looking costs a
 * few rows a touch, whatever the body's size. */
static bool is_due(const struct reclaim *reclaim,
                   const struct candidate *candidate)
{
    uint64_t least = reclaim->options.merge_extents;
    if (candidate->rows / 16 > least) {
        least = candidate->rows / 16;
    }
    return candidate->body != 0 && candidate->touches >= least;
}

/* --- runs --- */

static uint64_t end_of(const struct extent_row *row)
{
    return row->offset + row->size;
}

bool run_add(struct run *run, uint64_t body, const struct extent_row *row)
{
    if (run->count > 0 &&
        (run->body != body || run->count == RECLAIM_RUN_ROWS ||
         row->offset != end_of(&run->rows[run->count - 1]) ||
         run->size + row->size > RECLAIM_RUN_BYTES)) {
        return false;
    }
    run->body = body;
    run->size += row->size;
    run->rows[run->count] = *row;
    run->rows[run->count++].bytes = (struct view){0};
    return true;
}

/* The checksum is that of the whole record, so that is what is read: copying
 * unchecked bytes would give damage a checksum of its own. */
static int read_from_segment(struct reclaim *reclaim,
                             const struct extent_row *row, uint8_t *out)
{
    struct place place = {row->segment, row->position};
    if (row->skip == 0 && row->size == row->payload) {
        return segments_read_checked(reclaim->segments, place, out, row->size);
    }
    uint8_t *payload = blob_resize(&reclaim->payload, row->payload);
    int rc =
        segments_read_checked(reclaim->segments, place, payload, row->payload);
    if (rc == 0) {
        memcpy(out, payload + row->skip, row->size);
    }
    return rc;
}

/* Reads the run's bytes from the snapshot in which it was found. */
static int read_run(struct reclaim *reclaim, const struct run *run,
                    uint8_t *out)
{
    sqlite3_stmt *statement = reclaim->extents_from;
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)run->body);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)run->rows[0].offset);
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < run->count; i++) {
        struct extent_row row;
        rc = db_row(&reclaim->reader, statement, "read extents to merge");
        if (rc < 0) {
            return rc;
        }
        assert(rc == 1);
        tree_extent_columns(statement, &row);
        assert(row.offset == run->rows[i].offset);
        assert(row.position == run->rows[i].position);
        rc = 0;
        if (row.segment == 0) {
            memcpy(out, row.bytes.data, row.size);
        } else {
            rc = read_from_segment(reclaim, &row, out);
        }
        out += row.size;
    }
    sqlite3_reset(statement);
    return rc;
}

static void *copy_of(const void *source, size_t size)
{
    void *copy = malloc(size);
    if (copy == NULL) {
        fprintf(stderr, "out of memory: merging\n");
        abort();
    }
    memcpy(copy, source, size);
    return copy;
}

/* Where the merged bytes go. */
static int place_merged(struct reclaim *reclaim, const struct run *run,
                        struct swap *swap)
{
    struct view bytes = {reclaim->data.data, run->size};
    struct place place;
    swap->merged =
        (struct extent_row){.offset = run->rows[0].offset, .size = run->size};
    if (run->size <= TREE_INLINE_MAX) {
        swap->inlined = copy_of(bytes.data, bytes.size);
        swap->merged.bytes = (struct view){swap->inlined, bytes.size};
        return 0;
    }
    int rc = segment_append(reclaim->writer, bytes, &place);
    if (rc < 0) {
        return rc;
    }
    swap->merged.segment = place.segment;
    swap->merged.position = place.position;
    swap->merged.payload = (uint32_t)run->size;
    places_add(&reclaim->merged, place.segment);
    return 0;
}

int run_write(struct reclaim *reclaim, struct run *run)
{
    struct batch *batch = reclaim->building;
    assert(run->count > 0 && !batch_is_full(batch));
    struct swap *swap = &batch->swaps[batch->count];
    *swap = (struct swap){.body = run->body, .count = run->count};
    int rc = read_run(reclaim, run, blob_resize(&reclaim->data, run->size));
    if (rc == 0) {
        rc = place_merged(reclaim, run, swap);
    }
    if (rc == STORE_FULL) {
        batch->no_room = true;
        rc = 0;
    } else if (rc == 0) {
        swap->old = copy_of(run->rows, run->count * sizeof(run->rows[0]));
        batch->count++;
        batch->bytes += run->size;
    }
    run->count = 0;
    run->size = 0;
    return rc;
}

bool batch_is_full(const struct batch *batch)
{
    return batch->no_room || batch->count == RECLAIM_BATCH_SWAPS ||
           batch->bytes >= RECLAIM_BATCH_BYTES;
}

void batch_free(struct batch *batch)
{
    if (batch == NULL) {
        return;
    }
    for (uint32_t i = 0; i < batch->count; i++) {
        free(batch->swaps[i].old);
        free(batch->swaps[i].inlined);
    }
    free(batch);
}

/* --- merging --- */

/* Ends the run: it is worth a merge only when it makes many into one. */
static int close_run(struct reclaim *reclaim)
{
    struct run *run = reclaim->run;
    if (run->count >= reclaim->options.merge_extents && run->count > 1) {
        return run_write(reclaim, run);
    }
    run->count = 0;
    run->size = 0;
    return 0;
}

struct cursor {
    uint64_t next; /* offset to go on at */
    uint64_t rows; /* seen, and not merged into others */
    bool done;
};

/* Collects one run of small extents, from cursor->next on. */
static int find_run(struct reclaim *reclaim, uint64_t body,
                    struct cursor *cursor)
{
    struct run *run = reclaim->run;
    sqlite3_stmt *statement = reclaim->extents_from;
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)body);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)cursor->next);
    int rc;
    while ((rc = db_row(&reclaim->reader, statement, "look for extents")) ==
           1) {
        struct extent_row row;
        tree_extent_columns(statement, &row);
        bool is_small = row.size < RECLAIM_SMALL;
        if (is_small && run_add(run, body, &row)) {
            cursor->rows++;
            continue;
        }
        if (run->count >= reclaim->options.merge_extents && run->count > 1) {
            cursor->next = row.offset;
            sqlite3_reset(statement);
            return 0;
        }
        run->count = 0;
        run->size = 0;
        if (is_small) {
            run_add(run, body, &row);
        }
        cursor->rows++;
    }
    cursor->done = rc == 0;
    return rc;
}

static int merge_body(struct reclaim *reclaim, struct candidate *candidate)
{
    struct cursor cursor = {0};
    int rc = 0;
    while (rc == 0 && !cursor.done && !batch_is_full(reclaim->building) &&
           !reclaim_is_stopping(reclaim)) {
        rc = find_run(reclaim, candidate->body, &cursor);
        uint32_t found = reclaim->run->count;
        uint32_t before = reclaim->building->count;
        if (rc == 0) {
            rc = close_run(reclaim);
        }
        if (reclaim->building->count > before) {
            cursor.rows -= found - 1; /* they become one */
        }
    }
    if (rc == 0 && cursor.done) {
        candidate->touches = 0;
        candidate->rows = cursor.rows;
    }
    return rc;
}

int reclaim_merge(struct reclaim *reclaim)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < RECLAIM_CANDIDATES_MAX; i++) {
        struct candidate *candidate = &reclaim->candidates[i];
        if (!is_due(reclaim, candidate)) {
            continue;
        }
        if (batch_is_full(reclaim->building) || reclaim_is_stopping(reclaim)) {
            break;
        }
        rc = db_begin(&reclaim->reader);
        if (rc == 0) {
            rc = merge_body(reclaim, candidate);
            int end = db_rollback(&reclaim->reader);
            rc = rc < 0 ? rc : end;
        }
    }
    return rc;
}

/* --- handing over --- */

static int sync_merged(struct reclaim *reclaim)
{
    int fds[4];
    int count;
    while ((count = segment_writer_dirty(reclaim->writer, fds, 4)) > 0) {
        for (int i = 0; i < count; i++) {
            if (store_io.fdatasync(fds[i]) < 0) {
                return store_fail_errno(errno, "cannot sync a segment");
            }
        }
        segment_writer_synced(reclaim->writer);
    }
    return 0;
}

int reclaim_offer(struct reclaim *reclaim)
{
    if (reclaim->building->count == 0) {
        return 0;
    }
    int rc = sync_merged(reclaim);
    if (rc < 0) {
        return rc;
    }
    struct batch *next = calloc(1, sizeof(*next));
    assert(next != NULL);
    pthread_mutex_lock(&reclaim->lock);
    assert(reclaim->offered == NULL);
    reclaim->offered = reclaim->building;
    pthread_mutex_unlock(&reclaim->lock);
    reclaim->building = next;
    return 1;
}
