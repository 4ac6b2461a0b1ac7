/* What must hold, looked at from the places where the parts of a node meet: its
 * pilot, its log, its apply, its frames. (ld --wrap)
 */
#include "tests/sim/full/full.h"

#include "raft/core/memory.h"
#include "raft/wire/hash.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { DIGEST_STEP = 16 };

/* --- what there is to compare with --- */

static struct history *history_at(raft_index index)
{
    if (index > world.history_capacity) {
        size_t capacity = (size_t)index * 2 + 1024;
        world.history =
            xrealloc(world.history, capacity * sizeof(*world.history));
        memset(world.history + world.history_capacity, 0,
               (capacity - world.history_capacity) * sizeof(*world.history));
        world.history_capacity = capacity;
    }
    return &world.history[index - 1];
}

static uint64_t record_fingerprint(const struct record *record)
{
    size_t size = record_size(record, false);
    uint8_t *bytes = xmalloc(size);
    record_encode(record, false, bytes);
    uint64_t out = hash64((struct bytes){bytes, size}, 0);
    free(bytes);
    return out;
}

/* Log matching: (index, term) names one record, wherever it is. */
static void see_logged(struct sim_node *sim, const struct record *record)
{
    raft_index index = record->index;
    if (index > world.logged_capacity) {
        size_t capacity = (size_t)index * 2 + 1024;
        world.logged =
            xrealloc(world.logged, capacity * sizeof(*world.logged));
        memset(world.logged + world.logged_capacity, 0,
               (capacity - world.logged_capacity) * sizeof(*world.logged));
        world.logged_capacity = capacity;
    }
    uint64_t hash = record_fingerprint(record);
    struct logged **at = &world.logged[index - 1];
    while (*at != NULL && (*at)->term != record->term) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        *at = xcalloc(1, sizeof(**at));
        (*at)->term = record->term;
        (*at)->hash = hash;
    } else if ((*at)->hash != hash) {
        sim_fail(sim, "log matching", "record %llu of term %llu differs",
                 (unsigned long long)index, (unsigned long long)record->term);
    }
}

static void set_term(struct sim_node *sim, raft_index index, raft_term term)
{
    if (index >= sim->terms_capacity) {
        sim->terms_capacity = (size_t)index * 2 + 1024;
        sim->terms =
            xrealloc(sim->terms, sim->terms_capacity * sizeof(*sim->terms));
    }
    sim->terms[index] = term;
}

/* --- the log --- */

static struct log_api real_log;

static int watch_append(void *self, struct record *const *records, size_t count)
{
    struct sim_node *sim = sim_of_node(self);
    int rc = real_log.append(self, records, count);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (records[i]->index != sim->log_last + 1) {
            sim_fail(sim, "log", "record %llu after %llu",
                     (unsigned long long)records[i]->index,
                     (unsigned long long)sim->log_last);
        }
        see_logged(sim, records[i]);
        sim->log_last++;
        set_term(sim, sim->log_last, records[i]->term);
    }
    world.counters.records += count;
    return rc;
}

static int watch_truncate(void *self, raft_index from)
{
    struct sim_node *sim = sim_of_node(self);
    world.counters.truncations++;
    sim_trace(sim, "truncates from %llu", (unsigned long long)from);
    if (sim->undo_low != from) {
        sim_fail(sim, "undo", "truncates from %llu, undone from %llu",
                 (unsigned long long)from, (unsigned long long)sim->undo_low);
    }
    sim->undo_low = 0;
    sim->log_last = from - 1;
    if (sim->acked >= from) {
        sim->acked = from - 1;
        sim->acked_term = sim->acked > sim->log_base ? sim->terms[sim->acked]
                                                     : 0;
    }
    return real_log.truncate(self, from);
}

