/* follow.c -- the follower's side of the log (dissertation 3.5).
 *
 * The answer to an APPEND speaks of that APPEND alone: everything up to its
 * last record is equal to the leader's and, once the answer leaves, on our
 * disk. What we hold beyond it may be another leader's and counts for nothing.
 */
#include "raft/core/raft_int.h"

#include <assert.h>

static bool request_valid(const struct raft_event *event)
{
    const struct raft_message *m = event->message;
    if (m->first != m->prev_index + 1 || m->prev_term > m->term ||
        (m->count > 0 && (event->terms == NULL || event->sizes == NULL))) {
        return false;
    }
    raft_term term = m->prev_term;
    for (uint32_t i = 0; i < m->count; i++) {
        if (event->terms[i] < term || event->terms[i] == 0) {
            return false;
        }
        term = event->terms[i];
    }
    return term <= m->term;
}

/* An APPEND that names no send time only tells a commit index. */
static void answer(struct raft *r, const struct raft_message *reply,
                   raft_token after)
{
    if (reply->sent != 0) {
        emit_send(r, reply, unless_durable(r, after));
    }
}

/* Where the leader should look next: our newest record, at or before the place
 * it asked for, whose term its log can have there. Committed ones agree. */
static void refuse(struct raft *r, const struct raft_message *m,
                   struct raft_message *reply)
{
    raft_index hint = tail_find(&r->tail, m->prev_index, m->prev_term);
    if (hint < r->commit) {
        hint = r->commit;
    }
    reply->granted = false;
    reply->hint = hint;
    reply->hint_term = tail_term(&r->tail, hint);
    answer(r, reply, r->term_token);
}

/* Writers wait for our memory, not for our disk, as far as our lease goes. */
static void answer_early(struct raft *r, const struct raft_message *reply)
{
    struct raft_message early = *reply;
    early.match = r->writes.durable_index < r->verified
                      ? r->writes.durable_index
                      : r->verified;
    answer(r, &early, r->term_token);
}

static void grant(struct raft *r, const struct raft_message *m,
                  struct raft_message *reply)
{
    raft_index match = m->prev_index + m->count;
    raft_token after = writes_covering(&r->writes, match);
    if (after < r->term_token) {
        after = r->term_token;
    }
    if (match > r->verified) {
        r->verified = match;
    }
    reply->granted = true;
    reply->seen = r->verified;
    if (r->options.lease_ask && after > r->term_token) {
        answer_early(r, reply);
    }
    reply->match = match;
    answer(r, reply, after);
}

/* The record before the first one sent is ours as well. What is compacted away
 * was committed and needs no comparison. */
static bool prev_agrees(const struct raft *r, const struct raft_message *m)
{
    return m->prev_index < r->tail.base_index ||
           (m->prev_index <= tail_last_index(&r->tail) &&
            tail_term(&r->tail, m->prev_index) == m->prev_term);
}

/* How many of the attached records we have already. */
static uint32_t known_records(const struct raft *r,
                              const struct raft_event *event)
{
    const struct raft_message *m = event->message;
    uint32_t known = 0;
    while (known < m->count) {
        raft_index index = m->first + known;
        if (index > r->tail.base_index &&
            tail_term(&r->tail, index) != event->terms[known]) {
            break;
        }
        known++;
    }
    return known;
}

/* Records from `from` on belong to a leader that has been superseded. */
static void cut(struct raft *r, raft_index from)
{
    raft_index last = tail_last_index(&r->tail);
    struct raft_effect *note = emit_note(r, RAFT_NOTE_TRUNCATED, r->leader);
    note->first = from;
    note->last = last;
    emit_undo(r, from, last);
    emit_truncate(r, from);
    tail_truncate(&r->tail, from);
    config_truncate(r, from);
}

static void take_configs(struct raft *r, const struct raft_event *event,
                         raft_index from)
{
    for (size_t i = 0; i < event->config_count; i++) {
        if (event->configs[i].index >= from) {
            config_append(r, &event->configs[i]);
        }
    }
}

/* False: the records contradict committed ones. */
static bool take_records(struct raft *r, const struct raft_event *event)
{
    const struct raft_message *m = event->message;
    uint32_t skip = known_records(r, event);
    if (skip == m->count) {
        return true;
    }
    raft_index from = m->first + skip;
    if (from <= r->commit) {
        emit_fatal(r, from, m->from);
        return false;
    }
    if (from <= tail_last_index(&r->tail)) {
        cut(r, from);
    }
    for (uint32_t i = skip; i < m->count; i++) {
        tail_append(&r->tail, event->terms[i], event->sizes[i]);
    }
    emit_append(r, from, RAFT_FROM_MESSAGE, skip);
    take_configs(r, event, from);
    return true;
}

static void follow_commit(struct raft *r, const struct raft_message *m)
{
    raft_index commit = m->commit;
    if (commit > m->prev_index + m->count) {
        commit = m->prev_index + m->count;
    }
    if (commit > r->commit) {
        r->commit = commit;
        emit_commit(r);
    }
}

static void hear_leader(struct raft *r, const struct raft_message *m)
{
    if (r->role != RAFT_FOLLOWER || r->leader != m->from) {
        become_follower(r, r->term, m->from);
    }
    election_restart_timer(r);
    if (m->quorum_ok) {
        r->sticky_from = r->now;
    }
    if (m->trim > r->trim) {
        r->trim = m->trim;
    }
    if (m->behind) {
        emit_snapshot(r, m->from);
    }
}

void follow_append(struct raft *r, const struct raft_event *event)
{
    const struct raft_message *m = event->message;
    assert(m->term == r->term);
    if (!request_valid(event)) {
        return;
    }
    /* Two leaders in one term: one of them broke its promise. */
    if (r->role == RAFT_LEADER || (r->leader != 0 && r->leader != m->from)) {
        emit_fatal(r, m->prev_index, m->from);
        raft_fault(r);
        return;
    }
    hear_leader(r, m);
    r->supported = r->now;
    struct raft_message reply = message_to(r, RAFT_APPEND_REPLY, m->from);
    reply.sent = m->sent;
    reply.applied = r->applied;
    reply.newcomer = r->newcomer;
    lease_ask(r, &reply);
    if (!prev_agrees(r, m)) {
        if (m->prev_index <= r->commit) {
            emit_fatal(r, m->prev_index, m->from);
            raft_fault(r);
            return;
        }
        refuse(r, m, &reply);
        return;
    }
    if (!take_records(r, event)) {
        raft_fault(r);
        return;
    }
    follow_commit(r, m);
    grant(r, m, &reply);
    lease_take(r, m);
}
