/* Names: how they are made and how they go. */
#include "tests/unit/fs/apply_world.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static void create_makes_a_file_of_the_caller(void **state)
{
    struct world *w = *state;
    w->caller = (struct command_caller){.uid = 1000, .gid = 100};
    struct inode before = world_inode(w, TREE_ROOT);
    assert_int_equal(world_create(w, TREE_ROOT, "f", 06777, O_EXCL), 0);
    assert_int_equal(w->result.value[VALUE_MADE], 1);
    struct inode file = world_inode(w, w->result.value[VALUE_INO]);
    assert_int_equal(file.mode, S_IFREG | 06755); /* umask 022 */
    assert_int_equal(file.uid, 1000);
    assert_int_equal(file.gid, 100);
    assert_int_equal(file.nlink, 1);
    assert_int_equal(file.size, 0);
    assert_int_equal(file.mtime, w->time_ns);
    assert_int_equal(file.btime, w->time_ns);
    assert_int_equal(world_lookup(w, TREE_ROOT, "f"), file.ino);
    struct inode root = world_inode(w, TREE_ROOT);
    assert_int_equal(root.mtime, w->time_ns);
    assert_int_equal(root.ctime, w->time_ns);
    assert_int_equal(root.nlink, before.nlink);
}

static void what_changed_is_told(void **state)
{
    struct world *w = *state;
    uint64_t file = world_file(w, TREE_ROOT, "f");
    const struct apply_change *change = apply_last_change(w->apply);
    assert_int_equal(change->ino_count, 2);
    assert_true(change->inos[0] == file || change->inos[1] == file);
    assert_true(change->inos[0] == TREE_ROOT || change->inos[1] == TREE_ROOT);
    assert_int_equal(world_mkdir(w, TREE_ROOT, "f", 0777), EEXIST);
    assert_int_equal(change->ino_count, 0);
}

static void create_opens_what_exists(void **state)
{
    struct world *w = *state;
    uint64_t file = world_file(w, TREE_ROOT, "f");
    assert_int_equal(world_write(w, file, 0, 0, "hello", 5), 0);
    assert_int_equal(world_create(w, TREE_ROOT, "f", 0600, O_EXCL), EEXIST);
    assert_int_equal(world_create(w, TREE_ROOT, "f", 0600, O_RDWR), 0);
    assert_int_equal(w->result.value[VALUE_MADE], 0);
    assert_int_equal(w->result.value[VALUE_INO], file);
    struct inode inode = world_inode(w, file);
    assert_int_equal(inode.mode, S_IFREG | 0644);
    assert_int_equal(inode.size, 5);
    assert_int_equal(world_create(w, TREE_ROOT, "f", 0600, O_RDWR | O_TRUNC),
                     0);
    struct inode cut = world_inode(w, file);
    assert_int_equal(cut.size, 0);
    assert_int_equal(cut.blocks, 0);
    assert_int_equal(cut.mtime, w->time_ns);
    assert_int_not_equal(cut.body, inode.body);
}

static void create_does_not_open_what_is_no_file(void **state)
{
    struct world *w = *state;
    world_dir(w, TREE_ROOT, "d");
    assert_int_equal(world_symlink(w, TREE_ROOT, "s", "f"), 0);
    assert_int_equal(world_create(w, TREE_ROOT, "d", 0600, 0), EISDIR);
    assert_int_equal(world_create(w, TREE_ROOT, "d", 0600, O_EXCL), EEXIST);
    assert_int_equal(world_create(w, TREE_ROOT, "s", 0600, 0), ESTALE);
}

/* The kernel checks permissions of names that it knows; here it did not know
 * that there was one. */
static void create_does_not_open_the_file_of_another(void **state)
{
    struct world *w = *state;
    w->caller = (struct command_caller){.uid = 1, .gid = 1};
    assert_int_equal(world_create(w, TREE_ROOT, "f", 0640, 0), 0);
    uint64_t file = w->result.value[VALUE_INO];
    assert_int_equal(world_write(w, file, 0, 0, "secret", 6), 0);
    w->caller = (struct command_caller){.uid = 2, .gid = 2};
    assert_int_equal(world_create(w, TREE_ROOT, "f", 0666, O_RDONLY), ESTALE);
    assert_int_equal(world_create(w, TREE_ROOT, "f", 0666, O_TRUNC), ESTALE);
    assert_int_equal(world_inode(w, file).size, 6);
    w->caller.gid = 1;
    assert_int_equal(world_create(w, TREE_ROOT, "f", 0666, O_RDONLY), 0);
    assert_int_equal(world_create(w, TREE_ROOT, "f", 0666, O_WRONLY), ESTALE);
    w->caller = (struct command_caller){.uid = 0, .gid = 0};
    assert_int_equal(world_create(w, TREE_ROOT, "f", 0666, O_RDWR), 0);
}

