/* coresim_world.c -- chance, the order of things to come, clocks and the network. */
#include "tests/sim/coresim.h"

#include "raft/core/memory.h"

#include <assert.h>
#include <inttypes.h>

uint64_t draw(struct world *w)
{
    w->random += 0x9e3779b97f4a7c15U;
    uint64_t z = w->random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

uint64_t below(struct world *w, uint64_t limit)
{
    return limit == 0 ? 0 : draw(w) % limit;
}

bool chance(struct world *w, uint32_t ppm)
{
    return below(w, 1000000) < ppm;
}

void fail(struct world *w, node_id where, const char *why)
{
    if (!w->failed) {
        w->failed = true;
        w->why = why;
        w->where = where;
    }
}

void tell(const struct world *w, const char *what, node_id id)
{
    if (w->trace) {
        printf("%10" PRIu64 "   %s node=%" PRIu64 "\n", w->now, what, id);
    }
}

/* -- the heap of things to come ----------------------------------------- */

static bool sooner(const struct happening *a, const struct happening *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(struct happening *a, struct happening *b)
{
    struct happening c = *a;
    *a = *b;
    *b = c;
}

void plan(struct world *w, struct happening h)
{
    if (w->heap_count == w->heap_capacity) {
        w->heap_capacity = w->heap_capacity == 0 ? 256 : w->heap_capacity * 2;
        w->heap = xrealloc(w->heap, w->heap_capacity * sizeof(*w->heap));
    }
    w->order++;
    h.order = w->order;
    size_t at = w->heap_count;
    w->heap_count++;
    w->heap[at] = h;
    while (at > 0 && sooner(&w->heap[at], &w->heap[(at - 1) / 2])) {
        swap(&w->heap[at], &w->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

struct happening next_happening(struct world *w)
{
    assert(w->heap_count > 0);
    struct happening first = w->heap[0];
    w->heap_count--;
    w->heap[0] = w->heap[w->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= w->heap_count) {
            break;
        }
        if (child + 1 < w->heap_count &&
            sooner(&w->heap[child + 1], &w->heap[child])) {
            child++;
        }
        if (!sooner(&w->heap[child], &w->heap[at])) {
            break;
        }
        swap(&w->heap[child], &w->heap[at]);
        at = child;
    }
    return first;
}

/* -- clocks ------------------------------------------------------------- */

raft_time local(const struct world *w, node_id id)
{
    const struct machine *m = &w->machines[id - 1];
    int64_t elapsed = (int64_t)w->now;
    return m->clock_base +
           (uint64_t)(elapsed + elapsed / 1000000 * m->drift_ppm +
                      elapsed % 1000000 * m->drift_ppm / 1000000);
}

static void plan_timer(struct world *w, node_id id)
{
    const struct corenet_node *node = corenet_node(&w->net, id);
    struct machine *m = &w->machines[id - 1];
    if (!node->up) {
        return;
    }
    raft_time due = raft_deadline(node->core);
    if (due == UINT64_MAX) {
        return;
    }
    raft_time now = local(w, id);
    uint64_t wait = due > now ? due - now : 0;
    wait += wait * w->rho_ppm / 1000000 + 1 + below(w, 1000);
    if (m->timer_at != 0 && m->timer_at <= w->now + wait) {
        return;
    }
    m->timer_at = w->now + wait;
    plan(w, (struct happening){
                .at = m->timer_at, .kind = TIMER, .node = id, .life = m->life});
}

static void plan_sync(struct world *w, node_id id)
{
    struct machine *m = &w->machines[id - 1];
    raft_token token = corenet_unsynced(&w->net, id);
    if (m->syncing || token == 0) {
        return;
    }
    m->syncing = true;
    uint64_t wait = 1 + below(w, 2 * w->disk_us);
    if (chance(w, 5000) && w->faults) {
        wait += below(w, 1000000);
    }
    plan(w, (struct happening){.at = w->now + wait,
                               .kind = SYNCED,
                               .node = id,
                               .life = m->life,
                               .token = token});
}

void after_step(struct world *w, node_id id)
{
    plan_sync(w, id);
    plan_timer(w, id);
}

bool can_act(const struct world *w, node_id id)
{
    return w->net.nodes[id - 1].up &&
           w->machines[id - 1].paused_until <= w->now;
}

/* -- the network -------------------------------------------------------- */

static void plan_arrival(struct world *w, struct corenet_packet *packet,
                         uint64_t wait)
{
    plan(w, (struct happening){.at = w->now + wait,
                               .kind = ARRIVE,
                               .node = packet->message.to,
                               .packet = packet});
}

uint64_t delay(struct world *w)
{
    uint64_t wait = 1 + w->delay_us / 2 + below(w, w->delay_us);
    if (w->faults && chance(w, 20000)) {
        wait += below(w, 20 * (uint64_t)w->delay_us);
    }
    return wait;
}

void on_send(void *context, struct corenet_packet *packet)
{
    struct world *w = context;
    const struct raft_message *m = &packet->message;
    if (w->trace) {
        printf("%10" PRIu64 "   send ", w->now);
        raft_message_print(m, RAFT_LONG, stdout);
        putchar('\n');
    }
    if (w->cut[m->from - 1][m->to - 1] ||
        (w->faults && chance(w, w->drop_ppm))) {
        corenet_packet_free(packet);
        return;
    }
    uint64_t late = outlives_disk(w, m);
    if (late > 0) {
        plan_arrival(w, packet, late);
        return;
    }
    if (w->faults && chance(w, w->dup_ppm)) {
        plan_arrival(w, corenet_copy(packet), delay(w));
    }
    if (w->faults && chance(w, w->replay_ppm)) {
        size_t slot = below(w, REPLAY_MAX);
        if (w->replay[slot] != NULL) {
            plan_arrival(w, w->replay[slot], delay(w));
        }
        w->replay[slot] = corenet_copy(packet);
    }
    plan_arrival(w, packet, delay(w));
}
