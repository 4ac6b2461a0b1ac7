#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

/* --- what tests wait for --- */

static bool n1_has_received(struct world *world, uint64_t count)
{
    return world->nodes[1].received >= count;
}

static bool n2_has_received(struct world *world, uint64_t count)
{
    return world->nodes[2].received >= count;
}

static bool n3_has_received(struct world *world, uint64_t count)
{
    return world->nodes[3].received >= count;
}

static bool n1_reaches_n2_over(struct world *world, uint64_t via)
{
    struct transport_peer_status status = world_status(world, 1, 2);
    return status.via == via && status.heard_by == (via == 0);
}

static bool n2_reaches_n1_over(struct world *world, uint64_t via)
{
    struct transport_peer_status status = world_status(world, 2, 1);
    return status.via == via && status.hears == (via == 0);
}

static bool n3_reaches_n2(struct world *world, uint64_t unused)
{
    (void)unused;
    struct transport_peer_status status = world_status(world, 3, 2);
    return status.connected && status.heard_by;
}

static bool n1_is_not_connected_to(struct world *world, uint64_t peer)
{
    return !world_status(world, 1, peer).connected;
}

static bool n1_queue_is_at_least(struct world *world, uint64_t size)
{
    return world_status(world, 1, 2).queue_bytes >= size;
}

static bool n1_has_notes(struct world *world, uint64_t count)
{
    return world->nodes[1].note_count >= count;
}

static bool is_down(struct world *world, uint64_t id)
{
    return world->nodes[id].closed;
}

/* --- tests --- */

static void frames_go_both_ways(void **state)
{
    (void)state;
    struct world *world = world_new(2);
    world_start_all(world);
    world_wait(world, all_connected, 0);
    for (uint64_t i = 1; i <= 100; i++) {
        world_send(world, 1, 2, i, 8 + i);
        world_send(world, 2, 1, i, 8);
    }
    world_wait(world, n2_has_received, 100);
    world_wait(world, n1_has_received, 100);
    assert_int_equal(world->nodes[2].last_value, 100);
    assert_int_equal(world->nodes[2].last_from, 1);
    assert_int_equal(world->nodes[2].received, 100);
    assert_int_equal(world_status(world, 1, 2).frames_sent, 100);
    assert_int_equal(world_status(world, 1, 2).frames_dropped, 0);
    assert_int_equal(world_status(world, 1, 2).frames_received, 100);
    assert_string_equal(world_status(world, 1, 2).why, "");
    assert_true(world_status(world, 1, 2).heard > 0);
    assert_int_equal(world_count_notes(world, 1,
                                       "info peer-connected connected to n2"), 1);
    world_free(world);
}

static void large_frames_arrive_whole(void **state)
{
    (void)state;
    struct world *world = world_new(2);
    world_start_all(world);
    world_wait(world, all_connected, 0);
    world_send(world, 1, 2, 1, FRAME_BODY_MAX);
    world_send(world, 1, 2, 2, 8);
    world_send(world, 1, 2, 3, 3000001);
    world_wait(world, n2_has_received, 3);
    assert_int_equal(world->nodes[2].last_value, 3);
    assert_int_equal(world->nodes[2].received_size,
                     FRAME_BODY_MAX + 8 + 3000001);
    world_free(world);
}

static void order_is_kept_under_load(void **state)
{
    (void)state;
    struct world *world = world_new(2);
    world_start_all(world);
    world_wait(world, all_connected, 0);
    uint64_t sent = 0;
    while (sent < 400) {
        for (int i = 0; i < 50; i++) {
            sent++;
            world_send(world, 1, 2, sent, 100 + (sent * 7919) % 70000);
        }
        world_wait(world, n2_has_received, sent - 25);
        /* In order: the number of the last one is how many there are. */
        assert_int_equal(world->nodes[2].last_value, world->nodes[2].received);
    }
    world_wait(world, n2_has_received, sent);
    assert_int_equal(world->nodes[2].last_value, sent);
    world_free(world);
}

