/* run_scenario.c -- tells Raft's behaviour in plain text, and checks it.
 *
 *   run_scenario FILE        compares the trace with the file; 0: equal
 *   run_scenario -u FILE     writes the file anew with the trace as it is
 *
 * A file has commands, each followed by the lines that it makes the nodes say,
 * marked by "> ". README.md lists the commands. The cores are real, clocks and
 * network and disks obey the file: nothing happens that is not written there.
 */
#include "tests/sim/corenet.h"

#include "raft/core/memory.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

enum {
    QUEUE_MAX = 4096,
    WORDS_MAX = 64,
    LINE_MAX_BYTES = 512,
    LOOPS_MAX = 500
};

/* What `break_if` waits for; the command after it ends where that is true. */
struct condition {
    bool armed, met;
    node_id id;
    const char *what; /* of condition_names */
    uint64_t value;
};

struct stage {
    struct corenet net;
    uint32_t count;
    raft_time now[CORENET_NODES_MAX]; /* each node has a clock of its own */
    bool paused[CORENET_NODES_MAX];
    bool disk_held[CORENET_NODES_MAX];
    bool cut[CORENET_NODES_MAX][CORENET_NODES_MAX]; /* [from][to] */
    struct corenet_packet *queue[QUEUE_MAX];        /* owned */
    size_t queue_count;
    char members[CORENET_NODES_MAX][LINE_MAX_BYTES]; /* as was said last */
    bool messages;       /* trace them, too */
    enum raft_form form; /* of messages */
    struct condition condition;
    FILE *trace;
};

static const char *const role_names[] = {"follower", "precandidate",
                                         "candidate", "leader", "faulted"};
static const char *const condition_names[] = {
    "follower", "precandidate", "candidate", "leader", "faulted",
    "follows",  "term",         "commit",    "last",   "lease"};

/* -- trace -------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void say(struct stage *s,
                                                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("> ", s->trace);
    vfprintf(s->trace, format, args);
    fputc('\n', s->trace);
    va_end(args);
}

static void say_role(struct stage *s, node_id id, const struct raft_effect *e)
{
    switch (e->role) {
    case RAFT_FOLLOWER:
        if (e->leader != 0) {
            say(s, "%" PRIu64 ": follows %" PRIu64 " in term %" PRIu64, id,
                e->leader, e->term);
        } else {
            say(s, "%" PRIu64 ": follower in term %" PRIu64, id, e->term);
        }
        break;
    case RAFT_PRECANDIDATE:
        say(s, "%" PRIu64 ": asks whether it could win", id);
        break;
    case RAFT_CANDIDATE:
        say(s, "%" PRIu64 ": candidate in term %" PRIu64, id, e->term);
        break;
    case RAFT_LEADER:
        say(s, "%" PRIu64 ": leader in term %" PRIu64, id, e->term);
        break;
    case RAFT_FAULTED:
        say(s, "%" PRIu64 ": out of service", id);
        break;
    }
}

static void say_note(struct stage *s, node_id id, const struct raft_effect *e)
{
    switch (e->note) {
    case RAFT_NOTE_LOST_QUORUM:
        say(s, "%" PRIu64 ": lost its majority", id);
        break;
    case RAFT_NOTE_VOTE_REFUSED:
        say(s, "%" PRIu64 ": refuses its vote to %" PRIu64, id, e->peer);
        break;
    case RAFT_NOTE_REMOVED:
        say(s, "%" PRIu64 ": is no member any more", id);
        break;
    case RAFT_NOTE_HANDS_OVER:
        say(s, "%" PRIu64 ": hands over to %" PRIu64, id, e->peer);
        break;
    case RAFT_NOTE_NEEDS_SNAPSHOT:
        say(s, "%" PRIu64 ": %" PRIu64 " needs a snapshot", id, e->peer);
        break;
    default:
        break; /* TRUNCATED stands beside an UNDO, which is said */
    }
}

/* "1 2 3 (4)": in brackets who does not vote. */
static void say_members(struct stage *s, node_id id)
{
    const struct raft_config *config =
        raft_config_latest(corenet_node(&s->net, id)->core);
    char text[LINE_MAX_BYTES] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < config->members.count; i++) {
        const struct raft_member *member = &config->members.list[i];
        used += (size_t)snprintf(text + used, sizeof(text) - used,
                                 member->voter ? " %" PRIu64 : " (%" PRIu64 ")",
                                 member->id);
    }
    snprintf(text + used, sizeof(text) - used, " by record %" PRIu64,
             config->index);
    if (strcmp(text, s->members[id - 1]) != 0) {
        snprintf(s->members[id - 1], sizeof(s->members[0]), "%s", text);
        say(s, "%" PRIu64 ": members are%s", id, text);
    }
}

