/* How words become options. */
#include "fs/cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { LISTEN, JSON, WORDS };
static const struct cli_option options[] = {
    [LISTEN] = {.name = "listen", .value = "ADDRESS"},
    [JSON] = {.letter = 'j', .name = "json"},
    [WORDS] = {.letter = 'o', .value = "WORDS"},
    {0},
};
static const struct cli_command command = {
    .name = "test", .operands = "", .sentence = "", .options = options};

static char told[1024]; /* on standard error */

/* Reads all words; the outcome is one string: name=value of options, operands,
 * and how it ended. */
static const char *read_words(int argc, const char *const *words)
{
    static const char *const names[] = {"listen", "json", "words"};
    static char out[512];
    char *copies[16];
    struct cli cli = {.command = &command, .argc = argc, .argv = copies};
    int got;
    for (int i = 0; i < argc; i++) {
        copies[i] = strdup(words[i]);
    }
    out[0] = '\0';
    while ((got = cli_next(&cli)) != CLI_END && got != CLI_MISUSE) {
        size_t used = strlen(out);
        snprintf(out + used, sizeof(out) - used, "%s%s%s ",
                 got == CLI_OPERAND ? "" : names[got],
                 got != CLI_OPERAND && cli.value != NULL ? "=" : "",
                 cli.value != NULL ? cli.value : "");
    }
    size_t end = strlen(out);
    snprintf(out + end, sizeof(out) - end, "%s",
             got == CLI_END ? "." : "misuse");
    for (int i = 0; i < argc; i++) {
        free(copies[i]);
    }
    return out;
}

/* The same, with standard error in told[]. */
static const char *read_quietly(int argc, const char *const *words)
{
    int pipes[2], old = dup(STDERR_FILENO);
    assert_int_equal(pipe(pipes), 0);
    dup2(pipes[1], STDERR_FILENO);
    const char *out = read_words(argc, words);
    fflush(stderr);
    dup2(old, STDERR_FILENO);
    close(old);
    close(pipes[1]);
    ssize_t size = read(pipes[0], told, sizeof(told) - 1);
    told[size > 0 ? size : 0] = '\0';
    close(pipes[0]);
    return out;
}

#define READ(...)                                                              \
    read_quietly(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *),       \
                 (const char *[]){__VA_ARGS__})

static void options_may_stand_anywhere(void **state)
{
    (void)state;
    assert_string_equal(READ("a", "--json", "b", "--listen", "x", "c"),
                        "a json b listen=x c .");
}

static void values_may_be_part_of_the_word(void **state)
{
    (void)state;
    assert_string_equal(READ("--listen=x=y", "-oa,b", "-o", "c", "-j"),
                        "listen=x=y words=a,b words=c json .");
    assert_string_equal(READ("--listen="), "listen= .");
}

static void two_hyphens_end_the_options(void **state)
{
    (void)state;
    assert_string_equal(READ("-j", "--", "--json", "--", "-x"),
                        "json --json -- -x .");
    assert_string_equal(READ("-"), "- .");
}

static void a_missing_value_is_told(void **state)
{
    (void)state;
    assert_string_equal(READ("--listen"), "misuse");
    assert_non_null(strstr(told, "--listen: ADDRESS is missing"));
    assert_non_null(strstr(told, "--help"));
}

static void a_value_too_many_is_told(void **state)
{
    (void)state;
    assert_string_equal(READ("--json=yes"), "misuse");
    assert_non_null(strstr(told, "takes no value"));
}

static void unknown_options_are_told_with_a_likely_one(void **state)
{
    (void)state;
    assert_string_equal(READ("--lisen", "x"), "misuse");
    assert_non_null(strstr(told, "--lisen is not an option"));
    assert_non_null(strstr(told, "did you mean --listen?"));
    assert_string_equal(READ("--lis"), "misuse"); /* no abbreviations */
    assert_non_null(strstr(told, "did you mean --listen?"));
    assert_string_equal(READ("--frobnicate"), "misuse");
    assert_null(strstr(told, "did you mean"));
    assert_string_equal(READ("-x"), "misuse");
    assert_non_null(strstr(told, "-x is not an option"));
}

static void numbers_are_whole_and_in_range(void **state)
{
    (void)state;
    uint64_t value = 0;
    assert_true(cli_number("42", 0, 100, &value));
    assert_int_equal(value, 42);
    assert_false(cli_number("", 0, 100, &value));
    assert_false(cli_number("-1", 0, 100, &value));
    assert_false(cli_number("101", 0, 100, &value));
    assert_false(cli_number("4x", 0, 100, &value));
    assert_false(cli_number("99999999999999999999", 0, UINT64_MAX, &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_may_stand_anywhere),
        cmocka_unit_test(values_may_be_part_of_the_word),
        cmocka_unit_test(two_hyphens_end_the_options),
        cmocka_unit_test(a_missing_value_is_told),
        cmocka_unit_test(a_value_too_many_is_told),
        cmocka_unit_test(unknown_options_are_told_with_a_likely_one),
        cmocka_unit_test(numbers_are_whole_and_in_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
