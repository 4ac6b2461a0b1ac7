#include "fs/settings.h"

#include "fs/node.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const struct key {
    const char *name;
    size_t offset; /* of its uint32_t in struct config */
} keys[SETTINGS] = {
    {"heartbeat_ms", offsetof(struct config, heartbeat_ms)},
    {"op_timeout_ms", offsetof(struct config, op_timeout_ms)},
    {"log_trailing", offsetof(struct config, log_trailing)},
    {"log_trailing_mb", offsetof(struct config, log_trailing_mb)},
    {"snapshot_mb_s", offsetof(struct config, snapshot_mb_s)},
    {"window_mb", offsetof(struct config, window_mb)},
};

static uint32_t *value_of(struct config *config, const struct key *key)
{
    return (uint32_t *)(void *)((char *)config + key->offset);
}

static const struct key *find_key(const char *name)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        if (strcmp(keys[i].name, name) == 0) {
            return &keys[i];
        }
    }
    return NULL;
}

bool settings_has(const char *key)
{
    return find_key(key) != NULL;
}

/* --- one key of a configuration --- */

/* A copy with this key changed, checked as when it is read at a start. */
static int change_key(const struct config *config, const char *key,
                      const json_t *value, struct config *out, char error[256])
{
    char *text = config_encode(config);
    json_t *all = json_loads(text, 0, NULL);
    free(text);
    json_object_set_new(all, key, json_deep_copy(value));
    text = json_dumps(all, 0);
    json_decref(all);
    config_init(out);
    int rc = config_decode(
        (struct bytes){.data = text, .size = strlen(text)}, out, error);
    free(text);
    return rc;
}

int settings_check(struct node *node, const char *key, const json_t *value,
                   char error[256])
{
    struct config changed;
    int rc = change_key(&node->config, key, value, &changed, error);
    config_release(&changed);
    return rc;
}

/* --- the cluster's --- */

static bool collect(void *arg, struct view name)
{
    json_object_setn_new(arg, (const char *)name.data, name.size, json_null());
    return true;
}

json_t *settings_of_cluster(struct node *node)
{
    json_t *out = json_object();
    const char *key;
    json_t *value;
    void *next;
    if (tree_xattr_each(node->tree, TREE_SETTINGS, collect, out) < 0) {
        node_fault(node, "settings cannot be read: %s", store_error_text());
    }
    json_object_foreach_safe(out, next, key, value)
    {
        struct view name = {key, strlen(key)}, text;
        json_t *there = NULL;
        if (tree_xattr_get(node->tree, TREE_SETTINGS, name, &text) == 0) {
            there = json_loadb((const char *)text.data, text.size,
                               JSON_DECODE_ANY, NULL);
        }
        if (there != NULL) {
            json_object_set_new(out, key, there);
        } else {
            json_object_del(out, key);
        }
    }
    return out;
}

/* --- in force --- */

struct hull_settings settings_of_hull(const struct node *node)
{
    const struct config *config = &node->config;
    return (struct hull_settings){
        .raft = {.heartbeat_us = config->heartbeat_ms * 1000,
                 .window_bytes = config->window_mb << 20,
                 .lease_ask = node->options.reads == READS_LEASE &&
                              node->options.mountpoint != NULL &&
                              !node->stopping},
        .log_trailing = config->log_trailing,
        .log_trailing_bytes = (uint64_t)config->log_trailing_mb << 20,
    };
}

void settings_init(struct node *node)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        node->settings.own[i] = *value_of(&node->config, &keys[i]);
    }
}

static void put(struct node *node, const struct key *key, uint32_t value)
{
    uint32_t *there = value_of(&node->config, key);
    if (*there == value) {
        return;
    }
    *there = value;
    node_event(node, EVENT_SETTING, 0, 0, "%s is %u", key->name, value);
    bool is_start = node->hull == NULL;
    if (strcmp(key->name, "op_timeout_ms") == 0 &&
        !(is_start && node->settings.timeout_given)) {
        node->options.op_timeout_ms = value;
        node->patience.full_us = (raft_time)value * 1000;
    }
}

void settings_adopt(struct node *node)
{
    json_t *cluster = settings_of_cluster(node);
    const char *key;
    json_t *value;
    struct config sum = node->config; /* borrows what is unknown */
    node->settings.changed = false;
    for (size_t i = 0; i < SETTINGS; i++) {
        *value_of(&sum, &keys[i]) = node->settings.own[i];
    }
    json_object_foreach(cluster, key, value)
    {
        char error[256];
        struct config changed;
        const struct key *known = find_key(key);
        if (known == NULL) {
            continue; /* of a newer version */
        }
        if (change_key(&sum, key, value, &changed, error) == 0) {
            *value_of(&sum, known) = *value_of(&changed, known);
        } else {
            node_event(node, EVENT_SETTING, 0, 0, "not taken: %s", error);
        }
        config_release(&changed);
    }
    json_decref(cluster);
    for (size_t i = 0; i < SETTINGS; i++) {
        put(node, &keys[i], *value_of(&sum, &keys[i]));
    }
    if (node->hull != NULL) {
        struct hull_settings settings = settings_of_hull(node);
        hull_set(node->hull, node_now(), &settings);
    }
}

/* --- the node's own --- */

int settings_set_own(struct node *node, const char *key, const json_t *value,
                     char error[256])
{
    char path[4096];
    struct config file, changed;
    snprintf(path, sizeof path, "%s/raftfs.json", node->options.datadir);
    /* In the file somebody may have changed other keys for the next start. */
    config_init(&file);
    config_init(&changed);
    int rc = settings_check(node, key, value, error);
    if (rc == 0) {
        rc = config_read(path, &file, error);
    }
    if (rc == 0) {
        rc = change_key(&file, key, value, &changed, error);
    }
    if (rc == 0) {
        rc = config_write(path, &changed, error);
    }
    if (rc == 0) {
        const struct key *known = find_key(key);
        node->settings.own[known - keys] = *value_of(&changed, known);
        settings_adopt(node);
    }
    config_release(&changed);
    config_release(&file);
    return rc;
}
