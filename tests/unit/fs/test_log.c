#include "fs/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[200], path[256], old[256];

static int setup(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(directory, sizeof(directory), "%.150s/log.XXXXXX",
             base != NULL ? base : "/tmp");
    if (mkdtemp(directory) == NULL) {
        return -1;
    }
    snprintf(path, sizeof(path), "%s/raftfs.log", directory);
    snprintf(old, sizeof(old), "%s/raftfs.log.1", directory);
    log_set_level(LOG_INFO);
    return log_open(path);
}

static int teardown(void **state)
{
    (void)state;
    log_close();
    unlink(path);
    unlink(old);
    return rmdir(directory);
}

/* The last line of the file, without time and newline. */
static const char *last_line(void)
{
    static char line[LOG_LINE_MAX + 2];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    line[0] = '\0';
    while (fgets(line, sizeof(line), file) != NULL) {
    }
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    char *blank = strchr(line, ' ');
    return blank != NULL ? blank + 1 : line;
}

static void an_event_is_a_line(void **state)
{
    (void)state;
    log_event(LOG_WARN, "peer disconnected", "id=%d why=\"%s\"", 3, "timeout");
    assert_string_equal(last_line(),
                        "warn peer disconnected id=3 why=\"timeout\"");
    log_event(LOG_INFO, "started", "%s", "");
    assert_string_equal(last_line(), "info started ");
}

static void what_is_less_important_than_the_level_is_not_written(void **state)
{
    (void)state;
    log_event(LOG_INFO, "one", "n=1");
    log_event(LOG_DEBUG, "two", "n=2");
    assert_string_equal(last_line(), "info one n=1");
    log_set_level(LOG_DEBUG);
    log_event(LOG_DEBUG, "three", "n=3");
    assert_string_equal(last_line(), "debug three n=3");
}

static void a_line_stays_a_line(void **state)
{
    (void)state;
    log_event(LOG_WARN, "peer refused", "name=\"%s\"", "a\nb\033[2J");
    assert_string_equal(last_line(), "warn peer refused name=\"a?b?[2J\"");
    char longer[2 * LOG_LINE_MAX];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    log_event(LOG_WARN, longer, "%s", longer);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < 3 * LOG_LINE_MAX);
    assert_memory_equal(last_line(), "warn xxxx", 9);
}

static void a_file_that_is_full_is_put_aside(void **state)
{
    (void)state;
    struct stat st;
    assert_int_equal(truncate(path, LOG_FILE_MAX), 0);
    log_reopen();
    log_event(LOG_INFO, "after", "n=1");
    assert_string_equal(last_line(), "info after n=1");
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < 100);
    assert_int_equal(stat(old, &st), 0);
    assert_int_equal(st.st_size, LOG_FILE_MAX);
}

static void a_file_that_was_moved_away_is_made_anew(void **state)
{
    (void)state;
    log_event(LOG_INFO, "before", "n=1");
    assert_int_equal(rename(path, old), 0);
    log_reopen();
    log_event(LOG_INFO, "after", "n=2");
    assert_string_equal(last_line(), "info after n=2");
}

static void a_file_that_cannot_be_opened_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(log_open("/nowhere/raftfs.log"), -1);
    log_event(LOG_INFO, "still here", "n=1");
    assert_string_equal(last_line(), "info still here n=1");
}

static void levels_have_names(void **state)
{
    (void)state;
    assert_int_equal(log_level_from_name("error"), LOG_ERROR);
    assert_int_equal(log_level_from_name("debug"), LOG_DEBUG);
    assert_int_equal(log_level_from_name("loud"), -1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_event_is_a_line),
        TEST(what_is_less_important_than_the_level_is_not_written),
        TEST(a_line_stays_a_line),
        TEST(a_file_that_is_full_is_put_aside),
        TEST(a_file_that_was_moved_away_is_made_anew),
        TEST(a_file_that_cannot_be_opened_changes_nothing),
        cmocka_unit_test(levels_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
