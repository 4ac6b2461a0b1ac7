/* apply_life.h -- a world in which random records are applied: every op, several
 * sessions that come and go, serials that come twice and late.
 */
#ifndef TESTS_APPLY_LIFE_H
#define TESTS_APPLY_LIFE_H

#include "tests/unit/fs/apply_world.h"

enum { LIFE_RECORDS = 3000, LIFE_NODES = 3 };

struct life_node {
    uint64_t session, serial;
};

struct life {
    struct world *world; /* of the records */
    struct life_node nodes[LIFE_NODES];
    uint64_t ino_max;
    struct apply_result results[LIFE_RECORDS + 1]; /* by index */
};

void life_seed(uint64_t seed);
uint64_t life_random(uint64_t bound);
struct life *life_new(void);
void life_free(struct life *life);
/* So many more records. The results of the first LIFE_RECORDS are kept. */
void life_live(struct life *life, int records);

#endif
