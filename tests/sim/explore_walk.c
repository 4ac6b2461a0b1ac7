/* explore_walk.c -- random ways through what three cores can do, with lost disks. */
#include "tests/sim/explore.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

static uint64_t dice;

/* splitmix64 */
static uint32_t below(uint32_t limit)
{
    dice += 0x9e3779b97f4a7c15u;
    uint64_t z = dice;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) % limit);
}

static bool one_is_lost(void)
{
    bool lost = false;
    for (uint32_t i = 0; i < NODES; i++) {
        lost = lost || s.nodes[i].disk.rejoining;
    }
    return lost;
}

/* The disk that had most: what it acknowledged may still be counted. */
static void keep_ghost(struct place *place)
{
    struct image *ghost = &place->ghost;
    raft_term term = ghost->terms[ghost->last];
    raft_term newer = place->disk.terms[place->disk.last];
    if (!place->uncounted &&
        (newer > term || (newer == term && place->disk.last > ghost->last))) {
        *ghost = place->disk;
    }
}

static void wipe(uint32_t node)
{
    struct place *place = &s.nodes[node];
    if (s.wipes == 0 || (one_is_lost() && !place->disk.rejoining)) {
        return;
    }
    s.wipes--;
    keep_ghost(place);
    place->disk = (struct image){.rejoining = true};
    place->wipes++;
    place->uncounted = true;
    place->voted_term = 0;
    place->voted = 0;
    start(node);
}

static bool may_join(const struct place *place)
{
    if (too_early) {
        return place->commit >= s.committed_last;
    }
    return place->session != 0 && place->commit >= place->session &&
           place->terms[place->session] == place->session_term;
}

static void write_standing(struct place *place)
{
    raft_token token = place->core->writes.issued;
    assert(place->op_count < OPS);
    place->ops[place->op_count++] = (struct op){.token = token, .joins = true};
}

/* It counts, or asks whom it follows for the record that it needs. */
static void try_session(uint32_t node)
{
    struct place *place = &s.nodes[node];
    struct raft_event joined = {.type = RAFT_EVENT_JOINED};
    if (!place->newcomer) {
        return;
    }
    if (may_join(place)) {
        if (step(node, &joined, NULL) == 0) {
            write_standing(place);
            place->newcomer = place->uncounted = false;
        }
        return;
    }
    node_id leader = place->core->leader;
    if (leader != 0 && s.nodes[leader - 1].core->role == RAFT_LEADER &&
        place->session == 0 && s.submits > 0) {
        submit((uint32_t)leader - 1);
        place->session = s.nodes[leader - 1].last;
        place->session_term = s.nodes[leader - 1].core->term;
    }
}

/* A leader goes on while it is heard; the others lose patience. */
static void time_passes(uint32_t node)
{
    struct raft_event event = {.type = RAFT_EVENT_TIME};
    if (s.nodes[node].core->role == RAFT_LEADER) {
        s.now[node] += 100 * 1000;
    } else if (s.timeouts > 0 &&
               (s.nodes[node].core->role != RAFT_CANDIDATE || below(16) == 0)) {
        s.timeouts--;
        s.now[node] += LONG;
    } else {
        return;
    }
    step(node, &event, NULL);
}

/* Some wait long. */
static bool is_lazy(const struct raft_message *m)
{
    return m->type == s.lazy_type || s.lazy[m->from - 1][m->to - 1];
}

static void packet_happens(uint32_t kind)
{
    if (s.packet_count == 0) {
        return;
    }
    uint32_t at = below(s.packet_count);
    if (is_lazy(&s.packets[at].message) && below(32) > 0) {
        return;
    }
    if (kind == 0) {
        s.packets[at] = s.packets[--s.packet_count]; /* is lost */
    } else if (kind == 1 && s.packet_count < PACKETS - PACKETS_ROOM) {
        s.packets[s.packet_count++] = s.packets[at]; /* comes twice */
    } else {
        arrive(at);
    }
}

/* Somebody whose vote is under way, or this one. */
static uint32_t who_promised(uint32_t node)
{
    for (uint32_t i = 0; i < s.packet_count; i++) {
        const struct raft_message *m = &s.packets[i].message;
        const struct raft *asker = s.nodes[m->to - 1].core;
        if (m->type == RAFT_VOTE_REPLY && m->granted &&
            asker->role == RAFT_CANDIDATE && asker->term == m->term) {
            return (uint32_t)m->from - 1;
        }
    }
    return node;
}

static void something_happens(void)
{
    uint32_t node = below(NODES);
    struct place *place = &s.nodes[node];
    uint32_t what = below(100);
    if (what < 55) {
        packet_happens(below(16));
    } else if (what < 75) {
        if (place->op_count > 0) {
            disk_done(node);
        }
    } else if (what < 82) {
        time_passes(node);
    } else if (what < 84) {
        s.now[node] += LONG; /* it would vote */
    } else if (what < 88) {
        if (place->core->role == RAFT_LEADER && s.submits > 0) {
            submit(node);
        }
    } else if (what < 89) {
        if (s.crashes > 0) {
            crash(node, below(place->op_count + 1));
        }
    } else if (what < 91) {
        wipe(below(4) == 0 ? node : who_promised(node));
    } else {
        try_session(node);
    }
}

/* Makes room; false: log or terms are full. */
static bool goes_on(void)
{
    bool room = true;
    while (s.packet_count > PACKETS - PACKETS_ROOM) {
        uint32_t at = below(s.packet_count);
        s.packets[at] = s.packets[--s.packet_count];
    }
    for (uint32_t i = 0; i < NODES; i++) {
        struct place *place = &s.nodes[i];
        while (place->op_count > OPS - OPS_ROOM) {
            disk_done(i);
        }
        room = room && place->last + 3 < LOG && place->core->term + 3 < TERMS;
    }
    return room && s.arena_used < ARENA / 2;
}

static void walk(void)
{
    s = (struct state){
        .timeouts = 8, .submits = 6, .crashes = 2, .wipes = 1 + below(3)};
    s.lazy_type = below(2) == 0 ? RAFT_VOTE_REPLY : RAFT_VOTE;
    if (below(4) == 0) {
        s.lazy_type = RAFT_APPEND_REPLY;
    }
    for (uint32_t i = 0; i < NODES * NODES && below(4) > 0; i++) {
        s.lazy[i / NODES][i % NODES] = below(2) == 0;
    }
    for (uint32_t i = 0; i < NODES; i++) {
        s.now[i] = 10 * (raft_time)LONG;
        start(i);
    }
    for (uint32_t i = 0; i < STEPS && goes_on(); i++) {
        something_happens();
        states++;
    }
}

void walk_all(uint64_t first, uint64_t seeds)
{
    uint64_t joined = 0, committed = 0;
    for (seed = first; seed < first + seeds; seed++) {
        dice = seed;
        walk();
        committed += s.committed_last;
        for (uint32_t i = 0; i < NODES; i++) {
            joined += s.nodes[i].wipes > 0 && !s.nodes[i].uncounted;
        }
    }
    printf("seeds=%" PRIu64 " steps=%" PRIu64 " committed=%" PRIu64
           " lost-and-counting=%" PRIu64 "\n",
           seeds, states, committed, joined);
    fflush(stdout);
}
