#include "fs/request.h"

#include "fs/errno.h"
#include "fs/log.h"
#include "fs/node.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    REQUESTS_MAX = 8192,          /* the kernel's own limit is far below */
    INTERRUPT_GRACE_US = 2000000, /* longer than an election */
};

struct request *request_new(struct node *node, fuse_req_t fuse,
                            request_done *done)
{
    struct requests *all = &node->requests;
    if (fuse != NULL && all->count >= REQUESTS_MAX) {
        fuse_reply_err(fuse, EAGAIN);
        return NULL;
    }
    struct request *request = calloc(1, sizeof *request);
    if (request == NULL) {
        abort();
    }
    request->node = node;
    request->fuse = fuse;
    request->done = done;
    request->began = node_now();
    request->deadline = patience_deadline(&node->patience, request->began);
    request->previous = all->last;
    if (all->last != NULL) {
        all->last->next = request;
    } else {
        all->first = request;
    }
    all->last = request;
    all->count++;
    return request;
}

void request_free(struct request *request)
{
    struct requests *all = &request->node->requests;
    if (request->previous != NULL) {
        request->previous->next = request->next;
    } else {
        all->first = request->next;
    }
    if (request->next != NULL) {
        request->next->previous = request->previous;
    } else {
        all->last = request->previous;
    }
    all->count--;
    record_unref(request->record);
    free(request);
}

void request_fail(struct request *request, int error)
{
    assert(error > 0);
    if (request->failed != NULL) {
        request->failed(request, error);
    } else if (request->fuse != NULL) {
        fuse_reply_err(request->fuse, error);
    }
    request_free(request);
}

static void succeed(struct request *request, const struct hull_result *result)
{
    request->done(request, result);
    request_free(request);
}

/* A process that is being killed has SIGKILL pending in its thread, whatever the
 * signal was that it did not handle. A caller whom we can't see counts as such:
 * better an EINTR than a process that cannot die. */
static bool caller_is_dying(const struct request *request)
{
    pid_t pid = fuse_req_ctx(request->fuse)->pid;
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *status = pid > 0 ? fopen(path, "re") : NULL;
    if (status == NULL) {
        return true;
    }
    bool dying = false;
    while (fgets(line, sizeof line, status) != NULL) {
        unsigned long long mask;
        if (sscanf(line, "SigPnd: %llx", &mask) == 1 ||
            sscanf(line, "ShdPnd: %llx", &mask) == 1) {
            dying = dying || (mask & (1ull << 8)) != 0; /* SIGKILL is 9 */
        }
    }
    fclose(status);
    return dying;
}

void request_cancel(struct request *request)
{
    if (request->state == REQUEST_WAITING_HERE) {
        request_fail(request, EINTR);
        return;
    }
    bool waited = hull_cancel(request->node->hull, request);
    assert(waited); /* otherwise the request would have been freed */
}

static void on_interrupt(fuse_req_t fuse, void *data)
{
    (void)fuse;
    struct request *request = data;
    request->node->requests.interrupts++;
    request->interrupted = node_now();
    node_want_tick(request->node);
}

static void watch_interrupt(struct request *request)
{
    fuse_req_interrupt_func(request->fuse, on_interrupt, request);
}

/* The lowest serial whose result this node may still need. Requests stand in the
 * order in which they came, and so do serials, but for those that went to a new
 * session. */
static uint64_t lowest_serial(const struct node *node)
{
    uint64_t lowest = node->requests.next_serial;
    for (struct request *r = node->requests.first; r != NULL; r = r->next) {
        if (r->is_command && r->serial != 0 && r->serial < lowest &&
            r->state != REQUEST_WAITING_LOCK) {
            lowest = r->serial;
            break;
        }
    }
    return lowest;
}

static void read_comm(pid_t pid, char comm[static 16])
{
    char path[64];
    comm[0] = '\0';
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    FILE *file = pid > 0 ? fopen(path, "re") : NULL;
    if (file == NULL) {
        return;
    }
    if (fgets(comm, 16, file) != NULL) {
        comm[strcspn(comm, "\n")] = '\0';
    }
    fclose(file);
}

/* Asking /proc for every write of a loop would cost more than the write. */
static void fill_caller(struct node *node, fuse_req_t fuse,
                        struct command_caller *caller)
{
    const struct fuse_ctx *context = fuse_req_ctx(fuse);
    const struct daemon_options *options = &node->options;
    caller->uid = options->has_uid ? options->uid : context->uid;
    caller->gid = options->has_gid ? options->gid : context->gid;
    caller->pid = (uint32_t)context->pid;
    if (node->comm_pid != context->pid || node->comm_checked + 1000000 < node_now()) {
        node->comm_pid = context->pid;
        node->comm_checked = node_now();
        read_comm(context->pid, node->comm);
    }
    memcpy(caller->comm, node->comm, sizeof caller->comm);
}

