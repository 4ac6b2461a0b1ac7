#include "store/tree_int.h"

#include "store/error.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A row is never changed, only added and removed: who has part of his range
 * taken away gets new rows for the rest. */

static void bind(sqlite3_stmt *statement, const struct tree_lock *lock)
{
    const uint64_t values[] = {
        lock->ino,    lock->id,    lock->session, lock->owner, lock->serial,
        lock->kind,   lock->write, lock->waits,   lock->start, lock->last,
        (uint64_t)lock->since,     lock->pid,
    };
    int count = (int)(sizeof(values) / sizeof(values[0]));
    for (int i = 0; i < count; i++) {
        sqlite3_bind_int64(statement, i + 1, (sqlite3_int64)values[i]);
    }
    tree_bind_view(statement, count + 1,
                   (struct view){lock->comm, strlen(lock->comm)});
}

void tree_lock_columns(sqlite3_stmt *statement, struct tree_lock *out)
{
    struct view comm = tree_column_view(statement, 12);
    *out = (struct tree_lock){
        .ino = tree_column(statement, 0),
        .id = tree_column(statement, 1),
        .session = tree_column(statement, 2),
        .owner = tree_column(statement, 3),
        .serial = tree_column(statement, 4),
        .kind = (uint32_t)tree_column(statement, 5),
        .write = tree_column(statement, 6) != 0,
        .waits = tree_column(statement, 7) != 0,
        .start = tree_column(statement, 8),
        .last = tree_column(statement, 9),
        .since = (int64_t)tree_column(statement, 10),
        .pid = (uint32_t)tree_column(statement, 11),
    };
    size_t most = sizeof(out->comm) - 1;
    if (comm.size > 0) {
        memcpy(out->comm, comm.data, comm.size < most ? comm.size : most);
    }
}

int tree_lock_add(struct tree *tree, struct tree_lock *lock)
{
    assert(lock->start <= lock->last);
    lock->id = tree->meta.next_lock++;
    bind(tree->statements[TREE_LOCK_ADD], lock);
    int rc = tree_run(tree, TREE_LOCK_ADD, "add lock");
    if (rc == 0) {
        tree->lock_count++;
        tree_digest_move(tree, 0, tree_hash_lock(lock));
    }
    return rc;
}

int tree_lock_remove(struct tree *tree, const struct tree_lock *lock)
{
    assert(tree->lock_count > 0);
    tree_bind2(tree, TREE_LOCK_DELETE, lock->ino, lock->id);
    int rc = tree_run(tree, TREE_LOCK_DELETE, "remove lock");
    if (rc == 0) {
        tree->lock_count--;
        tree_digest_move(tree, tree_hash_lock(lock), 0);
    }
    return rc;
}

uint64_t tree_lock_count(const struct tree *tree)
{
    return tree->lock_count;
}

void tree_locks_append(struct tree_locks *locks, const struct tree_lock *lock)
{
    if (locks->count == locks->capacity) {
        locks->capacity = locks->capacity * 2 + 8;
        locks->rows =
            realloc(locks->rows, locks->capacity * sizeof(*locks->rows));
        assert(locks->rows != NULL);
    }
    locks->rows[locks->count++] = *lock;
}

void tree_locks_release(struct tree_locks *locks)
{
    free(locks->rows);
    *locks = (struct tree_locks){0};
}

static int collect(struct tree *tree, enum tree_statement which,
                   struct tree_locks *out)
{
    int rc;
    out->count = 0;
    while ((rc = tree_row(tree, which, "list locks")) == 1) {
        struct tree_lock lock;
        tree_lock_columns(tree->statements[which], &lock);
        tree_locks_append(out, &lock);
    }
    return rc;
}

/* Mostly there is none at all, and then SQL need not be asked. */
static bool is_empty(const struct tree *tree, struct tree_locks *out)
{
    out->count = 0;
    return tree->lock_count == 0;
}

int tree_locks_of_inode(struct tree *tree, uint64_t ino,
                        struct tree_locks *out)
{
    if (is_empty(tree, out)) {
        return 0;
    }
    tree_bind1(tree, TREE_LOCKS_OF_INODE, ino);
    return collect(tree, TREE_LOCKS_OF_INODE, out);
}

int tree_locks_of_session(struct tree *tree, uint64_t session,
                          struct tree_locks *out)
{
    if (is_empty(tree, out)) {
        return 0;
    }
    tree_bind1(tree, TREE_LOCKS_OF_SESSION, session);
    return collect(tree, TREE_LOCKS_OF_SESSION, out);
}

int tree_locks_of_owner(struct tree *tree, uint64_t session, uint64_t owner,
                        struct tree_locks *out)
{
    if (is_empty(tree, out)) {
        return 0;
    }
    tree_bind2(tree, TREE_LOCKS_OF_OWNER, session, owner);
    return collect(tree, TREE_LOCKS_OF_OWNER, out);
}

int tree_locks_all(struct tree *tree, struct tree_locks *out)
{
    return is_empty(tree, out) ? 0 : collect(tree, TREE_LOCKS, out);
}
