/* probe.c -- catches stale reads, and measures how long writes were not served.
 *
 * probe [--names] WRITE_FILE READ_FILE [PAUSE_US] -- both names lead to the same
 * file through two mounts. One thread writes growing numbers through the first and
 * notes each that write(2) acknowledged. The other threads read through the
 * second, each in its own way: what they see must be no less than what had been
 * acknowledged before they began. A read that fails is no lie and only counted.
 * A write that failed may still be done, at any later time: to see its number is
 * counted as late, not as stale.
 *
 * With --names another thread does the same with what is no file: in the directory
 * WRITE_FILE.names it replaces a symbolic link, sets an attribute, makes a name in
 * `list`, and moves the directory `m` to a new one, all of the same number. It
 * tries again until it is done, and only then takes the next number.
 *
 * Runs until SIGTERM, then prints one line, "key=value ...", and ends with 1 if
 * a read was stale, else 0.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 20, /* a number, zero-padded */
       VALUES_MAX = 4 * 1024 * 1024,
       KEPT = 64 /* old names of the list, and old places of `m` */ };
#define ATTRIBUTE "user.number"

static const char *write_path, *read_path;
static unsigned pause_us = 500;
static atomic_bool stop;
static _Atomic uint64_t late;

static struct series { /* of numbers that grow */
    _Atomic uint64_t acked;
    atomic_bool failed[VALUES_MAX]; /* once at least: may be done later */
} contents, names;

enum way { OPEN_READ, KEPT_FD, STAT, READLINK, GETXATTR, READDIR, DOTDOT, WAYS };

static struct tally {
    const char *name;
    struct series *series;
    uint64_t done, failed, stale;
} tallies[WAYS] = {
    [OPEN_READ] = {.name = "open_read", .series = &contents},
    [KEPT_FD] = {.name = "kept_fd", .series = &contents},
    [STAT] = {.name = "stat", .series = &contents},
    [READLINK] = {.name = "readlink", .series = &names},
    [GETXATTR] = {.name = "getxattr", .series = &names},
    [READDIR] = {.name = "readdir", .series = &names},
    [DOTDOT] = {.name = "dotdot", .series = &names},
};

static uint64_t writes, write_failures, longest_gap_ms;

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The value is in the contents and in the mtime (seconds), so that attributes
 * can be checked too. */
static bool put(int fd, uint64_t value)
{
    char text[WIDTH + 1];
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                {.tv_sec = (time_t)value}};
    snprintf(text, sizeof(text), "%0*" PRIu64, WIDTH, value);
    return pwrite(fd, text, WIDTH, 0) == WIDTH && futimens(fd, times) == 0;
}

static void *writer(void *arg)
{
    (void)arg;
    int fd = -1;
    uint64_t value = 0;
    uint64_t last_ms = now_ms();
    while (!stop && value + 1 < VALUES_MAX) {
        if (fd < 0) {
            fd = open(write_path, O_RDWR);
        }
        value++;
        if (fd >= 0 && put(fd, value)) {
            contents.acked = value;
            writes++;
            uint64_t gap = now_ms() - last_ms;
            longest_gap_ms = gap > longest_gap_ms ? gap : longest_gap_ms;
            last_ms = now_ms();
        } else {
            write_failures++;
            contents.failed[value] = true;
            if (fd >= 0) {
                close(fd); /* the mount may be a new one */
                fd = -1;
            }
            usleep(20000);
        }
        usleep(pause_us);
    }
    return NULL;
}

/* --- names --- */

struct path {
    char text[4096];
};

/* base.names/format */
static struct path path_of(const char *base, const char *format, ...)
{
    struct path out;
    va_list args;
    int size = snprintf(out.text, sizeof(out.text), "%s.names", base);
    va_start(args, format);
    vsnprintf(out.text + size, sizeof(out.text) - (size_t)size, format, args);
    va_end(args);
    return out;
}
#define WRITE(...) (path_of(write_path, __VA_ARGS__).text)
#define READ(...) (path_of(read_path, __VA_ARGS__).text)

static bool is_there(int rc)
{
    return rc == 0 || errno == EEXIST;
}

static bool put_attribute(const char *path, uint64_t value)
{
    char text[WIDTH + 1];
    snprintf(text, sizeof(text), "%" PRIu64, value);
    return setxattr(path, ATTRIBUTE, text, strlen(text), 0) == 0;
}

