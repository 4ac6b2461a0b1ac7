#include "fs/reader.h"

#include "fs/errno.h"
#include "fs/ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

struct part { /* bytes that lie in a segment */
    uint64_t segment;
    int fd; /* held; -1: not got yet */
    uint64_t position;
    uint8_t *to;
    size_t size;
};

struct job {
    uv_work_t work;
    struct node *node;
    fuse_req_t fuse;
    uint64_t offset;
    uint8_t *bytes; /* owned */
    size_t size;
    struct part *parts; /* owned */
    size_t part_count, part_capacity;
    int error; /* errno of the reader thread */
};

static void *grown(void *old, size_t size)
{
    void *out = realloc(old, size);
    if (out == NULL) {
        abort();
    }
    return out;
}

static void add_part(struct job *job, const struct extent *extent,
                     uint64_t skip, uint8_t *to, size_t size)
{
    if (job->part_count == job->part_capacity) {
        job->part_capacity = job->part_capacity * 2 + 8;
        job->parts =
            grown(job->parts, job->part_capacity * sizeof *job->parts);
    }
    job->parts[job->part_count++] = (struct part){
        .segment = extent->place.segment,
        .fd = -1,
        .position = extent->place.position + skip,
        .to = to,
        .size = size,
    };
}

/* Copies what is inline and notes the rest. */
static bool plan_extent(void *arg, const struct extent *extent)
{
    struct job *job = arg;
    uint64_t from = extent->offset > job->offset ? extent->offset : job->offset;
    uint64_t end = extent->offset + extent->size;
    if (end > job->offset + job->size) {
        end = job->offset + job->size;
    }
    if (from >= end) {
        return true;
    }
    uint64_t skip = from - extent->offset;
    uint8_t *to = job->bytes + (from - job->offset);
    if (extent->place.segment == 0) {
        memcpy(to, (const uint8_t *)extent->inlined.data + skip,
               (size_t)(end - from));
    } else {
        add_part(job, extent, skip, to, (size_t)(end - from));
    }
    return true;
}

/* Reads as much of the part as flags allow; 0 when all of it is there. */
static int read_part(struct part *part, int flags)
{
    while (part->size > 0) {
        struct iovec iov = {.iov_base = part->to, .iov_len = part->size};
        ssize_t got =
            preadv2(part->fd, &iov, 1, (off_t)part->position, flags);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got < 0 ? errno : EIO; /* EIO: the segment is too short */
        }
        part->to += got;
        part->position += (uint64_t)got;
        part->size -= (size_t)got;
    }
    return 0;
}

static void job_free(struct job *job)
{
    for (size_t i = 0; i < job->part_count; i++) {
        if (job->parts[i].fd >= 0) {
            segments_put(job->node->segments, job->parts[i].segment);
        }
    }
    free(job->parts);
    free(job->bytes);
    free(job);
}

static void job_reply(struct job *job)
{
    if (job->error != 0) {
        node_fault(job->node, "a segment cannot be read: %s",
                   strerror(job->error));
        fuse_reply_err(job->fuse, EIO);
    } else {
        fuse_reply_buf(job->fuse, (const char *)job->bytes, job->size);
    }
    job_free(job);
}

static void on_reader_thread(uv_work_t *work)
{
    struct job *job = work->data;
    for (size_t i = 0; job->error == 0 && i < job->part_count; i++) {
        job->error = read_part(&job->parts[i], 0);
    }
}

static void on_read(uv_work_t *work, int status)
{
    struct job *job = work->data;
    (void)status; /* never cancelled */
    job->node->reads_under_way--;
    job_reply(job);
}

/* True when everything was in memory; else the rest must go to a thread. */
static bool read_at_once(struct job *job)
{
    bool all = true;
    for (size_t i = 0; i < job->part_count; i++) {
        all = read_part(&job->parts[i], RWF_NOWAIT) == 0 && all;
    }
    return all;
}

static int hold_segments(struct job *job)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < job->part_count; i++) {
        int fd;
        rc = segments_get(job->node->segments, job->parts[i].segment, &fd);
        if (rc == 0) {
            job->parts[i].fd = fd;
        }
    }
    /* What the tree points at must be there. */
    return rc == STORE_NOT_FOUND ? STORE_CORRUPT : rc;
}

void reader_reply(struct node *node, fuse_req_t fuse,
                  const struct inode *inode, uint64_t offset, size_t size)
{
    struct job *job = grown(NULL, sizeof *job);
    *job = (struct job){
        .node = node, .fuse = fuse, .offset = offset, .size = size};
    job->work.data = job;
    job->bytes = calloc(1, size == 0 ? 1 : size); /* holes are zeros */
    if (job->bytes == NULL) {
        abort();
    }
    int rc = tree_extents(node->tree, inode->body, offset, size, plan_extent,
                          job);
    if (rc == 0) {
        rc = hold_segments(job);
    }
    if (rc < 0) {
        fuse_reply_err(fuse, ops_errno(node, rc));
        job_free(job);
    } else if (read_at_once(job)) {
        job_reply(job);
    } else {
        /* The struct request that asked for this ends now; an interrupt must
         * not look for it. */
        fuse_req_interrupt_func(fuse, NULL, NULL);
        node->reads_under_way++;
        uv_queue_work(&node->loop, &job->work, on_reader_thread, on_read);
    }
}
