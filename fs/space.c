#include "fs/space.h"

#include "fs/node.h"
#include "fs/session_int.h"
#include "raft/wire/frame.h"

#include <inttypes.h>

enum {
    LOOK_EVERY = 1024 * 1024, /* bytes; far below the reserve */
    GOOD_FOR_US = 3500000,    /* the leader speaks every second */
};

/* Enough for what is under way in all callers, in the log, and for moving a few
 * segments. */
static uint64_t reserve_of(const struct statvfs *disk)
{
    const uint64_t least = 64 << 20, most = 256 << 20;
    uint64_t total = (uint64_t)disk->f_blocks * disk->f_frsize;
    uint64_t part = total / 20;
    if (part < least) {
        part = total / 8 < least ? total / 8 : least;
    }
    return part < most ? part : most;
}

static uint64_t available(const struct statvfs *disk)
{
    return (uint64_t)disk->f_bavail * disk->f_frsize;
}

static void look(struct node *node)
{
    struct space *space = &node->space;
    struct statvfs disk;
    space->written = 0;
    if (statvfs(node->options.datadir, &disk) < 0) {
        return;
    }
    uint64_t reserve = reserve_of(&disk);
    uint64_t wanted = space->here ? reserve + reserve / 4 : reserve;
    bool is_short = available(&disk) < wanted;
    if (is_short == space->here) {
        return;
    }
    space->here = is_short;
    node_event(node, is_short ? EVENT_DISK_LOW : EVENT_DISK_ROOM, 0, 0,
               "free=%" PRIu64 " reserve=%" PRIu64, available(&disk), reserve);
    session_tell(node);
}

void space_tick(struct node *node)
{
    look(node);
}

void space_written(struct node *node, uint64_t bytes)
{
    node->space.written += bytes;
    if (node->space.written >= LOOK_EVERY) {
        look(node);
    }
}

static bool is_short(const struct node *node)
{
    const struct space *space = &node->space;
    return space->here ||
           (space->elsewhere && node_now() - space->told < GOOD_FOR_US);
}

const char *space_why_short(const struct node *node)
{
    if (node->space.here) {
        return "the disk of this node is nearly full";
    }
    return is_short(node) ? "the disk of another node is nearly full" : NULL;
}

static bool needs_room(const struct command *command)
{
    switch (command->op) {
    case OP_CREATE:
    case OP_TMPFILE:
    case OP_MKNOD:
    case OP_MKDIR:
    case OP_SYMLINK:
    case OP_LINK:
    case OP_WRITE:
    case OP_SETXATTR:
    case OP_COPY_RANGE:
        return true;
    default:
        return false;
    }
}

bool space_refuses(const struct node *node, const struct command *command)
{
    return needs_room(command) && is_short(node);
}

uint64_t space_free(const struct node *node, const struct statvfs *disk)
{
    uint64_t reserve = reserve_of(disk);
    return is_short(node) || available(disk) < reserve
               ? 0
               : available(disk) - reserve;
}

uint64_t space_above_reserve(const struct node *node)
{
    struct statvfs disk;
    if (statvfs(node->options.datadir, &disk) < 0) {
        return UINT64_MAX; /* writes will tell */
    }
    uint64_t reserve = reserve_of(&disk);
    return available(&disk) < reserve ? 0 : available(&disk) - reserve;
}

/* --- the leader's word --- */

void space_hear(struct node *node, struct reader *r)
{
    bool elsewhere = read_u8(r) != 0;
    if (reader_done(r)) {
        node->space.elsewhere = elsewhere;
        node->space.told = node_now();
    }
}

void space_lead(struct node *node)
{
    const struct session_keeper *keeper = &node->session;
    bool is_any_short = node->space.here;
    for (size_t i = 0; i < keeper->report_count; i++) {
        const struct session_report *report = &keeper->reports[i];
        is_any_short |= report->no_room &&
                        node_now() - report->heard < GOOD_FOR_US;
    }
    node->space.elsewhere = is_any_short;
    node->space.told = node_now();
    const struct raft_members *members = &node->members.members;
    for (uint32_t i = 0; i < members->count; i++) {
        node_id to = members->list[i].id;
        if (to == node->self) {
            continue;
        }
        struct frame frame = frame_new(2);
        struct writer w = writer_init(frame.data + FRAME_HEADER_SIZE, 2);
        write_u8(&w, NOTICE_SPACE);
        write_u8(&w, is_any_short);
        frame_seal(&frame, FRAME_NOTICE, 0, node->self, to);
        transport_send(node->transport, to, &frame);
    }
}
