/* status_print.h -- the status of a node, for people. */
#ifndef FS_CLI_STATUS_PRINT_H
#define FS_CLI_STATUS_PRINT_H

#include <jansson.h>
#include <stdio.h>

/* status: what `raftfs status --json` shows. Keys that are missing are left
 * out. */
void status_print(const json_t *status, FILE *out);

#endif
