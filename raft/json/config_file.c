#include "raft/json/config.h"

#include "raft/json/config_int.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail_errno(char error[CONFIG_ERROR_SIZE], const char *what,
                      const char *path)
{
    return config_fail(error, "%s %.180s: %s", what, path, strerror(errno));
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

/* Reads until the end or until data is full; the bytes read, or -1. */
static ssize_t read_all(int fd, char *data, size_t size)
{
    size_t used = 0;
    while (used < size) {
        ssize_t n = read(fd, data + used, size - used);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -1;
        }
        if (n == 0) {
            break;
        }
        used += (size_t)n;
    }
    return (ssize_t)used;
}

static int write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -1;
        }
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

int config_read(const char *path, struct config *config,
                char error[CONFIG_ERROR_SIZE])
{
    char why[CONFIG_ERROR_SIZE];
    char *data = NULL;
    ssize_t size = -1;
    int rc = -1;

    config_init(config);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fail_errno(error, "cannot open", path);
        goto out;
    }
    data = malloc(CONFIG_FILE_MAX + 1);
    assert(data != NULL);
    size = read_all(fd, data, CONFIG_FILE_MAX + 1);
    if (size < 0) {
        fail_errno(error, "cannot read", path);
        goto out;
    }
    if (size > CONFIG_FILE_MAX) {
        config_fail(error,
                    "%.150s: larger than 1 MiB, this is not a "
                    "configuration",
                    path);
        goto out;
    }
    rc = config_decode((struct bytes){data, (size_t)size}, config, why);
    if (rc < 0) {
        /* The key matters more than the path: it must not be cut off. */
        int room = CONFIG_ERROR_SIZE - 3 - (int)strlen(why);
        config_fail(error, "%.*s: %s", room > 0 ? room : 0, path, why);
    }
out:
    free(data);
    close_fd(&fd);
    return rc;
}

/* So that a renamed file is found after a power failure. */
static int sync_directory(const char *path)
{
    char *copy = strdup(path);
    assert(copy != NULL);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    close_fd(&fd);
    free(copy);
    return rc;
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_mode & 07777 : 0644;
}

int config_write(const char *path, const struct config *config,
                 char error[CONFIG_ERROR_SIZE])
{
    static const char suffix[] = ".tmp";
    char *text = config_encode(config);
    size_t path_size = strlen(path);
    char *temporary = malloc(path_size + sizeof(suffix));
    int rc = -1;
    assert(temporary != NULL);
    memcpy(temporary, path, path_size);
    memcpy(temporary + path_size, suffix, sizeof(suffix));

    mode_t mode = mode_of(path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0) {
        fail_errno(error, "cannot create", temporary);
        goto out;
    }
    if (fchmod(fd, mode) < 0 || write_all(fd, text, strlen(text)) < 0 ||
        fsync(fd) < 0) {
        fail_errno(error, "cannot write", temporary);
        unlink(temporary);
        goto out;
    }
    if (rename(temporary, path) < 0) {
        fail_errno(error, "cannot replace", path);
        unlink(temporary);
        goto out;
    }
    if (sync_directory(path) < 0) {
        fail_errno(error, "cannot sync the directory of", path);
        goto out;
    }
    rc = 0;
out:
    close_fd(&fd);
    free(temporary);
    free(text);
    return rc;
}
