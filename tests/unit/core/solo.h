/* solo.h -- one core with nobody around it: the test plays the others. */
#ifndef TESTS_UNIT_CORE_SOLO_H
#define TESTS_UNIT_CORE_SOLO_H

#include "raft/core/raft.h"

enum { SOLO_SIZE = 100, SOLO_E = 700 * 1000, SOLO_RECORDS_MAX = 64 };

struct solo {
    struct raft_options options;
    struct raft_boot boot;
    raft_term terms[SOLO_RECORDS_MAX];
    uint32_t sizes[SOLO_RECORDS_MAX];
    struct raft *raft; /* owned */
    struct raft_effects effects;
    raft_time now;
    raft_token token; /* the newest that was given out */
};

/* Node 1 of `nodes` voters; log: one digit per record, its term. */
void solo_init(struct solo *s, uint32_t nodes, raft_term term, const char *log);
/* After the options were changed; the same as a restart. */
void solo_start(struct solo *s);
void solo_release(struct solo *s);

/* Each returns what raft_step() does and checks the state. */
int solo_step(struct solo *s, struct raft_event event);
void solo_pass(struct solo *s, uint64_t us);
/* Time passes to the next deadline, which fires. */
void solo_timeout(struct solo *s);
/* Everything written so far is on disk. */
void solo_sync(struct solo *s);
int solo_submit(struct solo *s, uint32_t count);
void solo_read(struct solo *s, uint64_t id);
void solo_receive(struct solo *s, struct raft_message message);
/* An APPEND from `from`; terms: one digit per attached record. */
void solo_append(struct solo *s, node_id from, raft_term term, raft_index prev,
                 raft_term prev_term, const char *terms, raft_index commit);
/* A granted APPEND_REPLY in the current term for something sent now. */
void solo_ack(struct solo *s, node_id from, raft_index match);
/* Votes, disk and first acknowledgement: leads with TERM_START committed. */
void solo_lead(struct solo *s);

struct raft_status solo_status(const struct solo *s);
/* The nth effect of this type in the last step, from 0; NULL: none. */
const struct raft_effect *solo_effect(const struct solo *s,
                                      enum raft_effect_type type, size_t nth);
/* The first SEND of this type to `to` (0: anyone). */
const struct raft_effect *solo_sent(const struct solo *s,
                                    enum raft_message_type type, node_id to);
size_t solo_count(const struct solo *s, enum raft_effect_type type);

#endif
