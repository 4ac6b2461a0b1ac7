/* The lists that fullsim --shrink tries. */
#include "tests/sim/full/shrink.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { MANY = 60 };

struct need { /* it breaks with all of these */
    uint32_t list[8];
    size_t count;
    unsigned asked;
};

static bool has(const uint32_t *list, size_t count, uint32_t what)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i] == what) {
            return true;
        }
    }
    return false;
}

static bool has_all(void *arg, const uint32_t *list, size_t count)
{
    struct need *need = arg;
    need->asked++;
    for (size_t i = 0; i < need->count; i++) {
        if (!has(list, count, need->list[i])) {
            return false;
        }
    }
    return true;
}

static void assert_shrinks_to(struct need *need, size_t from)
{
    uint32_t list[MANY];
    for (uint32_t i = 0; i < from; i++) {
        list[i] = i;
    }
    assert_int_equal(shrink(list, from, has_all, need), need->count);
    for (size_t i = 0; i < need->count; i++) {
        assert_int_equal(list[i], need->list[i]);
    }
}

static void what_is_not_needed_goes(void **state)
{
    (void)state;
    assert_shrinks_to(&(struct need){.list = {17}, .count = 1}, MANY);
    assert_shrinks_to(&(struct need){.list = {0, 59}, .count = 2}, MANY);
    assert_shrinks_to(&(struct need){.list = {3, 17, 40}, .count = 3}, MANY);
    assert_shrinks_to(
        &(struct need){.list = {1, 2, 3, 30, 31, 57, 58, 59}, .count = 8},
        MANY);
}

static void it_may_break_without_any(void **state)
{
    (void)state;
    assert_shrinks_to(&(struct need){.count = 0}, MANY);
    assert_shrinks_to(&(struct need){.count = 0}, 0);
}

static void short_lists_are_lists(void **state)
{
    (void)state;
    assert_shrinks_to(&(struct need){.list = {0}, .count = 1}, 1);
    assert_shrinks_to(&(struct need){.list = {1}, .count = 1}, 2);
    assert_shrinks_to(&(struct need){.list = {0, 1}, .count = 2}, 2);
    assert_shrinks_to(&(struct need){.list = {0, 2}, .count = 2}, 3);
}

static void it_is_asked_seldom(void **state)
{
    (void)state;
    struct need need = {.list = {3, 40}, .count = 2};
    assert_shrinks_to(&need, MANY);
    assert_in_range(need.asked, 1, 80);
}

/* One of two would do: one is left. */
static bool has_either(void *arg, const uint32_t *list, size_t count)
{
    (void)arg;
    return has(list, count, 7) || has(list, count, 50);
}

static void one_of_several_reasons_is_left(void **state)
{
    (void)state;
    uint32_t list[MANY];
    for (uint32_t i = 0; i < MANY; i++) {
        list[i] = i;
    }
    assert_int_equal(shrink(list, MANY, has_either, NULL), 1);
    assert_true(list[0] == 7 || list[0] == 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_needed_goes),
        cmocka_unit_test(it_may_break_without_any),
        cmocka_unit_test(short_lists_are_lists),
        cmocka_unit_test(it_is_asked_seldom),
        cmocka_unit_test(one_of_several_reasons_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
