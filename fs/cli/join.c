#include "fs/cli/join.h"

#include "raft/wire/frame.h"

#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PATIENCE_S = 5, REPLY_MAX = 1024 };

static int fail(char error[256], const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int fail(char error[256], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error, 256, format, args);
    va_end(args);
    return -1;
}

/* A socket, or -1 with errno. */
static int connect_any(const struct addrinfo *list)
{
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    for (const struct addrinfo *at = list; at != NULL; at = at->ai_next) {
        int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            continue;
        }
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
        if (connect(fd, at->ai_addr, at->ai_addrlen) == 0) {
            return fd;
        }
        int saved = errno;
        close(fd);
        errno = saved;
    }
    return -1;
}

/* One whole frame; its size, or -1. */
static ssize_t receive(int fd, uint8_t bytes[REPLY_MAX])
{
    size_t used = 0;
    while (used < REPLY_MAX) {
        struct frame_header header;
        const char *why;
        ssize_t got = recv(fd, bytes + used, REPLY_MAX - used, 0);
        if (got <= 0) {
            return -1;
        }
        used += (size_t)got;
        int rc = frame_header_decode((struct bytes){bytes, used}, &header, &why);
        if (rc < 0 || (rc > 0 && header.kind != FRAME_HELLO_REPLY)) {
            return -1;
        }
        if (rc > 0 && used >= FRAME_HEADER_SIZE + header.body_size) {
            return (ssize_t)(FRAME_HEADER_SIZE + header.body_size);
        }
    }
    return -1;
}

static int talk(int fd, const struct config_node *to, const char *self,
                struct hello *reply)
{
    uint8_t bytes[REPLY_MAX];
    node_id id = config_node_id(self);
    struct hello hello = {.protocol = FRAME_VERSION, .node = id, .boot = 1};
    snprintf(hello.name, sizeof(hello.name), "%s", self);
    struct frame frame =
        frame_encode_hello(FRAME_HELLO, id, config_node_id(to->name), &hello);
    bool sent = send(fd, frame.data, frame.size, MSG_NOSIGNAL) ==
                (ssize_t)frame.size;
    frame_release(&frame);
    ssize_t size = sent ? receive(fd, bytes) : -1;
    if (size < 0) {
        return -1;
    }
    struct bytes whole = {bytes, (size_t)size};
    return frame_ok(whole) ? frame_decode_hello(frame_body(whole), reply) : -1;
}

int join_ask(const struct config_node *to, const char *self,
             uint64_t *cluster_id, char error[256])
{
    char host[256], port[16];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    struct hello reply;
    config_split_address(to->address, host, port);
    int rc = getaddrinfo(host, port, &hints, &list);
    if (rc != 0) {
        return fail(error, "%.100s: %s", to->address, gai_strerror(rc));
    }
    int fd = connect_any(list);
    freeaddrinfo(list);
    if (fd < 0) {
        return fail(error,
                    "%s at %.100s cannot be reached: %s; start it, or give "
                    "--cluster-id",
                    to->name, to->address, strerror(errno));
    }
    rc = talk(fd, to, self, &reply);
    close(fd);
    if (rc < 0) {
        return fail(error, "what answers at %.100s is not a raftfs node of this "
                           "version",
                    to->address);
    }
    if (reply.node != config_node_id(to->name)) {
        return fail(error, "the node at %.100s is %s, not %s", to->address,
                    reply.name, to->name);
    }
    *cluster_id = reply.cluster_id;
    return 0;
}
