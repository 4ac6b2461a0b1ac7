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
