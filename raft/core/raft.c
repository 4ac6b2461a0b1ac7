/* raft.c -- one event in, one list of effects out. */
#include "raft/core/raft_int.h"

#include "raft/core/memory.h"

#include <assert.h>

void raft_options_default(struct raft_options *options)
{
    *options = (struct raft_options){
        .heartbeat_us = 100 * 1000,
        .election_us = 700 * 1000,
        .lease_us = 500 * 1000,
        .drift_ppm = 10 * 1000,
        .append_bytes_max = 1 << 20,
        .append_records_max = 512,
        .window_bytes = 8 << 20,
        .window_appends = 64,
        .probe_retry_us = 250 * 1000,
    };
}

static void check_options(const struct raft_options *o)
{
    assert(o->self != 0);
    assert(o->boot != 0);
    assert(o->heartbeat_us > 0);
    assert(o->heartbeat_us < o->election_us);
    assert(o->append_bytes_max > 0);
    assert(o->append_records_max > 0);
    assert(o->probe_retry_us > 0);
    assert(o->drift_ppm < 1000000);
    /* A voter's patience must outlast the lease on the worst pair of clocks. */
    assert((uint64_t)o->election_us * (1000000 - o->drift_ppm) >=
           (uint64_t)o->lease_us * (1000000 + o->drift_ppm));
}

struct raft *raft_new(const struct raft_options *options,
                      const struct raft_boot *boot)
{
    check_options(options);
    assert(member_list_valid(&boot->members));
    assert(boot->base_index <= boot->applied);
    assert(boot->applied <= boot->base_index + boot->count);
    struct raft *r = xcalloc(1, sizeof(*r));
    r->options = *options;
    r->random = options->seed;
    r->wire_id = options->boot;
    r->clock = boot->now;
    r->now = boot->now;
    r->term = boot->term;
    r->vote = boot->vote;
    tail_init(&r->tail, boot->base_index, boot->base_term);
    for (size_t i = 0; i < boot->count; i++) {
        tail_append(&r->tail, boot->terms[i], boot->sizes[i]);
    }
    if (r->term < tail_last_term(&r->tail)) {
        /* A tree that came as a snapshot was durable before the term was. Nothing
         * was said in that term: every answer would have waited for it. */
        r->term = tail_last_term(&r->tail);
        r->vote = 0;
    }
    writes_init(&r->writes, tail_last_index(&r->tail));
    r->commit = boot->applied;
    r->told = boot->applied;
    r->newcomer = boot->newcomer;
    r->may_found = boot->may_found;
    r->applied = boot->applied;
    read_queue_init(&r->reads);
    read_queue_init(&r->asked);
    config_start(r, boot);
    r->sticky_from = r->now;
    r->supported = MUTANT(RESTART_QUIET) ? 0 : r->now;
#ifdef RAFT_MUTANTS
    if (MUTANT(SURVIVE)) {
        r->lease_until = lease_survivors[options->self % RAFT_NODES_MAX];
    }
#endif
    election_restart_timer(r);
    if (r->self_voter && r->voters == 1) {
        r->election_at = r->now; /* nobody else could lead */
    }
    return r;
}

void raft_free(struct raft *r)
{
    if (r == NULL) {
        return;
    }
#ifdef RAFT_MUTANTS
    lease_survivors[r->options.self % RAFT_NODES_MAX] = r->lease_until;
#endif
    for (uint32_t i = 0; i < r->peer_count; i++) {
        window_release(&r->peers[i].window);
    }
    tail_release(&r->tail);
    writes_release(&r->writes);
    read_queue_release(&r->reads);
    read_queue_release(&r->asked);
    configs_release(&r->configs);
    free(r);
}

struct peer *raft_find_peer(struct raft *r, node_id id)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        if (r->peers[i].id == id) {
            return &r->peers[i];
        }
    }
    return NULL;
}

void raft_set_role(struct raft *r, enum raft_role role, node_id leader)
{
    if (r->role == RAFT_LEADER && role != RAFT_LEADER) {
        r->transfer_to = 0;
        if (!MUTANT(EX_LEADER)) {
            r->supported = r->now;
        }
        r->leave_at = 0;
        reads_fail(r);
    }
    lease_void(r);
    if (leader == 0 || leader != r->leader) {
        asked_fail(r);
    }
    r->role = role;
    r->leader = leader;
    emit_role(r);
}

void raft_fault(struct raft *r)
{
    if (r->role != RAFT_FAULTED) {
        raft_set_role(r, RAFT_FAULTED, 0);
    }
}

/* A message of a newer term ends ours, whoever sent it. Not so the question of
 * a pre-vote or its grant, which speak of a term that nobody is in yet. */
static bool adopts_term(const struct raft_message *m)
{
    if (m->type == RAFT_PREVOTE_REPLY) {
        return !m->granted;
    }
    return m->type != RAFT_PREVOTE;
}

