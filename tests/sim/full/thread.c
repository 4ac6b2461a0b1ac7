/* pthread_create() makes a fiber: it runs when virtual time allows, until it
 * waits for a condition or the disk. So the threads of a node take turns with
 * its loop at exactly the places where they hand over work, and always the same
 * way for the same seed. What they do to each other in between is for the thread
 * sanitizer and the real cluster.
 */
#include "tests/sim/full/full.h"

#include "raft/core/memory.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

/* The address sanitizer must know which stack is in use. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(SANITIZED)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define __sanitizer_start_switch_fiber(save, bottom, size)                     \
    ((void)(save), (void)(bottom), (void)(size))
#define __sanitizer_finish_switch_fiber(saved, bottom, size)                   \
    ((void)(saved), (void)(bottom), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address))
#endif

enum { STACK = 512 * 1024, FIBERS_MAX = 64 };

struct fiber {
    ucontext_t context;
    void *stack; /* owned; kept for the next one */
    void *fake_stack; /* the sanitizer's, while another runs */
    struct sim_node *sim;
    void *(*start)(void *);
    void *arg;
    uint64_t wake_at; /* UINT64_MAX: when its condition is signalled */
    const void *condition;
    bool used, done, signalled;
};

static struct fiber fibers[FIBERS_MAX];
static struct fiber *current;
static ucontext_t main_context;
static const void *main_stack;
static size_t main_size;

bool on_fiber(void)
{
    return current != NULL;
}

static void fiber_main(void)
{
    __sanitizer_finish_switch_fiber(NULL, &main_stack, &main_size);
    current->start(current->arg);
    current->done = true;
    current->wake_at = UINT64_MAX;
    __sanitizer_start_switch_fiber(NULL, main_stack, main_size);
    swapcontext(&current->context, &main_context);
}

static void fiber_run(struct fiber *fiber)
{
    assert(current == NULL && !fiber->done);
    struct sim_node *before = here;
    here = fiber->sim;
    current = fiber;
    void *fake_stack = NULL;
    __sanitizer_start_switch_fiber(&fake_stack, fiber->stack, STACK);
    swapcontext(&main_context, &fiber->context);
    __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
    current = NULL;
    here = before;
}

static void fiber_yield(void)
{
    __sanitizer_start_switch_fiber(&current->fake_stack, main_stack,
                                   main_size);
    swapcontext(&current->context, &main_context);
    __sanitizer_finish_switch_fiber(current->fake_stack, &main_stack,
                                    &main_size);
}

void fiber_sleep(uint64_t us)
{
    current->wake_at = world.now + us;
    fiber_yield();
}

uint64_t fibers_due(uint32_t node)
{
    uint64_t due = UINT64_MAX;
    for (int i = 0; i < FIBERS_MAX; i++) {
        const struct fiber *fiber = &fibers[i];
        if (fiber->used && !fiber->done && fiber->sim->at == node &&
            fiber->wake_at < due) {
            due = fiber->wake_at;
        }
    }
    return due;
}

void fibers_run(uint32_t node)
{
    for (int i = 0; i < FIBERS_MAX; i++) {
        struct fiber *fiber = &fibers[i];
        if (fiber->used && !fiber->done && fiber->sim->at == node &&
            fiber->wake_at <= world.now) {
            fiber_run(fiber);
        }
    }
}

/* --- what the product calls --- */

int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *arg);
int __wrap_pthread_join(pthread_t thread, void **out);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_cond_signal(pthread_cond_t *condition);
int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition,
                                  pthread_mutex_t *mutex,
                                  const struct timespec *until);

/* One that nobody uses, with a stack of its own. */
static struct fiber *fiber_find(void)
{
    int i = 0;
    while (i < FIBERS_MAX && fibers[i].used) {
        i++;
    }
    assert(i < FIBERS_MAX);
    struct fiber *fiber = &fibers[i];
    if (fiber->stack != NULL) { /* some frames of the last one were never left */
        ASAN_UNPOISON_MEMORY_REGION(fiber->stack, STACK);
        return fiber;
    }
    fiber->stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert(fiber->stack != MAP_FAILED);
    return fiber;
}

/* getcontext() returns twice, as far as the compiler knows: here nothing is alive
 * that it could spoil. */
static void fiber_make_context(struct fiber *fiber)
{
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = STACK;
    makecontext(&fiber->context, fiber_main, 0);
}

int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *arg)
{
    (void)attributes;
    struct fiber *fiber = fiber_find();
    *fiber = (struct fiber){.stack = fiber->stack,
                            .sim = here,
                            .start = start,
                            .arg = arg,
                            .wake_at = world.now + 1,
                            .used = true};
    fiber_make_context(fiber);
    *out = (pthread_t)(fiber - fibers + 1);
    return 0;
}

/* The disk does not make anybody wait any more, so it comes to its end. */
int __wrap_pthread_join(pthread_t thread, void **out)
{
    struct fiber *fiber = &fibers[(size_t)thread - 1];
    (void)out;
    for (int i = 0; !fiber->done; i++) {
        assert(i < 100000);
        fiber_run(fiber);
    }
    fiber->used = false;
    return 0;
}

/* Nobody can hold it but a fiber that sleeps. */
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    if (pthread_mutex_trylock(mutex) != 0) {
        sim_fail(here, "lock", "a lock is held across I/O");
    }
    return 0;
}

int __wrap_pthread_cond_signal(pthread_cond_t *condition)
{
    for (int i = 0; i < FIBERS_MAX; i++) {
        struct fiber *fiber = &fibers[i];
        if (fiber->used && fiber->condition == condition) {
            fiber->signalled = true;
            fiber->condition = NULL;
            fiber->wake_at = world.now + 1 + rng_below(&world.core, 20);
            break;
        }
    }
    return 0;
}

static int wait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                uint64_t until)
{
    current->condition = condition;
    current->signalled = false;
    current->wake_at = until;
    pthread_mutex_unlock(mutex);
    fiber_yield();
    current->condition = NULL;
    __wrap_pthread_mutex_lock(mutex);
    return current->signalled ? 0 : ETIMEDOUT;
}

int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    wait(condition, mutex, UINT64_MAX);
    return 0;
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *condition,
                                  pthread_mutex_t *mutex,
                                  const struct timespec *until)
{
    raft_time at =
        (raft_time)until->tv_sec * 1000000 + (raft_time)until->tv_nsec / 1000;
    return wait(condition, mutex, clock_inverse(here, at));
}
