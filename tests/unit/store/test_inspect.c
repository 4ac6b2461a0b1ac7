#include "tests/unit/store/testing.h"

#include "store/error.h"
#include "store/inspect.h"
#include "store/raftlog.h"
#include "store/tree.h"

#include <errno.h>
#include <stdlib.h>

static void append(struct raftlog *log, uint64_t index, uint64_t term)
{
    struct log_row row = {
        .index = index, .term = term, .size = 5, .bytes = {"bytes", 5}};
    assert_ok(raftlog_append(log, &row, 1));
}

static void an_empty_log_says_so(void **state)
{
    struct inspect_log seen;
    const char *path = scratch_path(state, "log.db");
    assert_ok(raftlog_create(path, 11, 12));
    assert_ok(inspect_log(path, &seen));
    assert_int_equal(seen.cluster_id, 11);
    assert_int_equal(seen.node, 12);
    assert_int_equal(seen.last, 0);
    assert_int_equal(seen.last_term, 0);
}

static void a_log_in_use_is_seen_as_it_is(void **state)
{
    struct raftlog *log;
    struct log_head head;
    struct inspect_log seen;
    const char *path = scratch_path(state, "log.db");
    assert_ok(raftlog_create(path, 11, 12));
    assert_ok(raftlog_open(path, NULL, &log, &head));
    free(head.terms);
    free(head.sizes);
    append(log, 1, 3);
    append(log, 2, 4);
    assert_ok(raftlog_save_vote(log, 5, 12));
    assert_ok(inspect_log(path, &seen));
    assert_int_equal(seen.term, 5);
    assert_int_equal(seen.vote, 12);
    assert_int_equal(seen.last, 2);
    assert_int_equal(seen.last_term, 4);
    raftlog_durable(log, 2);
    assert_ok(raftlog_compact(log, 2, 100));
    assert_ok(inspect_log(path, &seen));
    assert_int_equal(seen.last, 2); /* though no record is kept */
    assert_int_equal(seen.last_term, 4);
    raftlog_close(log);
}

static void a_log_that_is_not_there_is_an_error(void **state)
{
    struct inspect_log seen;
    struct inspect_results results;
    assert_true(inspect_log(scratch_path(state, "log.db"), &seen) < 0);
    assert_true(inspect_results_open(scratch_path(state, "tree.db"), &results) <
                0);
}

static void results_of_a_tree_in_use_are_seen_once_committed(void **state)
{
    struct tree *tree;
    struct inspect_results results;
    uint64_t applied = 1;
    int32_t error = 1;
    const char *path = scratch_path(state, "tree.db");
    assert_ok(tree_create(path, 11));
    assert_ok(tree_open(path, NULL, &tree));
    assert_ok(inspect_results_open(path, &results));
    assert_ok(tree_begin(tree));
    assert_ok(tree_set_applied(tree, 1, 1, 1, 0));
    assert_ok(tree_set_applied(tree, 2, 1, 2, 0));
    assert_ok(tree_result_put(tree, 2, EEXIST));
    assert_ok(inspect_results_applied(&results, &applied));
    assert_int_equal(applied, 0);
    assert_ok(tree_commit(tree));
    assert_ok(inspect_results_applied(&results, &applied));
    assert_int_equal(applied, 2);
    assert_ok(inspect_results_get(&results, 1, &error));
    assert_int_equal(error, 0);
    assert_ok(inspect_results_get(&results, 2, &error));
    assert_int_equal(error, EEXIST);
    inspect_results_close(&results);
    tree_close(tree);
}

#define TEST(f)                                                                \
    cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_log_says_so),
        TEST(a_log_in_use_is_seen_as_it_is),
        TEST(a_log_that_is_not_there_is_an_error),
        TEST(results_of_a_tree_in_use_are_seen_once_committed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
