/* join.h -- what a new node asks a member of the cluster that it shall join. */
#ifndef FS_CLI_JOIN_H
#define FS_CLI_JOIN_H

#include "raft/json/config.h"

/* Says HELLO to `to`, as `self`, and takes the cluster's id from the answer. 0,
 * or -1 with a sentence. */
int join_ask(const struct config_node *to, const char *self,
             uint64_t *cluster_id, char error[256]);

#endif
