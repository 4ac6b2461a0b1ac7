#include "solo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct raft_peer_status peer(const struct solo *s, node_id id)
{
    struct raft_status status = solo_status(s);
    for (uint32_t i = 0; i < status.peer_count; i++) {
        if (status.peers[i].id == id) {
            return status.peers[i];
        }
    }
    fail();
    return status.peers[0];
}

static void refuse(struct solo *s, node_id from, raft_index hint,
                   raft_term hint_term)
{
    solo_receive(s, (struct raft_message){.type = RAFT_APPEND_REPLY,
                                          .from = from,
                                          .term = solo_status(s).term,
                                          .sent = s->now,
                                          .hint = hint,
                                          .hint_term = hint_term});
}

static void records_leave_before_they_are_written(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_lead(&s);
    assert_int_equal(solo_submit(&s, 3), 0);
    const struct raft_effect *append = solo_effect(&s, RAFT_DO_APPEND, 0);
    const struct raft_effect *send = solo_sent(&s, RAFT_APPEND, 2);
    assert_int_equal(append->source, RAFT_FROM_SUBMIT);
    assert_int_equal(append->first, 3);
    assert_int_equal(append->last, 5);
    assert_int_equal(append->term, 2);
    assert_true(append < send);
    assert_int_equal(send->after, 0);
    assert_int_equal(send->message.first, 3);
    assert_int_equal(send->message.count, 3);
    assert_non_null(solo_sent(&s, RAFT_APPEND, 3));
    solo_release(&s);
}

static void followers_refuse_records(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    assert_int_equal(solo_submit(&s, 1), -1);
    assert_int_equal(s.effects.count, 0);
    solo_release(&s);
}

static void the_leader_counts_itself_when_its_disk_is_done(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_lead(&s);
    solo_submit(&s, 1);
    solo_ack(&s, 2, 3);
    assert_int_equal(solo_status(&s).commit, 2);
    solo_sync(&s);
    assert_int_equal(solo_status(&s).commit, 3);
    assert_int_equal(solo_effect(&s, RAFT_DO_COMMIT, 0)->index, 3);
    /* Everybody hears of it at once, and need not answer. */
    const struct raft_effect *told = solo_sent(&s, RAFT_APPEND, 3);
    assert_int_equal(told->message.commit, 3);
    assert_int_equal(told->message.count, 0);
    assert_int_equal(told->message.sent, 0);
    solo_release(&s);
}

static void followers_can_commit_without_the_leaders_disk(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_lead(&s);
    solo_submit(&s, 1);
    solo_ack(&s, 2, 3);
    solo_ack(&s, 3, 3);
    assert_int_equal(solo_status(&s).commit, 3);
    assert_null(solo_effect(&s, RAFT_DO_COMMIT, 0));
    assert_int_equal(solo_sent(&s, RAFT_APPEND, 2)->message.commit, 3);
    solo_sync(&s);
    assert_int_equal(solo_effect(&s, RAFT_DO_COMMIT, 0)->index, 3);
    solo_release(&s);
}

static void old_terms_commit_only_under_ours(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 2, "122");
    solo_timeout(&s);
    solo_receive(&s, (struct raft_message){.type = RAFT_PREVOTE_REPLY,
                                           .from = 2,
                                           .term = 3,
                                           .granted = true});
    solo_sync(&s);
    solo_receive(&s, (struct raft_message){.type = RAFT_VOTE_REPLY,
                                           .from = 2,
                                           .term = 3,
                                           .granted = true});
    solo_sync(&s);
    solo_ack(&s, 2, 3);
    solo_ack(&s, 3, 3);
    assert_int_equal(solo_status(&s).commit, 0);
    solo_ack(&s, 2, 4);
    assert_int_equal(solo_status(&s).commit, 4);
    solo_release(&s);
}

static void four_voters_need_three(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 4, 1, "1");
    solo_lead(&s);
    solo_submit(&s, 1);
    solo_sync(&s);
    solo_ack(&s, 2, 3);
    assert_int_equal(solo_status(&s).commit, 2);
    solo_ack(&s, 3, 3);
    assert_int_equal(solo_status(&s).commit, 3);
    solo_release(&s);
}

static void many_appends_fly_at_once_up_to_the_window(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    s.options.window_appends = 3;
    solo_start(&s);
    solo_lead(&s);
    for (int i = 0; i < 5; i++) {
        solo_submit(&s, 1);
        assert_true((solo_sent(&s, RAFT_APPEND, 2) != NULL) == (i < 3));
    }
    assert_int_equal(peer(&s, 2).appends_in_flight, 3);
    /* What waited goes out in one when there is room. */
    solo_ack(&s, 2, 4);
    const struct raft_effect *send = solo_sent(&s, RAFT_APPEND, 2);
    assert_int_equal(send->message.first, 6);
    assert_int_equal(send->message.count, 2);
    assert_int_equal(peer(&s, 2).match, 4);
    solo_release(&s);
}

