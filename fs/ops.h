/* ops.h -- what the handlers of FUSE requests share.
 *
 * Handlers come in pairs: op_x() receives, do_x() (a request_done) replies, so
 * that each request is answered in exactly one place. Kernel caching of names
 * and attributes is off (timeouts of 0): every look is a linearizable read. Page
 * contents are cached and dropped by the kernel when mtime or size have changed.
 *
 * Inode numbers are those of the tree and never used again, so FORGET means
 * nothing to us.
 */
#ifndef FS_OPS_H
#define FS_OPS_H

#include "fs/node.h"

#define VIRTUAL_NAME ".raftfs"

void stat_fill(const struct node *node, const struct inode *inode,
               struct stat *st);
struct timespec timespec_of(int64_t ns);
/* Reads the inode and replies, or replies the error. */
/* A linearizable read of request->ino; of the root with little patience, and then
 * with what this node has: `df`, `mountpoint` and an `ls -l` of the parent
 * directory ask for its attributes, also the extended ones, and must neither hang
 * nor fail without a quorum (docs/decisions/0009). */
void ops_read(struct request *request);
void reply_entry(struct request *request, uint64_t ino);
void reply_attr(struct request *request, uint64_t ino);
/* Errno of a store code; faults the node where the disk failed. */
int ops_errno(struct node *node, int code);
struct node *ops_node(fuse_req_t fuse);
struct bytes ops_name(const char *name);
/* False after having replied ENAMETOOLONG. */
bool ops_name_ok(fuse_req_t fuse, const char *name);

/* ops_name.c */
void op_lookup(fuse_req_t fuse, fuse_ino_t parent, const char *name);
void op_mknod(fuse_req_t fuse, fuse_ino_t parent, const char *name,
              mode_t mode, dev_t rdev);
void op_mkdir(fuse_req_t fuse, fuse_ino_t parent, const char *name,
              mode_t mode);
void op_symlink(fuse_req_t fuse, const char *target, fuse_ino_t parent,
                const char *name);
void op_link(fuse_req_t fuse, fuse_ino_t ino, fuse_ino_t parent,
             const char *name);
void op_unlink(fuse_req_t fuse, fuse_ino_t parent, const char *name);
void op_rmdir(fuse_req_t fuse, fuse_ino_t parent, const char *name);
void op_rename(fuse_req_t fuse, fuse_ino_t parent, const char *name,
               fuse_ino_t new_parent, const char *new_name,
               unsigned int flags);
/* ops_attr.c */
void op_getattr(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *file);
void op_setattr(fuse_req_t fuse, fuse_ino_t ino, struct stat *attr, int to_set,
                struct fuse_file_info *file);
void op_readlink(fuse_req_t fuse, fuse_ino_t ino);
void op_statfs(fuse_req_t fuse, fuse_ino_t ino);
/* ops_file.c */
void op_create(fuse_req_t fuse, fuse_ino_t parent, const char *name,
               mode_t mode, struct fuse_file_info *file);
void op_open(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *file);
void op_release(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *file);
void op_read(fuse_req_t fuse, fuse_ino_t ino, size_t size, off_t offset,
             struct fuse_file_info *file);
void op_write(fuse_req_t fuse, fuse_ino_t ino, const char *data, size_t size,
              off_t offset, struct fuse_file_info *file);
void op_fsync(fuse_req_t fuse, fuse_ino_t ino, int datasync,
              struct fuse_file_info *file);
void op_lseek(fuse_req_t fuse, fuse_ino_t ino, off_t offset, int whence,
              struct fuse_file_info *file);
/* ops_lock.c */
void op_getlk(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *file,
              struct flock *lock);
void op_setlk(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *file,
              struct flock *lock, int sleep);
void op_flock(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *file,
              int op);
/* Closing ends locks. The first answers; the second only sees to it. */
void op_flush(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *file);
void release_locks(struct node *node, uint64_t ino,
                   const struct fuse_file_info *file);
/* ops_dir.c */
void op_opendir(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *file);
void op_readdir(fuse_req_t fuse, fuse_ino_t ino, size_t size, off_t offset,
                struct fuse_file_info *file);
void op_readdirplus(fuse_req_t fuse, fuse_ino_t ino, size_t size,
                    off_t offset, struct fuse_file_info *file);
void op_releasedir(fuse_req_t fuse, fuse_ino_t ino,
                   struct fuse_file_info *file);

/* ops_xattr.c */
void op_getxattr(fuse_req_t fuse, fuse_ino_t ino, const char *name,
                 size_t size);
void op_listxattr(fuse_req_t fuse, fuse_ino_t ino, size_t size);
void op_setxattr(fuse_req_t fuse, fuse_ino_t ino, const char *name,
                 const char *value, size_t size, int flags);
void op_removexattr(fuse_req_t fuse, fuse_ino_t ino, const char *name);
/* ops_range.c */
void op_fallocate(fuse_req_t fuse, fuse_ino_t ino, int mode, off_t offset,
                  off_t size, struct fuse_file_info *file);
void op_copy_file_range(fuse_req_t fuse, fuse_ino_t source,
                        off_t source_offset, struct fuse_file_info *source_file,
                        fuse_ino_t ino, off_t offset,
                        struct fuse_file_info *file, size_t size, int flags);

/* virtual.c: the directory .raftfs, which answers without the cluster. Each
 * returns true when the inode or name was its own and it has replied. */
bool virtual_lookup(struct node *node, fuse_req_t fuse, uint64_t parent,
                    const char *name);
bool virtual_getattr(struct node *node, fuse_req_t fuse, uint64_t ino);
bool virtual_open(struct node *node, fuse_req_t fuse, uint64_t ino,
                  struct fuse_file_info *file);
bool virtual_read(fuse_req_t fuse, uint64_t ino, size_t size, off_t offset,
                  struct fuse_file_info *file);
bool virtual_release(fuse_req_t fuse, uint64_t ino,
                     struct fuse_file_info *file);
bool virtual_opendir(fuse_req_t fuse, uint64_t ino,
                     struct fuse_file_info *file);
bool virtual_readdir(struct node *node, fuse_req_t fuse, uint64_t ino,
                     size_t size, off_t offset, bool plus);
bool virtual_is(uint64_t ino);

#endif
