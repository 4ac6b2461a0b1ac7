#include "fs/room.h"

#include "fs/node.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { LAST_BYTES = 16 * 1024 * 1024, LAST_PART = 32 };

/* What is free, and which part of the disk is the last. */
static bool measure(struct node *node, uint64_t *space, uint64_t *last)
{
    struct statvfs disk;
    if (statvfs(node->options.datadir, &disk) < 0) {
        return false; /* writes will tell */
    }
    uint64_t part = (uint64_t)disk.f_blocks * disk.f_frsize / LAST_PART;
    *last = part < LAST_BYTES ? part : LAST_BYTES;
    *space = (uint64_t)disk.f_bavail * disk.f_frsize;
    if (faults_hit(&node->faults, FAIL_DISK_FULL) < 0) {
        *space = 0;
    }
    return true;
}

/* --- the reserve --- */

static void reserve_path(const struct node *node, char path[4096])
{
    snprintf(path, 4096, "%s/reserve", node->options.datadir);
}

/* Where a filesystem cannot promise room there is none, and everything rests on
 * looking in time. */
static void reserve_take(struct node *node, uint64_t size)
{
    char path[4096];
    reserve_path(node, path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    node->room.reserved = fd >= 0 && fallocate(fd, 0, 0, (off_t)size) == 0;
    if (fd >= 0) {
        close(fd);
    }
    if (!node->room.reserved) {
        unlink(path); /* half of it helps nobody */
    }
}

static void reserve_give(struct node *node)
{
    char path[4096];
    reserve_path(node, path);
    unlink(path);
    node->room.reserved = false;
}

/* --- the state --- */

static void change(struct node *node, bool full, uint64_t space)
{
    if (full == node->room.full) {
        return;
    }
    enum hull_event code = full ? EVENT_DISK_FULL : EVENT_DISK_ROOM;
    node->room.full = full;
    node_event(node, code, 0, 0, "%s: %" PRIu64 " MiB free",
               event_sentence(code), space >> 20);
    if (node->hull != NULL) {
        hull_set_full(node->hull, full);
    }
}

static void look(struct node *node)
{
    uint64_t space, last;
    if (!measure(node, &space, &last)) {
        return;
    }
    bool full = space < (node->room.full ? 2 * last : last);
    if (!full && !node->room.reserved && space > 2 * last) {
        reserve_take(node, last);
    }
    change(node, full, space);
}

void room_open(struct node *node)
{
    look(node);
}

void room_prepare(struct node *node)
{
    uint64_t space, last;
    if (node->room.reserved && measure(node, &space, &last) && space < last) {
        room_made(node, STORE_FULL);
    }
}

bool room_made(struct node *node, int rc)
{
    if (rc != STORE_FULL || !node->room.reserved) {
        return false;
    }
    reserve_give(node);
    change(node, true, 0);
    return true;
}

/* --- a leader --- */

static bool is_short(const struct node *node, node_id id)
{
    const struct session_keeper *keeper = &node->session;
    for (size_t i = 0; i < keeper->report_count; i++) {
        if (keeper->reports[i].node == id) {
            return keeper->reports[i].no_room;
        }
    }
    return false;
}

/* To a voter that has room and all that is committed. */
static void hand_over(struct node *node)
{
    struct hull_status hull;
    hull_get_status(node->hull, node_now(), &hull);
    const struct raft_peer_status *best = NULL;
    for (uint32_t i = 0; i < hull.raft.peer_count; i++) {
        const struct raft_peer_status *peer = &hull.raft.peers[i];
        if (peer->voter && !is_short(node, peer->id) &&
            hull_cannot_sync(node->hull, peer->id) == NULL &&
            peer->match >= hull.raft.commit &&
            (best == NULL || peer->match > best->match)) {
            best = peer;
        }
    }
    if (best != NULL) {
        hull_transfer(node->hull, node_now(), best->id);
    }
}

void room_tick(struct node *node)
{
    look(node);
    if (node->room.full && hull_is_leader(node->hull)) {
        hand_over(node);
    }
}
