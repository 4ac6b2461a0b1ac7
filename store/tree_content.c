#include "store/tree_int.h"

#include "store/error.h"

#include <assert.h>
#include <string.h>

/* Offsets end at INT64_MAX, as off_t and SQLite's integers do. */
static uint64_t bounded_end(uint64_t offset, uint64_t size)
{
    const uint64_t end_max = INT64_MAX;
    return size > end_max - offset ? end_max : offset + size;
}

static sqlite3_stmt *bind_touching(struct tree *tree, uint64_t body,
                                   uint64_t offset, uint64_t end)
{
    assert(offset <= (uint64_t)INT64_MAX);
    sqlite3_stmt *statement =
        tree_bind2(tree, TREE_EXTENTS_TOUCHING, body, offset);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)end);
    return statement;
}

/* The next extent that reaches over offset; as tree_row(). */
static int next_touching(struct tree *tree, sqlite3_stmt *statement,
                         uint64_t offset, struct extent_row *out)
{
    int rc;
    while ((rc = tree_row(tree, TREE_EXTENTS_TOUCHING, "read extents")) == 1) {
        tree_extent_columns(statement, out);
        if (out->offset + out->size > offset) {
            return 1;
        }
    }
    return rc;
}

int tree_extents(struct tree *tree, uint64_t body, uint64_t offset,
                 uint64_t size,
                 bool (*each)(void *arg, const struct extent *extent),
                 void *arg)
{
    sqlite3_stmt *statement =
        bind_touching(tree, body, offset, bounded_end(offset, size));
    struct extent_row row;
    int rc;
    while ((rc = next_touching(tree, statement, offset, &row)) == 1) {
        struct extent extent = {.offset = row.offset, .size = row.size};
        if (row.segment == 0) {
            extent.inlined = row.bytes;
        } else {
            extent.place.segment = row.segment;
            extent.place.position = row.position + row.skip;
        }
        if (!each(arg, &extent)) {
            sqlite3_reset(statement);
            return 0;
        }
    }
    return rc;
}

/* Copies bytes [from, to) of the body, which lie in this row. */
static int copy_part(struct tree *tree, const struct extent_row *row,
                     uint64_t from, uint64_t to, uint8_t *out)
{
    uint64_t skip = from - row->offset;
    if (row->segment == 0) {
        memcpy(out, (const uint8_t *)row->bytes.data + skip, to - from);
        return 0;
    }
    if (tree->segments == NULL) {
        return store_fail(STORE_INVALID, "%s: opened without its segments",
                          tree->db.path);
    }
    struct place place = {row->segment, row->position};
    return segments_read(tree->segments, place, row->skip + skip, out,
                         to - from);
}

int tree_read(struct tree *tree, uint64_t body, uint64_t offset, void *out,
              size_t size)
{
    uint64_t at = offset; /* all below is filled */
    uint64_t end = offset + size;
    sqlite3_stmt *statement =
        bind_touching(tree, body, offset, bounded_end(offset, size));
    struct extent_row row;
    int rc;
    while ((rc = next_touching(tree, statement, offset, &row)) == 1) {
        uint64_t from = row.offset > at ? row.offset : at;
        uint64_t to = row.offset + row.size < end ? row.offset + row.size : end;
        memset((uint8_t *)out + (at - offset), 0, from - at);
        rc = copy_part(tree, &row, from, to, (uint8_t *)out + (from - offset));
        if (rc < 0) {
            sqlite3_reset(statement);
            return rc;
        }
        at = to;
    }
    if (rc == 0) {
        memset((uint8_t *)out + (at - offset), 0, end - at);
    }
    return rc;
}

int tree_seek(struct tree *tree, uint64_t body, uint64_t offset, uint64_t size,
              bool data, uint64_t *out)
{
    if (offset >= size) {
        return store_fail(STORE_NOT_FOUND, "offset beyond the end");
    }
    uint64_t at = offset; /* of the hole, as far as is known */
    sqlite3_stmt *statement = bind_touching(tree, body, offset, size);
    struct extent_row row;
    int rc;
    while ((rc = next_touching(tree, statement, offset, &row)) == 1) {
        if (data) {
            *out = row.offset > offset ? row.offset : offset;
            sqlite3_reset(statement);
            return 0;
        }
        if (row.offset > at) {
            sqlite3_reset(statement);
            break;
        }
        at = row.offset + row.size;
    }
    if (rc < 0) {
        return rc;
    }
    if (data) {
        return store_fail(STORE_NOT_FOUND, "no data there");
    }
    *out = at < size ? at : size;
    return 0;
}
