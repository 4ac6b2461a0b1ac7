#include "store/raftlog_int.h"

#include "store/error.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

/* --- first pass: the numbers of all rows --- */

static void head_add(struct log_head *head, size_t *capacity, uint64_t term,
                     uint32_t size)
{
    if (head->count == *capacity) {
        *capacity = *capacity * 2 + 1024;
        head->terms = realloc(head->terms, *capacity * sizeof(*head->terms));
        head->sizes = realloc(head->sizes, *capacity * sizeof(*head->sizes));
        assert(head->terms != NULL);
        assert(head->sizes != NULL);
    }
    head->terms[head->count] = term;
    head->sizes[head->count] = size;
    head->count++;
}

/* The mark stands in meta and in the rows: the highest counts. */
static void raise_mark(struct raftlog *log, uint64_t durable)
{
    if (durable > log->durable) {
        log->durable = durable;
    }
}

static int scan_row(struct raftlog *log, sqlite3_stmt *statement,
                    uint64_t *term, struct log_head *head, size_t *capacity)
{
    uint64_t index = (uint64_t)sqlite3_column_int64(statement, 0);
    uint64_t row_term = (uint64_t)sqlite3_column_int64(statement, 1);
    if (index != log->last + 1) {
        return store_fail(STORE_CORRUPT,
                          "%s: record %" PRIu64 " follows %" PRIu64,
                          log->db.path, index, log->last);
    }
    if (row_term < *term) {
        return store_fail(STORE_CORRUPT,
                          "%s: record %" PRIu64 " of term %" PRIu64
                          " follows term %" PRIu64,
                          log->db.path, index, row_term, *term);
    }
    head_add(head, capacity, row_term,
             (uint32_t)sqlite3_column_int64(statement, 2));
    place_uses_add(&log->uses, (uint64_t)sqlite3_column_int64(statement, 3),
                   (uint64_t)sqlite3_column_int64(statement, 4));
    log->last = index;
    *term = row_term;
    raise_mark(log, (uint64_t)sqlite3_column_int64(statement, 5));
    return 0;
}

static int scan_rows(struct raftlog *log, struct log_head *head)
{
    sqlite3_stmt *statement = NULL;
    size_t capacity = 0;
    uint64_t term = log->meta.base_term;
    log->last = log->meta.base_index;
    log->durable = log->meta.durable;
    int rc = db_prepare(&log->db,
                        "SELECT idx,term,size,segment,payload_size,durable"
                        " FROM records ORDER BY idx",
                        &statement);
    while (rc == 0 && (rc = db_row(&log->db, statement, "scan")) == 1) {
        rc = scan_row(log, statement, &term, head, &capacity);
    }
    sqlite3_finalize(statement);
    return rc;
}

static int scan_quarantine(struct raftlog *log)
{
    sqlite3_stmt *statement = NULL;
    int rc = db_prepare(&log->db, "SELECT segment,payload_size FROM quarantine",
                        &statement);
    if (rc == 0) {
        rc = place_uses_collect(&log->uses, &log->db, statement,
                                "scan the quarantine");
    }
    sqlite3_finalize(statement);
    return rc;
}

/* --- second pass: the bytes of the tail --- */

/* 1 whole, 0 torn, or a negative code. */
static int payload_whole(struct segments *segments, const struct log_row *row,
                         struct blob *buffer)
{
    if (row->place.segment == 0) {
        return 1;
    }
    blob_resize(buffer, row->payload_size);
    int rc = segments_read_checked(segments, row->place, buffer->data,
                                   row->payload_size);
    if (rc == STORE_NOT_FOUND || rc == STORE_CORRUPT) {
        return 0;
    }
    return rc < 0 ? rc : 1;
}

/* Checks rows from `from` on. *torn is the first whose payload is not whole, or
 * last + 1. Rows themselves cannot be torn, the WAL has checksums: a bad one is
 * damage wherever it stands. */
