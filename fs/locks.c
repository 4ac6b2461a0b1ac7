#include "fs/locks.h"

#include "fs/log.h"
#include "fs/node.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

void locks_free(struct locks *locks)
{
    free(locks->notes);
    free(locks->fences);
    *locks = (struct locks){0};
}

uint64_t locks_new_handle(struct locks *locks)
{
    locks->last_handle += 2;
    return locks->last_handle;
}

/* --- fences --- */

static struct lock_fence *find_fence(const struct locks *locks, uint64_t ino)
{
    for (size_t i = 0; i < locks->fence_count; i++) {
        if (locks->fences[i].ino == ino) {
            return &locks->fences[i];
        }
    }
    return NULL;
}

bool locks_is_fenced(const struct locks *locks, uint64_t ino, uint64_t handle)
{
    const struct lock_fence *fence = find_fence(locks, ino);
    return fence != NULL && handle != 0 && handle < fence->below;
}

void locks_file_closed(struct locks *locks, uint64_t ino)
{
    struct lock_fence *fence = find_fence(locks, ino);
    if (fence != NULL) {
        *fence = locks->fences[--locks->fence_count];
    }
}

static void put_fence(struct locks *locks, uint64_t ino)
{
    struct lock_fence *fence = find_fence(locks, ino);
    if (fence == NULL) {
        if (locks->fence_count == locks->fence_capacity) {
            locks->fence_capacity = locks->fence_capacity * 2 + 8;
            locks->fences =
                realloc(locks->fences,
                        locks->fence_capacity * sizeof(*locks->fences));
            assert(locks->fences != NULL);
        }
        fence = &locks->fences[locks->fence_count++];
        fence->ino = ino;
    }
    fence->below = locks->last_handle + 2;
}

/* --- notes --- */

static struct lock_note *find_note(const struct locks *locks, uint64_t ino,
                                   uint64_t owner, uint32_t kind)
{
    for (size_t i = 0; i < locks->note_count; i++) {
        struct lock_note *note = &locks->notes[i];
        if (note->ino == ino && note->owner == owner && note->kind == kind) {
            return note;
        }
    }
    return NULL;
}

void locks_asked(struct locks *locks, uint64_t ino, uint64_t owner,
                 uint32_t kind, uint64_t handle)
{
    struct lock_note *note = find_note(locks, ino, owner, kind);
    if (note == NULL) {
        if (locks->note_count == locks->note_capacity) {
            locks->note_capacity = locks->note_capacity * 2 + 8;
            locks->notes = realloc(
                locks->notes, locks->note_capacity * sizeof(*locks->notes));
            assert(locks->notes != NULL);
        }
        note = &locks->notes[locks->note_count++];
        *note = (struct lock_note){.ino = ino, .owner = owner, .kind = kind};
    }
    note->pending++;
    if (handle != 0) {
        note->handle = handle;
    }
}

static bool tree_has(struct node *node, const struct lock_note *note)
{
    struct tree_locks locks = {0};
    bool found = false;
    int rc = tree_locks_of_owner(node->tree, node->session.id, note->owner,
                                 &locks);
    if (rc < 0) {
        node_fault(node, "locks cannot be read: %s", store_error_text());
    }
    for (size_t i = 0; i < locks.count; i++) {
        const struct tree_lock *lock = &locks.rows[i];
        found = found || (lock->ino == note->ino && lock->kind == note->kind &&
                          !lock->waits);
    }
    tree_locks_release(&locks);
    return found;
}

static void forget_idle_notes(struct locks *locks)
{
    size_t kept = 0;
    for (size_t i = 0; i < locks->note_count; i++) {
        if (locks->notes[i].held || locks->notes[i].pending > 0) {
            locks->notes[kept++] = locks->notes[i];
        }
    }
    locks->note_count = kept;
}

void locks_answered(struct node *node, uint64_t ino, uint64_t owner,
                    uint32_t kind)
{
    struct lock_note *note = find_note(&node->locks, ino, owner, kind);
    assert(note != NULL && note->pending > 0);
    note->pending--;
    note->held = tree_has(node, note);
    if (!note->held && note->pending == 0) {
        *note = node->locks.notes[--node->locks.note_count];
    }
}

bool locks_may_hold(const struct locks *locks, uint64_t ino, uint64_t owner,
                    uint32_t kind)
{
    return find_note(locks, ino, owner, kind) != NULL;
}

void locks_broken(struct node *node, const struct apply_change *change)
{
    struct locks *locks = &node->locks;
    const struct apply_broken *broken = &change->broken;
    if (broken->session == 0 || broken->session != node->session.id) {
        return;
    }
    node_event(node, EVENT_LOCK_LOST, 0, 0,
               "inode=%" PRIu64 " owner=%016" PRIx64 " by raftfs locks break",
               broken->ino, broken->owner);
    put_fence(locks, broken->ino);
    for (size_t i = 0; i < locks->note_count; i++) {
        struct lock_note *note = &locks->notes[i];
        if (note->ino == broken->ino && note->owner == broken->owner) {
            note->held = tree_has(node, note);
        }
    }
    forget_idle_notes(locks);
}

void locks_session_lost(struct node *node)
{
    struct locks *locks = &node->locks;
    for (size_t i = 0; i < locks->note_count; i++) {
        struct lock_note *note = &locks->notes[i];
        if (note->held) {
            node_event(node, EVENT_LOCK_LOST, 0, 0,
                       "inode=%" PRIu64 " owner=%016" PRIx64, note->ino,
                       note->owner);
            put_fence(locks, note->ino);
        }
        note->held = false;
    }
    forget_idle_notes(locks);
    requests_locks_lost(node);
}
