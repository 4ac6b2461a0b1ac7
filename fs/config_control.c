/* `raftfs config` on a running node: what it goes by, and changes of what is its
 * own affair. Timeouts that nodes rely on of each other (election, lease,
 * session) are not: they are the same everywhere, or reads can be wrong. */
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

static json_t *get(struct node *node, const char *key)
{
    json_t *all = as_json(&node->config);
    json_object_set_new(all, "log_level",
                        json_string(log_level_name(log_level())));
    /* -o op_timeout counts more than the file. */
    json_object_set_new(all, "op_timeout_ms",
                        json_integer((json_int_t)node->options.op_timeout_ms));
    if (key == NULL) {
        return json_pack("{s:o}", "config", all);
    }
    json_t *value = json_incref(json_object_get(all, key));
    json_decref(all);
    if (value == NULL) {
        char text[160];
        snprintf(text, sizeof text, "%.64s: there is no such key", key);
        return refuse(text);
    }
    return json_pack("{s:{s:o}}", "config", key, value);
}

static bool is_local(const char *key)
{
    return strcmp(key, "heartbeat_ms") == 0 ||
           strcmp(key, "op_timeout_ms") == 0;
}

/* The file with this key changed, checked as when it is read at a start. */
static int change_key(const struct config *config, const char *key,
                      const json_t *value, struct config *out, char error[256])
{
    json_t *all = as_json(config);
    json_object_set(all, key, (json_t *)(uintptr_t)value);
    char *text = json_dumps(all, 0);
    json_decref(all);
    config_init(out);
    int rc = config_decode(
        (struct bytes){.data = text, .size = strlen(text)}, out, error);
    free(text);
    return rc;
}

static json_t *set_in_file(struct node *node, const char *key,
                           const json_t *value)
{
    char path[4096], error[256] = "";
    struct config now, file, changed;
    if (node->faulted) {
        return refuse("the node is out of service");
    }
    snprintf(path, sizeof path, "%s/raftfs.json", node->options.datadir);
    /* In the file somebody may have changed other keys for the next start. */
    config_init(&now);
    config_init(&file);
    config_init(&changed);
    int rc = change_key(&node->config, key, value, &now, error);
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
        hull_set_heartbeat(node->hull, node_now(), now.heartbeat_ms * 1000);
        node->config.heartbeat_ms = now.heartbeat_ms;
        node->config.op_timeout_ms = now.op_timeout_ms;
    }
    config_release(&changed);
    config_release(&file);
    config_release(&now);
    return rc < 0 ? refuse(error) : json_object();
}

static json_t *set(struct node *node, const char *key, const json_t *value)
{
    char text[256];
    if (strcmp(key, "log_level") == 0) {
        int level =
            json_is_string(value) ? log_level_from_name(json_string_value(value))
                                  : -1;
        if (level < 0) {
            return refuse("log_level: one of error, warn, info, debug");
        }
        log_set_level(level); /* until the next start */
        return json_object();
    }
    if (!is_local(key)) {
        snprintf(text, sizeof text,
                 "%.64s: cannot be changed while the node runs; heartbeat_ms, "
                 "op_timeout_ms and log_level can",
                 key);
        return refuse(text);
    }
    json_t *reply = set_in_file(node, key, value);
    if (json_object_get(reply, "error") == NULL) {
        node_event(node, EVENT_SETTING, 0, 0, "%s changed", key);
        if (strcmp(key, "op_timeout_ms") == 0) {
            node->options.op_timeout_ms = node->config.op_timeout_ms;
            node->patience.full_us =
                (raft_time)node->config.op_timeout_ms * 1000;
        }
    }
    return reply;
}

json_t *config_control(struct node *node, const json_t *request)
{
    const char *action = json_string_value(json_object_get(request, "action"));
    const char *key = json_string_value(json_object_get(request, "key"));
    const json_t *value = json_object_get(request, "value");
    if (action == NULL || strcmp(action, "get") == 0) {
        return get(node, key);
    }
    if (strcmp(action, "set") == 0 && key != NULL && value != NULL) {
        return set(node, key, value);
    }
    return refuse("an action is get, or set with key and value");
}
