/* What comes to the port from those who do not belong there. */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool n1_garbage_is_at_least(struct world *world, uint64_t count)
{
    return transport_garbage(world->nodes[1].transport) >= count;
}

static bool n1_and_n2_have_told(struct world *world, uint64_t unused)
{
    (void)unused;
    return world_count_notes(world, 1, "peer-refused") >= 2 &&
           world_count_notes(world, 2, "peer-refused") >= 2;
}

/* The connection was closed by the other side. */
static bool is_ended(struct world *world, uint64_t fd)
{
    char byte;
    (void)world;
    ssize_t n = recv((int)fd, &byte, 1, MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN);
}

static bool n2_has_received(struct world *world, uint64_t count)
{
    return world->nodes[2].received >= count;
}

static void send_all(int fd, const void *data, size_t size)
{
    assert_int_equal(send(fd, data, size, MSG_NOSIGNAL), size);
}

/* The cluster's own business goes on. */
static void assert_others_are_well(struct world *world)
{
    static uint64_t value;
    uint64_t before = world->nodes[2].received;
    value++;
    world_send(world, 1, 2, value, 100);
    world_wait(world, n2_has_received, before + 1);
    assert_int_equal(world->nodes[2].last_value, value);
    assert_int_equal(world_status(world, 1, 2).frames_dropped, 0);
}

static struct world *connected_world(void)
{
    struct world *world = world_new(2);
    world_start_all(world);
    world_wait(world, all_connected, 0);
    return world;
}

static struct frame hello(node_id from, uint64_t cluster, uint32_t protocol)
{
    struct hello hello = {.protocol = protocol,
                          .cluster_id = cluster,
                          .node = from,
                          .boot = 1,
                          .name = "stranger"};
    return frame_encode_hello(FRAME_HELLO, from, 1, &hello);
}

static void garbage_is_noted_once(void **state)
{
    (void)state;
    struct world *world = connected_world();
    char noise[3000];
    memset(noise, 'G', sizeof(noise));
    for (uint64_t i = 1; i <= 20; i++) {
        int fd = world_connect(world, 1);
        send_all(fd, noise, sizeof(noise));
        world_wait(world, is_ended, (uint64_t)fd);
        close(fd);
        assert_int_equal(transport_garbage(world->nodes[1].transport), i);
    }
    assert_int_equal(world_count_notes(world, 1, "warn garbage"), 1);
    assert_int_equal(world_count_notes(world, 1, "127.0.0.1"), 2);
    assert_others_are_well(world);
    world_free(world);
}

static void a_length_of_4_gib_costs_nothing(void **state)
{
    (void)state;
    struct world *world = connected_world();
    struct frame frame = hello(2, 0xab, 1);
    memset(frame.data + 8, 0xff, 4);
    int fd = world_connect(world, 1);
    send_all(fd, frame.data, frame.size);
    world_wait(world, is_ended, (uint64_t)fd);
    close(fd);
    frame_release(&frame);
    assert_int_equal(world_count_notes(world, 1, "too large"), 1);
    assert_others_are_well(world);
    world_free(world);
}

static void half_a_frame_is_garbage(void **state)
{
    (void)state;
    struct world *world = connected_world();
    struct frame frame = hello(2, 0xab, 1);
    int fd = world_connect(world, 1);
    send_all(fd, frame.data, frame.size / 2);
    close(fd);
    frame_release(&frame);
    world_wait(world, n1_garbage_is_at_least, 1);
    assert_int_equal(world_count_notes(world, 1, "within its first frame"), 1);
    assert_others_are_well(world);
    world_free(world);
}

static void a_look_at_the_port_is_no_news(void **state)
{
    (void)state;
    struct world *world = connected_world();
    close(world_connect(world, 1));
    world_run(world, 50);
    assert_int_equal(transport_garbage(world->nodes[1].transport), 0);
    assert_int_equal(world_count_notes(world, 1, "garbage"), 0);
    world_free(world);
}

