/* The background work: merging, moving, unlinking. The test's thread is the
 * loop. The background thread is stopped at each sync and unlink (store_io), so
 * that the directory can be copied as a kill would leave it. */
#include "tests/unit/store/tree_world.h"

#include "store/error.h"
#include "store/io.h"
#include "store/reclaim.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_S = 60 };

struct bench {
    struct world world;
    struct raftlog *log;
    struct log_head head;
    struct reclaim *reclaim;
    uint64_t durable;
};

/* Where the background thread meets the test's. */
static struct meeting {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool woken;
    bool crashing; /* stop at crash points */
    bool waiting;  /* the background thread stands at one */
    enum { AT_SYNC, AT_TREE_SYNC, AT_UNLINK } point;
    int tree_fd;
    int points;
    pthread_t loop;
} meeting = {.lock = PTHREAD_MUTEX_INITIALIZER,
             .changed = PTHREAD_COND_INITIALIZER};

static void wake(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&meeting.lock);
    meeting.woken = true;
    pthread_cond_broadcast(&meeting.changed);
    pthread_mutex_unlock(&meeting.lock);
}

static void crash_point(int point)
{
    pthread_mutex_lock(&meeting.lock);
    if (meeting.crashing && !pthread_equal(pthread_self(), meeting.loop)) {
        meeting.waiting = true;
        meeting.point = point;
        pthread_cond_broadcast(&meeting.changed);
        while (meeting.waiting) {
            pthread_cond_wait(&meeting.changed, &meeting.lock);
        }
    }
    pthread_mutex_unlock(&meeting.lock);
}

static int stopping_fdatasync(int fd)
{
    int rc = fdatasync(fd);
    crash_point(fd == meeting.tree_fd ? AT_TREE_SYNC : AT_SYNC);
    return rc;
}

static int stopping_unlink(const char *path)
{
    int rc = unlink(path);
    crash_point(AT_UNLINK);
    return rc;
}

static struct store_io saved_io;

static void begin_crashing(void)
{
    saved_io = store_io;
    store_io.fdatasync = stopping_fdatasync;
    store_io.unlink = stopping_unlink;
    meeting.crashing = true;
    meeting.points = 0;
}

/* Lets the background thread run on, to be stopped. */
static void release_background(void)
{
    pthread_mutex_lock(&meeting.lock);
    meeting.crashing = false;
    meeting.waiting = false;
    pthread_cond_broadcast(&meeting.changed);
    pthread_mutex_unlock(&meeting.lock);
}

/* After the background thread's end: it uses the table. */
static void end_crashing(void)
{
    store_io = saved_io;
}

/* --- the bench --- */

static void bench_open(struct bench *bench, const char *directory)
{
    char path[600];
    world_open(&bench->world, directory);
    snprintf(path, sizeof(path), "%s/log.db", directory);
    int rc = raftlog_create(path, 7, 1);
    assert_true(rc == 0 || rc == STORE_EXISTS);
    assert_ok(
        raftlog_open(path, bench->world.segments, &bench->log, &bench->head));
    free(bench->head.terms);
    free(bench->head.sizes);
}

static void bench_start(struct bench *bench)
{
    struct reclaim_options options;
    reclaim_options_default(&options);
    options.interval_ms = 2;
    options.checkpoint_bytes = 256 * 1024;
    meeting.loop = pthread_self();
    meeting.tree_fd = tree_wal_fd(bench->world.tree);
    assert_ok(tree_commit(bench->world.tree));
    assert_ok(reclaim_start(bench->world.directory, bench->world.segments,
                            bench->log, bench->world.tree, &options, wake, NULL,
                            &bench->reclaim));
}

static void bench_close(struct bench *bench)
{
    reclaim_stop(bench->reclaim);
    bench->reclaim = NULL;
    raftlog_close(bench->log);
    world_close(&bench->world);
}

static void bench_reopen(struct bench *bench)
{
    char directory[512];
    snprintf(directory, sizeof(directory), "%s", bench->world.directory);
    assert_ok(tree_commit(bench->world.tree));
    bench_close(bench);
    bench_open(bench, directory);
}

