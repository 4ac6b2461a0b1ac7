/* coresim.c -- random clusters of real cores, from a seed.
 *
 *   coresim --seeds N [--first S] [--wipes] [--trace]
 *
 * Each seed draws a cluster (1 to 5 nodes, learners, timeouts, drift, loss) and
 * a history of faults: lost, doubled, late and replayed messages, one-way cuts,
 * crashes that lose unsynced writes, pauses, slow disks, transfers; in every third
 * seed (--wipes: in each) also lost disks, of never more nodes at a time than a
 * majority can do without. Meanwhile clients write and read everywhere. corenet.c
 * watches what must never happen, this file that no read is stale; and when
 * everything is healed at the end, the cluster must come to work again and agree.
 *
 * One line per failing seed; with --trace, every message and effect before.
 */
#include "tests/sim/coresim.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct coverage coverage;

/* -- clients ------------------------------------------------------------ */

static void end_read(struct world *w, uint64_t id, bool ok, raft_index index)
{
    size_t at = 0;
    while (at < w->read_count && w->reads[at].id != id) {
        at++;
    }
    if (at == w->read_count) {
        fail(w, 0, "read-answered-twice");
        return;
    }
    if (ok && index < w->reads[at].floor) {
        fail(w, w->reads[at].node, "stale-read");
    }
    coverage.reads += ok;
    coverage.failed += !ok;
    coverage.lease_reads += ok && w->reads[at].asked == w->now;
    w->read_count--;
    w->reads[at] = w->reads[w->read_count];
}

static void on_effect(void *context, node_id node,
                      const struct raft_effect *effect)
{
    struct world *w = context;
    switch (effect->type) {
    case RAFT_DO_READ_OK:
        end_read(w, effect->read_id, true, effect->index);
        break;
    case RAFT_DO_READ_FAIL:
        end_read(w, effect->read_id, false, 0);
        break;
    case RAFT_DO_COMMIT:
        coverage.commits++;
        if (effect->index > w->completed) {
            w->completed = effect->index;
        }
        break;
    case RAFT_DO_FATAL:
        fail(w, node, "diverged");
        break;
    case RAFT_DO_TRUNCATE:
        coverage.truncations++;
        break;
    case RAFT_DO_NOTE:
        coverage.refused += effect->note == RAFT_NOTE_VOTE_REFUSED;
        coverage.promotions += effect->note == RAFT_NOTE_MEMBERS;
        coverage.removed += effect->note == RAFT_NOTE_REMOVED;
        coverage.restored += effect->note == RAFT_NOTE_MEMBERS_CUT;
        if (effect->note == RAFT_NOTE_NEEDS_SNAPSHOT) {
            fail(w, node, "needs-snapshot");
        }
        break;
    case RAFT_DO_ROLE:
        coverage.elections += effect->role == RAFT_LEADER;
        if (w->trace) {
            printf("%10" PRIu64 "   role node=%" PRIu64 " role=%d term=%" PRIu64
                   "\n",
                   w->now, node, (int)effect->role, effect->term);
        }
        break;
    default:
        break;
    }
}

static void on_broken(void *context, node_id node, const char *what)
{
    fail(context, node, what);
}

/* Under a lease, where nothing waits to be applied. */
static void read_now(struct world *w, node_id id)
{
    const struct corenet_node *node = corenet_node(&w->net, id);
    if (raft_may_read(node->core, local(w, id)) &&
        node->applied == corenet_last(&node->memory)) {
        coverage.read_now++;
        if (node->applied < w->completed) {
            fail(w, id, "stale-read-under-a-lease");
        }
    }
}

static void ask_read(struct world *w, node_id id)
{
    read_now(w, id);
    if (w->read_count == READS_MAX) {
        return;
    }
    w->read_ids++;
    w->reads[w->read_count] =
        (struct client_read){w->read_ids, id, w->completed, w->now};
    w->read_count++;
    corenet_step(&w->net, id,
                 (struct raft_event){.type = RAFT_EVENT_READ,
                                     .now = local(w, id),
                                     .read_id = w->read_ids});
}

static void client(struct world *w)
{
    plan(w,
         (struct happening){.at = w->now + 1 + below(w, 2 * w->client_every_us),
                            .kind = CLIENT});
    node_id id = 1 + below(w, w->count);
    if (!can_act(w, id)) {
        return;
    }
    raft_index waiting =
        corenet_last(&corenet_node(&w->net, id)->memory) - w->completed;
    if (chance(w, 500000)) {
        ask_read(w, id);
    } else if ((int64_t)waiting < BACKLOG_MAX) {
        w->values++;
        corenet_submit(&w->net, id, local(w, id), w->values);
    }
    after_step(w, id);
}

