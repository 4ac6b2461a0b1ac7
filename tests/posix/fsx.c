/* fsx.c -- fsx [--seed N] [--ops N] FILE...
 *
 * Random operations on one file against a model in memory: writes, appends,
 * truncations, holes, copies of ranges, mappings, and reads that must show what
 * the model has. With several FILEs, which are the same file on several mounts,
 * each operation takes one of their descriptors at random, so that what was
 * written through one is read through another; nothing is mapped then, since
 * mappings are not coherent across nodes.
 *
 * Ends with 1 at the first difference, after having printed the last
 * operations.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    FILES_MAX = 8,
    SIZE_MAX_ = 400000,
    HISTORY = 60,
    WHOLE_EVERY = 50, /* operations */
};

struct handle {
    const char *path;
    int fd, append_fd;
};

static struct {
    struct handle handles[FILES_MAX];
    unsigned count;
    char model[SIZE_MAX_];
    size_t size;
    uint64_t state, seed, done;
    char history[HISTORY][120];
} fsx;

static char buffer[SIZE_MAX_];

static uint64_t dice(uint64_t bound)
{
    uint64_t x = fsx.state += 0x9e3779b97f4a7c15ull;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return (x ^ x >> 31) % bound;
}

/* --- saying what happened --- */

__attribute__((format(printf, 2, 3))) static void
note(const struct handle *handle, const char *format, ...)
{
    char *line = fsx.history[fsx.done % HISTORY];
    int used = snprintf(line, sizeof fsx.history[0],
                        "%7llu file %d: ", (unsigned long long)fsx.done,
                        (int)(handle - fsx.handles) + 1);
    va_list args;
    va_start(args, format);
    vsnprintf(line + used, sizeof fsx.history[0] - (size_t)used, format, args);
    va_end(args);
}

__attribute__((format(printf, 1, 2), noreturn)) static void
fail(const char *format, ...)
{
    uint64_t from = fsx.done < HISTORY ? 0 : fsx.done - HISTORY + 1;
    for (uint64_t i = from; i <= fsx.done; i++) {
        printf("%s\n", fsx.history[i % HISTORY]);
    }
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\nDIFFERENT after %llu operations, seed %llu\n",
           (unsigned long long)fsx.done, (unsigned long long)fsx.seed);
    exit(1);
}

static void must(bool succeeded, const char *what)
{
    if (!succeeded) {
        fail("%s: %s", what, strerror(errno));
    }
}

static void compare(const char *got, size_t offset, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (got[i] != fsx.model[offset + i]) {
            size_t wrong = 0;
            for (size_t j = i; j < size; j++) {
                wrong += got[j] != fsx.model[offset + j];
            }
            fail("at %zu: byte %02x instead of %02x; %zu wrong of those from "
                 "%zu to %zu",
                 offset + i, (unsigned char)got[i],
                 (unsigned char)fsx.model[offset + i], wrong, offset,
                 offset + size);
        }
    }
}

/* --- the model --- */

static void model_grow(size_t size)
{
    if (size > fsx.size) {
        memset(fsx.model + fsx.size, 0, size - fsx.size);
        fsx.size = size;
    }
}

static void model_put(size_t offset, const char *bytes, size_t size)
{
    model_grow(offset + size);
    memcpy(fsx.model + offset, bytes, size);
}

static void random_bytes(size_t size)
{
    char first = (char)('A' + dice(26));
    for (size_t i = 0; i < size; i++) {
        buffer[i] = (char)(first + (char)(i % 30));
    }
}

static size_t random_offset(void)
{
    size_t bound = dice(4) == 0 ? SIZE_MAX_ / 2 : fsx.size + 1;
    size_t offset = (size_t)dice(bound < SIZE_MAX_ / 2 ? bound : SIZE_MAX_ / 2);
    return dice(3) == 0 ? offset / 4096 * 4096 : offset;
}

static size_t random_size(void)
{
    static const size_t bounds[] = {10, 500, 5000, 70000, SIZE_MAX_ / 4};
    size_t size = 1 + (size_t)dice(bounds[dice(5)]);
    return dice(4) == 0 ? (size / 4096 + 1) * 4096 : size;
}

