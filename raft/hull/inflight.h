/* inflight.h -- which commands stand in our log above what is applied.
 *
 * An origin sends a command again when it hears nothing. A leader that has it
 * in its log already answers where, instead of appending it twice. This saves
 * work only: a command that slips through is recognised when it is applied. So
 * the table may be bounded, and forgets nothing but by being full.
 *
 * The key holds a hash of the body: a restarted node may use (0, 1) again for
 * another command.
 *
 * Thread: loop.
 */
#ifndef RAFT_HULL_INFLIGHT_H
#define RAFT_HULL_INFLIGHT_H

#include "raft/core/types.h"
#include "raft/wire/record.h"

enum {
    INFLIGHT_MAX = 65536,
    INFLIGHT_BUCKETS = 8192,
};

struct inflight_entry;

struct inflight {
    struct inflight_entry **buckets; /* owned */
    size_t count;
};

void inflight_init(struct inflight *inflight);
void inflight_release(struct inflight *inflight);
/* The record is at `index` (a newer one replaces an older one). Records that
 * carry neither session nor serial have no identity and are passed over. */
void inflight_put(struct inflight *inflight, const struct record *record,
                  raft_index index);
/* 0: not here. */
raft_index inflight_get(const struct inflight *inflight,
                        const struct record *record);
/* The record at `index` is applied or gone. */
void inflight_remove(struct inflight *inflight, const struct record *record,
                     raft_index index);

#endif
