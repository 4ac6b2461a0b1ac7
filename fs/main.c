/* main.c -- the program: a word says what to do, the rest is that command's. */
#include "fs/cli/cli.h"

#include <stdio.h>
#include <string.h>

static const struct cli_command *const commands[] = {
    &cli_init,       &cli_mount,  &cli_run,    &cli_status,   &cli_events,
    &cli_config,     &cli_locks,  &cli_log,    &cli_member,   &cli_transfer,
    &cli_quarantine, &cli_resync, &cli_check,  &cli_fault,    &cli_version,
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void print_commands(FILE *out)
{
    fprintf(
        out,
        "Usage: raftfs COMMAND [ARGUMENT...]\n\n"
        "A filesystem that several machines mount at once; all of them see\n"
        "the same tree, and each change is kept by a majority of them.\n\n");
    for (int i = 0; i < COMMANDS; i++) {
        fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->sentence);
    }
    fprintf(out, "  %-10s %s\n", "help", "This, or what one command can do");
    fprintf(out, "\n`raftfs COMMAND --help` says more. Exit status: 0 done, "
                 "1 it did not work,\n100 wrong usage, 111 the system "
                 "refused.\n");
}

static const struct cli_command *find(const char *name)
{
    for (int i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i]->name, name) == 0) {
            return commands[i];
        }
    }
    return NULL;
}

static int unknown(const char *name)
{
    fprintf(stderr, "raftfs: there is no command %s\n\n", name);
    print_commands(stderr);
    return CLI_USAGE;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return true;
        }
    }
    return false;
}

/* Help that nobody could read, onto a full disk for example, is a failure. */
static int printed(void)
{
    return fflush(stdout) == 0 ? CLI_OK : CLI_SYSTEM;
}

static int help(int argc, char **argv)
{
    if (argc == 0) {
        print_commands(stdout);
        return printed();
    }
    const struct cli_command *command = find(argv[0]);
    if (command == NULL) {
        return unknown(argv[0]);
    }
    cli_print_help(command);
    return printed();
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_commands(stderr);
        return CLI_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 ||
        strcmp(name, "-h") == 0) {
        return help(argc - 2, argv + 2);
    }
    const struct cli_command *command =
        strcmp(name, "--version") == 0 ? &cli_version : find(name);
    if (command == NULL) {
        return unknown(name);
    }
    struct cli cli = {.command = command, .argc = argc - 2, .argv = argv + 2};
    if (asks_for_help(cli.argc, cli.argv)) {
        cli_print_help(command);
        return printed();
    }
    return command->run(&cli);
}
