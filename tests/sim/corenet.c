#include "tests/sim/corenet.h"

#include "raft/core/memory.h"

#include <assert.h>
#include <string.h>

enum { RECORD_SIZE = 100 };

static void broken(struct corenet *net, node_id id, const char *what)
{
    net->broken(net->context, id, what);
}

struct corenet_node *corenet_node(struct corenet *net, node_id id)
{
    assert(id >= 1 && id <= CORENET_NODES_MAX);
    return &net->nodes[id - 1];
}

/* Grows an array of `size` bytes an element to hold `need`; new ones are 0. */
static void *grown(void *array, size_t *capacity, size_t need, size_t size)
{
    if (need <= *capacity) {
        return array;
    }
    size_t wanted = *capacity == 0 ? 16 : *capacity * 2;
    if (wanted < need) {
        wanted = need;
    }
    char *bigger = xrealloc(array, wanted * size);
    memset(bigger + *capacity * size, 0, (wanted - *capacity) * size);
    *capacity = wanted;
    return bigger;
}

/* -- images ------------------------------------------------------------- */

raft_index corenet_last(const struct corenet_image *image)
{
    return image->base_index + image->count;
}

const struct corenet_record *corenet_at(const struct corenet_image *image,
                                        raft_index index)
{
    if (index <= image->base_index || index > corenet_last(image)) {
        return NULL;
    }
    return &image->records[index - image->base_index - 1];
}

static raft_term image_term(const struct corenet_image *image, raft_index index)
{
    const struct corenet_record *record = corenet_at(image, index);
    if (record != NULL) {
        return record->term;
    }
    return index == image->base_index ? image->base_term : 0;
}

static void image_add(struct corenet_image *image, struct corenet_record record)
{
    image->records = grown(image->records, &image->capacity, image->count + 1,
                           sizeof(*image->records));
    image->records[image->count] = record;
    image->count++;
}

static void image_cut(struct corenet_image *image, raft_index from)
{
    assert(from > image->base_index);
    if (from <= corenet_last(image)) {
        image->count = (size_t)(from - image->base_index - 1);
    }
}

static void image_compact(struct corenet_image *image, raft_index upto)
{
    if (upto > corenet_last(image)) {
        upto = corenet_last(image);
    }
    if (upto <= image->base_index) {
        return;
    }
    raft_term term = image_term(image, upto);
    size_t gone = (size_t)(upto - image->base_index);
    image->count -= gone;
    memmove(image->records, image->records + gone,
            image->count * sizeof(*image->records));
    image->base_index = upto;
    image->base_term = term;
}

static void image_copy(struct corenet_image *to,
                       const struct corenet_image *from)
{
    to->term = from->term;
    to->vote = from->vote;
    to->rejoining = from->rejoining;
    to->base_index = from->base_index;
    to->base_term = from->base_term;
    to->count = 0;
    for (size_t i = 0; i < from->count; i++) {
        image_add(to, from->records[i]);
    }
}

static void image_perform(struct corenet_image *image,
                          const struct corenet_op *op)
{
    if (op->joins) {
        image->rejoining = false;
        return;
    }
    switch (op->type) {
    case RAFT_DO_SAVE:
        image->term = op->term;
        image->vote = op->vote;
        break;
    case RAFT_DO_TRUNCATE:
        image_cut(image, op->first);
        break;
    default:
        assert(op->type == RAFT_DO_APPEND);
        assert(op->first == corenet_last(image) + 1);
        for (uint32_t i = 0; i < op->count; i++) {
            image_add(image, op->records[i]);
        }
        break;
    }
}

/* -- packets ------------------------------------------------------------ */

struct corenet_packet *corenet_copy(const struct corenet_packet *packet)
{
    struct corenet_packet *copy = xmalloc(sizeof(*copy));
    size_t size = packet->message.count * sizeof(*packet->records);
    copy->message = packet->message;
    copy->records = xmalloc(size);
    if (size > 0) {
        memcpy(copy->records, packet->records, size);
    }
    return copy;
}

