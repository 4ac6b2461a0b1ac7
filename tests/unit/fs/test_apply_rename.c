/* rename(2), case by case. */
#include "tests/unit/fs/apply_world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void a_name_moves(void **state)
{
    struct world *w = *state;
    uint64_t dir = world_dir(w, TREE_ROOT, "d");
    uint64_t file = world_file(w, TREE_ROOT, "f");
    assert_int_equal(world_rename(w, TREE_ROOT, "f", dir, "g", 0), 0);
    assert_int_equal(w->result.value[VALUE_GONE], 0);
    assert_int_equal(world_lookup(w, TREE_ROOT, "f"), 0);
    assert_int_equal(world_lookup(w, dir, "g"), file);
    assert_int_equal(world_inode(w, file).ctime, w->time_ns);
    assert_int_equal(world_inode(w, dir).mtime, w->time_ns);
    assert_int_equal(world_inode(w, TREE_ROOT).mtime, w->time_ns);
    assert_int_equal(world_rename(w, TREE_ROOT, "f", dir, "h", 0), ENOENT);
}

static void a_directory_takes_its_parent_along(void **state)
{
    struct world *w = *state;
    uint64_t a = world_dir(w, TREE_ROOT, "a");
    uint64_t b = world_dir(w, TREE_ROOT, "b");
    assert_int_equal(world_rename(w, TREE_ROOT, "b", a, "b", 0), 0);
    assert_int_equal(world_inode(w, b).parent, a);
    assert_int_equal(world_inode(w, a).nlink, 3);
    assert_int_equal(world_inode(w, TREE_ROOT).nlink, 3);
}

static void a_file_takes_the_place_of_another(void **state)
{
    struct world *w = *state;
    uint64_t f = world_file(w, TREE_ROOT, "f");
    uint64_t g = world_file(w, TREE_ROOT, "g");
    assert_int_equal(world_rename(w, TREE_ROOT, "f", TREE_ROOT, "g", 0), 0);
    assert_int_equal(w->result.value[VALUE_GONE], g);
    assert_int_equal(world_lookup(w, TREE_ROOT, "g"), f);
    assert_int_equal(world_inode(w, g).nlink, 0);
    assert_int_equal(world_inode(w, g).orphaned, tree_applied(w->tree));
}

static void two_names_of_one_file_stay(void **state)
{
    struct world *w = *state;
    uint64_t f = world_file(w, TREE_ROOT, "f");
    assert_int_equal(world_link(w, f, TREE_ROOT, "g"), 0);
    struct inode before = world_inode(w, f);
    assert_int_equal(world_rename(w, TREE_ROOT, "f", TREE_ROOT, "g", 0), 0);
    assert_int_equal(w->result.value[VALUE_GONE], 0);
    assert_int_equal(world_lookup(w, TREE_ROOT, "f"), f);
    assert_int_equal(world_lookup(w, TREE_ROOT, "g"), f);
    assert_int_equal(world_inode(w, f).ctime, before.ctime);
    assert_int_equal(world_rename(w, TREE_ROOT, "f", TREE_ROOT, "f", 0), 0);
    uint64_t d = world_dir(w, TREE_ROOT, "d");
    world_file(w, d, "f");
    assert_int_equal(world_rename(w, TREE_ROOT, "d", TREE_ROOT, "d", 0), 0);
    assert_int_equal(world_lookup(w, TREE_ROOT, "d"), d);
}

static void only_an_empty_directory_is_replaced(void **state)
{
    struct world *w = *state;
    uint64_t a = world_dir(w, TREE_ROOT, "a");
    uint64_t b = world_dir(w, TREE_ROOT, "b");
    uint64_t c = world_dir(w, b, "c");
    assert_int_equal(world_rename(w, TREE_ROOT, "a", TREE_ROOT, "b", 0),
                     ENOTEMPTY);
    assert_int_equal(world_rename(w, TREE_ROOT, "a", b, "c", 0), 0);
    assert_int_equal(w->result.value[VALUE_GONE], c);
    assert_int_equal(world_inode(w, c).nlink, 0);
    assert_int_equal(world_inode(w, b).nlink, 3);
    assert_int_equal(world_inode(w, TREE_ROOT).nlink, 3);
    assert_int_equal(world_inode(w, a).parent, b);
}