/* -- faults ------------------------------------------------------------- */

void crash(struct world *w, node_id id)
{
    struct corenet_node *node = corenet_node(&w->net, id);
    if (!node->up) {
        return;
    }
    coverage.crashes++;
    tell(w, "crash", id);
    corenet_crash(&w->net, id, below(w, node->op_count + 1));
    struct machine *m = &w->machines[id - 1];
    m->life++;
    m->syncing = false;
    m->timer_at = 0;
    for (size_t i = w->read_count; i > 0; i--) {
        if (w->reads[i - 1].node == id) {
            w->read_count--;
            w->reads[i - 1] = w->reads[w->read_count];
        }
    }
    uint64_t down = chance(w, 500000) ? below(w, 2000) : below(w, 3000000);
    plan(w, (struct happening){
                .at = w->now + 1 + down, .kind = RESTART, .node = id});
}

static void restart(struct world *w, node_id id)
{
    if (!corenet_node(&w->net, id)->up) {
        w->machines[id - 1].paused_until = 0;
        corenet_start(&w->net, id, local(w, id), draw(w));
        plan_session(w, id);
        after_step(w, id);
    }
}

static void cut_links(struct world *w)
{
    coverage.cuts++;
    uint32_t shape = (uint32_t)below(w, 5);
    node_id one = below(w, w->count);
    node_id two = below(w, w->count);
    for (node_id a = 0; a < w->count; a++) {
        for (node_id b = 0; b < w->count; b++) {
            bool cut = false;
            if (shape == 0) {
                cut = chance(w, 300000); /* any links, each way alone */
            } else if (shape == 1) {
                cut = a == one || b == one; /* isolated */
            } else if (shape == 2) {
                cut = a == one; /* hears, is not heard */
            } else if (shape == 3) {
                cut = a != one && b != one; /* a star around one */
            } else {
                cut = (a == one && b == two) || (a == two && b == one);
            }
            w->cut[a][b] = cut && a != b;
        }
    }
}

static void compact(struct world *w, node_id id)
{
    struct raft_status status;
    raft_get_status(corenet_node(&w->net, id)->core, local(w, id), &status);
    /* Who joins gets the whole log, and who has lost his. */
    if (status.trim >= status.first && !w->churn && !w->wipes &&
        chance(w, 300000)) {
        coverage.compactions++;
        corenet_compact(&w->net, id, local(w, id),
                        status.first +
                            below(w, status.trim - status.first + 1));
        after_step(w, id);
    }
}

static void checkpoint(struct world *w, node_id id)
{
    plan(w, (struct happening){.at = w->now + 1 + below(w, 600000),
                               .kind = CHECKPOINT,
                               .node = id});
    if (can_act(w, id)) {
        corenet_checkpoint(&w->net, id, local(w, id));
        after_step(w, id);
        compact(w, id);
    }
}

static void transfer(struct world *w, node_id id)
{
    if (can_act(w, id)) {
        int rc =
            corenet_step(&w->net, id,
                         (struct raft_event){.type = RAFT_EVENT_TRANSFER,
                                             .now = local(w, id),
                                             .target = below(w, w->count + 1)});
        coverage.transfers += rc == 0;
        after_step(w, id);
    }
}

/* Asks everybody for some change; whoever leads may take it. */
static void change_members(struct world *w)
{
    static const enum raft_change_op ops[] = {
        RAFT_CHANGE_ADD,    RAFT_CHANGE_ADD,      RAFT_CHANGE_ADD,
        RAFT_CHANGE_REMOVE, RAFT_CHANGE_REMOVE,   RAFT_CHANGE_PROMOTE,
        RAFT_CHANGE_WRITE,  RAFT_CHANGE_PRIORITY, RAFT_CHANGE_TRANSFER,
    };
    struct raft_change change = {
        .op = ops[below(w, sizeof(ops) / sizeof(ops[0]))],
        .member = {.id = 1 + below(w, w->count),
                   .joining = chance(w, 700000),
                   .priority = (uint8_t)(below(w, 2) * below(w, 3))}};
    for (node_id id = 1; id <= w->count; id++) {
        if (can_act(w, id) && !too_bold(w, id, &change)) {
            int rc = corenet_change(&w->net, id, local(w, id), change);
            coverage.changes += rc == RAFT_CHANGE_OK;
            after_step(w, id);
        }
    }
}

