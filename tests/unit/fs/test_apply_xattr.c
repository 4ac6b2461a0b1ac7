/* Extended attributes and access control lists, as commands. */
#include "tests/unit/fs/apply_world.h"

#include "fs/acl.h"
#include "store/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static int set_bytes(struct world *world, uint64_t ino, const char *name,
                     const void *value, size_t size, uint32_t flags)
{
    return world_run_with(world,
                          (struct command){.op = OP_SETXATTR,
                                           .ino = ino,
                                           .name = world_text(name),
                                           .flags = flags},
                          (struct bytes){value, size});
}

static int set(struct world *world, uint64_t ino, const char *name,
               const char *value, uint32_t flags)
{
    return set_bytes(world, ino, name, value, strlen(value), flags);
}

static int remove_(struct world *world, uint64_t ino, const char *name)
{
    return world_run(world, (struct command){.op = OP_REMOVEXATTR,
                                             .ino = ino,
                                             .name = world_text(name)});
}

static int remove_acl(struct world *world, uint64_t ino, const char *name,
                      uint32_t flags)
{
    return world_run(world, (struct command){.op = OP_REMOVE_ACL,
                                             .ino = ino,
                                             .name = world_text(name),
                                             .flags = flags});
}

static bool get(struct world *world, uint64_t ino, const char *name,
                struct view *out)
{
    struct view view = {name, strlen(name)};
    int rc = tree_xattr_get(world->tree, ino, view, out);
    assert_true(rc == 0 || rc == STORE_NOT_FOUND);
    return rc == 0;
}

static bool is(struct world *world, uint64_t ino, const char *name,
               const char *value)
{
    struct view got;
    return get(world, ino, name, &got) && got.size == strlen(value) &&
           memcmp(got.data, value, got.size) == 0;
}

static bool has(struct world *world, uint64_t ino, const char *name)
{
    struct view got;
    return get(world, ino, name, &got);
}

static uint32_t mode_of(struct world *world, uint64_t ino)
{
    return world_inode(world, ino).mode & ALLPERMS;
}

/* --- attributes --- */

static void set_replaced_and_removed(void **state)
{
    struct world *world = *state;
    uint64_t ino = world_file(world, TREE_ROOT, "f");
    assert_int_equal(set(world, ino, "user.a", "one", 0), 0);
    assert_int_equal(set(world, ino, "user.a", "two", XATTR_REPLACE), 0);
    assert_true(is(world, ino, "user.a", "two"));
    assert_int_equal(remove_(world, ino, "user.a"), 0);
    assert_false(has(world, ino, "user.a"));
    assert_int_equal(set(world, ino, "user.with/slash", "", 0), 0);
    assert_true(is(world, ino, "user.with/slash", ""));
}

static void errors_leave_all_as_it_was(void **state)
{
    struct world *world = *state;
    uint64_t ino = world_file(world, TREE_ROOT, "f");
    assert_int_equal(world_symlink(world, TREE_ROOT, "l", "f"), 0);
    uint64_t link = world->result.value[VALUE_INO];
    static uint8_t large[TREE_XATTR_VALUE_MAX + 1];
    assert_int_equal(set(world, ino, "user.a", "one", 0), 0);
    struct inode before = world_inode(world, ino);
    assert_int_equal(set(world, ino, "user.a", "x", XATTR_CREATE), EEXIST);
    assert_int_equal(set(world, ino, "user.b", "x", XATTR_REPLACE), ENODATA);
    assert_int_equal(remove_(world, ino, "user.b"), ENODATA);
    assert_int_equal(set(world, ino, "user.a", "x", 16), EINVAL);
    assert_int_equal(set(world, ino, "other.a", "x", 0), EOPNOTSUPP);
    assert_int_equal(set(world, ino, "user.", "x", 0), EINVAL);
    assert_int_equal(set(world, ino, "system.other", "x", 0), EOPNOTSUPP);
    assert_int_equal(remove_(world, ino, "other.a"), EOPNOTSUPP);
    assert_int_equal(set(world, link, "user.a", "x", 0), EPERM);
    assert_int_equal(set(world, link, "trusted.a", "x", 0), 0);
    assert_int_equal(set(world, 4711, "user.a", "x", 0), ESTALE);
    assert_int_equal(
        set_bytes(world, ino, "user.a", large, sizeof large, 0), E2BIG);
    assert_int_equal(world_inode(world, ino).ctime, before.ctime);
    assert_true(is(world, ino, "user.a", "one"));
}

