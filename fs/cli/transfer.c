#include "fs/cli/ask.h"
#include "fs/cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { TIMEOUT };
static const struct cli_option options[] = {
    [TIMEOUT] = {.name = "timeout",
                 .value = "SECONDS",
                 .sentence = "how long to wait for the outcome (30)"},
    {0},
};

struct order {
    const char *to; /* NULL: the best */
    char from[64];  /* who led when we first looked */
    char now[64];
};

static bool done(const json_t *members, void *arg)
{
    struct order *order = arg;
    const char *leader =
        json_string_value(json_object_get(members, "leader"));
    if (leader == NULL || leader[0] == '\0') {
        return false;
    }
    snprintf(order->now, sizeof(order->now), "%s", leader);
    return order->to != NULL ? strcmp(leader, order->to) == 0
                             : strcmp(leader, order->from) != 0;
}

static void progress(const json_t *members, void *arg, char text[256])
{
    (void)members;
    (void)arg;
    snprintf(text, 256, "waiting for the new leader");
}

/* A place on disk, or a name? */
static bool is_place(const char *text)
{
    struct stat status;
    return strchr(text, '/') != NULL || stat(text, &status) == 0;
}

static int read_arguments(struct cli *cli, struct order *order,
                          const char **node, uint64_t *timeout)
{
    const char *operands[2] = {NULL};
    int count = 0, got, rc = 0;
    while (rc == 0 && (got = cli_next(cli)) != CLI_END) {
        if (got == CLI_MISUSE) {
            return CLI_USAGE;
        }
        if (got == CLI_OPERAND) {
            rc = cli_take_operand(cli, operands, &count, 2);
        } else if (!cli_number(cli->value, 1, 86400, timeout)) {
            rc = cli_misuse(cli, "--timeout %s: seconds are expected",
                            cli->value);
        }
    }
    if (count == 1 && is_place(operands[0])) {
        *node = operands[0];
    } else {
        order->to = operands[0];
        *node = operands[1];
    }
    return rc;
}

static int hand_over(const struct cli *cli, struct order *order,
                     const char *datadir, uint64_t timeout)
{
    json_t *request = json_pack("{s:s}", "action", "transfer");
    if (order->to != NULL) {
        json_object_set_new(request, "name", json_string(order->to));
    }
    struct ask_change ask = {
        .datadir = datadir,
        .request = request,
        .done = done,
        .progress = progress,
        .arg = order,
        .timeout_s = (unsigned)timeout,
    };
    int rc = ask_change(cli, &ask);
    if (rc == CLI_OK) {
        printf("%s leads.\n", order->now);
        rc = fflush(stdout) == 0 ? CLI_OK : CLI_SYSTEM;
    }
    return rc;
}

static int run(struct cli *cli)
{
    struct order order = {.to = NULL};
    struct found found;
    const char *node = NULL;
    char *datadir = NULL, error[256];
    json_t *status = NULL;
    uint64_t timeout = 30;
    int rc = read_arguments(cli, &order, &node, &timeout);
    if (rc == 0) {
        rc = find_node(cli, node, &found);
    }
    if (rc != 0) {
        return rc;
    }
    if (find_status(&found, &status, error) == FIND_RUNNING) {
        const char *leader =
            json_string_value(json_object_get(status, "leader"));
        snprintf(order.from, sizeof(order.from), "%s",
                 leader != NULL ? leader : "");
    }
    json_decref(status);
    rc = ask_datadir(cli, &found, &datadir);
    if (rc == 0) {
        rc = hand_over(cli, &order, datadir, timeout);
    }
    free(datadir);
    found_release(&found);
    return rc;
}

const struct cli_command cli_transfer = {
    .name = "transfer",
    .operands = "[NAME] [DATADIR | MOUNTPOINT] [OPTION...]",
    .sentence = "Let another node lead",
    .more = "Without NAME: the best one that can. Work goes on meanwhile; nothing\n"
            "fails. May be given on any node.\n",
    .options = options,
    .run = run,
};
