/* hash.h -- XXH3 for raft/: frames and records 64 bit, payloads 128 bit.
 *
 * The only file of raft/ that knows xxhash, and it compiles it in
 * (XXH_INLINE_ALL), so that raft/{core,wire,hull} link against the C library
 * alone.
 */
#ifndef RAFT_WIRE_HASH_H
#define RAFT_WIRE_HASH_H

#include "raft/core/types.h"

uint64_t hash64(struct bytes src, uint64_t seed);
void hash128(struct bytes src, uint64_t out[2]); /* low, high */

#endif