void corenet_packet_free(struct corenet_packet *packet)
{
    if (packet != NULL) {
        free(packet->records);
        free(packet);
    }
}

static struct corenet_packet *make_packet(const struct corenet_node *node,
                                          const struct raft_message *m)
{
    struct corenet_packet *packet = xcalloc(1, sizeof(*packet));
    packet->message = *m;
    packet->records = xcalloc(m->count, sizeof(*packet->records));
    for (uint32_t i = 0; i < m->count; i++) {
        const struct corenet_record *record =
            corenet_at(&node->memory, m->first + i);
        assert(record != NULL); /* an APPEND is written before it is sent */
        packet->records[i] = *record;
    }
    return packet;
}

/* -- what must be true of the whole cluster ----------------------------- */

/* Raft's log matching by induction: whoever holds a record of this index and
 * term holds the same one, after the same one. */
static void see_record(struct corenet *net, node_id id, raft_index index,
                       raft_term prev_term, struct corenet_record record)
{
    struct corenet_truth *t = &net->truth;
    t->at = grown(t->at, &t->at_capacity, index + 1, sizeof(*t->at));
    struct corenet_facts *facts = &t->at[index];
    for (size_t i = 0; i < facts->count; i++) {
        const struct corenet_fact *fact = &facts->list[i];
        if (fact->term == record.term) {
            if (fact->value != record.value ||
                fact->config != record.config ||
                fact->prev_term != prev_term) {
                broken(net, id, "log-matching");
            }
            return;
        }
    }
    facts->list = grown(facts->list, &facts->capacity, facts->count + 1,
                        sizeof(*facts->list));
    facts->list[facts->count] =
        (struct corenet_fact){record.term, prev_term, record.value,
                              record.config};
    facts->count++;
}

static void see_vote(struct corenet *net, node_id voter, raft_term term,
                     node_id candidate)
{
    struct corenet_truth *t = &net->truth;
    size_t at = (size_t)term * CORENET_NODES_MAX + voter - 1;
    t->vote_of =
        grown(t->vote_of, &t->vote_capacity, at + 1, sizeof(*t->vote_of));
    if (t->vote_of[at] != 0 && t->vote_of[at] != candidate) {
        broken(net, voter, "one-vote-per-term");
    }
    t->vote_of[at] = candidate;
}

static void see_leader(struct corenet *net, const struct corenet_node *node)
{
    struct corenet_truth *t = &net->truth;
    raft_term term = node->term;
    uint64_t who = node->wipes * CORENET_NODES_MAX + node->id;
    t->leader_of = grown(t->leader_of, &t->leader_capacity, term + 1,
                         sizeof(*t->leader_of));
    if (t->leader_of[term] != 0 && t->leader_of[term] != who) {
        broken(net, node->id, "one-leader-per-term");
    }
    t->leader_of[term] = who;
    see_vote(net, node->id, term, node->id);
    if (node->disk.term != term || node->disk.vote != node->id) {
        broken(net, node->id, "leader-counted-a-vote-not-on-disk");
    }
    for (raft_index i = node->memory.base_index + 1; i <= t->committed_count;
         i++) {
        if (t->committed_in[i - 1] < term &&
            image_term(&node->memory, i) != t->committed[i - 1].term) {
            broken(net, node->id, "leader-completeness");
            return;
        }
    }
}

static bool image_has(const struct corenet_image *image, raft_index index,
                      raft_term term)
{
    return index <= image->base_index || image_term(image, index) == term;
}

/* What a newcomer has does not count. What it had acknowledged before it was wiped
 * does, as if the answer had come in time: it had all of that when it joined. */
static bool is_durable(const struct corenet_node *node, raft_index index,
                       raft_term term)
{
    return (!node->uncounted && image_has(&node->disk, index, term)) ||
           (node->wipes > 0 && image_has(&node->ghost, index, term));
}

static bool durable_on_majority(const struct corenet *net,
                                const struct raft_members *members,
                                raft_index index, raft_term term)
{
    uint32_t voters = 0;
    uint32_t having = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        if (members->list[i].voter) {
            voters++;
            having += is_durable(&net->nodes[members->list[i].id - 1], index,
                                 term);
        }
    }
    return having >= voters / 2 + 1;
}

