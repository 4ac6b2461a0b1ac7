/* bench.c -- how fast is a directory?
 *
 * bench DIRECTORY THREADS OPERATIONS [MEBIBYTES]
 *
 * Each thread works in a folder of its own. One line a phase, separated by tabs:
 *   name, threads, operations a second, p50 and p99 in microseconds
 *   name, 1, MiB a second, -, -           (the phases on one large file)
 * A phase ends after SECONDS_MAX, with what it has. Every call is checked: an
 * error ends the program.
 *
 * What is measured is what a program does: "create" is open, write of 4 KiB,
 * close; "append" is what a shell's >> does.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    THREADS_MAX = 64,
    BLOCK = 1024 * 1024,
    SMALL = 4096,
    LINE = 64,
    SECONDS_MAX = 15,
};

struct worker {
    char folder[4096];
    size_t wanted, done;
    uint64_t *taken_ns; /* owned: one per operation */
    void (*operation)(struct worker *worker, size_t number);
};

static unsigned char noise[BLOCK];
static pthread_barrier_t start_line;

static void die(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(111);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void name_of(const struct worker *worker, const char *kind,
                    size_t number, char out[4200])
{
    snprintf(out, 4200, "%.4000s/%.9s%zu", worker->folder, kind, number);
}

static void put(const char *path, int flags, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | flags, 0644);
    if (fd < 0 || write(fd, noise, size) != (ssize_t)size || close(fd) != 0) {
        die(path);
    }
}

static void create_small(struct worker *worker, size_t number)
{
    char path[4200];
    name_of(worker, "f", number, path);
    put(path, O_EXCL, SMALL);
}

static void append_line(struct worker *worker, size_t number)
{
    char path[4200];
    (void)number;
    name_of(worker, "log", 0, path);
    put(path, O_APPEND, LINE);
}

static void stat_small(struct worker *worker, size_t number)
{
    char path[4200];
    struct stat st;
    name_of(worker, "f", number, path);
    if (stat(path, &st) != 0) {
        die(path);
    }
}

static void rename_small(struct worker *worker, size_t number)
{
    char from[4200], to[4200];
    name_of(worker, "f", number, from);
    name_of(worker, "r", number, to);
    if (rename(from, to) != 0) {
        die(from);
    }
}

