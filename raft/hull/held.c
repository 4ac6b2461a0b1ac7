#include "raft/hull/held.h"

#include "raft/core/memory.h"

#include <assert.h>

#include <string.h>

static struct held_frame remove_at(struct held *held, size_t at)
{
    assert(at < held->count);
    struct held_frame out = held->list[at];
    held->count--;
    memmove(&held->list[at], &held->list[at + 1],
            (held->count - at) * sizeof(held->list[0]));
    return out;
}

void held_release(struct held *held)
{
    for (size_t i = 0; i < held->count; i++) {
        frame_release(&held->list[i].frame);
    }
    free(held->list);
    *held = (struct held){0};
}

void held_put(struct held *held, raft_token after, node_id to,
              struct frame frame)
{
    assert(after != 0);
    if (held->count == HELD_MAX) {
        struct held_frame oldest = remove_at(held, 0);
        frame_release(&oldest.frame);
    }
    if (held->count == held->capacity) {
        held->capacity = held->capacity == 0 ? 64 : held->capacity * 2;
        held->list =
            xrealloc(held->list, held->capacity * sizeof(held->list[0]));
    }
    held->list[held->count] =
        (struct held_frame){.after = after, .to = to, .frame = frame};
    held->count++;
}

bool held_take(struct held *held, raft_token durable, struct held_frame *out)
{
    for (size_t i = 0; i < held->count; i++) {
        if (held->list[i].after <= durable) {
            *out = remove_at(held, i);
            return true;
        }
    }
    return false;
}
