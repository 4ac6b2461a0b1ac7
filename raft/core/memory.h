/* memory.h -- the heap, for callers that cannot go on without it.
 *
 * A node without memory stops: the others carry on, and a half-done step would
 * be worse than none. So these abort instead of returning NULL.
 */
#ifndef RAFT_CORE_MEMORY_H
#define RAFT_CORE_MEMORY_H

#include <stdio.h>
#include <stdlib.h>

static inline void *memory_checked(void *p)
{
    if (p == NULL) {
        fputs("out of memory\n", stderr);
        abort();
    }
    return p;
}

static inline void *xmalloc(size_t size)
{
    return memory_checked(malloc(size > 0 ? size : 1));
}

/* Zeroed; aborts when count * size overflows. */
static inline void *xcalloc(size_t count, size_t size)
{
    return memory_checked(calloc(count > 0 ? count : 1, size > 0 ? size : 1));
}

static inline void *xrealloc(void *p, size_t size)
{
    return memory_checked(realloc(p, size > 0 ? size : 1));
}

#endif
