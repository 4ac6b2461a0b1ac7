/* fullsim -- runs whole simulated clusters from seeds until a rule is broken.
 *
 *   fullsim [--seeds N] [--first S] [--twice] [--verbose] [--puml FILE]
 *           [--shrink] [--only 3,17,40 | --only none | --faults N]
 *
 * --twice runs each seed two times and compares the traces. --shrink looks for the
 * fewest faults with which a failing seed still breaks the same rule, and prints
 * the --only that lets just these strike; --faults N: only the first N.
 */
#include "tests/sim/full/full.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS_ENOUGH = 150 };

static const char *const counter_names[] = {
#define NAME(name) #name,
    COUNTERS(NAME)
#undef NAME
};
enum { COUNTER_COUNT = sizeof(counter_names) / sizeof(counter_names[0]) };

/* --- traces --- */

void sim_note(uint64_t what)
{
    world.trace = (world.trace ^ what) * 0x100000001b3u;
    world.trace ^= world.trace >> 29;
}

void sim_trace(const struct sim_node *sim, const char *format, ...)
{
    if (world.over) {
        return;
    }
    char *line = world.lines[world.line_count++ % LINES];
    int size = snprintf(line, sizeof(world.lines[0]), "%10" PRIu64 " %-3s ",
                        world.now, sim == NULL ? "-" : sim->name);
    va_list args;
    va_start(args, format);
    vsnprintf(line + size, sizeof(world.lines[0]) - (size_t)size, format,
              args);
    va_end(args);
    if (world.verbose) {
        puts(line);
    }
    if (world.puml != NULL && sim != NULL) {
        fprintf(world.puml, "note over %s : %s\n", sim->name, line);
    }
}

void sim_fail(const struct sim_node *sim, const char *invariant,
              const char *format, ...)
{
    char text[300];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (world.trial != NULL) {
        snprintf(world.trial->broken, sizeof(world.trial->broken), "%s",
                 invariant);
        _Exit(1);
    }
    uint64_t first = world.line_count > LINES ? world.line_count - LINES : 0;
    for (uint64_t i = first; i < world.line_count && !world.verbose; i++) {
        puts(world.lines[i % LINES]);
    }
    printf("FAIL seed=%" PRIu64 " inv=\"%s\" t=%" PRIu64
           " node=%s faults=%" PRIu64 " : %s\n",
           world.seed, invariant, world.now, sim == NULL ? "-" : sim->name,
           world.fault_number, text);
    if (world.puml != NULL) {
        fputs("@enduml\n", world.puml);
        fclose(world.puml);
    }
    fflush(stdout);
    _Exit(1);
}

/* --- runs --- */

static uint64_t run_seed(uint64_t seed)
{
    world_init(seed);
    world_run();
    uint64_t trace = world.trace;
    world_release();
    return trace;
}

static int report(const uint64_t *sum, uint64_t seeds)
{
    int rc = 0;
    for (size_t i = 0; i < COUNTER_COUNT; i++) {
        printf("%s=%" PRIu64 "%s", counter_names[i], sum[i],
               i % 7 == 6 || i + 1 == COUNTER_COUNT ? "\n" : " ");
    }
    for (size_t i = 0; i < COUNTER_COUNT && seeds >= SEEDS_ENOUGH; i++) {
        if (sum[i] == 0) {
            printf("FAIL nothing was ever counted as %s\n", counter_names[i]);
            rc = 1;
        }
    }
    return rc;
}

static void add_counters(uint64_t *sum)
{
    uint64_t all[COUNTER_COUNT];
    static_assert(sizeof(all) == sizeof(world.counters), "only counters");
    memcpy(all, &world.counters, sizeof(all));
    for (size_t i = 0; i < COUNTER_COUNT; i++) {
        sum[i] += all[i];
    }
}

static void only_first(uint64_t count)
{
    uint32_t list[FAULTS_MAX];
    count = count < FAULTS_MAX ? count : FAULTS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        list[i] = i;
    }
    faults_only(list, (size_t)count);
}

/* "3,17,40"; what is no number: none. */
static void only_listed(const char *text)
{
    uint32_t list[FAULTS_MAX];
    size_t count = 0;
    char *end;
    for (; count < FAULTS_MAX; text = end + 1) {
        unsigned long number = strtoul(text, &end, 10);
        if (end == text) {
            break;
        }
        list[count++] = (uint32_t)number;
        if (*end != ',') {
            break;
        }
    }
    faults_only(list, count);
}

/* The first of them that breaks. */
static int shrink_first(uint64_t first, uint64_t seeds)
{
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        if (trial_shrink(seed)) {
            return 1;
        }
    }
    puts("nothing breaks");
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t seeds = 20, first = 1;
    bool twice = false, shrinks = false;
    static uint64_t sum[COUNTER_COUNT];
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "0";
        if (strcmp(argv[i], "--twice") == 0) {
            twice = true;
        } else if (strcmp(argv[i], "--shrink") == 0) {
            shrinks = true;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            world.verbose = true;
        } else if (strcmp(argv[i], "--seeds") == 0) {
            seeds = strtoull(value, NULL, 0);
            i++;
        } else if (strcmp(argv[i], "--first") == 0) {
            first = strtoull(value, NULL, 0);
            i++;
        } else if (strcmp(argv[i], "--faults") == 0) {
            only_first(strtoull(value, NULL, 0));
            i++;
        } else if (strcmp(argv[i], "--only") == 0) {
            only_listed(value);
            i++;
        } else if (strcmp(argv[i], "--puml") == 0) {
            world.puml = fopen(value, "w");
            fputs("@startuml\n", world.puml);
            i++;
        } else {
            fprintf(stderr, "usage: fullsim [--seeds N] [--first S] [--twice] "
                            "[--verbose] [--puml FILE] [--shrink] "
                            "[--only 3,17,40 | --faults N]\n");
            return 2;
        }
    }
    vfs_install();
    if (shrinks) {
        return shrink_first(first, seeds);
    }
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        uint64_t trace = run_seed(seed);
        add_counters(sum);
        if (twice && run_seed(seed) != trace) {
            printf("FAIL seed=%" PRIu64 " inv=\"same seed, same trace\"\n",
                   seed);
            return 1;
        }
        if (seeds == 1) {
            printf("trace %016" PRIx64 " at %" PRIu64 " us, %zu records\n",
                   trace, world.now, world.history_count);
        }
    }
    if (world.puml != NULL) {
        fputs("@enduml\n", world.puml);
        fclose(world.puml);
    }
    int rc = report(sum, seeds);
    printf("%" PRIu64 " seeds from %" PRIu64 ": %s\n", seeds, first,
           rc == 0 ? "ok" : "not ok");
    return rc;
}
