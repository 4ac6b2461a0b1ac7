/* Who belongs to the cluster: arithmetic, guards, rounds, and what is in force
 * when. */
#include "solo.h"

#include "raft/core/configs.h"
#include "raft/core/quorum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct raft_members list_of(uint32_t voters, uint32_t learners)
{
    struct raft_members members = {.count = voters + learners,
                                   .min_voters = voters / 2 + 1};
    for (uint32_t i = 0; i < members.count; i++) {
        members.list[i] =
            (struct raft_member){.id = i + 1, .voter = i < voters};
        members.list[i].name[0] = (char)('a' + i);
        members.list[i].address[0] = (char)('A' + i);
    }
    return members;
}

static struct raft_change change_of(enum raft_change_op op, node_id id,
                                    const char *address)
{
    struct raft_change change = {.op = op, .member = {.id = id}};
    snprintf(change.member.address, sizeof(change.member.address), "%s",
             address);
    return change;
}

static enum raft_change_result try(struct raft_members *members,
                                   struct raft_change change)
{
    struct raft_members before = *members;
    enum raft_change_result result = member_change(&before, &change, members);
    assert_true(member_lists_adjacent(&before, members));
    assert_true(member_list_valid(members));
    return result;
}

/* --- majorities --- */

/* For v = 1..7, every subset of nodes that have the record, with and without
 * the leader among the voters. */
static void a_majority_of_the_voters_commits(void **state)
{
    (void)state;
    for (uint32_t v = 1; v <= 7; v++) {
        for (uint32_t having = 0; having < 1u << v; having++) {
            uint64_t values[RAFT_NODES_MAX];
            uint32_t count = 0;
            for (uint32_t i = 0; i < v; i++) {
                values[i] = (having >> i & 1) != 0 ? 9 : 3;
                count += having >> i & 1;
            }
            bool enough = 2 * count > v;
            assert_int_equal(quorum_reached(values, v), enough ? 9 : 3);
        }
    }
}

/* A leader that is not a voter of the latest configuration: `has` of the v
 * others have its record. */
static void a_leader_outside_does_not_count_itself(void **state)
{
    (void)state;
    for (uint32_t v = 1; v <= 6; v++) {
        for (uint32_t has = 0; has <= v; has++) {
            struct solo s;
            solo_init(&s, v + 1, 1, "");
            solo_lead(&s);
            struct raft_change change = {.op = RAFT_CHANGE_REMOVE,
                                         .member = {.id = 1}};
            assert_int_equal(
                solo_step(&s, (struct raft_event){.type = RAFT_EVENT_CHANGE,
                                                  .change = &change}),
                RAFT_CHANGE_OK);
            assert_int_equal(raft_config_latest(s.raft)->index, 2);
            solo_sync(&s);
            for (node_id id = 2; id < 2 + has; id++) {
                solo_ack(&s, id, 2);
            }
            assert_int_equal(solo_status(&s).commit, 2 * has > v ? 2 : 1);
            solo_release(&s);
        }
    }
}

/* --- guards --- */

static void one_is_added_and_removed(void **state)
{
    (void)state;
    struct raft_members m = list_of(3, 0);
    assert_int_equal(try(&m, change_of(RAFT_CHANGE_ADD, 4, "D")),
                     RAFT_CHANGE_OK);
    assert_int_equal(m.count, 4);
    assert_false(m.list[3].voter);
    assert_int_equal(try(&m, change_of(RAFT_CHANGE_ADD, 4, "D")),
                     RAFT_CHANGE_SAME);
    assert_int_equal(try(&m, change_of(RAFT_CHANGE_ADD, 4, "E")),
                     RAFT_CHANGE_EXISTS);
    assert_int_equal(try(&m, change_of(RAFT_CHANGE_ADD, 5, "D")),
                     RAFT_CHANGE_TAKEN);
    assert_int_equal(try(&m, change_of(RAFT_CHANGE_PROMOTE, 4, "")),
                     RAFT_CHANGE_OK);
    assert_true(m.list[3].joining && !m.list[3].voter);
    assert_int_equal(try(&m, change_of(RAFT_CHANGE_MOVE, 4, "C")),
                     RAFT_CHANGE_TAKEN);
    assert_int_equal(try(&m, change_of(RAFT_CHANGE_MOVE, 4, "F")),
                     RAFT_CHANGE_OK);
    assert_string_equal(m.list[3].address, "F");
    assert_int_equal(try(&m, change_of(RAFT_CHANGE_REMOVE, 2, "")),
                     RAFT_CHANGE_OK);
    assert_int_equal(m.count, 3);
    assert_null(member_find(&m, 2));
    assert_non_null(member_find(&m, 4));
    assert_int_equal(try(&m, change_of(RAFT_CHANGE_REMOVE, 2, "")),
                     RAFT_CHANGE_UNKNOWN);
}

