/* Fails the first, second, third... access to the disk while a log is written,
 * and cuts the power at every point: a log comes back as it was before or after
 * the operation under way, never in between. */
#include "tests/unit/store/faults.h"
#include "tests/unit/store/log_world.h"
#include "tests/unit/store/testing.h"

#include "store/error.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- what a log should hold --- */

struct model {
    uint64_t base, base_term, last, term, vote;
    uint64_t terms[64]; /* by index */
};

static void assert_rows(struct log_world *world, const struct model *model)
{
    struct log_row row;
    assert_int_equal(raftlog_last(world->log), model->last);
    for (uint64_t i = model->base + 1; i <= model->last; i++) {
        log_world_assert_row(world, i, model->terms[i]);
    }
    assert_int_equal(raftlog_read(world->log, model->base, &row),
                     STORE_NOT_FOUND);
}

/* Right after opening. */
static void assert_model(struct log_world *world, const struct model *model)
{
    assert_int_equal(world->head.base_index, model->base);
    assert_int_equal(world->head.base_term, model->base_term);
    assert_int_equal(world->head.term, model->term);
    assert_int_equal(world->head.vote, model->vote);
    log_world_assert_whole(world);
    assert_rows(world, model);
}

/* --- the workload --- */

enum step_kind { APPEND, SYNC, VOTE, TRUNCATE, COMPACT, REOPEN };

struct step {
    enum step_kind kind;
    uint64_t a, b;
};

static const struct step workload[] = {
    {REOPEN, 0, 0},   {VOTE, 1, 22},  {APPEND, 1, 4},   {SYNC, 0, 0},
    {APPEND, 1, 3},   {SYNC, 0, 0},   {APPEND, 1, 6},   {VOTE, 2, 33},
    {TRUNCATE, 9, 0}, {APPEND, 2, 4}, {SYNC, 0, 0},     {COMPACT, 5, 3},
    {APPEND, 2, 1},   {REOPEN, 0, 0}, {TRUNCATE, 7, 0}, {APPEND, 3, 5},
    {VOTE, 4, 0},     {SYNC, 0, 0},   {REOPEN, 0, 0},   {APPEND, 4, 2},
};
enum { STEPS = sizeof(workload) / sizeof(workload[0]) };

static struct model apply(const struct model *before, const struct step *step)
{
    struct model model = *before;
    switch (step->kind) {
    case APPEND:
        for (uint64_t i = 0; i < step->b; i++) {
            model.terms[++model.last] = step->a;
        }
        break;
    case VOTE:
        model.term = step->a;
        model.vote = step->b;
        break;
    case TRUNCATE:
        model.last = step->a - 1;
        break;
    case COMPACT:
        model.base += step->b;
        model.base_term = model.terms[model.base];
        break;
    case SYNC:
    case REOPEN:
        break;
    }
    return model;
}

static int run(struct log_world *world, const struct step *step)
{
    switch (step->kind) {
    case APPEND:
        return log_world_append(world, step->a, step->b);
    case SYNC:
        return log_world_sync(world);
    case VOTE:
        return raftlog_save_vote(world->log, step->a, step->b);
    case TRUNCATE:
        return raftlog_truncate(world->log, step->a, 1);
    case COMPACT:
        return raftlog_compact(world->log, step->a, (uint32_t)step->b);
    case REOPEN:
        log_world_close(world);
        return log_world_open(world);
    }
    return STORE_INVALID;
}

/* --- one failing access --- */

enum after_failure { RETRY, RESTART };

static void check_code(enum fault_kind kind, int rc)
{
    if (rc != (kind == FAULT_FULL ? STORE_FULL : STORE_IO)) {
        fail_msg("%s: %s", store_code_name(rc), store_error_text());
    }
}

/* The step failed. Goes on by repeating it, as if the node could, or after a
 * restart, as the node does. Returns with the step done. */
static void recover(struct log_world *world, const struct step *step,
                    const struct model *before, enum after_failure how)
{
    faults_disarm();
    if (world->log != NULL) {
        assert_rows(world, before);
    }
    /* A failed sync is final for a running node. */
    if (how == RESTART || step->kind == REOPEN || step->kind == SYNC) {
        log_world_close(world);
        assert_ok(log_world_open(world));
        assert_model(world, before);
    }
    if (step->kind != REOPEN) {
        assert_ok(run(world, step));
    }
}

