#include "fs/cli/ask.h"
#include "fs/cli/cli.h"
#include "fs/control.h"
#include "raft/json/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JSON, LEARNER, FORCE, PRIORITY, TIMEOUT };
static const struct cli_option options[] = {
    [JSON] = {.name = "json", .sentence = "list: for programs, on one line"},
    [LEARNER] = {.name = "learner",
                 .sentence = "add: never to vote, until it is promoted"},
    [FORCE] = {.name = "force",
               .sentence = "remove: also below the voters it was made for"},
    [PRIORITY] = {.name = "priority",
                  .value = "0..255",
                  .sentence = "add: whether it shall lead (100)"},
    [TIMEOUT] = {.name = "timeout",
                 .value = "SECONDS",
                 .sentence = "how long to wait for the outcome (300)"},
    {0},
};

struct order {
    const char *action, *what, *node; /* what: as it was given */
    char name[RAFT_NAME_SIZE], address[RAFT_ADDRESS_SIZE];
    uint64_t number, timeout_s; /* number: a priority */
    bool json, learner, force, number_given;
};

/* --- the arguments --- */

static bool is(const struct order *order, const char *action)
{
    return strcmp(order->action, action) == 0;
}

static int take_name(struct cli *cli, struct order *order, bool with_address)
{
    char host[256], port[16];
    const char *equals = strchr(order->what, '=');
    size_t size = equals != NULL ? (size_t)(equals - order->what)
                                 : strlen(order->what);
    if ((equals != NULL) != with_address) {
        return cli_misuse(cli, "%s: %s is expected", order->what,
                          with_address ? "NAME=ADDRESS:PORT" : "NAME");
    }
    if (size < sizeof(order->name)) {
        memcpy(order->name, order->what, size);
        order->name[size] = '\0';
    }
    if (!config_name_ok(order->name)) {
        return cli_misuse(cli, "%s: that is not a name of a node", order->what);
    }
    if (with_address && (strlen(equals + 1) >= sizeof(order->address) ||
                         config_split_address(equals + 1, host, port) < 0)) {
        return cli_misuse(cli, "%s: HOST:PORT or [V6]:PORT is expected",
                          order->what);
    }
    snprintf(order->address, sizeof(order->address), "%s",
             with_address ? equals + 1 : "");
    return 0;
}

static int take_option(struct cli *cli, struct order *order, int option)
{
    switch (option) {
    case JSON:
        order->json = true;
        return 0;
    case LEARNER:
        order->learner = true;
        return 0;
    case FORCE:
        order->force = true;
        return 0;
    case PRIORITY:
        order->number_given = true;
        return cli_number(cli->value, 0, 255, &order->number)
                   ? 0
                   : cli_misuse(cli, "--priority %s: 0 to 255 is expected",
                                cli->value);
    default:
        return cli_number(cli->value, 1, 86400, &order->timeout_s)
                   ? 0
                   : cli_misuse(cli, "--timeout %s: seconds are expected",
                                cli->value);
    }
}

static int take_operands(struct cli *cli, struct order *order,
                         const char **operands, int count)
{
    int needed = 0;
    order->action = count > 0 ? operands[0] : "list";
    if (is(order, "list")) {
        needed = 1;
    } else if (is(order, "add") || is(order, "move") || is(order, "promote") ||
               is(order, "remove")) {
        needed = 2;
    } else if (is(order, "priority")) {
        needed = 3;
    } else {
        return cli_misuse(cli, "%s: list, add, promote, remove, move or "
                               "priority is expected",
                          order->action);
    }
    if (count < needed && count > 0) {
        return cli_misuse(cli, needed == 3 ? "%s: NAME and a number are expected"
                                           : "%s: which node?",
                          order->action);
    }
    if (count > needed + 1) {
        return cli_misuse(cli, "%s: there is one argument too many",
                          operands[count - 1]);
    }
    order->node = count > needed ? operands[needed] : NULL;
    if (needed == 3 && !cli_number(operands[2], 0, 255, &order->number)) {
        return cli_misuse(cli, "%s: 0 to 255 is expected", operands[2]);
    }
    if (needed < 2) {
        return 0;
    }
    order->what = operands[1];
    return take_name(cli, order, is(order, "add") || is(order, "move"));
}

static int read_arguments(struct cli *cli, struct order *order)
{
    const char *operands[4] = {NULL};
    int count = 0, got, rc = 0;
    while (rc == 0 && (got = cli_next(cli)) != CLI_END) {
        if (got == CLI_MISUSE) {
            return CLI_USAGE;
        }
        rc = got == CLI_OPERAND ? cli_take_operand(cli, operands, &count, 4)
                                : take_option(cli, order, got);
    }
    return rc != 0 ? rc : take_operands(cli, order, operands, count);
}

/* --- list --- */

static const char *text_of(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value != NULL ? value : "";
}

