#include "store/tree_int.h"

#include "store/error.h"

#include <assert.h>
#include <string.h>

static bool is_last(const struct tree *tree, uint64_t parent, struct view name)
{
    return tree->last.known && tree->last.parent == parent &&
           tree->last.dentry.name.size == name.size &&
           memcmp(tree->last.name, name.data, name.size) == 0;
}

int tree_dentry_get(struct tree *tree, uint64_t parent, struct view name,
                    struct dentry *out)
{
    assert(name.size > 0 && name.size <= TREE_NAME_MAX);
    if (is_last(tree, parent, name)) {
        *out = tree->last.dentry;
        return 0;
    }
    sqlite3_stmt *statement = tree_bind1(tree, TREE_DENTRY_GET, parent);
    tree_bind_view(statement, 2, name);
    int rc = tree_row(tree, TREE_DENTRY_GET, "get name");
    if (rc == 0) {
        return store_fail(STORE_NOT_FOUND, "name in %llu: not there",
                          (unsigned long long)parent);
    }
    if (rc < 0) {
        return rc;
    }
    memmove(tree->last.name, name.data, name.size);
    tree->last.known = true;
    tree->last.parent = parent;
    tree->last.dentry = (struct dentry){
        .ino = tree_column(statement, 0),
        .type = (uint32_t)tree_column(statement, 1),
        .cookie = tree_column(statement, 2),
        .name = {tree->last.name, name.size},
    };
    sqlite3_reset(statement);
    *out = tree->last.dentry;
    return 0;
}

static int add(struct tree *tree, uint64_t parent, const struct dentry *dentry)
{
    assert(dentry->name.size > 0 && dentry->name.size <= TREE_NAME_MAX);
    sqlite3_stmt *statement = tree_bind2(tree, TREE_DENTRY_ADD, parent, 0);
    tree_bind_view(statement, 2, dentry->name);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)dentry->ino);
    sqlite3_bind_int64(statement, 4, dentry->type);
    sqlite3_bind_int64(statement, 5, (sqlite3_int64)dentry->cookie);
    int rc = tree_run(tree, TREE_DENTRY_ADD, "add name");
    if (rc == 0) {
        tree_digest_move(tree, 0, tree_hash_dentry(parent, dentry));
    }
    return rc;
}

int tree_dentry_add(struct tree *tree, uint64_t parent, struct view name,
                    uint64_t ino, uint32_t type)
{
    struct dentry dentry = {
        .ino = ino,
        .cookie = tree->meta.next_cookie++,
        .type = type,
        .name = name,
    };
    return add(tree, parent, &dentry);
}

int tree_dentry_set(struct tree *tree, uint64_t parent, struct view name,
                    uint64_t ino, uint32_t type)
{
    struct dentry there = {0};
    int rc = tree_dentry_get(tree, parent, name, &there);
    struct dentry dentry = {
        .ino = ino, .cookie = there.cookie, .type = type, .name = name};
    if (rc == 0) {
        rc = tree_dentry_remove(tree, parent, name);
    }
    return rc < 0 ? rc : add(tree, parent, &dentry);
}

uint64_t tree_next_cookie(const struct tree *tree)
{
    return tree->meta.next_cookie;
}

int tree_dentry_remove(struct tree *tree, uint64_t parent, struct view name)
{
    struct dentry dentry;
    int rc = tree_dentry_get(tree, parent, name, &dentry);
    if (rc < 0) {
        return rc;
    }
    tree->last.known = false;
    sqlite3_stmt *statement = tree_bind1(tree, TREE_DENTRY_DELETE, parent);
    tree_bind_view(statement, 2, dentry.name);
    rc = tree_run(tree, TREE_DENTRY_DELETE, "remove name");
    if (rc == 0) {
        tree_digest_move(tree, tree_hash_dentry(parent, &dentry), 0);
    }
    return rc;
}

int tree_dentry_each(struct tree *tree, uint64_t parent, uint64_t after,
                     bool (*each)(void *arg, const struct dentry *dentry),
                     void *arg)
{
    sqlite3_stmt *statement = tree_bind2(tree, TREE_DENTRY_EACH, parent, after);
    int rc;
    while ((rc = tree_row(tree, TREE_DENTRY_EACH, "list names")) == 1) {
        struct dentry dentry = {
            .cookie = tree_column(statement, 0),
            .ino = tree_column(statement, 1),
            .type = (uint32_t)tree_column(statement, 2),
            .name = tree_column_view(statement, 3),
        };
        if (!each(arg, &dentry)) {
            sqlite3_reset(statement);
            return 0;
        }
    }
    return rc;
}

int tree_dir_empty(struct tree *tree, uint64_t parent)
{
    tree_bind1(tree, TREE_DENTRY_ANY, parent);
    int rc = tree_row(tree, TREE_DENTRY_ANY, "look into directory");
    if (rc == 1) {
        sqlite3_reset(tree->statements[TREE_DENTRY_ANY]);
        return 0;
    }
    return rc < 0 ? rc : 1;
}
