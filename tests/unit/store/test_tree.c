/* Inodes, names, sessions: rows, counters, digest and check of a tree. */
#include "tests/unit/store/tree_world.h"

#include "store/error.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct view name_view(const char *name)
{
    return (struct view){name, strlen(name)};
}

static void a_new_tree_is_an_empty_root(void **state)
{
    struct world world = {0};
    struct inode root;
    world_open(&world, scratch_path(state, "a"));
    assert_ok(tree_inode_get(world.tree, TREE_ROOT, &root));
    assert_int_equal(root.mode, S_IFDIR | 0755);
    assert_int_equal(root.nlink, 2);
    assert_int_equal(root.parent, TREE_ROOT);
    assert_int_equal(tree_dir_empty(world.tree, TREE_ROOT), 1);
    assert_int_equal(tree_applied(world.tree), 0);
    assert_int_equal(tree_inode_get(world.tree, 2, &root), STORE_NOT_FOUND);
    world_check(&world);
    assert_int_equal(tree_create(scratch_path(state, "a/tree.db"), 7),
                     STORE_EXISTS);
    world_close(&world);
}

static void a_missing_tree_is_not_made_by_opening(void **state)
{
    struct tree *tree;
    assert_int_equal(tree_open(scratch_path(state, "no.db"), NULL, &tree),
                     STORE_NOT_FOUND);
}

static void names_lead_to_inodes(void **state)
{
    struct world world = {0};
    struct dentry dentry;
    world_open(&world, scratch_path(state, "a"));
    uint64_t dir = world_mkdir(&world, TREE_ROOT, "dir");
    uint64_t file = world_create(&world, dir, "file");
    assert_ok(tree_dentry_get(world.tree, dir, name_view("file"), &dentry));
    assert_int_equal(dentry.ino, file);
    assert_int_equal(dentry.type, S_IFREG);
    assert_int_equal(dentry.name.size, 4);
    assert_int_equal(
        tree_dentry_get(world.tree, dir, name_view("fil"), &dentry),
        STORE_NOT_FOUND);
    assert_int_equal(
        tree_dentry_get(world.tree, TREE_ROOT, name_view("file"), &dentry),
        STORE_NOT_FOUND);
    assert_int_equal(tree_dir_empty(world.tree, dir), 0);
    world_remove(&world, dir, "file");
    assert_int_equal(
        tree_dentry_get(world.tree, dir, name_view("file"), &dentry),
        STORE_NOT_FOUND);
    assert_int_equal(tree_dir_empty(world.tree, dir), 1);
    world_check(&world);
    world_close(&world);
}

static void all_bytes_are_good_in_names(void **state)
{
    struct world world = {0};
    char name[TREE_NAME_MAX];
    world_open(&world, scratch_path(state, "a"));
    for (int i = 0; i < TREE_NAME_MAX; i++) {
        name[i] = (char)(i + 1);
    }
    uint64_t ino = world_create(&world, TREE_ROOT, "x");
    struct inode inode;
    assert_ok(tree_inode_get(world.tree, ino, &inode));
    inode.nlink++;
    assert_ok(tree_inode_set(world.tree, &inode));
    struct view view = {name, sizeof(name)};
    assert_ok(tree_dentry_add(world.tree, TREE_ROOT, view, ino, S_IFREG));
    world_check(&world);
    world_reopen(&world);
    struct dentry dentry;
    assert_ok(tree_dentry_get(world.tree, TREE_ROOT, view, &dentry));
    assert_int_equal(dentry.ino, ino);
    assert_memory_equal(dentry.name.data, name, sizeof(name));
    world_close(&world);
}