static void on_effect(void *context, node_id id, const struct raft_effect *e)
{
    struct stage *s = context;
    switch (e->type) {
    case RAFT_DO_ROLE:
        say_role(s, id, e);
        break;
    case RAFT_DO_NOTE:
        say_note(s, id, e);
        break;
    case RAFT_DO_MEMBERS:
        say_members(s, id);
        break;
    case RAFT_DO_COMMIT:
        say(s, "%" PRIu64 ": commits up to %" PRIu64, id, e->index);
        break;
    case RAFT_DO_UNDO:
        say(s, "%" PRIu64 ": undoes %" PRIu64 " down to %" PRIu64, id, e->last,
            e->first);
        break;
    case RAFT_DO_READ_OK:
        say(s, "%" PRIu64 ": read %" PRIu64 " may see index %" PRIu64, id,
            e->read_id, e->index);
        break;
    case RAFT_DO_READ_FAIL:
        say(s, "%" PRIu64 ": read %" PRIu64 " failed", id, e->read_id);
        break;
    case RAFT_DO_FATAL:
        say(s, "%" PRIu64 ": DIVERGED at %" PRIu64 " from %" PRIu64, id,
            e->index, e->peer);
        break;
    default:
        break;
    }
}

static void on_broken(void *context, node_id id, const char *what)
{
    say(context, "%" PRIu64 ": BROKEN %s", id, what);
}

static void on_send(void *context, struct corenet_packet *packet)
{
    struct stage *s = context;
    const struct raft_message *m = &packet->message;
    bool lost = s->cut[m->from - 1][m->to - 1];
    if (s->messages) {
        fputs("> ", s->trace);
        raft_message_print(m, s->form, s->trace);
        fputs(lost ? " (lost)\n" : "\n", s->trace);
    }
    if (lost) {
        corenet_packet_free(packet);
        return;
    }
    assert(s->queue_count < QUEUE_MAX);
    s->queue[s->queue_count] = packet;
    s->queue_count++;
}

/* -- what commands are made of ------------------------------------------ */

static bool is_up(const struct stage *s, node_id id)
{
    return s->net.nodes[id - 1].up;
}

static bool is_met(struct stage *s, const struct condition *c)
{
    struct raft_status status;
    if (!is_up(s, c->id)) {
        return false;
    }
    raft_get_status(corenet_node(&s->net, c->id)->core, s->now[c->id - 1],
                    &status);
    if (strcmp(c->what, "follows") == 0) {
        return status.role == RAFT_FOLLOWER && status.leader == c->value;
    }
    if (strcmp(c->what, "term") == 0) {
        return status.term >= c->value;
    }
    if (strcmp(c->what, "commit") == 0) {
        return status.commit >= c->value;
    }
    if (strcmp(c->what, "last") == 0) {
        return status.last >= c->value;
    }
    if (strcmp(c->what, "lease") == 0) {
        return status.lease_valid;
    }
    return strcmp(c->what, role_names[status.role]) == 0;
}

/* Asked after every event: does the command end here? */
static bool breaks(struct stage *s)
{
    struct condition *c = &s->condition;
    c->met = c->met || (c->armed && is_met(s, c));
    return c->met;
}

static struct corenet_packet *take(struct stage *s, size_t at)
{
    struct corenet_packet *packet = s->queue[at];
    s->queue_count--;
    memmove(&s->queue[at], &s->queue[at + 1],
            (s->queue_count - at) * sizeof(s->queue[0]));
    return packet;
}

/* 0 stands for any node. */
static bool chosen(const struct corenet_packet *packet, node_id from,
                   node_id to)
{
    const struct raft_message *m = &packet->message;
    return (from == 0 || m->from == from) && (to == 0 || m->to == to);
}

