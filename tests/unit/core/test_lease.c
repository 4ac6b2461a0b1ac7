/* Read leases: what a leader grants and waits for, what a follower takes. */
#include "solo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { BOOT_OF_2 = 1002, HEARTBEAT = 100 * 1000, LEASE = 500 * 1000 };

/* --- the leader --- */

static struct raft_message answer(const struct solo *s, node_id from,
                                  raft_index match, raft_index seen)
{
    return (struct raft_message){.type = RAFT_APPEND_REPLY,
                                 .from = from,
                                 .term = solo_status(s).term,
                                 .granted = true,
                                 .sent = s->now,
                                 .match = match,
                                 .seen = seen,
                                 .asked = 5000 + s->now};
}

/* Leads three nodes; 2 holds a lease, 3 wants none. Log: 1, TERM_START. */
static void lead_with_holder(struct solo *s)
{
    solo_init(s, 3, 1, "1");
    solo_lead(s);
    solo_pass(s, 1000);
    solo_receive(s, answer(s, 2, 2, 2));
    solo_timeout(s); /* the heartbeat brings the grant */
    assert_int_not_equal(solo_sent(s, RAFT_APPEND, 2)->message.lease_us, 0);
    assert_int_equal(solo_sent(s, RAFT_APPEND, 3)->message.lease_us, 0);
    assert_int_equal(solo_status(s).holders, 1);
}

static void a_commit_waits_for_the_holder_by_name(void **state)
{
    (void)state;
    struct solo s;
    lead_with_holder(&s);
    solo_submit(&s, 1);
    solo_sync(&s);
    solo_ack(&s, 3, 3); /* a majority */
    assert_int_equal(solo_status(&s).commit, 2);
    assert_null(solo_effect(&s, RAFT_DO_COMMIT, 0));
    assert_int_equal(solo_status(&s).commits_gated, 1);
    solo_receive(&s, answer(&s, 2, 2, 3)); /* in memory is enough */
    assert_int_equal(solo_effect(&s, RAFT_DO_COMMIT, 0)->index, 3);
    solo_release(&s);
}

static void a_dead_holder_costs_one_lease_time_once(void **state)
{
    (void)state;
    struct solo s;
    lead_with_holder(&s);
    raft_time granted = s.now;
    solo_submit(&s, 1);
    solo_sync(&s);
    while (solo_status(&s).commit < 3) {
        solo_ack(&s, 3, 3);
        assert_int_equal(solo_status(&s).role, RAFT_LEADER);
        if (solo_status(&s).commit < 3) {
            solo_timeout(&s);
        }
    }
    assert_true(s.now <= granted + LEASE);
    assert_true(s.now > granted + LEASE - 2 * HEARTBEAT);
    assert_int_equal(solo_status(&s).holders, 0);
    assert_int_equal(solo_status(&s).leases_ended, 1);
    solo_submit(&s, 1);
    solo_sync(&s);
    solo_ack(&s, 3, 4);
    assert_int_equal(solo_status(&s).commit, 4);
    solo_release(&s);
}

static void a_request_is_granted_once(void **state)
{
    (void)state;
    struct solo s;
    lead_with_holder(&s);
    solo_ack(&s, 3, 2);
    solo_timeout(&s);
    assert_int_equal(solo_sent(&s, RAFT_APPEND, 2)->message.lease_us, 0);
    solo_release(&s);
}

static void nothing_is_granted_without_support(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_lead(&s);
    solo_pass(&s, 1000);
    raft_time supported = s.now;
    solo_receive(&s, answer(&s, 2, 2, 2));
    s.now = supported + LEASE; /* no answer since: nobody knows who leads */
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_TIME});
    assert_non_null(solo_sent(&s, RAFT_APPEND, 2));
    assert_int_equal(solo_sent(&s, RAFT_APPEND, 2)->message.lease_us, 0);
    solo_release(&s);
}