/* An earlier try may have done it. */
static bool put_link(uint64_t value)
{
    char text[WIDTH + 1], target[WIDTH + 1] = "";
    snprintf(text, sizeof(text), "%" PRIu64, value);
    if (readlink(WRITE("/link"), target, WIDTH) > 0 &&
        strcmp(target, text) == 0) {
        return true;
    }
    return is_there(symlink(text, WRITE("/link.%s", text))) &&
           rename(WRITE("/link.%s", text), WRITE("/link")) == 0;
}

static bool put_name(uint64_t value)
{
    int fd = open(WRITE("/list/%" PRIu64, value), O_CREAT | O_WRONLY, 0666);
    unlink(WRITE("/list/%" PRIu64, value - KEPT));
    return fd >= 0 && close(fd) == 0;
}

static bool put_directory(uint64_t value)
{
    struct stat st;
    rmdir(WRITE("/at/%" PRIu64, value - KEPT));
    return is_there(mkdir(WRITE("/at/%" PRIu64, value), 0777)) &&
           put_attribute(WRITE("/at/%" PRIu64, value), value) &&
           (stat(WRITE("/at/%" PRIu64 "/m", value), &st) == 0 ||
            rename(WRITE("/at/%" PRIu64 "/m", value - 1),
                   WRITE("/at/%" PRIu64 "/m", value)) == 0);
}

static bool names_begin(void)
{
    return is_there(mkdir(WRITE(""), 0777)) &&
           is_there(mkdir(WRITE("/list"), 0777)) &&
           is_there(mkdir(WRITE("/at"), 0777)) &&
           is_there(mkdir(WRITE("/at/0"), 0777)) &&
           is_there(mkdir(WRITE("/at/0/m"), 0777));
}

static void *names_writer(void *arg)
{
    (void)arg;
    uint64_t value = 1;
    while (!stop && value < VALUES_MAX) {
        if (put_link(value) && put_attribute(WRITE(""), value) &&
            put_name(value) && put_directory(value)) {
            names.acked = value++;
        } else {
            names.failed[value] = true;
            usleep(20000);
        }
        usleep(pause_us);
    }
    return NULL;
}

/* The largest name that is there. */
static bool list_names(uint64_t *out)
{
    uint64_t before = names.acked;
    DIR *dir = opendir(READ("/list"));
    struct dirent *entry;
    if (dir == NULL) {
        return false;
    }
    errno = 0;
    while ((entry = readdir(dir)) != NULL) {
        uint64_t value = strtoull(entry->d_name, NULL, 10);
        *out = value > *out ? value : *out;
    }
    bool ok = errno == 0;
    closedir(dir);
    /* Else what was there at first may have gone meanwhile. */
    return ok && names.acked - before < KEPT / 2;
}

static bool number_of(int fd, uint64_t *out)
{
    char text[WIDTH + 1] = "";
    if (fgetxattr(fd, ATTRIBUTE, text, WIDTH) <= 0) {
        return false;
    }
    *out = strtoull(text, NULL, 10);
    return true;
}

/* Where the directory is, which was moved to `at` or further. The kernel goes by the place where it has seen it last
 * (docs/posix.md): so the new one is looked up first, and what is kept open must
 * have gone along. It must not be found in the old one. */
static bool look_above(int *kept, uint64_t at, uint64_t *out)
{
    struct stat st;
    if (at > 0 && stat(READ("/at/%" PRIu64 "/m", at - 1), &st) == 0) {
        *out = at - 1;
        return true;
    }
    if (stat(READ("/at/%" PRIu64 "/m", at), &st) != 0) {
        return false; /* it has been moved again, or worse */
    }
    if (*kept < 0) {
        *kept = open(READ("/at/%" PRIu64 "/m", at), O_RDONLY | O_DIRECTORY);
    }
    int above = openat(*kept, "..", O_RDONLY | O_DIRECTORY);
    bool ok = above >= 0 && number_of(above, out);
    if (above >= 0) {
        close(above);
    } else if (*kept >= 0) {
        close(*kept);
        *kept = -1;
    }
    return ok;
}

/* --- reading --- */

