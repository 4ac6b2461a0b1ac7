/* configs.h -- the configurations that count: the committed one and those above
 * it in the log.
 *
 * A configuration is in force from the moment its record is in the log, not
 * from its commit (dissertation 4.1); so one that is cut off again must give
 * way to the one before, wherever in its batch it stood. The stack holds the
 * newest that is committed, at the bottom, and everything above.
 *
 * Memory: owns its array. Pointers are good until the next call that changes
 * it.
 */
#ifndef RAFT_CORE_CONFIGS_H
#define RAFT_CORE_CONFIGS_H

#include "raft/core/types.h"

struct configs {
    struct raft_config *list; /* owned; never empty, indexes grow */
    size_t count, capacity;
};

void configs_init(struct configs *configs, const struct raft_config *first);
void configs_release(struct configs *configs);

/* A CONFIG record is in the log. */
void configs_push(struct configs *configs, const struct raft_config *config);
/* The log is cut: `from` and all after it are gone. True: one was cut. The
 * bottom one is committed and stays. */
bool configs_truncate(struct configs *configs, raft_index from);
/* Forgets those that a newer one at or below `commit` replaces. True: some. */
bool configs_commit(struct configs *configs, raft_index commit);

/* The log begins behind `index`, where `base` is the committed one; what stands
 * above stays or goes. index 0 of base: it is not known, and the one before
 * remains. */
void configs_install(struct configs *configs, const struct raft_config *base,
                     raft_index index, bool keeps);

/* In force: the newest in the log. */
const struct raft_config *configs_latest(const struct configs *configs);
const struct raft_config *configs_committed(const struct configs *configs);
/* The one whose record stands at index; NULL: none. */
const struct raft_config *configs_at(const struct configs *configs,
                                     raft_index index);

#endif
