#include "raft/json/config.h"

#include "raft/json/config_int.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A key that is there keeps its place; a new one goes to the end. */
static void set(json_t *object, const char *key, json_t *value)
{
    int rc = json_object_set_new(object, key, value);
    assert(rc == 0); /* no memory, or a string that is not UTF-8 */
    (void)rc;
}

/* A copy of the node's entry in the old list, for the keys that are not ours.
 */
static json_t *node_object(const json_t *old_nodes, const char *name)
{
    size_t i;
    json_t *old;
    json_array_foreach(old_nodes, i, old)
    {
        const char *old_name = json_string_value(json_object_get(old, "name"));
        if (old_name != NULL && strcmp(old_name, name) == 0) {
            return json_deep_copy(old);
        }
    }
    return json_object();
}

static json_t *encode_nodes(const struct config *config,
                            const json_t *old_nodes)
{
    json_t *list = json_array();
    assert(list != NULL);
    for (uint32_t i = 0; i < config->node_count; i++) {
        const struct config_node *node = &config->nodes[i];
        json_t *object = node_object(old_nodes, node->name);
        set(object, "name", json_string(node->name));
        set(object, "address", json_string(node->address));
        int rc = json_array_append_new(list, object);
        assert(rc == 0);
        (void)rc;
    }
    return list;
}

char *config_encode(const struct config *config)
{
    char id[17];
    assert(config->node_count <= RAFT_NODES_MAX);
    snprintf(id, sizeof(id), "%016" PRIx64, config->cluster_id);

    json_t *root = config->unknown != NULL ? json_deep_copy(config->unknown)
                                           : json_object();
    assert(root != NULL);
    set(root, "version", json_integer(config->version));
    set(root, "cluster", json_string(config->cluster));
    set(root, "cluster_id", json_string(id));
    set(root, "name", json_string(config->name));
    set(root, "listen", json_string(config->listen));
    set(root, "nodes", encode_nodes(config, json_object_get(root, "nodes")));
    if (config->joining) {
        set(root, "join", json_true());
    } else {
        json_object_del(root, "join");
    }
    for (size_t i = 0; i < CONFIG_NUMBERS; i++) {
        const struct config_number *number = &config_numbers[i];
        set(root, number->key, json_integer(config_number_get(config, number)));
    }

    char *text = json_dumps(root, JSON_INDENT(2));
    assert(text != NULL);
    json_decref(root);
    size_t size = strlen(text);
    text = realloc(text, size + 2);
    assert(text != NULL);
    memcpy(text + size, "\n", 2);
    return text;
}
