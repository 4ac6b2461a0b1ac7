/* The port, and who waits at it. */
#include "raft/uv/incoming.h"

#include "raft/core/memory.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void make_room(struct transport *transport)
{
    struct incoming *oldest = NULL;
    if (transport->anonymous_count < ANONYMOUS_MAX) {
        return;
    }
    for (struct incoming *at = transport->incomings; at != NULL;
         at = at->next) {
        if (at->peer == NULL) {
            oldest = at;
        }
    }
    assert(oldest != NULL);
    transport->garbage++;
    incoming_close(oldest);
    transport_note(transport, EVENT_GARBAGE, 0, "crowd", NOTES_MINUTE,
                   "more than %d connections that do not say who they are; "
                   "the oldest, from %s port %u, is closed",
                   ANONYMOUS_MAX, oldest->host, oldest->port);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct transport *transport = listener->data;
    if (status < 0) {
        transport_note(transport, EVENT_ACCEPT_FAILED, 0, "accept", NOTES_MINUTE,
                       "cannot accept a connection: %s", uv_strerror(status));
        return;
    }
    make_room(transport);
    incoming_accept(transport);
}

void listener_tick(struct transport *transport)
{
    struct incoming *next;
    for (struct incoming *at = transport->incomings; at != NULL; at = next) {
        next = at->next;
        incoming_tick(at);
    }
}

/* A socket that listens on the first address of the list that allows it; a
 * negative error. Made by hand: a libuv handle could only be closed again by
 * running the loop. */
static int listen_on(const struct addrinfo *list)
{
    int rc = UV_EADDRNOTAVAIL;
    int on = 1;
    for (const struct addrinfo *at = list; at != NULL; at = at->ai_next) {
        int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 &&
            setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
            bind(fd, at->ai_addr, at->ai_addrlen) == 0 &&
            listen(fd, LISTEN_BACKLOG) == 0) {
            return fd;
        }
        rc = uv_translate_sys_error(errno);
        if (fd >= 0) {
            close(fd);
        }
    }
    return rc;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof(address);
    char host[64];
    uint16_t port;
    int rc = getsockname(fd, (struct sockaddr *)&address, &size);
    assert(rc == 0);
    (void)rc;
    transport_address_text((const struct sockaddr *)&address, host,
                           sizeof(host), &port);
    return port;
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct transport *transport = handle->data;
    free(handle);
    transport_handle_closed(transport);
}

static void close_all(struct transport *transport)
{
    while (transport->incomings != NULL) {
        incoming_close(transport->incomings);
    }
    if (transport->listener != NULL) {
        uv_close((uv_handle_t *)transport->listener, on_listener_closed);
        transport->listener = NULL;
    }
}

static int start_at(struct transport *transport, const char *host,
                    const char *port, char why[NOTE_SIZE])
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE};
    uv_getaddrinfo_t lookup = {.data = NULL};
    int rc = uv_getaddrinfo(transport->loop, &lookup, NULL, host, port, &hints);
    if (rc == 0) {
        rc = listen_on(lookup.addrinfo);
        uv_freeaddrinfo(lookup.addrinfo);
    }
    if (rc < 0) {
        snprintf(why, NOTE_SIZE, "cannot listen on %.150s port %s: %s",
                 host, port, uv_strerror(rc));
        return rc;
    }
    int fd = rc;
    close_all(transport); /* there was another place before */
    transport->port = port_of(fd);
    transport->listener = xcalloc(1, sizeof(*transport->listener));
    uv_tcp_init(transport->loop, transport->listener);
    transport->listener->data = transport;
    transport->open_handles++;
    /* It listens already: nothing is left that could fail. */
    rc = uv_tcp_open(transport->listener, fd);
    assert(rc == 0);
    rc = uv_listen((uv_stream_t *)transport->listener, LISTEN_BACKLOG,
                   on_connection);
    assert(rc == 0);
    return 0;
}

int listener_start(struct transport *transport, char why[NOTE_SIZE])
{
    const struct transport_options *options = &transport->options;
    return start_at(transport, options->listen_host, options->listen_port, why);
}

int transport_listen(struct transport *transport, const char *address,
                     const char *host, const char *port, char why[NOTE_SIZE])
{
    struct transport_options *options = &transport->options;
    int rc = start_at(transport, host, port, why);
    if (rc == 0) {
        snprintf(options->address, sizeof(options->address), "%s", address);
        snprintf(options->listen_host, sizeof(options->listen_host), "%s",
                 host);
        snprintf(options->listen_port, sizeof(options->listen_port), "%s",
                 port);
    }
    return rc;
}

void listener_stop(struct transport *transport)
{
    close_all(transport);
}