static void more_inodes_than_the_cache_holds(void **state)
{
    enum { COUNT = 10000 };
    static uint64_t inos[COUNT];
    struct world world = {0};
    struct inode inode;
    char name[32];
    world_open(&world, scratch_path(state, "a"));
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        inos[i] = world_create(&world, TREE_ROOT, name);
    }
    for (int i = 0; i < COUNT; i++) { /* in one transaction with the above */
        assert_ok(tree_inode_get(world.tree, inos[i], &inode));
        inode.uid = (uint32_t)i;
        assert_ok(tree_inode_set(world.tree, &inode));
    }
    world_check(&world);
    world_reopen(&world);
    for (int i = 0; i < COUNT; i++) {
        assert_ok(tree_inode_get(world.tree, inos[i], &inode));
        assert_int_equal(inode.uid, i);
    }
    struct tree_usage usage;
    tree_get_usage(world.tree, &usage);
    assert_int_equal(usage.inodes, COUNT + 1);
    world_close(&world);
}

static void all_fields_of_an_inode_come_back(void **state)
{
    struct world world = {0};
    struct inode out;
    world_open(&world, scratch_path(state, "a"));
    assert_ok(tree_begin(world.tree));
    struct inode in = {
        .ino = tree_next_ino(world.tree),
        .mode = S_IFCHR | 07777,
        .uid = UINT32_MAX,
        .gid = UINT32_MAX - 1,
        .nlink = 3,
        .rdev = UINT64_MAX - 2,
        .size = INT64_MAX,
        .blocks = 17,
        .atime = -1,
        .mtime = INT64_MIN,
        .ctime = INT64_MAX,
        .btime = 4,
        .parent = 5,
        .body = tree_next_ino(world.tree),
        .data_hash = UINT64_MAX,
        .orphaned = 6,
    };
    assert_ok(tree_inode_add(world.tree, &in));
    world_reopen(&world);
    assert_ok(tree_inode_get(world.tree, in.ino, &out));
    assert_memory_equal(&in, &out, sizeof(in));
    world_close(&world);
}

static void closing_without_a_commit_leaves_no_trace(void **state)
{
    struct world world = {0};
    struct tree_usage usage;
    struct inode inode;
    world_open(&world, scratch_path(state, "a"));
    uint64_t ino = world_create(&world, TREE_ROOT, "kept");
    assert_ok(tree_set_applied(world.tree, 4, 2, 1000, 0));
    assert_ok(tree_commit(world.tree));
    uint64_t digest = tree_digest(world.tree);

    uint64_t lost = world_create(&world, TREE_ROOT, "lost");
    world_write(&world, lost, 0, "abc", 3, false);
    assert_ok(tree_set_applied(world.tree, 5, 2, 2000, 0));
    world_close(&world);

    world_open(&world, world.directory);
    assert_int_equal(tree_applied(world.tree), 4);
    assert_int_equal(tree_applied_term(world.tree), 2);
    assert_int_equal(tree_time_ns(world.tree), 1000);
    assert_int_equal(tree_digest(world.tree), digest);
    tree_get_usage(world.tree, &usage);
    assert_int_equal(usage.inodes, 2);
    assert_int_equal(usage.bytes, 0);
    assert_ok(tree_inode_get(world.tree, ino, &inode));
    assert_int_equal(tree_inode_get(world.tree, lost, &inode), STORE_NOT_FOUND);
    assert_int_equal(world_create(&world, TREE_ROOT, "again"), lost);
    world_check(&world);
    world_close(&world);
}

static void symlinks_keep_their_target(void **state)
{
    struct world world = {0};
    struct view target;
    world_open(&world, scratch_path(state, "a"));
    assert_ok(tree_begin(world.tree));
    uint64_t digest = tree_digest(world.tree);
    struct inode link = {
        .ino = tree_next_ino(world.tree), .mode = S_IFLNK | 0777, .nlink = 1};
    assert_ok(tree_inode_add(world.tree, &link));
    assert_ok(tree_symlink_set(world.tree, link.ino, name_view("a/b")));
    assert_ok(tree_symlink_get(world.tree, link.ino, &target));
    assert_int_equal(target.size, 3);
    assert_memory_equal(target.data, "a/b", 3);
    assert_ok(tree_inode_remove(world.tree, link.ino));
    assert_int_equal(tree_symlink_get(world.tree, link.ino, &target),
                     STORE_NOT_FOUND);
    assert_int_equal(tree_digest(world.tree), digest);
    world_check(&world);
    world_close(&world);
}

