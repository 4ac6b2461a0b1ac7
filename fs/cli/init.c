#include "fs/cli/cli.h"
#include "fs/cli/join.h"
#include "raft/json/config.h"
#include "store/error.h"
#include "store/raftlog.h"
#include "store/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME, LISTEN, ADDRESS, PEER, JOIN, REJOIN, CLUSTER, CLUSTER_ID };

static const struct cli_option options[] = {
    [NAME] = {.name = "name",
              .value = "NAME",
              .sentence = "name of this node, different from the others'"},
    [LISTEN] = {.name = "listen",
                .value = "ADDRESS:PORT",
                .sentence = "where this node listens for the others"},
    [ADDRESS] = {.name = "address",
                 .value = "ADDRESS:PORT",
                 .sentence = "where the others find it, if not there"},
    [PEER] = {.name = "peer",
              .value = "NAME=ADDR:PORT",
              .sentence = "another node; once for each"},
    [JOIN] = {.name = "join",
              .value = "NAME=ADDR:PORT",
              .sentence = "a running node of the cluster to join"},
    [REJOIN] = {.name = "rejoin",
                .sentence = "in the place of a data directory that is lost"},
    [CLUSTER] = {.name = "cluster",
                 .value = "NAME",
                 .sentence = "name of the cluster, for people (raftfs)"},
    [CLUSTER_ID] = {.name = "cluster-id",
                    .value = "HEX",
                    .sentence = "instead of the one made from the names"},
    {0},
};

struct plan {
    const char *datadir;
    struct config config;
    char address[RAFT_ADDRESS_SIZE]; /* "": where it listens */
    bool listen_given, id_given, peer_given, directory_made, rejoins;
};

/* --- the arguments --- */

static bool copy_text(char *out, size_t size, const char *text, size_t length)
{
    if (length >= size) {
        return false;
    }
    memcpy(out, text, length);
    out[length] = '\0';
    return true;
}

static int take_text(struct cli *cli, const char *option, char *out,
                     size_t size)
{
    if (!copy_text(out, size, cli->value, strlen(cli->value))) {
        return cli_misuse(cli, "%s is too long; %zu characters are allowed",
                          option, size - 1);
    }
    return 0;
}

static int take_peer(struct cli *cli, struct config *config,
                     const char *option)
{
    const char *equals = strchr(cli->value, '=');
    if (equals == NULL) {
        return cli_misuse(cli, "%s %s: NAME=ADDRESS:PORT is expected",
                          option, cli->value);
    }
    if (config->node_count == RAFT_NODES_MAX) {
        return cli_misuse(cli, "a cluster has at most %d nodes",
                          RAFT_NODES_MAX);
    }
    struct config_node *node = &config->nodes[config->node_count++];
    if (!copy_text(node->name, sizeof(node->name), cli->value,
                   (size_t)(equals - cli->value)) ||
        !copy_text(node->address, sizeof(node->address), equals + 1,
                   strlen(equals + 1))) {
        return cli_misuse(cli, "%s %s is too long", option, cli->value);
    }
    return 0;
}

static int take_cluster_id(struct cli *cli, struct plan *plan)
{
    size_t digits = strspn(cli->value, "0123456789abcdefABCDEF");
    if (digits == 0 || digits > 16 || cli->value[digits] != '\0') {
        return cli_misuse(cli,
                          "--cluster-id %s: 1 to 16 hexadecimal digits are "
                          "expected",
                          cli->value);
    }
    plan->config.cluster_id = strtoull(cli->value, NULL, 16);
    plan->id_given = true;
    return 0;
}

static int take_option(struct cli *cli, struct plan *plan, int option)
{
    struct config *config = &plan->config;
    switch (option) {
    case NAME:
        return take_text(cli, "--name", config->name, sizeof(config->name));
    case LISTEN:
        plan->listen_given = true;
        return take_text(cli, "--listen", config->listen,
                         sizeof(config->listen));
    case ADDRESS:
        return take_text(cli, "--address", plan->address,
                         sizeof(plan->address));
    case PEER:
        plan->peer_given = true;
        return take_peer(cli, config, "--peer");
    case JOIN:
        config->joining = true;
        return take_peer(cli, config, "--join");
    case REJOIN:
        plan->rejoins = true;
        return 0;
    case CLUSTER:
        return take_text(cli, "--cluster", config->cluster,
                         sizeof(config->cluster));
    default:
        return take_cluster_id(cli, plan);
    }
}

