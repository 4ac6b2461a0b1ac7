/* The body of FRAME_RAFT: a message of the consensus, and its records. */
#include "raft/wire/frame.h"

#include "raft/wire/cursor.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { IS_BOOL = 1, IS_U32 = 4, IS_U64 = 8 }; /* also the size in bytes */

static size_t message_size(enum raft_message_type type)
{
    size_t size = 2; /* the type */
    const struct raft_message_field *field = raft_message_fields;
    for (; field->name != NULL; field++) {
        size += raft_message_has(field, type) ? field->size : 0;
    }
    return size;
}

/* Encoding and decoding walk the same table, so they cannot differ. */
static void write_fields(struct writer *w, const struct raft_message *message)
{
    const struct raft_message_field *field = raft_message_fields;
    for (; field->name != NULL; field++) {
        if (!raft_message_has(field, message->type)) {
            continue;
        }
        uint64_t value = raft_message_get(message, field);
        switch (field->size) {
        case IS_BOOL:
            write_u8(w, (uint8_t)value);
            break;
        case IS_U32:
            write_u32(w, (uint32_t)value);
            break;
        default:
            write_u64(w, value);
            break;
        }
    }
}

static uint64_t read_bool(struct reader *r)
{
    uint8_t byte = read_u8(r);
    if (byte > 1) {
        reader_fail(r);
    }
    return byte;
}

static void read_fields(struct reader *r, struct raft_message *message)
{
    const struct raft_message_field *field = raft_message_fields;
    for (; field->name != NULL; field++) {
        if (!raft_message_has(field, message->type)) {
            continue;
        }
        uint64_t value = field->size == IS_BOOL  ? read_bool(r)
                         : field->size == IS_U32 ? read_u32(r)
                                                 : read_u64(r);
        raft_message_set(message, field, value);
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
    write_fields(&w, message);
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
    read_fields(&r, message);
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
