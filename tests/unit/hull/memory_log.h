/* memory_log.h -- a log in memory, written against raft/hull/log_api.h alone.
 *
 * For tests of the hull, and the smallest example of a log. What breaks the
 * rules of log_api.h meets an assertion. Nothing of it is durable; sync()
 * remembers the token until somebody says that it is done.
 */
#ifndef TESTS_UNIT_HULL_MEMORY_LOG_H
#define TESTS_UNIT_HULL_MEMORY_LOG_H

#include "raft/hull/log_api.h"

enum { MEMORY_LOG_MAX = 128 };

struct memory_log {
    struct record *list[MEMORY_LOG_MAX]; /* owned; the first is base + 1 */
    size_t count;
    raft_index base;     /* the log begins behind this one, */
    raft_term base_term; /* of this term, */
    uint64_t base_chain; /* and this chain */
    raft_term term;
    node_id vote;
    raft_token syncing; /* asked for and not answered; 0: none */
};

/* All zero is an empty log. */
void memory_log_release(struct memory_log *log);
struct log_api memory_log_api(struct memory_log *log);

#endif