static void a_cut_is_silent_and_heals(void **state)
{
    (void)state;
    struct world *world = world_new(2);
    world_start_all(world);
    world_wait(world, all_connected, 0);
    transport_cut(world->nodes[1].transport, 2, true);
    transport_cut(world->nodes[2].transport, 1, true);
    world_send(world, 1, 2, 1, 100);
    assert_true(world_status(world, 1, 2).cut);
    assert_int_equal(world_status(world, 1, 2).frames_sent, 1);
    assert_int_equal(world_status(world, 1, 2).frames_dropped, 0);
    /* The other end hears nothing, so it ends the connection. */
    world_wait(world, n1_is_not_connected_to, 2);
    assert_int_equal(world->nodes[2].received, 0);
    assert_false(world_status(world, 1, 2).hears);
    assert_true(world_count_notes(world, 1, "warn peer-silent") +
                    world_count_notes(world, 2, "warn peer-silent") > 0);

    transport_cut(world->nodes[1].transport, 2, false);
    transport_cut(world->nodes[2].transport, 1, false);
    world_wait(world, all_connected, 0);
    world_send_until_received(world, 1, 2, 2);
    world_free(world);
}

static void a_way_that_is_cut_in_one_direction_is_gone_around(void **state)
{
    (void)state;
    struct world *world = world_new(3);
    world_start_all(world);
    world_wait(world, all_connected, 0);
    transport_cut(world->nodes[1].transport, 2, true);
    world_wait(world, n1_reaches_n2_over, 3);
    world_send_until_received(world, 1, 2, 77);
    assert_int_equal(world->nodes[3].received, 0);
    /* The other direction is whole. */
    world_send_until_received(world, 2, 1, 78);

    /* And stays so when connections are made anew. */
    world_stop(world, 2);
    world_start(world, 2);
    world_wait(world, n3_reaches_n2, 0);
    world_wait(world, n1_reaches_n2_over, 3);
    assert_true(world_status(world, 1, 2).hears);
    world_send_until_received(world, 1, 2, 79);

    transport_cut(world->nodes[1].transport, 2, false);
    world_wait(world, all_connected, 0);
    assert_int_equal(world_status(world, 1, 2).via, 0);
    world_free(world);
}

static void a_chain_works_over_its_middle(void **state)
{
    (void)state;
    struct world *world = world_new(3);
    world_start_all(world);
    world_wait(world, all_connected, 0);
    transport_cut(world->nodes[1].transport, 2, true);
    transport_cut(world->nodes[2].transport, 1, true);
    world_wait(world, n1_reaches_n2_over, 3);
    world_wait(world, n2_reaches_n1_over, 3);
    world_wait(world, n1_is_not_connected_to, 2);
    for (uint64_t i = 1; i <= 10; i++) {
        world_send_until_received(world, 1, 2, i);
        world_send_until_received(world, 2, 1, 100 + i);
    }
    assert_int_equal(world->nodes[3].received, 0);
    world_free(world);
}

static void a_relayed_frame_is_not_relayed_again(void **state)
{
    (void)state;
    struct world *world = world_new(3);
    world_start_all(world);
    world_wait(world, all_connected, 0);
    /* n1 reaches n2 over n3 only; then n3 loses its way too, while n1 still
     * believes in it. */
    transport_cut(world->nodes[1].transport, 2, true);
    world_wait(world, n1_reaches_n2_over, 3);
    transport_cut(world->nodes[3].transport, 2, true);
    world_send(world, 1, 2, 1, 100);
    world_send(world, 1, 3, 2, 100);
    world_wait(world, n3_has_received, 1);
    world_run(world, 50);
    assert_int_equal(world->nodes[1].received, 0);
    assert_int_equal(world->nodes[2].received, 0);
    world_free(world);
}

