/* transport_int.h -- what the files that make up the transport share.
 *
 *   transport.c  open, close, send, pings, status
 *   peers.c      who the peers are
 *   dialer.c     when to dial which peer
 *   outgoing.c   one outgoing connection: what we say
 *   listener.c   the port
 *   incoming.c   one incoming connection: what others say, strangers included
 *
 * With the loop's callbacks nothing is freed while a handle is open: each
 * handle counts in open_handles, and the last close callback frees the
 * transport.
 */
#ifndef RAFT_UV_TRANSPORT_INT_H
#define RAFT_UV_TRANSPORT_INT_H

#include "raft/hull/route.h"
#include "raft/uv/notes.h"
#include "raft/uv/outbox.h"
#include "raft/uv/stream.h"
#include "raft/uv/transport.h"

enum {
    /* Whoever has not said who it is gets little memory and little time, and
     * there are not many of them at once: the oldest makes room. */
    ANONYMOUS_MAX = 64,
    ANONYMOUS_BODY_MAX = 1024,
    ANONYMOUS_US = 3 * 1000 * 1000,

    BACKOFF_MIN_US = 50 * 1000,
    BACKOFF_MAX_US = 1000 * 1000,
    NOTE_SIZE = 256,
    /* Whoever is not a member (any more) may stay so long: it hears of its
     * removal, or we hear of a newer configuration. */
    STRANGER_US = 10 * 1000 * 1000,
    LISTEN_BACKLOG = 128,
};

struct outgoing; /* outgoing.h */
struct incoming; /* incoming.h */

/* The way to one peer (the drawing is in dialer.c). */
enum dial_state {
    DIAL_WAITING,    /* for the time of the next try */
    DIAL_RESOLVING,  /* the peer's host name */
    DIAL_CONNECTING, /* TCP */
    DIAL_GREETING,   /* HELLO is sent, the reply is not there */
    DIAL_WELCOMED,   /* frames may go */
};

struct peer {
    struct transport *transport;
    struct transport_peer *options; /* &place */
    struct transport_peer place;    /* who and where it is */
    struct transport_peer old;      /* where it was, or says that it is; host
                                     * "": nowhere else, or it was found at its
                                     * place */
    bool dialing_old;
    bool cut;
    bool member;             /* in the configuration in force */
    raft_index config;       /* the newest that it said it knows */
    raft_time strange_since; /* not a member since, or not heard since */
    bool unknown_there;      /* it refuses us: we are no member to it */
    bool gone;               /* given up; what is under way may still end */
    uint32_t references;     /* of handles and requests that point here */

    enum dial_state state;
    struct outgoing *outgoing; /* CONNECTING and later, else NULL */
    uv_timer_t timer;
    uv_getaddrinfo_t lookup;
    uint32_t tries; /* chooses among the addresses of a name */
    uint32_t backoff_us;
    raft_time state_since;
    raft_time unheard_since; /* 0: it hears us, or we cannot know */

    struct incoming *incoming; /* the connection it dialled, or NULL */
    uint64_t frames_sent, frames_dropped, frames_received;
    char why[256];
};

struct transport {
    uv_loop_t *loop;
    struct transport_options options;
    struct transport_calls calls;
    struct route *route; /* owned */
    struct notes notes;

    uv_tcp_t *listener; /* owned until its handle is closed */
    uv_timer_t ticker;
    uint16_t port;
    uint32_t peer_count;
    struct peer *peers[RAFT_PEERS_MAX]; /* owned */
    struct incoming *incomings; /* newest first */
    uint32_t anonymous_count;
    uint64_t garbage;

    uint32_t open_handles;
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* --- transport.c --- */

raft_time transport_now(void);
struct peer *transport_find(struct transport *transport, node_id id);
/* Tells a person, once per key as `repeat` says. "(12 more)" is added when some
 * were kept silent. */
__attribute__((format(printf, 6, 7))) void
transport_note(struct transport *transport, enum hull_event code, node_id peer,
               const char *key, enum notes_repeat repeat, const char *format,
               ...);
/* Names are for people who compare: "n2 at 127.0.0.1:7382". */
struct peer_label {
    char text[NOTE_SIZE];
};
struct peer_label peer_label(const struct peer *peer);
/* Like transport_send() with the peer itself as next hop. */
void peer_send(struct peer *peer, struct frame *frame);
/* A handle is closed; maybe the last. */
void transport_handle_closed(struct transport *transport);
/* The nodes' own introduction. */
/* What a member, of this cluster and protocol, says of itself. */
enum hello_refusal transport_judge(const struct transport *transport,
                                   const struct hello *hello);
struct frame transport_hello(const struct transport *transport, uint16_t kind,
                             node_id to, enum hello_refusal status);
/* Text of "host" with port, in the form people type. */
void transport_address_text(const struct sockaddr *address, char *host,
                            size_t host_size, uint16_t *port);

/* --- peers.c --- */

/* NULL: no room. Not dialled yet. */
struct peer *peers_add(struct transport *transport,
                       const struct transport_peer *place);
/* A handle or request that points to the peer has ended. */
void peer_unref(struct peer *peer);
/* Lets a node in that we do not know, if it knows a newer configuration; its
 * host is what we see where it says nothing better. NULL: it must not. */
struct peer *peers_admit(struct transport *transport, const struct hello *hello,
                         const char *host);
/* Forgets who has been a stranger for too long. */
void peers_tick(struct transport *transport);

/* --- dialer.c --- */

void dialer_start(struct peer *peer);
/* Closes its handles, for good. */
void dialer_stop(struct peer *peer);
/* The peer is there, by its own HELLO: no need to wait for the next try. */
void dialer_hint(struct peer *peer);
/* One ping_us has passed. Gives up a connection that is dead. */
void dialer_tick(struct peer *peer);
/* Gives the connection up and dials anew. */
void dialer_redial(struct peer *peer, const char *why);
/* Only when WELCOMED; false: dropped. Takes the frame. */
bool dialer_send(struct peer *peer, struct frame *frame);
void dialer_send_first(struct peer *peer, struct frame *frame);
size_t dialer_queue_size(const struct peer *peer);

/* --- listener.c --- */

int listener_start(struct transport *transport, char why[NOTE_SIZE]);
void listener_stop(struct transport *transport);
/* Closes who is silent for too long. */
void listener_tick(struct transport *transport);

#endif