bool request_is_of_group(fuse_req_t fuse, uint32_t gid)
{
    enum { GROUPS_MAX = 1024 };
    const struct fuse_ctx *caller = fuse_req_ctx(fuse);
    gid_t groups[GROUPS_MAX];
    if (caller->uid == 0 || caller->gid == gid) {
        return true;
    }
    int count = fuse_req_getgroups(fuse, GROUPS_MAX, groups);
    for (int i = 0; i < count && i < GROUPS_MAX; i++) {
        if (groups[i] == gid) {
            return true;
        }
    }
    return false;
}

static bool changes_contents(uint16_t op)
{
    return op == OP_WRITE || op == OP_SETATTR || op == OP_FALLOCATE ||
           op == OP_COPY_RANGE;
}

/* Of a caller's groups a command has room for one, and set-gid without group
 * execution asks for the file's (apply_privileges_drop()). Few files have that
 * bit, and few callers are asked for their groups. */
static void choose_group(struct node *node, fuse_req_t fuse,
                         struct command *command)
{
    struct inode inode;
    struct command_caller *caller = &command->caller;
    if (caller->uid == 0 || node->options.has_gid ||
        !changes_contents(command->op) ||
        tree_inode_get(node->tree, command->ino, &inode) < 0 ||
        (inode.mode & (S_ISGID | S_IXGRP)) != S_ISGID ||
        inode.gid == caller->gid) {
        return;
    }
    if (request_is_of_group(fuse, inode.gid)) {
        caller->gid = inode.gid;
    }
}

/* CAP_CHOWN or CAP_FOWNER. */
static bool has_capability(fuse_req_t fuse)
{
    char path[64], line[256];
    unsigned long long mask = 0;
    snprintf(path, sizeof path, "/proc/%d/status",
             (int)fuse_req_ctx(fuse)->pid);
    FILE *status = fopen(path, "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL &&
           sscanf(line, "CapEff: %llx", &mask) != 1) {
    }
    if (status != NULL) {
        fclose(status);
    }
    return (mask & (1 << 0 | 1 << 3)) != 0;
}

/* The kernel has let a caller change attributes that are not his. It may go by an
 * owner of yesterday: apply asks again, but a capability counts. */
static void grant_anyway(struct node *node, fuse_req_t fuse,
                         struct command *command)
{
    struct inode inode;
    uint32_t uid = command->caller.uid;
    bool asks = command->op == OP_SETATTR || command->op == OP_SETXATTR ||
                command->op == OP_REMOVE_ACL;
    if (!asks || uid == 0 ||
        tree_inode_get(node->tree, command->ino, &inode) < 0 ||
        (uid == inode.uid && !node->options.has_uid)) {
        return;
    }
    if (node->options.has_uid || has_capability(fuse)) {
        if (command->op == OP_SETATTR) {
            command->set |= SET_ANYWAY;
        } else {
            command->flags |= COMMAND_ANYWAY;
        }
    }
}

static void wait_here(struct request *request)
{
    request->state = REQUEST_WAITING_HERE;
    node_want_tick(request->node);
}

static void submit(struct request *request)
{
    struct node *node = request->node;
    if (locks_is_fenced(&node->locks, request->ino, request->file.fh)) {
        request_fail(request, EIO); /* it counts on a lock that was lost */
        return;
    }
    struct record *record = request->record;
    request->record = NULL;
    record->session = request->session = node->session.id;
    record->serial = request->serial;
    request->state = REQUEST_WAITING_HULL;
    /* The hull gets a reference of its own: if the session turns out to have
     * ended, the same bytes go to the next one. */
    struct record *kept = record_ref(record);
    raft_time deadline = request->persists ? UINT64_MAX : request->deadline;
    if (hull_submit(node->hull, node_now(), record, deadline, request) < 0) {
        /* Too much waits already, and no program expects EAGAIN from a file:
         * it stays here until there is room. */
        record_unref(kept);
        request->record = record;
        wait_here(request);
        return;
    }
    request->record = kept;
}

static bool is_lock(const struct command *command)
{
    return command->op == OP_LOCK || command->op == OP_LOCK_CANCEL ||
           command->op == OP_LOCK_RELEASE;
}

