/* apply_lock.c -- who holds which lock, the same on all nodes.
 *
 * As Linux does it on one machine: locks of flock(2) belong to an open file and
 * cover all of it; those of fcntl(2) belong to a process and cover a range. Who
 * waits stands in the tree too, in the order of the log, so that neither a new
 * leader nor a restart of any other node makes him wait longer.
 */
#include "fs/apply_lock_int.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* How many owners a search for a deadlock visits. Who waits in a longer chain
 * waits: as Linux, which gives up after ten. */
enum { CHAIN_MAX = 1024 };

static struct tree_lock lock_of(const struct call *call)
{
    const struct command *command = call->command;
    bool is_posix = (command->flags & LOCK_IS_POSIX) != 0;
    struct tree_lock lock = {
        .ino = command->ino,
        .session = call->record->session,
        .owner = command->owner,
        .serial = call->record->serial,
        .start = is_posix ? command->start : 0,
        .last = is_posix ? command->last : LOCK_LAST_MAX,
        .since = call->now,
        .pid = command->caller.pid,
        .kind = is_posix ? TREE_LOCK_POSIX : TREE_LOCK_FLOCK,
        .write = (command->flags & LOCK_FOR_WRITE) != 0,
    };
    memcpy(lock.comm, command->caller.comm, sizeof(lock.comm));
    return lock;
}

static bool is_sound(const struct call *call)
{
    const struct command *command = call->command;
    return (command->flags & ~(uint32_t)LOCK_FLAGS) == 0 &&
           command->start <= command->last && command->last <= LOCK_LAST_MAX;
}

/* --- deadlocks --- */

struct chain {
    const struct tree_lock *first; /* who would wait */
    struct tree_lock *owners;      /* owned; visited, or to be visited */
    size_t count;
    bool is_closed;
};

static void chain_add(struct chain *chain, const struct tree_lock *owner)
{
    if (lock_same_owner(chain->first, owner)) {
        chain->is_closed = true;
    }
    for (size_t i = 0; i < chain->count; i++) {
        if (lock_same_owner(&chain->owners[i], owner)) {
            return;
        }
    }
    if (chain->count < CHAIN_MAX) {
        chain->owners[chain->count++] = *owner;
    }
}

/* Everybody whom a waiting lock waits for. */
static int chain_add_holders(struct chain *chain, struct call *call,
                             const struct tree_lock *waiter)
{
    struct lock_table table;
    int rc = lock_table_load(call, waiter->ino, &table);
    for (size_t i = 0; rc == 0 && i < table.held.count; i++) {
        if (lock_conflict(&table.held.rows[i], waiter)) {
            chain_add(chain, &table.held.rows[i]);
        }
    }
    lock_table_release(&table);
    return rc;
}

static int chain_follow(struct chain *chain, struct call *call,
                        const struct tree_lock *owner)
{
    struct tree_locks locks = {0};
    int rc = tree_locks_of_owner(call->tree, owner->session, owner->owner,
                                 &locks);
    for (size_t i = 0; rc == 0 && i < locks.count; i++) {
        const struct tree_lock *lock = &locks.rows[i];
        if (lock->waits && lock->kind == TREE_LOCK_POSIX) {
            rc = chain_add_holders(chain, call, lock);
        }
    }
    tree_locks_release(&locks);
    return rc;
}

/* Would it wait for somebody who, in the end, waits for its owner? Returns 0,
 * EDEADLK or a negative code. */
static int check_deadlock(struct call *call, const struct tree_lock *wanted)
{
    struct chain chain = {.first = wanted};
    chain.owners = malloc(CHAIN_MAX * sizeof(*chain.owners));
    assert(chain.owners != NULL);
    int rc = chain_add_holders(&chain, call, wanted);
    for (size_t i = 0; rc == 0 && i < chain.count && !chain.is_closed; i++) {
        struct tree_lock owner = chain.owners[i];
        rc = chain_follow(&chain, call, &owner);
    }
    free(chain.owners);
    return rc == 0 && chain.is_closed ? EDEADLK : rc;
}

/* --- the ops --- */

/* A lock adds at most two rows to those it replaces, an unlocking one. */
static int check_room(const struct lock_table *table)
{
    size_t here = table->held.count + table->queue.count;
    return here + 2 > APPLY_FILE_LOCKS_MAX ||
                   tree_lock_count(table->call->tree) + 2 > APPLY_LOCKS_MAX
               ? ENOLCK
               : 0;
}

static bool splits(const struct lock_table *table,
                   const struct tree_lock *range)
{
    for (size_t i = 0; i < table->held.count; i++) {
        const struct tree_lock *lock = &table->held.rows[i];
        if (lock->kind == range->kind && lock_same_owner(lock, range) &&
            lock->start < range->start && lock->last > range->last) {
            return true;
        }
    }
    return false;
}

static int unlock(struct lock_table *table, const struct tree_lock *range)
{
    int rc = splits(table, range) ? check_room(table) : 0;
    if (rc == 0) {
        rc = lock_drop(table, range);
    }
    return rc == 0 ? lock_wake(table) : rc;
}

/* flock(2): who converts his lock and cannot have the other one at once loses
 * the one he had. Otherwise two who share it and both want it for themselves
 * would wait for ever. */
static int lose_old(struct lock_table *table, const struct tree_lock *wanted)
{
    if (wanted->kind != TREE_LOCK_FLOCK) {
        return 0;
    }
    int rc = lock_drop(table, wanted);
    return rc == 0 ? lock_wake(table) : rc;
}