/* --- operations --- */

static void op_read(struct handle *handle)
{
    size_t offset = random_offset(), size = random_size();
    note(handle, "read %zu+%zu of %zu", offset, size, fsx.size);
    ssize_t got = pread(handle->fd, buffer, size, (off_t)offset);
    size_t left = offset < fsx.size ? fsx.size - offset : 0;
    must(got >= 0, "pread");
    if ((size_t)got != (size < left ? size : left)) {
        fail("read %zd bytes", got);
    }
    compare(buffer, offset, (size_t)got);
}

static void op_write(struct handle *handle)
{
    size_t offset = random_offset(), size = random_size();
    note(handle, "write %zu+%zu", offset, size);
    random_bytes(size);
    must(pwrite(handle->fd, buffer, size, (off_t)offset) == (ssize_t)size,
         "pwrite");
    model_put(offset, buffer, size);
}

static void op_append(struct handle *handle)
{
    size_t size = random_size();
    if (fsx.size + size > SIZE_MAX_ * 3 / 4) {
        return;
    }
    note(handle, "append %zu at %zu", size, fsx.size);
    random_bytes(size);
    must(write(handle->append_fd, buffer, size) == (ssize_t)size, "append");
    model_put(fsx.size, buffer, size);
}

static void op_truncate(struct handle *handle)
{
    size_t size = dice(8) == 0 ? 0 : random_offset();
    note(handle, "truncate %zu to %zu", fsx.size, size);
    must(ftruncate(handle->fd, (off_t)size) == 0, "ftruncate");
    model_grow(size);
    fsx.size = size;
}

static void op_range(struct handle *handle)
{
    enum { KEEP = FALLOC_FL_KEEP_SIZE };
    static const int modes[] = {0,
                                KEEP,
                                FALLOC_FL_PUNCH_HOLE | KEEP,
                                FALLOC_FL_PUNCH_HOLE | KEEP,
                                FALLOC_FL_ZERO_RANGE,
                                FALLOC_FL_ZERO_RANGE | KEEP};
    size_t offset = random_offset(), size = random_size();
    int mode = modes[dice(6)];
    note(handle, "fallocate mode %x, %zu+%zu of %zu", mode, offset, size,
         fsx.size);
    must(fallocate(handle->fd, mode, (off_t)offset, (off_t)size) == 0,
         "fallocate");
    if ((mode & KEEP) == 0) {
        model_grow(offset + size);
    }
    if (mode != 0 && mode != KEEP && offset < fsx.size) {
        size_t left = fsx.size - offset;
        memset(fsx.model + offset, 0, size < left ? size : left);
    }
}

static void op_copy(struct handle *handle)
{
    size_t from = random_offset(), to = random_offset(), size = random_size();
    size_t distance = from < to ? to - from : from - to;
    if (size > distance) {
        size = distance; /* no overlap */
    }
    if (size == 0 || from >= fsx.size) {
        return;
    }
    if (size > fsx.size - from) {
        size = fsx.size - from;
    }
    note(handle, "copy %zu+%zu to %zu", from, size, to);
    struct stat st; /* or the kernel goes by the size that it knows */
    must(fstat(handle->fd, &st) == 0, "fstat");
    for (size_t done = 0; done < size;) {
        off_t in = (off_t)(from + done), out = (off_t)(to + done);
        ssize_t got =
            copy_file_range(handle->fd, &in, handle->fd, &out, size - done, 0);
        must(got > 0, "copy_file_range");
        done += (size_t)got;
    }
    memcpy(buffer, fsx.model + from, size);
    model_put(to, buffer, size);
}

