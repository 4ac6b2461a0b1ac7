/* raftlog.h -- the Raft log, term and vote on disk: log.db.
 *
 * SQLite because a transaction covers vote, truncation and append together, and
 * because its WAL makes one fsync enough (docs/decisions/). A row holds the
 * encoded record (bytes of the caller; this file does not look inside) and,
 * when the payload went to a segment, its place.
 *
 * Writes are in the operating system when a call returns and durable after a
 * sync (store/syncer.h).
 *
 * Tables: records(idx INTEGER PRIMARY KEY, term, size, hash, segment, position,
 * payload_size, durable, bytes BLOB) · meta(key TEXT PRIMARY KEY, value)
 * WITHOUT ROWID · quarantine(id, idx, term, segment, position, payload_size,
 * bytes, cut_ns).
 *
 * Thread: loop.
 */
#ifndef STORE_RAFTLOG_H
#define STORE_RAFTLOG_H

#include "store/db.h"
#include "store/segment.h"

struct log_row {
    uint64_t index, term;
    uint64_t chain;      /* of the record: a hash of the log up to it */
    uint32_t size;     /* whole encoded size, payload included */
    struct view bytes; /* encoded; with its payload iff place.segment==0 */
    struct place place;
    uint32_t payload_size; /* in the segment */
};

/* Whether this log knows all that the node ever promised. */
enum log_standing {
    LOG_NEW,       /* it is new, and the node may be, too */
    LOG_MEMBER,    /* it does: the node has voted, or caught up */
    LOG_REJOINING, /* it does not */
};

struct log_head { /* what is needed to start */
    uint64_t cluster_id, node;
    uint64_t term, vote;
    uint64_t base_index, base_term; /* before the first record kept */
    enum log_standing standing;
    uint64_t disk;                  /* a number that no other log has */
    bool rejoined;                  /* made in the place of one that was lost */
    uint64_t durable_mark;          /* some index that is certainly durable */
    size_t count;
    uint64_t *terms; /* owned by the caller: free() */
    uint32_t *sizes; /* likewise */
};

struct raftlog;

/* Makes an empty log. STORE_EXISTS if there is one. */
int raftlog_create(const char *path, uint64_t cluster_id, uint64_t node);
/* In the place of one that was lost. */
int raftlog_create_again(const char *path, uint64_t cluster_id, uint64_t node,
                         enum log_standing standing);
/* Opens and checks: indexes without a gap, row checksums of the tail. Records
 * above the durable mark whose segment bytes are not whole (torn by a power
 * loss before anybody had been told of them) are cut, with everything after;
 * damage at or below the mark is STORE_CORRUPT. Takes an exclusive lock
 * (STORE_LOCKED: another process runs this node). segments may be NULL
 * (inspection: nothing is cut). */
int raftlog_open(const char *path, struct segments *segments,
                 struct raftlog **out, struct log_head *head);
void raftlog_close(struct raftlog *log);

/* One transaction. */
int raftlog_append(struct raftlog *log, const struct log_row *rows,
                   size_t count);
/* Moves rows from `from` on to quarantine (the newest 1000, or 64 MiB, are kept
 * there). */
int raftlog_truncate(struct raftlog *log, uint64_t from, uint64_t now_ns);
/* A vote makes a member of a new log. */
int raftlog_save_vote(struct raftlog *log, uint64_t term, uint64_t vote);
int raftlog_save_standing(struct raftlog *log, enum log_standing standing);
/* The log of another node, as it said last. STORE_NOT_FOUND. */
int raftlog_get_peer(struct raftlog *log, uint64_t node, uint64_t *disk);
int raftlog_save_peer(struct raftlog *log, uint64_t node, uint64_t disk);
/* *row's bytes are valid until the next call. STORE_NOT_FOUND. The row's
 * checksum is verified: STORE_CORRUPT. */
int raftlog_read(struct raftlog *log, uint64_t index, struct log_row *row);
/* Deletes rows up to upto, at most `most` of them a call; 1 when more are left.
 */
int raftlog_compact(struct raftlog *log, uint64_t upto, uint32_t most);
/* As it was appended; also of the place where the log begins. Else as
 * raftlog_read(), and a row that was read before is not valid any more. */
int raftlog_chain(struct raftlog *log, uint64_t index, uint64_t *chain);
/* The log begins behind index, of term, from now on: durable when it returns.
 * What follows stays if the row at index is of that term; else all rows go, the
 * newest of those from `doubtful` on to quarantine. 1: they stayed, 0: all went.
 */
int raftlog_reset(struct raftlog *log, uint64_t index, uint64_t term,
                  uint64_t chain, uint64_t doubtful, uint64_t now_ns);
/* Remembers (with the next write) that everything up to index is durable. */
void raftlog_durable(struct raftlog *log, uint64_t index);
uint64_t raftlog_last(const struct raftlog *log);

/* --- quarantine: superseded records, oldest first --- */
struct quarantined_row {
    uint64_t id, cut_ns;
    struct log_row row;
};
/* The first with a larger id: 1; 0: none; negative code. Bytes are valid until
 * the next call. */
int raftlog_quarantine_next(struct raftlog *log, uint64_t after,
                            struct quarantined_row *out);
/* One transaction; those that are not there do not matter. */
int raftlog_quarantine_drop(struct raftlog *log, const uint64_t *ids,
                            size_t count);
/* How many had to go for newer ones, since the start. */
uint64_t raftlog_quarantine_lost(const struct raftlog *log);
int raftlog_wal_fd(struct raftlog *log);
/* Before the first write: room for the syncs to come (db_extend_wal). */
int raftlog_extend(struct raftlog *log, uint64_t size);
/* Segments that retained rows (log and quarantine) refer to: each(arg, segment,
 * bytes). For reclaiming. */
int raftlog_places(struct raftlog *log,
                   void (*each)(void *arg, uint64_t segment, uint64_t bytes),
                   void *arg);

/* --- for inspection from another process, while the node runs --- */
struct raftlog_reader;
int raftlog_reader_open(const char *path, struct raftlog_reader **out);
void raftlog_reader_close(struct raftlog_reader *reader);
/* Rows with index >= from in order; 1 a row (valid until the next call), 0 no
 * more at present, negative code. */
int raftlog_reader_next(struct raftlog_reader *reader, uint64_t from,
                        struct log_row *row);
uint64_t raftlog_reader_first(struct raftlog_reader *reader);

#endif
