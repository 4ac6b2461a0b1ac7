/* find.h -- which node a person means: by data directory, by mount point, or
 * simply the only one that is mounted here. */
#ifndef FS_CLI_FIND_H
#define FS_CLI_FIND_H

#include "fs/cli/cli.h"

#include <jansson.h>

struct found {
    bool is_mount;
    char *path; /* owned: the mount point or the data directory */
};

/* text: what was given, or NULL. 0 or an exit code (told). */
int find_node(const struct cli *cli, const char *text, struct found *out);
void found_release(struct found *found);

enum { FIND_RUNNING = 0, FIND_NOT_RUNNING = 1, FIND_FAILED = 2 };
/* What the node says about itself. When it does not: a sentence in error. */
int find_status(const struct found *found, json_t **out, char error[256]);
/* Asks a running node; takes the request. 0 with a new reference, or an exit
 * code (told). */
int find_ask(const struct cli *cli, const struct found *found, json_t *request,
             json_t **reply);

#endif