static void who_trickles_bytes_gets_three_seconds(void **state)
{
    (void)state;
    struct world *world = connected_world();
    struct frame frame = hello(2, 0xab, 1);
    int fd = world_connect(world, 1);
    size_t sent = 0;
    while (!is_ended(world, (uint64_t)fd)) {
        assert_true(sent < frame.size);
        send_all(fd, frame.data + sent, 1);
        sent++;
        world_run(world, 100);
    }
    close(fd);
    frame_release(&frame);
    assert_int_equal(world_count_notes(world, 1, "does not say who it is"), 1);
    assert_others_are_well(world);
    world_free(world);
}

static void a_crowd_does_not_keep_others_out(void **state)
{
    (void)state;
    enum { CROWD = 100 };
    struct world *world = connected_world();
    int fds[CROWD];
    for (int i = 0; i < CROWD; i++) {
        fds[i] = world_connect(world, 1);
        uv_run(&world->loop, UV_RUN_NOWAIT);
    }
    world_wait(world, is_ended, (uint64_t)fds[0]);
    assert_true(n1_garbage_is_at_least(world, CROWD - 64));
    assert_int_equal(world_count_notes(world, 1, "warn garbage"), 1);
    world_stop(world, 2);
    world_start(world, 2);
    world_wait(world, all_connected, 0);
    assert_int_equal(world_status(world, 1, 2).frames_sent, 0);
    assert_others_are_well(world);
    for (int i = 0; i < CROWD; i++) {
        close(fds[i]);
    }
    world_free(world);
}

static void another_cluster_is_refused_once_on_both_sides(void **state)
{
    (void)state;
    struct world *world = world_new(2);
    world->nodes[2].options.cluster_id = 0x0f;
    world_start_all(world);
    world_wait(world, n1_and_n2_have_told, 0);
    world_run(world, 2500); /* two more tries of each */
    assert_int_equal(world->nodes[1].note_count, 2);
    assert_int_equal(world->nodes[2].note_count, 2);
    char text[256];
    snprintf(text, sizeof(text),
             "peer-refused node n2 at 127.0.0.1:%u belongs "
             "to cluster 000000000000000f; this is cluster 00000000000000ab",
             world->nodes[2].port);
    assert_int_equal(world_count_notes(world, 1, text), 1);
    assert_int_equal(
        world_count_notes(world, 1, "refused node n2 at 127.0.0.1 port "), 1);
    assert_non_null(strstr(world_status(world, 1, 2).why,
                           "belongs to cluster 000000000000000f"));
    assert_false(world_status(world, 1, 2).connected);
    assert_true(transport_garbage(world->nodes[1].transport) >= 2);
    world_free(world);
}

/* On both sides, with both numbers; what the leases rest on is that they are
 * one. */
static void another_lease_is_refused(void **state)
{
    (void)state;
    struct world *world = world_new(2);
    world->nodes[1].options.lease_us = 500 * 1000;
    world->nodes[2].options.lease_us = 200 * 1000;
    world_start_all(world);
    world_wait(world, n1_and_n2_have_told, 0);
    assert_int_equal(
        world_count_notes(world, 1, "has lease_ms 200; this node has 500"), 2);
    assert_int_equal(
        world_count_notes(world, 2, "has lease_ms 500; this node has 200"), 2);
    assert_false(world_status(world, 1, 2).connected);
    assert_false(world_status(world, 2, 1).connected);
    world_free(world);
}

static void mixed_up_addresses_are_told(void **state)
{
    (void)state;
    struct world *world = world_new(3);
    /* n1 takes n3's port for n2's. */
    snprintf(world->nodes[1].options.peers[0].port, 16, "%u",
             world->nodes[3].port);
    world_start_all(world);
    world_run(world, 300);
    assert_int_equal(world_count_notes(world, 1, "is really n3"), 1);
    assert_int_equal(
        world_count_notes(world, 3, "takes this node for another one"), 1);
    world_free(world);
}

static void an_unknown_node_is_told_what_is_missing(void **state)
{
    (void)state;
    struct world *world = world_new(3);
    /* n2 does not know n3. */
    world->nodes[2].options.peer_count = 1;
    world_start_all(world);
    world_run(world, 300);
    assert_int_equal(world_count_notes(world, 3, "does not know this node, n3"),
                     1);
    assert_int_equal(
        world_count_notes(world, 2, "is not a member of this cluster"), 1);
    world_free(world);
}

