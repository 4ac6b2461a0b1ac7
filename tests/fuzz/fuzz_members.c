#include "raft/wire/members.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct raft_members members;
    struct raft_change change;
    struct bytes src = {data, size};
    uint64_t request;
    enum raft_change_result result;
    frame_decode_change(src, &request, &change);
    frame_decode_change_reply(src, &request, &result);
    if (members_decode(src, &members) < 0) {
        return 0;
    }
    must(members_size(&members) == size);
    uint8_t *again = malloc(size);
    must(again != NULL);
    members_encode(&members, again);
    must_be_same(src, (struct bytes){again, size});
    free(again);
    return 0;
}