/* One turn of the loop: waits for the background, then steps. at_point() is
 * called when the background stands at a crash point. */
static void turn(struct bench *bench, void (*at_point)(struct bench *bench))
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 5 * 1000 * 1000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&meeting.lock);
    int rc = 0;
    while (!meeting.woken && !meeting.waiting && rc == 0) {
        rc = pthread_cond_timedwait(&meeting.changed, &meeting.lock, &until);
    }
    meeting.woken = false;
    bool waiting = meeting.waiting;
    pthread_mutex_unlock(&meeting.lock);
    if (waiting) {
        meeting.points++;
        at_point(bench);
        pthread_mutex_lock(&meeting.lock);
        meeting.waiting = false;
        pthread_cond_broadcast(&meeting.changed);
        pthread_mutex_unlock(&meeting.lock);
    }
    while ((rc = reclaim_step(bench->reclaim, &bench->durable)) == 1) {
    }
    assert_ok(rc);
}

static void turn_until(struct bench *bench, bool (*done)(struct bench *bench),
                       void (*at_point)(struct bench *bench))
{
    time_t limit = time(NULL) + PATIENCE_S;
    while (!done(bench)) {
        assert_true(time(NULL) < limit);
        turn(bench, at_point);
    }
}

static struct reclaim_status status_of(struct bench *bench)
{
    struct reclaim_status status;
    reclaim_get_status(bench->reclaim, &status);
    return status;
}

static void count_segment(void *arg, uint64_t id, uint64_t bytes, bool writing)
{
    (void)id;
    (void)bytes;
    (void)writing;
    ++*(int *)arg;
}

static int segment_count(struct bench *bench)
{
    int count = 0;
    segments_each(bench->world.segments, count_segment, &count);
    return count;
}

/* --- what files should hold --- */

enum { FILES = 8, FILE_MAX = 400 * 1000 };

static struct file {
    uint64_t ino;
    uint64_t size;
    uint8_t bytes[FILE_MAX];
} files[FILES];

static void file_append(struct bench *bench, struct file *file, uint64_t size,
                        bool segment)
{
    static uint64_t seed = 1;
    assert_true(file->size + size <= FILE_MAX);
    for (uint64_t i = 0; i < size; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        file->bytes[file->size + i] = (uint8_t)(seed >> 40);
    }
    world_write(&bench->world, file->ino, file->size, file->bytes + file->size,
                size, segment);
    file->size += size;
    if (bench->reclaim != NULL) {
        reclaim_touched(bench->reclaim, world_body(&bench->world, file->ino));
    }
}

static void files_create(struct bench *bench)
{
    for (int i = 0; i < FILES; i++) {
        char name[] = {(char)('a' + i), 0};
        files[i].ino = world_create(&bench->world, TREE_ROOT, name);
        files[i].size = 0;
    }
}

static void file_remove(struct bench *bench, int i)
{
    char name[] = {(char)('a' + i), 0};
    world_remove(&bench->world, TREE_ROOT, name);
    files[i].ino = 0;
}

static void expect_files(struct world *world)
{
    static uint8_t got[FILE_MAX];
    for (int i = 0; i < FILES; i++) {
        if (files[i].ino == 0) {
            continue;
        }
        memset(got, 0xee, sizeof(got));
        assert_ok(tree_read(world->tree, world_body(world, files[i].ino), 0,
                            got, files[i].size));
        assert_memory_equal(got, files[i].bytes, files[i].size);
    }
}

/* --- tests --- */

static bool first_file_is_merged(struct bench *bench)
{
    return world_extents(&bench->world, files[0].ino) <= 40;
}

