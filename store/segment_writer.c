#include "store/segment_int.h"

#include "store/error.h"
#include "store/io.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* A segment that this writer holds. */
struct held {
    struct segment_file *file; /* NULL: none */
    bool dirty;                /* bytes written since the last sync began */
    bool syncing;              /* a sync of it is under way */
};

struct segment_writer {
    struct segments *segments; /* borrowed */
    struct held current;
    uint64_t end;        /* of the records in current */
    uint64_t allocated;  /* bytes that current has */
    bool preallocates;   /* the filesystem can */
    struct held *rolled; /* owned: full, and to be synced yet */
    size_t rolled_count;
};

int segment_writer_open(struct segments *segments, struct segment_writer **out)
{
    struct segment_writer *writer = calloc(1, sizeof(*writer));
    assert(writer != NULL);
    writer->segments = segments;
    *out = writer;
    return 0;
}

/* Gives back what was preallocated and not used. If that fails, only space is
 * lost, and segments_open() tries again. */
static void trim(struct segment_writer *writer)
{
    struct segment_file *file = writer->current.file;
    if (writer->end < writer->allocated &&
        store_io.ftruncate(file->fd, (off_t)writer->end) == 0) {
        segments_set_bytes(writer->segments, file, writer->end);
    }
}

/* A segment without a record is not kept. */
static void release_current(struct segment_writer *writer)
{
    uint64_t id = writer->current.file->id;
    segments_end_writing(writer->segments, writer->current.file);
    if (writer->end == SEGMENT_HEADER_SIZE) {
        segments_remove(writer->segments, id);
    }
}

void segment_writer_close(struct segment_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    if (writer->current.file != NULL) {
        trim(writer);
        release_current(writer);
    }
    for (size_t i = 0; i < writer->rolled_count; i++) {
        segments_end_writing(writer->segments, writer->rolled[i].file);
    }
    free(writer->rolled);
    free(writer);
}

/* Ends the current segment; it stays held until its last bytes are synced. */
static void roll(struct segment_writer *writer)
{
    struct held full = writer->current;
    trim(writer);
    writer->current = (struct held){0};
    if (!full.dirty && !full.syncing) {
        segments_end_writing(writer->segments, full.file);
        return;
    }
    size_t count = writer->rolled_count + 1;
    writer->rolled = realloc(writer->rolled, count * sizeof(*writer->rolled));
    assert(writer->rolled != NULL);
    writer->rolled[writer->rolled_count] = full;
    writer->rolled_count = count;
}

static int begin(struct segment_writer *writer)
{
    int rc = segments_add(writer->segments, &writer->current.file);
    if (rc == 0) {
        writer->end = SEGMENT_HEADER_SIZE;
        writer->allocated = writer->current.file->bytes;
        writer->preallocates = writer->allocated > SEGMENT_HEADER_SIZE;
    }
    return rc;
}

/* Room for `space` more bytes, in whole steps. */
static int reserve(struct segment_writer *writer, uint64_t space)
{
    uint64_t need = writer->end + space;
    if (need <= writer->allocated || !writer->preallocates) {
        return 0;
    }
    uint64_t to = (need + SEGMENT_STEP - 1) / SEGMENT_STEP * SEGMENT_STEP;
    if (segment_file_allocate(writer->current.file->fd, writer->allocated, to) <
        0) {
        return store_fail_errno(errno, "segment %" PRIu64 ": cannot allocate",
                                writer->current.file->id);
    }
    writer->allocated = to;
    segments_set_bytes(writer->segments, writer->current.file, to);
    return 0;
}

/* Writes all of iov, which it uses up. */
static int write_all(int fd, struct iovec *iov, int count, uint64_t at)
{
    while (count > 0) {
        ssize_t n = store_io.pwritev(fd, iov, count, (off_t)at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return store_fail_errno(n < 0 ? errno : ENOSPC,
                                    "segment: cannot write at %" PRIu64, at);
        }
        at += (uint64_t)n;
        while (count > 0 && (size_t)n >= iov->iov_len) {
            n -= (ssize_t)iov->iov_len;
            iov++;
            count--;
        }
        if (count > 0) {
            iov->iov_base = (uint8_t *)iov->iov_base + n;
            iov->iov_len -= (size_t)n;
        }
    }
    return 0;
}

static int write_record(struct segment_writer *writer, struct view src,
                        uint64_t space)
{
    static uint8_t zeros[8];
    uint8_t header[SEGMENT_RECORD_HEADER];
    union { /* writing does not change what it is told to write */
        const void *from;
        void *base;
    } data = {.from = src.data};
    segment_record_encode(
        (struct segment_record){(uint32_t)src.size, store_hash64(src, 0)},
        header);
    struct iovec iov[3] = {
        {header, sizeof(header)},
        {data.base, src.size},
        {zeros, (size_t)space - sizeof(header) - src.size},
    };
    int count = iov[2].iov_len > 0 ? 3 : 2;
    return write_all(writer->current.file->fd, iov, count, writer->end);
}

int segment_append(struct segment_writer *writer, struct view src,
                   struct place *at)
{
    assert(src.size > 0);
    assert(src.size <= SEGMENT_RECORD_MAX);
    uint64_t space = segment_record_space(src.size);
    if (writer->current.file != NULL && writer->end + space > SEGMENT_SIZE) {
        roll(writer);
    }
    int rc = writer->current.file == NULL ? begin(writer) : 0;
    if (rc == 0) {
        rc = reserve(writer, space);
    }
    if (rc == 0) {
        rc = write_record(writer, src, space);
    }
    if (rc < 0) {
        return rc;
    }
    *at = (struct place){.segment = writer->current.file->id,
                         .position = writer->end + SEGMENT_RECORD_HEADER};
    writer->end += space;
    writer->current.dirty = true;
    if (writer->end > writer->allocated) {
        writer->allocated = writer->end;
        segments_set_bytes(writer->segments, writer->current.file, writer->end);
    }
    assert(writer->end <= SEGMENT_SIZE);
    return 0;
}

static int take_dirty(struct held *held, int *fds, int count, int max)
{
    assert(!held->syncing);
    if (held->dirty && count < max) {
        fds[count++] = held->file->fd;
        held->dirty = false;
        held->syncing = true;
    }
    return count;
}

int segment_writer_dirty(struct segment_writer *writer, int *fds, int max)
{
    int count = 0;
    /* Oldest first, so that what is durable is a prefix. */
    for (size_t i = 0; i < writer->rolled_count; i++) {
        count = take_dirty(&writer->rolled[i], fds, count, max);
    }
    return take_dirty(&writer->current, fds, count, max);
}

void segment_writer_synced(struct segment_writer *writer)
{
    size_t kept = 0;
    for (size_t i = 0; i < writer->rolled_count; i++) {
        struct held held = writer->rolled[i];
        held.syncing = false;
        if (held.dirty) {
            writer->rolled[kept++] = held;
        } else {
            segments_end_writing(writer->segments, held.file);
        }
    }
    writer->rolled_count = kept;
    writer->current.syncing = false;
}
