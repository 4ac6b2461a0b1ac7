/* One outgoing connection a peer, for what this node has to say.
 *
 *   WAITING --dial--> RESOLVING --on_resolved--> CONNECTING --on_connected-->
 *   GREETING --on_reply--> WELCOMED;     all --give_up--> WAITING
 *
 * A try ends after connect_us, and the wait after it counts from its beginning:
 * so there is a fresh SYN at least every max(connect_us, BACKOFF_MAX_US), however
 * far apart the kernel would send its own, and a healed network is found within
 * that time.
 *
 * A dead network under a connection is the kernel's to find: TCP_USER_TIMEOUT
 * ends it when nothing that was sent is acknowledged for silence_us, and with
 * the pings there always is something sent. Unlike a look at our own queue it
 * does not take a slow network for a dead one.
 */
#include "raft/uv/transport_int.h"

#include "raft/core/memory.h"

#include <assert.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Lives until its handle is closed; `peer` is NULL from the moment it is given
 * up. */
struct outgoing {
    uv_tcp_t tcp;
    uv_connect_t connect;
    struct transport *transport;
    struct peer *peer;
    struct stream stream;
    struct outbox outbox;
};

/* What went wrong with a try or a connection. */
enum loss { LOSS_UNREACHABLE, LOSS_REFUSED, LOSS_BROKEN };

static void dial(struct peer *peer);

static uint64_t whole_ms(uint64_t us)
{
    return (us + 999) / 1000;
}

static void set_state(struct peer *peer, enum dial_state state)
{
    peer->state = state;
    peer->unheard_since = 0;
}

static void on_timer(uv_timer_t *timer);

static void start_timer(struct peer *peer, uint64_t us)
{
    uv_timer_start(&peer->timer, on_timer, whole_ms(us), 0);
}

/* --- the end of a connection --- */

static void on_outgoing_closed(uv_handle_t *handle)
{
    struct outgoing *outgoing = handle->data;
    struct transport *transport = outgoing->transport;
    outbox_release(&outgoing->outbox);
    stream_release(&outgoing->stream);
    free(outgoing);
    transport_handle_closed(transport);
}

static void close_outgoing(struct peer *peer)
{
    struct outgoing *outgoing = peer->outgoing;
    if (outgoing == NULL) {
        return;
    }
    peer->frames_dropped += outgoing->outbox.count;
    peer->outgoing = NULL;
    outgoing->peer = NULL;
    uv_close((uv_handle_t *)&outgoing->tcp, on_outgoing_closed);
}

static void wait_for_next_try(struct peer *peer, enum loss loss)
{
    raft_time spent = transport_now() - peer->state_since;
    bool welcomed = peer->state == DIAL_WELCOMED;
    if (welcomed && spent >= BACKOFF_MAX_US) {
        peer->backoff_us = BACKOFF_MIN_US; /* it was a good one */
    }
    uint64_t wait = peer->backoff_us;
    if (loss == LOSS_REFUSED) {
        wait = BACKOFF_MAX_US; /* people have to change something first */
    } else if (!welcomed) {
        wait -= spent < wait ? spent : wait;
    }
    peer->backoff_us *= 2;
    if (peer->backoff_us > BACKOFF_MAX_US) {
        peer->backoff_us = BACKOFF_MAX_US;
    }
    set_state(peer, DIAL_WAITING);
    start_timer(peer, wait);
}

static void tell_loss(struct peer *peer, enum loss loss, const char *text)
{
    static const char *const codes[] = {
        [LOSS_UNREACHABLE] = "peer-unreachable",
        [LOSS_REFUSED] = "peer-refused",
        [LOSS_BROKEN] = "peer-lost",
    };
    char key[NOTES_KEY_SIZE];
    node_id id = peer->options->id;
    /* A new cause is told again, another try with the same end is not. A lost
     * connection is told each time: its fellow is the note of the next one. */
    snprintf(key, sizeof(key), "dial:%016" PRIx64 ":%d:%.40s", id, (int)loss,
             peer->why);
    transport_note(peer->transport, "warn", codes[loss], id,
                   loss == LOSS_BROKEN ? NULL : key, NOTES_ONCE, "%s", text);
}

/* The format gives the cause, short, for status; the note puts the peer in
 * front of it, unless the cause is a whole sentence (LOSS_REFUSED). */