static void small_appends_become_few_extents(void **state)
{
    struct bench bench = {0};
    bench_open(&bench, scratch_path(state, "a"));
    files_create(&bench);
    bench_start(&bench);
    for (int i = 0; i < 5000; i++) {
        file_append(&bench, &files[0], 50 + (uint64_t)i % 20, i % 2 == 0);
        if (i % 500 == 0) {
            assert_ok(tree_commit(bench.world.tree));
            turn(&bench, NULL);
        }
    }
    assert_ok(tree_set_applied(bench.world.tree, 12, 1, 1, 0));
    assert_ok(tree_commit(bench.world.tree));
    uint64_t digest = tree_digest(bench.world.tree);
    turn_until(&bench, first_file_is_merged, NULL);
    assert_true(status_of(&bench).merges > 0);
    assert_true(status_of(&bench).extents_merged >= 4900);
    expect_files(&bench.world);
    world_check(&bench.world);
    assert_int_equal(tree_digest(bench.world.tree), digest);
    bench_reopen(&bench);
    expect_files(&bench.world);
    world_check(&bench.world);
    bench_close(&bench);
}

/* How often a body must be touched goes by what is left of it. */
static void what_comes_after_a_large_merge_is_merged_soon(void **state)
{
    struct bench bench = {0};
    bench_open(&bench, scratch_path(state, "a"));
    files_create(&bench);
    for (int i = 0; i < 4800; i++) {
        file_append(&bench, &files[0], 50, true);
    }
    bench_start(&bench);
    for (int i = 0; i < 16; i++) {
        reclaim_touched(bench.reclaim, world_body(&bench.world, files[0].ino));
    }
    turn_until(&bench, first_file_is_merged, NULL);
    for (int i = 0; i < 100; i++) {
        file_append(&bench, &files[0], 50, true);
    }
    assert_ok(tree_commit(bench.world.tree));
    turn_until(&bench, first_file_is_merged, NULL);
    expect_files(&bench.world);
    world_check(&bench.world);
    bench_close(&bench);
}

static bool is_durable(struct bench *bench)
{
    return bench->durable >= 77;
}

static void a_commit_becomes_durable_by_itself(void **state)
{
    struct bench bench = {0};
    bench_open(&bench, scratch_path(state, "a"));
    bench_start(&bench);
    files_create(&bench);
    assert_ok(tree_set_applied(bench.world.tree, 77, 1, 1, 0));
    assert_int_equal(bench.durable, 0);
    assert_ok(tree_commit(bench.world.tree));
    turn_until(&bench, is_durable, NULL);
    bench_close(&bench);
}

static bool was_checkpointed(struct bench *bench)
{
    return status_of(bench).checkpoints >= 3;
}

static void a_grown_wal_is_checkpointed(void **state)
{
    struct bench bench = {0};
    bench_open(&bench, scratch_path(state, "a"));
    files_create(&bench);
    bench_start(&bench);
    for (int i = 0; !was_checkpointed(&bench); i++) {
        assert_in_range(i, 0, 100000);
        if (files[0].size + 4000 > FILE_MAX) {
            world_cut(&bench.world, files[0].ino, 0);
            files[0].size = 0;
        }
        file_append(&bench, &files[0], 4000, false);
        assert_ok(tree_commit(bench.world.tree));
        if (i % 50 == 0) {
            turn(&bench, NULL);
        }
    }
    expect_files(&bench.world);
    world_check(&bench.world);
    bench_close(&bench);
}

static void append_or_begin_anew(struct bench *bench)
{
    if (files[0].size + 4000 > FILE_MAX) {
        world_cut(&bench->world, files[0].ino, 0);
        files[0].size = 0;
    }
    file_append(bench, &files[0], 4000, false);
}

/* Under load a transaction is always open. The background then copies all that
 * was committed, and the next commit finds a WAL that it cannot begin anew. */
static void a_wal_does_not_grow_while_changes_never_end(void **state)
{
    enum { ROUNDS = 60, WAL_MAX = 2 * 1024 * 1024 };
    struct bench bench = {0};
    struct stat st;
    char path[700];
    bench_open(&bench, scratch_path(state, "a"));
    files_create(&bench);
    bench_start(&bench);
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t before = status_of(&bench).checkpoints;
        time_t limit = time(NULL) + PATIENCE_S;
        for (int j = 0; j < 15; j++) {
            append_or_begin_anew(&bench);
            assert_ok(tree_commit(bench.world.tree));
        }
        append_or_begin_anew(&bench);
        while (status_of(&bench).checkpoints == before) {
            assert_true(time(NULL) < limit);
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
        assert_ok(tree_commit(bench.world.tree));
        turn(&bench, NULL);
        append_or_begin_anew(&bench);
    }
    snprintf(path, sizeof(path), "%s/tree.db-wal", bench.world.directory);
    assert_int_equal(stat(path, &st), 0);
    assert_in_range(st.st_size, 1, WAL_MAX);
    assert_ok(tree_commit(bench.world.tree));
    expect_files(&bench.world);
    world_check(&bench.world);
    bench_close(&bench);
}

