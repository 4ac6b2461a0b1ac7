/* `raftfs config`: what a running node goes by. */
#include "fs/cli/ask.h"
#include "fs/cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLUSTER };

static const struct cli_option options[] = {
    [CLUSTER] = {.name = "cluster",
                 .sentence = "of all nodes, by a record of the log"},
    {0},
};

static void print_value(const json_t *value)
{
    if (json_is_string(value)) {
        printf("%s\n", json_string_value(value));
    } else {
        json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_INDENT(2));
        putchar('\n');
    }
}

static int get(struct cli *cli, const struct found *found, const char *key,
               bool cluster)
{
    json_t *reply = NULL;
    json_t *request = json_pack("{s:s, s:s, s:b}", "command", "config",
                                "action", "get", "cluster", (int)cluster);
    if (key != NULL) {
        json_object_set_new(request, "key", json_string(key));
    }
    int rc = find_ask(cli, found, request, &reply);
    if (rc != 0) {
        return rc;
    }
    const json_t *config = json_object_get(reply, "config");
    print_value(key == NULL ? config : json_object_get(config, key));
    json_decref(reply);
    return fflush(stdout) == 0 ? CLI_OK : CLI_SYSTEM;
}

/* 250, true and "text" are JSON; nothing takes the value back; any other word is
 * a text. */
static json_t *value_of(const char *word)
{
    if (*word == '\0') {
        return json_null();
    }
    json_t *value = json_loads(word, JSON_DECODE_ANY, NULL);
    return value != NULL ? value : json_string(word);
}

static int set(struct cli *cli, const struct found *found, const char *key,
               const char *word, bool cluster)
{
    json_t *reply = NULL;
    json_t *request = json_pack("{s:s, s:s, s:s, s:o, s:b}", "command",
                                "config", "action", "set", "key", key, "value",
                                value_of(word), "cluster", (int)cluster);
    if (request == NULL) {
        return cli_misuse(cli, "%s: this is not UTF-8", word);
    }
    int rc = find_ask(cli, found, request, &reply);
    if (rc == 0 && cluster) {
        rc = ask_submitted(cli, found, reply);
    }
    json_decref(reply);
    return rc;
}

/* The name of a node stands last. */
static int run(struct cli *cli)
{
    const char *operands[3] = {NULL};
    bool cluster = false;
    int count = 0, got, rc = 0;
    struct found found;
    while (rc == 0 && (got = cli_next(cli)) != CLI_END) {
        if (got == CLI_MISUSE) {
            return CLI_USAGE;
        }
        if (got == CLI_OPERAND) {
            rc = cli_take_operand(cli, operands, &count, 3);
        }
        cluster = cluster || got == CLUSTER;
    }
    if (rc != 0) {
        return rc;
    }
    bool sets = count > 1 && strcmp(operands[0], "set") == 0;
    if (count == 0 || (!sets && strcmp(operands[0], "get") != 0)) {
        return cli_misuse(cli, "get [KEY] or set KEY=VALUE is expected");
    }
    char *key = operands[1] != NULL ? strdup(operands[1]) : NULL;
    char *value = key != NULL ? strchr(key, '=') : NULL;
    const char *where = operands[2];
    if (!sets && count == 2 && strchr(key, '/') != NULL) {
        where = operands[1]; /* config get DATADIR */
        free(key);
        key = NULL;
    }
    if (sets && value == NULL) {
        rc = cli_misuse(cli, "%s: KEY=VALUE is expected", operands[1]);
    }
    if (rc == 0) {
        rc = find_node(cli, where, &found);
    }
    if (rc == 0) {
        if (sets) {
            *value = '\0';
            rc = set(cli, &found, key, value + 1, cluster);
        } else {
            rc = get(cli, &found, key, cluster);
        }
        found_release(&found);
    }
    free(key);
    return rc;
}

const struct cli_command cli_config = {
    .name = "config",
    .operands = "get [KEY] | set KEY=VALUE [DATADIR | MOUNTPOINT]",
    .sentence = "Show or change what a running node goes by",
    .more = "These can be set: heartbeat_ms, op_timeout_ms, log_trailing,\n"
            "log_trailing_mb, snapshot_mb_s, window_mb; at once and in this node's\n"
            "raftfs.json or, with --cluster, for all nodes, which counts more.\n"
            "--cluster KEY= takes that back. log_level: of this node until its\n"
            "next start. Without KEY a directory is told from a key by its slash.\n",
    .options = options,
    .run = run,
};
