/* Contents of files: extents that cut each other, holes, reading, seeking. */
#include "tests/unit/store/tree_world.h"

#include "store/error.h"
#include "store/tree_int.h"

#include <stdlib.h>
#include <string.h>

enum { MODEL_SIZE = 200 * 1000 };

/* What the file should be. */
struct model {
    uint8_t bytes[MODEL_SIZE];
    bool data[MODEL_SIZE];
    uint64_t size, blocks;
};

static uint64_t seed;

static uint64_t chance(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
}

static void expect_seek(struct world *world, uint64_t body,
                        const struct model *model, uint64_t offset, bool data)
{
    uint64_t expected = offset;
    while (expected < model->size && model->data[expected] != data) {
        expected++;
    }
    uint64_t got;
    int rc = tree_seek(world->tree, body, offset, model->size, data, &got);
    if (offset >= model->size || (data && expected >= model->size)) {
        assert_int_equal(rc, STORE_NOT_FOUND);
    } else {
        assert_ok(rc);
        assert_int_equal(got, expected);
    }
}

static void expect_model(struct world *world, uint64_t ino,
                         const struct model *model)
{
    static uint8_t got[MODEL_SIZE];
    struct inode inode;
    assert_ok(tree_inode_get(world->tree, ino, &inode));
    assert_int_equal(inode.size, model->size);
    assert_int_equal(inode.blocks, model->blocks);
    memset(got, 0xee, sizeof(got));
    assert_ok(tree_read(world->tree, inode.body, 0, got, model->size));
    assert_memory_equal(got, model->bytes, model->size);
    for (int i = 0; i < 10; i++) {
        uint64_t from = chance(MODEL_SIZE);
        uint64_t size = 1 + chance(MODEL_SIZE - from);
        memset(got, 0xee, size);
        assert_ok(tree_read(world->tree, inode.body, from, got, size));
        assert_memory_equal(got, model->bytes + from, size);
        if (model->size > 0) {
            expect_seek(world, inode.body, model, chance(model->size), i & 1);
        }
    }
}

static void model_write(struct world *world, uint64_t ino, struct model *model,
                        uint64_t offset, uint64_t size, bool segment)
{
    static uint8_t src[MODEL_SIZE];
    for (uint64_t i = 0; i < size; i++) {
        src[i] = (uint8_t)chance(256);
    }
    world_write(world, ino, offset, src, size, segment);
    for (uint64_t i = offset; i < offset + size; i++) {
        model->bytes[i] = src[i - offset];
        model->blocks += !model->data[i];
        model->data[i] = true;
    }
    if (offset + size > model->size) {
        model->size = offset + size;
    }
}

static void model_cut(struct world *world, uint64_t ino, struct model *model,
                      uint64_t size)
{
    world_cut(world, ino, size);
    for (uint64_t i = size; i < MODEL_SIZE; i++) {
        model->blocks -= model->data[i];
        model->data[i] = false;
        model->bytes[i] = 0;
    }
    model->size = size;
}

static void random_change(struct world *world, uint64_t ino,
                          struct model *model)
{
    uint64_t kind = chance(100);
    if (kind < 5) {
        model_cut(world, ino, model, chance(MODEL_SIZE));
        return;
    }
    uint64_t limit = kind < 50 ? 100 : kind < 80 ? TREE_INLINE_MAX : 30000;
    uint64_t size = 1 + chance(limit);
    bool segment = size > TREE_INLINE_MAX || chance(4) == 0;
    uint64_t offset = chance(MODEL_SIZE - size);
    if (kind % 4 == 0 && model->size + size <= MODEL_SIZE) {
        offset = model->size;
    }
    model_write(world, ino, model, offset, size, segment);
}

static void random_writes_read_as_from_an_array(void **state)
{
    static struct model models[2];
    struct world world = {0};
    world_open(&world, scratch_path(state, "a"));
    uint64_t ino[2] = {world_create(&world, TREE_ROOT, "x"),
                       world_create(&world, TREE_ROOT, "y")};
    memset(models, 0, sizeof(models));
    seed = 20240601;
    for (int round = 0; round < 1500; round++) {
        uint64_t which = chance(2);
        random_change(&world, ino[which], &models[which]);
        if (round % 50 == 0) {
            expect_model(&world, ino[0], &models[0]);
            expect_model(&world, ino[1], &models[1]);
        }
        if (round % 250 == 0) {
            world_check(&world);
            world_reopen(&world);
        }
    }
    world_check(&world);
    expect_model(&world, ino[0], &models[0]);
    expect_model(&world, ino[1], &models[1]);
    world_close(&world);
}

