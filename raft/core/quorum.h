/* quorum.h -- the arithmetic of majorities, in one place.
 *
 * An even number of voters needs one more than half of them: 4 need 3.
 */
#ifndef RAFT_CORE_QUORUM_H
#define RAFT_CORE_QUORUM_H

#include "raft/core/types.h"

/* How many of `voters` are a majority: voters / 2 + 1. */
uint32_t quorum_size(uint32_t voters);

/* The largest value that a majority has reached: the quorum-th largest of the
 * voters' values. 0 without voters. Sorts the array. */
uint64_t quorum_reached(uint64_t *values, uint32_t voters);

#endif
