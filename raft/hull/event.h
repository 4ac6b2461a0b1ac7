/* event.h -- what can happen to a node that a person or a program should know:
 * one table of codes, and the memory of the last ones.
 *
 * INFO is the life of the node. WARN: something was lost, refused or retried.
 * FAULT: this node has taken itself out of service. FATAL: nodes contradict each
 * other; their state is evidence.
 *
 * The hull, the transport and the application share the table, so that a code
 * means the same in the log, in `raftfs events`, in counters and in tests. Each
 * code has a test that provokes it: tests/unit/hull/test_event.c knows which.
 *
 * Thread: loop. Memory: struct event_ring holds everything inside.
 */
#ifndef RAFT_HULL_EVENT_H
#define RAFT_HULL_EVENT_H

#include "raft/core/types.h"

enum event_severity { EVENT_INFO, EVENT_WARN, EVENT_FAULT, EVENT_FATAL };

/*    code, name, severity, sentence */
#define HULL_EVENTS(X)                                                         \
    /* the core */                                                             \
    X(EVENT_ROLE, "role", EVENT_INFO, "role, term or leader changed")          \
    X(EVENT_LOST_QUORUM, "lost-quorum", EVENT_WARN,                            \
      "no majority in contact; stepped down")                                  \
    X(EVENT_TRUNCATED, "truncated", EVENT_WARN,                                \
      "records were superseded by a new leader's")                             \
    X(EVENT_DIVERGED, "diverged", EVENT_FATAL,                                 \
      "the leader's log contradicts ours where it must not")                             \
    X(EVENT_VOTE_REFUSED, "vote-refused", EVENT_INFO,                          \
      "a candidate was ignored, the leader works")                             \
    X(EVENT_NEEDS_SNAPSHOT, "needs-snapshot", EVENT_WARN,                      \
      "the peer is behind the log's start")                                    \
    X(EVENT_MEMBERS_CHANGED, "members-changed", EVENT_INFO,                    \
      "another configuration is in force")                                     \
    X(EVENT_MEMBERS_RESTORED, "members-restored", EVENT_WARN,                  \
      "a change was superseded; the configuration before is in force again")   \
    X(EVENT_REMOVED, "removed", EVENT_WARN,                                    \
      "this node is not a member of the cluster any more")                     \
    X(EVENT_HANDS_OVER, "hands-over", EVENT_INFO,                              \
      "the peer is preferred as leader")                                       \
    /* the hull: calls of the log and the pilot that failed */                 \
    X(EVENT_SAVE_FAILED, "save-failed", EVENT_FAULT,                           \
      "term and vote could not be saved")                                      \
    X(EVENT_UNDO_FAILED, "undo-failed", EVENT_FAULT,                           \
      "a superseded record could not be undone")                               \
    X(EVENT_TRUNCATE_FAILED, "truncate-failed", EVENT_FAULT,                   \
      "the log could not be cut")                                              \
    X(EVENT_STAGE_FAILED, "stage-failed", EVENT_FAULT,                         \
      "the payload of a record could not be kept")                             \
    X(EVENT_APPEND_FAILED, "append-failed", EVENT_FAULT,                       \
      "the log could not take records")                                        \
    X(EVENT_SYNC_FAILED, "sync-failed", EVENT_FAULT,                           \
      "the log could not be synced")                                           \
    X(EVENT_READ_FAILED, "read-failed", EVENT_FAULT,                           \
      "a record could not be read from the log")                               \
    X(EVENT_APPLY_FAILED, "apply-failed", EVENT_FAULT,                         \
      "a record could not be applied")                                         \
    X(EVENT_APPLIED_FAILED, "applied-failed", EVENT_FAULT,                     \
      "applied records could not be kept")                                     \
    X(EVENT_COMPACT_FAILED, "compact-failed", EVENT_FAULT,                     \
      "the log could not be compacted")                                        \
    X(EVENT_NEEDS_UPGRADE, "needs-upgrade", EVENT_FAULT,                       \
      "a record is of a kind that this program does not know")                 \
    X(EVENT_OUT_OF_SERVICE, "out-of-service", EVENT_FAULT,                     \
      "this node has taken itself out of service")                             \
    X(EVENT_PEER_CANNOT_SYNC, "peer-cannot-sync", EVENT_WARN,                  \
      "the peer is out of service and says why")                               \
    /* the transport */                                                        \
    X(EVENT_PEER_CONNECTED, "peer-connected", EVENT_INFO,                      \
      "connected to the peer")                                                 \
    X(EVENT_PEER_UNREACHABLE, "peer-unreachable", EVENT_WARN,                  \
      "the peer cannot be reached")                                            \
    X(EVENT_PEER_REFUSED, "peer-refused", EVENT_WARN,                          \
      "one of two nodes does not know the other")                              \
    X(EVENT_PEER_LOST, "peer-lost", EVENT_WARN,                                \
      "the connection to the peer ended")                                      \
    X(EVENT_PEER_SILENT, "peer-silent", EVENT_WARN,                            \
      "nothing was heard from the peer")                                       \
    X(EVENT_GARBAGE, "garbage", EVENT_WARN,                                    \
      "a connection was closed for what came over it")                         \
    X(EVENT_ACCEPT_FAILED, "accept-failed", EVENT_WARN,                        \
      "a connection could not be accepted")                                    \
    /* the filesystem */                                                       \
    X(EVENT_SESSION_OPENED, "session-opened", EVENT_INFO,                      \
      "this node may change the tree")                                         \
    X(EVENT_SESSION_ENDED, "session-ended", EVENT_WARN,                        \
      "this node was silent for too long; its locks are gone")                 \
    X(EVENT_SESSION_TIMED_OUT, "session-timed-out", EVENT_WARN,                \
      "the leader ends the session of a silent node")                          \
    X(EVENT_LOCK_LOST, "lock-lost", EVENT_WARN,                                \
      "a lock of this node went with its session, or was broken")              \
    X(EVENT_SNAPSHOT_BEGUN, "snapshot-begun", EVENT_INFO,                      \
      "this node is behind the log and fetches the tree")                      \
    X(EVENT_SNAPSHOT_INSTALLED, "snapshot-installed", EVENT_INFO,              \
      "the tree that came is this node's now")                                 \
    X(EVENT_SNAPSHOT_FAILED, "snapshot-failed", EVENT_WARN,                    \
      "a snapshot could not be sent or taken; it will be tried again")         \
    X(EVENT_SNAPSHOT_WAITS, "snapshot-waits", EVENT_WARN,                      \
      "the tree does not fit on this node's disk; it waits for room")          \
    X(EVENT_QUARANTINE_FULL, "quarantine-full", EVENT_WARN,                    \
      "superseded records were let go for newer ones")                         \
    X(EVENT_REJOINED, "rejoined", EVENT_INFO,                                  \
      "a data directory that was made anew has everything")                    \
    X(EVENT_SETTING, "setting", EVENT_INFO, "a setting was changed")           \
    X(EVENT_DISK_LOW, "disk-low", EVENT_WARN,                                  \
      "the disk is nearly full: nothing may grow")                             \
    X(EVENT_DISK_FULL, "disk-full", EVENT_WARN,                                \
      "the disk is full: no records are taken")                                \
    X(EVENT_DISK_ROOM, "disk-room", EVENT_INFO,                                \
      "there is room on the disk again")                                       \
    X(EVENT_DIGESTS_DIFFER, "digests-differ", EVENT_FATAL,                     \
      "two nodes made different trees of the same log")

