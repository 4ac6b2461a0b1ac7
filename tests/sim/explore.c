/* explore -- every order of events of a very small cluster of real cores.
 *
 *   explore [--timeouts N] [--submits N] [--crashes N] [--states N]
 *   explore --seeds N [--first N] [--read-index 1]
 *
 * Three nodes, a few timeouts, two records, one crash: at each state everything
 * that could happen next is tried, depth first: any message in flight arrives,
 * any disk finishes its writes, a node loses patience, a leader gets a record, a
 * node crashes with any part of its unfinished writes. A message that never
 * arrives and a disk that never finishes are among the orders. States that were
 * seen before are not looked at again.
 *
 * All memory of the cores comes from one arena at a fixed place (ld --wrap), so a
 * state is saved and brought back by copying it, pointers and all.
 *
 * The hash of a state leaves out clocks: two states that differ in times alone
 * count as one. So the search may pass over orders in which only a lease or a
 * voter's patience makes the difference; the simulators look at those.
 *
 * With --seeds it goes so many random ways instead of all, with more of everything,
 * and nodes lose their disks, one at a time (decision 0025). Here nobody's patience
 * protects a leader: a candidate may run at any time, and each node has a clock of its
 * own that jumps. --read-index lets a lost node count at a read index, too early, which
 * must be noticed.
 */
#include "tests/sim/explore.h"

#include "raft/core/memory.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

struct state s;
uint64_t states, seed;
bool too_early;
static uint8_t arena[ARENA] __attribute__((aligned(16)));
static struct raft_effect effect_list[EFFECTS];
static uint64_t *visited; /* owned */
static uint64_t states_max = 3000000, deepest;
static bool complete = true;

/* --- memory --- */

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *block);
void *__real_calloc(size_t count, size_t size);
void __real_free(void *block);

void *__wrap_malloc(size_t size)
{
    if (size >= LARGE) {
        static uint8_t idle[IDLE] __attribute__((aligned(16)));
        assert(size <= IDLE);
        return idle;
    }
    size_t *block = (size_t *)(void *)(arena + s.arena_used);
    s.arena_used += (size + 31) / 16 * 16;
    assert(s.arena_used <= ARENA);
    *block = size;
    return block + 2;
}

void *__wrap_calloc(size_t count, size_t size)
{
    void *block = __wrap_malloc(count * size);
    memset(block, 0, count * size);
    return block;
}

void *__wrap_realloc(void *old, size_t size)
{
    void *block = __wrap_malloc(size);
    if (old != NULL) {
        size_t had = ((size_t *)old)[-2];
        memcpy(block, old, had < size ? had : size);
    }
    return block;
}

void __wrap_free(void *block)
{
    (void)block;
}

/* --- what must hold --- */

_Noreturn static void fail(uint32_t node, const char *invariant)
{
    printf("FAIL seed=%" PRIu64 " inv=\"%s\" node=%u states=%" PRIu64 "\n",
           seed, invariant, node + 1, states);
    for (uint32_t i = 0; i < NODES; i++) {
        raft_print(s.nodes[i].core, stdout);
        putchar('\n');
    }
    fflush(stdout);
    _Exit(1);
}

static void see_vote(uint32_t node, raft_term term, node_id vote)
{
    struct place *place = &s.nodes[node];
    if (term < place->voted_term ||
        (term == place->voted_term && vote != place->voted)) {
        fail(node, "one vote a term");
    }
    place->voted_term = term;
    place->voted = vote;
}

static void see_sent(uint32_t node, const struct raft_message *m)
{
    if (m->type == RAFT_VOTE) {
        see_vote(node, m->term, m->from);
    } else if (m->type == RAFT_VOTE_REPLY && m->granted) {
        see_vote(node, m->term, m->to);
    } else if (m->type == RAFT_APPEND_REPLY && m->granted &&
               m->term == s.nodes[node].core->term &&
               m->match > s.nodes[node].disk.last) {
        fail(node, "acknowledged is durable");
    }
}

static void see_leader(uint32_t node, raft_term term)
{
    const struct place *place = &s.nodes[node];
    assert(term < TERMS);
    uint64_t who = place->wipes * NODES + node + 1;
    if (s.leaders[term] != 0 && s.leaders[term] != who) {
        fail(node, "one leader a term");
    }
    s.leaders[term] = who;
    for (raft_index i = 1; i <= s.committed_last; i++) {
        if (s.committed_in[i] < term &&
            (place->last < i || place->terms[i] != s.committed[i])) {
            fail(node, "a leader has all committed records");
        }
    }
}

static bool image_has(const struct image *image, raft_index index,
                      raft_term term)
{
    return image->last >= index && image->terms[index] == term;
}

