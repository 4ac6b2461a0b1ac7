/* `raftfs config` on a running node: what it goes by, and changes of it. */
#include "fs/node.h"

#include "fs/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *refuse(const char *text)
{
    return json_pack("{s:s}", "error", text);
}

/* As raftfs.json has it, in order. */
static json_t *as_json(const struct config *config)
{
    char *text = config_encode(config);
    json_t *out = json_loads(text, 0, NULL);
    free(text);
    return out;
}

static json_t *get(struct node *node, const char *key, bool of_cluster)
{
    json_t *all;
    if (of_cluster) {
        all = settings_of_cluster(node);
    } else {
        all = as_json(&node->config);
        json_object_set_new(all, "log_level",
                            json_string(log_level_name(log_level())));
        /* -o op_timeout counts more than the file. */
        json_object_set_new(
            all, "op_timeout_ms",
            json_integer((json_int_t)node->options.op_timeout_ms));
    }
    if (key == NULL) {
        return json_pack("{s:o}", "config", all);
    }
    json_t *value = json_incref(json_object_get(all, key));
    json_decref(all);
    if (value == NULL) {
        char text[160];
        snprintf(text, sizeof text, "%.64s: %s", key,
                 of_cluster ? "is not set for the whole cluster"
                            : "there is no such key");
        return refuse(text);
    }
    return json_pack("{s:{s:o}}", "config", key, value);
}

static json_t *set_log_level(const json_t *value)
{
    int level = json_is_string(value)
                    ? log_level_from_name(json_string_value(value))
                    : -1;
    if (level < 0) {
        return refuse("log_level: one of error, warn, info, debug");
    }
    log_set_level(level); /* until the next start */
    return json_object();
}

static bool is_set_for_all(struct node *node, const char *key)
{
    json_t *cluster = settings_of_cluster(node);
    bool is_set = json_object_get(cluster, key) != NULL;
    json_decref(cluster);
    return is_set;
}

static json_t *set_own(struct node *node, const char *key, const json_t *value)
{
    char text[256];
    if (is_set_for_all(node, key)) {
        snprintf(text, sizeof text,
                 "%s is set for the whole cluster; `raftfs config set "
                 "--cluster` changes it, and `--cluster %s=` takes it back",
                 key, key);
        return refuse(text);
    }
    return settings_set_own(node, key, value, text) < 0 ? refuse(text)
                                                        : json_object();
}

/* null takes it back. */
static json_t *set_for_all(struct node *node, const char *key,
                           const json_t *value)
{
    char error[256];
    if (!json_is_null(value) && settings_check(node, key, value, error) < 0) {
        return refuse(error);
    }
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    struct command command = {
        .op = OP_SETTING,
        .name = {(const uint8_t *)key, strlen(key)},
        .target = {(const uint8_t *)text, strlen(text)},
        .caller = {.comm = "raftfs"},
    };
    json_t *reply =
        submission_begin(node, &command, (struct bytes){0}, NULL, 0);
    free(text);
    return reply;
}

static json_t *set(struct node *node, const char *key, const json_t *value,
                   bool for_all)
{
    char text[256];
    if (strcmp(key, "log_level") == 0 && !for_all) {
        return set_log_level(value);
    }
    if (!settings_has(key)) {
        snprintf(text, sizeof text,
                 "%.64s: cannot be changed while the node runs; these can: "
                 SETTINGS_KEYS ", and log_level of one node",
                 key);
        return refuse(text);
    }
    if (node->faulted) {
        return refuse("the node is out of service");
    }
    return for_all ? set_for_all(node, key, value) : set_own(node, key, value);
}

json_t *config_control(struct node *node, const json_t *request)
{
    const char *action = json_string_value(json_object_get(request, "action"));
    const char *key = json_string_value(json_object_get(request, "key"));
    const json_t *value = json_object_get(request, "value");
    bool of_cluster = json_is_true(json_object_get(request, "cluster"));
    if (action == NULL || strcmp(action, "get") == 0) {
        return get(node, key, of_cluster);
    }
    if (strcmp(action, "set") == 0 && key != NULL && value != NULL) {
        return set(node, key, value, of_cluster);
    }
    return refuse("an action is get, or set with key and value");
}
