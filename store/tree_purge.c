#include "store/tree_int.h"

#include "store/error.h"

#include <assert.h>

int tree_purge_add(struct tree *tree, uint64_t body)
{
    tree_bind1(tree, TREE_PURGE_ADD, body);
    int rc = tree_run(tree, TREE_PURGE_ADD, "add to purge list");
    if (rc == 0 && sqlite3_changes(tree->db.handle) == 1) {
        tree->purge_count++;
    }
    return rc;
}

int tree_body_drop(struct tree *tree, uint64_t body)
{
    assert(tree->db.in_transaction && body != 0);
    tree_tail_forget(tree, body);
    return tree_purge_add(tree, body);
}

/* Offset of the first extent that stays: `most` go. INT64_MAX: all go. */
static int first_left(struct tree *tree, uint64_t body, uint32_t most,
                      uint64_t *out)
{
    sqlite3_stmt *statement = tree_bind2(tree, TREE_PURGE_UPTO, body, most);
    int rc = tree_row(tree, TREE_PURGE_UPTO, "look for extents to purge");
    *out = INT64_MAX;
    if (rc == 1) {
        *out = tree_column(statement, 0);
        sqlite3_reset(statement);
        rc = 0;
    }
    return rc;
}

static int purge_slice(struct tree *tree, uint64_t body, uint32_t *most)
{
    uint64_t upto;
    int rc = first_left(tree, body, *most, &upto);
    if (rc < 0) {
        return rc;
    }
    sqlite3_stmt *statement = tree_bind2(tree, TREE_EXTENTS_DELETE, body, 0);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)upto);
    rc = tree_run(tree, TREE_EXTENTS_DELETE, "purge extents");
    if (rc < 0) {
        return rc;
    }
    uint32_t deleted = (uint32_t)sqlite3_changes(tree->db.handle);
    *most -= deleted < *most ? deleted : *most;
    if (upto < (uint64_t)INT64_MAX) {
        return 0;
    }
    tree_bind1(tree, TREE_PURGE_DELETE, body);
    rc = tree_run(tree, TREE_PURGE_DELETE, "take off the purge list");
    if (rc == 0) {
        tree->purge_count--;
    }
    return rc;
}

int tree_purge_step(struct tree *tree, uint32_t most)
{
    assert(most > 0);
    if (tree->purge_count == 0) {
        return 0;
    }
    int rc = tree_begin(tree);
    while (rc == 0 && most > 0 && tree->purge_count > 0) {
        sqlite3_stmt *statement = tree->statements[TREE_PURGE_FIRST];
        rc = tree_row(tree, TREE_PURGE_FIRST, "read purge list");
        if (rc < 0) {
            return rc;
        }
        assert(rc == 1);
        uint64_t body = tree_column(statement, 0);
        sqlite3_reset(statement);
        most--; /* a body costs something even when it is empty */
        rc = most > 0 ? purge_slice(tree, body, &most) : 0;
    }
    return rc < 0 ? rc : tree->purge_count > 0;
}
