/* leasesim.c -- read leases on real cores: is any read stale?
 *
 *   leasesim [--seeds N] [--first S] [--mutant M] [--drift F] [--list]
 *
 * Small clusters whose clocks run at different rates, with a TIMEOUT_NOW at any
 * time, so that voters' patience saves nobody; messages that are lost, doubled,
 * late; one-way cuts, stalls, crashes that lose unsynced writes. Every node
 * reads all the time, as fs does: raft_may_read(), then the records behind
 * `applied`. Per key the newest record that anybody has seen is remembered, and
 * a read that shows less is stale. Beside that, no record is committed while a
 * node may read that does not have it.
 *
 * --mutant breaks a rule (raft/core/mutant.h), --drift F lets clocks differ F
 * times as much as the nodes believe: both must make it fail, or it sees nothing.
 * Ends with the first failing seed: exit code 1.
 */
#include "tests/sim/corenet.h"

#include "raft/core/memory.h"
#include "raft/core/mutant.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

enum {
    TICK = 1000,
    STEPS = 1500,
    PACKETS_MAX = 4096,
    KEYS = 2,
    READS_PER_TICK = 3,
    HEARTBEAT = 7,
    RECORDS_MAX = 400,
};

struct flying {
    uint64_t at;
    struct corenet_packet *packet; /* owned */
};

struct machine {
    double rate, offset;
    uint64_t paused_until, sync_at;
    raft_token syncing;
};

struct world {
    struct corenet net;
    struct machine machines[CORENET_NODES_MAX];
    uint32_t count;
    uint64_t random, tick, values;
    struct flying flying[PACKETS_MAX];
    size_t flying_count;
    bool cut[CORENET_NODES_MAX][CORENET_NODES_MAX];
    node_id slow; /* what it hears and says takes longer; 0: nobody */
    raft_index seen[KEYS], committed;
    const char *why;
    node_id where;
    /* drawn */
    uint32_t crash_every, restart_every, write_every, lease, drop_percent;
    double rho;
};

static struct coverage {
    uint64_t follower_reads, leader_reads, blocked, elections, crashes, writes,
        truncations, quiet, deferred, gated, ended, revoked, transfers;
} coverage;
static double drift_factor = 1;