/* Whoever tells first may know an older or newer configuration than the leader
 * counted with. */
static void check_durable(struct corenet *net, node_id id, raft_index index,
                          raft_term term)
{
    bool durable = durable_on_majority(net, &net->members, index, term);
    for (size_t i = 1; i < net->config_count && !durable; i++) {
        durable = durable_on_majority(net, &net->configs[i], index, term);
    }
    const struct corenet_node *node = &net->nodes[id - 1];
    if (node->role == RAFT_LEADER) {
        /* The step that commits may begin the next change. */
        durable = durable_on_majority(net,
                                      &raft_config_latest(node->core)->members,
                                      index, term) ||
                  durable_on_majority(
                      net, &raft_config_committed(node->core)->members, index,
                      term);
    }
    if (!durable) {
        broken(net, id, "committed-is-durable-on-a-majority");
    }
}

static void see_commit(struct corenet *net, struct corenet_node *node,
                       raft_index index)
{
    struct corenet_truth *t = &net->truth;
    for (raft_index i = node->applied + 1; i <= index; i++) {
        const struct corenet_record *record = corenet_at(&node->memory, i);
        if (record == NULL) {
            broken(net, node->id, "committed-record-missing");
            return;
        }
        if (record->value != 0 && record->value == node->session) {
            node->session_open = true;
        }
        if (i <= t->committed_count) {
            const struct corenet_record *known = &t->committed[i - 1];
            if (known->term != record->term || known->value != record->value ||
                known->config != record->config) {
                broken(net, node->id, "committed-prefix-agreement");
            }
            continue;
        }
        t->committed = grown(t->committed, &t->committed_capacity, i,
                             sizeof(*t->committed));
        t->committed_in = grown(t->committed_in, &t->committed_in_capacity, i,
                                sizeof(*t->committed_in));
        t->committed[i - 1] = *record;
        t->committed_in[i - 1] = node->term;
        t->committed_count = i;
        check_durable(net, node->id, i, record->term);
    }
    if (image_term(&node->disk, index) != image_term(&node->memory, index)) {
        broken(net, node->id, "applied-is-durable-here");
    }
    node->applied = index;
}

static void see_truncation(struct corenet *net, const struct corenet_node *node,
                           raft_index from)
{
    const struct corenet_truth *t = &net->truth;
    for (raft_index i = from;
         i <= t->committed_count && i <= corenet_last(&node->memory); i++) {
        const struct corenet_record *record = corenet_at(&node->memory, i);
        /* A leader of an older term may still cut what nobody has counted. */
        bool knows = t->committed_in[i - 1] <= node->term;
        if (record == NULL ||
            (knows && record->term == t->committed[i - 1].term)) {
            broken(net, node->id, "committed-record-truncated");
            return;
        }
    }
}

/* -- effects ------------------------------------------------------------ */

/* Votes and acknowledgements are promises: what they promise is on disk. */
static void check_promise(struct corenet *net, const struct raft_message *m)
{
    const struct corenet_node *node = corenet_node(net, m->from);
    const struct corenet_image *disk = &node->disk;
    bool vote = m->type == RAFT_VOTE_REPLY && m->granted;
    bool ack = m->type == RAFT_APPEND_REPLY && m->granted;
    if (!vote && !ack && m->type != RAFT_VOTE) {
        return;
    }
    if (disk->term < m->term) {
        broken(net, m->from, "promise-before-its-term-is-on-disk");
    }
    node_id candidate = vote ? m->to : m->from;
    if (!ack && disk->term == m->term && disk->vote != candidate) {
        broken(net, m->from, "vote-before-it-is-on-disk");
    }
    if (ack && disk->term == m->term && node->memory.term == m->term &&
        m->match > disk->base_index &&
        image_term(disk, m->match) != image_term(&node->memory, m->match)) {
        broken(net, m->from, "acknowledgement-before-it-is-on-disk");
    }
}

