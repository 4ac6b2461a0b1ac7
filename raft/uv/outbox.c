#include "raft/uv/outbox.h"

#include "raft/core/memory.h"

#include <assert.h>
#include <stdlib.h>

struct outbox_item {
    struct frame frame; /* owned */
    size_t sent;        /* bytes of it that have left */
    struct outbox_item *next;
};

enum {
    /* Of one write: enough to make calls rare, little enough that a ping does
     * not wait long behind them. */
    GATHER_FRAMES = 64,
    GATHER_BYTES = 1024 * 1024,
};

void outbox_init(struct outbox *outbox, uv_stream_t *stream, size_t size_max,
                 void (*failed)(void *arg, int status), void *arg)
{
    *outbox = (struct outbox){
        .stream = stream, .size_max = size_max, .failed = failed, .arg = arg};
    outbox->write.data = outbox;
}

static void free_items(struct outbox *outbox, struct outbox_item *item)
{
    while (item != NULL) {
        struct outbox_item *next = item->next;
        assert(outbox->size >= item->frame.size && outbox->count > 0);
        outbox->size -= item->frame.size;
        outbox->count--;
        frame_release(&item->frame);
        free(item);
        item = next;
    }
}

void outbox_release(struct outbox *outbox)
{
    assert(outbox->flying == NULL);
    free_items(outbox, outbox->first);
    outbox->first = outbox->last = NULL;
    assert(outbox->size == 0 && outbox->count == 0);
}

static void write_waiting(struct outbox *outbox);

static void on_written(uv_write_t *write, int status)
{
    struct outbox *outbox = write->data;
    free_items(outbox, outbox->flying);
    outbox->flying = NULL;
    if (status == UV_ECANCELED) {
        return; /* the connection is being closed, by its owner */
    }
    if (status < 0) {
        outbox->failed(outbox->arg, status);
        return;
    }
    write_waiting(outbox);
}

/* Moves the front of the queue to `flying` and starts to write it. */
static void write_waiting(struct outbox *outbox)
{
    uv_buf_t bufs[GATHER_FRAMES];
    unsigned count = 0;
    size_t size = 0;
    struct outbox_item *last = NULL;

    assert(outbox->flying == NULL);
    for (struct outbox_item *item = outbox->first;
         item != NULL && count < GATHER_FRAMES && size < GATHER_BYTES;
         item = item->next) {
        assert(item->sent < item->frame.size);
        bufs[count].base = (char *)item->frame.data + item->sent;
        bufs[count].len = item->frame.size - item->sent;
        size += bufs[count].len;
        count++;
        last = item;
    }
    if (count == 0) {
        return;
    }
    outbox->flying = outbox->first;
    outbox->first = last->next;
    last->next = NULL;
    if (outbox->first == NULL) {
        outbox->last = NULL;
    }
    int rc = uv_write(&outbox->write, outbox->stream, bufs, count, on_written);
    if (rc < 0) {
        free_items(outbox, outbox->flying);
        outbox->flying = NULL;
        outbox->failed(outbox->arg, rc);
    }
}

static struct outbox_item *item_new(struct outbox *outbox, struct frame *frame,
                                    size_t sent)
{
    struct outbox_item *item = xmalloc(sizeof(*item));
    *item = (struct outbox_item){.frame = *frame, .sent = sent};
    *frame = (struct frame){.data = NULL};
    outbox->size += item->frame.size;
    outbox->count++;
    return item;
}

/* Writes what the socket takes at once; true when nothing is left to do: the
 * frame has left, or the connection has failed. */
static bool write_now(struct outbox *outbox, struct frame *frame, size_t *sent)
{
    *sent = 0;
    if (outbox->flying != NULL || outbox->first != NULL) {
        return false;
    }
    uv_buf_t buf = {.base = (char *)frame->data, .len = frame->size};
    int rc = uv_try_write(outbox->stream, &buf, 1);
    if (rc == UV_EAGAIN) {
        return false;
    }
    if (rc < 0) {
        frame_release(frame);
        outbox->failed(outbox->arg, rc);
        return true;
    }
    *sent = (size_t)rc;
    if (*sent == frame->size) {
        frame_release(frame);
        return true;
    }
    return false;
}

bool outbox_send(struct outbox *outbox, struct frame *frame)
{
    size_t sent;
    if (outbox->size + frame->size > outbox->size_max) {
        frame_release(frame);
        return false;
    }
    if (write_now(outbox, frame, &sent)) {
        return true;
    }
    struct outbox_item *item = item_new(outbox, frame, sent);
    if (outbox->last != NULL) {
        outbox->last->next = item;
    } else {
        outbox->first = item;
    }
    outbox->last = item;
    if (outbox->flying == NULL) {
        write_waiting(outbox);
    }
    return true;
}

void outbox_send_first(struct outbox *outbox, struct frame *frame)
{
    size_t sent;
    if (write_now(outbox, frame, &sent)) {
        return;
    }
    struct outbox_item *item = item_new(outbox, frame, sent);
    item->next = outbox->first;
    outbox->first = item;
    if (outbox->last == NULL) {
        outbox->last = item;
    }
    if (outbox->flying == NULL) {
        write_waiting(outbox);
    }
}
