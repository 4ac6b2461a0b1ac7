#include "solo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct raft_message *reply(const struct solo *s)
{
    const struct raft_effect *e = solo_sent(s, RAFT_APPEND_REPLY, 0);
    assert_non_null(e);
    return &e->message;
}

static void records_are_acknowledged_when_they_are_on_disk(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_append(&s, 2, 1, 1, 1, "11", 0);
    const struct raft_effect *append = solo_effect(&s, RAFT_DO_APPEND, 0);
    assert_int_equal(append->source, RAFT_FROM_MESSAGE);
    assert_int_equal(append->first, 2);
    assert_int_equal(append->last, 3);
    assert_int_equal(append->skip, 0);
    assert_int_equal(reply(&s)->match, 3);
    assert_int_equal(reply(&s)->sent, 42);
    assert_int_equal(solo_sent(&s, RAFT_APPEND_REPLY, 2)->after, append->token);
    /* A duplicate writes nothing and waits for the same write. */
    solo_append(&s, 2, 1, 1, 1, "11", 0);
    assert_null(solo_effect(&s, RAFT_DO_APPEND, 0));
    assert_int_equal(solo_sent(&s, RAFT_APPEND_REPLY, 2)->after, s.token);
    solo_sync(&s);
    solo_append(&s, 2, 1, 1, 1, "11", 0);
    assert_int_equal(solo_sent(&s, RAFT_APPEND_REPLY, 2)->after, 0);
    solo_release(&s);
}

static void
a_heartbeat_behind_unwritten_records_is_answered_at_once(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_append(&s, 2, 1, 1, 1, "11", 0);
    solo_append(&s, 2, 1, 1, 1, "", 0);
    assert_int_equal(reply(&s)->match, 1);
    assert_int_equal(solo_sent(&s, RAFT_APPEND_REPLY, 2)->after, 0);
    solo_release(&s);
}

/* Otherwise the node could forget the leader's term, follow an older leader
 * after a crash, and drop what it has acknowledged. */
static void an_acknowledgement_waits_for_the_term(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_append(&s, 2, 2, 1, 1, "", 0);
    const struct raft_effect *save = solo_effect(&s, RAFT_DO_SAVE, 0);
    assert_int_equal(save->term, 2);
    assert_int_equal(solo_sent(&s, RAFT_APPEND_REPLY, 2)->after, save->token);
    solo_release(&s);
}

static void match_speaks_of_the_request_alone(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 3, "12333");
    solo_append(&s, 2, 4, 2, 2, "", 5);
    assert_true(reply(&s)->granted);
    assert_int_equal(reply(&s)->match, 2);
    /* So does what it commits: the rest of our log is unverified. */
    assert_int_equal(solo_status(&s).commit, 2);
    assert_int_equal(solo_status(&s).last, 5);
    solo_release(&s);
}

static void records_in_common_are_skipped(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 2, "122");
    solo_append(&s, 2, 2, 1, 1, "2222", 0);
    const struct raft_effect *append = solo_effect(&s, RAFT_DO_APPEND, 0);
    assert_int_equal(append->skip, 2);
    assert_int_equal(append->first, 4);
    assert_int_equal(append->last, 5);
    assert_null(solo_effect(&s, RAFT_DO_TRUNCATE, 0));
    solo_release(&s);
}

static void an_old_request_does_not_shorten_the_log(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 2, "12222");
    solo_append(&s, 2, 2, 1, 1, "2", 0);
    assert_int_equal(solo_status(&s).last, 5);
    assert_int_equal(reply(&s)->match, 2);
    solo_release(&s);
}

