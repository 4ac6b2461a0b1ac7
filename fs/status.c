/* status.c -- what a node says about itself, as JSON, and the commands of its
 * control socket. */
#include "fs/node.h"

#include "fs/log.h"
#include "fs/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#ifndef RAFTFS_VERSION
#define RAFTFS_VERSION "0.0"
#endif

static const char *role_word(enum raft_role role)
{
    static const char *words[] = {
        [RAFT_FOLLOWER] = "follower",
        [RAFT_PRECANDIDATE] = "precandidate",
        [RAFT_CANDIDATE] = "candidate",
        [RAFT_LEADER] = "leader",
        [RAFT_FAULTED] = "faulted",
    };
    return words[role];
}

static const char *state_word(enum raft_progress_state state)
{
    static const char *words[] = {
        [RAFT_PROBE] = "probe",
        [RAFT_REPLICATE] = "replicate",
        [RAFT_SNAPSHOT] = "behind",
    };
    return words[state];
}

static json_t *hex(uint64_t value)
{
    char text[20];
    snprintf(text, sizeof text, "%016" PRIx64, value);
    return json_string(text);
}

static void set_number(json_t *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

static int64_t ago_ms(raft_time now, raft_time then)
{
    return then == 0 ? -1 : (int64_t)((now - then) / 1000);
}

static const struct raft_peer_status *
progress_of(const struct raft_status *raft, node_id id)
{
    for (uint32_t i = 0; i < raft->peer_count; i++) {
        if (raft->peers[i].id == id) {
            return &raft->peers[i];
        }
    }
    return NULL;
}

static json_t *peer_json(struct node *node, const struct raft_member *peer,
                         const struct raft_status *raft, raft_time now)
{
    json_t *out = json_object();
    struct transport_peer_status link = {0};
    transport_get_status(node->transport, peer->id, &link);
    json_object_set_new(out, "name", json_string(peer->name));
    json_object_set_new(out, "id", hex(peer->id));
    json_object_set_new(out, "address", json_string(peer->address));
    json_object_set_new(out, "voter", json_boolean(peer->voter));
    const struct raft_peer_status *progress = progress_of(raft, peer->id);
    if (raft->role == RAFT_LEADER && progress != NULL) {
        json_object_set_new(out, "state",
                            json_string(state_word(progress->state)));
        set_number(out, "match", progress->match);
        set_number(out, "applied", progress->applied);
        set_number(out, "lag",
                   raft->last > progress->match ? raft->last - progress->match
                                                : 0);
    }
    json_object_set_new(out, "last_contact_ms",
                        json_integer(ago_ms(now, link.heard)));
    json_object_set_new(out, "connected", json_boolean(link.connected));
    json_object_set_new(out, "hears", json_boolean(link.hears));
    json_object_set_new(out, "heard_by", json_boolean(link.heard_by));
    json_object_set_new(out, "cut", json_boolean(link.cut));
    json_object_set_new(
        out, "via",
        link.via != 0 && link.via != peer->id
            ? json_string(members_name(node, link.via))
            : json_null());
    json_object_set_new(out, "why", json_string(link.why));
    const struct cannot_sync *cannot = hull_cannot_sync(node->hull, peer->id);
    json_object_set_new(out, "cannot_sync",
                        cannot == NULL
                            ? json_null()
                            : json_pack("{s:s, s:I, s:I, s:i}", "code",
                                        cannot->code, "index",
                                        (json_int_t)cannot->index, "term",
                                        (json_int_t)cannot->term, "error",
                                        (int)cannot->error));
    set_number(out, "frames_sent", link.frames_sent);
    set_number(out, "frames_received", link.frames_received);
    set_number(out, "frames_dropped", link.frames_dropped);
    return out;
}

static json_t *peers_json(struct node *node, const struct raft_status *raft)
{
    json_t *out = json_array();
    raft_time now = node_now();
    const struct raft_members *members = &node->members.members;
    for (uint32_t i = 0; i < members->count; i++) {
        if (members->list[i].id != node->self) {
            json_array_append_new(
                out, peer_json(node, &members->list[i], raft, now));
        }
    }
    return out;
}

static json_t *sessions_json(struct node *node)
{
    struct apply_session sessions[64];
    size_t count = apply_sessions(node->apply, sessions, 64);
    uint64_t now_ns = node->pilot.wall_ns(node);
    json_t *out = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *row = json_object();
        set_number(row, "id", sessions[i].id);
        json_object_set_new(row, "node", json_string(sessions[i].name));
        set_number(row, "age_s",
                   now_ns > sessions[i].opened_ns
                       ? (now_ns - sessions[i].opened_ns) / 1000000000
                       : 0);
        json_object_set_new(row, "this_node",
                            json_boolean(session_is_open(node) &&
                                         sessions[i].id == node->session.id));
        json_array_append_new(out, row);
    }
    return out;
}

