#include "raft/wire/record.h"

#include "raft/wire/cursor.h"
#include "raft/wire/hash.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECORD_MAGIC = 0x43455252, /* "RREC" */
    RECORD_VERSION = 2,
    CHECKSUM_AT = RECORD_HEADER_SIZE - 8,
    CHAIN_AT = CHECKSUM_AT - 8,
};

/* The content follows the struct in the same allocation. */
static struct record *record_alloc(size_t content_size)
{
    struct record *record = malloc(sizeof(*record) + content_size);
    if (record == NULL) {
        abort(); /* Raft survives a stopped node */
    }
    *record = (struct record){.refs = 1};
    return record;
}

static uint8_t *content(struct record *record)
{
    return (uint8_t *)(record + 1);
}

/* A copy of src at `at`; never a NULL view, as nothing is missing. */
static struct bytes put(uint8_t *at, struct bytes src)
{
    if (src.size > 0) {
        memcpy(at, src.data, src.size);
    }
    return (struct bytes){.data = at, .size = src.size};
}

struct record *record_new(uint16_t code, struct bytes body,
                          struct bytes payload)
{
    assert(code != 0);
    assert(body.size <= RECORD_SIZE_MAX);
    assert(payload.size <= RECORD_SIZE_MAX);
    assert(RECORD_HEADER_SIZE + body.size + payload.size <= RECORD_SIZE_MAX);
    struct record *record = record_alloc(body.size + payload.size);
    record->code = code;
    record->body = put(content(record), body);
    record->payload = put(content(record) + body.size, payload);
    record->payload_size = payload.size;
    if (payload.size > 0) {
        hash128(payload, record->payload_hash);
    }
    return record;
}

struct record *record_ref(struct record *record)
{
    assert(record->refs > 0);
    record->refs++;
    return record;
}

void record_unref(struct record *record)
{
    if (record == NULL) {
        return;
    }
    assert(record->refs > 0);
    record->refs--;
    if (record->refs == 0) {
        free(record);
    }
}

size_t record_size(const struct record *record, bool with_payload)
{
    return RECORD_HEADER_SIZE + record->body.size +
           (with_payload ? (size_t)record->payload_size : 0);
}

/* Seeded with the header's hash, so that one number covers both without the
 * two having to lie side by side. */
static uint64_t checksum(const uint8_t *header, struct bytes body)
{
    struct bytes front = {.data = header, .size = CHECKSUM_AT};
    return hash64(body, hash64(front, 0));
}

/* All that makes the record what it is, but for its body. */
static void write_front(struct writer *w, const struct record *record)
{
    write_u32(w, RECORD_MAGIC);
    write_u16(w, RECORD_VERSION);
    write_u16(w, record->code);
    write_u64(w, record->index);
    write_u64(w, record->term);
    write_u64(w, record->time_ns);
    write_u64(w, record->origin);
    write_u64(w, record->session);
    write_u64(w, record->serial);
    write_u32(w, (uint32_t)record->body.size);
    write_u64(w, record->payload_size);
    write_u64(w, record->payload_hash[0]);
    write_u64(w, record->payload_hash[1]);
}

uint64_t record_chain(const struct record *record, uint64_t before)
{
    uint8_t front[CHAIN_AT];
    struct writer w = writer_init(front, sizeof front);
    write_front(&w, record);
    assert(writer_left(&w) == 0);
    struct bytes bytes = {.data = front, .size = sizeof front};
    return hash64(record->body, hash64(bytes, before));
}

void record_encode(const struct record *record, bool with_payload, void *out)
{
    assert(!with_payload || record->payload.size == record->payload_size);
    uint8_t *header = out;
    struct writer w = writer_init(out, record_size(record, with_payload));
    write_front(&w, record);
    write_u64(&w, record->chain);
    assert(w.at == header + CHECKSUM_AT);
    write_u64(&w, checksum(header, record->body));
    write_bytes(&w, record->body);
    if (with_payload) {
        write_bytes(&w, record->payload);
    }
    assert(writer_left(&w) == 0);
}

/* Everything but the content; sizes are checked against the limits and what is
 * left, before anybody allocates. */
static uint32_t read_header(struct reader *r, bool with_payload,
                            struct record *out, uint64_t *sum)
{
    if (read_u32(r) != RECORD_MAGIC || read_u16(r) != RECORD_VERSION) {
        reader_fail(r);
    }
    out->code = read_u16(r);
    out->index = read_u64(r);
    out->term = read_u64(r);
    out->time_ns = read_u64(r);
    out->origin = read_u64(r);
    out->session = read_u64(r);
    out->serial = read_u64(r);
    uint32_t body_size = read_u32(r);
    out->payload_size = read_u64(r);
    out->payload_hash[0] = read_u64(r);
    out->payload_hash[1] = read_u64(r);
    out->chain = read_u64(r);
    *sum = read_u64(r);
    uint64_t room = RECORD_SIZE_MAX - RECORD_HEADER_SIZE;
    if (out->code == 0 || body_size > room ||
        out->payload_size > room - body_size) {
        reader_fail(r);
    }
    uint64_t left = reader_left(r);
    if (left < body_size ||
        (with_payload && left - body_size < out->payload_size)) {
        reader_fail(r);
    }
    return body_size;
}

static bool payload_fits(const struct record *header, struct bytes payload)
{
    uint64_t hash[2] = {0, 0};
    if (payload.size > 0) {
        hash128(payload, hash);
    }
    return payload.size == header->payload_size &&
           hash[0] == header->payload_hash[0] &&
           hash[1] == header->payload_hash[1];
}

int record_decode(struct bytes src, bool with_payload, struct record **out,
                  size_t *used)
{
    struct reader r = reader_init(src);
    struct record header = {.refs = 1};
    uint64_t sum;
    uint32_t body_size = read_header(&r, with_payload, &header, &sum);
    struct bytes body = read_bytes(&r, body_size);
    bool present = with_payload || header.payload_size == 0;
    struct bytes payload =
        read_bytes(&r, present ? (size_t)header.payload_size : 0);
    if (!reader_ok(&r) || checksum(src.data, body) != sum ||
        (present && !payload_fits(&header, payload))) {
        return -1;
    }
    struct record *record = record_alloc(body.size + payload.size);
    *record = header;
    record->body = put(content(record), body);
    if (present) {
        record->payload = put(content(record) + body.size, payload);
    }
    *out = record;
    *used = src.size - reader_left(&r);
    return 0;
}

bool record_payload_ok(const struct record *record, struct bytes payload)
{
    return payload_fits(record, payload);
}