static void the_window_counts_bytes_too(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    s.options.window_bytes = 2 * SOLO_SIZE;
    solo_start(&s);
    solo_lead(&s);
    solo_submit(&s, 1);
    solo_submit(&s, 1);
    assert_non_null(solo_sent(&s, RAFT_APPEND, 2));
    solo_submit(&s, 1);
    assert_null(solo_sent(&s, RAFT_APPEND, 2));
    solo_release(&s);
}

static void batches_are_bounded_but_never_empty(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    s.options.append_bytes_max = 2 * SOLO_SIZE + 1;
    solo_start(&s);
    solo_lead(&s);
    solo_submit(&s, 5);
    const struct raft_effect *first = solo_sent(&s, RAFT_APPEND, 2);
    assert_int_equal(first->message.count, 2);
    assert_int_equal(peer(&s, 2).appends_in_flight, 3);
    solo_release(&s);

    solo_init(&s, 3, 1, "1");
    s.options.append_bytes_max = 1;
    solo_start(&s);
    solo_lead(&s);
    solo_submit(&s, 2);
    assert_int_equal(solo_sent(&s, RAFT_APPEND, 2)->message.count, 1);
    assert_int_equal(peer(&s, 2).appends_in_flight, 2);
    solo_release(&s);
}

static void late_and_doubled_answers_do_no_harm(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_lead(&s);
    solo_submit(&s, 1);
    solo_submit(&s, 1);
    solo_ack(&s, 2, 4);
    solo_ack(&s, 2, 3);
    solo_ack(&s, 2, 4);
    assert_int_equal(peer(&s, 2).match, 4);
    /* A refusal of what was granted is from the past. */
    refuse(&s, 2, 1, 1);
    assert_int_equal(peer(&s, 2).state, RAFT_REPLICATE);
    solo_release(&s);
}

static void answers_of_other_terms_do_not_count(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_lead(&s);
    solo_submit(&s, 1);
    solo_receive(&s, (struct raft_message){.type = RAFT_APPEND_REPLY,
                                           .from = 2,
                                           .term = 1,
                                           .granted = true,
                                           .match = 3});
    assert_int_equal(peer(&s, 2).match, 2);
    solo_release(&s);
}

/* Leader 1114455666 + 8, follower 11122233333: one refusal is enough. */
static void backtracking_skips_whole_terms(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 7, "1114455666");
    solo_timeout(&s);
    solo_receive(&s, (struct raft_message){.type = RAFT_PREVOTE_REPLY,
                                           .from = 2,
                                           .term = 8,
                                           .granted = true});
    solo_sync(&s);
    solo_receive(&s, (struct raft_message){.type = RAFT_VOTE_REPLY,
                                           .from = 2,
                                           .term = 8,
                                           .granted = true});
    assert_int_equal(solo_sent(&s, RAFT_APPEND, 3)->message.prev_index, 10);
    refuse(&s, 3, 10, 3);
    assert_int_equal(solo_sent(&s, RAFT_APPEND, 3)->message.prev_index, 3);
    assert_int_equal(solo_sent(&s, RAFT_APPEND, 3)->message.count, 8);
    /* The same refusal once more changes nothing. */
    refuse(&s, 3, 10, 3);
    assert_null(solo_sent(&s, RAFT_APPEND, 3));
    solo_ack(&s, 3, 11);
    assert_int_equal(peer(&s, 3).state, RAFT_REPLICATE);
    assert_int_equal(peer(&s, 3).next, 12);
    solo_release(&s);
}

static void lost_appends_are_sent_again(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_lead(&s);
    solo_submit(&s, 1);
    solo_submit(&s, 1);
    raft_time sent = s.now;
    bool again = false;
    while (!again && s.now < sent + 2 * s.options.probe_retry_us) {
        solo_ack(&s, 3, 4);
        solo_timeout(&s);
        for (size_t i = 0; i < s.effects.count; i++) {
            const struct raft_message *m = &s.effects.list[i].message;
            again = again || (s.effects.list[i].type == RAFT_DO_SEND &&
                              m->to == 2 && m->first == 3 && m->count == 2);
        }
    }
    assert_true(again);
    assert_int_equal(peer(&s, 2).state, RAFT_PROBE);
    solo_release(&s);
}

