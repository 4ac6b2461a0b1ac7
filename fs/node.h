/* node.h -- a running node: every part of it, tied to one loop.
 *
 * This is the only place where the rooms meet. The loop thread owns everything
 * in here; the log thread (store/syncer) and the background thread
 * (store/reclaim) only wake it.
 *
 *   FUSE descriptor, sockets, timers, wake-ups
 *        -> handlers queue in the hull -> hull_flush() before the loop sleeps
 *        -> log writes, frames, applies, replies
 */
#ifndef FS_NODE_H
#define FS_NODE_H

#include "fs/request.h"

#include "fs/apply.h"
#include "fs/daemon.h"
#include "fs/events.h"
#include "fs/faults.h"
#include "fs/locks.h"
#include "fs/members.h"
#include "fs/newer.h"
#include "fs/openfiles.h"
#include "fs/quarantine.h"
#include "fs/rejoin.h"
#include "fs/room.h"
#include "fs/patience.h"
#include "fs/session.h"
#include "fs/settings.h"
#include "fs/space.h"
#include "fs/submission.h"
#include "raft/hull/hull.h"
#include "raft/json/config.h"
#include "raft/uv/transport.h"
#include "store/error.h"
#include "store/raftlog.h"
#include "store/reclaim.h"
#include "store/syncer.h"
#include "store/tree.h"

#include <jansson.h>
#include <pthread.h>
#include <uv.h>

struct control;
struct snapshots;

enum {
    COMMIT_RECORDS = 1024, /* applied, then the tree's transaction ends, */
    COMMIT_MS = 50,        /* or after this time */
    DIGEST_EVERY = 64,  /* records between two points of comparison */
    DIGEST_RING = 1024, /* points that a leader remembers */
};

struct digest_point {
    raft_index index;
    uint64_t digest;
};

/* See fs/ops_file.c. */
enum { KNOWN_CONTENTS = 1 << 16 };
enum { FOREIGN_CHANGES = 1 << 14 };
struct foreign_change { /* the last one that came from another node */
    uint64_t ino;
    raft_time at;
};
struct known_contents {
    uint64_t ino;
    int64_t ctime;
};

struct node {
    struct daemon_options options;
    struct config config;
    node_id self;
    uint64_t boot;
    raft_time started;
    time_t started_wall;

    uv_loop_t loop;
    uv_prepare_t prepare; /* hull_flush() before every sleep */
    uv_timer_t timer;     /* hull_deadline() */
    uv_timer_t tick;      /* 100 ms while a request needs it */
    uv_timer_t second;    /* sessions, space */
    uv_async_t synced;    /* from the log thread */
    uv_async_t background;/* from the background thread */
    uv_signal_t sigterm, sigint, sighup;
    uv_poll_t fuse_poll;
    uv_idle_t again;      /* more background work at once */
    uv_timer_t commit;    /* ends the tree's transaction */
    uv_timer_t farewell;  /* how long stopping may take */
    bool tick_running, again_running, loop_open, fuse_watched;
    bool stopping, leaving; /* fs/stop.c */
    raft_time stop_began;
    raft_time lease_told_at; /* the leader has heard that a stopping node has none */
    raft_time asked_at;     /* the last request of the kernel, while stopping */

    /* store */
    struct segments *segments;
    struct segment_writer *staging;
    struct raftlog *log;
    struct tree *tree;
    struct reclaim *reclaim;
    struct syncer *syncer;
    struct snapshots *snapshots; /* owned */
    uint64_t tree_durable;
    uint64_t committed; /* applied index of the tree's last commit */

    /* the sync under way; the log thread writes its outcome */
    struct {
        raft_index last;    /* of the log when it began */
        bool truncated;     /* the log was cut since */
        bool segments;      /* it covers some */
        uint64_t done_token;/* guarded by lock */
        int done_status;    /* guarded by lock */
        bool done;          /* guarded by lock */
        pthread_mutex_t lock;
    } sync;

