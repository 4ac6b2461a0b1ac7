/* session_lead.c -- what the leader makes of the notices of all nodes: whose
 * session has ended, which orphans may go, whose state differs. */
#include "fs/session_int.h"

#include "fs/log.h"
#include "fs/node.h"
#include "raft/wire/frame.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    ORPHANS_A_LOOK = 128, /* a record of them holds the loop for a millisecond */
    LOOKS_A_TICK = 32,
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
        node_event(node, EVENT_DIGESTS_DIFFER, report->node, index,
                   "state digests differ: ours=%016" PRIx64
                   " theirs=%016" PRIx64,
                   ours, digest);
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
    if (count * 2 > node->members.members.count) {
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

void session_hear(struct node *node, node_id from, struct reader *r)
{
    uint64_t session = read_u64(r);
    raft_index applied = read_u64(r);
    uint64_t digest = read_u64(r);
    raft_index closed_upto = read_u64(r);
    raft_index point_index = read_u64(r);
    uint64_t point_digest = read_u64(r);
    bool no_room = read_u8(r) != 0;
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
    report->closed_upto = closed_upto;
    bool room_changed = report->no_room != no_room;
    report->no_room = no_room;
    report->held = realloc(report->held, count == 0 ? 1 : (size_t)count * 8);
    if (report->held == NULL) {
        abort();
    }
    report->held_count = count;
    struct reader inos = reader_init(held);
    for (uint32_t i = 0; i < count; i++) {
        report->held[i] = read_u64(&inos);
    }
    if (room_changed) {
        space_lead(node);
    }
    compare_digest(node, report, applied, digest);
    compare_digest(node, report, point_index, point_digest);
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
        if (now - report->heard <= session_timeout_us(node)) {
            continue;
        }
        struct command command = {
            .op = OP_SESSION_END,
            .session = sessions[i].id,
            .caller = {.pid = (uint32_t)getpid(), .comm = "raftfs"},
        };
        node_event(node, EVENT_SESSION_TIMED_OUT, 0, 0,
                   "id=%" PRIu64 " node=%s", sessions[i].id, sessions[i].name);
        if (session_submit(node, &command, random_number(), NULL, 0) == 0) {
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

/* An orphan may go when every live session has said that it neither holds it nor
 * will open it. */
static bool may_reap(struct node *node, const struct inode *orphan,
                     const struct apply_session *sessions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct session_report *report =
            report_of(&node->session, sessions[i].node);
        if (report == NULL || report->session != sessions[i].id ||
            report->closed_upto < orphan->orphaned ||
            is_held(report, orphan->ino)) {
            return false;
        }
    }
    return true;
}

/* Returns 1 when there are more to look at. */
static int reap_some(struct node *node)
{
    struct session_keeper *keeper = &node->session;
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
    uint8_t inos[ORPHANS_A_LOOK * 8];
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
    if (command.ino_count > 0) {
        keeper->reaping =
            session_submit(node, &command, random_number(), &keeper->reaping,
                           node_now() + session_timeout_us(node)) == 0;
    }
    return keeper->reaped_upto != 0;
}

/* One record at a time: what comes next is looked for when it is applied. */
static void reap_orphans(struct node *node)
{
    int rc = 1;
    for (int i = 0; rc > 0 && i < LOOKS_A_TICK && !node->session.reaping; i++) {
        rc = reap_some(node);
    }
    if (rc < 0) {
        node_fault(node, "orphans cannot be listed: %s", store_error_text());
    }
}

void session_reaped(struct node *node, enum hull_outcome outcome)
{
    node->session.reaping = false;
    if (outcome == HULL_DONE && node->session.reaped_upto != 0 &&
        hull_is_leader(node->hull)) {
        reap_orphans(node);
    }
}

void session_lead_tick(struct node *node)
{
    end_silent_sessions(node);
    judge_differing(node);
    space_lead(node);
    reap_orphans(node);
    node->session.looks++;
}
