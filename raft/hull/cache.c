#include "raft/hull/cache.h"

#include "raft/core/memory.h"

#include <assert.h>

enum {
    CAPACITY_FIRST = 256,
    RECORD_OVERHEAD =
        128, /* struct, heap, slot: tiny records cost memory too */
};

static size_t cost(const struct record *record)
{
    return record_size(record, true) + RECORD_OVERHEAD;
}

static struct record **slot(const struct cache *cache, raft_index index)
{
    return &cache->ring[index & (cache->capacity - 1)];
}

void cache_init(struct cache *cache, size_t bytes_max)
{
    *cache = (struct cache){
        .ring = xcalloc(CAPACITY_FIRST, sizeof(struct record *)),
        .capacity = CAPACITY_FIRST,
        .bytes_max = bytes_max,
    };
}

void cache_release(struct cache *cache)
{
    cache_truncate(cache, cache->first);
    free(cache->ring);
    *cache = (struct cache){0};
}

static void drop(struct cache *cache, raft_index index)
{
    struct record **at = slot(cache, index);
    assert(*at != NULL);
    cache->bytes -= cost(*at);
    record_unref(*at);
    *at = NULL;
    cache->count--;
}

static void grow(struct cache *cache)
{
    struct cache wider = *cache;
    wider.capacity = cache->capacity * 2;
    wider.ring = xcalloc(wider.capacity, sizeof(struct record *));
    for (size_t i = 0; i < cache->count; i++) {
        *slot(&wider, cache->first + i) = *slot(cache, cache->first + i);
    }
    free(cache->ring);
    *cache = wider;
}

void cache_put(struct cache *cache, struct record *record)
{
    assert(record->index != 0);
    if (cache->count > 0 && record->index != cache->first + cache->count) {
        cache_truncate(cache, cache->first);
    }
    if (cache->count == 0) {
        cache->first = record->index;
    }
    if (cache->count == cache->capacity) {
        grow(cache);
    }
    *slot(cache, record->index) = record_ref(record);
    cache->count++;
    cache->bytes += cost(record);
    while (cache->count > 1 && cache->bytes > cache->bytes_max) {
        drop(cache, cache->first);
        cache->first++;
    }
}

struct record *cache_get(const struct cache *cache, raft_index index)
{
    if (cache->count == 0 || index < cache->first ||
        index >= cache->first + cache->count) {
        return NULL;
    }
    return *slot(cache, index);
}

void cache_truncate(struct cache *cache, raft_index from)
{
    while (cache->count > 0 && cache->first + cache->count > from) {
        drop(cache, cache->first + cache->count - 1);
    }
}

void cache_check(const struct cache *cache)
{
    size_t bytes = 0;
    for (size_t i = 0; i < cache->count; i++) {
        const struct record *record = *slot(cache, cache->first + i);
        assert(record != NULL);
        assert(record->index == cache->first + i);
        bytes += cost(record);
    }
    assert(bytes == cache->bytes);
    assert(cache->count <= 1 || bytes <= cache->bytes_max);
}
