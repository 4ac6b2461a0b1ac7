/* session_int.h -- what the files of session share.
 *
 * session.c       this node's own session, and what it tells the leader
 * session_lead.c  the leader's care for everybody's
 */
#ifndef FS_SESSION_INT_H
#define FS_SESSION_INT_H

#include "fs/command.h"
#include "fs/session.h"
#include "raft/wire/cursor.h"

enum notice_kind { NOTICE_ALIVE = 1, NOTICE_DIVERGED = 2, NOTICE_SPACE = 3 };

/* To the leader, which hears it every second anyhow: that this node is alive,
 * what it holds, how its disk is. */
void session_tell(struct node *node);
raft_time session_timeout_us(const struct node *node);
/* Submits a command that a node gives for itself, outside any session. 0 or -1:
 * the hull is full. */
int session_submit(struct node *node, struct command *command,
                   uint64_t serial, void *context, raft_time deadline);

/* --- session_lead.c --- */
/* A node's NOTICE_ALIVE, behind its first byte. */
void session_hear(struct node *node, node_id from, struct reader *r);
void session_lead_tick(struct node *node);

#endif
