#include "store/raftlog_int.h"

#include "store/error.h"
#include "store/io.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define RECORDS_BETWEEN " FROM records WHERE idx>=?1 AND idx<=?2"

/* What is there once ?1 newer ones are, or ?2 bytes of newer ones. */
#define TOO_OLD                                                                \
    "id<=max((SELECT max(id) FROM quarantine)-?1, coalesce((SELECT max(id) "   \
    "FROM (SELECT id, sum(length(bytes)+payload_size) OVER (ORDER BY id DESC)" \
    " AS total FROM quarantine) WHERE total>?2), 0))"

const char *const raftlog_sql_text[SQL_COUNT] = {
    [SQL_APPEND] = "INSERT INTO records(" RAFTLOG_COLUMNS
                   ",durable) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)",
    [SQL_META] = "UPDATE meta SET value=?2 WHERE key=?1",
    [SQL_META_GET] = "SELECT value FROM meta WHERE key=?1",
    [SQL_META_PUT] = "INSERT OR REPLACE INTO meta(key, value) VALUES(?1, ?2)",
    [SQL_READ] = "SELECT " RAFTLOG_COLUMNS " FROM records WHERE idx=?1",
    [SQL_TERM] = "SELECT term, chain FROM records WHERE idx=?1",
    [SQL_PLACES] =
        "SELECT segment, payload_size" RECORDS_BETWEEN " AND segment<>0",
    [SQL_DELETE] = "DELETE" RECORDS_BETWEEN,
    [SQL_QUARANTINE] =
        "INSERT INTO quarantine(idx,term,segment,position,payload_size,bytes,"
        "cut_ns) SELECT "
        "idx,term,segment,position,payload_size,bytes,?3" RECORDS_BETWEEN
        " ORDER BY idx",
    [SQL_QUARANTINE_OLD] =
        "SELECT segment, payload_size FROM quarantine WHERE " TOO_OLD,
    [SQL_QUARANTINE_TRIM] = "DELETE FROM quarantine WHERE " TOO_OLD,
    [SQL_QUARANTINE_NEXT] =
        "SELECT id,idx,term,segment,position,payload_size,bytes,cut_ns"
        " FROM quarantine WHERE id>?1 ORDER BY id LIMIT 1",
    [SQL_QUARANTINE_PLACE] =
        "SELECT segment, payload_size FROM quarantine WHERE id=?1",
    [SQL_QUARANTINE_DROP] = "DELETE FROM quarantine WHERE id=?1",
};

/* --- a transaction: begin, steps, and this --- */

int raftlog_begin(struct raftlog *log)
{
    place_uses_clear(&log->dropped);
    return db_begin(&log->db);
}

/* Commits when rc is 0; else, or when that fails, everything is as before. */
int raftlog_commit(struct raftlog *log, int rc)
{
    if (rc == 0) {
        rc = db_commit(&log->db);
    }
    if (rc < 0) {
        db_rollback(&log->db);
        return rc;
    }
    place_uses_subtract(&log->uses, &log->dropped);
    return 0;
}

/* Same, and saves the mark in meta: for what removes rows, where it stands too,
 * and for what writes meta anyway. */
static int commit_with_mark(struct raftlog *log, int rc)
{
    if (rc == 0 && log->durable != log->meta.durable) {
        rc = raftlog_set_meta(log, "durable", log->durable);
    }
    rc = raftlog_commit(log, rc);
    if (rc == 0) {
        log->meta.durable = log->durable;
    }
    return rc;
}

static int bind_range(struct raftlog *log, enum raftlog_sql which,
                      uint64_t from, uint64_t to)
{
    int rc = sqlite3_bind_int64(log->sql[which], 1, (sqlite3_int64)from);
    assert(rc == SQLITE_OK);
    return sqlite3_bind_int64(log->sql[which], 2, (sqlite3_int64)to);
}

/* Remembers that the rows' places are not used by `records` any more. */
static int drop_places(struct raftlog *log, uint64_t from, uint64_t to)
{
    bind_range(log, SQL_PLACES, from, to);
    return place_uses_collect(&log->dropped, &log->db, log->sql[SQL_PLACES],
                              "find places");
}