/* The candidate has not noticed that the leader works: its vote is not even
 * looked at, or the term in it would end the leader. The same term can come by
 * another way than the question, so this is not for newer terms alone. */
static bool ignores_vote(const struct raft *r, const struct raft_message *m)
{
    bool again = m->term == r->term && r->vote == m->from;
    return m->type == RAFT_VOTE && m->term >= r->term && !m->transfer &&
           !again && election_sticky(r);
}

/* The sender lives in the past. Whoever believes to lead or to be electable
 * must learn the term; so nobody stays stuck behind (etcd's checkQuorum fix).
 */
static void answer_old_term(struct raft *r, const struct raft_message *m)
{
    if (m->type == RAFT_APPEND) {
        struct raft_message reply = message_to(r, RAFT_APPEND_REPLY, m->from);
        reply.newcomer = r->newcomer;
        /* A true hint: it may lead this term by the time it hears it. */
        reply.hint = tail_last_index(&r->tail);
        reply.hint_term = tail_last_term(&r->tail);
        emit_send(r, &reply, 0);
    } else if (m->type == RAFT_VOTE) {
        struct raft_message reply = message_to(r, RAFT_VOTE_REPLY, m->from);
        emit_send(r, &reply, 0);
    }
}

static bool term_matters(enum raft_message_type type)
{
    return type == RAFT_VOTE || type == RAFT_VOTE_REPLY ||
           type == RAFT_APPEND || type == RAFT_APPEND_REPLY ||
           type == RAFT_TIMEOUT_NOW;
}

/* Our configuration may be older than the sender's: whom it does not know may
 * lead us or want our vote all the same (dissertation 4.2.2). What answers our
 * own questions comes from those whom we have asked. */
static bool welcome_from_stranger(enum raft_message_type type)
{
    return type == RAFT_PREVOTE || type == RAFT_VOTE || type == RAFT_APPEND ||
           type == RAFT_READ_REPLY || type == RAFT_TIMEOUT_NOW;
}

static void step_message(struct raft *r, const struct raft_event *event)
{
    const struct raft_message *m = event->message;
    struct peer *peer = raft_find_peer(r, m->from);
    if (m->to != r->options.self || m->from == r->options.self ||
        (peer == NULL && !welcome_from_stranger(m->type))) {
        return;
    }
    if (peer != NULL) {
        peer->heard = r->now;
    }
    if (MUTANT(HASTY_JOIN) && peer != NULL) {
        grant_joined(peer);
    }
    if (ignores_vote(r, m)) {
        emit_note(r, RAFT_NOTE_VOTE_REFUSED, m->from);
        return;
    }
    if (m->term > r->term && adopts_term(m)) {
        become_follower(r, m->term, m->type == RAFT_APPEND ? m->from : 0);
    } else if (m->term < r->term && term_matters(m->type)) {
        answer_old_term(r, m);
        return;
    }
    switch (m->type) {
    case RAFT_PREVOTE:
        election_prevote(r, m);
        break;
    case RAFT_PREVOTE_REPLY:
        election_prevote_reply(r, m);
        break;
    case RAFT_VOTE:
        election_vote(r, m);
        break;
    case RAFT_VOTE_REPLY:
        election_vote_reply(r, m);
        break;
    case RAFT_APPEND:
        follow_append(r, event);
        break;
    case RAFT_APPEND_REPLY:
        leader_append_reply(r, m);
        break;
    case RAFT_READ:
        read_request(r, m);
        break;
    case RAFT_READ_REPLY:
        read_reply(r, m);
        break;
    case RAFT_TIMEOUT_NOW:
        if (r->leader == m->from) {
            election_transfer(r);
        }
        break;
    case RAFT_MESSAGE_TYPES_END:
        break;
    }
}

static void step_time(struct raft *r)
{
    asked_expire(r);
    if (r->role == RAFT_LEADER) {
        leader_time(r);
    } else if (r->clock >= r->election_at) {
        election_timeout(r);
    }
}

static void step_durable(struct raft *r, raft_token token)
{
    writes_done(&r->writes, token);
    election_durable(r);
    if (r->role == RAFT_LEADER) {
        leader_advance(r);
    } else {
        emit_commit(r);
    }
}

static void step_applied(struct raft *r, raft_index index)
{
    assert(index <= r->told);
    if (index > r->applied) {
        r->applied = index;
    }
    if (r->role == RAFT_LEADER) {
        leader_update_trim(r);
    }
}

static void step_compacted(struct raft *r, raft_index index)
{
    assert(index <= r->applied);
    if (index <= r->tail.base_index) {
        return;
    }
    tail_compact(&r->tail, index);
    if (r->role == RAFT_LEADER) {
        leader_compacted(r);
    }
}