static void a_restarted_peer_is_found_again(void **state)
{
    (void)state;
    struct world *world = world_new(2);
    world_start_all(world);
    world_wait(world, all_connected, 0);
    for (uint64_t round = 1; round <= 3; round++) {
        world_stop(world, 2);
        world_wait(world, n1_is_not_connected_to, 2);
        world_send(world, 1, 2, 0, 100);
        assert_int_equal(world_status(world, 1, 2).frames_dropped, round);
        world_run(world, 100);
        assert_string_equal(world_status(world, 1, 2).why,
                            "connection refused");
        world->nodes[2].options.boot++;
        world_start(world, 2);
        world_wait(world, all_connected, 0);
        world_send_until_received(world, 1, 2, round);
    }
    assert_true(world_count_notes(world, 1, "warn peer-lost") > 0);
    world_free(world);
}

static void an_absent_peer_is_told_of_once(void **state)
{
    (void)state;
    struct world *world = world_new(2);
    world_start(world, 1);
    world_wait(world, n1_has_notes, 1);
    world_run(world, 500);
    assert_int_equal(world->nodes[1].note_count, 1);
    assert_int_equal(world_count_notes(world, 1,
                                       "warn peer-unreachable cannot reach n2 "
                                       "at 127.0.0.1:"),
                     1);
    world_free(world);
}

static struct rlimit files;

static void give_files_back(int signal)
{
    (void)signal;
    setrlimit(RLIMIT_NOFILE, &files);
}

/* libuv keeps one descriptor for that case, to be able to refuse; it is taken
 * away here. Then it tries again, and tells each time, within one turn of the
 * loop: so a signal has to end it. */
static void without_descriptors_nobody_is_accepted(void **state)
{
    (void)state;
    struct world *world = world_new(1);
    world_start(world, 1);
    world_run(world, 10);
    int client = world_connect(world, 1);
    getrlimit(RLIMIT_NOFILE, &files);
    struct rlimit none = files;
    none.rlim_cur = 0;
    assert_int_equal(close(world->loop.emfile_fd), 0);
    world->loop.emfile_fd = -1;
    const struct sigaction action = {.sa_handler = give_files_back};
    struct sigaction before;
    sigaction(SIGALRM, &action, &before);
    setrlimit(RLIMIT_NOFILE, &none);
    const struct itimerval soon = {.it_value.tv_usec = 20000};
    setitimer(ITIMER_REAL, &soon, NULL);
    world_wait(world, n1_has_notes, 1);
    give_files_back(SIGALRM);
    sigaction(SIGALRM, &before, NULL);
    assert_int_equal(world_count_notes(world, 1, "warn accept-failed"), 1);
    close(client);
    world_run(world, 10);
    world_free(world);
}

static void a_full_queue_drops_and_counts(void **state)
{
    (void)state;
    struct world *world = world_new(2);
    world->nodes[1].options.queue_bytes = 1024 * 1024;
    world_start_all(world);
    world_wait(world, all_connected, 0);
    /* Nothing leaves as long as the loop does not run, but for what the
     * sockets take. */
    uint64_t sent = 0;
    while (world_status(world, 1, 2).frames_dropped < 5) {
        sent++;
        world_send(world, 1, 2, sent, 100000);
        assert_true(sent < 10000);
    }
    assert_true(world_status(world, 1, 2).queue_bytes <= 1024 * 1024);
    assert_int_equal(world_status(world, 1, 2).frames_sent, sent - 5);
    world_wait(world, n2_has_received, sent - 5);
    assert_true(world_status(world, 1, 2).connected);
    assert_int_equal(world_status(world, 1, 2).queue_bytes, 0);
    world_free(world);
}

static void closing_in_the_middle_leaves_nothing(void **state)
{
    (void)state;
    struct world *world = world_new(3);
    world_start_all(world);
    world_wait(world, all_connected, 0);
    for (uint64_t i = 0; i < 100; i++) {
        world_send(world, 1, 2, i, 100000);
        world_send(world, 2, 1, i, 100000);
        world_send(world, 3, 1, i, 100000);
    }
    assert_true(n1_queue_is_at_least(world, 100000));
    world_stop(world, 1);
    world_free(world); /* n2 and n3 with their queues */
}

