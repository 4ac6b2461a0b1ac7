/* Bodies of the frames around the consensus: forwarded records, and what the
 * transport says about the link itself. */
#include "raft/wire/frame.h"

#include "raft/wire/cursor.h"

#include <assert.h>
#include <string.h>

static struct writer body_writer(struct frame *frame)
{
    return writer_init(frame->data + FRAME_HEADER_SIZE,
                       frame->size - FRAME_HEADER_SIZE);
}

static bool read_bool(struct reader *r)
{
    uint8_t byte = read_u8(r);
    if (byte > 1) {
        reader_fail(r);
    }
    return byte == 1;
}

struct frame frame_encode_forward(node_id from, node_id to,
                                  const struct record *record)
{
    struct frame frame = frame_new(record_size(record, true));
    record_encode(record, true, frame.data + FRAME_HEADER_SIZE);
    frame_seal(&frame, FRAME_FORWARD, 0, from, to);
    return frame;
}

int frame_decode_forward(struct bytes body, struct record **out)
{
    size_t used = 0;
    if (record_decode(body, true, out, &used) < 0) {
        return -1;
    }
    if (used != body.size) {
        record_unref(*out);
        *out = NULL;
        return -1;
    }
    return 0;
}

enum { FORWARD_REPLY_SIZE = 8 + 8 + 1 + 8 + 8 + 8 };

struct frame frame_encode_forward_reply(node_id from, node_id to,
                                        const struct forward_reply *reply)
{
    assert(reply->status > 0 && reply->status < FORWARD_STATUS_END);
    struct frame frame = frame_new(FORWARD_REPLY_SIZE);
    struct writer w = body_writer(&frame);
    write_u64(&w, reply->session);
    write_u64(&w, reply->serial);
    write_u8(&w, (uint8_t)reply->status);
    write_u64(&w, reply->index);
    write_u64(&w, reply->term);
    write_u64(&w, reply->leader);
    assert(writer_left(&w) == 0);
    frame_seal(&frame, FRAME_FORWARD_REPLY, 0, from, to);
    return frame;
}

int frame_decode_forward_reply(struct bytes body, struct forward_reply *out)
{
    struct reader r = reader_init(body);
    out->session = read_u64(&r);
    out->serial = read_u64(&r);
    uint8_t status = read_u8(&r);
    out->index = read_u64(&r);
    out->term = read_u64(&r);
    out->leader = read_u64(&r);
    if (status == 0 || status >= FORWARD_STATUS_END) {
        return -1;
    }
    out->status = (enum forward_status)status;
    return reader_done(&r) ? 0 : -1;
}

enum { CANNOT_SYNC_FIXED_SIZE = 8 + 8 + 4 + 1 };

struct frame frame_encode_cannot_sync(node_id from, node_id to,
                                      const struct cannot_sync *what)
{
    size_t size = strnlen(what->code, sizeof(what->code) - 1);
    struct frame frame = frame_new(CANNOT_SYNC_FIXED_SIZE + size);
    struct writer w = body_writer(&frame);
    write_u64(&w, what->index);
    write_u64(&w, what->term);
    write_u32(&w, (uint32_t)what->error);
    write_u8(&w, (uint8_t)size);
    write_bytes(&w, (struct bytes){what->code, size});
    assert(writer_left(&w) == 0);
    frame_seal(&frame, FRAME_CANNOT_SYNC, 0, from, to);
    return frame;
}

static bool is_code(struct bytes text)
{
    const char *at = text.data;
    for (size_t i = 0; i < text.size; i++) {
        if (at[i] != '-' && (at[i] < 'a' || at[i] > 'z')) {
            return false;
        }
    }
    return text.size > 0;
}

int frame_decode_cannot_sync(struct bytes body, struct cannot_sync *out)
{
    struct reader r = reader_init(body);
    *out = (struct cannot_sync){.index = read_u64(&r), .term = 0};
    out->term = read_u64(&r);
    out->error = (int32_t)read_u32(&r);
    uint8_t size = read_u8(&r);
    struct bytes text = read_bytes(&r, size);
    if (!reader_done(&r) || size >= sizeof(out->code) || !is_code(text)) {
        return -1;
    }
    memcpy(out->code, text.data, size);
    return 0;
}