static void the_floor_holds_unless_forced(void **state)
{
    (void)state;
    struct raft_members m = list_of(3, 0); /* floor 2 */
    struct raft_change change = change_of(RAFT_CHANGE_REMOVE, 3, "");
    assert_int_equal(try(&m, change), RAFT_CHANGE_OK);
    change.member.id = 2;
    assert_int_equal(try(&m, change), RAFT_CHANGE_FEWER);
    assert_int_equal(member_voters(&m), 2);
    change.force = true;
    assert_int_equal(try(&m, change), RAFT_CHANGE_OK);
    assert_int_equal(m.min_voters, 1);
    change.member.id = 1;
    assert_int_equal(try(&m, change), RAFT_CHANGE_LAST);
    assert_int_equal(m.count, 1);
}

static void there_is_room_for_so_many(void **state)
{
    (void)state;
    struct raft_members m = list_of(RAFT_NODES_MAX, 0);
    assert_int_equal(try(&m, change_of(RAFT_CHANGE_ADD, 99, "x")),
                     RAFT_CHANGE_FULL);
}

static int ask_change(struct solo *s, enum raft_change_op op, node_id id)
{
    struct raft_change change = {.op = op, .member = {.id = id}};
    return solo_step(s, (struct raft_event){.type = RAFT_EVENT_CHANGE,
                                            .change = &change});
}

/* The single-server bug of 2015: without this rule two leaders could commit
 * two changes of one configuration. */
static void no_change_before_a_record_of_the_own_term(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    solo_pass(&s, SOLO_E);
    assert_int_equal(ask_change(&s, RAFT_CHANGE_REMOVE, 3),
                     RAFT_CHANGE_NOT_LEADER);
    solo_timeout(&s);
    solo_receive(&s, (struct raft_message){.type = RAFT_PREVOTE_REPLY,
                                           .from = 2,
                                           .to = 1,
                                           .term = 2,
                                           .boot = 9,
                                           .granted = true});
    solo_sync(&s);
    solo_receive(&s, (struct raft_message){.type = RAFT_VOTE_REPLY,
                                           .from = 2,
                                           .to = 1,
                                           .term = 2,
                                           .boot = 9,
                                           .granted = true});
    assert_int_equal(solo_status(&s).role, RAFT_LEADER);
    assert_int_equal(ask_change(&s, RAFT_CHANGE_REMOVE, 3), RAFT_CHANGE_BUSY);
    solo_sync(&s);
    solo_ack(&s, 2, 2);
    solo_ack(&s, 3, 1); /* nobody holds an older lease */
    assert_int_equal(ask_change(&s, RAFT_CHANGE_REMOVE, 3), RAFT_CHANGE_OK);
    solo_release(&s);
}

