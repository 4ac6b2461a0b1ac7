/* pilot.c -- fills struct pilot: what the hull asks of this program. */
#include "fs/node.h"

#include "fs/footprint.h"
#include "fs/log.h"
#include "fs/snapshot.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

static int pilot_stage(void *self, struct record *record)
{
    struct node *node = self;
    if (record->payload_size <= TREE_INLINE_MAX) {
        return 0; /* travels and stays inside the record */
    }
    struct place place;
    int rc = faults_hit(&node->faults, FAIL_STAGE);
    if (rc < 0) {
        return rc;
    }
    do {
        rc = segment_append(node->staging,
                            (struct view){.data = record->payload.data,
                                          .size = record->payload.size},
                            &place);
    } while (room_made(node, rc));
    if (rc == 0) {
        record->place = (struct record_place){.segment = place.segment,
                                              .position = place.position};
        space_written(node, record->payload.size);
    }
    return rc;
}

/* The staged bytes are forgotten with the log row that names them: the row goes
 * to quarantine, and when it leaves there the segment's bytes are dead. */
static int pilot_undo(void *self, const struct record *record)
{
    struct node *node = self;
    log_event(LOG_INFO, "record undone",
              "index=%" PRIu64 " term=%" PRIu64 " serial=%" PRIu64,
              record->index, record->term, record->serial);
    return faults_hit(&node->faults, FAIL_UNDO);
}

static int remember_digest(struct node *node, raft_index index)
{
    if (index % DIGEST_EVERY != 0) {
        return 0;
    }
    int rc = apply_flush(node->apply);
    if (rc < 0) {
        return rc;
    }
    node->last_digest = (struct digest_point){
        .index = index, .digest = tree_digest(node->tree)};
    node->digests[(index / DIGEST_EVERY) % DIGEST_RING] = node->last_digest;
    return 0;
}

/* Others may have our locks now: a node that was paused learns it here. */
static void notice_ended_session(struct node *node,
                                 const struct apply_change *change)
{
    struct apply_session session;
    if (change->session_ended && session_is_open(node) &&
        !apply_session_get(node->apply, node->session.id, &session)) {
        session_lost(node);
    }
}

static int pilot_apply(void *self, struct record *record,
                       struct hull_result *result)
{
    struct node *node = self;
    struct apply_result applied = {0};
    int rc = faults_hit(&node->faults, FAIL_APPLY);
    if (rc < 0) {
        return rc;
    }
    rc = apply_record(node->apply, record, &applied);
    if (rc < 0) {
        return rc;
    }
    result->error = applied.error;
    static_assert(sizeof result->value == sizeof applied.value, "same values");
    memcpy(result->value, applied.value, sizeof result->value);
    const struct apply_change *change = apply_last_change(node->apply);
    if (change->small_body != 0) {
        reclaim_touched(node->reclaim, change->small_body);
    }
    if (record->origin != node->self) {
        ops_changed_elsewhere(node, change);
    }
    requests_granted(node, change);
    notice_ended_session(node, change);
    node->settings.changed |= change->settings;
    locks_broken(node, change);
    rc = quarantine_applied(node, record, applied.error);
    return rc < 0 ? rc : remember_digest(node, record->index);
}

/* The tree may lag the log, which has everything: so its transaction stays open
 * for a while, and pages that many records touch are written once. Reads on the
 * loop see what is in it. */
static int pilot_applied(void *self, raft_index index)
{
    struct node *node = self;
    if (index - node->committed >= COMMIT_RECORDS) {
        return node_commit_tree(node);
    }
    if (!uv_is_active((uv_handle_t *)&node->commit) && !node->stopping) {
        uv_timer_start(&node->commit, node->commit.timer_cb, COMMIT_MS, 0);
    }
    return 0;
}

static void pilot_complete(void *self, void *caller_context,
                           enum hull_outcome outcome,
                           const struct hull_result *result)
{
    struct node *node = self;
    if (outcome == HULL_DONE) {
        patience_answered(&node->patience, node_now());
    }
    if (caller_context == &node->session) {
        session_completed(node, outcome, result);
    } else if (caller_context == &node->session.reaping) {
        session_reaped(node, outcome);
    } else {
        request_complete(caller_context, outcome, result);
    }
}

static void pilot_read_ready(void *self, void *caller_context,
                             enum hull_outcome outcome)
{
    struct node *node = self;
    if (outcome == HULL_DONE) {
        patience_answered(&node->patience, node_now());
    }
    if (caller_context == &node->patience) {
        node->patience.asking = false;
    } else {
        request_complete(caller_context, outcome, NULL);
    }
}

static void pilot_footprint(void *self, const struct record *record,
                            struct footprint *out)
{
    struct node *node = self;
    footprint_of(node->tree, record, out);
}

static void pilot_send(void *self, node_id to, struct frame *frame)
{
    struct node *node = self;
    transport_send(node->transport, to, frame);
}

static const char *role_name(enum raft_role role)
{
    switch (role) {
    case RAFT_FOLLOWER:
        return "follower";
    case RAFT_PRECANDIDATE:
        return "precandidate";
    case RAFT_CANDIDATE:
        return "candidate";
    case RAFT_LEADER:
        return "leader";
    case RAFT_FAULTED:
        return "faulted";
    }
    return "unknown";
}

static void pilot_role(void *self, enum raft_role role, raft_term term,
                       node_id leader)
{
    struct node *node = self;
    if (role == RAFT_LEADER && node->role != RAFT_LEADER) {
        session_lead(node);
    }
    if (leader != node->leader) {
        raft_time now = node_now();
        node->leader_since = now;
        if (leader == 0) {
            node->leaderless_since = now;
        } else {
            patience_leader_heard(&node->patience, now);
        }
    }
    bool tell = leader != node->leader || role == RAFT_LEADER ||
                node->role == RAFT_LEADER;
    node->role = role;
    node->term = term;
    node->leader = leader;
    if (tell) {
        node_event(node, EVENT_ROLE, 0, 0, "role=%s leader=%s",
                   role_name(role),
                   leader == 0 ? "-" : members_name(node, leader));
    }
    if (leader != 0 && !node->stopping) {
        /* Sessions have something to do now; not from inside the hull. */
        uv_timer_start(&node->second, node->second.timer_cb, 0, 1000);
    }
    node_role_changed(node);
}

static void pilot_note(void *self, const struct hull_note *note)
{
    struct node *node = self;
    node_note(node, note);
    if (event_severity(note->code) >= EVENT_FAULT) {
        node->faulted = true;
    }
}

static uint64_t pilot_wall_ns(void *self)
{
    (void)self;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void pilot_fill(struct node *node)
{
    node->pilot = (struct pilot){
        .self = node,
        .stage = pilot_stage,
        .undo = pilot_undo,
        .apply = pilot_apply,
        .applied = pilot_applied,
        .complete = pilot_complete,
        .read_ready = pilot_read_ready,
        .footprint = pilot_footprint,
        .send = pilot_send,
        .notice = pilot_notice,
        .bulk = snapshot_bulk,
        .snapshot_wanted = snapshot_wanted,
        .role = pilot_role,
        .members = members_changed,
        .changed = members_answered,
        .note = pilot_note,
        .wall_ns = pilot_wall_ns,
    };
}