/* A segment of the first run, closed since. */
static void fill_one_segment(struct bench *bench)
{
    files_create(bench);
    for (int i = 0; i < FILES; i++) {
        file_append(bench, &files[i], 90 * 1000, true);
    }
    bench_reopen(bench);
    assert_int_equal(segment_count(bench), 1);
}

static bool no_segment_is_left(struct bench *bench)
{
    return segment_count(bench) == 0;
}

static void a_segment_goes_when_all_its_files_are_gone(void **state)
{
    struct bench bench = {0};
    bench_open(&bench, scratch_path(state, "a"));
    fill_one_segment(&bench);
    bench_start(&bench);
    for (int i = 0; i < FILES; i++) {
        assert_int_equal(segment_count(&bench), 1);
        file_remove(&bench, i);
    }
    assert_ok(tree_commit(bench.world.tree));
    turn_until(&bench, no_segment_is_left, NULL);
    assert_int_equal(status_of(&bench).segments_removed, 1);
    world_check(&bench.world);
    bench_close(&bench);
}

static bool has_moved(struct bench *bench)
{
    return status_of(bench).segments_removed == 1;
}

static void what_is_alive_moves_out_of_a_sparse_segment(void **state)
{
    struct bench bench = {0};
    bench_open(&bench, scratch_path(state, "a"));
    fill_one_segment(&bench);
    bench_start(&bench);
    for (int i = 1; i < FILES; i++) {
        file_remove(&bench, i);
    }
    /* What is alive now also has a hole and a part of another record. */
    world_cut(&bench.world, files[0].ino, 80 * 1000);
    files[0].size = 80 * 1000;
    memcpy(files[0].bytes + 1000, "patch", 5);
    world_write(&bench.world, files[0].ino, 1000, "patch", 5, false);
    assert_ok(tree_commit(bench.world.tree));
    uint64_t digest = tree_digest(bench.world.tree);
    turn_until(&bench, has_moved, NULL);
    assert_int_equal(tree_digest(bench.world.tree), digest);
    assert_int_equal(segment_count(&bench), 1);
    expect_files(&bench.world);
    world_check(&bench.world);
    bench_close(&bench);
}

static uint64_t turns_to_go;

static bool turns_are_over(struct bench *bench)
{
    (void)bench;
    return turns_to_go-- == 0;
}

static void a_segment_stays_while_the_log_refers_to_it(void **state)
{
    struct bench bench = {0};
    struct place place;
    bench_open(&bench, scratch_path(state, "a"));
    assert_ok(segment_append(bench.world.writer, (struct view){"payload", 7},
                             &place));
    struct log_row row = {.index = 1,
                          .term = 1,
                          .size = 20,
                          .bytes = {"record", 6},
                          .place = place,
                          .payload_size = 7};
    assert_ok(raftlog_append(bench.log, &row, 1));
    bench_reopen(&bench);
    files_create(&bench);
    bench_start(&bench);
    turns_to_go = 50;
    turn_until(&bench, turns_are_over, NULL);
    assert_int_equal(segment_count(&bench), 1);
    int rc;
    while ((rc = raftlog_compact(bench.log, 1, 10)) == 1) {
    }
    assert_ok(rc);
    turn_until(&bench, no_segment_is_left, NULL);
    bench_close(&bench);
}

