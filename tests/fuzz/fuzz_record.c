#include "raft/wire/hash.h"
#include "raft/wire/record.h"
#include "tests/fuzz/fuzz.h"

static void decode(struct bytes src, bool with_payload)
{
    struct record *record;
    size_t used = 0;
    if (record_decode(src, with_payload, &record, &used) < 0) {
        return;
    }
    must(used <= src.size);
    must(used == record_size(record, with_payload));
    uint8_t *again = malloc(used);
    must(again != NULL);
    record_encode(record, with_payload, again);
    must_be_same((struct bytes){src.data, used}, (struct bytes){again, used});
    free(again);
    record_unref(record);
}

static void put_u64(uint8_t *at, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

/* A fuzzer does not find checksums: the header's is made right, as somebody who
 * means harm would. */
static void decode_with_right_checksum(struct bytes src)
{
    enum { SUM_AT = RECORD_HEADER_SIZE - 8, BODY_SIZE_AT = 56 };
    if (src.size < RECORD_HEADER_SIZE) {
        return;
    }
    uint8_t *copy = malloc(src.size);
    must(copy != NULL);
    memcpy(copy, src.data, src.size);
    size_t body_size = copy[BODY_SIZE_AT] | (size_t)copy[BODY_SIZE_AT + 1] << 8;
    if (body_size > src.size - RECORD_HEADER_SIZE) {
        body_size = src.size - RECORD_HEADER_SIZE;
    }
    uint64_t seed = hash64((struct bytes){copy, SUM_AT}, 0);
    struct bytes body = {copy + RECORD_HEADER_SIZE, body_size};
    put_u64(copy + SUM_AT, hash64(body, seed));
    decode((struct bytes){copy, src.size}, false);
    decode((struct bytes){copy, src.size}, true);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes src = {data, size};
    decode(src, true);
    decode(src, false);
    decode_with_right_checksum(src);
    return 0;
}
