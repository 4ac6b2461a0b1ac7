/* Attributes and contents. */
#include "tests/unit/fs/apply_world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int chmod_to(struct world *w, uint64_t ino, uint32_t mode)
{
    return world_run(
        w, (struct command){
               .op = OP_SETATTR, .ino = ino, .set = SET_MODE, .mode = mode});
}

static void assert_content(struct world *w, uint64_t ino, const char *text)
{
    char content[64];
    struct inode inode = world_inode(w, ino);
    assert_int_equal(inode.size, strlen(text));
    assert_in_range(inode.size, 0, sizeof content);
    assert_int_equal(tree_read(w->tree, inode.body, 0, content, inode.size), 0);
    assert_memory_equal(content, text, inode.size);
}

static void a_write_lands_at_its_offset(void **state)
{
    struct world *w = *state;
    uint64_t f = world_file(w, TREE_ROOT, "f");
    assert_int_equal(world_write(w, f, 0, 0, "hello world", 11), 0);
    assert_int_equal(w->result.value[VALUE_SIZE], 11);
    assert_int_equal(world_write(w, f, 6, 0, "there", 5), 0);
    assert_int_equal(w->result.value[VALUE_OFFSET], 6);
    assert_content(w, f, "hello there");
    struct inode inode = world_inode(w, f);
    assert_int_equal(inode.blocks, 11);
    assert_int_equal(inode.mtime, w->time_ns);
    assert_int_equal(inode.ctime, w->time_ns);
    assert_int_equal(apply_last_change(w->apply)->small_body, inode.body);
    assert_int_equal(apply_last_change(w->apply)->ino_count, 1);
}

static void an_append_goes_to_the_end_of_now(void **state)
{
    struct world *w = *state;
    uint64_t f = world_file(w, TREE_ROOT, "f");
    assert_int_equal(world_write(w, f, 0, O_APPEND, "one\n", 4), 0);
    assert_int_equal(world_write(w, f, 0, O_APPEND, "two\n", 4), 0);
    assert_int_equal(w->result.value[VALUE_OFFSET], 4);
    assert_content(w, f, "one\ntwo\n");
}

static void large_writes_lie_in_a_segment(void **state)
{
    struct world *w = *state;
    uint64_t f = world_file(w, TREE_ROOT, "f");
    size_t size = 100000;
    uint8_t *bytes = malloc(size);
    uint8_t *back = malloc(size);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(i * 31 + i / 255);
    }
    assert_int_equal(world_write(w, f, 10, 0, bytes, size), 0);
    assert_int_equal(w->result.value[VALUE_SIZE], size);
    assert_int_equal(apply_last_change(w->apply)->small_body, 0);
    struct inode inode = world_inode(w, f);
    assert_int_equal(inode.size, size + 10);
    assert_int_equal(inode.blocks, size);
    assert_int_equal(tree_read(w->tree, inode.body, 10, back, size), 0);
    assert_memory_equal(back, bytes, size);
    free(bytes);
    free(back);
}

static void an_empty_write_changes_nothing(void **state)
{
    struct world *w = *state;
    uint64_t f = world_file(w, TREE_ROOT, "f");
    struct inode before = world_inode(w, f);
    assert_int_equal(world_write(w, f, 100, 0, "", 0), 0);
    assert_int_equal(w->result.value[VALUE_SIZE], 0);
    struct inode after = world_inode(w, f);
    assert_memory_equal(&before, &after, sizeof before);
}

static void a_write_needs_a_file(void **state)
{
    struct world *w = *state;
    uint64_t d = world_dir(w, TREE_ROOT, "d");
    assert_int_equal(world_symlink(w, TREE_ROOT, "s", "x"), 0);
    uint64_t s = w->result.value[VALUE_INO];
    assert_int_equal(world_write(w, d, 0, 0, "x", 1), EISDIR);
    assert_int_equal(world_write(w, s, 0, 0, "x", 1), EINVAL);
    assert_int_equal(world_write(w, 99999, 0, 0, "x", 1), ESTALE);
    assert_int_equal(world_truncate(w, d, 0), EISDIR);
    assert_int_equal(world_truncate(w, s, 0), EINVAL);
    assert_int_equal(world_truncate(w, 99999, 0), ESTALE);
}

static void no_file_is_larger_than_an_offset(void **state)
{
    struct world *w = *state;
    uint64_t f = world_file(w, TREE_ROOT, "f");
    assert_int_equal(world_write(w, f, INT64_MAX, 0, "x", 1), EFBIG);
    assert_int_equal(world_write(w, f, UINT64_MAX, 0, "x", 1), EFBIG);
    assert_int_equal(world_truncate(w, f, (uint64_t)INT64_MAX + 1), EFBIG);
    assert_int_equal(world_truncate(w, f, INT64_MAX), 0);
    assert_int_equal(world_write(w, f, 0, O_APPEND, "x", 1), EFBIG);
    assert_int_equal(world_truncate(w, f, 0), 0);
}

