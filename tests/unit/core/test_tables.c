/* The small tables that the algorithm stands on. */
#include "raft/core/member.h"
#include "raft/core/quorum.h"
#include "raft/core/tail.h"
#include "raft/core/window.h"
#include "raft/core/writes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void majority_is_more_than_half(void **state)
{
    (void)state;
    for (uint32_t voters = 1; voters <= 7; voters++) {
        assert_true(2 * quorum_size(voters) > voters);
        assert_true(2 * (quorum_size(voters) - 1) <= voters);
    }
}

/* Every assignment of 0..2 to up to 7 voters, against counting. */
static void reached_is_what_a_majority_has(void **state)
{
    (void)state;
    for (uint32_t voters = 1; voters <= 7; voters++) {
        uint32_t cases = 1;
        for (uint32_t i = 0; i < voters; i++) {
            cases *= 3;
        }
        for (uint32_t c = 0; c < cases; c++) {
            uint64_t values[7];
            uint32_t having[3] = {0};
            uint32_t rest = c;
            for (uint32_t i = 0; i < voters; i++) {
                values[i] = rest % 3;
                rest /= 3;
                for (uint64_t v = 0; v <= values[i]; v++) {
                    having[v]++;
                }
            }
            uint64_t expected = 0;
            for (uint64_t v = 0; v < 3; v++) {
                if (having[v] >= voters / 2 + 1) {
                    expected = v;
                }
            }
            assert_int_equal(quorum_reached(values, voters), expected);
        }
    }
}

static void nobody_reaches_nothing(void **state)
{
    (void)state;
    assert_int_equal(quorum_reached(NULL, 0), 0);
}

static void members_are_found_and_checked(void **state)
{
    (void)state;
    struct raft_members m = {.count = 3,
                             .list = {{.id = 1, .voter = true},
                                      {.id = 2},
                                      {.id = 3, .voter = true}}};
    assert_true(member_list_valid(&m));
    assert_int_equal(member_voters(&m), 2);
    assert_true(member_is_voter(&m, 3));
    assert_false(member_is_voter(&m, 2));
    assert_false(member_is_voter(&m, 9));
    m.list[2].id = 1;
    assert_false(member_list_valid(&m));
    m.list[2].id = 0;
    assert_false(member_list_valid(&m));
}

static void fill(struct tail *tail, const char *terms)
{
    for (size_t i = 0; i < strlen(terms); i++) {
        tail_append(tail, (raft_term)(terms[i] - '0'), (uint32_t)i + 10);
    }
}

static void tail_knows_its_base_and_its_records(void **state)
{
    (void)state;
    struct tail tail;
    tail_init(&tail, 10, 3);
    assert_int_equal(tail_last_index(&tail), 10);
    assert_int_equal(tail_last_term(&tail), 3);
    fill(&tail, "345");
    assert_int_equal(tail_term(&tail, 9), 0);
    assert_int_equal(tail_term(&tail, 10), 3);
    assert_int_equal(tail_term(&tail, 12), 4);
    assert_int_equal(tail_term(&tail, 14), 0);
    assert_int_equal(tail_size(&tail, 10), 0);
    assert_int_equal(tail_size(&tail, 13), 12);
    tail_truncate(&tail, 12);
    assert_int_equal(tail_last_index(&tail), 11);
    tail_compact(&tail, 11);
    assert_int_equal(tail_last_term(&tail), 3);
    tail_release(&tail);
}

static void tail_survives_growing_while_it_is_compacted(void **state)
{
    (void)state;
    struct tail tail;
    tail_init(&tail, 0, 0);
    for (raft_index i = 1; i <= 5000; i++) {
        tail_append(&tail, 1 + i / 7, (uint32_t)i);
        if (i % 3 == 0) {
            tail_compact(&tail, i - i / 4 - 1);
        }
    }
    for (raft_index i = tail.base_index + 1; i <= 5000; i++) {
        assert_int_equal(tail_term(&tail, i), 1 + i / 7);
        assert_int_equal(tail_size(&tail, i), i);
    }
    tail_release(&tail);
}