static void short_appends_share_rows(void **state)
{
    struct world world = {0};
    world_open(&world, scratch_path(state, "a"));
    uint64_t ino = world_create(&world, TREE_ROOT, "log");
    for (uint64_t i = 0; i < 1000; i++) {
        world_write(&world, ino, i * 10, "123456789\n", 10, false);
        if (i % 100 == 50) {
            world_reopen(&world); /* the last extent is found again */
        }
    }
    world_check(&world);
    assert_in_range(world_extents(&world, ino), 1, 15);
    char text[20];
    assert_ok(tree_read(world.tree, world_body(&world, ino), 4995, text, 20));
    assert_memory_equal(text, "6789\n123456789\n12345", 20);
    world_close(&world);
}

static void offsets_reach_to_the_end_of_off_t(void **state)
{
    struct world world = {0};
    world_open(&world, scratch_path(state, "a"));
    uint64_t ino = world_create(&world, TREE_ROOT, "sparse");
    uint64_t top = (uint64_t)INT64_MAX - 3;
    world_write(&world, ino, top, "end", 3, false);
    world_write(&world, ino, 0, "begin", 5, true);
    world_check(&world);
    uint64_t body = world_body(&world, ino);
    uint64_t at;
    char text[8];
    assert_ok(tree_seek(world.tree, body, 5, INT64_MAX, true, &at));
    assert_true(at == top);
    assert_ok(tree_seek(world.tree, body, 0, INT64_MAX, false, &at));
    assert_int_equal(at, 5);
    assert_ok(tree_read(world.tree, body, top - 5, text, 8));
    assert_memory_equal(text, "\0\0\0\0\0end", 8);
    world_cut(&world, ino, 2);
    assert_ok(tree_read(world.tree, body, 0, text, 8));
    assert_memory_equal(text, "be\0\0\0\0\0\0", 8);
    assert_int_equal(world_extents(&world, ino), 1);
    world_check(&world);
    world_close(&world);
}

static void a_split_points_twice_into_one_payload(void **state)
{
    static uint8_t big[50000], got[50000];
    struct world world = {0};
    world_open(&world, scratch_path(state, "a"));
    uint64_t ino = world_create(&world, TREE_ROOT, "f");
    memset(big, 'a', sizeof(big));
    world_write(&world, ino, 0, big, sizeof(big), true);
    world_write(&world, ino, 20000, "0123456789", 10, false);
    memcpy(big + 20000, "0123456789", 10);
    assert_int_equal(world_extents(&world, ino), 3);
    assert_ok(
        tree_read(world.tree, world_body(&world, ino), 0, got, sizeof(got)));
    assert_memory_equal(got, big, sizeof(big));
    world_check(&world);
    world_close(&world);
}

static bool first_only(void *arg, const struct extent *extent)
{
    *(uint64_t *)arg = extent->offset;
    return false;
}

static void listing_begins_with_the_extent_that_holds_the_offset(void **state)
{
    struct world world = {0};
    world_open(&world, scratch_path(state, "a"));
    uint64_t ino = world_create(&world, TREE_ROOT, "f");
    world_write(&world, ino, 100, "aaaa", 4, true);
    world_write(&world, ino, 200, "bbbb", 4, true);
    uint64_t body = world_body(&world, ino);
    uint64_t offset = 0;
    assert_ok(tree_extents(world.tree, body, 103, 1, first_only, &offset));
    assert_int_equal(offset, 100);
    assert_ok(tree_extents(world.tree, body, 104, 1000, first_only, &offset));
    assert_int_equal(offset, 200);
    offset = 0;
    assert_ok(tree_extents(world.tree, body, 104, 96, first_only, &offset));
    assert_int_equal(offset, 0);
    world_close(&world);
}

static void a_dropped_body_is_purged_in_slices(void **state)
{
    struct world world = {0};
    world_open(&world, scratch_path(state, "a"));
    uint64_t ino = world_create(&world, TREE_ROOT, "f");
    for (uint64_t i = 0; i < 100; i++) {
        world_write(&world, ino, i * 20, "0123456789", 10, true);
    }
    uint64_t body = world_body(&world, ino);
    world_remove(&world, TREE_ROOT, "f");
    world_check(&world);
    world_reopen(&world); /* the list survives */
    int steps = 0;
    int rc;
    while ((rc = tree_purge_step(world.tree, 32)) == 1) {
        steps++;
    }
    assert_ok(rc);
    assert_in_range(steps, 3, 5);
    world_check(&world);
    uint64_t at;
    assert_int_equal(tree_seek(world.tree, body, 0, INT64_MAX, true, &at),
                     STORE_NOT_FOUND);
    assert_int_equal(tree_purge_step(world.tree, 32), 0);
    world_close(&world);
}

