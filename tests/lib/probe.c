/* probe.c -- catches stale reads, and measures how long writes were not served.
 *
 * probe WRITE_FILE READ_FILE [PAUSE_US] -- both names lead to the same file
 * through two mounts. One thread writes growing numbers through the first and
 * notes each that write(2) acknowledged. The other threads read through the
 * second, each in its own way: what they see must be no less than what had been
 * acknowledged before they began. A read that fails is no lie and only counted.
 * A write that failed may still be done, at any later time: to see its number is
 * counted as late, not as stale.
 *
 * Runs until SIGTERM, then prints one line, "key=value ...", and ends with 1 if
 * a read was stale, else 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 20, /* a number, zero-padded */
       VALUES_MAX = 4 * 1024 * 1024 };

static const char *write_path, *read_path;
static unsigned pause_us = 500;
static _Atomic uint64_t acked;
static atomic_bool stop;
static atomic_bool write_failed[VALUES_MAX];
static _Atomic uint64_t late;

static struct tally {
    const char *name;
    uint64_t done, failed, stale;
} tallies[] = {{.name = "open_read"}, {.name = "kept_fd"}, {.name = "stat"}};

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
            acked = value;
            writes++;
            uint64_t gap = now_ms() - last_ms;
            longest_gap_ms = gap > longest_gap_ms ? gap : longest_gap_ms;
            last_ms = now_ms();
        } else {
            write_failures++;
            write_failed[value] = true;
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

static bool read_number(int fd, uint64_t *out)
{
    char text[WIDTH + 1] = "";
    if (fd < 0 || pread(fd, text, WIDTH, 0) != WIDTH) {
        return false;
    }
    *out = strtoull(text, NULL, 10);
    return true;
}

static bool look(size_t way, int *kept, uint64_t *out)
{
    struct stat st;
    switch (way) {
    case 0: {
        int fd = open(read_path, O_RDONLY);
        bool ok = read_number(fd, out);
        if (fd >= 0) {
            close(fd);
        }
        return ok;
    }
    case 1:
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
    default:
        if (stat(read_path, &st) != 0) {
            return false;
        }
        *out = (uint64_t)st.st_mtim.tv_sec;
        return true;
    }
}

static void *reader(void *arg)
{
    struct tally *tally = arg;
    size_t way = (size_t)(tally - tallies);
    int kept = -1;
    while (!stop) {
        uint64_t least = acked;
        uint64_t seen = 0;
        if (!look(way, &kept, &seen)) {
            tally->failed++;
            usleep(20000);
        } else {
            tally->done++;
            if (seen < least && write_failed[seen]) {
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
    pthread_t threads[4];
    sigset_t term;
    int signal_number;
    if (argc < 3) {
        fprintf(stderr, "usage: probe WRITE_FILE READ_FILE [PAUSE_US]\n");
        return 100;
    }
    write_path = argv[1];
    read_path = argv[2];
    if (argc > 3) {
        pause_us = (unsigned)strtoul(argv[3], NULL, 10);
    }
    int fd = open(write_path, O_RDWR | O_CREAT, 0666);
    if (fd < 0 || !put(fd, 0)) {
        perror(write_path);
        return 111;
    }
    close(fd);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &term, NULL);
    pthread_create(&threads[3], NULL, writer, NULL);
    for (size_t i = 0; i < 3; i++) {
        pthread_create(&threads[i], NULL, reader, &tallies[i]);
    }
    sigwait(&term, &signal_number);
    stop = true;
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    uint64_t stale = 0;
    printf("writes=%" PRIu64 " write_failures=%" PRIu64
           " longest_gap_ms=%" PRIu64, writes, write_failures, longest_gap_ms);
    for (size_t i = 0; i < 3; i++) {
        printf(" %s=%" PRIu64 " %s_failed=%" PRIu64, tallies[i].name,
               tallies[i].done, tallies[i].name, tallies[i].failed);
        stale += tallies[i].stale;
    }
    printf(" late=%" PRIu64 " stale=%" PRIu64 "\n", late, stale);
    return stale != 0;
}