static void mkdir_links_its_parent(void **state)
{
    struct world *w = *state;
    assert_int_equal(world_mkdir(w, TREE_ROOT, "d", 07777), 0);
    struct inode dir = world_inode(w, w->result.value[VALUE_INO]);
    assert_int_equal(dir.mode, S_IFDIR | 01755); /* no set-id bits by mkdir */
    assert_int_equal(dir.nlink, 2);
    assert_int_equal(dir.parent, TREE_ROOT);
    assert_int_equal(world_inode(w, TREE_ROOT).nlink, 3);
    assert_int_equal(world_mkdir(w, TREE_ROOT, "d", 0777), EEXIST);
    assert_int_equal(world_inode(w, TREE_ROOT).nlink, 3);
}

static void set_gid_directory_hands_on_its_group(void **state)
{
    struct world *w = *state;
    uint64_t dir = world_dir(w, TREE_ROOT, "d");
    struct command chown = {
        .op = OP_SETATTR, .ino = dir, .set = SET_GID, .new_gid = 500};
    assert_int_equal(world_run(w, chown), 0);
    struct command chmod = {
        .op = OP_SETATTR, .ino = dir, .set = SET_MODE, .mode = 02775};
    assert_int_equal(world_run(w, chmod), 0);
    struct inode file = world_inode(w, world_file(w, dir, "f"));
    assert_int_equal(file.gid, 500);
    assert_int_equal(file.mode & S_ISGID, 0);
    struct inode sub = world_inode(w, world_dir(w, dir, "sub"));
    assert_int_equal(sub.gid, 500);
    assert_int_equal(sub.mode & S_ISGID, S_ISGID);
}

static void mknod_makes_what_mknod_may(void **state)
{
    struct world *w = *state;
    struct command node = {.op = OP_MKNOD, .parent = TREE_ROOT, .umask = 022};
    node.name = world_text("null");
    node.mode = S_IFCHR | 0666;
    node.rdev = 0x103;
    assert_int_equal(world_run(w, node), 0);
    struct inode inode = world_inode(w, w->result.value[VALUE_INO]);
    assert_int_equal(inode.mode, S_IFCHR | 0644);
    assert_int_equal(inode.rdev, 0x103);
    node.name = world_text("pipe");
    node.mode = S_IFIFO | 0600;
    assert_int_equal(world_run(w, node), 0);
    assert_int_equal(world_inode(w, w->result.value[VALUE_INO]).rdev, 0);
    assert_int_equal(world_run(w, node), EEXIST);
    node.name = world_text("plain");
    node.mode = 0600;
    assert_int_equal(world_run(w, node), 0);
    assert_int_equal(world_inode(w, w->result.value[VALUE_INO]).mode,
                     S_IFREG | 0600);
    node.name = world_text("dir");
    node.mode = S_IFDIR | 0700;
    assert_int_equal(world_run(w, node), EPERM);
    node.mode = S_IFLNK | 0700;
    assert_int_equal(world_run(w, node), EINVAL);
}

static void symlink_has_the_size_of_its_target(void **state)
{
    struct world *w = *state;
    assert_int_equal(world_symlink(w, TREE_ROOT, "s", "../there"), 0);
    uint64_t ino = w->result.value[VALUE_INO];
    assert_int_equal(world_inode(w, ino).mode, S_IFLNK | 0777);
    assert_int_equal(world_inode(w, ino).size, 8);
    struct view target;
    assert_int_equal(tree_symlink_get(w->tree, ino, &target), 0);
    assert_int_equal(target.size, 8);
    assert_memory_equal(target.data, "../there", 8);
    assert_int_equal(world_symlink(w, TREE_ROOT, "s", "x"), EEXIST);
}

static void names_go_only_where_a_directory_is(void **state)
{
    struct world *w = *state;
    uint64_t file = world_file(w, TREE_ROOT, "f");
    assert_int_equal(world_create(w, file, "x", 0600, 0), ENOTDIR);
    assert_int_equal(world_unlink(w, file, "x"), ENOTDIR);
    assert_int_equal(world_create(w, 99999, "x", 0600, 0), ESTALE);
    uint64_t dir = world_dir(w, TREE_ROOT, "d");
    assert_int_equal(world_rmdir(w, TREE_ROOT, "d"), 0);
    assert_int_equal(world_create(w, dir, "x", 0600, 0), ENOENT);
    assert_int_equal(world_mkdir(w, dir, "x", 0600), ENOENT);
    assert_int_equal(world_link(w, file, dir, "x"), ENOENT);
    assert_int_equal(world_rename(w, TREE_ROOT, "f", dir, "x", 0), ENOENT);
}

