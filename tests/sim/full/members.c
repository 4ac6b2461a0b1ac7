/* People who change who belongs to the cluster, while clients work: the control
 * commands that `raftfs member` sends, in its order, through whichever node is
 * at hand. A machine that is to join gets a data directory from `init --join`;
 * one that was removed runs on, is switched off, or is wiped.
 *
 * Nobody uses --force, and nothing is wiped before its removal is committed: so
 * whoever the lists need comes back in the end, and what was wanted must be done
 * then.
 */
#include "tests/sim/full/full.h"

#include "fs/members.h"

#include <assert.h>
#include <string.h>

enum {
    LOOK_US = 100 * 1000,
    ANSWER_US = 1000 * 1000, /* then the question, or its answer, was lost */
    DONE_US = 4000 * 1000,   /* then a new leader may have superseded it */
    FIRST_PORT = 7000,
};

static node_id id_of(uint32_t at)
{
    return config_node_id(world.nodes[at].name);
}

static const struct raft_member *member_at(uint32_t at)
{
    return member_find(&world.members.members, id_of(at));
}

bool is_member(uint32_t at)
{
    return member_at(at) != NULL;
}

void members_address(uint32_t at, uint32_t moves, char out[32])
{
    snprintf(out, 32, "127.0.0.1:%u", FIRST_PORT + at + NODES_MAX * moves);
}

void members_init(void)
{
    struct raft_members *members = &world.members.members;
    for (uint32_t i = 0; i < world.params.nodes; i++) {
        struct sim_node *sim = &world.nodes[i];
        members_address(i, 0, sim->address);
        if (i >= world.params.members) {
            sim->restart_at = UINT64_MAX;
            continue;
        }
        node_init(sim, false);
        struct raft_member *member = &members->list[members->count++];
        *member = (struct raft_member){.id = id_of(i), .voter = true};
        members_address(i, 0, member->address);
    }
}

/* --- what is committed --- */

static void count_changes(const struct raft_members *before,
                          const struct raft_members *after)
{
    struct counters *counters = &world.counters;
    for (uint32_t i = 0; i < after->count; i++) {
        const struct raft_member *now = &after->list[i];
        const struct raft_member *then = member_find(before, now->id);
        counters->added += then == NULL;
        counters->promoted += then != NULL && !then->voter && now->voter;
        counters->moved +=
            then != NULL && strcmp(then->address, now->address) != 0;
    }
    for (uint32_t i = 0; i < before->count; i++) {
        counters->removed += member_find(after, before->list[i].id) == NULL;
    }
}

void members_see(const struct raft_config *committed)
{
    if (committed->index > world.members.index) {
        count_changes(&world.members.members, &committed->members);
        world.members = *committed;
        sim_trace(here, "record %llu: %u members",
                  (unsigned long long)committed->index,
                  committed->members.count);
    }
}

bool members_settled(void)
{
    for (int i = 0; i < ORDERS_MAX; i++) {
        if (world.orders[i].open) {
            return false;
        }
    }
    for (uint32_t i = 0; i < world.members.members.count; i++) {
        if (world.members.members.list[i].joining) {
            return false;
        }
    }
    return true;
}

/* --- a majority alone --- */

bool is_healed(uint32_t at)
{
    return is_member(at) && !world.nodes[at].lost;
}

static bool is_majority(const struct raft_members *members)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < world.params.nodes; i++) {
        left += !world.nodes[i].lost && member_is_voter(members, id_of(i));
    }
    return left > member_voters(members) / 2;
}

/* Of the committed list, and of all later ones that may become it. */
static bool is_majority_of_all(void)
{
    if (!is_majority(&world.members.members)) {
        return false;
    }
    for (uint32_t i = 0; i < world.params.nodes; i++) {
        const struct raft_config *latest = &world.nodes[i].latest;
        if (latest->index > world.members.index &&
            !is_majority(&latest->members)) {
            return false;
        }
    }
    return true;
}

/* What is under way may need who is lost: to be done, or when somebody else has
 * gone. */
static bool may_lose(void)
{
    for (int i = 0; i < ORDERS_MAX; i++) {
        if (world.orders[i].open) {
            return false;
        }
    }
    return true;
}