static int wait_or_fail(struct lock_table *table,
                        const struct tree_lock *wanted)
{
    struct call *call = table->call;
    bool waits = (call->command->flags & LOCK_WAIT) != 0;
    int rc = waits ? check_room(table) : 0;
    if (rc == 0 && waits && wanted->kind == TREE_LOCK_POSIX) {
        rc = check_deadlock(call, wanted);
    }
    if (rc == 0) {
        rc = lose_old(table, wanted);
    }
    if (rc != 0) {
        return rc;
    }
    if (!waits) {
        return EAGAIN; /* as said above, the tree may have changed */
    }
    call->result->value[VALUE_LOCK] = LOCK_QUEUED;
    return lock_enqueue(table, *wanted);
}

static int lock_or_wait(struct lock_table *table,
                        const struct tree_lock *wanted)
{
    if (lock_is_blocked(table, wanted)) {
        return wait_or_fail(table, wanted);
    }
    int rc = check_room(table);
    if (rc == 0) {
        rc = lock_grant(table, *wanted);
    }
    return rc == 0 ? lock_wake(table) : rc;
}

int apply_lock(struct call *call)
{
    struct tree_lock wanted = lock_of(call);
    struct lock_table table;
    struct inode inode;
    bool unlocks = (call->command->flags & LOCK_UNLOCK) != 0;
    if (!is_sound(call)) {
        return EINVAL;
    }
    /* Unlocking goes on when the file is gone. */
    int rc = unlocks ? 0 : apply_inode_get(call, wanted.ino, &inode);
    if (rc != 0) {
        return rc;
    }
    call->result->value[VALUE_LOCK] = LOCK_GRANTED;
    rc = lock_table_load(call, wanted.ino, &table);
    if (rc == 0) {
        rc = unlocks ? unlock(&table, &wanted) : lock_or_wait(&table, &wanted);
    }
    lock_table_release(&table);
    return rc;
}

/* Its place in a list, or the list's count. */
static size_t find_serial(const struct tree_locks *list,
                          const struct tree_lock *wanted, uint64_t serial)
{
    size_t at = 0;
    while (at < list->count &&
           !(list->rows[at].serial == serial &&
             list->rows[at].kind == wanted->kind &&
             lock_same_owner(&list->rows[at], wanted))) {
        at++;
    }
    return at;
}

/* The command may still be on its way to the log: then this is its result. */
static void refuse_later(struct call *call)
{
    struct apply_result known;
    struct session *session =
        apply_session_find(call->apply, call->record->session);
    assert(session != NULL);
    if (!apply_session_seen(session, call->command->number, &known)) {
        apply_session_keep(session, call->command->number, 0,
                           &(struct apply_result){.error = EINTR});
    }
}

int apply_lock_cancel(struct call *call)
{
    struct tree_lock wanted = lock_of(call);
    struct lock_table table;
    uint64_t serial = call->command->number;
    if (!is_sound(call) || serial == 0 || serial >= call->record->serial) {
        return EINVAL;
    }
    int rc = lock_table_load(call, wanted.ino, &table);
    if (rc < 0) {
        goto out;
    }
    size_t at = find_serial(&table.queue, &wanted, serial);
    if (at < table.queue.count) {
        rc = lock_dequeue(&table, at);
    } else if (find_serial(&table.held, &wanted, serial) == table.held.count) {
        refuse_later(call);
    } else if ((call->command->flags & LOCK_GIVE_BACK) != 0) {
        rc = unlock(&table, &wanted);
    }
out:
    lock_table_release(&table);
    return rc;
}

int apply_lock_release(struct call *call)
{
    struct lock_table table;
    struct tree_lock all = lock_of(call);
    all.start = 0;
    all.last = LOCK_LAST_MAX;
    if ((call->command->flags & ~(uint32_t)LOCK_FLAGS) != 0) {
        return EINVAL;
    }
    int rc = lock_table_load(call, all.ino, &table);
    if (rc == 0) {
        rc = unlock(&table, &all);
    }
    lock_table_release(&table);
    return rc;
}

int apply_lock_break(struct call *call)
{
    struct lock_table table;
    int rc = lock_table_load(call, call->command->ino, &table);
    size_t at = 0;
    while (at < table.held.count &&
           table.held.rows[at].id != call->command->number) {
        at++;
    }
    if (rc == 0 && at == table.held.count) {
        rc = ENOENT;
    }
    if (rc == 0) {
        struct tree_lock range = table.held.rows[at];
        call->apply->change.broken =
            (struct apply_broken){.session = range.session,
                                  .owner = range.owner,
                                  .ino = range.ino};
        rc = unlock(&table, &range);
    }
    lock_table_release(&table);
    return rc;
}

/* --- the end of a session --- */

static int wake_inode(struct call *call, uint64_t ino)
{
    struct lock_table table;
    int rc = lock_table_load(call, ino, &table);
    if (rc == 0) {
        rc = lock_wake(&table);
    }
    lock_table_release(&table);
    return rc;
}

int apply_locks_end_session(struct call *call, uint64_t session)
{
    struct tree_locks locks = {0};
    int rc = tree_locks_of_session(call->tree, session, &locks);
    for (size_t i = 0; rc == 0 && i < locks.count; i++) {
        rc = tree_lock_remove(call->tree, &locks.rows[i]);
    }
    uint64_t before = 0;
    for (size_t i = 0; rc == 0 && i < locks.count; i++) {
        if (locks.rows[i].ino != before) {
            before = locks.rows[i].ino;
            rc = wake_inode(call, before);
        }
    }
    tree_locks_release(&locks);
    return rc;
}
