#include "fs/cli/cli.h"
#include "fs/control.h"

#include <stdio.h>
#include <string.h>

static int ask(struct cli *cli, const char *datadir, const char *action,
               const char *node)
{
    char error[256];
    json_t *reply = NULL;
    json_t *request =
        json_pack("{s:s, s:s}", "command", "fault", "action", action);
    if (node != NULL) {
        json_object_set_new(request, "node", json_string(node));
    }
    int rc = control_call(datadir, request, &reply, error);
    json_decref(request);
    json_decref(reply);
    if (rc == CONTROL_NOT_RUNNING) {
        return cli_fail(cli, CLI_FAILED, "the node in %s is not running",
                        datadir);
    }
    return rc < 0 ? cli_fail(cli, CLI_FAILED, "%s", error) : CLI_OK;
}

static int run(struct cli *cli)
{
    const char *operands[3];
    int count = 0, got;
    while ((got = cli_next(cli)) != CLI_END) {
        if (got != CLI_OPERAND ||
            cli_take_operand(cli, operands, &count, 3) != 0) {
            return CLI_USAGE;
        }
    }
    const char *action = count >= 2 ? operands[1] : "";
    bool heal = strcmp(action, "heal") == 0;
    if (!heal && strcmp(action, "cut") != 0 && strcmp(action, "uncut") != 0) {
        return cli_misuse(cli, "a data directory and one of cut NODE, uncut "
                               "NODE, heal are expected");
    }
    if (heal && count > 2) {
        return cli_misuse(cli, "heal takes no node");
    }
    if (!heal && count < 3) {
        return cli_misuse(cli, "which node? %s NODE is expected", action);
    }
    return ask(cli, operands[0], action, heal ? NULL : operands[2]);
}

static const struct cli_option options[] = {{0}};

const struct cli_command cli_fault = {
    .name = "fault",
    .operands = "DATADIR cut NODE | uncut NODE | heal",
    .sentence = "For tests: cut this node's way to another",
    .more = "cut NODE drops, silently, everything that the node in DATADIR\n"
            "sends to NODE; uncut NODE ends that; heal ends all cuts of this\n"
            "node. Refused unless the node was started with --allow-faults.\n",
    .options = options,
    .run = run,
};
