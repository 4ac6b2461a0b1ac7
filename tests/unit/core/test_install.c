/* A snapshot takes the place of the log's beginning. */
#include "tests/unit/core/solo.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void install(struct solo *s, raft_index index, raft_term term)
{
    static const struct raft_config unknown;
    solo_step(s, (struct raft_event){.type = RAFT_EVENT_INSTALLED,
                                     .index = index,
                                     .term = term,
                                     .configs = &unknown});
}

static void a_log_that_ends_before_it_begins_behind_it(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 3, "11");
    install(&s, 9, 3);
    struct raft_status status = solo_status(&s);
    assert_int_equal(status.first, 10);
    assert_int_equal(status.last, 9);
    assert_int_equal(status.commit, 9);
    assert_int_equal(status.applied, 9);
    assert_int_equal(status.durable, 9);
    /* The next record of the leader fits. */
    solo_append(&s, 2, 3, 9, 3, "3", 9);
    assert_int_equal(solo_count(&s, RAFT_DO_APPEND), 1);
    assert_int_equal(solo_sent(&s, RAFT_APPEND_REPLY, 2)->message.match, 10);
    solo_release(&s);
}

static void records_behind_it_stay_if_they_follow_it(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 2, "11222");
    install(&s, 3, 2);
    struct raft_status status = solo_status(&s);
    assert_int_equal(status.first, 4);
    assert_int_equal(status.last, 5);
    assert_int_equal(status.commit, 3);
    assert_int_equal(raft_term_at(s.raft, 5), 2);
    solo_release(&s);
}

/* hashicorp/raft 697: a log that kept its own record at the snapshot's index
 * refused the leader's next one for ever. */
static void records_behind_it_go_if_they_follow_another(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 3, "11122");
    install(&s, 4, 3);
    struct raft_status status = solo_status(&s);
    assert_int_equal(status.first, 5);
    assert_int_equal(status.last, 4);
    assert_int_equal(raft_term_at(s.raft, 4), 3);
    solo_append(&s, 2, 3, 4, 3, "3", 5);
    assert_int_equal(solo_count(&s, RAFT_DO_FATAL), 0);
    solo_sync(&s);
    assert_int_equal(solo_status(&s).commit, 5);
    solo_release(&s);
}

/* What was on its way to the disk when the log began anew. */
static void writes_under_way_do_not_count_as_others(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 2, "11");
    solo_append(&s, 2, 2, 2, 1, "222", 2);
    install(&s, 9, 2);
    assert_int_equal(solo_status(&s).durable, 9);
    solo_sync(&s);
    assert_int_equal(solo_status(&s).durable, 9);
    solo_append(&s, 2, 2, 9, 2, "2", 10);
    assert_int_equal(solo_status(&s).durable, 9);
    solo_sync(&s);
    assert_int_equal(solo_status(&s).durable, 10);
    solo_release(&s);
}

static void who_is_behind_asks_for_a_snapshot(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    struct raft_message beat = {.type = RAFT_APPEND,
                                .from = 2,
                                .term = 3,
                                .prev_index = 50,
                                .prev_term = 2,
                                .first = 51,
                                .commit = 50,
                                .sent = 1,
                                .behind = true};
    solo_receive(&s, beat);
    assert_int_equal(solo_count(&s, RAFT_DO_SNAPSHOT), 1);
    assert_int_equal(solo_effect(&s, RAFT_DO_SNAPSHOT, 0)->peer, 2);
    beat.behind = false;
    solo_receive(&s, beat);
    assert_int_equal(solo_count(&s, RAFT_DO_SNAPSHOT), 0);
    solo_release(&s);
}

/* The leader says so as long as the peer has less than its log begins with. */
static void the_leader_says_who_is_behind(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 2, "1111");
    s.boot.applied = 4;
    solo_start(&s);
    solo_lead(&s);
    solo_step(&s,
              (struct raft_event){.type = RAFT_EVENT_APPLIED, .index = 4});
    solo_step(&s,
              (struct raft_event){.type = RAFT_EVENT_COMPACTED, .index = 4});
    solo_pass(&s, 1000);
    solo_receive(&s, (struct raft_message){.type = RAFT_APPEND_REPLY,
                                           .from = 3,
                                           .term = solo_status(&s).term,
                                           .boot = 7,
                                           .sent = s.now,
                                           .hint = 1,
                                           .hint_term = 1});
    solo_timeout(&s);
    const struct raft_effect *beat = solo_sent(&s, RAFT_APPEND, 3);
    assert_true(beat->message.behind);
    assert_false(solo_sent(&s, RAFT_APPEND, 2)->message.behind);
    solo_receive(&s, (struct raft_message){.type = RAFT_APPEND_REPLY,
                                           .from = 3,
                                           .term = solo_status(&s).term,
                                           .boot = 7,
                                           .sent = s.now,
                                           .granted = true,
                                           .match = 4,
                                           .applied = 4});
    beat = solo_sent(&s, RAFT_APPEND, 3);
    assert_non_null(beat);
    assert_false(beat->message.behind);
    assert_int_equal(beat->message.first, 5);
    solo_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_that_ends_before_it_begins_behind_it),
        cmocka_unit_test(records_behind_it_stay_if_they_follow_it),
        cmocka_unit_test(records_behind_it_go_if_they_follow_another),
        cmocka_unit_test(writes_under_way_do_not_count_as_others),
        cmocka_unit_test(who_is_behind_asks_for_a_snapshot),
        cmocka_unit_test(the_leader_says_who_is_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
