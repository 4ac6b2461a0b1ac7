/* snapshot_int.h -- what the files of snapshot share. */
#ifndef FS_SNAPSHOT_INT_H
#define FS_SNAPSHOT_INT_H

#include "fs/snapshot.h"

#include "fs/node.h"
#include "store/image.h"

enum snapshot_kind { SNAPSHOT_ASK = 1, SNAPSHOT_CHUNK, SNAPSHOT_WAIT };

enum {
    SNAPSHOT_FRONT = 1 + 8,
    SNAPSHOT_PEERS = RAFT_NODES_MAX,
    ASK_AGAIN_US = 3000000,   /* a question without an answer */
    GIVE_UP_US = 10000000,    /* nobody says that we are behind */
    TRY_AGAIN_US = 5000000,   /* after a failure */
    LEAST_ROOM = 16 << 20,    /* what is under way between two commits */
    VIEW_FRESH_US = 30000000, /* a new transfer gets no older view */
    VIEW_IDLE_US = 60000000,  /* nobody asks: the view goes */
    HOLD_MAX_US = 1800000000, /* the log is not held for longer */
};

struct snapshot_question {
    node_id from;
    uint64_t tag;
    struct image_ask ask;
};

struct snapshot_peer { /* whom we send to */
    node_id id;
    raft_time began, asked;
    uint32_t permille;
    uint64_t bytes;
};

enum send_job { SEND_NOTHING, SEND_OPEN, SEND_CHUNK };

struct snapshot_send {
    struct image_export *export; /* owned; the thread's while a job runs */
    raft_time opened, asked, free_at;
    bool holds;
    struct snapshot_question queue[SNAPSHOT_PEERS];
    size_t queued;
    struct snapshot_peer peers[SNAPSHOT_PEERS];
    size_t peer_count;
    uv_timer_t pace;
    uint64_t sent; /* whole ones */
    enum send_job job;
    uv_work_t work;
    /* of the job */
    struct snapshot_question now;
    struct blob chunk;
    int rc;
    char why[256];
};

enum take_state {
    TAKE_IDLE,
    TAKE_NO_ROOM, /* with an import, or what one has left */
    TAKE_OPENING,
    TAKE_ASKED,
    TAKE_WORKING,
    TAKE_FINISHING
};

struct snapshot_take {
    enum take_state state;
    struct image_import *import; /* owned; the thread's but in ASKED */
    bool scratch;                /* our own tree did not help */
    node_id from;
    node_id chunk_from; /* of the last chunk that was taken, 0: none */
    bool moved;         /* chunks came from more than one node */
    uint64_t tag;
    raft_time wanted, asked, began, retry_at;
    uint32_t permille_began;
    struct image_progress progress;
    uint64_t needs;   /* bytes of the disk, as far as is known */
    uint64_t missing; /* of these; 0: there is room */
    struct image_header header; /* of the finished one */
    uint64_t installed, resumed, failed;
    uv_work_t work;
    /* of the job */
    struct image_import_options options;
    struct blob chunk;
    int rc;
    char why[256];
};

struct snapshots {
    struct node *node;
    bool stopping, leftover;
    atomic_bool stop; /* for the threads */
    struct snapshot_send send;
    struct snapshot_take take;
};

/* Sends front and body to a node. */
void snapshot_frame(struct node *node, node_id to, enum snapshot_kind kind,
                    uint64_t tag, struct bytes body);
/* A copy for another thread's sentence. */
void snapshot_why(char why[256], int rc);

/* snapshot_send.c */
void send_question(struct snapshots *snapshots,
                   const struct snapshot_question *question,
                   uint32_t permille);
void send_tick(struct snapshots *snapshots);

/* snapshot_take.c */
void take_wanted(struct snapshots *snapshots);
void take_chunk(struct snapshots *snapshots, uint64_t tag, struct bytes bytes);
void take_wait(struct snapshots *snapshots, uint64_t tag);
bool take_is_at_work(const struct snapshots *snapshots);
void take_tick(struct snapshots *snapshots);

#endif
