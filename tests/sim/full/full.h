/* full.h -- the whole program under a simulated machine, in one thread.
 *
 * Everything of raftfs but its command line runs here as it is: handlers of
 * FUSE requests, sessions, apply, hull, core, wire, and the store with its log
 * thread and its background thread. What it stands on is replaced where the
 * linker joins them, so that not one line of the product knows of it:
 *
 *   the kernel's side   libfuse's replies                 kernel.c
 *   libuv               timers, wake-ups, work queue      loop.c
 *   the network         raft/uv/transport.h               net.c
 *   SQLite's files      a VFS                             vfs.c
 *   files, clocks       open(2), pread(2), ...            system.c (ld --wrap)
 *   threads             pthread_create() makes a fiber    thread.c (ld --wrap)
 *   the disk below      written, synced, lost, broken     disk.c
 *
 * world.c moves the virtual clock and gives nodes their life, chaos.c breaks
 * things, client.c uses the file systems, watch.c says what must hold. All
 * chance comes from one seed: the same seed and source, the same trace hash.
 */
#ifndef TESTS_SIM_FULL_H
#define TESTS_SIM_FULL_H

#include "fs/command.h"
#include "fs/node.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
    NODES_MAX = 7, /* machines; at first 5 of them are members, or fewer */
    CLIENTS_MAX = 4, /* a node */
    SEEN_MAX = 1 << 17,
    LINES = 200, /* of the trace that a failure shows */
    FAULTS_MAX = 1000, /* that can be named */
};

/* --- chance, one stream a concern --- */

struct rng {
    uint64_t state;
};
uint64_t rng_next(struct rng *rng);
uint64_t rng_below(struct rng *rng, uint64_t limit);
bool rng_chance(struct rng *rng, uint32_t per_million);
uint64_t rng_tail(struct rng *rng, uint64_t mean); /* around it, long tail */

/* --- what differs from seed to seed --- */

struct params {
    uint32_t nodes, clients;
    uint32_t members; /* the first of the nodes; the others may become some */
    uint64_t delay_us;
    uint32_t drop_ppm, duplicate_ppm;
    bool fifo;
    uint64_t sync_us;
    uint32_t stall_ppm;
    uint64_t think_us;
    uint64_t fault_us; /* between two faults */
    uint32_t lag_us;   /* of a busy loop */
    bool leases;       /* mounted with reads=lease */
    uint32_t big_ppm;  /* payloads that go to segments */
    uint32_t checkpoint_bytes, merge_extents;
    uint32_t append_bytes_max, window_appends, cache_bytes, log_trailing;
    uint64_t faults_end;
    bool core_only; /* in the end only a majority is healed */
};

/* --- counters: a batch in which one of them stays 0 proves nothing --- */

#define COUNTERS(X)                                                            \
    X(elections) X(truncations) X(undone) X(crashes) X(powerless) X(kills)     \
    X(mid_write) X(torn) X(lost_writes) X(lost_names) X(io_errors) X(full)     \
    X(failed_syncs) X(out_of_service) X(cuts) X(bridges) X(pauses) X(jumps)    \
    X(relayed) X(dropped) X(duplicated) X(frames) X(syncs) X(records)          \
    X(applied) X(replayed) X(filtered) X(answers) X(reads) X(unknown)          \
    X(not_done) X(errors) X(appends) X(segments) X(sessions_ended) X(reaped)   \
    X(interrupts) X(locks_granted) X(checkpoints) X(merges) X(reclaimed)       \
    X(compactions) X(snapshots) X(transfers) X(digests) X(ended)      \
    X(added) X(promoted) X(removed) X(moved) X(wiped) X(refused)               \
    X(strangers) X(turned_away) X(cores)

struct counters {
#define FIELD(name) uint64_t name;
    COUNTERS(FIELD)
#undef FIELD
};

/* --- disk.c --- */

struct file;

struct disk {
    struct file **files; /* owned */
    size_t count, capacity;
    bool doomed;           /* the machine is down: what is written is lost */
    bool sync_failed;      /* once, and for good */
    uint32_t io_error_at;  /* the n-th call fails; 0: none */
    uint32_t crash_at;     /* the n-th write is the last; 0: none */
    uint64_t room;         /* bytes that may be written yet */
    uint32_t slow;         /* factor */
    uint64_t first_number; /* of writes, for who likes to know */
};