enum { ASKED_MAX = 256 };
struct full_peer { /* node 2, that has `last` records and takes no more */
    raft_index last;
    struct raft_message asked[ASKED_MAX];
    uint32_t count;
    uint32_t records; /* that were sent to it */
};

static void collect(const struct solo *s, struct full_peer *full)
{
    for (size_t i = 0; i < s->effects.count; i++) {
        const struct raft_effect *effect = &s->effects.list[i];
        if (effect->type == RAFT_DO_SEND && effect->message.to == 2 &&
            effect->message.type == RAFT_APPEND) {
            full->records += effect->message.count;
            if (full->count < ASKED_MAX) { /* the rest is lost */
                full->asked[full->count++] = effect->message;
            }
        }
    }
}

static void answer_first(struct solo *s, struct full_peer *full)
{
    const struct raft_message m = full->asked[0];
    full->count--;
    memmove(full->asked, full->asked + 1, full->count * sizeof m);
    bool agrees = m.prev_index <= full->last;
    solo_receive(s, (struct raft_message){
                        .type = RAFT_APPEND_REPLY,
                        .from = 2,
                        .term = solo_status(s).term,
                        .sent = m.sent,
                        .granted = agrees,
                        .match = agrees ? m.prev_index : 0,
                        .seen = agrees ? m.prev_index : 0,
                        .hint = agrees ? 0 : full->last,
                        .hint_term = agrees ? 0 : solo_status(s).term});
    collect(s, full);
}

/* Its disk is full: it agrees to the record before, takes none, and refuses what
 * comes behind. Each answer was once a reason to send all of it again. */
static void who_takes_nothing_is_asked_without_haste(void **state)
{
    (void)state;
    enum { RECORDS = 10, STEP_US = 1000 };
    struct solo s;
    solo_init(&s, 3, 1, "1");
    s.options.append_records_max = 1;
    solo_start(&s);
    solo_lead(&s);
    struct full_peer full = {.last = solo_status(&s).last};
    for (int i = 0; i < RECORDS; i++) {
        solo_submit(&s, 1);
        collect(&s, &full);
    }
    raft_time end = s.now + 10 * s.options.probe_retry_us;
    while (s.now < end) {
        solo_pass(&s, STEP_US);
        solo_step(&s, (struct raft_event){.type = RAFT_EVENT_TIME});
        collect(&s, &full);
        solo_ack(&s, 3, solo_status(&s).last);
        collect(&s, &full);
        for (int i = 0; i < RECORDS && full.count > 0; i++) {
            answer_first(&s, &full);
        }
    }
    /* The window, perhaps once more, and one probe each probe_retry_us. */
    assert_in_range(full.records, RECORDS, 4 * RECORDS);
    assert_int_equal(peer(&s, 2).state, RAFT_PROBE);
    solo_ack(&s, 2, full.last + 1); /* there is room again */
    assert_int_equal(peer(&s, 2).state, RAFT_REPLICATE);
    full.records = 0;
    collect(&s, &full);
    assert_int_equal(full.records, RECORDS - 1);
    solo_release(&s);
}

static void a_restarted_peer_is_asked_anew(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_lead(&s);
    solo_submit(&s, 1);
    assert_int_equal(peer(&s, 2).next, 4);
    solo_pass(&s, 1000);
    solo_receive(&s, (struct raft_message){.type = RAFT_APPEND_REPLY,
                                           .from = 2,
                                           .term = solo_status(&s).term,
                                           .boot = 4711,
                                           .sent = s.now,
                                           .hint = 2,
                                           .hint_term = 2});
    assert_int_equal(peer(&s, 2).state, RAFT_PROBE);
    assert_int_equal(peer(&s, 2).match, 0);
    assert_int_equal(peer(&s, 2).next, 3);
    solo_release(&s);
}

/* Its log is long enough, but of an older term where ours begins. */
static void a_log_that_parts_before_ours_begins_needs_a_snapshot(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 2, "2");
    s.boot.base_index = 10;
    s.boot.base_term = 2;
    s.boot.applied = 11;
    solo_start(&s);
    solo_lead(&s);
    solo_pass(&s, 1000);
    solo_receive(&s, (struct raft_message){.type = RAFT_APPEND_REPLY,
                                           .from = 2,
                                           .term = 3,
                                           .boot = 4711,
                                           .sent = s.now,
                                           .hint = 10,
                                           .hint_term = 1});
    assert_int_equal(peer(&s, 2).state, RAFT_SNAPSHOT);
    /* One of our base's term may agree with it. */
    solo_receive(&s, (struct raft_message){.type = RAFT_APPEND_REPLY,
                                           .from = 3,
                                           .term = 3,
                                           .boot = 4711,
                                           .sent = s.now,
                                           .hint = 10,
                                           .hint_term = 2});
    assert_int_equal(peer(&s, 3).state, RAFT_PROBE);
    assert_int_equal(peer(&s, 3).next, 11);
    solo_release(&s);
}

