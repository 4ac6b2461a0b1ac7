/* fallocate and copy_file_range, as commands. */
#include "tests/unit/fs/apply_world.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE };

static int allocate(struct world *world, uint64_t ino, uint64_t offset,
                    uint64_t size, uint32_t mode)
{
    return world_run(world, (struct command){.op = OP_FALLOCATE,
                                             .ino = ino,
                                             .offset = offset,
                                             .size = size,
                                             .flags = mode});
}

static int copy(struct world *world, uint64_t source, uint64_t source_offset,
                uint64_t ino, uint64_t offset, uint64_t size)
{
    return world_run(world, (struct command){.op = OP_COPY_RANGE,
                                             .ino = ino,
                                             .offset = offset,
                                             .source = source,
                                             .source_offset = source_offset,
                                             .size = size});
}

static void expect(struct world *world, uint64_t ino, const char *text)
{
    char got[100];
    struct inode inode = world_inode(world, ino);
    assert_int_equal(inode.size, strlen(text));
    assert_int_equal(
        tree_read(world->tree, inode.body, 0, got, (size_t)inode.size), 0);
    for (size_t i = 0; i < strlen(text); i++) {
        assert_int_equal(got[i], text[i] == '_' ? 0 : text[i]);
    }
}

static uint64_t file_of(struct world *world, const char *name, const char *text)
{
    uint64_t ino = world_file(world, TREE_ROOT, name);
    assert_int_equal(world_write(world, ino, 0, 0, text, strlen(text)), 0);
    return ino;
}

/* --- fallocate --- */

static void allocating_makes_the_file_longer(void **state)
{
    struct world *world = *state;
    uint64_t ino = file_of(world, "f", "abc");
    struct inode before = world_inode(world, ino);
    assert_int_equal(allocate(world, ino, 2, 4, 0), 0);
    expect(world, ino, "abc___");
    assert_int_equal(world_inode(world, ino).blocks, 3);
    assert_true(world_inode(world, ino).mtime != before.mtime);
    assert_int_equal(allocate(world, ino, 0, 2, 0), 0);
    assert_int_equal(allocate(world, ino, 4, 20, FALLOC_FL_KEEP_SIZE), 0);
    expect(world, ino, "abc___");
}

static void a_hole_is_punched_and_the_size_stays(void **state)
{
    struct world *world = *state;
    uint64_t ino = file_of(world, "f", "abcdefgh");
    uint64_t hash = world_inode(world, ino).data_hash;
    assert_int_equal(allocate(world, ino, 2, 3, PUNCH), 0);
    expect(world, ino, "ab___fgh");
    assert_int_equal(world_inode(world, ino).blocks, 5);
    assert_true(world_inode(world, ino).data_hash != hash);
    assert_int_equal(allocate(world, ino, 6, 100, PUNCH), 0);
    expect(world, ino, "ab___f__");
}

static void zeros_may_make_it_longer(void **state)
{
    struct world *world = *state;
    uint64_t ino = file_of(world, "f", "abcd");
    uint32_t keep = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
    assert_int_equal(allocate(world, ino, 3, 10, keep), 0);
    expect(world, ino, "abc_");
    assert_int_equal(allocate(world, ino, 1, 5, FALLOC_FL_ZERO_RANGE), 0);
    expect(world, ino, "a_____");
}

static void what_cannot_be_allocated(void **state)
{
    struct world *world = *state;
    uint64_t ino = file_of(world, "f", "abcd");
    uint64_t dir = world_dir(world, TREE_ROOT, "d");
    struct inode before = world_inode(world, ino);
    assert_int_equal(allocate(world, ino, 0, 0, 0), EINVAL);
    assert_int_equal(allocate(world, ino, INT64_MAX, 1, 0), EFBIG);
    assert_int_equal(allocate(world, ino, UINT64_MAX, 1, PUNCH), EFBIG);
    assert_int_equal(allocate(world, ino, 0, 1, FALLOC_FL_PUNCH_HOLE),
                     EOPNOTSUPP);
    assert_int_equal(allocate(world, ino, 0, 1, FALLOC_FL_COLLAPSE_RANGE),
                     EOPNOTSUPP);
    assert_int_equal(allocate(world, ino, 0, 1, FALLOC_FL_INSERT_RANGE),
                     EOPNOTSUPP);
    assert_int_equal(allocate(world, dir, 0, 1, 0), EISDIR);
    assert_int_equal(allocate(world, 4711, 0, 1, 0), ESTALE);
    assert_int_equal(world_inode(world, ino).ctime, before.ctime);
}

/* --- copies --- */

static void a_range_is_copied(void **state)
{
    struct world *world = *state;
    uint64_t from = file_of(world, "f", "abcdefgh");
    uint64_t to = file_of(world, "g", "0123");
    assert_int_equal(copy(world, from, 2, to, 1, 5), 0);
    assert_int_equal(world->result.value[VALUE_SIZE], 5);
    expect(world, to, "0cdefg");
    expect(world, from, "abcdefgh");
    assert_int_equal(world_inode(world, to).blocks, 6);
    /* The source goes on alone. */
    assert_int_equal(world_write(world, from, 2, 0, "XX", 2), 0);
    expect(world, to, "0cdefg");
}

