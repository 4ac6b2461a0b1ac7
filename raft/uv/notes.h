/* notes.h -- what was said already, so that it is not said again.
 *
 * Peers retry every second and strangers knock as often as they like; a person
 * wants to read of it once. A note is known by a key. Memory is bounded, and so
 * is what can be said in a minute, whatever the world does: when the book is
 * full of recent entries, new keys are counted and kept silent.
 *
 * Thread: loop. Memory: all inside.
 */
#ifndef RAFT_UV_NOTES_H
#define RAFT_UV_NOTES_H

#include "raft/core/types.h"

enum {
    NOTES_MAX = 64,
    NOTES_KEY_SIZE = 80,
    NOTES_REPEAT_US = 60 * 1000 * 1000,
};

struct notes {
    struct notes_entry {
        char key[NOTES_KEY_SIZE]; /* empty: not used */
        raft_time said, seen;
        uint64_t held;
    } entries[NOTES_MAX];
};

/* How often a note is said. */
enum notes_repeat {
    NOTES_ONCE,   /* until it is forgotten, or not seen for a minute */
    NOTES_MINUTE, /* at most once a minute */
};

/* True when the note should be said now; *held is how often it was kept silent
 * since it was said last. */
bool notes_due(struct notes *notes, raft_time now, const char *key,
               enum notes_repeat repeat, uint64_t *held);
/* The reason is gone for all keys that begin so: next time is a first time. */
void notes_forget(struct notes *notes, const char *prefix);

#endif
