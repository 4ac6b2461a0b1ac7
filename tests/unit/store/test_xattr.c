/* Extended attributes: rows, digest, check, and their end. */
#include "tests/unit/store/tree_world.h"

#include "store/error.h"
#include "store/tree_int.h"

#include <stdio.h>
#include <string.h>

enum { LIST_SIZE = 100 };

static struct view text(const char *text)
{
    return (struct view){text, strlen(text)};
}

static void set(struct world *world, uint64_t ino, const char *name,
                const char *value)
{
    assert_ok(tree_begin(world->tree));
    assert_ok(tree_xattr_set(world->tree, ino, text(name), text(value)));
}

static void expect(struct world *world, uint64_t ino, const char *name,
                   const char *value)
{
    struct view got;
    int rc = tree_xattr_get(world->tree, ino, text(name), &got);
    if (value == NULL) {
        assert_int_equal(rc, STORE_NOT_FOUND);
        return;
    }
    assert_ok(rc);
    assert_int_equal(got.size, strlen(value));
    assert_memory_equal(got.data, value, got.size);
}

static bool add_name(void *arg, struct view name)
{
    char *list = arg;
    size_t used = strlen(list);
    snprintf(list + used, LIST_SIZE - used, "%.*s;", (int)name.size,
             (const char *)name.data);
    return strlen(list) < 20;
}

static void attributes_are_set_replaced_listed_and_removed(void **state)
{
    struct world world = {0};
    char list[LIST_SIZE] = "";
    world_open(&world, scratch_path(state, "a"));
    uint64_t ino = world_create(&world, TREE_ROOT, "f");
    expect(&world, ino, "user.b", NULL);
    set(&world, ino, "user.b", "one");
    set(&world, ino, "user.a", "");
    set(&world, ino, "user.b", "two");
    set(&world, TREE_ROOT, "user.b", "root");
    world_check(&world);
    world_reopen(&world);
    expect(&world, ino, "user.b", "two");
    expect(&world, ino, "user.a", "");
    expect(&world, TREE_ROOT, "user.b", "root");
    assert_ok(tree_xattr_each(world.tree, ino, add_name, list));
    assert_string_equal(list, "user.a;user.b;");
    assert_ok(tree_begin(world.tree));
    assert_ok(tree_xattr_remove(world.tree, ino, text("user.b")));
    assert_int_equal(tree_xattr_remove(world.tree, ino, text("user.b")),
                     STORE_NOT_FOUND);
    expect(&world, ino, "user.b", NULL);
    expect(&world, TREE_ROOT, "user.b", "root");
    world_check(&world);
    world_close(&world);
}

static void a_listing_stops_when_told(void **state)
{
    struct world world = {0};
    char list[LIST_SIZE] = "";
    world_open(&world, scratch_path(state, "a"));
    set(&world, TREE_ROOT, "user.aaaaaaaaaa", "1");
    set(&world, TREE_ROOT, "user.bbbbbbbbbb", "1");
    set(&world, TREE_ROOT, "user.cccccccccc", "1");
    assert_ok(tree_xattr_each(world.tree, TREE_ROOT, add_name, list));
    assert_string_equal(list, "user.aaaaaaaaaa;user.bbbbbbbbbb;");
    world_check(&world);
    world_close(&world);
}

static void they_count_in_the_digest(void **state)
{
    struct world world = {0};
    world_open(&world, scratch_path(state, "a"));
    uint64_t one = world_create(&world, TREE_ROOT, "1");
    uint64_t two = world_create(&world, TREE_ROOT, "2");
    uint64_t bare = tree_digest(world.tree);
    set(&world, one, "user.a", "x");
    uint64_t with = tree_digest(world.tree);
    assert_true(with != bare);
    set(&world, one, "user.a", "y");
    assert_true(tree_digest(world.tree) != with);
    set(&world, one, "user.a", "x");
    assert_true(tree_digest(world.tree) == with);
    assert_ok(tree_xattr_remove(world.tree, one, text("user.a")));
    assert_true(tree_digest(world.tree) == bare);
    set(&world, two, "user.a", "x");
    assert_true(tree_digest(world.tree) != with);
    world_check(&world);
    world_close(&world);
}

static void they_go_with_their_inode(void **state)
{
    struct world world = {0};
    world_open(&world, scratch_path(state, "a"));
    uint64_t ino = world_create(&world, TREE_ROOT, "f");
    uint64_t stays = world_create(&world, TREE_ROOT, "g");
    set(&world, ino, "user.a", "1");
    set(&world, ino, "user.b", "2");
    set(&world, stays, "user.a", "3");
    world_remove(&world, TREE_ROOT, "f");
    expect(&world, ino, "user.a", NULL);
    expect(&world, stays, "user.a", "3");
    world_check(&world);
    world_close(&world);
}

static void the_largest_value_and_name_fit(void **state)
{
    struct world world = {0};
    static uint8_t value[TREE_XATTR_VALUE_MAX];
    char name[TREE_NAME_MAX];
    memset(value, 0xa5, sizeof(value));
    memset(name, 'n', sizeof(name));
    world_open(&world, scratch_path(state, "a"));
    assert_ok(tree_begin(world.tree));
    struct view longest = {name, sizeof(name)}, got;
    assert_ok(tree_xattr_set(world.tree, TREE_ROOT, longest,
                             (struct view){value, sizeof(value)}));
    world_check(&world);
    assert_ok(tree_xattr_get(world.tree, TREE_ROOT, longest, &got));
    assert_int_equal(got.size, sizeof(value));
    assert_memory_equal(got.data, value, sizeof(value));
    world_close(&world);
}

static void planted_damage_is_found(void **state)
{
    static const char *const damages[] = {
        "UPDATE xattrs SET value = 'other'",
        "DELETE FROM xattrs",
        "INSERT INTO xattrs VALUES(99, 'user.a', 'of nobody')",
        "UPDATE xattrs SET name = ''",
        "UPDATE xattrs SET value = zeroblob(65537)",
    };
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        struct world world = {0};
        char name[20], first[512] = "";
        snprintf(name, sizeof(name), "damage-%zu", i);
        world_open(&world, scratch_path(state, name));
        set(&world, TREE_ROOT, "user.a", "value");
        world_check(&world);
        assert_ok(db_exec(&world.tree->db, damages[i]));
        assert_true(world_problems(&world, first, sizeof(first)) > 0);
        world_close(&world);
    }
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(attributes_are_set_replaced_listed_and_removed),
        TEST(a_listing_stops_when_told),
        TEST(they_count_in_the_digest),
        TEST(they_go_with_their_inode),
        TEST(the_largest_value_and_name_fit),
        TEST(planted_damage_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
