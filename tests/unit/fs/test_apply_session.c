/* Who may act, and what counts once. */
#include "tests/unit/fs/apply_world.h"

#include "fs/errno.h"
#include "store/error.h"

#include <errno.h>
#include <string.h>

static struct command mkdir_command(const char *name)
{
    return (struct command){.op = OP_MKDIR,
                            .parent = TREE_ROOT,
                            .name = world_text(name),
                            .mode = 0755};
}

/* The next record, with a serial of the test's choice. */
static int run_as(struct world *w, struct command command, uint64_t session,
                  uint64_t serial)
{
    struct record *record = world_record(w, &command, (struct bytes){0});
    record->session = session;
    record->serial = serial;
    int error = world_apply(w, record);
    record_unref(record);
    return error;
}

static int end_session(struct world *w, uint64_t session)
{
    struct command end = {.op = OP_SESSION_END, .session = session};
    return run_as(w, end, 0, 1);
}

static uint32_t results_kept(struct world *w)
{
    struct apply_session session;
    assert_true(apply_session_get(w->apply, w->session, &session));
    return session.results;
}

static void a_session_is_named_by_its_record(void **state)
{
    struct world *w = *state;
    uint64_t id = world_session(w, "other", 9);
    assert_int_equal(id, tree_applied(w->tree));
    struct apply_session session;
    assert_true(apply_session_get(w->apply, id, &session));
    assert_int_equal(session.id, id);
    assert_int_equal(session.node, WORLD_NODE + 5);
    assert_int_equal(session.boot, 9);
    assert_int_equal(session.opened_ns, w->time_ns);
    assert_string_equal(session.name, "other");
    struct apply_session list[4];
    assert_int_equal(apply_sessions(w->apply, list, 4), 2);
    assert_int_equal(list[0].id, w->session);
    assert_int_equal(list[1].id, id);
    assert_int_equal(apply_sessions(w->apply, list, 1), 1);
}

static void a_repeated_command_counts_once(void **state)
{
    struct world *w = *state;
    assert_int_equal(run_as(w, mkdir_command("d"), w->session, 50), 0);
    uint64_t dir = w->result.value[VALUE_INO];
    assert_int_equal(run_as(w, mkdir_command("d"), w->session, 51), EEXIST);
    uint64_t digest = world_digest(w);
    assert_int_equal(run_as(w, mkdir_command("d"), w->session, 50), 0);
    assert_int_equal(w->result.value[VALUE_INO], dir);
    assert_int_equal(apply_last_change(w->apply)->ino_count, 0);
    assert_int_equal(run_as(w, mkdir_command("d"), w->session, 51), EEXIST);
    assert_int_equal(world_digest(w), digest);
}

static void serials_may_come_in_any_order(void **state)
{
    struct world *w = *state;
    assert_int_equal(run_as(w, mkdir_command("b"), w->session, 52), 0);
    uint64_t b = w->result.value[VALUE_INO];
    assert_int_equal(run_as(w, mkdir_command("a"), w->session, 50), 0);
    assert_int_equal(run_as(w, mkdir_command("c"), w->session, 51), 0);
    assert_int_equal(run_as(w, mkdir_command("b"), w->session, 52), 0);
    assert_int_equal(w->result.value[VALUE_INO], b);
}

static void an_ended_session_may_do_nothing(void **state)
{
    struct world *w = *state;
    uint64_t other = world_session(w, "other", 9);
    assert_int_equal(run_as(w, mkdir_command("d"), other, 1), 0);
    assert_int_equal(end_session(w, other), 0);
    assert_false(apply_session_get(w->apply, other, NULL));
    uint64_t digest = world_digest(w);
    assert_int_equal(run_as(w, mkdir_command("e"), other, 2), ESTALE);
    /* Not even what it did before is answered again. */
    assert_int_equal(run_as(w, mkdir_command("d"), other, 1), ESTALE);
    assert_int_equal(run_as(w, mkdir_command("e"), 4711, 1), ESTALE);
    assert_int_equal(run_as(w, mkdir_command("e"), 0, 1), ESTALE);
    assert_int_equal(end_session(w, other), ESTALE);
    assert_int_equal(world_digest(w), digest);
}