static void fault(struct world *w)
{
    if (w->churn && w->faults) {
        change_members(w);
    }
    plan(w,
         (struct happening){.at = w->now + 1 + below(w, 2 * w->fault_every_us),
                            .kind = FAULT});
    if (!w->faults) {
        return;
    }
    node_id id = 1 + below(w, w->count);
    if (w->wipes && chance(w, 200000)) {
        wipe_node(w, id);
        return;
    }
    switch (below(w, 8)) {
    case 0:
        crash(w, id);
        break;
    case 1:
    case 2:
    case 3:
        cut_links(w);
        break;
    case 4:
        memset(w->cut, 0, sizeof(w->cut));
        break;
    case 5:
    case 6:
        w->machines[id - 1].paused_until = w->now + below(w, 2000000);
        break;
    default:
        for (id = 1; id <= w->count; id++) {
            transfer(w, id);
        }
        break;
    }
}

/* -- running ------------------------------------------------------------ */

static void draw_parameters(struct world *w)
{
    static const uint32_t delays[] = {100, 2000, 20000};
    static const uint32_t disks[] = {100, 5000, 50000};
    w->count = 1 + (uint32_t)below(w, 5);
    uint32_t learners = w->count > 2 && chance(w, 200000) ? 1 : 0;
    w->churn = chance(w, 500000);
    uint32_t outside = 0;
    if (w->churn) {
        outside = (uint32_t)below(w, CORENET_NODES_MAX - w->count + 1);
        w->count += outside;
        learners = 0;
    }
    corenet_init(&w->net, w->count, learners, outside);
    struct raft_options *o = &w->net.options;
    w->rho_ppm = (uint32_t)below(w, 100001);
    o->drift_ppm = w->rho_ppm;
    o->heartbeat_us = 20000 + (uint32_t)below(w, 100000);
    o->lease_us = chance(w, 200000) ? 0 : 150000 + (uint32_t)below(w, 500000);
    uint64_t least = (uint64_t)o->lease_us * (1000000 + w->rho_ppm) /
                         (1000000 - w->rho_ppm) +
                     1;
    if (least < 2 * o->heartbeat_us) {
        least = 2 * o->heartbeat_us;
    }
    o->election_us = (uint32_t)(least + below(w, 2) * below(w, 500000));
    o->lease_ask = chance(w, 600000);
    o->append_records_max = chance(w, 300000) ? 1 + (uint32_t)below(w, 4) : 512;
    o->append_bytes_max = chance(w, 300000) ? 50 : 1 << 20;
    o->window_appends = chance(w, 300000) ? 1 + (uint32_t)below(w, 3) : 64;
    o->window_bytes = chance(w, 300000) ? 300 : 8 << 20;
    o->probe_retry_us = 50000 + (uint32_t)below(w, 300000);
    w->drop_ppm = (uint32_t)below(w, 2) * (uint32_t)below(w, 200000);
    w->dup_ppm = (uint32_t)below(w, 2) * (uint32_t)below(w, 200000);
    w->replay_ppm = (uint32_t)below(w, 2) * (uint32_t)below(w, 100000);
    w->delay_us = delays[below(w, 3)];
    w->disk_us = disks[below(w, 3)];
    w->fault_every_us = 50000 + (uint32_t)below(w, 1500000);
    w->client_every_us = 1000 + (uint32_t)below(w, 30000);
    w->fault_end = 5000000 + below(w, 15000000);
    w->wipes = (w->count > 2 || (w->count == 2 && !w->churn)) &&
               (w->wipes || w->seed % 3 == 0);
    if (w->wipes) {
        /* The whole log has to come in time. */
        o->append_records_max = 512;
        o->append_bytes_max = 1 << 20;
        o->window_appends = 64;
        o->window_bytes = 8 << 20;
    }
}

static void begin(struct world *w)
{
    draw_parameters(w);
    w->net.context = w;
    w->net.send = on_send;
    w->net.broken = on_broken;
    w->net.effect = on_effect;
    w->faults = true;
    for (node_id id = 1; id <= w->count; id++) {
        struct machine *m = &w->machines[id - 1];
        m->clock_base = 1000000 + below(w, 1000000000);
        m->drift_ppm = (int64_t)below(w, 2 * (uint64_t)w->rho_ppm + 1) -
                       (int64_t)w->rho_ppm;
        plan(w, (struct happening){
                    .at = below(w, 300000), .kind = RESTART, .node = id});
        plan(w,
             (struct happening){.at = 400000, .kind = CHECKPOINT, .node = id});
    }
    plan(w, (struct happening){.at = 1000, .kind = CLIENT});
    plan(w, (struct happening){.at = w->fault_every_us, .kind = FAULT});
    plan(w, (struct happening){.at = w->fault_end, .kind = HEAL});
}

