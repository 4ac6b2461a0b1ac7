#include "store/image_int.h"

#include "store/error.h"
#include "store/io.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The table `import` has one row: where to go on, committed with what has been
 * taken. In the finished tree the table `installed` takes its place, until the
 * log begins behind the tree: see image_installed(). */
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS import(id INTEGER PRIMARY KEY, ask BLOB);"
    "DROP TABLE IF EXISTS installed;"
    "DELETE FROM results;";

static const struct image_ask first_ask = {
    .cursor = {.phase = IMAGE_UNITS, .ino = 1}};

/* --- open --- */

static int load_ask(struct image_import *import)
{
    sqlite3_stmt *statement = NULL;
    int rc = db_prepare(&import->tree->db, "SELECT ask FROM import WHERE id=1",
                        &statement);
    if (rc < 0) {
        return rc;
    }
    rc = db_row(&import->tree->db, statement, "read import");
    if (rc == 1 && !image_ask_decode(tree_column_view(statement, 0),
                                     &import->ask)) {
        rc = store_fail(STORE_CORRUPT, "%s: cannot go on", import->path);
    }
    sqlite3_finalize(statement);
    import->resumed = rc == 1;
    return rc < 0 ? rc : 0;
}

static int save_ask(struct image_import *import)
{
    uint8_t bytes[IMAGE_ASK_SIZE];
    image_ask_encode(&import->ask, bytes);
    tree_bind_view(import->save, 1, (struct view){bytes, sizeof(bytes)});
    int rc = db_run(&import->tree->db, import->save, "save import");
    if (rc < 0) {
        import->tree->broken = rc;
    }
    return rc;
}

/* Rows of the last view's tables: the next view sends them all. */
static int prepare(struct image_import *import)
{
    int rc = db_exec(&import->tree->db, schema);
    if (rc == 0) {
        rc = db_prepare(&import->tree->db,
                        "INSERT OR REPLACE INTO import VALUES(1, ?1)",
                        &import->save);
    }
    if (rc == 0) {
        rc = db_prepare(&import->tree->db,
                        "SELECT ino FROM inodes WHERE ino>?1 AND ino<?2"
                        " ORDER BY ino LIMIT 1",
                        &import->between);
    }
    return rc;
}

static int open_tree(struct image_import *import)
{
    int rc = tree_open(import->path, import->segments, &import->tree);
    if (rc == 0) {
        rc = prepare(import);
    }
    return rc;
}

/* A tree of its own in hand: all of it, as it was at its applied index. */
static void begin_with_own(struct image_import *import)
{
    const struct tree_meta *meta = &import->tree->meta;
    if (meta->applied > 0) {
        import->ask.pass = (struct image_pass){
            .upto = INT64_MAX, .since = meta->time_ns};
    }
}

static int make_new(struct image_import *import,
                    const struct image_import_options *options,
                    const atomic_bool *stop)
{
    char own[4096];
    int rc = image_unlink(import->path);
    if (rc < 0) {
        return rc;
    }
    if (!options->from_own) {
        rc = tree_create(import->path, options->cluster_id);
        return rc < 0 ? rc : open_tree(import);
    }
    image_path(options->datadir, "tree.db", own);
    rc = image_copy(own, import->path, stop);
    if (rc == 0) {
        rc = open_tree(import);
    }
    if (rc == 0) {
        begin_with_own(import);
    }
    return rc;
}

static int go_on(struct image_import *import)
{
    int rc = open_tree(import);
    if (rc == 0) {
        rc = load_ask(import);
    }
    if (rc == 0 && !import->resumed) {
        rc = store_fail(STORE_NOT_FOUND, "%s: nothing to go on with",
                        import->path);
    }
    return rc;
}

static void close_tree(struct image_import *import)
{
    sqlite3_finalize(import->save);
    sqlite3_finalize(import->between);
    import->save = import->between = NULL;
    tree_close(import->tree);
    import->tree = NULL;
}

