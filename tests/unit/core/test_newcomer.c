/* A node whose disk is new does not vote, and nobody counts it, until it knows
 * what was committed in its life. */
#include "tests/unit/core/solo.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void start(struct solo *s, const char *log, bool may_found)
{
    solo_init(s, 3, log[0] != '\0' ? 1 : 0, log);
    s->boot.newcomer = true;
    s->boot.may_found = may_found;
    solo_start(s);
    solo_pass(s, 2 * SOLO_E); /* nobody is heard any more */
}

static void ask(struct solo *s, enum raft_message_type type, raft_index last)
{
    solo_receive(s, (struct raft_message){.type = type,
                                          .from = 2,
                                          .term = 9,
                                          .boot = 7,
                                          .prev_index = last,
                                          .prev_term = last > 0 ? 8 : 0});
}

static bool granted(const struct solo *s, enum raft_message_type type)
{
    const struct raft_effect *reply = solo_sent(s, type, 2);
    return reply != NULL && reply->message.granted;
}

static void it_elects_nobody_who_has_records(void **state)
{
    (void)state;
    struct solo s;
    start(&s, "", true);
    ask(&s, RAFT_PREVOTE, 5);
    assert_false(granted(&s, RAFT_PREVOTE_REPLY));
    ask(&s, RAFT_VOTE, 5);
    assert_false(granted(&s, RAFT_VOTE_REPLY));
    assert_true(solo_status(&s).newcomer);
    solo_release(&s);
}

static void with_empty_logs_it_is_a_founder(void **state)
{
    (void)state;
    struct solo s;
    start(&s, "", true);
    ask(&s, RAFT_VOTE, 0);
    assert_true(granted(&s, RAFT_VOTE_REPLY));
    assert_false(solo_status(&s).newcomer);
    solo_release(&s);
}

static void who_lost_its_disk_founds_nothing(void **state)
{
    (void)state;
    struct solo s;
    start(&s, "", false);
    ask(&s, RAFT_VOTE, 0);
    assert_false(granted(&s, RAFT_VOTE_REPLY));
    solo_timeout(&s);
    assert_int_equal(solo_status(&s).role, RAFT_FOLLOWER);
    solo_release(&s);
}

static void its_answers_say_so_until_it_has_joined(void **state)
{
    (void)state;
    struct solo s;
    start(&s, "1", true);
    solo_append(&s, 2, 9, 1, 1, "", 1);
    assert_true(solo_sent(&s, RAFT_APPEND_REPLY, 2)->message.newcomer);
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_JOINED});
    solo_append(&s, 2, 9, 1, 1, "", 1);
    assert_false(solo_sent(&s, RAFT_APPEND_REPLY, 2)->message.newcomer);
    solo_release(&s);
}

/* Its older self may be in a later term already, by a vote: so whoever leads there
 * waits no more for a lease that this one gets from the leader before. */
static void it_wants_no_lease_until_it_has_joined(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    s.options.lease_ask = true;
    s.boot.newcomer = true;
    solo_start(&s);
    solo_append(&s, 2, 9, 1, 1, "", 1);
    assert_int_equal(solo_sent(&s, RAFT_APPEND_REPLY, 2)->message.asked, 0);
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_JOINED});
    solo_append(&s, 2, 9, 1, 1, "", 1);
    assert_true(solo_sent(&s, RAFT_APPEND_REPLY, 2)->message.asked > 0);
    solo_release(&s);
}

/* It may have voted for the leader with its older disk, and must not vote again. */
static void its_vote_of_this_term_is_gone_when_it_has_joined(void **state)
{
    (void)state;
    struct solo s;
    start(&s, "1", false);
    assert_int_equal(
        solo_step(&s, (struct raft_event){.type = RAFT_EVENT_JOINED}), -1);
    assert_true(solo_status(&s).newcomer);
    solo_append(&s, 2, 9, 1, 1, "", 1);
    assert_int_equal(
        solo_step(&s, (struct raft_event){.type = RAFT_EVENT_JOINED}), 0);
    assert_int_equal(solo_effect(&s, RAFT_DO_SAVE, 0)->vote, 2);
    assert_false(solo_status(&s).newcomer);
    assert_int_equal(solo_status(&s).vote, 2);
    solo_release(&s);
}

