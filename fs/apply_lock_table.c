#include "fs/apply_lock_int.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int lock_table_load(struct call *call, uint64_t ino, struct lock_table *table)
{
    *table = (struct lock_table){.call = call, .ino = ino};
    struct tree_locks all = {0};
    int rc = tree_locks_of_inode(call->tree, ino, &all);
    for (size_t i = 0; rc == 0 && i < all.count; i++) {
        const struct tree_lock *lock = &all.rows[i];
        tree_locks_append(lock->waits ? &table->queue : &table->held, lock);
    }
    tree_locks_release(&all);
    return rc;
}

void lock_table_release(struct lock_table *table)
{
    tree_locks_release(&table->held);
    tree_locks_release(&table->queue);
}

/* --- what goes together --- */

bool lock_same_owner(const struct tree_lock *a, const struct tree_lock *b)
{
    return a->session == b->session && a->owner == b->owner;
}

static bool overlap(const struct tree_lock *a, const struct tree_lock *b)
{
    return a->start <= b->last && b->start <= a->last;
}

bool lock_conflict(const struct tree_lock *held, const struct tree_lock *wanted)
{
    return held->kind == wanted->kind && (held->write || wanted->write) &&
           overlap(held, wanted) && !lock_same_owner(held, wanted);
}

bool lock_is_blocked(const struct lock_table *table,
                     const struct tree_lock *wanted)
{
    for (size_t i = 0; i < table->held.count; i++) {
        if (lock_conflict(&table->held.rows[i], wanted)) {
            return true;
        }
    }
    return false;
}

/* --- changing the lists and the tree --- */

static int add(struct lock_table *table, struct tree_locks *list,
               struct tree_lock lock)
{
    int rc = tree_lock_add(table->call->tree, &lock);
    tree_locks_append(list, &lock);
    return rc;
}

static int take_out(struct lock_table *table, struct tree_locks *list,
                    size_t at)
{
    assert(at < list->count);
    int rc = tree_lock_remove(table->call->tree, &list->rows[at]);
    list->count--;
    memmove(&list->rows[at], &list->rows[at + 1],
            (list->count - at) * sizeof(list->rows[0]));
    return rc;
}

int lock_enqueue(struct lock_table *table, struct tree_lock wanted)
{
    wanted.waits = true;
    return add(table, &table->queue, wanted);
}

int lock_dequeue(struct lock_table *table, size_t at)
{
    return take_out(table, &table->queue, at);
}

/* What is left of a held lock on both sides of the range. */
static int keep_sides(struct lock_table *table, const struct tree_lock *lock,
                      const struct tree_lock *range)
{
    int rc = 0;
    struct tree_lock side = *lock;
    if (lock->start < range->start) {
        side.last = range->start - 1;
        rc = add(table, &table->held, side);
    }
    if (rc == 0 && lock->last > range->last) {
        side = *lock;
        side.start = range->last + 1;
        rc = add(table, &table->held, side);
    }
    return rc;
}

/* Overlapping or next to each other. */
static bool touch(const struct tree_lock *a, const struct tree_lock *b)
{
    return a->start <= b->last + 1 && b->start <= a->last + 1;
}

/* Takes the range out of what its owner holds. With `joins`, locks of the same
 * type become part of the range, which grows. Those that stand behind the first
 * `seen` were added by this very call. */
static int cut_out(struct lock_table *table, struct tree_lock *range,
                   bool joins)
{
    int rc = 0;
    size_t at = 0, seen = table->held.count;
    while (rc == 0 && at < seen) {
        struct tree_lock lock = table->held.rows[at];
        bool same_type = joins && lock.write == range->write;
        if (lock.kind != range->kind || !lock_same_owner(&lock, range) ||
            !(same_type ? touch(&lock, range) : overlap(&lock, range))) {
            at++;
            continue;
        }
        rc = take_out(table, &table->held, at);
        seen--;
        if (rc == 0 && same_type) {
            range->start =
                lock.start < range->start ? lock.start : range->start;
            range->last = lock.last > range->last ? lock.last : range->last;
        } else if (rc == 0) {
            rc = keep_sides(table, &lock, range);
        }
    }
    return rc;
}

int lock_grant(struct lock_table *table, struct tree_lock wanted)
{
    assert(!lock_is_blocked(table, &wanted));
    wanted.waits = false;
    wanted.since = table->call->now;
    int rc = cut_out(table, &wanted, true);
    return rc < 0 ? rc : add(table, &table->held, wanted);
}

int lock_drop(struct lock_table *table, const struct tree_lock *range)
{
    struct tree_lock cut = *range;
    return cut_out(table, &cut, false);
}

/* --- waking --- */

static void tell_grant(struct apply *apply, const struct tree_lock *lock)
{
    struct apply_change *change = &apply->change;
    if (change->grant_count == apply->grant_capacity) {
        apply->grant_capacity = apply->grant_capacity * 2 + 8;
        apply->grants = realloc(apply->grants, apply->grant_capacity *
                                                   sizeof *apply->grants);
        assert(apply->grants != NULL);
    }
    apply->grants[change->grant_count++] =
        (struct apply_grant){.session = lock->session, .serial = lock->serial};
    change->grants = apply->grants;
}

/* A grant may make room as well, when it turns a lock for writing into one for
 * reading: then those are asked again who were passed over. */
int lock_wake(struct lock_table *table)
{
    bool granted = true;
    while (granted) {
        granted = false;
        size_t at = 0;
        while (at < table->queue.count) {
            struct tree_lock lock = table->queue.rows[at];
            if (lock_is_blocked(table, &lock)) {
                at++;
                continue;
            }
            int rc = lock_dequeue(table, at);
            if (rc == 0) {
                rc = lock_grant(table, lock);
            }
            if (rc < 0) {
                return rc;
            }
            tell_grant(table->call->apply, &lock);
            granted = true;
        }
    }
    return 0;
}
