#include "fs/cli/cli.h"

#include <stdio.h>

static int run(struct cli *cli)
{
    int got = cli_next(cli);
    if (got == CLI_OPERAND) {
        return cli_misuse(cli, "%s: there is one argument too many",
                          cli->value);
    }
    if (got != CLI_END) {
        return CLI_USAGE;
    }
    puts("raftfs " RAFTFS_VERSION);
    return fflush(stdout) == 0 ? CLI_OK : CLI_SYSTEM;
}

static const struct cli_option options[] = {{0}};

const struct cli_command cli_version = {
    .name = "version",
    .operands = "",
    .sentence = "Print name and version",
    .options = options,
    .run = run,
};
