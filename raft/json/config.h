/* config.h -- a node's configuration as JSON.
 *
 * DATADIR/raftfs.json, written by `raftfs init`, read at every start, edited by
 * people. Every error names the key and says what is allowed. Keys that are not
 * ours are kept as they are when the file is written again.
 */
#ifndef RAFT_JSON_CONFIG_H
#define RAFT_JSON_CONFIG_H

#include "raft/core/types.h"

struct config_node {
    char name[64];
    char address[300]; /* HOST:PORT, [v6]:PORT */
    node_id id;        /* from the name */
};

struct config {
    uint32_t version;
    uint64_t cluster_id;
    char cluster[64];        /* a name for people */
    char name[64];
    char listen[300];
    uint32_t node_count;     /* including this one, sorted by name */
    struct config_node nodes[RAFT_NODES_MAX];
    uint32_t heartbeat_ms, election_ms, lease_ms, session_timeout_ms,
             op_timeout_ms;
    uint32_t log_trailing, log_trailing_mb; /* kept for who is behind */
    uint32_t snapshot_mb_s;
    uint32_t window_mb;      /* sent to a peer and not acknowledged yet */
    bool joining;            /* "join": the other nodes are members of a cluster
                              * that this one has not been added to yet */
    void *unknown;           /* owned: other keys, kept for writing */
};

/* Defaults; one node without a name. */
void config_init(struct config *config);
void config_release(struct config *config);
/* 0, or -1 with a sentence that names the key in error. */
int config_decode(struct bytes json, struct config *config, char error[256]);
/* Heap string, NUL-terminated; exact round trip. */
char *config_encode(const struct config *config);
int config_read(const char *path, struct config *config, char error[256]);
/* Written whole or not at all (temporary file, fsync, rename, fsync of the
 * directory). */
int config_write(const char *path, const struct config *config,
                 char error[256]);
/* Checks the whole: names, addresses, duplicates, timeouts against each other.
 * Fills ids and sorts. */
int config_validate(struct config *config, char error[256]);

/* 1 to 63 letters, digits, '.', '_', '-'. */
bool config_name_ok(const char *name);
/* Never 0, fits in 63 bits. */
node_id config_node_id(const char *name);
/* From the cluster's name and its nodes' names, so that nodes which are
 * initialised apart agree; random for a cluster of one. */
uint64_t config_cluster_id(const struct config *config);
/* Splits HOST:PORT or [V6]:PORT. 0 or -1. */
int config_split_address(const char *address, char host[256], char port[16]);
/* NULL if no such node. */
const struct config_node *config_find(const struct config *config, node_id id);
const char *config_node_name(const struct config *config, node_id id);

#endif
