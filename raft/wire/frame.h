/* frame.h -- the envelope of everything that travels between nodes.
 *
 * Bytes, little-endian:
 *   u32 magic "RFS1" · u16 version · u16 kind · u32 body_size · u32 flags ·
 *   u64 from · u64 to · u64 checksum · body. The checksum is XXH3-64 of the body,
 *   seeded with XXH3-64 of the header's bytes before the checksum.
 * A frame with a bad magic, version, size or checksum ends the connection: the
 * stream cannot be trusted any more.
 *
 * Thread: any. Memory: frame_new() gives one buffer that the taker frees.
 */
#ifndef RAFT_WIRE_FRAME_H
#define RAFT_WIRE_FRAME_H

#include "raft/core/types.h"
#include "raft/core/message.h"
#include "raft/wire/record.h"

enum {
    FRAME_HEADER_SIZE = 40,
    FRAME_VERSION = 1,
    /* One record of 1 MiB payload plus a batch of append_bytes_max, rounded up.
     * A length above it is garbage or an attack. */
    FRAME_BODY_MAX = 4 * 1024 * 1024,
};

enum frame_kind {
    FRAME_RAFT = 1,      /* struct raft_message and, for APPEND, its records */
    FRAME_FORWARD,       /* a record that wants to be submitted by the leader */
    FRAME_FORWARD_REPLY, /* what became of it */
    FRAME_NOTICE,        /* opaque to raft/: pilot to pilot */
    FRAME_CHANGE,        /* of the membership, for the leader: members.h */
    FRAME_CHANGE_REPLY,
    FRAME_SNAPSHOT,      /* likewise; large */
    FRAME_CANNOT_SYNC,   /* the sender is out of service, and why */
    FRAME_HELLO,         /* transport: first frame of a connection */
    FRAME_HELLO_REPLY,
    FRAME_PING,          /* transport: link state */
    FRAME_KINDS_END
};

enum { FRAME_RELAYED = 1 }; /* flags: came over a third node; do not relay again */

struct frame {
    uint8_t *data; /* owned; header and body */
    size_t size;
};

struct frame_header {
    uint16_t kind;
    uint32_t body_size;
    uint32_t flags;
    node_id from, to;
    uint64_t checksum;
};

/* Reads the header at the front of src. 1: complete and sane; 0: more bytes are
 * needed; -1: not a frame (*why says what is wrong). The checksum is not
 * looked at: that needs the body. */
int frame_header_decode(struct bytes src, struct frame_header *out,
                        const char **why);
/* True when the checksum fits header and body. whole is the complete frame. */
bool frame_ok(struct bytes whole);
struct bytes frame_body(struct bytes whole);

/* One buffer with room for body_size; fill data + FRAME_HEADER_SIZE, then
 * frame_seal() writes the header and the checksum. */
struct frame frame_new(size_t body_size);
void frame_seal(struct frame *frame, uint16_t kind, uint32_t flags,
                node_id from, node_id to);
void frame_release(struct frame *frame);

/* --- bodies --- */

/* FRAME_RAFT. records holds message->count references for an APPEND (all with
 * payload.data set), else NULL. */
struct frame frame_encode_raft(const struct raft_message *message,
                               struct record *const *records);
/* records_out: array of message->count references (owned, free with
 * frame_records_free), NULL when there are none. 0 or -1 (invalid bytes). */
int frame_decode_raft(struct bytes body, struct raft_message *message,
                      struct record ***records_out);
void frame_records_free(struct record **records, uint32_t count);

enum forward_status {
    FORWARD_TAKEN = 1,  /* in the leader's log at index, term */
    FORWARD_NOT_LEADER, /* certainly not done by this node; see leader */
    FORWARD_BUSY,       /* certainly not done; try again */
    FORWARD_STATUS_END
};
struct forward_reply {
    uint64_t session, serial;
    enum forward_status status;
    raft_index index;
    raft_term term;
    node_id leader;
};
struct frame frame_encode_forward(node_id from, node_id to,
                                  const struct record *record);
int frame_decode_forward(struct bytes body, struct record **out);
struct frame frame_encode_forward_reply(node_id from, node_id to,
                                        const struct forward_reply *reply);
int frame_decode_forward_reply(struct bytes body, struct forward_reply *out);

/* Why the sender cannot follow: a code that it has a name for, and the record
 * that it is about. */
struct cannot_sync {
    raft_index index;
    raft_term term;
    int32_t error;
    char code[32]; /* NUL-terminated */
};
struct frame frame_encode_cannot_sync(node_id from, node_id to,
                                      const struct cannot_sync *what);
int frame_decode_cannot_sync(struct bytes body, struct cannot_sync *out);

/* Transport's own. */
struct hello {
    uint32_t protocol;     /* FRAME_VERSION of the sender */
    uint64_t cluster_id;   /* 0: wants to know ours */
    node_id node;
    uint64_t boot;
    char name[64];         /* NUL-terminated; for messages to people */
    uint32_t status;       /* reply: 0 welcome, else enum hello_refusal */
    raft_index config;     /* record of the newest configuration it knows */
    char address[RAFT_ADDRESS_SIZE]; /* where it can be reached; may be "" */
    uint64_t disk;         /* number of its data directory, from when that was made */
    bool rejoined;         /* that one was made in the place of another */
    uint32_t lease_us;     /* D: the same for all, or old reads are possible */
};
enum hello_refusal { HELLO_OK, HELLO_WRONG_CLUSTER, HELLO_WRONG_NODE,
                     HELLO_WRONG_PROTOCOL, HELLO_UNKNOWN_NODE,
                     HELLO_OTHER_DISK, HELLO_OTHER_LEASE, HELLO_REFUSALS_END };
struct frame frame_encode_hello(uint16_t kind, node_id from, node_id to,
                                const struct hello *hello);
int frame_decode_hello(struct bytes body, struct hello *out);

/* Whom the sender hears directly, and who (by their own pings) hears it. */
struct ping {
    uint32_t count;
    struct ping_row {
        node_id node;
        bool hears;    /* sender has heard node directly of late */
        bool heard_by; /* node's last ping said that it hears the sender */
    } rows[RAFT_PEERS_MAX];
};
struct frame frame_encode_ping(node_id from, node_id to,
                               const struct ping *ping);
int frame_decode_ping(struct bytes body, struct ping *out);

#endif
