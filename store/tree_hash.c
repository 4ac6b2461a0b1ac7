#include "store/tree_int.h"

#include <assert.h>
#include <string.h>

enum {
    INODE_BYTES = 12 * 8 + 4 * 4,
    DENTRY_FIXED_BYTES = 3 * 8 + 4,
    LOCK_FIXED_BYTES = 8 * 8 + 4 * 4,
};

static uint8_t *put32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
    return at + 4;
}

static uint8_t *put64(uint8_t *at, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
    return at + 8;
}

uint64_t tree_hash_inode(const struct inode *inode)
{
    uint8_t row[INODE_BYTES];
    uint8_t *at = row;
    at = put64(at, inode->ino);
    at = put32(at, inode->mode);
    at = put32(at, inode->uid);
    at = put32(at, inode->gid);
    at = put32(at, inode->nlink);
    at = put64(at, inode->rdev);
    at = put64(at, inode->size);
    at = put64(at, inode->blocks);
    at = put64(at, (uint64_t)inode->atime);
    at = put64(at, (uint64_t)inode->mtime);
    at = put64(at, (uint64_t)inode->ctime);
    at = put64(at, (uint64_t)inode->btime);
    at = put64(at, inode->parent);
    at = put64(at, inode->body);
    at = put64(at, inode->data_hash);
    at = put64(at, inode->orphaned);
    assert(at == row + sizeof(row));
    return store_hash64((struct view){row, sizeof(row)}, TABLE_INODES);
}

uint64_t tree_hash_dentry(uint64_t parent, const struct dentry *dentry)
{
    uint8_t row[DENTRY_FIXED_BYTES + TREE_NAME_MAX];
    assert(dentry->name.size <= TREE_NAME_MAX);
    uint8_t *at = row;
    at = put64(at, parent);
    at = put64(at, dentry->ino);
    at = put64(at, dentry->cookie);
    at = put32(at, dentry->type);
    memcpy(at, dentry->name.data, dentry->name.size);
    at += dentry->name.size;
    return store_hash64((struct view){row, (size_t)(at - row)}, TABLE_DENTRIES);
}

uint64_t tree_hash_xattr(uint64_t ino, struct view name, struct view value)
{
    uint8_t row[3 * 8];
    uint8_t *at = put64(row, ino);
    at = put64(at, store_hash64(name, TABLE_XATTRS));
    put64(at, store_hash64(value, TABLE_XATTRS));
    return store_hash64((struct view){row, sizeof(row)}, TABLE_XATTRS);
}

uint64_t tree_hash_lock(const struct tree_lock *lock)
{
    uint8_t row[LOCK_FIXED_BYTES + sizeof(lock->comm)];
    size_t comm_size = strlen(lock->comm);
    uint8_t *at = row;
    at = put64(at, lock->ino);
    at = put64(at, lock->id);
    at = put64(at, lock->session);
    at = put64(at, lock->owner);
    at = put64(at, lock->serial);
    at = put32(at, lock->kind);
    at = put32(at, lock->write);
    at = put32(at, lock->waits);
    at = put64(at, lock->start);
    at = put64(at, lock->last);
    at = put64(at, (uint64_t)lock->since);
    at = put32(at, lock->pid);
    assert(at == row + LOCK_FIXED_BYTES);
    memcpy(at, lock->comm, comm_size);
    at += comm_size;
    return store_hash64((struct view){row, (size_t)(at - row)}, TABLE_LOCKS);
}

uint64_t tree_hash_named(enum tree_table table, uint64_t key, struct view row)
{
    uint8_t head[8 + 8];
    put64(put64(head, key), store_hash64(row, table));
    return store_hash64((struct view){head, sizeof(head)}, table);
}