/* A power loss took the term, and left the tree that came in it. */
static void a_term_is_at_least_that_of_the_log(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 4, "");
    s.boot.base_index = s.boot.applied = 10;
    s.boot.base_term = 7;
    s.boot.vote = 3;
    solo_start(&s);
    assert_int_equal(solo_status(&s).term, 7);
    assert_int_equal(solo_status(&s).vote, 0);
    solo_release(&s);
}

/* Its acknowledgement commits nothing; another node's does. */
static void a_leader_does_not_count_it(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_lead(&s);
    raft_index before = solo_status(&s).commit;
    assert_int_equal(solo_submit(&s, 1), 0);
    solo_sync(&s);
    raft_index last = solo_status(&s).last;
    solo_receive(&s, (struct raft_message){.type = RAFT_APPEND_REPLY,
                                           .from = 3,
                                           .term = solo_status(&s).term,
                                           .boot = 7,
                                           .sent = s.now,
                                           .granted = true,
                                           .newcomer = true,
                                           .match = last,
                                           .seen = last});
    assert_int_equal(solo_status(&s).commit, before);
    solo_ack(&s, 2, last);
    assert_int_equal(solo_status(&s).commit, last);
    solo_release(&s);
}

static void answer(struct solo *s, uint64_t boot, raft_time sent, bool newcomer,
                   raft_index match)
{
    solo_receive(s, (struct raft_message){.type = RAFT_APPEND_REPLY,
                                          .from = 3,
                                          .term = solo_status(s).term,
                                          .boot = boot,
                                          .sent = sent,
                                          .granted = true,
                                          .newcomer = newcomer,
                                          .match = match,
                                          .seen = match});
}

/* Node 3 has lost its disk: 5 was its last life, 6 is its new one. Its older vote
 * may be under way to somebody else, so no lease rests on what it hears now. */
static void a_late_word_of_its_older_life_does_not_let_it_count(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_lead(&s);
    raft_index commit = solo_status(&s).commit;
    answer(&s, 5, s.now, false, 1);
    raft_time before = s.now;
    solo_pass(&s, s.options.lease_us);
    assert_false(solo_status(&s).lease_valid);
    assert_int_equal(solo_submit(&s, 1), 0);
    solo_sync(&s);
    answer(&s, 6, s.now, true, commit + 1);
    answer(&s, 5, before, false, 1);
    assert_false(solo_status(&s).lease_valid);
    answer(&s, 6, s.now, true, commit + 1);
    assert_int_equal(solo_status(&s).commit, commit);
    answer(&s, 6, s.now, false, commit + 1);
    assert_true(solo_status(&s).lease_valid);
    assert_int_equal(solo_status(&s).commit, commit + 1);
    solo_release(&s);
}

/* The first word of the new life may answer what left before the last word of the
 * older one did. */
static void its_new_life_is_believed_though_it_answers_something_older(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_lead(&s);
    raft_index commit = solo_status(&s).commit;
    raft_time before = s.now;
    solo_pass(&s, 1000);
    assert_int_equal(solo_submit(&s, 1), 0);
    solo_sync(&s);
    answer(&s, 5, s.now, false, 1);
    answer(&s, 6, before, true, commit + 1);
    assert_int_equal(solo_status(&s).commit, commit);
    solo_release(&s);
}

/* Who counts is not made a newcomer again by an answer from before. */
static void what_it_said_before_it_joined_is_over(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_lead(&s);
    raft_time before = s.now;
    solo_pass(&s, s.options.lease_us);
    answer(&s, 6, s.now, false, 1);
    answer(&s, 6, before, true, 1);
    assert_true(solo_status(&s).lease_valid);
    solo_release(&s);
}

static int remove_voter(struct solo *s, node_id id)
{
    struct raft_change change = {.op = RAFT_CHANGE_REMOVE,
                                 .member = {.id = id}};
    return solo_step(s, (struct raft_event){.type = RAFT_EVENT_CHANGE,
                                            .change = &change});
}

static struct raft_message answer_of_life(const struct solo *s, uint64_t boot,
                                         raft_time sent)
{
    return (struct raft_message){.type = RAFT_APPEND_REPLY,
                                 .from = 3,
                                 .term = solo_status(s).term,
                                 .boot = boot,
                                 .sent = sent};
}

