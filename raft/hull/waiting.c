#include "raft/hull/waiting.h"

#include "raft/core/memory.h"

#include <assert.h>
#include "raft/wire/hash.h"

#include <string.h>

void waiting_init(struct waiting *waiting, size_t count_max)
{
    assert(count_max > 0);
    *waiting = (struct waiting){.count_max = count_max, .buckets = 64};
    while (waiting->buckets < count_max) {
        waiting->buckets *= 2;
    }
    waiting->by_context = xcalloc(waiting->buckets, sizeof(struct waiter *));
    waiting->by_key = xcalloc(waiting->buckets, sizeof(struct waiter *));
}

void waiting_release(struct waiting *waiting)
{
    assert(waiting->count == 0);
    free(waiting->heap);
    free(waiting->by_context);
    free(waiting->by_key);
    *waiting = (struct waiting){0};
}

bool waiting_full(const struct waiting *waiting)
{
    return waiting->count >= waiting->count_max;
}

bool waiter_is_command(const struct waiter *waiter)
{
    return waiter->state <= COMMAND_LOGGED;
}

bool waiter_certainly_not_done(const struct waiter *waiter)
{
    return !waiter->exposed && waiter->forwards == waiter->refusals;
}

/* --- lists --- */

static size_t record_bytes(const struct waiter *waiter)
{
    return waiter->record == NULL ? 0 : record_size(waiter->record, true);
}

static void list_append(struct waiter_list *list, struct waiter *waiter)
{
    waiter->next = NULL;
    waiter->prev = list->tail;
    if (list->tail != NULL) {
        list->tail->next = waiter;
    } else {
        list->head = waiter;
    }
    list->tail = waiter;
    list->count++;
    list->bytes += record_bytes(waiter);
}

static void list_unlink(struct waiter_list *list, struct waiter *waiter)
{
    if (waiter->prev != NULL) {
        waiter->prev->next = waiter->next;
    } else {
        assert(list->head == waiter);
        list->head = waiter->next;
    }
    if (waiter->next != NULL) {
        waiter->next->prev = waiter->prev;
    } else {
        assert(list->tail == waiter);
        list->tail = waiter->prev;
    }
    list->count--;
    list->bytes -= record_bytes(waiter);
}

/* --- heap: the earliest deadline is at 0 --- */

static void heap_set(struct waiting *waiting, size_t at, struct waiter *waiter)
{
    waiting->heap[at] = waiter;
    waiter->heap_at = at;
}

static void heap_up(struct waiting *waiting, size_t at)
{
    struct waiter *waiter = waiting->heap[at];
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (waiting->heap[parent]->deadline <= waiter->deadline) {
            break;
        }
        heap_set(waiting, at, waiting->heap[parent]);
        at = parent;
    }
    heap_set(waiting, at, waiter);
}

static void heap_down(struct waiting *waiting, size_t at)
{
    struct waiter *waiter = waiting->heap[at];
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= waiting->heap_count) {
            break;
        }
        if (child + 1 < waiting->heap_count &&
            waiting->heap[child + 1]->deadline <
                waiting->heap[child]->deadline) {
            child++;
        }
        if (waiting->heap[child]->deadline >= waiter->deadline) {
            break;
        }
        heap_set(waiting, at, waiting->heap[child]);
        at = child;
    }
    heap_set(waiting, at, waiter);
}

static void heap_add(struct waiting *waiting, struct waiter *waiter)
{
    if (waiting->heap_count == waiting->heap_capacity) {
        waiting->heap_capacity =
            waiting->heap_capacity == 0 ? 64 : waiting->heap_capacity * 2;
        waiting->heap = xrealloc(waiting->heap, waiting->heap_capacity *
                                                    sizeof(struct waiter *));
    }
    waiting->heap_count++;
    heap_set(waiting, waiting->heap_count - 1, waiter);
    heap_up(waiting, waiting->heap_count - 1);
}

