/* differ.c -- differ [--seed N] [--calls N] [--check N] [--show N] LOCAL
 * MOUNT...
 *
 * LOCAL and the MOUNTs are empty directories; all MOUNTs show the same one.
 * Must be run by root. Ends with 1 at the first difference, after having
 * printed the last calls. The differing call again: the same seed and
 * directories, emptied.
 */
#include "differ.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { HISTORY = 4096, ENTRIES_MAX = 120 };

struct past_call {
    struct call call;
    struct outcome outcome;
};

static struct {
    const char *local, *roots[ROOTS_MAX];
    unsigned root_count;
    int fds[ROOTS_MAX];
    bool atimes; /* the local filesystem leaves them alone, as we do */
    struct side here, there;
    unsigned slot_roots[SLOTS]; /* root_count: free */
    struct past_call history[HISTORY];
    uint64_t calls, state, shown;
} differ;

static volatile sig_atomic_t stop; /* SIGTERM: enough */

static void on_stop(int number)
{
    stop = number;
}

static void print_outcome(const struct outcome *outcome)
{
    printf("%lld %s hash=%llx %s\n", outcome->result,
           outcome->error == 0 ? "" : strerrorname_np(outcome->error),
           (unsigned long long)outcome->hash, outcome->text);
}

static void print_history(void)
{
    uint64_t shown = differ.shown < HISTORY ? differ.shown : HISTORY;
    uint64_t from = differ.calls < shown ? 0 : differ.calls - shown;
    printf("the last calls, and what the mount answered\n");
    for (uint64_t i = from; i < differ.calls; i++) {
        const struct past_call *past = &differ.history[i % HISTORY];
        printf("%6llu ", (unsigned long long)i);
        call_print(&past->call);
        printf("       = ");
        print_outcome(&past->outcome);
    }
}

/* --- one call --- */

static bool same(const struct outcome *a, const struct outcome *b)
{
    return a->result == b->result && a->error == b->error &&
           a->hash == b->hash && strcmp(a->text, b->text) == 0;
}

/* A call that could not be made, for want of its directory, changes nothing. */
static void remember_slot(const struct call *call, const struct outcome *outcome)
{
    unsigned *root = &differ.slot_roots[call->slot];
    if (differ.there.slots[call->slot] < 0) {
        *root = differ.root_count;
    } else if (strcmp(call->kind->name, "open") == 0 && outcome->result >= 0) {
        *root = call->root;
    }
}

static bool one_call(void)
{
    struct past_call *past = &differ.history[differ.calls % HISTORY];
    struct outcome local;
    call_make(&past->call, &differ.state, differ.root_count, differ.slot_roots);
    differ.there.root = differ.fds[past->call.root];
    call_perform_on(&past->call, &differ.there, &past->outcome);
    call_perform_on(&past->call, &differ.here, &local);
    remember_slot(&past->call, &past->outcome);
    differ.calls++;
    if (same(&past->outcome, &local)) {
        return true;
    }
    print_history();
    printf("the local filesystem answered\n       = ");
    print_outcome(&local);
    return false;
}

/* --- all that can be seen --- */

static void describe_slot(int fd, char *out, size_t size)
{
    static char bytes[OFFSET_MAX * 4];
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        snprintf(out, size, "closed");
        return;
    }
    ssize_t got = S_ISREG(st.st_mode) ? pread(fd, bytes, sizeof bytes, 0) : 0;
    snprintf(
        out, size, "%06o uid=%u gid=%u nlink=%lu size=%lld %zd %llx",
        st.st_mode, st.st_uid, st.st_gid, (unsigned long)st.st_nlink,
        S_ISDIR(st.st_mode) ? 0 : (long long)st.st_size, got,
        (unsigned long long)bytes_hash(bytes, got < 0 ? 0 : (size_t)got, 0));
}

