#include "raft/uv/transport_int.h"

#include "raft/core/memory.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    /* A way over which so many pings did not come is avoided: well before an
     * election timeout, and later than one lost or late ping. */
    FRESH_PINGS = 4,
};

void transport_options_default(struct transport_options *options)
{
    *options = (struct transport_options){
        .ping_us = 100 * 1000,
        .silence_us = 1500 * 1000,
        .queue_bytes = 32 * 1024 * 1024,
        .connect_us = 1000 * 1000,
    };
}

raft_time transport_now(void)
{
    struct timespec now;
    int rc = clock_gettime(CLOCK_BOOTTIME, &now);
    assert(rc == 0);
    (void)rc;
    return (raft_time)now.tv_sec * 1000000 + (raft_time)now.tv_nsec / 1000;
}

struct peer *transport_find(struct transport *transport, node_id id)
{
    for (uint32_t i = 0; i < transport->peer_count; i++) {
        if (transport->peers[i]->options->id == id) {
            return transport->peers[i];
        }
    }
    return NULL;
}

void transport_note(struct transport *transport, enum hull_event code,
                    node_id peer, const char *key, enum notes_repeat repeat,
                    const char *format, ...)
{
    char text[NOTE_SIZE], more[NOTE_SIZE + 32];
    uint64_t held = 0;
    if (transport->closing ||
        (key != NULL &&
         !notes_due(&transport->notes, transport_now(), key, repeat, &held))) {
        return;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    snprintf(more, sizeof(more), "%s (%" PRIu64 " more)", text, held);
    const char *said = held > 0 ? more : text;
    transport->calls.note(transport->calls.self, code, peer, said);
}

struct peer_label peer_label(const struct peer *peer)
{
    struct peer_label label;
    const struct transport_peer *options = peer->options;
    bool v6 = strchr(options->host, ':') != NULL;
    snprintf(label.text, sizeof(label.text), "%s at %s%.120s%s:%s",
             options->name, v6 ? "[" : "", options->host, v6 ? "]" : "",
             options->port);
    return label;
}

void transport_address_text(const struct sockaddr *address, char *host,
                            size_t host_size, uint16_t *port)
{
    snprintf(host, host_size, "an unknown address");
    *port = 0;
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof(v4));
        uv_ip4_name(&v4, host, host_size);
        *port = ntohs(v4.sin_port);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof(v6));
        uv_ip6_name(&v6, host, host_size);
        *port = ntohs(v6.sin6_port);
    }
}

struct frame transport_hello(const struct transport *transport, uint16_t kind,
                             node_id to, enum hello_refusal status)
{
    const struct transport_options *options = &transport->options;
    struct hello hello = {
        .protocol = FRAME_VERSION,
        .cluster_id = options->cluster_id,
        .node = options->self,
        .boot = options->boot,
        .status = status,
    };
    static_assert(sizeof(hello.name) == sizeof(options->name), "same names");
    memcpy(hello.name, options->name, sizeof(hello.name));
    hello.config = options->config;
    hello.disk = options->disk;
    hello.rejoined = options->rejoined;
    hello.lease_us = options->lease_us;
    memcpy(hello.address, options->address, sizeof(hello.address));
    return frame_encode_hello(kind, options->self, to, &hello);
}

enum hello_refusal transport_judge(const struct transport *transport,
                                   const struct hello *hello)
{
    const struct transport_calls *calls = &transport->calls;
    if (hello->lease_us != transport->options.lease_us) {
        return HELLO_OTHER_LEASE;
    }
    bool known = calls->knows == NULL ||
                 calls->knows(calls->self, hello->node, hello->disk,
                              hello->rejoined);
    return known ? HELLO_OK : HELLO_OTHER_DISK;
}

/* --- pings --- */

/* What the peer says of us is the only way to learn that nothing of what we
 * send arrives although TCP is content. While we don't hear it, we can't know.
 */
static void check_heard_by(struct peer *peer, raft_time now)
{
    struct transport *transport = peer->transport;
    struct route_status status;
    route_get_status(transport->route, now, peer->options->id, &status);
    if (peer->state != DIAL_WELCOMED || !status.hears || status.heard_by) {
        peer->unheard_since = 0;
        return;
    }
    if (peer->unheard_since == 0) {
        peer->unheard_since = now;
    }
    if (now - peer->unheard_since > transport->options.silence_us) {
        dialer_redial(peer, "it does not hear this node");
    }
}

static void on_tick(uv_timer_t *ticker)
{
    struct transport *transport = ticker->data;
    struct ping ping;
    raft_time now = transport_now();
    listener_tick(transport);
    peers_tick(transport);
    route_make_ping(transport->route, now, &ping);
    for (uint32_t i = 0; i < transport->peer_count; i++) {
        struct peer *peer = transport->peers[i];
        dialer_tick(peer);
        check_heard_by(peer, now);
        if (peer->state == DIAL_WELCOMED && !peer->cut) {
            struct frame frame = frame_encode_ping(transport->options.self,
                                                   peer->options->id, &ping);
            dialer_send_first(peer, &frame);
        }
    }
}

/* --- open and close --- */