/* --- swaps: what the node's background work may do must not be seen --- */

static void read_rows(struct world *world, uint64_t body, uint64_t end,
                      struct extent_row *rows, int count)
{
    sqlite3_stmt *statement =
        tree_bind2(world->tree, TREE_EXTENTS_BELOW, body, 0);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)end);
    for (int i = 0; i < count; i++) {
        assert_int_equal(tree_row(world->tree, TREE_EXTENTS_BELOW, "test"), 1);
        tree_extent_columns(statement, &rows[i]);
        rows[i].bytes = (struct view){0};
    }
    sqlite3_reset(statement);
}

static void a_swap_is_not_seen(void **state)
{
    struct world world = {0};
    struct extent_row old[2];
    char text[8];
    world_open(&world, scratch_path(state, "a"));
    uint64_t ino = world_create(&world, TREE_ROOT, "f");
    uint64_t body = world_body(&world, ino);
    world_write(&world, ino, 0, "aaaa", 4, true);
    world_write(&world, ino, 4, "bbbb", 4, true);
    read_rows(&world, body, 8, old, 2);
    struct extent_row merged = {.size = 8, .bytes = {"aaaabbbb", 8}};
    uint64_t digest = tree_digest(world.tree);

    assert_int_equal(tree_swap(world.tree, body, old, 2, &merged), 1);
    assert_int_equal(world_extents(&world, ino), 1);
    world_check(&world);
    assert_int_equal(tree_digest(world.tree), digest);

    world_write(&world, ino, 8, "cccc", 4, false); /* after a swapped tail */
    assert_ok(tree_read(world.tree, body, 4, text, 8));
    assert_memory_equal(text, "bbbbcccc", 8);
    world_check(&world);
    world_close(&world);
}

/* Each of these leaves as many extents of the same sizes, or nearly. */
static void change_inline(struct world *world, uint64_t ino)
{
    world_write(world, ino, 0, "AAAA", 4, false);
}

static void change_in_segment(struct world *world, uint64_t ino)
{
    world_write(world, ino, 4, "BBBB", 4, true);
}

static void change_a_byte(struct world *world, uint64_t ino)
{
    world_write(world, ino, 6, "x", 1, true);
}

static void change_by_growing(struct world *world, uint64_t ino)
{
    world_write(world, ino, 8, "cc", 2, false); /* joins the last one */
}

static void change_by_cutting(struct world *world, uint64_t ino)
{
    world_cut(world, ino, 7);
}

static void a_swap_takes_only_what_it_read(void **state)
{
    static void (*const changes[])(struct world * world, uint64_t ino) = {
        change_inline,     change_in_segment, change_a_byte,
        change_by_growing, change_by_cutting,
    };
    struct world world = {0};
    struct extent_row old[2];
    world_open(&world, scratch_path(state, "a"));
    for (int i = 0; i < 5; i++) {
        char name[] = {(char)('a' + i), 0};
        uint64_t ino = world_create(&world, TREE_ROOT, name);
        uint64_t body = world_body(&world, ino);
        world_write(&world, ino, 0, "aaaa", 4, false);
        /* The last is inline only where it is to grow. */
        world_write(&world, ino, 4, "bbbb", 4, i != 3);
        if (i == 3) {
            world_cut(&world, ino, 0);
            world_write(&world, ino, 0, "aaaa", 4, true);
            world_write(&world, ino, 4, "bbbb", 4, false);
        }
        read_rows(&world, body, 8, old, 2);
        changes[i](&world, ino);
        uint32_t count = world_extents(&world, ino);
        struct extent_row merged = {.size = 8, .bytes = {"aaaabbbb", 8}};
        assert_int_equal(tree_swap(world.tree, body, old, 2, &merged), 0);
        assert_int_equal(world_extents(&world, ino), count);
    }
    world_check(&world);
    world_close(&world);
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(random_writes_read_as_from_an_array),
        TEST(short_appends_share_rows),
        TEST(offsets_reach_to_the_end_of_off_t),
        TEST(a_split_points_twice_into_one_payload),
        TEST(listing_begins_with_the_extent_that_holds_the_offset),
        TEST(a_dropped_body_is_purged_in_slices),
        TEST(a_swap_is_not_seen),
        TEST(a_swap_takes_only_what_it_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