static void one_change_at_a_time(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 5, 1, "");
    solo_lead(&s);
    assert_int_equal(ask_change(&s, RAFT_CHANGE_REMOVE, 5), RAFT_CHANGE_OK);
    assert_int_equal(ask_change(&s, RAFT_CHANGE_REMOVE, 4),
                     RAFT_CHANGE_PENDING);
    assert_int_equal(s.effects.count, 0);
    solo_sync(&s);
    solo_ack(&s, 2, 2);
    solo_ack(&s, 3, 2);
    assert_int_equal(raft_config_committed(s.raft)->index, 2);
    assert_int_equal(ask_change(&s, RAFT_CHANGE_REMOVE, 4), RAFT_CHANGE_OK);
    solo_release(&s);
}

/* --- in force from the append on, and taken back with it --- */

static void append_with_config(struct solo *s, node_id from, raft_term term,
                               raft_index prev, raft_term prev_term,
                               const char *terms, raft_index at,
                               const struct raft_members *members)
{
    struct raft_config config = {.index = at, .members = *members};
    raft_term list[8];
    uint32_t sizes[8] = {10, 10, 10, 10, 10, 10, 10, 10};
    uint32_t count = (uint32_t)strlen(terms);
    for (uint32_t i = 0; i < count; i++) {
        list[i] = (raft_term)(terms[i] - '0');
    }
    struct raft_message m = {.type = RAFT_APPEND,
                             .from = from,
                             .to = 1,
                             .term = term,
                             .boot = from,
                             .prev_index = prev,
                             .prev_term = prev_term,
                             .first = prev + 1,
                             .count = count,
                             .quorum_ok = true,
                             .sent = 1};
    solo_step(s, (struct raft_event){.type = RAFT_EVENT_MESSAGE,
                                     .message = &m,
                                     .terms = list,
                                     .sizes = sizes,
                                     .configs = &config,
                                     .config_count = at != 0 ? 1 : 0});
}

/* The change is the third record of its batch, and only it is cut. */
static void a_cut_in_the_middle_of_a_batch_takes_it_back(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    struct raft_members four = list_of(4, 0);
    append_with_config(&s, 2, 2, 1, 1, "222", 4, &four);
    assert_int_equal(raft_config_latest(s.raft)->index, 4);
    assert_int_equal(solo_status(&s).config_latest, 4);
    assert_int_equal(solo_count(&s, RAFT_DO_MEMBERS), 1);
    append_with_config(&s, 3, 3, 3, 2, "3", 0, &four);
    assert_int_equal(solo_effect(&s, RAFT_DO_TRUNCATE, 0)->first, 4);
    assert_int_equal(raft_config_latest(s.raft)->index, 0);
    assert_int_equal(raft_config_latest(s.raft)->members.count, 3);
    assert_int_equal(solo_count(&s, RAFT_DO_MEMBERS), 1);
    solo_release(&s);
}

static void a_committed_one_stays(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    struct raft_members four = list_of(4, 0), five = list_of(5, 0);
    append_with_config(&s, 2, 2, 1, 1, "2", 2, &four);
    solo_sync(&s);
    solo_append(&s, 2, 2, 2, 2, "", 2);
    assert_int_equal(raft_config_committed(s.raft)->index, 2);
    append_with_config(&s, 2, 2, 2, 2, "2", 3, &five);
    append_with_config(&s, 3, 3, 2, 2, "3", 0, &five);
    assert_int_equal(raft_config_latest(s.raft)->index, 2);
    assert_int_equal(raft_config_latest(s.raft)->members.count, 4);
    solo_release(&s);
}

static void the_log_above_counts_after_a_restart(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1111");
    struct raft_config above = {.index = 3, .members = list_of(4, 0)};
    s.boot.configs = &above;
    s.boot.config_count = 1;
    s.boot.applied = 2;
    solo_start(&s);
    assert_int_equal(raft_config_latest(s.raft)->index, 3);
    assert_int_equal(raft_config_committed(s.raft)->index, 0);
    assert_int_equal(solo_status(&s).peer_count, 3);
    solo_release(&s);
}

