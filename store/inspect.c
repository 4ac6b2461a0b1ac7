#include "store/inspect.h"

#include "store/raftlog_int.h"

static int read_last(struct db *db, struct inspect_log *out)
{
    sqlite3_stmt *last;
    int rc = db_prepare(
        db, "SELECT idx, term FROM records ORDER BY idx DESC LIMIT 1", &last);
    if (rc < 0) {
        return rc;
    }
    rc = db_row(db, last, "find the last record");
    if (rc == 1) {
        out->last = (uint64_t)sqlite3_column_int64(last, 0);
        out->last_term = (uint64_t)sqlite3_column_int64(last, 1);
    }
    sqlite3_finalize(last);
    return rc < 0 ? rc : 0;
}

int inspect_log(const char *path, struct inspect_log *out)
{
    struct db db = {.wal_fd = -1};
    struct raftlog_meta meta;
    int rc = db_open(path, DB_READ_ONLY, &db);
    if (rc == 0) {
        rc = raftlog_load_meta(&db, &meta);
    }
    if (rc == 0) {
        *out = (struct inspect_log){
            .cluster_id = meta.cluster_id,
            .node = meta.node,
            .term = meta.term,
            .vote = meta.vote,
            .last = meta.base_index,
            .last_term = meta.base_term,
        };
        rc = read_last(&db, out);
    }
    db_close(&db);
    return rc;
}

int inspect_results_open(const char *path, struct inspect_results *out)
{
    *out = (struct inspect_results){.db = {.wal_fd = -1}};
    int rc = db_open(path, DB_READ_ONLY, &out->db);
    if (rc == 0) {
        rc = db_prepare(&out->db, "SELECT applied FROM meta WHERE id=1",
                        &out->applied);
    }
    if (rc == 0) {
        rc = db_prepare(&out->db, "SELECT error FROM results WHERE idx=?1",
                        &out->result);
    }
    if (rc < 0) {
        inspect_results_close(out);
    }
    return rc;
}

void inspect_results_close(struct inspect_results *results)
{
    sqlite3_finalize(results->applied);
    sqlite3_finalize(results->result);
    db_close(&results->db);
    *results = (struct inspect_results){.db = {.wal_fd = -1}};
}

int inspect_results_applied(struct inspect_results *results, uint64_t *index)
{
    int rc = db_row(&results->db, results->applied, "read the applied index");
    *index = 0;
    if (rc == 1) {
        *index = (uint64_t)sqlite3_column_int64(results->applied, 0);
        sqlite3_reset(results->applied);
    }
    return rc < 0 ? rc : 0;
}

int inspect_results_get(struct inspect_results *results, uint64_t index,
                        int32_t *error)
{
    sqlite3_bind_int64(results->result, 1, (sqlite3_int64)index);
    int rc = db_row(&results->db, results->result, "read a result");
    *error = 0;
    if (rc == 1) {
        *error = sqlite3_column_int(results->result, 0);
        sqlite3_reset(results->result);
    }
    return rc < 0 ? rc : 0;
}
