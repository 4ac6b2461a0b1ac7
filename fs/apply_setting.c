/* apply_setting.c -- what holds for all nodes of the cluster.
 *
 * Apply keeps it and does not look into it: whether a node takes it is the node's
 * affair (fs/settings.h), and may differ between versions.
 */
#include "fs/apply_int.h"

#include "store/error.h"

#include <string.h>

static bool count_one(void *arg, struct view name)
{
    (void)name;
    ++*(size_t *)arg;
    return true;
}

int apply_setting(struct call *call)
{
    struct view key = apply_view(call->command->name);
    struct view value = apply_view(call->command->target);
    struct view there;
    size_t count = 0;
    call->apply->change.settings = true;
    if (value.size == 4 && memcmp(value.data, "null", 4) == 0) {
        int rc = tree_xattr_remove(call->tree, TREE_SETTINGS, key);
        return rc == STORE_NOT_FOUND ? 0 : rc;
    }
    if (value.size > APPLY_SETTING_SIZE_MAX) {
        return EINVAL;
    }
    int rc = tree_xattr_get(call->tree, TREE_SETTINGS, key, &there);
    if (rc == STORE_NOT_FOUND) {
        rc = tree_xattr_each(call->tree, TREE_SETTINGS, count_one, &count);
    }
    if (rc == 0 && count >= APPLY_SETTINGS_MAX) {
        return ENOSPC;
    }
    return rc == 0 ? tree_xattr_set(call->tree, TREE_SETTINGS, key, value) : rc;
}
