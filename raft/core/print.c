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

static const char *answer(const struct raft_message *m)
{
    return m->granted ? "yes" : "no";
}

static void print_append(const struct raft_message *m, FILE *out)
{
    fprintf(out,
            "APPEND prev=%" PRIu64 "@%" PRIu64 " count=%" PRIu32
            " commit=%" PRIu64 "%s",
            m->prev_index, m->prev_term, m->count, m->commit,
            m->quorum_ok ? "" : " no-quorum");
}

static void print_append_reply(const struct raft_message *m, FILE *out)
{
    if (m->granted) {
        fprintf(out, "APPEND_REPLY yes match=%" PRIu64, m->match);
    } else {
        fprintf(out, "APPEND_REPLY no hint=%" PRIu64 "@%" PRIu64, m->hint,
                m->hint_term);
    }
}

void raft_message_print(const struct raft_message *m, FILE *out)
{
    fprintf(out, "%" PRIx64 "->%" PRIx64 " term=%" PRIu64 " ", m->from, m->to,
            m->term);
    switch (m->type) {
    case RAFT_PREVOTE:
        fprintf(out, "PREVOTE last=%" PRIu64 "@%" PRIu64, m->prev_index,
                m->prev_term);
        break;
    case RAFT_PREVOTE_REPLY:
        fprintf(out, "PREVOTE_REPLY %s", answer(m));
        break;
    case RAFT_VOTE:
        fprintf(out, "VOTE last=%" PRIu64 "@%" PRIu64 "%s", m->prev_index,
                m->prev_term, m->transfer ? " transfer" : "");
        break;
    case RAFT_VOTE_REPLY:
        fprintf(out, "VOTE_REPLY %s", answer(m));
        break;
    case RAFT_APPEND:
        print_append(m, out);
        break;
    case RAFT_APPEND_REPLY:
        print_append_reply(m, out);
        break;
    case RAFT_READ:
        fputs("READ", out);
        break;
    case RAFT_READ_REPLY:
        fprintf(out, "READ_REPLY %s index=%" PRIu64, answer(m), m->read_index);
        break;
    case RAFT_TIMEOUT_NOW:
        fputs("TIMEOUT_NOW", out);
        break;
    case RAFT_MESSAGE_TYPES_END:
        fputs("?", out);
        break;
    }
}