static void our_own_name_is_reserved(void **state)
{
    struct world *w = *state;
    uint64_t dir = world_dir(w, TREE_ROOT, "d");
    uint64_t file = world_file(w, dir, ".raftfs"); /* but at the root only */
    const char *name = ".raftfs";
    assert_int_equal(world_create(w, TREE_ROOT, name, 0600, 0), EPERM);
    assert_int_equal(world_mkdir(w, TREE_ROOT, name, 0700), EPERM);
    assert_int_equal(world_symlink(w, TREE_ROOT, name, "x"), EPERM);
    assert_int_equal(world_link(w, file, TREE_ROOT, name), EPERM);
    assert_int_equal(world_rename(w, dir, name, TREE_ROOT, name, 0), EPERM);
    assert_int_equal(world_rename(w, TREE_ROOT, name, dir, "x", 0), EPERM);
    assert_int_equal(world_unlink(w, TREE_ROOT, name), EPERM);
    assert_int_equal(world_rmdir(w, TREE_ROOT, name), EPERM);
}

static void links_are_counted(void **state)
{
    struct world *w = *state;
    uint64_t dir = world_dir(w, TREE_ROOT, "d");
    uint64_t file = world_file(w, TREE_ROOT, "f");
    assert_int_equal(world_link(w, file, dir, "g"), 0);
    assert_int_equal(w->result.value[VALUE_INO], file);
    assert_int_equal(world_inode(w, file).nlink, 2);
    assert_int_equal(world_inode(w, file).ctime, w->time_ns);
    assert_int_equal(world_inode(w, dir).mtime, w->time_ns);
    assert_int_equal(world_link(w, file, dir, "g"), EEXIST);
    assert_int_equal(world_link(w, dir, dir, "h"), EPERM);
    assert_int_equal(world_link(w, 99999, dir, "h"), ESTALE);
    assert_int_equal(world_unlink(w, TREE_ROOT, "f"), 0);
    assert_int_equal(w->result.value[VALUE_GONE], 0);
    assert_int_equal(world_inode(w, file).nlink, 1);
    assert_int_equal(world_lookup(w, TREE_ROOT, "f"), 0);
}

static void too_many_links_are_refused(void **state)
{
    struct world *w = *state;
    uint64_t file = world_file(w, TREE_ROOT, "f");
    struct inode inode = world_inode(w, file);
    inode.nlink = 65000;
    assert_int_equal(tree_begin(w->tree), 0);
    assert_int_equal(tree_inode_set(w->tree, &inode), 0);
    assert_int_equal(world_link(w, file, TREE_ROOT, "g"), EMLINK);
    inode.nlink = 64999;
    assert_int_equal(tree_inode_set(w->tree, &inode), 0);
    assert_int_equal(world_link(w, file, TREE_ROOT, "g"), 0);
    inode = world_inode(w, file);
    inode.nlink = 2; /* the truth, for the final check */
    assert_int_equal(tree_inode_set(w->tree, &inode), 0);
}

static void unlinked_file_lives_until_it_is_reaped(void **state)
{
    struct world *w = *state;
    uint64_t file = world_file(w, TREE_ROOT, "f");
    assert_int_equal(world_unlink(w, TREE_ROOT, "f"), 0);
    assert_int_equal(w->result.value[VALUE_GONE], file);
    struct inode inode = world_inode(w, file);
    assert_int_equal(inode.nlink, 0);
    assert_int_equal(inode.orphaned, tree_applied(w->tree));
    assert_int_equal(world_unlink(w, TREE_ROOT, "f"), ENOENT);
    assert_int_equal(world_write(w, file, 0, 0, "still", 5), 0);
    assert_int_equal(world_link(w, file, TREE_ROOT, "back"), ENOENT);
    assert_int_equal(world_reap(w, file), 0);
    assert_false(world_has_inode(w, file));
    assert_int_equal(world_reap(w, file), 0); /* once more does no harm */
    assert_int_equal(world_write(w, file, 0, 0, "still", 5), ESTALE);
}

static void what_has_a_name_is_not_reaped(void **state)
{
    struct world *w = *state;
    uint64_t file = world_file(w, TREE_ROOT, "f");
    assert_int_equal(world_reap(w, file), 0);
    assert_int_equal(world_reap(w, TREE_ROOT), 0);
    assert_true(world_has_inode(w, file));
}

static uint64_t tmpfile_in(struct world *w, uint64_t dir)
{
    struct command command = {
        .op = OP_TMPFILE, .parent = dir, .mode = S_IFREG | 0666, .umask = 022};
    assert_int_equal(world_run(w, command), 0);
    return w->result.value[VALUE_INO];
}

