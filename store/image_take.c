#include "store/image_int.h"

#include "store/error.h"

#include <assert.h>
#include <sys/stat.h>

static int refuse(const struct image_item *item, const char *what)
{
    return store_fail(STORE_CORRUPT, "inode %llu of the image: %s",
                      (unsigned long long)item->ino, what);
}

int image_unit_end(struct image_import *import)
{
    if (import->unit != 0 && import->got != import->blocks) {
        return store_fail(STORE_CORRUPT,
                          "inode %llu of the image: %llu of %llu bytes came",
                          (unsigned long long)import->unit,
                          (unsigned long long)import->got,
                          (unsigned long long)import->blocks);
    }
    import->unit = 0;
    return 0;
}

/* --- removing what the view has not, or has otherwise --- */

static int remove_names(struct tree *tree, uint64_t ino)
{
    struct dentry first = {0};
    struct blob name = BLOB_EMPTY;
    int rc = 0;
    for (;;) {
        sqlite3_stmt *statement = tree_bind2(tree, TREE_DENTRY_EACH, ino, 0);
        rc = tree_row(tree, TREE_DENTRY_EACH, "list names");
        if (rc <= 0) {
            break;
        }
        struct view view = tree_column_view(statement, 3);
        name.size = 0;
        image_write_view(&name, view);
        sqlite3_reset(statement);
        first.name = (struct view){name.data, name.size};
        rc = tree_dentry_remove(tree, ino, first.name);
        if (rc < 0) {
            break;
        }
    }
    blob_release(&name);
    return rc;
}

/* Its data goes at once: on the purge list it would take that of its successor
 * with it. */
static int remove_unit(struct tree *tree, uint64_t ino)
{
    struct inode inode;
    int rc = tree_inode_get(tree, ino, &inode);
    if (rc < 0) {
        return rc == STORE_NOT_FOUND ? 0 : rc;
    }
    if (S_ISDIR(inode.mode)) {
        rc = remove_names(tree, ino);
    }
    if (rc == 0 && inode.body != 0 && inode.blocks > 0) {
        int64_t added;
        rc = tree_cut(tree, inode.body, 0, &added);
        inode.blocks = 0;
        if (rc == 0) {
            rc = tree_inode_set(tree, &inode);
        }
    }
    if (rc < 0) {
        return rc;
    }
    if (ino == TREE_ROOT) {
        /* It is never removed, only made anew. */
        return tree_xattrs_drop(tree, ino);
    }
    return tree_inode_remove(tree, ino);
}