int image_import_open(const struct image_import_options *options,
                      const atomic_bool *stop, struct image_import **out)
{
    char path[4096];
    struct image_import *import = calloc(1, sizeof(*import));
    assert(import != NULL);
    image_path(options->datadir, "tree.new.db", path);
    import->path = strdup(path);
    import->datadir = strdup(options->datadir);
    assert(import->path != NULL && import->datadir != NULL);
    import->segments = options->segments;
    import->ask = first_ask;
    segments_pin(import->segments);
    int rc = STORE_NOT_FOUND;
    if (options->go_on && access(path, F_OK) == 0) {
        rc = go_on(import);
        if (rc < 0 && rc != STORE_FULL) { /* no more than lost time */
            close_tree(import);
            import->ask = first_ask;
            import->resumed = false;
        }
    }
    bool goes_on = rc == STORE_FULL || rc == 0;
    if (!goes_on) {
        rc = make_new(import, options, stop);
    }
    if (rc == 0) {
        rc = segment_writer_open(import->segments, &import->writer);
    }
    if (rc < 0) {
        import->failed = true;
        bool discard = !(goes_on && rc == STORE_FULL);
        image_import_close(import, discard);
        return rc;
    }
    *out = import;
    return 0;
}

/* --- commit --- */

/* The data first: what the tree refers to must be there after a power loss. */
static int sync_segments(struct image_import *import)
{
    int fds[IMAGE_SYNC_FDS];
    int count;
    while ((count = segment_writer_dirty(import->writer, fds,
                                         IMAGE_SYNC_FDS)) > 0) {
        int rc = 0;
        for (int i = 0; rc == 0 && i < count; i++) {
            rc = store_io.fdatasync(fds[i]);
        }
        segment_writer_synced(import->writer);
        if (rc < 0) {
            return store_fail_errno(errno, "cannot sync a segment");
        }
    }
    return 0;
}

static int commit(struct image_import *import)
{
    int rc = sync_segments(import);
    if (rc == 0) {
        rc = tree_begin(import->tree);
    }
    if (rc == 0) {
        rc = save_ask(import);
    }
    if (rc == 0) {
        rc = tree_commit(import->tree);
    }
    if (rc == 0) {
        rc = db_checkpoint(&import->tree->db);
    }
    import->uncommitted = 0;
    return rc;
}

void image_import_close(struct image_import *import, bool drop)
{
    if (import == NULL) {
        return;
    }
    if (!drop && !import->failed && import->tree != NULL) {
        commit(import); /* or what the last one held */
    }
    close_tree(import);
    segment_writer_close(import->writer);
    if (drop) {
        /* Also when it was finished: without the pin its segments go. */
        char ready[4096];
        image_path(import->datadir, "tree.ready.db", ready);
        image_unlink(ready);
        image_unlink(import->path);
    }
    segments_unpin(import->segments);
    free(import->path);
    free(import->datadir);
    free(import);
}

/* --- chunks --- */

void image_import_ask(const struct image_import *import,
                      struct image_ask *out)
{
    *out = import->ask;
}

static int clear_tables(struct image_import *import)
{
    struct tree *tree = import->tree;
    struct tree_locks locks = {0};
    int rc = tree_xattrs_drop(tree, TREE_SETTINGS);
    rc = rc < 0 ? rc : tree_locks_all(tree, &locks);
    for (size_t i = 0; rc == 0 && i < locks.count; i++) {
        rc = tree_lock_remove(tree, &locks.rows[i]);
    }
    tree_locks_release(&locks);
    while (rc == 0 && tree->session_count > 0) {
        rc = tree_session_remove(tree, tree->sessions[0].session);
    }
    return rc;
}

static int find_last(struct image_import *import)
{
    sqlite3_stmt *last = NULL;
    int rc = db_prepare(&import->tree->db, "SELECT max(ino) FROM inodes",
                        &last);
    if (rc < 0) {
        return rc;
    }
    rc = db_row(&import->tree->db, last, "find the last inode");
    import->last_held = rc == 1 ? tree_column(last, 0) : 0;
    sqlite3_finalize(last);
    return rc < 0 ? rc : 0;
}

/* Part of this inode is there, to be gone on with. */
static int open_unit(struct image_import *import, uint64_t ino)
{
    struct inode inode;
    import->unit = 0;
    int rc = tree_inode_get(import->tree, ino, &inode);
    if (rc < 0) {
        return rc == STORE_NOT_FOUND
                   ? store_fail(STORE_CORRUPT, "inode %llu is not there",
                                (unsigned long long)ino)
                   : rc;
    }
    sqlite3_stmt *sum = NULL;
    rc = db_prepare(&import->tree->db,
                    "SELECT ifnull(sum(size), 0) FROM extents WHERE body=?1",
                    &sum);
    if (rc < 0) {
        return rc;
    }
    sqlite3_bind_int64(sum, 1, (sqlite3_int64)inode.body);
    rc = db_row(&import->tree->db, sum, "count data");
    if (rc == 1) {
        import->unit = ino;
        import->body = inode.body;
        import->blocks = inode.blocks;
        import->got = tree_column(sum, 0);
        rc = 0;
    }
    sqlite3_finalize(sum);
    return rc;
}

