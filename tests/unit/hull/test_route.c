#include "raft/hull/route.h"

#include "tests/unit/hull/cmocka_all.h"

/* Nodes are 1..count and tell each other by pings what they hear, over links
 * that can be cut one way. */
enum { FRESH_US = 1000, PING_US = 300 };

struct net {
    uint32_t count;
    struct route *nodes[RAFT_NODES_MAX + 1];
    bool cut[RAFT_NODES_MAX + 1][RAFT_NODES_MAX + 1]; /* [from][to] */
    raft_time now;
};

static void net_init(struct net *net, uint32_t count)
{
    *net = (struct net){.count = count, .now = 1};
    struct raft_members members = {.count = count};
    for (uint32_t i = 0; i < count; i++) {
        members.list[i] = (struct raft_member){.id = i + 1, .voter = true};
    }
    for (uint32_t i = 1; i <= count; i++) {
        net->nodes[i] = route_new(i, &members, FRESH_US);
    }
}

static void net_release(struct net *net)
{
    for (uint32_t i = 1; i <= net->count; i++) {
        route_free(net->nodes[i]);
    }
}

static void cut_both(struct net *net, node_id a, node_id b, bool cut)
{
    net->cut[a][b] = cut;
    net->cut[b][a] = cut;
}

static void ping_round(struct net *net)
{
    net->now += PING_US;
    for (uint32_t from = 1; from <= net->count; from++) {
        struct ping ping;
        route_make_ping(net->nodes[from], net->now, &ping);
        for (uint32_t to = 1; to <= net->count; to++) {
            if (to != from && !net->cut[from][to]) {
                route_ping(net->nodes[to], net->now, from, &ping);
            }
        }
    }
}

static void ping_rounds(struct net *net, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        ping_round(net);
    }
}

static node_id next(const struct net *net, node_id from, node_id to)
{
    return route_next(net->nodes[from], net->now, to);
}

static void a_whole_network_is_used_directly(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 3);
    ping_rounds(&net, 3);
    for (node_id from = 1; from <= 3; from++) {
        for (node_id to = 1; to <= 3; to++) {
            if (from != to) {
                assert_int_equal(next(&net, from, to), to);
            }
        }
    }
    struct route_status status;
    route_get_status(net.nodes[1], net.now, 2, &status);
    assert_true(status.hears);
    assert_true(status.heard_by);
    assert_int_equal(status.via, 0);
    assert_int_equal(status.heard, net.now);
    net_release(&net);
}

static void before_anything_is_known_the_direct_way_is_tried(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 3);
    assert_int_equal(next(&net, 1, 2), 2);
    struct route_status status;
    route_get_status(net.nodes[1], net.now, 2, &status);
    assert_false(status.hears);
    assert_false(status.heard_by);
    assert_int_equal(status.heard, 0);
    net_release(&net);
}

static void in_a_chain_the_middle_relays(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 3);
    cut_both(&net, 1, 3, true);
    ping_rounds(&net, 4);
    assert_int_equal(next(&net, 1, 3), 2);
    assert_int_equal(next(&net, 3, 1), 2);
    assert_int_equal(next(&net, 1, 2), 2);
    assert_int_equal(next(&net, 2, 3), 3);
    struct route_status status;
    route_get_status(net.nodes[1], net.now, 3, &status);
    assert_int_equal(status.via, 2);
    assert_false(status.hears);
    net_release(&net);
}

static void a_one_way_cut_is_noticed_by_the_one_who_is_not_heard(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 3);
    ping_rounds(&net, 3);
    net.cut[1][3] = true; /* 1 still hears 3, who says so in its rows */
    ping_rounds(&net, 6);
    assert_int_equal(next(&net, 1, 3), 2);
    assert_int_equal(next(&net, 1, 2), 2);
    struct route_status status;
    route_get_status(net.nodes[1], net.now, 3, &status);
    assert_true(status.hears);
    assert_false(status.heard_by);
    assert_int_equal(status.via, 2);
    net_release(&net);
}

static void a_relay_that_does_not_hear_the_target_is_not_chosen(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 4);
    cut_both(&net, 1, 4, true);
    net.cut[4][2] = true; /* 2 can't know whether 4 hears it */
    ping_rounds(&net, 6);
    assert_int_equal(next(&net, 1, 4), 3);
    cut_both(&net, 3, 4, true);
    ping_rounds(&net, 6);
    assert_int_equal(next(&net, 1, 4), 4); /* nothing better is known */
    net_release(&net);
}

static void a_relay_that_does_not_hear_us_is_not_chosen(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 3);
    cut_both(&net, 1, 3, true);
    net.cut[1][2] = true;
    ping_rounds(&net, 6);
    assert_int_equal(next(&net, 1, 3), 3);
    net_release(&net);
}

static void a_healed_link_is_used_again(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 3);
    cut_both(&net, 1, 3, true);
    ping_rounds(&net, 5);
    assert_int_equal(next(&net, 1, 3), 2);
    cut_both(&net, 1, 3, false);
    ping_rounds(&net, 2);
    assert_int_equal(next(&net, 1, 3), 3);
    net_release(&net);
}

static void what_a_silent_relay_said_is_forgotten(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 3);
    cut_both(&net, 1, 3, true);
    ping_rounds(&net, 5);
    assert_int_equal(next(&net, 1, 3), 2);
    net.now += FRESH_US;
    assert_int_equal(next(&net, 1, 3), 2);
    net.now += 1;
    assert_int_equal(next(&net, 1, 3), 3);
    struct ping ping;
    route_make_ping(net.nodes[1], net.now, &ping);
    assert_int_equal(ping.count, 2);
    assert_false(ping.rows[0].hears);
    assert_false(ping.rows[0].heard_by);
    net_release(&net);
}

static void frames_alone_count_as_hearing_but_say_nothing_else(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 3);
    route_heard(net.nodes[1], 50, 2);
    struct ping ping;
    route_make_ping(net.nodes[1], 60, &ping);
    assert_int_equal(ping.rows[0].node, 2);
    assert_true(ping.rows[0].hears);
    assert_false(ping.rows[0].heard_by);
    assert_false(ping.rows[1].hears);
    net_release(&net);
}

static void strangers_change_nothing(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 2);
    struct ping ping = {.count = 1, .rows = {{.node = 1, .hears = true}}};
    route_heard(net.nodes[1], 10, 99);
    route_ping(net.nodes[1], 10, 99, &ping);
    assert_int_equal(route_next(net.nodes[1], 10, 99), 99);
    struct route_status status;
    route_get_status(net.nodes[1], 10, 99, &status);
    assert_false(status.hears);
    net_release(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_network_is_used_directly),
        cmocka_unit_test(before_anything_is_known_the_direct_way_is_tried),
        cmocka_unit_test(in_a_chain_the_middle_relays),
        cmocka_unit_test(a_one_way_cut_is_noticed_by_the_one_who_is_not_heard),
        cmocka_unit_test(a_relay_that_does_not_hear_the_target_is_not_chosen),
        cmocka_unit_test(a_relay_that_does_not_hear_us_is_not_chosen),
        cmocka_unit_test(a_healed_link_is_used_again),
        cmocka_unit_test(what_a_silent_relay_said_is_forgotten),
        cmocka_unit_test(frames_alone_count_as_hearing_but_say_nothing_else),
        cmocka_unit_test(strangers_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
