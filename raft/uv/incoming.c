/* One incoming connection: who is there, and what it says.
 *
 *   ANONYMOUS --welcome--> WELCOMED --incoming_close--> gone
 *       \---- no HELLO in time, garbage, refused ----> gone
 *
 * Anybody can connect, so nothing is believed and little is given until HELLO
 * is there; a welcomed peer that says something senseless is cut off too, and
 * dials again.
 */
#include "raft/uv/incoming.h"

#include "raft/core/memory.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_incoming_closed(uv_handle_t *handle)
{
    struct incoming *incoming = handle->data;
    struct transport *transport = incoming->transport;
    stream_release(&incoming->stream);
    free(incoming);
    transport_handle_closed(transport);
}

void incoming_close(struct incoming *incoming)
{
    struct transport *transport = incoming->transport;
    if (incoming->closed) {
        return;
    }
    incoming->closed = true;
    if (incoming->peer == NULL) {
        assert(transport->anonymous_count > 0);
        transport->anonymous_count--;
    } else if (incoming->peer->incoming == incoming) {
        incoming->peer->incoming = NULL;
    }
    if (incoming->prev != NULL) {
        incoming->prev->next = incoming->next;
    } else {
        transport->incomings = incoming->next;
    }
    if (incoming->next != NULL) {
        incoming->next->prev = incoming->prev;
    }
    uv_close((uv_handle_t *)&incoming->tcp, on_incoming_closed);
}

void incoming_reject(struct incoming *incoming, const char *why)
{
    struct transport *transport = incoming->transport;
    struct peer *peer = incoming->peer;
    char key[NOTES_KEY_SIZE];
    transport->garbage++;
    incoming_close(incoming);
    snprintf(key, sizeof(key), "garbage:%s", incoming->host);
    transport_note(
        transport, EVENT_GARBAGE, peer != NULL ? peer->options->id : 0, key,
        NOTES_MINUTE, "closed a connection from %s port %u%s%s: %s",
        incoming->host, incoming->port, peer != NULL ? ", node " : "",
        peer != NULL ? peer->options->name : "", why);
}

/* --- HELLO --- */

static enum hello_refusal judge(struct transport *transport,
                                const struct frame_header *header,
                                const struct hello *hello)
{
    const struct transport_options *options = &transport->options;
    if (hello->protocol != FRAME_VERSION) {
        return HELLO_WRONG_PROTOCOL;
    }
    if (hello->cluster_id != options->cluster_id) {
        return HELLO_WRONG_CLUSTER;
    }
    if (header->to != options->self || hello->node == options->self) {
        return HELLO_WRONG_NODE;
    }
    return HELLO_OK;
}

static void tell_refusal(struct incoming *incoming, const struct hello *hello,
                         enum hello_refusal status)
{
    struct transport *transport = incoming->transport;
    const struct transport_options *options = &transport->options;
    char who[NOTE_SIZE], why[NOTE_SIZE] = "", key[NOTES_KEY_SIZE];
    snprintf(who, sizeof(who), "node %s at %s port %u", hello->name,
             incoming->host, incoming->port);
    switch (status) {
    case HELLO_WRONG_PROTOCOL:
        snprintf(why, sizeof(why), "speaks protocol %u; this node speaks %d",
                 hello->protocol, FRAME_VERSION);
        break;
    case HELLO_WRONG_CLUSTER:
        snprintf(why, sizeof(why),
                 "belongs to cluster %016" PRIx64
                 "; this is cluster %016" PRIx64,
                 hello->cluster_id, options->cluster_id);
        break;
    case HELLO_WRONG_NODE:
        snprintf(why, sizeof(why),
                 "takes this node for another one; this is %s: two nodes' "
                 "addresses are mixed up",
                 options->name);
        break;
    case HELLO_UNKNOWN_NODE:
        snprintf(why, sizeof(why),
                 "is not a member of this cluster (`raftfs member add`)");
        break;
    case HELLO_OTHER_DISK:
        snprintf(why, sizeof(why),
                 "has another data directory than it had; if that one is lost, "
                 "make this one with `raftfs init --rejoin`");
        break;
    case HELLO_OTHER_LEASE:
        snprintf(why, sizeof(why),
                 "has lease_ms %u; this node has %u, and all nodes must have "
                 "the same: stop all, change raftfs.json, start all",
                 hello->lease_us / 1000, options->lease_us / 1000);
        break;
    case HELLO_OK:
    case HELLO_REFUSALS_END:
        assert(false);
    }
    /* By the node, not by the connection: it will try again. */
    snprintf(key, sizeof(key), "hello:%016" PRIx64 ":%d", hello->node,
             (int)status);
    transport_note(transport, EVENT_PEER_REFUSED, hello->node, key,
                   NOTES_ONCE, "refused %s: it %s", who, why);
}

