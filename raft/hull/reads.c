#include "raft/hull/hull_int.h"

/* Reads are asked for in rounds: one read index serves all that had come before
 * its round began, whichever attempt brings it. So an answer to round r is good
 * for every read whose first round is r or earlier. */

int hull_read(struct hull *hull, raft_time now, raft_time deadline,
              void *caller_context)
{
    if (hull->faulted || waiting_full(&hull->waiting)) {
        return -1;
    }
    struct waiter *waiter =
        waiting_add_read(&hull->waiting, deadline, caller_context);
    if (hull->options.raft.lease_ask && raft_may_read(hull->raft, now)) {
        waiter->settles = true;
        waiter->settled = dirty_last(&hull->dirty, hull->applied);
        hull->settling++;
    }
    return 0;
}

bool hull_read_now(struct hull *hull, raft_time now, const uint64_t *keys,
                   size_t count)
{
    if (hull->faulted || !hull->options.raft.lease_ask ||
        !raft_may_read(hull->raft, now) ||
        dirty_touches(&hull->dirty, hull->pilot, hull->applied, keys, count)) {
        return false;
    }
    hull->count.reads_now++;
    return true;
}

static bool round_is_due(const struct hull *hull)
{
    if (waiting_head(&hull->waiting, READ_ASKED) != NULL &&
        hull->now >= hull->read_retry_at) {
        return true;
    }
    return waiting_head(&hull->waiting, READ_QUEUED) != NULL &&
           hull->round - hull->round_answered < ROUNDS_MAX;
}

void reads_flush(struct hull *hull)
{
    if (!round_is_due(hull)) {
        return;
    }
    hull->round++;
    hull->read_retry_at = hull->now + hull->options.read_retry_us;
    struct waiter *waiter = waiting_head(&hull->waiting, READ_QUEUED);
    while (waiter != NULL) {
        waiter->since = hull->round;
        waiting_move(&hull->waiting, waiter, READ_ASKED);
        waiter = waiting_head(&hull->waiting, READ_QUEUED);
    }
    struct raft_event event = {.type = RAFT_EVENT_READ, .read_id = hull->round};
    hull_step(hull, &event);
}

void reads_answered(struct hull *hull, uint64_t round, raft_index index)
{
    assert(round <= hull->round);
    if (round > hull->round_answered) {
        hull->round_answered = round;
    }
    /* Answers may come out of order. The list is served from its head, so an
     * index never falls below the one before it. */
    const struct waiter *tail = hull->waiting.lists[READ_ANSWERED].tail;
    if (tail != NULL && tail->index > index) {
        index = tail->index;
    }
    struct waiter *waiter = waiting_head(&hull->waiting, READ_ASKED);
    while (waiter != NULL && waiter->since <= round) {
        waiter->index = index;
        waiting_move(&hull->waiting, waiter, READ_ANSWERED);
        waiter = waiting_head(&hull->waiting, READ_ASKED);
    }
}

/* Not here, not now: soon again, but not in a hot loop. */
void reads_failed(struct hull *hull, uint64_t round)
{
    if (round > hull->round_answered) {
        hull->round_answered = round;
    }
    raft_time soon = hull->now + hull->options.read_retry_us / 4;
    if (round == hull->round && soon < hull->read_retry_at) {
        hull->read_retry_at = soon;
    }
}

static const enum waiter_state read_states[] = {READ_QUEUED, READ_ASKED,
                                                READ_ANSWERED};
enum { READ_STATES = sizeof(read_states) / sizeof(read_states[0]) };

void reads_truncated(struct hull *hull, raft_index from)
{
    for (size_t i = 0; i < READ_STATES; i++) {
        struct waiter *waiter = waiting_head(&hull->waiting, read_states[i]);
        for (; waiter != NULL; waiter = waiter->next) {
            if (waiter->settled >= from) {
                waiter->settled = from - 1;
            }
        }
    }
}

/* Everything that had completed when they came was in our log, at or below
 * `settled`. */
static void release_settled(struct hull *hull, enum waiter_state state)
{
    struct waiter *waiter = waiting_head(&hull->waiting, state);
    while (waiter != NULL && !hull->faulted) {
        struct waiter *next = waiter->next;
        if (waiter->settles && waiter->settled <= hull->applied) {
            hull->count.reads_settled++;
            hull_complete(hull, waiter, HULL_DONE, NULL);
        }
        waiter = next;
    }
}

void reads_release(struct hull *hull)
{
    for (size_t i = 0; i < READ_STATES && hull->settling > 0; i++) {
        release_settled(hull, read_states[i]);
    }
    struct waiter *waiter = waiting_head(&hull->waiting, READ_ANSWERED);
    while (!hull->faulted && waiter != NULL && waiter->index <= hull->applied) {
        hull_complete(hull, waiter, HULL_DONE, NULL);
        waiter = waiting_head(&hull->waiting, READ_ANSWERED);
    }
}
