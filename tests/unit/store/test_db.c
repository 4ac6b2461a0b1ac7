#include "tests/unit/store/testing.h"

#include "store/db.h"
#include "store/error.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int setup(void **state)
{
    return scratch_setup(state) != 0 ||
           mkdir(scratch_path(state, "d"), 0700) != 0;
}

static void assert_same_file(int fd, const char *path)
{
    struct stat a, b;
    assert_int_equal(fstat(fd, &a), 0);
    assert_int_equal(stat(path, &b), 0);
    assert_true(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
}

static int64_t count_rows(struct db *db)
{
    sqlite3_stmt *statement;
    assert_ok(db_prepare(db, "SELECT count(*) FROM t", &statement));
    assert_int_equal(db_row(db, statement, "count"), 1);
    int64_t count = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return count;
}

static void open_with_table(void **state, struct db *db)
{
    assert_ok(db_open(scratch_path(state, "d/a.db"), DB_READ_WRITE, db));
    assert_ok(db_exec(db, "CREATE TABLE IF NOT EXISTS t(a PRIMARY KEY, b)"));
}

static void insert_blob(struct db *db, int size)
{
    char sql[100];
    sqlite3_snprintf(sizeof(sql), sql,
                     "INSERT INTO t SELECT count(*), randomblob(%d) FROM t",
                     size);
    assert_ok(db_exec(db, sql));
}

/* Whether the WAL may be copied into the file is known by who syncs it. */
static void closing_leaves_the_file_as_it_is(void **state)
{
    struct db db;
    struct stat before, after;
    open_with_table(state, &db);
    assert_ok(db_checkpoint(&db));
    insert_blob(&db, 100000);
    assert_int_equal(stat(scratch_path(state, "d/a.db"), &before), 0);
    db_close(&db);
    assert_int_equal(stat(scratch_path(state, "d/a.db"), &after), 0);
    assert_int_equal(after.st_size, before.st_size);
    assert_int_equal(stat(scratch_path(state, "d/a.db-wal"), &after), 0);
    assert_true(after.st_size >= 100000);
    open_with_table(state, &db);
    assert_int_equal(count_rows(&db), 1);
    db_close(&db);
}

static void commit_is_in_the_wal_file_at_once(void **state)
{
    struct db db;
    struct stat before, after;
    open_with_table(state, &db);
    int fd = db_wal_fd(&db);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &before), 0);
    insert_blob(&db, 10000);
    assert_int_equal(fstat(fd, &after), 0);
    assert_true(after.st_size >= before.st_size + 10000);
    assert_int_equal(fdatasync(fd), 0);
    db_close(&db);
}

static void wal_fd_exists_before_the_first_write(void **state)
{
    struct db db;
    assert_ok(db_open(scratch_path(state, "d/a.db"), DB_READ_WRITE, &db));
    assert_same_file(db_wal_fd(&db), scratch_path(state, "d/a.db-wal"));
    db_close(&db);
}

static void wal_fd_is_the_live_file_after_checkpoints_and_restarts(void **state)
{
    struct db db, other;
    const char *wal = scratch_path(state, "d/a.db-wal");
    struct stat st;
    off_t size = 0;
    open_with_table(state, &db);
    assert_ok(db_open(scratch_path(state, "d/a.db"), DB_READ_WRITE, &other));
    int fd = db_wal_fd(&db);
    for (int i = 0; i < 5; i++) {
        insert_blob(&db, 50000);
        assert_ok(db_checkpoint(&other));
        assert_same_file(fd, wal);
        assert_int_equal(fstat(fd, &st), 0);
        /* Each round begins the file anew, so it does not grow. */
        assert_true(size == 0 || st.st_size <= size + 3 * 4120);
        size = st.st_size;
    }
    db_close(&other);
    assert_same_file(fd, wal);
    insert_blob(&db, 10);
    assert_same_file(fd, wal);
    db_close(&db);
}

