#include "raft/hull/hull_int.h"

#include <stdio.h>

void hull_options_default(struct hull_options *options)
{
    *options = (struct hull_options){
        .forward_retry_us = 300 * 1000,
        .read_retry_us = 200 * 1000,
        .waiting_max = 16384,
        .cache_bytes = 64u * 1024 * 1024,
        .unsent_bytes_max = 64u * 1024 * 1024,
        .log_trailing = 128 * 1024,
        .log_trailing_bytes = 256u * 1024 * 1024,
    };
    raft_options_default(&options->raft);
}

struct hull *hull_new(const struct hull_options *options,
                      const struct raft_boot *boot, uint64_t last_time_ns,
                      const struct pilot *pilot, const struct log_api *log)
{
    assert(options->raft.self != 0);
    struct hull *hull = xcalloc(1, sizeof(*hull));
    *hull = (struct hull){
        .options = *options,
        .pilot = pilot,
        .log = log,
        .raft = raft_new(&options->raft, boot),
        .self = options->raft.self,
        .now = boot->now,
        .role = RAFT_FOLLOWER,
        .term = boot->term,
        .commit = boot->applied,
        .applied = boot->applied,
        .tree_durable = boot->applied,
        .compacted = boot->base_index,
        .last_time_ns = last_time_ns,
    };
    cache_init(&hull->cache, options->cache_bytes);
    waiting_init(&hull->waiting, options->waiting_max);
    inflight_init(&hull->inflight);
    inbox_init(&hull->inbox);
    dirty_init(&hull->dirty, boot->base_index + boot->count);
    change_members(hull);
    struct raft_status status; /* the term may be that of a snapshot's tree */
    raft_get_status(hull->raft, hull->now, &status);
    hull->term = status.term;
    return hull;
}

static void stop_all(struct hull *hull)
{
    const struct hull_result none = {0};
    struct waiter *waiter = waiting_any(&hull->waiting);
    while (waiter != NULL) {
        hull_complete(hull, waiter, HULL_STOPPED, &none);
        waiter = waiting_any(&hull->waiting);
    }
}

void hull_free(struct hull *hull)
{
    if (hull == NULL) {
        return;
    }
    assert(!hull->busy);
    /* Nothing that the pilot does while it is told may be queued any more. */
    hull->faulted = true;
    stop_all(hull);
    waiting_release(&hull->waiting);
    inflight_release(&hull->inflight);
    inbox_release(&hull->inbox);
    held_release(&hull->held);
    dirty_release(&hull->dirty);
    cache_release(&hull->cache);
    for (size_t i = 0; i < hull->notice_count; i++) {
        free(hull->notices[i].data);
    }
    raft_effects_release(&hull->effects);
    raft_free(hull->raft);
    free(hull);
}

/* --- the work loop --- */

void hull_enter(struct hull *hull, raft_time now)
{
    assert(!hull->busy);
    hull->busy = true;
    if (now > hull->now) {
        hull->now = now;
    }
}

int hull_step(struct hull *hull, struct raft_event *event)
{
    assert(hull->busy);
    if (hull->faulted && event->type != RAFT_EVENT_FAULT) {
        return -1;
    }
    event->now = hull->now;
    int rc = raft_step(hull->raft, event, &hull->effects);
    if (rc == 0) {
        hull_perform(hull);
    }
    return rc;
}

/* At most one sync is under way; what is written meanwhile rides on the next.
 */
void hull_sync_start(struct hull *hull)
{
    assert(hull->busy);
    if (hull->faulted || hull->syncing != 0 || hull->written == hull->synced) {
        return;
    }
    hull->syncing = hull->written;
    hull->count.syncs++;
    hull->log->sync(hull->log->self, hull->syncing);
}

static void send_released(struct hull *hull)
{
    struct held_frame ready;
    while (held_take(&hull->held, hull->synced, &ready)) {
        hull_send(hull, ready.to, &ready.frame);
    }
}

static void durable_handle(struct hull *hull)
{
    hull->durable_came = false;
    hull->syncing = 0;
    if (hull->durable_status != 0) {
        hull_fail(hull, EVENT_SYNC_FAILED, 0, hull->durable_status);
        return;
    }
    assert(hull->durable_token > hull->synced);
    hull->synced = hull->durable_token;
    send_released(hull);
    struct raft_event event = {.type = RAFT_EVENT_DURABLE,
                               .token = hull->synced};
    hull_step(hull, &event);
    hull_sync_start(hull);
}

/* The core hears of the fault once; nothing that it may still want to write or
 * say leaves this node. */
static void fault_handle(struct hull *hull)
{
    hull->fault_told = true;
    node_id leader =
        hull->cannot.leader != 0 ? hull->cannot.leader : hull->leader;
    hull_note_send(hull, &hull->fault);
    struct raft_event event = {.type = RAFT_EVENT_FAULT};
    hull_step(hull, &event);
    held_release(&hull->held);
    inbox_refuse(hull, FORWARD_NOT_LEADER);
    cannot_say(hull, leader);
    stop_all(hull);
}

void hull_leave(struct hull *hull)
{
    assert(hull->busy);
    while (hull->durable_came && !hull->faulted) {
        durable_handle(hull);
    }
    hull_apply(hull);
    if (hull->faulted && !hull->fault_told) {
        fault_handle(hull);
    }
    hull->busy = false;
}

void hull_fail_text(struct hull *hull, enum hull_event code, raft_index index,
                    int error, const char *text)
{
    if (hull->faulted) {
        return; /* the first reason is the one that counts */
    }
    hull->faulted = true;
    hull->cannot.leader = hull->leader;
    hull->fault = (struct hull_note){
        .code = code, .term = hull->term, .index = index, .error = error};
    snprintf(hull->fault.text, sizeof(hull->fault.text), "%s", text);
}

