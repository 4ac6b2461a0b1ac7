#include "fs/cli/cli.h"
#include "fs/cli/find.h"
#include "fs/cli/status_print.h"
#include "store/error.h"
#include "store/inspect.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { JSON, WATCH };

static const struct cli_option options[] = {
    [JSON] = {.name = "json", .sentence = "for programs"},
    [WATCH] = {.name = "watch", .sentence = "again every second"},
    {0},
};

/* What a node that does not run left behind. */
static void print_stores(const char *datadir)
{
    char path[PATH_MAX];
    struct inspect_log log;
    struct inspect_results results;
    uint64_t applied = 0;
    snprintf(path, sizeof(path), "%s/log.db", datadir);
    if (inspect_log(path, &log) < 0) {
        printf("  log      %s\n", store_error_text());
    } else {
        printf("  log      term %" PRIu64 ", last record %" PRIu64
               " (of term %" PRIu64 ")\n",
               log.term, log.last, log.last_term);
    }
    snprintf(path, sizeof(path), "%s/tree.db", datadir);
    int rc = inspect_results_open(path, &results);
    if (rc == 0) {
        rc = inspect_results_applied(&results, &applied);
        inspect_results_close(&results);
    }
    if (rc < 0) {
        printf("  tree     %s\n", store_error_text());
    } else {
        printf("  tree     applied to %" PRIu64 "\n", applied);
    }
}

static int show(const struct cli *cli, const struct found *found, bool json)
{
    char error[256];
    json_t *status = NULL;
    int rc = find_status(found, &status, error);
    if (rc == FIND_NOT_RUNNING) {
        cli_fail(cli, CLI_FAILED, "the node %s %s is not running",
                 found->is_mount ? "mounted on" : "in", found->path);
        if (!json && !found->is_mount) {
            print_stores(found->path);
        }
        return CLI_FAILED;
    }
    if (rc == FIND_FAILED) {
        return cli_fail(cli, CLI_FAILED, "%s", error);
    }
    if (json) {
        json_dumpf(status, stdout, JSON_COMPACT);
        putchar('\n');
    } else {
        status_print(status, stdout);
    }
    json_decref(status);
    return fflush(stdout) == 0 ? CLI_OK : CLI_SYSTEM;
}

static int watch(const struct cli *cli, const struct found *found, bool json)
{
    bool clear = !json && isatty(STDOUT_FILENO);
    struct timespec second = {.tv_sec = 1};
    for (;;) { /* until somebody stops it */
        if (clear) {
            fputs("\033[H\033[2J", stdout);
        }
        if (show(cli, found, json) == CLI_SYSTEM) {
            return CLI_SYSTEM; /* nobody reads any more */
        }
        if (!json && !clear) {
            putchar('\n');
        }
        nanosleep(&second, NULL);
    }
}

static int run(struct cli *cli)
{
    const char *operands[1] = {NULL};
    bool json = false, again = false;
    int count = 0, got, rc = 0;
    struct found found;
    while (rc == 0 && (got = cli_next(cli)) != CLI_END) {
        if (got == CLI_MISUSE) {
            return CLI_USAGE;
        }
        if (got == CLI_OPERAND) {
            rc = cli_take_operand(cli, operands, &count, 1);
        }
        json = json || got == JSON;
        again = again || got == WATCH;
    }
    if (rc == 0) {
        rc = find_node(cli, operands[0], &found);
    }
    if (rc != 0) {
        return rc;
    }
    rc = again ? watch(cli, &found, json) : show(cli, &found, json);
    found_release(&found);
    return rc;
}

const struct cli_command cli_status = {
    .name = "status",
    .operands = "[DATADIR | MOUNTPOINT] [OPTION...]",
    .sentence = "Show how a node and its cluster are",
    .more = "Without an argument: the node of the only raftfs that is mounted\n"
            "here. \"has\" and \"lacks\" of peers are known to the leader.\n",
    .options = options,
    .run = run,
};
