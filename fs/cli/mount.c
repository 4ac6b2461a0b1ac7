/* `raftfs mount` and `raftfs run`: from words to struct daemon_options. */
#include "fs/cli/cli.h"
#include "fs/daemon.h"
#include "fs/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOUNT_FOREGROUND, MOUNT_OPTIONS, MOUNT_FAULTS, MOUNT_LEVEL };
enum { RUN_FAULTS, RUN_LEVEL };
enum { EXTRA_MAX = 1024 };

#define FAULTS_OPTION                                                          \
    {                                                                          \
        .name = "allow-faults", .sentence = "for tests: obey `raftfs fault`"   \
    }
#define LEVEL_OPTION                                                           \
    {                                                                          \
        .name = "log-level", .value = "LEVEL",                                 \
        .sentence = "error, warn, info (default) or debug"                     \
    }

static const struct cli_option mount_options[] = {
    [MOUNT_FOREGROUND] = {.letter = 'f',
                          .name = "foreground",
                          .sentence = "stay, and log to standard error"},
    [MOUNT_OPTIONS] = {.letter = 'o',
                       .value = "OPTION[,OPTION...]",
                       .sentence = "mount options, below"},
    [MOUNT_FAULTS] = FAULTS_OPTION,
    [MOUNT_LEVEL] = LEVEL_OPTION,
    {0},
};

static const struct cli_option run_options[] = {
    [RUN_FAULTS] = FAULTS_OPTION,
    [RUN_LEVEL] = LEVEL_OPTION,
    {0},
};

/* --- mount options --- */

/* For mount(8), systemd and people; nothing for us to do. default_permissions
 * is always on. */
static const char *const ignored[] = {
    "auto", "noauto", "nofail", "_netdev", "defaults", "rw",
    "user", "nouser", "users",  "owner",   "group",    "default_permissions",
    NULL,
};
/* For the kernel, through libfuse. */
static const char *const passed_on[] = {
    "noexec",     "exec",    "nosuid",      "suid",          "nodev", "dev",
    "atime",      "noatime", "nodiratime",  "relatime",      "sync",  "async",
    "norelatime", "dirsync", "strictatime", "nostrictatime", NULL,
};

static bool is_one_of(const char *word, const char *const *list)
{
    for (; *list != NULL; list++) {
        if (strcmp(word, *list) == 0) {
            return true;
        }
    }
    return false;
}

static bool begins(const char *word, const char *with)
{
    return strncmp(word, with, strlen(with)) == 0;
}

static int pass_on(struct cli *cli, const char *word, char *extra)
{
    size_t used = strlen(extra);
    int length = snprintf(extra + used, EXTRA_MAX - used, "%s%s",
                          used > 0 ? "," : "", word);
    if ((size_t)length >= EXTRA_MAX - used) {
        return cli_misuse(cli, "too many mount options");
    }
    return 0;
}

/* Seconds, with decimals if somebody wants them. */
static int take_op_timeout(struct cli *cli, const char *text, uint32_t *out)
{
    char *end = NULL;
    double seconds = strtod(text, &end);
    if (text[0] == '\0' || text[strspn(text, "0123456789.")] != '\0' ||
        *end != '\0' || seconds < 0.1 || seconds > 86400) {
        return cli_misuse(cli,
                          "op_timeout=%s: seconds from 0.1 to 86400 are "
                          "expected",
                          text);
    }
    *out = (uint32_t)(seconds * 1000 + 0.5);
    return 0;
}

static int take_reads(struct cli *cli, const char *text, enum read_mode *out)
{
    static const char *const words[] = {[READS_INDEX] = "index",
                                        [READS_LEASE] = "lease",
                                        [READS_LOCAL] = "local"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = (enum read_mode)i;
            return 0;
        }
    }
    return cli_misuse(cli, "reads=%s: lease, index or local is expected", text);
}

static int take_id(struct cli *cli, const char *word, bool *has, uint32_t *out)
{
    const char *text = strchr(word, '=') + 1;
    char *end = NULL;
    errno = 0;
    unsigned long long id = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 ||
        id >= UINT32_MAX) {
        return cli_misuse(cli, "%s: a number is expected", word);
    }
    *has = true;
    *out = (uint32_t)id;
    return 0;
}

static int take_word(struct cli *cli, const char *word,
                     struct daemon_options *options, char *extra)
{
    if (begins(word, "op_timeout=")) {
        return take_op_timeout(cli, word + 11, &options->op_timeout_ms);
    }
    if (begins(word, "reads=")) {
        return take_reads(cli, word + 6, &options->reads);
    }
    if (begins(word, "uid=")) {
        return take_id(cli, word, &options->has_uid, &options->uid);
    }
    if (begins(word, "gid=")) {
        return take_id(cli, word, &options->has_gid, &options->gid);
    }
    if (strcmp(word, "allow_other") == 0) {
        options->allow_other = true;
        return 0;
    }
    if (strcmp(word, "ro") == 0) {
        options->read_only = true;
        return 0;
    }
    if (is_one_of(word, ignored) || begins(word, "x-") ||
        begins(word, "comment=")) {
        return 0;
    }
    if (is_one_of(word, passed_on) || begins(word, "fsname=") ||
        begins(word, "subtype=")) {
        return pass_on(cli, word, extra);
    }
    return cli_misuse(cli, "%s is not a mount option", word);
}

