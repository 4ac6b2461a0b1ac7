#include "raft/core/tail.h"

#include "raft/core/memory.h"

#include <assert.h>
#include <string.h>

void tail_init(struct tail *tail, raft_index base_index, raft_term base_term)
{
    *tail = (struct tail){.base_index = base_index, .base_term = base_term};
}

void tail_release(struct tail *tail)
{
    free(tail->terms);
    free(tail->sizes);
    *tail = (struct tail){.base_index = 0};
}

/* Moves the records to the front of the arrays. */
static void slide(struct tail *tail)
{
    memmove(tail->terms, tail->terms + tail->start,
            tail->count * sizeof(*tail->terms));
    memmove(tail->sizes, tail->sizes + tail->start,
            tail->count * sizeof(*tail->sizes));
    tail->start = 0;
}

static void make_room(struct tail *tail)
{
    if (tail->start + tail->count < tail->capacity) {
        return;
    }
    /* Sliding is worth its copy only when it frees half of the array. */
    if (tail->start > tail->capacity / 2) {
        slide(tail);
        return;
    }
    tail->capacity = tail->capacity == 0 ? 64 : tail->capacity * 2;
    tail->terms = xrealloc(tail->terms, tail->capacity * sizeof(*tail->terms));
    tail->sizes = xrealloc(tail->sizes, tail->capacity * sizeof(*tail->sizes));
}

void tail_append(struct tail *tail, raft_term term, uint32_t size)
{
    assert(term > 0);
    assert(term >= tail_last_term(tail));
    make_room(tail);
    size_t at = tail->start + tail->count;
    tail->terms[at] = term;
    tail->sizes[at] = size;
    tail->bytes += size;
    tail->count++;
}

void tail_truncate(struct tail *tail, raft_index from)
{
    assert(from > tail->base_index);
    assert(from <= tail_last_index(tail));
    for (raft_index i = from; i <= tail_last_index(tail); i++) {
        tail->bytes -= tail_size(tail, i);
    }
    tail->count = (size_t)(from - tail->base_index - 1);
}

void tail_compact(struct tail *tail, raft_index upto)
{
    assert(upto >= tail->base_index);
    assert(upto <= tail_last_index(tail));
    raft_term term = tail_term(tail, upto);
    size_t gone = (size_t)(upto - tail->base_index);
    for (size_t i = 0; i < gone; i++) {
        tail->bytes -= tail->sizes[tail->start + i];
    }
    tail->start += gone;
    tail->count -= gone;
    tail->base_index = upto;
    tail->base_term = term;
    if (tail->count == 0) {
        tail->start = 0;
    }
}

raft_index tail_last_index(const struct tail *tail)
{
    return tail->base_index + tail->count;
}

raft_term tail_last_term(const struct tail *tail)
{
    return tail_term(tail, tail_last_index(tail));
}

raft_term tail_term(const struct tail *tail, raft_index index)
{
    if (index == tail->base_index) {
        return tail->base_term;
    }
    if (index < tail->base_index || index > tail_last_index(tail)) {
        return 0;
    }
    return tail->terms[tail->start + (size_t)(index - tail->base_index - 1)];
}

uint32_t tail_size(const struct tail *tail, raft_index index)
{
    if (index <= tail->base_index || index > tail_last_index(tail)) {
        return 0;
    }
    return tail->sizes[tail->start + (size_t)(index - tail->base_index - 1)];
}

raft_index tail_keeping(const struct tail *tail, uint64_t bytes_max)
{
    raft_index upto = tail->base_index;
    uint64_t left = tail->bytes;
    while (left > bytes_max) {
        upto++;
        left -= tail_size(tail, upto);
    }
    return upto;
}

raft_index tail_find(const struct tail *tail, raft_index index, raft_term term)
{
    if (index > tail_last_index(tail)) {
        index = tail_last_index(tail);
    }
    if (index <= tail->base_index) {
        return tail->base_index;
    }
    /* Terms do not decrease: the answer is the last record of a prefix. */
    raft_index low = tail->base_index;
    raft_index high = index;
    while (low < high) {
        raft_index middle = low + (high - low + 1) / 2;
        if (tail_term(tail, middle) <= term) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}
