/* hullsim.h -- a simulated cluster of real hulls, and the rules it must keep.
 *
 * The real core, hull and wire formats run on 1 to 5 nodes under one virtual
 * clock. Log, network, disk, application and callers are models; all chance
 * comes from one seed, so that a failing run can be repeated.
 *
 * What is checked, at the moment it happens:
 *  - all nodes apply the same records in the same order;
 *  - at most one leader a term;
 *  - every context is completed exactly once; DONE right after the apply of its
 *    own record; NOT_DONE only for commands that never were and never will be
 * in any log;
 *  - a record is undone newest first, only when it is truncated right after,
 *    and never when it is committed;
 *  - a read shows everything that had completed anywhere before it began; one
 *    under a lease, everything about its key;
 *  - a record is the same bytes whenever it is looked at;
 *  - hull_check() after turns of a node's loop.
 * And after the faults have ended: a leader, all nodes equal, commands and
 * reads on every node done.
 *
 * In every third seed nodes lose their disks, never more at a time than a majority
 * can do without, and count again behind a command of their new life.
 */
#ifndef TESTS_SIM_HULLSIM_H
#define TESTS_SIM_HULLSIM_H

#include "raft/hull/hull.h"

#include <stdbool.h>
#include <stdint.h>

enum { NODES_MAX = 5, OPS_MAX = 8000, KEYS = 4 };

/* --- chance: one stream a concern, so that they do not disturb each other ---
 */

struct rng {
    uint64_t state;
};
uint64_t rng_next(struct rng *rng);
uint64_t rng_below(struct rng *rng, uint64_t limit);
uint64_t rng_between(struct rng *rng, uint64_t low, uint64_t high);
bool rng_chance(struct rng *rng, uint32_t per_million);
/* Around mean, with a long tail. */
uint64_t rng_tail(struct rng *rng, uint64_t mean);

/* --- what differs from seed to seed --- */

struct params {
    uint32_t nodes;
    uint32_t slow; /* time scale of timeouts: 1 or 5 */
    uint32_t drop_ppm, duplicate_ppm;
    uint64_t delay_us; /* mean, one way */
    bool fifo;         /* links keep order */
    uint64_t sync_us;  /* mean */
    uint32_t sync_stall_ppm, sync_at_once_ppm;
    uint64_t work_us; /* mean time between ops of a node */
    uint32_t burst_max;
    uint32_t read_ppm, cancel_ppm, nobody_ppm;
    uint64_t patience_us; /* mean deadline */
    uint64_t fault_us;    /* mean time between faults; 0: none */
    uint32_t io_error_ppm;
    uint32_t defer_flush_ppm;
    uint32_t lease_ppm; /* nodes that ask for read leases */
    bool wipes;         /* disks are lost (decision 0025) */
    uint32_t append_bytes_max, window_appends, cache_bytes, log_trailing,
        waiting_max;          /* options of core and hull */
    uint64_t faults_end, end; /* virtual time */
};

/* --- callers --- */

enum op_kind { OP_SUBMIT, OP_READ };

struct op {
    enum op_kind kind;
    uint32_t node;
    uint64_t life;  /* of the node */
    bool taken;     /* by the hull; else nothing will come */
    bool nobody;    /* submitted without a context */
    bool completed; /* exactly once */
    enum hull_outcome outcome;
    bool in_log;      /* has been in some log */
    raft_index first; /* where it was committed first, 0: not */
    raft_index floor; /* reads: what they must show at least */
    uint64_t key;     /* what it changes; 0: a name, whichever key that is */
};

/* --- the model of a log --- */

struct log_entry {
    uint8_t *bytes; /* owned; the record as it was appended */
    size_t size;
    uint64_t segment; /* place */
    raft_term term;
    uint64_t chain;
    unsigned refs;
};

struct log_image {
    raft_index base;
    raft_term base_term;
    uint64_t base_chain;
    struct log_entry **list; /* owned, one reference each */
    size_t count, capacity;
    raft_term term;
    node_id vote;
    bool rejoining; /* in the place of a lost one; the node is no member yet */
};

enum log_op_kind {
    LOG_APPEND,
    LOG_TRUNCATE,
    LOG_SAVE,
    LOG_COMPACT,
    LOG_RESET,
    LOG_JOIN
};

struct log_op { /* written, not yet durable */
    enum log_op_kind kind;
    struct log_entry **entries; /* owned */
    size_t count;
    raft_index index;
    raft_term term;
    node_id vote;
    uint64_t chain;
};

struct disk {
    struct log_image now, durable;
    struct log_op *ops; /* owned */
    size_t op_count, op_capacity;
    raft_index tree_durable;
    uint64_t last_time_ns; /* largest ever */
    size_t sync_mark;      /* ops that the sync under way covers */
};

/* --- nodes and world --- */

struct world;

