#include "store/tree_int.h"

#include "store/error.h"

#include <assert.h>
#include <string.h>

static uint64_t end_of(const struct extent_row *row)
{
    return row->offset + row->size;
}

void tree_extent_columns(sqlite3_stmt *statement, struct extent_row *out)
{
    *out = (struct extent_row){
        .offset = tree_column(statement, 0),
        .size = tree_column(statement, 1),
        .segment = tree_column(statement, 2),
        .position = tree_column(statement, 3),
        .skip = (uint32_t)tree_column(statement, 4),
        .payload = (uint32_t)tree_column(statement, 5),
    };
    if (out->segment == 0) {
        out->bytes = tree_column_view(statement, 6);
    }
}

/* --- rows --- */

static int put_row(struct tree *tree, enum tree_statement which, uint64_t body,
                   const struct extent_row *row)
{
    assert(row->size > 0 && end_of(row) > row->offset);
    assert(row->segment != 0 || row->bytes.size == row->size);
    sqlite3_stmt *statement = tree_bind2(tree, which, body, row->offset);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)row->size);
    sqlite3_bind_int64(statement, 4, (sqlite3_int64)row->segment);
    if (row->segment == 0) {
        sqlite3_bind_int64(statement, 5,
                           (sqlite3_int64)tree->meta.next_stamp++);
        tree_bind_view(statement, 8, row->bytes);
    } else {
        sqlite3_bind_int64(statement, 5, (sqlite3_int64)row->position);
        sqlite3_bind_null(statement, 8);
    }
    sqlite3_bind_int64(statement, 6, row->skip);
    sqlite3_bind_int64(statement, 7, row->payload);
    return tree_run(tree, which, "write extent");
}

int tree_extent_add(struct tree *tree, uint64_t body,
                    const struct extent_row *row)
{
    return put_row(tree, TREE_EXTENT_ADD, body, row);
}

/* The bytes [from, from+size) of a row, as a row. */
static struct extent_row part_of(const struct extent_row *row, uint64_t from,
                                 uint64_t size)
{
    assert(from >= row->offset && size > 0 && from + size <= end_of(row));
    struct extent_row part = *row;
    uint64_t skip = from - row->offset;
    part.offset = from;
    part.size = size;
    if (row->segment == 0) {
        part.bytes.data = (const uint8_t *)row->bytes.data + skip;
        part.bytes.size = size;
    } else {
        part.skip = row->skip + (uint32_t)skip;
    }
    return part;
}

/* Takes a row out of its statement, which can then run again. */
static void keep_row(struct tree *tree, sqlite3_stmt *statement,
                     struct extent_row *row)
{
    tree_extent_columns(statement, row);
    if (row->segment == 0) {
        uint8_t *copy = blob_resize(&tree->scratch, row->bytes.size);
        memcpy(copy, row->bytes.data, row->bytes.size);
        row->bytes.data = copy;
    }
}

/* --- the tails --- */

static struct tail *tail_slot(struct tree *tree, uint64_t body)
{
    uint64_t spread = body * 0x9e3779b97f4a7c15u;
    return &tree->tails[spread >> 58 & (TREE_TAILS_CACHED - 1)];
}

void tree_tail_forget(struct tree *tree, uint64_t body)
{
    struct tail *tail = tail_slot(tree, body);
    if (tail->body == body) {
        tail->body = 0;
    }
}

static void set_tail(struct tail *tail, uint64_t body,
                     const struct extent_row *row)
{
    tail->body = body;
    tail->offset = row->offset;
    tail->size = row->size;
    tail->end = end_of(row);
    tail->joins = row->segment == 0 && row->size < TREE_COALESCE_MAX;
    if (tail->joins) {
        memcpy(tail->bytes, row->bytes.data, row->size);
    }
}

static int get_tail(struct tree *tree, uint64_t body, struct tail **out)
{
    struct tail *tail = tail_slot(tree, body);
    *out = tail;
    if (tail->body == body) {
        return 0;
    }
    sqlite3_stmt *statement = tree_bind1(tree, TREE_EXTENT_LAST, body);
    int rc = tree_row(tree, TREE_EXTENT_LAST, "find last extent");
    if (rc < 0) {
        return rc;
    }
    if (rc == 0) {
        tail->body = body;
        tail->offset = tail->size = tail->end = 0;
        tail->joins = false;
        return 0;
    }
    struct extent_row row;
    tree_extent_columns(statement, &row);
    set_tail(tail, body, &row);
    sqlite3_reset(statement);
    return 0;
}

/* --- making room --- */

/* The extent that begins before `from` and reaches over it: keeps its left
 * part, and its right part if it reaches over `to` too. */