static void release_packet(struct corenet *net, struct corenet_packet *packet)
{
    const struct raft_message *m = &packet->message;
    check_promise(net, m);
    if (m->type == RAFT_VOTE_REPLY && m->granted) {
        see_vote(net, m->from, m->term, m->to);
    }
    net->send(net->context, packet);
}

static struct corenet_op *add_op(struct corenet_node *node,
                                 const struct raft_effect *effect)
{
    node->ops = grown(node->ops, &node->op_capacity, node->op_count + 1,
                      sizeof(*node->ops));
    struct corenet_op *op = &node->ops[node->op_count];
    node->op_count++;
    node->newest = effect->token;
    *op = (struct corenet_op){
        .token = effect->token,
        .type = effect->type,
        .term = effect->term,
        .vote = effect->vote,
        .first = effect->first,
    };
    return op;
}

static size_t add_config(struct corenet *net, const struct raft_members *members)
{
    if (net->config_count == 0) {
        net->config_count = 1;
    }
    net->configs = grown(net->configs, &net->config_capacity,
                         net->config_count + 1, sizeof(*net->configs));
    net->configs[net->config_count] = *members;
    net->config_count++;
    return net->config_count - 1;
}

static void perform_append(struct corenet *net, struct corenet_node *node,
                           const struct raft_effect *effect,
                           const struct corenet_record *given)
{
    struct corenet_op *op = add_op(node, effect);
    op->count = (uint32_t)(effect->last - effect->first + 1);
    op->records = xcalloc(op->count, sizeof(*op->records));
    for (uint32_t i = 0; i < op->count; i++) {
        struct corenet_record record = {.term = effect->term};
        if (effect->source == RAFT_FROM_MESSAGE) {
            record = given[effect->skip + i];
        } else if (effect->source == RAFT_FROM_SUBMIT) {
            record.value = given[i].value;
        } else if (effect->code == RECORD_CONFIG) {
            record.config = add_config(
                net, &raft_config_at(node->core, effect->first)->members);
        }
        raft_index index = effect->first + i;
        raft_term prev = i > 0 ? op->records[i - 1].term
                               : image_term(&node->memory, index - 1);
        op->records[i] = record;
        see_record(net, node->id, index, prev, record);
    }
    image_perform(&node->memory, op);
}

static void perform_send(struct corenet *net, struct corenet_node *node,
                         const struct raft_effect *effect)
{
    struct corenet_packet *packet = make_packet(node, &effect->message);
    if (effect->after == 0) {
        release_packet(net, packet);
        return;
    }
    node->held = grown(node->held, &node->held_capacity, node->held_count + 1,
                       sizeof(*node->held));
    node->held[node->held_count] = (struct corenet_held){effect->after, packet};
    node->held_count++;
}

static void perform(struct corenet *net, struct corenet_node *node,
                    const struct raft_effect *effect,
                    const struct corenet_record *given)
{
    switch (effect->type) {
    case RAFT_DO_SAVE:
        image_perform(&node->memory, add_op(node, effect));
        break;
    case RAFT_DO_UNDO:
        if (effect->first <= node->applied ||
            effect->last != corenet_last(&node->memory)) {
            broken(net, node->id, "undo-range");
        }
        break;
    case RAFT_DO_TRUNCATE:
        see_truncation(net, node, effect->first);
        image_perform(&node->memory, add_op(node, effect));
        break;
    case RAFT_DO_APPEND:
        perform_append(net, node, effect, given);
        break;
    case RAFT_DO_SEND:
        perform_send(net, node, effect);
        break;
    case RAFT_DO_COMMIT:
        see_commit(net, node, effect->index);
        break;
    case RAFT_DO_FATAL:
        node->failed = true;
        break;
    case RAFT_DO_ROLE:
        node->role = effect->role;
        node->term = effect->term;
        if (effect->role == RAFT_LEADER) {
            see_leader(net, node);
        }
        break;
    default:
        break;
    }
    if (net->effect != NULL) {
        net->effect(net->context, node->id, effect);
    }
}