static bool reply(struct incoming *incoming, const struct hello *hello,
                  enum hello_refusal status)
{
    struct frame frame = transport_hello(incoming->transport, FRAME_HELLO_REPLY,
                                         hello->node, status);
    uv_buf_t buf = {.base = (char *)frame.data, .len = frame.size};
    /* The first bytes of a connection always fit into its socket. */
    int rc = uv_try_write((uv_stream_t *)&incoming->tcp, &buf, 1);
    bool ok = rc == (int)frame.size;
    frame_release(&frame);
    return ok;
}

static void welcome(struct incoming *incoming, struct peer *peer)
{
    struct transport *transport = incoming->transport;
    char key[NOTES_KEY_SIZE];
    snprintf(key, sizeof(key), "hello:%016" PRIx64, peer->options->id);
    notes_forget(&transport->notes, key);
    snprintf(key, sizeof(key), "silent:%016" PRIx64, peer->options->id);
    notes_forget(&transport->notes, key);
    if (peer->incoming != NULL) {
        /* The peer knows better which of its connections is alive. */
        incoming_close(peer->incoming);
    }
    assert(transport->anonymous_count > 0);
    transport->anonymous_count--;
    incoming->peer = peer;
    peer->incoming = incoming;
    incoming->ticks = 0;
    stream_allow(&incoming->stream, FRAME_BODY_MAX);
    route_heard(transport->route, transport_now(), peer->options->id);
    dialer_hint(peer);
}

static void greet(struct incoming *incoming, const struct frame_header *header,
                  struct bytes frame)
{
    struct transport *transport = incoming->transport;
    struct hello hello;
    if (header->kind != FRAME_HELLO ||
        frame_decode_hello(frame_body(frame), &hello) < 0 ||
        hello.node != header->from) {
        incoming_reject(incoming, "it does not begin with HELLO");
        return;
    }
    enum hello_refusal status = judge(transport, header, &hello);
    struct peer *peer = NULL;
    if (status == HELLO_OK) {
        peer = peers_admit(transport, &hello, incoming->host);
        status = peer != NULL ? transport_judge(transport, &hello)
                              : HELLO_UNKNOWN_NODE;
    }
    if (!reply(incoming, &hello, status)) {
        incoming_close(incoming);
    } else if (status == HELLO_OK) {
        welcome(incoming, peer);
    } else if (hello.cluster_id == 0) {
        incoming_close(incoming); /* it wanted our cluster's id, and has it */
    } else {
        transport->garbage++;
        incoming_close(incoming);
        tell_refusal(incoming, &hello, status);
    }
}

/* --- frames --- */

/* One hop only, and not by our own route: if that goes over a third node, the
 * sender will hear of it and choose better. */
static void relay(struct transport *transport,
                  const struct frame_header *header, struct bytes bytes)
{
    struct peer *target = transport_find(transport, header->to);
    if ((header->flags & FRAME_RELAYED) != 0 || target == NULL) {
        return;
    }
    struct bytes body = frame_body(bytes);
    struct frame frame = frame_new(body.size);
    memcpy(frame.data + FRAME_HEADER_SIZE, body.data, body.size);
    frame_seal(&frame, header->kind, header->flags | FRAME_RELAYED,
               header->from, header->to);
    peer_send(target, &frame);
}

static void take_ping(struct incoming *incoming, struct bytes frame)
{
    struct ping ping;
    if (frame_decode_ping(frame_body(frame), &ping) < 0) {
        incoming_reject(incoming, "its ping makes no sense");
        return;
    }
    route_ping(incoming->transport->route, transport_now(),
               incoming->peer->options->id, &ping);
}

