#include "fs/cli/cli.h"
#include "fs/control.h"

#include <stdio.h>
#include <string.h>

static int ask(struct cli *cli, const char *datadir, json_t *request)
{
    char error[256];
    json_t *reply = NULL;
    int rc = control_call(datadir, request, &reply, error);
    json_decref(request);
    json_decref(reply);
    if (rc == CONTROL_NOT_RUNNING) {
        return cli_fail(cli, CLI_FAILED, "the node in %s is not running",
                        datadir);
    }
    return rc < 0 ? cli_fail(cli, CLI_FAILED, "%s", error) : CLI_OK;
}

enum { FAULT_ACTIONS = 5 };

static int run(struct cli *cli)
{
    static const char *const actions[] = {"heal", "mend", "cut", "uncut",
                                          "fail"};
    const char *operands[4];
    int count = 0, got, action = 0;
    uint64_t times = 0;
    while ((got = cli_next(cli)) != CLI_END) {
        if (got != CLI_OPERAND ||
            cli_take_operand(cli, operands, &count, 4) != 0) {
            return CLI_USAGE;
        }
    }
    while (action < FAULT_ACTIONS &&
           (count < 2 || strcmp(operands[1], actions[action]) != 0)) {
        action++;
    }
    if (action == FAULT_ACTIONS) {
        return cli_misuse(cli, "a data directory and one of cut NODE, uncut "
                               "NODE, heal, fail POINT, mend are expected");
    }
    bool alone = action < 2, fails = action == 4;
    if (count != (alone ? 2 : 3) && (!fails || count != 4)) {
        return cli_misuse(cli, "%s takes %s", actions[action],
                          alone   ? "nothing else"
                          : fails ? "a point and how often"
                                  : "one node");
    }
    if (count == 4 && !cli_number(operands[3], 1, INT32_MAX, &times)) {
        return cli_misuse(cli, "%s: this is not a number of times",
                          operands[3]);
    }
    json_t *request = json_pack("{s:s, s:s, s:I}", "command", "fault",
                                "action", actions[action], "count",
                                (json_int_t)times);
    if (!alone) {
        json_object_set_new(request, fails ? "point" : "node",
                            json_string(operands[2]));
    }
    return ask(cli, operands[0], request);
}

static const struct cli_option options[] = {{0}};

const struct cli_command cli_fault = {
    .name = "fault",
    .operands = "DATADIR cut NODE | uncut NODE | heal | fail POINT [TIMES] | mend",
    .sentence = "For tests: cut a way to another node, make calls fail",
    .more = "cut NODE drops, silently, everything that the node in DATADIR\n"
            "sends to NODE; uncut NODE ends that; heal ends all cuts of this\n"
            "node. fail POINT makes a call fail, so many TIMES or until mend:\n"
            "log-write, log-full (as on a full disk), log-cut, sync, stage,\n"
            "undo, apply; disk-full pretends that the disk is. Refused unless the\n"
            "node was started with --allow-faults.\n",
    .options = options,
    .run = run,
};