static int step_with(struct corenet *net, node_id id,
                     const struct raft_event *event,
                     const struct corenet_record *given)
{
    struct corenet_node *node = corenet_node(net, id);
    assert(node->up);
    int rc = raft_step(node->core, event, &node->effects);
    for (size_t i = 0; i < node->effects.count; i++) {
        perform(net, node, &node->effects.list[i], given);
    }
    raft_check(node->core);
    return rc;
}

int corenet_step(struct corenet *net, node_id id, struct raft_event event)
{
    return step_with(net, id, &event, NULL);
}

int corenet_change(struct corenet *net, node_id id, raft_time now,
                   struct raft_change change)
{
    return corenet_step(net, id,
                        (struct raft_event){.type = RAFT_EVENT_CHANGE,
                                            .now = now,
                                            .change = &change});
}

/* The CONFIG records among them, for the core; *count of them. */
static struct raft_config *configs_of(const struct corenet *net,
                                      const struct corenet_record *records,
                                      size_t record_count, raft_index first,
                                      size_t *count)
{
    struct raft_config *configs = NULL;
    *count = 0;
    for (size_t i = 0; i < record_count; i++) {
        if (records[i].config != 0) {
            configs = xrealloc(configs, (*count + 1) * sizeof(*configs));
            configs[*count] = (struct raft_config){
                first + i, net->configs[records[i].config]};
            (*count)++;
        }
    }
    return configs;
}

int corenet_submit(struct corenet *net, node_id id, raft_time now,
                   uint64_t value)
{
    uint32_t size = RECORD_SIZE;
    struct corenet_record record = {.value = value};
    struct raft_event event = {
        .type = RAFT_EVENT_SUBMIT, .now = now, .sizes = &size, .count = 1};
    return step_with(net, id, &event, &record);
}

void corenet_deliver(struct corenet *net, const struct corenet_packet *packet,
                     raft_time now)
{
    const struct raft_message *m = &packet->message;
    if (!corenet_node(net, m->to)->up) {
        return;
    }
    raft_term *terms = xcalloc(m->count, sizeof(*terms));
    uint32_t *sizes = xcalloc(m->count, sizeof(*sizes));
    for (uint32_t i = 0; i < m->count; i++) {
        terms[i] = packet->records[i].term;
        sizes[i] = RECORD_SIZE;
    }
    struct raft_event event = {.type = RAFT_EVENT_MESSAGE,
                               .now = now,
                               .message = m,
                               .terms = terms,
                               .sizes = sizes};
    struct raft_config *configs = configs_of(net, packet->records, m->count,
                                             m->first, &event.config_count);
    event.configs = configs;
    step_with(net, m->to, &event, packet->records);
    free(configs);
    free(terms);
    free(sizes);
}

/* -- disk --------------------------------------------------------------- */

static void ops_to_disk(struct corenet_node *node, size_t count)
{
    assert(count <= node->op_count);
    for (size_t i = 0; i < count; i++) {
        image_perform(&node->disk, &node->ops[i]);
        free(node->ops[i].records);
    }
    if (count == 0) {
        return;
    }
    node->op_count -= count;
    memmove(node->ops, node->ops + count, node->op_count * sizeof(*node->ops));
}

static void release_held(struct corenet *net, struct corenet_node *node,
                         raft_token token)
{
    size_t kept = 0;
    for (size_t i = 0; i < node->held_count; i++) {
        struct corenet_held held = node->held[i];
        if (held.after <= token) {
            release_packet(net, held.packet);
        } else {
            node->held[kept] = held;
            kept++;
        }
    }
    node->held_count = kept;
}

void corenet_sync(struct corenet *net, node_id id, raft_time now,
                  raft_token token)
{
    struct corenet_node *node = corenet_node(net, id);
    size_t count = 0;
    while (count < node->op_count && node->ops[count].token <= token) {
        count++;
    }
    ops_to_disk(node, count);
    release_held(net, node, token);
    corenet_step(net, id,
                 (struct raft_event){
                     .type = RAFT_EVENT_DURABLE, .now = now, .token = token});
}

