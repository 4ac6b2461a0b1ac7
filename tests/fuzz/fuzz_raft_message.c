#include "raft/wire/frame.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct raft_message message;
    struct record **records;
    struct bytes body = {data, size};
    if (frame_decode_raft(body, &message, &records) < 0) {
        must(records == NULL);
        return 0;
    }
    must((records != NULL) == (message.count > 0));
    struct frame frame = frame_encode_raft(&message, records);
    must_be_same(body, frame_body((struct bytes){frame.data, frame.size}));
    frame_release(&frame);
    frame_records_free(records, message.count);
    return 0;
}
