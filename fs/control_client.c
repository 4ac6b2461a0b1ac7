/* The asking side of the control socket: plain, blocking, with one deadline. */
#include "fs/control.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { ERROR_SIZE = 256 };

static int fail(int code, char error[ERROR_SIZE], const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int fail(int code, char error[ERROR_SIZE], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error, ERROR_SIZE, format, args);
    va_end(args);
    return code;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int connect_to(const char *datadir, int *out, char error[ERROR_SIZE])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int rc = 0;
    int fd = -1;
    int directory = open(datadir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        return fail(CONTROL_FAILED, error, "%.180s: %s", datadir,
                    strerror(errno));
    }
    snprintf(address.sun_path, sizeof(address.sun_path),
             "/proc/self/fd/%d/control.sock", directory);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        int code = errno == ENOENT || errno == ECONNREFUSED
                       ? CONTROL_NOT_RUNNING
                       : CONTROL_FAILED;
        rc = fail(code, error, "%.180s/control.sock: %s", datadir,
                  strerror(errno));
        goto out;
    }
    *out = fd;
    fd = -1;
out:
    if (fd >= 0) {
        close(fd);
    }
    close(directory);
    return rc;
}

/* Waits for the socket; false when the time is over. */
static bool wait_for(int fd, short what, int64_t deadline)
{
    for (;;) {
        struct pollfd poll_fd = {.fd = fd, .events = what};
        int64_t left = deadline - now_ms();
        int rc = left > 0 ? poll(&poll_fd, 1, (int)left) : 0;
        if (rc > 0) {
            return true;
        }
        if (rc == 0 || errno != EINTR) {
            return false;
        }
    }
}

static int send_request(int fd, const json_t *request, int64_t deadline)
{
    char *text = json_dumps(request, JSON_COMPACT);
    assert(text != NULL);
    size_t size = strlen(text), sent = 0;
    text[size++] = '\n'; /* in place of the NUL */
    while (sent < size && wait_for(fd, POLLOUT, deadline)) {
        ssize_t rc = send(fd, text + sent, size - sent, MSG_NOSIGNAL);
        if (rc < 0 && errno != EAGAIN && errno != EINTR) {
            break;
        }
        sent += rc > 0 ? (size_t)rc : 0;
    }
    free(text);
    return sent == size ? 0 : -1;
}

/* One line, without its newline; NULL when it did not come whole. */
static char *receive_line(int fd, int64_t deadline)
{
    char *text = NULL;
    size_t used = 0, size = 0;
    while (wait_for(fd, POLLIN, deadline)) {
        if (used == size) {
            size = size == 0 ? 64 * 1024 : 2 * size;
            if (size > CONTROL_REPLY_MAX) {
                break;
            }
            text = realloc(text, size);
            assert(text != NULL);
        }
        ssize_t rc = recv(fd, text + used, size - used, 0);
        if (rc == 0 || (rc < 0 && errno != EAGAIN && errno != EINTR)) {
            break;
        }
        used += rc > 0 ? (size_t)rc : 0;
        if (used > 0 && text[used - 1] == '\n') {
            text[used - 1] = '\0';
            return text;
        }
    }
    free(text);
    return NULL;
}

int control_call(const char *datadir, const json_t *request, json_t **reply,
                 char error[ERROR_SIZE])
{
    int64_t deadline = now_ms() + CONTROL_TIMEOUT_MS;
    char *text = NULL;
    json_t *got = NULL;
    int fd = -1;
    int rc = connect_to(datadir, &fd, error);
    if (rc < 0) {
        return rc;
    }
    if (send_request(fd, request, deadline) == 0) {
        text = receive_line(fd, deadline);
    }
    if (text == NULL) {
        rc = fail(CONTROL_FAILED, error, "the node in %.180s does not answer",
                  datadir);
        goto out;
    }
    got = json_loads(text, 0, NULL);
    if (!json_is_object(got)) {
        rc = fail(CONTROL_FAILED, error,
                  "the node in %.180s answered something else than JSON",
                  datadir);
        goto out;
    }
    json_t *problem = json_object_get(got, "error");
    if (problem != NULL) {
        const char *said = json_string_value(problem);
        rc = fail(CONTROL_REFUSED, error, "%s",
                  said != NULL ? said : "the node refused");
        goto out;
    }
    *reply = json_incref(got);
out:
    json_decref(got);
    free(text);
    close(fd);
    return rc;
}