struct file_info {
    uint64_t size;
    bool directory;
};

void disk_release(struct disk *disk);
struct file *disk_find(struct disk *disk, const char *path);
struct file *disk_make(struct disk *disk, const char *path, bool directory);
void file_hold(struct file *file);
void file_let_go(struct file *file);
const char *file_path(const struct file *file);
bool file_is_directory(const struct file *file);
uint64_t file_size(const struct file *file);
/* Bytes read. */
size_t file_read(const struct file *file, void *to, size_t size, uint64_t at);
/* 0 or an errno; a failing write has written its first half. */
int file_write(struct file *file, const void *from, size_t size, uint64_t at);
int file_truncate(struct file *file, uint64_t size);
int file_allocate(struct file *file, uint64_t size);
/* May let virtual time pass when called on a fiber. */
int file_sync(struct file *file);
int disk_unlink(struct disk *disk, const char *path);
int disk_rename(struct disk *disk, const char *from, const char *to);
int disk_sync_directory(struct disk *disk, const char *path);
/* The n-th file directly in the directory, NULL: no more. */
struct file *disk_list(struct disk *disk, const char *path, size_t n);
/* Everything is durable, as after `init` and a good night. */
void disk_settle(struct disk *disk);
/* Fills an empty disk with what a crash leaves; with_power: only the process
 * died. */
void disk_after_crash(const struct disk *disk, bool with_power,
                      struct disk *out);
/* Moves all files. */
void disk_take(struct disk *disk, struct disk *from);

/* --- vfs.c --- */
void vfs_install(void);
void vfs_reset(void);

/* --- thread.c --- */

struct fiber;
/* Runs what has come due on this node's fibers; the time of the next. */
void fibers_run(uint32_t node);
uint64_t fibers_due(uint32_t node);
bool on_fiber(void);
/* On a fiber: lets virtual time pass. */
void fiber_sleep(uint64_t us);

/* --- the nodes --- */

struct promise { /* what a node has told others */
    raft_term term;
    node_id vote; /* 0: none in this term */
};

/* What a node says of itself to others who have not met it yet. */
struct hello_of {
    uint64_t disk;
    bool rejoined;
    raft_index config;
    char address[RAFT_ADDRESS_SIZE];
    char listens[RAFT_ADDRESS_SIZE]; /* where it can be reached */
};

struct sim_node {
    uint32_t at;
    uint64_t life;
    struct node *node; /* NULL: down */
    struct disk disk;
    char directory[16], name[16];
    bool exists;  /* it has a data directory */
    bool joins;   /* ... made by `init --join` */
    bool off;     /* somebody has switched it off */
    bool lost;    /* it is not healed in the end */
    struct raft_config latest; /* that it was seen with */
    uint32_t contact; /* joins: the node that it knows, at that address */
    char contact_address[32], address[32]; /* of raftfs.json */
    int64_t clock_offset, clock_ppm, wall_offset;
    uint64_t paused_until, restart_at, turn_at, crash_after;
    uint64_t turned_at; /* when its loop turned last, */
    uint32_t turns;     /* ... so many times */
    bool dying;        /* it has crashed; what it does now has no effect */
    struct disk image; /* owned; dying: what the crash has left */
    bool power_off;    /* the next crash takes the power, too */
    bool stumbled;     /* its disk was made to fail in this life */
    uint32_t swap_error_at; /* io_error_at from the next swap of trees on, in
                             * this life or a later one */
    /* libuv */
    uv_timer_t *timers[32];
    uint32_t timer_count;
    uv_prepare_t *prepare;
    uv_async_t *asyncs[8];
    uint32_t async_count;
    uint32_t async_sent; /* bits */
    uv_idle_t *idles[4];
    uint32_t idle_count;
    struct transport *transport;
    struct hello_of hello;
    /* watch.c: what must survive */
    struct promise promise;
    raft_index acked;     /* largest index acknowledged as durable ... */
    raft_term acked_term; /* ... and the term of that record */
    raft_index undo_low;  /* the lowest index undone and not truncated yet */
    raft_term *terms;     /* owned; of the log's records: [index] */
    size_t terms_capacity;
    raft_index log_base, log_last;
    raft_term seen_term;
    raft_index seen_commit, seen_applied;
};

