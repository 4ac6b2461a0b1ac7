/* Access control lists: their bytes, and what acl(5) makes of them. */
#include "fs/acl.h"
#include "tests/unit/wire/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { NONE = 0xffffffff };

struct entry {
    uint16_t tag, perm;
    uint32_t id;
};

static size_t bytes_of(const struct entry *entries, size_t count, uint8_t *out)
{
    struct writer w = writer_init(out, 4 + 8 * count);
    write_u32(&w, 2);
    for (size_t i = 0; i < count; i++) {
        write_u16(&w, entries[i].tag);
        write_u16(&w, entries[i].perm);
        write_u32(&w, entries[i].id);
    }
    return 4 + 8 * count;
}

#define COUNT(entries) (sizeof(entries) / sizeof((entries)[0]))

static int decode(const struct entry *entries, size_t count, struct acl *out)
{
    uint8_t bytes[8 * 600];
    size_t size = bytes_of(entries, count, bytes);
    return acl_decode((struct bytes){bytes, size}, out);
}

static const struct entry minimal[] = {
    {ACL_USER_OBJ, 6, NONE}, {ACL_GROUP_OBJ, 4, NONE}, {ACL_OTHER, 0, NONE}};
static const struct entry full[] = {
    {ACL_USER_OBJ, 7, NONE},  {ACL_USER, 6, 1000}, {ACL_USER, 7, 1001},
    {ACL_GROUP_OBJ, 5, NONE}, {ACL_GROUP, 7, 100}, {ACL_MASK, 6, NONE},
    {ACL_OTHER, 1, NONE}};

static void bytes_come_back_as_they_were(void **state)
{
    (void)state;
    uint8_t bytes[ACL_SIZE_MAX], again[ACL_SIZE_MAX];
    struct acl acl;
    size_t size = bytes_of(full, COUNT(full), bytes);
    assert_int_equal(acl_decode((struct bytes){bytes, size}, &acl), 0);
    assert_int_equal(acl.count, COUNT(full));
    assert_int_equal(acl_encode(&acl, again), size);
    assert_memory_equal(bytes, again, size);
}

static void the_bytes_are_the_golden_ones(void **state)
{
    (void)state;
    struct acl acl;
    uint8_t bytes[ACL_SIZE_MAX];
    assert_int_equal(decode(full, COUNT(full), &acl), 0);
    golden_check("acl", (struct bytes){bytes, acl_encode(&acl, bytes)});
}

static void ids_that_mean_nothing_get_one_form(void **state)
{
    (void)state;
    struct entry entries[COUNT(minimal)];
    uint8_t bytes[ACL_SIZE_MAX], expected[ACL_SIZE_MAX];
    struct acl acl;
    memcpy(entries, minimal, sizeof entries);
    entries[1].id = 17;
    assert_int_equal(decode(entries, COUNT(entries), &acl), 0);
    size_t size = bytes_of(minimal, COUNT(minimal), expected);
    assert_int_equal(acl_encode(&acl, bytes), size);
    assert_memory_equal(bytes, expected, size);
}

static void an_empty_one_stands_for_none(void **state)
{
    (void)state;
    struct acl acl;
    assert_int_equal(decode(full, 0, &acl), 0);
    assert_int_equal(acl.count, 0);
}

