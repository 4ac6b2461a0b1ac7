#include "raft/json/config.h"

#include "raft/json/config_int.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One place in the document, as people would write it: "nodes[1].address". */
struct place {
    char text[96];
};

static struct place place_of(const char *parent, const char *key)
{
    struct place place;
    snprintf(place.text, sizeof(place.text), "%s%s%s", parent,
             parent[0] != '\0' ? "." : "", key);
    return place;
}

static int decode_string(const json_t *object, const char *parent,
                         const char *key, char *out, size_t out_size,
                         char error[CONFIG_ERROR_SIZE])
{
    struct place place = place_of(parent, key);
    const json_t *value = json_object_get(object, key);
    if (value == NULL) {
        return config_fail(error, "%s: is missing; a string is needed",
                           place.text);
    }
    if (!json_is_string(value)) {
        return config_fail(error, "%s: only a string is allowed", place.text);
    }
    if (json_string_length(value) >= out_size) {
        return config_fail(
            error, "%s: %s is too long; %zu bytes are allowed", place.text,
            config_quote(json_string_value(value)).text, out_size - 1);
    }
    memcpy(out, json_string_value(value), json_string_length(value) + 1);
    return 0;
}

static int decode_number(const json_t *object, const char *key, json_int_t min,
                         json_int_t max, uint32_t *out,
                         char error[CONFIG_ERROR_SIZE])
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value)) {
        return config_fail(error,
                           "%s: %s; only a whole number from %lld to "
                           "%lld is allowed",
                           key,
                           value == NULL ? "is missing"
                                         : "is not a number "
                                           "without fraction",
                           (long long)min, (long long)max);
    }
    json_int_t number = json_integer_value(value);
    if (number < min || number > max) {
        return config_fail(error,
                           "%s: %lld is out of range; %lld to %lld are "
                           "allowed",
                           key, (long long)number, (long long)min,
                           (long long)max);
    }
    *out = (uint32_t)number;
    return 0;
}

static int decode_cluster_id(const json_t *root, uint64_t *out,
                             char error[CONFIG_ERROR_SIZE])
{
    enum { DIGITS = 16 };
    char text[64];
    if (decode_string(root, "", "cluster_id", text, sizeof(text), error) < 0) {
        return -1;
    }
    /* Small letters only: one id has one spelling, so that two files can be
     * compared by eye and by diff. */
    if (strlen(text) != DIGITS || strspn(text, "0123456789abcdef") != DIGITS) {
        return config_fail(error,
                           "cluster_id: %s is not 16 hexadecimal digits "
                           "(0-9, a-f)",
                           config_quote(text).text);
    }
    *out = strtoull(text, NULL, 16);
    return 0;
}

static int decode_node(const json_t *value, size_t at, struct config_node *node,
                       char error[CONFIG_ERROR_SIZE])
{
    char parent[32];
    snprintf(parent, sizeof(parent), "nodes[%zu]", at);
    if (!json_is_object(value)) {
        return config_fail(error,
                           "%s: only an object with \"name\" and "
                           "\"address\" is allowed",
                           parent);
    }
    if (decode_string(value, parent, "name", node->name, sizeof(node->name),
                      error) < 0 ||
        decode_string(value, parent, "address", node->address,
                      sizeof(node->address), error) < 0) {
        return -1;
    }
    return 0;
}

static int decode_nodes(const json_t *root, struct config *config,
                        char error[CONFIG_ERROR_SIZE])
{
    const json_t *list = json_object_get(root, "nodes");
    size_t count = json_array_size(list);
    if (count < 1 || count > RAFT_NODES_MAX) {
        return config_fail(error,
                           "nodes: only a list of 1 to %d nodes is "
                           "allowed",
                           RAFT_NODES_MAX);
    }
    config->node_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        if (decode_node(json_array_get(list, i), i, &config->nodes[i], error) <
            0) {
            return -1;
        }
    }
    return 0;
}

/* Who gives no "listen" listens where the others will look for this node. */
static void listen_default(struct config *config)
{
    for (uint32_t i = 0; i < config->node_count; i++) {
        if (strcmp(config->nodes[i].name, config->name) == 0) {
            memcpy(config->listen, config->nodes[i].address,
                   sizeof(config->listen));
        }
    }
}

static int decode_root(const json_t *root, struct config *config,
                       char error[CONFIG_ERROR_SIZE])
{
    if (decode_number(root, "version", CONFIG_VERSION, CONFIG_VERSION,
                      &config->version, error) < 0 ||
        decode_string(root, "", "cluster", config->cluster,
                      sizeof(config->cluster), error) < 0 ||
        decode_cluster_id(root, &config->cluster_id, error) < 0 ||
        decode_string(root, "", "name", config->name, sizeof(config->name),
                      error) < 0 ||
        decode_nodes(root, config, error) < 0) {
        return -1;
    }
    listen_default(config);
    if (json_object_get(root, "listen") != NULL &&
        decode_string(root, "", "listen", config->listen,
                      sizeof(config->listen), error) < 0) {
        return -1;
    }
    const json_t *join = json_object_get(root, "join");
    if (join != NULL && !json_is_boolean(join)) {
        return config_fail(error, "join: only true or false is allowed");
    }
    config->joining = json_is_true(join);
    for (size_t i = 0; i < CONFIG_NUMBERS; i++) {
        const struct config_number *number = &config_numbers[i];
        uint32_t value = number->value_default;
        if (json_object_get(root, number->key) != NULL &&
            decode_number(root, number->key, number->min, number->max, &value,
                          error) < 0) {
            return -1;
        }
        config_number_set(config, number, value);
    }
    return config_validate(config, error);
}

int config_decode(struct bytes json, struct config *config,
                  char error[CONFIG_ERROR_SIZE])
{
    json_error_t where;
    config_init(config);
    json_t *root = json_loadb(json.data != NULL ? json.data : "", json.size,
                              JSON_REJECT_DUPLICATES, &where);
    if (root == NULL) {
        return config_fail(error, "line %d, column %d: not JSON: %s",
                           where.line, where.column, where.text);
    }
    if (!json_is_object(root)) {
        json_decref(root);
        return config_fail(error, "the file must hold one JSON object, "
                                  "{\"version\": 1, ...}");
    }
    /* The whole document is kept, not only what is foreign in it: so each key
     * finds its place again when it is written. */
    config->unknown = root;
    if (decode_root(root, config, error) < 0) {
        config_release(config);
        return -1;
    }
    return 0;
}
