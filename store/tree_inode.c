#include "store/tree_int.h"

#include "store/error.h"

#include <assert.h>
#include <string.h>
#include <sys/stat.h>

/* --- the cache --- */

static struct cached_inode *slot_of(struct tree *tree, uint64_t ino)
{
    /* Numbers are given one after the other, every second one to a body: the
     * multiplication (by 2^64 over the golden ratio) spreads them. */
    uint64_t spread = ino * 0x9e3779b97f4a7c15u;
    return &tree->inodes[spread >> 52 & (TREE_INODES_CACHED - 1)];
}

static int write_row(struct tree *tree, struct cached_inode *slot)
{
    const struct inode *inode = &slot->inode;
    const uint64_t values[] = {
        inode->ino,
        inode->mode,
        inode->uid,
        inode->gid,
        inode->nlink,
        inode->rdev,
        inode->size,
        inode->blocks,
        (uint64_t)inode->atime,
        (uint64_t)inode->mtime,
        (uint64_t)inode->ctime,
        (uint64_t)inode->btime,
        inode->parent,
        inode->body,
        inode->data_hash,
        inode->orphaned,
    };
    enum tree_statement which =
        slot->state == CACHED_NEW ? TREE_INODE_INSERT : TREE_INODE_UPDATE;
    sqlite3_stmt *statement = tree->statements[which];
    for (int i = 0; i < (int)(sizeof(values) / sizeof(values[0])); i++) {
        sqlite3_bind_int64(statement, i + 1, (sqlite3_int64)values[i]);
    }
    int rc = tree_run(tree, which, "write inode");
    if (rc < 0) {
        return rc;
    }
    if (sqlite3_changes(tree->db.handle) != 1) {
        tree->broken = STORE_CORRUPT;
        return store_fail(STORE_CORRUPT, "inode %llu: its row is gone",
                          (unsigned long long)inode->ino);
    }
    slot->state = CACHED_CLEAN;
    return 0;
}

static bool is_unwritten(const struct cached_inode *slot)
{
    return slot->state == CACHED_CHANGED || slot->state == CACHED_NEW;
}

static void mark(struct tree *tree, struct cached_inode *slot,
                 enum cached_state state)
{
    slot->state = state;
    if (!slot->listed) {
        assert(tree->unwritten_count < TREE_INODES_CACHED);
        tree->unwritten[tree->unwritten_count++] =
            (uint16_t)(slot - tree->inodes);
        slot->listed = true;
    }
}

int tree_inodes_flush(struct tree *tree)
{
    for (uint32_t i = 0; i < tree->unwritten_count; i++) {
        struct cached_inode *slot = &tree->inodes[tree->unwritten[i]];
        slot->listed = false;
        if (is_unwritten(slot)) {
            int rc = write_row(tree, slot);
            if (rc < 0) {
                return rc;
            }
        }
    }
    tree->unwritten_count = 0;
    return 0;
}

void tree_inode_columns(sqlite3_stmt *statement, struct inode *out)
{
    *out = (struct inode){
        .ino = tree_column(statement, 0),
        .mode = (uint32_t)tree_column(statement, 1),
        .uid = (uint32_t)tree_column(statement, 2),
        .gid = (uint32_t)tree_column(statement, 3),
        .nlink = (uint32_t)tree_column(statement, 4),
        .rdev = tree_column(statement, 5),
        .size = tree_column(statement, 6),
        .blocks = tree_column(statement, 7),
        .atime = (int64_t)tree_column(statement, 8),
        .mtime = (int64_t)tree_column(statement, 9),
        .ctime = (int64_t)tree_column(statement, 10),
        .btime = (int64_t)tree_column(statement, 11),
        .parent = tree_column(statement, 12),
        .body = tree_column(statement, 13),
        .data_hash = tree_column(statement, 14),
        .orphaned = tree_column(statement, 15),
    };
}

/* Empties the slot that ino belongs to. */
static int evict(struct tree *tree, struct cached_inode *slot)
{
    int rc = is_unwritten(slot) ? write_row(tree, slot) : 0;
    if (rc == 0) {
        slot->state = CACHED_NOTHING;
    }
    return rc;
}

static int load(struct tree *tree, uint64_t ino, struct cached_inode **out)
{
    struct cached_inode *slot = slot_of(tree, ino);
    *out = slot;
    if (slot->state != CACHED_NOTHING && slot->inode.ino == ino) {
        return 0;
    }
    sqlite3_stmt *statement = tree_bind1(tree, TREE_INODE_GET, ino);
    int rc = tree_row(tree, TREE_INODE_GET, "get inode");
    if (rc == 0) {
        return store_fail(STORE_NOT_FOUND, "inode %llu: not there",
                          (unsigned long long)ino);
    }
    if (rc < 0) {
        return rc;
    }
    struct inode inode;
    tree_inode_columns(statement, &inode);
    sqlite3_reset(statement);
    rc = evict(tree, slot);
    if (rc < 0) {
        return rc;
    }
    slot->inode = inode;
    slot->hash = tree_hash_inode(&inode);
    slot->state = CACHED_CLEAN;
    return 0;
}

/* --- inodes --- */

int tree_inode_get(struct tree *tree, uint64_t ino, struct inode *out)
{
    struct cached_inode *slot;
    int rc = load(tree, ino, &slot);
    if (rc == 0) {
        *out = slot->inode;
    }
    return rc;
}

