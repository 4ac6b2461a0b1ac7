#include "store/image_int.h"

#include "store/error.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const sql[EXPORT_STATEMENTS] = {
    [EXPORT_INODE] = "SELECT * FROM inodes WHERE ino>=?1 ORDER BY ino LIMIT 1",
    [EXPORT_XATTRS] = "SELECT name, value FROM xattrs WHERE ino=?1"
                      " ORDER BY name LIMIT -1 OFFSET ?2",
};

static void read_header(struct image_export *export)
{
    const struct tree_meta *meta = &export->tree->meta;
    export->header = (struct image_header){
        .index = meta->applied,
        .term = meta->term,
        .time_ns = meta->time_ns,
        .chain = meta->chain,
        .next_ino = meta->next_ino,
        .next_cookie = meta->next_cookie,
        .next_lock = meta->next_lock,
        .digest = meta->digest,
        .inodes = meta->inodes,
        .bytes = meta->bytes,
    };
}

static int open_view(struct image_export *export, const char *datadir,
                     const atomic_bool *stop)
{
    char from[4096];
    image_path(datadir, "tree.db", from);
    int rc = image_copy(from, export->path, stop);
    if (rc == 0) {
        rc = tree_open(export->path, export->segments, &export->tree);
    }
    for (int i = 0; rc == 0 && i < EXPORT_STATEMENTS; i++) {
        rc = db_prepare(&export->tree->db, sql[i], &export->statements[i]);
    }
    if (rc == 0) {
        read_header(export);
    }
    return rc;
}

int image_export_open(const char *datadir, struct segments *segments,
                      const atomic_bool *stop, struct image_export **out)
{
    char path[4096];
    struct image_export *export = calloc(1, sizeof(*export));
    assert(export != NULL);
    image_path(datadir, "tree.view.db", path);
    export->path = strdup(path);
    assert(export->path != NULL);
    export->segments = segments;
    segments_pin(segments); /* before the view is, which needs them */
    int rc = open_view(export, datadir, stop);
    if (rc < 0) {
        image_export_close(export);
        return rc;
    }
    *out = export;
    return 0;
}

void image_export_close(struct image_export *export)
{
    if (export == NULL) {
        return;
    }
    for (int i = 0; i < EXPORT_STATEMENTS; i++) {
        sqlite3_finalize(export->statements[i]);
    }
    tree_close(export->tree);
    image_unlink(export->path); /* image_settle() tries again */
    segments_unpin(export->segments);
    blob_release(&export->payload);
    blob_release(&export->data);
    free(export->path);
    free(export);
}

const struct image_header *
image_export_header(const struct image_export *export)
{
    return &export->header;
}

bool image_export_can(const struct image_export *export,
                      const struct image_ask *ask)
{
    return export->header.index > 0 && ask->index <= export->header.index &&
           image_rebase(ask).since <= export->header.time_ns;
}

/* --- a chunk --- */

/* The first inode at or after ino: 1, 0 none. */
static int next_inode(struct image_export *export, uint64_t ino,
                      struct inode *out)
{
    sqlite3_stmt *statement = export->statements[EXPORT_INODE];
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)ino);
    int rc = db_row(&export->tree->db, statement, "find the next inode");
    if (rc == 1) {
        tree_inode_columns(statement, out);
        sqlite3_reset(statement);
    }
    return rc;
}

static bool is_full(const struct blob *out)
{
    return out->size >= IMAGE_CHUNK;
}

/* Where UNITS begin, after what is held: inside of an inode, if part of it is
 * held as it is now. */
static int begin_units(struct image_export *export,
                       const struct image_pass *pass,
                       struct image_cursor *cursor)
{
    *cursor = (struct image_cursor){.phase = IMAGE_UNITS,
                                    .ino = pass->upto + 1};
    if (pass->upto == INT64_MAX) {
        *cursor = (struct image_cursor){.phase = IMAGE_TABLES, .ino = 1};
        return 0;
    }
    struct inode inode;
    int rc = next_inode(export, cursor->ino, &inode);
    if (rc == 1 && inode.ino == cursor->ino && pass->ctime != 0 &&
        (uint64_t)inode.ctime == pass->ctime) {
        cursor->part = pass->part;
        cursor->key = pass->key;
    }
    return rc < 0 ? rc : 0;
}