static void ctime_grows_and_mtime_stays(void **state)
{
    struct world *world = *state;
    uint64_t ino = world_file(world, TREE_ROOT, "f");
    struct inode before = world_inode(world, ino);
    assert_int_equal(set(world, ino, "user.a", "one", 0), 0);
    struct inode after = world_inode(world, ino);
    assert_true(after.ctime > before.ctime && after.mtime == before.mtime);
    assert_int_equal(apply_last_change(world->apply)->inos[0], ino);
    assert_int_equal(remove_(world, ino, "user.a"), 0);
    assert_true(world_inode(world, ino).ctime > after.ctime);
}

/* As after a restart: the record comes from the log, which has no payload. */
static void a_large_value_comes_from_its_segment(void **state)
{
    struct world *world = *state;
    static uint8_t value[TREE_XATTR_VALUE_MAX];
    struct view got;
    uint64_t ino = world_file(world, TREE_ROOT, "f");
    for (size_t i = 0; i < sizeof value; i++) {
        value[i] = (uint8_t)(i * 7);
    }
    struct command command = {
        .op = OP_SETXATTR, .ino = ino, .name = world_text("user.large")};
    struct record *record = world_record(world, &command,
                                         (struct bytes){value, sizeof value});
    struct place place;
    assert_int_equal(segment_append(world->writer,
                                    (struct view){value, sizeof value}, &place),
                     0);
    record->place = (struct record_place){place.segment, place.position};
    struct bytes payload = record->payload;
    record->payload.data = NULL;
    assert_int_equal(apply_record(world->apply, record, &world->result), 0);
    assert_int_equal(world->result.error, 0);
    record->payload = payload;
    record_unref(record);
    assert_true(get(world, ino, "user.large", &got));
    assert_int_equal(got.size, sizeof value);
    assert_memory_equal(got.data, value, sizeof value);
}

static void names_end_where_a_list_of_them_does(void **state)
{
    struct world *world = *state;
    char name[COMMAND_NAME_MAX + 1];
    uint64_t ino = world_file(world, TREE_ROOT, "f");
    int count = 0, error = 0;
    while (error == 0) {
        snprintf(name, sizeof name, "user.%0250d", count);
        error = set(world, ino, name, "", 0);
        count += error == 0;
    }
    assert_int_equal(error, ENOSPC);
    assert_int_equal(count, TREE_XATTR_LIST_MAX / 256);
    /* One that is there can still be replaced. */
    snprintf(name, sizeof name, "user.%0250d", 0);
    assert_int_equal(set(world, ino, name, "x", 0), 0);
}

static void a_capability_ends_with_a_change_of_contents_or_owner(void **state)
{
    struct world *world = *state;
    static const char cap[] = "security.capability";
    uint64_t ino = world_file(world, TREE_ROOT, "f");
    uint64_t other = world_file(world, TREE_ROOT, "g");
    assert_int_equal(world_write(world, other, 0, 0, "other", 5), 0);

    assert_int_equal(set(world, ino, cap, "x", 0), 0);
    assert_int_equal(world_write(world, ino, 0, 0, "", 0), 0);
    assert_true(has(world, ino, cap));
    assert_int_equal(world_write(world, ino, 0, 0, "12345", 5), 0);
    assert_false(has(world, ino, cap));

    assert_int_equal(set(world, ino, cap, "x", 0), 0);
    assert_int_equal(world_truncate(world, ino, 2), 0);
    assert_false(has(world, ino, cap));

    struct command chown = {.op = OP_SETATTR, .ino = ino, .set = SET_UID};
    assert_int_equal(set(world, ino, cap, "x", 0), 0);
    assert_int_equal(world_run(world, chown), 0);
    assert_false(has(world, ino, cap));

    struct command chmod = {
        .op = OP_SETATTR, .ino = ino, .set = SET_MODE, .mode = 0700};
    assert_int_equal(set(world, ino, cap, "x", 0), 0);
    assert_int_equal(world_run(world, chmod), 0);
    assert_true(has(world, ino, cap));

    assert_int_equal(world_run(world, (struct command){.op = OP_COPY_RANGE,
                                                       .ino = ino,
                                                       .source = other,
                                                       .size = 3}),
                     0);
    assert_false(has(world, ino, cap));

    assert_int_equal(set(world, ino, cap, "x", 0), 0);
    assert_int_equal(world_create(world, TREE_ROOT, "f", 0644, O_TRUNC), 0);
    assert_false(has(world, ino, cap));
}

