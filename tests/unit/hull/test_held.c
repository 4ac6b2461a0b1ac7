#include "raft/hull/held.h"

#include "tests/unit/hull/cmocka_all.h"

static void put(struct held *held, raft_token after, node_id to)
{
    held_put(held, after, to, frame_new(8));
}

static node_id take(struct held *held, raft_token durable)
{
    struct held_frame out;
    if (!held_take(held, durable, &out)) {
        return 0;
    }
    frame_release(&out.frame);
    return out.to;
}

static void frames_leave_in_order_once_their_token_is_durable(void **state)
{
    (void)state;
    struct held held = {0};
    put(&held, 3, 1);
    put(&held, 5, 2);
    put(&held, 4, 3);
    assert_int_equal(take(&held, 2), 0);
    assert_int_equal(take(&held, 4), 1);
    assert_int_equal(take(&held, 4), 3);
    assert_int_equal(take(&held, 4), 0);
    assert_int_equal(take(&held, 5), 2);
    assert_int_equal(held.count, 0);
    held_release(&held);
}

static void the_oldest_is_dropped_when_there_are_too_many(void **state)
{
    (void)state;
    struct held held = {0};
    for (node_id i = 1; i <= HELD_MAX + 2; i++) {
        put(&held, 1, i);
    }
    assert_int_equal(held.count, HELD_MAX);
    assert_int_equal(take(&held, 1), 3);
    held_release(&held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_leave_in_order_once_their_token_is_durable),
        cmocka_unit_test(the_oldest_is_dropped_when_there_are_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
