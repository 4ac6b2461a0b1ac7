#include "raft/core/raft_int.h"

#include "raft/core/memory.h"

#include <assert.h>

static struct raft_effect *emit(struct raft *r, enum raft_effect_type type)
{
    struct raft_effects *out = r->out;
    assert(out != NULL);
    if (out->count == out->capacity) {
        out->capacity = out->capacity == 0 ? 16 : out->capacity * 2;
        out->list = xrealloc(out->list, out->capacity * sizeof(*out->list));
    }
    struct raft_effect *effect = &out->list[out->count];
    out->count++;
    *effect = (struct raft_effect){.type = type};
    return effect;
}

void raft_effects_release(struct raft_effects *effects)
{
    free(effects->list);
    *effects = (struct raft_effects){.list = NULL};
}

/* A step that adopts a term and then votes in it saves both at once. */
static struct raft_effect *save_of_this_step(struct raft *r)
{
    struct raft_effects *out = r->out;
    for (size_t i = out->count; i > 0; i--) {
        struct raft_effect *effect = &out->list[i - 1];
        if (effect->type == RAFT_DO_SAVE) {
            return effect;
        }
        if (effect->token != 0 || effect->type == RAFT_DO_SEND) {
            return NULL;
        }
    }
    return NULL;
}

void emit_save(struct raft *r)
{
    struct raft_effect *effect = save_of_this_step(r);
    if (effect == NULL) {
        effect = emit(r, RAFT_DO_SAVE);
        effect->token = writes_next(&r->writes);
    }
    effect->term = r->term;
    effect->vote = r->vote;
    r->term_token = effect->token;
}

void emit_undo(struct raft *r, raft_index first, raft_index last)
{
    assert(first > r->commit);
    struct raft_effect *effect = emit(r, RAFT_DO_UNDO);
    effect->first = first;
    effect->last = last;
}

void emit_truncate(struct raft *r, raft_index from)
{
    assert(from > r->commit);
    struct raft_effect *effect = emit(r, RAFT_DO_TRUNCATE);
    effect->first = from;
    effect->last = from;
    effect->token = writes_truncate(&r->writes, from);
}

struct raft_effect *emit_append(struct raft *r, raft_index first,
                                enum raft_source source, uint32_t skip)
{
    raft_index last = tail_last_index(&r->tail);
    assert(first <= last);
    struct raft_effect *effect = emit(r, RAFT_DO_APPEND);
    effect->first = first;
    effect->last = last;
    effect->source = source;
    effect->skip = skip;
    effect->term = source == RAFT_FROM_MESSAGE ? 0 : r->term;
    effect->token = writes_append(&r->writes, last);
    if (source == RAFT_FROM_CORE) {
        effect->code = RECORD_TERM_START;
    }
    return effect;
}

void emit_send(struct raft *r, const struct raft_message *message,
               raft_token after)
{
    struct raft_effect *effect = emit(r, RAFT_DO_SEND);
    effect->message = *message;
    effect->after = after;
}

/* A record is applied only when it is on our own disk as well. The tree may
 * reach the disk before the log does, and a tree that is ahead of its log
 * could not be started again. */
void emit_commit(struct raft *r)
{
    raft_index index = r->commit;
    if (MUTANT(EARLY_COMMIT) && r->role == RAFT_LEADER) {
        index = grant_gate(r, index);
    }
    if (index > r->writes.durable_index) {
        index = r->writes.durable_index;
    }
    if (index <= r->told) {
        return;
    }
    r->told = index;
    emit(r, RAFT_DO_COMMIT)->index = index;
}

void emit_read_ok(struct raft *r, uint64_t read_id, raft_index index)
{
    struct raft_effect *effect = emit(r, RAFT_DO_READ_OK);
    effect->read_id = read_id;
    effect->index = index;
}

void emit_read_fail(struct raft *r, uint64_t read_id)
{
    emit(r, RAFT_DO_READ_FAIL)->read_id = read_id;
}

void emit_snapshot(struct raft *r, node_id leader)
{
    emit(r, RAFT_DO_SNAPSHOT)->peer = leader;
}

void emit_role(struct raft *r)
{
    struct raft_effect *effect = emit(r, RAFT_DO_ROLE);
    effect->role = r->role;
    effect->term = r->term;
    effect->leader = r->leader;
}

void emit_members(struct raft *r)
{
    emit(r, RAFT_DO_MEMBERS);
}

struct raft_effect *emit_note(struct raft *r, enum raft_note_code note,
                              node_id peer)
{
    struct raft_effect *effect = emit(r, RAFT_DO_NOTE);
    effect->note = note;
    effect->peer = peer;
    effect->term = r->term;
    return effect;
}

void emit_fatal(struct raft *r, raft_index index, node_id peer)
{
    struct raft_effect *effect = emit(r, RAFT_DO_FATAL);
    effect->note = RAFT_NOTE_DIVERGED;
    effect->term = r->term;
    effect->index = index;
    effect->peer = peer;
}

struct raft_message message_to(const struct raft *r,
                               enum raft_message_type type, node_id to)
{
    return (struct raft_message){
        .type = type,
        .from = r->options.self,
        .to = to,
        .term = r->term,
        .boot = r->options.boot,
    };
}

raft_token unless_durable(const struct raft *r, raft_token token)
{
    return token > r->writes.durable ? token : 0;
}