static void orphans_are_listed_until_they_are_removed(void **state)
{
    struct world world = {0};
    struct inode inode, orphans[4];
    world_open(&world, scratch_path(state, "a"));
    uint64_t ino[3];
    for (int i = 0; i < 3; i++) {
        char name[] = {(char)('a' + i), 0};
        ino[i] = world_create(&world, TREE_ROOT, name);
        assert_ok(tree_dentry_remove(world.tree, TREE_ROOT, name_view(name)));
        assert_ok(tree_inode_get(world.tree, ino[i], &inode));
        inode.nlink = 0;
        inode.orphaned = 9;
        assert_ok(tree_inode_set(world.tree, &inode));
    }
    assert_int_equal(tree_orphans(world.tree, 0, orphans, 4), 3);
    assert_int_equal(orphans[0].ino, ino[0]);
    assert_int_equal(orphans[2].ino, ino[2]);
    assert_int_equal(tree_orphans(world.tree, 0, orphans, 2), 2);
    assert_int_equal(tree_orphans(world.tree, ino[1], orphans, 4), 1);
    world_check(&world);
    assert_ok(tree_begin(world.tree));
    assert_ok(tree_inode_remove(world.tree, ino[1]));
    world_reopen(&world);
    assert_int_equal(tree_orphans(world.tree, 0, orphans, 4), 2);
    world_check(&world);
    world_close(&world);
}

/* --- listing while the directory changes --- */

struct listing {
    uint64_t after;
    int left; /* names until it stops */
    int seen[1000];
};

static bool list_one(void *arg, const struct dentry *dentry)
{
    struct listing *listing = arg;
    int number = 0;
    char name[32];
    snprintf(name, sizeof(name), "%.*s", (int)dentry->name.size,
             (const char *)dentry->name.data);
    assert_int_equal(sscanf(name, "n%d", &number), 1);
    assert_true(dentry->cookie > listing->after);
    assert_true(dentry->cookie > 2);
    listing->seen[number]++;
    listing->after = dentry->cookie;
    return --listing->left > 0;
}

static void a_listing_misses_and_repeats_nothing(void **state)
{
    static struct listing listing;
    struct world world = {0};
    char name[32];
    memset(&listing, 0, sizeof(listing));
    world_open(&world, scratch_path(state, "a"));
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "n%d", (i * 7) % 500);
        world_create(&world, TREE_ROOT, name);
    }
    /* Between slices some names go, some are new, some go and come again. */
    for (int round = 0; round < 100; round++) {
        listing.left = 7;
        assert_ok(tree_dentry_each(world.tree, TREE_ROOT, listing.after,
                                   list_one, &listing));
        snprintf(name, sizeof(name), "n%d", round * 5);
        world_remove(&world, TREE_ROOT, name);
        if (round % 2 == 0) {
            world_create(&world, TREE_ROOT, name);
        }
        if (round % 3 == 0) {
            snprintf(name, sizeof(name), "n%d", 500 + round);
            world_create(&world, TREE_ROOT, name);
        }
    }
    for (int i = 0; i < 500; i++) {
        if (i % 5 != 0) { /* was there throughout */
            assert_int_equal(listing.seen[i], 1);
        }
    }
    world_check(&world);
    world_close(&world);
}

/* --- sessions --- */

struct session_list {
    uint64_t sum;
    int count;
};

static bool list_session(void *arg, uint64_t session, struct view row)
{
    struct session_list *list = arg;
    list->sum += session * 100 + row.size;
    list->count++;
    return true;
}