void hull_fail(struct hull *hull, enum hull_event code, raft_index index,
               int error)
{
    char text[EVENT_TEXT_SIZE];
    int used = snprintf(text, sizeof(text), "%s", event_sentence(code));
    if (index != 0) {
        used += snprintf(text + used, sizeof(text) - (size_t)used,
                         ", record %llu", (unsigned long long)index);
    }
    if (error != 0) {
        snprintf(text + used, sizeof(text) - (size_t)used, ": %d", error);
    }
    hull_fail_text(hull, code, index, error, text);
}

void hull_note_send(struct hull *hull, const struct hull_note *note)
{
    hull->pilot->note(hull->pilot->self, note);
}

bool hull_is_member(const struct hull *hull, node_id id)
{
    for (uint32_t i = 0; i < hull->members.count; i++) {
        if (hull->members.list[i].id == id) {
            return true;
        }
    }
    return false;
}

void hull_send(struct hull *hull, node_id to, struct frame *frame)
{
    assert(to != hull->self);
    hull->pilot->send(hull->pilot->self, to, frame);
}

void hull_complete(struct hull *hull, struct waiter *waiter,
                   enum hull_outcome outcome, const struct hull_result *result)
{
    const struct pilot *pilot = hull->pilot;
    void *context = waiter->context;
    bool is_command = waiter_is_command(waiter);
    hull->settling -= waiter->settles;
    waiting_remove(&hull->waiting, waiter);
    if (context == NULL) {
        return;
    }
    if (is_command) {
        pilot->complete(pilot->self, context, outcome, result);
    } else {
        hull->count.reads_done += outcome == HULL_DONE;
        pilot->read_ready(pilot->self, context, outcome);
    }
}

/* --- events in --- */

static enum hull_outcome expired_outcome(const struct waiter *waiter)
{
    if (waiter_is_command(waiter) && waiter_certainly_not_done(waiter)) {
        return HULL_NOT_DONE;
    }
    return HULL_UNKNOWN;
}

static void expire(struct hull *hull)
{
    const struct hull_result none = {0};
    struct waiter *waiter = waiting_expired(&hull->waiting, hull->now);
    while (waiter != NULL) {
        hull_complete(hull, waiter, expired_outcome(waiter), &none);
        waiter = waiting_expired(&hull->waiting, hull->now);
    }
}

void hull_tick(struct hull *hull, raft_time now)
{
    if (hull->faulted) {
        return;
    }
    hull_enter(hull, now);
    if (hull->now >= raft_deadline(hull->raft)) {
        struct raft_event event = {.type = RAFT_EVENT_TIME};
        hull_step(hull, &event);
    }
    expire(hull);
    forward_retries(hull);
    hull_news(hull);
    hull_leave(hull);
}

void hull_flush(struct hull *hull, raft_time now)
{
    if (hull->faulted) {
        return;
    }
    hull_enter(hull, now);
    expire(hull); /* a command that is too late must not leave any more */
    notices_flush(hull);
    if (hull->role == RAFT_LEADER) {
        submit_flush(hull);
    } else {
        inbox_refuse(hull, FORWARD_NOT_LEADER);
        forward_flush(hull);
    }
    reads_flush(hull);
    hull_sync_start(hull);
    hull_leave(hull);
}

void hull_log_durable(struct hull *hull, raft_time now, raft_token token,
                      int status)
{
    assert(hull->syncing == token);
    assert(!hull->durable_came);
    hull->durable_came = true;
    hull->durable_token = token;
    hull->durable_status = status;
    if (!hull->busy && !hull->faulted) {
        hull_enter(hull, now);
        hull_leave(hull);
    }
}

void hull_tree_durable(struct hull *hull, raft_time now, raft_index index)
{
    assert(index <= hull->applied);
    if (hull->faulted || index < hull->tree_durable) {
        return;
    }
    hull_enter(hull, now);
    hull->tree_durable = index;
    struct raft_event event = {.type = RAFT_EVENT_APPLIED, .index = index};
    hull_step(hull, &event);
    hull_compact(hull);
    hull_leave(hull);
}

int hull_joined(struct hull *hull, raft_time now)
{
    if (hull->faulted) {
        return -1;
    }
    hull_enter(hull, now);
    struct raft_event event = {.type = RAFT_EVENT_JOINED};
    int rc = hull_step(hull, &event);
    hull_leave(hull);
    return rc;
}

void hull_hold(struct hull *hull, raft_index index)
{
    hull->hold = index;
}

void hull_set_full(struct hull *hull, bool full)
{
    hull->full = full;
}

int hull_set(struct hull *hull, raft_time now,
             const struct hull_settings *settings)
{
    if (hull->faulted) {
        return -1;
    }
    hull_enter(hull, now);
    struct raft_event event = {.type = RAFT_EVENT_SET,
                               .settings = settings->raft};
    int rc = hull_step(hull, &event);
    if (rc == 0) {
        hull->options.log_trailing = settings->log_trailing;
        hull->options.log_trailing_bytes = settings->log_trailing_bytes;
    }
    hull_leave(hull);
    return rc;
}

void hull_fault(struct hull *hull, raft_time now, const char *why)
{
    if (hull->faulted) {
        return;
    }
    hull_enter(hull, now);
    hull_fail_text(hull, EVENT_OUT_OF_SERVICE, hull->applied, 0, why);
    hull_leave(hull);
}

int hull_transfer(struct hull *hull, raft_time now, node_id target)
{
    if (hull->faulted) {
        return -1;
    }
    hull_enter(hull, now);
    struct raft_event event = {.type = RAFT_EVENT_TRANSFER, .target = target};
    int rc = hull_step(hull, &event);
    hull_leave(hull);
    return rc;
}
