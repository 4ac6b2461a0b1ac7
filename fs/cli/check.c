#include "fs/cli/cli.h"

#include "store/error.h"
#include "store/raftlog.h"
#include "store/tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void complain(void *arg, const char *text)
{
    uint64_t *count = arg;
    (*count)++;
    printf("%s\n", text);
}

static int report(struct cli *cli, struct tree *tree,
                  const struct log_head *head, int rc, uint64_t complaints)
{
    if (rc < 0 && complaints == 0) {
        return cli_fail(cli, CLI_FAILED, "%s", store_error_text());
    }
    if (rc < 0) {
        return cli_fail(cli, CLI_FAILED,
                        "%" PRIu64 " things are wrong; keep this directory, "
                        "and see docs/operating.md",
                        complaints);
    }
    struct tree_usage usage;
    tree_get_usage(tree, &usage);
    printf("In order: %" PRIu64 " inodes, %" PRIu64 " bytes, log records %"
           PRIu64 " to %" PRIu64 ", applied %" PRIu64 ", digest %016" PRIx64
           "\n",
           usage.inodes, usage.bytes, head->base_index + 1,
           head->base_index + head->count, tree_applied(tree),
           tree_digest(tree));
    return fflush(stdout) == 0 ? CLI_OK : CLI_SYSTEM;
}

/* Opening the log checks its rows and takes the lock of the directory. */
static int check(struct cli *cli, const char *datadir)
{
    char path[4096];
    struct segments *segments = NULL;
    struct raftlog *log = NULL;
    struct tree *tree = NULL;
    struct log_head head = {0};
    uint64_t complaints = 0;
    snprintf(path, sizeof path, "%s/log.db", datadir);
    if (access(path, F_OK) < 0) {
        return cli_fail(cli, CLI_SYSTEM, "%s is not a node's data directory",
                        datadir);
    }
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "Reading everything in %s ...\n", datadir);
    }
    snprintf(path, sizeof path, "%s/segments", datadir);
    int rc = segments_open(path, &segments);
    if (rc == 0) {
        snprintf(path, sizeof path, "%s/log.db", datadir);
        rc = raftlog_open(path, segments, &log, &head);
    }
    if (rc == 0) {
        snprintf(path, sizeof path, "%s/tree.db", datadir);
        rc = tree_open(path, segments, &tree);
    }
    if (rc == 0) {
        rc = tree_check(tree, complain, &complaints);
    }
    rc = report(cli, tree, &head, rc, complaints);
    if (tree != NULL) {
        tree_close(tree);
    }
    if (log != NULL) {
        raftlog_close(log);
    }
    if (segments != NULL) {
        segments_close(segments);
    }
    free(head.terms);
    free(head.sizes);
    return rc;
}

static int run(struct cli *cli)
{
    const char *operands[1];
    int count = 0, got;
    while ((got = cli_next(cli)) != CLI_END) {
        if (got != CLI_OPERAND ||
            cli_take_operand(cli, operands, &count, 1) != 0) {
            return CLI_USAGE;
        }
    }
    if (count == 0) {
        return cli_misuse(cli, "which data directory?");
    }
    return check(cli, operands[0]);
}

static const struct cli_option options[] = {{0}};

const struct cli_command cli_check = {
    .name = "check",
    .operands = "DATADIR",
    .sentence = "Check a stopped node's stores against themselves",
    .more = "Recomputes the state digest, link counts, sizes, extents and the\n"
            "checksums of contents in segments from what is on disk, and says\n"
            "what does not fit. Changes nothing but what starting the node\n"
            "would. Exit status 1: something is wrong, or the node is running.\n",
    .options = options,
    .run = run,
};