/* Bytes that are staged, while their record is still to be written. */
static void a_segment_being_staged_stays(void **state)
{
    struct bench bench = {0};
    struct place place;
    bench_open(&bench, scratch_path(state, "a"));
    bench_start(&bench);
    assert_ok(segment_append(bench.world.writer, (struct view){"payload", 7},
                             &place));
    segment_writer_close(bench.world.writer); /* as if it were full */
    assert_ok(segment_writer_open(bench.world.segments, &bench.world.writer));
    files_create(&bench);
    assert_ok(tree_commit(bench.world.tree));
    turns_to_go = 50;
    turn_until(&bench, turns_are_over, NULL);
    assert_int_equal(segment_count(&bench), 1);
    bench_close(&bench);
}

static void a_swap_of_what_changed_is_refused(void **state)
{
    struct bench bench = {0};
    bench_open(&bench, scratch_path(state, "a"));
    files_create(&bench);
    bench_start(&bench);
    for (int i = 0; i < 200; i++) {
        file_append(&bench, &files[0], 10, true);
    }
    assert_ok(tree_commit(bench.world.tree));
    /* Until the background offers a swap, without taking it. */
    pthread_mutex_lock(&meeting.lock);
    meeting.woken = false;
    pthread_mutex_unlock(&meeting.lock);
    time_t limit = time(NULL) + PATIENCE_S;
    for (int round = 0; status_of(&bench).swaps_refused == 0; round++) {
        assert_true(time(NULL) < limit); /* the background needs its share */
        /* Every round changes one of the extents that may be on offer. */
        uint64_t offset = (uint64_t)(round % 200) * 10 + 3;
        files[0].bytes[offset] ^= 1;
        world_write(&bench.world, files[0].ino, offset, files[0].bytes + offset,
                    1, true);
        reclaim_touched(bench.reclaim, world_body(&bench.world, files[0].ino));
        assert_ok(tree_commit(bench.world.tree));
        if (round % 8 == 0) {
            turn(&bench, NULL);
        }
    }
    expect_files(&bench.world);
    world_check(&bench.world);
    bench_close(&bench);
}

static void damage_is_not_copied(void **state)
{
    struct bench bench = {0};
    char path[700];
    bench_open(&bench, scratch_path(state, "a"));
    files_create(&bench);
    for (int i = 0; i < 100; i++) {
        file_append(&bench, &files[0], 100, true);
    }
    bench_reopen(&bench);
    snprintf(path, sizeof(path), "%s/segments/%016llx.seg",
             bench.world.directory, 1ull);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 2000, SEEK_SET), 0);
    assert_int_equal(fwrite("damage", 1, 6, file), 6);
    fclose(file);
    bench_start(&bench);
    for (int i = 0; i < 16; i++) {
        reclaim_touched(bench.reclaim, world_body(&bench.world, files[0].ino));
    }
    int rc = 0;
    time_t limit = time(NULL) + PATIENCE_S;
    while (rc >= 0) {
        assert_true(time(NULL) < limit);
        rc = reclaim_step(bench.reclaim, &bench.durable);
    }
    assert_int_equal(rc, STORE_CORRUPT);
    bench_close(&bench);
}

/* --- kills --- */

static char copy_path[600], durable_path[600];

static void set_copy_paths(void **state)
{
    snprintf(copy_path, sizeof(copy_path), "%s", scratch_path(state, "copy"));
    snprintf(durable_path, sizeof(durable_path), "%s",
             scratch_path(state, "durable"));
}

/* The copied node opens, is sound, and unlinks nothing that it needs. */
static void expect_sound_copy(const struct bench *bench, bool newest)
{
    struct world world = {0};
    world_open(&world, copy_path);
    if (newest) {
        assert_int_equal(tree_digest(world.tree),
                         tree_digest(bench->world.tree));
        expect_files(&world);
    }
    world_check(&world);
    world_close(&world);
    remove_tree(copy_path);
}

/* What a kill here would leave, and what a power loss would: the tree as it was
 * at the last sync, with the segments as they are now. */
