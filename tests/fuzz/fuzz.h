/* fuzz.h -- shared by the fuzz targets.
 *
 * Besides "does not crash" each target holds the decoder to this: what it takes
 * and encodes again gives the same bytes, so that there is one encoding only.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "raft/core/types.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void must(bool condition)
{
    if (!condition) {
        abort();
    }
}

static inline void must_be_same(struct bytes a, struct bytes b)
{
    must(a.size == b.size);
    must(a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

#endif