/* Only what is under way now, not what the deliveries cause. */
static bool deliver(struct stage *s, node_id from, node_id to)
{
    size_t left = s->queue_count;
    size_t at = 0;
    bool any = false;
    for (; left > 0; left--) {
        const struct raft_message *m = &s->queue[at]->message;
        if (!chosen(s->queue[at], from, to) || s->paused[m->to - 1]) {
            at++;
            continue;
        }
        struct corenet_packet *packet = take(s, at);
        corenet_deliver(&s->net, packet, s->now[packet->message.to - 1]);
        corenet_packet_free(packet);
        any = true;
        if (breaks(s)) {
            break;
        }
    }
    return any;
}

static void drop(struct stage *s, node_id from, node_id to)
{
    size_t at = 0;
    while (at < s->queue_count) {
        if (chosen(s->queue[at], from, to)) {
            corenet_packet_free(take(s, at));
        } else {
            at++;
        }
    }
}

static bool sync_node(struct stage *s, node_id id)
{
    raft_token token = corenet_unsynced(&s->net, id);
    if (!is_up(s, id) || token == 0) {
        return false;
    }
    corenet_sync(&s->net, id, s->now[id - 1], token);
    return true;
}

static bool sync_all(struct stage *s)
{
    bool any = false;
    for (node_id id = 1; id <= s->count && !breaks(s); id++) {
        if (!s->disk_held[id - 1] && !s->paused[id - 1]) {
            any = sync_node(s, id) || any;
        }
    }
    return any;
}

/* Disks and network work until nothing is left to do. */
static void settle(struct stage *s)
{
    for (int i = 0; i < LOOPS_MAX; i++) {
        bool any = sync_all(s);
        if (breaks(s)) {
            return;
        }
        any = deliver(s, 0, 0) || any;
        if (!any || breaks(s)) {
            return;
        }
    }
    say(s, "BROKEN it never settles");
}

static void fire(struct stage *s, node_id id)
{
    corenet_step(
        &s->net, id,
        (struct raft_event){.type = RAFT_EVENT_TIME, .now = s->now[id - 1]});
}

static void pass_time(struct stage *s, uint64_t us)
{
    for (uint32_t i = 0; i < s->count; i++) {
        s->now[i] += us;
    }
}

/* Ordinary life: a millisecond at a time, everything arrives within it. */
static void run_for(struct stage *s, uint64_t ms)
{
    for (uint64_t i = 0; i < ms && !breaks(s); i++) {
        pass_time(s, 1000);
        for (node_id id = 1; id <= s->count && !breaks(s); id++) {
            if (is_up(s, id) && !s->paused[id - 1] &&
                raft_deadline(s->net.nodes[id - 1].core) <= s->now[id - 1]) {
                fire(s, id);
            }
        }
        if (!breaks(s)) {
            settle(s);
        }
    }
}

static void show(struct stage *s)
{
    for (node_id id = 1; id <= s->count; id++) {
        const struct corenet_node *node = corenet_node(&s->net, id);
        if (!node->up) {
            say(s, "%" PRIu64 ": down", id);
            continue;
        }
        struct raft_status status;
        raft_get_status(node->core, s->now[id - 1], &status);
        fprintf(s->trace,
                "> %" PRIu64 ": %s term=%" PRIu64 " commit=%" PRIu64 " log=",
                id, role_names[status.role], status.term, status.commit);
        for (raft_index i = status.first; i <= status.last; i++) {
            fprintf(s->trace, "%s%" PRIu64, i > status.first ? "," : "",
                    corenet_at(&node->memory, i)->term);
        }
        fputs(status.lease_valid ? " lease" : "", s->trace);
        fputs(status.newcomer ? " newcomer\n" : "\n", s->trace);
    }
}

/* -- commands ----------------------------------------------------------- */

struct words {
    char text[LINE_MAX_BYTES];
    char *list[WORDS_MAX];
    size_t count;
};

static void split(struct words *words, const char *line)
{
    words->count = 0;
    snprintf(words->text, sizeof(words->text), "%s", line);
    char *save = NULL;
    char *word = strtok_r(words->text, " \t\n", &save);
    while (word != NULL && word[0] != '#' && words->count < WORDS_MAX) {
        words->list[words->count] = word;
        words->count++;
        word = strtok_r(NULL, " \t\n", &save);
    }
}

static uint64_t number(const struct words *w, size_t at)
{
    return at < w->count ? strtoull(w->list[at], NULL, 10) : 0;
}

/* "all", or a node. */
static bool meant(const struct words *w, node_id id)
{
    return strcmp(w->list[1], "all") == 0 || number(w, 1) == id;
}

