/* log_rules.h -- what every log does for the hull (raft/hull/log_api.h), as
 * tests.
 *
 * One source for all back ends: each brings a log_subject and runs the same
 * rules. A broken promise of the caller (an append that leaves a gap, a cut of
 * what was compacted away) may be an error that changes nothing, or an
 * assertion.
 */
#ifndef TESTS_UNIT_HULL_LOG_RULES_H
#define TESTS_UNIT_HULL_LOG_RULES_H

#include "raft/hull/log_api.h"

struct log_kept { /* what is found when the log is opened again */
    raft_term term;
    node_id vote;
    raft_index base, last;
    raft_term base_term;
};

struct log_subject {
    struct log_api (*open)(void); /* an empty log */
    void (*close)(void);
    /* What a node does before a call. NULL: nothing. */
    void (*stage)(struct record *record);  /* append: it has a payload */
    void (*undone)(raft_index from);       /* truncate, reset behind from - 1 */
    void (*tree_durable)(raft_index upto); /* compact */
    /* The sync under way ends: log_rules_durable() has been called on return.
     */
    void (*finish_sync)(void);
    /* The process ends with no more durable than has to be, and the log is
     * opened again. NULL: it is in memory only. */
    struct log_api (*reopen)(struct log_kept *kept);
};

/* In the place of hull_log_durable(). */
void log_rules_durable(raft_token token, int status);
/* The exit code. */
int log_rules_run(const struct log_subject *subject);

#endif
