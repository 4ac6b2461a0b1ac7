/* outbox.h -- frames on their way into one connection.
 *
 * A frame is written at once when the socket takes it: no other step lies
 * between a caller and the network. What does not fit waits in a queue, bounded
 * in bytes, of which many frames leave in one write.
 *
 * Thread: loop. Memory: takes frames. The outbox must live until the stream's
 * close callback: a write under way uses it.
 */
#ifndef RAFT_UV_OUTBOX_H
#define RAFT_UV_OUTBOX_H

#include "raft/wire/frame.h"

#include <uv.h>

struct outbox_item;

struct outbox {
    uv_stream_t *stream;
    uv_write_t write;
    struct outbox_item *first, *last; /* owned; waiting */
    struct outbox_item *flying;       /* owned; being written */
    size_t size, size_max;            /* bytes of both */
    uint64_t count;                   /* frames of both */
    void (*failed)(void *arg, int status);
    void *arg;
};

/* failed: the connection is of no use any more; may come from within a send. */
void outbox_init(struct outbox *outbox, uv_stream_t *stream, size_t size_max,
                 void (*failed)(void *arg, int status), void *arg);
/* Only when no write is under way any more. */
void outbox_release(struct outbox *outbox);

/* Takes the frame. False: the queue is full, the frame is gone. */
bool outbox_send(struct outbox *outbox, struct frame *frame);
/* Takes the frame. Goes before all that waits, and always finds room: for the
 * small frames that tell how the link is. */
void outbox_send_first(struct outbox *outbox, struct frame *frame);

#endif
