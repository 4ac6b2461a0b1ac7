#include "raft/hull/hull_int.h"

#include "raft/wire/cursor.h"

/* Records of an APPEND follow each other and the message's first. */
static bool records_fit(const struct raft_message *message,
                        struct record *const *records)
{
    for (uint32_t i = 0; i < message->count; i++) {
        const struct record *record = records[i];
        if (record->index != message->first + i || record->term == 0 ||
            record->term > message->term) {
            return false;
        }
    }
    return true;
}

static void step_message(struct hull *hull, const struct raft_message *message,
                         struct record **records)
{
    uint32_t count = records == NULL ? 0 : message->count;
    raft_term *terms = xcalloc(count + 1, sizeof(*terms));
    uint32_t *sizes = xcalloc(count + 1, sizeof(*sizes));
    for (uint32_t i = 0; i < count; i++) {
        terms[i] = records[i]->term;
        sizes[i] = (uint32_t)record_size(records[i], true);
    }
    struct raft_event event = {.type = RAFT_EVENT_MESSAGE,
                               .message = message,
                               .terms = terms,
                               .sizes = sizes};
    struct raft_config *configs;
    if (change_configs(records, count, &configs, &event.config_count) < 0) {
        /* Its checksum is right, so it is what the leader has written. */
        hull_fail(hull, EVENT_NEEDS_UPGRADE, message->prev_index + count, 0);
    }
    event.configs = configs;
    hull->attached = records;
    hull->attached_count = count;
    hull_step(hull, &event);
    hull->attached = NULL;
    hull->attached_count = 0;
    free(configs);
    free(terms);
    free(sizes);
}

static void raft_receive(struct hull *hull, node_id from, struct bytes body)
{
    struct raft_message message = {0};
    struct record **records = NULL;
    if (frame_decode_raft(body, &message, &records) < 0) {
        hull->count.frames_bad++;
        return;
    }
    if (message.type == RAFT_APPEND_REPLY) {
        cannot_forget(&hull->cannot, from); /* it is in service again */
    }
    bool has_records = message.type == RAFT_APPEND && message.count > 0;
    if (has_records && hull->full) {
        /* As if it had come without them: they are sent again later. */
        frame_records_free(records, message.count);
        records = NULL;
        message.count = 0;
        has_records = false;
    }
    if (message.from != from || message.to != hull->self ||
        (has_records && !records_fit(&message, records))) {
        hull->count.frames_bad++;
    } else {
        step_message(hull, &message, has_records ? records : NULL);
    }
    if (records != NULL) {
        frame_records_free(records, message.count);
    }
}

/* A message of Raft may come from a member that we do not know yet, and from the
 * leader the snapshot that names it; all else is for members. */
static bool may_say(const struct hull *hull, const struct frame_header *header)
{
    return header->kind == FRAME_RAFT || header->kind == FRAME_FORWARD_REPLY ||
           header->kind == FRAME_CHANGE_REPLY ||
           (header->kind == FRAME_SNAPSHOT && header->from == hull->leader) ||
           hull_is_member(hull, header->from);
}

/* Only a leader sends an APPEND: it should know. */
static void faulted_receive(struct hull *hull, raft_time now,
                            const struct frame_header *header,
                            struct bytes body)
{
    struct reader r = reader_init(body);
    if (header->kind == FRAME_RAFT && read_u16(&r) == RAFT_APPEND) {
        hull_enter(hull, now);
        cannot_say(hull, header->from);
        hull_leave(hull);
    }
}

void hull_receive(struct hull *hull, raft_time now, struct bytes frame)
{
    struct frame_header header;
    const char *why;
    if (frame_header_decode(frame, &header, &why) != 1 ||
        header.to != hull->self || header.from == hull->self ||
        header.from == 0) {
        hull->count.frames_bad++;
        return;
    }
    if (!may_say(hull, &header)) {
        return;
    }
    if (hull->faulted) {
        faulted_receive(hull, now, &header, frame_body(frame));
        return;
    }
    hull_enter(hull, now);
    struct bytes body = frame_body(frame);
    switch (header.kind) {
    case FRAME_RAFT:
        raft_receive(hull, header.from, body);
        break;
    case FRAME_FORWARD:
        forward_receive(hull, header.from, body);
        break;
    case FRAME_FORWARD_REPLY:
        forward_reply_receive(hull, header.from, body);
        break;
    case FRAME_CANNOT_SYNC:
        cannot_receive(hull, header.from, body);
        break;
    case FRAME_NOTICE:
        hull->pilot->notice(hull->pilot->self, header.from, body);
        break;
    case FRAME_CHANGE:
        change_receive(hull, header.from, body);
        break;
    case FRAME_CHANGE_REPLY:
        change_reply_receive(hull, body);
        break;
    case FRAME_SNAPSHOT:
        hull->pilot->bulk(hull->pilot->self, header.from, body);
        break;
    default:
        hull->count.frames_bad++;
        break;
    }
    hull_leave(hull);
}