int image_sweep(struct image_import *import, uint64_t before)
{
    struct tree *tree = import->tree;
    while (import->swept < import->last_held) {
        /* Only what is written down is found. */
        int rc = tree_inodes_flush(tree);
        if (rc < 0) {
            return rc;
        }
        sqlite3_bind_int64(import->between, 1, (sqlite3_int64)import->swept);
        sqlite3_bind_int64(import->between, 2, (sqlite3_int64)before);
        rc = db_row(&tree->db, import->between, "look for inodes");
        uint64_t ino = rc == 1 ? tree_column(import->between, 0) : 0;
        sqlite3_reset(import->between);
        if (rc <= 0) {
            return rc;
        }
        rc = remove_unit(tree, ino);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* --- items --- */

/* Numbers ascend; what lies between is gone. */
static int advance(struct image_import *import, const struct image_item *item,
                   uint64_t ino)
{
    if (ino <= import->swept) {
        return refuse(item, "comes too late");
    }
    int rc = image_unit_end(import);
    if (rc == 0) {
        rc = image_sweep(import, ino);
    }
    import->swept = ino;
    return rc;
}

static int take_keep(struct image_import *import, const struct image_item *item)
{
    struct image_reader r = image_reader_of(item->bytes);
    for (uint32_t i = 0; i < item->count; i++) {
        uint64_t ino = image_read(&r, 8);
        struct inode inode;
        int rc = advance(import, item, ino);
        if (rc == 0) {
            rc = tree_inode_get(import->tree, ino, &inode);
        }
        if (rc < 0) {
            return rc == STORE_NOT_FOUND ? refuse(item, "is not held") : rc;
        }
    }
    return 0;
}

static int put_inode(struct image_import *import,
                     const struct image_item *item)
{
    struct tree *tree = import->tree;
    if (item->ino != TREE_ROOT) {
        int rc = tree_inode_add(tree, &item->inode);
        if (rc == 0 && item->bytes.size > 0) {
            rc = tree_symlink_set(tree, item->ino, item->bytes);
        }
        return rc;
    }
    return S_ISDIR(item->inode.mode) ? tree_inode_set(tree, &item->inode)
                                     : refuse(item, "is the root");
}

static int take_inode(struct image_import *import,
                      const struct image_item *item)
{
    if (item->ino >= import->tree->meta.next_ino ||
        item->inode.body >= import->tree->meta.next_ino) {
        return refuse(item, "was never given out");
    }
    int rc = advance(import, item, item->ino);
    if (rc == 0) {
        rc = remove_unit(import->tree, item->ino);
    }
    if (rc == 0) {
        rc = put_inode(import, item);
    }
    if (rc == 0) {
        import->unit = item->ino;
        import->body = item->inode.body;
        import->blocks = item->inode.blocks;
        import->got = 0;
    }
    return rc;
}

static int take_names(struct image_import *import,
                      const struct image_item *item)
{
    struct tree *tree = import->tree;
    struct image_reader r = image_reader_of(item->bytes);
    struct dentry dentry;
    uint64_t next = tree->meta.next_cookie;
    int rc = 0;
    while (rc == 0 && image_name_next(&r, &dentry) == 1) {
        tree->meta.next_cookie = dentry.cookie;
        rc = tree_dentry_add(tree, item->ino, dentry.name, dentry.ino,
                             dentry.type);
    }
    tree->meta.next_cookie = next;
    return rc;
}

static int take_data(struct image_import *import, const struct image_item *item)
{
    struct place place = {0};
    int64_t added = 0;
    if (import->body == 0 ||
        item->bytes.size > import->blocks - import->got) {
        return refuse(item, "has more data than it should");
    }
    int rc = item->bytes.size > TREE_INLINE_MAX
                 ? segment_append(import->writer, item->bytes, &place)
                 : 0;
    if (rc == 0) {
        rc = tree_write(import->tree, import->body, item->offset, place,
                        item->bytes, item->bytes.size, &added);
    }
    if (rc == 0 && added != (int64_t)item->bytes.size) {
        rc = refuse(item, "has the same data twice");
    }
    import->got += item->bytes.size;
    return rc;
}

static int take_lock(struct image_import *import, const struct image_item *item)
{
    struct tree *tree = import->tree;
    struct tree_lock lock = item->lock;
    uint64_t next = tree->meta.next_lock;
    tree->meta.next_lock = lock.id;
    int rc = tree_lock_add(tree, &lock);
    tree->meta.next_lock = next;
    return rc;
}

/* All inodes were there: what is left above was removed. */
static int end_units(struct image_import *import)
{
    int rc = image_unit_end(import);
    if (rc == 0) {
        rc = image_sweep(import, INT64_MAX);
    }
    import->swept = INT64_MAX;
    return rc;
}

static bool belongs_to_unit(const struct image_item *item)
{
    bool is_setting = item->ino == TREE_SETTINGS;
    return (item->type == ITEM_XATTR && !is_setting) ||
           item->type == ITEM_NAMES || item->type == ITEM_DATA;
}

int image_take(struct image_import *import, const struct image_item *item)
{
    struct tree *tree = import->tree;
    if (belongs_to_unit(item) && item->ino != import->unit) {
        return refuse(item, "its parts are out of order");
    }
    switch (item->type) {
    case ITEM_KEEP:
        return take_keep(import, item);
    case ITEM_INODE:
        return take_inode(import, item);
    case ITEM_XATTR:
        return tree_xattr_set(tree, item->ino, item->name, item->bytes);
    case ITEM_NAMES:
        return take_names(import, item);
    case ITEM_DATA:
        return take_data(import, item);
    case ITEM_CONFIG:
    case ITEM_SESSION:
    case ITEM_LOCK:
    case ITEM_END:
        break;
    case ITEM_TYPES:
        return refuse(item, "has no such part");
    }
    int rc = end_units(import);
    if (rc == 0 && item->type == ITEM_CONFIG) {
        rc = tree_config_put(tree, item->ino, item->bytes);
    } else if (rc == 0 && item->type == ITEM_SESSION) {
        rc = tree_session_put(tree, item->ino, item->bytes);
    } else if (rc == 0 && item->type == ITEM_LOCK) {
        rc = take_lock(import, item);
    }
    return rc;
}
