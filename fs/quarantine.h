/* quarantine.h -- superseded commands that nobody has made good, for people.
 *
 * A new leader's records replace those of one that was cut off; log.db keeps the
 * old ones (store/raftlog.h). Most are asked for again by their callers: a
 * record with the same origin, session and serial that is applied later takes
 * its old self out of quarantine. (A caller whose session has ended meanwhile
 * goes on in the next one with the same bytes: known by origin, serial and a
 * hash of these.) What stays was lost: `raftfs quarantine` shows it, drops it, or
 * submits it again. Only commands of callers are kept; what nodes say for
 * themselves is not worth it.
 *
 * Thread: loop; payloads in segments are read by a thread of the pool, when
 * somebody asks for one. Memory: the table is owned; bytes stay on disk.
 */
#ifndef FS_QUARANTINE_H
#define FS_QUARANTINE_H

#include "raft/wire/record.h"

#include <jansson.h>

struct node;
struct fetch;

struct quarantined {
    uint64_t id; /* of the row; grows */
    node_id origin;
    uint64_t session, serial;
    uint64_t hash; /* of the body, seeded with the payload's */
};

struct quarantine {
    struct quarantined *list; /* owned */
    size_t count, capacity;
    uint64_t seen; /* rows up to this id were looked at */
    uint64_t lost; /* rows that had to go, and it was said */
    uint64_t replaying; /* being submitted again; 0: none */
    struct fetch *fetch; /* owned: what was asked for; NULL: nothing */
};

/* Looks at what is there. After the log and the table of sessions. */
int quarantine_open(struct node *node);
void quarantine_release(struct quarantine *quarantine);
/* The log was cut: takes in what came. */
int quarantine_cut(struct node *node);
/* A record was applied; error is its result. */
int quarantine_applied(struct node *node, const struct record *record,
                       int error);
/* {"command": "quarantine", "action": "list" | "show" | "drop" | "replay",
 * "id": N}. show and replay may answer {"waiting": true}: its bytes are being
 * read; ask again. */
json_t *quarantine_control(struct node *node, const json_t *request);

#endif
