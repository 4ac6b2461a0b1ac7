/* reader.h -- contents of files for the kernel, without stopping the loop.
 *
 * What is in memory (inline extents, segment pages in the page cache) is read on
 * the loop at once, with preadv2(RWF_NOWAIT). What would wait for the disk goes
 * to a reader thread (libuv's pool, started when there is first work for it),
 * which knows only descriptors and positions.
 *
 * Thread: loop. Memory: a job owns its buffer and its holds on segments.
 */
#ifndef FS_READER_H
#define FS_READER_H

#include "fs/node.h"

/* Replies to the read of an existing inode; offset and size are already cut to
 * its size. */
void reader_reply(struct node *node, fuse_req_t fuse,
                  const struct inode *inode, uint64_t offset, size_t size);

#endif
