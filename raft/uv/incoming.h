/* incoming.h -- one incoming connection, a stranger's or a peer's.
 *
 * Time is counted in ticks, not by the clock: after a pause of this process
 * what the peers said meanwhile waits in the sockets, and a clock would call
 * all of them silent.
 *
 * Thread: loop. Memory: lives until its handle is closed.
 */
#ifndef RAFT_UV_INCOMING_H
#define RAFT_UV_INCOMING_H

#include "raft/uv/transport_int.h"

struct incoming {
    uv_tcp_t tcp;
    struct transport *transport;
    struct peer *peer; /* NULL: anonymous */
    struct incoming *next, *prev;
    struct stream stream;
    uint32_t
        ticks; /* anonymous: since it came; peer: since it said something */
    bool closed;
    char host[64];
    uint16_t port;
};

/* Takes the connection that waits at the listener. */
void incoming_accept(struct transport *transport);
/* Harmless when it is closed already. */
void incoming_close(struct incoming *incoming);
/* Closes, because what came cannot be trusted; why says so to people. */
void incoming_reject(struct incoming *incoming, const char *why);
/* One ping_us has passed. Closes who is silent for too long. */
void incoming_tick(struct incoming *incoming);

#endif
