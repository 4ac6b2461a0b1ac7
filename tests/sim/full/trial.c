/* A seed in a process of its own, so that what it breaks can be tried again with
 * fewer faults.
 */
#include "tests/sim/full/full.h"

#include "tests/sim/full/shrink.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_S = 600 };

_Noreturn static void run_in_child(uint64_t seed)
{
    /* open(2) is that of the simulated machine here. */
    if (freopen("/dev/null", "w", stdout) == NULL ||
        freopen("/dev/null", "w", stderr) == NULL) {
        _Exit(2);
    }
    alarm(PATIENCE_S);
    world_init(seed);
    world_run();
    world_release();
    _Exit(0);
}

void trial_run(uint64_t seed, struct trial *out)
{
    struct trial *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 0;
    assert(shared != MAP_FAILED);
    world.trial = shared;
    fflush(stdout);
    pid_t child = fork();
    assert(child >= 0);
    if (child == 0) {
        run_in_child(seed);
    }
    pid_t ended = waitpid(child, &status, 0);
    assert(ended == child);
    world.trial = NULL;
    *out = *shared;
    munmap(shared, sizeof(*shared));
    assert(!WIFEXITED(status) || WEXITSTATUS(status) != 2);
    if (WIFSIGNALED(status)) { /* an assertion of the product, for one */
        snprintf(out->broken, sizeof(out->broken), "signal %d",
                 WTERMSIG(status));
    }
}

/* --- fewer faults --- */

struct seed_trial {
    uint64_t seed;
    const char *broken;
    unsigned tried;
    size_t best;
};

static bool breaks_with(void *arg, const uint32_t *list, size_t count)
{
    struct seed_trial *try = arg;
    struct trial trial;
    faults_only(list, count);
    trial_run(try->seed, &trial);
    try->tried++;
    bool same = strcmp(trial.broken, try->broken) == 0;
    if (same && count < try->best) {
        try->best = count;
        printf("%5u tried, %zu faults\n", try->tried, count);
        fflush(stdout);
    }
    return same;
}

bool trial_shrink(uint64_t seed)
{
    struct trial trial;
    uint32_t list[FAULTS_MAX];
    size_t count = 0;
    trial_run(seed, &trial);
    if (trial.broken[0] == '\0') {
        return false;
    }
    for (uint32_t i = 0; i < FAULTS_MAX && i < trial.faults; i++) {
        if (!is_left_out(i)) {
            list[count++] = i;
        }
    }
    printf("seed=%" PRIu64 " inv=\"%s\" with %zu faults\n", seed, trial.broken,
           count);
    struct seed_trial try = {
        .seed = seed, .broken = trial.broken, .best = count};
    count = shrink(list, count, breaks_with, &try);
    printf("inv=\"%s\" with %zu faults, after %u tries:\n"
           "  fullsim --first %" PRIu64 " --seeds 1 --only ",
           trial.broken, count, try.tried, seed);
    for (size_t i = 0; i < count; i++) {
        printf("%s%" PRIu32, i > 0 ? "," : "", list[i]);
    }
    puts(count == 0 ? "none" : "");
    return true;
}
