#include "raft/json/config.h"

#include "raft/json/config_int.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* Two clocks that run 1 % fast and slow, and what a step of the leader may
     * take between reading its clock and answering a read. */
    CLOCK_FAST_PERCENT = 101,
    CLOCK_SLOW_PERCENT = 99,
    LEASE_SLACK_MS = 10,
};

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9');
}

/* Names end up in log lines, paths and unit names: no surprises in them. */
bool config_name_ok(const char *name)
{
    if (!is_alnum(name[0]) || strlen(name) >= RAFT_NAME_SIZE) {
        return false;
    }
    for (const char *c = name; *c != '\0'; c++) {
        if (!is_alnum(*c) && strchr("._-", *c) == NULL) {
            return false;
        }
    }
    return true;
}

static bool host_ok(const char *host, size_t size, bool v6)
{
    for (size_t i = 0; i < size; i++) {
        const char *extra = v6 ? ":.%_-" : "._-";
        if (!is_alnum(host[i]) &&
            (host[i] == '\0' || strchr(extra, host[i]) == NULL)) {
            return false;
        }
    }
    return size > 0 && size < 256 && (!v6 || memchr(host, ':', size) != NULL);
}

static bool port_ok(const char *port)
{
    unsigned long value = 0;
    size_t digits = strspn(port, "0123456789");
    if (digits == 0 || digits > 5 || port[digits] != '\0') {
        return false;
    }
    value = strtoul(port, NULL, 10);
    return value >= 1 && value <= 65535;
}

int config_split_address(const char *address, char host[256], char port[16])
{
    bool v6 = address[0] == '[';
    const char *start = v6 ? address + 1 : address;
    const char *end = v6 ? strchr(start, ']') : strchr(start, ':');
    if (end == NULL) {
        return -1;
    }
    size_t size = (size_t)(end - start);
    const char *colon = v6 ? end + 1 : end;
    if (*colon != ':' || !port_ok(colon + 1) || !host_ok(start, size, v6)) {
        return -1;
    }
    memcpy(host, start, size);
    host[size] = '\0';
    snprintf(port, 16, "%s", colon + 1);
    return 0;
}

static int check_name(const char *key, const char *name,
                      char error[CONFIG_ERROR_SIZE])
{
    if (config_name_ok(name)) {
        return 0;
    }
    return config_fail(error,
                       "%s: %s is not a name (1 to 63 letters, digits, '.', "
                       "'_', '-'; first a letter or digit)",
                       key, config_quote(name).text);
}

static int check_address(const char *key, const char *address,
                         char error[CONFIG_ERROR_SIZE])
{
    char host[256], port[16];
    if (config_split_address(address, host, port) == 0) {
        return 0;
    }
    return config_fail(error,
                       "%s: %s is not HOST:PORT or [V6]:PORT with a port from "
                       "1 to 65535",
                       key, config_quote(address).text);
}

static int check_node(const struct config *config, uint32_t at,
                      char error[CONFIG_ERROR_SIZE])
{
    const struct config_node *node = &config->nodes[at];
    char key[32];
    snprintf(key, sizeof(key), "nodes[%u].name", at);
    if (check_name(key, node->name, error) < 0) {
        return -1;
    }
    snprintf(key, sizeof(key), "nodes[%u].address", at);
    if (check_address(key, node->address, error) < 0) {
        return -1;
    }
    for (uint32_t i = 0; i < at; i++) {
        const struct config_node *other = &config->nodes[i];
        if (strcmp(other->name, node->name) == 0) {
            return config_fail(error,
                               "nodes[%u].name: \"%s\" is also the name "
                               "of nodes[%u]; each node needs its own",
                               at, node->name, i);
        }
        if (config_node_id(other->name) == config_node_id(node->name)) {
            return config_fail(error,
                               "nodes[%u].name: \"%s\" gives the same "
                               "id as \"%s\"; choose another name",
                               at, node->name, other->name);
        }
        if (strcmp(other->address, node->address) == 0) {
            return config_fail(error,
                               "nodes[%u].address: %s is also the "
                               "address of \"%s\"; each node needs its own",
                               at, config_quote(node->address).text,
                               other->name);
        }
    }
    return 0;
}