static int step_submit(struct raft *r, const struct raft_event *event)
{
    if (r->role != RAFT_LEADER || r->transfer_to != 0) {
        return -1;
    }
    assert(event->count > 0);
    leader_submit(r, event->sizes, event->count);
    return 0;
}

/* In one step: the next heartbeat comes no later than with the new interval. */
/* With its older disk it may have voted in this term, for whom is forgotten: most
 * likely for who leads, and in this term nobody else gets its vote any more. Who had
 * it in a later one lacks the record that let us join, and a majority has that. */
static int step_joined(struct raft *r)
{
    if (!r->newcomer) {
        return 0;
    }
    if (r->role != RAFT_FOLLOWER || r->leader == 0) {
        return -1;
    }
    if (r->vote == 0) {
        r->vote = r->leader;
        emit_save(r);
    }
    r->newcomer = false;
    return 0;
}

static int step_set(struct raft *r, const struct raft_settings *settings)
{
    uint32_t heartbeat_us = settings->heartbeat_us;
    if (heartbeat_us == 0 || heartbeat_us >= r->options.election_us ||
        settings->window_bytes == 0) {
        return -1;
    }
    r->options.heartbeat_us = heartbeat_us;
    if (r->role == RAFT_LEADER && r->heartbeat_at > r->now + heartbeat_us) {
        r->heartbeat_at = r->now + heartbeat_us;
    }
    if (r->options.lease_ask && !settings->lease_ask) {
        lease_drop(r);
    }
    r->options.lease_ask = settings->lease_ask;
    r->options.window_bytes = settings->window_bytes;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        r->peers[i].window.bytes_max = settings->window_bytes;
    }
    return 0;
}

static void advance_clock(struct raft *r, raft_time now)
{
    assert(now >= r->clock);
    r->clock = now;
    r->now = now > r->now ? now : r->now + 1;
    if (r->now - now > r->lead) {
        r->lead = r->now - now;
    }
}

static int step_faulted(struct raft *r, const struct raft_event *event)
{
    if (event->type == RAFT_EVENT_READ) {
        emit_read_fail(r, event->read_id);
    }
    if (event->type == RAFT_EVENT_CHANGE) {
        return RAFT_CHANGE_NOT_LEADER;
    }
    bool refused =
        event->type == RAFT_EVENT_SUBMIT || event->type == RAFT_EVENT_TRANSFER;
    return refused ? -1 : 0;
}

static int step(struct raft *r, const struct raft_event *event)
{
    if (r->role == RAFT_FAULTED) {
        return step_faulted(r, event);
    }
    switch (event->type) {
    case RAFT_EVENT_TIME:
        step_time(r);
        break;
    case RAFT_EVENT_MESSAGE:
        step_message(r, event);
        break;
    case RAFT_EVENT_SUBMIT:
        return step_submit(r, event);
    case RAFT_EVENT_READ:
        read_event(r, event->read_id);
        break;
    case RAFT_EVENT_DURABLE:
        step_durable(r, event->token);
        break;
    case RAFT_EVENT_APPLIED:
        step_applied(r, event->index);
        break;
    case RAFT_EVENT_COMPACTED:
        step_compacted(r, event->index);
        break;
    case RAFT_EVENT_INSTALLED:
        install_done(r, event);
        break;
    case RAFT_EVENT_JOINED:
        return step_joined(r);
    case RAFT_EVENT_TRANSFER:
        return transfer_start(r, event->target);
    case RAFT_EVENT_CHANGE:
        return leader_change(r, event->change);
    case RAFT_EVENT_SET:
        return step_set(r, &event->settings);
    case RAFT_EVENT_FAULT:
        raft_fault(r);
        break;
    }
    return 0;
}

int raft_step(struct raft *r, const struct raft_event *event,
              struct raft_effects *effects)
{
    effects->count = 0;
    r->out = effects;
    advance_clock(r, event->now);
    int rc = step(r, event);
    if (rc == 0) {
        config_step_end(r);
    }
    r->out = NULL;
    return rc;
}

raft_time raft_deadline(const struct raft *r)
{
    if (r->role == RAFT_FAULTED) {
        return UINT64_MAX;
    }
    raft_time due = asked_deadline(r);
    raft_time role_due = UINT64_MAX;
    if (r->role == RAFT_LEADER) {
        role_due = leader_deadline(r);
    } else if (config_may_run(r) || r->leader != 0) {
        role_due = r->election_at;
    }
    return role_due < due ? role_due : due;
}

raft_index raft_keeping(const struct raft *r, uint64_t bytes_max)
{
    return tail_keeping(&r->tail, bytes_max);
}

raft_term raft_term_at(const struct raft *r, raft_index index)
{
    return tail_term(&r->tail, index);
}
