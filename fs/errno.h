/* errno.h -- what programs are told when something goes wrong below.
 *
 * The only place where a code of another room becomes an errno. What apply
 * answers is an errno already.
 */
#ifndef FS_ERRNO_H
#define FS_ERRNO_H

#include "raft/hull/pilot.h"

/* code: 0 or a negative code of store/error.h. */
int errno_of_store(int code);
/* is_write: a change of the tree, else a read. 0 for HULL_DONE. */
int errno_of_outcome(enum hull_outcome outcome, bool is_write);

#endif
