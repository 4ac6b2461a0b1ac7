/* events.h -- what happened to this node, with a code: into its log, and into a
 * ring that `raftfs events` and .raftfs/errors show.
 *
 * The codes are in raft/hull/event.h. What has no code (a mount, a signal) is
 * written by fs/log.h alone.
 *
 * Thread: loop.
 */
#ifndef FS_EVENTS_H
#define FS_EVENTS_H

#include "raft/hull/event.h"

#include <jansson.h>

struct node;

/* Of the hull. */
void node_note(struct node *node, const struct hull_note *note);
/* Of this program; peer and index 0: none. */
void node_event(struct node *node, enum hull_event code, node_id peer,
                raft_index index, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* {"events": [...], "next": N, "counts": {name: N, ...}}, of those with a number
 * from `from` on and at least this severity; as many as fit into a reply. */
json_t *events_json(struct node *node, const json_t *request);
/* Warnings and worse, oldest first, a line each; the caller frees. */
char *events_errors(struct node *node);

#endif
