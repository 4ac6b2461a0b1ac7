#include "tests/unit/store/log_world.h"
#include "tests/unit/store/testing.h"

#include "store/error.h"
#include "store/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct log_world world; /* of the test that runs */

static int setup(void **state)
{
    if (scratch_setup(state) != 0) {
        return -1;
    }
    log_world_init(&world, scratch_path(state, "node"));
    return log_world_create(&world) < 0 || log_world_open(&world) < 0;
}

static int teardown(void **state)
{
    log_world_close(&world);
    return scratch_teardown(state);
}

static void reopen(void)
{
    log_world_close(&world);
    assert_ok(log_world_open(&world));
    log_world_assert_whole(&world);
}

/* SQL from outside, as a damaged disk or an old version would have it. */
static void alter(const char *sql)
{
    struct db db;
    assert_ok(db_open(world.path, DB_READ_WRITE, &db));
    assert_ok(db_exec(&db, sql));
    db_close(&db);
}

static int64_t ask(const char *sql)
{
    struct db db;
    sqlite3_stmt *statement;
    assert_ok(db_open(world.path, DB_READ_ONLY, &db));
    assert_ok(db_prepare(&db, sql, &statement));
    assert_int_equal(db_row(&db, statement, sql), 1);
    int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    db_close(&db);
    return value;
}

struct uses {
    uint64_t segments, bytes;
};

static void count_use(void *arg, uint64_t segment, uint64_t bytes)
{
    struct uses *uses = arg;
    assert_int_not_equal(segment, 0);
    uses->segments++;
    uses->bytes += bytes;
}

static uint64_t payloads_used(void)
{
    struct uses uses = {0};
    assert_ok(raftlog_places(world.log, count_use, &uses));
    assert_int_equal(uses.bytes % LOG_WORLD_PAYLOAD, 0);
    return uses.bytes / LOG_WORLD_PAYLOAD;
}

static uint64_t chain_of(uint64_t index)
{
    uint64_t chain = 0;
    assert_ok(raftlog_chain(world.log, index, &chain));
    return chain;
}

/* --- tests --- */

static void new_log_is_empty(void **state)
{
    (void)state;
    struct log_row row;
    assert_int_equal(world.head.count, 0);
    assert_int_equal(world.head.base_index, 0);
    assert_int_equal(world.head.term, 0);
    assert_int_equal(world.head.vote, 0);
    assert_int_equal(raftlog_last(world.log), 0);
    assert_int_equal(raftlog_read(world.log, 1, &row), STORE_NOT_FOUND);
    log_world_assert_whole(&world);
}

static void create_refuses_an_existing_log(void **state)
{
    (void)state;
    assert_int_equal(log_world_create(&world), STORE_LOCKED);
    log_world_close(&world);
    assert_int_equal(log_world_create(&world), STORE_EXISTS);
    assert_ok(log_world_open(&world));
}

static void open_of_nothing_is_not_found_and_makes_nothing(void **state)
{
    struct raftlog *log;
    struct log_head head;
    const char *path = scratch_path(state, "other.db");
    assert_int_equal(raftlog_open(path, NULL, &log, &head), STORE_NOT_FOUND);
    assert_int_equal(access(path, F_OK), -1);
}

static void rows_survive_a_restart(void **state)
{
    (void)state;
    assert_ok(log_world_append(&world, 1, 10));
    assert_ok(log_world_append(&world, 2, 1));
    log_world_assert_row(&world, 3, 1);
    reopen();
    assert_int_equal(world.head.count, 11);
    assert_int_equal(world.head.terms[9], 1);
    assert_int_equal(world.head.terms[10], 2);
    assert_ok(log_world_append(&world, 2, 5));
    reopen();
    assert_int_equal(world.head.count, 16);
}

static void vote_survives_a_restart(void **state)
{
    (void)state;
    uint64_t node = 0xfedcba9876543210u;
    assert_ok(raftlog_save_vote(world.log, 7, node));
    reopen();
    assert_int_equal(world.head.term, 7);
    assert_true(world.head.vote == node);
    assert_ok(raftlog_save_vote(world.log, 8, 0));
    reopen();
    assert_int_equal(world.head.term, 8);
    assert_int_equal(world.head.vote, 0);
}