static int delete_rows(struct raftlog *log, uint64_t from, uint64_t to)
{
    bind_range(log, SQL_DELETE, from, to);
    return db_run(&log->db, log->sql[SQL_DELETE], "delete records");
}

/* --- append --- */

/* The mark goes with the row: writing it to meta would double the pages that an
 * append writes. */
static int insert(struct raftlog *log, const struct log_row *row)
{
    sqlite3_stmt *statement = log->sql[SQL_APPEND];
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)row->index);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)row->term);
    sqlite3_bind_int64(statement, 3, row->size);
    sqlite3_bind_int64(statement, 4, (sqlite3_int64)raftlog_row_hash(row));
    sqlite3_bind_int64(statement, 5, (sqlite3_int64)row->place.segment);
    sqlite3_bind_int64(statement, 6, (sqlite3_int64)row->place.position);
    sqlite3_bind_int64(statement, 7, row->payload_size);
    sqlite3_bind_blob64(statement, 8, row->bytes.data, row->bytes.size,
                        SQLITE_STATIC);
    sqlite3_bind_int64(statement, 9, (sqlite3_int64)row->chain);
    sqlite3_bind_int64(statement, 10, (sqlite3_int64)log->durable);
    return db_run(&log->db, statement, "append a record");
}

int raftlog_append(struct raftlog *log, const struct log_row *rows,
                   size_t count)
{
    assert(count > 0);
    assert(rows[0].index == log->last + 1);
    int rc = raftlog_begin(log);
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        assert(rows[i].index == rows[0].index + i);
        rc = insert(log, &rows[i]);
    }
    rc = raftlog_commit(log, rc);
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < count; i++) {
        place_uses_add(&log->uses, rows[i].place.segment, rows[i].payload_size);
    }
    log->last += count;
    return 0;
}

/* --- truncate --- */

static int quarantine(struct raftlog *log, uint64_t from, uint64_t now_ns)
{
    sqlite3_stmt *statement = log->sql[SQL_QUARANTINE];
    bind_range(log, SQL_QUARANTINE, from, log->last);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)now_ns);
    return db_run(&log->db, statement, "quarantine records");
}

static int trim_quarantine(struct raftlog *log)
{
    sqlite3_stmt *old = log->sql[SQL_QUARANTINE_OLD];
    sqlite3_stmt *trim = log->sql[SQL_QUARANTINE_TRIM];
    sqlite3_bind_int64(old, 1, RAFTLOG_QUARANTINE_MAX);
    sqlite3_bind_int64(trim, 1, RAFTLOG_QUARANTINE_MAX);
    sqlite3_bind_int64(old, 2, RAFTLOG_QUARANTINE_BYTES_MAX);
    sqlite3_bind_int64(trim, 2, RAFTLOG_QUARANTINE_BYTES_MAX);
    int rc =
        place_uses_collect(&log->dropped, &log->db, old, "find old quarantine");
    if (rc == 0) {
        rc = db_run(&log->db, trim, "trim the quarantine");
        log->quarantine_lost += (uint64_t)sqlite3_changes64(log->db.handle);
    }
    return rc;
}

/* The newest rows go to quarantine; what is beyond its size just goes. */
static int move_rows(struct raftlog *log, uint64_t from, uint64_t now_ns)
{
    uint64_t keep = from;
    if (log->last - from >= RAFTLOG_QUARANTINE_MAX) {
        keep = log->last - RAFTLOG_QUARANTINE_MAX + 1;
    }
    int rc = keep > from ? drop_places(log, from, keep - 1) : 0;
    log->quarantine_lost += keep - from;
    if (rc == 0) {
        rc = quarantine(log, keep, now_ns);
    }
    if (rc == 0) {
        rc = delete_rows(log, from, log->last);
    }
    return rc < 0 ? rc : trim_quarantine(log);
}

