#include "raft/hull/hull_int.h"

/* --- on the node of the caller --- */

static void forward_one(struct hull *hull, struct waiter *waiter, node_id to)
{
    struct frame frame = frame_encode_forward(hull->self, to, waiter->record);
    hull->count.forwards_sent++;
    hull->count.forwards_resent += waiter->forwards > 0;
    waiter->forwards++;
    waiter->sent_to = to;
    waiter->sent_term = hull->term;
    waiter->retry_at = hull->now + hull->options.forward_retry_us;
    waiting_move(&hull->waiting, waiter, COMMAND_SENT);
    hull_send(hull, to, &frame);
}

void forward_flush(struct hull *hull)
{
    const struct waiter_list *sent = &hull->waiting.lists[COMMAND_SENT];
    struct waiter *waiter = waiting_head(&hull->waiting, COMMAND_QUEUED);
    while (waiter != NULL && hull->leader != 0 &&
           sent->bytes < FORWARD_WINDOW_BYTES) {
        assert(hull->leader != hull->self);
        waiter->bounces = 0;
        forward_one(hull, waiter, hull->leader);
        waiter = waiting_head(&hull->waiting, COMMAND_QUEUED);
    }
}

static void retries_of(struct hull *hull, enum waiter_state state)
{
    struct waiter *waiter = waiting_head(&hull->waiting, state);
    while (waiter != NULL && waiter->retry_at <= hull->now) {
        waiting_move(&hull->waiting, waiter, COMMAND_QUEUED);
        waiter = waiting_head(&hull->waiting, state);
    }
}

/* Back to the queue; the next flush sends to whoever leads then. */
void forward_retries(struct hull *hull)
{
    retries_of(hull, COMMAND_SENT);
    retries_of(hull, COMMAND_LOGGED);
}

static void requeue_older(struct hull *hull, enum waiter_state state)
{
    struct waiter *waiter = waiting_head(&hull->waiting, state);
    while (waiter != NULL) {
        struct waiter *next = waiter->next;
        if (waiter->sent_to != hull->leader ||
            waiter->sent_term != hull->term) {
            waiting_move(&hull->waiting, waiter, COMMAND_QUEUED);
        }
        waiter = next;
    }
}

/* A new leader may lack what was given to the old one; it knows what it has. */
void forward_leader_known(struct hull *hull)
{
    requeue_older(hull, COMMAND_SENT);
    requeue_older(hull, COMMAND_LOGGED);
}

void forward_again(struct hull *hull)
{
    static const enum waiter_state states[] = {COMMAND_SENT, COMMAND_LOGGED};
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        struct waiter *waiter = waiting_head(&hull->waiting, states[i]);
        while (waiter != NULL) {
            waiting_move(&hull->waiting, waiter, COMMAND_QUEUED);
            waiter = waiting_head(&hull->waiting, states[i]);
        }
    }
}

static void taken(struct hull *hull, struct waiter *waiter, node_id from,
                  const struct forward_reply *reply)
{
    waiter->exposed = true;
    /* From a leader of the past the answer says nothing of the present. */
    if (waiter->state != COMMAND_SENT || from != waiter->sent_to) {
        return;
    }
    waiter->index = reply->index;
    waiter->term = reply->term;
    waiter->retry_at = hull->now + (raft_time)hull->options.forward_retry_us *
                                       LOGGED_RETRY_FACTOR;
    waiting_move(&hull->waiting, waiter, COMMAND_LOGGED);
}

static void refused(struct hull *hull, struct waiter *waiter, node_id from,
                    const struct forward_reply *reply)
{
    /* Commands without identity can't be told apart: then the answer may be
     * about another one, and must not make this one "certainly not done". */
    bool has_identity = reply->session != 0 || reply->serial != 0;
    if (has_identity && waiter->refusals < waiter->forwards) {
        waiter->refusals++;
    }
    node_id hint = reply->leader;
    bool is_new = hint != from && hint != hull->self && hint != 0 &&
                  hull_is_member(hull, hint);
    if (waiter->state == COMMAND_SENT && from == waiter->sent_to && is_new &&
        reply->status == FORWARD_NOT_LEADER && waiter->bounces < BOUNCES_MAX) {
        waiter->bounces++;
        forward_one(hull, waiter, hint);
    }
    /* Else it stays SENT until its retry: no storm against a busy leader. */
}

void forward_reply_receive(struct hull *hull, node_id from, struct bytes body)
{
    struct forward_reply reply;
    if (frame_decode_forward_reply(body, &reply) < 0) {
        hull->count.frames_bad++;
        return;
    }
    struct waiter *waiter =
        waiting_find(&hull->waiting, reply.session, reply.serial);
    if (waiter == NULL) {
        return; /* it was answered, or gave up */
    }
    switch (reply.status) {
    case FORWARD_TAKEN:
        taken(hull, waiter, from, &reply);
        break;
    case FORWARD_NOT_LEADER:
    case FORWARD_BUSY:
        refused(hull, waiter, from, &reply);
        break;
    default:
        hull->count.frames_bad++;
        break;
    }
}

/* --- on the leader --- */

void forward_reply_send(struct hull *hull, node_id to,
                        const struct record *record, enum forward_status status,
                        raft_index index, raft_term term)
{
    const struct forward_reply reply = {
        .session = record->session,
        .serial = record->serial,
        .status = status,
        .index = index,
        .term = term,
        .leader = hull->faulted ? 0 : hull->leader,
    };
    struct frame frame = frame_encode_forward_reply(hull->self, to, &reply);
    hull_send(hull, to, &frame);
}

static bool is_acceptable(const struct record *record, node_id from)
{
    return record->origin == from &&
           (record->code == RECORD_COMMAND || record->code >= 128);
}

static void inbox_put(struct hull *hull, node_id from, struct record *record)
{
    struct inbox *inbox = &hull->inbox;
    if (inflight_get(&inbox->keys, record) != 0) {
        return; /* it is in the queue and will be answered once */
    }
    size_t size = record_size(record, true);
    if (inbox->count >= hull->options.waiting_max ||
        (inbox->count > 0 &&
         inbox->bytes + size > hull->options.unsent_bytes_max)) {
        forward_reply_send(hull, from, record, FORWARD_BUSY, 0, 0);
        return;
    }
    if (inbox->count == inbox->capacity) {
        inbox->capacity = inbox->capacity == 0 ? 64 : inbox->capacity * 2;
        inbox->list =
            xrealloc(inbox->list, inbox->capacity * sizeof(inbox->list[0]));
    }
    inbox->list[inbox->count] =
        (struct inbox_entry){.from = from, .record = record_ref(record)};
    inbox->count++;
    inbox->bytes += size;
    inflight_put(&inbox->keys, record, inbox->count);
}

void forward_receive(struct hull *hull, node_id from, struct bytes body)
{
    struct record *record = NULL;
    if (frame_decode_forward(body, &record) < 0) {
        hull->count.frames_bad++;
        return;
    }
    if (!is_acceptable(record, from)) {
        hull->count.frames_bad++;
    } else if (hull->role != RAFT_LEADER) {
        forward_reply_send(hull, from, record, FORWARD_NOT_LEADER, 0, 0);
    } else {
        /* It may have been stamped once in the log of its origin. */
        record->index = 0;
        record->term = 0;
        record->time_ns = 0;
        inbox_put(hull, from, record);
    }
    record_unref(record);
}