__attribute__((format(printf, 3, 4)))
static void give_up(struct peer *peer, enum loss loss, const char *format, ...)
{
    char cause[NOTE_SIZE], text[3 * NOTE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(cause, sizeof(cause), format, args);
    va_end(args);
    snprintf(peer->why, sizeof(peer->why), "%.*s",
             (int)sizeof(peer->why) - 1, cause);

    const char *verb = loss == LOSS_BROKEN ? "lost the connection to"
                                           : "cannot reach";
    if (loss == LOSS_REFUSED) {
        snprintf(text, sizeof(text), "%s", cause);
    } else {
        snprintf(text, sizeof(text), "%s %s: %s", verb, peer_label(peer).text,
                 cause);
    }
    close_outgoing(peer);
    wait_for_next_try(peer, loss);
    tell_loss(peer, loss, text);
}

static void fail(struct peer *peer, const char *cause)
{
    give_up(peer,
            peer->state == DIAL_WELCOMED ? LOSS_BROKEN : LOSS_UNREACHABLE,
            "%s", cause);
}

/* --- WELCOMED: the reply, and whatever comes after it --- */

static void welcome(struct peer *peer)
{
    char key[NOTES_KEY_SIZE];
    snprintf(key, sizeof(key), "dial:%016" PRIx64, peer->options->id);
    notes_forget(&peer->transport->notes, key);
    uv_timer_stop(&peer->timer);
    set_state(peer, DIAL_WELCOMED);
    peer->state_since = transport_now();
    peer->why[0] = '\0';
    transport_note(peer->transport, "info", "peer-connected",
                   peer->options->id, NULL, NOTES_ONCE, "connected to %s",
                   peer_label(peer).text);
}

static void on_reply(struct peer *peer, struct bytes frame)
{
    const struct transport_options *options = &peer->transport->options;
    struct hello reply;
    if (frame_decode_hello(frame_body(frame), &reply) < 0) {
        fail(peer, "its reply to HELLO makes no sense");
        return;
    }
    struct peer_label label = peer_label(peer);
    if (reply.protocol != FRAME_VERSION) {
        give_up(peer, LOSS_REFUSED,
                "node %s speaks protocol %u; this node speaks %d", label.text,
                reply.protocol, FRAME_VERSION);
    } else if (reply.cluster_id != options->cluster_id) {
        give_up(peer, LOSS_REFUSED,
                "node %s belongs to cluster %016" PRIx64
                "; this is cluster %016" PRIx64,
                label.text, reply.cluster_id, options->cluster_id);
    } else if (reply.node != peer->options->id) {
        give_up(peer, LOSS_REFUSED,
                "node %s is really %s: two nodes' addresses are mixed up",
                label.text, reply.name);
    } else if (reply.status == HELLO_UNKNOWN_NODE) {
        give_up(peer, LOSS_REFUSED,
                "node %s does not know this node, %s: it is missing in its "
                "configuration", label.text, options->name);
    } else if (reply.status != HELLO_OK) {
        give_up(peer, LOSS_REFUSED, "node %s refuses this node (%u)",
                label.text, reply.status);
    } else {
        welcome(peer);
    }
}

static void take_reply(struct peer *peer)
{
    struct frame_header header;
    struct bytes frame;
    const char *why;
    int rc = stream_take(&peer->outgoing->stream, &header, &frame, &why);
    if (rc < 0) {
        fail(peer, why);
    } else if (rc > 0 && (peer->state != DIAL_GREETING ||
                          header.kind != FRAME_HELLO_REPLY)) {
        fail(peer, "it says what it should not say here");
    } else if (rc > 0) {
        on_reply(peer, frame);
    }
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct outgoing *outgoing = handle->data;
    (void)suggested;
    buf->base = (char *)stream_room(&outgoing->stream, &buf->len);
}

static void on_read(uv_stream_t *handle, ssize_t size, const uv_buf_t *buf)
{
    struct outgoing *outgoing = handle->data;
    (void)buf;
    if (outgoing->peer == NULL || size == 0) {
        return;
    }
    if (size < 0) {
        fail(outgoing->peer, size == UV_EOF ? "it closed the connection"
                                            : uv_strerror((int)size));
        return;
    }
    stream_filled(&outgoing->stream, (size_t)size);
    take_reply(outgoing->peer);
}

/* --- CONNECTING and GREETING --- */

static void on_outbox_failed(void *arg, int status)
{
    struct outgoing *outgoing = arg;
    if (outgoing->peer != NULL) {
        fail(outgoing->peer, uv_strerror(status));
    }
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct outgoing *outgoing = connect->data;
    struct peer *peer = outgoing->peer;
    if (peer == NULL) {
        return;
    }
    if (status < 0) {
        fail(peer, uv_strerror(status));
        return;
    }
    set_state(peer, DIAL_GREETING);
    int rc = uv_read_start((uv_stream_t *)&outgoing->tcp, on_room, on_read);
    if (rc < 0) {
        fail(peer, uv_strerror(rc));
        return;
    }
    if (!peer->cut) {
        struct frame hello = transport_hello(peer->transport, FRAME_HELLO,
                                             peer->options->id, HELLO_OK);
        outbox_send_first(&outgoing->outbox, &hello);
    }
}

static void set_socket_options(struct outgoing *outgoing)
{
    uv_os_fd_t fd;
    unsigned timeout_ms =
        (unsigned)whole_ms(outgoing->transport->options.silence_us);
    uv_tcp_nodelay(&outgoing->tcp, 1);
    if (uv_fileno((uv_handle_t *)&outgoing->tcp, &fd) == 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms,
                   sizeof(timeout_ms));
    }
}