/* The kernel lets a caller do it who was the owner when it looked last. */
static void only_the_owner_changes_owner_mode_and_times(void **state)
{
    struct world *w = *state;
    uint64_t f = world_file(w, TREE_ROOT, "f");
    assert_int_equal(chmod_to(w, f, 06755), 0);
    const struct command forbidden[] = {
        {.set = SET_MODE, .mode = 04777},
        {.set = SET_MODE, .mode = 0700},
        {.set = SET_UID, .new_uid = 1000},
        {.set = SET_GID, .new_gid = 1000},
        {.set = SET_MTIME, .mtime = 5},
        {.set = SET_ATIME | SET_MTIME_NOW, .atime = 5},
    };
    struct inode before = world_inode(w, f);
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++) {
        struct command command = forbidden[i];
        command.op = OP_SETATTR;
        command.ino = f;
        w->caller.uid = 1000;
        assert_int_equal(world_run(w, command), EPERM);
        struct inode after = world_inode(w, f);
        assert_int_equal(after.mode, before.mode);
        assert_int_equal(after.ctime, before.ctime);
    }
    /* Set-id bits go with a write, in the name of who writes. */
    assert_int_equal(chmod_to(w, f, 02755), 0);
    assert_int_equal(chmod_to(w, f, 06755), EPERM);
    struct command touch = {.op = OP_SETATTR,
                            .ino = f,
                            .set = SET_ATIME | SET_ATIME_NOW | SET_MTIME |
                                   SET_MTIME_NOW};
    assert_int_equal(world_run(w, touch), 0);
    struct command anyway = {
        .op = OP_SETATTR, .ino = f, .set = SET_MODE | SET_ANYWAY, .mode = 0700};
    assert_int_equal(world_run(w, anyway), 0);
    w->caller.uid = 0;
}

static void a_write_takes_privileges_unless_root_makes_it(void **state)
{
    struct world *w = *state;
    uint64_t f = world_file(w, TREE_ROOT, "f");
    assert_int_equal(chmod_to(w, f, 06775), 0);
    assert_int_equal(world_write(w, f, 0, 0, "x", 1), 0);
    assert_int_equal(world_inode(w, f).mode, S_IFREG | 06775);
    w->caller.uid = 1000;
    assert_int_equal(world_write(w, f, 0, 0, "x", 1), 0);
    assert_int_equal(world_inode(w, f).mode, S_IFREG | 0775);
    w->caller.uid = 0;
    assert_int_equal(chmod_to(w, f, 06765), 0);
    w->caller.uid = 1000;
    assert_int_equal(world_write(w, f, 0, 0, "x", 1), 0);
    assert_int_equal(world_inode(w, f).mode, S_IFREG | 02765);
    w->caller.gid = 1000; /* not of the file's group */
    assert_int_equal(world_write(w, f, 0, 0, "x", 1), 0);
    assert_int_equal(world_inode(w, f).mode, S_IFREG | 0765);
}

static void truncate_cuts_and_extends(void **state)
{
    struct world *w = *state;
    uint64_t f = world_file(w, TREE_ROOT, "f");
    assert_int_equal(world_write(w, f, 0, 0, "hello", 5), 0);
    struct inode before = world_inode(w, f);
    assert_int_equal(world_truncate(w, f, 2), 0);
    assert_content(w, f, "he");
    struct inode cut = world_inode(w, f);
    assert_int_equal(cut.blocks, 2);
    assert_int_equal(cut.mtime, w->time_ns);
    assert_int_equal(cut.body, before.body);
    assert_int_not_equal(cut.data_hash, before.data_hash);
    assert_int_equal(world_truncate(w, f, 4), 0);
    struct inode grown = world_inode(w, f);
    char content[4];
    assert_int_equal(grown.size, 4);
    assert_int_equal(grown.blocks, 2);
    assert_int_equal(tree_read(w->tree, grown.body, 0, content, 4), 0);
    assert_memory_equal(content, "he\0\0", 4);
    assert_int_equal(world_truncate(w, f, 0), 0);
    struct inode empty = world_inode(w, f);
    assert_int_not_equal(empty.body, before.body);
    assert_int_equal(empty.blocks, 0);
}

static void chmod_keeps_the_type(void **state)
{
    struct world *w = *state;
    uint64_t f = world_file(w, TREE_ROOT, "f");
    int64_t mtime = world_inode(w, f).mtime;
    assert_int_equal(chmod_to(w, f, S_IFDIR | 04711), 0);
    assert_int_equal(world_inode(w, f).mode, S_IFREG | 04711);
    assert_int_equal(world_inode(w, f).ctime, w->time_ns);
    assert_int_equal(world_inode(w, f).mtime, mtime);
    assert_int_equal(world_symlink(w, TREE_ROOT, "s", "x"), 0);
    assert_int_equal(chmod_to(w, w->result.value[VALUE_INO], 0700), EOPNOTSUPP);
    assert_int_equal(chmod_to(w, 99999, 0700), ESTALE);
}