static uint64_t file_bytes(struct node *node, const char *name)
{
    char path[4096];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", node->options.datadir, name);
    return stat(path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

static json_t *space_json(struct node *node)
{
    json_t *out = json_object();
    struct statvfs disk = {0};
    struct tree_usage usage;
    statvfs(node->options.datadir, &disk);
    tree_get_usage(node->tree, &usage);
    set_number(out, "total", (uint64_t)disk.f_blocks * disk.f_frsize);
    set_number(out, "free", (uint64_t)disk.f_bavail * disk.f_frsize);
    json_object_set_new(out, "full", json_boolean(node->room.full));
    set_number(out, "segments", segments_bytes(node->segments));
    set_number(out, "log_db",
               file_bytes(node, "log.db") + file_bytes(node, "log.db-wal"));
    set_number(out, "tree_db",
               file_bytes(node, "tree.db") + file_bytes(node, "tree.db-wal"));
    set_number(out, "inodes", usage.inodes);
    set_number(out, "bytes", usage.bytes);
    return out;
}

static json_t *counters_json(struct node *node, const struct hull_status *hull)
{
    json_t *out = json_object();
    struct reclaim_status reclaim = {0};
    reclaim_get_status(node->reclaim, &reclaim);
    set_number(out, "syncs", hull->syncs);
    set_number(out, "records_written", hull->records_written);
    set_number(out, "records_undone", hull->undone);
    set_number(out, "forwards_sent", hull->forwards_sent);
    set_number(out, "forwards_resent", hull->forwards_resent);
    set_number(out, "reads_done", hull->reads_done);
    set_number(out, "reads_at_once", hull->reads_now);
    set_number(out, "reads_settled", hull->reads_settled);
    set_number(out, "commits_gated", hull->raft.commits_gated);
    set_number(out, "leases_ended", hull->raft.leases_ended);
    set_number(out, "quiet_elections", hull->raft.quiet_elections);
    set_number(out, "frames_bad", hull->frames_bad);
    set_number(out, "garbage", transport_garbage(node->transport));
    set_number(out, "interrupts", node->requests.interrupts);
    set_number(out, "timeouts", node->requests.timeouts);
    set_number(out, "sessions_opened", node->session.opened_count);
    set_number(out, "session_looks", node->session.looks);
    set_number(out, "checkpoints", reclaim.checkpoints);
    set_number(out, "merges", reclaim.merges);
    set_number(out, "extents_merged", reclaim.extents_merged);
    set_number(out, "segments_removed", reclaim.segments_removed);
    set_number(out, "bytes_reclaimed", reclaim.bytes_reclaimed);
    snapshot_counters(node, out);
    return out;
}

const char *node_why_not_writable(const struct node *node, char text[256])
{
    struct hull_status hull;
    hull_get_status(node->hull, node_now(), &hull);
    double seconds =
        (double)(node_now() - node->leaderless_since) / 1000000;
    uint32_t voters = member_voters(&node->members.members);
    if (node->faulted || hull.faulted) {
        snprintf(text, 256, "this node has taken itself out of service: %.180s",
                 hull.fault);
    } else if (node->options.read_only) {
        snprintf(text, 256, "mounted read-only");
    } else if (members_why_out(node, text)) {
        return text;
    } else if (hull_leader(node->hull) == 0) {
        snprintf(text, 256,
                 "no leader for %.1f s: this node is not connected to a "
                 "majority of the %u nodes",
                 seconds, voters);
    } else if (hull.raft.role == RAFT_LEADER && !hull.raft.quorum_ok) {
        snprintf(text, 256,
                 "leader without contact to a majority of the %u nodes",
                 voters);
    } else if (!session_is_open(node)) {
        snprintf(text, 256, "opening a session with the leader");
    } else {
        return NULL;
    }
    return text;
}

static void set_raft(struct node *node, json_t *out,
                     const struct hull_status *hull)
{
    const struct raft_status *raft = &hull->raft;
    node_id leader = hull_leader(node->hull);
    json_object_set_new(out, "role",
                        json_string(hull->faulted ? "faulted"
                                                  : role_word(raft->role)));
    set_number(out, "term", raft->term);
    json_object_set_new(
        out, "leader",
        leader == 0 ? json_null()
                    : json_string(members_name(node, leader)));
    set_number(out, "first", raft->first);
    set_number(out, "last", raft->last);
    set_number(out, "durable", raft->durable);
    set_number(out, "commit", raft->commit);
    set_number(out, "applied", tree_applied(node->tree));
    set_number(out, "tree_durable", node->tree_durable);
    set_number(out, "trim", raft->trim);
    json_object_set_new(out, "voter", json_boolean(raft->voter));
    json_object_set_new(out, "newcomer", json_boolean(raft->newcomer));
    json_object_set_new(out, "removed", json_boolean(raft->removed));
    static const char *const reads[] = {[READS_LEASE] = "lease",
                                        [READS_INDEX] = "index",
                                        [READS_LOCAL] = "local"};
    json_object_set_new(out, "reads",
                        json_string(reads[node->options.reads]));
    json_object_set_new(out, "lease", json_boolean(raft->lease_valid));
    set_number(out, "lease_holders", raft->holders);
    json_object_set_new(out, "waits_for_leases",
                        json_boolean(raft->deferring));
    /* Of all that was applied, or two nodes at one index would seem to differ. */
    if (!node->faulted && apply_flush(node->apply) < 0) {
        node_fault(node, "sessions cannot be written: %s", store_error_text());
    }
    json_object_set_new(out, "digest", hex(tree_digest(node->tree)));
}

json_t *status_json(struct node *node)
{
    json_t *out = json_object();
    struct hull_status hull;
    char text[256];
    hull_get_status(node->hull, node_now(), &hull);
    const char *why = node_why_not_writable(node, text);
    why = why != NULL ? why : space_why_short(node);
    json_object_set_new(out, "name", json_string(node->config.name));
    json_object_set_new(out, "id", hex(node->self));
    json_object_set_new(out, "cluster", json_string(node->config.cluster));
    json_object_set_new(out, "cluster_id", hex(node->config.cluster_id));
    set_number(out, "pid", (uint64_t)getpid());
    json_object_set_new(out, "version", json_string(RAFTFS_VERSION));
    json_object_set_new(out, "data_dir", json_string(node->options.datadir));
    json_object_set_new(out, "mountpoint",
                        node->options.mountpoint == NULL
                            ? json_null()
                            : json_string(node->options.mountpoint));
    set_raft(node, out, &hull);
    json_object_set_new(out, "writable", json_boolean(why == NULL));
    json_object_set_new(out, "why", json_string(why == NULL ? "" : why));
    set_number(out, "uptime_s", (node_now() - node->started) / 1000000);
    json_object_set_new(out, "peers", peers_json(node, &hull.raft));
    json_object_set_new(out, "sessions", sessions_json(node));
    json_object_set_new(out, "space", space_json(node));
    json_t *waiting = json_object();
    set_number(waiting, "commands", hull.commands_waiting);
    set_number(waiting, "reads", hull.reads_waiting);
    set_number(waiting, "requests", node->requests.count);
    json_object_set_new(out, "waiting", waiting);
    json_object_set_new(out, "snapshot", snapshot_json(node));
    json_object_set_new(out, "counters", counters_json(node, &hull));
    return out;
}

/* --- the control socket --- */

static json_t *control_error(const char *text)
{
    json_t *out = json_object();
    json_object_set_new(out, "error", json_string(text));
    return out;
}

json_t *node_control(void *arg, const json_t *request)
{
    struct node *node = arg;
    const char *command =
        json_string_value(json_object_get(request, "command"));
    if (command == NULL) {
        return control_error("a request needs a command");
    }
    if (node->hull == NULL) {
        return control_error("the node is stopping");
    }
    if (strcmp(command, "status") == 0) {
        return status_json(node);
    }
    if (strcmp(command, "members") == 0) {
        return members_json(node);
    }
    if (strcmp(command, "change") == 0) {
        return members_control_change(node, request);
    }
    if (strcmp(command, "change-result") == 0) {
        return members_control_result(node, request);
    }
    if (strcmp(command, "locks") == 0) {
        return locks_control(node, request);
    }
    if (strcmp(command, "submission") == 0) {
        return submission_control(node, request);
    }
    if (strcmp(command, "events") == 0) {
        return events_json(node, request);
    }
    if (strcmp(command, "config") == 0) {
        return config_control(node, request);
    }
    if (strcmp(command, "quarantine") == 0) {
        return quarantine_control(node, request);
    }
    if (strcmp(command, "fault") == 0) {
        return faults_control(node, request);
    }
    return control_error("unknown command");
}