static void a_grant_is_what_is_left_of_the_support(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_lead(&s);
    solo_pass(&s, 1000);
    raft_time supported = s.now;
    struct raft_message reply = answer(&s, 2, 2, 2);
    solo_receive(&s, reply);
    solo_timeout(&s);
    const struct raft_message *m = &solo_sent(&s, RAFT_APPEND, 2)->message;
    uint64_t left = supported + LEASE - s.now;
    assert_true(m->lease_us <= left * 99 / 101);
    assert_true(m->lease_us + 1000 > left * 99 / 101);
    assert_int_equal(m->lease_asked, reply.asked);
    assert_int_equal(m->lease_boot, BOOT_OF_2);
    solo_release(&s);
}

static void who_lacks_a_committed_record_gets_none(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_lead(&s);
    solo_submit(&s, 1);
    solo_sync(&s);
    solo_ack(&s, 3, 3);
    assert_int_equal(solo_status(&s).commit, 3);
    solo_receive(&s, answer(&s, 2, 2, 2));
    solo_timeout(&s);
    assert_int_equal(solo_sent(&s, RAFT_APPEND, 2)->message.lease_us, 0);
    solo_release(&s);
}

/* Node 2 had the record in memory, restarted without it, and may read again. */
static void memory_does_not_count_across_a_restart(void **state)
{
    (void)state;
    struct solo s;
    lead_with_holder(&s);
    solo_submit(&s, 1);
    solo_receive(&s, answer(&s, 2, 2, 3));
    solo_pass(&s, 1000);
    struct raft_message reply = answer(&s, 2, 2, 2);
    reply.boot = 4711;
    solo_receive(&s, reply);
    reply.match = 0; /* to the probe that a restart causes */
    solo_timeout(&s);
    solo_pass(&s, 10);
    reply = answer(&s, 2, 2, 2);
    reply.boot = 4711;
    solo_receive(&s, reply);
    solo_timeout(&s);
    assert_int_not_equal(solo_sent(&s, RAFT_APPEND, 2)->message.lease_us, 0);
    solo_sync(&s);
    solo_ack(&s, 3, 3);
    assert_int_equal(solo_status(&s).commit, 2);
    solo_release(&s);
}

/* What it said in its earlier life may arrive now. */
static void late_words_of_an_earlier_life_do_not_count(void **state)
{
    (void)state;
    struct solo s;
    lead_with_holder(&s);
    solo_submit(&s, 1);
    struct raft_message late = answer(&s, 2, 2, 3);
    solo_pass(&s, 1000);
    struct raft_message reply = answer(&s, 2, 2, 2);
    reply.boot = 4711;
    solo_receive(&s, reply);
    solo_receive(&s, late);
    for (int i = 0; i < 3; i++) {
        solo_timeout(&s);
        solo_pass(&s, 10);
        reply = answer(&s, 2, 2, 2);
        reply.boot = 4711;
        solo_receive(&s, reply);
    }
    assert_int_equal(solo_status(&s).holders, 1);
    solo_sync(&s);
    solo_ack(&s, 3, 3);
    assert_int_equal(solo_status(&s).commit, 2);
    solo_release(&s);
}

static void a_slow_holder_is_revoked_and_comes_back_when_it_is_fast(void **state)
{
    (void)state;
    struct solo s;
    lead_with_holder(&s);
    bool told = false;
    for (int i = 0; i < 30 && !told; i++) {
        struct raft_message slow = answer(&s, 2, 2, 2);
        solo_pass(&s, 200 * 1000);
        solo_ack(&s, 3, 2);
        solo_receive(&s, slow);
        if (raft_deadline(s.raft) <= s.now) {
            solo_step(&s, (struct raft_event){.type = RAFT_EVENT_TIME});
        }
        const struct raft_effect *sent = solo_sent(&s, RAFT_APPEND, 2);
        told = sent != NULL && sent->message.revoke;
    }
    assert_true(told);
    assert_true(solo_status(&s).peers[0].slow);
    assert_int_equal(solo_status(&s).holders, 1); /* it has not answered yet */
    struct raft_message gone = answer(&s, 2, 2, 2);
    gone.dropped = gone.asked;
    solo_receive(&s, gone);
    assert_int_equal(solo_status(&s).holders, 0);
    for (int i = 0; i < 30; i++) {
        solo_pass(&s, 10 * 1000);
        solo_receive(&s, answer(&s, 2, 2, 2));
        solo_ack(&s, 3, 2);
    }
    assert_false(solo_status(&s).peers[0].slow);
    solo_timeout(&s);
    assert_int_equal(solo_status(&s).holders, 1);
    solo_release(&s);
}

