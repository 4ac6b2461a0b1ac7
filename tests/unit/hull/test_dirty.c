/* What the records behind `applied` touch. */
#include "raft/hull/dirty.h"

#include "cmocka_all.h"

/* A body is a letter: what the record touches, or ? for what `named` says. */
static uint64_t named;
static unsigned questions;

static void footprint(void *self, const struct record *record,
                      struct footprint *out)
{
    (void)self;
    char letter = *(const char *)record->body.data;
    questions++;
    out->again = letter == '?';
    out->all = letter == '*';
    out->count = 1;
    out->keys[0] = letter == '?' ? named : (uint64_t)letter;
}

static const struct pilot pilot = {.footprint = footprint};

static void add(struct dirty *dirty, raft_index index, const char *letter,
                raft_index applied)
{
    struct record *record = record_new(
        RECORD_COMMAND, (struct bytes){letter, 1}, (struct bytes){0});
    record->index = index;
    dirty_add(dirty, &pilot, record, applied);
    record_unref(record);
}

static bool touches(struct dirty *dirty, uint64_t key, raft_index applied)
{
    return dirty_touches(dirty, &pilot, applied, &key, 1);
}

static void a_record_touches_until_it_is_applied(void **state)
{
    (void)state;
    struct dirty dirty;
    dirty_init(&dirty, 4);
    add(&dirty, 5, "a", 4);
    add(&dirty, 6, "b", 4);
    assert_true(touches(&dirty, 'a', 4));
    assert_true(touches(&dirty, 'b', 4));
    assert_false(touches(&dirty, 'c', 4));
    assert_int_equal(dirty_last(&dirty, 4), 6);
    dirty_applied(&dirty, 5);
    assert_false(touches(&dirty, 'a', 5));
    assert_true(touches(&dirty, 'b', 5));
    assert_true(dirty_touches(&dirty, &pilot, 5, NULL, 0));
    dirty_applied(&dirty, 6);
    assert_false(dirty_touches(&dirty, &pilot, 6, NULL, 0));
    assert_int_equal(dirty_last(&dirty, 6), 6);
    dirty_release(&dirty);
}

static void what_is_cut_touches_no_more(void **state)
{
    (void)state;
    struct dirty dirty;
    dirty_init(&dirty, 0);
    for (raft_index i = 1; i <= 200; i++) {
        add(&dirty, i, i > 100 ? "b" : "a", 0);
    }
    dirty_truncate(&dirty, 101);
    assert_true(touches(&dirty, 'a', 0));
    assert_false(touches(&dirty, 'b', 0));
    add(&dirty, 101, "*", 0);
    assert_true(touches(&dirty, 'b', 0));
    dirty_release(&dirty);
}

/* Nobody has looked at the records that were in the log at the start. */
static void after_a_start_everything_is_touched(void **state)
{
    (void)state;
    struct dirty dirty;
    dirty_init(&dirty, 9);
    assert_true(touches(&dirty, 'a', 7));
    assert_int_equal(dirty_last(&dirty, 7), 9);
    assert_false(touches(&dirty, 'a', 9));
    dirty_truncate(&dirty, 8);
    assert_false(touches(&dirty, 'a', 7));
    dirty_release(&dirty);
}

static void names_are_asked_again_when_the_tree_has_changed(void **state)
{
    (void)state;
    struct dirty dirty;
    dirty_init(&dirty, 0);
    named = 'x';
    add(&dirty, 1, "a", 0);
    add(&dirty, 2, "?", 0);
    assert_true(touches(&dirty, 'x', 0));
    named = 'y';
    questions = 0;
    assert_false(touches(&dirty, 'y', 0));
    assert_int_equal(questions, 0);
    dirty_applied(&dirty, 1);
    assert_true(touches(&dirty, 'y', 1));
    assert_int_equal(questions, 1);
    dirty_release(&dirty);
}

static void too_many_names_count_as_everything(void **state)
{
    (void)state;
    struct dirty dirty;
    dirty_init(&dirty, 0);
    named = 'x';
    for (raft_index i = 1; i <= 100; i++) {
        add(&dirty, i, "?", 0);
    }
    dirty_applied(&dirty, 1);
    questions = 0;
    assert_true(touches(&dirty, 'q', 1));
    assert_true(questions < 50);
    dirty_release(&dirty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_touches_until_it_is_applied),
        cmocka_unit_test(what_is_cut_touches_no_more),
        cmocka_unit_test(after_a_start_everything_is_touched),
        cmocka_unit_test(names_are_asked_again_when_the_tree_has_changed),
        cmocka_unit_test(too_many_names_count_as_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