static void wal_file_outlives_its_connections(void **state)
{
    struct db db;
    struct stat a, b;
    open_with_table(state, &db);
    insert_blob(&db, 10);
    assert_int_equal(stat(scratch_path(state, "d/a.db-wal"), &a), 0);
    db_close(&db);
    open_with_table(state, &db);
    insert_blob(&db, 10);
    assert_int_equal(stat(scratch_path(state, "d/a.db-wal"), &b), 0);
    assert_true(a.st_ino == b.st_ino);
    assert_int_equal(count_rows(&db), 2);
    db_close(&db);
}

static void wal_holds_what_was_committed_and_not_checkpointed(void **state)
{
    struct db db;
    open_with_table(state, &db);
    insert_blob(&db, 10);
    /* A copy of the files is what a killed process leaves behind. */
    copy_tree(scratch_path(state, "d"), scratch_path(state, "copy"));
    struct db reopened;
    assert_ok(
        db_open(scratch_path(state, "copy/a.db"), DB_READ_WRITE, &reopened));
    assert_int_equal(count_rows(&reopened), 1);
    db_close(&reopened);
    db_close(&db);
}

static void rollback_forgets(void **state)
{
    struct db db;
    open_with_table(state, &db);
    assert_ok(db_begin(&db));
    assert_true(db.in_transaction);
    insert_blob(&db, 10);
    assert_ok(db_rollback(&db));
    assert_false(db.in_transaction);
    assert_int_equal(count_rows(&db), 0);
    assert_ok(db_rollback(&db));
    db_close(&db);
}

static void reader_sees_commits_of_another_connection(void **state)
{
    struct db db, reader;
    open_with_table(state, &db);
    assert_ok(db_open(scratch_path(state, "d/a.db"), DB_READ_ONLY, &reader));
    assert_ok(db_begin(&db));
    insert_blob(&db, 10);
    assert_int_equal(count_rows(&reader), 0);
    assert_ok(db_commit(&db));
    assert_int_equal(count_rows(&reader), 1);
    assert_int_equal(db_exec(&reader, "DELETE FROM t"), STORE_ACCESS);
    db_close(&reader);
    db_close(&db);
}

static void full_database_is_full_and_stays_usable(void **state)
{
    struct db db;
    open_with_table(state, &db);
    assert_ok(db_exec(&db, "PRAGMA max_page_count=20"));
    assert_ok(db_begin(&db));
    assert_int_equal(db_exec(&db, "INSERT INTO t VALUES(1, zeroblob(1000000))"),
                     STORE_FULL);
    assert_ok(db_rollback(&db));
    insert_blob(&db, 10);
    assert_int_equal(count_rows(&db), 1);
    db_close(&db);
}

static void errors_become_codes(void **state)
{
    struct db db;
    assert_int_equal(db_open(scratch_path(state, "none.db"), DB_READ_ONLY, &db),
                     STORE_NOT_FOUND);
    FILE *file = fopen(scratch_path(state, "bad.db"), "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++) {
        fputs("no database", file);
    }
    fclose(file);
    assert_int_equal(db_open(scratch_path(state, "bad.db"), DB_READ_WRITE, &db),
                     STORE_CORRUPT);
    open_with_table(state, &db);
    assert_ok(db_exec(&db, "INSERT INTO t VALUES(1, 1)"));
    assert_int_equal(db_exec(&db, "INSERT INTO t VALUES(1, 1)"), STORE_EXISTS);
    assert_int_equal(db_exec(&db, "SELECT * FROM missing"), STORE_CORRUPT);
    db_close(&db);
    db_close(&db);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(closing_leaves_the_file_as_it_is),
        TEST(commit_is_in_the_wal_file_at_once),
        TEST(wal_fd_exists_before_the_first_write),
        TEST(wal_fd_is_the_live_file_after_checkpoints_and_restarts),
        TEST(wal_file_outlives_its_connections),
        TEST(wal_holds_what_was_committed_and_not_checkpointed),
        TEST(rollback_forgets),
        TEST(reader_sees_commits_of_another_connection),
        TEST(full_database_is_full_and_stays_usable),
        TEST(errors_become_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
