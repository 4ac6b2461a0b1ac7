#include "solo.h"

#include <assert.h>
#include <string.h>

void solo_init(struct solo *s, uint32_t nodes, raft_term term, const char *log)
{
    *s = (struct solo){.now = 1000000};
    raft_options_default(&s->options);
    s->options.self = 1;
    s->options.boot = 77;
    s->options.seed = 5;
    s->boot.term = term;
    s->boot.count = strlen(log);
    s->boot.members.count = nodes;
    for (uint32_t i = 0; i < nodes; i++) {
        s->boot.members.list[i] = (struct raft_member){.id = i + 1, .voter = true};
    }
    for (size_t i = 0; i < s->boot.count; i++) {
        s->terms[i] = (raft_term)(log[i] - '0');
        s->sizes[i] = SOLO_SIZE;
    }
    solo_start(s);
}

void solo_start(struct solo *s)
{
    raft_free(s->raft);
    s->boot.now = s->now;
    s->boot.terms = s->terms;
    s->boot.sizes = s->sizes;
    s->raft = raft_new(&s->options, &s->boot);
    s->token = 0;
    raft_check(s->raft);
}

void solo_release(struct solo *s)
{
    raft_free(s->raft);
    raft_effects_release(&s->effects);
}

int solo_step(struct solo *s, struct raft_event event)
{
    event.now = s->now;
    int rc = raft_step(s->raft, &event, &s->effects);
    for (size_t i = 0; i < s->effects.count; i++) {
        if (s->effects.list[i].token > s->token) {
            s->token = s->effects.list[i].token;
        }
    }
    raft_check(s->raft);
    return rc;
}

void solo_pass(struct solo *s, uint64_t us)
{
    s->now += us;
}

void solo_timeout(struct solo *s)
{
    raft_time due = raft_deadline(s->raft);
    assert(due != UINT64_MAX);
    if (s->now < due) {
        s->now = due;
    }
    solo_step(s, (struct raft_event){.type = RAFT_EVENT_TIME});
}

void solo_sync(struct solo *s)
{
    solo_step(
        s, (struct raft_event){.type = RAFT_EVENT_DURABLE, .token = s->token});
}

int solo_submit(struct solo *s, uint32_t count)
{
    uint32_t sizes[SOLO_RECORDS_MAX];
    assert(count <= SOLO_RECORDS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        sizes[i] = SOLO_SIZE;
    }
    return solo_step(s, (struct raft_event){.type = RAFT_EVENT_SUBMIT,
                                            .sizes = sizes,
                                            .count = count});
}

void solo_read(struct solo *s, uint64_t id)
{
    solo_step(s, (struct raft_event){.type = RAFT_EVENT_READ, .read_id = id});
}

void solo_receive(struct solo *s, struct raft_message message)
{
    message.to = 1;
    if (message.boot == 0) {
        message.boot = 1000 + message.from;
    }
    solo_step(s, (struct raft_event){.type = RAFT_EVENT_MESSAGE,
                                     .message = &message});
}

void solo_append(struct solo *s, node_id from, raft_term term, raft_index prev,
                 raft_term prev_term, const char *digits, raft_index commit)
{
    raft_term terms[SOLO_RECORDS_MAX];
    uint32_t sizes[SOLO_RECORDS_MAX];
    uint32_t count = (uint32_t)strlen(digits);
    for (uint32_t i = 0; i < count; i++) {
        terms[i] = (raft_term)(digits[i] - '0');
        sizes[i] = SOLO_SIZE;
    }
    struct raft_message message = {
        .type = RAFT_APPEND,
        .from = from,
        .to = 1,
        .term = term,
        .boot = 1000 + from,
        .prev_index = prev,
        .prev_term = prev_term,
        .commit = commit,
        .first = prev + 1,
        .count = count,
        .quorum_ok = true,
        .sent = 42,
    };
    solo_step(s, (struct raft_event){.type = RAFT_EVENT_MESSAGE,
                                     .message = &message,
                                     .terms = terms,
                                     .sizes = sizes});
}

void solo_ack(struct solo *s, node_id from, raft_index match)
{
    solo_receive(s, (struct raft_message){.type = RAFT_APPEND_REPLY,
                                          .from = from,
                                          .term = solo_status(s).term,
                                          .granted = true,
                                          .sent = s->now,
                                          .match = match});
}

void solo_lead(struct solo *s)
{
    uint32_t nodes = s->boot.members.count;
    solo_timeout(s);
    raft_term term = solo_status(s).term + 1;
    for (node_id id = 2; id <= nodes; id++) {
        solo_receive(s, (struct raft_message){.type = RAFT_PREVOTE_REPLY,
                                              .from = id,
                                              .term = term,
                                              .granted = true});
    }
    solo_sync(s);
    for (node_id id = 2; id <= nodes; id++) {
        solo_receive(s, (struct raft_message){.type = RAFT_VOTE_REPLY,
                                              .from = id,
                                              .term = term,
                                              .granted = true});
    }
    assert(solo_status(s).role == RAFT_LEADER);
    solo_sync(s);
    solo_pass(s, 1000);
    for (node_id id = 2; id <= nodes; id++) {
        solo_ack(s, id, solo_status(s).last);
    }
    assert(solo_status(s).commit == solo_status(s).last);
}

struct raft_status solo_status(const struct solo *s)
{
    struct raft_status status;
    raft_get_status(s->raft, s->now, &status);
    return status;
}

const struct raft_effect *solo_effect(const struct solo *s,
                                      enum raft_effect_type type, size_t nth)
{
    for (size_t i = 0; i < s->effects.count; i++) {
        const struct raft_effect *effect = &s->effects.list[i];
        if (effect->type == type && nth-- == 0) {
            return effect;
        }
    }
    return NULL;
}

const struct raft_effect *solo_sent(const struct solo *s,
                                    enum raft_message_type type, node_id to)
{
    for (size_t i = 0; i < s->effects.count; i++) {
        const struct raft_effect *effect = &s->effects.list[i];
        if (effect->type == RAFT_DO_SEND && effect->message.type == type &&
            (to == 0 || effect->message.to == to)) {
            return effect;
        }
    }
    return NULL;
}

size_t solo_count(const struct solo *s, enum raft_effect_type type)
{
    size_t count = 0;
    while (solo_effect(s, type, count) != NULL) {
        count++;
    }
    return count;
}