/* Its disk is full: it answers every heartbeat at once, and takes no record. */
static void a_holder_that_takes_no_records_is_not_waited_for_for_ever(void **state)
{
    (void)state;
    struct solo s;
    lead_with_holder(&s);
    solo_submit(&s, 1);
    solo_sync(&s);
    solo_ack(&s, 3, 3);
    assert_int_equal(solo_status(&s).commit, 2); /* node 2 may be reading */
    for (int i = 0; i < 200 && solo_status(&s).commit == 2; i++) {
        solo_pass(&s, 10 * 1000);
        if (raft_deadline(s.raft) <= s.now) {
            solo_step(&s, (struct raft_event){.type = RAFT_EVENT_TIME});
        }
        solo_receive(&s, answer(&s, 2, 2, 2));
        solo_ack(&s, 3, 3);
    }
    assert_int_equal(solo_status(&s).commit, 3);
    assert_int_equal(solo_status(&s).holders, 0);
    assert_true(solo_status(&s).peers[0].slow);
    /* When it has it, it is as before. */
    solo_receive(&s, answer(&s, 2, 3, 3));
    solo_timeout(&s);
    assert_false(solo_status(&s).peers[0].slow);
    assert_int_equal(solo_status(&s).holders, 1);
    solo_release(&s);
}

/* --- a new leader --- */

/* Wins with the vote of 2; node 3 says nothing. */
static void win(struct solo *s, uint64_t quiet)
{
    solo_init(s, 3, 1, "1");
    solo_timeout(s);
    solo_receive(s, (struct raft_message){.type = RAFT_PREVOTE_REPLY,
                                          .from = 2,
                                          .term = 2,
                                          .granted = true});
    solo_sync(s);
    solo_receive(s, (struct raft_message){.type = RAFT_VOTE_REPLY,
                                          .from = 2,
                                          .term = 2,
                                          .granted = true,
                                          .quiet = quiet});
    assert_int_equal(solo_status(s).role, RAFT_LEADER);
    solo_sync(s);
    solo_pass(s, 100);
    solo_ack(s, 2, 2);
}

static void a_new_leader_waits_for_older_leases(void **state)
{
    (void)state;
    struct solo s;
    win(&s, 0);
    raft_time won = s.now;
    assert_true(solo_status(&s).deferring);
    assert_int_equal(solo_status(&s).commit, 0);
    while (solo_status(&s).commit == 0) {
        solo_timeout(&s);
        solo_ack(&s, 2, 2);
    }
    assert_false(solo_status(&s).deferring);
    assert_true(s.now - won >= LEASE * 101LL / 99 - 1000);
    assert_true(s.now - won <= LEASE * 101LL / 99 + 1000);
    solo_release(&s);
}

static void long_quiet_is_the_wait(void **state)
{
    (void)state;
    struct solo s;
    win(&s, LEASE * 101LL / 99 + 1);
    assert_false(solo_status(&s).deferring);
    assert_int_equal(solo_status(&s).quiet_elections, 1);
    assert_int_equal(solo_status(&s).commit, 2);
    solo_release(&s);
}

static void everybody_in_our_term_ends_the_wait(void **state)
{
    (void)state;
    struct solo s;
    win(&s, 0);
    /* Its term may not be on its disk. */
    solo_receive(&s, (struct raft_message){
                         .type = RAFT_VOTE_REPLY, .from = 3, .term = 2});
    assert_true(solo_status(&s).deferring);
    solo_ack(&s, 3, 0);
    assert_false(solo_status(&s).deferring);
    assert_int_equal(solo_status(&s).commit, 2);
    solo_release(&s);
}

