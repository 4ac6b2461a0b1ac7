#include "raft/wire/members.h"

#include "raft/wire/cursor.h"

#include <assert.h>
#include <string.h>

enum { MEMBERS_VERSION = 1, HEAD_SIZE = 2 + 2 + 4 };
enum { ROLE_LEARNER, ROLE_JOINING, ROLE_VOTER, ROLES_END };

static size_t member_size(const struct raft_member *member)
{
    return 8 + 1 + 1 + 1 + strlen(member->name) + 2 + strlen(member->address);
}

static void write_member(struct writer *w, const struct raft_member *member)
{
    size_t name = strlen(member->name), address = strlen(member->address);
    assert(name < RAFT_NAME_SIZE && address < RAFT_ADDRESS_SIZE);
    write_u64(w, member->id);
    write_u8(w, member->voter     ? ROLE_VOTER
                : member->joining ? ROLE_JOINING
                                  : ROLE_LEARNER);
    write_u8(w, member->priority);
    write_u8(w, (uint8_t)name);
    write_bytes(w, (struct bytes){member->name, name});
    write_u16(w, (uint16_t)address);
    write_bytes(w, (struct bytes){member->address, address});
}

static void read_text(struct reader *r, size_t size, char *out, size_t room)
{
    struct bytes text = read_bytes(r, size);
    const uint8_t *at = text.data;
    if (!reader_ok(r) || size >= room) {
        reader_fail(r);
        return;
    }
    for (size_t i = 0; i < size; i++) {
        if (at[i] <= ' ' || at[i] >= 0x7f) {
            reader_fail(r);
        }
    }
    if (size > 0) {
        memcpy(out, text.data, size);
    }
}

static void read_member(struct reader *r, struct raft_member *out)
{
    *out = (struct raft_member){.id = read_u64(r)};
    uint8_t role = read_u8(r);
    out->voter = role == ROLE_VOTER;
    out->joining = role == ROLE_JOINING;
    out->priority = read_u8(r);
    read_text(r, read_u8(r), out->name, sizeof(out->name));
    read_text(r, read_u16(r), out->address, sizeof(out->address));
    if (role >= ROLES_END) {
        reader_fail(r);
    }
}

size_t members_size(const struct raft_members *members)
{
    size_t size = HEAD_SIZE;
    for (uint32_t i = 0; i < members->count; i++) {
        size += member_size(&members->list[i]);
    }
    return size;
}

void members_encode(const struct raft_members *members, void *out)
{
    assert(member_list_valid(members));
    struct writer w = writer_init(out, members_size(members));
    write_u16(&w, MEMBERS_VERSION);
    write_u16(&w, (uint16_t)members->count);
    write_u32(&w, members->min_voters);
    for (uint32_t i = 0; i < members->count; i++) {
        write_member(&w, &members->list[i]);
    }
    assert(writer_left(&w) == 0);
}

int members_decode(struct bytes src, struct raft_members *out)
{
    struct reader r = reader_init(src);
    uint16_t version = read_u16(&r);
    *out = (struct raft_members){.count = read_u16(&r)};
    out->min_voters = read_u32(&r);
    if (version != MEMBERS_VERSION || out->count > RAFT_NODES_MAX) {
        return -1;
    }
    for (uint32_t i = 0; i < out->count; i++) {
        read_member(&r, &out->list[i]);
    }
    return reader_done(&r) && member_list_valid(out) ? 0 : -1;
}

/* --- changes --- */

struct frame frame_encode_change(node_id from, node_id to, uint64_t request,
                                 const struct raft_change *change)
{
    struct frame frame = frame_new(8 + 1 + 1 + member_size(&change->member));
    struct writer w = writer_init(frame.data + FRAME_HEADER_SIZE,
                                  frame.size - FRAME_HEADER_SIZE);
    write_u64(&w, request);
    write_u8(&w, (uint8_t)change->op);
    write_u8(&w, change->force ? 1 : 0);
    write_member(&w, &change->member);
    assert(writer_left(&w) == 0);
    frame_seal(&frame, FRAME_CHANGE, 0, from, to);
    return frame;
}

int frame_decode_change(struct bytes body, uint64_t *request,
                        struct raft_change *out)
{
    struct reader r = reader_init(body);
    *request = read_u64(&r);
    uint8_t op = read_u8(&r);
    uint8_t force = read_u8(&r);
    *out = (struct raft_change){.force = force != 0};
    read_member(&r, &out->member);
    if (!reader_done(&r) || op == 0 || op >= RAFT_CHANGE_OPS_END || force > 1) {
        return -1;
    }
    out->op = (enum raft_change_op)op;
    return 0;
}

struct frame frame_encode_change_reply(node_id from, node_id to,
                                       uint64_t request,
                                       enum raft_change_result result)
{
    struct frame frame = frame_new(8 + 1);
    struct writer w = writer_init(frame.data + FRAME_HEADER_SIZE, 8 + 1);
    write_u64(&w, request);
    write_u8(&w, (uint8_t)result);
    frame_seal(&frame, FRAME_CHANGE_REPLY, 0, from, to);
    return frame;
}

int frame_decode_change_reply(struct bytes body, uint64_t *request,
                              enum raft_change_result *out)
{
    struct reader r = reader_init(body);
    *request = read_u64(&r);
    uint8_t result = read_u8(&r);
    if (!reader_done(&r) || result >= RAFT_CHANGE_RESULTS_END) {
        return -1;
    }
    *out = (enum raft_change_result)result;
    return 0;
}
