#include "raft/hull/inflight.h"

#include "raft/core/memory.h"

#include <assert.h>
#include "raft/wire/hash.h"

struct key {
    uint64_t origin, session, serial, body;
};

struct inflight_entry {
    struct inflight_entry *next;
    struct key key;
    raft_index index;
};

static struct key key_of(const struct record *record)
{
    return (struct key){
        .origin = record->origin,
        .session = record->session,
        .serial = record->serial,
        .body = hash64(record->body, record->payload_size),
    };
}

static bool key_equal(const struct key *a, const struct key *b)
{
    return a->origin == b->origin && a->session == b->session &&
           a->serial == b->serial && a->body == b->body;
}

static bool has_identity(const struct record *record)
{
    return record->session != 0 || record->serial != 0;
}

/* Where the entry hangs, or where it would. */
static struct inflight_entry **find(const struct inflight *inflight,
                                    const struct key *key)
{
    uint64_t hash = hash64((struct bytes){key, sizeof(*key)}, 0);
    struct inflight_entry **at =
        &inflight->buckets[hash & (INFLIGHT_BUCKETS - 1)];
    while (*at != NULL && !key_equal(&(*at)->key, key)) {
        at = &(*at)->next;
    }
    return at;
}

void inflight_init(struct inflight *inflight)
{
    *inflight = (struct inflight){
        .buckets = xcalloc(INFLIGHT_BUCKETS, sizeof(struct inflight_entry *))};
}

void inflight_release(struct inflight *inflight)
{
    for (size_t i = 0; i < INFLIGHT_BUCKETS; i++) {
        while (inflight->buckets[i] != NULL) {
            struct inflight_entry *entry = inflight->buckets[i];
            inflight->buckets[i] = entry->next;
            free(entry);
        }
    }
    free(inflight->buckets);
    *inflight = (struct inflight){0};
}

void inflight_put(struct inflight *inflight, const struct record *record,
                  raft_index index)
{
    assert(index != 0);
    if (!has_identity(record)) {
        return;
    }
    struct key key = key_of(record);
    struct inflight_entry **at = find(inflight, &key);
    if (*at == NULL) {
        if (inflight->count == INFLIGHT_MAX) {
            return;
        }
        *at = xcalloc(1, sizeof(**at));
        (*at)->key = key;
        inflight->count++;
    }
    (*at)->index = index;
}

raft_index inflight_get(const struct inflight *inflight,
                        const struct record *record)
{
    if (!has_identity(record)) {
        return 0;
    }
    struct key key = key_of(record);
    const struct inflight_entry *entry = *find(inflight, &key);
    return entry == NULL ? 0 : entry->index;
}

void inflight_remove(struct inflight *inflight, const struct record *record,
                     raft_index index)
{
    if (!has_identity(record)) {
        return;
    }
    struct key key = key_of(record);
    struct inflight_entry **at = find(inflight, &key);
    struct inflight_entry *entry = *at;
    if (entry != NULL && entry->index == index) {
        *at = entry->next;
        free(entry);
        inflight->count--;
    }
}
