/* snapshot.h -- the tree for a node that is behind the log, or has nothing.
 *
 * Who needs it pulls it from the leader, a chunk at a time (store/image.h):
 *
 *   ASK    u8 1, u64 tag, u16 permille, question
 *   CHUNK  u8 2, u64 tag, chunk
 *   WAIT   u8 3, u64 tag           the view is being made
 *
 * One question is under way; so heartbeats and records never wait behind more
 * than one chunk. A chunk whose tag is not that of the last question is late and
 * dropped. When the leader changes, the next question goes to the new one, which
 * goes on from it.
 *
 * The one who asks:
 *
 *   IDLE --snapshot_wanted--> OPENING --opened--> ASKED <--> WORKING
 *   WORKING --last chunk--> FINISHING --snapshot_install--> IDLE
 *   OPENING, ASKED, WORKING, FINISHING --the tree does not fit--> NO_ROOM
 *   NO_ROOM --there is room--> ASKED, or OPENING to go on with what is there
 *   all --fail, or nobody says any more that we are behind--> IDLE
 *
 * It says in each chunk how large the tree is. Who takes it begins and goes on only
 * while all of what is left fits beside the reserve of its disk (fs/space.h).
 *
 * The one who answers keeps a view as long as somebody asks, and the log behind
 * it, both for a bounded time. Chunks leave no faster than snapshot_mb_s.
 *
 * snapshot.c       what comes, and what people see
 * snapshot_send.c  answering
 * snapshot_take.c  asking, and the new tree in the place of the old
 *
 * Thread: loop. What reads or writes much runs on a thread of the loop's pool,
 * which owns the export or import meanwhile.
 */
#ifndef FS_SNAPSHOT_H
#define FS_SNAPSHOT_H

#include "raft/core/types.h"

#include <jansson.h>

struct node;
struct snapshots;

struct snapshots *snapshots_new(struct node *node);
/* Before reclaim starts: what an earlier process began is not to be unlinked. */
void snapshots_hold_leftover(struct snapshots *snapshots);
/* Once a second. */
void snapshots_tick(struct snapshots *snapshots);
/* Nothing is begun any more; true: a thread is still at work. */
bool snapshots_stop(struct snapshots *snapshots);
/* When no thread is at work, and before segments are closed. */
void snapshots_release(struct snapshots *snapshots);
/* When the loop is closed. */
void snapshots_free(struct snapshots *snapshots);

/* The pilot's. */
void snapshot_wanted(void *node, node_id leader);
void snapshot_bulk(void *node, node_id from, struct bytes body);

/* The object "snapshot" of status; NULL when nothing is going on. */
json_t *snapshot_json(struct node *node);
void snapshot_counters(struct node *node, json_t *counters);

#endif