static void truncated_rows_go_to_quarantine(void **state)
{
    (void)state;
    struct log_row row;
    assert_ok(log_world_append(&world, 1, 10));
    assert_ok(raftlog_truncate(world.log, 8, 12345));
    assert_int_equal(raftlog_last(world.log), 7);
    assert_int_equal(raftlog_read(world.log, 8, &row), STORE_NOT_FOUND);
    assert_int_equal(ask("SELECT count(*) FROM quarantine"), 3);
    assert_int_equal(ask("SELECT min(cut_ns) FROM quarantine"), 12345);
    assert_int_equal(ask("SELECT sum(idx) FROM quarantine"), 8 + 9 + 10);
    assert_int_equal(ask("SELECT CAST(bytes AS TEXT)='record 9 of term 1' "
                         "FROM quarantine WHERE idx=9"),
                     1);
    assert_int_equal(payloads_used(), 3);
    assert_ok(log_world_append(&world, 2, 3));
    reopen();
    assert_int_equal(world.head.terms[7], 2);
    assert_int_equal(payloads_used(), 4);
}

static void truncate_behind_the_end_does_nothing(void **state)
{
    (void)state;
    assert_ok(log_world_append(&world, 1, 3));
    assert_ok(raftlog_truncate(world.log, 4, 1));
    assert_int_equal(raftlog_last(world.log), 3);
}

static void quarantine_keeps_the_newest_thousand(void **state)
{
    (void)state;
    assert_ok(log_world_append(&world, 1, 600));
    assert_ok(raftlog_truncate(world.log, 1, 1));
    assert_int_equal(payloads_used(), 200);
    assert_ok(log_world_append(&world, 2, 600));
    assert_ok(raftlog_truncate(world.log, 1, 2));
    assert_int_equal(ask("SELECT count(*) FROM quarantine"), 1000);
    assert_int_equal(ask("SELECT min(idx) FROM quarantine WHERE term=1"), 201);
    assert_int_equal(payloads_used(),
                     ask("SELECT count(*) FROM quarantine WHERE segment<>0"));
    assert_ok(log_world_append(&world, 3, 1500));
    assert_ok(raftlog_truncate(world.log, 1, 3));
    assert_int_equal(ask("SELECT count(*) FROM quarantine"), 1000);
    assert_int_equal(ask("SELECT min(idx) FROM quarantine"), 501);
    assert_int_equal(raftlog_quarantine_lost(world.log), 200 + 500 + 1000);
    assert_int_equal(payloads_used(),
                     ask("SELECT count(*) FROM quarantine WHERE segment<>0"));
    reopen();
    assert_int_equal(payloads_used(),
                     ask("SELECT count(*) FROM quarantine WHERE segment<>0"));
}

static void quarantine_is_read_and_emptied(void **state)
{
    (void)state;
    struct quarantined_row row;
    uint64_t ids[3], after = 0;
    assert_ok(log_world_append(&world, 1, 10));
    assert_ok(raftlog_truncate(world.log, 8, 12345));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(raftlog_quarantine_next(world.log, after, &row), 1);
        assert_int_equal(row.row.index, 8 + i);
        assert_int_equal(row.row.term, 1);
        assert_int_equal(row.cut_ns, 12345);
        assert_memory_equal(row.row.bytes.data, "record ", 7);
        after = ids[i] = row.id;
    }
    assert_int_equal(raftlog_quarantine_next(world.log, after, &row), 0);
    assert_ok(raftlog_quarantine_drop(world.log, ids, 2));
    assert_int_equal(ask("SELECT count(*) FROM quarantine"), 1);
    assert_int_equal(raftlog_quarantine_next(world.log, 0, &row), 1);
    assert_int_equal(row.row.index, 10);
    assert_ok(raftlog_quarantine_drop(world.log, ids, 3));
    assert_ok(raftlog_quarantine_drop(world.log, ids, 3));
    assert_int_equal(raftlog_quarantine_next(world.log, 0, &row), 0);
    uint64_t used = payloads_used();
    reopen(); /* what was counted is what is there */
    assert_int_equal(payloads_used(), used);
    /* An id is never given again. */
    assert_ok(log_world_append(&world, 2, 1));
    assert_ok(raftlog_truncate(world.log, 8, 5));
    assert_int_equal(raftlog_quarantine_next(world.log, 0, &row), 1);
    assert_true(row.id > ids[2]);
    assert_int_equal(raftlog_quarantine_lost(world.log), 0);
}

