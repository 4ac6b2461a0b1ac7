/* print.c -- state and messages as one readable line. */
#include "raft/core/raft_int.h"

#include <inttypes.h>

static const char *role_name(enum raft_role role)
{
    static const char *const names[] = {
        [RAFT_FOLLOWER] = "follower",   [RAFT_PRECANDIDATE] = "precandidate",
        [RAFT_CANDIDATE] = "candidate", [RAFT_LEADER] = "leader",
        [RAFT_FAULTED] = "faulted",
    };
    return names[role];
}

static void print_peer(const struct peer *peer, FILE *out)
{
    static const char *const states[] = {
        [RAFT_PROBE] = "probe",
        [RAFT_REPLICATE] = "replicate",
        [RAFT_SNAPSHOT] = "snapshot",
    };
    fprintf(out,
            " %" PRIx64 ":%s,match=%" PRIu64 ",next=%" PRIu64
            ",flying=%" PRIu32,
            peer->id, states[peer->state], peer->match, peer->next,
            peer->window.count);
}

void raft_print(const struct raft *r, FILE *out)
{
    fprintf(out,
            "node=%" PRIx64 " role=%s term=%" PRIu64 " vote=%" PRIx64
            " leader=%" PRIx64 " log=%" PRIu64 "..%" PRIu64 "@%" PRIu64
            " durable=%" PRIu64 " commit=%" PRIu64 " told=%" PRIu64
            " applied=%" PRIu64 " trim=%" PRIu64 " reads=%" PRIu32,
            r->options.self, role_name(r->role), r->term, r->vote, r->leader,
            r->tail.base_index + 1, tail_last_index(&r->tail),
            tail_last_term(&r->tail), r->writes.durable_index, r->commit,
            r->told, r->applied, r->trim, r->reads.count + r->asked.count);
    if (r->role == RAFT_LEADER) {
        for (uint32_t i = 0; i < r->peer_count; i++) {
            print_peer(&r->peers[i], out);
        }
    }
}

static const char *type_name(enum raft_message_type type)
{
    static const char *const names[RAFT_MESSAGE_TYPES_END] = {
        [RAFT_PREVOTE] = "PREVOTE",
        [RAFT_PREVOTE_REPLY] = "PREVOTE_REPLY",
        [RAFT_VOTE] = "VOTE",
        [RAFT_VOTE_REPLY] = "VOTE_REPLY",
        [RAFT_APPEND] = "APPEND",
        [RAFT_APPEND_REPLY] = "APPEND_REPLY",
        [RAFT_READ] = "READ",
        [RAFT_READ_REPLY] = "READ_REPLY",
        [RAFT_TIMEOUT_NOW] = "TIMEOUT_NOW",
    };
    bool known = type > 0 && type < RAFT_MESSAGE_TYPES_END;
    return known ? names[type] : "?";
}

static const char *answer(const struct raft_message *m)
{
    return m->granted ? "yes" : "no";
}

static void print_append(const struct raft_message *m, FILE *out)
{
    fprintf(out,
            " prev=%" PRIu64 "@%" PRIu64 " count=%" PRIu32 " commit=%" PRIu64
            "%s",
            m->prev_index, m->prev_term, m->count, m->commit,
            m->quorum_ok ? "" : " no-quorum");
}

static void print_append_reply(const struct raft_message *m, FILE *out)
{
    if (m->granted) {
        fprintf(out, " yes match=%" PRIu64, m->match);
    } else {
        fprintf(out, " no hint=%" PRIu64 "@%" PRIu64, m->hint, m->hint_term);
    }
}

static void print_short(const struct raft_message *m, FILE *out)
{
    switch (m->type) {
    case RAFT_PREVOTE:
    case RAFT_VOTE:
        fprintf(out, " last=%" PRIu64 "@%" PRIu64 "%s", m->prev_index,
                m->prev_term, m->transfer ? " transfer" : "");
        break;
    case RAFT_PREVOTE_REPLY:
    case RAFT_VOTE_REPLY:
        fprintf(out, " %s", answer(m));
        break;
    case RAFT_APPEND:
        print_append(m, out);
        break;
    case RAFT_APPEND_REPLY:
        print_append_reply(m, out);
        break;
    case RAFT_READ_REPLY:
        fprintf(out, " %s index=%" PRIu64, answer(m), m->read_index);
        break;
    case RAFT_READ:
    case RAFT_TIMEOUT_NOW:
    case RAFT_MESSAGE_TYPES_END:
        break;
    }
}

/* All but the three that stand before the name of the type. */
static void print_long(const struct raft_message *m, FILE *out)
{
    const struct raft_message_field *field = raft_message_fields + 3;
    for (; field->name != NULL; field++) {
        if (raft_message_has(field, m->type)) {
            fprintf(out, " %s=%" PRIu64, field->name,
                    raft_message_get(m, field));
        }
    }
}

void raft_message_print(const struct raft_message *m, enum raft_form form,
                        FILE *out)
{
    fprintf(out, "%" PRIx64 "->%" PRIx64 " term=%" PRIu64 " %s", m->from, m->to,
            m->term, type_name(m->type));
    if (form == RAFT_LONG) {
        print_long(m, out);
    } else {
        print_short(m, out);
    }
}
