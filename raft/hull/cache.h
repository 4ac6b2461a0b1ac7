/* cache.h -- the newest records of the log, by index.
 *
 * Sending and applying happen moments after appending; the cache saves them the
 * log read. It holds one unbroken run of indexes that ends at the log's last
 * record and forgets the oldest when its bytes exceed the limit.
 *
 * Thread: loop. Memory: holds one reference of each record.
 */
#ifndef RAFT_HULL_CACHE_H
#define RAFT_HULL_CACHE_H

#include "raft/core/types.h"
#include "raft/wire/record.h"

struct cache {
    struct record **ring; /* owned; slot of index i is i & (capacity - 1) */
    size_t capacity;      /* power of two */
    size_t count;
    raft_index first; /* of the run; meaningless when count is 0 */
    size_t bytes, bytes_max;
};

void cache_init(struct cache *cache, size_t bytes_max);
void cache_release(struct cache *cache);
/* Takes a reference of its own. An index that does not follow the last one
 * starts a new run. */
void cache_put(struct cache *cache, struct record *record);
/* Borrowed, NULL: not here. */
struct record *cache_get(const struct cache *cache, raft_index index);
/* Forgets `from` and all after it. */
void cache_truncate(struct cache *cache, raft_index from);
void cache_check(const struct cache *cache);

#endif
