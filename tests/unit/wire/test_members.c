/* Configurations and changes of them, as bytes. */
#include "raft/wire/members.h"
#include "tests/unit/wire/golden.h"
#include "tests/unit/wire/hostile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct raft_members three(void)
{
    struct raft_members members = {.count = 3, .min_voters = 2};
    for (uint32_t i = 0; i < 3; i++) {
        struct raft_member *member = &members.list[i];
        member->id = 1000 + i;
        member->voter = i == 0;
        member->joining = i == 1;
        member->priority = (uint8_t)(100 + i);
        snprintf(member->name, sizeof(member->name), "n%u", i + 1);
        snprintf(member->address, sizeof(member->address), "10.0.0.%u:7381",
                 i + 1);
    }
    return members;
}

static bool decode(struct bytes body)
{
    struct raft_members members;
    return members_decode(body, &members) == 0;
}

static void a_configuration_comes_back_as_it_was(void **state)
{
    (void)state;
    uint8_t bytes[MEMBERS_BODY_MAX];
    struct raft_members members = three(), back;
    struct bytes body = {bytes, members_size(&members)};
    members_encode(&members, bytes);
    golden_check("config", body);
    assert_int_equal(members_decode(body, &back), 0);
    assert_memory_equal(&back, &members, sizeof(back));
    hostile_cuts(body, decode);
    hostile_noise(body, decode);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[MEMBERS_BODY_MAX];
    struct raft_members members = three();
    struct bytes body = {bytes, members_size(&members)};
    members_encode(&members, bytes);
    bytes[0] = 2; /* another version */
    assert_false(decode(body));
    members_encode(&members, bytes);
    bytes[2] = RAFT_NODES_MAX + 1;
    assert_false(decode(body));
    members_encode(&members, bytes);
    bytes[8 + 8] = 3; /* no such role */
    assert_false(decode(body));
    members_encode(&members, bytes);
    bytes[8 + 11] = '\n'; /* in a name */
    assert_false(decode(body));
    memset(bytes, 0, sizeof(bytes)); /* twice the same */
    members.list[1] = members.list[0];
    members.count = 1;
    members_encode(&members, bytes);
    size_t one = members_size(&members) - 8;
    memcpy(bytes + 8 + one, bytes + 8, one);
    bytes[2] = 2;
    assert_false(decode((struct bytes){bytes, 8 + 2 * one}));
}

static void a_change_comes_back_as_it_was(void **state)
{
    (void)state;
    struct raft_members members = three();
    struct raft_change change = {.op = RAFT_CHANGE_ADD,
                                 .force = true,
                                 .member = members.list[1]},
                       back;
    uint64_t request = 0;
    enum raft_change_result result;
    struct frame frame = frame_encode_change(1, 2, 77, &change);
    struct bytes body = frame_body((struct bytes){frame.data, frame.size});
    golden_check("frame-change", (struct bytes){frame.data, frame.size});
    assert_int_equal(frame_decode_change(body, &request, &back), 0);
    assert_int_equal(request, 77);
    assert_int_equal(back.op, RAFT_CHANGE_ADD);
    assert_true(back.force);
    assert_memory_equal(&back.member, &change.member, sizeof(back.member));
    frame_release(&frame);
    frame = frame_encode_change_reply(2, 1, 77, RAFT_CHANGE_PENDING);
    body = frame_body((struct bytes){frame.data, frame.size});
    assert_int_equal(frame_decode_change_reply(body, &request, &result), 0);
    assert_int_equal(result, RAFT_CHANGE_PENDING);
    frame_release(&frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_configuration_comes_back_as_it_was),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(a_change_comes_back_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