/* The first node of the list is this one. */
static int read_arguments(struct cli *cli, struct plan *plan)
{
    struct config *config = &plan->config;
    const char *operands[1];
    int count = 0, got, rc = 0;
    memcpy(config->cluster, "raftfs", sizeof("raftfs"));
    while (rc == 0 && (got = cli_next(cli)) != CLI_END) {
        if (got == CLI_MISUSE) {
            return CLI_USAGE;
        }
        rc = got == CLI_OPERAND ? cli_take_operand(cli, operands, &count, 1)
                                : take_option(cli, plan, got);
    }
    if (rc != 0) {
        return rc;
    }
    if (count == 0) {
        return cli_misuse(cli, "which directory is the node to live in?");
    }
    if (config->name[0] == '\0') {
        return cli_misuse(cli, "--name is missing");
    }
    if (config->node_count > 1 && !plan->listen_given) {
        return cli_misuse(cli, "--listen is missing: the other nodes must be "
                               "able to reach this one");
    }
    if (config->joining && plan->peer_given) {
        return cli_misuse(cli, "--peer makes a new cluster, --join is for one "
                               "that is there: not both");
    }
    if (plan->rejoins && config->node_count == 1) {
        return cli_misuse(cli, "--rejoin: name the other nodes with --peer; a "
                               "node alone has nobody to get its data from");
    }
    plan->datadir = operands[0];
    memcpy(config->nodes[0].name, config->name, sizeof(config->name));
    memcpy(config->nodes[0].address,
           plan->address[0] != '\0' ? plan->address : config->listen,
           sizeof(config->listen));
    return 0;
}

static int check(struct cli *cli, struct plan *plan)
{
    char error[256];
    struct config *config = &plan->config;
    if (!plan->id_given) {
        config->cluster_id = config_cluster_id(config);
    }
    if (config_validate(config, error) < 0) {
        return cli_misuse(cli, "%s", error);
    }
    for (uint32_t i = 0; config->joining && !plan->id_given; i++) {
        if (strcmp(config->nodes[i].name, config->name) == 0) {
            continue;
        }
        if (join_ask(&config->nodes[i], config->name, &config->cluster_id,
                     error) < 0) {
            return cli_fail(cli, CLI_FAILED, "%s", error);
        }
        break;
    }
    return 0;
}

/* --- the directory --- */

static bool is_empty(DIR *directory)
{
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 &&
            strcmp(entry->d_name, "..") != 0) {
            return false;
        }
    }
    return true;
}

static int make_directory(struct cli *cli, struct plan *plan)
{
    if (mkdir(plan->datadir, 0700) == 0) {
        plan->directory_made = true;
        return 0;
    }
    if (errno != EEXIST) {
        return cli_fail(cli, CLI_SYSTEM, "cannot make %s: %s", plan->datadir,
                        strerror(errno));
    }
    DIR *directory = opendir(plan->datadir);
    if (directory == NULL) {
        return cli_fail(cli, CLI_SYSTEM, "%s: %s", plan->datadir,
                        strerror(errno));
    }
    bool empty = is_empty(directory);
    closedir(directory);
    if (!empty) {
        return cli_fail(cli, CLI_FAILED, "%s is not empty; nothing was changed",
                        plan->datadir);
    }
    return 0;
}

static bool is_ours(const char *name)
{
    return strncmp(name, "raftfs.json", 11) == 0 ||
           strncmp(name, "log.db", 6) == 0 ||
           strncmp(name, "tree.db", 7) == 0 || strcmp(name, "segments") == 0;
}

/* It was empty before: what is there and has our names is what we made. */
static void clean_up(const struct plan *plan)
{
    DIR *directory = opendir(plan->datadir);
    if (directory == NULL) {
        return;
    }
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        if (is_ours(entry->d_name) &&
            unlinkat(dirfd(directory), entry->d_name, 0) < 0) {
            unlinkat(dirfd(directory), entry->d_name, AT_REMOVEDIR);
        }
    }
    closedir(directory);
    if (plan->directory_made) {
        rmdir(plan->datadir);
    }
}

