/* reclaim_int.h -- what the files of reclaim share.
 *
 * reclaim.c          the thread, and the loop's side
 * reclaim_start.c    start and stop
 * reclaim_durable.c  syncs and checkpoints
 * reclaim_merge.c    which small extents become one, and their swap
 * reclaim_segment.c  which segments are moved out of, and which are unlinked
 *
 *            background thread                        loop
 *   touched  <------------------------------  reclaim_touched()
 *   look(): sync -> durable  ------------->  reclaim_step(): *durable
 *           merge, move -> batch  -------->      swaps, a slice at a time
 *           ask for the log's places  ---->      raftlog_places()
 *           ask for the rest of a checkpoint ->  db_checkpoint()
 *
 * Why a segment may be unlinked, in the order in which it is found out:
 *  1. No swap is under way, and those done are committed: what was merged and
 *     will ever be referred to, is.
 *  2. The loop tells which segments the log and the quarantine refer to. The
 *     segment is not one of them, and no record is to come that does: it was
 *     closed before this process began, or was written by merging, or the log
 *     has referred to a later one, and records reach the log in the order in
 *     which they were staged.
 *  3. The committed tree, read after that, does not refer to it. Records that
 *     would make it do so would be in the log.
 *  4. Both WAL files are synced: so it is after a power loss, too.
 */
#ifndef STORE_RECLAIM_INT_H
#define STORE_RECLAIM_INT_H

#include "store/reclaim.h"
#include "store/tree_int.h"

#include <pthread.h>

enum {
    RECLAIM_TOUCHED_MAX = 256,    /* hints between two looks; more are lost */
    RECLAIM_CANDIDATES_MAX = 256, /* bodies that may be worth a merge */
    RECLAIM_SMALL = 64 * 1024,    /* extents below this are merged */
    RECLAIM_RUN_BYTES = 1024 * 1024,
    RECLAIM_RUN_ROWS = 512, /* a swap of that many takes a millisecond */
    RECLAIM_BATCH_SWAPS = 64,
    RECLAIM_BATCH_BYTES = 16 * 1024 * 1024,
    RECLAIM_PURGE_ROWS = 256,   /* in one step */
    RECLAIM_SEGMENTS_LOOK = 16, /* segments whose live bytes a look counts */
    RECLAIM_PAGE = 4096,
    RECLAIM_FRAME = RECLAIM_PAGE + 24,
};

struct touch {
    uint64_t body;
    uint64_t count;
};

struct candidate {
    uint64_t body; /* 0: free */
    uint64_t touches;
    uint64_t rows; /* when it was looked at last */
};

/* Extents of a body that follow each other, to be replaced by one. */
struct run {
    uint64_t body;
    uint64_t size;
    uint32_t count;
    struct extent_row rows[RECLAIM_RUN_ROWS]; /* without their bytes */
};

struct swap {
    uint64_t body;
    struct extent_row *old; /* owned */
    uint32_t count;
    struct extent_row merged;
    uint8_t *inlined; /* owned; merged.bytes, or NULL */
};

struct batch {
    uint32_t count, taken; /* taken: by the loop */
    uint64_t bytes;
    bool no_room; /* the disk is full: nothing more is copied */
    struct swap swaps[RECLAIM_BATCH_SWAPS];
};

enum log_places_state { PLACES_UNKNOWN, PLACES_ASKED, PLACES_TOLD };

struct places {
    uint64_t *ids; /* owned */
    size_t count, capacity;
};

enum reclaim_wal { WAL_LOG, WAL_TREE, WALS };

struct reclaim {
    struct segments *segments; /* borrowed, as are these */
    struct raftlog *log;
    struct tree *tree;
    struct reclaim_options options;
    void (*wake)(void *arg);
    void *arg;
    pthread_t thread;
    int wal_fds[WALS];      /* borrowed */
    uint64_t closed_before; /* segments below were closed when we began */

    /* --- loop thread --- */
    struct db finishers[WALS];

    /* --- background thread --- */
    struct db reader; /* of the tree */
    sqlite3_stmt *extents_from, *extents_of_segment, *live_bytes; /* owned */
    struct db checkpointers[WALS];
    struct segment_writer *writer; /* of merged payloads */
    struct candidate *candidates;  /* owned */
    struct run *run;               /* owned */
    struct blob data, payload;
    struct batch *building; /* owned */
    struct places merged;   /* segments that writer wrote to */
    uint64_t synced_commits;
    uint64_t scan_from;    /* id of the next segment to look at */
    uint64_t scan_commits; /* when this scan began */
    bool scanning;
    uint32_t left_over; /* of this scan: dead, but for the log */

    pthread_mutex_t lock;
    pthread_cond_t poke;
    /* --- guarded by lock --- */
    bool stopping, poked;
    int failed;
    char why[256];
    uint64_t durable;
    struct touch touched[RECLAIM_TOUCHED_MAX];
    uint32_t touched_count;
    struct batch *offered;    /* the loop reads the swaps without the lock: they
                               * are not changed until it has taken all */
    uint64_t offered_commits; /* the commit that holds the last swap taken */
    enum log_places_state places_state;
    struct places places; /* of the log; the loop writes, then TOLD */
    uint64_t staged_max;  /* newest segment that the log ever referred to */
    bool finish[WALS];    /* the loop is to finish a checkpoint */
    struct reclaim_status status;
};

/* --- reclaim.c --- */
void *reclaim_run(void *reclaim); /* the thread */
bool reclaim_is_stopping(struct reclaim *reclaim);
bool places_has(const struct places *places, uint64_t id);
void places_add(struct places *places, uint64_t id);

/* --- reclaim_durable.c --- */
/* Makes the tree durable if it changed; 1 when something was reported. */
int reclaim_sync_tree(struct reclaim *reclaim);
int reclaim_sync_log(struct reclaim *reclaim);
int reclaim_checkpoint(struct reclaim *reclaim, enum reclaim_wal which);
/* Loop: what the background could not, for we kept writing. */
int reclaim_finish(struct reclaim *reclaim);

/* --- reclaim_merge.c --- */
void reclaim_take_touched(struct reclaim *reclaim);
/* Looks at the bodies that are due; fills reclaim->building. */
int reclaim_merge(struct reclaim *reclaim);
/* Adds a row to the run; false: it does not continue it, or it is full. */
bool run_add(struct run *run, uint64_t body, const struct extent_row *row);
/* Copies the run's bytes into one payload, or inline; adds the swap to
 * building. Empties the run. A full disk is no error: unlinking goes on. */
int run_write(struct reclaim *reclaim, struct run *run);
bool batch_is_full(const struct batch *batch);
void batch_free(struct batch *batch);
/* Syncs what was written and hands building over. 1 if there was any. */
int reclaim_offer(struct reclaim *reclaim);

/* --- reclaim_segment.c --- */
/* One slice of the scan for dead and sparse segments, which is a few of them at
 * each look, so that a large store does not cost more: 1 some were unlinked, so
 * call again at once, 0 wait. May fill reclaim->building. */
int reclaim_segments(struct reclaim *reclaim);

#endif
