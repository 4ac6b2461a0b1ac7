/* `raftfs log`: who did what, in the one order that all nodes share. */
#include "fs/cli/cli.h"
#include "fs/cli/find.h"
#include "fs/command.h"
#include "raft/json/config.h"
#include "raft/wire/record.h"
#include "store/error.h"
#include "store/inspect.h"
#include "store/raftlog.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FROM, FOLLOW, JSON };

static const struct cli_option options[] = {
    [FROM] = {.name = "from",
              .value = "INDEX",
              .sentence = "begin with this record"},
    [FOLLOW] = {.letter = 'f',
                .name = "follow",
                .sentence = "go on with records as they are applied"},
    [JSON] = {.name = "json", .sentence = "one JSON object a line"},
    {0},
};

struct viewer {
    struct raftlog_reader *reader; /* owned */
    struct inspect_results results;
    struct config config; /* names of nodes */
    bool has_config, json, follow;
    uint64_t next, applied;
};

/* What is shown of one record. */
struct shown {
    const struct record *record;
    struct command command; /* op 0: none */
    char time[40], node[64], comm[64], operation[8192], result[32];
};

/* --- text of a record --- */

static void put_time(char *out, size_t size, uint64_t ns)
{
    time_t seconds = (time_t)(ns / 1000000000);
    struct tm utc;
    if (gmtime_r(&seconds, &utc) == NULL) {
        snprintf(out, size, "%" PRIu64 "ns", ns);
        return;
    }
    size_t used = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + used, size - used, ".%09" PRIu64 "Z", ns % 1000000000);
}

static void put_node(const struct viewer *viewer, node_id id, char *out,
                     size_t size)
{
    const char *name =
        viewer->has_config ? config_node_name(&viewer->config, id) : NULL;
    if (id == 0) {
        snprintf(out, size, "-");
    } else if (name != NULL) {
        snprintf(out, size, "%s", name);
    } else {
        snprintf(out, size, "%016" PRIx64, id);
    }
}

/* A program calls itself what it likes: anything but plain letters is shown as
 * \xNN. */
static void put_plain(const char *from, char *out, size_t size)
{
    size_t used = 0;
    for (; *from != '\0' && used + 5 <= size; from++) {
        bool plain = *from > ' ' && *from < 0x7f && *from != '\\';
        used +=
            (size_t)snprintf(out + used, size - used, plain ? "%c" : "\\x%02x",
                             (unsigned char)*from);
    }
    out[used] = '\0';
}

static const char *code_name(uint16_t code)
{
    switch (code) {
    case RECORD_TERM_START:
        return "term-start";
    case RECORD_CONFIG:
        return "config";
    case RECORD_SETTINGS:
        return "settings";
    case RECORD_BARRIER:
        return "barrier";
    default:
        return "unknown record";
    }
}

static int put_result(struct viewer *viewer, uint64_t index, char *out,
                      size_t size)
{
    int32_t error = 0;
    if (index > viewer->applied) {
        snprintf(out, size, "-");
        return 0;
    }
    int rc = inspect_results_get(&viewer->results, index, &error);
    const char *name = strerrorname_np(error);
    if (error == 0) {
        snprintf(out, size, "ok");
    } else if (name != NULL) {
        snprintf(out, size, "%s", name);
    } else {
        snprintf(out, size, "error %d", (int)error);
    }
    return rc;
}

static int describe(struct viewer *viewer, const struct record *record,
                    struct shown *out)
{
    *out = (struct shown){.record = record};
    put_time(out->time, sizeof(out->time), record->time_ns);
    put_node(viewer, record->origin, out->node, sizeof(out->node));
    if (record->code != RECORD_COMMAND) {
        snprintf(out->operation, sizeof(out->operation), "%s",
                 code_name(record->code));
    } else if (command_decode(record->body, &out->command) < 0) {
        out->command.op = 0;
        snprintf(out->operation, sizeof(out->operation), "not a command");
    } else {
        put_plain(out->command.caller.comm, out->comm, sizeof(out->comm));
        command_print(&out->command, record->payload_size, out->operation,
                      sizeof(out->operation));
    }
    return put_result(viewer, record->index, out->result, sizeof(out->result));
}

