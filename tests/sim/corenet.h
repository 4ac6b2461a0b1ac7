/* corenet.h -- real cores with modelled logs, for the scenario runner and the
 * random simulation.
 *
 * A node is a core, a log that is written at once but durable only when
 * corenet_sync() says so, and the messages that wait for that. A crash keeps
 * of the log what is durable and as many of the writes under way as the caller
 * says. Where messages go, and when, is the caller's business.
 *
 * A node that is wiped loses all of it, and begins as one made by `raftfs init
 * --rejoin` (decision 0025): it does not count until corenet_join() finds a record of
 * its new life applied. So much of its older life goes on: what it had said is under
 * way, and what it had acknowledged may still be counted.
 *
 * Invariants that need to see more than one node are checked on the way
 * (struct corenet_truth); a broken one is reported through `broken`.
 */
#ifndef TESTS_SIM_CORENET_H
#define TESTS_SIM_CORENET_H

#include "raft/core/raft.h"

#include <stdio.h>

enum { CORENET_NODES_MAX = 7, CORENET_OPS_MAX = 4096 };

struct corenet_record {
    raft_term term;
    uint64_t value; /* 0: TERM_START */
    size_t config;  /* CONFIG record: its number in corenet.configs; 0: none */
};

/* A log as it is in memory or on disk. */
struct corenet_image {
    raft_term term;
    node_id vote;
    bool rejoining; /* it was made in the place of a lost one, and is no member yet */
    raft_index base_index;
    raft_term base_term;
    struct corenet_record *records; /* owned */
    size_t count, capacity;
};

struct corenet_packet {
    struct raft_message message;
    struct corenet_record *records; /* owned; message.count of them */
};

struct corenet_op {
    raft_token token;
    enum raft_effect_type type; /* SAVE, TRUNCATE, APPEND */
    raft_term term;
    node_id vote;
    raft_index first;
    uint32_t count;
    struct corenet_record *records; /* owned */
    bool joins; /* none of these: it is written that the node is a member again */
};

struct corenet_held {
    raft_token after;
    struct corenet_packet *packet; /* owned */
};

struct corenet_node {
    node_id id;
    bool up, failed;
    struct raft *core;
    struct raft_effects effects;
    struct corenet_image memory, disk;
    struct corenet_image ghost; /* of the disks that it lost while it counted, the
                                 * one that had most */
    uint64_t wipes;             /* lives that are over with their disks */
    bool newcomer;              /* says so itself */
    bool uncounted;             /* has not joined since the wipe */
    uint64_t session;           /* the record of this life; 0: not chosen yet */
    bool session_open;          /* it is applied */
    raft_index tree;        /* applied and durable: survives a crash */
    size_t tree_config;     /* the newest configuration in it; 0: the first */
    raft_index tree_config_index;
    raft_index applied;     /* told to apply */
    struct corenet_op *ops; /* owned; written, not durable */
    size_t op_count, op_capacity;
    raft_token newest;      /* of all writes of this process */
    struct corenet_held *held; /* owned; messages that wait for the disk */
    size_t held_count, held_capacity;
    enum raft_role role;
    raft_term term;
};

/* What the whole cluster has promised so far. */
struct corenet_fact {
    raft_term term, prev_term;
    uint64_t value;
    size_t config;
};
struct corenet_facts {
    struct corenet_fact *list; /* owned; all records ever at one index */
    size_t count, capacity;
};
struct corenet_truth {
    struct corenet_facts *at; /* owned; by index: log matching */
    size_t at_capacity;
    struct corenet_record *committed; /* owned; [i] is index i + 1 */
    raft_term *committed_in;          /* owned; a term not before the one it
                                       * was committed in */
    size_t committed_count, committed_capacity, committed_in_capacity;
    uint64_t *leader_of; /* owned; by term: wipes * NODES_MAX + id */
    size_t leader_capacity;
    node_id *vote_of; /* owned; by term * NODES_MAX + voter - 1 */
    size_t vote_capacity;
};

struct corenet {
    struct raft_members members; /* the first ones */
    struct raft_members *configs; /* owned; all that were ever written, [0] is
                                   * not used */
    size_t config_count, config_capacity;
    struct raft_options options; /* self, boot and seed are set per node */
    struct corenet_node nodes[CORENET_NODES_MAX]; /* [id - 1] */
    struct corenet_truth truth;
    uint64_t boots, sessions;
    void *context;
    /* Takes the packet. */
    void (*send)(void *context, struct corenet_packet *packet);
    void (*broken)(void *context, node_id node, const char *what);
    /* Borrowed; NULL: not wanted. Called for every effect, in order. */
    void (*effect)(void *context, node_id node,
                   const struct raft_effect *effect);
};

/* Nodes 1..count. The last `outside` are no members, of the others all vote but
 * the last `learners`. */
void corenet_init(struct corenet *net, uint32_t count, uint32_t learners,
                  uint32_t outside);
void corenet_release(struct corenet *net);
struct corenet_node *corenet_node(struct corenet *net, node_id id);

/* A log for a node that was never up. terms: one per record. */
void corenet_preset(struct corenet *net, node_id id, raft_term term,
                    const raft_term *terms, size_t count, raft_index applied);
void corenet_start(struct corenet *net, node_id id, raft_time now,
                   uint64_t seed);
/* Of the writes under way the first `kept` survive. */
void corenet_crash(struct corenet *net, node_id id, size_t kept);

/* The node is down, its disk is gone, another is in its place. at_once: it is a
 * member without more ado, as one of two is. */
void corenet_wipe(struct corenet *net, node_id id, bool at_once);
/* The value of the record that opens the node's session in this life: one that no
 * client takes. The record itself comes as any other, by a SUBMIT to a leader. */
uint64_t corenet_session(struct corenet *net, node_id id);
/* The newcomer is a member again, if it may be; else -1. */
int corenet_join(struct corenet *net, node_id id, raft_time now);

/* Performs the effects and checks everything. */
int corenet_step(struct corenet *net, node_id id, struct raft_event event);
/* enum raft_change_result */
int corenet_change(struct corenet *net, node_id id, raft_time now,
                   struct raft_change change);
/* SUBMIT of one record. */
int corenet_submit(struct corenet *net, node_id id, raft_time now,
                   uint64_t value);
/* Hands over the packet (borrowed), if the node is up. */
void corenet_deliver(struct corenet *net, const struct corenet_packet *packet,
                     raft_time now);
/* Everything written so far up to token becomes durable. */
void corenet_sync(struct corenet *net, node_id id, raft_time now,
                  raft_token token);
/* The newest write; 0: all are durable. */
raft_token corenet_unsynced(const struct corenet *net, node_id id);
/* Makes the tree durable and tells the core. */
void corenet_checkpoint(struct corenet *net, node_id id, raft_time now);
/* Forgets log records up to upto. */
void corenet_compact(struct corenet *net, node_id id, raft_time now,
                     raft_index upto);

raft_index corenet_last(const struct corenet_image *image);
/* NULL: not there. */
const struct corenet_record *corenet_at(const struct corenet_image *image,
                                        raft_index index);
struct corenet_packet *corenet_copy(const struct corenet_packet *packet);
void corenet_packet_free(struct corenet_packet *packet);

#endif
