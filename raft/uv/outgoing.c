/* The connection to a peer, from the first SYN to its reply to HELLO. After
 * that frames go out and nothing comes in. */
#include "raft/uv/outgoing.h"

#include "raft/core/memory.h"

#include <assert.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    /* A peer whose kernel answers while it reads nothing itself is busy or
     * stopped; so long we keep what it was sent. */
    STALLED_SILENCES = 10,
};

static void on_outgoing_closed(uv_handle_t *handle)
{
    struct outgoing *outgoing = handle->data;
    struct transport *transport = outgoing->transport;
    outbox_release(&outgoing->outbox);
    stream_release(&outgoing->stream);
    free(outgoing);
    transport_handle_closed(transport);
}

void outgoing_close(struct peer *peer)
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

/* --- the reply to HELLO --- */

static void on_reply(struct peer *peer, struct bytes frame)
{
    const struct transport_options *options = &peer->transport->options;
    struct hello reply;
    if (frame_decode_hello(frame_body(frame), &reply) < 0) {
        dialer_fail(peer, "its reply to HELLO makes no sense");
        return;
    }
    struct peer_label label = peer_label(peer);
    if (reply.protocol != FRAME_VERSION) {
        dialer_give_up(peer, LOSS_REFUSED,
                       "node %s speaks protocol %u; this node speaks %d",
                       label.text, reply.protocol, FRAME_VERSION);
    } else if (reply.cluster_id != options->cluster_id) {
        dialer_give_up(peer, LOSS_REFUSED,
                       "node %s belongs to cluster %016" PRIx64
                       "; this is cluster %016" PRIx64,
                       label.text, reply.cluster_id, options->cluster_id);
    } else if (reply.node != peer->options->id) {
        dialer_give_up(
            peer, LOSS_REFUSED,
            "node %s is really %s: two nodes' addresses are mixed up",
            label.text, reply.name);
    } else if (reply.status == HELLO_UNKNOWN_NODE) {
        peer->unknown_there = true;
        dialer_give_up(
            peer, LOSS_REFUSED,
            "node %s does not know this node, %s: it is not a member of the "
            "cluster, or not any more",
            label.text, options->name);
    } else if (reply.status == HELLO_OTHER_DISK) {
        dialer_give_up(
            peer, LOSS_REFUSED,
            "node %s knows another data directory of this node; if that one is "
            "lost, make this one with `raftfs init --rejoin`",
            label.text);
    } else if (reply.status == HELLO_OTHER_LEASE ||
               reply.lease_us != options->lease_us) {
        dialer_give_up(
            peer, LOSS_REFUSED,
            "node %s has lease_ms %u; this node has %u, and all nodes must have "
            "the same: stop all, change raftfs.json, start all",
            label.text, reply.lease_us / 1000, options->lease_us / 1000);
    } else if (transport_judge(peer->transport, &reply) != HELLO_OK) {
        dialer_give_up(
            peer, LOSS_REFUSED,
            "node %s has another data directory than it had; if that one is "
            "lost, make this one with `raftfs init --rejoin`",
            label.text);
    } else if (reply.status != HELLO_OK) {
        dialer_give_up(peer, LOSS_REFUSED, "node %s refuses this node (%u)",
                       label.text, reply.status);
    } else {
        dialer_welcome(peer);
    }
}

static void take_reply(struct peer *peer)
{
    struct frame_header header;
    struct bytes frame;
    const char *why;
    int rc = stream_take(&peer->outgoing->stream, &header, &frame, &why);
    if (rc < 0) {
        dialer_fail(peer, why);
    } else if (rc > 0 && (peer->state != DIAL_GREETING ||
                          header.kind != FRAME_HELLO_REPLY)) {
        dialer_fail(peer, "it says what it should not say here");
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
        dialer_fail(outgoing->peer, size == UV_EOF ? "it closed the connection"
                                                   : uv_strerror((int)size));
        return;
    }
    stream_filled(&outgoing->stream, (size_t)size);
    take_reply(outgoing->peer);
}

/* --- connecting --- */

static void on_outbox_failed(void *arg, int status)
{
    struct outgoing *outgoing = arg;
    if (outgoing->peer != NULL) {
        dialer_fail(outgoing->peer, uv_strerror(status));
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
        dialer_fail(peer, uv_strerror(status));
        return;
    }
    dialer_set_state(peer, DIAL_GREETING);
    int rc = uv_read_start((uv_stream_t *)&outgoing->tcp, on_room, on_read);
    if (rc < 0) {
        dialer_fail(peer, uv_strerror(rc));
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
        (unsigned)dialer_ms(outgoing->transport->options.silence_us) *
        STALLED_SILENCES;
    uv_tcp_nodelay(&outgoing->tcp, 1);
    if (uv_fileno((uv_handle_t *)&outgoing->tcp, &fd) == 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms,
                   sizeof(timeout_ms));
    }
}

bool outgoing_is_dead(const struct outgoing *outgoing)
{
    uv_os_fd_t fd;
    struct tcp_info info = {.tcpi_state = 0};
    socklen_t size = sizeof(info);
    if (uv_fileno((const uv_handle_t *)&outgoing->tcp, &fd) < 0 ||
        getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0) {
        return false;
    }
    /* Probes of a closed window are answered while the peer's kernel lives. */
    bool unanswered = (info.tcpi_unacked > 0 && info.tcpi_retransmits > 0) ||
                      info.tcpi_probes > 1;
    return unanswered && info.tcpi_last_ack_recv >
                             outgoing->transport->options.silence_us / 1000;
}

void outgoing_connect(struct peer *peer, const struct sockaddr *address)
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
    dialer_set_state(peer, DIAL_CONNECTING);
    dialer_start_timer(peer, transport->options.connect_us);
    int rc = uv_tcp_connect(&outgoing->connect, &outgoing->tcp, address,
                            on_connected);
    if (rc < 0) {
        dialer_fail(peer, uv_strerror(rc));
        return;
    }
    set_socket_options(outgoing);
}
