/* transport.h -- frames between nodes over TCP, on a libuv loop.
 *
 * Each node dials every peer for what it has to say and listens for what the
 * others say: two connections a pair, one a direction, so that nobody has to
 * decide who dials. HELLO and its reply open a connection: cluster id, node id,
 * protocol version; a stranger is refused with a sentence on both sides, told
 * once, not per retry. Pings every ping_us carry link state (raft/hull/route.h);
 * a connection on which nothing came for silence_us is closed and dialled anew
 * with backoff (50 ms to 1 s), so that a healed network is found quickly and a
 * dead one leaves no half-open sockets.
 *
 * Who the peers are may change while it runs (transport_set_members). A node
 * that is not in our configuration is let in when it knows a newer one than we
 * do. HELLO says where a node can be reached: a member that is not where the
 * configuration has it, since it was moved and does not know that yet, is found
 * there. Who is no member any more keeps its connections for a while, so that it
 * can be told.
 *
 * Sending never blocks and may drop: each peer has a bounded queue; when it is
 * full the frame is dropped and counted (Raft sends again).
 *
 * Faults for tests: a cut drops frames silently, after the sender's send() has
 * succeeded; pings, HELLO and what is relayed for others too. TCP itself and the
 * reply to a peer's HELLO still pass: so a cut of one direction leaves the other
 * one whole. Only when the node was started with faults allowed.
 *
 * Thread: loop. Memory: takes frames.
 */
#ifndef RAFT_UV_TRANSPORT_H
#define RAFT_UV_TRANSPORT_H

#include "raft/core/types.h"
#include "raft/hull/event.h"
#include "raft/wire/frame.h"

#include <uv.h>

struct transport_peer {
    node_id id;
    char name[64];
    char host[256]; /* address or name */
    char port[16];
};

struct transport_options {
    uint64_t cluster_id;
    node_id self;
    uint64_t boot;
    char name[64];
    char listen_host[256], listen_port[16];
    char address[RAFT_ADDRESS_SIZE]; /* where others reach us, for HELLO */
    raft_index config;               /* record of the configuration in force */
    uint64_t disk;                   /* these three for HELLO, see struct hello */
    bool rejoined;
    uint32_t lease_us;
    uint32_t peer_count;
    struct transport_peer peers[RAFT_NODES_MAX];
    uint32_t ping_us;        /* 100 ms */
    uint32_t silence_us;     /* 1500 ms */
    uint32_t queue_bytes;    /* per peer, 32 MiB */
    uint32_t connect_us;     /* give up a dial after, 1 s */
};
void transport_options_default(struct transport_options *options);

struct transport_calls {
    void *self;
    /* A whole checksummed frame for this node, any kind below FRAME_HELLO. */
    void (*receive)(void *self, struct bytes frame);
    /* Something a person should know; peer 0: none. */
    void (*note)(void *self, enum hull_event code, node_id peer,
                 const char *text);
    /* A member says which data directory it has. False: it is another one than it
     * had, and it does not say that it replaces that. NULL: any will do. */
    bool (*knows)(void *self, node_id peer, uint64_t disk, bool rejoined);
};

struct transport;

/* Listens and starts dialling. 0 or a negative libuv error; *why (static or
 * owned by the transport) says what could not be done, with the address. */
int transport_open(uv_loop_t *loop, const struct transport_options *options,
                   const struct transport_calls *calls,
                   struct transport **out, char why[256]);
/* Closes everything; closed(arg) comes when no handle is left. */
void transport_close(struct transport *transport, void (*closed)(void *arg),
                     void *arg);
/* Takes the frame. */
void transport_send(struct transport *transport, node_id to,
                    struct frame *frame);

/* Another configuration is in force: `list` has all members, this node too
 * where it is one, with names and addresses. */
void transport_set_members(struct transport *transport, raft_index config,
                           const struct raft_members *list);
/* Listens at another place instead, which others reach as `address`; who came in
 * at the old one has to dial again. 0, or a negative libuv error with a sentence,
 * and all is as before. */
int transport_listen(struct transport *transport, const char *address,
                     const char *host, const char *port, char why[256]);

/* Drops every frame that would go from this node to `to`. */
void transport_cut(struct transport *transport, node_id to, bool cut);

struct transport_peer_status {
    bool connected;          /* our connection to it is open and welcomed */
    bool cut;                /* our way to it is cut by a test */
    bool hears, heard_by;    /* see route_status */
    node_id via;
    raft_time heard;
    uint64_t queue_bytes, frames_sent, frames_dropped, frames_received;
    bool unknown_there;      /* it says that we are not a member */
    char why[256];           /* why it is not connected, for people */
};
bool transport_get_status(const struct transport *transport, node_id peer,
                          struct transport_peer_status *out);
/* The port it listens on: the one chosen by the system for "0". */
uint16_t transport_port(const struct transport *transport);
/* Rejected connections and frames since start. */
uint64_t transport_garbage(const struct transport *transport);

#endif
