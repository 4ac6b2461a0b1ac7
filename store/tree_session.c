#include "store/tree_int.h"

#include "store/error.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The hashes of all rows are kept in memory: sessions are few, and a row is
 * rewritten by most transactions. */

static size_t position_of(const struct tree *tree, uint64_t session)
{
    size_t low = 0;
    size_t high = tree->session_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tree->sessions[middle].session < session) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_at(const struct tree *tree, size_t at, uint64_t session)
{
    return at < tree->session_count && tree->sessions[at].session == session;
}

static void grow(struct tree *tree)
{
    if (tree->session_count < tree->session_capacity) {
        return;
    }
    size_t capacity = tree->session_capacity * 2 + 8;
    void *memory = realloc(tree->sessions, capacity * sizeof(*tree->sessions));
    if (memory == NULL) {
        fprintf(stderr, "out of memory: sessions\n");
        abort();
    }
    tree->sessions = memory;
    tree->session_capacity = capacity;
}

/* Sets the hash of a session; returns the one before, 0 if it is new. */
static uint64_t keep_hash(struct tree *tree, uint64_t session, uint64_t hash)
{
    size_t at = position_of(tree, session);
    uint64_t before = 0;
    if (is_at(tree, at, session)) {
        before = tree->sessions[at].hash;
    } else {
        grow(tree);
        memmove(&tree->sessions[at + 1], &tree->sessions[at],
                (tree->session_count - at) * sizeof(*tree->sessions));
        tree->session_count++;
    }
    tree->sessions[at] = (struct session_hash){session, hash};
    return before;
}

int tree_session_put(struct tree *tree, uint64_t session, struct view row)
{
    sqlite3_stmt *statement = tree_bind1(tree, TREE_SESSION_PUT, session);
    tree_bind_view(statement, 2, row);
    int rc = tree_run(tree, TREE_SESSION_PUT, "put session");
    if (rc == 0) {
        uint64_t hash = tree_hash_named(TABLE_SESSIONS, session, row);
        tree_digest_move(tree, keep_hash(tree, session, hash), hash);
    }
    return rc;
}

int tree_session_remove(struct tree *tree, uint64_t session)
{
    size_t at = position_of(tree, session);
    if (!is_at(tree, at, session)) {
        return store_fail(STORE_NOT_FOUND, "session %llu: not there",
                          (unsigned long long)session);
    }
    tree_bind1(tree, TREE_SESSION_DELETE, session);
    int rc = tree_run(tree, TREE_SESSION_DELETE, "remove session");
    if (rc < 0) {
        return rc;
    }
    tree_digest_move(tree, tree->sessions[at].hash, 0);
    tree->session_count--;
    memmove(&tree->sessions[at], &tree->sessions[at + 1],
            (tree->session_count - at) * sizeof(*tree->sessions));
    return 0;
}

int tree_session_each(struct tree *tree,
                      bool (*each)(void *arg, uint64_t session,
                                   struct view row),
                      void *arg)
{
    sqlite3_stmt *statement = tree->statements[TREE_SESSIONS];
    int rc;
    while ((rc = tree_row(tree, TREE_SESSIONS, "list sessions")) == 1) {
        if (!each(arg, tree_column(statement, 0),
                  tree_column_view(statement, 1))) {
            sqlite3_reset(statement);
            return 0;
        }
    }
    return rc;
}

static bool load_hash(void *arg, uint64_t session, struct view row)
{
    keep_hash(arg, session, tree_hash_named(TABLE_SESSIONS, session, row));
    return true;
}

int tree_sessions_load(struct tree *tree)
{
    return tree_session_each(tree, load_hash, tree);
}

void tree_sessions_release(struct tree *tree)
{
    free(tree->sessions);
    tree->sessions = NULL;
    tree->session_count = tree->session_capacity = 0;
}

/* --- results --- */

int tree_result_put(struct tree *tree, uint64_t index, int32_t error)
{
    sqlite3_stmt *statement = tree_bind1(tree, TREE_RESULT_PUT, index);
    sqlite3_bind_int(statement, 2, error);
    return tree_run(tree, TREE_RESULT_PUT, "put result");
}

int tree_results_trim(struct tree *tree, uint64_t upto)
{
    tree_bind1(tree, TREE_RESULTS_TRIM, upto);
    return tree_run(tree, TREE_RESULTS_TRIM, "trim results");
}
