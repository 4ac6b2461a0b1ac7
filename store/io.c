#include "store/io.h"

#include "store/error.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int open_file(const char *path, int flags, mode_t mode)
{
    return open(path, flags, mode);
}

struct store_io store_io = {
    .open = open_file,
    .pwritev = pwritev,
    .fdatasync = fdatasync,
    .fsync = fsync,
    .fallocate = fallocate,
    .ftruncate = ftruncate,
    .unlink = unlink,
};

static int rewrite(int fd, uint64_t from)
{
    static uint8_t bytes[64 * 1024]; /* before there are other threads */
    ssize_t n;
    while ((n = pread(fd, bytes, sizeof(bytes), (off_t)from)) > 0) {
        struct iovec iov = {.iov_base = bytes, .iov_len = (size_t)n};
        n = store_io.pwritev(fd, &iov, 1, (off_t)from);
        if (n < 0) {
            return -1;
        }
        from += (uint64_t)n;
    }
    return n < 0 ? -1 : store_io.fdatasync(fd);
}

int store_rewrite(const char *path, uint64_t from)
{
    int fd = store_io.open(path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) {
        return store_fail_errno(errno, "%s: cannot open", path);
    }
    int rc = 0;
    if (rewrite(fd, from) < 0) {
        rc = store_fail_errno(errno, "%s: cannot sync", path);
    }
    close(fd);
    return rc;
}

int store_sync_directory(const char *directory)
{
    int fd = store_io.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0) {
        return store_fail_errno(errno, "%s: cannot open", directory);
    }
    int rc = 0;
    if (store_io.fsync(fd) < 0) {
        rc = store_fail_errno(errno, "%s: cannot sync", directory);
    }
    close(fd);
    return rc;
}

int store_sync_directory_of(const char *path)
{
    char copy[PATH_MAX];
    if (strlen(path) >= sizeof(copy)) {
        return store_fail(STORE_INVALID, "path too long: %s", path);
    }
    snprintf(copy, sizeof(copy), "%s", path);
    return store_sync_directory(dirname(copy));
}