static bool read_number(int fd, uint64_t *out)
{
    char text[WIDTH + 1] = "";
    if (fd < 0 || pread(fd, text, WIDTH, 0) != WIDTH) {
        return false;
    }
    *out = strtoull(text, NULL, 10);
    return true;
}

static bool look(enum way way, int *kept, uint64_t least, uint64_t *out)
{
    char text[WIDTH + 1] = "";
    struct stat st;
    switch (way) {
    case OPEN_READ: {
        int fd = open(read_path, O_RDONLY);
        bool ok = read_number(fd, out);
        if (fd >= 0) {
            close(fd);
        }
        return ok;
    }
    case KEPT_FD:
        if (*kept < 0) {
            *kept = open(read_path, O_RDONLY);
        }
        if (!read_number(*kept, out)) {
            if (*kept >= 0) {
                close(*kept);
            }
            *kept = -1;
            return false;
        }
        return true;
    case STAT:
        if (stat(read_path, &st) != 0) {
            return false;
        }
        *out = (uint64_t)st.st_mtim.tv_sec;
        return true;
    case READLINK:
        if (readlink(READ("/link"), text, WIDTH) <= 0) {
            return false;
        }
        *out = strtoull(text, NULL, 10);
        return true;
    case GETXATTR:
        if (getxattr(READ(""), ATTRIBUTE, text, WIDTH) <= 0) {
            return false;
        }
        *out = strtoull(text, NULL, 10);
        return true;
    case READDIR:
        return list_names(out);
    default:
        return look_above(kept, least, out);
    }
}

static void *reader(void *arg)
{
    struct tally *tally = arg;
    enum way way = (enum way)(tally - tallies);
    int kept = -1;
    while (!stop) {
        uint64_t least = tally->series->acked;
        uint64_t seen = 0;
        if (!look(way, &kept, least, &seen)) {
            tally->failed++;
            usleep(20000);
        } else {
            tally->done++;
            if (seen < least && tally->series->failed[seen]) {
                late++;
            } else if (seen < least) {
                tally->stale++;
                fprintf(stderr, "stale %s: saw %" PRIu64 " after %" PRIu64
                        " was acknowledged\n", tally->name, seen, least);
            }
        }
        usleep(pause_us);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[WAYS], writers[2];
    sigset_t term;
    int signal_number;
    bool has_names = argc > 1 && strcmp(argv[1], "--names") == 0;
    argc -= has_names;
    argv += has_names;
    if (argc < 3) {
        fprintf(stderr,
                "usage: probe [--names] WRITE_FILE READ_FILE [PAUSE_US]\n");
        return 100;
    }
    write_path = argv[1];
    read_path = argv[2];
    if (argc > 3) {
        pause_us = (unsigned)strtoul(argv[3], NULL, 10);
    }
    size_t ways = has_names ? WAYS : READLINK;
    int fd = open(write_path, O_RDWR | O_CREAT, 0666);
    if (fd < 0 || !put(fd, 0) || (has_names && !names_begin())) {
        perror(write_path);
        return 111;
    }
    close(fd);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &term, NULL);
    pthread_create(&writers[0], NULL, writer, NULL);
    if (has_names) {
        pthread_create(&writers[1], NULL, names_writer, NULL);
    }
    for (size_t i = 0; i < ways; i++) {
        pthread_create(&threads[i], NULL, reader, &tallies[i]);
    }
    sigwait(&term, &signal_number);
    stop = true;
    for (size_t i = 0; i < 1 + (size_t)has_names; i++) {
        pthread_join(writers[i], NULL);
    }
    for (size_t i = 0; i < ways; i++) {
        pthread_join(threads[i], NULL);
    }
    uint64_t stale = 0;
    printf("writes=%" PRIu64 " write_failures=%" PRIu64
           " longest_gap_ms=%" PRIu64 " names=%" PRIu64, writes,
           write_failures, longest_gap_ms, names.acked);
    for (size_t i = 0; i < ways; i++) {
        printf(" %s=%" PRIu64 " %s_failed=%" PRIu64, tallies[i].name,
               tallies[i].done, tallies[i].name, tallies[i].failed);
        stale += tallies[i].stale;
    }
    printf(" late=%" PRIu64 " stale=%" PRIu64 "\n", late, stale);
    return stale != 0;
}
