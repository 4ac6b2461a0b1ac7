#include "raft/uv/stream.h"

#include "raft/core/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* Small while the other side is unknown, see limits in transport_int.h; a
     * known one soon grows its buffer to what it sends. */
    CAPACITY_FIRST = 2 * 1024,
    CAPACITY_SECOND = 64 * 1024,
};

void stream_init(struct stream *stream, size_t body_max)
{
    *stream = (struct stream){.data = NULL};
    stream_allow(stream, body_max);
}

void stream_release(struct stream *stream)
{
    free(stream->data);
    *stream = (struct stream){.data = NULL};
}

void stream_allow(struct stream *stream, size_t body_max)
{
    assert(body_max <= FRAME_BODY_MAX);
    stream->body_max = body_max;
}

/* Twice the largest frame: then a whole one always fits, and behind it the
 * beginning of the next. */
static size_t capacity_max(const struct stream *stream)
{
    return 2 * (FRAME_HEADER_SIZE + stream->body_max);
}

static size_t grown(const struct stream *stream)
{
    if (stream->capacity == 0) {
        return CAPACITY_FIRST;
    }
    size_t capacity = 2 * stream->capacity;
    if (capacity < CAPACITY_SECOND) {
        capacity = CAPACITY_SECOND;
    }
    size_t most = capacity_max(stream);
    return capacity < most ? capacity : most;
}

uint8_t *stream_room(struct stream *stream, size_t *size)
{
    size_t kept = stream_size(stream);
    if (stream->start > 0) {
        memmove(stream->data, stream->data + stream->start, kept);
        stream->start = 0;
        stream->end = kept;
    }
    /* A quarter at least, or the rest of a frame would come in crumbs. */
    if (stream->capacity - stream->end <= stream->capacity / 4 &&
        stream->capacity < capacity_max(stream)) {
        stream->capacity = grown(stream);
        stream->data = xrealloc(stream->data, stream->capacity);
    }
    assert(stream->end < stream->capacity);
    *size = stream->capacity - stream->end;
    return stream->data + stream->end;
}

void stream_filled(struct stream *stream, size_t size)
{
    assert(size <= stream->capacity - stream->end);
    stream->end += size;
}

int stream_take(struct stream *stream, struct frame_header *header,
                struct bytes *frame, const char **why)
{
    struct bytes left = {stream->data + stream->start, stream_size(stream)};
    int rc = frame_header_decode(left, header, why);
    if (rc <= 0) {
        return rc;
    }
    if (header->body_size > stream->body_max) {
        *why = "frame is too large";
        return -1;
    }
    size_t whole = FRAME_HEADER_SIZE + (size_t)header->body_size;
    if (left.size < whole) {
        return 0;
    }
    *frame = (struct bytes){left.data, whole};
    if (!frame_ok(*frame)) {
        *why = "frame has a wrong checksum";
        return -1;
    }
    stream->start += whole;
    return 1;
}

size_t stream_size(const struct stream *stream)
{
    assert(stream->start <= stream->end);
    return stream->end - stream->start;
}