static void compacting_deletes_in_steps(void **state)
{
    (void)state;
    struct log_row row;
    assert_ok(log_world_append(&world, 1, 5));
    assert_ok(log_world_append(&world, 2, 15));
    assert_int_equal(raftlog_compact(world.log, 12, 10), 1);
    assert_int_equal(raftlog_compact(world.log, 12, 10), 0);
    assert_int_equal(raftlog_compact(world.log, 12, 10), 0);
    assert_int_equal(raftlog_read(world.log, 12, &row), STORE_NOT_FOUND);
    log_world_assert_row(&world, 13, 2);
    assert_int_equal(payloads_used(), 2);
    reopen();
    assert_int_equal(world.head.base_index, 12);
    assert_int_equal(world.head.base_term, 2);
    uint64_t chain;
    assert_int_equal(raftlog_chain(world.log, 11, &chain), STORE_NOT_FOUND);
    assert_int_equal(chain_of(12), log_world_chain(12, 2));
    assert_int_equal(chain_of(13), log_world_chain(13, 2));
    assert_int_equal(raftlog_chain(world.log, 21, &chain), STORE_NOT_FOUND);
    assert_int_equal(world.head.count, 8);
    assert_int_equal(payloads_used(), 2);
}

static void compacting_everything_leaves_the_base(void **state)
{
    (void)state;
    assert_ok(log_world_append(&world, 3, 5));
    assert_int_equal(raftlog_compact(world.log, 5, 1000), 0);
    reopen();
    assert_int_equal(world.head.base_index, 5);
    assert_int_equal(world.head.base_term, 3);
    assert_int_equal(raftlog_last(world.log), 5);
    assert_ok(log_world_append(&world, 3, 1));
    log_world_assert_row(&world, 6, 3);
}

static void second_opening_is_refused_and_names_the_process(void **state)
{
    (void)state;
    struct raftlog *log;
    struct log_head head;
    char pid[32];
    assert_int_equal(raftlog_open(world.path, NULL, &log, &head), STORE_LOCKED);
    snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
    assert_non_null(strstr(store_error_text(), pid));
}