static void files_and_directories_do_not_mix(void **state)
{
    struct world *w = *state;
    world_dir(w, TREE_ROOT, "d");
    world_file(w, TREE_ROOT, "f");
    assert_int_equal(world_rename(w, TREE_ROOT, "f", TREE_ROOT, "d", 0),
                     EISDIR);
    assert_int_equal(world_rename(w, TREE_ROOT, "d", TREE_ROOT, "f", 0),
                     ENOTDIR);
}

static void a_directory_does_not_go_below_itself(void **state)
{
    struct world *w = *state;
    uint64_t a = world_dir(w, TREE_ROOT, "a");
    uint64_t b = world_dir(w, a, "b");
    uint64_t c = world_dir(w, b, "c");
    assert_int_equal(world_rename(w, TREE_ROOT, "a", a, "x", 0), EINVAL);
    assert_int_equal(world_rename(w, TREE_ROOT, "a", c, "x", 0), EINVAL);
    assert_int_equal(world_rename(w, TREE_ROOT, "a", b, "c", 0), EINVAL);
    /* Nor does anything take the place of a directory above it. */
    assert_int_equal(world_rename(w, b, "c", TREE_ROOT, "a", 0), ENOTEMPTY);
    assert_int_equal(world_rename(w, b, "c", TREE_ROOT, "a", RENAME_EXCHANGE),
                     EINVAL);
    assert_int_equal(world_rename(w, b, "c", TREE_ROOT, "c", 0), 0);
}

static void noreplace_replaces_nothing(void **state)
{
    struct world *w = *state;
    uint64_t f = world_file(w, TREE_ROOT, "f");
    world_file(w, TREE_ROOT, "g");
    assert_int_equal(
        world_rename(w, TREE_ROOT, "f", TREE_ROOT, "g", RENAME_NOREPLACE),
        EEXIST);
    assert_int_equal(
        world_rename(w, TREE_ROOT, "f", TREE_ROOT, "h", RENAME_NOREPLACE), 0);
    assert_int_equal(world_lookup(w, TREE_ROOT, "h"), f);
}

static void exchange_swaps_what_there_is(void **state)
{
    struct world *w = *state;
    uint64_t a = world_dir(w, TREE_ROOT, "a");
    uint64_t b = world_dir(w, TREE_ROOT, "b");
    uint64_t f = world_file(w, a, "f");
    uint64_t d = world_dir(w, b, "d");
    assert_int_equal(world_rename(w, a, "f", b, "none", RENAME_EXCHANGE),
                     ENOENT);
    assert_int_equal(world_rename(w, a, "f", b, "d", RENAME_EXCHANGE), 0);
    assert_int_equal(w->result.value[VALUE_GONE], 0);
    assert_int_equal(world_lookup(w, a, "f"), d);
    assert_int_equal(world_lookup(w, b, "d"), f);
    assert_int_equal(world_inode(w, d).parent, a);
    assert_int_equal(world_inode(w, a).nlink, 3);
    assert_int_equal(world_inode(w, b).nlink, 2);
    assert_int_equal(world_inode(w, d).ctime, w->time_ns);
    assert_int_equal(world_inode(w, f).ctime, w->time_ns);
    assert_int_equal(
        world_rename(w, TREE_ROOT, "a", TREE_ROOT, "b", RENAME_EXCHANGE), 0);
    assert_int_equal(world_lookup(w, TREE_ROOT, "a"), b);
}