static void sessions_are_rows(void **state)
{
    struct world world = {0};
    world_open(&world, scratch_path(state, "a"));
    assert_ok(tree_begin(world.tree));
    uint64_t empty = tree_digest(world.tree);
    assert_ok(tree_session_put(world.tree, 30, name_view("long row")));
    assert_ok(tree_session_put(world.tree, 10, name_view("")));
    assert_ok(tree_session_put(world.tree, 20, name_view("x")));
    uint64_t digest = tree_digest(world.tree);
    assert_ok(tree_session_put(world.tree, 20, name_view("row")));
    assert_true(tree_digest(world.tree) != digest);
    world_check(&world);
    world_reopen(&world);
    struct session_list list = {0};
    assert_ok(tree_session_each(world.tree, list_session, &list));
    assert_int_equal(list.count, 3);
    assert_int_equal(list.sum, 6000 + 8 + 3);
    assert_ok(tree_begin(world.tree));
    assert_ok(tree_session_remove(world.tree, 10));
    assert_ok(tree_session_remove(world.tree, 30));
    assert_ok(tree_session_remove(world.tree, 20));
    assert_int_equal(tree_session_remove(world.tree, 20), STORE_NOT_FOUND);
    assert_int_equal(tree_digest(world.tree), empty);
    assert_ok(tree_result_put(world.tree, 7, 17));
    assert_ok(tree_result_put(world.tree, 7, 17));
    assert_ok(tree_results_trim(world.tree, 7));
    world_check(&world);
    world_close(&world);
}

/* --- digest --- */

/* The same state by the same changes, but laid out differently on disk. */
static void play(struct world *world, bool other_layout)
{
    static char text[3000];
    memset(text, 't', sizeof(text));
    uint64_t dir = world_mkdir(world, TREE_ROOT, "dir");
    uint64_t file = world_create(world, dir, "file");
    for (uint64_t i = 0; i < 30; i++) {
        world_write(world, file, i * 40, text, 40, other_layout && i % 3 == 0);
        if (other_layout && i % 4 == 0) {
            world_reopen(world);
        }
    }
    world_write(world, file, 100, text, 3000, !other_layout);
    world_cut(world, file, 2500);
    world_create(world, dir, "gone");
    world_remove(world, dir, "gone");
    assert_ok(tree_set_applied(world->tree, 40, 1, 5, 0));
    world_check(world);
}

static void the_digest_is_the_state_not_its_layout(void **state)
{
    struct world one = {0}, two = {0};
    world_open(&one, scratch_path(state, "one"));
    world_open(&two, scratch_path(state, "two"));
    play(&one, false);
    play(&two, true);
    assert_int_equal(tree_digest(one.tree), tree_digest(two.tree));

    struct inode root;
    assert_ok(tree_begin(two.tree));
    assert_ok(tree_inode_get(two.tree, TREE_ROOT, &root));
    root.atime++;
    assert_ok(tree_inode_set(two.tree, &root));
    assert_true(tree_digest(one.tree) != tree_digest(two.tree));
    root.atime--;
    assert_ok(tree_inode_set(two.tree, &root));
    assert_int_equal(tree_digest(one.tree), tree_digest(two.tree));
    world_create(&two, TREE_ROOT, "more");
    assert_true(tree_digest(one.tree) != tree_digest(two.tree));
    world_close(&one);
    world_close(&two);
}

/* --- check --- */