/* Until its leaving is committed its log may be the only one that could win. */
static void who_leaves_runs_until_that_is_committed(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1");
    struct raft_members without = list_of(3, 0);
    without.count = 2;
    without.list[0].id = 3; /* 3 and 2 */
    append_with_config(&s, 2, 2, 1, 1, "2", 2, &without);
    assert_false(solo_status(&s).voter);
    solo_timeout(&s);
    assert_int_equal(solo_status(&s).role, RAFT_PRECANDIDATE);
    solo_sync(&s);
    solo_append(&s, 2, 2, 2, 2, "", 2);
    assert_true(solo_status(&s).removed);
    solo_timeout(&s); /* it hears nobody */
    assert_int_equal(solo_status(&s).role, RAFT_FOLLOWER);
    assert_int_equal(solo_status(&s).leader, 0);
    assert_true(raft_deadline(s.raft) == UINT64_MAX);
    /* But it votes: whoever asks may know that it is a voter again. */
    solo_receive(&s, (struct raft_message){.type = RAFT_VOTE,
                                           .from = 3,
                                           .to = 1,
                                           .term = 9,
                                           .boot = 9,
                                           .prev_index = 9,
                                           .prev_term = 9});
    assert_true(solo_sent(&s, RAFT_VOTE_REPLY, 3)->message.granted);
    solo_release(&s);
}

/* It came as a learner, became a voter and leaves: after a restart all of that
 * stands in its log, and it does not know how much of it is committed. */
static void who_leaves_runs_also_when_it_forgot_that_it_came(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "1111");
    struct raft_config above[2] = {{.index = 2, .members = list_of(3, 0)},
                                   {.index = 4, .members = list_of(3, 0)}};
    s.boot.members.list[0].voter = false; /* node 1 */
    above[1].members.count = 2;
    above[1].members.list[0].id = 3;
    s.boot.configs = above;
    s.boot.config_count = 2;
    solo_start(&s);
    assert_int_equal(raft_config_committed(s.raft)->index, 0);
    assert_false(solo_status(&s).voter);
    solo_timeout(&s);
    assert_int_equal(solo_status(&s).role, RAFT_PRECANDIDATE);
    solo_release(&s);
}

/* In term 2. */
static void lead_by_vote_of_2(struct solo *s)
{
    solo_timeout(s);
    solo_receive(s, (struct raft_message){.type = RAFT_PREVOTE_REPLY,
                                          .from = 2,
                                          .term = 2,
                                          .granted = true});
    solo_sync(s);
    solo_receive(s, (struct raft_message){.type = RAFT_VOTE_REPLY,
                                          .from = 2,
                                          .term = 2,
                                          .granted = true});
    assert_int_equal(solo_status(s).role, RAFT_LEADER);
}

/* It has left itself out, was started again, and led once more to commit that. */
static void a_leader_that_has_left_goes_and_reads_no_more(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 2, 1, "11");
    struct raft_config above = {.index = 2, .members = list_of(2, 0)};
    above.members.count = 1;
    above.members.min_voters = 1;
    above.members.list[0].id = 2;
    s.boot.configs = &above;
    s.boot.config_count = 1;
    solo_start(&s);
    lead_by_vote_of_2(&s);
    solo_sync(&s);
    solo_pass(&s, 1000);
    assert_false(solo_status(&s).removed);
    solo_ack(&s, 2, 3);
    assert_int_equal(solo_status(&s).commit, 3);
    assert_true(solo_status(&s).removed);
    assert_false(raft_may_read(s.raft, s.now));
    /* The other has all of the log: it is told to lead. */
    assert_non_null(solo_sent(&s, RAFT_TIMEOUT_NOW, 2));
    solo_release(&s);
}

/* Whom the latest list leaves out is sent no records until that is committed, so
 * no answer is waited for. */
static void who_is_being_removed_is_not_waited_for(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "11");
    struct raft_config above = {.index = 2, .members = list_of(2, 0)};
    s.boot.configs = &above;
    s.boot.config_count = 1;
    solo_start(&s);
    lead_by_vote_of_2(&s);
    assert_int_equal(solo_status(&s).peer_count, 2);
    assert_true(raft_deadline(s.raft) > s.now);
    solo_release(&s);
}

