/* record.h -- one record of the log, in memory and as bytes.
 *
 * A record is written once by the leader and is the same everywhere. Its
 * payload (the bytes of a write(2)) stands apart from its body (the command), so
 * that a node can put the payload into a segment and keep the record small.
 * `place` is where THIS node put it; it never travels.
 *
 * Bytes (little-endian; table in docs/formats.md):
 *   u32 magic "RREC" · u16 version · u16 code · u64 index · u64 term ·
 *   u64 time_ns · u64 origin · u64 session · u64 serial · u32 body_size ·
 *   u64 payload_size · u64 payload_hash[2] · u64 chain · u64 checksum · body ·
 *   payload (unless encoded without it). The checksum is XXH3-64 of the body,
 *   seeded with XXH3-64 of the header's bytes before the checksum.
 *
 * Thread: loop. Memory: one allocation, counted references.
 */
#ifndef RAFT_WIRE_RECORD_H
#define RAFT_WIRE_RECORD_H

#include "raft/core/types.h"

enum {
    RECORD_HEADER_SIZE = 100,
    /* Header, body and payload: a payload of 1 MiB and room to spare. Whatever
     * claims to be larger is garbage. Also fits into one frame. */
    RECORD_SIZE_MAX = 2 * 1024 * 1024,
};

struct record_place {
    uint64_t segment;  /* 0: not in a segment */
    uint64_t position; /* of the payload's first byte in the segment file */
};

struct record {
    raft_index index; /* 0 until the leader has stamped it */
    raft_term term;
    uint64_t time_ns; /* stamped by the leader, strictly growing in the log */
    uint16_t code;    /* enum record_code */
    node_id origin;   /* where the caller is */
    uint64_t session; /* 0: opens one, or has none */
    uint64_t serial;  /* of the caller within its session */
    struct bytes body;
    uint64_t payload_size;
    uint64_t payload_hash[2]; /* XXH3-128 low, high; 0 0 when empty */
    uint64_t chain; /* stamped by the leader: record_chain() */
    struct bytes payload;     /* data NULL: payload is in the segment only;
                               * never NULL when payload_size is 0 */
    struct record_place place;
    unsigned refs;
};

/* One reference, room for body and payload inside, both copied from the
 * arguments (payload_size may be 0); the payload's hash is computed. */
struct record *record_new(uint16_t code, struct bytes body,
                          struct bytes payload);
struct record *record_ref(struct record *record);
void record_unref(struct record *record); /* NULL is fine */

/* Encoded size in bytes, with or without the payload. */
size_t record_size(const struct record *record, bool with_payload);
/* Writes exactly record_size() bytes to out. With payload needs payload.data. */
void record_encode(const struct record *record, bool with_payload, void *out);

/* Decodes the record at the front of src. *used is how many bytes it took;
 * *out holds one reference. When with_payload, payload bytes are copied and
 * checked against their hash; otherwise payload.data is NULL. 0, or -1 when the
 * bytes are not a whole valid record (never reads outside src). */
int record_decode(struct bytes src, bool with_payload, struct record **out,
                  size_t *used);
/* A hash of the record and, through `before`, the chain of the record before it, of
 * the whole log up to here: two logs with the same chain at a place are the same up
 * to there. 0 is before the first record. */
uint64_t record_chain(const struct record *record, uint64_t before);
/* True when the bytes hash to the record's payload_hash and size. */
bool record_payload_ok(const struct record *record, struct bytes payload);

#endif