/* The directory's own name must be as durable as what a node promises in it. */
static int sync_parent(struct cli *cli, const char *datadir)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/..", datadir);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) < 0 ? -1 : 0;
    if (rc < 0) {
        cli_fail(cli, CLI_SYSTEM, "cannot sync %s: %s", path, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    return rc < 0 ? CLI_SYSTEM : 0;
}

int cli_make_store(struct cli *cli, const char *datadir,
                   const struct config *config, enum cli_store kind)
{
    char path[3][4096];
    static const char *const names[] = {"segments", "log.db", "tree.db"};
    for (int i = 0; i < 3; i++) {
        int length =
            snprintf(path[i], sizeof(path[i]), "%s/%s", datadir, names[i]);
        if (length >= (int)sizeof(path[i])) {
            return cli_fail(cli, CLI_FAILED, "the path is too long");
        }
    }
    if (mkdir(path[0], 0700) < 0) {
        return cli_fail(cli, CLI_SYSTEM, "cannot make %s: %s", path[0],
                        strerror(errno));
    }
    node_id id = config_node_id(config->name);
    int rc = kind == CLI_STORE_FIRST
                 ? raftlog_create(path[1], config->cluster_id, id)
                 : raftlog_create_again(
                       path[1], config->cluster_id, id,
                       kind == CLI_STORE_OF_TWO ? LOG_NEW : LOG_REJOINING);
    if (rc < 0 || tree_create(path[2], config->cluster_id) < 0) {
        return cli_fail(cli, CLI_SYSTEM, "%s", store_error_text());
    }
    return 0;
}

/* Who joins may have been a member before, and been removed. Of two nodes the other
 * one has all that was ever acknowledged, and cannot do without this one's vote
 * (decision 0025); that there are two a person says, with one --peer. */
static enum cli_store kind_of(const struct plan *plan)
{
    if (plan->rejoins && !plan->config.joining &&
        plan->config.node_count == 2) {
        return CLI_STORE_OF_TWO;
    }
    return plan->rejoins || plan->config.joining ? CLI_STORE_AGAIN
                                                 : CLI_STORE_FIRST;
}

/* The configuration comes last: where it is, the node is complete. */
static int fill(struct cli *cli, struct plan *plan)
{
    char path[4096], error[256];
    int rc = cli_make_store(cli, plan->datadir, &plan->config, kind_of(plan));
    if (rc != 0) {
        return rc;
    }
    snprintf(path, sizeof(path), "%s/raftfs.json", plan->datadir);
    if (config_write(path, &plan->config, error) < 0) {
        return cli_fail(cli, CLI_SYSTEM, "%s", error);
    }
    return sync_parent(cli, plan->datadir);
}

/* --- what to do next --- */

/* This node may listen on all addresses of its machine; the others need one. */
static void print_peer(const struct config_node *node)
{
    const char *port = strrchr(node->address, ':');
    bool any = strncmp(node->address, "0.0.0.0:", 8) == 0 ||
               strncmp(node->address, "[::]:", 5) == 0;
    printf(" \\\n      --peer %s=%s%s", node->name,
           any ? "ADDRESS_OF_THIS_MACHINE" : node->address, any ? port : "");
}

static void print_other_inits(const struct config *c)
{
    for (uint32_t i = 0; i < c->node_count; i++) {
        if (strcmp(c->nodes[i].name, c->name) == 0) {
            continue;
        }
        printf("  raftfs init DATADIR --name %s --listen %s", c->nodes[i].name,
               c->nodes[i].address);
        for (uint32_t j = 0; j < c->node_count; j++) {
            if (j != i) {
                print_peer(&c->nodes[j]);
            }
        }
        if (strcmp(c->cluster, "raftfs") != 0) {
            printf(" --cluster %s", c->cluster);
        }
        putchar('\n');
    }
}

static void print_next(const struct plan *plan)
{
    const struct config *config = &plan->config;
    printf("Node %s of cluster %s (id %016" PRIx64 ") is ready in %s.\n",
           config->name, config->cluster, config->cluster_id, plan->datadir);
    if (config->joining) {
        const struct config_node *self =
            config_find(config, config_node_id(config->name));
        printf("\nTo make it a member, start it, and on any node of the "
               "cluster:\n  raftfs member add %s=%s\n",
               config->name, self->address);
    } else if (config->node_count > 1) {
        printf("\nThe same for the other nodes, on their machines:\n");
        print_other_inits(config);
    }
    printf("\nThen, to use it:\n  raftfs mount %s MOUNTPOINT\n", plan->datadir);
    if (config->node_count > 1 && !config->joining) {
        printf("It works as soon as %u of the %u nodes run.\n",
               config->node_count / 2 + 1, config->node_count);
    }
}

static int run(struct cli *cli)
{
    struct plan plan = {.datadir = NULL};
    config_init(&plan.config);
    int rc = read_arguments(cli, &plan);
    if (rc == 0) {
        rc = check(cli, &plan);
    }
    if (rc == 0) {
        rc = make_directory(cli, &plan);
    }
    if (rc != 0) {
        goto out;
    }
    rc = fill(cli, &plan);
    if (rc != 0) {
        clean_up(&plan);
        goto out;
    }
    print_next(&plan);
out:
    config_release(&plan.config);
    return rc;
}

const struct cli_command cli_init = {
    .name = "init",
    .operands = "DATADIR --name NAME [OPTION...]",
    .sentence = "Make the data directory of a new node",
    .more =
        "DATADIR is made if it is missing and must be empty. Run init once on\n"
        "each machine, with the same set of names everywhere: the cluster's "
        "id\n"
        "is made from the names, so that nodes know each other. With --name\n"
        "alone the node is a cluster of one. With --join it is made for a\n"
        "cluster that is there: it asks the node that is named for the id, and\n"
        "becomes a member with `raftfs member add`.\n",
    .options = options,
    .run = run,
};