static void a_voter_says_how_long_it_was_quiet(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_append(&s, 2, 1, 1, 1, "", 0);
    solo_pass(&s, 900 * 1000);
    solo_receive(&s, (struct raft_message){.type = RAFT_VOTE,
                                           .from = 3,
                                           .term = 2,
                                           .prev_index = 1,
                                           .prev_term = 1});
    const struct raft_effect *reply = solo_sent(&s, RAFT_VOTE_REPLY, 3);
    assert_true(reply->message.granted);
    assert_in_range(reply->message.quiet, 899 * 1000, 900 * 1000);
    /* It restarts and is asked again: it does not know what it did before. */
    s.options.boot = 78;
    s.boot.term = 2;
    s.boot.vote = 3;
    solo_start(&s);
    solo_pass(&s, 100 * 1000);
    solo_receive(&s, (struct raft_message){.type = RAFT_VOTE,
                                           .from = 3,
                                           .term = 2,
                                           .prev_index = 1,
                                           .prev_term = 1});
    reply = solo_sent(&s, RAFT_VOTE_REPLY, 3);
    assert_true(reply->message.granted);
    assert_in_range(reply->message.quiet, 0, 100 * 1000);
    solo_release(&s);
}

static void a_leader_was_quiet_only_since_it_stepped_down(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_lead(&s);
    solo_pass(&s, 600 * 1000);
    solo_receive(&s, (struct raft_message){.type = RAFT_VOTE,
                                           .from = 3,
                                           .term = 3,
                                           .transfer = true,
                                           .prev_index = 2,
                                           .prev_term = 2});
    const struct raft_effect *reply = solo_sent(&s, RAFT_VOTE_REPLY, 3);
    assert_true(reply->message.granted);
    assert_int_equal(reply->message.quiet, 0);
    solo_release(&s);
}

/* --- a follower --- */

static void follow(struct solo *s)
{
    solo_init(s, 3, 1, "1");
    s->options.lease_ask = true;
    solo_start(s);
    solo_append(s, 2, 1, 1, 1, "", 1);
}

static raft_time asked(const struct solo *s)
{
    return solo_sent(s, RAFT_APPEND_REPLY, 2)->message.asked;
}

static void grant(struct solo *s, struct raft_message m)
{
    m.type = RAFT_APPEND;
    m.from = 2;
    m.term = m.term == 0 ? 1 : m.term;
    m.prev_index = 1;
    m.prev_term = 1;
    m.first = 2;
    m.commit = m.commit == 0 ? 1 : m.commit;
    m.quorum_ok = true;
    m.sent = 43;
    solo_receive(s, m);
}

static void a_lease_counts_from_the_request(void **state)
{
    (void)state;
    struct solo s;
    follow(&s);
    raft_time at = asked(&s);
    assert_int_equal(at, s.now);
    solo_pass(&s, 30 * 1000);
    assert_false(raft_may_read(s.raft, s.now));
    grant(&s, (struct raft_message){
                  .lease_boot = 77, .lease_asked = at, .lease_us = 90 * 1000});
    assert_true(raft_may_read(s.raft, at + 90 * 1000 - 1));
    assert_false(raft_may_read(s.raft, at + 90 * 1000));
    solo_release(&s);
}

static void only_this_life_s_requests_are_granted(void **state)
{
    (void)state;
    struct solo s;
    follow(&s);
    raft_time at = asked(&s);
    s.options.boot = 78;
    solo_start(&s);
    grant(&s, (struct raft_message){
                  .lease_boot = 77, .lease_asked = at, .lease_us = 90 * 1000});
    assert_false(raft_may_read(s.raft, s.now));
    solo_release(&s);
}

static void the_log_must_agree_up_to_what_was_committed(void **state)
{
    (void)state;
    struct solo s;
    follow(&s);
    raft_time at = asked(&s);
    grant(&s, (struct raft_message){.lease_boot = 77,
                                    .lease_asked = at,
                                    .lease_us = 90 * 1000,
                                    .commit = 2});
    assert_false(raft_may_read(s.raft, s.now));
    solo_release(&s);
}

static void a_new_term_ends_the_lease(void **state)
{
    (void)state;
    struct solo s;
    follow(&s);
    grant(&s, (struct raft_message){.lease_boot = 77,
                                    .lease_asked = asked(&s),
                                    .lease_us = 90 * 1000});
    assert_true(raft_may_read(s.raft, s.now));
    solo_receive(&s, (struct raft_message){.type = RAFT_VOTE,
                                           .from = 3,
                                           .term = 2,
                                           .transfer = true,
                                           .prev_index = 1,
                                           .prev_term = 1});
    assert_false(raft_may_read(s.raft, s.now));
    solo_append(&s, 3, 2, 1, 1, "", 1);
    assert_false(raft_may_read(s.raft, s.now));
    solo_release(&s);
}