#define HULL_EVENT_ENUM(code, name, severity, sentence) code,
enum hull_event { HULL_EVENTS(HULL_EVENT_ENUM) EVENT_CODES };
#undef HULL_EVENT_ENUM

const char *event_name(enum hull_event code);
enum event_severity event_severity(enum hull_event code);
const char *event_sentence(enum hull_event code);
/* "info", "warn", "fault", "fatal". */
const char *event_severity_name(enum event_severity severity);
/* EVENT_CODES: no code has that name. */
enum hull_event event_of_name(const char *name);

enum { EVENT_TEXT_SIZE = 160, EVENT_RING = 1024 };

/* What is known of one; 0 stands for none. */
struct hull_note {
    enum hull_event code;
    node_id peer;
    raft_term term;
    raft_index index;
    int error; /* what the failing call returned */
    char text[EVENT_TEXT_SIZE];
};

struct event_entry {
    uint64_t number; /* 1, 2, 3... since the start */
    uint64_t time_ns;
    struct hull_note note;
};

struct event_ring {
    uint64_t next; /* number of the next one, from 1; 0: not begun */
    uint64_t counts[EVENT_CODES];
    struct event_entry list[EVENT_RING];
};

void event_ring_add(struct event_ring *ring, uint64_t time_ns,
                    const struct hull_note *note);
/* The oldest with that number or a later one; NULL: there is none. */
const struct event_entry *event_ring_get(const struct event_ring *ring,
                                         uint64_t number);

#endif