static void another_protocol_is_refused(void **state)
{
    (void)state;
    struct world *world = connected_world();
    struct frame frame = hello(2, 0xab, 9);
    int fd = world_connect(world, 1);
    send_all(fd, frame.data, frame.size);
    frame_release(&frame);
    world_wait(world, n1_garbage_is_at_least, 1);
    uint8_t reply[500];
    ssize_t size = recv(fd, reply, sizeof(reply), 0);
    assert_true(size > FRAME_HEADER_SIZE);
    struct hello decoded;
    assert_true(frame_ok((struct bytes){reply, (size_t)size}));
    assert_int_equal(
        frame_decode_hello(frame_body((struct bytes){reply, (size_t)size}),
                           &decoded),
        0);
    assert_int_equal(decoded.status, HELLO_WRONG_PROTOCOL);
    close(fd);
    assert_int_equal(world_count_notes(world, 1, "speaks protocol 9"), 1);
    assert_others_are_well(world);
    world_free(world);
}

/* HELLO as n2, then something n2 must not say. */
static void assert_cut_off(struct frame frame, const char *why)
{
    struct world *world = world_new(2);
    world_start(world, 1);
    struct frame first = hello(2, 0xab, 1);
    int fd = world_connect(world, 1);
    send_all(fd, first.data, first.size);
    frame_release(&first);
    send_all(fd, frame.data, frame.size);
    frame_release(&frame);
    world_wait(world, n1_garbage_is_at_least, 1);
    if (world_count_notes(world, 1, why) != 1) {
        fail_msg("no note: %s", why);
    }
    assert_int_equal(world->nodes[1].received, 0);
    close(fd);
    world_free(world);
}

static struct frame notice(uint32_t flags, node_id from)
{
    struct frame frame = frame_new(8);
    memset(frame.data + FRAME_HEADER_SIZE, 0, 8);
    frame_seal(&frame, FRAME_NOTICE, flags, from, 1);
    return frame;
}

static void a_peer_that_talks_nonsense_is_cut_off(void **state)
{
    (void)state;
    assert_cut_off(hello(2, 0xab, 1), "HELLO again");
    assert_cut_off(notice(0, 3), "another node");
    assert_cut_off(notice(FRAME_RELAYED, 3), "another node");

    struct frame ping = frame_new(8);
    memset(ping.data + FRAME_HEADER_SIZE, 0xff, 8);
    frame_seal(&ping, FRAME_PING, 0, 2, 1);
    assert_cut_off(ping, "ping makes no sense");

    struct frame bad = notice(0, 2);
    bad.data[FRAME_HEADER_SIZE] ^= 1;
    assert_cut_off(bad, "wrong checksum");
}

static void random_bytes_never_hurt(void **state)
{
    (void)state;
    struct world *world = connected_world();
    uint32_t seed = 42;
    for (int round = 0; round < 300; round++) {
        struct frame frame = hello(2, 0xab, 1);
        for (int i = 0; i < 3; i++) {
            seed = seed * 1664525 + 1013904223;
            frame.data[(seed >> 8) % frame.size] ^= (uint8_t)(1 + seed % 255);
        }
        int fd = world_connect(world, 1);
        send_all(fd, frame.data, frame.size);
        frame_release(&frame);
        uv_run(&world->loop, UV_RUN_NOWAIT);
        close(fd);
    }
    world_run(world, 50);
    assert_int_equal(world_count_notes(world, 1, "warn garbage"), 1);
    assert_others_are_well(world);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(garbage_is_noted_once),
        cmocka_unit_test(a_length_of_4_gib_costs_nothing),
        cmocka_unit_test(half_a_frame_is_garbage),
        cmocka_unit_test(a_look_at_the_port_is_no_news),
        cmocka_unit_test(who_trickles_bytes_gets_three_seconds),
        cmocka_unit_test(a_crowd_does_not_keep_others_out),
        cmocka_unit_test(another_cluster_is_refused_once_on_both_sides),
        cmocka_unit_test(another_lease_is_refused),
        cmocka_unit_test(mixed_up_addresses_are_told),
        cmocka_unit_test(an_unknown_node_is_told_what_is_missing),
        cmocka_unit_test(another_protocol_is_refused),
        cmocka_unit_test(a_peer_that_talks_nonsense_is_cut_off),
        cmocka_unit_test(random_bytes_never_hurt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
