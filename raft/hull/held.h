/* held.h -- frames that must not leave before the log has made a write durable.
 *
 * Votes and acknowledgements wait here. The store is bounded: when it is full
 * the oldest frame is dropped, as a network may do; whoever waits asks again.
 *
 * Thread: loop. Memory: owns the frames.
 */
#ifndef RAFT_HULL_HELD_H
#define RAFT_HULL_HELD_H

#include "raft/core/types.h"
#include "raft/wire/frame.h"

enum { HELD_MAX = 4096 }; /* minutes of acknowledgements behind a stuck disk */

struct held_frame {
    raft_token after;
    node_id to;
    struct frame frame;
};

struct held {
    struct held_frame *list; /* owned; in order of arrival */
    size_t count, capacity;
};

void held_release(struct held *held);
/* Takes the frame. */
void held_put(struct held *held, raft_token after, node_id to,
              struct frame frame);
/* Gives the oldest frame that may go once `durable` is; false: none. The caller
 * owns *out. */
bool held_take(struct held *held, raft_token durable, struct held_frame *out);

#endif
