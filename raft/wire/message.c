/* The body of FRAME_RAFT: a message of the consensus, and its records. */
#include "raft/wire/frame.h"

#include "raft/wire/cursor.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { IS_BOOL = 1, IS_U32 = 4, IS_U64 = 8 }; /* also the size in bytes */

enum {
    PREVOTE = 1 << RAFT_PREVOTE,
    PREVOTE_REPLY = 1 << RAFT_PREVOTE_REPLY,
    VOTE = 1 << RAFT_VOTE,
    VOTE_REPLY = 1 << RAFT_VOTE_REPLY,
    APPEND = 1 << RAFT_APPEND,
    APPEND_REPLY = 1 << RAFT_APPEND_REPLY,
    READ = 1 << RAFT_READ,
    READ_REPLY = 1 << RAFT_READ_REPLY,
    TIMEOUT_NOW = 1 << RAFT_TIMEOUT_NOW,
    ALL = PREVOTE | PREVOTE_REPLY | VOTE | VOTE_REPLY | APPEND | APPEND_REPLY |
          READ | READ_REPLY | TIMEOUT_NOW,
};

/* Which types carry a field. The order here is the order of the bytes: encoding
 * and decoding walk the same table, so they cannot differ. */
#define FIELD(name, kind, types)                                               \
    {                                                                          \
        offsetof(struct raft_message, name), kind, types                       \
    }
static const struct field {
    size_t at;
    int kind;
    uint32_t types;
} fields[] = {
    FIELD(from, IS_U64, ALL),
    FIELD(to, IS_U64, ALL),
    FIELD(term, IS_U64, ALL),
    FIELD(boot, IS_U64, ALL),
    FIELD(prev_index, IS_U64, PREVOTE | VOTE | APPEND),
    FIELD(prev_term, IS_U64, PREVOTE | VOTE | APPEND),
    FIELD(transfer, IS_BOOL, PREVOTE | VOTE),
    FIELD(commit, IS_U64, APPEND),
    FIELD(first, IS_U64, APPEND),
    FIELD(count, IS_U32, APPEND),
    FIELD(quorum_ok, IS_BOOL, APPEND),
    FIELD(behind, IS_BOOL, APPEND),
    FIELD(trim, IS_U64, APPEND),
    FIELD(sent, IS_U64, APPEND | APPEND_REPLY),
    FIELD(lease_boot, IS_U64, APPEND),
    FIELD(lease_asked, IS_U64, APPEND),
    FIELD(lease_us, IS_U64, APPEND),
    FIELD(revoke, IS_BOOL, APPEND),
    FIELD(granted, IS_BOOL,
          PREVOTE_REPLY | VOTE_REPLY | APPEND_REPLY | READ_REPLY),
    FIELD(quiet, IS_U64, VOTE_REPLY),
    FIELD(newcomer, IS_BOOL, APPEND_REPLY),
    FIELD(match, IS_U64, APPEND_REPLY),
    FIELD(seen, IS_U64, APPEND_REPLY),
    FIELD(asked, IS_U64, APPEND_REPLY),
    FIELD(dropped, IS_U64, APPEND_REPLY),
    FIELD(hint, IS_U64, APPEND_REPLY),
    FIELD(hint_term, IS_U64, APPEND_REPLY),
    FIELD(applied, IS_U64, APPEND_REPLY),
    FIELD(read_id, IS_U64, READ | READ_REPLY),
    FIELD(read_index, IS_U64, READ_REPLY),
};
#undef FIELD

enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

static bool carries(const struct field *field, enum raft_message_type type)
{
    return (field->types & (1u << type)) != 0;
}

static size_t message_size(enum raft_message_type type)
{
    size_t size = 2; /* the type */
    for (size_t i = 0; i < FIELDS; i++) {
        size += carries(&fields[i], type) ? (size_t)fields[i].kind : 0;
    }
    return size;
}

static void write_field(struct writer *w, const struct field *field,
                        const struct raft_message *message)
{
    const char *at = (const char *)message + field->at;
    uint64_t value;
    uint32_t small;
    bool flag;
    switch (field->kind) {
    case IS_BOOL:
        memcpy(&flag, at, sizeof(flag));
        write_u8(w, flag ? 1 : 0);
        break;
    case IS_U32:
        memcpy(&small, at, sizeof(small));
        write_u32(w, small);
        break;
    default:
        memcpy(&value, at, sizeof(value));
        write_u64(w, value);
        break;
    }
}