struct keep {
    uint64_t inos[IMAGE_KEEP_MAX];
    uint32_t count;
};

static void put_keep(struct blob *out, struct keep *keep)
{
    if (keep->count == 0) {
        return;
    }
    size_t begun = image_item_begin(out, ITEM_KEEP);
    for (uint32_t i = 0; i < keep->count; i++) {
        image_write(out, keep->inos[i], 8);
    }
    image_item_end(out, begun);
    keep->count = 0;
}

static int fill_delta(struct image_export *export,
                      const struct image_pass *pass,
                      struct image_cursor *cursor, struct blob *out)
{
    struct keep keep = {.count = 0};
    struct inode inode;
    int rc = 0;
    while (!is_full(out) &&
           (rc = next_inode(export, cursor->ino, &inode)) == 1 &&
           inode.ino <= pass->upto) {
        bool same = cursor->part == IMAGE_INODE &&
                    (uint64_t)inode.ctime <= pass->since;
        if (same) {
            keep.inos[keep.count++] = inode.ino;
            cursor->ino = inode.ino + 1;
        }
        if (!same || keep.count == IMAGE_KEEP_MAX) {
            put_keep(out, &keep);
        }
        if (!same) {
            rc = image_unit(export, &inode, cursor, out);
            if (rc != 0) {
                return rc < 0 ? rc : 0;
            }
        }
    }
    put_keep(out, &keep);
    if (rc < 0 || is_full(out)) {
        return rc < 0 ? rc : 0;
    }
    return begin_units(export, pass, cursor);
}

static int fill_units(struct image_export *export, struct image_cursor *cursor,
                      struct blob *out)
{
    struct inode inode;
    int rc = 0;
    while (!is_full(out) &&
           (rc = next_inode(export, cursor->ino, &inode)) == 1) {
        rc = image_unit(export, &inode, cursor, out);
        if (rc != 0) {
            return rc < 0 ? rc : 0;
        }
    }
    if (rc == 0 && !is_full(out)) {
        *cursor = (struct image_cursor){.phase = IMAGE_TABLES, .ino = 1};
    }
    return rc < 0 ? rc : 0;
}

static bool put_session(void *arg, uint64_t session, struct view row)
{
    struct blob *out = arg;
    size_t begun = image_item_begin(out, ITEM_SESSION);
    image_write(out, session, 8);
    image_write_view(out, row);
    image_item_end(out, begun);
    return true;
}

/* key counts the rows that were sent. */
struct skip {
    struct blob *out;
    uint64_t skip, at;
};

static bool put_session_after(void *arg, uint64_t session, struct view row)
{
    struct skip *skip = arg;
    skip->at++;
    return skip->at <= skip->skip || (put_session(skip->out, session, row) &&
                                      !is_full(skip->out));
}

/* What stood in a file is each node's own. */
static int put_config(struct image_export *export, struct blob *out)
{
    struct blob body = BLOB_EMPTY;
    uint64_t index = 0;
    int rc = tree_config_get(export->tree, &index, &body);
    if (rc == 1 && index > 0) {
        size_t begun = image_item_begin(out, ITEM_CONFIG);
        image_write(out, index, 8);
        image_write_view(out, (struct view){body.data, body.size});
        image_item_end(out, begun);
    }
    blob_release(&body);
    return rc < 0 ? rc : 0;
}

