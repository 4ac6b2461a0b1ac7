#include "fs/session_int.h"

#include "fs/log.h"
#include "fs/node.h"
#include "raft/wire/cursor.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

bool session_is_open(const struct node *node)
{
    return node->session.state == SESSION_OPEN;
}

bool session_may_open(const struct node *node, raft_index orphaned)
{
    return orphaned > node->session.closed_upto;
}

raft_time session_timeout_us(const struct node *node)
{
    return (raft_time)node->config.session_timeout_ms * 1000;
}

int session_submit(struct node *node, struct command *command,
                   uint64_t serial, void *context, raft_time deadline)
{
    uint8_t body[COMMAND_BODY_MAX];
    size_t size = command_encode(command, body, sizeof body);
    struct record *record = record_new(
        RECORD_COMMAND, (struct bytes){.data = body, .size = size},
        (struct bytes){0});
    record->origin = node->self;
    record->serial = serial;
    int rc = hull_submit(node->hull, node_now(), record, deadline, context);
    if (rc < 0) {
        record_unref(record);
    }
    return rc;
}

static void open_session(struct node *node)
{
    struct session_keeper *keeper = &node->session;
    keeper->open_serial++;
    const char *name = node->config.name;
    struct command command = {
        .op = OP_SESSION_OPEN,
        .name = {.data = name, .size = strlen(name)},
        .number = node->boot,
        .caller = {.uid = geteuid(),
                   .gid = getegid(),
                   .pid = (uint32_t)getpid(),
                   .comm = "raftfs"},
    };
    if (session_submit(node, &command, keeper->open_serial, keeper,
                       node_now() + session_timeout_us(node)) == 0) {
        keeper->state = SESSION_OPENING;
    }
}

void session_completed(struct node *node, enum hull_outcome outcome,
                       const struct hull_result *result)
{
    struct session_keeper *keeper = &node->session;
    if (keeper->state != SESSION_OPENING) {
        return;
    }
    if (outcome != HULL_DONE || result->error != 0) {
        keeper->state = SESSION_NONE; /* the next tick tries again */
        return;
    }
    /* What was granted after we had given up the last one went with it. */
    locks_session_lost(node);
    keeper->state = SESSION_OPEN;
    keeper->id = result->value[VALUE_INO];
    keeper->opened = node_now();
    keeper->opened_count++;
    node_event(node, EVENT_SESSION_OPENED, 0, 0, "id=%" PRIu64, keeper->id);
    requests_session_opened(node);
    node_tell_ready(node);
}

void session_lost(struct node *node)
{
    if (node->session.state == SESSION_OPEN) {
        node_event(node, EVENT_SESSION_ENDED, 0, 0, "id=%" PRIu64,
                   node->session.id);
        node->session.state = SESSION_NONE;
        locks_session_lost(node);
        if (node->stopping) {
            return;
        }
        /* Callers wait for the next one. */
        uv_timer_start(&node->second, node->second.timer_cb, 0, 1000);
    }
}

/* --- what this node tells the leader --- */

struct held {
    uint64_t inos[SESSION_HELD_MAX];
    uint32_t count;
    bool incomplete; /* more than fit */
};

static int collect_held(struct node *node, struct held *held)
{
    struct inode inode;
    held->count = 0;
    held->incomplete = false;
    int rc = tree_orphans(node->tree, 0, &inode, 1);
    if (rc <= 0) {
        return rc; /* as it is most of the time */
    }
    uint64_t ino;
    for (size_t at = 0; (ino = openfiles_next(&node->openfiles, &at)) != 0;) {
        rc = tree_inode_get(node->tree, ino, &inode);
        if (rc == STORE_NOT_FOUND || (rc == 0 && inode.nlink > 0)) {
            continue; /* reaped when our session had ended, or no orphan */
        }
        if (rc < 0) {
            return rc;
        }
        if (held->count == SESSION_HELD_MAX) {
            held->incomplete = true;
            break;
        }
        held->inos[held->count++] = ino;
    }
    return 0;
}

/* Between the walk of a path and the open of what it led to, other nodes may
 * replace the file, again and again. */
static void close_older(struct node *node)
{
    enum { GRACE_US = 2000000 };
    struct session_keeper *keeper = &node->session;
    raft_time now = node_now();
    if (now - keeper->marked_at >= GRACE_US) {
        keeper->closed_upto = keeper->marked;
        keeper->marked = tree_applied(node->tree);
        keeper->marked_at = now;
    }
}

void session_tell(struct node *node)
{
    close_older(node);
    static struct held held; /* the loop's */
    /* The digest knows of sessions only what was written to the tree. */
    if (apply_flush(node->apply) < 0 || collect_held(node, &held) < 0) {
        node_fault(node, "the tree cannot be used: %s", store_error_text());
        return;
    }
    size_t size = 1 + 6 * 8 + 1 + 4 + (size_t)held.count * 8;
    uint8_t *bytes = malloc(size);
    if (bytes == NULL) {
        abort();
    }
    struct writer w = writer_init(bytes, size);
    write_u8(&w, NOTICE_ALIVE);
    write_u64(&w, node->session.id);
    write_u64(&w, tree_applied(node->tree));
    write_u64(&w, tree_digest(node->tree));
    /* As if we might open all of them, when we cannot name all that we hold: then
     * none of it is reaped. */
    write_u64(&w, held.incomplete ? 0 : node->session.closed_upto);
    write_u64(&w, node->last_digest.index);
    write_u64(&w, node->last_digest.digest);
    write_u8(&w, node->space.here);
    write_u32(&w, held.count);
    for (uint32_t i = 0; i < held.count; i++) {
        write_u64(&w, held.inos[i]);
    }
    hull_notice(node->hull, (struct bytes){.data = bytes, .size = size});
    free(bytes);
}

void pilot_notice(void *self, node_id from, struct bytes body)
{
    struct node *node = self;
    struct reader r = reader_init(body);
    switch (read_u8(&r)) {
    case NOTICE_ALIVE:
        if (hull_is_leader(node->hull)) {
            session_hear(node, from, &r);
        }
        break;
    case NOTICE_SPACE:
        if (from == hull_leader(node->hull)) {
            space_hear(node, &r);
        }
        break;
    case NOTICE_DIVERGED: {
        raft_index index = read_u64(&r);
        if (reader_done(&r) && from == hull_leader(node->hull)) {
            node_fault(node,
                       "the state differs from the leader's at index %" PRIu64,
                       index);
        }
        break;
    }
    default:
        break; /* from a newer version */
    }
}

void session_tick(struct node *node)
{
    struct session_keeper *keeper = &node->session;
    raft_time now = node_now();
    if (node->faulted) {
        requests_locks_lost(node); /* nothing will be granted here any more */
        return;
    }
    if (hull_leader(node->hull) != 0) {
        keeper->leader_heard = now;
    } else if (keeper->state == SESSION_OPEN &&
               now - keeper->leader_heard > session_timeout_us(node)) {
        session_lost(node);
    }
    if (members_self(node) == NULL) {
        session_lost(node); /* nothing that this node asks for is done */
        return;
    }
    if (keeper->state == SESSION_NONE && hull_leader(node->hull) != 0) {
        open_session(node);
    }
    session_tell(node);
    if (hull_is_leader(node->hull)) {
        session_lead_tick(node);
    }
}
