/* check.c -- what is true of the state between any two steps. */
#include "raft/core/raft_int.h"

#include "raft/core/limits.h"

#include <stdio.h>
#include <stdlib.h>

/* How much of the log is looked at each time: all of it would make a check as
 * slow as the log is long. */
enum { TERMS_CHECKED_MAX = 32 };

static void broken(const struct raft *r, const char *what)
{
    fprintf(stderr, "raft_check: %s\n  ", what);
    raft_print(r, stderr);
    fputc('\n', stderr);
    abort();
}

#define CHECK(r, condition, sentence)                                          \
    do {                                                                       \
        if (!(condition)) {                                                    \
            broken(r, sentence);                                               \
        }                                                                      \
    } while (0)

static void check_log(const struct raft *r)
{
    raft_index last = tail_last_index(&r->tail);
    CHECK(r, tail_last_term(&r->tail) <= r->term,
          "no record is of a later term than ours");
    CHECK(r, r->tail.base_index <= r->applied,
          "only applied records are compacted");
    CHECK(r, r->applied <= r->told, "only committed records are applied");
    CHECK(r, r->told <= r->commit, "the hull knows no more than we do");
    CHECK(r, r->commit <= last, "what is committed is in the log");
    CHECK(r, r->told <= r->writes.durable_index,
          "what the hull may apply is on our disk");
    CHECK(r, r->writes.durable_index <= last, "what is durable is in the log");
    CHECK(r, r->tail.start + r->tail.count <= r->tail.capacity,
          "the tail fits its arrays");
    raft_index low = r->tail.base_index;
    if (last - low > TERMS_CHECKED_MAX) {
        low = last - TERMS_CHECKED_MAX;
    }
    for (raft_index i = last; i > low; i--) {
        CHECK(r, tail_term(&r->tail, i) >= tail_term(&r->tail, i - 1),
              "terms do not decrease along the log");
    }
}

static void check_writes(const struct raft *r)
{
    const struct writes *w = &r->writes;
    CHECK(r, w->durable <= w->issued, "only issued writes become durable");
    CHECK(r, r->term_token <= w->issued, "the term's write was issued");
    raft_index last = w->durable_index;
    raft_token token = w->durable;
    for (size_t i = 0; i < w->count; i++) {
        const struct write *write = &w->ring[(w->head + i) % w->capacity];
        CHECK(r, write->token > token, "writes wait in order of tokens");
        CHECK(r, write->last >= last, "waiting writes cover ever more records");
        token = write->token;
        last = write->last;
    }
    CHECK(r, last == tail_last_index(&r->tail) || w->count == 0,
          "the newest write covers the whole log");
    CHECK(r, w->count > 0 || w->durable_index == tail_last_index(&r->tail),
          "without waiting writes the whole log is durable");
}

static void check_role(const struct raft *r)
{
    CHECK(r, r->leader != r->options.self || r->role == RAFT_LEADER,
          "only a leader follows itself");
    CHECK(r, r->role != RAFT_LEADER || r->leader == r->options.self,
          "a leader knows who leads");
    CHECK(r,
          (r->role != RAFT_LEADER && r->role != RAFT_CANDIDATE) ||
              r->vote == r->options.self,
          "who leads or runs has its own vote");
    CHECK(r, r->role != RAFT_LEADER || r->term_token <= r->writes.durable,
          "a leader's term is durable");
    CHECK(r,
          (r->role != RAFT_PRECANDIDATE && r->role != RAFT_CANDIDATE) ||
              r->leader == 0,
          "who runs knows no leader");
    CHECK(r,
          r->role == RAFT_LEADER || r->role == RAFT_FOLLOWER ||
              r->role == RAFT_FAULTED || config_may_run(r),
          "only voters run");
    CHECK(r, r->role == RAFT_LEADER || r->transfer_to == 0,
          "only a leader hands over");
    CHECK(r, r->sticky_from <= r->now, "nothing was heard in the future");
}

/* Two majorities in a row have a node in common; what is older than the log may
 * be anything. */
