#include "tests/sim/full/shrink.h"

#include "raft/core/memory.h"

#include <string.h>

struct search {
    uint32_t *list, *part; /* part: owned */
    size_t count;
    shrink_breaks breaks;
    void *arg;
};

/* Only [from, to), or all but that; true: the list is that now. */
static bool try_part(struct search *search, size_t from, size_t to, bool alone)
{
    size_t count = 0;
    for (size_t i = 0; i < search->count; i++) {
        if ((i >= from && i < to) == alone) {
            search->part[count++] = search->list[i];
        }
    }
    if (!search->breaks(search->arg, search->part, count)) {
        return false;
    }
    memcpy(search->list, search->part, count * sizeof(*search->list));
    search->count = count;
    return true;
}

/* One of so many parts alone, or all but one of them. */
static bool try_parts(struct search *search, size_t parts, bool alone)
{
    size_t count = search->count;
    for (size_t i = 0; i < parts; i++) {
        if (try_part(search, count * i / parts, count * (i + 1) / parts,
                     alone)) {
            return true;
        }
    }
    return false;
}

size_t shrink(uint32_t *list, size_t count, shrink_breaks breaks, void *arg)
{
    struct search search = {.list = list,
                            .part = xcalloc(count + 1, sizeof(*list)),
                            .count = count,
                            .breaks = breaks,
                            .arg = arg};
    size_t parts = 2;
    try_part(&search, 0, 0, true); /* it may break without any */
    while (search.count >= 2) {
        if (try_parts(&search, parts, true)) {
            parts = 2;
        } else if (parts > 2 && try_parts(&search, parts, false)) {
            parts--;
        } else if (parts == search.count) {
            break;
        } else {
            parts = parts * 2 < search.count ? parts * 2 : search.count;
        }
    }
    free(search.part);
    return search.count;
}