static int note_orphan(struct tree *tree, uint64_t ino, bool was, bool is)
{
    if (was == is) {
        return 0;
    }
    enum tree_statement which = is ? TREE_ORPHAN_ADD : TREE_ORPHAN_DELETE;
    tree_bind1(tree, which, ino);
    return tree_run(tree, which, "note orphan");
}

int tree_inode_add(struct tree *tree, const struct inode *inode)
{
    assert(tree->db.in_transaction);
    assert(inode->ino != 0 && inode->ino < tree->meta.next_ino);
    struct cached_inode *slot = slot_of(tree, inode->ino);
    assert(slot->state == CACHED_NOTHING || slot->inode.ino != inode->ino);
    int rc = evict(tree, slot);
    if (rc == 0) {
        rc = note_orphan(tree, inode->ino, false, inode->nlink == 0);
    }
    if (rc < 0) {
        return rc;
    }
    slot->inode = *inode;
    slot->hash = tree_hash_inode(inode);
    mark(tree, slot, CACHED_NEW);
    tree_digest_move(tree, 0, slot->hash);
    tree->meta.inodes++;
    tree->meta.bytes += inode->blocks;
    return 0;
}

int tree_inode_set(struct tree *tree, const struct inode *inode)
{
    assert(tree->db.in_transaction);
    struct cached_inode *slot;
    int rc = load(tree, inode->ino, &slot);
    if (rc == 0) {
        rc = note_orphan(tree, inode->ino, slot->inode.nlink == 0,
                         inode->nlink == 0);
    }
    if (rc < 0) {
        return rc;
    }
    uint64_t hash = tree_hash_inode(inode);
    tree_digest_move(tree, slot->hash, hash);
    tree->meta.bytes += inode->blocks - slot->inode.blocks;
    slot->inode = *inode;
    slot->hash = hash;
    mark(tree, slot, slot->state == CACHED_NEW ? CACHED_NEW : CACHED_CHANGED);
    return 0;
}

static int remove_symlink(struct tree *tree, uint64_t ino)
{
    struct view target;
    int rc = tree_symlink_get(tree, ino, &target);
    if (rc < 0) {
        return rc == STORE_NOT_FOUND ? 0 : rc;
    }
    tree_digest_move(tree, tree_hash_named(TABLE_SYMLINKS, ino, target), 0);
    tree_bind1(tree, TREE_SYMLINK_DELETE, ino);
    return tree_run(tree, TREE_SYMLINK_DELETE, "remove symlink");
}

int tree_inode_remove(struct tree *tree, uint64_t ino)
{
    assert(tree->db.in_transaction);
    assert(ino != TREE_ROOT);
    struct cached_inode *slot;
    int rc = load(tree, ino, &slot);
    if (rc < 0) {
        return rc;
    }
    const struct inode inode = slot->inode;
    const bool has_row = slot->state != CACHED_NEW;
    tree_digest_move(tree, slot->hash, 0);
    slot->state = CACHED_NOTHING;
    tree->meta.inodes--;
    tree->meta.bytes -= inode.blocks;
    if (has_row) {
        tree_bind1(tree, TREE_INODE_DELETE, ino);
        rc = tree_run(tree, TREE_INODE_DELETE, "remove inode");
    }
    if (rc == 0) {
        rc = note_orphan(tree, ino, inode.nlink == 0, false);
    }
    if (rc == 0 && S_ISLNK(inode.mode)) {
        rc = remove_symlink(tree, ino);
    }
    if (rc == 0) {
        rc = tree_xattrs_drop(tree, ino);
    }
    if (rc == 0 && inode.blocks > 0) {
        rc = tree_body_drop(tree, inode.body);
    }
    return rc;
}

int tree_orphans(struct tree *tree, uint64_t after, struct inode *out, int max)
{
    assert(max >= 0);
    int count = 0;
    sqlite3_stmt *statement =
        tree_bind2(tree, TREE_ORPHANS, after, (uint64_t)max);
    int rc;
    while ((rc = tree_row(tree, TREE_ORPHANS, "list orphans")) == 1) {
        assert(count < max);
        rc = tree_inode_get(tree, tree_column(statement, 0), &out[count++]);
        if (rc < 0) {
            sqlite3_reset(statement);
            return rc;
        }
    }
    return rc < 0 ? rc : count;
}

/* --- symlinks --- */

int tree_symlink_set(struct tree *tree, uint64_t ino, struct view target)
{
    sqlite3_stmt *statement = tree_bind1(tree, TREE_SYMLINK_ADD, ino);
    tree_bind_view(statement, 2, target);
    int rc = tree_run(tree, TREE_SYMLINK_ADD, "add symlink");
    if (rc == 0) {
        tree_digest_move(tree, 0, tree_hash_named(TABLE_SYMLINKS, ino, target));
    }
    return rc;
}

int tree_symlink_get(struct tree *tree, uint64_t ino, struct view *out)
{
    sqlite3_stmt *statement = tree_bind1(tree, TREE_SYMLINK_GET, ino);
    int rc = tree_row(tree, TREE_SYMLINK_GET, "get symlink");
    if (rc == 0) {
        return store_fail(STORE_NOT_FOUND, "symlink %llu: not there",
                          (unsigned long long)ino);
    }
    if (rc < 0) {
        return rc;
    }
    struct view target = tree_column_view(statement, 0);
    uint8_t *copy = blob_resize(&tree->scratch, target.size);
    memcpy(copy, target.data, target.size);
    sqlite3_reset(statement);
    *out = (struct view){copy, target.size};
    return 0;
}
