/* ops_lock.c -- flock(2) and fcntl(2) locks.
 *
 * All of them are commands; who gets what is decided by apply (fs/apply_lock.c).
 * One that others hold waits without a deadline: QUEUED in the tree, the request
 * in REQUEST_WAITING_LOCK. What ends it:
 *
 *   granted            a record was applied that says so         0
 *   interrupted        a cancel is applied, or CANCEL_US pass    EINTR
 *   killed             at once                                   EINTR
 *   session lost       the lock went, or was never ours          EIO
 *
 * A cancel is exact: it is in the log before or after the grant. Who does not
 * wait for it says LOCK_GIVE_BACK.
 *
 * Closing: the kernel sends FLUSH with the owner of fcntl(2) locks at each
 * close(2), RELEASE when the last reference to the open file goes. What is noted
 * of its handle then are locks of flock(2), and those of fcntl(2) that belong to
 * the open file (F_OFD_SETLK), which the kernel does not tell apart for us.
 */
#include "fs/ops.h"

#include "fs/footprint.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

enum { CANCEL_US = 1000000 };

static uint32_t kind_of(uint32_t flags)
{
    return (flags & LOCK_IS_POSIX) != 0 ? TREE_LOCK_POSIX : TREE_LOCK_FLOCK;
}

static void answered(struct request *request)
{
    locks_answered(request->node, request->ino, request->lock.owner,
                   kind_of(request->lock.flags));
}

/* --- commands of the node itself --- */

static struct request *own_request(struct node *node, uint64_t ino,
                                   const struct request_lock *lock,
                                   request_done *done)
{
    struct request *request = request_new(node, NULL, done);
    assert(request != NULL);
    request->persists = true;
    request->ino = ino;
    request->lock = *lock;
    return request;
}

/* The one that waited is still there: it was not granted before. */
static void do_cancel(struct request *request, const struct hull_result *result)
{
    (void)result;
    struct request *waiter = requests_find_lock(
        request->node, request->session, request->lock.waiter);
    if (waiter != NULL) {
        request_fail(waiter, EINTR);
    }
}

static void send_cancel(struct request *request, uint32_t give_back)
{
    struct command command = {
        .op = OP_LOCK_CANCEL,
        .ino = request->ino,
        .owner = request->lock.owner,
        .number = request->serial,
        .flags = (request->lock.flags & LOCK_IS_POSIX) | give_back,
        .start = request->lock.start,
        .last = request->lock.last,
        .caller = {.comm = "raftfs"},
    };
    struct request *own =
        own_request(request->node, request->ino, &request->lock, do_cancel);
    own->lock.flags = command.flags;
    own->lock.waiter = request->serial;
    request_command(own, &command, (struct bytes){0});
}

/* --- asking for a lock --- */

static void do_lock(struct request *request, const struct hull_result *result)
{
    (void)result;
    answered(request);
    fuse_reply_err(request->fuse, 0);
}

static void lock_failed(struct request *request, int error)
{
    answered(request);
    fuse_reply_err(request->fuse, error);
}

/* Whenever it is done, it is undone. */
static void lock_unknown(struct request *request)
{
    send_cancel(request, LOCK_GIVE_BACK);
}

static void lock_interrupted(struct request *request, bool caller_is_dying)
{
    bool patient = !caller_is_dying &&
                   node_now() - request->interrupted < CANCEL_US;
    switch (request->state) {
    case REQUEST_WAITING_HERE:
        request_fail(request, EINTR);
        break;
    case REQUEST_WAITING_HULL:
        if (!patient) {
            request_cancel(request);
        }
        break;
    case REQUEST_WAITING_LOCK:
        if (!patient) {
            send_cancel(request, LOCK_GIVE_BACK);
            request_fail(request, EINTR);
        } else if (!request->lock.cancelling) {
            request->lock.cancelling = true;
            send_cancel(request, 0);
        }
        break;
    }
}

