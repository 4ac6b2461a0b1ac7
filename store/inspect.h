/* inspect.h -- what a node has on disk, seen from another process.
 *
 * Read-only, takes no lock, disturbs nobody; the node may be running or not.
 * Records themselves are read with raftlog_reader_*().
 *
 * Thread: any, one at a time.
 */
#ifndef STORE_INSPECT_H
#define STORE_INSPECT_H

#include "store/db.h"

struct inspect_log {
    uint64_t cluster_id, node, term, vote;
    uint64_t last, last_term; /* 0 when there has been no record yet */
};
int inspect_log(const char *path, struct inspect_log *out);

/* What became of records: tree.db knows. */
struct inspect_results {
    struct db db;
    sqlite3_stmt *applied, *result; /* owned */
};
int inspect_results_open(const char *path, struct inspect_results *out);
void inspect_results_close(struct inspect_results *results);
/* Up to which index records are applied. */
int inspect_results_applied(struct inspect_results *results, uint64_t *index);
/* 0 or the errno that an applied record ended with. */
int inspect_results_get(struct inspect_results *results, uint64_t index,
                        int32_t *error);

#endif