/* The tree has come as a snapshot. */
static int watch_reset(void *self, raft_index index, raft_term term,
                       uint64_t chain, raft_index doubtful)
{
    struct sim_node *sim = sim_of_node(self);
    int rc = real_log.reset(self, index, term, chain, doubtful);
    if (rc < 0) {
        return rc;
    }
    world.counters.snapshots++;
    const struct history *history = history_at(index);
    uint64_t digest = tree_digest(sim->node->tree);
    if (index > world.history_count || history->term != term) {
        sim_fail(sim, "snapshot", "of record %llu of term %llu",
                 (unsigned long long)index, (unsigned long long)term);
    }
    if (index % DIGEST_STEP == 0 && history->digest != 0 &&
        history->digest != digest) {
        sim_fail(sim, "digest", "of the snapshot at %llu differs",
                 (unsigned long long)index);
    }
    bool keeps = index > sim->log_base && index <= sim->log_last &&
                 sim->terms[index] == term;
    sim->undo_low = 0;
    sim->log_base = index;
    set_term(sim, index, term);
    if (!keeps) {
        sim->log_last = index;
        sim->acked = sim->acked < index ? sim->acked : index;
    }
    return 0;
}

static int watch_compact(void *self, raft_index upto)
{
    world.counters.compactions++;
    return real_log.compact(self, upto);
}

void __real_logapi_fill(struct node *node);
void __wrap_logapi_fill(struct node *node);
void __wrap_logapi_fill(struct node *node)
{
    __real_logapi_fill(node);
    real_log = node->log_api;
    node->log_api.append = watch_append;
    node->log_api.truncate = watch_truncate;
    node->log_api.compact = watch_compact;
    node->log_api.reset = watch_reset;
}

/* --- starting: is there what was promised? --- */

int __real_logapi_boot(struct node *node, const struct log_head *head);
int __wrap_logapi_boot(struct node *node, const struct log_head *head);
int __wrap_logapi_boot(struct node *node, const struct log_head *head)
{
    struct sim_node *sim = sim_of_node(node);
    sim->log_base = head->base_index;
    sim->log_last = head->base_index + head->count;
    set_term(sim, head->base_index, head->base_term);
    for (size_t i = 0; i < head->count; i++) {
        set_term(sim, head->base_index + 1 + i, head->terms[i]);
    }
    sim_trace(sim, "term %llu log %llu..%llu applied %llu",
              (unsigned long long)head->term,
              (unsigned long long)head->base_index + 1,
              (unsigned long long)sim->log_last,
              (unsigned long long)tree_applied(node->tree));
    if (sim->promise.term > head->term ||
        (sim->promise.term == head->term && sim->promise.vote != 0 &&
         sim->promise.vote != head->vote)) {
        sim_fail(sim, "vote", "voted in term %llu, and has forgotten it",
                 (unsigned long long)sim->promise.term);
    }
    if (sim->acked > sim->log_last ||
        (sim->acked > sim->log_base &&
         sim->terms[sim->acked] != sim->acked_term)) {
        sim_fail(sim, "durability",
                 "record %llu was acknowledged, log ends at %llu",
                 (unsigned long long)sim->acked,
                 (unsigned long long)sim->log_last);
    }
    return __real_logapi_boot(node, head);
}

/* --- what it tells others --- */

static void promise_vote(struct sim_node *sim, raft_term term, node_id vote)
{
    if (term < sim->promise.term ||
        (term == sim->promise.term && vote != sim->promise.vote)) {
        sim_fail(sim, "vote", "votes twice in term %llu",
                 (unsigned long long)term);
    }
    sim->promise = (struct promise){.term = term, .vote = vote};
}