static void a_conflict_is_undone_truncated_appended(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 3, "12222");
    solo_append(&s, 2, 3, 1, 1, "233", 0);
    const struct raft_effect *undo = solo_effect(&s, RAFT_DO_UNDO, 0);
    const struct raft_effect *cut = solo_effect(&s, RAFT_DO_TRUNCATE, 0);
    const struct raft_effect *append = solo_effect(&s, RAFT_DO_APPEND, 0);
    assert_int_equal(undo->first, 3);
    assert_int_equal(undo->last, 5);
    assert_int_equal(cut->first, 3);
    assert_int_equal(append->first, 3);
    assert_int_equal(append->last, 4);
    assert_int_equal(append->skip, 1);
    assert_true(undo < cut && cut < append);
    assert_true(cut->token < append->token);
    assert_int_equal(solo_effect(&s, RAFT_DO_NOTE, 0)->note,
                     RAFT_NOTE_TRUNCATED);
    assert_int_equal(solo_status(&s).durable, 2);
    solo_release(&s);
}

static void a_conflict_at_commit_is_never_obeyed(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 3, "1222");
    s.boot.applied = 3;
    solo_start(&s);
    solo_append(&s, 2, 4, 1, 1, "23", 0);
    const struct raft_effect *fatal = solo_effect(&s, RAFT_DO_FATAL, 0);
    assert_non_null(fatal);
    assert_int_equal(fatal->note, RAFT_NOTE_DIVERGED);
    assert_int_equal(fatal->index, 3);
    assert_null(solo_effect(&s, RAFT_DO_TRUNCATE, 0));
    assert_null(solo_sent(&s, RAFT_APPEND_REPLY, 0));
    assert_int_equal(solo_status(&s).role, RAFT_FAULTED);
    assert_int_equal(solo_status(&s).last, 4);
    solo_release(&s);
}

static void a_conflict_before_commit_at_prev_is_fatal(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 3, "1222");
    s.boot.applied = 3;
    solo_start(&s);
    solo_append(&s, 2, 4, 2, 3, "", 0);
    assert_non_null(solo_effect(&s, RAFT_DO_FATAL, 0));
    solo_release(&s);
}

static void two_leaders_of_one_term_are_fatal(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 2, "12");
    solo_append(&s, 2, 2, 2, 2, "", 0);
    solo_append(&s, 3, 2, 2, 2, "", 0);
    assert_non_null(solo_effect(&s, RAFT_DO_FATAL, 0));
    solo_release(&s);
}

static void the_hint_skips_terms_that_cannot_match(void **state)
{
    (void)state;
    struct solo s;
    /* Figure 7 (f) against the leader's 1114455666. */
    solo_init(&s, 3, 7, "11122233333");
    solo_append(&s, 2, 8, 10, 6, "", 0);
    assert_false(reply(&s)->granted);
    assert_int_equal(reply(&s)->hint, 10);
    assert_int_equal(reply(&s)->hint_term, 3);
    /* The leader's newest record of a term up to 3 is 3@1. */
    solo_append(&s, 2, 8, 3, 1, "4455666", 0);
    assert_true(reply(&s)->granted);
    assert_int_equal(solo_effect(&s, RAFT_DO_UNDO, 0)->first, 4);
    solo_release(&s);
}

static void a_short_log_hints_at_its_end(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 7, "1114");
    solo_append(&s, 2, 8, 10, 6, "", 0);
    assert_int_equal(reply(&s)->hint, 4);
    assert_int_equal(reply(&s)->hint_term, 4);
    solo_release(&s);
}

static void what_is_compacted_agrees(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 2, "2222");
    s.boot.base_index = 10;
    s.boot.base_term = 1;
    s.boot.applied = 12;
    solo_start(&s);
    solo_append(&s, 2, 2, 8, 1, "112222", 0);
    assert_int_equal(reply(&s)->match, 14);
    assert_null(solo_effect(&s, RAFT_DO_APPEND, 0));
    solo_append(&s, 2, 2, 3, 1, "1", 0);
    assert_int_equal(reply(&s)->match, 4);
    solo_append(&s, 2, 2, 8, 1, "1122222", 0);
    assert_int_equal(solo_effect(&s, RAFT_DO_APPEND, 0)->skip, 6);
    assert_int_equal(solo_effect(&s, RAFT_DO_APPEND, 0)->first, 15);
    solo_release(&s);
}