static void file_without_a_name_may_get_one_once(void **state)
{
    struct world *w = *state;
    uint64_t dir = world_dir(w, TREE_ROOT, "d");
    struct inode before = world_inode(w, dir);
    uint64_t file = tmpfile_in(w, dir);
    struct inode after = world_inode(w, dir);
    assert_memory_equal(&before, &after, sizeof before);
    struct inode inode = world_inode(w, file);
    assert_int_equal(inode.nlink, 0);
    assert_int_equal(inode.mode, S_IFREG | 0644);
    assert_int_equal(inode.orphaned, tree_applied(w->tree));
    world_check(w);
    assert_int_equal(world_link(w, file, TREE_ROOT, "f"), 0);
    assert_int_equal(world_inode(w, file).nlink, 1);
    assert_int_equal(world_inode(w, file).orphaned, 0);
    assert_int_equal(world_reap(w, file), 0);
    assert_true(world_has_inode(w, file));
    world_check(w);
    assert_int_equal(world_unlink(w, TREE_ROOT, "f"), 0);
    assert_int_equal(world_link(w, file, TREE_ROOT, "f"), ENOENT);
    uint64_t other = tmpfile_in(w, TREE_ROOT);
    assert_int_equal(world_reap(w, other), 0);
    assert_false(world_has_inode(w, other));
    world_check(w);
}

static void truncate_to_the_same_size_changes_nothing(void **state)
{
    struct world *w = *state;
    uint64_t file = world_file(w, TREE_ROOT, "f");
    assert_int_equal(world_truncate(w, file, 5), 0);
    struct inode before = world_inode(w, file);
    assert_int_equal(world_truncate(w, file, 5), 0);
    struct inode after = world_inode(w, file);
    assert_memory_equal(&before, &after, sizeof before);
    /* chown(2) with nothing to set does move ctime. */
    struct command nothing = {.op = OP_SETATTR, .ino = file};
    assert_int_equal(world_run(w, nothing), 0);
    assert_true(world_inode(w, file).ctime > before.ctime);
    assert_int_equal(world_inode(w, file).mtime, before.mtime);
}

static void unlink_is_for_files_and_rmdir_for_directories(void **state)
{
    struct world *w = *state;
    uint64_t dir = world_dir(w, TREE_ROOT, "d");
    world_file(w, TREE_ROOT, "f");
    assert_int_equal(world_unlink(w, TREE_ROOT, "d"), EISDIR);
    assert_int_equal(world_rmdir(w, TREE_ROOT, "f"), ENOTDIR);
    assert_int_equal(world_rmdir(w, TREE_ROOT, "none"), ENOENT);
    world_file(w, dir, "f");
    assert_int_equal(world_rmdir(w, TREE_ROOT, "d"), ENOTEMPTY);
    assert_int_equal(world_unlink(w, dir, "f"), 0);
    assert_int_equal(world_rmdir(w, TREE_ROOT, "d"), 0);
    assert_int_equal(w->result.value[VALUE_GONE], dir);
    assert_int_equal(world_inode(w, dir).nlink, 0);
    assert_int_equal(world_inode(w, TREE_ROOT).nlink, 2);
    assert_int_equal(world_inode(w, TREE_ROOT).mtime, w->time_ns);
    assert_int_equal(world_reap(w, dir), 0);
    assert_false(world_has_inode(w, dir));
}

static void a_refused_command_leaves_no_trace_but_its_result(void **state)
{
    struct world *w = *state;
    world_file(w, TREE_ROOT, "f");
    struct inode before = world_inode(w, TREE_ROOT);
    assert_int_equal(world_mkdir(w, TREE_ROOT, "f", 0777), EEXIST);
    assert_int_equal(world_unlink(w, TREE_ROOT, "none"), ENOENT);
    struct inode after = world_inode(w, TREE_ROOT);
    assert_memory_equal(&before, &after, sizeof before);
    /* Not even a number was drawn. */
    uint64_t next = world_file(w, TREE_ROOT, "g");
    assert_int_equal(next, world_lookup(w, TREE_ROOT, "f") + 1);
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(create_makes_a_file_of_the_caller),
        TEST(what_changed_is_told),
        TEST(create_opens_what_exists),
        TEST(create_does_not_open_what_is_no_file),
        TEST(create_does_not_open_the_file_of_another),
        TEST(mkdir_links_its_parent),
        TEST(set_gid_directory_hands_on_its_group),
        TEST(mknod_makes_what_mknod_may),
        TEST(symlink_has_the_size_of_its_target),
        TEST(names_go_only_where_a_directory_is),
        TEST(our_own_name_is_reserved),
        TEST(links_are_counted),
        TEST(too_many_links_are_refused),
        TEST(unlinked_file_lives_until_it_is_reaped),
        TEST(what_has_a_name_is_not_reaped),
        TEST(file_without_a_name_may_get_one_once),
        TEST(truncate_to_the_same_size_changes_nothing),
        TEST(unlink_is_for_files_and_rmdir_for_directories),
        TEST(a_refused_command_leaves_no_trace_but_its_result),
    };
    return cmocka_run_group_tests_name("apply_name", tests, NULL, NULL);
}