static bool is_set(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

static void print_list(const json_t *members)
{
    size_t i;
    json_t *member;
    printf("%-12s %-24s %-8s %8s  %s\n", "name", "address", "role", "priority",
           "state");
    json_array_foreach(json_object_get(members, "members"), i, member)
    {
        json_int_t lag = json_integer_value(json_object_get(member, "lag"));
        printf("%-12s %-24s %-8s %8lld  %s%s%s", text_of(member, "name"),
               text_of(member, "address"), text_of(member, "role"),
               (long long)json_integer_value(
                   json_object_get(member, "priority")),
               is_set(member, "leader") ? "leads" : "",
               is_set(member, "this_node") ? " (this node)" : "",
               is_set(member, "connected") ? "" : "not connected");
        if (lag > 0) {
            printf(" lacks %lld records", (long long)lag);
        }
        putchar('\n');
    }
    if (is_set(members, "pending")) {
        puts("The last change of this list is not committed yet.");
    }
    if (is_set(members, "removed")) {
        puts("This node was removed from the cluster.");
    }
}

static int list(const struct cli *cli, const struct order *order,
                const char *datadir)
{
    char error[256] = "";
    json_t *reply = NULL;
    json_t *request = json_pack("{s:s}", "command", "members");
    int rc = control_call(datadir, request, &reply, error);
    json_decref(request);
    if (rc == CONTROL_NOT_RUNNING) {
        return cli_fail(cli, CLI_FAILED, "the node in %s is not running",
                        datadir);
    }
    if (rc < 0) {
        return cli_fail(cli, CLI_FAILED, "%s", error);
    }
    if (order->json) {
        json_dumpf(reply, stdout, JSON_COMPACT);
        putchar('\n');
    } else {
        print_list(reply);
    }
    json_decref(reply);
    return fflush(stdout) == 0 ? CLI_OK : CLI_SYSTEM;
}

/* --- changes --- */

static const json_t *find(const json_t *members, const char *key,
                          const char *name)
{
    size_t i;
    json_t *member;
    json_array_foreach(json_object_get(members, key), i, member)
    {
        if (strcmp(text_of(member, "name"), name) == 0) {
            return member;
        }
    }
    return NULL;
}

/* The committed list counts: nothing can take that back. */
static bool done(const json_t *members, void *arg)
{
    const struct order *order = arg;
    const json_t *member = find(members, "committed", order->name);
    if (is(order, "remove")) {
        return member == NULL;
    }
    if (member == NULL) {
        return false;
    }
    if (is(order, "move")) {
        return strcmp(text_of(member, "address"), order->address) == 0;
    }
    if (is(order, "priority")) {
        return (uint64_t)json_integer_value(
                   json_object_get(member, "priority")) == order->number;
    }
    return order->learner || strcmp(text_of(member, "role"), "voter") == 0;
}

static void progress(const json_t *members, void *arg, char text[256])
{
    const struct order *order = arg;
    const json_t *member = find(members, "members", order->name);
    json_int_t lag = json_integer_value(json_object_get(member, "lag"));
    if (is(order, "remove") || member == NULL ||
        strcmp(text_of(member, "role"), "joining") != 0) {
        snprintf(text, 256, "waiting until a majority has it");
    } else if (is_set(member, "needs_snapshot")) {
        snprintf(text, 256,
                 "%s needs a snapshot: the log does not go back to the "
                 "beginning any more",
                 order->name);
    } else if (!is_set(member, "connected")) {
        snprintf(text, 256, "%s is a member and catches up; this node has no "
                            "connection to it yet",
                 order->name);
    } else if (lag > 0) {
        snprintf(text, 256, "%s catches up: it lacks %lld records", order->name,
                 (long long)lag);
    } else {
        snprintf(text, 256, "%s catches up", order->name);
    }
}

static json_t *request_of(const struct order *order)
{
    json_t *request = json_pack("{s:s,s:s,s:b,s:b}", "action", order->action,
                                "name", order->name, "force", order->force,
                                "learner", order->learner);
    if (order->address[0] != '\0') {
        json_object_set_new(request, "address", json_string(order->address));
    }
    if (order->number_given || is(order, "priority")) {
        json_object_set_new(request, "priority",
                            json_integer((json_int_t)order->number));
    }
    return request;
}

static int change(const struct cli *cli, struct order *order,
                  const char *datadir)
{
    struct ask_change ask = {
        .datadir = datadir,
        .request = request_of(order),
        .done = done,
        .progress = progress,
        .arg = order,
        .timeout_s = (unsigned)order->timeout_s,
    };
    int rc = ask_change(cli, &ask);
    if (rc != CLI_OK) {
        return rc;
    }
    if (is(order, "remove")) {
        printf("%s is not a member any more.\n", order->name);
    } else if (is(order, "move")) {
        printf("%s is at %s now.\n", order->name, order->address);
    } else if (is(order, "priority")) {
        printf("%s has priority %llu.\n", order->name,
               (unsigned long long)order->number);
    } else {
        printf("%s is a member%s.\n", order->name,
               order->learner ? ", and does not vote" : " and votes");
    }
    return fflush(stdout) == 0 ? CLI_OK : CLI_SYSTEM;
}

static int run(struct cli *cli)
{
    struct order order = {.timeout_s = 300};
    struct found found;
    char *datadir = NULL;
    int rc = read_arguments(cli, &order);
    if (rc == 0) {
        rc = find_node(cli, order.node, &found);
    }
    if (rc != 0) {
        return rc;
    }
    rc = ask_datadir(cli, &found, &datadir);
    if (rc == 0) {
        rc = is(&order, "list") ? list(cli, &order, datadir)
                                : change(cli, &order, datadir);
    }
    free(datadir);
    found_release(&found);
    return rc;
}

const struct cli_command cli_member = {
    .name = "member",
    .operands = "[ACTION...] [DATADIR | MOUNTPOINT] [OPTION...]",
    .sentence = "Show and change who belongs to the cluster",
    .more =
        "  list                       who belongs to it\n"
        "  add NAME=ADDRESS:PORT      a new node (made with `raftfs init "
        "--join`)\n"
        "                             gets all records, then votes\n"
        "  promote NAME               a learner is to vote\n"
        "  remove NAME                running or not\n"
        "  move NAME=ADDRESS:PORT     to another address; it may run\n"
        "  priority NAME 0..255       the highest leads, when it can\n\n"
        "May be given on any node. Waits until it is done, and says how it "
        "goes.\n",
    .options = options,
    .run = run,
};
