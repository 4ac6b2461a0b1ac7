/* `raftfs resync`: a node that cannot go on with what it has gets it all anew. */
#include "fs/cli/cli.h"
#include "raft/json/config.h"
#include "store/error.h"
#include "store/raftlog.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEPT "before-resync"

static const struct cli_option options[] = {{0}};

/* Nobody runs it: whoever does holds the log. A log that cannot be opened for
 * another reason is one of those that this command is for. */
static int check_stopped(struct cli *cli, const char *datadir)
{
    char path[4096];
    struct raftlog *log = NULL;
    struct log_head head = {0};
    snprintf(path, sizeof(path), "%s/log.db", datadir);
    int rc = raftlog_open(path, NULL, &log, &head);
    raftlog_close(log);
    free(head.terms);
    free(head.sizes);
    return rc == STORE_LOCKED
               ? cli_fail(cli, CLI_FAILED,
                          "%s: the node is running; stop it first (umount)",
                          datadir)
               : 0;
}

static bool is_store(const char *name)
{
    return strncmp(name, "log.db", 6) == 0 ||
           strncmp(name, "tree.db", 7) == 0 || strcmp(name, "segments") == 0;
}

/* What was there is evidence: it stays beside. */
static int set_aside(struct cli *cli, const char *datadir)
{
    char kept[4096], from[4096 + 300], to[4096 + 300];
    snprintf(kept, sizeof(kept), "%s/" KEPT, datadir);
    if (mkdir(kept, 0700) < 0) {
        return errno == EEXIST
                   ? cli_fail(cli, CLI_FAILED,
                              "%s is what an earlier resync has set aside: look "
                              "at it, and remove it",
                              kept)
                   : cli_fail(cli, CLI_SYSTEM, "cannot make %s: %s", kept,
                              strerror(errno));
    }
    DIR *directory = opendir(datadir);
    if (directory == NULL) {
        return cli_fail(cli, CLI_SYSTEM, "%s: %s", datadir, strerror(errno));
    }
    int rc = 0;
    const struct dirent *entry;
    while (rc == 0 && (entry = readdir(directory)) != NULL) {
        if (!is_store(entry->d_name)) {
            continue;
        }
        snprintf(from, sizeof(from), "%s/%s", datadir, entry->d_name);
        snprintf(to, sizeof(to), "%s/%s", kept, entry->d_name);
        if (rename(from, to) < 0) {
            rc = cli_fail(cli, CLI_SYSTEM, "cannot move %s: %s", from,
                          strerror(errno));
        }
    }
    closedir(directory);
    return rc;
}

static int resync(struct cli *cli, const char *datadir)
{
    char path[4096], error[256];
    struct config config;
    config_init(&config);
    snprintf(path, sizeof(path), "%s/raftfs.json", datadir);
    int rc = config_read(path, &config, error) < 0
                 ? cli_fail(cli, CLI_FAILED, "%s", error)
                 : 0;
    /* The file says who was there at the first start, and not who came later. */
    if (rc == 0 && config.node_count < 3) {
        rc = cli_fail(cli, CLI_FAILED,
                      "%s names fewer than three nodes: make the data directory "
                      "anew with `raftfs init --rejoin`, and all nodes that there "
                      "are now",
                      path);
    }
    if (rc == 0) {
        rc = check_stopped(cli, datadir);
    }
    if (rc == 0) {
        rc = set_aside(cli, datadir);
    }
    if (rc == 0) {
        rc = cli_make_store(cli, datadir, &config, CLI_STORE_AGAIN);
    }
    if (rc == 0) {
        printf("%s is empty now, and what it had lies in %s/" KEPT ".\n"
               "Start the node: it gets everything from the others, and counts "
               "again when it has it.\n",
               datadir, datadir);
    }
    config_release(&config);
    return rc;
}

static int run(struct cli *cli)
{
    const char *operands[1] = {NULL};
    int count = 0, got, rc = 0;
    while (rc == 0 && (got = cli_next(cli)) != CLI_END) {
        if (got == CLI_MISUSE) {
            return CLI_USAGE;
        }
        rc = cli_take_operand(cli, operands, &count, 1);
    }
    if (rc == 0 && count == 0) {
        rc = cli_misuse(cli, "which data directory?");
    }
    return rc != 0 ? rc : resync(cli, operands[0]);
}

const struct cli_command cli_resync = {
    .name = "resync",
    .operands = "DATADIR",
    .sentence = "Give up what a stopped node has; it gets all of it anew",
    .more = "For a node that is out of service: its disk was damaged, a change could\n"
            "not be undone, its state differs. What it has is set aside in\n"
            "DATADIR/" KEPT ". The others must be a majority without it.\n",
    .options = options,
    .run = run,
};
