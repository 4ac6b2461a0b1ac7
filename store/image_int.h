/* image_int.h -- what the files of image share.
 *
 * image_code.c    chunks and their items as bytes
 * image_export.c  the view, and which part of it a question is answered with
 * image_unit.c    the items of an inode
 * image_import.c  the new tree: open, take chunks, finish
 * image_take.c    what each item does to it
 * image_install.c the last renames
 */
#ifndef STORE_IMAGE_INT_H
#define STORE_IMAGE_INT_H

#include "store/image.h"
#include "store/tree_int.h"

enum {
    IMAGE_FORMAT = 2,
    IMAGE_KEEP_MAX = 4096,         /* inode numbers in one item */
    IMAGE_NAMES_BYTES = 32 * 1024, /* names in one item, about */
    IMAGE_ITEM_MAX = 1024 * 1024,
    IMAGE_COMMIT_BYTES = 8 * 1024 * 1024,
    IMAGE_SYNC_FDS = 8,
};

/* --- bytes --- */
struct image_reader {
    const uint8_t *at, *end;
    bool bad;
};
/* Of nothing, too: a view without bytes may be NULL. */
struct image_reader image_reader_of(struct view src);
uint64_t image_read(struct image_reader *r, int bytes);
struct view image_read_view(struct image_reader *r, uint64_t size);
void image_write(struct blob *out, uint64_t value, int bytes);
void image_write_view(struct blob *out, struct view src);

/* --- items: u8 type, u32 size, body --- */
enum image_item_type {
    ITEM_KEEP = 1, /* inode numbers */
    ITEM_INODE,    /* row, target of a symlink */
    ITEM_XATTR,    /* ino, name, value */
    ITEM_NAMES,    /* ino, then names */
    ITEM_DATA,     /* ino, offset, bytes */
    ITEM_CONFIG, /* index of its record, body */
    ITEM_SESSION,
    ITEM_LOCK,
    ITEM_END,
    ITEM_TYPES
};
struct image_item {
    enum image_item_type type;
    uint64_t ino;  /* KEEP: the first; SESSION: its id;
                    * CONFIG: the index */
    uint32_t count; /* KEEP */
    struct inode inode;    /* INODE */
    struct tree_lock lock; /* LOCK */
    uint64_t offset;       /* DATA */
    struct view name;      /* XATTR */
    struct view bytes; /* target, value, numbers, names, data, body, row */
};
size_t image_item_begin(struct blob *out, enum image_item_type type);
void image_item_end(struct blob *out, size_t begun);
void image_put_inode(struct blob *out, const struct inode *inode,
                     struct view target);
void image_put_xattr(struct blob *out, uint64_t ino, struct view name,
                     struct view value);
void image_put_lock(struct blob *out, const struct tree_lock *lock);
/* 1 an item, 0 the end, -1 these are no items. */
int image_item_next(struct image_reader *r, struct image_item *out);
/* The names of NAMES: as above. */
int image_name_next(struct image_reader *r, struct dentry *out);

/* --- chunks --- */
struct image_chunk {
    struct image_ask ask; /* to which it is the answer */
    struct image_header header;
    struct image_cursor next;
    uint64_t ctime; /* of next.ino in UNITS with a part */
    struct view items;
};
/* Leaves room for what image_chunk_seal() fills in. */
void image_chunk_begin(struct blob *out);
void image_chunk_seal(struct blob *out, const struct image_chunk *chunk);
/* -1: damaged, or not a chunk. The items were not looked at. */
int image_chunk_decode(struct view src, struct image_chunk *out);

/* --- positions --- */
/* What is held when another view is met. */
struct image_pass image_rebase(const struct image_ask *ask);
struct image_cursor image_pass_begin(const struct image_pass *pass);
bool image_ask_equal(const struct image_ask *a, const struct image_ask *b);

/* --- image_export.c --- */
enum export_statement {
    EXPORT_INODE,    /* the first at or after */
    EXPORT_XATTRS,
    EXPORT_STATEMENTS
};
struct image_export {
    struct segments *segments; /* borrowed */
    char *path;                /* owned */
    struct tree *tree;         /* owned */
    struct image_header header;
    sqlite3_stmt *statements[EXPORT_STATEMENTS]; /* owned */
    struct place payload_at; /* whose bytes are in payload */
    struct blob payload, data;
};
/* --- image_unit.c --- */
/* Writes items of the inode from cursor on, and moves it, until the chunk is
 * full (1) or the inode is done (0: cursor is at the next one). */
int image_unit(struct image_export *export, const struct inode *inode,
               struct image_cursor *cursor, struct blob *out);

/* --- image_import.c --- */
struct image_import {
    struct segments *segments; /* borrowed */
    char *path, *datadir;      /* owned */
    struct tree *tree;         /* owned; tree.new.db */
    struct segment_writer *writer;
    sqlite3_stmt *save, *between; /* owned */
    struct image_ask ask;
    struct image_header header;
    bool has_header, complete, failed, resumed;
    uint64_t swept;     /* all inodes up to here are as in the view */
    uint64_t last_held; /* when the view was met: to be swept up to here */
    uint64_t unit;   /* inode that items may belong to, 0: none */
    uint64_t body, blocks, got; /* of unit */
    uint64_t uncommitted, received;
};
/* --- image_take.c --- */
int image_take(struct image_import *import, const struct image_item *item);
/* The unit is over: all of its data must be there. */
int image_unit_end(struct image_import *import);
/* Removes what lies in (swept, before). */
int image_sweep(struct image_import *import, uint64_t before);

/* --- image_install.c --- */
void image_path(const char *datadir, const char *name, char out[4096]);
/* Removes a database and its WAL. */
int image_unlink(const char *path);
/* Copies a database, as it is at one moment, to a new file. */
int image_copy(const char *from, const char *to, const atomic_bool *stop);

#endif
