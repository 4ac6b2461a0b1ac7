/* differ_make.c -- random calls. Few names and small offsets, so that they
 * meet; some wrong arguments of every kind. */
#include "differ.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

uint64_t random_next(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15ull;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

uint64_t random_below(uint64_t *state, uint64_t bound)
{
    return random_next(state) % bound;
}

static bool chance(uint64_t *state, unsigned percent)
{
    return random_below(state, 100) < percent;
}

static size_t add(char *path, size_t used, const char *text)
{
    return used + (size_t)snprintf(path + used, PATH_SIZE - used, "%s", text);
}

static size_t add_name(char *path, size_t used, uint64_t *state)
{
    char name[260] = "";
    uint64_t dice = random_below(state, 200);
    if (dice <= 1) {
        memset(name, 'L', 255 + dice); /* 256 are too many */
    } else if (dice == 2) {
        return add(path, used, "\x01\xff \n*");
    } else if (dice == 3) {
        return add(path, used, ".");
    } else {
        name[0] = (char)('a' + random_below(state, 6));
    }
    return add(path, used, name);
}

static void make_path(char *path, uint64_t *state)
{
    size_t used = 0;
    path[0] = '\0';
    if (chance(state, 1)) {
        return; /* ENOENT */
    }
    uint64_t dice = random_below(state, 100);
    unsigned depth = dice < 45 ? 1 : dice < 80 ? 2 : dice < 95 ? 3 : 4;
    for (unsigned i = 0; i < depth; i++) {
        used = i > 0 ? add(path, used, "/") : 0;
        used = add_name(path, used, state);
    }
    if (depth > 1 && chance(state, 2)) {
        used = add(path, used, "/..");
    }
    if (chance(state, 3)) {
        add(path, used, "/");
    }
}

static unsigned open_flags(uint64_t *state)
{
    static const unsigned access[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR};
    static const struct {
        unsigned flag, percent;
    } more[] = {
        {O_CREAT, 60},  {O_EXCL, 15},    {O_TRUNC, 15},
        {O_APPEND, 25}, {O_NOFOLLOW, 8}, {O_DIRECTORY, 6},
        {O_NOATIME, 4}, {O_SYNC, 4},     {O_PATH, 2},
    };
    unsigned flags = access[random_below(state, 4)] | O_NONBLOCK | O_CLOEXEC;
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        flags |= chance(state, more[i].percent) ? more[i].flag : 0;
    }
    /* Since Linux 6.4 EINVAL everywhere, before that filesystem's matter. */
    if ((flags & O_DIRECTORY) != 0) {
        flags &= ~(unsigned)O_CREAT;
    }
    return flags;
}

static unsigned random_mode(uint64_t *state)
{
    static const unsigned modes[] = {0644,  0755,  0777,  0600,  0700, 0,
                                     01777, 02775, 04755, 06711, 0444};
    return chance(state, 20)
               ? (unsigned)random_below(state, 010000)
               : modes[random_below(state, sizeof modes / sizeof *modes)];
}

static long long random_offset(uint64_t *state)
{
    uint64_t dice = random_below(state, 100);
    if (dice < 2) {
        return -1 - (long long)random_below(state, 5000);
    }
    if (dice < 40) {
        return (long long)random_below(state, OFFSET_MAX / 4096) * 4096;
    }
    return (long long)random_below(state, dice < 70 ? 5000 : OFFSET_MAX);
}

static long long random_size(uint64_t *state)
{
    uint64_t dice = random_below(state, 100);
    if (dice < 4) {
        return 0;
    }
    if (dice < 30) {
        return 4096 * (1 + (long long)random_below(state, 4));
    }
    return 1 + (long long)random_below(state, dice < 80 ? 9000 : DATA_MAX);
}

static unsigned fallocate_mode(uint64_t *state)
{
    enum { KEEP = 1, PUNCH = 2, ZERO = 0x10 };
    static const unsigned modes[] = {
        0,           KEEP,  PUNCH | KEEP,        ZERO,
        ZERO | KEEP, PUNCH, PUNCH | ZERO | KEEP, 0x100000};
    uint64_t dice = random_below(state, 20);
    return modes[dice < 15 ? dice % 5 : 5 + dice % 3];
}

/* Within what ext4 keeps of one inode. */
static const char *random_xattr(uint64_t *state)
{
    static const char *const names[] = {
        "user.a",
        "user.b",
        "user.c",
        "trusted.t",
        "security.s",
        "user.",
        "system.x",
        "nospace",
        "security.capability",
        "system.posix_acl_access",
        "system.posix_acl_default",
    };
    return names[random_below(state, sizeof names / sizeof *names)];
}

static int any_slot(uint64_t *state)
{
    return (int)random_below(state, SLOTS);
}

void call_make(struct call *call, uint64_t *state, unsigned roots,
               const unsigned *slot_roots)
{
    unsigned total = 0, at = 0;
    for (size_t i = 0; i < call_kind_count; i++) {
        total += call_kinds[i].weight;
    }
    uint64_t dice = random_below(state, total);
    while (dice >= call_kinds[at].weight) {
        dice -= call_kinds[at++].weight;
    }
    *call = (struct call){
        .kind = &call_kinds[at],
        .root = (unsigned)random_below(state, roots),
        .who = chance(state, 20) ? 1000 : 0,
        .base = chance(state, 8) ? any_slot(state) : NO_SLOT,
        .slot = any_slot(state),
        .source = any_slot(state),
        .by_slot = chance(state, 35),
        .no_follow = chance(state, 30),
        .flags = open_flags(state),
        .mode = random_mode(state),
        .umask = chance(state, 80) ? 022 : (unsigned)random_below(state, 0777),
        .offset = random_offset(state),
        .source_offset = random_offset(state),
        .size = random_size(state),
        .xattr = random_xattr(state),
        .seed = random_next(state),
    };
    if (strcmp(call->kind->name, "fallocate") == 0) {
        call->flags = fallocate_mode(state);
    }
    /* To the kernel two mounts are two filesystems: a file that is open on both
     * is two files, which no program of one node can meet. */
    if (strcmp(call->kind->name, "copy") == 0) {
        while (slot_roots[call->source] != slot_roots[call->slot]) {
            call->source = (call->source + 1) % SLOTS;
        }
    }
    make_path(call->path, state);
    make_path(call->other, state);
    /* Where the descriptor is, there the call is made. */
    if (call->by_slot && slot_roots[call->slot] < roots) {
        call->root = slot_roots[call->slot];
        call->base = NO_SLOT;
    } else if (call->base != NO_SLOT && slot_roots[call->base] < roots) {
        call->root = slot_roots[call->base];
    } else {
        call->base = NO_SLOT;
    }
}