static void heap_remove(struct waiting *waiting, struct waiter *waiter)
{
    size_t at = waiter->heap_at;
    assert(waiting->heap[at] == waiter);
    waiting->heap_count--;
    if (at == waiting->heap_count) {
        return;
    }
    heap_set(waiting, at, waiting->heap[waiting->heap_count]);
    heap_up(waiting, at);
    heap_down(waiting, waiting->heap[at]->heap_at);
}

/* --- hash tables --- */

static struct waiter **context_bucket(const struct waiting *waiting,
                                      const void *context)
{
    uint64_t hash = hash64((struct bytes){&context, sizeof(context)}, 0);
    return &waiting->by_context[hash & (waiting->buckets - 1)];
}

static struct waiter **key_bucket(const struct waiting *waiting,
                                  uint64_t session, uint64_t serial)
{
    uint64_t key[2] = {session, serial};
    uint64_t hash = hash64((struct bytes){key, sizeof(key)}, 0);
    return &waiting->by_key[hash & (waiting->buckets - 1)];
}

static void context_unlink(struct waiting *waiting, struct waiter *waiter)
{
    struct waiter **at = context_bucket(waiting, waiter->context);
    while (*at != waiter) {
        assert(*at != NULL);
        at = &(*at)->next_context;
    }
    *at = waiter->next_context;
}

static void key_unlink(struct waiting *waiting, struct waiter *waiter)
{
    struct waiter **at =
        key_bucket(waiting, waiter->record->session, waiter->record->serial);
    while (*at != waiter) {
        assert(*at != NULL);
        at = &(*at)->next_key;
    }
    *at = waiter->next_key;
}

/* --- waiters --- */

static struct waiter *add(struct waiting *waiting, enum waiter_state state,
                          struct record *record, raft_time deadline,
                          void *context)
{
    assert(!waiting_full(waiting));
    struct waiter *waiter = xcalloc(1, sizeof(*waiter));
    *waiter = (struct waiter){
        .state = state,
        .record = record,
        .context = context,
        .deadline = context == NULL ? UINT64_MAX : deadline,
    };
    waiting->count++;
    list_append(&waiting->lists[state], waiter);
    if (context != NULL) {
        struct waiter **at = context_bucket(waiting, context);
        waiter->next_context = *at;
        *at = waiter;
        heap_add(waiting, waiter);
    }
    return waiter;
}

struct waiter *waiting_add_command(struct waiting *waiting,
                                   struct record *record, raft_time deadline,
                                   void *context)
{
    struct waiter *waiter =
        add(waiting, COMMAND_QUEUED, record, deadline, context);
    struct waiter **at = key_bucket(waiting, record->session, record->serial);
    waiter->next_key = *at;
    *at = waiter;
    return waiter;
}

struct waiter *waiting_add_read(struct waiting *waiting, raft_time deadline,
                                void *context)
{
    assert(context != NULL);
    return add(waiting, READ_QUEUED, NULL, deadline, context);
}

void waiting_move(struct waiting *waiting, struct waiter *waiter,
                  enum waiter_state state)
{
    assert(waiter_is_command(waiter) == (state <= COMMAND_LOGGED));
    list_unlink(&waiting->lists[waiter->state], waiter);
    waiter->state = state;
    list_append(&waiting->lists[state], waiter);
}

void waiting_remove(struct waiting *waiting, struct waiter *waiter)
{
    assert(waiting->count > 0);
    waiting->count--;
    list_unlink(&waiting->lists[waiter->state], waiter);
    if (waiter->context != NULL) {
        context_unlink(waiting, waiter);
        heap_remove(waiting, waiter);
    }
    if (waiter->record != NULL) {
        key_unlink(waiting, waiter);
        record_unref(waiter->record);
    }
    free(waiter);
}

struct waiter *waiting_head(const struct waiting *waiting,
                            enum waiter_state state)
{
    return waiting->lists[state].head;
}

