#include "store/image_int.h"

#include "store/error.h"

#include <assert.h>
#include <string.h>
#include <sys/stat.h>

static bool is_full(const struct blob *out)
{
    return out->size >= IMAGE_CHUNK;
}

static int put_row(struct image_export *export, const struct inode *inode,
                   struct blob *out)
{
    struct view target = {0};
    int rc = S_ISLNK(inode->mode)
                 ? tree_symlink_get(export->tree, inode->ino, &target)
                 : 0;
    if (rc == 0) {
        image_put_inode(out, inode, target);
    }
    return rc;
}

static int put_xattrs(struct image_export *export, const struct inode *inode,
                      struct image_cursor *cursor, struct blob *out)
{
    sqlite3_stmt *statement = export->statements[EXPORT_XATTRS];
    int rc = 0;
    if (!export->tree->has_xattrs) {
        return 0;
    }
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)inode->ino);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)cursor->key);
    while (!is_full(out) &&
           (rc = db_row(&export->tree->db, statement, "read attributes")) ==
               1) {
        image_put_xattr(out, inode->ino, tree_column_view(statement, 0),
                        tree_column_view(statement, 1));
        cursor->key++;
    }
    sqlite3_reset(statement);
    return rc < 0 ? rc : 0;
}

struct names {
    struct image_cursor *cursor;
    struct blob *out;
    size_t begun;
    bool any;
};

static bool put_name(void *arg, const struct dentry *dentry)
{
    struct names *names = arg;
    struct blob *out = names->out;
    image_write(out, dentry->cookie, 8);
    image_write(out, dentry->ino, 8);
    image_write(out, dentry->type, 4);
    image_write(out, dentry->name.size, 1);
    image_write_view(out, dentry->name);
    names->cursor->key = dentry->cookie;
    names->any = true;
    return out->size - names->begun < IMAGE_NAMES_BYTES;
}

static int put_names(struct image_export *export, const struct inode *inode,
                     struct image_cursor *cursor, struct blob *out)
{
    bool more = S_ISDIR(inode->mode);
    while (more && !is_full(out)) {
        size_t before = out->size;
        struct names names = {.cursor = cursor, .out = out};
        names.begun = image_item_begin(out, ITEM_NAMES);
        image_write(out, inode->ino, 8);
        int rc = tree_dentry_each(export->tree, inode->ino, cursor->key,
                                  put_name, &names);
        if (rc < 0) {
            return rc;
        }
        more = names.any;
        if (more) {
            image_item_end(out, names.begun);
        } else {
            out->size = before;
        }
    }
    return 0;
}

/* --- content --- */

/* A run of data without a hole, up to the next multiple of IMAGE_DATA: so it is
 * cut in the same places on all nodes, whatever their extents are. */
struct run_of_data {
    struct image_export *export;
    uint64_t from, offset, end, limit;
    bool any;
};

static bool plan(void *arg, const struct extent *extent)
{
    struct run_of_data *run = arg;
    uint64_t from = extent->offset > run->from ? extent->offset : run->from;
    uint64_t end = extent->offset + extent->size;
    if (!run->any) {
        run->any = true;
        run->offset = from;
        run->limit = (from / IMAGE_DATA + 1) * IMAGE_DATA;
    } else if (from != run->end) {
        return false;
    }
    run->end = end < run->limit ? end : run->limit;
    return run->end < run->limit;
}

/* The whole payload is read, so that its checksum can be looked at: damage must
 * not spread to other nodes. */
static int load_payload(struct image_export *export,
                        const struct extent_row *row)
{
    struct place place = {row->segment, row->position};
    if (export->payload_at.segment == place.segment &&
        export->payload_at.position == place.position) {
        return 0;
    }
    export->payload_at = (struct place){0};
    blob_resize(&export->payload, row->payload);
    int rc = segments_read_checked(export->segments, place,
                                   export->payload.data, row->payload);
    if (rc == 0) {
        export->payload_at = place;
    }
    return rc;
}

static int copy_row(struct image_export *export, const struct extent_row *row,
                    const struct run_of_data *run)
{
    uint64_t from = row->offset > run->offset ? row->offset : run->offset;
    uint64_t end = row->offset + row->size;
    end = end < run->end ? end : run->end;
    const uint8_t *bytes = row->bytes.data;
    uint64_t skip = from - row->offset;
    if (row->segment != 0) {
        int rc = load_payload(export, row);
        if (rc < 0) {
            return rc;
        }
        bytes = export->payload.data;
        skip += row->skip;
        if (skip + (end - from) > row->payload) {
            return store_fail(STORE_CORRUPT, "an extent is beyond its payload");
        }
    }
    memcpy(export->data.data + (from - run->offset), bytes + skip, end - from);
    return 0;
}

static int read_run(struct image_export *export, uint64_t body,
                    const struct run_of_data *run)
{
    blob_resize(&export->data, run->end - run->offset);
    sqlite3_stmt *statement =
        tree_bind2(export->tree, TREE_EXTENTS_TOUCHING, body, run->offset);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)run->end);
    int rc;
    while ((rc = tree_row(export->tree, TREE_EXTENTS_TOUCHING,
                          "read extents")) == 1) {
        struct extent_row row;
        tree_extent_columns(statement, &row);
        if (row.offset + row.size <= run->offset) {
            continue;
        }
        rc = copy_row(export, &row, run);
        if (rc < 0) {
            sqlite3_reset(statement);
            return rc;
        }
    }
    return rc;
}

static int put_content(struct image_export *export, const struct inode *inode,
                       struct image_cursor *cursor, struct blob *out)
{
    bool more = S_ISREG(inode->mode) && inode->blocks > 0;
    while (more && !is_full(out)) {
        struct run_of_data run = {.export = export, .from = cursor->key};
        int rc = tree_extents(export->tree, inode->body, cursor->key, INT64_MAX,
                              plan, &run);
        if (rc == 0 && run.any) {
            rc = read_run(export, inode->body, &run);
        }
        if (rc < 0) {
            return rc;
        }
        more = run.any;
        if (more) {
            size_t begun = image_item_begin(out, ITEM_DATA);
            image_write(out, inode->ino, 8);
            image_write(out, run.offset, 8);
            image_write_view(out, (struct view){export->data.data,
                                                run.end - run.offset});
            image_item_end(out, begun);
            cursor->key = run.end;
        }
    }
    return 0;
}

int image_unit(struct image_export *export, const struct inode *inode,
               struct image_cursor *cursor, struct blob *out)
{
    if (cursor->ino != inode->ino) { /* the one that was to come is gone */
        cursor->ino = inode->ino;
        cursor->part = IMAGE_INODE;
        cursor->key = 0;
    }
    while (!is_full(out)) {
        int rc = 0;
        switch (cursor->part) {
        case IMAGE_INODE:
            rc = put_row(export, inode, out);
            break;
        case IMAGE_XATTRS:
            rc = put_xattrs(export, inode, cursor, out);
            break;
        case IMAGE_NAMES:
            rc = put_names(export, inode, cursor, out);
            break;
        default:
            rc = put_content(export, inode, cursor, out);
            break;
        }
        if (rc < 0) {
            return rc;
        }
        if (cursor->part != IMAGE_INODE && is_full(out)) {
            return 1; /* this part may have more */
        }
        cursor->key = 0;
        cursor->part++;
        if (cursor->part > IMAGE_CONTENT) {
            cursor->part = IMAGE_INODE;
            cursor->ino = inode->ino + 1;
            return 0;
        }
    }
    return 1;
}