static bool has_node(const struct config *config, const char *name)
{
    for (uint32_t i = 0; i < config->node_count; i++) {
        if (strcmp(config->nodes[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static int check_names(const struct config *config,
                       char error[CONFIG_ERROR_SIZE])
{
    if (check_name("cluster", config->cluster, error) < 0 ||
        check_name("name", config->name, error) < 0 ||
        check_address("listen", config->listen, error) < 0) {
        return -1;
    }
    if (config->cluster_id == 0) {
        return config_fail(error, "cluster_id: must not be 0 (16 hexadecimal "
                                  "digits, the same on all nodes)");
    }
    if (config->node_count < 1 || config->node_count > RAFT_NODES_MAX) {
        return config_fail(error, "nodes: 1 to %d nodes are allowed, not %u",
                           RAFT_NODES_MAX, config->node_count);
    }
    for (uint32_t i = 0; i < config->node_count; i++) {
        if (check_node(config, i, error) < 0) {
            return -1;
        }
    }
    if (!has_node(config, config->name)) {
        return config_fail(error,
                           "name: \"%s\" is not in nodes; it must be "
                           "the name of one of them",
                           config->name);
    }
    return 0;
}

static int check_timeouts(const struct config *config,
                          char error[CONFIG_ERROR_SIZE])
{
    for (size_t i = 0; i < CONFIG_NUMBERS; i++) {
        const struct config_number *number = &config_numbers[i];
        uint32_t value = config_number_get(config, number);
        if (value < number->min || value > number->max) {
            return config_fail(error,
                               "%s: %u is out of range; %u to %u are allowed",
                               number->key, value, number->min, number->max);
        }
    }
    if (config->election_ms < 3 * config->heartbeat_ms) {
        return config_fail(error,
                           "election_ms: %u is too short; at least 3 "
                           "times heartbeat_ms (%u) is allowed",
                           config->election_ms, 3 * config->heartbeat_ms);
    }
    if (config->lease_ms != 0 && config->lease_ms < 2 * config->heartbeat_ms) {
        return config_fail(error,
                           "lease_ms: %u is too short; 0 (no lease) or "
                           "at least 2 times heartbeat_ms (%u) is allowed",
                           config->lease_ms, 2 * config->heartbeat_ms);
    }
    /* A voter elects nobody before the old leader's lease is over, on any two
     * clocks (dissertation 6.4.1). Rounded up. */
    uint64_t election_min = ((uint64_t)config->lease_ms * CLOCK_FAST_PERCENT +
                             CLOCK_SLOW_PERCENT - 1) /
                                CLOCK_SLOW_PERCENT +
                            LEASE_SLACK_MS;
    if (config->lease_ms != 0 && config->election_ms < election_min) {
        return config_fail(error,
                           "election_ms: %u is too short for lease_ms "
                           "%u; at least %llu is allowed (the lease on clocks "
                           "that differ by 2 %%, and %d ms)",
                           config->election_ms, config->lease_ms,
                           (unsigned long long)election_min, LEASE_SLACK_MS);
    }
    if (config->session_timeout_ms < 2 * config->election_ms) {
        return config_fail(error,
                           "session_timeout_ms: %u is too short; at "
                           "least 2 times election_ms (%u) is allowed, or each "
                           "election would end sessions",
                           config->session_timeout_ms, 2 * config->election_ms);
    }
    return 0;
}

static int compare_nodes(const void *a, const void *b)
{
    const struct config_node *left = a;
    const struct config_node *right = b;
    return strcmp(left->name, right->name);
}

int config_validate(struct config *config, char error[CONFIG_ERROR_SIZE])
{
    if (config->version != CONFIG_VERSION) {
        return config_fail(error,
                           "version: %u is not known; only %d is "
                           "allowed",
                           config->version, CONFIG_VERSION);
    }
    if (check_names(config, error) < 0 || check_timeouts(config, error) < 0) {
        return -1;
    }
    /* Only now, so that messages count the nodes as the file does. */
    for (uint32_t i = 0; i < config->node_count; i++) {
        config->nodes[i].id = config_node_id(config->nodes[i].name);
    }
    qsort(config->nodes, config->node_count, sizeof(config->nodes[0]),
          compare_nodes);
    assert(config_find(config, config_node_id(config->name)) != NULL);
    return 0;
}
