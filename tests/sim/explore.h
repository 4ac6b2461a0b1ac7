/* explore.h -- what explore.c, which looks at all orders, and explore_walk.c, which goes
 * random ways, share: three cores, their disks, what is under way.
 */
#ifndef TESTS_SIM_EXPLORE_H
#define TESTS_SIM_EXPLORE_H

#include "raft/core/raft_int.h"

enum {
    NODES = 3,
    LOG = 12,
    TERMS = 24,
    PACKETS = 64,
    PACKETS_ROOM = 24, /* one event sends less */
    OPS_ROOM = 6,
    STEPS = 600, /* of a random way */
    LONG = 10 * 1000 * 1000,
    OPS = 16,
    HELD = 32,
    EFFECTS = 128,
    ARENA = 1 << 20,
    LARGE = 16 * 1024, /* such blocks are queues of reads, which nobody uses */
    IDLE = 1 << 20,
    VISITED = 1 << 24,
    DEPTH = 400,
};

struct packet {
    struct raft_message message;
    raft_term terms[LOG]; /* of the attached records */
    raft_token after;     /* while held */
};

struct op { /* a write that is not durable yet */
    enum raft_effect_type type;
    raft_token token;
    raft_index first;
    uint32_t count;
    raft_term terms[LOG];
    raft_term term;
    node_id vote;
    bool joins; /* none of these: the newcomer is a member from here on */
};

struct image {
    raft_term term;
    node_id vote;
    bool rejoining; /* in the place of a lost one; the node is no member yet */
    raft_index last;
    raft_term terms[LOG + 1];
};

struct place { /* a node */
    struct raft *core;
    struct image disk; /* durable */
    raft_term terms[LOG + 1];
    raft_index last;
    struct op ops[OPS];
    uint32_t op_count;
    struct packet held[HELD];
    uint32_t held_count;
    /* what it has told others */
    raft_term voted_term;
    node_id voted;
    raft_index commit;
    /* a lost disk */
    uint64_t wipes;
    struct image ghost; /* what it had acknowledged */
    bool newcomer, uncounted;
    raft_index session; /* the record of this life that lets it count; 0: none yet */
    raft_term session_term;
};

struct state {
    struct place nodes[NODES];
    struct packet packets[PACKETS];
    uint32_t packet_count;
    uint32_t timeouts, submits, crashes, wipes; /* left */
    raft_time now[NODES];
    enum raft_message_type lazy_type; /* on a random way: what takes long */
    bool lazy[NODES][NODES]; /* [from][to] */
    uint64_t boots;
    uint64_t leaders[TERMS]; /* wipes * NODES + id */
    raft_term committed[LOG + 1];
    raft_term committed_in[LOG + 1]; /* a term not before that of the commit */
    raft_index committed_last;
    size_t arena_used;
};

/* explore.c */
extern struct state s;
extern uint64_t states; /* seen, or steps of random ways */
extern uint64_t seed;   /* of a random way; 0: all are tried */
extern bool too_early;  /* --read-index */
void start(uint32_t node);
/* What raft_step() returns. from: the packet of a MESSAGE, or NULL. */
int step(uint32_t node, struct raft_event *event, const struct packet *from);
/* Packet `at` reaches its node. */
void arrive(uint32_t at);
/* All its writes are durable; there are some. */
void disk_done(uint32_t node);
/* Of its writes so many survive. */
void crash(uint32_t node, uint32_t kept);
/* At a leader. */
void submit(uint32_t node);

/* explore_walk.c */
void walk_all(uint64_t first, uint64_t seeds);

#endif
