#include "raft/core/writes.h"

#include "raft/core/memory.h"

#include <assert.h>

void writes_init(struct writes *writes, raft_index durable_index)
{
    *writes = (struct writes){.durable_index = durable_index};
}

void writes_release(struct writes *writes)
{
    free(writes->ring);
    *writes = (struct writes){.ring = NULL};
}

static struct write *at(const struct writes *writes, size_t i)
{
    return &writes->ring[(writes->head + i) % writes->capacity];
}

static void grow(struct writes *writes)
{
    size_t capacity = writes->capacity == 0 ? 16 : writes->capacity * 2;
    struct write *ring = xmalloc(capacity * sizeof(*ring));
    for (size_t i = 0; i < writes->count; i++) {
        ring[i] = *at(writes, i);
    }
    free(writes->ring);
    writes->ring = ring;
    writes->head = 0;
    writes->capacity = capacity;
}

raft_token writes_next(struct writes *writes)
{
    writes->issued++;
    return writes->issued;
}

raft_token writes_append(struct writes *writes, raft_index last)
{
    assert(last > writes->durable_index);
    if (writes->count == writes->capacity) {
        grow(writes);
    }
    raft_token token = writes_next(writes);
    writes->count++;
    *at(writes, writes->count - 1) = (struct write){token, last};
    return token;
}

raft_token writes_truncate(struct writes *writes, raft_index from)
{
    assert(from > 0);
    raft_index last = from - 1;
    if (writes->durable_index > last) {
        writes->durable_index = last;
    }
    for (size_t i = 0; i < writes->count; i++) {
        if (at(writes, i)->last > last) {
            at(writes, i)->last = last;
        }
    }
    return writes_next(writes);
}

void writes_reset(struct writes *writes, raft_index index, bool all)
{
    if (all || writes->durable_index < index) {
        writes->durable_index = index;
    }
    for (size_t i = 0; i < writes->count; i++) {
        if (all || at(writes, i)->last < index) {
            at(writes, i)->last = index;
        }
    }
}

void writes_done(struct writes *writes, raft_token token)
{
    assert(token <= writes->issued);
    if (token <= writes->durable) {
        return;
    }
    writes->durable = token;
    while (writes->count > 0 && at(writes, 0)->token <= token) {
        if (at(writes, 0)->last > writes->durable_index) {
            writes->durable_index = at(writes, 0)->last;
        }
        writes->head = (writes->head + 1) % writes->capacity;
        writes->count--;
    }
}

raft_token writes_covering(const struct writes *writes, raft_index index)
{
    if (index <= writes->durable_index) {
        return 0;
    }
    /* `last` does not decrease along the ring. */
    size_t low = 0;
    size_t high = writes->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (at(writes, middle)->last >= index) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    assert(low < writes->count);
    return at(writes, low)->token;
}