static void see_commit(uint32_t node, raft_index index)
{
    struct place *place = &s.nodes[node];
    if (index < place->commit || index > place->last) {
        fail(node, "commit grows, within the log");
    }
    place->commit = index;
    for (raft_index i = 1; i <= index; i++) {
        if (i > s.committed_last) {
            s.committed[i] = place->terms[i];
            s.committed_in[i] = place->core->term;
            s.committed_last = i;
        }
        if (s.committed[i] != place->terms[i]) {
            fail(node, "committed records are equal everywhere");
        }
    }
    uint32_t durable = 0;
    for (uint32_t i = 0; i < NODES; i++) {
        const struct place *one = &s.nodes[i];
        raft_term term = place->terms[index];
        durable += (!one->uncounted && image_has(&one->disk, index, term)) ||
                   image_has(&one->ghost, index, term);
    }
    if (durable <= NODES / 2) {
        fail(node, "committed is durable on a majority");
    }
}

/* --- effects --- */

static void post(uint32_t node, const struct packet *packet)
{
    assert(s.packet_count < PACKETS);
    see_sent(node, &packet->message);
    s.packets[s.packet_count++] = *packet;
}

static struct op *add_op(struct place *place, const struct raft_effect *effect)
{
    assert(place->op_count < OPS);
    struct op *op = &place->ops[place->op_count++];
    *op = (struct op){.type = effect->type,
                      .token = effect->token,
                      .first = effect->first,
                      .term = effect->term,
                      .vote = effect->vote};
    return op;
}

static void do_append(struct place *place, const struct raft_effect *effect,
                      const struct packet *from)
{
    struct op *op = add_op(place, effect);
    op->count = (uint32_t)(effect->last - effect->first + 1);
    for (uint32_t i = 0; i < op->count; i++) {
        op->terms[i] = effect->source == RAFT_FROM_MESSAGE
                           ? from->terms[effect->skip + i]
                           : effect->term;
        place->terms[effect->first + i] = op->terms[i];
    }
    place->last = effect->last;
    assert(place->last < LOG);
}

static void do_send(uint32_t node, const struct raft_effect *effect)
{
    struct place *place = &s.nodes[node];
    struct packet packet = {.message = effect->message,
                            .after = effect->after};
    for (uint32_t i = 0; i < effect->message.count; i++) {
        packet.terms[i] = place->terms[effect->message.first + i];
    }
    if (effect->after == 0) {
        post(node, &packet);
    } else {
        assert(place->held_count < HELD);
        place->held[place->held_count++] = packet;
    }
}

static void perform(uint32_t node, const struct raft_effects *effects,
                    const struct packet *from)
{
    struct place *place = &s.nodes[node];
    for (size_t i = 0; i < effects->count; i++) {
        const struct raft_effect *effect = &effects->list[i];
        switch (effect->type) {
        case RAFT_DO_SAVE:
            add_op(place, effect);
            break;
        case RAFT_DO_TRUNCATE:
            add_op(place, effect);
            place->last = effect->first - 1;
            break;
        case RAFT_DO_APPEND:
            do_append(place, effect, from);
            break;
        case RAFT_DO_SEND:
            do_send(node, effect);
            break;
        case RAFT_DO_COMMIT:
            see_commit(node, effect->index);
            break;
        case RAFT_DO_ROLE:
            if (effect->role == RAFT_LEADER) {
                see_leader(node, effect->term);
            }
            break;
        case RAFT_DO_FATAL:
            fail(node, "no conflict below commit");
        default:
            break;
        }
    }
}

int step(uint32_t node, struct raft_event *event, const struct packet *from)
{
    struct raft_effects effects = {.list = effect_list, .capacity = EFFECTS};
    event->now = s.now[node];
    int rc = raft_step(s.nodes[node].core, event, &effects);
    assert(effects.list == effect_list);
    perform(node, &effects, from);
    raft_check(s.nodes[node].core);
    return rc;
}

/* --- disks --- */

static void op_apply(const struct op *op, struct image *disk)
{
    if (op->joins) {
        disk->rejoining = false;
    } else if (op->type == RAFT_DO_SAVE) {
        disk->term = op->term;
        disk->vote = op->vote;
    } else if (op->type == RAFT_DO_TRUNCATE) {
        disk->last = op->first - 1;
    } else {
        memcpy(&disk->terms[op->first], op->terms,
               op->count * sizeof(op->terms[0]));
        disk->last = op->first + op->count - 1;
    }
}

