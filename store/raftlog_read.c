#include "store/raftlog_int.h"

#include "store/error.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The checksum covers all columns: the numbers seed the hash of the bytes. */
uint64_t raftlog_row_hash(const struct log_row *row)
{
    const uint64_t numbers[7] = {
        row->index,         row->term,           row->size,
        row->place.segment, row->place.position, row->payload_size,
        row->chain,
    };
    uint8_t raw[sizeof(numbers)];
    for (size_t i = 0; i < sizeof(raw); i++) {
        raw[i] = (uint8_t)(numbers[i / 8] >> (i % 8 * 8));
    }
    uint64_t seed = store_hash64((struct view){raw, sizeof(raw)}, 0);
    return store_hash64(row->bytes, seed);
}

static uint64_t column(sqlite3_stmt *statement, int i)
{
    return (uint64_t)sqlite3_column_int64(statement, i);
}

int raftlog_take_row(struct db *db, sqlite3_stmt *statement,
                     struct blob *buffer, struct log_row *row)
{
    *row = (struct log_row){
        .index = column(statement, 0),
        .term = column(statement, 1),
        .size = (uint32_t)column(statement, 2),
        .place = {.segment = column(statement, 4),
                  .position = column(statement, 5)},
        .payload_size = (uint32_t)column(statement, 6),
        .chain = column(statement, 8),
    };
    uint64_t hash = column(statement, 3);
    const void *bytes = sqlite3_column_blob(statement, 7);
    size_t size = (size_t)sqlite3_column_bytes(statement, 7);
    blob_resize(buffer, size);
    if (size > 0) {
        memcpy(buffer->data, bytes, size);
    }
    row->bytes = (struct view){buffer->data, size};
    if (raftlog_row_hash(row) != hash) {
        return store_fail(STORE_CORRUPT, "%s: checksum of record %" PRIu64,
                          db->path, row->index);
    }
    return 0;
}

int raftlog_read(struct raftlog *log, uint64_t index, struct log_row *row)
{
    if (index <= log->meta.base_index || index > log->last) {
        return store_fail(STORE_NOT_FOUND, "%s: no record %" PRIu64,
                          log->db.path, index);
    }
    sqlite3_stmt *statement = log->sql[SQL_READ];
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)index);
    int rc = db_row(&log->db, statement, "read a record");
    if (rc == 0) {
        return store_fail(STORE_CORRUPT, "%s: record %" PRIu64 " is missing",
                          log->db.path, index);
    }
    if (rc < 0) {
        return rc;
    }
    rc = raftlog_take_row(&log->db, statement, &log->row, row);
    sqlite3_reset(statement);
    return rc;
}

/* --- the reader of another process --- */

struct raftlog_reader {
    struct db db;
    sqlite3_stmt *next, *first; /* owned */
    struct blob row;
};

static int prepare_reader(struct raftlog_reader *reader)
{
    struct raftlog_meta meta;
    int rc = raftlog_load_meta(&reader->db, &meta);
    if (rc < 0) {
        return rc;
    }
    rc = db_prepare(&reader->db,
                    "SELECT " RAFTLOG_COLUMNS
                    " FROM records WHERE idx>=?1 ORDER BY idx LIMIT 1",
                    &reader->next);
    return rc < 0 ? rc
                  : db_prepare(&reader->db, "SELECT min(idx) FROM records",
                               &reader->first);
}

int raftlog_reader_open(const char *path, struct raftlog_reader **out)
{
    struct raftlog_reader *reader = calloc(1, sizeof(*reader));
    assert(reader != NULL);
    int rc = db_open(path, DB_READ_ONLY, &reader->db);
    if (rc == 0) {
        rc = prepare_reader(reader);
    }
    if (rc < 0) {
        raftlog_reader_close(reader);
        return rc;
    }
    *out = reader;
    return 0;
}

void raftlog_reader_close(struct raftlog_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    sqlite3_finalize(reader->next);
    sqlite3_finalize(reader->first);
    db_close(&reader->db);
    blob_release(&reader->row);
    free(reader);
}

int raftlog_reader_next(struct raftlog_reader *reader, uint64_t from,
                        struct log_row *row)
{
    sqlite3_bind_int64(reader->next, 1, (sqlite3_int64)from);
    int rc = db_row(&reader->db, reader->next, "read a record");
    if (rc != 1) {
        return rc;
    }
    rc = raftlog_take_row(&reader->db, reader->next, &reader->row, row);
    sqlite3_reset(reader->next);
    return rc < 0 ? rc : 1;
}

uint64_t raftlog_reader_first(struct raftlog_reader *reader)
{
    if (db_row(&reader->db, reader->first, "find the first record") != 1) {
        return 0;
    }
    uint64_t first = column(reader->first, 0); /* NULL, so 0, when empty */
    sqlite3_reset(reader->first);
    return first;
}