static void what_no_acl_may_say_is_refused(void **state)
{
    (void)state;
    static const struct entry cases[][5] = {
        /* no owner; no group; no others */
        {{ACL_GROUP_OBJ, 4, NONE}, {ACL_OTHER, 0, NONE}},
        {{ACL_USER_OBJ, 4, NONE}, {ACL_OTHER, 0, NONE}},
        {{ACL_USER_OBJ, 4, NONE}, {ACL_GROUP_OBJ, 0, NONE}},
        /* named, and no mask */
        {{ACL_USER_OBJ, 7, NONE}, {ACL_USER, 7, 1}, {ACL_GROUP_OBJ, 7, NONE},
         {ACL_OTHER, 7, NONE}},
        /* order */
        {{ACL_GROUP_OBJ, 7, NONE}, {ACL_USER_OBJ, 7, NONE},
         {ACL_OTHER, 7, NONE}},
        {{ACL_USER_OBJ, 7, NONE}, {ACL_GROUP_OBJ, 7, NONE}, {ACL_USER, 7, 1},
         {ACL_MASK, 7, NONE}, {ACL_OTHER, 7, NONE}},
        /* twice */
        {{ACL_USER_OBJ, 7, NONE}, {ACL_USER_OBJ, 7, NONE},
         {ACL_GROUP_OBJ, 7, NONE}, {ACL_OTHER, 7, NONE}},
        /* permissions, tags, ids that do not exist */
        {{ACL_USER_OBJ, 8, NONE}, {ACL_GROUP_OBJ, 7, NONE},
         {ACL_OTHER, 7, NONE}},
        {{ACL_USER_OBJ, 7, NONE}, {3, 7, NONE}, {ACL_OTHER, 7, NONE}},
        {{ACL_USER_OBJ, 7, NONE}, {ACL_GROUP_OBJ, 7, NONE},
         {ACL_OTHER, 7, NONE}, {0x40, 7, NONE}},
        {{ACL_USER_OBJ, 7, NONE}, {ACL_USER, 7, NONE},
         {ACL_GROUP_OBJ, 7, NONE}, {ACL_MASK, 7, NONE}, {ACL_OTHER, 7, NONE}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct acl acl;
        size_t count = 0;
        while (count < 5 && cases[i][count].tag != 0) {
            count++;
        }
        assert_int_equal(decode(cases[i], count, &acl), -1);
    }
}

static void bytes_are_cut_and_changed_without_harm(void **state)
{
    (void)state;
    uint8_t bytes[ACL_SIZE_MAX + 8];
    struct acl acl;
    size_t size = bytes_of(full, COUNT(full), bytes);
    for (size_t cut = 0; cut < size; cut++) {
        assert_int_equal(acl_decode((struct bytes){bytes, cut}, &acl),
                         cut == 4 ? 0 : -1);
    }
    for (size_t at = 0; at < size; at++) {
        for (int bit = 0; bit < 8; bit++) {
            uint8_t again[ACL_SIZE_MAX];
            bytes[at] ^= (uint8_t)(1 << bit);
            if (acl_decode((struct bytes){bytes, size}, &acl) == 0) {
                assert_int_equal(acl_encode(&acl, again), size);
            }
            bytes[at] ^= (uint8_t)(1 << bit);
        }
    }
}

static void there_is_a_largest_one(void **state)
{
    (void)state;
    static struct entry entries[ACL_ENTRIES_MAX + 1];
    struct acl acl;
    for (uint32_t i = 0; i < COUNT(entries); i++) {
        entries[i] = (struct entry){ACL_USER, 7, i};
    }
    entries[0] = (struct entry){ACL_USER_OBJ, 7, NONE};
    for (int more = 0; more < 2; more++) {
        size_t count = ACL_ENTRIES_MAX + (size_t)more;
        entries[count - 3] = (struct entry){ACL_GROUP_OBJ, 7, NONE};
        entries[count - 2] = (struct entry){ACL_MASK, 7, NONE};
        entries[count - 1] = (struct entry){ACL_OTHER, 7, NONE};
        assert_int_equal(decode(entries, count, &acl), more ? -1 : 0);
    }
}

static void the_group_bits_of_a_mode_are_the_mask(void **state)
{
    (void)state;
    struct acl acl;
    uint32_t mode = 0104777;
    assert_int_equal(decode(minimal, COUNT(minimal), &acl), 0);
    assert_true(acl_to_mode(&acl, &mode));
    assert_int_equal(mode, 0104640);
    assert_int_equal(decode(full, COUNT(full), &acl), 0);
    assert_false(acl_to_mode(&acl, &mode));
    assert_int_equal(mode, 0104761);
}

static void chmod_changes_the_mask_and_not_the_group(void **state)
{
    (void)state;
    struct acl acl;
    uint32_t mode = 0;
    assert_int_equal(decode(full, COUNT(full), &acl), 0);
    acl_chmod(&acl, 0100524);
    assert_int_equal(acl.entries[0].perm, 5);
    assert_int_equal(acl.entries[1].perm, 6);
    assert_int_equal(acl.entries[3].perm, 5);
    assert_int_equal(acl.entries[5].perm, 2);
    assert_int_equal(acl.entries[6].perm, 4);
    assert_false(acl_to_mode(&acl, &mode));
    assert_int_equal(mode, 0524);
    assert_int_equal(decode(minimal, COUNT(minimal), &acl), 0);
    acl_chmod(&acl, 0751);
    assert_int_equal(acl.entries[1].perm, 5);
}

static void what_is_made_gets_no_more_than_both_allow(void **state)
{
    (void)state;
    struct acl acl;
    uint32_t mode = 0100666;
    assert_int_equal(decode(full, COUNT(full), &acl), 0);
    assert_false(acl_create(&acl, &mode));
    assert_int_equal(mode, 0100660);
    assert_int_equal(acl.entries[0].perm, 6);
    assert_int_equal(acl.entries[2].perm, 7); /* the mask limits it */
    assert_int_equal(acl.entries[3].perm, 5);
    assert_int_equal(acl.entries[5].perm, 6);
    assert_int_equal(acl.entries[6].perm, 0);
    mode = 0040777;
    assert_int_equal(decode(minimal, COUNT(minimal), &acl), 0);
    assert_true(acl_create(&acl, &mode));
    assert_int_equal(mode, 0040640);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_back_as_they_were),
        cmocka_unit_test(the_bytes_are_the_golden_ones),
        cmocka_unit_test(ids_that_mean_nothing_get_one_form),
        cmocka_unit_test(an_empty_one_stands_for_none),
        cmocka_unit_test(what_no_acl_may_say_is_refused),
        cmocka_unit_test(bytes_are_cut_and_changed_without_harm),
        cmocka_unit_test(there_is_a_largest_one),
        cmocka_unit_test(the_group_bits_of_a_mode_are_the_mask),
        cmocka_unit_test(chmod_changes_the_mask_and_not_the_group),
        cmocka_unit_test(what_is_made_gets_no_more_than_both_allow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