int raftlog_truncate(struct raftlog *log, uint64_t from, uint64_t now_ns)
{
    assert(from > log->meta.base_index);
    if (from > log->last) {
        return 0;
    }
    int rc = raftlog_begin(log);
    if (rc < 0) {
        return rc;
    }
    /* Other records will have these indexes: they are not durable yet. */
    uint64_t durable = log->durable;
    if (log->durable >= from) {
        log->durable = from - 1;
    }
    rc = commit_with_mark(log, move_rows(log, from, now_ns));
    if (rc < 0) {
        log->durable = durable;
        return rc;
    }
    log->last = from - 1;
    return 0;
}

/* --- vote --- */

int raftlog_save_vote(struct raftlog *log, uint64_t term, uint64_t vote)
{
    assert(term >= log->meta.term);
    int rc = raftlog_begin(log);
    if (rc < 0) {
        return rc;
    }
    rc = raftlog_set_meta(log, "term", term);
    if (rc == 0) {
        rc = raftlog_set_meta(log, "vote", vote);
    }
    bool joins = vote != 0 && log->meta.standing == LOG_NEW;
    if (rc == 0 && joins) {
        rc = raftlog_set_meta(log, "standing", LOG_MEMBER);
    }
    rc = commit_with_mark(log, rc);
    if (rc == 0) {
        log->meta.term = term;
        log->meta.vote = vote;
        log->meta.standing = joins ? LOG_MEMBER : log->meta.standing;
    }
    return rc;
}

int raftlog_save_standing(struct raftlog *log, enum log_standing standing)
{
    int rc = raftlog_begin(log);
    if (rc < 0) {
        return rc;
    }
    rc = commit_with_mark(log, raftlog_set_meta(log, "standing", standing));
    if (rc == 0) {
        log->meta.standing = standing;
    }
    return rc;
}

/* --- the logs of other nodes --- */

static const char *peer_key(uint64_t node, char key[32])
{
    snprintf(key, 32, "peer:%016" PRIx64, node);
    return key;
}

int raftlog_get_peer(struct raftlog *log, uint64_t node, uint64_t *disk)
{
    char key[32];
    sqlite3_stmt *statement = log->sql[SQL_META_GET];
    sqlite3_bind_text(statement, 1, peer_key(node, key), -1, SQLITE_STATIC);
    int rc = db_row(&log->db, statement, "read a peer");
    if (rc == 1) {
        *disk = (uint64_t)sqlite3_column_int64(statement, 0);
    }
    sqlite3_reset(statement);
    return rc == 1 ? 0 : rc < 0 ? rc : store_fail(STORE_NOT_FOUND, "no peer");
}

int raftlog_save_peer(struct raftlog *log, uint64_t node, uint64_t disk)
{
    char key[32];
    int rc = raftlog_begin(log);
    if (rc < 0) {
        return rc;
    }
    sqlite3_stmt *statement = log->sql[SQL_META_PUT];
    sqlite3_bind_text(statement, 1, peer_key(node, key), -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)disk);
    return commit_with_mark(log, db_run(&log->db, statement, "write a peer"));
}

/* --- compact and reset --- */

static int get_term(struct raftlog *log, uint64_t index, uint64_t *term,
                    uint64_t *chain)
{
    sqlite3_stmt *statement = log->sql[SQL_TERM];
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)index);
    int rc = db_row(&log->db, statement, "read a term");
    if (rc == 0) {
        return store_fail(STORE_CORRUPT, "%s: record %" PRIu64 " is missing",
                          log->db.path, index);
    }
    if (rc < 0) {
        return rc;
    }
    *term = (uint64_t)sqlite3_column_int64(statement, 0);
    *chain = (uint64_t)sqlite3_column_int64(statement, 1);
    sqlite3_reset(statement);
    return 0;
}

/* A leader makes its next record of it: all others would stop at a damaged one. */
int raftlog_chain(struct raftlog *log, uint64_t index, uint64_t *chain)
{
    struct log_row row;
    if (index == log->meta.base_index) {
        *chain = log->meta.base_chain;
        return 0;
    }
    int rc = raftlog_read(log, index, &row);
    if (rc == 0) {
        *chain = row.chain;
    }
    return rc;
}