/* This process meets the view for the first time. */
static int meet_view(struct image_import *import,
                     const struct image_header *header, bool is_new)
{
    struct tree *tree = import->tree;
    struct image_ask *ask = &import->ask;
    if (is_new) {
        import->resumed = import->resumed || ask->index != 0;
        ask->pass = image_rebase(ask);
        ask->cursor = image_pass_begin(&ask->pass);
        ask->index = header->index;
        ask->time_ns = header->time_ns;
        ask->ctime = 0;
    }
    import->header = *header;
    import->has_header = true;
    int rc = tree_begin(tree);
    if (rc == 0 && is_new) {
        rc = clear_tables(import);
    }
    if (rc == 0) {
        rc = tree_inodes_flush(tree);
    }
    if (tree->meta.next_ino < header->next_ino) {
        tree->meta.next_ino = header->next_ino;
    }
    bool inside = ask->cursor.part != IMAGE_INODE;
    import->swept = ask->cursor.ino - (inside ? 0 : 1);
    if (ask->cursor.phase == IMAGE_UNITS && is_new) {
        import->swept = 0;
    } else if (ask->cursor.phase > IMAGE_UNITS) {
        import->swept = INT64_MAX;
    }
    import->unit = 0;
    if (rc == 0 && inside && ask->cursor.phase <= IMAGE_UNITS) {
        rc = open_unit(import, ask->cursor.ino);
    }
    if (rc == 0) {
        rc = find_last(import);
    }
    return rc;
}

/* DELTA is over, and what comes goes on inside of an inode that is there. */
static int enter_units(struct image_import *import,
                       const struct image_cursor *next)
{
    if (import->unit == next->ino || next->part == IMAGE_INODE ||
        next->phase != IMAGE_UNITS) {
        return 0;
    }
    int rc = image_unit_end(import);
    if (rc == 0) {
        rc = image_sweep(import, next->ino);
    }
    if (rc == 0) {
        rc = open_unit(import, next->ino);
    }
    if (rc == 0) {
        import->swept = next->ino;
    }
    return rc;
}

static int take_items(struct image_import *import, struct view items)
{
    struct image_reader r = image_reader_of(items);
    struct image_item item;
    int rc = 0;
    while (rc == 0 && (rc = image_item_next(&r, &item)) == 1) {
        rc = image_take(import, &item);
    }
    return rc == -1 ? store_fail(STORE_CORRUPT, "the chunk's items are damaged")
                    : rc;
}

static int take_chunk(struct image_import *import,
                      const struct image_chunk *chunk)
{
    struct image_ask *ask = &import->ask;
    bool is_new = chunk->header.index != ask->index;
    int rc = 0;
    if (is_new || !import->has_header) {
        rc = meet_view(import, &chunk->header, is_new);
    }
    if (rc == 0) {
        rc = tree_begin(import->tree);
    }
    if (rc == 0) {
        rc = take_items(import, chunk->items);
    }
    if (rc == 0) {
        rc = enter_units(import, &chunk->next);
    }
    if (rc < 0) {
        return rc;
    }
    ask->cursor = chunk->next;
    ask->ctime = chunk->ctime;
    import->uncommitted += chunk->items.size;
    import->received += chunk->items.size;
    import->complete = chunk->next.phase == IMAGE_END;
    return import->uncommitted >= IMAGE_COMMIT_BYTES ? commit(import) : 0;
}

static bool is_wanted(const struct image_import *import,
                      const struct image_chunk *chunk)
{
    const struct image_ask *ask = &import->ask;
    const struct image_header *header = &chunk->header;
    if (!image_ask_equal(&chunk->ask, ask) || header->index < ask->index) {
        return false;
    }
    if (header->index == ask->index) {
        return header->time_ns == ask->time_ns;
    }
    return header->time_ns >= image_rebase(ask).since;
}

int image_import_chunk(struct image_import *import, struct view bytes)
{
    struct image_chunk chunk;
    if (import->failed || import->complete) {
        return store_fail(STORE_INVALID, "no chunk is wanted");
    }
    if (image_chunk_decode(bytes, &chunk) < 0) {
        return store_fail(STORE_INVALID, "the chunk is damaged");
    }
    if (!is_wanted(import, &chunk)) {
        return store_fail(STORE_INVALID, "another chunk is wanted");
    }
    int rc = take_chunk(import, &chunk);
    if (rc < 0) {
        import->failed = true;
        return rc == STORE_INVALID ? STORE_CORRUPT : rc;
    }
    return import->complete;
}

