#include "raft/hull/cache.h"

#include "tests/unit/hull/cmocka_all.h"

static void put(struct cache *cache, raft_index index)
{
    static const char body[100];
    struct record *record = record_new(
        RECORD_COMMAND, (struct bytes){body, sizeof(body)}, (struct bytes){0});
    record->index = index;
    cache_put(cache, record);
    record_unref(record);
    cache_check(cache);
}

static void records_are_found_by_index(void **state)
{
    (void)state;
    struct cache cache;
    cache_init(&cache, 1 << 20);
    for (raft_index i = 5; i < 1000; i++) { /* grows past its first capacity */
        put(&cache, i);
    }
    assert_null(cache_get(&cache, 4));
    assert_null(cache_get(&cache, 1000));
    for (raft_index i = 5; i < 1000; i++) {
        assert_int_equal(cache_get(&cache, i)->index, i);
    }
    cache_release(&cache);
}

static void the_oldest_go_when_the_bytes_are_used_up(void **state)
{
    (void)state;
    struct cache cache;
    cache_init(&cache, 3000);
    for (raft_index i = 1; i <= 100; i++) {
        put(&cache, i);
    }
    assert_null(cache_get(&cache, 1));
    assert_non_null(cache_get(&cache, 100));
    assert_true(cache.bytes <= 3000);
    assert_true(cache.count >= 3);
    cache_release(&cache);
}

static void one_record_larger_than_the_limit_is_kept(void **state)
{
    (void)state;
    struct cache cache;
    cache_init(&cache, 10);
    put(&cache, 1);
    put(&cache, 2);
    assert_null(cache_get(&cache, 1));
    assert_non_null(cache_get(&cache, 2));
    cache_release(&cache);
}

static void truncation_forgets_the_end(void **state)
{
    (void)state;
    struct cache cache;
    cache_init(&cache, 1 << 20);
    for (raft_index i = 1; i <= 10; i++) {
        put(&cache, i);
    }
    cache_truncate(&cache, 7);
    cache_check(&cache);
    assert_non_null(cache_get(&cache, 6));
    assert_null(cache_get(&cache, 7));
    put(&cache, 7);
    assert_non_null(cache_get(&cache, 7));
    cache_truncate(&cache, 1);
    assert_int_equal(cache.count, 0);
    put(&cache, 3);
    assert_non_null(cache_get(&cache, 3));
    cache_release(&cache);
}

static void a_gap_starts_anew(void **state)
{
    (void)state;
    struct cache cache;
    cache_init(&cache, 1 << 20);
    put(&cache, 1);
    put(&cache, 5);
    assert_null(cache_get(&cache, 1));
    assert_non_null(cache_get(&cache, 5));
    assert_int_equal(cache.count, 1);
    cache_release(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_found_by_index),
        cmocka_unit_test(the_oldest_go_when_the_bytes_are_used_up),
        cmocka_unit_test(one_record_larger_than_the_limit_is_kept),
        cmocka_unit_test(truncation_forgets_the_end),
        cmocka_unit_test(a_gap_starts_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
