/* Copies within the tree, without a byte of a segment being copied. */
#include "store/tree_int.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What is to be added, kept apart from the statement that found it. */
struct copies {
    uint64_t from, end, to;
    struct extent_row *rows; /* owned; offsets are those of the copy */
    size_t count, capacity;
    struct blob bytes; /* of inline rows, one after the other */
};

static struct extent_row *add_row(struct copies *copies)
{
    if (copies->count == copies->capacity) {
        copies->capacity = copies->capacity * 2 + 16;
        copies->rows =
            realloc(copies->rows, copies->capacity * sizeof(*copies->rows));
        assert(copies->rows != NULL);
    }
    return &copies->rows[copies->count++];
}

/* The part of a row that lies in the range, moved to where the copy is. */
static void keep_part(struct copies *copies, const struct extent_row *row,
                      size_t *used)
{
    uint64_t row_end = row->offset + row->size;
    uint64_t first = row->offset > copies->from ? row->offset : copies->from;
    uint64_t end = row_end < copies->end ? row_end : copies->end;
    if (first >= end) {
        return;
    }
    uint64_t skip = first - row->offset;
    struct extent_row *part = add_row(copies);
    *part = *row;
    part->offset = copies->to + (first - copies->from);
    part->size = end - first;
    if (row->segment != 0) {
        part->skip = row->skip + (uint32_t)skip;
        return;
    }
    /* The blob moves while it grows: the view is completed at the end. */
    uint8_t *bytes = blob_resize(&copies->bytes, *used + part->size);
    memcpy(bytes + *used, (const uint8_t *)row->bytes.data + skip, part->size);
    part->bytes = (struct view){NULL, part->size};
    *used += part->size;
}

static int collect(struct tree *tree, uint64_t body, struct copies *copies)
{
    size_t used = 0;
    sqlite3_stmt *statement =
        tree_bind2(tree, TREE_EXTENTS_TOUCHING, body, copies->from);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)copies->end);
    int rc;
    while ((rc = tree_row(tree, TREE_EXTENTS_TOUCHING, "read extents")) == 1) {
        struct extent_row row;
        tree_extent_columns(statement, &row);
        keep_part(copies, &row, &used);
    }
    const uint8_t *bytes = copies->bytes.data;
    for (size_t i = 0; i < copies->count; i++) {
        if (copies->rows[i].segment == 0) {
            copies->rows[i].bytes.data = bytes;
            bytes += copies->rows[i].size;
        }
    }
    return rc;
}

int tree_copy(struct tree *tree, uint64_t from_body, uint64_t from,
              uint64_t to_body, uint64_t to, uint64_t size, int64_t *added)
{
    assert(from_body != to_body || from + size <= to || to + size <= from);
    assert(size > 0 && from <= (uint64_t)INT64_MAX - size);
    struct copies copies = {.from = from, .end = from + size, .to = to};
    *added = 0;
    int rc = collect(tree, from_body, &copies);
    if (rc == 0) {
        rc = tree_punch(tree, to_body, to, size, added);
    }
    for (size_t i = 0; rc == 0 && i < copies.count; i++) {
        rc = tree_extent_add(tree, to_body, &copies.rows[i]);
        *added += (int64_t)copies.rows[i].size;
    }
    tree_tail_forget(tree, to_body);
    blob_release(&copies.bytes);
    free(copies.rows);
    return rc;
}