bool members_lose_some(void)
{
    struct rng rng = {world.seed * 0xd1342543de82ef95u + 9};
    bool any = false;
    for (uint32_t tries = 0; tries < NODES_MAX && may_lose(); tries++) {
        uint32_t at = (uint32_t)rng_below(&rng, world.params.nodes);
        struct sim_node *sim = &world.nodes[at];
        const struct raft_member *member = member_at(at);
        if (member == NULL || !member->voter || sim->lost) {
            continue;
        }
        sim->lost = true;
        if (!is_majority_of_all()) {
            sim->lost = false;
        }
        any = any || sim->lost;
    }
    return any;
}

/* --- machines --- */

static void switch_on(struct sim_node *sim)
{
    sim->off = false;
    if (sim->node == NULL) {
        sim->restart_at = world.now + 1000;
    }
}

static void switch_off(struct sim_node *sim, bool wipes)
{
    sim->off = true;
    node_stop_cleanly(sim);
    sim->restart_at = UINT64_MAX;
    if (wipes && sim->node == NULL) {
        world.counters.wiped++;
        sim_trace(sim, "is wiped");
        node_wipe(sim);
    }
}

static void init_join(struct sim_node *sim)
{
    uint32_t contact = sim->at;
    do {
        contact = (contact + 1) % world.params.nodes;
    } while (!is_member(contact));
    sim->contact = contact;
    snprintf(sim->contact_address, sizeof(sim->contact_address), "%.31s",
             member_at(contact)->address);
    node_init(sim, true);
}

/* --- an order --- */

static void close_order(struct order *order, const char *how)
{
    sim_trace(&world.nodes[order->at], "order %d: %s", (int)order->kind, how);
    order->open = false;
}

static bool is_done(const struct order *order)
{
    const struct raft_member *member = member_at(order->at);
    switch (order->kind) {
    case ORDER_ADD:
    case ORDER_PROMOTE:
        return member != NULL && member->voter;
    case ORDER_LEARNER:
        return member != NULL;
    case ORDER_REMOVE:
        return member == NULL;
    case ORDER_MOVE:
        return member != NULL && strcmp(member->address, order->address) == 0;
    case ORDER_PRIORITY:
        return member != NULL && member->priority == order->number;
    default:
        return order->id != 0; /* nobody waits for a transfer */
    }
}

/* Who can be asked: it runs, and its machine is not in a pause. */
static struct sim_node *find_via(struct order *order)
{
    for (uint32_t i = 0; i < world.params.nodes; i++) {
        order->tries++;
        order->via = (order->at + order->tries) % world.params.nodes;
        struct sim_node *sim = &world.nodes[order->via];
        if (sim->node != NULL && !sim->dying && sim->node->hull != NULL &&
            sim->paused_until <= world.now && is_member(order->via)) {
            order->via_life = sim->life;
            return sim;
        }
    }
    return NULL;
}

static json_t *control(struct sim_node *sim, json_t *request)
{
    here = sim;
    json_t *reply = node_control(sim->node, request);
    json_decref(request);
    node_wake(sim);
    here = NULL;
    assert(reply != NULL);
    return reply;
}

static json_t *request_of(const struct order *order)
{
    static const char *const actions[] = {
        [ORDER_ADD] = "add",         [ORDER_LEARNER] = "add",
        [ORDER_REMOVE] = "remove",   [ORDER_MOVE] = "move",
        [ORDER_PROMOTE] = "promote", [ORDER_PRIORITY] = "priority",
        [ORDER_TRANSFER] = "transfer"};
    return json_pack("{s:s,s:s,s:s,s:s,s:b,s:i}", "command", "change",
                     "action", actions[order->kind], "name",
                     world.nodes[order->at].name, "address", order->address,
                     "learner", (int)(order->kind == ORDER_LEARNER),
                     "priority", (int)order->number);
}

static void ask(struct order *order)
{
    struct sim_node *via = find_via(order);
    order->asked = world.now;
    if (via == NULL) {
        return;
    }
    json_t *reply = control(via, request_of(order));
    const json_t *id = json_object_get(reply, "id");
    if (id == NULL) {
        sim_fail(via, "members", "does not understand order %d",
                 (int)order->kind);
    }
    order->id = json_integer_value(id);
    json_decref(reply);
}

