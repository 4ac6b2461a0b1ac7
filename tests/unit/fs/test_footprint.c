/* What records touch that are not applied yet. (That a footprint names all that
 * its own record changes is checked by world_apply(), in every test of apply.)
 */
#include "tests/unit/fs/apply_world.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { RECORDS = 1500, PENDING = 6, NAMES = 5, DIRS = 3 };

static struct footprint of(struct world *world, struct command command)
{
    struct footprint out;
    struct record *record =
        world_record(world, &command, (struct bytes){0});
    footprint_of(world->tree, record, &out);
    record_unref(record);
    return out;
}

static void unlink_touches_what_has_the_name_now(void **state)
{
    struct world *world = *state;
    uint64_t one = world_file(world, TREE_ROOT, "one");
    uint64_t two = world_file(world, TREE_ROOT, "two");
    struct command command = {
        .op = OP_UNLINK, .parent = TREE_ROOT, .name = world_text("one")};
    struct footprint before = of(world, command);
    assert_true(before.again);
    assert_true(world_footprint_has(&before, one));
    assert_true(world_footprint_has(&before, TREE_ROOT));
    assert_false(world_footprint_has(&before, two));
    assert_int_equal(
        world_rename(world, TREE_ROOT, "two", TREE_ROOT, "one", 0), 0);
    struct footprint after = of(world, command);
    assert_true(world_footprint_has(&after, two));
}

static void locks_touch_nothing_else(void **state)
{
    struct world *world = *state;
    uint64_t ino = world_file(world, TREE_ROOT, "f");
    struct footprint lock = of(
        world, (struct command){.op = OP_LOCK, .ino = ino, .owner = 1});
    assert_false(world_footprint_has(&lock, ino));
    assert_true(world_footprint_has(&lock, footprint_locks(ino)));
    struct footprint end =
        of(world, (struct command){.op = OP_SESSION_END, .session = 1});
    assert_true(end.all);
}

/* --- any sequence, any number of records behind --- */

struct changes {
    uint64_t inos[8];
    uint32_t count;
};

static uint64_t some_dir(struct world *world, const uint64_t *dirs,
                         uint64_t *random)
{
    (void)world;
    return dirs[world_random(random, DIRS)];
}

static const char *some_name(uint64_t *random)
{
    static const char *const names[NAMES] = {"a", "b", "c", "d", "e"};
    return names[world_random(random, NAMES)];
}

static void act(struct world *world, const uint64_t *dirs, uint64_t *random)
{
    uint64_t dir = some_dir(world, dirs, random);
    uint64_t other = some_dir(world, dirs, random);
    const char *name = some_name(random);
    const char *new_name = some_name(random);
    uint64_t ino = world_lookup(world, dir, name);
    static const uint32_t flags[] = {0, 0, RENAME_EXCHANGE, RENAME_NOREPLACE};
    switch (world_random(random, 9)) {
    case 0:
    case 1:
        world_create(world, dir, name, 0644, 0);
        break;
    case 2:
        world_mkdir(world, dir, name, 0755);
        break;
    case 3:
        world_unlink(world, dir, name);
        break;
    case 4:
        world_rmdir(world, dir, name);
        break;
    case 5:
    case 6:
        world_rename(world, dir, name, other, new_name,
                     flags[world_random(random, 4)]);
        break;
    case 7:
        world_link(world, ino == 0 ? TREE_ROOT : ino, other, new_name);
        break;
    default:
        world_truncate(world, ino == 0 ? TREE_ROOT : ino, 10);
        break;
    }
}

static void note_changes(struct world *world, struct changes *out)
{
    const struct apply_change *change = apply_last_change(world->apply);
    out->count = change->ino_count;
    memcpy(out->inos, change->inos, sizeof out->inos);
}

/* `world` has applied some of the records; the next ones wait. Whatever of its
 * inodes they change is in one of their footprints, as of now. */
static void check_pending(struct world *world, struct record **records,
                          const struct changes *changes, size_t count)
{
    struct footprint prints[PENDING];
    for (size_t i = 0; i < count; i++) {
        footprint_of(world->tree, records[i], &prints[i]);
    }
    for (size_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < changes[i].count; k++) {
            uint64_t ino = changes[i].inos[k];
            struct inode inode;
            bool found = tree_inode_get(world->tree, ino, &inode) < 0;
            for (size_t p = 0; p <= i; p++) {
                found = found || world_footprint_has(&prints[p], ino);
            }
            assert_true(found);
        }
    }
}

static void whatever_waits_what_it_touches_is_known(void **state)
{
    struct world *ahead = *state;
    static struct changes changes[RECORDS];
    uint64_t random = 7;
    uint64_t dirs[DIRS] = {TREE_ROOT, world_dir(ahead, TREE_ROOT, "x"),
                           world_dir(ahead, TREE_ROOT, "y")};
    size_t begin = ahead->record_count;
    while (ahead->record_count < RECORDS) {
        size_t at = ahead->record_count;
        act(ahead, dirs, &random);
        assert_int_equal(ahead->record_count, at + 1);
        note_changes(ahead, &changes[at]);
    }
    struct world *behind = world_new();
    for (size_t i = 0; i < ahead->record_count; i++) {
        size_t left = ahead->record_count - i;
        if (i >= begin) {
            check_pending(behind, ahead->records + i, changes + i,
                          left < PENDING ? left : PENDING);
        }
        world_apply(behind, ahead->records[i]);
    }
    world_free(behind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unlink_touches_what_has_the_name_now,
                                        world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(locks_touch_nothing_else, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(whatever_waits_what_it_touches_is_known,
                                        world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