static void chown_takes_privileges_of_files_only(void **state)
{
    struct world *w = *state;
    uint64_t f = world_file(w, TREE_ROOT, "f");
    uint64_t d = world_dir(w, TREE_ROOT, "d");
    assert_int_equal(chmod_to(w, f, 06755), 0);
    assert_int_equal(chmod_to(w, d, 06755), 0);
    struct command chown = {.op = OP_SETATTR,
                            .set = SET_UID | SET_GID,
                            .new_uid = 10,
                            .new_gid = 20};
    chown.ino = f;
    assert_int_equal(world_run(w, chown), 0);
    chown.ino = d;
    assert_int_equal(world_run(w, chown), 0);
    struct inode file = world_inode(w, f);
    assert_int_equal(file.uid, 10);
    assert_int_equal(file.gid, 20);
    assert_int_equal(file.mode, S_IFREG | 0755);
    assert_int_equal(world_inode(w, d).mode, S_IFDIR | 06755);
}

static void truncate_takes_privileges_unless_root_makes_it(void **state)
{
    struct world *w = *state;
    uint64_t f = world_file(w, TREE_ROOT, "f");
    assert_int_equal(chmod_to(w, f, 06755), 0);
    assert_int_equal(world_truncate(w, f, 5), 0);
    assert_int_equal(world_inode(w, f).mode, S_IFREG | 06755);
    w->caller.uid = 1000;
    assert_int_equal(world_truncate(w, f, 1), 0);
    assert_int_equal(world_inode(w, f).mode, S_IFREG | 0755);
}

static void times_are_set_as_asked(void **state)
{
    struct world *w = *state;
    uint64_t f = world_file(w, TREE_ROOT, "f");
    struct command times = {.op = OP_SETATTR,
                            .ino = f,
                            .atime = -5,
                            .mtime = 17,
                            .set = SET_ATIME | SET_MTIME};
    assert_int_equal(world_run(w, times), 0);
    struct inode inode = world_inode(w, f);
    assert_int_equal(inode.atime, -5);
    assert_int_equal(inode.mtime, 17);
    assert_int_equal(inode.ctime, w->time_ns);
    times.set = SET_ATIME_NOW | SET_MTIME_NOW;
    assert_int_equal(world_run(w, times), 0);
    inode = world_inode(w, f);
    assert_int_equal(inode.atime, w->time_ns);
    assert_int_equal(inode.mtime, w->time_ns);
}

static void a_write_is_seen_in_mtime_whatever_it_was(void **state)
{
    struct world *w = *state;
    uint64_t f = world_file(w, TREE_ROOT, "f");
    /* The very moment of the write that comes next. */
    int64_t next = (int64_t)w->time_ns + 2000;
    struct command times = {
        .op = OP_SETATTR, .ino = f, .mtime = next, .set = SET_MTIME};
    assert_int_equal(world_run(w, times), 0);
    assert_int_equal(world_write(w, f, 0, 0, "x", 1), 0);
    assert_int_equal(w->time_ns, next);
    assert_int_equal(world_inode(w, f).mtime, next + 1);
    /* The future does not last. */
    times.mtime = next * 2;
    assert_int_equal(world_run(w, times), 0);
    assert_int_equal(world_write(w, f, 0, 0, "x", 1), 0);
    assert_int_equal(world_inode(w, f).mtime, w->time_ns);
}

static void ctime_grows_even_if_time_stands_still(void **state)
{
    struct world *w = *state;
    uint64_t f = world_file(w, TREE_ROOT, "f");
    w->time_ns -= 1000;
    assert_int_equal(chmod_to(w, f, 0600), 0);
    assert_int_equal(world_inode(w, f).ctime, w->time_ns + 1);
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_write_lands_at_its_offset),
        TEST(an_append_goes_to_the_end_of_now),
        TEST(large_writes_lie_in_a_segment),
        TEST(an_empty_write_changes_nothing),
        TEST(a_write_needs_a_file),
        TEST(no_file_is_larger_than_an_offset),
        TEST(only_the_owner_changes_owner_mode_and_times),
        TEST(a_write_takes_privileges_unless_root_makes_it),
        TEST(truncate_cuts_and_extends),
        TEST(chmod_keeps_the_type),
        TEST(chown_takes_privileges_of_files_only),
        TEST(truncate_takes_privileges_unless_root_makes_it),
        TEST(times_are_set_as_asked),
        TEST(a_write_is_seen_in_mtime_whatever_it_was),
        TEST(ctime_grows_even_if_time_stands_still),
    };
    return cmocka_run_group_tests_name("apply_write", tests, NULL, NULL);
}