static void command_log(struct stage *s, const struct words *w)
{
    raft_term terms[WORDS_MAX];
    size_t count = 0;
    raft_index applied = number(w, 5);
    for (size_t i = 6; i < w->count; i++) {
        terms[count] = number(w, i);
        count++;
    }
    corenet_preset(&s->net, number(w, 1), number(w, 3), terms, count, applied);
}

static void command_cut(struct stage *s, const struct words *w)
{
    node_id a = number(w, 1);
    node_id b = number(w, 2);
    for (node_id other = 1; other <= s->count; other++) {
        if (b == 0 && other != a) {
            s->cut[a - 1][other - 1] = true;
            s->cut[other - 1][a - 1] = true;
        }
    }
    if (b != 0) {
        s->cut[a - 1][b - 1] = true;
    }
}

static void command_start(struct stage *s, const struct words *w)
{
    for (node_id id = 1; id <= s->count; id++) {
        if (meant(w, id)) {
            corenet_start(&s->net, id, s->now[id - 1], id);
        }
    }
}

static void command_timeout(struct stage *s, node_id id)
{
    raft_time due = raft_deadline(corenet_node(&s->net, id)->core);
    assert(due != UINT64_MAX);
    if (s->now[id - 1] < due) {
        s->now[id - 1] = due;
    }
    fire(s, id);
}

static void event(struct stage *s, node_id id, struct raft_event e)
{
    e.now = s->now[id - 1];
    if (corenet_step(&s->net, id, e) < 0) {
        say(s, "%" PRIu64 ": refuses", id);
    }
}

static node_id followed(const struct stage *s, node_id id)
{
    struct raft_status status;
    raft_get_status(s->net.nodes[id - 1].core, s->now[id - 1], &status);
    return status.leader;
}

/* The record that opens its session arrives at whom it follows. */
static void command_session(struct stage *s, node_id id)
{
    node_id leader = followed(s, id);
    if (leader == 0 || !is_up(s, leader) ||
        corenet_submit(&s->net, leader, s->now[leader - 1],
                       corenet_session(&s->net, id)) < 0) {
        say(s, "%" PRIu64 ": nobody takes the record of its session", id);
    }
}

static void command_join(struct stage *s, node_id id)
{
    bool joins = corenet_join(&s->net, id, s->now[id - 1]) == 0;
    say(s, joins ? "%" PRIu64 ": counts" : "%" PRIu64 ": may not count yet",
        id);
}

static void command_wipe(struct stage *s, node_id id)
{
    if (is_up(s, id)) {
        corenet_crash(&s->net, id, 0);
    }
    corenet_wipe(&s->net, id, s->count == 2);
    s->members[id - 1][0] = '\0';
}

/* break_if N CONDITION [VALUE] */
static bool command_break_if(struct stage *s, const struct words *w)
{
    struct condition c = {
        .armed = true, .id = number(w, 1), .value = number(w, 3)};
    for (size_t i = 0; i < sizeof(condition_names) / sizeof(char *); i++) {
        if (w->count > 2 && strcmp(w->list[2], condition_names[i]) == 0) {
            c.what = condition_names[i];
        }
    }
    if (c.what == NULL || c.id == 0 || c.id > s->count) {
        return false;
    }
    c.armed = !is_met(s, &c);
    if (!c.armed) {
        say(s, "%" PRIu64 ": BROKEN it is so already", c.id);
    }
    s->condition = c;
    return true;
}

/* A command that went to its end has missed what it was to stop at. */
static void end_break(struct stage *s)
{
    if (s->condition.armed && !breaks(s)) {
        say(s, "%" PRIu64 ": BROKEN it did not come to that", s->condition.id);
    }
    s->condition = (struct condition){.armed = false};
}

