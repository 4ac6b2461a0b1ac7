#include "raft/core/quorum.h"

#include <assert.h>

uint32_t quorum_size(uint32_t voters)
{
    return voters / 2 + 1;
}

/* Insertion sort, largest first: there are a handful of values. */
static void sort_descending(uint64_t *values, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        uint64_t value = values[i];
        uint32_t at = i;
        while (at > 0 && values[at - 1] < value) {
            values[at] = values[at - 1];
            at--;
        }
        values[at] = value;
    }
}

uint64_t quorum_reached(uint64_t *values, uint32_t voters)
{
    assert(voters <= RAFT_NODES_MAX);
    if (voters == 0) {
        return 0;
    }
    sort_descending(values, voters);
    return values[quorum_size(voters) - 1];
}