static void plan_end(struct world *w)
{
    plan(w,
         (struct happening){
             .at = w->now + 12 * (uint64_t)w->net.options.election_us + 5000000,
             .kind = END});
}

static uint32_t leader_count(struct world *w)
{
    uint32_t leaders = 0;
    for (node_id id = 1; id <= w->count; id++) {
        leaders += corenet_node(&w->net, id)->role == RAFT_LEADER;
    }
    return leaders;
}

/* The faults are over; ten election timeouts must be enough for everything. */
static void heal(struct world *w)
{
    w->faults = false;
    memset(w->cut, 0, sizeof(w->cut));
    for (node_id id = 1; id <= w->count; id++) {
        w->machines[id - 1].paused_until = 0;
        restart(w, id);
    }
    w->committed_at_heal = w->net.truth.committed_count;
    plan_end(w);
}

/* An election needs two writes and four messages one after the other; where the
 * timeout does not allow for them there may never be a leader. */
static bool can_live(const struct world *w)
{
    return w->net.options.election_us >= 6 * w->delay_us + 5 * w->disk_us;
}

/* Something was committed since the healing. */
static bool commits(const struct world *w)
{
    return w->net.truth.committed_count >=
           w->committed_at_heal + (w->churn ? 3 : 10);
}

/* Everybody has what was committed, and something was since the healing. */
static void check_end(struct world *w)
{
    const struct corenet_truth *t = &w->net.truth;
    if (!can_live(w)) {
        return;
    }
    const struct corenet_node *leader = NULL;
    for (node_id id = 1; id <= w->count; id++) {
        const struct corenet_node *node = corenet_node(&w->net, id);
        leader = node->role == RAFT_LEADER ? node : leader;
    }
    for (node_id id = 1; id <= w->count && leader != NULL; id++) {
        const struct corenet_node *node = corenet_node(&w->net, id);
        /* A learner with a narrow window may take its time. */
        if (!member_is_voter(&raft_config_latest(leader->core)->members, id)) {
            continue;
        }
        if (node->applied + 1000 < t->committed_count) {
            fail(w, id, "liveness: a node did not catch up");
        }
        if (node->newcomer) {
            fail(w, id, "liveness: a node that was wiped does not count");
        }
    }
    if (leader_count(w) != 1) {
        fail(w, 0, "liveness: not one leader");
    }
    /* Where most nodes are no members, few clients ask one that leads. */
    if (!commits(w)) {
        fail(w, 0, "liveness: nothing committed lately");
    }
    for (size_t i = 0; i < w->read_count; i++) {
        if (w->reads[i].asked + 3 * (uint64_t)w->net.options.election_us <
            w->now) {
            fail(w, w->reads[i].node, "liveness: a read was never answered");
        }
    }
}

static bool dead(const struct world *w, const struct happening *h)
{
    return h->node != 0 && h->life != 0 &&
           h->life != w->machines[h->node - 1].life;
}

static void happen(struct world *w, struct happening *h)
{
    switch (h->kind) {
    case ARRIVE:
        corenet_deliver(&w->net, h->packet, local(w, h->node));
        after_step(w, h->node);
        break;
    case TIMER:
        if (h->at < w->machines[h->node - 1].timer_at) {
            break; /* set anew since, for an earlier or a later time */
        }
        w->machines[h->node - 1].timer_at = 0;
        if (raft_deadline(corenet_node(&w->net, h->node)->core) <=
            local(w, h->node)) {
            corenet_step(&w->net, h->node,
                         (struct raft_event){.type = RAFT_EVENT_TIME,
                                             .now = local(w, h->node)});
        }
        after_step(w, h->node);
        break;
    case SYNCED:
        w->machines[h->node - 1].syncing = false;
        corenet_sync(&w->net, h->node, local(w, h->node), h->token);
        after_step(w, h->node);
        break;
    case CHECKPOINT:
        checkpoint(w, h->node);
        break;
    case CLIENT:
        client(w);
        break;
    case SESSION:
        try_session(w, h->node);
        break;
    case SUBMIT:
        if (corenet_node(&w->net, h->node)->up) {
            corenet_submit(&w->net, h->node, local(w, h->node), h->value);
            after_step(w, h->node);
        }
        break;
    case FAULT:
        fault(w);
        break;
    case WIPE:
        wipe_node(w, h->node);
        break;
    case RESTART:
        restart(w, h->node);
        break;
    case HEAL:
        heal(w);
        break;
    case END:
        break;
    }
}

