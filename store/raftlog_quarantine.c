/* raftlog_quarantine.c -- superseded records, for people to look at. They come
 * here in the transaction that truncates (raftlog.c). */
#include "store/raftlog_int.h"

#include <string.h>

static int take(struct raftlog *log, sqlite3_stmt *statement,
                struct quarantined_row *out)
{
    const void *bytes = sqlite3_column_blob(statement, 6);
    int size = sqlite3_column_bytes(statement, 6);
    blob_resize(&log->row, (size_t)size);
    if (size > 0) {
        memcpy(log->row.data, bytes, (size_t)size);
    }
    *out = (struct quarantined_row){
        .id = (uint64_t)sqlite3_column_int64(statement, 0),
        .row.index = (uint64_t)sqlite3_column_int64(statement, 1),
        .row.term = (uint64_t)sqlite3_column_int64(statement, 2),
        .row.place.segment = (uint64_t)sqlite3_column_int64(statement, 3),
        .row.place.position = (uint64_t)sqlite3_column_int64(statement, 4),
        .row.payload_size = (uint32_t)sqlite3_column_int64(statement, 5),
        .row.bytes = {.data = log->row.data, .size = (size_t)size},
        .row.size = (uint32_t)size +
                    (uint32_t)sqlite3_column_int64(statement, 5),
        .cut_ns = (uint64_t)sqlite3_column_int64(statement, 7),
    };
    return 1;
}

int raftlog_quarantine_next(struct raftlog *log, uint64_t after,
                            struct quarantined_row *out)
{
    sqlite3_stmt *statement = log->sql[SQL_QUARANTINE_NEXT];
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)after);
    int rc = db_row(&log->db, statement, "read the quarantine");
    if (rc == 1) {
        rc = take(log, statement, out);
        sqlite3_reset(statement);
    }
    return rc;
}

static int drop_one(struct raftlog *log, uint64_t id)
{
    sqlite3_stmt *place = log->sql[SQL_QUARANTINE_PLACE];
    sqlite3_stmt *remove = log->sql[SQL_QUARANTINE_DROP];
    sqlite3_bind_int64(place, 1, (sqlite3_int64)id);
    sqlite3_bind_int64(remove, 1, (sqlite3_int64)id);
    int rc = place_uses_collect(&log->dropped, &log->db, place,
                                "find a place in quarantine");
    return rc < 0 ? rc : db_run(&log->db, remove, "take out of quarantine");
}

int raftlog_quarantine_drop(struct raftlog *log, const uint64_t *ids,
                            size_t count)
{
    int rc = raftlog_begin(log);
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = drop_one(log, ids[i]);
    }
    return raftlog_commit(log, rc);
}

uint64_t raftlog_quarantine_lost(const struct raftlog *log)
{
    return log->quarantine_lost;
}