void watch_sends(struct sim_node *sim, struct bytes frame)
{
    struct frame_header header;
    struct raft_message message;
    struct record **records = NULL;
    struct hull_status status;
    const char *why;
    sim_note(hash64(frame, 1));
    if (frame_header_decode(frame, &header, &why) != 1 ||
        header.kind != FRAME_RAFT ||
        frame_decode_raft(frame_body(frame), &message, &records) < 0) {
        return;
    }
    frame_records_free(records, message.count);
    if (world.puml != NULL) {
        fprintf(world.puml, "n%u -> n%u : %llu ", sim->at + 1,
                (uint32_t)(header.to % 97), (unsigned long long)world.now);
        raft_message_print(&message, RAFT_SHORT, world.puml);
        fputc('\n', world.puml);
    }
    if (sim->node == NULL || sim->node->hull == NULL) {
        return;
    }
    hull_get_status(sim->node->hull, node_clock(sim), &status);
    if (message.type == RAFT_VOTE) {
        promise_vote(sim, message.term, message.from);
    } else if (message.type == RAFT_VOTE_REPLY && message.granted) {
        promise_vote(sim, message.term, message.to);
    } else if (message.type == RAFT_APPEND_REPLY && message.granted &&
               message.term == status.raft.term &&
               message.match > sim->acked) {
        if (message.match > sim->log_last) {
            sim_fail(sim, "acknowledgement", "of record %llu, log ends at %llu",
                     (unsigned long long)message.match,
                     (unsigned long long)sim->log_last);
        }
        sim->acked = message.match;
        sim->acked_term = sim->terms[message.match];
    }
}

/* --- the pilot --- */

static struct pilot real_pilot;

static int watch_undo(void *self, const struct record *record)
{
    struct sim_node *sim = sim_of_node(self);
    raft_index index = record->index;
    raft_index expected = sim->undo_low == 0 ? sim->log_last
                                             : sim->undo_low - 1;
    world.counters.undone++;
    if (index != expected) {
        sim_fail(sim, "undo", "of record %llu, expected %llu",
                 (unsigned long long)index, (unsigned long long)expected);
    }
    if (index <= sim->seen_applied ||
        (index <= world.history_count &&
         history_at(index)->term == record->term)) {
        sim_fail(sim, "undo", "of record %llu, which is committed",
                 (unsigned long long)index);
    }
    sim->undo_low = index;
    return real_pilot.undo(self, record);
}

static void see_leader(struct sim_node *sim, raft_term term)
{
    if (term >= world.leaders_capacity) {
        size_t capacity = (size_t)term * 2 + 64;
        world.leaders =
            xrealloc(world.leaders, capacity * sizeof(*world.leaders));
        memset(world.leaders + world.leaders_capacity, 0,
               (capacity - world.leaders_capacity) * sizeof(*world.leaders));
        world.leaders_capacity = capacity;
    }
    if (world.leaders[term] != 0 && world.leaders[term] != sim->at + 1) {
        sim_fail(sim, "election", "term %llu has two leaders",
                 (unsigned long long)term);
    }
    if (world.leaders[term] == 0) {
        world.counters.elections++;
    }
    world.leaders[term] = sim->at + 1;
    for (size_t later = term + 1; later < world.leaders_capacity; later++) {
        if (world.leaders[later] != 0) {
            return; /* what that one has committed is not to be expected */
        }
    }
    raft_index committed = world.history_count;
    if (sim->log_last < committed ||
        (committed > sim->log_base &&
         sim->terms[committed] != history_at(committed)->term)) {
        sim_fail(sim, "leader completeness",
                 "leader of term %llu lacks record %llu",
                 (unsigned long long)term, (unsigned long long)committed);
    }
}

static void watch_role(void *self, enum raft_role role, raft_term term,
                       node_id leader)
{
    struct sim_node *sim = sim_of_node(self);
    if (role == RAFT_LEADER) {
        see_leader(sim, term);
    }
    real_pilot.role(self, role, term, leader);
}

void __real_pilot_fill(struct node *node);
void __wrap_pilot_fill(struct node *node);
void __wrap_pilot_fill(struct node *node)
{
    __real_pilot_fill(node);
    real_pilot = node->pilot;
    node->pilot.undo = watch_undo;
    node->pilot.role = watch_role;
}

/* --- apply --- */

/* How often was this very command applied? Each effect is there once: that is
 * what the digests and the journal show. */