static void out_of_service_there_is_no_lease(void **state)
{
    (void)state;
    struct solo s;
    follow(&s);
    grant(&s, (struct raft_message){.lease_boot = 77,
                                    .lease_asked = asked(&s),
                                    .lease_us = 90 * 1000});
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_FAULT});
    assert_false(raft_may_read(s.raft, s.now));
    solo_release(&s);
}

static void revoked_is_dropped_with_what_is_on_its_way(void **state)
{
    (void)state;
    struct solo s;
    follow(&s);
    raft_time at = asked(&s);
    grant(&s, (struct raft_message){
                  .lease_boot = 77, .lease_asked = at, .lease_us = 90 * 1000});
    solo_pass(&s, 1000);
    grant(&s, (struct raft_message){.revoke = true});
    assert_false(raft_may_read(s.raft, s.now));
    solo_pass(&s, 1000);
    grant(&s, (struct raft_message){
                  .lease_boot = 77, .lease_asked = at, .lease_us = 90 * 1000});
    assert_false(raft_may_read(s.raft, s.now));
    assert_true(solo_sent(&s, RAFT_APPEND_REPLY, 2)->message.dropped >= at);
    raft_time later = asked(&s);
    grant(&s, (struct raft_message){.lease_boot = 77,
                                    .lease_asked = later,
                                    .lease_us = 90 * 1000});
    assert_true(raft_may_read(s.raft, s.now));
    solo_release(&s);
}

/* Writers wait for our memory; the disk's answer comes later. */
static void what_is_seen_is_said_at_once(void **state)
{
    (void)state;
    struct solo s;
    follow(&s);
    solo_append(&s, 2, 1, 1, 1, "1", 1);
    const struct raft_effect *early = solo_effect(&s, RAFT_DO_SEND, 0);
    const struct raft_effect *late = solo_effect(&s, RAFT_DO_SEND, 1);
    assert_int_equal(early->after, 0);
    assert_int_equal(early->message.seen, 2);
    assert_int_equal(early->message.match, 1);
    assert_int_not_equal(late->after, 0);
    assert_int_equal(late->message.match, 2);
    solo_release(&s);
}

static void who_wants_no_lease_asks_for_none(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_append(&s, 2, 1, 1, 1, "1", 1);
    assert_int_equal(asked(&s), 0);
    assert_int_equal(solo_count(&s, RAFT_DO_SEND), 1);
    solo_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commit_waits_for_the_holder_by_name),
        cmocka_unit_test(a_dead_holder_costs_one_lease_time_once),
        cmocka_unit_test(a_request_is_granted_once),
        cmocka_unit_test(nothing_is_granted_without_support),
        cmocka_unit_test(a_grant_is_what_is_left_of_the_support),
        cmocka_unit_test(who_lacks_a_committed_record_gets_none),
        cmocka_unit_test(memory_does_not_count_across_a_restart),
        cmocka_unit_test(late_words_of_an_earlier_life_do_not_count),
        cmocka_unit_test(
            a_holder_that_takes_no_records_is_not_waited_for_for_ever),
        cmocka_unit_test(
            a_slow_holder_is_revoked_and_comes_back_when_it_is_fast),
        cmocka_unit_test(a_new_leader_waits_for_older_leases),
        cmocka_unit_test(long_quiet_is_the_wait),
        cmocka_unit_test(everybody_in_our_term_ends_the_wait),
        cmocka_unit_test(a_voter_says_how_long_it_was_quiet),
        cmocka_unit_test(a_leader_was_quiet_only_since_it_stepped_down),
        cmocka_unit_test(a_lease_counts_from_the_request),
        cmocka_unit_test(only_this_life_s_requests_are_granted),
        cmocka_unit_test(the_log_must_agree_up_to_what_was_committed),
        cmocka_unit_test(a_new_term_ends_the_lease),
        cmocka_unit_test(out_of_service_there_is_no_lease),
        cmocka_unit_test(revoked_is_dropped_with_what_is_on_its_way),
        cmocka_unit_test(what_is_seen_is_said_at_once),
        cmocka_unit_test(who_wants_no_lease_asks_for_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
