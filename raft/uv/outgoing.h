/* outgoing.h -- one connection that this node has dialled.
 *
 * The dialer decides when there is one; it may start the next one before the
 * last one's handle is closed.
 *
 * Thread: loop. Memory: lives until its handle is closed.
 */
#ifndef RAFT_UV_OUTGOING_H
#define RAFT_UV_OUTGOING_H

#include "raft/uv/transport_int.h"

struct outgoing {
    uv_tcp_t tcp;
    uv_connect_t connect;
    struct transport *transport;
    struct peer *peer; /* NULL from the moment it is given up */
    struct stream stream;
    struct outbox outbox;
};

/* Makes peer->outgoing and tells the dialer, below, what becomes of it. */
void outgoing_connect(struct peer *peer, const struct sockaddr *address);
/* Gives peer->outgoing up, if there is one. */
void outgoing_close(struct peer *peer);

/* What was sent has not been acknowledged for silence_us, nor was anything
 * else: the network is gone, or the machine. */
bool outgoing_is_dead(const struct outgoing *outgoing);

/* --- dialer.c, for outgoing.c --- */

/* What went wrong with a try or a connection. */
enum dial_loss { LOSS_UNREACHABLE, LOSS_REFUSED, LOSS_BROKEN };

void dialer_set_state(struct peer *peer, enum dial_state state);
void dialer_start_timer(struct peer *peer, uint64_t us);
/* Rounded up. */
uint64_t dialer_ms(uint64_t us);
/* The peer has welcomed us. */
void dialer_welcome(struct peer *peer);
/* The format gives the cause, short, for status; the note puts the peer in
 * front of it, unless the cause is a whole sentence (LOSS_REFUSED). */
__attribute__((format(printf, 3, 4))) void
dialer_give_up(struct peer *peer, enum dial_loss loss, const char *format, ...);
/* Unreachable or broken, as the state says. */
void dialer_fail(struct peer *peer, const char *cause);

#endif