static void check_copies(struct bench *bench)
{
    char from[700], to[700];
    copy_tree(bench->world.directory, copy_path);
    expect_sound_copy(bench, true);
    if (meeting.point == AT_TREE_SYNC) {
        remove_tree(durable_path);
        copy_tree(bench->world.directory, durable_path);
    }
    if (meeting.point != AT_UNLINK) {
        return;
    }
    copy_tree(durable_path, copy_path);
    snprintf(from, sizeof(from), "%s/segments", bench->world.directory);
    snprintf(to, sizeof(to), "%s/segments", copy_path);
    remove_tree(to);
    copy_tree(from, to);
    expect_sound_copy(bench, false);
}

static void busy_round(struct bench *bench, int round)
{
    int victim = round % FILES;
    for (int i = 0; i < 30; i++) {
        file_append(bench, &files[(victim + i) % FILES], 700, i % 3 > 0);
    }
    if (round % 3 == 2) {
        file_remove(bench, victim);
        char name[] = {(char)('a' + victim), 0};
        files[victim].ino = world_create(&bench->world, TREE_ROOT, name);
        files[victim].size = 0;
    }
    assert_ok(tree_set_applied(bench->world.tree, (uint64_t)round + 1, 1, 1, 0));
    assert_ok(tree_commit(bench->world.tree));
}

static void a_kill_at_any_point_loses_nothing(void **state)
{
    struct bench bench = {0};
    set_copy_paths(state);
    bench_open(&bench, scratch_path(state, "a"));
    fill_one_segment(&bench);
    begin_crashing();
    uint64_t removed = 0;
    for (int run = 0; run < 3; run++) {
        bench_start(&bench);
        for (int round = 0; round < 20; round++) {
            busy_round(&bench, run * 20 + round);
            turns_to_go = 4;
            turn_until(&bench, turns_are_over, check_copies);
        }
        for (int i = 0; i < FILES; i++) { /* leaves the segments dead */
            world_cut(&bench.world, files[i].ino, 0);
            files[i].size = 0;
        }
        assert_ok(tree_commit(bench.world.tree));
        turns_to_go = 20;
        turn_until(&bench, turns_are_over, check_copies);
        removed += status_of(&bench).segments_removed;
        release_background();
        bench_reopen(&bench);
        meeting.crashing = true; /* no thread runs */
    }
    end_crashing();
    assert_in_range(meeting.points, 20, 10000);
    assert_true(removed > 0);
    world_check(&bench.world);
    bench_close(&bench);
}

/* Removals that are committed, but not synced, when the background finds that
 * a segment is dead. */
static void remove_one_unsynced(struct bench *bench)
{
    check_copies(bench);
    for (int i = 0; meeting.point == AT_TREE_SYNC && i < FILES; i++) {
        if (files[i].ino != 0) {
            file_remove(bench, i);
            int rc;
            while ((rc = tree_purge_step(bench->world.tree, 1000)) == 1) {
            }
            assert_ok(rc);
            assert_ok(tree_commit(bench->world.tree));
            return;
        }
    }
}

static void a_segment_outlives_its_last_unsynced_use(void **state)
{
    struct bench bench = {0};
    set_copy_paths(state);
    bench_open(&bench, scratch_path(state, "a"));
    files_create(&bench);
    for (int i = 0; i < FILES; i++) {
        file_append(&bench, &files[i], 10 * 1000, true);
        bench_reopen(&bench);
    }
    assert_int_equal(segment_count(&bench), FILES);
    begin_crashing();
    bench_start(&bench);
    turn_until(&bench, no_segment_is_left, remove_one_unsynced);
    release_background();
    bench_close(&bench);
    end_crashing();
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(small_appends_become_few_extents),
        TEST(what_comes_after_a_large_merge_is_merged_soon),
        TEST(a_commit_becomes_durable_by_itself),
        TEST(a_grown_wal_is_checkpointed),
        TEST(a_wal_does_not_grow_while_changes_never_end),
        TEST(a_segment_goes_when_all_its_files_are_gone),
        TEST(what_is_alive_moves_out_of_a_sparse_segment),
        TEST(a_segment_stays_while_the_log_refers_to_it),
        TEST(a_segment_being_staged_stays),
        TEST(a_swap_of_what_changed_is_refused),
        TEST(damage_is_not_copied),
        TEST(a_segment_outlives_its_last_unsynced_use),
        TEST(a_kill_at_any_point_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