/* Returns false when the workload did not get as far as n. */
static bool run_workload(void **state, enum fault_kind kind, unsigned n,
                         bool lasting, enum after_failure how)
{
    struct log_world world;
    struct model model = {0};
    remove_tree(scratch_path(state, "node"));
    log_world_init(&world, scratch_path(state, "node"));
    assert_ok(log_world_create(&world));
    faults_arm(kind, n, lasting);
    for (int i = 0; i < STEPS; i++) {
        struct model before = model;
        int rc = run(&world, &workload[i]);
        model = apply(&before, &workload[i]);
        if (rc < 0) {
            check_code(kind, rc);
            recover(&world, &workload[i], &before, how);
        }
        faults_pause();
        assert_rows(&world, &model);
        faults_resume();
    }
    bool fired = faults_fired();
    faults_disarm();
    log_world_close(&world);
    assert_ok(log_world_open(&world));
    assert_model(&world, &model);
    log_world_close(&world);
    return fired;
}

static void fail_each_access(void **state, enum fault_kind kind, bool lasting,
                             enum after_failure how)
{
    unsigned n = 1;
    while (run_workload(state, kind, n, lasting, how)) {
        n++;
    }
    assert_true(n > 20); /* the faults did reach the disk */
}

static void each_failing_access_once_and_again(void **state)
{
    fail_each_access(state, FAULT_IO, false, RETRY);
}

static void each_failing_access_and_a_restart(void **state)
{
    fail_each_access(state, FAULT_IO, false, RESTART);
}

static void disk_that_dies_and_a_restart(void **state)
{
    fail_each_access(state, FAULT_IO, true, RESTART);
}

static void disk_that_is_full_until_space_is_made(void **state)
{
    fail_each_access(state, FAULT_FULL, true, RETRY);
}

static void disk_that_is_full_and_a_restart(void **state)
{
    fail_each_access(state, FAULT_FULL, true, RESTART);
}

static void failing_creation_can_be_repeated(void **state)
{
    struct log_world world;
    struct model empty = {0};
    bool fired = true;
    for (unsigned n = 1; fired; n++) {
        remove_tree(scratch_path(state, "node"));
        log_world_init(&world, scratch_path(state, "node"));
        faults_arm(FAULT_IO, n, false);
        int rc = log_world_create(&world);
        fired = faults_fired();
        faults_disarm();
        if (rc < 0) {
            check_code(FAULT_IO, rc);
            rc = log_world_create(&world);
            /* It may have been done all the same. */
            assert_true(rc == 0 || rc == STORE_EXISTS);
        }
        assert_ok(log_world_open(&world));
        assert_model(&world, &empty);
        log_world_close(&world);
    }
}

static void full_segment_disk_leaves_the_segment_as_it_was(void **state)
{
    struct segments *segments;
    struct segment_writer *writer;
    static uint8_t big[SEGMENT_RECORD_MAX];
    struct place first, second, third;
    struct view small = {"12345", 5}, large = {big, sizeof(big)};
    memset(big, 'x', sizeof(big));
    assert_ok(segments_open(scratch_path(state, "segments"), &segments));
    assert_ok(segment_writer_open(segments, &writer));
    assert_ok(segment_append(writer, small, &first));
    uint64_t bytes = segments_bytes(segments);
    faults_arm(FAULT_FULL, 1, true);
    assert_int_equal(segment_append(writer, large, &second), STORE_FULL);
    assert_int_equal(segments_bytes(segments), bytes);
    assert_int_equal(segment_append(writer, small, &second), STORE_FULL);
    faults_disarm();
    assert_ok(segment_append(writer, small, &second));
    assert_int_equal(second.position, first.position + 24);
    assert_ok(segment_append(writer, large, &third));
    assert_ok(segments_read_checked(segments, second, big, 5));
    assert_memory_equal(big, "12345", 5);
    assert_ok(segments_read_checked(segments, third, big, sizeof(big)));
    segment_writer_close(writer);
    segments_close(segments);
}

/* --- killed processes and power cuts --- */

static void copy_of_each_moment_is_that_moment(void **state)
{
    struct log_world world, copy;
    struct model model = {0};
    log_world_init(&world, scratch_path(state, "node"));
    assert_ok(log_world_create(&world));
    for (int i = 0; i < STEPS; i++) {
        assert_ok(run(&world, &workload[i]));
        model = apply(&model, &workload[i]);
        copy_tree(scratch_path(state, "node"), scratch_path(state, "copy"));
        log_world_init(&copy, scratch_path(state, "copy"));
        assert_ok(log_world_open(&copy));
        assert_model(&copy, &model);
        log_world_close(&copy);
        remove_tree(scratch_path(state, "copy"));
    }
    log_world_close(&world);
}

static off_t size_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

/* Zeroes what a page cache would have lost: [from, to). */
static void lose(const char *path, off_t from, off_t to)
{
    static const uint8_t zeros[4096];
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    while (from < to) {
        size_t size = to - from < 4096 ? (size_t)(to - from) : sizeof(zeros);
        assert_int_equal(pwrite(fd, zeros, size, from), size);
        from += (off_t)size;
    }
    close(fd);
}

struct power_cut {
    off_t wal_synced, wal_end;
    off_t segment_synced, segment_end;
    uint64_t synced_last;
    struct model model; /* at the end */
};