static int set_base(struct raftlog *log, uint64_t index, uint64_t term,
                    uint64_t chain)
{
    int rc = raftlog_set_meta(log, "base_index", index);
    if (rc == 0) {
        rc = raftlog_set_meta(log, "base_term", term);
    }
    return rc < 0 ? rc : raftlog_set_meta(log, "base_chain", chain);
}

static int move_base(struct raftlog *log, uint64_t to, uint64_t *term,
                     uint64_t *chain)
{
    uint64_t first = log->meta.base_index + 1;
    int rc = get_term(log, to, term, chain);
    if (rc == 0) {
        rc = drop_places(log, first, to);
    }
    if (rc == 0) {
        rc = delete_rows(log, first, to);
    }
    return rc < 0 ? rc : set_base(log, to, *term, *chain);
}

int raftlog_compact(struct raftlog *log, uint64_t upto, uint32_t most)
{
    assert(upto <= log->last);
    assert(most > 0);
    if (upto <= log->meta.base_index) {
        return 0;
    }
    uint64_t to = upto;
    if (to - log->meta.base_index > most) {
        to = log->meta.base_index + most;
    }
    int rc = raftlog_begin(log);
    if (rc < 0) {
        return rc;
    }
    uint64_t term = 0, chain = 0;
    rc = commit_with_mark(log, move_base(log, to, &term, &chain));
    if (rc < 0) {
        return rc;
    }
    log->meta.base_index = to;
    log->meta.base_term = term;
    log->meta.base_chain = chain;
    return to < upto ? 1 : 0;
}

/* All rows go. */
static int begin_anew(struct raftlog *log, uint64_t index, uint64_t term,
                      uint64_t chain, uint64_t doubtful, uint64_t now_ns)
{
    uint64_t first = log->meta.base_index + 1;
    uint64_t keep = doubtful > first ? doubtful : first;
    int rc = 0;
    if (keep > first && first <= log->last) {
        uint64_t to = keep - 1 < log->last ? keep - 1 : log->last;
        rc = drop_places(log, first, to);
        if (rc == 0) {
            rc = delete_rows(log, first, to);
        }
    }
    if (rc == 0 && keep <= log->last) {
        rc = move_rows(log, keep, now_ns);
    }
    return rc < 0 ? rc : set_base(log, index, term, chain);
}

static int sync_reset(struct raftlog *log)
{
    int fd = raftlog_wal_fd(log);
    if (fd < 0) {
        return STORE_IO;
    }
    return store_io.fdatasync(fd) < 0
               ? store_fail_errno(errno, "%s: cannot sync", log->db.path)
               : 0;
}

int raftlog_reset(struct raftlog *log, uint64_t index, uint64_t term,
                  uint64_t chain, uint64_t doubtful, uint64_t now_ns)
{
    uint64_t have = 0, have_chain = 0;
    assert(index > log->meta.base_index);
    int rc = index <= log->last ? get_term(log, index, &have, &have_chain)
                                 : 0;
    bool stays = have == term;
    if (rc == 0) {
        rc = raftlog_begin(log);
    }
    if (rc < 0) {
        return rc;
    }
    uint64_t durable = log->durable;
    if (!stays || log->durable < index) {
        log->durable = index;
    }
    rc = commit_with_mark(log, stays
                                   ? move_base(log, index, &have, &have_chain)
                                   : begin_anew(log, index, term, chain,
                                                doubtful, now_ns));
    if (rc < 0) {
        log->durable = durable;
        return rc;
    }
    log->meta.base_index = index;
    log->meta.base_term = term;
    log->meta.base_chain = stays ? have_chain : chain;
    if (!stays) {
        log->last = index;
    }
    rc = sync_reset(log);
    return rc < 0 ? rc : stays;
}

void raftlog_durable(struct raftlog *log, uint64_t index)
{
    assert(index <= log->last);
    if (index > log->durable) {
        log->durable = index;
    }
}

uint64_t raftlog_last(const struct raftlog *log)
{
    return log->last;
}

int raftlog_wal_fd(struct raftlog *log)
{
    return db_wal_fd(&log->db);
}

int raftlog_extend(struct raftlog *log, uint64_t size)
{
    return db_extend_wal(&log->db, size);
}
