/* members.h -- a configuration as the body of a CONFIG record, and a change of
 * it as a frame.
 *
 * Bytes of a configuration (little-endian; table in docs/formats.md):
 *   u16 version 1 · u16 count · u32 min_voters · a member each: u64 id ·
 *   u8 role (0 learner, 1 joining, 2 voter) · u8 priority · u8 name size · name ·
 *   u16 address size · address.
 *
 * Names and addresses are printed before anybody has looked at them: only what
 * can be seen, and no blanks.
 *
 * Thread: any. Memory: as for frames; the body belongs to the caller.
 */
#ifndef RAFT_WIRE_MEMBERS_H
#define RAFT_WIRE_MEMBERS_H

#include "raft/core/member.h"
#include "raft/wire/frame.h"

enum { MEMBERS_BODY_MAX = 8 + RAFT_NODES_MAX * (8 + 1 + 1 + 1 + 64 + 2 + 300) };

size_t members_size(const struct raft_members *members);
/* Writes exactly members_size() bytes. */
void members_encode(const struct raft_members *members, void *out);
/* 0, or -1: not a whole and valid configuration. */
int members_decode(struct bytes src, struct raft_members *out);

/* FRAME_CHANGE: u64 request · u8 op · u8 force · one member as above. */
struct frame frame_encode_change(node_id from, node_id to, uint64_t request,
                                 const struct raft_change *change);
int frame_decode_change(struct bytes body, uint64_t *request,
                        struct raft_change *out);
/* FRAME_CHANGE_REPLY: u64 request · u8 result. */
struct frame frame_encode_change_reply(node_id from, node_id to,
                                       uint64_t request,
                                       enum raft_change_result result);
int frame_decode_change_reply(struct bytes body, uint64_t *request,
                              enum raft_change_result *out);

#endif
