#include "solo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct raft_message ask(enum raft_message_type type, node_id from,
                               raft_term term, raft_index last,
                               raft_term last_term)
{
    return (struct raft_message){.type = type,
                                 .from = from,
                                 .term = term,
                                 .prev_index = last,
                                 .prev_term = last_term};
}

static bool answered(const struct solo *s, enum raft_message_type type,
                     bool granted)
{
    const struct raft_effect *e = solo_sent(s, type, 0);
    return e != NULL && e->message.granted == granted;
}

static void prevote_changes_nothing(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 4, "14");
    solo_pass(&s, SOLO_E);
    solo_receive(&s, ask(RAFT_PREVOTE, 2, 9, 2, 4));
    assert_true(answered(&s, RAFT_PREVOTE_REPLY, true));
    assert_int_equal(solo_sent(&s, RAFT_PREVOTE_REPLY, 2)->message.term, 9);
    assert_int_equal(solo_status(&s).term, 4);
    assert_int_equal(s.effects.count, 1);
    /* Nor does it stand in the way of the next one who asks. */
    solo_receive(&s, ask(RAFT_PREVOTE, 3, 5, 2, 4));
    assert_true(answered(&s, RAFT_PREVOTE_REPLY, true));
    solo_release(&s);
}

static void refused_prevote_carries_the_voters_term(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 4, "14");
    solo_pass(&s, SOLO_E);
    solo_receive(&s, ask(RAFT_PREVOTE, 2, 4, 9, 4));
    assert_true(answered(&s, RAFT_PREVOTE_REPLY, false));
    assert_int_equal(solo_sent(&s, RAFT_PREVOTE_REPLY, 2)->message.term, 4);
    solo_release(&s);
}

static void prevoter_adopts_the_term_of_a_refusal(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 4, "14");
    solo_timeout(&s);
    solo_receive(&s, (struct raft_message){
                         .type = RAFT_PREVOTE_REPLY, .from = 2, .term = 8});
    assert_int_equal(solo_status(&s).term, 8);
    assert_non_null(solo_effect(&s, RAFT_DO_SAVE, 0));
    solo_release(&s);
}

/* (last term, last index), the term first. */
static void logs_are_compared_by_term_then_index(void **state)
{
    (void)state;
    static const struct {
        raft_index last;
        raft_term term;
        bool granted;
    } cases[] = {{1, 4, true},  {3, 3, true},  {9, 3, true},
                 {2, 3, false}, {9, 2, false}, {0, 0, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct solo s;
        solo_init(&s, 3, 5, "123");
        solo_pass(&s, SOLO_E);
        solo_receive(&s, ask(RAFT_VOTE, 2, 6, cases[i].last, cases[i].term));
        assert_true(answered(&s, RAFT_VOTE_REPLY, cases[i].granted));
        assert_int_equal(solo_status(&s).term, 6);
        assert_int_equal(solo_status(&s).vote, cases[i].granted ? 2 : 0);
        solo_release(&s);
    }
}

static void vote_waits_for_the_disk(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_pass(&s, SOLO_E);
    solo_receive(&s, ask(RAFT_VOTE, 2, 2, 1, 1));
    assert_int_equal(solo_count(&s, RAFT_DO_SAVE), 1);
    const struct raft_effect *save = solo_effect(&s, RAFT_DO_SAVE, 0);
    assert_int_equal(save->term, 2);
    assert_int_equal(save->vote, 2);
    const struct raft_effect *reply = solo_sent(&s, RAFT_VOTE_REPLY, 2);
    assert_int_equal(reply->after, save->token);
    /* Asked again before the disk is done: the same. */
    solo_receive(&s, ask(RAFT_VOTE, 2, 2, 1, 1));
    assert_int_not_equal(solo_sent(&s, RAFT_VOTE_REPLY, 2)->after, 0);
    solo_sync(&s);
    solo_receive(&s, ask(RAFT_VOTE, 2, 2, 1, 1));
    assert_int_equal(solo_sent(&s, RAFT_VOTE_REPLY, 2)->after, 0);
    /* Another candidate of the term gets nothing. */
    solo_receive(&s, ask(RAFT_VOTE, 3, 2, 1, 1));
    assert_true(answered(&s, RAFT_VOTE_REPLY, false));
    solo_release(&s);
}

static void vote_of_an_old_term_is_refused_with_ours(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 5, "1");
    solo_pass(&s, SOLO_E);
    solo_receive(&s, ask(RAFT_VOTE, 2, 4, 9, 4));
    assert_true(answered(&s, RAFT_VOTE_REPLY, false));
    assert_int_equal(solo_sent(&s, RAFT_VOTE_REPLY, 2)->message.term, 5);
    solo_release(&s);
}