static bool must_wait(const struct world *w, const struct happening *h)
{
    bool by_node = h->kind == ARRIVE || h->kind == TIMER ||
                   h->kind == SYNCED || h->kind == SUBMIT;
    return by_node && w->machines[h->node - 1].paused_until > w->now;
}

/* A leader that has removed itself goes when all have that; slow ones need long. */
static bool looks_again(struct world *w)
{
    w->ends++;
    bool well = leader_count(w) == 1 && commits(w);
    if (w->ends > 3 || well || !can_live(w)) {
        return false;
    }
    plan_end(w);
    return true;
}

static void run(struct world *w)
{
    begin(w);
    bool ended = false;
    while (!ended && !w->failed) {
        struct happening h = next_happening(w);
        w->now = h.at;
        w->steps++;
        if (dead(w, &h)) {
            corenet_packet_free(h.packet);
            continue;
        }
        if (must_wait(w, &h)) {
            h.at = w->machines[h.node - 1].paused_until;
            plan(w, h);
            continue;
        }
        happen(w, &h);
        ended = h.kind == END && !looks_again(w);
        corenet_packet_free(h.packet);
        if (w->steps > STEPS_MAX * 10U) {
            fail(w, 0, "liveness: too many steps");
        }
    }
    if (!w->failed) {
        check_end(w);
    }
}

static void end(struct world *w)
{
    while (w->heap_count > 0) {
        struct happening h = next_happening(w);
        corenet_packet_free(h.packet);
    }
    for (size_t i = 0; i < REPLAY_MAX; i++) {
        corenet_packet_free(w->replay[i]);
    }
    free(w->heap);
    corenet_release(&w->net);
}

static bool run_seed(uint64_t seed, bool wipes, bool trace)
{
    static struct world w;
    w = (struct world){
        .seed = seed, .random = seed, .wipes = wipes, .trace = trace};
    for (node_id i = 0; i < CORENET_NODES_MAX; i++) {
        w.machines[i].life = 1;
    }
    run(&w);
    if (w.failed) {
        printf("FAIL seed=%" PRIu64 " inv=%s t=%" PRIu64 " node=%" PRIu64
               " nodes=%" PRIu32 "\n",
               seed, w.why, w.now, w.where, w.count);
        if (trace) {
            for (node_id id = 1; id <= w.count; id++) {
                if (w.net.nodes[id - 1].up) {
                    raft_print(w.net.nodes[id - 1].core, stdout);
                    putchar('\n');
                }
            }
        }
    }
    bool ok = !w.failed;
    end(&w);
    return ok;
}

int main(int argc, char **argv)
{
    uint64_t seeds = 100;
    uint64_t first = 1;
    bool wipes = false;
    bool trace = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
            i++;
            seeds = strtoull(argv[i], NULL, 10);
        } else if (strcmp(argv[i], "--first") == 0 && i + 1 < argc) {
            i++;
            first = strtoull(argv[i], NULL, 10);
        } else if (strcmp(argv[i], "--wipes") == 0) {
            wipes = true;
        } else if (strcmp(argv[i], "--trace") == 0) {
            trace = true;
        } else {
            fprintf(stderr,
                    "usage: coresim [--seeds N] [--first S] [--wipes] "
                    "[--trace]\n");
            return 2;
        }
    }
    uint64_t failures = 0;
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        failures += !run_seed(seed, wipes, trace);
        fflush(stdout);
    }
    printf("seeds=%" PRIu64 " failed=%" PRIu64 " elections=%" PRIu64
           " commits=%" PRIu64 " truncations=%" PRIu64 " crashes=%" PRIu64
           " cuts=%" PRIu64 " transfers=%" PRIu64 " compactions=%" PRIu64
           " reads=%" PRIu64 " at-once=%" PRIu64 " unserved=%" PRIu64
           " votes-refused=%" PRIu64 " changes=%" PRIu64 " configurations=%"
           PRIu64 " removed=%" PRIu64 " restored=%" PRIu64
           " read-now=%" PRIu64 " wipes=%" PRIu64 " joins=%" PRIu64 "\n",
           seeds, failures, coverage.elections, coverage.commits,
           coverage.truncations, coverage.crashes, coverage.cuts,
           coverage.transfers, coverage.compactions, coverage.reads,
           coverage.lease_reads, coverage.failed, coverage.refused,
           coverage.changes, coverage.promotions, coverage.removed,
           coverage.restored, coverage.read_now, coverage.wipes, coverage.joins);
    return failures == 0 ? 0 : 1;
}