static void read_field(struct reader *r, const struct field *field,
                       struct raft_message *message)
{
    char *at = (char *)message + field->at;
    uint64_t value;
    uint32_t small;
    uint8_t byte;
    bool flag;
    switch (field->kind) {
    case IS_BOOL:
        byte = read_u8(r);
        if (byte > 1) {
            reader_fail(r);
        }
        flag = byte == 1;
        memcpy(at, &flag, sizeof(flag));
        break;
    case IS_U32:
        small = read_u32(r);
        memcpy(at, &small, sizeof(small));
        break;
    default:
        value = read_u64(r);
        memcpy(at, &value, sizeof(value));
        break;
    }
}

struct frame frame_encode_raft(const struct raft_message *message,
                               struct record *const *records)
{
    assert(message->type > 0 && message->type < RAFT_MESSAGE_TYPES_END);
    uint32_t count = message->type == RAFT_APPEND ? message->count : 0;
    assert(count == 0 || records != NULL);
    size_t size = message_size(message->type);
    for (uint32_t i = 0; i < count; i++) {
        size += record_size(records[i], true);
    }
    struct frame frame = frame_new(size);
    struct writer w = writer_init(frame.data + FRAME_HEADER_SIZE, size);
    write_u16(&w, (uint16_t)message->type);
    for (size_t i = 0; i < FIELDS; i++) {
        if (carries(&fields[i], message->type)) {
            write_field(&w, &fields[i], message);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        record_encode(records[i], true, w.at);
        w.at += record_size(records[i], true);
    }
    assert(writer_left(&w) == 0);
    frame_seal(&frame, FRAME_RAFT, 0, message->from, message->to);
    return frame;
}

/* The records must be the ones the message names, in terms that a log can hold:
 * the core relies on it. */
static bool records_fit(const struct raft_message *message,
                        struct record *const *records)
{
    raft_term term = message->prev_term;
    for (uint32_t i = 0; i < message->count; i++) {
        if (records[i]->index != message->first + i ||
            records[i]->term < term || records[i]->term > message->term) {
            return false;
        }
        term = records[i]->term;
    }
    return true;
}

static int decode_records(struct reader *r, const struct raft_message *message,
                          struct record ***out)
{
    uint32_t count = message->count;
    if (count > reader_left(r) / RECORD_HEADER_SIZE) {
        return -1; /* cannot be; do not allocate for it */
    }
    struct record **records = calloc(count, sizeof(struct record *));
    if (records == NULL) {
        abort();
    }
    for (uint32_t i = 0; i < count; i++) {
        struct bytes rest = {.data = r->at, .size = reader_left(r)};
        size_t used = 0;
        if (record_decode(rest, true, &records[i], &used) < 0) {
            frame_records_free(records, i);
            return -1;
        }
        read_bytes(r, used);
    }
    if (!reader_done(r) || !records_fit(message, records)) {
        frame_records_free(records, count);
        return -1;
    }
    *out = records;
    return 0;
}

int frame_decode_raft(struct bytes body, struct raft_message *message,
                      struct record ***records_out)
{
    *records_out = NULL;
    if (body.size > FRAME_BODY_MAX) {
        return -1;
    }
    struct reader r = reader_init(body);
    uint16_t type = read_u16(&r);
    if (type == 0 || type >= RAFT_MESSAGE_TYPES_END) {
        return -1;
    }
    *message = (struct raft_message){.type = (enum raft_message_type)type};
    for (size_t i = 0; i < FIELDS; i++) {
        if (carries(&fields[i], message->type)) {
            read_field(&r, &fields[i], message);
        }
    }
    if (!reader_ok(&r)) {
        return -1;
    }
    if (type == RAFT_APPEND &&
        (message->prev_index > UINT64_MAX - 1 - message->count ||
         message->first != message->prev_index + 1)) {
        return -1;
    }
    if (message->count == 0) {
        return reader_done(&r) ? 0 : -1;
    }
    return decode_records(&r, message, records_out);
}

void frame_records_free(struct record **records, uint32_t count)
{
    if (records == NULL) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        record_unref(records[i]);
    }
    free(records);
}