static void a_copy_ends_with_its_source(void **state)
{
    struct world *world = *state;
    uint64_t from = file_of(world, "f", "abcd");
    uint64_t to = file_of(world, "g", "0123");
    struct inode before = world_inode(world, to);
    assert_int_equal(copy(world, from, 3, to, 6, 100), 0);
    assert_int_equal(world->result.value[VALUE_SIZE], 1);
    expect(world, to, "0123__d");
    before = world_inode(world, to);
    assert_int_equal(copy(world, from, 4, to, 0, 100), 0);
    assert_int_equal(world->result.value[VALUE_SIZE], 0);
    assert_int_equal(world_inode(world, to).ctime, before.ctime);
}

static void holes_are_copied_as_holes(void **state)
{
    struct world *world = *state;
    uint64_t from = file_of(world, "f", "ab");
    uint64_t to = file_of(world, "g", "0123456789");
    assert_int_equal(world_write(world, from, 5, 0, "z", 1), 0);
    assert_int_equal(copy(world, from, 0, to, 1, 6), 0);
    expect(world, to, "0ab___z789");
    assert_int_equal(world_inode(world, to).blocks, 7);
}

static void within_a_file_ranges_may_not_overlap(void **state)
{
    struct world *world = *state;
    uint64_t ino = file_of(world, "f", "abcdef");
    assert_int_equal(copy(world, ino, 0, ino, 2, 3), EINVAL);
    assert_int_equal(copy(world, ino, 0, ino, 0, 3), EINVAL);
    assert_int_equal(copy(world, ino, 0, ino, 3, 3), 0);
    expect(world, ino, "abcabc");
    /* Cut to what there is, these do not. */
    assert_int_equal(copy(world, ino, 4, ino, 6, 100), 0);
    expect(world, ino, "abcabcbc");
}

static void what_cannot_be_copied(void **state)
{
    struct world *world = *state;
    uint64_t ino = file_of(world, "f", "abcdef");
    uint64_t to = file_of(world, "g", "");
    uint64_t dir = world_dir(world, TREE_ROOT, "d");
    assert_int_equal(copy(world, dir, 0, to, 0, 3), EISDIR);
    assert_int_equal(copy(world, ino, 0, dir, 0, 3), EISDIR);
    assert_int_equal(copy(world, 4711, 0, to, 0, 3), ESTALE);
    assert_int_equal(copy(world, ino, 0, to, INT64_MAX - 1, 3), EFBIG);
    assert_int_equal(copy(world, ino, 0, to, UINT64_MAX, 3), EFBIG);
    assert_int_equal(copy(world, ino, UINT64_MAX, to, 0, 3), 0);
    assert_int_equal(copy(world, ino, UINT64_MAX - 1, to, 0, UINT64_MAX), 0);
    expect(world, to, "");
}

/* The digest knows what was copied, not only that something was. */
static void the_chain_depends_on_the_source(void **state)
{
    struct world *world = *state;
    uint64_t one = file_of(world, "1", "abcdef");
    uint64_t two = file_of(world, "2", "ABCDEF");
    uint64_t to[3];
    static const char *const names[] = {"x", "y", "z"};
    for (int i = 0; i < 3; i++) {
        to[i] = world_file(world, TREE_ROOT, names[i]);
    }
    assert_int_equal(copy(world, one, 0, to[0], 0, 3), 0);
    assert_int_equal(copy(world, two, 0, to[1], 0, 3), 0);
    assert_int_equal(copy(world, one, 0, to[2], 0, 3), 0);
    uint64_t hash = world_inode(world, to[0]).data_hash;
    assert_true(world_inode(world, to[1]).data_hash != hash);
    assert_true(world_inode(world, to[2]).data_hash == hash);
}

static void a_large_copy_is_done_in_pieces(void **state)
{
    struct world *world = *state;
    static uint8_t bytes[COMMAND_PAYLOAD_MAX];
    uint64_t from = world_file(world, TREE_ROOT, "f");
    uint64_t to = world_file(world, TREE_ROOT, "g");
    uint64_t size = 0, done = 0;
    for (int i = 0; i < 6; i++) {
        bytes[0] = (uint8_t)i;
        assert_int_equal(
            world_write(world, from, size, 0, bytes, sizeof bytes), 0);
        size += sizeof bytes;
    }
    int rounds = 0;
    do {
        assert_int_equal(copy(world, from, done, to, done, INT64_MAX), 0);
        done += world->result.value[VALUE_SIZE];
        rounds++;
    } while (world->result.value[VALUE_SIZE] > 0);
    assert_int_equal(done, size);
    assert_int_equal(rounds, 3);
    struct inode inode = world_inode(world, to);
    uint8_t got;
    assert_int_equal(inode.blocks, size);
    assert_int_equal(
        tree_read(world->tree, inode.body, 5 * sizeof bytes, &got, 1), 0);
    assert_int_equal(got, 5);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(allocating_makes_the_file_longer),
        TEST(a_hole_is_punched_and_the_size_stays),
        TEST(zeros_may_make_it_longer),
        TEST(what_cannot_be_allocated),
        TEST(a_range_is_copied),
        TEST(a_copy_ends_with_its_source),
        TEST(holes_are_copied_as_holes),
        TEST(within_a_file_ranges_may_not_overlap),
        TEST(what_cannot_be_copied),
        TEST(the_chain_depends_on_the_source),
        TEST(a_large_copy_is_done_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