static void take_frame(struct incoming *incoming,
                       const struct frame_header *header, struct bytes frame)
{
    struct transport *transport = incoming->transport;
    struct peer *peer = incoming->peer;
    bool relayed = (header->flags & FRAME_RELAYED) != 0;
    if (header->from != peer->options->id &&
        (!relayed || transport_find(transport, header->from) == NULL)) {
        incoming_reject(incoming, "it speaks for another node");
        return;
    }
    if (header->kind == FRAME_HELLO || header->kind == FRAME_HELLO_REPLY) {
        incoming_reject(incoming, "it says HELLO again");
        return;
    }
    if (header->kind == FRAME_PING) {
        take_ping(incoming, frame);
        return;
    }
    peer->frames_received++;
    if (header->to == transport->options.self) {
        transport->calls.receive(transport->calls.self, frame);
    } else {
        relay(transport, header, frame);
    }
}

static void take_frames(struct incoming *incoming)
{
    struct frame_header header;
    struct bytes frame;
    const char *why;
    /* Each frame may end the connection, and receive() even the transport. */
    while (!incoming->closed) {
        int rc = stream_take(&incoming->stream, &header, &frame, &why);
        if (rc == 0) {
            return;
        }
        if (rc < 0) {
            incoming_reject(incoming, why);
        } else if (incoming->peer == NULL) {
            greet(incoming, &header, frame);
        } else {
            take_frame(incoming, &header, frame);
        }
    }
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct incoming *incoming = handle->data;
    (void)suggested;
    buf->base = (char *)stream_room(&incoming->stream, &buf->len);
}

static void on_read(uv_stream_t *handle, ssize_t size, const uv_buf_t *buf)
{
    struct incoming *incoming = handle->data;
    (void)buf;
    if (incoming->closed || size == 0) {
        return;
    }
    if (size < 0) {
        /* Who looks whether the port is open, and who goes, is no news. */
        if (incoming->peer == NULL && stream_size(&incoming->stream) > 0) {
            incoming_reject(incoming, "it ended within its first frame");
        } else {
            incoming_close(incoming);
        }
        return;
    }
    if (incoming->peer != NULL) {
        incoming->ticks = 0;
        route_heard(incoming->transport->route, transport_now(),
                    incoming->peer->options->id);
    }
    stream_filled(&incoming->stream, (size_t)size);
    take_frames(incoming);
}

/* --- for the listener --- */

static void find_address(struct incoming *incoming)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    int size = sizeof(address);
    uv_tcp_getpeername(&incoming->tcp, (struct sockaddr *)&address, &size);
    transport_address_text((const struct sockaddr *)&address, incoming->host,
                           sizeof(incoming->host), &incoming->port);
}

void incoming_accept(struct transport *transport)
{
    struct incoming *incoming = xcalloc(1, sizeof(*incoming));
    incoming->transport = transport;
    uv_tcp_init(transport->loop, &incoming->tcp);
    incoming->tcp.data = incoming;
    transport->open_handles++;
    transport->anonymous_count++;
    stream_init(&incoming->stream, ANONYMOUS_BODY_MAX);
    incoming->next = transport->incomings;
    if (incoming->next != NULL) {
        incoming->next->prev = incoming;
    }
    transport->incomings = incoming;

    uv_stream_t *stream = (uv_stream_t *)&incoming->tcp;
    if (uv_accept((uv_stream_t *)transport->listener, stream) < 0 ||
        uv_read_start(stream, on_room, on_read) < 0) {
        incoming_close(incoming);
        return;
    }
    uv_tcp_nodelay(&incoming->tcp, 1);
    uv_tcp_keepalive(&incoming->tcp, 1, 1);
    find_address(incoming);
}

void incoming_tick(struct incoming *incoming)
{
    struct transport *transport = incoming->transport;
    const struct transport_options *options = &transport->options;
    uint64_t passed = (uint64_t)incoming->ticks * options->ping_us;
    struct peer *peer = incoming->peer;
    incoming->ticks++;
    if (peer == NULL && passed > ANONYMOUS_US) {
        incoming_reject(incoming, "it does not say who it is");
    } else if (peer != NULL && passed > options->silence_us) {
        char key[NOTES_KEY_SIZE];
        snprintf(key, sizeof(key), "silent:%016" PRIx64, peer->options->id);
        incoming_close(incoming);
        transport_note(transport, EVENT_PEER_SILENT, peer->options->id, key,
                       NOTES_MINUTE, "heard nothing from %s for %u ms",
                       peer_label(peer).text, options->silence_us / 1000);
    }
}