static int cut_before(struct tree *tree, uint64_t body, uint64_t from,
                      uint64_t to, uint64_t *removed)
{
    sqlite3_stmt *statement = tree_bind2(tree, TREE_EXTENT_BEFORE, body, from);
    int rc = tree_row(tree, TREE_EXTENT_BEFORE, "find extent");
    if (rc <= 0) {
        return rc;
    }
    struct extent_row row;
    tree_extent_columns(statement, &row);
    if (end_of(&row) <= from) {
        sqlite3_reset(statement);
        return 0;
    }
    keep_row(tree, statement, &row);
    sqlite3_reset(statement);
    uint64_t end = end_of(&row);
    *removed += (end < to ? end : to) - from;
    struct extent_row left = part_of(&row, row.offset, from - row.offset);
    rc = put_row(tree, TREE_EXTENT_REPLACE, body, &left);
    if (rc == 0 && end > to) {
        struct extent_row right = part_of(&row, to, end - to);
        rc = tree_extent_add(tree, body, &right);
    }
    return rc;
}

/* The extents that begin in [from, to): only what the last one has beyond `to`
 * stays. */
static int cut_below(struct tree *tree, uint64_t body, uint64_t from,
                     uint64_t to, uint64_t *removed)
{
    struct extent_row beyond = {0};
    bool any = false;
    sqlite3_stmt *statement = tree_bind2(tree, TREE_EXTENTS_BELOW, body, from);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)to);
    int rc;
    while ((rc = tree_row(tree, TREE_EXTENTS_BELOW, "find extents")) == 1) {
        any = true;
        uint64_t offset = tree_column(statement, 0);
        uint64_t end = offset + tree_column(statement, 1);
        *removed += (end < to ? end : to) - offset;
        if (end > to) {
            struct extent_row row;
            keep_row(tree, statement, &row);
            beyond = part_of(&row, to, end - to);
        }
    }
    if (rc < 0 || !any) {
        return rc;
    }
    statement = tree_bind2(tree, TREE_EXTENTS_DELETE, body, from);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)to);
    rc = tree_run(tree, TREE_EXTENTS_DELETE, "delete extents");
    if (rc == 0 && beyond.size > 0) {
        rc = tree_extent_add(tree, body, &beyond);
    }
    return rc;
}

/* Removes the data of [from, to); *removed is how much there was. */
static int cut_range(struct tree *tree, uint64_t body, uint64_t from,
                     uint64_t to, uint64_t *removed)
{
    assert(from < to);
    tree_tail_forget(tree, body);
    int rc = from > 0 ? cut_before(tree, body, from, to, removed) : 0;
    return rc < 0 ? rc : cut_below(tree, body, from, to, removed);
}

/* --- writing --- */

static int join(struct tree *tree, uint64_t body, struct tail *tail,
                const struct extent_row *row)
{
    memcpy(tail->bytes + tail->size, row->bytes.data, row->size);
    tail->size += row->size;
    tail->end += row->size;
    const struct extent_row joined = {
        .offset = tail->offset,
        .size = tail->size,
        .bytes = {tail->bytes, tail->size},
    };
    tail->joins = tail->size < TREE_COALESCE_MAX;
    return put_row(tree, TREE_EXTENT_REPLACE, body, &joined);
}

static int append(struct tree *tree, uint64_t body, struct tail *tail,
                  const struct extent_row *row)
{
    if (row->segment == 0 && tail->joins && row->offset == tail->end &&
        tail->size + row->size <= TREE_COALESCE_MAX) {
        return join(tree, body, tail, row);
    }
    int rc = tree_extent_add(tree, body, row);
    if (rc == 0) {
        set_tail(tail, body, row);
    }
    return rc;
}

int tree_write(struct tree *tree, uint64_t body, uint64_t offset,
               struct place place, struct view src, uint64_t size,
               int64_t *added)
{
    assert(tree->db.in_transaction && body != 0);
    assert(size > 0 && size <= UINT32_MAX);
    assert(offset <= (uint64_t)INT64_MAX - size);
    struct extent_row row = {.offset = offset, .size = size};
    if (place.segment == 0) {
        assert(size <= TREE_INLINE_MAX && src.size == size);
        row.bytes = src;
    } else {
        row.segment = place.segment;
        row.position = place.position;
        row.payload = (uint32_t)size;
    }
    struct tail *tail;
    int rc = get_tail(tree, body, &tail);
    if (rc < 0) {
        return rc;
    }
    *added = (int64_t)size;
    if (offset >= tail->end) {
        return append(tree, body, tail, &row);
    }
    uint64_t removed = 0;
    rc = cut_range(tree, body, offset, offset + size, &removed);
    *added -= (int64_t)removed;
    return rc < 0 ? rc : tree_extent_add(tree, body, &row);
}

int tree_punch(struct tree *tree, uint64_t body, uint64_t offset, uint64_t size,
               int64_t *added)
{
    assert(tree->db.in_transaction && body != 0);
    assert(size > 0 && offset <= (uint64_t)INT64_MAX - size);
    uint64_t removed = 0;
    int rc = cut_range(tree, body, offset, offset + size, &removed);
    *added = -(int64_t)removed;
    return rc;
}

int tree_cut(struct tree *tree, uint64_t body, uint64_t offset, int64_t *added)
{
    assert(tree->db.in_transaction && body != 0);
    *added = 0;
    if (offset >= (uint64_t)INT64_MAX) {
        return 0;
    }
    uint64_t removed = 0;
    int rc = cut_range(tree, body, offset, INT64_MAX, &removed);
    *added = -(int64_t)removed;
    return rc;
}
