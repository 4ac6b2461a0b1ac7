/* `raftfs events`: what happened to a node, with the codes of
 * raft/hull/event.h. */
#include "fs/cli/cli.h"
#include "fs/cli/find.h"

#include <stdio.h>
#include <time.h>

enum { FOLLOW, JSON, WARNINGS };

static const struct cli_option options[] = {
    [FOLLOW] = {.letter = 'f',
                .name = "follow",
                .sentence = "go on with events as they happen"},
    [JSON] = {.name = "json", .sentence = "one JSON object a line"},
    [WARNINGS] = {.name = "warnings", .sentence = "warnings and worse alone"},
    {0},
};

static json_int_t number(const json_t *event, const char *key)
{
    return json_integer_value(json_object_get(event, key));
}

static const char *text(const json_t *event, const char *key)
{
    const char *value = json_string_value(json_object_get(event, key));
    return value != NULL ? value : "-";
}

static void print_event(const json_t *event)
{
    printf("%s %-5s %-17s %-8s ", text(event, "time"), text(event, "severity"),
           text(event, "code"), text(event, "peer"));
    if (number(event, "term") != 0) {
        printf("term %lld: ", (long long)number(event, "term"));
    }
    printf("%s\n", text(event, "text"));
}

static void print(const json_t *events, bool json)
{
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *event = json_array_get(events, i);
        if (json) {
            json_dumpf(event, stdout, JSON_COMPACT);
            putchar('\n');
        } else {
            print_event(event);
        }
    }
}

static int show(struct cli *cli, const struct found *found, const bool given[])
{
    const struct timespec pause = {.tv_nsec = 200 * 1000 * 1000};
    json_int_t next = 1;
    for (;;) {
        json_t *reply = NULL;
        json_t *request = json_pack("{s:s, s:I, s:b}", "command", "events",
                                    "from", next, "warnings", given[WARNINGS]);
        int rc = find_ask(cli, found, request, &reply);
        if (rc != 0) {
            return rc;
        }
        print(json_object_get(reply, "events"), given[JSON]);
        next = number(reply, "next");
        json_decref(reply);
        if (fflush(stdout) != 0) {
            return CLI_SYSTEM;
        }
        if (!given[FOLLOW]) {
            return CLI_OK;
        }
        nanosleep(&pause, NULL);
    }
}

static int run(struct cli *cli)
{
    const char *operands[1] = {NULL};
    bool given[3] = {false};
    int count = 0, got, rc = 0;
    struct found found;
    while (rc == 0 && (got = cli_next(cli)) != CLI_END) {
        if (got == CLI_MISUSE) {
            return CLI_USAGE;
        }
        if (got == CLI_OPERAND) {
            rc = cli_take_operand(cli, operands, &count, 1);
        } else {
            given[got] = true;
        }
    }
    if (rc == 0) {
        rc = find_node(cli, operands[0], &found);
    }
    if (rc != 0) {
        return rc;
    }
    rc = show(cli, &found, given);
    found_release(&found);
    return rc;
}

const struct cli_command cli_events = {
    .name = "events",
    .operands = "[DATADIR | MOUNTPOINT] [OPTION...]",
    .sentence = "Show what happened to a node: the last 1024 events",
    .more = "Severities: info, the life of a node; warn, something was lost,\n"
            "refused or retried; fault, the node has taken itself out of\n"
            "service; fatal, two nodes contradict each other.\n",
    .options = options,
    .run = run,
};