static bool same_slots(void)
{
    bool all_same = true;
    for (int i = 0; i < SLOTS; i++) {
        char here[200], there[200];
        describe_slot(differ.here.slots[i], here, sizeof here);
        describe_slot(differ.there.slots[i], there, sizeof there);
        if (strcmp(here, there) != 0) {
            printf("descriptor %d differs\n  local: %s\n  n%u: %s\n", i, here,
                   differ.slot_roots[i] + 1, there);
            all_same = false;
        }
    }
    return all_same;
}

static bool same_trees(size_t *entries)
{
    struct snapshot local, mount;
    bool differs = !same_slots();
    snapshot_take(&local, differ.local, differ.atimes);
    for (unsigned i = 0; i < differ.root_count; i++) {
        snapshot_take(&mount, differ.roots[i], differ.atimes);
        differs |= snapshot_differs(&local, "local", &mount, differ.roots[i]);
        snapshot_release(&mount);
    }
    *entries = local.count;
    snapshot_release(&local);
    if (differs) {
        print_history();
    }
    return !differs;
}

/* What lies deep is out of the reach of random paths; begin anew now and then.
 */
static void tidy_up(size_t entries)
{
    if (entries > ENTRIES_MAX) {
        unsigned root =
            (unsigned)random_below(&differ.state, differ.root_count);
        tree_empty(differ.local);
        tree_empty(differ.roots[root]);
    }
}

static bool run(uint64_t calls, uint64_t check)
{
    while (differ.calls < calls && !stop) {
        size_t entries;
        if (!one_call()) {
            return false;
        }
        if (differ.calls % check == 0 || differ.calls == calls || stop) {
            if (!same_trees(&entries)) {
                return false;
            }
            tidy_up(entries);
        }
    }
    return true;
}

static int open_root(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fchmod(fd, 0777) < 0) {
        perror(path);
        exit(2);
    }
    return fd;
}

static void set_up(char **paths, int count)
{
    struct statvfs fs;
    differ.local = paths[0];
    differ.here.root = open_root(paths[0]);
    differ.root_count = (unsigned)count - 1;
    for (unsigned i = 0; i < differ.root_count; i++) {
        differ.roots[i] = paths[i + 1];
        differ.fds[i] = open_root(paths[i + 1]);
    }
    for (int i = 0; i < SLOTS; i++) {
        differ.here.slots[i] = differ.there.slots[i] = -1;
        differ.slot_roots[i] = differ.root_count;
    }
    differ.atimes =
        statvfs(differ.local, &fs) == 0 && (fs.f_flag & ST_NOATIME) != 0;
    umask(0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    struct sigaction action = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
    sigaction(SIGTERM, &action, NULL);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seed", 1, NULL, 's'},
                                            {"calls", 1, NULL, 'c'},
                                            {"check", 1, NULL, 'k'},
                                            {"show", 1, NULL, 'n'},
                                            {0}};
    uint64_t seed = (uint64_t)time(NULL) ^ (uint64_t)getpid() << 20;
    uint64_t calls = 2000, check = 100;
    int option;
    differ.shown = 100;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        uint64_t value = optarg == NULL ? 0 : strtoull(optarg, NULL, 10);
        seed = option == 's' ? value : seed;
        calls = option == 'c' ? value : calls;
        differ.shown = option == 'n' ? value : differ.shown;
        check = option == 'k' && value > 0 ? value : check;
        if (option == '?') {
            return 2;
        }
    }
    if (argc - optind < 2 || argc - optind > ROOTS_MAX || geteuid() != 0) {
        fprintf(stderr, "as root: differ [--seed N] [--calls N] [--check N] "
                        "[--show N] LOCAL MOUNT...\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("seed %llu, %llu calls\n", (unsigned long long)seed,
           (unsigned long long)calls);
    differ.state = seed;
    set_up(argv + optind, argc - optind);
    bool passed = run(calls, check);
    printf("%s after %llu calls, seed %llu\n",
           passed ? "the same" : "DIFFERENT", (unsigned long long)differ.calls,
           (unsigned long long)seed);
    return passed ? 0 : 1;
}
