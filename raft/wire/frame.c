#include "raft/wire/frame.h"

#include "raft/wire/cursor.h"
#include "raft/wire/hash.h"

#include <assert.h>
#include <stdlib.h>

enum {
    FRAME_MAGIC = 0x31534652, /* "RFS1" */
    CHECKSUM_AT = FRAME_HEADER_SIZE - 8,
};

static_assert(RECORD_SIZE_MAX + 1024 <= FRAME_BODY_MAX,
              "the largest record travels in one frame");

static int not_a_frame(const char **why, const char *what)
{
    *why = what;
    return -1;
}

int frame_header_decode(struct bytes src, struct frame_header *out,
                        const char **why)
{
    if (src.size < FRAME_HEADER_SIZE) {
        return 0;
    }
    struct reader r = reader_init(src);
    uint32_t magic = read_u32(&r);
    uint16_t version = read_u16(&r);
    out->kind = read_u16(&r);
    out->body_size = read_u32(&r);
    out->flags = read_u32(&r);
    out->from = read_u64(&r);
    out->to = read_u64(&r);
    out->checksum = read_u64(&r);
    assert(reader_ok(&r));
    if (magic != FRAME_MAGIC) {
        return not_a_frame(why, "this is not the protocol of raftfs");
    }
    if (version != FRAME_VERSION) {
        return not_a_frame(why, "another version of the protocol");
    }
    if (out->kind == 0 || out->kind >= FRAME_KINDS_END) {
        return not_a_frame(why, "unknown kind of frame");
    }
    if (out->body_size > FRAME_BODY_MAX) {
        return not_a_frame(why, "frame is too large");
    }
    return 1;
}

static uint64_t checksum(struct bytes whole)
{
    struct bytes front = {.data = whole.data, .size = CHECKSUM_AT};
    return hash64(frame_body(whole), hash64(front, 0));
}

bool frame_ok(struct bytes whole)
{
    struct frame_header header;
    const char *why;
    if (frame_header_decode(whole, &header, &why) != 1) {
        return false;
    }
    return whole.size - FRAME_HEADER_SIZE == header.body_size &&
           checksum(whole) == header.checksum;
}

struct bytes frame_body(struct bytes whole)
{
    assert(whole.size >= FRAME_HEADER_SIZE);
    return (struct bytes){
        .data = (const uint8_t *)whole.data + FRAME_HEADER_SIZE,
        .size = whole.size - FRAME_HEADER_SIZE,
    };
}

struct frame frame_new(size_t body_size)
{
    assert(body_size <= FRAME_BODY_MAX);
    size_t size = FRAME_HEADER_SIZE + body_size;
    struct frame frame = {.data = malloc(size), .size = size};
    if (frame.data == NULL) {
        abort(); /* Raft survives a stopped node */
    }
    return frame;
}

void frame_seal(struct frame *frame, uint16_t kind, uint32_t flags,
                node_id from, node_id to)
{
    assert(kind != 0 && kind < FRAME_KINDS_END);
    assert(frame->size >= FRAME_HEADER_SIZE);
    struct writer w = writer_init(frame->data, FRAME_HEADER_SIZE);
    write_u32(&w, FRAME_MAGIC);
    write_u16(&w, FRAME_VERSION);
    write_u16(&w, kind);
    write_u32(&w, (uint32_t)(frame->size - FRAME_HEADER_SIZE));
    write_u32(&w, flags);
    write_u64(&w, from);
    write_u64(&w, to);
    write_u64(&w, checksum((struct bytes){frame->data, frame->size}));
    assert(writer_left(&w) == 0);
}

void frame_release(struct frame *frame)
{
    free(frame->data);
    *frame = (struct frame){.data = NULL};
}