static void a_session_may_end_itself(void **state)
{
    struct world *w = *state;
    uint64_t other = world_session(w, "other", 9);
    struct command end = {.op = OP_SESSION_END, .session = other};
    assert_int_equal(run_as(w, end, other, 1), 0);
    assert_int_equal(run_as(w, mkdir_command("e"), other, 2), ESTALE);
}

static void a_new_session_ends_the_nodes_earlier_one(void **state)
{
    struct world *w = *state;
    uint64_t other = world_session(w, "other", 1);
    uint64_t mine = world_session(w, "me", 2);
    assert_int_not_equal(mine, w->session);
    assert_int_equal(run_as(w, mkdir_command("d"), w->session, 99), ESTALE);
    assert_int_equal(run_as(w, mkdir_command("d"), mine, 1), 0);
    assert_int_equal(run_as(w, mkdir_command("e"), other, 1), 0);
    w->session = mine;
}

static void the_first_session_dates_the_root(void **state)
{
    struct world *w = *state;
    struct inode root = world_inode(w, TREE_ROOT);
    assert_true(root.btime > 0);
    assert_int_equal(root.mtime, root.btime);
    w->session = world_session(w, "other", 2);
    assert_int_equal(world_inode(w, TREE_ROOT).mtime, root.mtime);
}

static void who_runs_the_first_node_owns_the_root(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->caller = (struct command_caller){.uid = 1000, .gid = 100};
    world_session(w, "first", 1);
    w->caller = (struct command_caller){.uid = 1001, .gid = 101};
    w->session = world_session(w, "second", 2);
    struct inode root = world_inode(w, TREE_ROOT);
    assert_int_equal(root.uid, 1000);
    assert_int_equal(root.gid, 100);
    world_free(w);
}

static void a_repeated_opening_gives_the_same_session(void **state)
{
    struct world *w = *state;
    struct command open = {
        .op = OP_SESSION_OPEN, .name = world_text("n"), .number = 3};
    assert_int_equal(run_as(w, open, 0, 10), 0);
    uint64_t id = w->result.value[VALUE_INO];
    assert_int_equal(run_as(w, open, 0, 10), 0);
    assert_int_equal(w->result.value[VALUE_INO], id);
    assert_int_equal(run_as(w, open, 0, 11), 0);
    assert_int_not_equal(w->result.value[VALUE_INO], id);
    id = w->result.value[VALUE_INO];
    assert_int_equal(run_as(w, open, 0, 10), ESTALE); /* come late */
    assert_true(apply_session_get(w->apply, id, &(struct apply_session){0}));
    w->session = id;
}

static void
opening_is_refused_inside_a_session_or_with_a_long_name(void **state)
{
    struct world *w = *state;
    char name[65];
    memset(name, 'x', 64);
    name[64] = '\0';
    struct command open = {
        .op = OP_SESSION_OPEN, .name = world_text("n"), .number = 3};
    assert_int_equal(run_as(w, open, w->session, 200), EINVAL);
    open.name = world_text(name);
    assert_int_equal(run_as(w, open, 0, 1), EINVAL);
    open.name.size = 63;
    assert_int_equal(run_as(w, open, 0, 1), 0);
    w->session = w->result.value[VALUE_INO];
}

static void what_is_acknowledged_is_forgotten(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(world_mkdir(w, TREE_ROOT, "d", 0755),
                         i == 0 ? 0 : EEXIST);
    }
    assert_int_equal(results_kept(w), 10);
    w->ack_below = w->serial - 2;
    assert_int_equal(world_mkdir(w, TREE_ROOT, "d", 0755), EEXIST);
    assert_int_equal(results_kept(w), 4);
    /* One of those that went: no way to tell any more. */
    assert_int_equal(
        run_as(w, mkdir_command("e"), w->session, w->ack_below - 1), ETIMEDOUT);
    assert_int_equal(world_lookup(w, TREE_ROOT, "e"), 0);
    /* A command's own result is kept, whatever it acknowledges. */
    w->ack_below = UINT64_MAX;
    assert_int_equal(world_mkdir(w, TREE_ROOT, "f", 0755), 0);
    assert_int_equal(results_kept(w), 1);
    assert_int_equal(run_as(w, mkdir_command("f"), w->session, w->serial), 0);
}

