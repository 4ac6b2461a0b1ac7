/* coresim.h -- what the files of coresim share.
 *
 * coresim.c has clients, faults and the end, coresim_world.c chance, the order of
 * things to come, clocks and the network, coresim_wipe.c lost disks.
 */
#ifndef TESTS_SIM_CORESIM_H
#define TESTS_SIM_CORESIM_H

#include "tests/sim/corenet.h"

enum {
    READS_MAX = 512,
    REPLAY_MAX = 64,
    BACKLOG_MAX = 100,  /* clients that find so much waiting wait too */
    STEPS_MAX = 400000, /* a livelock is a failure, not a long night */
};

enum kind {
    ARRIVE, /* packet */
    TIMER,
    SYNCED, /* token */
    CHECKPOINT,
    CLIENT,
    SESSION, /* a newcomer wants to count again */
    SUBMIT,  /* value: a forwarded record arrives */
    FAULT,
    WIPE,
    RESTART,
    HEAL, /* the end of faults */
    END,
};

struct happening {
    uint64_t at, order;
    enum kind kind;
    node_id node;
    uint64_t life; /* of the node; 0: whichever */
    raft_token token;
    uint64_t value;
    struct corenet_packet *packet; /* owned */
};

struct machine {
    uint64_t life;
    uint64_t clock_base;
    int64_t drift_ppm;
    uint64_t paused_until;
    uint64_t timer_at; /* true time of the pending TIMER; 0: none */
    bool syncing;
};

struct client_read {
    uint64_t id;
    node_id node;
    raft_index floor; /* what had completed anywhere when it was asked */
    uint64_t asked;
};

struct world {
    struct corenet net;
    struct machine machines[CORENET_NODES_MAX];
    uint32_t count;
    uint64_t seed, random;
    uint64_t now, order;
    struct happening *heap; /* owned */
    size_t heap_count, heap_capacity;
    bool cut[CORENET_NODES_MAX][CORENET_NODES_MAX]; /* [from][to] */
    struct corenet_packet *replay[REPLAY_MAX];      /* owned */
    struct client_read reads[READS_MAX];
    size_t read_count;
    uint64_t read_ids, values;
    raft_index completed; /* the newest record that any client may have seen */
    bool faults, trace, failed;
    bool churn; /* members come and go */
    bool wipes; /* disks are lost */
    /* swarm parameters */
    uint32_t drop_ppm, dup_ppm, replay_ppm, delay_us, disk_us, rho_ppm;
    uint32_t fault_every_us, client_every_us;
    uint64_t fault_end;
    size_t committed_at_heal;
    uint32_t ends; /* looks whether all is well */
    const char *why;
    node_id where;
    uint64_t steps;
};

/* What the seeds of a run have met, so that a quiet simulator is noticed. */
struct coverage {
    uint64_t elections, crashes, cuts, truncations, lease_reads, reads, failed,
        transfers, compactions, refused, commits, changes, promotions, removed,
        restored, read_now, wipes, joins;
};
extern struct coverage coverage;

/* coresim_world.c */
uint64_t draw(struct world *w);
uint64_t below(struct world *w, uint64_t limit);
bool chance(struct world *w, uint32_t ppm);
/* Only the first failure is told. */
void fail(struct world *w, node_id where, const char *why);
/* For --trace. */
void tell(const struct world *w, const char *what, node_id id);
void plan(struct world *w, struct happening h);
/* The earliest; there must be one. */
struct happening next_happening(struct world *w);
raft_time local(const struct world *w, node_id id);
/* Its timer and its disk go on. */
void after_step(struct world *w, node_id id);
bool can_act(const struct world *w, node_id id);
/* Of one message. */
uint64_t delay(struct world *w);
void on_send(void *context, struct corenet_packet *packet);

/* coresim_wipe.c */
/* The node loses its disk, if a majority can do without. */
void wipe_node(struct world *w, node_id id);
/* Whoever promised this loses its disk at once, and the promise is late: how late, or
 * 0, not so. */
uint64_t outlives_disk(struct world *w, const struct raft_message *m);
/* A newcomer will try to count again. */
void plan_session(struct world *w, node_id id);
/* It tries. */
void try_session(struct world *w, node_id id);
/* A change after which a node without a disk would be needed for a majority, where
 * the leader does not know that it is one: as if one disk more were lost. */
bool too_bold(const struct world *w, node_id id, const struct raft_change *change);

/* coresim.c */
/* And starts again in a while; nothing, if it is down. */
void crash(struct world *w, node_id id);

#endif
