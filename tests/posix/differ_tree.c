/* differ_tree.c -- what can be seen of a tree, as sorted lines. */
#include "differ.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { LINE_MAX_SIZE = 16384, YEAR_2020 = 1577836800, FIRSTS = 4096 };

/* --- names in readable form --- */

static size_t put_escaped(char *out, size_t room, const char *in, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < size && used + 5 < room; i++) {
        unsigned char c = (unsigned char)in[i];
        used += (size_t)snprintf(out + used, room - used,
                                 c > ' ' && c < 127 ? "%c" : "\\%02x", c);
    }
    return used;
}

/* --- one line --- */

struct line {
    char text[LINE_MAX_SIZE];
    size_t used;
};

#define PUT(line, ...)                                                         \
    ((line)->used +=                                                           \
     (size_t)snprintf((line)->text + (line)->used,                             \
                      sizeof(line)->text - (line)->used, __VA_ARGS__))

static void put_contents(struct line *line, const char *path)
{
    char bytes[65536];
    uint64_t hash = 0;
    long long total = 0;
    ssize_t got = -1;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    while (fd >= 0 && (got = read(fd, bytes, sizeof bytes)) > 0) {
        hash = bytes_hash(bytes, (size_t)got, hash);
        total += got;
    }
    if (got < 0) {
        PUT(line, " cannot be read: %s", strerror(errno));
    } else {
        PUT(line, " %lld bytes, hash %016llx", total, (unsigned long long)hash);
    }
    if (fd >= 0) {
        close(fd);
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void put_xattrs(struct line *line, const char *path)
{
    char list[8192], value[8192], *names[128];
    ssize_t size = llistxattr(path, list, sizeof list);
    size_t count = 0;
    if (size < 0) {
        PUT(line, " no xattrs: %s", strerror(errno));
    }
    for (ssize_t at = 0; at < size && count < 128;
         at += (ssize_t)strlen(list + at) + 1) {
        names[count++] = list + at;
    }
    qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 0; i < count; i++) {
        ssize_t got = lgetxattr(path, names[i], value, sizeof value);
        PUT(line, " %s=%zd:%08llx", names[i], got,
            (unsigned long long)bytes_hash(value, got < 0 ? 0 : (size_t)got,
                                           0) &
                0xffffffff);
    }
}

/* Of hard links: which name comes first. */
struct firsts {
    ino_t ino[FIRSTS];
    size_t line[FIRSTS];
    size_t count;
};

static void put_link(struct line *line, struct firsts *firsts, ino_t ino,
                     size_t at)
{
    size_t i = 0;
    while (i < firsts->count && firsts->ino[i] != ino) {
        i++;
    }
    if (i == firsts->count && i < FIRSTS) {
        firsts->ino[i] = ino;
        firsts->line[i] = at;
        firsts->count++;
    }
    PUT(line, " linked to line %zu", i < FIRSTS ? firsts->line[i] : 0);
}

static void put_entry(struct line *line, const FTSENT *entry, bool atimes)
{
    const struct stat *st = entry->fts_statp;
    char target[4200];
    PUT(line, " %06o uid=%u gid=%u nlink=%lu", st->st_mode, st->st_uid,
        st->st_gid, (unsigned long)st->st_nlink);
    if (S_ISREG(st->st_mode)) {
        PUT(line, " size=%lld", (long long)st->st_size);
        put_contents(line, entry->fts_accpath);
    } else if (S_ISLNK(st->st_mode)) {
        ssize_t got = readlink(entry->fts_accpath, target, sizeof target);
        PUT(line, " size=%lld -> ", (long long)st->st_size);
        line->used +=
            put_escaped(line->text + line->used, sizeof line->text - line->used,
                        target, got < 0 ? 0 : (size_t)got);
    } else if (!S_ISDIR(st->st_mode)) {
        PUT(line, " rdev=%llx", (unsigned long long)st->st_rdev);
    }
    if (st->st_mtim.tv_sec < YEAR_2020) { /* somebody has set it */
        PUT(line, " mtime=%lld.%09ld", (long long)st->st_mtim.tv_sec,
            st->st_mtim.tv_nsec);
    }
    if (atimes && st->st_atim.tv_sec < YEAR_2020) {
        PUT(line, " atime=%lld.%09ld", (long long)st->st_atim.tv_sec,
            st->st_atim.tv_nsec);
    }
    put_xattrs(line, entry->fts_accpath);
}

/* --- the walk --- */

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static FTS *walk(const char *root)
{
    char *roots[] = {(char *)(uintptr_t)root, NULL};
    return fts_open(roots, FTS_PHYSICAL, by_name);
}

static void add_line(struct snapshot *snapshot, const struct line *line)
{
    if (snapshot->count == snapshot->capacity) {
        snapshot->capacity = snapshot->capacity * 2 + 256;
        snapshot->lines = realloc(snapshot->lines,
                                  snapshot->capacity * sizeof *snapshot->lines);
    }
    snapshot->lines[snapshot->count++] = strdup(line->text);
}

void snapshot_take(struct snapshot *snapshot, const char *root, bool atimes)
{
    static struct firsts firsts;
    size_t skip = strlen(root);
    FTS *fts = walk(root);
    FTSENT *entry;
    *snapshot = (struct snapshot){0};
    firsts.count = 0;
    while (fts != NULL && (entry = fts_read(fts)) != NULL) {
        static struct line line;
        if (entry->fts_info == FTS_DP) {
            continue;
        }
        line.used =
            put_escaped(line.text, sizeof line.text, entry->fts_path + skip,
                        entry->fts_pathlen - skip);
        if (line.used > 1000) { /* long names, deep: their end is enough */
            line.used = (size_t)snprintf(
                line.text, sizeof line.text, "%016llx",
                (unsigned long long)bytes_hash(entry->fts_path + skip,
                                               entry->fts_pathlen - skip, 0));
        }
        line.text[line.used] = '\0';
        if (entry->fts_info == FTS_NS || entry->fts_info == FTS_DNR ||
            entry->fts_info == FTS_ERR) {
            PUT(&line, " error %s", strerror(entry->fts_errno));
        } else {
            put_entry(&line, entry, atimes);
            if (entry->fts_info != FTS_D && entry->fts_statp->st_nlink > 1) {
                put_link(&line, &firsts, entry->fts_statp->st_ino,
                         snapshot->count);
            }
        }
        add_line(snapshot, &line);
    }
    if (fts != NULL) {
        fts_close(fts);
    }
}

void snapshot_release(struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        free(snapshot->lines[i]);
    }
    free(snapshot->lines);
    *snapshot = (struct snapshot){0};
}

bool snapshot_differs(const struct snapshot *a, const char *a_name,
                      const struct snapshot *b, const char *b_name)
{
    size_t shown = 0;
    size_t most = a->count > b->count ? a->count : b->count;
    for (size_t i = 0; i < most && shown < 5; i++) {
        const char *one = i < a->count ? a->lines[i] : "(nothing)";
        const char *two = i < b->count ? b->lines[i] : "(nothing)";
        if (strcmp(one, two) != 0) {
            printf("the trees differ\n  %s: %s\n  %s: %s\n", a_name, one,
                   b_name, two);
            shown++;
        }
    }
    return shown > 0;
}

void tree_empty(const char *root)
{
    FTS *fts = walk(root);
    FTSENT *entry;
    while (fts != NULL && (entry = fts_read(fts)) != NULL) {
        if (entry->fts_level == 0 || entry->fts_info == FTS_D) {
            continue;
        }
        if (entry->fts_info == FTS_DP) {
            rmdir(entry->fts_accpath);
        } else {
            unlink(entry->fts_accpath);
        }
    }
    if (fts != NULL) {
        fts_close(fts);
    }
}
