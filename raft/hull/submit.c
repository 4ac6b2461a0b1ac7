#include "raft/hull/hull_int.h"

#include <string.h>

/* --- what callers ask for --- */

int hull_submit(struct hull *hull, raft_time now, struct record *record,
                raft_time deadline, void *caller_context)
{
    (void)now;
    assert(record->index == 0);
    if (hull->faulted || waiting_full(&hull->waiting)) {
        return -1;
    }
    /* All that waits counts, not only what is unsent: it is held in memory
     * until it is applied. */
    size_t bytes = waiting_bytes(&hull->waiting);
    if (bytes > 0 &&
        bytes + record_size(record, true) > hull->options.unsent_bytes_max) {
        return -1;
    }
    waiting_add_command(&hull->waiting, record, deadline, caller_context);
    return 0;
}

bool hull_cancel(struct hull *hull, void *caller_context)
{
    assert(caller_context != NULL);
    const struct hull_result none = {0};
    struct waiter *waiter =
        waiting_find_context(&hull->waiting, caller_context);
    if (waiter == NULL) {
        return false;
    }
    hull_complete(hull, waiter, HULL_CANCELLED, &none);
    return true;
}

bool hull_notice(struct hull *hull, struct bytes body)
{
    if (hull->faulted || hull->leader == 0 ||
        hull->notice_count == NOTICES_MAX || body.size > FRAME_BODY_MAX) {
        return false;
    }
    struct notice *notice = &hull->notices[hull->notice_count];
    notice->data = xmalloc(body.size);
    notice->size = body.size;
    if (body.size > 0) {
        memcpy(notice->data, body.data, body.size);
    }
    hull->notice_count++;
    return true;
}

static void notice_deliver(struct hull *hull, const struct notice *notice)
{
    if (hull->role == RAFT_LEADER) {
        hull->pilot->notice(hull->pilot->self, hull->self,
                            (struct bytes){notice->data, notice->size});
    } else if (hull->leader != 0) {
        struct frame frame = frame_new(notice->size);
        if (notice->size > 0) {
            memcpy(frame.data + FRAME_HEADER_SIZE, notice->data, notice->size);
        }
        frame_seal(&frame, FRAME_NOTICE, 0, hull->self, hull->leader);
        hull_send(hull, hull->leader, &frame);
    }
}

/* What a pilot adds while it is told stays for the next turn. */
void notices_flush(struct hull *hull)
{
    size_t count = hull->notice_count;
    for (size_t i = 0; i < count; i++) {
        notice_deliver(hull, &hull->notices[i]);
        free(hull->notices[i].data);
    }
    hull->notice_count -= count;
    memmove(hull->notices, hull->notices + count,
            hull->notice_count * sizeof(hull->notices[0]));
}

/* --- what other nodes forward --- */

void inbox_init(struct inbox *inbox)
{
    *inbox = (struct inbox){0};
    inflight_init(&inbox->keys);
}

static void inbox_clear(struct inbox *inbox)
{
    for (size_t i = 0; i < inbox->count; i++) {
        inflight_remove(&inbox->keys, inbox->list[i].record, i + 1);
        record_unref(inbox->list[i].record);
    }
    assert(inbox->keys.count == 0);
    inbox->count = 0;
    inbox->bytes = 0;
}

void inbox_release(struct inbox *inbox)
{
    inbox_clear(inbox);
    inflight_release(&inbox->keys);
    free(inbox->list);
}

void inbox_refuse(struct hull *hull, enum forward_status status)
{
    for (size_t i = 0; i < hull->inbox.count; i++) {
        const struct inbox_entry *entry = &hull->inbox.list[i];
        forward_reply_send(hull, entry->from, entry->record, status, 0, 0);
    }
    inbox_clear(&hull->inbox);
}

/* --- the leader's batch --- */

/* One log write in the making: whose record stands where. */
struct batch {
    struct record *records[SUBMIT_BATCH]; /* borrowed from waiter or inbox */
    uint32_t sizes[SUBMIT_BATCH];
    struct waiter *waiters[SUBMIT_BATCH]; /* NULL: forwarded */
    node_id from[SUBMIT_BATCH];
    uint32_t count;
};

static void logged(struct hull *hull, struct waiter *waiter, raft_index index,
                   raft_term term)
{
    waiter->exposed = true;
    waiter->index = index;
    waiter->term = term;
    waiter->sent_to = hull->self;
    waiter->sent_term = hull->term;
    waiter->retry_at = hull->now + (raft_time)hull->options.forward_retry_us *
                                       LOGGED_RETRY_FACTOR;
    waiting_move(&hull->waiting, waiter, COMMAND_LOGGED);
}

/* Where the waiter's command stands in our log already; 0: nowhere. */
static raft_index find_logged(struct hull *hull, const struct waiter *waiter)
{
    if (waiter->index > hull->applied &&
        raft_term_at(hull->raft, waiter->index) == waiter->term) {
        return waiter->index;
    }
    return inflight_get(&hull->inflight, waiter->record);
}