static uint64_t draw(struct world *w)
{
    w->random += 0x9e3779b97f4a7c15U;
    uint64_t z = w->random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static uint64_t below(struct world *w, uint64_t limit)
{
    return draw(w) % limit;
}

static bool one_in(struct world *w, uint64_t n)
{
    return below(w, n) == 0;
}

static double fraction(struct world *w)
{
    return (double)(draw(w) >> 11) / (double)(1ULL << 53);
}

static void fail(struct world *w, node_id where, const char *why)
{
    if (w->why == NULL) {
        w->why = why;
        w->where = where;
    }
}

static raft_time local(const struct world *w, node_id id)
{
    const struct machine *m = &w->machines[id - 1];
    return (raft_time)(m->offset + m->rate * (double)(w->tick * TICK));
}

static bool works(const struct world *w, node_id id)
{
    return w->net.nodes[id - 1].up && w->machines[id - 1].paused_until <= w->tick;
}

/* -- the network -------------------------------------------------------- */

static void fly(struct world *w, struct corenet_packet *packet, uint64_t ticks)
{
    if (w->flying_count == PACKETS_MAX) {
        corenet_packet_free(packet);
        return;
    }
    w->flying[w->flying_count] = (struct flying){w->tick + ticks, packet};
    w->flying_count++;
}

static void on_send(void *context, struct corenet_packet *packet)
{
    struct world *w = context;
    const struct raft_message *m = &packet->message;
    coverage.revoked += m->type == RAFT_APPEND && m->revoke;
    if (w->cut[m->from - 1][m->to - 1] || below(w, 100) < w->drop_percent) {
        corenet_packet_free(packet);
        return;
    }
    uint64_t wait = 1 + below(w, 5) + (one_in(w, 20) ? below(w, 120) : 0);
    wait += m->from == w->slow || m->to == w->slow ? below(w, 40) : 0;
    if (one_in(w, 20)) {
        fly(w, corenet_copy(packet), wait + below(w, 60));
    }
    fly(w, packet, wait);
}

static void arrivals(struct world *w)
{
    size_t at = 0;
    while (at < w->flying_count) {
        node_id to = w->flying[at].packet->message.to;
        bool down = !w->net.nodes[to - 1].up;
        if (w->flying[at].at > w->tick || (!down && !works(w, to))) {
            at++;
            continue;
        }
        struct corenet_packet *packet = w->flying[at].packet;
        w->flying_count--;
        w->flying[at] = w->flying[w->flying_count];
        if (!down) {
            corenet_deliver(&w->net, packet, local(w, to));
        }
        corenet_packet_free(packet);
    }
}

static void change_cuts(struct world *w)
{
    w->slow = one_in(w, 3) ? 1 + below(w, w->count) : 0;
    uint64_t shape = below(w, 8);
    uint64_t one = below(w, w->count), two = below(w, w->count);
    uint64_t side = below(w, 1ULL << w->count);
    for (uint64_t a = 0; a < w->count; a++) {
        for (uint64_t b = 0; b < w->count; b++) {
            bool cut = false;
            if (shape == 1) {
                cut = ((side >> a) & 1) != ((side >> b) & 1);
            } else if (shape == 2) {
                cut = one_in(w, 3); /* one way */
            } else if (shape == 3) {
                cut = a != one && b != one && one_in(w, 2);
            } else if (shape == 4 || shape == 5) { /* one hears both sides */
                cut = a != one && b != one && ((side >> a) & 1) != ((side >> b) & 1);
            } else if (shape >= 6) {
                cut = (a == one && b == two) || (a == two && b == one);
            }
            w->cut[a][b] = cut && a != b;
        }
    }
}

/* -- what must be true -------------------------------------------------- */

static bool may_read(const struct world *w, node_id id)
{
    return works(w, id) &&
           raft_may_read(w->net.nodes[id - 1].core, local(w, id));
}

static uint64_t key_of(uint64_t value)
{
    return value % KEYS;
}

/* A caller somewhere learns that these are done. */
static void expose(struct world *w, raft_index upto)
{
    const struct corenet_truth *t = &w->net.truth;
    for (raft_index i = upto; i > 0 && i + 64 > upto; i--) {
        uint64_t value = t->committed[i - 1].value;
        if (value != 0 && w->seen[key_of(value)] < i) {
            w->seen[key_of(value)] = i;
            coverage.writes++;
        }
    }
}

/* Nobody who may read lacks what this leader has committed now. */
static void check_holders(struct world *w, node_id leader)
{
    const struct corenet_node *node = corenet_node(&w->net, leader);
    struct raft_status status;
    raft_get_status(node->core, local(w, leader), &status);
    if (status.role != RAFT_LEADER || status.commit <= w->committed) {
        return;
    }
    w->committed = status.commit;
    raft_term term = raft_term_at(node->core, status.commit);
    for (node_id id = 1; id <= w->count; id++) {
        if (id != leader && may_read(w, id) &&
            raft_term_at(w->net.nodes[id - 1].core, status.commit) != term) {
            fail(w, id, "holder-lacks-a-committed-record");
        }
    }
}

static void on_effect(void *context, node_id node,
                      const struct raft_effect *effect)
{
    struct world *w = context;
    switch (effect->type) {
    case RAFT_DO_COMMIT:
        expose(w, effect->index);
        break;
    case RAFT_DO_FATAL:
        fail(w, node, "diverged");
        break;
    case RAFT_DO_TRUNCATE:
        coverage.truncations++;
        break;
    case RAFT_DO_ROLE:
        coverage.elections += effect->role == RAFT_LEADER;
        break;
    default:
        break;
    }
}

static void on_broken(void *context, node_id node, const char *what)
{
    fail(context, node, what);
}

static bool is_dirty(const struct corenet_node *node, uint64_t key)
{
    for (raft_index i = node->applied + 1; i <= corenet_last(&node->memory);
         i++) {
        uint64_t value = corenet_at(&node->memory, i)->value;
        if (value != 0 && key_of(value) == key) {
            return true;
        }
    }
    return false;
}

static void read_one(struct world *w, node_id id)
{
    const struct corenet_node *node = corenet_node(&w->net, id);
    uint64_t key = below(w, KEYS);
    if (!may_read(w, id)) {
        return;
    }
    if (is_dirty(node, key) && !MUTANT(NO_DIRTY)) {
        coverage.blocked++;
        return;
    }
    coverage.leader_reads += node->role == RAFT_LEADER;
    coverage.follower_reads += node->role != RAFT_LEADER;
    const struct corenet_record *committed = w->net.truth.committed;
    raft_index i = node->applied;
    while (i > 0 && (committed[i - 1].value == 0 ||
                     key_of(committed[i - 1].value) != key)) {
        i--;
    }
    if (i < w->seen[key]) {
        fail(w, id, "stale-read");
    }
    w->seen[key] = i > w->seen[key] ? i : w->seen[key];
}

/* -- life and death ----------------------------------------------------- */

static void count_up(struct world *w, node_id id)
{
    struct raft_status status;
    raft_get_status(w->net.nodes[id - 1].core, local(w, id), &status);
    coverage.quiet += status.quiet_elections;
    coverage.gated += status.commits_gated;
    coverage.ended += status.leases_ended;
}

static void crash(struct world *w, node_id id)
{
    struct corenet_node *node = corenet_node(&w->net, id);
    coverage.crashes++;
    count_up(w, id);
    corenet_crash(&w->net, id, below(w, node->op_count + 1));
    w->machines[id - 1].syncing = 0;
    w->machines[id - 1].paused_until = 0;
}

/* From the leader that it knows; elections need nobody's patience then. */
static void timeout_now(struct world *w, node_id id)
{
    struct raft_status status;
    raft_get_status(w->net.nodes[id - 1].core, local(w, id), &status);
    if (status.role != RAFT_FOLLOWER || status.leader == 0) {
        return;
    }
    coverage.transfers++;
    struct corenet_packet packet = {
        .message = {.type = RAFT_TIMEOUT_NOW,
                    .from = status.leader,
                    .to = id,
                    .term = status.term,
                    .boot = 1}};
    corenet_deliver(&w->net, &packet, local(w, id));
}

static void disk(struct world *w, node_id id)
{
    struct machine *m = &w->machines[id - 1];
    if (m->syncing == 0) {
        m->syncing = corenet_unsynced(&w->net, id);
        m->sync_at = w->tick + 1 + below(w, 10) + (one_in(w, 50) ? 150 : 0);
    } else if (m->sync_at <= w->tick) {
        raft_token token = m->syncing;
        m->syncing = 0;
        corenet_sync(&w->net, id, local(w, id), token);
    }
}

static void live(struct world *w, node_id id)
{
    struct corenet_node *node = corenet_node(&w->net, id);
    if (!node->up) {
        if (one_in(w, w->restart_every)) {
            corenet_start(&w->net, id, local(w, id), draw(w));
            node_id rival = 1 + below(w, w->count);
            if (works(w, rival)) {
                timeout_now(w, rival); /* wants the vote of who was away */
            }
        }
        return;
    }
    if (one_in(w, w->crash_every)) {
        crash(w, id);
        return;
    }
    if (one_in(w, 1500)) {
        w->machines[id - 1].paused_until = w->tick + below(w, 120);
    }
    if (!works(w, id)) {
        return;
    }
    disk(w, id);
    if (raft_deadline(node->core) <= local(w, id)) {
        corenet_step(&w->net, id,
                     (struct raft_event){.type = RAFT_EVENT_TIME,
                                         .now = local(w, id)});
    }
    if (node->role == RAFT_LEADER && one_in(w, w->write_every) &&
        w->values < RECORDS_MAX) {
        w->values++;
        corenet_submit(&w->net, id, local(w, id),
                       KEYS * w->values + below(w, KEYS));
    }
    if (one_in(w, 400)) {
        timeout_now(w, id);
    }
    if (one_in(w, 200)) {
        corenet_checkpoint(&w->net, id, local(w, id));
    }
}

static void tick(struct world *w)
{
    w->tick++;
    arrivals(w);
    for (node_id id = 1; id <= w->count; id++) {
        live(w, id);
    }
    for (node_id id = 1; id <= w->count; id++) {
        if (works(w, id)) {
            check_holders(w, id);
        }
    }
    if (one_in(w, 120)) {
        change_cuts(w);
    }
    for (int i = 0; i < READS_PER_TICK; i++) {
        read_one(w, 1 + below(w, w->count));
    }
}

/* -- a seed ------------------------------------------------------------- */

/* The sets of the model that these rules come from, and mixtures of them. */
static void draw_parameters(struct world *w)
{
    static const uint32_t counts[] = {5, 5, 3, 3, 4};
    static const uint32_t crashes[] = {900, 900, 250, 150};
    static const uint32_t restarts[] = {60, 4};
    static const uint32_t writes[] = {14, 60, 90};
    static const uint32_t leases[] = {60, 60, 150};
    static const double rhos[] = {0.05, 0.05, 0.3};
    w->count = counts[below(w, 5)];
    w->crash_every = crashes[below(w, 4)];
    w->restart_every = restarts[below(w, 2)];
    w->write_every = writes[below(w, 3)];
    w->lease = leases[below(w, 3)];
    w->rho = rhos[below(w, 3)];
    w->drop_percent = 6;
    uint32_t learners = w->count > 3 && one_in(w, 3) ? 1 : 0;
    corenet_init(&w->net, w->count, learners, 0);
    struct raft_options *o = &w->net.options;
    o->lease_ask = true;
    o->lease_us = w->lease * TICK;
    o->drift_ppm = (uint32_t)(w->rho * 1e6);
    o->heartbeat_us = HEARTBEAT * TICK;
    /* A long patience keeps old leaders in their belief. */
    uint32_t patience = one_in(w, 2) ? 1 : 1 + (uint32_t)below(w, 3);
    o->election_us =
        (uint32_t)(w->lease * TICK * (1 + w->rho) / (1 - w->rho)) * patience +
        2;
    o->probe_retry_us = 20 * TICK;
}

static void begin(struct world *w, uint64_t seed)
{
    *w = (struct world){.random = seed};
    draw_parameters(w);
    w->net.context = w;
    w->net.send = on_send;
    w->net.broken = on_broken;
    w->net.effect = on_effect;
    memset(lease_survivors, 0, RAFT_NODES_MAX * sizeof(lease_survivors[0]));
    for (node_id id = 1; id <= w->count; id++) {
        double error = (2 * fraction(w) - 1) * w->rho * drift_factor;
        w->machines[id - 1] = (struct machine){
            .rate = 1 + (error < -0.9 ? -0.9 : error),
            .offset = 1e6 + 1e6 * fraction(w),
        };
        corenet_start(&w->net, id, local(w, id), draw(w));
    }
}

static void end(struct world *w)
{
    for (node_id id = 1; id <= w->count; id++) {
        if (w->net.nodes[id - 1].up) {
            count_up(w, id);
        }
    }
    for (size_t i = 0; i < w->flying_count; i++) {
        corenet_packet_free(w->flying[i].packet);
    }
    corenet_release(&w->net);
}

static bool run_seed(uint64_t seed)
{
    static struct world w;
    begin(&w, seed);
    while (w.tick < STEPS && w.why == NULL) {
        tick(&w);
    }
    if (w.why != NULL) {
        printf("FAIL seed=%" PRIu64 " inv=%s tick=%" PRIu64 " node=%" PRIu64
               " nodes=%" PRIu32 " lease=%" PRIu32 " rho=%.2f\n",
               seed, w.why, w.tick, w.where, w.count, w.lease, w.rho);
    }
    end(&w);
    return w.why == NULL;
}

static int usage(void)
{
    fprintf(stderr, "usage: leasesim [--seeds N] [--first S] [--mutant M] "
                    "[--drift F] [--list]\n");
    return 2;
}

int main(int argc, char **argv)
{
    uint64_t seeds = 200, first = 1;
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--list") == 0) {
            printf("%d\n", MUTANTS_END - 1);
            return 0;
        }
        if (value == NULL) {
            return usage();
        }
        if (strcmp(argv[i], "--seeds") == 0) {
            seeds = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i], "--first") == 0) {
            first = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i], "--mutant") == 0) {
            raft_mutant = (enum raft_mutant)strtoul(value, NULL, 10);
        } else if (strcmp(argv[i], "--drift") == 0) {
            drift_factor = strtod(value, NULL);
        } else {
            return usage();
        }
    }
    uint64_t seed = first;
    while (seed < first + seeds && run_seed(seed)) {
        seed++;
    }
    bool ok = seed == first + seeds;
    printf("mutant=%d seeds=%" PRIu64 " failed=%d follower-reads=%" PRIu64
           " leader-reads=%" PRIu64 " blocked=%" PRIu64 " writes=%" PRIu64
           " elections=%" PRIu64 " quiet=%" PRIu64 " gated=%" PRIu64
           " ended=%" PRIu64 " revoked=%" PRIu64 " truncations=%" PRIu64
           " crashes=%" PRIu64 " transfers=%" PRIu64 "\n",
           (int)raft_mutant, seed - first + !ok, !ok, coverage.follower_reads,
           coverage.leader_reads, coverage.blocked, coverage.writes,
           coverage.elections, coverage.quiet, coverage.gated, coverage.ended,
           coverage.revoked, coverage.truncations, coverage.crashes,
           coverage.transfers);
    return ok ? 0 : 1;
}
