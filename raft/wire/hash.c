#include "raft/wire/hash.h"

#include <assert.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash64(struct bytes src, uint64_t seed)
{
    assert(src.data != NULL || src.size == 0);
    return XXH3_64bits_withSeed(src.data, src.size, seed);
}

void hash128(struct bytes src, uint64_t out[2])
{
    assert(src.data != NULL || src.size == 0);
    XXH128_hash_t hash = XXH3_128bits(src.data, src.size);
    out[0] = hash.low64;
    out[1] = hash.high64;
}