/* add N ID [learner], promote N ID, remove N ID [force], priority N ID P. */
static bool change_command(struct stage *s, const struct words *w)
{
    static const struct {
        const char *verb;
        enum raft_change_op op;
    } verbs[] = {{"add", RAFT_CHANGE_ADD},
                 {"promote", RAFT_CHANGE_PROMOTE},
                 {"remove", RAFT_CHANGE_REMOVE},
                 {"priority", RAFT_CHANGE_PRIORITY}};
    static const char *const results[RAFT_CHANGE_RESULTS_END] = {
        [RAFT_CHANGE_SAME] = "it is so",
        [RAFT_CHANGE_NOT_LEADER] = "it does not lead",
        [RAFT_CHANGE_BUSY] = "it has just begun to lead, or hands over",
        [RAFT_CHANGE_PENDING] = "another change is not committed",
        [RAFT_CHANGE_UNKNOWN] = "there is no such member",
        [RAFT_CHANGE_FEWER] = "too few would be left",
        [RAFT_CHANGE_LAST] = "nobody would be left",
    };
    const char *last = w->count > 3 ? w->list[3] : "";
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(w->list[0], verbs[i].verb) != 0) {
            continue;
        }
        struct raft_change change = {
            .op = verbs[i].op,
            .force = strcmp(last, "force") == 0,
            .member = {.id = number(w, 2),
                       .joining = strcmp(last, "learner") != 0,
                       .priority = (uint8_t)number(w, 3)}};
        node_id id = number(w, 1);
        int rc = corenet_change(&s->net, id, s->now[id - 1], change);
        if (rc != RAFT_CHANGE_OK) {
            say(s, "%" PRIu64 ": refuses, %s", id, results[rc]);
        }
        return true;
    }
    return false;
}

static bool node_command(struct stage *s, const struct words *w)
{
    const char *verb = w->list[0];
    node_id id = number(w, 1);
    if (strcmp(verb, "timeout") == 0) {
        command_timeout(s, id);
    } else if (strcmp(verb, "submit") == 0) {
        if (corenet_submit(&s->net, id, s->now[id - 1], number(w, 2)) < 0) {
            say(s, "%" PRIu64 ": refuses", id);
        }
    } else if (strcmp(verb, "read") == 0) {
        event(s, id,
              (struct raft_event){.type = RAFT_EVENT_READ,
                                  .read_id = number(w, 2)});
    } else if (strcmp(verb, "transfer") == 0) {
        event(s, id,
              (struct raft_event){.type = RAFT_EVENT_TRANSFER,
                                  .target = number(w, 2)});
    } else if (strcmp(verb, "fault") == 0) {
        event(s, id, (struct raft_event){.type = RAFT_EVENT_FAULT});
    } else if (strcmp(verb, "crash") == 0) {
        corenet_crash(&s->net, id, 0);
    } else if (strcmp(verb, "wipe") == 0) {
        command_wipe(s, id);
    } else if (strcmp(verb, "session") == 0) {
        command_session(s, id);
    } else if (strcmp(verb, "join") == 0) {
        command_join(s, id);
    } else if (strcmp(verb, "checkpoint") == 0) {
        corenet_checkpoint(&s->net, id, s->now[id - 1]);
    } else if (strcmp(verb, "compact") == 0) {
        corenet_compact(&s->net, id, s->now[id - 1], number(w, 2));
    } else if (strcmp(verb, "pause") == 0) {
        s->paused[id - 1] = true;
    } else if (strcmp(verb, "resume") == 0) {
        s->paused[id - 1] = false;
    } else if (strcmp(verb, "hold-disk") == 0) {
        s->disk_held[id - 1] = true;
    } else if (strcmp(verb, "free-disk") == 0) {
        s->disk_held[id - 1] = false;
    } else if (strcmp(verb, "sync") == 0) {
        sync_node(s, id);
    } else {
        return change_command(s, w);
    }
    return true;
}

/* nodes N [learners L] [outside K] */
static void init_stage(struct stage *s, const struct words *w)
{
    uint32_t learners = 0, outside = 0;
    for (size_t i = 2; i + 1 < w->count; i += 2) {
        bool is_outside = strcmp(w->list[i], "outside") == 0;
        *(is_outside ? &outside : &learners) = (uint32_t)number(w, i + 1);
    }
    s->count = (uint32_t)number(w, 1);
    corenet_init(&s->net, s->count, learners, outside);
    s->net.context = s;
    s->net.send = on_send;
    s->net.broken = on_broken;
    s->net.effect = on_effect;
    pass_time(s, 1000000);
}

