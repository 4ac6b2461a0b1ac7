/* Which fields a message of each type has. */
#include "raft/core/message.h"

#include <string.h>

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

#define FIELD(field, bits)                                                     \
    {                                                                          \
        .name = #field, .at = offsetof(struct raft_message, field),            \
        .size = sizeof(((struct raft_message *)0)->field), .types = bits       \
    }
const struct raft_message_field raft_message_fields[] = {
    FIELD(from, ALL),
    FIELD(to, ALL),
    FIELD(term, ALL),
    FIELD(boot, ALL),
    FIELD(prev_index, PREVOTE | VOTE | APPEND),
    FIELD(prev_term, PREVOTE | VOTE | APPEND),
    FIELD(transfer, PREVOTE | VOTE),
    FIELD(commit, APPEND),
    FIELD(first, APPEND),
    FIELD(count, APPEND),
    FIELD(quorum_ok, APPEND),
    FIELD(behind, APPEND),
    FIELD(trim, APPEND),
    FIELD(sent, APPEND | APPEND_REPLY),
    FIELD(lease_boot, APPEND),
    FIELD(lease_asked, APPEND),
    FIELD(lease_us, APPEND),
    FIELD(revoke, APPEND),
    FIELD(granted, PREVOTE_REPLY | VOTE_REPLY | APPEND_REPLY | READ_REPLY),
    FIELD(quiet, VOTE_REPLY),
    FIELD(newcomer, APPEND_REPLY),
    FIELD(match, APPEND_REPLY),
    FIELD(seen, APPEND_REPLY),
    FIELD(asked, APPEND_REPLY),
    FIELD(dropped, APPEND_REPLY),
    FIELD(hint, APPEND_REPLY),
    FIELD(hint_term, APPEND_REPLY),
    FIELD(applied, APPEND_REPLY),
    FIELD(read_id, READ | READ_REPLY),
    FIELD(read_index, READ_REPLY),
    {.name = NULL},
};
#undef FIELD

bool raft_message_has(const struct raft_message_field *field,
                      enum raft_message_type type)
{
    return (field->types & (1u << type)) != 0;
}

uint64_t raft_message_get(const struct raft_message *message,
                          const struct raft_message_field *field)
{
    const char *at = (const char *)message + field->at;
    uint64_t value = 0;
    uint32_t small = 0;
    bool flag = false;
    switch (field->size) {
    case sizeof(flag):
        memcpy(&flag, at, sizeof(flag));
        return flag;
    case sizeof(small):
        memcpy(&small, at, sizeof(small));
        return small;
    default:
        memcpy(&value, at, sizeof(value));
        return value;
    }
}

void raft_message_set(struct raft_message *message,
                      const struct raft_message_field *field, uint64_t value)
{
    char *at = (char *)message + field->at;
    uint32_t small = (uint32_t)value;
    bool flag = value != 0;
    switch (field->size) {
    case sizeof(flag):
        memcpy(at, &flag, sizeof(flag));
        break;
    case sizeof(small):
        memcpy(at, &small, sizeof(small));
        break;
    default:
        memcpy(at, &value, sizeof(value));
        break;
    }
}