static void find_skips_whole_terms(void **state)
{
    (void)state;
    struct tail tail;
    tail_init(&tail, 0, 0);
    fill(&tail, "1114456");
    assert_int_equal(tail_find(&tail, 7, 6), 7);
    assert_int_equal(tail_find(&tail, 99, 5), 6);
    assert_int_equal(tail_find(&tail, 7, 3), 3);
    assert_int_equal(tail_find(&tail, 2, 3), 2);
    assert_int_equal(tail_find(&tail, 7, 0), 0);
    tail_compact(&tail, 4);
    assert_int_equal(tail_find(&tail, 7, 1), 4);
    tail_release(&tail);
}

static void durable_follows_tokens(void **state)
{
    (void)state;
    struct writes w;
    writes_init(&w, 3);
    raft_token a = writes_append(&w, 5);
    raft_token save = writes_next(&w);
    raft_token b = writes_append(&w, 6);
    assert_true(a < save && save < b);
    assert_int_equal(writes_covering(&w, 3), 0);
    assert_int_equal(writes_covering(&w, 4), a);
    assert_int_equal(writes_covering(&w, 6), b);
    writes_done(&w, save);
    assert_int_equal(w.durable_index, 5);
    writes_done(&w, b);
    assert_int_equal(w.durable_index, 6);
    writes_release(&w);
}

/* Record 6 is replaced while its first version is being written: that version's
 * completion says nothing about the second. */
static void late_completion_does_not_cover_replaced_records(void **state)
{
    (void)state;
    struct writes w;
    writes_init(&w, 4);
    raft_token old = writes_append(&w, 7);
    writes_truncate(&w, 6);
    raft_token new = writes_append(&w, 7);
    writes_done(&w, old);
    assert_int_equal(w.durable_index, 5);
    assert_int_equal(writes_covering(&w, 6), new);
    writes_done(&w, new);
    assert_int_equal(w.durable_index, 7);
    writes_done(&w, old);
    assert_int_equal(w.durable_index, 7);
    writes_release(&w);
}

static void truncation_takes_durability_back(void **state)
{
    (void)state;
    struct writes w;
    writes_init(&w, 9);
    writes_truncate(&w, 5);
    assert_int_equal(w.durable_index, 4);
    raft_token token = writes_append(&w, 5);
    assert_int_equal(writes_covering(&w, 5), token);
    writes_release(&w);
}

static void window_bounds_appends_and_bytes(void **state)
{
    (void)state;
    struct window w;
    window_init(&w, 2, 100);
    window_add(&w, 1, 10);
    assert_true(window_open(&w));
    window_add(&w, 2, 10);
    assert_false(window_open(&w));
    window_free_to(&w, 1);
    assert_true(window_open(&w));
    window_add(&w, 3, 95);
    window_free_to(&w, 2);
    assert_true(window_open(&w));
    window_free_to(&w, 3);
    window_add(&w, 4, 1000);
    assert_false(window_open(&w));
    window_clear(&w);
    assert_true(window_open(&w));
    window_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(majority_is_more_than_half),
        cmocka_unit_test(reached_is_what_a_majority_has),
        cmocka_unit_test(nobody_reaches_nothing),
        cmocka_unit_test(members_are_found_and_checked),
        cmocka_unit_test(tail_knows_its_base_and_its_records),
        cmocka_unit_test(tail_survives_growing_while_it_is_compacted),
        cmocka_unit_test(find_skips_whole_terms),
        cmocka_unit_test(durable_follows_tokens),
        cmocka_unit_test(late_completion_does_not_cover_replaced_records),
        cmocka_unit_test(truncation_takes_durability_back),
        cmocka_unit_test(window_bounds_appends_and_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
