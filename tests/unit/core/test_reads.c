/* Reads, leases and handing over. */
#include "solo.h"

#include "raft/core/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct raft_message heartbeat_reply(const struct solo *s, node_id from,
                                           raft_time sent)
{
    return (struct raft_message){.type = RAFT_APPEND_REPLY,
                                 .from = from,
                                 .term = solo_status(s).term,
                                 .granted = true,
                                 .sent = sent};
}

static void lead_without_lease(struct solo *s, uint32_t nodes)
{
    solo_init(s, nodes, 1, "1");
    s->options.lease_us = 0;
    solo_start(s);
    solo_lead(s);
}

static void a_read_needs_an_answer_to_something_sent_later(void **state)
{
    (void)state;
    struct solo s;
    lead_without_lease(&s, 3);
    raft_time before = s.now;
    solo_pass(&s, 1000);
    solo_read(&s, 7);
    assert_null(solo_effect(&s, RAFT_DO_READ_OK, 0));
    raft_time sent = solo_sent(&s, RAFT_APPEND, 2)->message.sent;
    solo_pass(&s, 1000);
    solo_receive(&s, heartbeat_reply(&s, 2, before));
    assert_null(solo_effect(&s, RAFT_DO_READ_OK, 0));
    solo_receive(&s, heartbeat_reply(&s, 2, sent));
    assert_int_equal(solo_effect(&s, RAFT_DO_READ_OK, 0)->read_id, 7);
    assert_int_equal(solo_effect(&s, RAFT_DO_READ_OK, 0)->index, 2);
    solo_release(&s);
}

static void of_five_two_must_answer(void **state)
{
    (void)state;
    struct solo s;
    lead_without_lease(&s, 5);
    solo_pass(&s, 1000);
    solo_read(&s, 7);
    raft_time sent = solo_sent(&s, RAFT_APPEND, 2)->message.sent;
    solo_receive(&s, heartbeat_reply(&s, 2, sent));
    assert_null(solo_effect(&s, RAFT_DO_READ_OK, 0));
    solo_receive(&s, heartbeat_reply(&s, 5, sent));
    assert_non_null(solo_effect(&s, RAFT_DO_READ_OK, 0));
    solo_release(&s);
}

static void reads_share_a_round(void **state)
{
    (void)state;
    struct solo s;
    lead_without_lease(&s, 3);
    solo_pass(&s, 1000);
    solo_read(&s, 1);
    raft_time sent = solo_sent(&s, RAFT_APPEND, 2)->message.sent;
    solo_read(&s, 2);
    solo_read(&s, 3);
    assert_null(solo_sent(&s, RAFT_APPEND, 2));
    solo_pass(&s, 1000);
    /* The answer serves the first and starts a round for the others. */
    solo_receive(&s, heartbeat_reply(&s, 2, sent));
    assert_int_equal(solo_count(&s, RAFT_DO_READ_OK), 1);
    sent = solo_sent(&s, RAFT_APPEND, 2)->message.sent;
    solo_receive(&s, heartbeat_reply(&s, 2, sent));
    assert_int_equal(solo_count(&s, RAFT_DO_READ_OK), 2);
    solo_release(&s);
}

static void reads_wait_for_a_commit_of_our_term(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_timeout(&s);
    solo_receive(&s, (struct raft_message){.type = RAFT_PREVOTE_REPLY,
                                           .from = 2,
                                           .term = 2,
                                           .granted = true});
    solo_sync(&s);
    solo_receive(&s, (struct raft_message){.type = RAFT_VOTE_REPLY,
                                           .from = 2,
                                           .term = 2,
                                           .granted = true,
                                           .quiet = SOLO_E});
    solo_sync(&s);
    solo_read(&s, 7);
    solo_pass(&s, 1000);
    solo_ack(&s, 2, 1);
    assert_null(solo_effect(&s, RAFT_DO_READ_OK, 0));
    solo_ack(&s, 2, 2);
    assert_int_equal(solo_effect(&s, RAFT_DO_READ_OK, 0)->index, 2);
    solo_release(&s);
}