/* True: it will never be done. */
static bool is_refused(const char *result)
{
    static const char *const refusals[] = {"unknown", "exists", "taken",
                                           "full",    "fewer",  "last"};
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if (strcmp(result, refusals[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void look(struct order *order)
{
    struct sim_node *via = &world.nodes[order->via];
    bool lost = via->node == NULL || via->life != order->via_life ||
                via->dying || via->node->hull == NULL;
    if (lost || world.now - order->asked > DONE_US) {
        order->id = 0;
        return;
    }
    if (via->paused_until > world.now) {
        return;
    }
    json_t *reply =
        control(via, json_pack("{s:s,s:I}", "command", "change-result", "id",
                               (json_int_t)order->id));
    const char *result =
        json_string_value(json_object_get(reply, "result"));
    if (result == NULL) {
        order->id = world.now - order->asked > ANSWER_US ? 0 : order->id;
    } else if (is_refused(result)) {
        world.counters.refused++;
        close_order(order, result);
    } else if (strcmp(result, "ok") != 0 && strcmp(result, "same") != 0) {
        sim_trace(via, "order %d: %s", (int)order->kind, result);
        order->id = 0;
    }
    json_decref(reply);
}

static void after_removal(const struct order *order)
{
    struct sim_node *sim = &world.nodes[order->at];
    if (order->number % 3 != 0) {
        switch_off(sim, order->number % 3 == 2);
    }
}

void members_step(struct order *order)
{
    if (is_done(order)) {
        close_order(order, "done");
        if (order->kind == ORDER_REMOVE) {
            after_removal(order);
        }
    } else if (order->id == 0) {
        ask(order);
    } else {
        look(order);
    }
    if (order->open) {
        world_push((struct event){
            .at = world.now + LOOK_US, .kind = EV_PERSON, .what = order});
    }
}

/* --- what a person wants --- */

static bool makes_sense(enum order_kind kind, uint32_t at)
{
    const struct raft_member *member = member_at(at);
    for (int i = 0; i < ORDERS_MAX; i++) {
        if (world.orders[i].open && world.orders[i].at == at) {
            return false;
        }
    }
    switch (kind) {
    case ORDER_ADD:
    case ORDER_LEARNER:
        return member == NULL && !world.nodes[at].dying;
    case ORDER_PROMOTE:
        return member != NULL && !member->voter && !member->joining;
    case ORDER_REMOVE:
        return member != NULL && world.members.members.count > 1;
    default:
        return member != NULL;
    }
}

/* Whom it is about; NODES_MAX: nobody. */
static uint32_t find_target(enum order_kind kind, uint32_t first)
{
    for (uint32_t i = 0; i < world.params.nodes; i++) {
        uint32_t at = (first + i) % world.params.nodes;
        if (makes_sense(kind, at)) {
            return at;
        }
    }
    return NODES_MAX;
}

static void prepare(struct order *order)
{
    struct sim_node *sim = &world.nodes[order->at];
    const struct raft_member *member = member_at(order->at);
    snprintf(order->address, sizeof(order->address), "%.31s",
             member != NULL      ? member->address
             : sim->node != NULL ? sim->hello.listens
                                 : sim->address);
    if (order->kind == ORDER_MOVE) {
        members_address(order->at, ++world.moves, order->address);
    }
    if (order->kind == ORDER_ADD || order->kind == ORDER_LEARNER) {
        if (sim->node == NULL && sim->exists && order->number % 2 == 0) {
            node_wipe(sim);
        }
        if (!sim->exists) {
            init_join(sim);
        }
        switch_on(sim);
    }
}

void members_strike(struct rng *rng)
{
    static const enum order_kind kinds[] = {
        ORDER_ADD,  ORDER_ADD,     ORDER_LEARNER,  ORDER_REMOVE, ORDER_REMOVE,
        ORDER_MOVE, ORDER_PROMOTE, ORDER_PRIORITY, ORDER_TRANSFER};
    enum order_kind kind =
        kinds[rng_below(rng, sizeof(kinds) / sizeof(kinds[0]))];
    uint32_t first = (uint32_t)rng_below(rng, world.params.nodes);
    uint32_t number = (uint32_t)rng_below(rng, 256);
    uint32_t at = find_target(kind, first);
    struct order *order = &world.orders[0];
    while (order < world.orders + ORDERS_MAX && order->open) {
        order++;
    }
    if (at == NODES_MAX || order == world.orders + ORDERS_MAX) {
        return;
    }
    *order = (struct order){
        .open = true, .kind = kind, .at = at, .number = number};
    sim_trace(&world.nodes[at], "order %d begins", (int)kind);
    prepare(order);
    members_step(order);
}
