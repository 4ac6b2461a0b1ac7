/* stream.h -- frames out of a stream of bytes.
 *
 * TCP gives bytes in pieces of its own choosing. A stream collects them in one
 * buffer, into which the socket reads directly, and gives each whole, checked
 * frame as a view into that buffer: nothing is copied, but for the beginning of
 * a frame whose end has not come yet.
 *
 * The buffer grows as bytes arrive, not because a header promises them, and
 * never beyond the largest frame allowed. So a length of 4 GiB costs nothing.
 *
 * Thread: loop. Memory: owns the buffer.
 */
#ifndef RAFT_UV_STREAM_H
#define RAFT_UV_STREAM_H

#include "raft/core/types.h"
#include "raft/wire/frame.h"

struct stream {
    uint8_t *data; /* owned */
    size_t capacity;
    size_t start, end; /* bytes that came and were not taken */
    size_t body_max;
};

/* Frames with a larger body are refused. */
void stream_init(struct stream *stream, size_t body_max);
void stream_release(struct stream *stream);
/* From now on; what is in the buffer already counts too. */
void stream_allow(struct stream *stream, size_t body_max);

/* Room to read into, never empty; then tell how much of it was filled. Ends the
 * life of all frames given before. */
uint8_t *stream_room(struct stream *stream, size_t *size);
void stream_filled(struct stream *stream, size_t size);

/* 1: a whole frame, good until the next stream_room(); 0: more bytes are
 * needed; -1: these bytes are no frames, *why (static) says so. */
int stream_take(struct stream *stream, struct frame_header *header,
                struct bytes *frame, const char **why);
/* Bytes that wait for the rest of their frame. */
size_t stream_size(const struct stream *stream);

#endif
