#include "raft/uv/notes.h"

#include <assert.h>
#include <string.h>

static struct notes_entry *find(struct notes *notes, const char *key)
{
    for (size_t i = 0; i < NOTES_MAX; i++) {
        if (strcmp(notes->entries[i].key, key) == 0) {
            return &notes->entries[i];
        }
    }
    return NULL;
}

/* A free entry, or the one that rested longest; NULL when all are recent. */
static struct notes_entry *find_place(struct notes *notes, raft_time now)
{
    struct notes_entry *best = NULL;
    for (size_t i = 0; i < NOTES_MAX; i++) {
        struct notes_entry *entry = &notes->entries[i];
        if (entry->key[0] == '\0') {
            return entry;
        }
        if (now - entry->seen >= NOTES_REPEAT_US &&
            (best == NULL || entry->seen < best->seen)) {
            best = entry;
        }
    }
    return best;
}

bool notes_due(struct notes *notes, raft_time now, const char *key,
               enum notes_repeat repeat, uint64_t *held)
{
    assert(key[0] != '\0' && strlen(key) < NOTES_KEY_SIZE);
    *held = 0;
    struct notes_entry *entry = find(notes, key);
    if (entry == NULL) {
        entry = find_place(notes, now);
        if (entry == NULL) {
            return false;
        }
        *entry = (struct notes_entry){.said = now, .seen = now};
        memcpy(entry->key, key, strlen(key) + 1);
        return true;
    }
    raft_time silent_since = repeat == NOTES_ONCE ? entry->seen : entry->said;
    entry->seen = now;
    if (now - silent_since < NOTES_REPEAT_US) {
        entry->held++;
        return false;
    }
    *held = entry->held;
    entry->held = 0;
    entry->said = now;
    return true;
}

void notes_forget(struct notes *notes, const char *prefix)
{
    for (size_t i = 0; i < NOTES_MAX; i++) {
        struct notes_entry *entry = &notes->entries[i];
        if (entry->key[0] != '\0' &&
            strncmp(entry->key, prefix, strlen(prefix)) == 0) {
            *entry = (struct notes_entry){.seen = 0};
        }
    }
}