static void connect_to(struct peer *peer, const struct sockaddr *address)
{
    struct transport *transport = peer->transport;
    struct outgoing *outgoing = xcalloc(1, sizeof(*outgoing));
    assert(peer->outgoing == NULL);
    outgoing->transport = transport;
    outgoing->peer = peer;
    uv_tcp_init(transport->loop, &outgoing->tcp);
    outgoing->tcp.data = outgoing;
    outgoing->connect.data = outgoing;
    transport->open_handles++;
    stream_init(&outgoing->stream, ANONYMOUS_BODY_MAX);
    outbox_init(&outgoing->outbox, (uv_stream_t *)&outgoing->tcp,
                transport->options.queue_bytes, on_outbox_failed, outgoing);
    peer->outgoing = outgoing;
    set_state(peer, DIAL_CONNECTING);
    start_timer(peer, transport->options.connect_us);
    int rc = uv_tcp_connect(&outgoing->connect, &outgoing->tcp, address,
                            on_connected);
    if (rc < 0) {
        fail(peer, uv_strerror(rc));
        return;
    }
    set_socket_options(outgoing);
}

/* --- WAITING and RESOLVING --- */

/* Each try takes the next address of the name: so all get their turn. */
static const struct addrinfo *choose(const struct addrinfo *list,
                                     uint32_t tries)
{
    uint32_t count = 0;
    for (const struct addrinfo *at = list; at != NULL; at = at->ai_next) {
        count++;
    }
    for (uint32_t skip = tries % count; skip > 0; skip--) {
        list = list->ai_next;
    }
    return list;
}

static void on_resolved(uv_getaddrinfo_t *lookup, int status,
                        struct addrinfo *list)
{
    struct peer *peer = lookup->data;
    struct transport *transport = peer->transport;
    if (!transport->closing) {
        if (status < 0 || list == NULL) {
            give_up(peer, LOSS_UNREACHABLE, "its name cannot be resolved: %s",
                    uv_strerror(status));
        } else {
            connect_to(peer, choose(list, peer->tries)->ai_addr);
        }
    }
    uv_freeaddrinfo(list);
    transport_handle_closed(transport);
}

static void resolve(struct peer *peer)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    set_state(peer, DIAL_RESOLVING);
    peer->lookup.data = peer;
    int rc = uv_getaddrinfo(peer->transport->loop, &peer->lookup, on_resolved,
                            peer->options->host, peer->options->port, &hints);
    if (rc < 0) {
        give_up(peer, LOSS_UNREACHABLE, "its name cannot be resolved: %s",
                uv_strerror(rc));
        return;
    }
    peer->transport->open_handles++;
}

/* An address made of numbers needs no resolver, which may be slow and works in
 * another thread. */
static void dial(struct peer *peer)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    int port = atoi(peer->options->port);
    peer->tries++;
    peer->state_since = transport_now();
    if (uv_ip4_addr(peer->options->host, port, &v4) == 0) {
        connect_to(peer, (const struct sockaddr *)&v4);
    } else if (uv_ip6_addr(peer->options->host, port, &v6) == 0) {
        connect_to(peer, (const struct sockaddr *)&v6);
    } else {
        resolve(peer);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct peer *peer = timer->data;
    if (peer->state == DIAL_WAITING) {
        dial(peer);
    } else if (peer->state == DIAL_CONNECTING) {
        fail(peer, "no answer to the connection");
    } else if (peer->state == DIAL_GREETING) {
        fail(peer, "no answer to HELLO");
    }
}

/* --- for the others --- */

void dialer_start(struct peer *peer)
{
    uv_timer_init(peer->transport->loop, &peer->timer);
    peer->timer.data = peer;
    peer->transport->open_handles++;
    peer->backoff_us = BACKOFF_MIN_US;
    set_state(peer, DIAL_WAITING);
    start_timer(peer, 0);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct peer *peer = handle->data;
    transport_handle_closed(peer->transport);
}

void dialer_stop(struct peer *peer)
{
    if (peer->state == DIAL_RESOLVING) {
        /* Too late where it runs already; on_resolved() comes either way. */
        uv_cancel((uv_req_t *)&peer->lookup);
    }
    close_outgoing(peer);
    uv_close((uv_handle_t *)&peer->timer, on_timer_closed);
}

void dialer_hint(struct peer *peer)
{
    raft_time spent = transport_now() - peer->state_since;
    if (peer->state == DIAL_CONNECTING && spent > BACKOFF_MIN_US) {
        /* Our SYN was lost, and the kernel is in no hurry to repeat it. */
        close_outgoing(peer);
        set_state(peer, DIAL_WAITING);
    }
    if (peer->state == DIAL_WAITING) {
        peer->backoff_us = BACKOFF_MIN_US;
        start_timer(peer, 0);
    }
}

void dialer_redial(struct peer *peer, const char *why)
{
    if (peer->outgoing != NULL) {
        fail(peer, why);
    }
}

bool dialer_send(struct peer *peer, struct frame *frame)
{
    assert(peer->state == DIAL_WELCOMED);
    return outbox_send(&peer->outgoing->outbox, frame);
}

void dialer_send_first(struct peer *peer, struct frame *frame)
{
    assert(peer->state == DIAL_WELCOMED);
    outbox_send_first(&peer->outgoing->outbox, frame);
}

size_t dialer_queue_size(const struct peer *peer)
{
    return peer->outgoing != NULL ? peer->outgoing->outbox.size : 0;
}