void start(uint32_t node)
{
    static uint32_t sizes[LOG];
    struct place *place = &s.nodes[node];
    struct raft_options options;
    raft_options_default(&options);
    options.self = node + 1;
    options.boot = ++s.boots;
    options.seed = node;
    options.lease_us = 0;
    struct raft_boot boot = {.now = s.now[node],
                             .term = place->disk.term,
                             .vote = place->disk.vote,
                             .count = place->disk.last,
                             .terms = place->disk.terms + 1,
                             .sizes = sizes,
                             .newcomer = place->disk.rejoining,
                             .members.count = NODES};
    for (uint32_t i = 0; i < NODES; i++) {
        boot.members.list[i] = (struct raft_member){.id = i + 1, .voter = true};
    }
    memcpy(place->terms, place->disk.terms, sizeof(place->terms));
    place->last = place->disk.last;
    place->op_count = place->held_count = 0;
    place->commit = 0;
    place->newcomer = place->disk.rejoining;
    place->session = 0;
    place->core = raft_new(&options, &boot);
}

/* --- what can happen --- */

void arrive(uint32_t at)
{
    static uint32_t sizes[LOG];
    struct packet packet = s.packets[at];
    s.packets[at] = s.packets[--s.packet_count];
    struct raft_event event = {.type = RAFT_EVENT_MESSAGE,
                               .message = &packet.message,
                               .sizes = sizes,
                               .terms = packet.terms};
    step((uint32_t)packet.message.to - 1, &event, &packet);
}

void disk_done(uint32_t node)
{
    struct place *place = &s.nodes[node];
    raft_token token = place->ops[place->op_count - 1].token;
    for (uint32_t i = 0; i < place->op_count; i++) {
        op_apply(&place->ops[i], &place->disk);
    }
    place->op_count = 0;
    uint32_t kept = 0, count = place->held_count;
    for (uint32_t i = 0; i < count; i++) {
        if (place->held[i].after <= token) {
            post(node, &place->held[i]);
        } else {
            place->held[kept++] = place->held[i];
        }
    }
    place->held_count = kept;
    struct raft_event event = {.type = RAFT_EVENT_DURABLE, .token = token};
    step(node, &event, NULL);
}

void crash(uint32_t node, uint32_t kept)
{
    struct place *place = &s.nodes[node];
    s.crashes--;
    for (uint32_t i = 0; i < kept; i++) {
        op_apply(&place->ops[i], &place->disk);
    }
    start(node);
}

static void lose_patience(uint32_t node)
{
    s.timeouts--;
    for (uint32_t i = 0; i < NODES; i++) {
        s.now[i] += LONG; /* nobody is patient for so long */
    }
    struct raft_event event = {.type = RAFT_EVENT_TIME};
    step(node, &event, NULL);
}

void submit(uint32_t node)
{
    static const uint32_t size = 10;
    s.submits--;
    struct raft_event event = {
        .type = RAFT_EVENT_SUBMIT, .sizes = &size, .count = 1};
    step(node, &event, NULL);
}

/* --- states that were seen --- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    return hash ^ (hash >> 29);
}

static uint64_t hash_message(const struct packet *packet)
{
    const struct raft_message *m = &packet->message;
    uint64_t hash = mix(m->type * 64 + m->from * 8 + m->to, m->term);
    hash = mix(hash, m->prev_index * 4096 + m->prev_term * 64 + m->count);
    hash = mix(hash, m->commit * 4096 + m->match * 64 + m->hint);
    hash = mix(hash, m->hint_term * 64 + m->granted * 2 + (m->sent != 0));
    hash = mix(hash, m->boot);
    for (uint32_t i = 0; i < m->count; i++) {
        hash = mix(hash, packet->terms[i]);
    }
    return hash;
}

static uint64_t hash_core(const struct raft *r)
{
    uint64_t hash = mix(r->term * 64 + r->vote, r->role * 8 + r->leader);
    hash = mix(hash, r->commit * 64 + r->told);
    hash = mix(hash, r->writes.durable_index * 64 + r->verified);
    hash = mix(hash, r->writes.issued - r->writes.durable);
    hash = mix(hash, r->self_granted * 2 +
                         (r->clock < r->sticky_from + r->options.election_us));
    for (uint32_t i = 0; i < r->peer_count; i++) {
        const struct peer *peer = &r->peers[i];
        hash = mix(hash, peer->vote * 4096 + peer->match * 64 + peer->next);
        hash = mix(hash, peer->state * 64 + peer->window.count);
        hash = mix(hash, (peer->probed != 0) * 64 + peer->told);
        hash = mix(hash, peer->grant.boot * 2 + (peer->acked != 0));
    }
    return hash;
}

static uint64_t hash_node(const struct place *place)
{
    uint64_t hash = hash_core(place->core);
    hash = mix(hash, place->disk.term * 64 + place->disk.vote);
    hash = mix(hash, place->last * 64 + place->disk.last);
    assert(!place->newcomer); /* only on random ways */
    for (raft_index i = 1; i <= place->last; i++) {
        hash = mix(hash, place->terms[i]);
    }
    for (raft_index i = 1; i <= place->disk.last; i++) {
        hash = mix(hash, place->disk.terms[i]);
    }
    for (uint32_t i = 0; i < place->op_count; i++) {
        const struct op *op = &place->ops[i];
        hash = mix(hash, op->type * 4096 + op->first * 64 + op->count);
        hash = mix(hash, op->term * 64 + op->vote);
    }
    for (uint32_t i = 0; i < place->held_count; i++) {
        hash = mix(hash, hash_message(&place->held[i]));
    }
    return hash;
}

