/* posix.c -- runs the cases, one after the other, each in a directory of its
 * own. */
#include "tests/posix/posix.h"

#include <getopt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { CASE_SECONDS = 60, SAID_MAX = 12 };

static struct posix_case *first_case, **last_case = &first_case;

void case_register(struct posix_case *one)
{
    *last_case = one;
    last_case = &one->next;
}

/* Shared with children. */
static struct tally {
    long assertions;
    long failed; /* of this case */
    long said;   /* of them were printed */
} * tally;

static struct posix_case *current;
static jmp_buf end_of_case;
static bool is_child;
static char noted_text[256];

/* --- assertions --- */

void note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(noted_text, sizeof noted_text, format, args);
    va_end(args);
}

static bool failed(const char *file, int line)
{
    const char *base = strrchr(file, '/');
    tally->failed++;
    if (tally->said++ >= SAID_MAX) {
        return false;
    }
    printf("    %s/%s %s:%d: %s%s", current->group, current->name,
           base != NULL ? base + 1 : file, line, noted_text,
           noted_text[0] != '\0' ? ": " : "");
    return true;
}

static const char *number_text(long long value, char out[40])
{
    const char *name =
        value < 0 && value > -200 ? strerrorname_np((int)-value) : NULL;
    if (name != NULL) {
        return name;
    }
    snprintf(out, 40, value > 255 ? "%lld (0%llo)" : "%lld", value,
             (unsigned long long)value);
    return out;
}

bool check_eq(const char *file, int line, const char *text, long long expected,
              long long actual)
{
    char a[40], b[40];
    tally->assertions++;
    if (expected == actual) {
        return true;
    }
    if (failed(file, line)) {
        printf("%s is %s, not %s\n", text, number_text(actual, a),
               number_text(expected, b));
    }
    return false;
}

bool check_str(const char *file, int line, const char *text,
               const char *expected, const char *actual)
{
    tally->assertions++;
    if (strcmp(expected, actual) == 0) {
        return true;
    }
    if (failed(file, line)) {
        printf("%s is \"%s\", not \"%s\"\n", text, actual, expected);
    }
    return false;
}

bool check_mem(const char *file, int line, const char *text,
               const void *expected, const void *actual, size_t size)
{
    const unsigned char *a = expected, *b = actual;
    size_t i = 0;
    tally->assertions++;
    while (i < size && a[i] == b[i]) {
        i++;
    }
    if (i == size) {
        return true;
    }
    if (failed(file, line)) {
        printf("%s: byte %zu is %u, not %u\n", text, i, b[i], a[i]);
    }
    return false;
}

void leave_case(void)
{
    if (is_child) {
        end_child();
    }
    longjmp(end_of_case, 1);
}

long long neg_errno(long long rc)
{
    return rc < 0 ? -errno : rc;
}

/* --- children --- */

pid_t fork_case(void)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0) {
        perror("fork");
        exit(111);
    }
    if (pid == 0) {
        is_child = true;
        alarm(CASE_SECONDS);
    }
    return pid;
}

void end_child(void)
{
    fflush(stdout);
    _exit(0);
}

void wait_child(pid_t pid)
{
    int status = 0;
    eq(pid, waitpid(pid, &status, 0));
    eq(0, status);
}

struct baton baton_new(void)
{
    struct baton baton;
    must(0, pipe(baton.fds));
    return baton;
}

void baton_give(struct baton *baton)
{
    eq(1, write(baton->fds[1], "x", 1));
}

void baton_take(struct baton *baton)
{
    char byte;
    eq(1, read(baton->fds[0], &byte, 1));
}

/* --- known deviations --- */

static char *deviations; /* owned; the text of the file */

static void read_deviations(const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        perror(path);
        exit(100);
    }
    deviations = calloc(1, 65536);
    if (deviations == NULL || fread(deviations, 1, 65535, file) == 65535) {
        abort();
    }
    fclose(file);
}