/* --- finish --- */

static int compare(struct image_import *import)
{
    struct tree_meta *meta = &import->tree->meta;
    const struct image_header *header = &import->header;
    if (meta->digest != header->digest || meta->inodes != header->inodes ||
        meta->bytes != header->bytes) {
        return store_fail(STORE_CORRUPT,
                          "the tree that arrived is not the one that was sent");
    }
    meta->applied = header->index;
    meta->term = header->term;
    meta->time_ns = header->time_ns;
    meta->chain = header->chain;
    meta->next_ino = header->next_ino;
    meta->next_cookie = header->next_cookie;
    meta->next_lock = header->next_lock;
    return 0;
}

static int sync_file(const char *path)
{
    int fd = store_io.open(path, O_RDONLY | O_CLOEXEC, 0);
    int rc = fd < 0 || store_io.fsync(fd) < 0
                 ? store_fail_errno(errno, "%s: cannot sync", path)
                 : 0;
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

static int leave_wal_mode(struct db *db)
{
    sqlite3_stmt *statement = NULL;
    int rc = db_prepare(db, "PRAGMA journal_mode=DELETE", &statement);
    if (rc == 0) {
        rc = db_row(db, statement, "journal_mode");
    }
    if (rc == 1) {
        struct view mode = tree_column_view(statement, 0);
        rc = mode.size == 6 && memcmp(mode.data, "delete", 6) == 0
                 ? 0
                 : store_fail(STORE_IO, "%s: its WAL stays", db->path);
    }
    sqlite3_finalize(statement);
    return rc;
}

/* A database without a WAL, so that it can be renamed. */
static int fold_wal(struct image_import *import)
{
    struct db *db = &import->tree->db;
    sqlite3_finalize(import->save);
    sqlite3_finalize(import->between);
    import->save = import->between = NULL;
    int rc = db_exec(db, "DROP TABLE import;"
                         "CREATE TABLE installed(id INTEGER PRIMARY KEY)");
    if (rc == 0) {
        rc = leave_wal_mode(db);
    }
    close_tree(import);
    return rc;
}

int image_import_finish(struct image_import *import)
{
    char ready[4096];
    assert(import->complete && !import->failed);
    import->failed = true; /* whatever happens, no more chunks */
    int rc = tree_begin(import->tree);
    if (rc == 0) {
        rc = compare(import);
    }
    if (rc == 0) {
        rc = commit(import);
    }
    if (rc == 0) {
        rc = fold_wal(import);
    }
    if (rc == 0) {
        rc = sync_file(import->path);
    }
    image_path(import->datadir, "tree.ready.db", ready);
    if (rc == 0) {
        rc = image_unlink(ready);
    }
    if (rc == 0 && rename(import->path, ready) < 0) {
        rc = store_fail_errno(errno, "%s: cannot rename", import->path);
    }
    return rc < 0 ? rc : store_sync_directory(import->datadir);
}

/* --- progress --- */

static uint32_t part_of(uint64_t done, uint64_t all)
{
    if (all == 0) {
        return 0;
    }
    return done >= all ? 999 : (uint32_t)((double)done / (double)all * 999);
}

void image_import_progress(const struct image_import *import,
                           struct image_progress *out)
{
    enum { INODE_COST = 512 }; /* an empty one counts as so many bytes */
    const struct image_header *header = &import->header;
    *out = (struct image_progress){.index = import->ask.index,
                                   .bytes = import->received,
                                   .resumed = import->resumed};
    if (import->complete) {
        out->permille = 1000;
        return;
    }
    if (!import->has_header || import->tree == NULL) {
        return;
    }
    const struct tree_meta *meta = &import->tree->meta;
    uint64_t missing = import->unit != 0 ? import->blocks - import->got : 0;
    uint64_t all = header->bytes + header->inodes * INODE_COST;
    uint64_t done = meta->bytes - missing + meta->inodes * INODE_COST;
    out->left = all > done ? all - done : 0;
    out->permille = import->ask.cursor.phase == IMAGE_DELTA
                        ? part_of(import->ask.cursor.ino, header->next_ino)
                        : part_of(done, all);
}
