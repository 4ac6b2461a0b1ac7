/* newer.h -- what newer kernels ask and offer that libfuse 3.14 does not know.
 *
 * The bytes of a request pass through here before libfuse sees them, and those
 * of a reply before the kernel does:
 *
 *   O_TMPFILE   TMPFILE is a CREATE whose name is "/"       NEWER_NO_NAME
 *   statx(2)    STATX is a GETATTR with a longer answer     newer_is_statx()
 *   mmap(2)     INIT also says that descriptors with direct I/O may be mapped
 *               with MAP_SHARED
 *
 * A kernel that does not know them never asks; the structures are those of
 * <linux/fuse.h> of Linux 6.6, which Debian 12 does not have.
 *
 * Thread: loop; replies pass from any thread.
 */
#ifndef FS_NEWER_H
#define FS_NEWER_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
#include <stdbool.h>

#define NEWER_NO_NAME "/" /* no file can have that name */

struct newer {
    uint64_t init_unique; /* of the request that is to be answered with more */
    bool statx;           /* the request that was read last is one */
    bool maps_direct;     /* the kernel maps descriptors with direct I/O */
};

/* For a session whose user data is the node. */
extern const struct fuse_custom_io newer_io;
/* In op_getattr(): the request in hand wants the birth time too. */
bool newer_is_statx(fuse_req_t fuse);
void newer_reply_statx(fuse_req_t fuse, const struct stat *st,
                       struct timespec birth);

#endif
