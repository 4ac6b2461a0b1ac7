/* window.h -- the APPENDs that one peer has not acknowledged yet.
 *
 * Their number and bytes are bounded, so that a slow peer holds back only
 * itself. Memory: owns its ring, allocated once.
 */
#ifndef RAFT_CORE_WINDOW_H
#define RAFT_CORE_WINDOW_H

#include "raft/core/types.h"

struct flight {
    raft_index last; /* the newest record of the APPEND */
    uint32_t bytes;
};

struct window {
    struct flight *ring; /* owned */
    uint32_t head, count;
    uint32_t appends_max, bytes_max;
    uint64_t bytes;
};

void window_init(struct window *window, uint32_t appends_max,
                 uint32_t bytes_max);
void window_release(struct window *window);

/* Another APPEND may leave. */
bool window_open(const struct window *window);
/* An APPEND has left; its last record is newer than any before. */
void window_add(struct window *window, raft_index last, uint32_t bytes);
/* Everything up to match has arrived, no matter which answer said so. */
void window_free_to(struct window *window, raft_index match);
void window_clear(struct window *window);

#endif