static int check_tail(struct raftlog *log, struct segments *segments,
                      uint64_t from, uint64_t *torn)
{
    struct blob payload = BLOB_EMPTY;
    struct log_row row;
    int rc = 0;
    *torn = log->last + 1;
    for (uint64_t i = from; rc == 0 && i < *torn; i++) {
        rc = raftlog_read(log, i, &row);
        if (rc == 0 && segments != NULL && i > log->durable) {
            int whole = payload_whole(segments, &row, &payload);
            rc = whole < 0 ? whole : 0;
            *torn = whole == 0 ? i : *torn;
        }
    }
    blob_release(&payload);
    return rc;
}

static int cut(struct raftlog *log, uint64_t from, struct log_head *head)
{
    sqlite3_stmt *remove = log->sql[SQL_DELETE];
    sqlite3_stmt *places = log->sql[SQL_PLACES];
    sqlite3_bind_int64(places, 1, (sqlite3_int64)from);
    sqlite3_bind_int64(places, 2, (sqlite3_int64)log->last);
    place_uses_clear(&log->dropped);
    int rc = place_uses_collect(&log->dropped, &log->db, places, "find places");
    if (rc < 0) {
        return rc;
    }
    sqlite3_bind_int64(remove, 1, (sqlite3_int64)from);
    sqlite3_bind_int64(remove, 2, (sqlite3_int64)log->last);
    rc = db_run(&log->db, remove, "cut the torn tail");
    if (rc < 0) {
        return rc;
    }
    place_uses_subtract(&log->uses, &log->dropped);
    head->count -= (size_t)(log->last - from + 1);
    log->last = from - 1;
    return 0;
}

/* Payloads that may be in memory only: the process alone crashed, or a sync had
 * failed. */
static int sync_payloads(struct raftlog *log, struct segments *segments)
{
    sqlite3_stmt *statement = NULL;
    int rc = db_prepare(&log->db,
                        "SELECT segment, min(position) FROM records"
                        " WHERE idx>?1 AND segment<>0 GROUP BY segment",
                        &statement);
    if (rc < 0) {
        return rc;
    }
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)log->durable);
    while ((rc = db_row(&log->db, statement, "find places")) == 1) {
        rc = segments_settle(segments,
                             (uint64_t)sqlite3_column_int64(statement, 0),
                             (uint64_t)sqlite3_column_int64(statement, 1));
        if (rc < 0) {
            break;
        }
    }
    sqlite3_finalize(statement);
    return rc;
}

/* First index of what is worth a look: all that may be torn, and the tail. */
static uint64_t tail_start(const struct raftlog *log)
{
    uint64_t from = log->last > RAFTLOG_TAIL_CHECKED
                        ? log->last - RAFTLOG_TAIL_CHECKED + 1
                        : 1;
    if (from > log->durable + 1) {
        from = log->durable + 1;
    }
    return from > log->meta.base_index ? from : log->meta.base_index + 1;
}

int raftlog_recover(struct raftlog *log, struct segments *segments,
                    struct log_head *head)
{
    uint64_t torn;
    int rc = scan_rows(log, head);
    if (rc == 0) {
        rc = scan_quarantine(log);
    }
    if (rc < 0) {
        return rc;
    }
    if (log->durable > log->last) {
        return store_fail(STORE_CORRUPT,
                          "%s: ends at %" PRIu64 ", but %" PRIu64
                          " was durable",
                          log->db.path, log->last, log->durable);
    }
    rc = check_tail(log, segments, tail_start(log), &torn);
    if (rc == 0 && torn <= log->last) {
        rc = cut(log, torn, head);
    }
    if (rc == 0 && segments != NULL) {
        rc = sync_payloads(log, segments);
    }
    if (rc < 0) {
        return rc;
    }
    head->cluster_id = log->meta.cluster_id;
    head->node = log->meta.node;
    head->term = log->meta.term;
    head->vote = log->meta.vote;
    head->base_index = log->meta.base_index;
    head->base_term = log->meta.base_term;
    head->standing = (enum log_standing)log->meta.standing;
    head->disk = log->meta.disk;
    head->rejoined = log->meta.rejoined != 0;
    return 0;
}
