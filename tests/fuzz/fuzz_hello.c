#include "raft/wire/frame.h"
#include "tests/fuzz/fuzz.h"

static void decode_ping(struct bytes body)
{
    struct ping ping;
    if (frame_decode_ping(body, &ping) == 0) {
        struct frame frame = frame_encode_ping(1, 2, &ping);
        must_be_same(body, frame_body((struct bytes){frame.data, frame.size}));
        frame_release(&frame);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes body = {data, size};
    struct hello hello;
    decode_ping(body);
    if (frame_decode_hello(body, &hello) < 0) {
        return 0;
    }
    struct frame frame = frame_encode_hello(FRAME_HELLO, 1, 2, &hello);
    must_be_same(body, frame_body((struct bytes){frame.data, frame.size}));
    frame_release(&frame);
    return 0;
}