/* Lines: GROUP/NAME  any|one|spread  REASON */
static bool is_known(const struct posix_case *one, bool spread)
{
    char name[200], where[16];
    const char *line = deviations;
    while (line != NULL && *line != '\0') {
        if (sscanf(line, "%199s %15s", name, where) == 2 && name[0] != '#' &&
            strncmp(name, one->group, strlen(one->group)) == 0 &&
            strcmp(name + strlen(one->group) + 1, one->name) == 0 &&
            (strcmp(where, "any") == 0 ||
             strcmp(where, spread ? "spread" : "one") == 0)) {
            return true;
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return false;
}

/* --- running --- */

void place_begin(char *const *directories, int count);
void place_case(int number);
void place_case_end(void);
void place_end(void);

static struct {
    int cases, failed, known, skipped;
} sums;

static void on_alarm(int number)
{
    (void)number;
    static const char text[] = "    it hangs\n";
    ssize_t ignored = write(1, text, sizeof text - 1);
    (void)ignored;
    _exit(1);
}

static void run_to_the_end(const struct posix_case *one)
{
    alarm(CASE_SECONDS);
    if (setjmp(end_of_case) == 0) {
        one->run();
    }
    alarm(0);
}

static void run_case(struct posix_case *one, int number, bool spread)
{
    if (one->needs_root && geteuid() != 0) {
        sums.skipped++;
        return;
    }
    current = one;
    bool known = is_known(one, spread);
    tally->failed = 0;
    tally->said = known ? SAID_MAX : 0; /* its reason stands in the file */
    noted_text[0] = '\0';
    umask(0);
    place_case(number);
    run_to_the_end(one);
    as_root();
    noted_text[0] = '\0';
    place_case_end();
    sums.cases++;
    if (known && tally->failed > 0) {
        sums.known++;
    } else if (known || tally->failed > 0) {
        sums.failed++;
        printf("FAILED %s/%s%s\n", one->group, one->name,
               known ? ": a known deviation that is none" : "");
    }
    fflush(stdout);
}

static bool is_wanted(const struct posix_case *one, const char *filter)
{
    char name[200];
    snprintf(name, sizeof name, "%s/%s", one->group, one->name);
    return filter == NULL || strstr(name, filter) != NULL;
}

static void list(const char *filter)
{
    for (struct posix_case *one = first_case; one != NULL; one = one->next) {
        if (is_wanted(one, filter)) {
            printf("%s/%s\n", one->group, one->name);
        }
    }
}

static int usage(void)
{
    fputs("posix [-f PIECE_OF_A_NAME] [-d DEVIATIONS_FILE] [-l] DIRECTORY...\n"
          "  With several DIRECTORYs the steps of each case are spread over "
          "them.\n",
          stderr);
    return 100;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"filter", required_argument, NULL, 'f'},
        {"deviations", required_argument, NULL, 'd'},
        {"list", no_argument, NULL, 'l'},
        {"verbose", no_argument, NULL, 'v'},
        {0},
    };
    const char *filter = NULL;
    bool lists = false, verbose = false;
    int got, number = 0;
    while ((got = getopt_long(argc, argv, "f:d:lv", options, NULL)) >= 0) {
        switch (got) {
        case 'f':
            filter = optarg;
            break;
        case 'd':
            read_deviations(optarg);
            break;
        case 'l':
            lists = true;
            break;
        case 'v':
            verbose = true;
            break;
        default:
            return usage();
        }
    }
    if (lists) {
        list(filter);
        return 0;
    }
    if (optind >= argc) {
        return usage();
    }
    tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    place_begin(argv + optind, argc - optind);
    for (struct posix_case *one = first_case; one != NULL; one = one->next) {
        if (is_wanted(one, filter)) {
            struct timespec began, ended;
            clock_gettime(CLOCK_MONOTONIC, &began);
            run_case(one, ++number, argc - optind > 1);
            clock_gettime(CLOCK_MONOTONIC, &ended);
            if (verbose) {
                printf("%6ld ms  %s/%s\n",
                       (long)((ended.tv_sec - began.tv_sec) * 1000 +
                              (ended.tv_nsec - began.tv_nsec) / 1000000),
                       one->group, one->name);
            }
        }
    }
    place_end();
    printf("posix: %d cases, %ld assertions, %d deviations, %d failed",
           sums.cases, tally->assertions, sums.known, sums.failed);
    printf(sums.skipped > 0 ? ", %d need root\n" : "\n", sums.skipped);
    return sums.failed > 0 || sums.cases == 0;
}
