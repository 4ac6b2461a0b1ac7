#include "store/segment_int.h"

#include "store/error.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

static int read_at(int fd, uint64_t segment, uint64_t position, void *out,
                   size_t size)
{
    uint8_t *to = out;
    while (size > 0) {
        ssize_t n = pread(fd, to, size, (off_t)position);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return store_fail_errno(errno, "segment %" PRIu64 ": cannot read",
                                    segment);
        }
        if (n == 0) {
            return store_fail(STORE_CORRUPT,
                              "segment %" PRIu64 ": ends before %" PRIu64,
                              segment, position + size);
        }
        to += n;
        position += (uint64_t)n;
        size -= (size_t)n;
    }
    return 0;
}

int segments_read(struct segments *segments, struct place place, uint64_t skip,
                  void *out, size_t size)
{
    int fd = -1;
    int rc = segments_get(segments, place.segment, &fd);
    if (rc < 0) {
        return rc;
    }
    rc = read_at(fd, place.segment, place.position + skip, out, size);
    segments_put(segments, place.segment);
    return rc;
}

static int read_record(int fd, struct place place, void *out, size_t size)
{
    uint8_t raw[SEGMENT_RECORD_HEADER];
    struct segment_record record;
    int rc = read_at(fd, place.segment, place.position - sizeof(raw), raw,
                     sizeof(raw));
    if (rc < 0) {
        return rc;
    }
    if (!segment_record_decode(raw, &record) || record.size != size) {
        return store_fail(STORE_CORRUPT,
                          "segment %" PRIu64 ": no record of %zu bytes at "
                          "%" PRIu64,
                          place.segment, size, place.position);
    }
    rc = read_at(fd, place.segment, place.position, out, size);
    if (rc == 0 && store_hash64((struct view){out, size}, 0) != record.hash) {
        rc = store_fail(STORE_CORRUPT,
                        "segment %" PRIu64 ": checksum of the record at "
                        "%" PRIu64,
                        place.segment, place.position);
    }
    return rc;
}

int segments_read_checked(struct segments *segments, struct place place,
                          void *out, size_t size)
{
    int fd = -1;
    if (place.position < SEGMENT_HEADER_SIZE + SEGMENT_RECORD_HEADER) {
        return store_fail(STORE_CORRUPT,
                          "segment %" PRIu64 ": no record at %" PRIu64,
                          place.segment, place.position);
    }
    int rc = segments_get(segments, place.segment, &fd);
    if (rc < 0) {
        return rc;
    }
    rc = read_record(fd, place, out, size);
    segments_put(segments, place.segment);
    return rc;
}