void request_command(struct request *request, struct command *command,
                     struct bytes payload)
{
    struct node *node = request->node;
    if (node->options.read_only && request->fuse != NULL &&
        !is_lock(command)) {
        request_fail(request, EROFS);
        return;
    }
    if (node->options.has_uid || node->options.has_gid) {
        /* Who is made the owner of everything must not leave programs behind
         * that run as somebody else on other nodes. */
        command->mode &= ~(uint32_t)(S_ISUID | S_ISGID);
    }
    if (node->faulted) {
        request_fail(request, EIO);
        return;
    }
    if (space_refuses(node, command)) {
        request_fail(request, ENOSPC);
        return;
    }
    uint8_t body[COMMAND_BODY_MAX];
    request->is_command = true;
    request->serial = node->requests.next_serial++;
    if (request->fuse != NULL) {
        fill_caller(node, request->fuse, &command->caller);
        choose_group(node, request->fuse, command);
        grant_anyway(node, request->fuse, command);
        watch_interrupt(request);
    }
    command->ack_below = lowest_serial(node);
    size_t size = command_encode(command, body, sizeof body);
    request->record = record_new(
        RECORD_COMMAND, (struct bytes){.data = body, .size = size}, payload);
    request->record->origin = node->self;
    if (session_is_open(node)) {
        submit(request);
    } else if (request->persists) {
        succeed(request, NULL); /* it went with the session */
    } else {
        wait_here(request);
    }
}

bool request_all_fresh(struct request *request, raft_time now)
{
    return hull_read_now(request->node->hull, now, NULL, 0);
}

static bool is_fresh(struct request *request, raft_time now)
{
    struct node *node = request->node;
    if (node->options.reads != READS_LEASE) {
        return node->options.reads == READS_LOCAL;
    }
    if (request->is_fresh != NULL) {
        return request->is_fresh(request, now);
    }
    return hull_read_now(node->hull, now, &request->ino, 1);
}

void request_read_until(struct request *request, raft_time deadline)
{
    struct node *node = request->node;
    if (node->faulted) {
        request_fail(request, EIO);
        return;
    }
    if (is_fresh(request, node_now())) {
        succeed(request, NULL);
        return;
    }
    if (request->deadline > deadline) {
        request->deadline = deadline;
    }
    request->state = REQUEST_WAITING_HULL;
    watch_interrupt(request);
    if (hull_read(node->hull, node_now(), request->deadline, request) < 0) {
        request_fail(request, EAGAIN);
    }
}

void request_read(struct request *request)
{
    request_read_until(request, request->deadline);
}

/* A command of an ended session was refused by every node, and so will be every
 * copy of it: it is certainly not done and may be sent again in a new one. */
static bool session_had_ended(const struct request *request,
                              const struct hull_result *result)
{
    struct apply_session session;
    return request->is_command && result->error == ESTALE &&
           !apply_session_get(request->node->apply, request->session,
                              &session);
}

static void resubmit_in_new_session(struct request *request)
{
    struct node *node = request->node;
    /* A fresh copy: records in the log and the cache are never changed. */
    struct record *old = request->record;
    request->record = record_new(old->code, old->body, old->payload);
    request->record->origin = node->self;
    record_unref(old);
    if (request->session == node->session.id) {
        session_lost(node); /* and not one that was opened since */
    }
    request->session = 0;
    if (request->persists) {
        succeed(request, NULL);
    } else {
        wait_here(request);
    }
}

static void count_timeout(struct request *request)
{
    struct node *node = request->node;
    node->requests.timeouts++;
    patience_timed_out(&node->patience, request->began, node_now());
}

static bool waits_for_lock(const struct request *request,
                           const struct hull_result *result)
{
    return (request->lock.flags & LOCK_WAIT) != 0 &&
           result->value[VALUE_LOCK] == LOCK_QUEUED;
}

struct request *requests_find_lock(struct node *node, uint64_t session,
                                   uint64_t serial)
{
    for (struct request *r = node->requests.first; r != NULL; r = r->next) {
        if (r->state == REQUEST_WAITING_LOCK && r->serial == serial &&
            r->session == session) {
            return r;
        }
    }
    return NULL;
}

void requests_granted(struct node *node, const struct apply_change *change)
{
    for (size_t i = 0; i < change->grant_count; i++) {
        struct request *request = requests_find_lock(
            node, change->grants[i].session, change->grants[i].serial);
        if (request != NULL) {
            succeed(request, NULL);
        }
    }
}

