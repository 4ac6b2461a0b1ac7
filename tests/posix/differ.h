/* differ.h -- the same random calls on a local filesystem and on mounts of one
 * raftfs tree: same result, same errno, same bytes, same tree.
 *
 * A call is made twice: below the local directory, and below one of the mounts,
 * chosen at random; what each gave is an outcome, and the two must be equal.
 * Descriptors stay with the mount on which they were opened, and over unlink and
 * rename of what they belong to. After every hundred calls the trees of all
 * mounts are walked and compared (differ_tree.c).
 *
 * Not compared, because filesystems may differ there: inode numbers, blocks,
 * sizes of directories, the order of names, times but those that utimensat(2)
 * has set, where exactly holes begin, and where the offset of a descriptor with
 * O_APPEND is after a write(2).
 *
 * Memory: everything is the caller's but the text of a snapshot. One thread.
 */
#ifndef TESTS_POSIX_DIFFER_H
#define TESTS_POSIX_DIFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ROOTS_MAX = 8,
    SLOTS = 12,       /* descriptors that are open at a time */
    DATA_MAX = 70000, /* bytes of one call */
    OFFSET_MAX = 200000,
    PATH_SIZE = 1400,
    NO_SLOT = -1,
};

/* Where a call is made: a directory and the descriptors below it. */
struct side {
    int root; /* descriptor */
    int slots[SLOTS];
};

struct outcome {
    long long result;
    int error;
    uint64_t hash;  /* of the bytes that came back */
    char text[240]; /* what else came back */
};

/* A random call; which members mean something depends on what it is. */
struct call {
    const struct call_kind *kind;
    unsigned root;           /* which mount */
    unsigned who;            /* uid and gid; 0: root */
    int base;                /* the slot where paths start, or NO_SLOT */
    int slot, source;        /* descriptors */
    bool by_slot, no_follow; /* fchmod(2) instead of chmod(2), lchown(2), ... */
    char path[PATH_SIZE], other[PATH_SIZE];
    unsigned flags, mode, umask;
    long long offset, source_offset, size;
    const char *xattr;
    uint64_t seed; /* of the bytes */
};

typedef void call_perform(const struct call *call, struct side *side,
                          struct outcome *out);

struct call_kind {
    const char *name;
    unsigned weight;
    call_perform *perform;
};

extern const struct call_kind call_kinds[];
extern const size_t call_kind_count;

/* differ_call.c: as the caller's user, below the side's root. */
void call_perform_on(const struct call *call, struct side *side,
                     struct outcome *out);
void call_print(const struct call *call);
/* The bytes of a call or a value. */
void bytes_fill(uint64_t seed, char *out, size_t size);
uint64_t bytes_hash(const void *bytes, size_t size, uint64_t hash);

/* differ_make.c */
uint64_t random_next(uint64_t *state);
uint64_t random_below(uint64_t *state, uint64_t bound);
/* slot_roots: where each descriptor was opened; no root for the local one. */
void call_make(struct call *call, uint64_t *state, unsigned roots,
               const unsigned *slot_roots);

/* differ_tree.c: all that can be seen below a directory, a line each, sorted. */
struct snapshot {
    char **lines; /* owned */
    size_t count, capacity;
};
void snapshot_take(struct snapshot *snapshot, const char *root, bool atimes);
void snapshot_release(struct snapshot *snapshot);
/* Prints what differs; returns whether anything does. */
bool snapshot_differs(const struct snapshot *a, const char *a_name,
                      const struct snapshot *b, const char *b_name);
/* Removes everything below, as rm -rf. */
void tree_empty(const char *root);

#endif
