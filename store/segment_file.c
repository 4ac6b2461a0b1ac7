#include "store/segment_int.h"

#include "store/error.h"
#include "store/io.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const uint8_t magic[8] = {'R', 'A', 'F', 'T', 'F', 'S', 'S', 'G'};

static void put_le(uint8_t *out, uint64_t value, int size)
{
    for (int i = 0; i < size; i++) {
        out[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t get_le(const uint8_t *src, int size)
{
    uint64_t value = 0;
    for (int i = 0; i < size; i++) {
        value |= (uint64_t)src[i] << (8 * i);
    }
    return value;
}

void segment_record_encode(struct segment_record record,
                           uint8_t out[SEGMENT_RECORD_HEADER])
{
    put_le(out, SEGMENT_RECORD_MAGIC, 4);
    put_le(out + 4, record.size, 4);
    put_le(out + 8, record.hash, 8);
}

bool segment_record_decode(const uint8_t src[SEGMENT_RECORD_HEADER],
                           struct segment_record *out)
{
    out->size = (uint32_t)get_le(src + 4, 4);
    out->hash = get_le(src + 8, 8);
    return get_le(src, 4) == SEGMENT_RECORD_MAGIC && out->size > 0 &&
           out->size <= SEGMENT_RECORD_MAX;
}

void segment_path(const char *directory, uint64_t id,
                  char out[SEGMENT_PATH_MAX])
{
    snprintf(out, SEGMENT_PATH_MAX, "%s/%016" PRIx64 ".seg", directory, id);
}

/* --- header: magic 8 · u32 version · u32 0 · u64 id · u64 created_ns ·
 *     24 zeros · u64 XXH3-64 of the 56 bytes before --- */

static void encode_header(uint64_t id, uint8_t out[SEGMENT_HEADER_SIZE])
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    memset(out, 0, SEGMENT_HEADER_SIZE);
    memcpy(out, magic, sizeof(magic));
    put_le(out + 8, SEGMENT_VERSION, 4);
    put_le(out + 16, id, 8);
    put_le(out + 24, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
           8);
    put_le(out + 56, store_hash64((struct view){out, 56}, 0), 8);
}

static bool header_whole(const uint8_t src[SEGMENT_HEADER_SIZE])
{
    return memcmp(src, magic, sizeof(magic)) == 0 &&
           get_le(src + 56, 8) == store_hash64((struct view){src, 56}, 0);
}

int segment_file_allocate(int fd, uint64_t from, uint64_t to)
{
    int rc;
    do {
        rc = store_io.fallocate(fd, 0, (off_t)from, (off_t)(to - from));
    } while (rc < 0 && errno == EINTR);
    if (rc < 0) {
        /* It may have extended the file by a part. */
        int why = errno;
        store_io.ftruncate(fd, (off_t)from);
        errno = why;
    }
    return rc;
}

int segment_file_create(const char *directory, uint64_t id, int *fd,
                        uint64_t *bytes)
{
    uint8_t header[SEGMENT_HEADER_SIZE];
    struct iovec iov = {.iov_base = header, .iov_len = sizeof(header)};
    char path[SEGMENT_PATH_MAX];
    segment_path(directory, id, path);
    encode_header(id, header);
    *fd = store_io.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (*fd < 0) {
        return store_fail_errno(errno, "%s: cannot create", path);
    }
    int rc = 0;
    *bytes = SEGMENT_STEP;
    if (segment_file_allocate(*fd, 0, SEGMENT_STEP) < 0) {
        *bytes = SEGMENT_HEADER_SIZE;
        if (errno != EOPNOTSUPP) {
            rc = store_fail_errno(errno, "%s: cannot allocate", path);
            goto out;
        }
    }
    errno = ENOSPC; /* a short write does not set it */
    if (store_io.pwritev(*fd, &iov, 1, 0) != SEGMENT_HEADER_SIZE) {
        rc = store_fail_errno(errno, "%s: cannot write the header", path);
        goto out;
    }
    if (store_io.fsync(*fd) < 0) {
        rc = store_fail_errno(errno, "%s: cannot sync", path);
        goto out;
    }
    rc = store_sync_directory(directory);
out:
    if (rc < 0) {
        close(*fd);
        *fd = -1;
        store_io.unlink(path);
    }
    return rc;
}

/* --- finding the end --- */

/* 1 all zeros, 0 not, or a negative code. */
static int is_zero(int fd, uint64_t from, uint64_t to, const char *path)
{
    static const uint8_t zeros[16384];
    uint8_t buffer[sizeof(zeros)];
    while (from < to) {
        size_t want =
            to - from < sizeof(buffer) ? (size_t)(to - from) : sizeof(buffer);
        ssize_t n = pread(fd, buffer, want, (off_t)from);
        if (n < 0) {
            return store_fail_errno(errno, "%s: cannot read", path);
        }
        if (n == 0) {
            break;
        }
        if (memcmp(buffer, zeros, (size_t)n) != 0) {
            return 0;
        }
        from += (uint64_t)n;
    }
    return 1;
}

/* Goes from header to header while they make sense. Payloads are not read: what
 * is torn, nothing refers to. */
static uint64_t walk_records(int fd, uint64_t size)
{
    uint8_t raw[SEGMENT_RECORD_HEADER];
    struct segment_record record;
    uint64_t at = SEGMENT_HEADER_SIZE;
    while (pread(fd, raw, sizeof(raw), (off_t)at) == (ssize_t)sizeof(raw) &&
           segment_record_decode(raw, &record) &&
           segment_record_space(record.size) <= size - at) {
        at += segment_record_space(record.size);
    }
    return at;
}

/* A file that was not trimmed by its writer ends at a multiple of the step. Its
 * tail goes only when it holds nothing but zeros: where the chain of records
 * breaks at anything else, a damaged header could hide good records behind it.
 */
static int find_end(int fd, const char *path, struct segment_look *look)
{
    look->end = look->size;
    look->empty = look->size == SEGMENT_HEADER_SIZE;
    if (look->size % SEGMENT_STEP != 0) {
        return 0;
    }
    uint64_t end = walk_records(fd, look->size);
    int rc = is_zero(fd, end, look->size, path);
    if (rc == 1) {
        look->end = end;
        look->empty = end == SEGMENT_HEADER_SIZE;
    }
    return rc < 0 ? rc : 0;
}

/* The header is durable before the first record is written, so a file without
 * one and without anything else is an unfinished creation. */
static int judge_bad_header(int fd, const char *path, struct segment_look *look)
{
    look->end = look->size;
    int rc = is_zero(fd, SEGMENT_HEADER_SIZE, look->size, path);
    look->empty = rc == 1;
    return rc == 0 ? store_fail(STORE_CORRUPT, "%s: damaged header", path) : rc;
}

static int look_at(int fd, uint64_t id, const char *path,
                   struct segment_look *look)
{
    uint8_t header[SEGMENT_HEADER_SIZE] = {0};
    struct stat st;
    if (fstat(fd, &st) < 0 || pread(fd, header, sizeof(header), 0) < 0) {
        return store_fail_errno(errno, "%s: cannot read", path);
    }
    *look = (struct segment_look){.size = (uint64_t)st.st_size};
    if (!header_whole(header)) {
        int rc = judge_bad_header(fd, path, look);
        return rc < 0 ? rc : 0;
    }
    if (get_le(header + 8, 4) != SEGMENT_VERSION) {
        return store_fail(STORE_VERSION, "%s: version %u, want %d", path,
                          (unsigned)get_le(header + 8, 4), SEGMENT_VERSION);
    }
    if (get_le(header + 16, 8) != id) {
        return store_fail(STORE_CORRUPT, "%s: is segment %" PRIu64, path,
                          get_le(header + 16, 8));
    }
    return find_end(fd, path, look);
}

int segment_file_look(const char *directory, uint64_t id,
                      struct segment_look *out)
{
    char path[SEGMENT_PATH_MAX];
    segment_path(directory, id, path);
    int fd = store_io.open(path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) {
        return store_fail_errno(errno, "%s: cannot open", path);
    }
    int rc = look_at(fd, id, path, out);
    close(fd);
    return rc;
}