raft_token corenet_unsynced(const struct corenet *net, node_id id)
{
    const struct corenet_node *node = &net->nodes[id - 1];
    return node->op_count == 0 ? 0 : node->ops[node->op_count - 1].token;
}

void corenet_checkpoint(struct corenet *net, node_id id, raft_time now)
{
    struct corenet_node *node = corenet_node(net, id);
    for (raft_index i = node->tree + 1; i <= node->applied; i++) {
        const struct corenet_record *record = corenet_at(&node->memory, i);
        if (record != NULL && record->config != 0) {
            node->tree_config = record->config;
            node->tree_config_index = i;
        }
    }
    node->tree = node->applied;
    corenet_step(net, id,
                 (struct raft_event){.type = RAFT_EVENT_APPLIED,
                                     .now = now,
                                     .index = node->tree});
}

void corenet_compact(struct corenet *net, node_id id, raft_time now,
                     raft_index upto)
{
    struct corenet_node *node = corenet_node(net, id);
    image_compact(&node->memory, upto);
    image_compact(&node->disk, upto);
    corenet_step(net, id,
                 (struct raft_event){
                     .type = RAFT_EVENT_COMPACTED, .now = now, .index = upto});
}

/* -- life --------------------------------------------------------------- */

void corenet_init(struct corenet *net, uint32_t count, uint32_t learners,
                  uint32_t outside)
{
    assert(count <= CORENET_NODES_MAX);
    uint32_t members = count - outside;
    *net = (struct corenet){.members = {.count = members}};
    raft_options_default(&net->options);
    for (uint32_t i = 0; i < count; i++) {
        if (i < members) {
            net->members.list[i] = (struct raft_member){
                .id = i + 1,
                .voter = i < members - learners,
            };
        }
        net->nodes[i].id = i + 1;
    }
}

static void forget_memory(struct corenet_node *node)
{
    raft_free(node->core);
    node->core = NULL;
    for (size_t i = 0; i < node->op_count; i++) {
        free(node->ops[i].records);
    }
    node->op_count = 0;
    for (size_t i = 0; i < node->held_count; i++) {
        corenet_packet_free(node->held[i].packet);
    }
    node->held_count = 0;
    node->up = false;
}

void corenet_release(struct corenet *net)
{
    for (uint32_t i = 0; i < CORENET_NODES_MAX; i++) {
        struct corenet_node *node = &net->nodes[i];
        forget_memory(node);
        raft_effects_release(&node->effects);
        free(node->memory.records);
        free(node->disk.records);
        free(node->ghost.records);
        free(node->ops);
        free(node->held);
    }
    for (size_t i = 0; i < net->truth.at_capacity; i++) {
        free(net->truth.at[i].list);
    }
    free(net->configs);
    free(net->truth.at);
    free(net->truth.committed);
    free(net->truth.committed_in);
    free(net->truth.leader_of);
    free(net->truth.vote_of);
}

void corenet_preset(struct corenet *net, node_id id, raft_term term,
                    const raft_term *terms, size_t count, raft_index applied)
{
    struct corenet_node *node = corenet_node(net, id);
    assert(!node->up && node->disk.count == 0);
    node->disk.term = term;
    node->tree = applied;
    for (size_t i = 0; i < count; i++) {
        struct corenet_record record = {.term = terms[i],
                                        .value = 1000 * terms[i] + i + 1};
        see_record(net, id, i + 1, i > 0 ? terms[i - 1] : 0, record);
        image_add(&node->disk, record);
    }
}

