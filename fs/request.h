/* request.h -- one question of the kernel while it waits for its answer.
 *
 * Every FUSE request that needs the cluster is one struct request, from the
 * handler in ops_*.c that makes it to the single reply:
 *
 *   handler --request_command--> [WAITING_HERE -->] WAITING_HULL --> reply
 *   handler --request_read-----> WAITING_HULL --> reply
 *
 * A request never outlives its deadline, and an interrupted one is answered with
 * EINTR at once when its caller is being killed, otherwise after a grace
 * (docs/decisions/0005): git and make run timers whose signals must not turn a
 * failover of a second into "Interrupted system call".
 *
 * Thread: loop. Memory: freed by the reply.
 */
#ifndef FS_REQUEST_H
#define FS_REQUEST_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include "fs/command.h"
#include "raft/hull/hull.h"

struct node;
struct request;

/* The operation succeeded (reads: the local tree is recent enough): reply now.
 * result is NULL for reads. */
typedef void request_done(struct request *request,
                          const struct hull_result *result);

/* HERE: for a session, or for room in the hull. */
enum request_state { REQUEST_WAITING_HERE, REQUEST_WAITING_HULL };

struct request {
    struct node *node;
    struct request *previous, *next; /* all requests, oldest first */
    fuse_req_t fuse;
    request_done *done;
    /* Replies instead of an error, where an operation has something better to
     * say; NULL: fuse_reply_err(). */
    void (*failed)(struct request *request, int error);
    enum request_state state;
    bool is_command;
    raft_time deadline;
    raft_time interrupted; /* when, 0: not */
    uint64_t session, serial;
    struct record *record; /* owned */

    /* What the handlers need in order to answer. */
    uint64_t ino;
    struct fuse_file_info file;
    int64_t offset;
    size_t size;
    uint32_t flags;
    size_t name_size;
    char name[COMMAND_NAME_MAX + 1];
};

struct requests {
    struct request *first, *last;
    size_t count;
    uint64_t next_serial;
    uint64_t interrupts, timeouts;
};

/* NULL after having replied ENOMEM-like EAGAIN when too many wait. */
struct request *request_new(struct node *node, fuse_req_t fuse,
                            request_done *done);
/* Encodes and submits; payload is copied. The caller of the FUSE request is
 * filled in here. Always takes the request. */
void request_command(struct request *request, struct command *command,
                     struct bytes payload);
/* Asks for a linearizable read, or goes on at once with reads=local. */
void request_read(struct request *request);
/* request_read() with a deadline of its own. */
void request_read_until(struct request *request, raft_time deadline);

/* For the pilot. */
void request_complete(struct request *request, enum hull_outcome outcome,
                      const struct hull_result *result);
/* A session is open: send what waited for it. */
void requests_session_opened(struct node *node);
/* Looks after those that wait here, and interrupted ones; called by a timer
 * while requests_need_tick() is true. */
void requests_tick(struct node *node);
bool requests_need_tick(const struct node *node);
/* Answers everything that waits with EIO: the node is stopping. */
void requests_stop(struct node *node);
void request_free(struct request *request);

#endif