static bool is_granted(struct node *node, const struct request *request)
{
    struct tree_locks locks = {0};
    bool granted = false;
    if (tree_locks_of_inode(node->tree, request->ino, &locks) == 0) {
        for (size_t i = 0; i < locks.count; i++) {
            const struct tree_lock *lock = &locks.rows[i];
            granted = granted || (lock->session == request->session &&
                                  lock->serial == request->serial &&
                                  !lock->waits);
        }
    }
    tree_locks_release(&locks);
    return granted;
}

void requests_look_again(struct node *node)
{
    struct request *next;
    for (struct request *r = node->requests.first; r != NULL; r = next) {
        next = r->next;
        if (r->state == REQUEST_WAITING_LOCK && is_granted(node, r)) {
            succeed(r, NULL);
        }
    }
}

void requests_locks_lost(struct node *node)
{
    struct request *next;
    for (struct request *r = node->requests.first; r != NULL; r = next) {
        next = r->next;
        if (r->state == REQUEST_WAITING_LOCK) {
            request_fail(r, EIO);
        }
    }
}

void request_complete(struct request *request, enum hull_outcome outcome,
                      const struct hull_result *result)
{
    if (outcome == HULL_DONE && result != NULL) {
        if (session_had_ended(request, result)) {
            resubmit_in_new_session(request);
            return;
        }
        if (result->error != 0) {
            request_fail(request, result->error);
            return;
        }
    }
    /* Asked for again, it may have been granted before this answer came: inside
     * a snapshot. */
    if (outcome == HULL_DONE && result != NULL &&
        waits_for_lock(request, result) && !is_granted(request->node, request)) {
        request->state = REQUEST_WAITING_LOCK;
        return;
    }
    if (outcome == HULL_DONE) {
        succeed(request, result);
        return;
    }
    if (outcome == HULL_NOT_DONE || outcome == HULL_UNKNOWN) {
        count_timeout(request);
    }
    bool is_open = outcome == HULL_UNKNOWN || outcome == HULL_CANCELLED;
    if (is_open && request->unknown != NULL) {
        request->unknown(request);
    }
    request_fail(request, errno_of_outcome(outcome, request->is_command));
}

void requests_session_opened(struct node *node)
{
    struct request *next;
    for (struct request *r = node->requests.first; r != NULL; r = next) {
        next = r->next;
        if (r->is_command && r->state == REQUEST_WAITING_HERE) {
            submit(r);
        }
    }
}

static bool interrupt_is_due(const struct request *request, raft_time now)
{
    return request->interrupted != 0 &&
           (now - request->interrupted >= INTERRUPT_GRACE_US ||
            caller_is_dying(request));
}

static void look_after_waiting(struct request *request, raft_time now)
{
    struct node *node = request->node;
    if (node->faulted) {
        request_fail(request, EIO);
    } else if (request->persists && !session_is_open(node)) {
        succeed(request, NULL);
    } else if (!request->persists && now >= request->deadline) {
        count_timeout(request);
        request_fail(request, EROFS); /* it never left this node */
    } else if (session_is_open(node)) {
        submit(request);
    }
}

void requests_tick(struct node *node)
{
    struct request *next;
    raft_time now = node_now();
    for (struct request *r = node->requests.first; r != NULL; r = next) {
        next = r->next;
        if (r->interrupted != 0 && r->on_interrupt != NULL) {
            r->on_interrupt(r, caller_is_dying(r));
        } else if (r->persists && r->fuse != NULL &&
                   (interrupt_is_due(r, now) || now >= r->deadline)) {
            /* It goes on, but nobody has to wait for it. */
            fuse_reply_err(r->fuse, 0);
            r->fuse = NULL;
            r->interrupted = 0;
        } else if (interrupt_is_due(r, now)) {
            request_cancel(r);
        } else if (r->is_command && r->state == REQUEST_WAITING_HERE) {
            look_after_waiting(r, now);
        }
    }
}

bool requests_need_tick(const struct node *node)
{
    for (struct request *r = node->requests.first; r != NULL; r = r->next) {
        if (r->interrupted != 0 || r->state == REQUEST_WAITING_HERE ||
            (r->persists && r->fuse != NULL)) {
            return true;
        }
    }
    return false;
}

bool requests_are_under_way(const struct node *node)
{
    for (struct request *r = node->requests.first; r != NULL; r = r->next) {
        if (r->state != REQUEST_WAITING_LOCK) {
            return true;
        }
    }
    return false;
}

void requests_stop(struct node *node)
{
    struct request *next;
    for (struct request *r = node->requests.first; r != NULL; r = next) {
        next = r->next;
        if (r->state != REQUEST_WAITING_HULL) {
            request_fail(r, EIO);
        }
    }
}