void corenet_start(struct corenet *net, node_id id, raft_time now,
                   uint64_t seed)
{
    struct corenet_node *node = corenet_node(net, id);
    assert(!node->up);
    net->boots++;
    struct raft_options options = net->options;
    options.self = id;
    options.boot = net->boots * 0x9e3779b97f4a7c15U;
    options.seed = seed;
    image_copy(&node->memory, &node->disk);
    raft_term *terms = xcalloc(node->disk.count, sizeof(*terms));
    uint32_t *sizes = xcalloc(node->disk.count, sizeof(*sizes));
    for (size_t i = 0; i < node->disk.count; i++) {
        terms[i] = node->disk.records[i].term;
        sizes[i] = RECORD_SIZE;
    }
    struct raft_boot boot = {
        .now = now,
        .term = node->disk.term,
        .vote = node->disk.vote,
        .base_index = node->disk.base_index,
        .base_term = node->disk.base_term,
        .applied = node->tree,
        .count = node->disk.count,
        .terms = terms,
        .sizes = sizes,
        .members = node->tree_config != 0 ? net->configs[node->tree_config]
                                          : net->members,
        .members_index = node->tree_config_index,
        .newcomer = node->disk.rejoining,
    };
    size_t above = node->tree > node->disk.base_index
                       ? (size_t)(node->tree - node->disk.base_index)
                       : 0;
    struct raft_config *configs =
        configs_of(net, node->disk.records + above, node->disk.count - above,
                   node->disk.base_index + above + 1, &boot.config_count);
    boot.configs = configs;
    node->core = raft_new(&options, &boot);
    free(configs);
    node->applied = node->tree;
    node->newest = 0;
    node->newcomer = node->disk.rejoining;
    node->session = 0;
    node->session_open = false;
    node->role = RAFT_FOLLOWER;
    node->term = node->disk.term;
    node->up = true;
    raft_check(node->core);
    free(terms);
    free(sizes);
}

void corenet_crash(struct corenet *net, node_id id, size_t kept)
{
    struct corenet_node *node = corenet_node(net, id);
    assert(node->up);
    ops_to_disk(node, kept < node->op_count ? kept : node->op_count);
    forget_memory(node);
}

/* -- a lost disk -------------------------------------------------------- */

/* Its votes are forgotten, by itself and by us: what may not happen is that two
 * are elected. */
static void forget_votes(struct corenet_truth *t, node_id voter)
{
    for (size_t at = voter - 1; at < t->vote_capacity;
         at += CORENET_NODES_MAX) {
        t->vote_of[at] = 0;
    }
}

static bool has_more(const struct corenet_image *a,
                     const struct corenet_image *b)
{
    raft_term term_a = image_term(a, corenet_last(a));
    raft_term term_b = image_term(b, corenet_last(b));
    return term_a != term_b ? term_a > term_b
                            : corenet_last(a) > corenet_last(b);
}

void corenet_wipe(struct corenet *net, node_id id, bool at_once)
{
    struct corenet_node *node = corenet_node(net, id);
    assert(!node->up);
    if (!node->uncounted && has_more(&node->disk, &node->ghost)) {
        image_copy(&node->ghost, &node->disk);
    }
    struct corenet_image empty = {.rejoining = !at_once};
    image_copy(&node->disk, &empty);
    node->tree = 0;
    node->tree_config = 0;
    node->tree_config_index = 0;
    node->wipes++;
    node->uncounted = !at_once;
    forget_votes(&net->truth, id);
}

uint64_t corenet_session(struct corenet *net, node_id id)
{
    struct corenet_node *node = corenet_node(net, id);
    if (node->session == 0) {
        node->session = UINT64_MAX - net->sessions;
        net->sessions++;
    }
    return node->session;
}

/* Behind the vote, if that was written just before. */
static void write_standing(struct corenet_node *node)
{
    node->ops = grown(node->ops, &node->op_capacity, node->op_count + 1,
                      sizeof(*node->ops));
    struct corenet_op *op = &node->ops[node->op_count];
    node->op_count++;
    *op = (struct corenet_op){.token = node->newest, .joins = true};
    image_perform(&node->memory, op);
}

int corenet_join(struct corenet *net, node_id id, raft_time now)
{
    struct corenet_node *node = corenet_node(net, id);
    if (!node->newcomer || !node->session_open) {
        return -1;
    }
    int rc = corenet_step(
        net, id, (struct raft_event){.type = RAFT_EVENT_JOINED, .now = now});
    if (rc == 0) {
        write_standing(node);
        node->newcomer = false;
        node->uncounted = false;
    }
    return rc;
}
