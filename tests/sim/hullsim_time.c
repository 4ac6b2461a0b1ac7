/* Chance, the order of events, and what people read. */
#include "tests/sim/hullsim.h"

#include "raft/core/memory.h"

#include <stdarg.h>
#include <stdio.h>

/* --- chance --- */

uint64_t rng_next(struct rng *rng) /* splitmix64 */
{
    rng->state += 0x9e3779b97f4a7c15u;
    uint64_t z = rng->state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t rng_below(struct rng *rng, uint64_t limit)
{
    return limit == 0 ? 0 : rng_next(rng) % limit;
}

uint64_t rng_between(struct rng *rng, uint64_t low, uint64_t high)
{
    return low + rng_below(rng, high - low + 1);
}

bool rng_chance(struct rng *rng, uint32_t per_million)
{
    return rng_below(rng, 1000 * 1000) < per_million;
}

uint64_t rng_tail(struct rng *rng, uint64_t mean)
{
    uint64_t out = rng_below(rng, mean + 1);
    uint64_t stretch = mean;
    while (rng_below(rng, 3) == 0 && stretch < mean * 64) {
        out += rng_below(rng, stretch + 1);
        stretch *= 2;
    }
    return out;
}

/* --- what people read --- */

static void print_head(const struct world *world, const struct node *node)
{
    printf("%10.6f n%u ", (double)world->now / 1e6,
           node == NULL ? 0 : node->at + 1);
}

void sim_trace(struct world *world, const struct node *node, const char *format,
               ...)
{
    if (!world->verbose) {
        return;
    }
    va_list args;
    print_head(world, node);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

void sim_fail(struct world *world, const struct node *node, const char *format,
              ...)
{
    va_list args;
    printf("FAIL seed=%llu ", (unsigned long long)world->seed);
    print_head(world, node);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
    abort();
}

/* --- events --- */

static bool earlier(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void world_push(struct world *world, struct event event)
{
    if (world->heap_count == world->heap_capacity) {
        world->heap_capacity =
            world->heap_capacity == 0 ? 256 : world->heap_capacity * 2;
        world->heap = xrealloc(world->heap,
                               world->heap_capacity * sizeof(world->heap[0]));
    }
    world->order++;
    event.order = world->order;
    size_t at = world->heap_count;
    world->heap_count++;
    while (at > 0 && earlier(&event, &world->heap[(at - 1) / 2])) {
        world->heap[at] = world->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    world->heap[at] = event;
}

struct event world_pop(struct world *world)
{
    struct event out = world->heap[0];
    world->heap_count--;
    struct event last = world->heap[world->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= world->heap_count) {
            break;
        }
        if (child + 1 < world->heap_count &&
            earlier(&world->heap[child + 1], &world->heap[child])) {
            child++;
        }
        if (!earlier(&world->heap[child], &last)) {
            break;
        }
        world->heap[at] = world->heap[child];
        at = child;
    }
    world->heap[at] = last;
    return out;
}
