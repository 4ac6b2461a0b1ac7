/* request.h -- one question of the kernel while it waits for its answer.
 *
 * Every FUSE request that needs the cluster is one struct request, from the
 * handler in ops_*.c that makes it to the single reply:
 *
 *   handler --request_command--> [WAITING_HERE -->] WAITING_HULL --> reply
 *   handler --request_read-----> WAITING_HULL --> reply
 *
 * A lock that others hold goes on: WAITING_HULL --> WAITING_LOCK --> reply, when
 * a record is applied that grants it (fs/ops_lock.c).
 *
 * But for that a request never outlives its deadline, and an interrupted one is answered with
 * EINTR at once when its caller is being killed, otherwise after a grace
 * (docs/decisions/0005): git and make run timers whose signals must not turn a
 * failover of a second into "Interrupted system call".
 *
 * A request without a FUSE request is the node's own: what has to be done even
 * though nobody waits for it, such as giving back a lock. It `persists`: it has
 * no deadline, and is moot when the session ends.
 *
 * Thread: loop. Memory: freed by the reply.
 */
#ifndef FS_REQUEST_H
#define FS_REQUEST_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include "fs/command.h"
#include "raft/hull/hull.h"

struct apply_change;
struct node;
struct request;

/* The operation succeeded (reads: the local tree is recent enough): reply now.
 * result is NULL for reads. */
typedef void request_done(struct request *request,
                          const struct hull_result *result);

/* HERE: for a session, or for room in the hull. */
enum request_state {
    REQUEST_WAITING_HERE,
    REQUEST_WAITING_HULL,
    REQUEST_WAITING_LOCK
};

struct request_lock {
    uint64_t owner, start, last;
    uint32_t flags; /* enum command_lock */
    uint64_t waiter; /* of a cancel: serial of the one that waits */
    bool cancelling;
};

struct request {
    struct node *node;
    struct request *previous, *next; /* all requests, oldest first */
    fuse_req_t fuse; /* NULL: nobody waits for an answer (any more) */
    request_done *done;
    /* Replies instead of an error, where an operation has something better to
     * say; NULL: fuse_reply_err(). */
    void (*failed)(struct request *request, int error);
    /* The command may be done or not, now or later; called before `failed`. */
    void (*unknown)(struct request *request);
    /* Instead of what is said above, called every 100 ms; may end the request. */
    void (*on_interrupt)(struct request *request, bool caller_is_dying);
    /* Reads: does the tree show by itself, at `now`, what this asks for? NULL:
     * it asks for inode `ino` alone. */
    bool (*is_fresh)(struct request *request, raft_time now);
    enum request_state state;
    bool is_command, persists;
    raft_time began, deadline;
    raft_time interrupted; /* when, 0: not */
    uint64_t session, serial;
    struct record *record; /* owned */

    /* What the handlers need in order to answer. */
    uint64_t ino;
    struct fuse_file_info file;
    struct request_lock lock;
    int64_t offset;
    size_t size;
    uint32_t flags;
    uint64_t submission; /* fs/submission.h */
    size_t name_size;
    char name[COMMAND_NAME_MAX + 1];
};

struct requests {
    struct request *first, *last;
    size_t count;
    uint64_t next_serial;
    uint64_t interrupts, timeouts;
};

/* fuse is NULL for the node's own. NULL after having replied ENOMEM-like EAGAIN when too many wait. */
struct request *request_new(struct node *node, fuse_req_t fuse,
                            request_done *done);
/* Encodes and submits; payload is copied. The caller of the FUSE request is
 * filled in here. Always takes the request. */
void request_command(struct request *request, struct command *command,
                     struct bytes payload);
/* Is the caller of this group, or root? The kernel knows, but libfuse does not hand
 * on what it says. When in doubt: no, which costs a set-gid bit. */
bool request_is_of_group(fuse_req_t fuse, uint32_t gid);
/* Asks for a linearizable read; or goes on at once, under a lease, or with
 * reads=local. */
void request_read(struct request *request);
/* request_read() that gives up earlier. */
void request_read_until(struct request *request, raft_time deadline);

/* is_fresh() of what asks for more than one can tell. */
bool request_all_fresh(struct request *request, raft_time now);

/* Ends it with an errno. */
void request_fail(struct request *request, int error);
/* As hull_cancel(): it ends with EINTR. */
void request_cancel(struct request *request);
/* The one that waits for the lock it asked for with this serial, or NULL. */
struct request *requests_find_lock(struct node *node, uint64_t session,
                                   uint64_t serial);

/* For the pilot. */
void requests_granted(struct node *node, const struct apply_change *change);
void request_complete(struct request *request, enum hull_outcome outcome,
                      const struct hull_result *result);
/* The tree is a snapshot's: locks may have been granted in it. */
void requests_look_again(struct node *node);
/* The session has ended, or a new one is open: what waits for a lock of the old
 * one waits in vain. */
void requests_locks_lost(struct node *node);
/* A session is open: send what waited for it. */
void requests_session_opened(struct node *node);
/* Looks after those that wait here, and interrupted ones; called by a timer
 * while requests_need_tick() is true. */
void requests_tick(struct node *node);
bool requests_need_tick(const struct node *node);
/* Whether calls wait that can soon be answered; locks may take for ever. */
bool requests_are_under_way(const struct node *node);
/* Answers everything that waits with EIO: the node is stopping. */
void requests_stop(struct node *node);
void request_free(struct request *request);

#endif