static void ask(fuse_req_t fuse, uint64_t ino,
                const struct fuse_file_info *file,
                const struct request_lock *lock)
{
    struct node *node = ops_node(fuse);
    if (virtual_is(ino)) {
        fuse_reply_err(fuse, ENOLCK);
        return;
    }
    if ((lock->flags & LOCK_UNLOCK) != 0 &&
        !locks_may_hold(&node->locks, ino, lock->owner,
                        kind_of(lock->flags))) {
        fuse_reply_err(fuse, 0);
        return;
    }
    struct command command = {.op = OP_LOCK,
                              .ino = ino,
                              .owner = lock->owner,
                              .flags = lock->flags,
                              .start = lock->start,
                              .last = lock->last};
    struct request *request = request_new(node, fuse, do_lock);
    if (request == NULL) {
        return;
    }
    request->ino = ino;
    request->file.fh = file->fh;
    request->lock = *lock;
    request->failed = lock_failed;
    request->unknown = lock_unknown;
    if ((lock->flags & LOCK_WAIT) != 0) {
        request->on_interrupt = lock_interrupted;
    }
    locks_asked(&node->locks, ino, lock->owner, kind_of(lock->flags),
                file->fh);
    request_command(request, &command, (struct bytes){0});
}

void op_flock(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *file,
              int op)
{
    struct request_lock lock = {.owner = file->lock_owner,
                                .last = LOCK_LAST_MAX};
    switch (op & ~LOCK_NB) {
    case LOCK_SH:
        break;
    case LOCK_EX:
        lock.flags = LOCK_FOR_WRITE;
        break;
    case LOCK_UN:
        lock.flags = LOCK_UNLOCK;
        break;
    default:
        fuse_reply_err(fuse, EINVAL);
        return;
    }
    if ((op & (LOCK_NB | LOCK_UN)) == 0) {
        lock.flags |= LOCK_WAIT;
    }
    ask(fuse, ino, file, &lock);
}

/* libfuse has made it relative to the start of the file. */
static struct request_lock posix_lock_of(const struct fuse_file_info *file,
                                         const struct flock *lock)
{
    struct request_lock out = {.owner = file->lock_owner,
                               .flags = LOCK_IS_POSIX,
                               .start = (uint64_t)lock->l_start,
                               .last = LOCK_LAST_MAX};
    if (lock->l_len > 0) {
        out.last = out.start + (uint64_t)lock->l_len - 1;
    }
    if (lock->l_type == F_UNLCK) {
        out.flags |= LOCK_UNLOCK;
    } else if (lock->l_type == F_WRLCK) {
        out.flags |= LOCK_FOR_WRITE;
    }
    return out;
}

void op_setlk(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *file,
              struct flock *lock, int sleep)
{
    struct request_lock wanted = posix_lock_of(file, lock);
    if (lock->l_start < 0 || lock->l_len < 0 || wanted.last > LOCK_LAST_MAX) {
        fuse_reply_err(fuse, EINVAL);
        return;
    }
    if (sleep && lock->l_type != F_UNLCK) {
        wanted.flags |= LOCK_WAIT;
    }
    ask(fuse, ino, file, &wanted);
}

/* --- asking who has it --- */

static bool is_in_the_way(struct request *request, const struct tree_lock *lock)
{
    const struct request_lock *wanted = &request->lock;
    bool own = lock->session == request->node->session.id &&
               lock->owner == wanted->owner;
    return !own && !lock->waits && lock->kind == TREE_LOCK_POSIX &&
           (lock->write || (wanted->flags & LOCK_FOR_WRITE) != 0) &&
           lock->start <= wanted->last && wanted->start <= lock->last;
}