static void only_what_is_on_our_disk_is_applied(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_append(&s, 2, 1, 1, 1, "11", 3);
    assert_int_equal(solo_status(&s).commit, 3);
    assert_int_equal(solo_effect(&s, RAFT_DO_COMMIT, 0)->index, 1);
    solo_sync(&s);
    assert_int_equal(solo_effect(&s, RAFT_DO_COMMIT, 0)->index, 3);
    solo_release(&s);
}

static void commit_notices_want_no_answer(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "11");
    struct raft_message notice = {.type = RAFT_APPEND,
                                  .from = 2,
                                  .term = 1,
                                  .prev_index = 2,
                                  .prev_term = 1,
                                  .first = 3,
                                  .commit = 2,
                                  .quorum_ok = true};
    solo_receive(&s, notice);
    assert_null(solo_sent(&s, RAFT_APPEND_REPLY, 0));
    assert_int_equal(solo_status(&s).commit, 2);
    solo_release(&s);
}

static void nonsense_is_dropped(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 3, "123");
    solo_append(&s, 2, 3, 3, 3, "2", 0); /* terms go back */
    assert_int_equal(s.effects.count, 0);
    solo_append(&s, 2, 3, 3, 3, "4", 0); /* later than its sender */
    assert_int_equal(s.effects.count, 0);
    solo_append(&s, 2, 3, 3, 4, "", 0);
    assert_int_equal(s.effects.count, 0);
    solo_release(&s);
}

static void the_leaders_trim_is_capped_by_what_we_applied(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1111");
    s.boot.applied = 2;
    solo_start(&s);
    solo_receive(&s, (struct raft_message){.type = RAFT_APPEND,
                                           .from = 2,
                                           .term = 1,
                                           .prev_index = 4,
                                           .prev_term = 1,
                                           .first = 5,
                                           .commit = 4,
                                           .trim = 3,
                                           .sent = 1});
    assert_int_equal(reply(&s)->applied, 2);
    assert_int_equal(solo_status(&s).trim, 2);
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_APPLIED, .index = 4});
    assert_int_equal(solo_status(&s).trim, 3);
    solo_step(&s,
              (struct raft_event){.type = RAFT_EVENT_COMPACTED, .index = 3});
    assert_int_equal(solo_status(&s).first, 4);
    assert_int_equal(raft_term_at(s.raft, 3), 1);
    assert_int_equal(raft_term_at(s.raft, 2), 0);
    solo_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_acknowledged_when_they_are_on_disk),
        cmocka_unit_test(
            a_heartbeat_behind_unwritten_records_is_answered_at_once),
        cmocka_unit_test(an_acknowledgement_waits_for_the_term),
        cmocka_unit_test(match_speaks_of_the_request_alone),
        cmocka_unit_test(records_in_common_are_skipped),
        cmocka_unit_test(an_old_request_does_not_shorten_the_log),
        cmocka_unit_test(a_conflict_is_undone_truncated_appended),
        cmocka_unit_test(a_conflict_at_commit_is_never_obeyed),
        cmocka_unit_test(a_conflict_before_commit_at_prev_is_fatal),
        cmocka_unit_test(two_leaders_of_one_term_are_fatal),
        cmocka_unit_test(the_hint_skips_terms_that_cannot_match),
        cmocka_unit_test(a_short_log_hints_at_its_end),
        cmocka_unit_test(what_is_compacted_agrees),
        cmocka_unit_test(only_what_is_on_our_disk_is_applied),
        cmocka_unit_test(commit_notices_want_no_answer),
        cmocka_unit_test(nonsense_is_dropped),
        cmocka_unit_test(the_leaders_trim_is_capped_by_what_we_applied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