/* What it acknowledged before its disk was lost comes after the first answer that
 * it gave without it. */
static void late_answers_of_a_lost_disk_do_not_count(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_lead(&s);
    raft_index before = solo_status(&s).commit;
    raft_time early = s.now;
    solo_receive(&s, answer_of_life(&s, 7, early));
    solo_pass(&s, 1000);
    assert_int_equal(solo_submit(&s, 1), 0);
    solo_sync(&s);
    raft_index last = solo_status(&s).last;
    raft_time sent = s.now;
    solo_pass(&s, 1000);
    struct raft_message reply = answer_of_life(&s, 8, s.now);
    reply.newcomer = true;
    solo_receive(&s, reply);
    reply = answer_of_life(&s, 7, sent);
    reply.granted = true;
    reply.match = reply.seen = last;
    solo_receive(&s, reply);
    assert_int_equal(solo_status(&s).commit, before);
    assert_int_equal(remove_voter(&s, 2), RAFT_CHANGE_BUSY);
    solo_ack(&s, 2, last);
    assert_int_equal(solo_status(&s).commit, last);
    solo_release(&s);
}

/* With it alone beside the leader the record that lets it count could never be
 * committed. It goes itself, though, or counts. */
static void nobody_is_removed_where_it_would_be_needed(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_lead(&s);
    solo_pass(&s, 1000);
    struct raft_message reply = {.type = RAFT_APPEND_REPLY,
                                 .from = 3,
                                 .term = solo_status(&s).term,
                                 .boot = 7,
                                 .sent = s.now,
                                 .newcomer = true};
    solo_receive(&s, reply);
    assert_int_equal(remove_voter(&s, 2), RAFT_CHANGE_BUSY);
    assert_int_equal(remove_voter(&s, 1), RAFT_CHANGE_BUSY);
    reply.newcomer = false;
    reply.sent = s.now;
    solo_receive(&s, reply);
    assert_int_equal(remove_voter(&s, 2), RAFT_CHANGE_OK);
    solo_release(&s);

    solo_init(&s, 3, 1, "1");
    solo_lead(&s);
    solo_pass(&s, 1000);
    reply.newcomer = true;
    reply.sent = s.now;
    solo_receive(&s, reply);
    assert_int_equal(remove_voter(&s, 3), RAFT_CHANGE_OK);
    solo_release(&s);
}

/* The best of the others that could lead is handed the lead, not the newcomer. */
static void it_is_not_handed_the_lead(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "");
    s.boot.members.list[1].priority = 5;
    s.boot.members.list[2].priority = 7;
    solo_start(&s);
    solo_lead(&s);
    for (int i = 0; i < 8; i++) {
        solo_pass(&s, SOLO_E);
        answer(&s, 6, s.now, true, 1);
        assert_null(solo_sent(&s, RAFT_TIMEOUT_NOW, 3));
        solo_ack(&s, 2, 1);
    }
    assert_non_null(solo_sent(&s, RAFT_TIMEOUT_NOW, 2));
    solo_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_elects_nobody_who_has_records),
        cmocka_unit_test(with_empty_logs_it_is_a_founder),
        cmocka_unit_test(who_lost_its_disk_founds_nothing),
        cmocka_unit_test(its_answers_say_so_until_it_has_joined),
        cmocka_unit_test(it_wants_no_lease_until_it_has_joined),
        cmocka_unit_test(its_vote_of_this_term_is_gone_when_it_has_joined),
        cmocka_unit_test(a_term_is_at_least_that_of_the_log),
        cmocka_unit_test(a_leader_does_not_count_it),
        cmocka_unit_test(a_late_word_of_its_older_life_does_not_let_it_count),
        cmocka_unit_test(
            its_new_life_is_believed_though_it_answers_something_older),
        cmocka_unit_test(what_it_said_before_it_joined_is_over),
        cmocka_unit_test(late_answers_of_a_lost_disk_do_not_count),
        cmocka_unit_test(it_is_not_handed_the_lead),
        cmocka_unit_test(nobody_is_removed_where_it_would_be_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