static void lock_dies_with_its_process(void **state)
{
    (void)state;
    log_world_close(&world);
    pid_t child = fork();
    if (child == 0) {
        int rc = log_world_open(&world);
        _exit(rc == 0 && log_world_append(&world, 1, 4) == 0 ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_ok(log_world_open(&world));
    assert_int_equal(world.head.count, 4);
    log_world_assert_whole(&world);
}

static void other_version_is_refused(void **state)
{
    (void)state;
    log_world_close(&world);
    alter("UPDATE meta SET value=99 WHERE key='version'");
    assert_int_equal(log_world_open(&world), STORE_VERSION);
    struct raftlog_reader *reader;
    assert_int_equal(raftlog_reader_open(world.path, &reader), STORE_VERSION);
}

static void chain_of_a_changed_row_is_not_told(void **state)
{
    (void)state;
    uint64_t chain;
    assert_ok(log_world_append(&world, 1, 9));
    alter("UPDATE records SET chain=chain+1 WHERE idx=9");
    assert_int_equal(raftlog_chain(world.log, 9, &chain), STORE_CORRUPT);
    assert_int_equal(chain_of(8), log_world_chain(8, 1));
}

static void gap_is_corrupt(void **state)
{
    (void)state;
    assert_ok(log_world_append(&world, 1, 9));
    log_world_close(&world);
    alter("DELETE FROM records WHERE idx=5");
    assert_int_equal(log_world_open(&world), STORE_CORRUPT);
}

static void term_that_falls_is_corrupt(void **state)
{
    (void)state;
    assert_ok(log_world_append(&world, 5, 9));
    log_world_close(&world);
    alter("UPDATE records SET term=4 WHERE idx=5");
    assert_int_equal(log_world_open(&world), STORE_CORRUPT);
}

static void changed_row_is_corrupt(void **state)
{
    (void)state;
    struct log_row row;
    assert_ok(log_world_append(&world, 1, 9));
    alter("UPDATE records SET position=position+8 WHERE idx=6");
    assert_int_equal(raftlog_read(world.log, 6, &row), STORE_CORRUPT);
    log_world_assert_row(&world, 5, 1);
    log_world_close(&world);
    assert_int_equal(log_world_open(&world), STORE_CORRUPT);
}

/* Overwrites a byte of the payload of a row. */
static void tear_payload(uint64_t index)
{
    struct log_row row;
    char path[600];
    assert_ok(raftlog_read(world.log, index, &row));
    snprintf(path, sizeof(path), "%s/%016x.seg", world.segments_path,
             (unsigned)row.place.segment);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    uint8_t byte = 0;
    off_t at = (off_t)row.place.position + LOG_WORLD_PAYLOAD - 1;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void torn_payload_above_the_mark_is_cut_with_all_after(void **state)
{
    (void)state;
    assert_ok(log_world_append(&world, 1, 4));
    assert_ok(log_world_sync(&world));
    assert_ok(log_world_append(&world, 1, 10)); /* also saves the mark, 4 */
    tear_payload(9);
    log_world_close(&world);
    assert_ok(log_world_open(&world));
    assert_int_equal(raftlog_last(world.log), 8);
    assert_int_equal(world.head.count, 8);
    assert_int_equal(world.head.durable_mark, 8);
    assert_int_equal(payloads_used(), 2);
    log_world_assert_whole(&world);
    assert_ok(log_world_append(&world, 2, 4));
    reopen();
}

static void missing_segment_above_the_mark_is_cut(void **state)
{
    (void)state;
    char path[600];
    assert_ok(log_world_append(&world, 1, 10));
    log_world_close(&world);
    snprintf(path, sizeof(path), "%s/%016x.seg", world.segments_path, 1u);
    assert_int_equal(unlink(path), 0);
    reopen();
    assert_int_equal(raftlog_last(world.log), 2);
}

static void torn_payload_below_the_mark_is_found_when_read(void **state)
{
    (void)state;
    struct log_row row;
    uint8_t payload[LOG_WORLD_PAYLOAD];
    assert_ok(log_world_append(&world, 1, 10));
    assert_ok(log_world_sync(&world));
    tear_payload(9);
    log_world_close(&world); /* saves the mark */
    assert_ok(log_world_open(&world));
    assert_int_equal(raftlog_last(world.log), 10);
    assert_ok(raftlog_read(world.log, 9, &row));
    assert_int_equal(segments_read_checked(world.segments, row.place, payload,
                                           row.payload_size),
                     STORE_CORRUPT);
}

static void log_that_ends_before_its_mark_is_corrupt(void **state)
{
    (void)state;
    assert_ok(log_world_append(&world, 1, 10));
    assert_ok(log_world_sync(&world));
    log_world_close(&world);
    alter("DELETE FROM records WHERE idx=10");
    assert_int_equal(log_world_open(&world), STORE_CORRUPT);
}

static void truncating_lowers_the_mark(void **state)
{
    (void)state;
    assert_ok(log_world_append(&world, 1, 10));
    assert_ok(log_world_sync(&world));
    assert_ok(raftlog_truncate(world.log, 6, 1));
    assert_int_equal(ask("SELECT value FROM meta WHERE key='durable'"), 5);
    reopen();
    assert_int_equal(world.head.count, 5);
}

static void reset_keeps_what_follows_the_same_record(void **state)
{
    (void)state;
    assert_ok(log_world_append(&world, 1, 4));
    assert_ok(log_world_append(&world, 2, 6));
    assert_int_equal(raftlog_reset(world.log, 7, 2, 4711, 1, 1), 1);
    assert_int_equal(raftlog_last(world.log), 10);
    assert_int_equal(ask("SELECT count(*) FROM quarantine"), 0);
    reopen();
    assert_int_equal(world.head.base_index, 7);
    assert_int_equal(world.head.base_term, 2);
    assert_int_equal(chain_of(7), log_world_chain(7, 2));
    assert_int_equal(world.head.count, 3);
    assert_ok(log_world_append(&world, 2, 1));
}

static void reset_drops_what_follows_another_record(void **state)
{
    (void)state;
    assert_ok(log_world_append(&world, 1, 4));
    assert_ok(log_world_append(&world, 2, 6));
    assert_int_equal(raftlog_reset(world.log, 7, 3, 4711, 9, 1), 0);
    assert_int_equal(raftlog_last(world.log), 7);
    /* Those that were not known to be committed can be looked at. */
    assert_int_equal(ask("SELECT min(idx) FROM quarantine"), 9);
    assert_int_equal(ask("SELECT count(*) FROM quarantine"), 2);
    reopen();
    assert_int_equal(world.head.base_index, 7);
    assert_int_equal(world.head.base_term, 3);
    assert_int_equal(chain_of(7), 4711);
    assert_int_equal(world.head.count, 0);
    assert_ok(log_world_append(&world, 3, 2));
    reopen();
    assert_int_equal(raftlog_last(world.log), 9);
}

static void reset_goes_beyond_the_end(void **state)
{
    (void)state;
    assert_ok(log_world_append(&world, 1, 10));
    assert_int_equal(raftlog_reset(world.log, 500, 4, 4711, 11, 1), 0);
    assert_int_equal(payloads_used(), 0);
    reopen();
    assert_int_equal(world.head.base_index, 500);
    assert_int_equal(raftlog_last(world.log), 500);
    assert_ok(log_world_append(&world, 4, 3));
    assert_ok(log_world_sync(&world));
    reopen();
    assert_int_equal(world.head.count, 3);
}

static void mark_is_saved_with_the_next_write(void **state)
{
    (void)state;
    assert_ok(log_world_append(&world, 1, 4));
    assert_ok(log_world_sync(&world));
    assert_int_equal(ask("SELECT value FROM meta WHERE key='durable'"), 0);
    assert_ok(log_world_append(&world, 1, 1));
    assert_int_equal(ask("SELECT durable FROM records WHERE idx=5"), 4);
    assert_ok(raftlog_save_vote(world.log, 2, 1));
    assert_int_equal(ask("SELECT value FROM meta WHERE key='durable'"), 4);
}

static void inspection_cuts_nothing(void **state)
{
    (void)state;
    struct raftlog *log;
    struct log_head head;
    assert_ok(log_world_append(&world, 1, 10));
    tear_payload(9);
    log_world_close(&world);
    assert_ok(raftlog_open(world.path, NULL, &log, &head));
    assert_int_equal(head.count, 10);
    free(head.terms);
    free(head.sizes);
    raftlog_close(log);
    assert_int_equal(ask("SELECT count(*) FROM records"), 10);
}

static void reader_follows_a_running_node(void **state)
{
    (void)state;
    struct raftlog_reader *reader;
    struct log_row row;
    assert_ok(raftlog_reader_open(world.path, &reader));
    assert_int_equal(raftlog_reader_first(reader), 0);
    assert_int_equal(raftlog_reader_next(reader, 1, &row), 0);
    assert_ok(log_world_append(&world, 1, 3));
    assert_int_equal(raftlog_reader_next(reader, 1, &row), 1);
    assert_int_equal(row.index, 1);
    assert_memory_equal(row.bytes.data, "record 1 of term 1", row.bytes.size);
    assert_int_equal(raftlog_reader_next(reader, 4, &row), 0);
    assert_ok(log_world_append(&world, 2, 3));
    assert_int_equal(raftlog_compact(world.log, 2, 10), 0);
    assert_int_equal(raftlog_reader_first(reader), 3);
    assert_int_equal(raftlog_reader_next(reader, 1, &row), 1);
    assert_int_equal(row.index, 3);
    assert_int_equal(row.payload_size, LOG_WORLD_PAYLOAD);
    alter("UPDATE records SET term=9 WHERE idx=4");
    assert_int_equal(raftlog_reader_next(reader, 4, &row), STORE_CORRUPT);
    raftlog_reader_close(reader);
}

static void large_rows_are_kept_whole(void **state)
{
    (void)state;
    size_t size = 2 * 1024 * 1024;
    char *bytes = malloc(size);
    struct log_row row = {.index = 1, .term = 1, .size = (uint32_t)size};
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (char)(i * 7 / 5);
    }
    row.bytes = (struct view){bytes, size};
    assert_ok(raftlog_append(world.log, &row, 1));
    log_world_close(&world);
    assert_ok(log_world_open(&world));
    assert_ok(raftlog_read(world.log, 1, &row));
    assert_int_equal(row.bytes.size, size);
    assert_memory_equal(row.bytes.data, bytes, size);
    free(bytes);
}

static void an_extended_wal_keeps_what_is_in_it(void **state)
{
    (void)state;
    struct stat st;
    assert_ok(log_world_append(&world, 1, 100));
    assert_ok(raftlog_extend(world.log, 4 * 1024 * 1024));
    assert_int_equal(fstat(raftlog_wal_fd(world.log), &st), 0);
    assert_int_equal(st.st_size, 4 * 1024 * 1024);
    assert_ok(log_world_append(&world, 1, 100));
    log_world_close(&world);
    assert_ok(log_world_open(&world));
    assert_int_equal(world.head.count, 200);
    log_world_assert_whole(&world);
    assert_ok(raftlog_extend(world.log, 4 * 1024 * 1024)); /* it is already */
    assert_ok(log_world_append(&world, 1, 10));
    log_world_assert_row(&world, 210, 1);
}

static void wal_fd_holds_what_was_appended(void **state)
{
    (void)state;
    struct stat before, after;
    int fd = raftlog_wal_fd(world.log);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &before), 0);
    assert_ok(log_world_append(&world, 1, 1000));
    assert_int_equal(fstat(fd, &after), 0);
    assert_true(after.st_size > before.st_size);
    assert_int_equal(raftlog_wal_fd(world.log), fd);
}

