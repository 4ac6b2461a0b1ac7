#include "store/tree_int.h"

#include "store/error.h"

#include <assert.h>
#include <string.h>

int tree_xattrs_load(struct tree *tree)
{
    int rc = tree_row(tree, TREE_XATTR_ANY, "look for attributes");
    if (rc == 1) {
        sqlite3_reset(tree->statements[TREE_XATTR_ANY]);
    }
    tree->has_xattrs = rc == 1;
    return rc < 0 ? rc : 0;
}

/* As tree_row(); the view is good until the statement is reset. */
static int find(struct tree *tree, uint64_t ino, struct view name,
                struct view *out)
{
    if (!tree->has_xattrs) {
        return 0;
    }
    sqlite3_stmt *statement = tree_bind1(tree, TREE_XATTR_GET, ino);
    tree_bind_view(statement, 2, name);
    int rc = tree_row(tree, TREE_XATTR_GET, "get attribute");
    if (rc == 1) {
        *out = tree_column_view(statement, 0);
    }
    return rc;
}

/* Takes the row, if there is one, out of the digest. */
static int forget(struct tree *tree, uint64_t ino, struct view name)
{
    struct view value;
    int rc = find(tree, ino, name, &value);
    if (rc == 1) {
        tree_digest_move(tree, tree_hash_xattr(ino, name, value), 0);
        sqlite3_reset(tree->statements[TREE_XATTR_GET]);
    }
    return rc;
}

int tree_xattr_get(struct tree *tree, uint64_t ino, struct view name,
                   struct view *out)
{
    struct view value;
    int rc = find(tree, ino, name, &value);
    if (rc == 0) {
        return store_fail(STORE_NOT_FOUND, "attribute of %llu: not there",
                          (unsigned long long)ino);
    }
    if (rc < 0) {
        return rc;
    }
    uint8_t *copy = blob_resize(&tree->scratch, value.size);
    if (value.size > 0) {
        memcpy(copy, value.data, value.size);
    }
    sqlite3_reset(tree->statements[TREE_XATTR_GET]);
    *out = (struct view){copy, value.size};
    return 0;
}

int tree_xattr_set(struct tree *tree, uint64_t ino, struct view name,
                   struct view value)
{
    assert(tree->db.in_transaction);
    assert(name.size > 0 && name.size <= TREE_NAME_MAX);
    assert(value.size <= TREE_XATTR_VALUE_MAX);
    int rc = forget(tree, ino, name);
    if (rc < 0) {
        return rc;
    }
    tree->has_xattrs = true;
    sqlite3_stmt *statement = tree_bind1(tree, TREE_XATTR_PUT, ino);
    tree_bind_view(statement, 2, name);
    tree_bind_view(statement, 3, value);
    rc = tree_run(tree, TREE_XATTR_PUT, "set attribute");
    if (rc == 0) {
        tree_digest_move(tree, 0, tree_hash_xattr(ino, name, value));
    }
    return rc;
}

int tree_xattr_remove(struct tree *tree, uint64_t ino, struct view name)
{
    assert(tree->db.in_transaction);
    int rc = forget(tree, ino, name);
    if (rc == 0) {
        return store_fail(STORE_NOT_FOUND, "attribute of %llu: not there",
                          (unsigned long long)ino);
    }
    if (rc < 0) {
        return rc;
    }
    sqlite3_stmt *statement = tree_bind1(tree, TREE_XATTR_DELETE, ino);
    tree_bind_view(statement, 2, name);
    return tree_run(tree, TREE_XATTR_DELETE, "remove attribute");
}

int tree_xattr_each(struct tree *tree, uint64_t ino,
                    bool (*each)(void *arg, struct view name), void *arg)
{
    if (!tree->has_xattrs) {
        return 0;
    }
    sqlite3_stmt *statement = tree_bind1(tree, TREE_XATTR_EACH, ino);
    int rc;
    while ((rc = tree_row(tree, TREE_XATTR_EACH, "list attributes")) == 1) {
        if (!each(arg, tree_column_view(statement, 0))) {
            sqlite3_reset(statement);
            return 0;
        }
    }
    return rc;
}

int tree_xattrs_drop(struct tree *tree, uint64_t ino)
{
    if (!tree->has_xattrs) {
        return 0;
    }
    sqlite3_stmt *statement = tree_bind1(tree, TREE_XATTR_ROWS, ino);
    bool any = false;
    int rc;
    while ((rc = tree_row(tree, TREE_XATTR_ROWS, "read attributes")) == 1) {
        any = true;
        tree_digest_move(tree,
                         tree_hash_xattr(ino, tree_column_view(statement, 0),
                                         tree_column_view(statement, 1)),
                         0);
    }
    if (rc < 0 || !any) {
        return rc;
    }
    tree_bind1(tree, TREE_XATTR_DELETE_ALL, ino);
    return tree_run(tree, TREE_XATTR_DELETE_ALL, "remove attributes");
}

int tree_payload_read(struct tree *tree, struct place place, void *out,
                      size_t size)
{
    if (tree->segments == NULL) {
        return store_fail(STORE_INVALID, "%s: opened without its segments",
                          tree->db.path);
    }
    return segments_read_checked(tree->segments, place, out, size);
}