static void op_map(struct handle *handle)
{
    size_t offset = random_offset() / 4096 * 4096, size = random_size();
    bool writes = dice(2) == 0;
    if (offset >= fsx.size) {
        return;
    }
    if (size > fsx.size - offset) {
        size = fsx.size - offset;
    }
    note(handle, "map to %s %zu+%zu of %zu", writes ? "write" : "read", offset,
         size, fsx.size);
    char *bytes = mmap(NULL, size, PROT_READ | (writes ? PROT_WRITE : 0),
                       MAP_SHARED, handle->fd, (off_t)offset);
    must(bytes != MAP_FAILED, "mmap");
    compare(bytes, offset, size);
    if (writes) {
        random_bytes(size);
        memcpy(bytes, buffer, size);
        model_put(offset, buffer, size);
        must(dice(2) == 0 || msync(bytes, size, MS_SYNC) == 0, "msync");
    }
    must(munmap(bytes, size) == 0, "munmap");
}

static void handle_open(struct handle *handle)
{
    handle->fd = open(handle->path, O_RDWR | O_CLOEXEC);
    handle->append_fd = open(handle->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (handle->fd < 0 || handle->append_fd < 0) {
        fail("open %s: %s", handle->path, strerror(errno));
    }
}

static void op_reopen(struct handle *handle)
{
    note(handle, "close and open");
    must(close(handle->fd) == 0 && close(handle->append_fd) == 0, "close");
    handle_open(handle);
}

static void op_sync(struct handle *handle)
{
    note(handle, "fsync");
    must(fsync(handle->fd) == 0, "fsync");
}

/* Size and all bytes, through every descriptor. */
static void check_whole(void)
{
    for (unsigned i = 0; i < fsx.count; i++) {
        struct handle *handle = &fsx.handles[i];
        struct stat st;
        note(handle, "read all %zu", fsx.size);
        must(fstat(handle->fd, &st) == 0, "fstat");
        if ((size_t)st.st_size != fsx.size) {
            fail("size %lld", (long long)st.st_size);
        }
        ssize_t got = pread(handle->fd, buffer, sizeof buffer, 0);
        if (got != (ssize_t)fsx.size) {
            fail("read %zd bytes", got);
        }
        compare(buffer, 0, fsx.size);
    }
}

static void step(void)
{
    static const struct {
        unsigned weight;
        void (*run)(struct handle *handle);
    } ops[] = {{25, op_read},    {20, op_write}, {10, op_append},
               {8, op_truncate}, {12, op_range}, {8, op_copy},
               {2, op_reopen},   {1, op_sync},   {14, op_map}};
    /* Mappings are last: they are left out where there are several files. */
    uint64_t at = dice(fsx.count == 1 ? 100 : 86);
    unsigned i = 0;
    while (at >= ops[i].weight) {
        at -= ops[i++].weight;
    }
    ops[i].run(&fsx.handles[dice(fsx.count)]);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", 1, NULL, 's'}, {"ops", 1, NULL, 'o'}, {0}};
    uint64_t ops = 3000;
    int option;
    fsx.seed = (uint64_t)time(NULL) ^ (uint64_t)getpid() << 20;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        uint64_t value = optarg == NULL ? 0 : strtoull(optarg, NULL, 10);
        fsx.seed = option == 's' ? value : fsx.seed;
        ops = option == 'o' ? value : ops;
        if (option == '?') {
            return 2;
        }
    }
    if (optind == argc || argc - optind > FILES_MAX) {
        fprintf(stderr, "fsx [--seed N] [--ops N] FILE...\n");
        return 2;
    }
    fsx.state = fsx.seed;
    printf("seed %llu, %llu operations\n", (unsigned long long)fsx.seed,
           (unsigned long long)ops);
    close(open(argv[optind], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    for (; optind < argc; optind++) {
        fsx.handles[fsx.count].path = argv[optind];
        handle_open(&fsx.handles[fsx.count++]);
    }
    for (; fsx.done < ops; fsx.done++) {
        step();
        if (fsx.done % WHOLE_EVERY == WHOLE_EVERY - 1) {
            check_whole();
        }
    }
    check_whole();
    printf("the same after %llu operations, seed %llu\n",
           (unsigned long long)fsx.done, (unsigned long long)fsx.seed);
    return 0;
}