static void fewer_voters_than_the_floor_do_not_run(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 2, 1, "1");
    s.boot.members.min_voters = 3;
    solo_start(&s);
    assert_true(raft_deadline(s.raft) == UINT64_MAX);
    solo_release(&s);
}

/* --- learners --- */

static void a_learner_is_promoted_when_a_round_was_short(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 1, 1, "");
    solo_timeout(&s);
    solo_sync(&s);
    solo_sync(&s);
    assert_int_equal(solo_status(&s).commit, 1);
    struct raft_change change = {.op = RAFT_CHANGE_ADD,
                                 .member = {.id = 2, .joining = true}};
    assert_int_equal(
        solo_step(&s, (struct raft_event){.type = RAFT_EVENT_CHANGE,
                                          .change = &change}),
        RAFT_CHANGE_OK);
    solo_sync(&s);
    assert_int_equal(solo_status(&s).commit, 2);
    /* The first round takes too long. */
    solo_pass(&s, 2 * SOLO_E);
    solo_ack(&s, 2, 2);
    assert_int_equal(raft_config_latest(s.raft)->index, 2);
    solo_submit(&s, 1);
    solo_sync(&s);
    solo_pass(&s, SOLO_E / 2);
    /* As long as it is new it does not count, and a majority would need it. */
    solo_receive(&s, (struct raft_message){.type = RAFT_APPEND_REPLY,
                                           .from = 2,
                                           .term = solo_status(&s).term,
                                           .granted = true,
                                           .newcomer = true,
                                           .sent = s.now,
                                           .match = 3});
    assert_int_equal(raft_config_latest(s.raft)->index, 2);
    solo_pass(&s, 1000);
    solo_ack(&s, 2, 3);
    assert_int_equal(raft_config_latest(s.raft)->index, 4);
    assert_true(raft_config_latest(s.raft)->members.list[1].voter);
    assert_false(raft_config_latest(s.raft)->members.list[1].joining);
    /* It counts from now on. */
    solo_sync(&s);
    assert_int_equal(solo_status(&s).commit, 3);
    solo_ack(&s, 2, 4);
    assert_int_equal(solo_status(&s).commit, 4);
    solo_release(&s);
}

/* --- priority --- */

static void who_is_preferred_is_handed_the_lead(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, "");
    s.boot.members.list[2].priority = 7;
    solo_start(&s);
    solo_lead(&s);
    for (int i = 0; i < 8; i++) {
        solo_pass(&s, SOLO_E);
        solo_ack(&s, 3, 1);
        solo_ack(&s, 2, 1);
    }
    solo_ack(&s, 3, 1);
    assert_non_null(solo_sent(&s, RAFT_TIMEOUT_NOW, 3));
    solo_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_majority_of_the_voters_commits),
        cmocka_unit_test(a_leader_outside_does_not_count_itself),
        cmocka_unit_test(one_is_added_and_removed),
        cmocka_unit_test(the_floor_holds_unless_forced),
        cmocka_unit_test(there_is_room_for_so_many),
        cmocka_unit_test(no_change_before_a_record_of_the_own_term),
        cmocka_unit_test(one_change_at_a_time),
        cmocka_unit_test(a_cut_in_the_middle_of_a_batch_takes_it_back),
        cmocka_unit_test(a_committed_one_stays),
        cmocka_unit_test(the_log_above_counts_after_a_restart),
        cmocka_unit_test(who_leaves_runs_until_that_is_committed),
        cmocka_unit_test(who_leaves_runs_also_when_it_forgot_that_it_came),
        cmocka_unit_test(a_leader_that_has_left_goes_and_reads_no_more),
        cmocka_unit_test(who_is_being_removed_is_not_waited_for),
        cmocka_unit_test(fewer_voters_than_the_floor_do_not_run),
        cmocka_unit_test(a_learner_is_promoted_when_a_round_was_short),
        cmocka_unit_test(who_is_preferred_is_handed_the_lead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