struct waiter *waiting_any(const struct waiting *waiting)
{
    for (int state = 0; state < WAITER_STATES; state++) {
        if (waiting->lists[state].head != NULL) {
            return waiting->lists[state].head;
        }
    }
    return NULL;
}

static bool same_command(const struct record *a, const struct record *b)
{
    return a->session == b->session && a->serial == b->serial &&
           a->code == b->code && a->payload_size == b->payload_size &&
           a->payload_hash[0] == b->payload_hash[0] &&
           a->payload_hash[1] == b->payload_hash[1] &&
           a->body.size == b->body.size &&
           (a->body.size == 0 ||
            memcmp(a->body.data, b->body.data, a->body.size) == 0);
}

struct waiter *waiting_match(const struct waiting *waiting,
                             const struct record *record)
{
    struct waiter *waiter =
        *key_bucket(waiting, record->session, record->serial);
    while (waiter != NULL && !same_command(waiter->record, record)) {
        waiter = waiter->next_key;
    }
    return waiter;
}

struct waiter *waiting_find(const struct waiting *waiting, uint64_t session,
                            uint64_t serial)
{
    struct waiter *waiter = *key_bucket(waiting, session, serial);
    while (waiter != NULL && (waiter->record->session != session ||
                              waiter->record->serial != serial)) {
        waiter = waiter->next_key;
    }
    return waiter;
}

struct waiter *waiting_find_context(const struct waiting *waiting,
                                    const void *context)
{
    struct waiter *waiter = *context_bucket(waiting, context);
    while (waiter != NULL && waiter->context != context) {
        waiter = waiter->next_context;
    }
    return waiter;
}

struct waiter *waiting_expired(const struct waiting *waiting, raft_time now)
{
    if (waiting->heap_count == 0 || waiting->heap[0]->deadline > now) {
        return NULL;
    }
    return waiting->heap[0];
}

raft_time waiting_deadline(const struct waiting *waiting)
{
    return waiting->heap_count == 0 ? UINT64_MAX : waiting->heap[0]->deadline;
}

size_t waiting_commands(const struct waiting *waiting)
{
    return waiting->lists[COMMAND_QUEUED].count +
           waiting->lists[COMMAND_SENT].count +
           waiting->lists[COMMAND_LOGGED].count;
}

size_t waiting_reads(const struct waiting *waiting)
{
    return waiting->count - waiting_commands(waiting);
}

size_t waiting_bytes(const struct waiting *waiting)
{
    return waiting->lists[COMMAND_QUEUED].bytes +
           waiting->lists[COMMAND_SENT].bytes +
           waiting->lists[COMMAND_LOGGED].bytes;
}

void waiting_check(const struct waiting *waiting)
{
    size_t count = 0, contexts = 0;
    for (int state = 0; state < WAITER_STATES; state++) {
        raft_time retry_at = 0;
        uint64_t since = 0;
        for (const struct waiter *w = waiting->lists[state].head; w != NULL;
             w = w->next) {
            assert((int)w->state == state);
            assert((w->record != NULL) == (state <= COMMAND_LOGGED));
            assert(w->refusals <= w->forwards);
            if (state == COMMAND_SENT || state == COMMAND_LOGGED) {
                assert(w->retry_at >= retry_at);
                retry_at = w->retry_at;
            }
            if (state == READ_ASKED) {
                assert(w->since >= since);
                since = w->since;
            }
            contexts += w->context != NULL;
            count++;
        }
    }
    assert(count == waiting->count);
    assert(count <= waiting->count_max);
    assert(contexts == waiting->heap_count);
    for (size_t i = 0; i < waiting->heap_count; i++) {
        assert(waiting->heap[i]->heap_at == i);
        assert(waiting->heap[(i == 0 ? 0 : i - 1) / 2]->deadline <=
               waiting->heap[i]->deadline);
    }
}
