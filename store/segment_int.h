/* segment_int.h -- what the files of segment share: the table and the format.
 *
 * segment.c        the table of segments: get, put, add, remove
 * segment_open.c   opening: the lock, the directory, what is left of a crash
 * segment_file.c   one file: its header, its records, its unused tail
 * segment_writer.c appending
 * segment_read.c   reading
 */
#ifndef STORE_SEGMENT_INT_H
#define STORE_SEGMENT_INT_H

#include "store/segment.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    SEGMENT_HEADER_SIZE = 64,
    SEGMENT_VERSION = 1,
    SEGMENT_RECORD_HEADER = 16,
    SEGMENT_RECORD_MAGIC = 0x44524752, /* "RGRD" */
    /* Preallocated at once: rare enough that its metadata cost vanishes, small
     * enough for many nodes on one small disk. */
    SEGMENT_STEP = 4 * 1024 * 1024,
    SEGMENT_FDS_MAX = 512, /* of the usual limit of 1024 */
    SEGMENT_PATH_MAX = 4096,
};

struct segment_file {
    uint64_t id;
    uint64_t bytes; /* on disk, with the preallocated tail */
    uint64_t used;  /* segments->clock at the last get */
    uint32_t users; /* gets without their put */
    int fd;         /* owned, -1: not open */
    bool writing;   /* a writer appends, or waits for its sync */
    bool removed;
};

struct segments {
    char *directory; /* owned */
    int lock_fd;     /* owned, -1 when inspecting */
    pthread_mutex_t lock;
    /* guarded by lock from here on */
    struct segment_file **files; /* owned, by id */
    size_t count, capacity;
    struct segment_file **removed; /* owned: unlinked, but in use */
    size_t removed_count;
    uint64_t next_id, clock;
    unsigned open_fds;
    /* changed under lock, read without */
    _Atomic uint64_t bytes;
    _Atomic unsigned pins;
};

/* --- the table (segment.c) --- */
struct segment_file *segment_file_new(uint64_t id, uint64_t bytes, int fd);
/* Closes its descriptor. */
void segment_file_free(struct segment_file *file);
/* Takes file. The lock is held, or nobody else knows the table yet. */
void segments_insert(struct segments *segments, struct segment_file *file);
/* Makes a file, held by the caller as by segments_get(), writing. */
int segments_add(struct segments *segments, struct segment_file **out);
/* Ends writing, and the hold. */
void segments_end_writing(struct segments *segments, struct segment_file *file);
void segments_set_bytes(struct segments *segments, struct segment_file *file,
                        uint64_t bytes);

/* --- one file (segment_file.c) --- */
void segment_path(const char *directory, uint64_t id,
                  char out[SEGMENT_PATH_MAX]);
/* Durable when it returns, with its name. On failure there is no file. */
int segment_file_create(const char *directory, uint64_t id, int *fd,
                        uint64_t *bytes);
/* fallocate(2), all or nothing; errno when it returns -1. EOPNOTSUPP is no
 * misfortune: preallocation is only for speed and for an early "full". */
int segment_file_allocate(int fd, uint64_t from, uint64_t to);
struct segment_look {
    uint64_t size; /* of the file */
    uint64_t end;  /* of its records; size unless the rest is surely unused */
    bool empty;    /* holds nothing and may go */
};
/* Checks the header and finds the end. */
int segment_file_look(const char *directory, uint64_t id,
                      struct segment_look *out);

/* --- format --- */
static inline uint64_t segment_record_space(uint64_t size)
{
    return (SEGMENT_RECORD_HEADER + size + 7) & ~(uint64_t)7;
}

struct segment_record {
    uint32_t size;
    uint64_t hash;
};
void segment_record_encode(struct segment_record record,
                           uint8_t out[SEGMENT_RECORD_HEADER]);
/* False: this is no header of a record. */
bool segment_record_decode(const uint8_t src[SEGMENT_RECORD_HEADER],
                           struct segment_record *out);

#endif