/* They are few and small (apply_setting()): always in one chunk. */
static int put_settings(struct image_export *export, struct blob *out)
{
    sqlite3_stmt *statement = export->statements[EXPORT_XATTRS];
    int rc = 0;
    if (!export->tree->has_xattrs) {
        return 0;
    }
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)TREE_SETTINGS);
    sqlite3_bind_int64(statement, 2, 0);
    while ((rc = db_row(&export->tree->db, statement, "read settings")) == 1) {
        image_put_xattr(out, TREE_SETTINGS, tree_column_view(statement, 0),
                        tree_column_view(statement, 1));
    }
    sqlite3_reset(statement);
    return rc;
}

static int fill_sessions(struct image_export *export,
                         struct image_cursor *cursor, struct blob *out)
{
    struct skip skip = {.out = out, .skip = cursor->key};
    int rc = 0;
    if (cursor->key == 0) {
        rc = put_config(export, out);
        rc = rc < 0 ? rc : put_settings(export, out);
    }
    if (rc == 0) {
        rc = tree_session_each(export->tree, put_session_after, &skip);
    }
    cursor->key = skip.at > cursor->key ? skip.at : cursor->key;
    if (rc == 0 && !is_full(out)) {
        cursor->part = 1;
        cursor->key = 0;
    }
    return rc;
}

static int fill_locks(struct image_export *export, struct image_cursor *cursor,
                      struct blob *out)
{
    struct tree_locks locks = {0};
    int rc = tree_locks_all(export->tree, &locks);
    while (rc == 0 && cursor->key < locks.count && !is_full(out)) {
        image_put_lock(out, &locks.rows[cursor->key++]);
    }
    if (rc == 0 && !is_full(out)) {
        image_item_end(out, image_item_begin(out, ITEM_END));
        *cursor = (struct image_cursor){.phase = IMAGE_END};
    }
    tree_locks_release(&locks);
    return rc;
}

static int fill(struct image_export *export, const struct image_pass *pass,
                struct image_cursor *cursor, struct blob *out)
{
    int rc = 0;
    while (rc == 0 && !is_full(out) && cursor->phase != IMAGE_END) {
        switch (cursor->phase) {
        case IMAGE_DELTA:
            rc = fill_delta(export, pass, cursor, out);
            if (cursor->part != IMAGE_INODE) {
                return rc; /* where it goes on has to be told first */
            }
            break;
        case IMAGE_UNITS:
            rc = fill_units(export, cursor, out);
            break;
        default:
            rc = cursor->part == 0 ? fill_sessions(export, cursor, out)
                                   : fill_locks(export, cursor, out);
            break;
        }
    }
    return rc;
}

static int first_cursor(struct image_export *export,
                        const struct image_ask *ask, struct image_pass *pass,
                        struct image_cursor *cursor)
{
    if (ask->index == export->header.index) {
        *pass = ask->pass;
        *cursor = ask->cursor;
        return 0;
    }
    *pass = image_rebase(ask);
    *cursor = image_pass_begin(pass);
    return cursor->phase == IMAGE_DELTA ? 0
                                        : begin_units(export, pass, cursor);
}

int image_export_chunk(struct image_export *export,
                       const struct image_ask *ask, struct blob *out)
{
    struct image_chunk chunk = {.ask = *ask, .header = export->header};
    struct image_pass pass;
    if (!image_export_can(export, ask)) {
        return store_fail(STORE_INVALID, "the view is too old");
    }
    image_chunk_begin(out);
    int rc = first_cursor(export, ask, &pass, &chunk.next);
    if (rc == 0) {
        rc = fill(export, &pass, &chunk.next, out);
    }
    if (rc == 0 && chunk.next.phase == IMAGE_UNITS &&
        chunk.next.part != IMAGE_INODE) {
        struct inode inode;
        rc = next_inode(export, chunk.next.ino, &inode);
        if (rc == 1) {
            chunk.ctime = (uint64_t)inode.ctime;
            rc = 0;
        }
    }
    if (rc < 0) {
        return rc;
    }
    image_chunk_seal(out, &chunk);
    return chunk.next.phase == IMAGE_END;
}