/* --- the kernel's side --- */

enum op_kind {
    DO_LOOKUP,
    DO_GETATTR,
    DO_CREATE,
    DO_MKDIR,
    DO_RMDIR,
    DO_UNLINK,
    DO_RENAME,
    DO_LINK,
    DO_SYMLINK,
    DO_READLINK,
    DO_WRITE,
    DO_READ,
    DO_APPEND,
    DO_READ_JOURNAL,
    DO_TRUNCATE,
    DO_CHMOD,
    DO_OPEN,
    DO_RELEASE,
    DO_READDIR,
    DO_SETXATTR,
    DO_GETXATTR,
    DO_FALLOCATE,
    DO_COPY,
    DO_LOCK,
    DO_UNLOCK,
    DO_FSYNC,
    DO_KINDS
};

struct client;

struct fuse_req {
    struct sim_node *sim;
    uint64_t life;
    struct client *client; /* NULL: gave up with its node */
    struct fuse_ctx context;
    void (*on_interrupt)(fuse_req_t, void *);
    void *on_interrupt_arg;
    uint64_t number;
    enum op_kind kind;
    bool is_read;
    raft_index floor; /* reads: what it must show at least */
    uint64_t began;
};

struct answer {
    int error; /* errno */
    uint64_t ino, fh;
    struct stat attr;
    char *bytes; /* owned */
    size_t size;
};

struct client {
    struct sim_node *sim;
    uint32_t at;
    struct fuse_req *waits; /* for this; NULL: thinks */
    struct answer answer;
    uint64_t token;       /* of the append under way */
    uint64_t ino, parent; /* what it worked with last */
    uint64_t journal_fh, file_ino, file_fh;
    bool has_journal, has_file, has_lock;
};

/* --- what travels --- */

enum event_kind {
    EV_FRAME,
    EV_CLIENT,
    EV_FAULT,
    EV_WORK,
    EV_INTERRUPT,
    EV_PERSON
};

struct event {
    uint64_t at, order;
    enum event_kind kind;
    uint32_t node;
    uint64_t life;
    struct frame frame; /* owned */
    uint32_t from;      /* the neighbour that sent it */
    void *what;
    uint64_t number;
};

enum token_fate { TOKEN_OPEN, TOKEN_ACKED, TOKEN_REFUSED };
struct token {
    enum token_fate fate;
    uint32_t size;
    uint64_t acked_at; /* reads that begin later must show it */
    bool seen;
};

struct history { /* of one record, as the first node applied it */
    raft_term term;
    uint64_t hash, result;
    uint64_t digest;
};

struct logged { /* a record somewhere in a log: (index, term) */
    raft_term term;
    uint64_t hash;
    struct logged *next;
};

/* --- who belongs to the cluster --- */

enum { ORDERS_MAX = 2 };

enum order_kind {
    ORDER_ADD,
    ORDER_LEARNER,
    ORDER_REMOVE,
    ORDER_MOVE,
    ORDER_PROMOTE,
    ORDER_PRIORITY,
    ORDER_TRANSFER,
    ORDER_KINDS
};

/* What a person wants of the node `at`. */
struct order {
    bool open;
    enum order_kind kind;
    uint32_t at, via;  /* via: the node that is asked */
    uint64_t via_life; /* ... in this life */
    int64_t id;        /* of the question; 0: it has to be asked (again) */
    uint64_t asked;
    uint32_t tries, number;
    char address[32];
};

/* What came of a seed that ran in a process of its own. */
struct trial {
    char broken[64]; /* the invariant; "": none */
    uint64_t faults; /* until then */
};