struct node {
    struct world *world;
    uint32_t at;       /* in world->nodes; id is at + 1 */
    uint64_t life;     /* counts starts */
    struct hull *hull; /* NULL: down */
    struct disk disk;
    int64_t clock_offset;
    int64_t clock_ppm;
    uint64_t paused_until, tick_at, restart_at; /* UINT64_MAX: never */
    struct pilot pilot;
    struct log_api log;
    raft_index applied;  /* by the pilot */
    raft_index undo_low; /* the lowest record undone and not yet truncated;
                          * 0: none */
    bool in_api;         /* inside hull_submit() or hull_read() */
    bool fetching;       /* a snapshot */
    uint64_t wipes;      /* disks that it has lost */
    bool newcomer;
    struct op *session; /* the command of this life that lets it count; or NULL */
    bool chatty;         /* the pilot submits from its own callbacks */
};

enum event_kind {
    EV_FRAME,
    EV_SYNC,
    EV_WORK,
    EV_CANCEL,
    EV_FLUSH,
    EV_TREE,
    EV_SNAPSHOT,
    EV_SESSION,
    EV_FAULT
};

struct event {
    uint64_t at, order;
    enum event_kind kind;
    uint32_t node;
    uint64_t life; /* 0: any */
    struct frame frame;
    raft_token token;
    uint64_t number;
};

struct committed { /* the one true history */
    raft_term term;
    uint64_t hash, chain, session, serial, time_ns;
    struct op *op; /* NULL: not a command */
    uint64_t key;  /* what it changed */
};

struct counters {
    uint64_t elections, undone, duplicates, done, not_done, unknown, cancelled,
        stopped, reads_done, reads_unknown, crashes, faulted, compactions,
        forwards, resent, frames, dropped, syncs, records, cannot_submit,
        notices, snapshots, snapshots_torn, suffixes_kept, reads_now,
        reads_settled, wipes, joined;
};

struct world {
    uint64_t seed, now, order;
    struct params params;
    struct rng net, disk_chance, chaos, work, core;
    struct node nodes[NODES_MAX];
    struct event *heap; /* owned */
    size_t heap_count, heap_capacity;
    uint64_t cut_until[NODES_MAX][NODES_MAX]; /* [from][to] */
    uint64_t link_busy[NODES_MAX][NODES_MAX]; /* fifo: last arrival */
    struct op ops[OPS_MAX];
    uint32_t op_count;
    struct committed *history; /* owned; [index - 1] */
    size_t history_count, history_capacity;
    raft_index floor; /* what a new read must show */
    uint64_t *leaders; /* owned; by term: wipes * NODES_MAX + id */
    size_t leaders_capacity;
    struct counters counters;
    bool calm; /* faults are over */
    bool verbose;
};

/* Says what is wrong and aborts. */
void sim_fail(struct world *world, const struct node *node, const char *format,
              ...) __attribute__((format(printf, 3, 4), noreturn));
void sim_trace(struct world *world, const struct node *node, const char *format,
               ...) __attribute__((format(printf, 3, 4)));

/* hullsim_time.c */
/* Takes the frame of the event. */
void world_push(struct world *world, struct event event);
/* The earliest; there must be one. */
struct event world_pop(struct world *world);

/* hullsim_world.c */
void world_release(struct world *world);
/* One event or timer; false: the end has come. */
bool world_step(struct world *world);
raft_time node_clock(const struct node *node);
void node_start(struct node *node);
void node_crash(struct node *node);
void node_turn_end(struct node *node);

/* hullsim_log.c */
void disk_init(struct disk *disk);
void disk_release(struct disk *disk);
/* The machine stops: what is written survives up to some point after the last
 * sync. */
void disk_crash(struct disk *disk, struct rng *rng);
/* All is gone; the node is down. */
void disk_wipe(struct disk *disk);
/* The newcomer is a member from here on. */
void disk_join(struct disk *disk);
void disk_durable(struct disk *disk, size_t ops);
/* Begins the log behind that record: true, it had it and what follows. */
bool disk_reset(struct disk *disk, raft_index index, raft_term term,
                uint64_t chain);
/* After a crash between tree and log. */
void disk_settle(struct disk *disk, const struct world *world);
raft_index image_last(const struct log_image *image);
struct log_api log_model(struct node *node);

/* hullsim_pilot.c */
struct pilot pilot_model(struct node *node);
/* The tree of a snapshot is there. */
void snapshot_event(struct node *node, raft_index index);
/* The op whose command this is; NULL: not a command. */
struct op *op_of_record(struct world *world, const struct record *record);

/* hullsim_net.c */
/* Takes the frame. */
void net_send(struct node *from, node_id to, struct frame frame);
void chaos_strike(struct world *world);
void chaos_heal(struct world *world);

/* hullsim_work.c */
void work_some(struct node *node);
/* NULL: no room. */
struct op *work_one(struct node *node, bool is_read, uint64_t patience_us);
/* What a name stands for after so many records: every record may change it. */
uint64_t name_at(raft_index applied);

#endif