static void the_lease_answers_at_once_until_it_ends(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_lead(&s);
    raft_time acked = s.now;
    s.now = acked + s.options.lease_us - 1000;
    assert_true(solo_status(&s).lease_valid);
    solo_read(&s, 7);
    assert_non_null(solo_effect(&s, RAFT_DO_READ_OK, 0));
    s.now = acked + s.options.lease_us;
    assert_false(solo_status(&s).lease_valid);
    solo_read(&s, 8);
    assert_null(solo_effect(&s, RAFT_DO_READ_OK, 0));
    assert_non_null(solo_sent(&s, RAFT_APPEND, 2));
    solo_release(&s);
}

static void the_lease_counts_from_sending_not_from_the_answer(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_lead(&s);
    raft_time acked = s.now;
    solo_pass(&s, s.options.lease_us - 1000);
    solo_receive(&s, heartbeat_reply(&s, 2, acked));
    solo_pass(&s, 2000);
    assert_false(solo_status(&s).lease_valid);
    solo_release(&s);
}

static void deposed_leaders_fail_their_reads(void **state)
{
    (void)state;
    struct solo s;
    lead_without_lease(&s, 3);
    solo_pass(&s, 1000);
    solo_read(&s, 7);
    solo_receive(&s,
                 (struct raft_message){
                     .type = RAFT_READ, .from = 3, .term = 2, .read_id = 8});
    solo_append(&s, 2, 9, 2, 2, "", 0);
    assert_int_equal(solo_effect(&s, RAFT_DO_READ_FAIL, 0)->read_id, 7);
    const struct raft_effect *reply = solo_sent(&s, RAFT_READ_REPLY, 3);
    assert_false(reply->message.granted);
    assert_int_equal(reply->message.read_id, 8);
    solo_release(&s);
}

static void followers_ask_their_leader(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_read(&s, 7);
    assert_int_equal(solo_effect(&s, RAFT_DO_READ_FAIL, 0)->read_id, 7);
    solo_append(&s, 2, 1, 1, 1, "", 0);
    solo_read(&s, 7);
    const struct raft_effect *ask = solo_sent(&s, RAFT_READ, 2);
    assert_non_null(ask);
    struct raft_message reply = {.type = RAFT_READ_REPLY,
                                 .from = 2,
                                 .term = 1,
                                 .granted = true,
                                 .read_id = ask->message.read_id,
                                 .read_index = 5};
    solo_receive(&s, reply);
    assert_int_equal(solo_effect(&s, RAFT_DO_READ_OK, 0)->read_id, 7);
    assert_int_equal(solo_effect(&s, RAFT_DO_READ_OK, 0)->index, 5);
    /* Once only. */
    solo_receive(&s, reply);
    assert_int_equal(s.effects.count, 0);
    solo_release(&s);
}

static void answers_to_an_earlier_life_are_not_ours(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_append(&s, 2, 1, 1, 1, "", 0);
    solo_read(&s, 1);
    uint64_t before = solo_sent(&s, RAFT_READ, 2)->message.read_id;
    s.options.boot = 1234567;
    solo_start(&s);
    solo_append(&s, 2, 1, 1, 1, "", 0);
    solo_read(&s, 1);
    assert_int_not_equal(solo_sent(&s, RAFT_READ, 2)->message.read_id, before);
    solo_receive(&s, (struct raft_message){.type = RAFT_READ_REPLY,
                                           .from = 2,
                                           .term = 1,
                                           .granted = true,
                                           .read_id = before});
    assert_null(solo_effect(&s, RAFT_DO_READ_OK, 0));
    solo_release(&s);
}

static void unanswered_questions_fail_in_the_end(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_append(&s, 2, 1, 1, 1, "", 0);
    solo_read(&s, 7);
    for (int i = 0; i < 15; i++) {
        solo_pass(&s, s.options.heartbeat_us);
        solo_append(&s, 2, 1, 1, 1, "", 0);
        assert_null(solo_effect(&s, RAFT_DO_READ_FAIL, 0));
        if (raft_deadline(s.raft) <= s.now) {
            solo_step(&s, (struct raft_event){.type = RAFT_EVENT_TIME});
            break;
        }
    }
    assert_int_equal(solo_effect(&s, RAFT_DO_READ_FAIL, 0)->read_id, 7);
    solo_release(&s);
}