struct world {
    uint64_t seed, now, order;
    struct params params;
    struct rng net, disk, chaos, work, core;
    struct sim_node nodes[NODES_MAX];
    struct client clients[NODES_MAX][CLIENTS_MAX];
    struct event *heap; /* owned */
    size_t heap_count, heap_capacity;
    uint64_t cut_until[NODES_MAX][NODES_MAX];  /* [from][to] */
    uint64_t link_busy[NODES_MAX][NODES_MAX];
    struct history *history; /* owned; [index - 1] */
    size_t history_count, history_capacity;
    struct logged **logged; /* owned; [index - 1] */
    size_t logged_capacity;
    node_id *leaders; /* owned; by term */
    size_t leaders_capacity;
    uint64_t seen[SEEN_MAX]; /* hashes of commands */
    raft_index floor;
    struct raft_config members; /* the newest committed list */
    struct order orders[ORDERS_MAX];
    uint32_t moves;
    struct token *tokens; /* owned */
    size_t token_count, token_capacity;
    uint64_t journal_ino;
    uint8_t *journal; /* owned; the longest that was ever read */
    size_t journal_size;
    uint64_t requests, answered;
    struct counters counters;
    uint64_t trace; /* hash */
    char lines[LINES][160];
    uint64_t line_count;
    bool calm, over, verbose;
    FILE *puml;              /* a sequence diagram goes there */
    uint64_t fault_number;    /* counts the faults */
    const bool *faults_left;  /* those that strike; NULL: all */
    struct trial *trial;      /* NULL: what breaks is printed */
};

extern struct world world;
/* Whose code runs; NULL: nobody's. */
extern struct sim_node *here;

void sim_trace(const struct sim_node *sim, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Ends the process. */
_Noreturn void sim_fail(const struct sim_node *sim, const char *invariant,
                        const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Enters what happened into the trace hash. */
void sim_note(uint64_t what);

/* world.c */
void world_push(struct event event);
raft_time node_clock(const struct sim_node *sim);
uint64_t clock_inverse(const struct sim_node *sim, raft_time at);
struct sim_node *sim_of_node(const struct node *node);
void node_start(struct sim_node *sim);
/* `raftfs init`, and --join, on a machine whose node is not running. */
void node_init(struct sim_node *sim, bool joins);
void node_wipe(struct sim_node *sim);
/* What is on its disk is settled now; the node itself goes at the end of the
 * event under way. */
void node_crash(struct sim_node *sim, bool with_power);
/* A clean end. */
void node_stop_cleanly(struct sim_node *sim);
/* Something happened to it: the loop will turn soon. */
void node_wake(struct sim_node *sim);
void world_init(uint64_t seed);
void world_run(void);
void world_release(void);
void params_draw(struct rng *rng);

/* loop.c */
uint64_t loop_due(const struct sim_node *sim);
void loop_turn(struct sim_node *sim);
void loop_work(struct event *event);

/* net.c */
void net_arrives(struct event *event);

/* kernel.c */
void kernel_ask(struct client *client, struct fuse_req *request);
struct fuse_req *kernel_request(struct client *client, enum op_kind kind);

/* client.c */
void client_step(struct client *client);
void client_answered(struct client *client, struct fuse_req *request);
void clients_node_gone(struct sim_node *sim);
void clients_start(struct sim_node *sim);
void clients_check_end(void);
/* A client of this node can append now. */
bool clients_ask_last(struct sim_node *sim);

/* members.c */
void members_init(void);
/* Where machine `at` is after so many moves. */
void members_address(uint32_t at, uint32_t moves, char out[32]);
void members_strike(struct rng *rng);
void members_step(struct order *order);
/* A newer list is committed. */
void members_see(const struct raft_config *committed);
bool is_member(uint32_t at);
/* A member that is expected to be well in the end. */
bool is_healed(uint32_t at);
/* Chooses whom the healing leaves out: never so many that those who are left are no
 * majority of each list that may count. False: nobody. */
bool members_lose_some(void);
/* All that was wanted is done. */
bool members_settled(void);

/* chaos.c */
void chaos_strike(void);
void chaos_heal(void);
/* From the next seed on only these faults strike, by number. */
void faults_only(const uint32_t *list, size_t count);
bool is_left_out(uint64_t number);
extern const char *const chaos_names[];

/* trial.c */
void trial_run(uint64_t seed, struct trial *out);
/* False: nothing breaks. Else tells with which faults it still does. */
bool trial_shrink(uint64_t seed);

/* watch.c */
void watch_turn(struct sim_node *sim);
void watch_sends(struct sim_node *sim, struct bytes frame);
void watch_read(struct sim_node *sim, const struct fuse_req *request);
/* Has everybody all that is committed? */
bool watch_converged(void);
void watch_end(void);

#endif