/* A process of another node has no number here: l_pid is 0 then. */
static void fill_flock(struct node *node, const struct tree_lock *lock,
                       struct flock *out)
{
    out->l_type = lock->write ? F_WRLCK : F_RDLCK;
    out->l_whence = SEEK_SET;
    out->l_start = (off_t)lock->start;
    out->l_len = lock->last == LOCK_LAST_MAX
                     ? 0
                     : (off_t)(lock->last - lock->start + 1);
    out->l_pid = lock->session == node->session.id ? (pid_t)lock->pid : 0;
}

static void do_getlk(struct request *request, const struct hull_result *result)
{
    (void)result;
    struct tree_locks locks = {0};
    struct flock found = {.l_type = F_UNLCK};
    int rc = tree_locks_of_inode(request->node->tree, request->ino, &locks);
    for (size_t i = locks.count; i > 0; i--) {
        if (is_in_the_way(request, &locks.rows[i - 1])) {
            fill_flock(request->node, &locks.rows[i - 1], &found);
        }
    }
    if (rc < 0) {
        fuse_reply_err(request->fuse, ops_errno(request->node, rc));
    } else {
        fuse_reply_lock(request->fuse, &found);
    }
    tree_locks_release(&locks);
}

static bool locks_are_fresh(struct request *request, raft_time now)
{
    uint64_t key = footprint_locks(request->ino);
    return hull_read_now(request->node->hull, now, &key, 1);
}

void op_getlk(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *file,
              struct flock *lock)
{
    if (virtual_is(ino)) {
        fuse_reply_err(fuse, ENOLCK);
        return;
    }
    struct request *request = request_new(ops_node(fuse), fuse, do_getlk);
    if (request != NULL) {
        request->ino = ino;
        request->lock = posix_lock_of(file, lock);
        request->is_fresh = locks_are_fresh;
        request_read(request);
    }
}

/* --- closing --- */

static void do_release(struct request *request,
                       const struct hull_result *result)
{
    (void)result;
    answered(request);
    if (request->fuse != NULL) {
        fuse_reply_err(request->fuse, 0);
    }
}

static void release_failed(struct request *request, int error)
{
    (void)error; /* the node is out of service, or stops */
    do_release(request, NULL);
}

static void release_owner(struct node *node, fuse_req_t fuse, uint64_t ino,
                          const struct request_lock *lock)
{
    struct command command = {.op = OP_LOCK_RELEASE,
                              .ino = ino,
                              .owner = lock->owner,
                              .flags = lock->flags,
                              .caller = {.comm = "raftfs"}};
    struct request *request = own_request(node, ino, lock, do_release);
    request->fuse = fuse;
    request->failed = release_failed;
    locks_asked(&node->locks, ino, lock->owner, kind_of(lock->flags), 0);
    if (fuse != NULL) {
        node_want_tick(node); /* nobody waits longer than op_timeout */
    }
    request_command(request, &command, (struct bytes){0});
}

void op_flush(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *file)
{
    struct node *node = ops_node(fuse);
    struct request_lock lock = {.owner = file->lock_owner,
                                .flags = LOCK_IS_POSIX,
                                .last = LOCK_LAST_MAX};
    if (locks_may_hold(&node->locks, ino, lock.owner, TREE_LOCK_POSIX)) {
        release_owner(node, fuse, ino, &lock);
    } else {
        fuse_reply_err(fuse, 0);
    }
}

void release_locks(struct node *node, uint64_t ino,
                   const struct fuse_file_info *file)
{
    struct locks *locks = &node->locks;
    for (size_t i = locks->note_count; i > 0; i--) {
        /* Releasing one may remove its note, and put the last in its place. */
        if (i > locks->note_count) {
            continue;
        }
        const struct lock_note *note = &locks->notes[i - 1];
        if (note->ino == ino && note->handle == file->fh) {
            struct request_lock lock = {
                .owner = note->owner,
                .flags = note->kind == TREE_LOCK_POSIX ? LOCK_IS_POSIX : 0,
                .last = LOCK_LAST_MAX,
            };
            release_owner(node, NULL, ino, &lock);
        }
    }
}
