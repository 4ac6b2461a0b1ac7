/* `raftfs quarantine`: superseded commands that nobody has made good. */
#include "fs/cli/ask.h"
#include "fs/cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { JSON, PAYLOAD };

static const struct cli_option options[] = {
    [JSON] = {.name = "json", .sentence = "for programs"},
    [PAYLOAD] = {.name = "payload",
                 .sentence = "show: the bytes of a write alone"},
    {0},
};

static json_int_t number(const json_t *record, const char *key)
{
    return json_integer_value(json_object_get(record, key));
}

static const char *text(const json_t *record, const char *key)
{
    const char *value = json_string_value(json_object_get(record, key));
    return value != NULL ? value : "-";
}

static json_t *request_for(const char *action, uint64_t id)
{
    return json_pack("{s:s, s:s, s:I}", "command", "quarantine", "action",
                     action, "id", (json_int_t)id);
}

/* --- printing --- */

static void print_list(const json_t *reply)
{
    const json_t *list = json_object_get(reply, "quarantine");
    if (json_array_size(list) > 0) {
        printf("%5s  %-20s  %-8s  %5s  %-15s  %9s  %s\n", "ID", "TIME", "NODE",
               "UID", "PROGRAM", "BYTES", "OPERATION");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        printf("%5lld  %-20s  %-8s  %5lld  %-15s  %9lld  %s\n",
               (long long)number(row, "id"), text(row, "time"),
               text(row, "node"), (long long)number(row, "uid"),
               text(row, "comm"), (long long)number(row, "size"),
               text(row, "operation"));
    }
}

/* sscanf(3) would look for the end of the text, a megabyte away, each time. */
static unsigned digit(char hex)
{
    return hex <= '9' ? (unsigned)(hex - '0') : (unsigned)(hex - 'a') + 10;
}

static unsigned byte_at(const char *hex, size_t i)
{
    return (digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1])) & 0xff;
}

static void print_dump(const char *hex)
{
    size_t size = strlen(hex) / 2;
    for (size_t at = 0; at < size; at += 16) {
        size_t end = at + 16 < size ? at + 16 : size;
        printf("%08zx ", at);
        for (size_t i = at; i < at + 16; i++) {
            if (i < end) {
                printf(" %02x", byte_at(hex, i));
            } else {
                printf("   ");
            }
        }
        printf("  |");
        for (size_t i = at; i < end; i++) {
            unsigned byte = byte_at(hex, i);
            putchar(byte >= ' ' && byte < 0x7f ? (int)byte : '.');
        }
        printf("|\n");
    }
}

static void print_side(const char *what, const json_t *record)
{
    if (!json_is_object(record)) {
        printf("%-11s not in the log any more\n", what);
        return;
    }
    printf("%-11s index %lld of term %lld, %s, node %s, uid %lld, %s: %s\n",
           what, (long long)number(record, "index"),
           (long long)number(record, "term"), text(record, "time"),
           text(record, "node"), (long long)number(record, "uid"),
           text(record, "comm"), text(record, "operation"));
}

static void print_one(const json_t *reply)
{
    const char *payload = text(reply, "payload");
    print_side("superseded", reply);
    print_side("instead", json_object_get(reply, "instead"));
    if (number(reply, "size") > 0) {
        printf("payload     %lld bytes\n", (long long)number(reply, "size"));
        print_dump(payload);
    }
}

static void print_payload(const json_t *reply)
{
    const char *hex = text(reply, "payload");
    size_t size = strlen(hex) / 2;
    for (size_t i = 0; i < size; i++) {
        putchar((int)byte_at(hex, i));
    }
}

/* --- what is asked for --- */

/* The node reads large ones from its disk meanwhile. */
static int ask_until_read(const struct cli *cli, const struct found *found,
                          const char *action, uint64_t id, json_t **reply)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000000L};
    int rc = find_ask(cli, found, request_for(action, id), reply);
    while (rc == 0 && json_is_true(json_object_get(*reply, "waiting"))) {
        json_decref(*reply);
        *reply = NULL;
        nanosleep(&pause, NULL);
        rc = find_ask(cli, found, request_for(action, id), reply);
    }
    return rc;
}

static int work(struct cli *cli, const struct found *found, const char *action,
                uint64_t id, const bool given[])
{
    json_t *reply = NULL;
    int rc = ask_until_read(cli, found, action, id, &reply);
    if (rc != 0) {
        return rc;
    }
    if (strcmp(action, "replay") == 0) {
        rc = ask_submitted(cli, found, reply);
    } else if (given[PAYLOAD]) {
        print_payload(reply);
    } else if (given[JSON]) {
        json_dumpf(reply, stdout, JSON_COMPACT);
        putchar('\n');
    } else if (strcmp(action, "list") == 0) {
        print_list(reply);
    } else if (strcmp(action, "show") == 0) {
        print_one(reply);
    }
    json_decref(reply);
    return rc != 0 ? rc : fflush(stdout) == 0 ? CLI_OK : CLI_SYSTEM;
}

static bool is_action(const char *word)
{
    return strcmp(word, "list") == 0 || strcmp(word, "show") == 0 ||
           strcmp(word, "drop") == 0 || strcmp(word, "replay") == 0;
}

static int run(struct cli *cli)
{
    const char *operands[3] = {NULL};
    bool given[2] = {false};
    int count = 0, got, rc = 0;
    uint64_t id = 0;
    struct found found;
    while (rc == 0 && (got = cli_next(cli)) != CLI_END) {
        if (got == CLI_MISUSE) {
            return CLI_USAGE;
        }
        if (got == CLI_OPERAND) {
            rc = cli_take_operand(cli, operands, &count, 3);
        } else {
            given[got] = true;
        }
    }
    if (rc != 0) {
        return rc;
    }
    if (count == 0 || !is_action(operands[0])) {
        return cli_misuse(cli, "one of list, show N, drop N, replay N is "
                               "expected");
    }
    bool lists = strcmp(operands[0], "list") == 0;
    if (!lists && (count < 2 || !cli_number(operands[1], 1, INT64_MAX, &id))) {
        return cli_misuse(cli, "%s which record? `raftfs quarantine list` "
                               "shows their numbers",
                          operands[0]);
    }
    if (lists && count == 3) {
        return cli_misuse(cli, "%s: there is one argument too many",
                          operands[2]);
    }
    rc = find_node(cli, operands[lists ? 1 : 2], &found);
    if (rc == 0) {
        rc = work(cli, &found, operands[0], id, given);
        found_release(&found);
    }
    return rc;
}

const struct cli_command cli_quarantine = {
    .name = "quarantine",
    .operands = "list | show N | drop N | replay N [DATADIR | MOUNTPOINT]",
    .sentence = "Changes of a leader that was cut off, which nobody made good",
    .more = "list shows what this node keeps; show N both sides of the conflict\n"
            "and the bytes of a write; drop N forgets one; replay N submits it\n"
            "again, as a new change with the old caller's rights, and waits for\n"
            "its result. What a caller asked for again successfully is not here.\n",
    .options = options,
    .run = run,
};