static void unlink_small(struct worker *worker, size_t number)
{
    char path[4200];
    name_of(worker, "r", number, path);
    if (unlink(path) != 0) {
        die(path);
    }
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    pthread_barrier_wait(&start_line);
    uint64_t began = now_ns();
    uint64_t last = began;
    worker->done = 0;
    while (worker->done < worker->wanted &&
           last - began < (uint64_t)SECONDS_MAX * 1000000000) {
        worker->operation(worker, worker->done);
        uint64_t now = now_ns();
        worker->taken_ns[worker->done++] = now - last;
        last = now;
    }
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void report(const char *name, struct worker *workers, size_t threads,
                   uint64_t took_ns)
{
    size_t count = 0;
    for (size_t i = 0; i < threads; i++) {
        count += workers[i].done;
    }
    uint64_t *all = malloc((count + 1) * sizeof(*all));
    if (all == NULL) {
        die("memory");
    }
    size_t at = 0;
    for (size_t i = 0; i < threads; i++) {
        memcpy(all + at, workers[i].taken_ns,
               workers[i].done * sizeof(*all));
        at += workers[i].done;
    }
    qsort(all, count, sizeof(*all), by_size);
    printf("%s\t%zu\t%.0f\t%.0f\t%.0f\n", name, threads,
           (double)count * 1e9 / (double)took_ns,
           (double)all[count / 2] / 1000, (double)all[count * 99 / 100] / 1000);
    fflush(stdout);
    free(all);
}

/* What earlier phases made is what later ones use: limit is set to it. */
static void phase(const char *name,
                  void (*operation)(struct worker *worker, size_t number),
                  struct worker *workers, size_t threads, bool limits)
{
    pthread_t ids[THREADS_MAX];
    pthread_barrier_init(&start_line, NULL, (unsigned)threads + 1);
    for (size_t i = 0; i < threads; i++) {
        workers[i].operation = operation;
        if (pthread_create(&ids[i], NULL, work, &workers[i]) != 0) {
            die("thread");
        }
    }
    pthread_barrier_wait(&start_line);
    uint64_t began = now_ns();
    for (size_t i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
    }
    report(name, workers, threads, now_ns() - began);
    pthread_barrier_destroy(&start_line);
    for (size_t i = 0; limits && i < threads; i++) {
        workers[i].wanted = workers[i].done;
    }
}

static void small_operations(const char *directory, size_t threads,
                             size_t operations)
{
    static struct worker workers[THREADS_MAX];
    for (size_t i = 0; i < threads; i++) {
        snprintf(workers[i].folder, sizeof(workers[i].folder), "%s/t%zu",
                 directory, i);
        if (mkdir(workers[i].folder, 0755) != 0) {
            die(workers[i].folder);
        }
        workers[i].wanted = operations / threads;
        workers[i].taken_ns = calloc(workers[i].wanted, sizeof(uint64_t));
        if (workers[i].taken_ns == NULL) {
            die("memory");
        }
    }
    phase("create 4 KiB", create_small, workers, threads, true);
    phase("append line", append_line, workers, threads, false);
    phase("stat", stat_small, workers, threads, false);
    phase("rename", rename_small, workers, threads, true);
    phase("unlink", unlink_small, workers, threads, false);
    for (size_t i = 0; i < threads; i++) {
        char path[4200];
        name_of(&workers[i], "log", 0, path);
        unlink(path);
        free(workers[i].taken_ns);
    }
}

static void report_large(const char *name, size_t mebibytes, uint64_t took_ns)
{
    printf("%s\t1\t%.0f\t-\t-\n", name,
           (double)mebibytes * 1e9 / (double)took_ns);
    fflush(stdout);
}

static void large_file(const char *directory, size_t mebibytes)
{
    char path[4200];
    static unsigned char block[BLOCK];
    snprintf(path, sizeof(path), "%s/large", directory);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0644);
    if (fd < 0) {
        die(path);
    }
    uint64_t began = now_ns();
    for (size_t i = 0; i < mebibytes; i++) {
        if (write(fd, noise, BLOCK) != BLOCK) {
            die(path);
        }
    }
    if (fsync(fd) != 0) {
        die(path);
    }
    report_large("write and fsync", mebibytes, now_ns() - began);
    static const char *const names[] = {"read", "read again, warm"};
    for (int turn = 0; turn < 2; turn++) {
        began = now_ns();
        for (size_t i = 0; i < mebibytes; i++) {
            if (pread(fd, block, BLOCK, (off_t)(i * BLOCK)) != BLOCK) {
                die(path);
            }
        }
        report_large(names[turn], mebibytes, now_ns() - began);
        if (memcmp(block, noise, BLOCK) != 0) {
            errno = EIO;
            die("what was read is not what was written");
        }
    }
    close(fd);
    unlink(path);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: bench DIRECTORY THREADS OPERATIONS "
                        "[MEBIBYTES]\n");
        return 100;
    }
    size_t threads = strtoul(argv[2], NULL, 10);
    size_t operations = strtoul(argv[3], NULL, 10);
    if (threads < 1 || threads > THREADS_MAX || operations < threads) {
        fprintf(stderr, "bench: 1 to %d threads, and work for each\n",
                THREADS_MAX);
        return 100;
    }
    uint64_t state = 88172645463325252u; /* xorshift: nothing compresses it */
    for (size_t i = 0; i < BLOCK; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise[i] = (unsigned char)state;
    }
    small_operations(argv[1], threads, operations);
    if (argc > 4) {
        large_file(argv[1], strtoul(argv[4], NULL, 10));
    }
    return 0;
}