static void the_table_of_reads_is_bounded(void **state)
{
    (void)state;
    struct solo s;
    lead_without_lease(&s, 3);
    solo_pass(&s, 1000);
    for (uint64_t i = 0; i < RAFT_READS_MAX; i++) {
        solo_read(&s, i);
        assert_null(solo_effect(&s, RAFT_DO_READ_FAIL, 0));
    }
    solo_read(&s, 4711);
    assert_int_equal(solo_effect(&s, RAFT_DO_READ_FAIL, 0)->read_id, 4711);
    solo_release(&s);
}

static void the_target_gets_everything_before_it_campaigns(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_lead(&s);
    solo_submit(&s, 1);
    assert_int_equal(
        solo_step(
            &s, (struct raft_event){.type = RAFT_EVENT_TRANSFER, .target = 3}),
        0);
    assert_null(solo_sent(&s, RAFT_TIMEOUT_NOW, 3));
    assert_int_equal(solo_submit(&s, 1), -1);
    solo_ack(&s, 3, 3);
    assert_non_null(solo_sent(&s, RAFT_TIMEOUT_NOW, 3));
    solo_release(&s);
}

/* Should the target win after all, it waits for the end of our lease. */
static void a_failed_transfer_leaves_the_lease(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_lead(&s);
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_TRANSFER});
    for (int i = 0; i < 20; i++) {
        solo_timeout(&s);
        solo_ack(&s, 2, 2);
    }
    assert_int_equal(solo_status(&s).role, RAFT_LEADER);
    assert_int_equal(solo_submit(&s, 1), 0);
    assert_true(solo_status(&s).lease_valid);
    solo_release(&s);
}

static void the_target_campaigns_without_prevote(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_append(&s, 2, 1, 1, 1, "", 0);
    struct raft_message now = {.type = RAFT_TIMEOUT_NOW, .from = 3, .term = 1};
    solo_receive(&s, now); /* not the leader */
    assert_int_equal(solo_status(&s).role, RAFT_FOLLOWER);
    now.from = 2;
    solo_receive(&s, now);
    assert_int_equal(solo_status(&s).role, RAFT_CANDIDATE);
    assert_true(solo_sent(&s, RAFT_VOTE, 3)->message.transfer);
    assert_int_not_equal(solo_sent(&s, RAFT_VOTE, 3)->after, 0);
    solo_release(&s);
}

static void a_transfer_needs_a_voter(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    s.boot.members.list[2].voter = false;
    solo_start(&s);
    assert_int_equal(
        solo_step(&s, (struct raft_event){.type = RAFT_EVENT_TRANSFER}), -1);
    solo_lead(&s);
    for (node_id target = 1; target <= 9; target++) {
        int rc = solo_step(&s, (struct raft_event){.type = RAFT_EVENT_TRANSFER,
                                                   .target = target});
        assert_int_equal(rc, target == 2 ? 0 : -1);
    }
    solo_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_needs_an_answer_to_something_sent_later),
        cmocka_unit_test(of_five_two_must_answer),
        cmocka_unit_test(reads_share_a_round),
        cmocka_unit_test(reads_wait_for_a_commit_of_our_term),
        cmocka_unit_test(the_lease_answers_at_once_until_it_ends),
        cmocka_unit_test(the_lease_counts_from_sending_not_from_the_answer),
        cmocka_unit_test(deposed_leaders_fail_their_reads),
        cmocka_unit_test(followers_ask_their_leader),
        cmocka_unit_test(answers_to_an_earlier_life_are_not_ours),
        cmocka_unit_test(unanswered_questions_fail_in_the_end),
        cmocka_unit_test(the_table_of_reads_is_bounded),
        cmocka_unit_test(the_target_gets_everything_before_it_campaigns),
        cmocka_unit_test(a_failed_transfer_leaves_the_lease),
        cmocka_unit_test(the_target_campaigns_without_prevote),
        cmocka_unit_test(a_transfer_needs_a_voter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