static void attributes_go_with_the_inode(void **state)
{
    struct world *world = *state;
    uint64_t ino = world_file(world, TREE_ROOT, "f");
    assert_int_equal(set(world, ino, "user.a", "one", 0), 0);
    assert_int_equal(world_unlink(world, TREE_ROOT, "f"), 0);
    assert_true(has(world, ino, "user.a")); /* somebody may have it open */
    assert_int_equal(world_reap(world, ino), 0);
    assert_false(has(world, ino, "user.a"));
}

/* --- ACLs --- */

/* u::rw-, u:1000:rwx, g::r--, m::rwx, o::--- and the like */
static size_t acl_bytes(uint8_t *out, uint16_t user, uint16_t named,
                        uint16_t group, uint16_t mask, uint16_t other)
{
    struct acl acl = {.count = 5,
                      .entries = {{ACL_USER_OBJ, user, 0},
                                  {ACL_USER, named, 1000},
                                  {ACL_GROUP_OBJ, group, 0},
                                  {ACL_MASK, mask, 0},
                                  {ACL_OTHER, other, 0}}};
    return acl_encode(&acl, out);
}

static size_t minimal_bytes(uint8_t *out, uint16_t user, uint16_t group,
                            uint16_t other)
{
    struct acl acl = {.count = 3,
                      .entries = {{ACL_USER_OBJ, user, 0},
                                  {ACL_GROUP_OBJ, group, 0},
                                  {ACL_OTHER, other, 0}}};
    return acl_encode(&acl, out);
}

static struct acl acl_of(struct world *world, uint64_t ino, const char *name)
{
    struct view got;
    struct acl acl;
    assert_true(get(world, ino, name, &got));
    assert_int_equal(acl_decode((struct bytes){got.data, got.size}, &acl), 0);
    return acl;
}

static void an_access_acl_sets_the_mode(void **state)
{
    struct world *world = *state;
    uint8_t bytes[ACL_SIZE_MAX];
    uint64_t ino = world_file(world, TREE_ROOT, "f");
    size_t size = acl_bytes(bytes, 6, 7, 4, 7, 0);
    assert_int_equal(set_bytes(world, ino, ACL_ACCESS_NAME, bytes, size, 0), 0);
    assert_int_equal(mode_of(world, ino), 0670);
    assert_true(has(world, ino, ACL_ACCESS_NAME));
    /* Removed: the mode stays, as on other filesystems. */
    assert_int_equal(remove_acl(world, ino, ACL_ACCESS_NAME, 0), 0);
    assert_int_equal(mode_of(world, ino), 0670);
    assert_int_equal(remove_acl(world, ino, ACL_ACCESS_NAME, 0), 0);
}

static void one_that_is_a_mode_leaves_no_row(void **state)
{
    struct world *world = *state;
    uint8_t bytes[ACL_SIZE_MAX];
    uint64_t ino = world_file(world, TREE_ROOT, "f");
    size_t size = acl_bytes(bytes, 6, 7, 4, 7, 0);
    assert_int_equal(set_bytes(world, ino, ACL_ACCESS_NAME, bytes, size, 0), 0);
    size = minimal_bytes(bytes, 7, 5, 1);
    assert_int_equal(set_bytes(world, ino, ACL_ACCESS_NAME, bytes, size, 0), 0);
    assert_int_equal(mode_of(world, ino), 0751);
    assert_false(has(world, ino, ACL_ACCESS_NAME));
}

static void a_stranger_to_the_group_loses_set_gid(void **state)
{
    struct world *world = *state;
    uint8_t bytes[ACL_SIZE_MAX];
    uint64_t ino = world_file(world, TREE_ROOT, "f");
    struct command chmod = {
        .op = OP_SETATTR, .ino = ino, .set = SET_MODE, .mode = 02755};
    assert_int_equal(world_run(world, chmod), 0);
    size_t size = acl_bytes(bytes, 6, 7, 4, 7, 0);
    assert_int_equal(set_bytes(world, ino, ACL_ACCESS_NAME, bytes, size, 0), 0);
    assert_int_equal(mode_of(world, ino), 02670);
    assert_int_equal(set_bytes(world, ino, ACL_ACCESS_NAME, bytes, size,
                               COMMAND_KILL_SGID),
                     0);
    assert_int_equal(mode_of(world, ino), 0670);
}

