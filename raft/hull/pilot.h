/* pilot.h -- what the application gives to the hull.
 *
 * The hull calls these from its own thread, inside hull_* calls. A pilot must
 * not call back into the hull from them, but for hull_submit(), hull_read() and
 * hull_notice(), which only queue.
 */
#ifndef RAFT_HULL_PILOT_H
#define RAFT_HULL_PILOT_H

#include "raft/core/raft.h"
#include "raft/hull/event.h"
#include "raft/wire/frame.h"
#include "raft/wire/record.h"

/* How a submitted command or a read ended. */
enum hull_outcome {
    HULL_DONE,      /* applied here; the result says what the application said */
    HULL_NOT_DONE,  /* deadline passed; certainly never in any log */
    HULL_UNKNOWN,   /* deadline passed; it may still be done */
    HULL_CANCELLED, /* hull_cancel() was called; it may still be done */
    HULL_STOPPED,   /* the hull is stopping or faulted; it may still be done */
};

struct hull_result {
    int32_t error;     /* 0 or an errno: the application's answer */
    uint64_t value[4]; /* the application's */
};

/* What a record touches: numbers that mean something to the application alone.
 * Too many are right, too few are stale reads. */
enum { FOOTPRINT_KEYS_MAX = 8 };
struct footprint {
    uint64_t keys[FOOTPRINT_KEYS_MAX];
    uint32_t count;
    bool all;   /* anything */
    bool again; /* part of it comes from the tree as it is now: ask again when
                 * that has changed */
};

struct pilot {
    void *self;
    /* Before the record is written to the log (leader: before it is sent;
     * follower: before it is acknowledged): put the payload where it will stay
     * and set record->place, or leave it in the record; payload.data stays valid
     * either way. Called only for records with a payload. 0 or a negative code,
     * which faults the node. */
    int (*stage)(void *self, struct record *record);
    /* A staged or merely logged record is superseded. Newest first, called for
     * every record that is truncated; idempotent. Failure faults the node. */
    int (*undo)(void *self, const struct record *record);
    /* A record is committed. In log order, each once per life of the process;
     * after a crash those above the durable applied index come again.
     * Deterministic. Negative: this node is broken, not the command. */
    int (*apply)(void *self, struct record *record, struct hull_result *result);
    /* Called once after one or more applies, before the hull goes idle: a good
     * moment to end a transaction. */
    int (*applied)(void *self, raft_index index);
    /* Exactly once for each caller_context that hull_submit() accepted. For
     * HULL_DONE it is called right after apply() of that record and before the
     * next one, so the tree shows exactly that state. */
    void (*complete)(void *self, void *caller_context,
                     enum hull_outcome outcome,
                     const struct hull_result *result);
    /* Exactly once for each caller_context of hull_read(): HULL_DONE means that
     * the local tree shows everything that had completed anywhere when
     * hull_read() was called. */
    void (*read_ready)(void *self, void *caller_context,
                       enum hull_outcome outcome);
    /* What the record, which is not applied yet, will touch. NULL: anything.
     * Needed only for hull_read_now(). */
    void (*footprint)(void *self, const struct record *record,
                      struct footprint *out);
    /* Takes the frame (frees it). May drop it silently, but must not let it
     * arrive twice: that a refused FORWARD is certainly not done rests on it. */
    void (*send)(void *self, node_id to, struct frame *frame);
    /* A frame of kind NOTICE came from another node's hull_notice(). */
    void (*notice)(void *self, node_id from, struct bytes body);
    /* A frame of kind SNAPSHOT came from another node's pilot. */
    void (*bulk)(void *self, node_id from, struct bytes body);
    /* What this node needs the leader's log has no more: it is to fetch a
     * snapshot, and then to say hull_installed(). Comes again and again. */
    void (*snapshot_wanted)(void *self, node_id leader);
    /* Role, term or leader changed. */
    void (*role)(void *self, enum raft_role role, raft_term term,
                 node_id leader);
    /* Another configuration is in force (latest), or is committed. Called when
     * the hull starts, too. */
    void (*members)(void *self, const struct raft_config *latest,
                    const struct raft_config *committed);
    /* How the leader takes what hull_change() asked for. May not come. */
    void (*changed)(void *self, uint64_t request,
                    enum raft_change_result result);
    /* Something happened that has a code: raft/hull/event.h. */
    void (*note)(void *self, const struct hull_note *note);
    /* Nanoseconds since 1970, for the time stamp of records (leader). */
    uint64_t (*wall_ns)(void *self);
};

#endif