static void campaign_goes_prevote_vote_leader(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_timeout(&s);
    assert_int_equal(solo_status(&s).role, RAFT_PRECANDIDATE);
    assert_int_equal(solo_status(&s).term, 1);
    assert_int_equal(solo_sent(&s, RAFT_PREVOTE, 2)->after, 0);
    solo_receive(&s, (struct raft_message){.type = RAFT_PREVOTE_REPLY,
                                           .from = 2,
                                           .term = 2,
                                           .granted = true});
    assert_int_equal(solo_status(&s).role, RAFT_CANDIDATE);
    const struct raft_effect *save = solo_effect(&s, RAFT_DO_SAVE, 0);
    assert_int_equal(save->vote, 1);
    assert_int_equal(solo_sent(&s, RAFT_VOTE, 3)->after, save->token);
    /* A vote from elsewhere is not enough while our own is not on disk. */
    solo_receive(&s, (struct raft_message){.type = RAFT_VOTE_REPLY,
                                           .from = 2,
                                           .term = 2,
                                           .granted = true});
    assert_int_equal(solo_status(&s).role, RAFT_CANDIDATE);
    solo_sync(&s);
    assert_int_equal(solo_status(&s).role, RAFT_LEADER);
    /* TERM_START is written before it is sent. */
    const struct raft_effect *append = solo_effect(&s, RAFT_DO_APPEND, 0);
    assert_int_equal(append->source, RAFT_FROM_CORE);
    assert_int_equal(append->first, 2);
    assert_true(append < solo_sent(&s, RAFT_APPEND, 2));
    solo_release(&s);
}

static void old_votes_do_not_count(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    for (int round = 0; round < 2; round++) {
        solo_timeout(&s);
        solo_receive(&s, (struct raft_message){.type = RAFT_PREVOTE_REPLY,
                                               .from = 2,
                                               .term = 2 + (raft_term)round,
                                               .granted = true});
        solo_sync(&s);
    }
    assert_int_equal(solo_status(&s).term, 3);
    solo_receive(&s, (struct raft_message){.type = RAFT_VOTE_REPLY,
                                           .from = 2,
                                           .term = 2,
                                           .granted = true});
    assert_int_equal(solo_status(&s).role, RAFT_CANDIDATE);
    solo_release(&s);
}

static void a_heard_leader_makes_voters_sticky(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_pass(&s, SOLO_E);
    solo_append(&s, 2, 1, 1, 1, "", 0);
    solo_pass(&s, SOLO_E - 1000);
    solo_receive(&s, ask(RAFT_PREVOTE, 3, 2, 9, 1));
    assert_true(answered(&s, RAFT_PREVOTE_REPLY, false));
    solo_receive(&s, ask(RAFT_VOTE, 3, 2, 9, 1));
    assert_null(solo_sent(&s, RAFT_VOTE_REPLY, 3));
    assert_int_equal(solo_status(&s).term, 1);
    /* The leader itself wants it: no stickiness. */
    struct raft_message transfer = ask(RAFT_VOTE, 3, 2, 9, 1);
    transfer.transfer = true;
    solo_receive(&s, transfer);
    assert_true(answered(&s, RAFT_VOTE_REPLY, true));
    solo_release(&s);
}