static void unknown_flags_are_refused(void **state)
{
    struct world *w = *state;
    world_file(w, TREE_ROOT, "f");
    uint32_t both = RENAME_EXCHANGE | RENAME_NOREPLACE;
    assert_int_equal(world_rename(w, TREE_ROOT, "f", TREE_ROOT, "g", both),
                     EINVAL);
    assert_int_equal(world_rename(w, TREE_ROOT, "f", TREE_ROOT, "g",
                                  RENAME_WHITEOUT | RENAME_EXCHANGE),
                     EINVAL);
    assert_int_equal(world_rename(w, TREE_ROOT, "f", TREE_ROOT, "g", 8),
                     EINVAL);
}

static uint64_t cookie_of(struct world *w, uint64_t parent, const char *name)
{
    struct dentry dentry;
    struct view view = {name, strlen(name)};
    assert_int_equal(tree_dentry_get(w->tree, parent, view, &dentry), 0);
    return dentry.cookie;
}

/* A listing under way must neither miss nor repeat them. */
static void names_that_stay_keep_their_place_in_the_directory(void **state)
{
    struct world *w = *state;
    uint64_t f = world_file(w, TREE_ROOT, "f");
    uint64_t g = world_file(w, TREE_ROOT, "g");
    uint64_t at_f = cookie_of(w, TREE_ROOT, "f");
    uint64_t at_g = cookie_of(w, TREE_ROOT, "g");
    assert_int_equal(
        world_rename(w, TREE_ROOT, "f", TREE_ROOT, "g", RENAME_EXCHANGE), 0);
    assert_int_equal(world_lookup(w, TREE_ROOT, "f"), g);
    assert_int_equal(cookie_of(w, TREE_ROOT, "f"), at_f);
    assert_int_equal(cookie_of(w, TREE_ROOT, "g"), at_g);
    assert_int_equal(world_rename(w, TREE_ROOT, "g", TREE_ROOT, "f", 0), 0);
    assert_int_equal(world_lookup(w, TREE_ROOT, "f"), f);
    assert_int_equal(cookie_of(w, TREE_ROOT, "f"), at_f);
    assert_int_equal(world_rename(w, TREE_ROOT, "f", TREE_ROOT, "h", 0), 0);
    assert_true(cookie_of(w, TREE_ROOT, "h") > at_g);
    assert_true(cookie_of(w, TREE_ROOT, "h") < tree_next_cookie(w->tree));
    world_check(w);
}

static void whiteout_leaves_a_device_of_no_number(void **state)
{
    struct world *w = *state;
    uint64_t f = world_file(w, TREE_ROOT, "f");
    uint64_t d = world_dir(w, TREE_ROOT, "d");
    assert_int_equal(
        world_rename(w, TREE_ROOT, "f", d, "g", RENAME_WHITEOUT), 0);
    assert_int_equal(world_lookup(w, d, "g"), f);
    struct inode left = world_inode(w, world_lookup(w, TREE_ROOT, "f"));
    assert_int_equal(left.mode, S_IFCHR);
    assert_int_equal(left.rdev, 0);
    assert_int_equal(left.nlink, 1);
    assert_int_equal(
        world_rename(w, TREE_ROOT, "d", TREE_ROOT, "e", RENAME_WHITEOUT), 0);
    assert_int_equal(world_inode(w, TREE_ROOT).nlink, 3);
    world_check(w);
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_name_moves),
        TEST(a_directory_takes_its_parent_along),
        TEST(a_file_takes_the_place_of_another),
        TEST(two_names_of_one_file_stay),
        TEST(only_an_empty_directory_is_replaced),
        TEST(files_and_directories_do_not_mix),
        TEST(a_directory_does_not_go_below_itself),
        TEST(noreplace_replaces_nothing),
        TEST(exchange_swaps_what_there_is),
        TEST(unknown_flags_are_refused),
        TEST(names_that_stay_keep_their_place_in_the_directory),
        TEST(whiteout_leaves_a_device_of_no_number),
    };
    return cmocka_run_group_tests_name("apply_rename", tests, NULL, NULL);
}
