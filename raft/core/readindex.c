#include "raft/core/readindex.h"

#include "raft/core/limits.h"
#include "raft/core/memory.h"
#include "raft/core/raft_int.h"

#include <assert.h>

void read_queue_init(struct read_queue *queue)
{
    *queue = (struct read_queue){
        .ring = xcalloc(RAFT_READS_MAX, sizeof(struct read_waiting)),
    };
}

void read_queue_release(struct read_queue *queue)
{
    free(queue->ring);
    *queue = (struct read_queue){.ring = NULL};
}

struct read_waiting *read_queue_get(const struct read_queue *queue,
                                    uint32_t position)
{
    if (position >= queue->count) {
        return NULL;
    }
    return &queue->ring[(queue->head + position) % RAFT_READS_MAX];
}

bool read_queue_add(struct read_queue *queue, struct read_waiting read)
{
    if (queue->count == RAFT_READS_MAX) {
        return false;
    }
    queue->count++;
    *read_queue_get(queue, queue->count - 1) = read;
    return true;
}

void read_queue_drop_first(struct read_queue *queue)
{
    assert(queue->count > 0);
    queue->head = (queue->head + 1) % RAFT_READS_MAX;
    queue->count--;
}

bool read_queue_take(struct read_queue *queue, uint64_t wire_id,
                     struct read_waiting *out)
{
    uint32_t at = 0;
    while (at < queue->count && read_queue_get(queue, at)->wire_id != wire_id) {
        at++;
    }
    if (at == queue->count) {
        return false;
    }
    *out = *read_queue_get(queue, at);
    for (; at + 1 < queue->count; at++) {
        *read_queue_get(queue, at) = *read_queue_get(queue, at + 1);
    }
    queue->count--;
    return true;
}

/* Tells the asker, here or elsewhere, how its read went. */
static void answer(struct raft *r, const struct read_waiting *read, bool ok)
{
    if (read->asker == 0) {
        if (ok) {
            emit_read_ok(r, read->read_id, read->index);
        } else {
            emit_read_fail(r, read->read_id);
        }
        return;
    }
    struct raft_message reply = message_to(r, RAFT_READ_REPLY, read->asker);
    reply.granted = ok;
    reply.read_id = read->read_id;
    reply.read_index = ok ? read->index : 0;
    emit_send(r, &reply, 0);
}

void reads_fail(struct raft *r)
{
    while (r->reads.count > 0) {
        struct read_waiting read = *read_queue_get(&r->reads, 0);
        read_queue_drop_first(&r->reads);
        answer(r, &read, false);
    }
}

/* Before a record of its own term is committed a leader does not know what
 * its predecessors committed; reads get their index only then. */
static void fill_indexes(struct raft *r)
{
    struct read_waiting *read;
    for (uint32_t i = 0; (read = read_queue_get(&r->reads, i)) != NULL; i++) {
        if (read->index == 0) {
            read->index = r->commit;
        }
    }
}

void reads_confirm(struct raft *r)
{
    if (r->role != RAFT_LEADER || r->reads.count == 0 || !leader_settled(r)) {
        return;
    }
    fill_indexes(r);
    raft_time acked = leader_acked_time(r);
    raft_time confirmed = lease_valid(r) ? r->now : acked;
    while (r->reads.count > 0 &&
           read_queue_get(&r->reads, 0)->arrived <= confirmed) {
        struct read_waiting read = *read_queue_get(&r->reads, 0);
        read_queue_drop_first(&r->reads);
        answer(r, &read, true);
    }
    /* One round of heartbeats serves all reads that came before it. The next
     * round leaves when it is answered, for those that came meanwhile. */
    if (r->reads.count > 0 && r->read_round <= acked) {
        r->read_round = r->now;
        replicate_heartbeat(r);
    }
}

static void read_at_leader(struct raft *r, node_id asker, uint64_t read_id)
{
    struct read_waiting read = {
        .asker = asker,
        .read_id = read_id,
        .arrived = r->now,
        .index = leader_settled(r) ? r->commit : 0,
    };
    if (!read_queue_add(&r->reads, read)) {
        answer(r, &read, false);
        return;
    }
    reads_confirm(r);
}

static void read_at_follower(struct raft *r, uint64_t read_id)
{
    r->wire_id++;
    struct read_waiting read = {
        .read_id = read_id,
        .wire_id = r->wire_id,
        .arrived = r->now,
    };
    if (r->leader == 0 || !read_queue_add(&r->asked, read)) {
        emit_read_fail(r, read_id);
        return;
    }
    struct raft_message ask = message_to(r, RAFT_READ, r->leader);
    ask.read_id = read.wire_id;
    emit_send(r, &ask, 0);
}

void read_event(struct raft *r, uint64_t read_id)
{
    if (r->role == RAFT_LEADER) {
        read_at_leader(r, 0, read_id);
    } else {
        read_at_follower(r, read_id);
    }
}

void read_request(struct raft *r, const struct raft_message *m)
{
    if (r->role == RAFT_LEADER) {
        read_at_leader(r, m->from, m->read_id);
        return;
    }
    struct read_waiting read = {.asker = m->from, .read_id = m->read_id};
    answer(r, &read, false);
}

void read_reply(struct raft *r, const struct raft_message *m)
{
    struct read_waiting read;
    if (!read_queue_take(&r->asked, m->read_id, &read)) {
        return;
    }
    read.index = m->read_index;
    answer(r, &read, m->granted);
}

void asked_fail(struct raft *r)
{
    while (r->asked.count > 0) {
        struct read_waiting read = *read_queue_get(&r->asked, 0);
        read_queue_drop_first(&r->asked);
        answer(r, &read, false);
    }
}

raft_time asked_deadline(const struct raft *r)
{
    const struct read_waiting *read = read_queue_get(&r->asked, 0);
    return read == NULL ? UINT64_MAX
                        : read->arrived + 2 * (raft_time)r->options.election_us;
}

void asked_expire(struct raft *r)
{
    while (asked_deadline(r) <= r->now) {
        struct read_waiting read = *read_queue_get(&r->asked, 0);
        read_queue_drop_first(&r->asked);
        answer(r, &read, false);
    }
}
