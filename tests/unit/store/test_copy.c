/* Holes made in the middle, and copies that share their bytes. */
#include "tests/unit/store/tree_world.h"

#include "store/error.h"
#include "store/tree_int.h"

#include <string.h>

enum { FILES = 3, SIZE_MAX_ = 60 * 1000 };

struct model {
    uint64_t ino;
    uint8_t bytes[SIZE_MAX_];
    bool data[SIZE_MAX_];
};

static uint64_t seed;

static uint64_t chance(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
}

/* A body's data has changed by so much. */
static void settle(struct world *world, uint64_t ino, int64_t added)
{
    struct inode inode;
    assert_ok(tree_inode_get(world->tree, ino, &inode));
    inode.blocks += (uint64_t)added;
    inode.size = SIZE_MAX_;
    assert_ok(tree_inode_set(world->tree, &inode));
}

static void write_some(struct world *world, struct model *model)
{
    uint8_t src[9000];
    uint64_t size = 1 + chance(chance(2) ? 300 : sizeof(src));
    uint64_t at = chance(SIZE_MAX_ - size);
    for (uint64_t i = 0; i < size; i++) {
        src[i] = (uint8_t)(1 + chance(255));
    }
    world_write(world, model->ino, at, src, size,
                size > TREE_INLINE_MAX || chance(2));
    memcpy(model->bytes + at, src, size);
    memset(model->data + at, 1, size);
}

static void punch_some(struct world *world, struct model *model)
{
    int64_t added;
    uint64_t size = 1 + chance(8000);
    uint64_t at = chance(SIZE_MAX_ - size);
    assert_ok(tree_begin(world->tree));
    assert_ok(tree_punch(world->tree, world_body(world, model->ino), at, size,
                         &added));
    settle(world, model->ino, added);
    memset(model->bytes + at, 0, size);
    memset(model->data + at, 0, size);
}

static void copy_some(struct world *world, struct model *source,
                      struct model *target)
{
    int64_t added;
    uint64_t size = 1 + chance(12000);
    uint64_t from = chance(SIZE_MAX_ - size), to = chance(SIZE_MAX_ - size);
    if (source == target && from < to + size && to < from + size) {
        return; /* overlaps */
    }
    assert_ok(tree_begin(world->tree));
    assert_ok(tree_copy(world->tree, world_body(world, source->ino), from,
                        world_body(world, target->ino), to, size, &added));
    settle(world, target->ino, added);
    memcpy(target->bytes + to, source->bytes + from, size);
    memcpy(target->data + to, source->data + from, size);
}

static void expect(struct world *world, const struct model *model)
{
    static uint8_t got[SIZE_MAX_];
    struct inode inode;
    uint64_t blocks = 0;
    assert_ok(tree_inode_get(world->tree, model->ino, &inode));
    assert_ok(tree_read(world->tree, inode.body, 0, got, SIZE_MAX_));
    assert_memory_equal(got, model->bytes, SIZE_MAX_);
    for (int i = 0; i < SIZE_MAX_; i++) {
        blocks += model->data[i];
    }
    assert_int_equal(inode.blocks, blocks);
}

static void random_copies_read_as_from_arrays(void **state)
{
    struct world world = {0};
    static struct model models[FILES];
    static const char *const names[FILES] = {"a", "b", "c"};
    seed = 11;
    world_open(&world, scratch_path(state, "t"));
    for (int i = 0; i < FILES; i++) {
        models[i] = (struct model){
            .ino = world_create(&world, TREE_ROOT, names[i])};
        settle(&world, models[i].ino, 0);
    }
    for (int round = 0; round < 900; round++) {
        struct model *target = &models[chance(FILES)];
        switch (chance(4)) {
        case 0:
        case 1:
            write_some(&world, target);
            break;
        case 2:
            punch_some(&world, target);
            break;
        default:
            copy_some(&world, &models[chance(FILES)], target);
        }
        expect(&world, target);
        if (round % 100 == 0) {
            world_check(&world);
        }
    }
    world_reopen(&world);
    for (int i = 0; i < FILES; i++) {
        expect(&world, &models[i]);
    }
    world_check(&world);
    world_close(&world);
}

static void a_copy_takes_no_room_in_segments(void **state)
{
    struct world world = {0};
    static uint8_t src[50 * 1000];
    int64_t added;
    memset(src, 7, sizeof(src));
    world_open(&world, scratch_path(state, "t"));
    uint64_t one = world_create(&world, TREE_ROOT, "1");
    uint64_t two = world_create(&world, TREE_ROOT, "2");
    world_write(&world, one, 0, src, sizeof(src), true);
    uint64_t before = segments_bytes(world.segments);
    assert_ok(tree_copy(world.tree, world_body(&world, one), 0,
                        world_body(&world, two), 0, sizeof(src), &added));
    assert_int_equal(added, sizeof(src));
    settle(&world, two, added);
    assert_int_equal(segments_bytes(world.segments), before);
    /* The source may go. */
    world_remove(&world, TREE_ROOT, "1");
    while (tree_purge_step(world.tree, 100) > 0) {
    }
    static uint8_t got[sizeof(src)];
    assert_ok(tree_read(world.tree, world_body(&world, two), 0, got,
                        sizeof(got)));
    assert_memory_equal(got, src, sizeof(src));
    world_check(&world);
    world_close(&world);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(random_copies_read_as_from_arrays),
        TEST(a_copy_takes_no_room_in_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