static uint64_t hash_state(void)
{
    uint64_t hash = s.timeouts * 256 + s.submits * 16 + s.crashes;
    uint64_t flying = 0; /* in any order */
    for (uint32_t i = 0; i < NODES; i++) {
        hash = mix(hash, hash_node(&s.nodes[i]));
    }
    for (uint32_t i = 0; i < s.packet_count; i++) {
        flying += hash_message(&s.packets[i]);
    }
    return mix(hash, flying) | 1;
}

static bool is_new(uint64_t hash)
{
    size_t at = (size_t)(hash % VISITED);
    while (visited[at] != 0) {
        if (visited[at] == hash) {
            return false;
        }
        at = (at + 1) % VISITED;
    }
    visited[at] = hash;
    return true;
}

/* --- the search --- */

struct saved {
    struct state state;
    uint8_t *arena; /* owned; kept for the next state at this depth */
    size_t room;
};
static struct saved path[DEPTH];

static struct saved *save(uint64_t depth)
{
    struct saved *saved = &path[depth];
    if (saved->room < s.arena_used) {
        __real_free(saved->arena);
        saved->room = s.arena_used * 2;
        saved->arena = __real_calloc(1, saved->room);
    }
    saved->state = s;
    memcpy(saved->arena, arena, s.arena_used);
    return saved;
}

static void restore(const struct saved *saved)
{
    s = saved->state;
    memcpy(arena, saved->arena, s.arena_used);
}

static void explore(uint64_t depth);

static void look_on(const struct saved *saved, uint64_t depth)
{
    explore(depth + 1);
    restore(saved);
}

static void try_node(uint32_t node, const struct saved *saved, uint64_t depth)
{
    const struct place *place = &s.nodes[node];
    uint32_t ops = place->op_count;
    bool leads = place->core->role == RAFT_LEADER;
    if (ops > 0) {
        disk_done(node);
        look_on(saved, depth);
    }
    if (leads && s.submits > 0) {
        submit(node);
        look_on(saved, depth);
    }
    for (uint32_t kept = 0; kept <= ops && s.crashes > 0; kept++) {
        crash(node, kept);
        look_on(saved, depth);
    }
    /* The first to lose patience is the first node: they are all alike. */
    if (s.timeouts > 0 && (depth > 0 || node == 0)) {
        lose_patience(node);
        look_on(saved, depth);
    }
}

static void explore(uint64_t depth)
{
    if (states >= states_max || depth >= DEPTH) {
        complete = false;
        return;
    }
    if (!is_new(hash_state())) {
        return;
    }
    states++;
    deepest = depth > deepest ? depth : deepest;
    const struct saved *saved = save(depth);
    for (uint32_t i = 0; i < saved->state.packet_count; i++) {
        arrive(i);
        look_on(saved, depth);
    }
    for (uint32_t i = 0; i < NODES; i++) {
        try_node(i, saved, depth);
    }
}

int main(int argc, char **argv)
{
    uint64_t seeds = 0, first = 1;
    s.timeouts = 2;
    s.submits = 2;
    s.crashes = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t value = strtoull(argv[i + 1], NULL, 0);
        if (strcmp(argv[i], "--timeouts") == 0) {
            s.timeouts = (uint32_t)value;
        } else if (strcmp(argv[i], "--submits") == 0) {
            s.submits = (uint32_t)value;
        } else if (strcmp(argv[i], "--crashes") == 0) {
            s.crashes = (uint32_t)value;
        } else if (strcmp(argv[i], "--states") == 0) {
            states_max = value;
        } else if (strcmp(argv[i], "--seeds") == 0) {
            seeds = value;
        } else if (strcmp(argv[i], "--first") == 0) {
            first = value;
        } else if (strcmp(argv[i], "--read-index") == 0) {
            too_early = value != 0;
        }
    }
    if (seeds > 0) {
        walk_all(first, seeds);
        _Exit(0);
    }
    printf("timeouts=%u submits=%u crashes=%u: ", s.timeouts, s.submits,
           s.crashes);
    fflush(stdout);
    visited = __real_calloc(VISITED, sizeof(*visited));
    for (uint32_t i = 0; i < NODES; i++) {
        s.now[i] = 10 * (raft_time)LONG;
        start(i);
    }
    explore(0);
    printf("%" PRIu64 " states, %s, deepest %" PRIu64 "\n", states,
           complete ? "all there are" : "cut short", deepest);
    fflush(stdout);
    _Exit(0); /* the arena's blocks were never meant to be freed */
}