static void see_command(const struct record *record)
{
    struct command command;
    if (record->code != RECORD_COMMAND ||
        command_decode(record->body, &command) < 0) {
        return;
    }
    world.counters.sessions_ended += command.op == OP_SESSION_END;
    world.counters.reaped += command.op == OP_REAP;
    if (record->session == 0) {
        return;
    }
    uint64_t key[2] = {record->session, record->serial};
    uint64_t hash = hash64((struct bytes){key, sizeof(key)}, 0) | 1;
    size_t at = (size_t)hash % SEEN_MAX;
    for (int i = 0; i < 8 && world.seen[(at + i) % SEEN_MAX] != 0; i++) {
        world.counters.filtered += world.seen[(at + i) % SEEN_MAX] == hash;
    }
    while (world.seen[at] != 0) {
        at = (at + 1) % SEEN_MAX;
    }
    world.seen[at] = hash;
}

static uint64_t result_hash(const struct apply_result *result)
{
    uint64_t all[5] = {(uint64_t)(int64_t)result->error};
    memcpy(all + 1, result->value, sizeof(result->value));
    return hash64((struct bytes){all, sizeof(all)}, 0);
}

static void see_applied(struct sim_node *sim, struct apply *apply,
                        const struct record *record,
                        const struct apply_result *result)
{
    raft_index index = record->index;
    struct history *history = history_at(index);
    uint64_t hash = record_fingerprint(record);
    bool is_new = index > world.history_count;
    if (index > world.history_count + 1) {
        sim_fail(sim, "apply", "record %llu is passed over",
                 (unsigned long long)world.history_count + 1);
    }
    if (is_new) {
        world.history_count = index;
        history->term = record->term;
        history->hash = hash;
        history->result = result_hash(result);
        see_command(record);
        sim_trace(sim, "commits %llu of term %llu", (unsigned long long)index,
                  (unsigned long long)record->term);
    } else if (history->hash != hash || history->term != record->term) {
        sim_fail(sim, "committed prefix", "record %llu differs",
                 (unsigned long long)index);
    } else if (history->result != result_hash(result)) {
        sim_fail(sim, "determinism", "result of record %llu differs (error %d)",
                 (unsigned long long)index, result->error);
    }
    sim_note(hash);
    if (index % DIGEST_STEP == 0 && apply_flush(apply) == 0) {
        uint64_t digest = tree_digest(sim->node->tree);
        world.counters.digests++;
        if (history->digest != 0 && history->digest != digest) {
            sim_fail(sim, "digest", "differs at %llu",
                     (unsigned long long)index);
        }
        history->digest = digest;
    }
}

int __real_apply_record(struct apply *apply, const struct record *record,
                        struct apply_result *result);
int __wrap_apply_record(struct apply *apply, const struct record *record,
                        struct apply_result *result);
int __wrap_apply_record(struct apply *apply, const struct record *record,
                        struct apply_result *result)
{
    struct sim_node *sim = here;
    raft_index before = tree_applied(sim->node->tree);
    int rc = __real_apply_record(apply, record, result);
    if (rc < 0) {
        return rc;
    }
    if (record->index != before + 1) {
        sim_fail(sim, "apply", "record %llu after %llu",
                 (unsigned long long)record->index,
                 (unsigned long long)before);
    }
    world.counters.applied++;
    world.counters.replayed += record->index <= world.history_count;
    world.counters.segments += record->place.segment != 0;
    if (!sim->dying) {
        see_applied(sim, apply, record, result);
    }
    return rc;
}

/* --- reads, in the order of the log --- */

static bool says_nothing(int error)
{
    return error == ETIMEDOUT || error == EROFS || error == EINTR ||
           error == EIO || error == EAGAIN || error == ESTALE ||
           error == ENOSPC;
}