/* The term may arrive by another way before the question does. */
static void sticky_voters_refuse_in_their_own_term_too(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_append(&s, 2, 1, 1, 1, "", 0);
    solo_receive(&s, (struct raft_message){
                         .type = RAFT_APPEND_REPLY, .from = 3, .term = 2});
    assert_int_equal(solo_status(&s).term, 2);
    solo_receive(&s, ask(RAFT_VOTE, 3, 2, 9, 1));
    assert_int_equal(solo_status(&s).vote, 0);
    solo_release(&s);
}

static void a_leader_without_a_majority_does_not_hold_voters(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 5, 1, "1");
    solo_pass(&s, SOLO_E);
    solo_receive(&s, (struct raft_message){.type = RAFT_APPEND,
                                           .from = 2,
                                           .term = 1,
                                           .prev_index = 1,
                                           .prev_term = 1,
                                           .first = 2,
                                           .sent = 1,
                                           .quorum_ok = false});
    assert_int_equal(solo_status(&s).leader, 2);
    solo_receive(&s, ask(RAFT_PREVOTE, 3, 2, 1, 1));
    assert_true(answered(&s, RAFT_PREVOTE_REPLY, true));
    solo_release(&s);
}

static void a_started_voter_is_sticky(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_receive(&s, ask(RAFT_PREVOTE, 3, 2, 9, 1));
    assert_true(answered(&s, RAFT_PREVOTE_REPLY, false));
    solo_release(&s);
}

static void an_append_of_an_old_term_is_answered_with_ours(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 5, "15");
    solo_append(&s, 2, 3, 0, 0, "", 0);
    const struct raft_effect *reply = solo_sent(&s, RAFT_APPEND_REPLY, 2);
    assert_false(reply->message.granted);
    assert_int_equal(reply->message.term, 5);
    /* And does nothing else: a delayed heartbeat must not empty the log. */
    assert_int_equal(solo_status(&s).last, 2);
    assert_int_equal(solo_status(&s).leader, 0);
    solo_release(&s);
}

static void a_leader_that_hears_nobody_steps_down(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_lead(&s);
    raft_time until = s.now + SOLO_E;
    while (solo_status(&s).role == RAFT_LEADER) {
        solo_timeout(&s);
    }
    assert_in_range(s.now, until - 2000, until + 2000);
    assert_non_null(solo_effect(&s, RAFT_DO_NOTE, 0));
    assert_int_equal(solo_effect(&s, RAFT_DO_NOTE, 0)->note,
                     RAFT_NOTE_LOST_QUORUM);
    assert_int_equal(solo_status(&s).vote, 1);
    solo_release(&s);
}

static void timeouts_lie_between_one_and_two(void **state)
{
    (void)state;
    raft_time least = UINT64_MAX;
    raft_time most = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct solo s;
        solo_init(&s, 3, 1, "1");
        s.options.seed = seed;
        solo_start(&s);
        raft_time wait = raft_deadline(s.raft) - s.now;
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
        solo_release(&s);
    }
    assert_in_range(least, SOLO_E, SOLO_E * 11 / 10);
    assert_in_range(most, SOLO_E * 19 / 10, 2 * SOLO_E - 1);
}

static void a_learner_votes_but_never_runs(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    s.boot.members.list[0].voter = false;
    solo_start(&s);
    assert_true(raft_deadline(s.raft) == UINT64_MAX);
    solo_pass(&s, SOLO_E);
    solo_receive(&s, ask(RAFT_VOTE, 2, 2, 1, 1));
    assert_true(answered(&s, RAFT_VOTE_REPLY, true));
    solo_release(&s);
}

