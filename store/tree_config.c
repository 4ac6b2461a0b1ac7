#include "store/tree_int.h"

#include <string.h>

int tree_config_put(struct tree *tree, uint64_t index, struct view body)
{
    sqlite3_stmt *statement = tree_bind1(tree, TREE_CONFIG_PUT, index);
    tree_bind_view(statement, 2, body);
    return tree_run(tree, TREE_CONFIG_PUT, "write configuration");
}

int tree_config_get(struct tree *tree, uint64_t *index, struct blob *out)
{
    int rc = tree_row(tree, TREE_CONFIG_GET, "read configuration");
    if (rc == 1) {
        sqlite3_stmt *statement = tree->statements[TREE_CONFIG_GET];
        struct view body = tree_column_view(statement, 1);
        *index = tree_column(statement, 0);
        memcpy(blob_resize(out, body.size), body.data, body.size);
        sqlite3_reset(statement);
    }
    return rc;
}
