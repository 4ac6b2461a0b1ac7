/* raftlog_int.h -- what the files of raftlog share.
 *
 * raftlog.c         what the running node does: append, truncate, vote, compact
 * raftlog_open.c    create, lock, open, close
 * raftlog_recover.c what open checks, and cuts
 * raftlog_read.c    reading, and the reader of another process
 * raftlog_quarantine.c superseded records
 * raftlog_places.c  which segments the rows refer to
 */
#ifndef STORE_RAFTLOG_INT_H
#define STORE_RAFTLOG_INT_H

#include "store/raftlog.h"

enum {
    RAFTLOG_VERSION = 3,
    RAFTLOG_APPLICATION_ID = 0x52464c47, /* "RFLG", for file(1) */
    RAFTLOG_QUARANTINE_MAX = 1000,
    RAFTLOG_QUARANTINE_BYTES_MAX = 64 * 1024 * 1024, /* payloads included */
    /* Rows whose checksums open verifies even when they are surely durable:
     * those that are most likely to be read. */
    RAFTLOG_TAIL_CHECKED = 1000,
};

/* Prepared once. Between transactions none of them is left stepping. */
enum raftlog_sql {
    SQL_APPEND,
    SQL_META,
    SQL_META_GET,
    SQL_META_PUT,
    SQL_READ,
    SQL_TERM,
    SQL_PLACES,
    SQL_DELETE,
    SQL_QUARANTINE,
    SQL_QUARANTINE_OLD,
    SQL_QUARANTINE_TRIM,
    SQL_QUARANTINE_NEXT,
    SQL_QUARANTINE_PLACE,
    SQL_QUARANTINE_DROP,
    SQL_COUNT,
};

/* How much of a segment the rows refer to. */
struct place_use {
    uint64_t segment, rows, bytes;
};
struct place_uses {
    struct place_use *list; /* owned; newest segments last, mostly */
    size_t count, capacity;
};

/* What the table meta says. */
struct raftlog_meta {
    uint64_t version, cluster_id, node, term, vote, base_index, base_term,
        base_chain, durable, standing, disk, rejoined;
};

struct raftlog {
    struct db db;
    int lock_fd;                  /* owned */
    sqlite3_stmt *sql[SQL_COUNT]; /* owned */
    bool inspecting;              /* nothing is written */
    struct raftlog_meta meta;     /* as committed */
    uint64_t last;          /* index; meta.base_index when there are no rows */
    uint64_t durable;       /* the mark; saved with rows, or in meta */
    struct place_uses uses; /* of records and quarantine, as committed */
    struct place_uses dropped; /* by the transaction under way */
    struct blob row;           /* what the last read gave */
    uint64_t quarantine_lost;  /* since the start: there were too many */
};

/* --- a transaction (raftlog.c): begin, steps, commit with their result --- */
int raftlog_begin(struct raftlog *log);
int raftlog_commit(struct raftlog *log, int rc);

extern const char *const raftlog_sql_text[SQL_COUNT];

/* --- rows (raftlog_read.c) --- */
#define RAFTLOG_COLUMNS "idx,term,size,hash,segment,position,payload_size,bytes,chain"
uint64_t raftlog_row_hash(const struct log_row *row);
/* Copies the RAFTLOG_COLUMNS of the current row; row->bytes points into
 * *buffer. STORE_CORRUPT when the checksum differs. */
int raftlog_take_row(struct db *db, sqlite3_stmt *statement,
                     struct blob *buffer, struct log_row *row);

/* --- meta (raftlog_open.c) --- */
/* Reads and checks the version: STORE_VERSION. */
int raftlog_load_meta(struct db *db, struct raftlog_meta *out);
int raftlog_set_meta(struct raftlog *log, const char *key, uint64_t value);

/* --- recovery (raftlog_recover.c) --- */
int raftlog_recover(struct raftlog *log, struct segments *segments,
                    struct log_head *head);

/* --- places (raftlog_places.c) --- */
void place_uses_release(struct place_uses *uses);
void place_uses_add(struct place_uses *uses, uint64_t segment, uint64_t bytes);
void place_uses_clear(struct place_uses *uses);
/* Takes `less` away, which was added before. */
void place_uses_subtract(struct place_uses *uses,
                         const struct place_uses *less);
/* Adds the (segment, payload_size) rows that the statement gives. */
int place_uses_collect(struct place_uses *uses, struct db *db,
                       sqlite3_stmt *statement, const char *what);

#endif
