/* cli.h -- what the subcommands of `raftfs` share: options, help, messages.
 *
 * A command is a table of options and a function; reading the arguments and
 * printing --help both walk the table, so they cannot differ. Options may stand
 * anywhere; "--" ends them. Abbreviations are not options: a script that uses
 * one would break when a second option begins with the same letters.
 */
#ifndef FS_CLI_CLI_H
#define FS_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,   /* understood, but it did not work */
    CLI_USAGE = 100,  /* the command line or the configuration is wrong */
    CLI_SYSTEM = 111, /* the operating system refused */
};

struct cli_option {
    char letter;       /* or 0 */
    const char *name;  /* without --; or NULL */
    const char *value; /* what its value is called, NULL: takes none */
    const char *sentence;
};

struct cli;
struct cli_command {
    const char *name, *operands, *sentence;
    const char *more;                 /* further lines of --help, or NULL */
    const struct cli_option *options; /* ends with an empty one */
    int (*run)(struct cli *cli);      /* the exit code */
};

struct cli {
    const struct cli_command *command;
    int argc;
    char **argv;
    int at;             /* next argument */
    bool operands_only; /* "--" was seen */
    const char *value;  /* of the option, or the operand */
};

enum { CLI_END = -1, CLI_OPERAND = -2, CLI_MISUSE = -3 };
/* The next option as its place in the table, or one of the above; a misuse has
 * been told. */
int cli_next(struct cli *cli);
/* Adds the operand that cli_next() has found to the list, which holds at most
 * so many. 0 or CLI_USAGE (told). */
int cli_take_operand(struct cli *cli, const char **list, int *count, int most);

/* "raftfs COMMAND: ...", and where help is. Returns CLI_USAGE. */
int cli_misuse(const struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "raftfs COMMAND: ...". Returns code. */
int cli_fail(const struct cli *cli, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void cli_print_help(const struct cli_command *command);
/* The whole text must be a decimal number from min to max. */
bool cli_number(const char *text, uint64_t min, uint64_t max, uint64_t *out);

extern const struct cli_command cli_init, cli_mount, cli_run, cli_status,
    cli_events, cli_config, cli_quarantine, cli_resync, cli_member, cli_transfer, cli_locks,
    cli_log,
    cli_check, cli_fault, cli_version;

struct config;
enum cli_store {
    CLI_STORE_FIRST,  /* of a node that never was */
    CLI_STORE_AGAIN,  /* in the place of one that is lost: fs/rejoin.h */
    CLI_STORE_OF_TWO, /* likewise, and the cluster has one other node */
};
/* fs/cli/init.c: an empty log, tree and segments in a directory that has none. 0 or
 * an exit code (told). */
int cli_make_store(struct cli *cli, const char *datadir,
                   const struct config *config, enum cli_store kind);

#endif
