#include "store/tree_int.h"

#include <assert.h>

static bool is_same(const struct extent_row *a, const struct extent_row *b)
{
    return a->offset == b->offset && a->size == b->size &&
           a->segment == b->segment && a->position == b->position &&
           a->skip == b->skip;
}

/* 1 if exactly these extents lie between the first's begin and the last's end,
 * 0 if not. */
static int are_there(struct tree *tree, uint64_t body,
                     const struct extent_row *old, uint32_t count, uint64_t end)
{
    sqlite3_stmt *statement =
        tree_bind2(tree, TREE_EXTENTS_BELOW, body, old[0].offset);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)end);
    uint32_t found = 0;
    int rc;
    while ((rc = tree_row(tree, TREE_EXTENTS_BELOW, "find extents")) == 1) {
        struct extent_row row;
        tree_extent_columns(statement, &row);
        if (found == count || !is_same(&row, &old[found])) {
            sqlite3_reset(statement);
            return 0;
        }
        found++;
    }
    return rc < 0 ? rc : found == count;
}

int tree_swap(struct tree *tree, uint64_t body, const struct extent_row *old,
              uint32_t count, const struct extent_row *merged)
{
    assert(tree->db.in_transaction && count > 0);
    uint64_t end = old[count - 1].offset + old[count - 1].size;
    assert(merged->offset == old[0].offset &&
           merged->offset + merged->size == end);
    int rc = are_there(tree, body, old, count, end);
    if (rc <= 0) {
        return rc;
    }
    tree_tail_forget(tree, body);
    sqlite3_stmt *statement =
        tree_bind2(tree, TREE_EXTENTS_DELETE, body, old[0].offset);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)end);
    rc = tree_run(tree, TREE_EXTENTS_DELETE, "delete merged extents");
    if (rc == 0) {
        rc = tree_extent_add(tree, body, merged);
    }
    return rc < 0 ? rc : 1;
}
