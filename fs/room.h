/* room.h -- when the disk of this node is full nevertheless.
 *
 * fs/space.h refuses callers in time. But the disk may belong to others, too:
 *
 *     OK  --less than a last part of the disk is free, or a write that failed for
 *     lack of space--> FULL  --twice as much is free--> OK
 *
 * A FULL node takes no records of its leader any more: it acknowledges none, and
 * is behind; but it votes, applies what it has, and answers reads. A FULL leader
 * hands over to a node that has room, if there is one. It looks every second, so
 * that all goes on by itself when somebody makes room.
 *
 * So that what must be written then (term, vote, the transaction of the tree,
 * the records under way) can be, a file DATADIR/reserve holds that last part: 16
 * MiB, or a 32nd of a small disk. A write that fails for lack of space gives it
 * up and is tried again, once. Only when that fails too the node takes itself out
 * of service.
 *
 * Thread: loop.
 */
#ifndef FS_ROOM_H
#define FS_ROOM_H

#include <stdbool.h>

struct node;

struct room {
    bool full;
    bool reserved; /* the reserve is there */
};

void room_open(struct node *node);
/* A write has returned rc. True: it was for lack of space, there is more now, and
 * it may be tried again. */
bool room_made(struct node *node, int rc);
/* Before a write that cannot be tried again: gives up the reserve when there is
 * less room than that. */
void room_prepare(struct node *node);
/* Every second. */
void room_tick(struct node *node);

#endif
