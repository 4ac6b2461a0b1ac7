/* shrink.h -- makes the list of faults that break a rule short.
 *
 * ddmin (Zeller, Hildebrandt 2002): halves, quarters and so on are tried alone and
 * left out, until no single one can be left out any more.
 *
 * Pure: what a list does is asked of the caller.
 */
#ifndef TESTS_SIM_FULL_SHRINK_H
#define TESTS_SIM_FULL_SHRINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does it still break with only these? */
typedef bool (*shrink_breaks)(void *arg, const uint32_t *list, size_t count);

/* A list that breaks becomes one of which each is needed; how many are left. */
size_t shrink(uint32_t *list, size_t count, shrink_breaks breaks, void *arg);

#endif
