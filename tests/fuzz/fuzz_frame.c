/* The envelope, and, with the checksum made right, every body behind it. */
#include "raft/wire/frame.h"
#include "tests/fuzz/fuzz.h"

static void decode_body(uint16_t kind, struct bytes body)
{
    struct forward_reply reply;
    struct cannot_sync cannot;
    struct ping ping;
    struct hello hello;
    struct raft_message message;
    struct record *record, **records;
    switch (kind) {
    case FRAME_RAFT:
        if (frame_decode_raft(body, &message, &records) == 0) {
            frame_records_free(records, message.count);
        }
        break;
    case FRAME_FORWARD:
        if (frame_decode_forward(body, &record) == 0) {
            record_unref(record);
        }
        break;
    case FRAME_FORWARD_REPLY:
        frame_decode_forward_reply(body, &reply);
        break;
    case FRAME_CANNOT_SYNC:
        frame_decode_cannot_sync(body, &cannot);
        break;
    case FRAME_HELLO:
    case FRAME_HELLO_REPLY:
        frame_decode_hello(body, &hello);
        break;
    case FRAME_PING:
        frame_decode_ping(body, &ping);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes whole = {data, size};
    struct frame_header header;
    const char *why = NULL;
    int got = frame_header_decode(whole, &header, &why);
    must(got != -1 || why != NULL);
    if (got != 1) {
        must(!frame_ok(whole));
        return 0;
    }
    struct bytes body = frame_body(whole);
    if (body.size > FRAME_BODY_MAX) {
        return 0;
    }
    decode_body(header.kind, body);
    struct frame again = frame_new(body.size);
    if (body.size > 0) {
        memcpy(again.data + FRAME_HEADER_SIZE, body.data, body.size);
    }
    frame_seal(&again, header.kind, header.flags, header.from, header.to);
    must(frame_ok((struct bytes){again.data, again.size}));
    if (frame_ok(whole)) {
        must_be_same(whole, (struct bytes){again.data, again.size});
    }
    frame_release(&again);
    return 0;
}