static void every_planted_damage_is_found(void **state)
{
    static const char *const damage[] = {
        "UPDATE inodes SET nlink = nlink + 1 WHERE ino = 1",
        "UPDATE inodes SET uid = 5 WHERE ino = 1",
        "UPDATE inodes SET blocks = blocks + 1 WHERE body <> 0",
        "UPDATE inodes SET size = 1 WHERE body <> 0",
        "UPDATE inodes SET parent = 77 WHERE ino = 2",
        "DELETE FROM inodes WHERE ino = 3",
        "DELETE FROM dentries WHERE name = x'64697232'",
        "UPDATE dentries SET ino = 99 WHERE name = x'66696c65'",
        "UPDATE dentries SET type = 40960 WHERE name = x'66696c65'",
        "UPDATE dentries SET cookie = 3",
        "UPDATE inodes SET nlink = 2 WHERE ino = 3",
        "UPDATE extents SET size = size + 5 WHERE segment <> 0",
        "UPDATE extents SET offset = 2 WHERE segment <> 0",
        "UPDATE extents SET segment = 999 WHERE segment <> 0",
        "UPDATE extents SET position = 99999999 WHERE segment <> 0",
        "UPDATE extents SET bytes = x'00' WHERE segment = 0",
        "DELETE FROM extents WHERE segment = 0",
        ("INSERT INTO extents SELECT 500, offset, size, segment, position, skip,"
         " payload, bytes FROM extents WHERE segment <> 0"),
        "INSERT INTO orphans VALUES(3)",
        "INSERT INTO symlinks VALUES(3, 'x')",
        "UPDATE meta SET digest = digest + 1",
        "UPDATE meta SET inodes = inodes + 1",
        "UPDATE meta SET bytes = bytes + 1",
        "UPDATE meta SET next_ino = 2",
        "UPDATE meta SET next_cookie = 2",
        "UPDATE sessions SET row = 'other'",
    };
    struct world world = {0};
    char big[9000] = {1};
    world_open(&world, scratch_path(state, "sound"));
    uint64_t dir = world_mkdir(&world, TREE_ROOT, "dir");
    uint64_t file = world_create(&world, dir, "file");
    world_mkdir(&world, dir, "dir2");
    world_write(&world, file, 0, "inline", 6, false);
    world_write(&world, file, 6, big, sizeof(big), true);
    assert_ok(tree_session_put(world.tree, 5, name_view("row")));
    world_check(&world);
    world_close(&world);

    for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
        struct db db;
        char first[512] = "";
        copy_tree(scratch_path(state, "sound"), scratch_path(state, "hurt"));
        assert_ok(
            db_open(scratch_path(state, "hurt/tree.db"), DB_READ_WRITE, &db));
        assert_ok(db_exec(&db, damage[i]));
        db_close(&db);
        world_open(&world, scratch_path(state, "hurt"));
        if (world_problems(&world, first, sizeof(first)) == 0) {
            fail_msg("not found: %s", damage[i]);
        }
        world_close(&world);
        remove_tree(scratch_path(state, "hurt"));
    }
}

/* What a disk does to bytes that were durable. */
static void a_byte_that_has_changed_in_a_segment_is_found(void **state)
{
    struct world world = {0};
    char big[9000] = {1};
    char first[512] = "";
    world_open(&world, scratch_path(state, "rot"));
    uint64_t file = world_create(&world, TREE_ROOT, "file");
    world_write(&world, file, 0, big, sizeof(big), true);
    world_check(&world);
    world_close(&world);
    int fd = open(scratch_path(state, "rot/segments/0000000000000001.seg"),
                  O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "x", 1, 5000), 1);
    close(fd);
    world_open(&world, scratch_path(state, "rot"));
    assert_int_equal(world_problems(&world, first, sizeof(first)), 1);
    assert_non_null(strstr(first, "checksum"));
    world_close(&world);
}

/* Twice as many files once took four times as long: these, 20 s. */
static void checking_many_files_takes_no_squares_of_time(void **state)
{
    enum { FILES = 20000, SECONDS = 5 };
    struct world world = {0};
    world_open(&world, scratch_path(state, "many"));
    for (int i = 0; i < FILES; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%d", i);
        world_create(&world, TREE_ROOT, name);
    }
    assert_ok(tree_commit(world.tree));
    clock_t began = clock();
    assert_int_equal(world_problems(&world, NULL, 0), 0);
    assert_true(clock() - began < SECONDS * CLOCKS_PER_SEC);
    world_close(&world);
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_new_tree_is_an_empty_root),
        TEST(a_missing_tree_is_not_made_by_opening),
        TEST(names_lead_to_inodes),
        TEST(all_bytes_are_good_in_names),
        TEST(more_inodes_than_the_cache_holds),
        TEST(all_fields_of_an_inode_come_back),
        TEST(closing_without_a_commit_leaves_no_trace),
        TEST(symlinks_keep_their_target),
        TEST(orphans_are_listed_until_they_are_removed),
        TEST(a_listing_misses_and_repeats_nothing),
        TEST(sessions_are_rows),
        TEST(the_digest_is_the_state_not_its_layout),
        TEST(every_planted_damage_is_found),
        TEST(a_byte_that_has_changed_in_a_segment_is_found),
        TEST(checking_many_files_takes_no_squares_of_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