static void print_line(const struct shown *s)
{
    const struct record *record = s->record;
    printf("%8" PRIu64 " %4" PRIu64 " %s %-8s ", record->index, record->term,
           s->time, s->node);
    if (s->command.op != 0) {
        printf("%5" PRIu32 " %7" PRIu32 " %-15s ", s->command.caller.uid,
               s->command.caller.pid, s->comm[0] != '\0' ? s->comm : "-");
    } else {
        printf("%5s %7s %-15s ", "-", "-", "-");
    }
    printf("%s  %s\n", s->operation, s->result);
}

/* JSON is UTF-8, names need not be: then all that is not ASCII becomes \xNN. */
static json_t *text_json(const char *text)
{
    json_t *out = json_string(text);
    if (out == NULL) {
        size_t size = 4 * strlen(text) + 1, used = 0;
        char *plain = malloc(size);
        assert(plain != NULL);
        for (; *text != '\0'; text++) {
            used +=
                (size_t)snprintf(plain + used, size - used,
                                 (unsigned char)*text < 0x80 ? "%c" : "\\x%02x",
                                 (unsigned char)*text);
        }
        out = json_string(plain);
        free(plain);
    }
    return out;
}

static void print_json(const struct shown *s)
{
    const struct record *record = s->record;
    bool pending = strcmp(s->result, "-") == 0;
    json_t *out = json_pack(
        "{s:I, s:I, s:s, s:I, s:s?, s:o, s:I, s:I, s:I, s:s?}", "index",
        (json_int_t)record->index, "term", (json_int_t)record->term, "time",
        s->time, "time_ns", (json_int_t)record->time_ns, "node",
        record->origin != 0 ? s->node : NULL, "operation",
        text_json(s->operation), "session", (json_int_t)record->session,
        "serial", (json_int_t)record->serial, "payload_size",
        (json_int_t)record->payload_size, "result", pending ? NULL : s->result);
    assert(out != NULL);
    if (s->command.op != 0) {
        json_t *caller = json_pack(
            "{s:s, s:I, s:I, s:I, s:s}", "op", command_op_name(s->command.op),
            "uid", (json_int_t)s->command.caller.uid, "gid",
            (json_int_t)s->command.caller.gid, "pid",
            (json_int_t)s->command.caller.pid, "comm", s->comm);
        assert(caller != NULL);
        json_object_update(out, caller);
        json_decref(caller);
    }
    json_dumpf(out, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(out);
}

/* --- reading --- */

static int show_row(const struct cli *cli, struct viewer *viewer,
                    const struct log_row *row)
{
    struct bytes bytes = {row->bytes.data, row->bytes.size};
    struct record *record = NULL;
    struct shown shown;
    size_t used;
    if (record_decode(bytes, row->place.segment == 0, &record, &used) < 0) {
        return cli_fail(cli, CLI_FAILED, "record %" PRIu64 " is damaged",
                        row->index);
    }
    int rc = 0;
    if (describe(viewer, record, &shown) < 0) {
        rc = cli_fail(cli, CLI_SYSTEM, "%s", store_error_text());
    } else if (viewer->json) {
        print_json(&shown);
    } else {
        print_line(&shown);
    }
    record_unref(record);
    return rc;
}

/* All that there is at present. When following: only what is applied, since the
 * end of a log may still be superseded. */
static int show_rows(const struct cli *cli, struct viewer *viewer)
{
    struct log_row row;
    int rc = inspect_results_applied(&viewer->results, &viewer->applied);
    while (rc == 0) {
        int got = raftlog_reader_next(viewer->reader, viewer->next, &row);
        if (got < 0) {
            rc = got;
            break;
        }
        if (got == 0 || (viewer->follow && row.index > viewer->applied)) {
            return 0;
        }
        rc = show_row(cli, viewer, &row);
        if (rc != 0) {
            return rc;
        }
        viewer->next = row.index + 1;
    }
    return cli_fail(cli, CLI_SYSTEM, "%s", store_error_text());
}

static int follow(const struct cli *cli, struct viewer *viewer)
{
    struct timespec pause = {.tv_nsec = 200 * 1000 * 1000};
    int rc = show_rows(cli, viewer);
    while (rc == 0 && fflush(stdout) == 0) {
        nanosleep(&pause, NULL);
        rc = show_rows(cli, viewer);
    }
    return rc != 0 ? rc : CLI_SYSTEM;
}

static int open_viewer(const struct cli *cli, struct viewer *viewer,
                       const char *datadir)
{
    char path[PATH_MAX], error[256];
    snprintf(path, sizeof(path), "%s/raftfs.json", datadir);
    viewer->has_config = config_read(path, &viewer->config, error) == 0;
    snprintf(path, sizeof(path), "%s/log.db", datadir);
    int rc = raftlog_reader_open(path, &viewer->reader);
    if (rc == 0) {
        snprintf(path, sizeof(path), "%s/tree.db", datadir);
        rc = inspect_results_open(path, &viewer->results);
    }
    return rc < 0 ? cli_fail(cli, CLI_SYSTEM, "%s", store_error_text()) : 0;
}

static int view(const struct cli *cli, struct viewer *viewer,
                const char *datadir)
{
    int rc = open_viewer(cli, viewer, datadir);
    if (rc == 0) {
        rc = viewer->follow ? follow(cli, viewer) : show_rows(cli, viewer);
        inspect_results_close(&viewer->results);
    }
    raftlog_reader_close(viewer->reader);
    config_release(&viewer->config);
    if (rc == 0 && fflush(stdout) != 0) {
        rc = CLI_SYSTEM;
    }
    return rc;
}

/* The node that is mounted says where its data is. */
static int view_mount(const struct cli *cli, struct viewer *viewer,
                      const struct found *found)
{
    char error[256];
    json_t *status = NULL;
    int rc = find_status(found, &status, error);
    if (rc == FIND_NOT_RUNNING) {
        return cli_fail(cli, CLI_FAILED,
                        "the node mounted on %s is not running; name its data "
                        "directory",
                        found->path);
    }
    if (rc == FIND_FAILED) {
        return cli_fail(cli, CLI_FAILED, "%s", error);
    }
    const char *datadir =
        json_string_value(json_object_get(status, "data_dir"));
    rc = datadir != NULL ? view(cli, viewer, datadir)
                         : cli_fail(cli, CLI_FAILED,
                                    "the node does not say where its data is");
    json_decref(status);
    return rc;
}

static int take_option(struct cli *cli, struct viewer *viewer, int option)
{
    if (option == FROM &&
        !cli_number(cli->value, 0, INT64_MAX, &viewer->next)) {
        return cli_misuse(cli, "--from %s: the index of a record is expected",
                          cli->value);
    }
    viewer->follow = viewer->follow || option == FOLLOW;
    viewer->json = viewer->json || option == JSON;
    return 0;
}

static int run(struct cli *cli)
{
    struct viewer viewer = {.next = 0};
    const char *operands[1] = {NULL};
    int count = 0, got, rc = 0;
    struct found found;
    while (rc == 0 && (got = cli_next(cli)) != CLI_END) {
        if (got == CLI_MISUSE) {
            return CLI_USAGE;
        }
        rc = got == CLI_OPERAND ? cli_take_operand(cli, operands, &count, 1)
                                : take_option(cli, &viewer, got);
    }
    if (rc == 0) {
        rc = find_node(cli, operands[0], &found);
    }
    if (rc != 0) {
        return rc;
    }
    rc = found.is_mount ? view_mount(cli, &viewer, &found)
                        : view(cli, &viewer, found.path);
    found_release(&found);
    return rc;
}

const struct cli_command cli_log = {
    .name = "log",
    .operands = "[DATADIR | MOUNTPOINT] [OPTION...]",
    .sentence = "Show who changed what, record by record",
    .more =
        "Columns: index, term, time (UTC), node, uid, pid, program, "
        "operation,\n"
        "result: ok, the name of an error, or - when it is not applied here\n"
        "yet. Files are named by inode number, or as DIRECTORY/NAME. Old\n"
        "records that all nodes have applied are gone.\n",
    .options = options,
    .run = run,
};
