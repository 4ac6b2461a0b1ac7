#include "fs/openfiles.h"

#include <assert.h>
#include <stdlib.h>

static size_t home(uint64_t ino, size_t capacity)
{
    return (size_t)(ino * 0x9e3779b97f4a7c15ull >> 32) & (capacity - 1);
}

static struct openfile *find(struct openfile *slots, size_t capacity,
                             uint64_t ino)
{
    size_t at = home(ino, capacity);
    while (slots[at].ino != 0 && slots[at].ino != ino) {
        at = (at + 1) & (capacity - 1);
    }
    return &slots[at];
}

static void grow(struct openfiles *files)
{
    size_t capacity = files->capacity == 0 ? 64 : files->capacity * 2;
    struct openfile *slots = calloc(capacity, sizeof *slots);
    if (slots == NULL) {
        abort();
    }
    for (size_t i = 0; i < files->capacity; i++) {
        if (files->slots[i].ino != 0) {
            *find(slots, capacity, files->slots[i].ino) = files->slots[i];
        }
    }
    free(files->slots);
    files->slots = slots;
    files->capacity = capacity;
}

void openfiles_release(struct openfiles *files)
{
    free(files->slots);
    *files = (struct openfiles){0};
}

void openfiles_add(struct openfiles *files, uint64_t ino)
{
    assert(ino != 0);
    if (files->used * 2 >= files->capacity) {
        grow(files);
    }
    struct openfile *slot = find(files->slots, files->capacity, ino);
    if (slot->ino == 0) {
        slot->ino = ino;
        files->used++;
    }
    slot->count++;
}

/* Closes the gap that a freed slot leaves, so that no probe ends too early. */
static void close_gap(struct openfiles *files, size_t gap)
{
    size_t mask = files->capacity - 1;
    size_t at = gap;
    for (;;) {
        at = (at + 1) & mask;
        if (files->slots[at].ino == 0) {
            break;
        }
        size_t wanted = home(files->slots[at].ino, files->capacity);
        if (((at - wanted) & mask) >= ((at - gap) & mask)) {
            files->slots[gap] = files->slots[at];
            gap = at;
        }
    }
    files->slots[gap] = (struct openfile){0};
}

void openfiles_drop(struct openfiles *files, uint64_t ino)
{
    assert(files->capacity > 0);
    struct openfile *slot = find(files->slots, files->capacity, ino);
    assert(slot->ino == ino && slot->count > 0);
    if (--slot->count == 0) {
        files->used--;
        close_gap(files, (size_t)(slot - files->slots));
    }
}

bool openfiles_has(const struct openfiles *files, uint64_t ino)
{
    return files->capacity > 0 &&
           find(files->slots, files->capacity, ino)->ino == ino;
}

uint64_t openfiles_next(const struct openfiles *files, size_t *at)
{
    while (*at < files->capacity) {
        uint64_t ino = files->slots[(*at)++].ino;
        if (ino != 0) {
            return ino;
        }
    }
    return 0;
}