static void chmod_changes_the_mask(void **state)
{
    struct world *world = *state;
    uint8_t bytes[ACL_SIZE_MAX];
    uint64_t ino = world_file(world, TREE_ROOT, "f");
    size_t size = acl_bytes(bytes, 6, 7, 4, 7, 0);
    assert_int_equal(set_bytes(world, ino, ACL_ACCESS_NAME, bytes, size, 0), 0);
    struct command chmod = {
        .op = OP_SETATTR, .ino = ino, .set = SET_MODE, .mode = 0524};
    assert_int_equal(world_run(world, chmod), 0);
    struct acl acl = acl_of(world, ino, ACL_ACCESS_NAME);
    assert_int_equal(acl.entries[0].perm, 5);
    assert_int_equal(acl.entries[1].perm, 7);
    assert_int_equal(acl.entries[2].perm, 4);
    assert_int_equal(acl.entries[3].perm, 2);
    assert_int_equal(acl.entries[4].perm, 4);
    assert_int_equal(mode_of(world, ino), 0524);
}

static void a_default_acl_is_inherited(void **state)
{
    struct world *world = *state;
    uint8_t bytes[ACL_SIZE_MAX];
    uint64_t dir = world_dir(world, TREE_ROOT, "d");
    size_t size = acl_bytes(bytes, 7, 7, 5, 7, 5);
    assert_int_equal(set_bytes(world, dir, ACL_DEFAULT_NAME, bytes, size, 0),
                     0);
    assert_int_equal(mode_of(world, dir), 0755);
    /* The umask of 022 has no say here. */
    uint64_t file = world_file(world, dir, "f");
    assert_int_equal(mode_of(world, file), 0664);
    struct acl acl = acl_of(world, file, ACL_ACCESS_NAME);
    assert_int_equal(acl.entries[3].perm, 6);
    assert_false(has(world, file, ACL_DEFAULT_NAME));
    uint64_t below = world_dir(world, dir, "d");
    assert_int_equal(mode_of(world, below), 0775);
    acl = acl_of(world, below, ACL_DEFAULT_NAME);
    assert_int_equal(acl.entries[3].perm, 7);
    assert_true(has(world, below, ACL_ACCESS_NAME));
    struct command mknod = {.op = OP_MKNOD,
                            .parent = below,
                            .name = world_text("p"),
                            .mode = S_IFIFO | 0600,
                            .umask = 077};
    assert_int_equal(world_run(world, mknod), 0);
    uint64_t pipe = world->result.value[VALUE_INO];
    assert_int_equal(mode_of(world, pipe), 0600);
    assert_true(has(world, pipe, ACL_ACCESS_NAME));
    assert_int_equal(world_symlink(world, dir, "l", "f"), 0);
    uint64_t link = world->result.value[VALUE_INO];
    assert_false(has(world, link, ACL_ACCESS_NAME));
}

static void a_default_acl_that_is_a_mode_leaves_no_access_acl(void **state)
{
    struct world *world = *state;
    uint8_t bytes[ACL_SIZE_MAX];
    uint64_t dir = world_dir(world, TREE_ROOT, "d");
    size_t size = minimal_bytes(bytes, 7, 7, 0);
    assert_int_equal(set_bytes(world, dir, ACL_DEFAULT_NAME, bytes, size, 0),
                     0);
    uint64_t file = world_file(world, dir, "f");
    assert_int_equal(mode_of(world, file), 0660);
    assert_false(has(world, file, ACL_ACCESS_NAME));
}

