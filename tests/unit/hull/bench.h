/* bench.h -- one real hull; what is around it is a script. */
#ifndef TESTS_UNIT_HULL_BENCH_H
#define TESTS_UNIT_HULL_BENCH_H

#include "raft/hull/hull.h"

#include "tests/unit/hull/cmocka_all.h"
#include "tests/unit/hull/memory_log.h"

enum { SELF = 1, OTHER = 2, THIRD = 3, LOG_MAX = MEMORY_LOG_MAX, SENT_MAX = 256 };

struct caller { /* a context */
    int completed;
    enum hull_outcome outcome;
    struct hull_result result;
};

/* Calls that can be made to fail. */
enum bench_call {
    CALL_APPEND,
    CALL_TRUNCATE,
    CALL_SAVE,
    CALL_READ,
    CALL_COMPACT,
    CALL_STAGE,
    CALL_UNDO,
    CALL_APPLY,
    CALL_APPLIED,
    CALLS
};

struct bench {
    struct hull *hull;
    raft_time now;
    /* log */
    struct memory_log disk;
    int fails[CALLS]; /* what they return; 0: they work */
    uint32_t syncs;
    size_t sent_at_sync; /* frames that had left when the last one was asked for */
    /* pilot */
    raft_index applied;
    raft_index undone[LOG_MAX]; /* in the order of the calls */
    size_t undone_count;
    raft_index undo_fails_at;
    struct frame sent[SENT_MAX];
    size_t sent_count;
    struct raft_config members, members_committed;
    uint64_t request; /* the last one answered, and how */
    enum raft_change_result result;
    uint32_t notices, bulks;
    node_id snapshot_from; /* 0: not wanted */
    raft_index reset_index, reset_doubtful;
    struct caller *nested; /* submits once more from complete() */
    node_id leader; /* before the last change of role */
    struct hull_note note; /* the last one */
    struct event_ring events;
};

/* Unstamped, of session 7 of SELF. */
struct record *command(const char *body, uint64_t serial);
/* A hull that is one of `nodes` nodes, with an empty log. */
void bench_open(struct bench *b, uint32_t nodes);
void bench_open_with(struct bench *b, uint32_t nodes,
                     const struct hull_options *wanted);
void bench_close(struct bench *b);
/* What the hull has for a log. */
struct log_api bench_log(struct bench *b);
/* A cluster of one that leads. */
void lead_alone(struct bench *b);
void become_leader(struct bench *b); /* of one node */
/* The sync under way is done. */
void synced(struct bench *b, int status);
/* Lets time pass, ticking when the hull wants it. */
void pass(struct bench *b, raft_time duration);
/* Takes the frame. */
void deliver(struct bench *b, struct frame frame);
/* `from` leads term and has nothing to say. */
void heartbeat(struct bench *b, node_id from, raft_term term);
/* An answer to the forwarded command of serial 1. */
void reply(struct bench *b, node_id from, enum forward_status status,
           node_id leader);
/* Of the newest READ that was sent. */
uint64_t last_read_id(const struct bench *b);
size_t forwards_to(const struct bench *b, node_id to);
void submit(struct bench *b, struct caller *caller, uint64_t serial,
            raft_time patience);
void expect(const struct caller *caller, enum hull_outcome outcome);

#endif
