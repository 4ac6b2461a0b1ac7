#include "raft/json/config.h"

#include "raft/json/config_int.h"
#include "raft/wire/hash.h"

#include <assert.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const char default_address[] = "127.0.0.1:7381";

/* Wide limits: they catch a slip of the finger (seconds for milliseconds), the
 * relations between the numbers are config_validate()'s. */
const struct config_number config_numbers[CONFIG_NUMBERS] = {
    {"heartbeat_ms", offsetof(struct config, heartbeat_ms), 100, 5, 60000},
    {"election_ms", offsetof(struct config, election_ms), 700, 50, 600000},
    {"lease_ms", offsetof(struct config, lease_ms), 500, 0, 600000},
    {"session_timeout_ms", offsetof(struct config, session_timeout_ms), 30000,
     500, 86400000},
    {"op_timeout_ms", offsetof(struct config, op_timeout_ms), 10000, 100,
     86400000},
    {"log_trailing", offsetof(struct config, log_trailing), 131072, 10,
     100000000},
    {"log_trailing_mb", offsetof(struct config, log_trailing_mb), 256, 1,
     1000000},
    {"snapshot_mb_s", offsetof(struct config, snapshot_mb_s), 100, 1, 100000},
    {"window_mb", offsetof(struct config, window_mb), 8, 1, 1024},
};

uint32_t config_number_get(const struct config *config,
                           const struct config_number *number)
{
    uint32_t value;
    memcpy(&value, (const char *)config + number->offset, sizeof(value));
    return value;
}

void config_number_set(struct config *config,
                       const struct config_number *number, uint32_t value)
{
    memcpy((char *)config + number->offset, &value, sizeof(value));
}

int config_fail(char error[CONFIG_ERROR_SIZE], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error, CONFIG_ERROR_SIZE, format, args);
    va_end(args);
    /* Whatever the file held, the message stays one readable line. */
    for (char *c = error; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            *c = '?';
        }
    }
    return -1;
}

struct config_quoted config_quote(const char *text)
{
    enum { SHOWN_MAX = 64 };
    struct config_quoted out;
    size_t used = 0;
    size_t size = strlen(text);
    out.text[used++] = '"';
    for (size_t i = 0; i < size && i < SHOWN_MAX; i++) {
        out.text[used++] = text[i];
    }
    if (size > SHOWN_MAX) {
        memcpy(out.text + used, "...", 3);
        used += 3;
    }
    out.text[used++] = '"';
    out.text[used] = '\0';
    return out;
}

void config_init(struct config *config)
{
    *config = (struct config){.version = CONFIG_VERSION, .node_count = 1};
    for (size_t i = 0; i < CONFIG_NUMBERS; i++) {
        config_number_set(config, &config_numbers[i],
                          config_numbers[i].value_default);
    }
    /* Loopback: a node that nobody configured must not face the network. */
    memcpy(config->listen, default_address, sizeof(default_address));
    memcpy(config->nodes[0].address, default_address, sizeof(default_address));
}

void config_release(struct config *config)
{
    json_decref(config->unknown);
    *config = (struct config){0};
}

node_id config_node_id(const char *name)
{
    struct bytes bytes = {.data = name, .size = strlen(name)};
    node_id id = hash64(bytes, 0) & INT64_MAX;
    return id != 0 ? id : 1;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static uint64_t random_id(void)
{
    uint64_t id = 0;
    while (id == 0) {
        if (getrandom(&id, sizeof(id), 0) != sizeof(id)) {
            id = 0;
        }
    }
    return id;
}

uint64_t config_cluster_id(const struct config *config)
{
    assert(config->node_count <= RAFT_NODES_MAX);
    if (config->node_count <= 1) {
        return random_id();
    }
    const char *names[RAFT_NODES_MAX];
    for (uint32_t i = 0; i < config->node_count; i++) {
        names[i] = config->nodes[i].name;
    }
    qsort(names, config->node_count, sizeof(names[0]), compare_names);
    /* Each name seeds the next hash, so that ("ab","c") is not ("a","bc"). */
    uint64_t id =
        hash64((struct bytes){config->cluster, strlen(config->cluster)}, 0);
    for (uint32_t i = 0; i < config->node_count; i++) {
        id = hash64((struct bytes){names[i], strlen(names[i])}, id);
    }
    return id != 0 ? id : 1;
}

const struct config_node *config_find(const struct config *config, node_id id)
{
    for (uint32_t i = 0; i < config->node_count; i++) {
        if (config->nodes[i].id == id) {
            return &config->nodes[i];
        }
    }
    return NULL;
}

const char *config_node_name(const struct config *config, node_id id)
{
    const struct config_node *node = config_find(config, id);
    return node != NULL ? node->name : NULL;
}