static bool world_command(struct stage *s, const struct words *w)
{
    const char *verb = w->list[0];
    if (strcmp(verb, "nodes") == 0) {
        init_stage(s, w);
    } else if (strcmp(verb, "floor") == 0) {
        s->net.members.min_voters = (uint32_t)number(w, 1);
    } else if (strcmp(verb, "lease") == 0) {
        s->net.options.lease_us = (uint32_t)number(w, 1) * 1000;
    } else if (strcmp(verb, "leases") == 0) {
        s->net.options.lease_ask = strcmp(w->list[1], "on") == 0;
    } else if (strcmp(verb, "batch") == 0) {
        s->net.options.append_records_max = (uint32_t)number(w, 1);
    } else if (strcmp(verb, "log") == 0) {
        command_log(s, w);
    } else if (strcmp(verb, "start") == 0) {
        command_start(s, w);
    } else if (strcmp(verb, "deliver") == 0) {
        deliver(s, number(w, 1), number(w, 2));
    } else if (strcmp(verb, "drop") == 0) {
        drop(s, number(w, 1), number(w, 2));
    } else if (strcmp(verb, "settle") == 0) {
        settle(s);
    } else if (strcmp(verb, "run") == 0) {
        run_for(s, number(w, 1));
    } else if (strcmp(verb, "pass") == 0) {
        pass_time(s, number(w, 1) * 1000);
    } else if (strcmp(verb, "cut") == 0) {
        command_cut(s, w);
    } else if (strcmp(verb, "heal") == 0) {
        memset(s->cut, 0, sizeof(s->cut));
    } else if (strcmp(verb, "show") == 0) {
        show(s);
    } else if (strcmp(verb, "messages") == 0) {
        s->messages = strcmp(w->list[1], "off") != 0;
        s->form = strcmp(w->list[1], "long") == 0 ? RAFT_LONG : RAFT_SHORT;
    } else {
        return node_command(s, w);
    }
    return true;
}

/* -- the file ----------------------------------------------------------- */

static char *read_all(FILE *file)
{
    size_t size = 0;
    size_t capacity = 4096;
    char *text = xmalloc(capacity);
    size_t got;
    while ((got = fread(text + size, 1, capacity - size - 1, file)) > 0) {
        size += got;
        if (capacity - size < 2) {
            capacity *= 2;
            text = xrealloc(text, capacity);
        }
    }
    text[size] = '\0';
    return text;
}

/* The file with the expected lines replaced by what happened. */
static int perform(struct stage *s, const char *text)
{
    struct words words;
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        char line[LINE_MAX_BYTES];
        if (length >= sizeof(line)) {
            fprintf(stderr, "a line is too long\n");
            return -1;
        }
        memcpy(line, text, length);
        line[length] = '\0';
        text += length + (text[length] == '\n');
        if (line[0] == '>') {
            continue;
        }
        fprintf(s->trace, "%s\n", line);
        split(&words, line);
        if (words.count == 0) {
            continue;
        }
        bool known = true;
        if (strcmp(words.list[0], "break_if") == 0) {
            known = command_break_if(s, &words);
        } else {
            known = world_command(s, &words);
            end_break(s);
        }
        if (!known) {
            fprintf(stderr, "unknown command: %s\n", line);
            return -1;
        }
    }
    return 0;
}

static int compare(const char *path, const char *expected, const char *actual)
{
    int line = 1;
    while (*expected != '\0' || *actual != '\0') {
        size_t a = strcspn(expected, "\n");
        size_t b = strcspn(actual, "\n");
        if (a != b || memcmp(expected, actual, a) != 0) {
            fprintf(stderr, "%s:%d\n  expected: %.*s\n  happened: %.*s\n", path,
                    line, (int)a, expected, (int)b, actual);
            return -1;
        }
        expected += a + (expected[a] == '\n');
        actual += b + (actual[b] == '\n');
        line++;
    }
    return 0;
}

static int write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        perror(path);
        return -1;
    }
    fputs(text, file);
    return fclose(file);
}

int main(int argc, char **argv)
{
    bool update = argc == 3 && strcmp(argv[1], "-u") == 0;
    if (argc != 2 && !update) {
        fprintf(stderr, "usage: run_scenario [-u] FILE\n");
        return 2;
    }
    const char *path = argv[argc - 1];
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        return 2;
    }
    char *expected = read_all(file);
    fclose(file);
    static struct stage stage;
    char *actual = NULL;
    size_t size = 0;
    stage.trace = open_memstream(&actual, &size);
    int rc = perform(&stage, expected);
    fclose(stage.trace);
    if (rc == 0) {
        rc =
            update ? write_file(path, actual) : compare(path, expected, actual);
    }
    drop(&stage, 0, 0);
    corenet_release(&stage.net);
    free(actual);
    free(expected);
    return rc == 0 ? 0 : 1;
}