    /* raft */
    struct hull *hull;
    struct pilot pilot;
    struct log_api log_api;
    struct transport *transport;
    enum raft_role role;
    raft_term term;
    node_id leader;
    raft_time leader_since, leaderless_since;
    struct raft_config members, members_committed; /* in force; for certain */
    struct member_requests member_requests;
    char address[RAFT_ADDRESS_SIZE]; /* this node's, that it listens for */
    bool faulted;
    char fault_pending[256]; /* not yet told to the hull */

    /* fs */
    struct apply *apply;
    struct session_keeper session;
    struct space space;
    struct requests requests;
    struct patience patience;
    struct openfiles openfiles;
    struct locks locks;
    struct digest_point digests[DIGEST_RING];
    struct digest_point last_digest;
    struct event_ring events;
    struct faults faults;
    struct quarantine quarantine;
    struct settings settings;
    struct rejoin rejoin;
    struct submissions submissions;
    struct room room;
    struct control *control;
    pid_t comm_pid; /* whose name is in comm */
    raft_time comm_checked;
    char comm[16];

    /* FUSE */
    struct fuse_session *fuse;
    struct fuse_buf fuse_buffer;
    struct newer newer;
    size_t reads_under_way; /* on reader threads */
    struct known_contents known[KNOWN_CONTENTS];
    struct foreign_change foreign[FOREIGN_CHANGES];
    bool mounted;

    int ready_fd; /* tells the shell that waits; -1 when told */
    int exit_code;
};

/* CLOCK_BOOTTIME in us: read anew each time, leases depend on it. */
raft_time node_now(void);

/* Opens stores and network as the configuration says; *why is a sentence for
 * the person at the shell. 0 or an exit code. */
int node_open(struct node *node, const struct daemon_options *options,
              char why[512]);
/* Runs until stopped; returns the exit code. */
int node_run(struct node *node);
/* Asks node_run() to return, when calls that are under way have been answered
 * and a leader has handed over, if that is quick. fs/stop.c */
void node_stop(struct node *node);
/* The role has changed: a stopping leader need not wait any longer. */
void node_role_changed(struct node *node);
void node_close(struct node *node);

/* Tells the shell that waits, once, when the mount is usable or will not be
 * within READY_PATIENCE. fs/daemon.c */
void node_tell_ready(struct node *node);
/* Runs requests_tick() every 100 ms until nobody needs it. */
void node_want_tick(struct node *node);
/* tree and segments are open. */
int node_start_reclaim(struct node *node);
/* Ends the tree's transaction. */
int node_commit_tree(struct node *node);
/* Takes the node out of service: the disk or the tree cannot be trusted. */
void node_fault(struct node *node, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Why a change cannot be made at present; NULL when it can. For people. */
const char *node_why_not_writable(const struct node *node, char text[256]);

/* fs/pilot.c, fs/logapi.c */
void pilot_fill(struct node *node);
void logapi_fill(struct node *node);
void logapi_synced(struct node *node); /* on the loop, after a wake-up */
/* Reads what the hull needs to start; frees nothing of node on failure. */
int logapi_boot(struct node *node, const struct log_head *head);
/* One reference, of a row of the log or of the quarantine. Any thread. */
int logapi_decode(struct node *node, const struct log_row *row,
                  struct record **out);
/* Without the payload, when that lies in a segment: reads nothing. */
int logapi_decode_front(const struct log_row *row, struct record **out);
/* Bytes of a session keep-alive, and what the leader makes of it. */
void pilot_notice(void *self, node_id from, struct bytes body);

/* fs/fuse.c */
int fuse_open(struct node *node, char why[512]);
int fuse_start(struct node *node); /* watch the descriptor */
void fuse_close(struct node *node);
extern const struct fuse_lowlevel_ops fuse_operations;

/* fs/ops_file.c: another node's command has changed these. */
void ops_changed_elsewhere(struct node *node,
                           const struct apply_change *change);

/* fs/status.c: new references */
json_t *status_json(struct node *node);
/* fs/config_control.c: {"command": "config", "action": "get" | "set", "key",
 * "value", "cluster": true | false} */
json_t *config_control(struct node *node, const json_t *request);
/* fs/locks_json.c: {"command": "locks", "action": "list" | "break", "id"} */
json_t *locks_control(struct node *node, const json_t *request);
json_t *node_control(void *arg, const json_t *request);

#endif
