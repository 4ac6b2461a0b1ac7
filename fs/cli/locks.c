#include "fs/cli/ask.h"
#include "fs/cli/cli.h"

#include <stdio.h>
#include <string.h>

enum { JSON };

static const struct cli_option options[] = {
    [JSON] = {.name = "json", .sentence = "for programs"},
    {0},
};

static json_int_t number(const json_t *lock, const char *key)
{
    return json_integer_value(json_object_get(lock, key));
}

static const char *text(const json_t *lock, const char *key)
{
    const char *value = json_string_value(json_object_get(lock, key));
    return value != NULL ? value : "";
}

static void print_lock(const json_t *lock)
{
    const json_t *range = json_object_get(lock, "range");
    const json_t *last = json_array_get(range, 1);
    json_int_t start = json_integer_value(json_array_get(range, 0));
    bool waits = json_is_true(json_object_get(lock, "waits"));
    char bytes[64] = "all";
    if (json_is_integer(last)) {
        snprintf(bytes, sizeof(bytes), "%lld-%lld", (long long)start,
                 (long long)json_integer_value(last));
    } else if (start != 0) {
        snprintf(bytes, sizeof(bytes), "%lld-", (long long)start);
    }
    printf("%6lld  %8lld  %-5s  %-5s  %-5s  %-15s  %-8s  %7lld  %-15s  %8.1f\n",
           (long long)number(lock, "id"), (long long)number(lock, "inode"),
           text(lock, "kind"),
           text(lock, "type"), waits ? "waits" : "holds", bytes,
           text(lock, "node"), (long long)number(lock, "pid"),
           text(lock, "command"),
           json_number_value(json_object_get(lock, "age_s")));
}

static void print(const json_t *reply)
{
    const json_t *locks = json_object_get(reply, "locks");
    if (json_array_size(locks) == 0) {
        return; /* nothing, as `ls` of an empty directory */
    }
    printf("%6s  %8s  %-5s  %-5s  %-5s  %-15s  %-8s  %7s  %-15s  %8s\n", "ID",
           "INODE", "KIND", "TYPE", "", "BYTES", "NODE", "PID", "COMMAND",
           "SECONDS");
    for (size_t i = 0; i < json_array_size(locks); i++) {
        print_lock(json_array_get(locks, i));
    }
}

static int list(struct cli *cli, const struct found *found, bool json)
{
    json_t *reply = NULL;
    int rc = find_ask(cli, found, json_pack("{s:s}", "command", "locks"),
                      &reply);
    if (rc != 0) {
        return rc;
    }
    if (json) {
        json_dumpf(reply, stdout, JSON_COMPACT);
        putchar('\n');
    } else {
        print(reply);
    }
    json_decref(reply);
    return fflush(stdout) == 0 ? CLI_OK : CLI_SYSTEM;
}

static int break_lock(struct cli *cli, const struct found *found, uint64_t id)
{
    json_t *reply = NULL;
    int rc = find_ask(cli, found,
                      json_pack("{s:s, s:s, s:I}", "command", "locks",
                                "action", "break", "id", (json_int_t)id),
                      &reply);
    if (rc == 0) {
        rc = ask_submitted(cli, found, reply);
    }
    json_decref(reply);
    return rc;
}

static int run(struct cli *cli)
{
    const char *operands[3] = {NULL};
    bool json = false;
    int count = 0, got, rc = 0;
    uint64_t id = 0;
    struct found found;
    while (rc == 0 && (got = cli_next(cli)) != CLI_END) {
        if (got == CLI_MISUSE) {
            return CLI_USAGE;
        }
        if (got == CLI_OPERAND) {
            rc = cli_take_operand(cli, operands, &count, 3);
        }
        json = json || got == JSON;
    }
    if (rc != 0) {
        return rc;
    }
    bool breaks = count > 0 && strcmp(operands[0], "break") == 0;
    if (breaks &&
        (count < 2 || !cli_number(operands[1], 1, INT64_MAX, &id))) {
        return cli_misuse(cli, "break which lock? `raftfs locks` shows their "
                               "numbers");
    }
    if (!breaks && count > 1) {
        return cli_misuse(cli, "%s: there is one argument too many",
                          operands[1]);
    }
    rc = find_node(cli, operands[breaks ? 2 : 0], &found);
    if (rc == 0) {
        rc = breaks ? break_lock(cli, &found, id) : list(cli, &found, json);
        found_release(&found);
    }
    return rc;
}

const struct cli_command cli_locks = {
    .name = "locks",
    .operands = "[break ID] [DATADIR | MOUNTPOINT] [OPTION...]",
    .sentence = "Show who holds and who waits for locks, on all nodes",
    .more = "`find MOUNTPOINT -inum INODE` names the file. What is shown is what\n"
            "this node knows; without a majority it may be old. break ID takes a\n"
            "lock from its holder and gives it to who waits; the holder's node\n"
            "refuses (EIO) what is written through descriptors of that file that\n"
            "are open there.\n",
    .options = options,
    .run = run,
};