/* Opens the copy: a prefix of what was written, with all that was synced. */
static void assert_prefix(void **state, const struct power_cut *cut)
{
    struct log_world copy;
    log_world_init(&copy, scratch_path(state, "copy"));
    assert_ok(log_world_open(&copy));
    uint64_t last = raftlog_last(copy.log);
    assert_true(last >= cut->synced_last);
    assert_true(last <= cut->model.last);
    log_world_assert_whole(&copy);
    for (uint64_t i = 1; i <= last; i++) {
        log_world_assert_row(&copy, i, cut->model.terms[i]);
    }
    /* And it can go on. */
    assert_ok(log_world_append(&copy, 9, 3));
    log_world_close(&copy);
    assert_ok(log_world_open(&copy));
    log_world_assert_whole(&copy);
    log_world_close(&copy);
    remove_tree(scratch_path(state, "copy"));
}

static void fresh_copy(void **state)
{
    copy_tree(scratch_path(state, "node"), scratch_path(state, "copy"));
}

static const char *copied_wal(void **state)
{
    return scratch_path(state, "copy/log.db-wal");
}

static const char *copied_segment(void **state)
{
    return scratch_path(state, "copy/segments/0000000000000001.seg");
}

/* End of the last record in the segment. */
static off_t segment_end(struct log_world *world, uint64_t last)
{
    struct log_row row;
    uint64_t index = last - last % 3;
    assert_ok(raftlog_read(world->log, index, &row));
    return (off_t)(row.place.position + LOG_WORLD_PAYLOAD);
}

/* Appends, syncs, and appends more that is not synced. */
static void write_and_do_not_sync(struct log_world *world,
                                  struct power_cut *cut)
{
    static const struct step steps[] = {
        {APPEND, 1, 8}, {SYNC, 0, 0},   {APPEND, 1, 3},
        {APPEND, 2, 7}, {APPEND, 2, 6}, {APPEND, 3, 2},
    };
    char wal[600];
    snprintf(wal, sizeof(wal), "%s-wal", world->path);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        assert_ok(run(world, &steps[i]));
        cut->model = apply(&cut->model, &steps[i]);
        if (steps[i].kind == SYNC) {
            cut->synced_last = cut->model.last;
            cut->wal_synced = size_of(wal);
            cut->segment_synced = segment_end(world, cut->model.last);
        }
    }
    cut->wal_end = size_of(wal);
    cut->segment_end = segment_end(world, cut->model.last);
}

static void power_cut_leaves_a_prefix_with_all_that_was_synced(void **state)
{
    struct log_world world;
    struct power_cut cut = {0};
    log_world_init(&world, scratch_path(state, "node"));
    assert_ok(log_world_create(&world));
    assert_ok(log_world_open(&world));
    write_and_do_not_sync(&world, &cut);
    assert_true(cut.wal_end > cut.wal_synced + 4 * 4096);
    /* The WAL ends anywhere. */
    for (off_t at = cut.wal_synced; at <= cut.wal_end; at += 1373) {
        fresh_copy(state);
        assert_int_equal(truncate(copied_wal(state), at), 0);
        assert_prefix(state, &cut);
    }
    /* Any page of the WAL is lost, with the later ones there. */
    for (off_t at = cut.wal_synced; at < cut.wal_end; at += 4096) {
        fresh_copy(state);
        lose(copied_wal(state), at,
             at + 4096 < cut.wal_end ? at + 4096 : cut.wal_end);
        assert_prefix(state, &cut);
    }
    /* Any page of the segment is lost while the WAL is whole. */
    for (off_t at = cut.segment_synced; at < cut.segment_end; at += 4096) {
        fresh_copy(state);
        off_t to = at + 4096 < cut.segment_end ? at + 4096 : cut.segment_end;
        lose(copied_segment(state), at, to);
        assert_prefix(state, &cut);
    }
    /* The segment ends anywhere. */
    for (off_t at = cut.segment_synced; at < cut.segment_end; at += 2999) {
        fresh_copy(state);
        assert_int_equal(truncate(copied_segment(state), at), 0);
        assert_prefix(state, &cut);
    }
    log_world_close(&world);
}

static int setup(void **state)
{
    faults_install();
    return scratch_setup(state);
}

static int teardown(void **state)
{
    faults_remove();
    return scratch_teardown(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_failing_access_once_and_again),
        TEST(each_failing_access_and_a_restart),
        TEST(disk_that_dies_and_a_restart),
        TEST(disk_that_is_full_until_space_is_made),
        TEST(disk_that_is_full_and_a_restart),
        TEST(failing_creation_can_be_repeated),
        TEST(full_segment_disk_leaves_the_segment_as_it_was),
        TEST(copy_of_each_moment_is_that_moment),
        TEST(power_cut_leaves_a_prefix_with_all_that_was_synced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
