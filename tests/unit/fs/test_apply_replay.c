/* The same log gives the same tree, however often a node crashed meanwhile.
 *
 * One world makes random records and applies them. Another applies the same
 * records, but loses everything since its last commit now and then, and goes on
 * from its applied index, as a node does. Results, digests, sessions and every
 * check must agree. A seed may be given as an argument. */
#include "tests/unit/fs/apply_life.h"

#include "store/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { RECORDS = LIFE_RECORDS, NODES = LIFE_NODES };

static uint64_t first_seed = 1;
static uint64_t seeds = 2;

static void refuse_again(struct world *w, struct world *first)
{
    uint64_t applied = tree_applied(w->tree);
    if (applied == 0) {
        return;
    }
    struct apply_result result;
    const struct record *old = first->records[life_random(applied)];
    assert_int_equal(apply_record(w->apply, old, &result), STORE_INVALID);
    assert_int_equal(tree_applied(w->tree), applied);
}

static void replay(struct life *life, struct world *w)
{
    uint64_t crashes = 0;
    while (tree_applied(w->tree) < RECORDS) {
        struct record *record = life->world->records[tree_applied(w->tree)];
        world_apply(w, record);
        const struct apply_result *expected = &life->results[record->index];
        assert_int_equal(w->result.error, expected->error);
        assert_memory_equal(w->result.value, expected->value,
                            sizeof expected->value);
        switch (life_random(100)) {
        case 0:
            world_reopen(w);
            crashes++;
            break;
        case 1:
            world_commit(w);
            world_reopen(w);
            break;
        case 2:
        case 3:
        case 4:
            world_commit(w);
            break;
        case 5:
            refuse_again(w, life->world);
            break;
        default:
            break;
        }
    }
    assert_true(crashes > 0);
}

static void compare_sessions(struct world *a, struct world *b)
{
    struct apply_session ours[NODES + 1], theirs[NODES + 1];
    size_t count = apply_sessions(a->apply, ours, NODES + 1);
    assert_int_equal(apply_sessions(b->apply, theirs, NODES + 1), count);
    for (size_t i = 0; i < count; i++) {
        world_same_session(&ours[i], &theirs[i]);
    }
}

/* Not in vain: most kinds of results were there. */
static void expect_variety(const struct life *life)
{
    static const int expected[] = {0,      ENOENT,  EEXIST, ENOTEMPTY, ESTALE,
                                   EISDIR, ENOTDIR, EINVAL, ETIMEDOUT, EPERM};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        size_t count = 0;
        for (int j = 1; j <= RECORDS; j++) {
            count += life->results[j].error == expected[i] ? 1 : 0;
        }
        if (count == 0) {
            fail_msg("errno %d never came", expected[i]);
        }
    }
}

static void run_seed(uint64_t seed)
{
    print_message("seed %llu\n", (unsigned long long)seed);
    life_seed(seed);
    struct life *life = life_new();
    life_live(life, RECORDS);
    expect_variety(life);
    struct world *other = world_new();
    replay(life, other);
    assert_int_equal(world_digest(life->world), world_digest(other));
    compare_sessions(life->world, other);
    world_check(life->world);
    world_check(other);
    world_free(other);
    life_free(life);
}

static void crashes_make_no_difference(void **unused)
{
    (void)unused;
    for (uint64_t seed = first_seed; seed < first_seed + seeds; seed++) {
        run_seed(seed);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        first_seed = strtoull(argv[1], NULL, 10);
        seeds = 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crashes_make_no_difference),
    };
    return cmocka_run_group_tests_name("apply_replay", tests, NULL, NULL);
}
