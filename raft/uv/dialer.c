/* One outgoing connection a peer, for what this node has to say.
 *
 *   WAITING --dial--> RESOLVING --on_resolved--> CONNECTING --on_connected-->
 *   GREETING --on_reply--> WELCOMED;     all --give_up--> WAITING
 *
 * A try ends after connect_us, and the wait after it counts from its beginning:
 * so there is a fresh SYN at least every max(connect_us, BACKOFF_MAX_US),
 * however far apart the kernel would send its own, and a healed network is
 * found within that time.
 *
 * A dead network under a connection is found by asking the kernel: with the
 * pings there always is something sent, and when nothing at all is acknowledged
 * for silence_us nobody is there. A look at our own queue would take a slow
 * network for a dead one, and TCP_USER_TIMEOUT a peer that is too busy to read;
 * what is under way to those would be lost just when it hurts most.
 */
#include "raft/uv/outgoing.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

uint64_t dialer_ms(uint64_t us)
{
    return (us + 999) / 1000;
}

void dialer_set_state(struct peer *peer, enum dial_state state)
{
    peer->state = state;
    peer->unheard_since = 0;
}

static void on_timer(uv_timer_t *timer);

void dialer_start_timer(struct peer *peer, uint64_t us)
{
    uv_timer_start(&peer->timer, on_timer, dialer_ms(us), 0);
}

/* --- the end of a connection --- */

static void wait_for_next_try(struct peer *peer, enum dial_loss loss)
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
    dialer_set_state(peer, DIAL_WAITING);
    dialer_start_timer(peer, wait);
}

static void tell_loss(struct peer *peer, enum dial_loss loss, const char *text)
{
    static const enum hull_event codes[] = {
        [LOSS_UNREACHABLE] = EVENT_PEER_UNREACHABLE,
        [LOSS_REFUSED] = EVENT_PEER_REFUSED,
        [LOSS_BROKEN] = EVENT_PEER_LOST,
    };
    char key[NOTES_KEY_SIZE];
    node_id id = peer->options->id;
    /* A new cause is told again, another try with the same end is not. A lost
     * connection is told each time: its fellow is the note of the next one. */
    snprintf(key, sizeof(key), "dial:%016" PRIx64 ":%d:%.40s", id, (int)loss,
             peer->why);
    transport_note(peer->transport, codes[loss], id,
                   loss == LOSS_BROKEN ? NULL : key, NOTES_ONCE, "%s", text);
}

void dialer_give_up(struct peer *peer, enum dial_loss loss, const char *format,
                    ...)
{
    char cause[NOTE_SIZE], text[3 * NOTE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(cause, sizeof(cause), format, args);
    va_end(args);
    snprintf(peer->why, sizeof(peer->why), "%.*s", (int)sizeof(peer->why) - 1,
             cause);

    const char *verb =
        loss == LOSS_BROKEN ? "lost the connection to" : "cannot reach";
    if (loss == LOSS_REFUSED) {
        snprintf(text, sizeof(text), "%s", cause);
    } else {
        snprintf(text, sizeof(text), "%s %s: %s", verb, peer_label(peer).text,
                 cause);
    }
    outgoing_close(peer);
    wait_for_next_try(peer, loss);
    tell_loss(peer, loss, text);
}

void dialer_fail(struct peer *peer, const char *cause)
{
    dialer_give_up(
        peer, peer->state == DIAL_WELCOMED ? LOSS_BROKEN : LOSS_UNREACHABLE,
        "%s", cause);
}

void dialer_welcome(struct peer *peer)
{
    char key[NOTES_KEY_SIZE];
    snprintf(key, sizeof(key), "dial:%016" PRIx64, peer->options->id);
    notes_forget(&peer->transport->notes, key);
    uv_timer_stop(&peer->timer);
    dialer_set_state(peer, DIAL_WELCOMED);
    peer->state_since = transport_now();
    peer->why[0] = '\0';
    peer->unknown_there = false;
    if (!peer->dialing_old) {
        peer->old.host[0] = '\0';
    }
    transport_note(peer->transport, EVENT_PEER_CONNECTED, peer->options->id,
                   NULL, NOTES_ONCE, "connected to %s", peer_label(peer).text);
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
    if (!transport->closing && !peer->gone) {
        if (status < 0 || list == NULL) {
            dialer_give_up(peer, LOSS_UNREACHABLE,
                           "its name cannot be resolved: %s",
                           uv_strerror(status));
        } else {
            outgoing_connect(peer, choose(list, peer->tries)->ai_addr);
        }
    }
    uv_freeaddrinfo(list);
    peer_unref(peer);
    transport_handle_closed(transport);
}

static void resolve(struct peer *peer, const struct transport_peer *to)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    dialer_set_state(peer, DIAL_RESOLVING);
    peer->lookup.data = peer;
    int rc = uv_getaddrinfo(peer->transport->loop, &peer->lookup, on_resolved,
                            to->host, to->port, &hints);
    if (rc < 0) {
        dialer_give_up(peer, LOSS_UNREACHABLE,
                       "its name cannot be resolved: %s", uv_strerror(rc));
        return;
    }
    peer->transport->open_handles++;
    peer->references++;
}

