#include "raft/core/window.h"

#include "raft/core/memory.h"

#include <assert.h>

void window_init(struct window *window, uint32_t appends_max,
                 uint32_t bytes_max)
{
    assert(appends_max > 0);
    assert(bytes_max > 0);
    *window = (struct window){
        .ring = xcalloc(appends_max, sizeof(struct flight)),
        .appends_max = appends_max,
        .bytes_max = bytes_max,
    };
}

void window_release(struct window *window)
{
    free(window->ring);
    *window = (struct window){.ring = NULL};
}

bool window_open(const struct window *window)
{
    return window->count < window->appends_max &&
           window->bytes < window->bytes_max;
}

void window_add(struct window *window, raft_index last, uint32_t bytes)
{
    assert(window_open(window));
    uint32_t at = (window->head + window->count) % window->appends_max;
    window->ring[at] = (struct flight){.last = last, .bytes = bytes};
    window->count++;
    window->bytes += bytes;
}

void window_free_to(struct window *window, raft_index match)
{
    while (window->count > 0 && window->ring[window->head].last <= match) {
        window->bytes -= window->ring[window->head].bytes;
        window->head = (window->head + 1) % window->appends_max;
        window->count--;
    }
}

void window_clear(struct window *window)
{
    window->head = 0;
    window->count = 0;
    window->bytes = 0;
}
