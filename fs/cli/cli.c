#include "fs/cli/cli.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void vsay(const struct cli *cli, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
static void vsay(const struct cli *cli, const char *format, va_list args)
{
    fprintf(stderr, "raftfs %s: ", cli->command->name);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

int cli_misuse(const struct cli *cli, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsay(cli, format, args);
    va_end(args);
    fprintf(stderr, "`raftfs %s --help` says what is possible.\n",
            cli->command->name);
    return CLI_USAGE;
}

int cli_fail(const struct cli *cli, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsay(cli, format, args);
    va_end(args);
    return code;
}

bool cli_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0') {
        return false;
    }
    errno = 0;
    uint64_t value = strtoull(text, NULL, 10);
    if (errno != 0 || value < min || value > max) {
        return false;
    }
    *out = value;
    return true;
}

/* --- options --- */

static bool is_end(const struct cli_option *option)
{
    return option->letter == 0 && option->name == NULL;
}

/* In how many letters two words differ at least: one inserted, left out or
 * changed counts 1. For words of an option's length. */
static unsigned distance(const char *a, const char *b)
{
    enum { MOST = 32 };
    unsigned row[MOST + 1];
    size_t size = strlen(b);
    if (size > MOST || strlen(a) > MOST) {
        return MOST;
    }
    for (unsigned j = 0; j <= size; j++) {
        row[j] = j;
    }
    for (unsigned i = 1; a[i - 1] != '\0'; i++) {
        unsigned corner = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= size; j++) {
            unsigned change = corner + (a[i - 1] != b[j - 1]);
            unsigned insert = row[j - 1] + 1, leave_out = row[j] + 1;
            corner = row[j];
            row[j] = change < insert ? change : insert;
            row[j] = row[j] < leave_out ? row[j] : leave_out;
        }
    }
    return row[size];
}

static int unknown_option(const struct cli *cli, const char *word)
{
    const char *likely = NULL;
    unsigned best = 3;
    for (const struct cli_option *o = cli->command->options; !is_end(o); o++) {
        bool begins = o->name != NULL && strlen(word) > 3 &&
                      strncmp(o->name, word + 2, strlen(word) - 2) == 0;
        unsigned apart = o->name == NULL ? best
                         : begins        ? 0
                                         : distance(word + 2, o->name);
        if (strncmp(word, "--", 2) == 0 && apart < best) {
            best = apart;
            likely = o->name;
        }
    }
    if (likely != NULL) {
        cli_misuse(cli, "%s is not an option; did you mean --%s?", word,
                   likely);
    } else {
        cli_misuse(cli, "%s is not an option", word);
    }
    return CLI_MISUSE;
}

/* The value may be part of the word, or the next one. */
static int take_value(struct cli *cli, const struct cli_option *option,
                      const char *word, const char *attached)
{
    cli->value = attached;
    if (option->value == NULL) {
        return attached == NULL
                   ? 0
                   : (cli_misuse(cli, "%s: this option takes no value", word),
                      CLI_MISUSE);
    }
    if (attached == NULL) {
        if (cli->at == cli->argc) {
            cli_misuse(cli, "%s: %s is missing", word, option->value);
            return CLI_MISUSE;
        }
        cli->value = cli->argv[cli->at++];
    }
    return 0;
}

static int long_option(struct cli *cli, const char *word)
{
    const char *equals = strchr(word, '=');
    size_t size = equals != NULL ? (size_t)(equals - word) : strlen(word);
    const struct cli_option *options = cli->command->options;
    for (int i = 0; !is_end(&options[i]); i++) {
        const char *name = options[i].name;
        if (name != NULL && strlen(name) == size - 2 &&
            strncmp(name, word + 2, size - 2) == 0) {
            int rc = take_value(cli, &options[i], word,
                                equals != NULL ? equals + 1 : NULL);
            return rc < 0 ? rc : i;
        }
    }
    return unknown_option(cli, word);
}

static int short_option(struct cli *cli, const char *word)
{
    const struct cli_option *options = cli->command->options;
    for (int i = 0; !is_end(&options[i]); i++) {
        if (options[i].letter == word[1]) {
            int rc = take_value(cli, &options[i], word,
                                word[2] != '\0' ? word + 2 : NULL);
            return rc < 0 ? rc : i;
        }
    }
    return unknown_option(cli, word);
}

int cli_next(struct cli *cli)
{
    if (cli->at == cli->argc) {
        return CLI_END;
    }
    const char *word = cli->argv[cli->at++];
    if (!cli->operands_only && strcmp(word, "--") == 0) {
        cli->operands_only = true;
        return cli_next(cli);
    }
    if (cli->operands_only || word[0] != '-' || word[1] == '\0') {
        cli->value = word;
        return CLI_OPERAND;
    }
    return word[1] == '-' ? long_option(cli, word) : short_option(cli, word);
}

int cli_take_operand(struct cli *cli, const char **list, int *count, int most)
{
    if (*count == most) {
        return cli_misuse(cli, "%s: there is one argument too many",
                          cli->value);
    }
    list[(*count)++] = cli->value;
    return 0;
}

/* --- help --- */

static void print_option(const struct cli_option *option)
{
    char letter[8] = "    ", name[40] = "", left[80];
    if (option->letter != 0) {
        snprintf(letter, sizeof(letter), "-%c%s", option->letter,
                 option->name != NULL ? ", " : "");
    }
    if (option->name != NULL) {
        snprintf(name, sizeof(name), "--%s", option->name);
    }
    snprintf(left, sizeof(left), "%s%s%s%s", letter, name,
             option->value != NULL ? " " : "",
             option->value != NULL ? option->value : "");
    printf("  %-26s %s\n", left, option->sentence);
}

void cli_print_help(const struct cli_command *command)
{
    printf("Usage: raftfs %s%s%s\n\n%s.\n\n", command->name,
           command->operands[0] != '\0' ? " " : "", command->operands,
           command->sentence);
    for (const struct cli_option *o = command->options; !is_end(o); o++) {
        print_option(o);
    }
    printf("  %-26s %s\n", "    --help", "this");
    if (command->more != NULL) {
        printf("\n%s", command->more);
    }
}
