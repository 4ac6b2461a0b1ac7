/* testing.h -- what the tests of store/ share: cmocka, a scratch directory,
 * and how a failed call is reported. */
#ifndef TESTS_UNIT_STORE_TESTING_H
#define TESTS_UNIT_STORE_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Fails the test with the store's own sentence. */
#define assert_ok(call)                                                        \
    do {                                                                       \
        int assert_ok_rc = (call);                                             \
        if (assert_ok_rc < 0) {                                                \
            fail_msg("%s: %s: %s", #call, store_code_name(assert_ok_rc),       \
                     store_error_text());                                      \
        }                                                                      \
    } while (0)

/* cmocka fixtures: *state is the path of a new directory, removed with all that
 * is in it afterwards. */
int scratch_setup(void **state);
int scratch_teardown(void **state);
/* directory/name in a static buffer, good until the fourth next call. */
const char *scratch_path(void **state, const char *name);
/* Copies a directory and all files below it; `to` must not exist. */
void copy_tree(const char *from, const char *to);
void remove_tree(const char *path);

#endif