static struct transport *transport_new(uv_loop_t *loop,
                                       const struct transport_options *options,
                                       const struct transport_calls *calls)
{
    struct transport *transport = xcalloc(1, sizeof(*transport));
    const struct raft_members nobody = {.count = 0};
    transport->loop = loop;
    transport->options = *options;
    transport->calls = *calls;
    transport->route =
        route_new(options->self, &nobody, FRESH_PINGS * options->ping_us);
    return transport;
}

static void transport_free(struct transport *transport)
{
    assert(transport->open_handles == 0 && transport->incomings == NULL);
    route_free(transport->route);
    free(transport);
}

int transport_open(uv_loop_t *loop, const struct transport_options *options,
                   const struct transport_calls *calls, struct transport **out,
                   char why[NOTE_SIZE])
{
    assert(options->self != 0 && options->peer_count < RAFT_NODES_MAX);
    assert(options->ping_us >= 1000 && options->silence_us > options->ping_us);
    *out = NULL;
    struct transport *transport = transport_new(loop, options, calls);
    int rc = listener_start(transport, why);
    if (rc < 0) {
        transport_free(transport);
        return rc;
    }
    /* The loop's idea of now may be old, which would end the first dials at
     * once. */
    uv_update_time(loop);
    uv_timer_init(loop, &transport->ticker);
    transport->ticker.data = transport;
    transport->open_handles++;
    uint64_t period_ms = options->ping_us / 1000;
    uv_timer_start(&transport->ticker, on_tick, period_ms, period_ms);
    for (uint32_t i = 0; i < options->peer_count; i++) {
        struct peer *peer = peers_add(transport, &options->peers[i]);
        assert(peer != NULL && peer->options->id != options->self);
        peer->member = true;
        dialer_start(peer);
    }
    *out = transport;
    return 0;
}

void transport_handle_closed(struct transport *transport)
{
    assert(transport->open_handles > 0);
    transport->open_handles--;
    if (transport->open_handles > 0 || !transport->closing) {
        return;
    }
    void (*closed)(void *arg) = transport->closed;
    void *arg = transport->closed_arg;
    transport_free(transport);
    if (closed != NULL) {
        closed(arg);
    }
}

static void on_ticker_closed(uv_handle_t *handle)
{
    transport_handle_closed(handle->data);
}

void transport_close(struct transport *transport, void (*closed)(void *arg),
                     void *arg)
{
    assert(!transport->closing);
    transport->closing = true;
    transport->closed = closed;
    transport->closed_arg = arg;
    for (uint32_t i = 0; i < transport->peer_count; i++) {
        dialer_stop(transport->peers[i]);
    }
    transport->peer_count = 0; /* each goes with its last handle */
    listener_stop(transport);
    uv_close((uv_handle_t *)&transport->ticker, on_ticker_closed);
}

/* --- sending --- */

void peer_send(struct peer *peer, struct frame *frame)
{
    if (peer->state != DIAL_WELCOMED) {
        peer->frames_dropped++;
        frame_release(frame);
        return;
    }
    if (peer->cut) {
        /* The sender must not notice. */
        peer->frames_sent++;
        frame_release(frame);
        return;
    }
    if (dialer_send(peer, frame)) {
        peer->frames_sent++;
    } else {
        peer->frames_dropped++;
    }
}

void transport_send(struct transport *transport, node_id to,
                    struct frame *frame)
{
    assert(to != transport->options.self);
    struct peer *target = transport_find(transport, to);
    if (target == NULL || transport->closing) {
        frame_release(frame);
        return;
    }
    node_id next = route_next(transport->route, transport_now(), to);
    struct peer *hop = next == to ? target : transport_find(transport, next);
    assert(hop != NULL);
    /* The relay was lost a moment ago, and the route does not know it yet. */
    if (hop->state != DIAL_WELCOMED) {
        hop = target;
    }
    peer_send(hop, frame);
}

void transport_cut(struct transport *transport, node_id to, bool cut)
{
    struct peer *peer = transport_find(transport, to);
    if (peer != NULL) {
        peer->cut = cut;
    }
}

/* --- status --- */

bool transport_get_status(const struct transport *transport, node_id id,
                          struct transport_peer_status *out)
{
    *out = (struct transport_peer_status){.via = 0};
    for (uint32_t i = 0; i < transport->peer_count; i++) {
        const struct peer *peer = transport->peers[i];
        if (peer->options->id != id) {
            continue;
        }
        struct route_status route;
        route_get_status(transport->route, transport_now(), id, &route);
        out->connected = peer->state == DIAL_WELCOMED;
        out->cut = peer->cut;
        out->hears = route.hears;
        out->heard_by = route.heard_by;
        out->via = route.via;
        out->heard = route.heard;
        out->queue_bytes = dialer_queue_size(peer);
        out->unknown_there = peer->unknown_there;
        out->frames_sent = peer->frames_sent;
        out->frames_dropped = peer->frames_dropped;
        out->frames_received = peer->frames_received;
        memcpy(out->why, peer->why, sizeof(out->why));
        return true;
    }
    return false;
}

uint16_t transport_port(const struct transport *transport)
{
    return transport->port;
}

uint64_t transport_garbage(const struct transport *transport)
{
    return transport->garbage;
}
