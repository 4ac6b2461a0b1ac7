/* locks.h -- what this node knows of the locks of its own programs.
 *
 * Who holds what stands in the tree (fs/apply_lock.c). This is what the kernel's
 * side needs besides:
 *  - notes: which owners hold, or may hold, a lock. Closing a file costs nothing
 *    when there is no note.
 *  - fences: when a session ends, its locks go to others. Who held one and does
 *    not know it yet must not write any more under its protection: writes through
 *    file handles that were open then fail with EIO, until the file is closed
 *    everywhere on this node.
 *
 * A file handle is a number that grows with each open, so "open then" is a
 * comparison. It is even: the lowest bit is for whoever asked for it.
 *
 * Thread: loop.
 */
#ifndef FS_LOCKS_H
#define FS_LOCKS_H

#include "fs/request.h"

struct lock_note {
    uint64_t ino, owner;
    uint64_t handle;  /* through which it was asked for last */
    uint32_t kind;    /* enum tree_lock_kind */
    uint32_t pending; /* commands without a result */
    bool held;        /* there is a row in the tree */
};

struct lock_fence {
    uint64_t ino;
    uint64_t below; /* handles below this one are fenced */
};

struct locks {
    struct lock_note *notes; /* owned */
    size_t note_count, note_capacity;
    struct lock_fence *fences; /* owned */
    size_t fence_count, fence_capacity;
    uint64_t last_handle;
};

void locks_free(struct locks *locks);

uint64_t locks_new_handle(struct locks *locks);
bool locks_is_fenced(const struct locks *locks, uint64_t ino, uint64_t handle);
/* The node has no handle of it any more. */
void locks_file_closed(struct locks *locks, uint64_t ino);

/* A command about these locks is being sent, or has ended: the note goes when
 * the tree has nothing of it. */
void locks_asked(struct locks *locks, uint64_t ino, uint64_t owner,
                 uint32_t kind, uint64_t handle);
void locks_answered(struct node *node, uint64_t ino, uint64_t owner,
                    uint32_t kind);
bool locks_may_hold(const struct locks *locks, uint64_t ino, uint64_t owner,
                    uint32_t kind);
/* A record was applied: if it took a lock from a program of this node, a fence
 * goes up. */
void locks_broken(struct node *node, const struct apply_change *change);
/* The session has ended: puts up the fences. */
void locks_session_lost(struct node *node);

#endif
