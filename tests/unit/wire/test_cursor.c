#include "raft/wire/cursor.h"
#include "raft/wire/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void numbers_are_little_endian(void **state)
{
    (void)state;
    uint8_t data[15];
    struct writer w = writer_init(data, sizeof(data));
    write_u8(&w, 0x01);
    write_u16(&w, 0x0203);
    write_u32(&w, 0x04050607);
    write_u64(&w, 0x08090a0b0c0d0e0f);
    assert_int_equal(writer_left(&w), 0);
    static const uint8_t expected[] = {0x01, 0x03, 0x02, 0x07, 0x06,
                                       0x05, 0x04, 0x0f, 0x0e, 0x0d,
                                       0x0c, 0x0b, 0x0a, 0x09, 0x08};
    assert_memory_equal(data, expected, sizeof(data));

    struct reader r = reader_init((struct bytes){data, sizeof(data)});
    assert_int_equal(read_u8(&r), 0x01);
    assert_int_equal(read_u16(&r), 0x0203);
    assert_int_equal(read_u32(&r), 0x04050607);
    assert_true(read_u64(&r) == 0x08090a0b0c0d0e0f);
    assert_true(reader_done(&r));
}

static void reading_past_the_end_gives_zeros_for_good(void **state)
{
    (void)state;
    static const uint8_t data[] = {1, 2, 3};
    struct reader r = reader_init((struct bytes){data, sizeof(data)});
    assert_int_equal(read_u32(&r), 0);
    assert_false(reader_ok(&r));
    assert_int_equal(read_u8(&r), 0); /* although three bytes are there */
    assert_int_equal(reader_left(&r), 0);
    assert_int_equal(read_bytes(&r, 1).size, 0);
    assert_false(reader_done(&r));
}

static void an_empty_source_is_done_at_once(void **state)
{
    (void)state;
    struct reader r = reader_init((struct bytes){NULL, 0});
    assert_true(reader_done(&r));
    assert_int_equal(read_bytes(&r, 0).size, 0);
    assert_true(reader_done(&r));
}

static void huge_sizes_do_not_wrap_around(void **state)
{
    (void)state;
    static const uint8_t data[] = {1, 2, 3};
    struct reader r = reader_init((struct bytes){data, sizeof(data)});
    read_u8(&r);
    assert_int_equal(read_bytes(&r, SIZE_MAX).size, 0);
    assert_false(reader_ok(&r));
}

static void a_failed_reader_is_not_ok(void **state)
{
    (void)state;
    static const uint8_t data[] = {1};
    struct reader r = reader_init((struct bytes){data, sizeof(data)});
    reader_fail(&r);
    assert_false(reader_ok(&r));
    assert_int_equal(read_u8(&r), 0);
}

static void hashes_are_xxh3(void **state)
{
    (void)state;
    struct bytes empty = {NULL, 0};
    /* published test vector of XXH3-64, seed 0, no input */
    assert_true(hash64(empty, 0) == 0x2d06800538d394c2);
    uint64_t hash[2];
    hash128(empty, hash);
    assert_true(hash[0] == 0x6001c324468d497f);
    assert_true(hash[1] == 0x99aa06d3014798d8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_little_endian),
        cmocka_unit_test(reading_past_the_end_gives_zeros_for_good),
        cmocka_unit_test(an_empty_source_is_done_at_once),
        cmocka_unit_test(huge_sizes_do_not_wrap_around),
        cmocka_unit_test(a_failed_reader_is_not_ok),
        cmocka_unit_test(hashes_are_xxh3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
