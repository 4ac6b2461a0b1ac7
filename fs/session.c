#include "fs/session.h"

#include "fs/log.h"
#include "fs/node.h"
#include "raft/wire/cursor.h"
#include "raft/wire/frame.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum notice_kind { NOTICE_ALIVE = 1, NOTICE_DIVERGED = 2 };

enum {
    ORPHANS_A_LOOK = COMMAND_REAP_MAX,
    PAUSE_US = 3000000,       /* between two ticks of a second */
    JUDGE_AFTER_US = 2500000, /* all nodes report every second */
};

static uint64_t random_number(void)
{
    uint64_t number = 0;
    if (getrandom(&number, sizeof number, 0) != sizeof number) {
        abort();
    }
    return number == 0 ? 1 : number >> 1;
}

bool session_is_open(const struct node *node)
{
    return node->session.state == SESSION_OPEN;
}

static raft_time timeout_us(const struct node *node)
{
    return (raft_time)node->config.session_timeout_ms * 1000;
}

/* Commands that a node gives for itself, outside any session. */
static int submit_own(struct node *node, struct command *command,
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
        .caller = {.pid = (uint32_t)getpid(), .comm = "raftfs"},
    };
    if (submit_own(node, &command, keeper->open_serial, keeper,
                   node_now() + timeout_us(node)) == 0) {
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
    log_event(LOG_INFO, "session opened", "id=%" PRIu64, keeper->id);
    requests_session_opened(node);
    node_tell_ready(node);
}