/* A record is shared with log and cache once it is stamped, and must never
 * change again: what goes into the log anew is a copy. */
static void make_stampable(struct waiter *waiter)
{
    struct record *old = waiter->record;
    if (old->index == 0) {
        return;
    }
    assert(old->payload_size == 0 || old->payload.data != NULL);
    struct record *copy = record_new(old->code, old->body, old->payload);
    copy->origin = old->origin;
    copy->session = old->session;
    copy->serial = old->serial;
    waiter->record = copy;
    record_unref(old);
}

static void batch_add(struct batch *batch, struct record *record,
                      struct waiter *waiter, node_id from)
{
    uint32_t at = batch->count;
    assert(at < SUBMIT_BATCH);
    batch->records[at] = record;
    batch->sizes[at] = (uint32_t)record_size(record, true);
    batch->waiters[at] = waiter;
    batch->from[at] = from;
    batch->count++;
}

static void batch_add_own(struct hull *hull, struct batch *batch)
{
    struct waiter *waiter = waiting_head(&hull->waiting, COMMAND_QUEUED);
    while (waiter != NULL && batch->count < SUBMIT_BATCH) {
        struct waiter *next = waiter->next;
        raft_index index = find_logged(hull, waiter);
        if (index != 0) {
            logged(hull, waiter, index, raft_term_at(hull->raft, index));
        } else {
            make_stampable(waiter);
            batch_add(batch, waiter->record, waiter, hull->self);
        }
        waiter = next;
    }
}

/* From `*at` on, which moves behind the last one looked at. */
static void batch_add_inbox(struct hull *hull, struct batch *batch, size_t *at)
{
    while (*at < hull->inbox.count && batch->count < SUBMIT_BATCH) {
        const struct inbox_entry *entry = &hull->inbox.list[*at];
        raft_index index = inflight_get(&hull->inflight, entry->record);
        if (index != 0) {
            forward_reply_send(hull, entry->from, entry->record, FORWARD_TAKEN,
                               index, raft_term_at(hull->raft, index));
        } else {
            batch_add(batch, entry->record, NULL, entry->from);
        }
        (*at)++;
    }
}

static int batch_submit(struct hull *hull, struct batch *batch)
{
    struct raft_event event = {.type = RAFT_EVENT_SUBMIT,
                               .sizes = batch->sizes,
                               .count = batch->count};
    hull->batch = batch->records;
    hull->batch_count = batch->count;
    int rc = hull_step(hull, &event);
    hull->batch = NULL;
    hull->batch_count = 0;
    return rc;
}

static void batch_taken(struct hull *hull, struct batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct record *record = batch->records[i];
        if (batch->waiters[i] != NULL) {
            logged(hull, batch->waiters[i], record->index, record->term);
        } else {
            forward_reply_send(hull, batch->from[i], record, FORWARD_TAKEN,
                               record->index, record->term);
        }
    }
}

/* The origins try again; our own commands stay in the queue. */
static void batch_refused(struct hull *hull, struct batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        if (batch->waiters[i] == NULL) {
            forward_reply_send(hull, batch->from[i], batch->records[i],
                               FORWARD_BUSY, 0, 0);
        }
    }
    hull->submit_retry_at = hull->now + REFUSED_RETRY_US;
}

void submit_flush(struct hull *hull)
{
    if (hull->submit_retry_at > hull->now) {
        inbox_refuse(hull, FORWARD_BUSY);
        return;
    }
    hull->submit_retry_at = 0;
    if (hull->inbox.count == 0 &&
        waiting_head(&hull->waiting, COMMAND_QUEUED) == NULL) {
        return;
    }
    struct batch *batch = xmalloc(sizeof(*batch));
    size_t inbox_at = 0;
    for (;;) {
        batch->count = 0;
        batch_add_own(hull, batch);
        batch_add_inbox(hull, batch, &inbox_at);
        if (batch->count == 0) {
            break;
        }
        if (batch_submit(hull, batch) < 0) {
            batch_refused(hull, batch);
            break;
        }
        if (hull->faulted) {
            break; /* it may be in the log: no answer is the right one */
        }
        batch_taken(hull, batch);
    }
    free(batch);
    /* What is left behind inbox_at was not looked at; the others are told. */
    for (size_t i = inbox_at; !hull->faulted && i < hull->inbox.count; i++) {
        forward_reply_send(hull, hull->inbox.list[i].from,
                           hull->inbox.list[i].record, FORWARD_BUSY, 0, 0);
    }
    inbox_clear(&hull->inbox);
}

/* Its place in our log is gone: the command has to be submitted again. */
void submit_superseded(struct hull *hull, const struct record *record)
{
    if (record->origin != hull->self) {
        return;
    }
    struct waiter *waiter = waiting_match(&hull->waiting, record);
    if (waiter != NULL && waiter->state == COMMAND_LOGGED &&
        waiter->index == record->index && waiter->term == record->term) {
        waiting_move(&hull->waiting, waiter, COMMAND_QUEUED);
    }
}