static void the_window_has_an_end(void **state)
{
    struct world *w = *state;
    uint64_t first = w->serial + 2; /* skipped: it comes too late */
    w->serial += 2;
    for (int i = 0; i < APPLY_WINDOW_MAX + 5; i++) {
        world_unlink(w, TREE_ROOT, "none");
    }
    assert_int_equal(results_kept(w), APPLY_WINDOW_MAX);
    assert_int_equal(run_as(w, mkdir_command("d"), w->session, first),
                     ETIMEDOUT);
    assert_int_equal(world_mkdir(w, TREE_ROOT, "d", 0755), 0);
    world_commit(w);
    world_reopen(w);
    assert_int_equal(results_kept(w), APPLY_WINDOW_MAX);
}

static void sessions_survive_a_restart(void **state)
{
    struct world *w = *state;
    assert_int_equal(run_as(w, mkdir_command("d"), w->session, 50), 0);
    uint64_t dir = w->result.value[VALUE_INO];
    assert_int_equal(run_as(w, mkdir_command("d"), w->session, 51), EEXIST);
    uint64_t other = world_session(w, "other", 2);
    assert_int_equal(end_session(w, other), 0);
    struct apply_session before, after;
    assert_true(apply_session_get(w->apply, w->session, &before));
    world_commit(w);
    world_reopen(w);
    assert_true(apply_session_get(w->apply, w->session, &after));
    world_same_session(&before, &after);
    assert_false(apply_session_get(w->apply, other, &after));
    assert_int_equal(run_as(w, mkdir_command("d"), w->session, 50), 0);
    assert_int_equal(w->result.value[VALUE_INO], dir);
    assert_int_equal(run_as(w, mkdir_command("d"), w->session, 51), EEXIST);
    struct command open = {
        .op = OP_SESSION_OPEN, .name = world_text("me"), .number = 1};
    struct record *record = world_record(w, &open, (struct bytes){0});
    record->session = 0;
    record->origin = WORLD_NODE + 2;
    record->serial = 1; /* as world_setup() did */
    assert_int_equal(world_apply(w, record), 0);
    record_unref(record);
    assert_int_equal(w->result.value[VALUE_INO], w->session);
}

static void a_damaged_row_is_found(void **state)
{
    struct world *w = *state;
    static const uint8_t rows[][4] = {{2, 0}, {1, 0, 7, 7}};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(tree_begin(w->tree), 0);
        assert_int_equal(
            tree_session_put(w->tree, 4711, (struct view){rows[i], 2 + i * 2}),
            0);
        struct apply *apply = NULL;
        assert_int_equal(apply_open(w->tree, &apply), STORE_CORRUPT);
    }
    assert_int_equal(tree_session_remove(w->tree, 4711), 0);
}

static void nonsense_is_a_result_too(void **state)
{
    struct world *w = *state;
    struct record *record = record_new(
        RECORD_COMMAND, (struct bytes){"nonsense", 8}, (struct bytes){0});
    record->index = tree_applied(w->tree) + 1;
    record->session = w->session;
    record->serial = 60;
    assert_int_equal(world_apply(w, record), EINVAL);
    record_unref(record);
    assert_int_equal(run_as(w, mkdir_command("d"), w->session, 60), EINVAL);
}

static void other_records_only_move_the_index(void **state)
{
    struct world *w = *state;
    uint64_t digest = world_digest(w);
    for (uint16_t code = RECORD_TERM_START; code <= RECORD_BARRIER; code++) {
        if (code == RECORD_COMMAND) {
            continue;
        }
        struct record *record =
            record_new(code, (struct bytes){0}, (struct bytes){0});
        record->index = tree_applied(w->tree) + 1;
        record->term = 8;
        w->time_ns += 5;
        record->time_ns = w->time_ns;
        assert_int_equal(world_apply(w, record), 0);
        assert_int_equal(tree_applied(w->tree), record->index);
        assert_int_equal(tree_applied_term(w->tree), 8);
        assert_int_equal(tree_time_ns(w->tree), w->time_ns);
        record_unref(record);
    }
    assert_int_equal(world_digest(w), digest);
}