void watch_read(struct sim_node *sim, const struct fuse_req *request)
{
    int error = request->client->answer.error;
    raft_index applied = tree_applied(sim->node->tree);
    bool is_change = request->kind == DO_APPEND || request->kind == DO_CREATE ||
                     request->kind == DO_MKDIR || request->kind == DO_WRITE ||
                     request->kind == DO_UNLINK || request->kind == DO_RENAME;
    if (says_nothing(error) || (!request->is_read && !is_change)) {
        return;
    }
    /* Under a lease what has nothing to do with the call may be older. */
    bool whole = sim->node->options.reads != READS_LEASE;
    if (whole && applied < request->floor) {
        sim_fail(sim, "stale read", "call %llu shows %llu, completed was %llu",
                 (unsigned long long)request->number,
                 (unsigned long long)applied,
                 (unsigned long long)request->floor);
    }
    world.floor = applied > world.floor ? applied : world.floor;
}

/* --- after everything --- */

void watch_turn(struct sim_node *sim)
{
    struct hull_status status;
    const struct node *node = sim->node;
    if (node->hull == NULL) {
        return;
    }
    hull_get_status(node->hull, node_clock(sim), &status);
    if (status.raft.term < sim->seen_term ||
        status.raft.commit < sim->seen_commit ||
        status.applied < sim->seen_applied) {
        sim_fail(sim, "monotony", "term %llu, commit %llu, applied %llu",
                 (unsigned long long)status.raft.term,
                 (unsigned long long)status.raft.commit,
                 (unsigned long long)status.applied);
    }
    members_see(&node->members_committed);
    sim->latest = node->members;
    sim->seen_term = status.raft.term;
    sim->seen_commit = status.raft.commit;
    sim->seen_applied = status.applied;
    if (status.frames_bad != 0) {
        sim_fail(sim, "frames", "%llu were found bad",
                 (unsigned long long)status.frames_bad);
    }
    if (rng_below(&world.chaos, 1 + world.history_count / 16) == 0) {
        hull_check(node->hull);
    }
}

static void complain(void *arg, const char *text)
{
    sim_fail(arg, "tree", "%s", text);
}

static void check_node(struct sim_node *sim)
{
    struct node *node = sim->node;
    if (node == NULL || node->faulted) {
        sim_fail(sim, "liveness", "is down at the end");
    }
    here = sim;
    if (tree_applied(node->tree) != world.history_count) {
        sim_fail(sim, "liveness", "has applied %llu of %zu",
                 (unsigned long long)tree_applied(node->tree),
                 world.history_count);
    }
    int rc = node_commit_tree(node);
    assert(rc == 0);
    rc = tree_check(node->tree, complain, sim);
    if (rc < 0) {
        sim_fail(sim, "tree", "cannot be checked: %s", store_error_text());
    }
    struct reclaim_status reclaimed;
    reclaim_get_status(node->reclaim, &reclaimed);
    world.counters.checkpoints += reclaimed.checkpoints;
    world.counters.merges += reclaimed.merges;
    world.counters.reclaimed += reclaimed.segments_removed;
    here = NULL;
}

bool watch_converged(void)
{
    for (uint32_t i = 0; i < world.params.nodes; i++) {
        const struct node *node = world.nodes[i].node;
        if (is_healed(i) &&
            (node == NULL || node->faulted ||
             tree_applied(node->tree) != world.history_count)) {
            return false;
        }
    }
    return members_settled();
}

void watch_end(void)
{
    uint32_t leaders = 0;
    uint64_t digest = 0;
    bool is_first = true;
    if (!members_settled()) {
        sim_fail(NULL, "liveness", "a change of the members is not done");
    }
    for (uint32_t i = 0; i < world.params.nodes; i++) {
        struct sim_node *sim = &world.nodes[i];
        if (!is_healed(i)) {
            continue;
        }
        check_node(sim);
        leaders += hull_is_leader(sim->node->hull);
        if (!is_first && tree_digest(sim->node->tree) != digest) {
            sim_fail(sim, "digest", "differs at the end");
        }
        is_first = false;
        digest = tree_digest(sim->node->tree);
        sim_note(digest);
    }
    if (leaders != 1) {
        sim_fail(NULL, "liveness", "%u leaders at the end", leaders);
    }
    clients_check_end();
}