/* 0: not a number; the resolver may know what it is. */
static int port_number(const char *text)
{
    char *end;
    errno = 0;
    long port = strtol(text, &end, 10);
    return errno == 0 && *end == '\0' && port > 0 && port <= UINT16_MAX
               ? (int)port
               : 0;
}

/* Who has moved may not know it yet, and still be at the old place. */
static const struct transport_peer *where(struct peer *peer)
{
    peer->dialing_old = peer->old.host[0] != '\0' && peer->tries % 2 == 0;
    return peer->dialing_old ? &peer->old : peer->options;
}

/* An address made of numbers needs no resolver, which may be slow and works in
 * another thread. */
static void dial(struct peer *peer)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    peer->tries++;
    peer->state_since = transport_now();
    const struct transport_peer *to = where(peer);
    int port = port_number(to->port);
    if (port > 0 && uv_ip4_addr(to->host, port, &v4) == 0) {
        outgoing_connect(peer, (const struct sockaddr *)&v4);
    } else if (port > 0 && uv_ip6_addr(to->host, port, &v6) == 0) {
        outgoing_connect(peer, (const struct sockaddr *)&v6);
    } else {
        resolve(peer, to);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct peer *peer = timer->data;
    if (peer->state == DIAL_WAITING) {
        dial(peer);
    } else if (peer->state == DIAL_CONNECTING) {
        dialer_fail(peer, "no answer to the connection");
    } else if (peer->state == DIAL_GREETING) {
        dialer_fail(peer, "no answer to HELLO");
    }
}

/* --- for the others --- */

void dialer_start(struct peer *peer)
{
    uv_timer_init(peer->transport->loop, &peer->timer);
    peer->timer.data = peer;
    peer->transport->open_handles++;
    peer->references++;
    peer->backoff_us = BACKOFF_MIN_US;
    dialer_set_state(peer, DIAL_WAITING);
    dialer_start_timer(peer, 0);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct peer *peer = handle->data;
    struct transport *transport = peer->transport;
    peer_unref(peer);
    transport_handle_closed(transport);
}

void dialer_stop(struct peer *peer)
{
    peer->gone = true;
    if (peer->state == DIAL_RESOLVING) {
        /* Too late where it runs already; on_resolved() comes either way. */
        uv_cancel((uv_req_t *)&peer->lookup);
    }
    outgoing_close(peer);
    dialer_set_state(peer, DIAL_WAITING);
    uv_close((uv_handle_t *)&peer->timer, on_timer_closed);
}

void dialer_hint(struct peer *peer)
{
    raft_time spent = transport_now() - peer->state_since;
    if (peer->state == DIAL_CONNECTING && spent > BACKOFF_MIN_US) {
        /* Our SYN was lost, and the kernel is in no hurry to repeat it. */
        outgoing_close(peer);
        dialer_set_state(peer, DIAL_WAITING);
    }
    if (peer->state == DIAL_WAITING) {
        peer->backoff_us = BACKOFF_MIN_US;
        dialer_start_timer(peer, 0);
    }
}

void dialer_redial(struct peer *peer, const char *why)
{
    assert(peer->outgoing != NULL);
    dialer_fail(peer, why);
}

void dialer_tick(struct peer *peer)
{
    if (peer->state == DIAL_WELCOMED && outgoing_is_dead(peer->outgoing)) {
        dialer_redial(peer, "the network is silent");
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
