/* apply_lock_int.h -- the locks of one inode while a command changes them.
 *
 * Loaded from the tree, and every change is made here and there at once. Two
 * lists, in the order in which the locks came: what is held, and who waits. Of
 * one owner and kind no two held locks overlap.
 */
#ifndef FS_APPLY_LOCK_INT_H
#define FS_APPLY_LOCK_INT_H

#include "fs/apply_int.h"

struct lock_table {
    struct call *call;
    uint64_t ino;
    struct tree_locks held, queue; /* owned */
};

/* Also after a failure *table is to be released. */
int lock_table_load(struct call *call, uint64_t ino, struct lock_table *table);
void lock_table_release(struct lock_table *table);

bool lock_same_owner(const struct tree_lock *a, const struct tree_lock *b);
/* Somebody else holds what does not go together with it. */
bool lock_conflict(const struct tree_lock *held, const struct tree_lock *wanted);
bool lock_is_blocked(const struct lock_table *table,
                     const struct tree_lock *wanted);

/* Its owner holds it, instead of whatever he held in that range. */
int lock_grant(struct lock_table *table, struct tree_lock wanted);
/* Its owner holds nothing of that kind in that range. */
int lock_drop(struct lock_table *table, const struct tree_lock *range);
int lock_enqueue(struct lock_table *table, struct tree_lock wanted);
int lock_dequeue(struct lock_table *table, size_t at);
/* Grants what can be granted, in the order in which it was asked for, and tells
 * apply_last_change(). */
int lock_wake(struct lock_table *table);

#endif