/* --- what an earlier process has written --- */

static struct store_io real_io;
static size_t written, written_before_sync;

static ssize_t count_write(int fd, const struct iovec *iov, int count, off_t at)
{
    ssize_t n = real_io.pwritev(fd, iov, count, at);
    written += n > 0 ? (size_t)n : 0;
    return n;
}

static int count_sync(int fd)
{
    written_before_sync = written;
    return real_io.fdatasync(fd);
}

/* After a failed sync the kernel believes that pages are clean which are not on
 * the disk: a sync alone would do nothing. */
static void what_may_not_be_durable_is_written_again(void **state)
{
    (void)state;
    struct stat wal;
    char path[600];
    assert_ok(log_world_append(&world, 1, 9));
    log_world_close(&world); /* without a sync */
    snprintf(path, sizeof(path), "%s-wal", world.path);
    assert_int_equal(stat(path, &wal), 0);
    real_io = store_io;
    store_io.pwritev = count_write;
    store_io.fdatasync = count_sync;
    int rc = log_world_open(&world);
    store_io = real_io;
    assert_ok(rc);
    log_world_assert_whole(&world);
    assert_true(written_before_sync >=
                (size_t)wal.st_size + 3 * LOG_WORLD_PAYLOAD);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(new_log_is_empty),
        TEST(create_refuses_an_existing_log),
        TEST(open_of_nothing_is_not_found_and_makes_nothing),
        TEST(rows_survive_a_restart),
        TEST(vote_survives_a_restart),
        TEST(truncated_rows_go_to_quarantine),
        TEST(truncate_behind_the_end_does_nothing),
        TEST(quarantine_keeps_the_newest_thousand),
        TEST(quarantine_is_read_and_emptied),
        TEST(compacting_deletes_in_steps),
        TEST(compacting_everything_leaves_the_base),
        TEST(second_opening_is_refused_and_names_the_process),
        TEST(lock_dies_with_its_process),
        TEST(other_version_is_refused),
        TEST(chain_of_a_changed_row_is_not_told),
        TEST(gap_is_corrupt),
        TEST(term_that_falls_is_corrupt),
        TEST(changed_row_is_corrupt),
        TEST(torn_payload_above_the_mark_is_cut_with_all_after),
        TEST(missing_segment_above_the_mark_is_cut),
        TEST(torn_payload_below_the_mark_is_found_when_read),
        TEST(log_that_ends_before_its_mark_is_corrupt),
        TEST(truncating_lowers_the_mark),
        TEST(reset_keeps_what_follows_the_same_record),
        TEST(reset_drops_what_follows_another_record),
        TEST(reset_goes_beyond_the_end),
        TEST(mark_is_saved_with_the_next_write),
        TEST(inspection_cuts_nothing),
        TEST(reader_follows_a_running_node),
        TEST(large_rows_are_kept_whole),
        TEST(an_extended_wal_keeps_what_is_in_it),
        TEST(wal_fd_holds_what_was_appended),
        TEST(what_may_not_be_durable_is_written_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