static void
a_peer_behind_the_log_needs_a_snapshot_and_can_come_back(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1111");
    s.boot.base_index = 10;
    s.boot.base_term = 1;
    s.boot.applied = 12;
    solo_start(&s);
    solo_lead(&s);
    solo_receive(&s, (struct raft_message){.type = RAFT_APPEND_REPLY,
                                           .from = 2,
                                           .term = 2,
                                           .boot = 4711,
                                           .sent = s.now,
                                           .hint = 3,
                                           .hint_term = 1});
    assert_int_equal(peer(&s, 2).state, RAFT_SNAPSHOT);
    assert_int_equal(solo_effect(&s, RAFT_DO_NOTE, 0)->note,
                     RAFT_NOTE_NEEDS_SNAPSHOT);
    assert_int_equal(solo_effect(&s, RAFT_DO_NOTE, 0)->peer, 2);
    solo_submit(&s, 1);
    assert_null(solo_sent(&s, RAFT_APPEND, 2));
    solo_ack(&s, 3, 15);
    /* Heartbeats go on, and ask about our base. */
    solo_timeout(&s);
    assert_int_equal(solo_sent(&s, RAFT_APPEND, 2)->message.prev_index, 10);
    solo_receive(&s, (struct raft_message){.type = RAFT_APPEND_REPLY,
                                           .from = 2,
                                           .term = 2,
                                           .boot = 4711,
                                           .sent = s.now,
                                           .granted = true,
                                           .match = 10});
    assert_int_equal(peer(&s, 2).state, RAFT_REPLICATE);
    assert_int_equal(solo_sent(&s, RAFT_APPEND, 2)->message.first, 11);
    solo_release(&s);
}

static void trim_is_what_all_have_applied(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1111");
    s.boot.applied = 3;
    solo_start(&s);
    solo_lead(&s);
    assert_int_equal(solo_status(&s).trim, 0);
    for (node_id id = 2; id <= 3; id++) {
        solo_receive(&s, (struct raft_message){.type = RAFT_APPEND_REPLY,
                                               .from = id,
                                               .term = 2,
                                               .sent = s.now,
                                               .granted = true,
                                               .match = 5,
                                               .applied = id});
    }
    assert_int_equal(solo_status(&s).trim, 2);
    solo_timeout(&s);
    assert_int_equal(solo_sent(&s, RAFT_APPEND, 2)->message.trim, 2);
    solo_release(&s);
}

static void a_truncated_write_does_not_count_for_the_leader(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_append(&s, 2, 1, 1, 1, "111", 0);
    raft_token old = s.token;
    solo_append(&s, 3, 2, 1, 1, "2", 0);
    solo_step(&s,
              (struct raft_event){.type = RAFT_EVENT_DURABLE, .token = old});
    assert_int_equal(solo_status(&s).durable, 1);
    solo_sync(&s);
    assert_int_equal(solo_status(&s).durable, 2);
    solo_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_leave_before_they_are_written),
        cmocka_unit_test(followers_refuse_records),
        cmocka_unit_test(the_leader_counts_itself_when_its_disk_is_done),
        cmocka_unit_test(followers_can_commit_without_the_leaders_disk),
        cmocka_unit_test(old_terms_commit_only_under_ours),
        cmocka_unit_test(four_voters_need_three),
        cmocka_unit_test(many_appends_fly_at_once_up_to_the_window),
        cmocka_unit_test(the_window_counts_bytes_too),
        cmocka_unit_test(batches_are_bounded_but_never_empty),
        cmocka_unit_test(late_and_doubled_answers_do_no_harm),
        cmocka_unit_test(answers_of_other_terms_do_not_count),
        cmocka_unit_test(backtracking_skips_whole_terms),
        cmocka_unit_test(a_log_that_parts_before_ours_begins_needs_a_snapshot),
        cmocka_unit_test(lost_appends_are_sent_again),
        cmocka_unit_test(who_takes_nothing_is_asked_without_haste),
        cmocka_unit_test(a_restarted_peer_is_asked_anew),
        cmocka_unit_test(
            a_peer_behind_the_log_needs_a_snapshot_and_can_come_back),
        cmocka_unit_test(trim_is_what_all_have_applied),
        cmocka_unit_test(a_truncated_write_does_not_count_for_the_leader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