enum { HELLO_FIXED_SIZE = 4 + 8 + 8 + 8 + 4 + 1 + 8 + 2 + 8 + 1 + 4 };

struct frame frame_encode_hello(uint16_t kind, node_id from, node_id to,
                                const struct hello *hello)
{
    assert(kind == FRAME_HELLO || kind == FRAME_HELLO_REPLY);
    size_t length = strnlen(hello->name, sizeof(hello->name));
    assert(length < sizeof(hello->name));
    size_t address = strnlen(hello->address, sizeof(hello->address));
    assert(address < sizeof(hello->address));
    struct frame frame = frame_new(HELLO_FIXED_SIZE + length + address);
    struct writer w = body_writer(&frame);
    write_u32(&w, hello->protocol);
    write_u64(&w, hello->cluster_id);
    write_u64(&w, hello->node);
    write_u64(&w, hello->boot);
    write_u32(&w, hello->status);
    write_u8(&w, (uint8_t)length);
    write_bytes(&w, (struct bytes){hello->name, length});
    write_u64(&w, hello->config);
    write_u16(&w, (uint16_t)address);
    write_bytes(&w, (struct bytes){hello->address, address});
    write_u64(&w, hello->disk);
    write_u8(&w, hello->rejoined ? 1 : 0);
    write_u32(&w, hello->lease_us);
    assert(writer_left(&w) == 0);
    frame_seal(&frame, kind, 0, from, to);
    return frame;
}

/* It is printed, in logs and on terminals, before the sender is known to be one
 * of us: nothing but what can be seen. */
static bool is_printable(struct bytes text)
{
    const uint8_t *at = text.data;
    for (size_t i = 0; i < text.size; i++) {
        if (at[i] <= ' ' || at[i] >= 0x7f) {
            return false;
        }
    }
    return true;
}

int frame_decode_hello(struct bytes body, struct hello *out)
{
    struct reader r = reader_init(body);
    *out = (struct hello){.protocol = read_u32(&r)};
    out->cluster_id = read_u64(&r);
    out->node = read_u64(&r);
    out->boot = read_u64(&r);
    out->status = read_u32(&r);
    struct bytes name = read_bytes(&r, read_u8(&r));
    out->config = read_u64(&r);
    struct bytes address = read_bytes(&r, read_u16(&r));
    out->disk = read_u64(&r);
    uint8_t rejoined = read_u8(&r);
    out->rejoined = rejoined != 0;
    out->lease_us = read_u32(&r);
    if (!reader_done(&r) || out->status >= HELLO_REFUSALS_END || rejoined > 1 ||
        name.size >= sizeof(out->name) || !is_printable(name) ||
        address.size >= sizeof(out->address) || !is_printable(address)) {
        return -1;
    }
    memcpy(out->name, name.data, name.size);
    memcpy(out->address, address.data, address.size);
    return 0;
}

enum { PING_ROW_SIZE = 8 + 1 + 1 };

struct frame frame_encode_ping(node_id from, node_id to,
                               const struct ping *ping)
{
    assert(ping->count <= RAFT_PEERS_MAX);
    struct frame frame = frame_new(4 + ping->count * PING_ROW_SIZE);
    struct writer w = body_writer(&frame);
    write_u32(&w, ping->count);
    for (uint32_t i = 0; i < ping->count; i++) {
        write_u64(&w, ping->rows[i].node);
        write_u8(&w, ping->rows[i].hears ? 1 : 0);
        write_u8(&w, ping->rows[i].heard_by ? 1 : 0);
    }
    assert(writer_left(&w) == 0);
    frame_seal(&frame, FRAME_PING, 0, from, to);
    return frame;
}

int frame_decode_ping(struct bytes body, struct ping *out)
{
    struct reader r = reader_init(body);
    *out = (struct ping){.count = read_u32(&r)};
    if (out->count > RAFT_PEERS_MAX) {
        return -1;
    }
    for (uint32_t i = 0; i < out->count; i++) {
        out->rows[i].node = read_u64(&r);
        out->rows[i].hears = read_bool(&r);
        out->rows[i].heard_by = read_bool(&r);
    }
    return reader_done(&r) ? 0 : -1;
}
