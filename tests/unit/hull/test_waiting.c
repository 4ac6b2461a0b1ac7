#include "raft/hull/waiting.h"

#include "tests/unit/hull/cmocka_all.h"

#include <string.h>

static struct record *command(uint64_t session, uint64_t serial,
                              const char *body)
{
    struct record *record = record_new(
        RECORD_COMMAND, (struct bytes){body, strlen(body)}, (struct bytes){0});
    record->session = session;
    record->serial = serial;
    return record;
}

static void empty(struct waiting *waiting)
{
    while (waiting_any(waiting) != NULL) {
        waiting_remove(waiting, waiting_any(waiting));
        waiting_check(waiting);
    }
    waiting_release(waiting);
}

static void deadlines_come_in_order(void **state)
{
    (void)state;
    static char contexts[200];
    struct waiting waiting;
    waiting_init(&waiting, 200);
    for (size_t i = 0; i < 200; i++) {
        raft_time deadline = (i * 7919) % 1009 + 1;
        if (i % 2 == 0) {
            waiting_add_read(&waiting, deadline, &contexts[i]);
        } else {
            waiting_add_command(&waiting, command(1, i, "x"), deadline,
                                &contexts[i]);
        }
    }
    assert_true(waiting_full(&waiting));
    for (size_t i = 0; i < 200; i += 3) { /* holes in the heap */
        waiting_remove(&waiting, waiting_find_context(&waiting, &contexts[i]));
        waiting_check(&waiting);
    }
    assert_null(waiting_expired(&waiting, 0));
    raft_time last = 0;
    while (waiting.count > 0) {
        raft_time deadline = waiting_deadline(&waiting);
        assert_true(deadline >= last);
        assert_null(waiting_expired(&waiting, deadline - 1));
        struct waiter *waiter = waiting_expired(&waiting, deadline);
        assert_int_equal(waiter->deadline, deadline);
        waiting_remove(&waiting, waiter);
        last = deadline;
    }
    assert_int_equal(waiting_deadline(&waiting), UINT64_MAX);
    empty(&waiting);
}

static void who_has_no_context_has_no_deadline(void **state)
{
    (void)state;
    struct waiting waiting;
    waiting_init(&waiting, 10);
    waiting_add_command(&waiting, command(0, 0, "reap"), 5, NULL);
    assert_int_equal(waiting_deadline(&waiting), UINT64_MAX);
    assert_null(waiting_expired(&waiting, 1000));
    waiting_check(&waiting);
    empty(&waiting);
}

static void a_command_is_matched_by_key_and_content(void **state)
{
    (void)state;
    int a, b;
    struct waiting waiting;
    waiting_init(&waiting, 10);
    waiting_add_command(&waiting, command(0, 1, "open of now"), 10, &a);
    waiting_add_command(&waiting, command(3, 7, "write"), 10, &b);
    struct record *old = command(0, 1, "open of then");
    struct record *mine = command(0, 1, "open of now");
    assert_null(waiting_match(&waiting, old));
    assert_ptr_equal(waiting_match(&waiting, mine)->context, &a);
    assert_ptr_equal(waiting_find(&waiting, 3, 7)->context, &b);
    assert_null(waiting_find(&waiting, 7, 3));
    record_unref(old);
    record_unref(mine);
    empty(&waiting);
}

static void equal_commands_are_matched_one_by_one(void **state)
{
    (void)state;
    struct waiting waiting;
    waiting_init(&waiting, 10);
    waiting_add_command(&waiting, command(0, 0, "reap"), 0, NULL);
    waiting_add_command(&waiting, command(0, 0, "reap"), 0, NULL);
    struct record *record = command(0, 0, "reap");
    waiting_remove(&waiting, waiting_match(&waiting, record));
    waiting_remove(&waiting, waiting_match(&waiting, record));
    assert_null(waiting_match(&waiting, record));
    record_unref(record);
    empty(&waiting);
}

static void lists_keep_order_bytes_and_count(void **state)
{
    (void)state;
    int a, b;
    struct waiting waiting;
    waiting_init(&waiting, 10);
    struct waiter *first =
        waiting_add_command(&waiting, command(1, 1, "one"), 10, &a);
    struct waiter *second =
        waiting_add_command(&waiting, command(1, 2, "three"), 10, &b);
    size_t bytes = waiting_bytes(&waiting);
    assert_true(bytes > 8);
    waiting_move(&waiting, first, COMMAND_SENT);
    waiting_move(&waiting, second, COMMAND_SENT);
    waiting_move(&waiting, first, COMMAND_SENT); /* to the end again */
    waiting_check(&waiting);
    assert_ptr_equal(waiting_head(&waiting, COMMAND_SENT), second);
    assert_null(waiting_head(&waiting, COMMAND_QUEUED));
    assert_int_equal(waiting_bytes(&waiting), bytes);
    assert_int_equal(waiting.lists[COMMAND_SENT].bytes, bytes);
    assert_int_equal(waiting_commands(&waiting), 2);
    assert_int_equal(waiting_reads(&waiting), 0);
    empty(&waiting);
}

static void only_what_never_left_is_certainly_not_done(void **state)
{
    (void)state;
    struct waiter waiter = {.state = COMMAND_QUEUED};
    assert_true(waiter_certainly_not_done(&waiter));
    waiter.forwards = 2;
    waiter.refusals = 1;
    assert_false(waiter_certainly_not_done(&waiter));
    waiter.refusals = 2;
    assert_true(waiter_certainly_not_done(&waiter));
    waiter.exposed = true;
    assert_false(waiter_certainly_not_done(&waiter));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadlines_come_in_order),
        cmocka_unit_test(who_has_no_context_has_no_deadline),
        cmocka_unit_test(a_command_is_matched_by_key_and_content),
        cmocka_unit_test(equal_commands_are_matched_one_by_one),
        cmocka_unit_test(lists_keep_order_bytes_and_count),
        cmocka_unit_test(only_what_never_left_is_certainly_not_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
