#include "tests/unit/store/testing.h"

#include "store/bytes.h"
#include "store/error.h"

#include <errno.h>
#include <string.h>

static void each_code_has_a_name_and_a_sentence(void **state)
{
    (void)state;
    for (int code = STORE_TOO_MANY; code <= STORE_OK; code++) {
        assert_string_not_equal(store_code_name(code), "STORE_UNKNOWN");
        assert_string_not_equal(store_code_sentence(code), "unknown error");
    }
    assert_string_equal(store_code_name(STORE_FULL), "STORE_FULL");
    assert_string_equal(store_code_name(-1000), "STORE_UNKNOWN");
}

static void fail_keeps_the_sentence_and_returns_the_code(void **state)
{
    (void)state;
    assert_int_equal(store_fail(STORE_CORRUPT, "row %d", 7), STORE_CORRUPT);
    assert_string_equal(store_error_text(), "row 7");
}

static void a_sentence_may_be_made_from_the_last_one(void **state)
{
    (void)state;
    store_fail(STORE_IO, "inner");
    store_fail(STORE_IO, "outer: %s", store_error_text());
    assert_string_equal(store_error_text(), "outer: inner");
}

static void errno_becomes_the_code_a_caller_acts_on(void **state)
{
    (void)state;
    assert_int_equal(store_fail_errno(ENOSPC, "x"), STORE_FULL);
    assert_int_equal(store_fail_errno(EDQUOT, "x"), STORE_FULL);
    assert_int_equal(store_fail_errno(ENOENT, "x"), STORE_NOT_FOUND);
    assert_int_equal(store_fail_errno(EACCES, "x"), STORE_ACCESS);
    assert_int_equal(store_fail_errno(EROFS, "x"), STORE_ACCESS);
    assert_int_equal(store_fail_errno(EMFILE, "x"), STORE_TOO_MANY);
    assert_int_equal(store_fail_errno(ENFILE, "x"), STORE_TOO_MANY);
    assert_int_equal(store_fail_errno(EIO, "file %s", "a"), STORE_IO);
    assert_string_equal(store_error_text(), "file a: Input/output error");
}

static void a_long_sentence_is_cut(void **state)
{
    (void)state;
    char text[2000];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    store_fail_errno(EIO, "%s", text);
    assert_non_null(strstr(store_error_text(), "Input/output error"));
}

static void blob_keeps_its_content_when_it_grows(void **state)
{
    (void)state;
    struct blob blob = BLOB_EMPTY;
    memcpy(blob_resize(&blob, 3), "abc", 3);
    blob_resize(&blob, 100000);
    assert_memory_equal(blob.data, "abc", 3);
    assert_int_equal(blob.size, 100000);
    blob_resize(&blob, 2);
    assert_int_equal(blob.size, 2);
    blob_release(&blob);
    assert_null(blob.data);
    blob_release(&blob);
}

static void hashes_are_xxh3(void **state)
{
    (void)state;
    /* Known answers of XXH3 for the empty input: on disk, so never to change.
     */
    uint64_t wide[2];
    assert_true(store_hash64((struct view){"", 0}, 0) == 0x2d06800538d394c2u);
    store_hash128((struct view){"", 0}, wide);
    assert_true(wide[0] == 0x6001c324468d497fu);
    assert_true(wide[1] == 0x99aa06d3014798d8u);
    assert_true(store_hash64((struct view){"a", 1}, 1) !=
                store_hash64((struct view){"a", 1}, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_code_has_a_name_and_a_sentence),
        cmocka_unit_test(fail_keeps_the_sentence_and_returns_the_code),
        cmocka_unit_test(a_sentence_may_be_made_from_the_last_one),
        cmocka_unit_test(errno_becomes_the_code_a_caller_acts_on),
        cmocka_unit_test(a_long_sentence_is_cut),
        cmocka_unit_test(blob_keeps_its_content_when_it_grows),
        cmocka_unit_test(hashes_are_xxh3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