static void check_configs(const struct raft *r)
{
    const struct configs *c = &r->configs;
    for (size_t i = 1; i < c->count; i++) {
        const struct raft_config *a = &c->list[i - 1];
        const struct raft_config *b = &c->list[i];
        CHECK(r, a->index < b->index, "configurations stand in order");
        CHECK(r, b->index <= tail_last_index(&r->tail),
              "a configuration in force is in the log");
        CHECK(r, i == 1 || a->index > r->commit,
              "only the oldest configuration is committed");
        CHECK(r,
              a->index == 0 || member_lists_adjacent(&a->members, &b->members),
              "one voter comes or goes at a time");
    }
    CHECK(r, r->voters == member_voters(&configs_latest(c)->members),
          "the latest configuration is in force");
    CHECK(r,
          r->self_voter == member_is_voter(&configs_latest(c)->members,
                                           r->options.self),
          "we vote when the latest configuration says so");
    uint32_t voters = r->self_voter ? 1 : 0;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        const struct peer *peer = &r->peers[i];
        voters += peer->voter ? 1 : 0;
        CHECK(r, !peer->leaving || !peer->voter, "who leaves does not vote");
    }
    CHECK(r, voters == r->voters, "the peers are those of the configuration");
}

static void check_reads(const struct raft *r)
{
    CHECK(r, r->role == RAFT_LEADER || r->reads.count == 0,
          "only at a leader reads wait for confirmation");
    CHECK(r, r->leader != 0 || r->asked.count == 0,
          "without a leader no read waits for one");
    CHECK(r, r->reads.count <= RAFT_READS_MAX, "the read table is bounded");
    raft_time before = 0;
    struct read_waiting *read;
    for (uint32_t i = 0; (read = read_queue_get(&r->reads, i)) != NULL; i++) {
        CHECK(r, read->arrived > before, "reads wait in order of arrival");
        CHECK(r, read->index <= r->commit, "a read index is committed");
        before = read->arrived;
    }
}

static void check_window(const struct raft *r, const struct peer *peer)
{
    const struct window *w = &peer->window;
    uint64_t bytes = 0;
    raft_index last = peer->match;
    for (uint32_t i = 0; i < w->count; i++) {
        const struct flight *f = &w->ring[(w->head + i) % w->appends_max];
        CHECK(r, f->last > last, "the window holds unacknowledged records");
        last = f->last;
        bytes += f->bytes;
    }
    CHECK(r, bytes == w->bytes, "the window counts its bytes");
    CHECK(r, w->count == 0 || last == peer->next - 1,
          "the window ends where the next APPEND starts");
}

static void check_peer(const struct raft *r, const struct peer *peer)
{
    raft_index last = tail_last_index(&r->tail);
    CHECK(r, peer->match <= last, "a peer matches no more than we have");
    CHECK(r, peer->next > peer->match, "what matches is not sent again");
    CHECK(r, peer->next <= last + 1, "what is sent exists");
    CHECK(r, peer->told <= r->commit, "a peer was told no more than we know");
    CHECK(r, peer->acked <= r->now, "no answer comes from the future");
    CHECK(r, peer->state == RAFT_REPLICATE || peer->window.count == 0,
          "only replication has a window");
    CHECK(r, peer->state == RAFT_SNAPSHOT || peer->next > r->tail.base_index,
          "the next record to send was not compacted");
    check_window(r, peer);
}

static void check_leader(const struct raft *r)
{
    CHECK(r,
          tail_term(&r->tail, r->term_start) == r->term ||
              r->term_start <= r->tail.base_index,
          "a leader's log has the start of its term");
    CHECK(r, tail_last_term(&r->tail) == r->term,
          "a leader's last record is of its term");
    for (uint32_t i = 0; i < r->peer_count; i++) {
        check_peer(r, &r->peers[i]);
    }
}

void raft_check(const struct raft *r)
{
    CHECK(r, r->now >= r->clock, "our time is not behind the clock");
    CHECK(r, r->vote == 0 || r->term > 0, "votes are cast in a term");
    check_log(r);
    check_writes(r);
    check_role(r);
    check_configs(r);
    check_reads(r);
    if (r->role == RAFT_LEADER) {
        check_leader(r);
    }
}