static void closing_before_anything_happened_leaves_nothing(void **state)
{
    (void)state;
    struct world *world = world_new(3);
    snprintf(world->nodes[1].options.peers[0].host, 256, "localhost");
    world_start_all(world);
    world_free(world);
}

static void a_transport_may_be_closed_by_its_receiver(void **state)
{
    (void)state;
    struct world *world = world_new(2);
    world_start_all(world);
    world_wait(world, all_connected, 0);
    world->nodes[2].close_on_receive = true;
    for (uint64_t i = 0; i < 10; i++) {
        world_send(world, 1, 2, i, 100);
    }
    world_wait(world, is_down, 2);
    assert_int_equal(world->nodes[2].received, 1);
    world_free(world);
}

/* It was moved and does not know it, and others have only the new address. */
static void who_is_elsewhere_is_found_where_it_says(void **state)
{
    (void)state;
    struct world *world = world_new(2);
    struct world_node *n2 = &world->nodes[2];
    snprintf(world->nodes[1].options.peers[0].port, 16, "1");
    snprintf(n2->options.address, sizeof(n2->options.address), "127.0.0.1:%u",
             n2->port);
    world_start_all(world);
    world_wait(world, all_connected, 0);
    world_free(world);
}

static void names_are_resolved(void **state)
{
    (void)state;
    struct world *world = world_new(2);
    snprintf(world->nodes[1].options.peers[0].host, 256, "localhost");
    world_start_all(world);
    world_wait(world, all_connected, 0);
    world_free(world);
}

static void a_port_in_use_is_told_with_its_address(void **state)
{
    (void)state;
    struct world *world = world_new(2);
    const struct transport_calls calls = {.self = NULL};
    struct transport *transport;
    char why[256], port[16];
    world_start(world, 1);
    assert_int_equal(transport_open(&world->loop, &world->nodes[1].options,
                                    &calls, &transport, why),
                     UV_EADDRINUSE);
    snprintf(port, sizeof(port), "%u", world->nodes[1].port);
    assert_non_null(strstr(why, "127.0.0.1"));
    assert_non_null(strstr(why, port));
    assert_non_null(strstr(why, "in use"));
    assert_null(transport);
    world_free(world);
}

static void port_0_is_chosen_by_the_system(void **state)
{
    (void)state;
    struct world *world = world_new(1);
    snprintf(world->nodes[1].options.listen_port, 16, "0");
    world_start(world, 1);
    assert_true(transport_port(world->nodes[1].transport) > 0);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_go_both_ways),
        cmocka_unit_test(large_frames_arrive_whole),
        cmocka_unit_test(order_is_kept_under_load),
        cmocka_unit_test(a_cut_is_silent_and_heals),
        cmocka_unit_test(a_way_that_is_cut_in_one_direction_is_gone_around),
        cmocka_unit_test(a_chain_works_over_its_middle),
        cmocka_unit_test(a_relayed_frame_is_not_relayed_again),
        cmocka_unit_test(a_restarted_peer_is_found_again),
        cmocka_unit_test(an_absent_peer_is_told_of_once),
        cmocka_unit_test(without_descriptors_nobody_is_accepted),
        cmocka_unit_test(a_full_queue_drops_and_counts),
        cmocka_unit_test(closing_in_the_middle_leaves_nothing),
        cmocka_unit_test(closing_before_anything_happened_leaves_nothing),
        cmocka_unit_test(a_transport_may_be_closed_by_its_receiver),
        cmocka_unit_test(who_is_elsewhere_is_found_where_it_says),
        cmocka_unit_test(names_are_resolved),
        cmocka_unit_test(a_port_in_use_is_told_with_its_address),
        cmocka_unit_test(port_0_is_chosen_by_the_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