static void a_single_voter_leads_alone(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 1, 0, "");
    assert_int_equal(raft_deadline(s.raft), s.now);
    solo_timeout(&s);
    assert_int_equal(solo_status(&s).role, RAFT_CANDIDATE);
    solo_sync(&s);
    assert_int_equal(solo_status(&s).role, RAFT_LEADER);
    solo_submit(&s, 2);
    assert_int_equal(solo_status(&s).commit, 0);
    solo_sync(&s);
    assert_int_equal(solo_effect(&s, RAFT_DO_COMMIT, 0)->index, 3);
    solo_read(&s, 9);
    assert_int_equal(solo_effect(&s, RAFT_DO_READ_OK, 0)->index, 3);
    solo_release(&s);
}

/* Their configuration may be newer than ours. */
static void a_stranger_may_want_a_vote(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_pass(&s, SOLO_E);
    solo_receive(&s, ask(RAFT_VOTE, 9, 7, 9, 9));
    assert_true(solo_sent(&s, RAFT_VOTE_REPLY, 9)->message.granted);
    assert_int_equal(solo_status(&s).term, 7);
    solo_release(&s);
}

/* Nobody has asked them. */
static void answers_of_strangers_are_not_heard(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_receive(&s, (struct raft_message){.type = RAFT_VOTE_REPLY,
                                           .from = 9,
                                           .to = 1,
                                           .term = 7,
                                           .boot = 9,
                                           .granted = true});
    assert_int_equal(s.effects.count, 0);
    assert_int_equal(solo_status(&s).term, 1);
    solo_release(&s);
}

static void a_faulted_node_says_nothing(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_lead(&s);
    solo_pass(&s, SOLO_E / 7 * 6);
    solo_read(&s, 4);
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_FAULT});
    assert_int_equal(solo_effect(&s, RAFT_DO_READ_FAIL, 0)->read_id, 4);
    assert_int_equal(solo_effect(&s, RAFT_DO_ROLE, 0)->role, RAFT_FAULTED);
    solo_receive(&s, ask(RAFT_VOTE, 2, 9, 9, 9));
    assert_int_equal(s.effects.count, 0);
    solo_append(&s, 2, 9, 0, 0, "", 0);
    assert_int_equal(s.effects.count, 0);
    assert_int_equal(solo_submit(&s, 1), -1);
    solo_read(&s, 5);
    assert_int_equal(solo_effect(&s, RAFT_DO_READ_FAIL, 0)->read_id, 5);
    assert_true(raft_deadline(s.raft) == UINT64_MAX);
    solo_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prevote_changes_nothing),
        cmocka_unit_test(refused_prevote_carries_the_voters_term),
        cmocka_unit_test(prevoter_adopts_the_term_of_a_refusal),
        cmocka_unit_test(logs_are_compared_by_term_then_index),
        cmocka_unit_test(vote_waits_for_the_disk),
        cmocka_unit_test(vote_of_an_old_term_is_refused_with_ours),
        cmocka_unit_test(campaign_goes_prevote_vote_leader),
        cmocka_unit_test(old_votes_do_not_count),
        cmocka_unit_test(a_heard_leader_makes_voters_sticky),
        cmocka_unit_test(sticky_voters_refuse_in_their_own_term_too),
        cmocka_unit_test(a_leader_without_a_majority_does_not_hold_voters),
        cmocka_unit_test(a_started_voter_is_sticky),
        cmocka_unit_test(an_append_of_an_old_term_is_answered_with_ours),
        cmocka_unit_test(a_leader_that_hears_nobody_steps_down),
        cmocka_unit_test(timeouts_lie_between_one_and_two),
        cmocka_unit_test(a_learner_votes_but_never_runs),
        cmocka_unit_test(a_single_voter_leads_alone),
        cmocka_unit_test(a_stranger_may_want_a_vote),
        cmocka_unit_test(answers_of_strangers_are_not_heard),
        cmocka_unit_test(a_faulted_node_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