static void what_cannot_be_applied_is_no_result(void **state)
{
    struct world *w = *state;
    struct command command = mkdir_command("d");
    struct record *record = world_record(w, &command, (struct bytes){0});
    uint64_t next = record->index;
    struct apply_result result;
    record->index = next - 1; /* again */
    assert_int_equal(apply_record(w->apply, record, &result), STORE_INVALID);
    record->index = next + 1; /* a gap */
    assert_int_equal(apply_record(w->apply, record, &result), STORE_INVALID);
    record->index = next;
    record->code = 200; /* of a newer version */
    assert_int_equal(apply_record(w->apply, record, &result), STORE_VERSION);
    record->code = RECORD_COMMAND;
    assert_int_equal(world_apply(w, record), 0);
    record_unref(record);
}

static void a_write_without_its_bytes_ends_this_node(void **state)
{
    struct world *w = *state;
    uint64_t file = world_file(w, TREE_ROOT, "f");
    world_commit(w);
    struct command write = {.op = OP_WRITE, .ino = file};
    char bytes[5000] = {0};
    struct record *record =
        world_record(w, &write, (struct bytes){bytes, sizeof bytes});
    struct apply_result result;
    assert_int_equal(apply_record(w->apply, record, &result), STORE_INVALID);
    /* Nothing may be made of the half-done transaction. */
    assert_int_equal(apply_flush(w->apply), STORE_INVALID);
    assert_int_equal(apply_record(w->apply, record, &result), STORE_INVALID);
    record_unref(record);
    world_reopen(w);
}

static void outcomes_become_errnos(void **state)
{
    (void)state;
    assert_int_equal(errno_of_outcome(HULL_DONE, true), 0);
    assert_int_equal(errno_of_outcome(HULL_NOT_DONE, true), EROFS);
    assert_int_equal(errno_of_outcome(HULL_NOT_DONE, false), ETIMEDOUT);
    assert_int_equal(errno_of_outcome(HULL_UNKNOWN, true), ETIMEDOUT);
    assert_int_equal(errno_of_outcome(HULL_CANCELLED, false), EINTR);
    assert_int_equal(errno_of_outcome(HULL_STOPPED, true), EIO);
    assert_int_equal(errno_of_store(0), 0);
    assert_int_equal(errno_of_store(STORE_NOT_FOUND), ENOENT);
    assert_int_equal(errno_of_store(STORE_FULL), ENOSPC);
    assert_int_equal(errno_of_store(STORE_CORRUPT), EIO);
    assert_int_equal(errno_of_store(STORE_IO), EIO);
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_session_is_named_by_its_record),
        TEST(the_first_session_dates_the_root),
        cmocka_unit_test(who_runs_the_first_node_owns_the_root),
        TEST(a_repeated_command_counts_once),
        TEST(serials_may_come_in_any_order),
        TEST(an_ended_session_may_do_nothing),
        TEST(a_session_may_end_itself),
        TEST(a_new_session_ends_the_nodes_earlier_one),
        TEST(a_repeated_opening_gives_the_same_session),
        TEST(opening_is_refused_inside_a_session_or_with_a_long_name),
        TEST(what_is_acknowledged_is_forgotten),
        TEST(the_window_has_an_end),
        TEST(sessions_survive_a_restart),
        TEST(a_damaged_row_is_found),
        TEST(nonsense_is_a_result_too),
        TEST(other_records_only_move_the_index),
        TEST(what_cannot_be_applied_is_no_result),
        TEST(a_write_without_its_bytes_ends_this_node),
        cmocka_unit_test(outcomes_become_errnos),
    };
    return cmocka_run_group_tests_name("apply_session", tests, NULL, NULL);
}