static void acls_that_are_none_are_refused(void **state)
{
    struct world *world = *state;
    uint8_t bytes[ACL_SIZE_MAX + 8] = {2};
    uint64_t ino = world_file(world, TREE_ROOT, "f");
    uint64_t dir = world_dir(world, TREE_ROOT, "d");
    size_t size = acl_bytes(bytes, 7, 7, 5, 7, 5);
    assert_int_equal(set_bytes(world, ino, ACL_DEFAULT_NAME, bytes, size, 0),
                     EACCES);
    assert_int_equal(
        set_bytes(world, ino, ACL_ACCESS_NAME, bytes, size - 1, 0), EINVAL);
    assert_int_equal(
        set_bytes(world, ino, ACL_ACCESS_NAME, bytes, sizeof bytes, 0), E2BIG);
    assert_int_equal(set(world, ino, ACL_ACCESS_NAME, "", 0), EINVAL);
    assert_int_equal(mode_of(world, ino), 0644);
    /* One without entries stands for none. */
    assert_int_equal(set_bytes(world, dir, ACL_DEFAULT_NAME, bytes, size, 0),
                     0);
    assert_int_equal(set_bytes(world, dir, ACL_DEFAULT_NAME, bytes, 4, 0), 0);
    assert_false(has(world, dir, ACL_DEFAULT_NAME));
}

static void whom_an_acl_names_cannot_be_told_from_the_mode(void **state)
{
    struct world *world = *state;
    uint8_t bytes[ACL_SIZE_MAX];
    uint64_t ino = world_file(world, TREE_ROOT, "f");
    world->caller.uid = 2000;
    assert_int_equal(world_create(world, TREE_ROOT, "f", 0644, 0), 0);
    size_t size = acl_bytes(bytes, 6, 0, 0, 7, 4);
    assert_int_equal(set_bytes(world, ino, ACL_ACCESS_NAME, bytes, size, 0),
                     EPERM);
    assert_int_equal(set_bytes(world, ino, ACL_ACCESS_NAME, bytes, size,
                               COMMAND_ANYWAY),
                     0);
    assert_int_equal(world_create(world, TREE_ROOT, "f", 0644, 0), ESTALE);
    world->caller.uid = 0;
    assert_int_equal(world_create(world, TREE_ROOT, "f", 0644, 0), 0);
}

/* The kernel of another node may still take him for the owner. */
static void who_owned_a_file_removes_its_acls_no_more(void **state)
{
    struct world *world = *state;
    static const char *const names[] = {ACL_ACCESS_NAME, ACL_DEFAULT_NAME};
    uint8_t bytes[ACL_SIZE_MAX];
    uint64_t dir = world_dir(world, TREE_ROOT, "d");
    size_t size = acl_bytes(bytes, 7, 7, 5, 7, 5);
    struct command chown = {
        .op = OP_SETATTR, .ino = dir, .set = SET_UID, .new_uid = 2000};
    assert_int_equal(world_run(world, chown), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        world->caller.uid = 2000;
        assert_int_equal(set_bytes(world, dir, names[i], bytes, size, 0), 0);
        world->caller.uid = 1000;
        struct inode before = world_inode(world, dir);
        assert_int_equal(remove_acl(world, dir, names[i], 0), EPERM);
        assert_true(has(world, dir, names[i]));
        assert_int_equal(world_inode(world, dir).ctime, before.ctime);
        assert_int_equal(remove_acl(world, dir, names[i], COMMAND_ANYWAY), 0);
        assert_false(has(world, dir, names[i]));
        assert_int_equal(remove_acl(world, dir, names[i], 0), EPERM);
    }
    world->caller.uid = 0;
    assert_int_equal(remove_acl(world, dir, names[0], 0), 0);
    assert_int_equal(remove_acl(world, dir, names[0], 1), EINVAL);
    assert_int_equal(remove_acl(world, dir, "user.a", 0), EINVAL);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(set_replaced_and_removed),
        TEST(errors_leave_all_as_it_was),
        TEST(ctime_grows_and_mtime_stays),
        TEST(a_large_value_comes_from_its_segment),
        TEST(names_end_where_a_list_of_them_does),
        TEST(a_capability_ends_with_a_change_of_contents_or_owner),
        TEST(attributes_go_with_the_inode),
        TEST(an_access_acl_sets_the_mode),
        TEST(one_that_is_a_mode_leaves_no_row),
        TEST(a_stranger_to_the_group_loses_set_gid),
        TEST(chmod_changes_the_mask),
        TEST(a_default_acl_is_inherited),
        TEST(a_default_acl_that_is_a_mode_leaves_no_access_acl),
        TEST(acls_that_are_none_are_refused),
        TEST(who_owned_a_file_removes_its_acls_no_more),
        TEST(whom_an_acl_names_cannot_be_told_from_the_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
