/* io.h -- the system calls by which store/ changes files of its own.
 *
 * One table, so that a test can make the n-th write, sync or allocation fail
 * (SQLite has its own such table, the VFS). Reading goes to the system
 * directly: what a read can find wrong is tested with damaged files.
 *
 * Thread: replaced before anything is opened, not changed while in use.
 */
#ifndef STORE_IO_H
#define STORE_IO_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct store_io {
    int (*open)(const char *path, int flags, mode_t mode);
    ssize_t (*pwritev)(int fd, const struct iovec *iov, int count, off_t at);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    int (*fallocate)(int fd, int mode, off_t offset, off_t size);
    int (*ftruncate)(int fd, off_t size);
    int (*unlink)(const char *path);
};

extern struct store_io store_io;

/* Writes the file's bytes from `from` on once more, as they are, and syncs it.
 * After a failed sync the kernel calls pages clean that never reached the disk;
 * the next process reads them, and its syncs have nothing to do. Whoever makes
 * bytes of an earlier process durable must write them itself. Nobody else writes
 * the file meanwhile. */
int store_rewrite(const char *path, uint64_t from);
/* Makes the names in the directory that holds `path` durable. */
int store_sync_directory_of(const char *path);
/* Same for the directory itself. */
int store_sync_directory(const char *directory);

#endif
