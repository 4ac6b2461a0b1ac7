/* image.h -- the whole tree with its data as a stream that any node can serve
 * and any node can continue.
 *
 * The exporter copies tree.db as it is after record I and holds the segments;
 * from that copy it makes a canonical stream, the same on all nodes for the same
 * I: inodes in ascending order, each followed by its attributes, names and data
 * (holes left out, wherever the extents lie), then sessions and locks.
 *
 * The importer pulls. Its question says what it holds, so the exporter need not
 * remember anybody:
 *  - of the view that it has part of (index I): where to go on;
 *  - of any other view: "all inodes up to `upto`, as they were at time `since`".
 *    An inode's ctime grows with every change of it and is the same everywhere,
 *    so an exporter with a later view sends, of those, only what has changed
 *    since, and the numbers of what is still there (DELTA); then what follows
 *    (UNITS). So a new leader continues what the old one began, and a follower
 *    that is only late asks with its own tree in hand.
 *
 *      cursor:  DELTA ---> UNITS ---> TABLES ---> END
 *
 * Chunks that are not the answer to the question last asked are refused without
 * harm: late, doubled, of another view.
 *
 * The new tree grows in tree.new.db beside the old one, and survives a crash up
 * to its last commit. When all is there and its digest is that of the view, it
 * becomes tree.ready.db with one rename; image_settle() makes it tree.db, at
 * once or when the node starts next.
 *
 * Disk: files named above; tree.view.db is the exporter's copy. Chunks:
 * docs/formats.md.
 * Thread: an export or import is used by one thread at a time, any. Nothing here
 * is fast: not for the loop, but for image_settle(). `stop` may be NULL; when it
 * becomes true, what is under way ends with STORE_LOCKED.
 */
#ifndef STORE_IMAGE_H
#define STORE_IMAGE_H

#include "store/segment.h"

#include <stdatomic.h>

enum {
    IMAGE_CHUNK = 256 * 1024,        /* about so many bytes */
    IMAGE_CHUNK_MAX = 2 * 1024 * 1024,
    IMAGE_DATA = 128 * 1024,         /* a piece of a file's data, at most */
};

/* The view. */
struct image_header {
    uint64_t index, term, time_ns, chain;
    uint64_t next_ino, next_cookie, next_lock;
    uint64_t digest, inodes, bytes;
};

enum image_phase { IMAGE_DELTA = 1, IMAGE_UNITS, IMAGE_TABLES, IMAGE_END };
enum image_part { /* of an inode; of TABLES: sessions, locks */
    IMAGE_INODE,
    IMAGE_XATTRS,
    IMAGE_NAMES,
    IMAGE_CONTENT,
};
struct image_cursor { /* what comes next */
    uint8_t phase, part;
    uint64_t ino, key; /* key: by part: how many, after which cookie, offset */
};

/* What the importer held when it met the view that it has part of now. */
struct image_pass {
    uint64_t upto, since; /* 0: nothing */
    uint8_t part;         /* of inode upto+1, begun when its ctime was this: */
    uint64_t key, ctime;
};

struct image_ask {
    uint64_t index, time_ns; /* of the view; 0: none yet */
    struct image_cursor cursor;
    uint64_t ctime; /* UNITS: of cursor.ino, if part of it is there */
    struct image_pass pass;
};
enum { IMAGE_ASK_SIZE = 2 * 8 + 2 * 1 + 2 * 8 + 8 + 2 * 8 + 1 + 2 * 8 };
void image_ask_encode(const struct image_ask *ask, uint8_t out[IMAGE_ASK_SIZE]);
bool image_ask_decode(struct view src, struct image_ask *out);

/* --- export --- */
struct image_export;

/* Copies DATADIR/tree.db as last committed, and pins the segments. */
int image_export_open(const char *datadir, struct segments *segments,
                      const atomic_bool *stop, struct image_export **out);
void image_export_close(struct image_export *export);
const struct image_header *
image_export_header(const struct image_export *export);
/* False: who asks has something newer; another view is needed. */
bool image_export_can(const struct image_export *export,
                      const struct image_ask *ask);
/* The answer, in *out. 1: it is the last one. */
int image_export_chunk(struct image_export *export,
                       const struct image_ask *ask, struct blob *out);

/* --- import --- */
struct image_import;

struct image_import_options {
    const char *datadir;
    struct segments *segments;
    uint64_t cluster_id;
    bool from_own; /* begin with a copy of tree.db: it can be trusted */
    bool go_on;    /* with what an earlier process left, if it did */
};
/* Pins the segments until it is closed. STORE_FULL: what an earlier one left is
 * still there. */
int image_import_open(const struct image_import_options *options,
                      const atomic_bool *stop, struct image_import **out);
/* Keeps what there is for a later go_on, or, with `drop`, does not. */
void image_import_close(struct image_import *import, bool drop);
void image_import_ask(const struct image_import *import,
                      struct image_ask *out);
/* 0 taken, 1 taken, and it was the last; STORE_INVALID: refused, nothing
 * happened. Other codes: the import is of no use any more; after STORE_FULL one
 * that is opened later with go_on goes on from the last commit. */
int image_import_chunk(struct image_import *import, struct view chunk);
/* After the last chunk: checks and makes tree.ready.db, durable. */
int image_import_finish(struct image_import *import);

struct image_progress {
    uint64_t index, bytes; /* view, and what came over the wire */
    uint64_t left; /* about so many bytes of the disk; 0 before the first chunk */
    uint32_t permille;
    bool resumed; /* went on after a crash, or with another view */
};
void image_import_progress(const struct image_import *import,
                           struct image_progress *out);

/* --- install --- */
/* Nobody has tree.db open. Puts tree.ready.db in its place, if there is one and
 * it is newer (1), and removes what an exporter left. */
int image_settle(const char *datadir);

/* The tree came as an image, and the log may not know yet: it is to begin behind
 * the tree's applied index, and then image_installed_done(). 1 so, 0 not. */
struct tree;
int image_installed(struct tree *tree);
int image_installed_done(struct tree *tree);

#endif