void session_lost(struct node *node)
{
    if (node->session.state == SESSION_OPEN) {
        log_event(LOG_WARN, "session ended", "id=%" PRIu64, node->session.id);
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
    struct inode orphans[64];
    uint64_t after = 0;
    held->count = 0;
    held->incomplete = false;
    for (;;) {
        int count = tree_orphans(node->tree, after, orphans, 64);
        if (count < 0) {
            return count;
        }
        for (int i = 0; i < count; i++) {
            after = orphans[i].ino;
            if (!openfiles_has(&node->openfiles, after)) {
                continue;
            }
            if (held->count == SESSION_HELD_MAX) {
                held->incomplete = true;
                return 0;
            }
            held->inos[held->count++] = after;
        }
        if (count < 64) {
            return 0;
        }
    }
}

static void send_alive(struct node *node)
{
    static struct held held; /* the loop's */
    /* The digest knows of sessions only what was written to the tree. */
    if (apply_flush(node->apply) < 0 || collect_held(node, &held) < 0) {
        node_fault(node, "the tree cannot be used: %s", store_error_text());
        return;
    }
    size_t size = 1 + 5 * 8 + 4 + (size_t)held.count * 8;
    uint8_t *bytes = malloc(size);
    if (bytes == NULL) {
        abort();
    }
    struct writer w = writer_init(bytes, size);
    write_u8(&w, NOTICE_ALIVE);
    write_u64(&w, node->session.id);
    /* As if no unlink were applied yet, when we cannot name all that we hold:
     * then none of it is reaped. */
    write_u64(&w, held.incomplete ? 0 : tree_applied(node->tree));
    write_u64(&w, tree_digest(node->tree));
    write_u64(&w, node->last_digest.index);
    write_u64(&w, node->last_digest.digest);
    write_u32(&w, held.count);
    for (uint32_t i = 0; i < held.count; i++) {
        write_u64(&w, held.inos[i]);
    }
    hull_notice(node->hull, (struct bytes){.data = bytes, .size = size});
    free(bytes);
}

/* --- what the leader makes of it --- */

static struct session_report *report_of(struct session_keeper *keeper,
                                        node_id node)
{
    for (size_t i = 0; i < keeper->report_count; i++) {
        if (keeper->reports[i].node == node) {
            return &keeper->reports[i];
        }
    }
    if (keeper->report_count == SESSION_REPORTS_MAX) {
        return NULL;
    }
    struct session_report *report = &keeper->reports[keeper->report_count++];
    *report = (struct session_report){.node = node};
    return report;
}

static void forget_reports(struct session_keeper *keeper)
{
    for (size_t i = 0; i < keeper->report_count; i++) {
        free(keeper->reports[i].held);
    }
    keeper->report_count = 0;
}

void session_release(struct session_keeper *keeper)
{
    forget_reports(keeper);
}

void session_lead(struct node *node)
{
    forget_reports(&node->session);
    node->session.ending = 0;
    node->session.reaped_at = 0; /* that place in the log may be gone */
    node->session.reaped_upto = 0;
}

static void tell_diverged(struct node *node, node_id to, raft_index index)
{
    struct frame frame = frame_new(1 + 8);
    struct writer w =
        writer_init(frame.data + FRAME_HEADER_SIZE, 1 + 8);
    write_u8(&w, NOTICE_DIVERGED);
    write_u64(&w, index);
    frame_seal(&frame, FRAME_NOTICE, 0, node->self, to);
    transport_send(node->transport, to, &frame);
}

/* Compares with our own point at the same index, if we still remember it. */
static void compare_digest(struct node *node, struct session_report *report,
                           raft_index index, uint64_t digest)
{
    uint64_t ours = digest;
    if (index == 0 || report->node == node->self) {
        return; /* no point yet, or nothing to compare with */
    }
    if (apply_flush(node->apply) < 0) {
        node_fault(node, "the tree cannot be used: %s", store_error_text());
        return;
    }
    if (index == tree_applied(node->tree)) {
        ours = tree_digest(node->tree);
    } else if (index % DIGEST_EVERY == 0) {
        const struct digest_point *point =
            &node->digests[(index / DIGEST_EVERY) % DIGEST_RING];
        if (point->index == index) {
            ours = point->digest;
        }
    }
    if (ours != digest && report->differs == 0) {
        log_event(LOG_ERROR, "state digests differ",
                  "node=%s index=%" PRIu64 " ours=%016" PRIx64
                  " theirs=%016" PRIx64,
                  config_node_name(&node->config, report->node), index, ours,
                  digest);
        report->differs = index;
        report->differs_since = node_now();
    }
}

/* Who is wrong, when all have had the time to say what they have: the nodes that
 * differ from us, unless these are most of all nodes. */
static void judge_differing(struct node *node)
{
    struct session_keeper *keeper = &node->session;
    size_t count = 0;
    raft_index index = 0;
    for (size_t i = 0; i < keeper->report_count; i++) {
        const struct session_report *report = &keeper->reports[i];
        if (report->differs != 0 &&
            node_now() - report->differs_since > JUDGE_AFTER_US) {
            index = report->differs;
        }
        count += report->differs != 0;
    }
    if (index == 0) {
        return;
    }
    if (count * 2 > node->config.node_count) {
        node_fault(node,
                   "the state differs from that of most nodes at index %" PRIu64,
                   index);
        return;
    }
    for (size_t i = 0; i < keeper->report_count; i++) {
        if (keeper->reports[i].differs != 0) {
            tell_diverged(node, keeper->reports[i].node,
                          keeper->reports[i].differs);
        }
    }
}

static void hear_alive(struct node *node, node_id from, struct reader *r)
{
    uint64_t session = read_u64(r);
    raft_index applied = read_u64(r);
    uint64_t digest = read_u64(r);
    raft_index point_index = read_u64(r);
    uint64_t point_digest = read_u64(r);
    uint32_t count = read_u32(r);
    struct bytes held = read_bytes(r, (size_t)count * 8);
    if (!reader_done(r) || count > SESSION_HELD_MAX) {
        return;
    }
    struct session_report *report = report_of(&node->session, from);
    if (report == NULL) {
        return;
    }
    if (report->session != session) {
        report->differs = 0; /* it was started again, maybe repaired */
    }
    report->session = session;
    report->heard = node_now();
    report->applied = applied;
    report->held = realloc(report->held, count == 0 ? 1 : (size_t)count * 8);
    if (report->held == NULL) {
        abort();
    }
    report->held_count = count;
    struct reader inos = reader_init(held);
    for (uint32_t i = 0; i < count; i++) {
        report->held[i] = read_u64(&inos);
    }
    compare_digest(node, report, applied, digest);
    compare_digest(node, report, point_index, point_digest);
}

void pilot_notice(void *self, node_id from, struct bytes body)
{
    struct node *node = self;
    struct reader r = reader_init(body);
    switch (read_u8(&r)) {
    case NOTICE_ALIVE:
        if (hull_is_leader(node->hull)) {
            hear_alive(node, from, &r);
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

/* A leader that was itself paused has heard nobody, and that is not their fault.
 * What it says now would reach the next leader. */
static void forgive_own_pause(struct session_keeper *keeper, raft_time now)
{
    if (keeper->looked != 0 && now - keeper->looked > PAUSE_US) {
        for (size_t i = 0; i < keeper->report_count; i++) {
            keeper->reports[i].heard = now;
        }
    }
    keeper->looked = now;
}

/* One at a time: the next look comes after this one is applied. */
static void end_silent_sessions(struct node *node)
{
    struct session_keeper *keeper = &node->session;
    struct apply_session sessions[64];
    size_t count = apply_sessions(node->apply, sessions, 64);
    raft_time now = node_now();
    forgive_own_pause(keeper, now);
    for (size_t i = 0; i < count; i++) {
        struct session_report *report = report_of(keeper, sessions[i].node);
        if (report == NULL || sessions[i].id == keeper->ending) {
            continue;
        }
        if (report->watched != sessions[i].id) {
            /* Silence before it was opened was not its own. */
            report->watched = sessions[i].id;
            report->heard = now;
        }
        if (now - report->heard <= timeout_us(node)) {
            continue;
        }
        struct command command = {
            .op = OP_SESSION_END,
            .session = sessions[i].id,
            .caller = {.pid = (uint32_t)getpid(), .comm = "raftfs"},
        };
        log_event(LOG_WARN, "session timed out", "id=%" PRIu64 " node=%s",
                  sessions[i].id, sessions[i].name);
        if (submit_own(node, &command, random_number(), NULL, 0) == 0) {
            keeper->ending = sessions[i].id;
        }
        return;
    }
}

static bool is_held(const struct session_report *report, uint64_t ino)
{
    for (size_t i = 0; i < report->held_count; i++) {
        if (report->held[i] == ino) {
            return true;
        }
    }
    return false;
}

/* An orphan may go when every live session has said, after having applied the
 * unlink, that it does not hold it. */
static bool may_reap(struct node *node, const struct inode *orphan,
                     const struct apply_session *sessions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct session_report *report =
            report_of(&node->session, sessions[i].node);
        if (report == NULL || report->session != sessions[i].id ||
            report->applied < orphan->orphaned ||
            is_held(report, orphan->ino)) {
            return false;
        }
    }
    return true;
}

static int reap_orphans(struct node *node)
{
    struct session_keeper *keeper = &node->session;
    if (keeper->reaped_at > tree_applied(node->tree)) {
        return 0; /* the last one is still on its way */
    }
    static struct inode orphans[ORPHANS_A_LOOK]; /* the loop's */
    struct apply_session sessions[64];
    size_t session_count = apply_sessions(node->apply, sessions, 64);
    /* From where the last look ended: the first ones may be held for long. */
    int count = tree_orphans(node->tree, keeper->reaped_upto, orphans,
                             ORPHANS_A_LOOK);
    if (count < 0) {
        return count;
    }
    keeper->reaped_upto =
        count == ORPHANS_A_LOOK ? orphans[count - 1].ino : 0;
    uint8_t inos[COMMAND_REAP_MAX * 8];
    struct writer w = writer_init(inos, sizeof inos);
    struct command command = {
        .op = OP_REAP,
        .inos = inos,
        .caller = {.pid = (uint32_t)getpid(), .comm = "raftfs"},
    };
    for (int i = 0; i < count; i++) {
        if (may_reap(node, &orphans[i], sessions, session_count)) {
            write_u64(&w, orphans[i].ino);
            command.ino_count++;
        }
    }
    if (command.ino_count > 0 &&
        submit_own(node, &command, random_number(), NULL, 0) == 0) {
        keeper->reaped_at = raftlog_last(node->log) + 1;
    }
    return 0;
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
               now - keeper->leader_heard > timeout_us(node)) {
        session_lost(node);
    }
    if (keeper->state == SESSION_NONE && hull_leader(node->hull) != 0) {
        open_session(node);
    }
    send_alive(node);
    if (hull_is_leader(node->hull)) {
        end_silent_sessions(node);
        judge_differing(node);
        if (reap_orphans(node) < 0) {
            node_fault(node, "orphans cannot be listed: %s",
                       store_error_text());
        }
    }
}