static int take_words(struct cli *cli, struct daemon_options *options,
                      char *extra)
{
    int rc = 0;
    char *words = strdup(cli->value), *next = words, *word;
    if (words == NULL) {
        abort();
    }
    while (rc == 0 && (word = strsep(&next, ",")) != NULL) {
        if (word[0] != '\0') {
            rc = take_word(cli, word, options, extra);
        }
    }
    free(words);
    return rc;
}

/* --- the commands --- */

static int take_level(struct cli *cli, int *level)
{
    *level = log_level_from_name(cli->value);
    if (*level < 0) {
        return cli_misuse(cli,
                          "--log-level %s: error, warn, info or debug is "
                          "expected",
                          cli->value);
    }
    return 0;
}

static int take_mount_option(struct cli *cli, int option,
                             struct daemon_options *options, char *extra)
{
    switch (option) {
    case MOUNT_FOREGROUND:
        options->foreground = true;
        return 0;
    case MOUNT_OPTIONS:
        return take_words(cli, options, extra);
    case MOUNT_FAULTS:
        options->allow_faults = true;
        return 0;
    default:
        return take_level(cli, &options->log_level);
    }
}

static int run_mount(struct cli *cli)
{
    /* What root mounts is for everybody, as with every other filesystem. */
    struct daemon_options options = {.log_level = LOG_INFO,
                                     .allow_other = geteuid() == 0};
    char extra[EXTRA_MAX] = "";
    const char *operands[2];
    int count = 0, got, rc = 0;
    while (rc == 0 && (got = cli_next(cli)) != CLI_END) {
        if (got == CLI_MISUSE) {
            return CLI_USAGE;
        }
        rc = got == CLI_OPERAND ? cli_take_operand(cli, operands, &count, 2)
                                : take_mount_option(cli, got, &options, extra);
    }
    if (rc == 0 && count < 2) {
        rc = cli_misuse(cli, "a data directory and a mount point are expected");
    }
    if (rc != 0) {
        return rc;
    }
    options.datadir = operands[0];
    options.mountpoint = operands[1];
    options.extra_fuse_options = extra[0] != '\0' ? extra : NULL;
    return daemon_run(&options);
}

static int run_run(struct cli *cli)
{
    struct daemon_options options = {.log_level = LOG_INFO, .foreground = true};
    const char *operands[1];
    int count = 0, got, rc = 0;
    while (rc == 0 && (got = cli_next(cli)) != CLI_END) {
        if (got == CLI_MISUSE) {
            return CLI_USAGE;
        }
        if (got == CLI_OPERAND) {
            rc = cli_take_operand(cli, operands, &count, 1);
        } else if (got == RUN_FAULTS) {
            options.allow_faults = true;
        } else {
            rc = take_level(cli, &options.log_level);
        }
    }
    if (rc == 0 && count == 0) {
        rc = cli_misuse(cli, "a data directory is expected");
    }
    if (rc != 0) {
        return rc;
    }
    options.datadir = operands[0];
    return daemon_run(&options);
}

const struct cli_command cli_mount = {
    .name = "mount",
    .operands = "DATADIR MOUNTPOINT [OPTION...]",
    .sentence = "Start a node and mount it",
    .more =
        "Mount options:\n"
        "  op_timeout=SECONDS  how long an operation may wait for a majority "
        "(10)\n"
        "  reads=lease         a read shows all that was completed before it\n"
        "                      began, on any node; while this node has a lease it\n"
        "                      asks nobody, and writes wait until this node knows\n"
        "                      of them (default)\n"
        "  reads=index         the same, and it asks the leader each time\n"
        "  reads=local         reads show what this node has, possibly old;\n"
        "                      they work without a majority\n"
        "  allow_other         other users than this one may use the mount\n"
        "                      (always so when root mounts)\n"
        "  uid=UID, gid=GID    whom everything seems to belong to here, and\n"
        "                      what is made here does\n"
        "  ro                  no changes through this mount\n"
        "  noexec nosuid nodev noatime sync fsname=...  as for any mount\n"
        "\n"
        "Returns when the mount can be used. `umount MOUNTPOINT` (or SIGTERM)\n"
        "stops the node.\n",
    .options = mount_options,
    .run = run_mount,
};

const struct cli_command cli_run = {
    .name = "run",
    .operands = "DATADIR [OPTION...]",
    .sentence = "Start a node without a mount: it keeps a copy and votes",
    .more = "Stays in the foreground and logs to standard error. SIGTERM stops "
            "it.\n",
    .options = run_options,
    .run = run_run,
};
