#include "raft/hull/dirty.h"

#include "raft/core/memory.h"

#include <assert.h>

enum { ASK_AGAIN_MAX = 32 }; /* records; more cost more than a read index */

void dirty_init(struct dirty *dirty, raft_index last)
{
    *dirty = (struct dirty){.booted = last};
}

static struct dirty_record *at(const struct dirty *dirty, size_t i)
{
    return &dirty->ring[(dirty->head + i) % dirty->capacity];
}

static void drop_first(struct dirty *dirty)
{
    record_unref(at(dirty, 0)->record);
    dirty->head = (dirty->head + 1) % dirty->capacity;
    dirty->count--;
}

void dirty_release(struct dirty *dirty)
{
    while (dirty->count > 0) {
        drop_first(dirty);
    }
    free(dirty->ring);
    *dirty = (struct dirty){0};
}

static void grow(struct dirty *dirty)
{
    size_t capacity = dirty->capacity == 0 ? 64 : dirty->capacity * 2;
    struct dirty_record *ring = xcalloc(capacity, sizeof(*ring));
    for (size_t i = 0; i < dirty->count; i++) {
        ring[i] = *at(dirty, i);
    }
    free(dirty->ring);
    dirty->ring = ring;
    dirty->head = 0;
    dirty->capacity = capacity;
}

static void ask(struct dirty_record *entry, const struct pilot *pilot,
                const struct record *record, raft_index applied)
{
    entry->asked = applied;
    entry->footprint = (struct footprint){0};
    if (pilot->footprint == NULL) {
        entry->footprint.all = true;
        return;
    }
    pilot->footprint(pilot->self, record, &entry->footprint);
    assert(entry->footprint.count <= FOOTPRINT_KEYS_MAX);
}

void dirty_add(struct dirty *dirty, const struct pilot *pilot,
               struct record *record, raft_index applied)
{
    if (dirty->count == dirty->capacity) {
        grow(dirty);
    }
    assert(dirty->count == 0 ||
           at(dirty, dirty->count - 1)->index + 1 == record->index);
    struct dirty_record *entry = at(dirty, dirty->count);
    dirty->count++;
    *entry = (struct dirty_record){.index = record->index};
    ask(entry, pilot, record, applied);
    if (entry->footprint.again) {
        entry->record = record_ref(record);
    }
}

void dirty_applied(struct dirty *dirty, raft_index applied)
{
    while (dirty->count > 0 && at(dirty, 0)->index <= applied) {
        drop_first(dirty);
    }
}

void dirty_truncate(struct dirty *dirty, raft_index from)
{
    while (dirty->count > 0 && at(dirty, dirty->count - 1)->index >= from) {
        record_unref(at(dirty, dirty->count - 1)->record);
        dirty->count--;
    }
    if (dirty->booted >= from) {
        dirty->booted = from - 1;
    }
}

static bool meets(const struct footprint *footprint, const uint64_t *keys,
                  size_t count)
{
    if (footprint->all) {
        return true;
    }
    for (uint32_t i = 0; i < footprint->count; i++) {
        for (size_t k = 0; k < count; k++) {
            if (footprint->keys[i] == keys[k]) {
                return true;
            }
        }
    }
    return false;
}

bool dirty_touches(struct dirty *dirty, const struct pilot *pilot,
                   raft_index applied, const uint64_t *keys, size_t count)
{
    if (applied < dirty->booted) {
        return true;
    }
    if (keys == NULL) {
        return dirty->count > 0;
    }
    unsigned asked = 0;
    for (size_t i = 0; i < dirty->count; i++) {
        struct dirty_record *entry = at(dirty, i);
        if (entry->record != NULL && entry->asked != applied) {
            asked++;
            if (asked > ASK_AGAIN_MAX) {
                return true;
            }
            ask(entry, pilot, entry->record, applied);
        }
        if (meets(&entry->footprint, keys, count)) {
            return true;
        }
    }
    return false;
}

raft_index dirty_last(const struct dirty *dirty, raft_index applied)
{
    raft_index last = dirty->booted > applied ? dirty->booted : applied;
    return dirty->count == 0 ? last : at(dirty, dirty->count - 1)->index;
}
