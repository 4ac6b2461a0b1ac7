#include "raft/hull/news.h"

#include "raft/core/member.h"

#include <assert.h>

static struct news_peer *peer_of(struct news *news, node_id id)
{
    for (uint32_t i = 0; i < news->count; i++) {
        if (news->peers[i].id == id) {
            return &news->peers[i];
        }
    }
    assert(news->count < RAFT_PEERS_MAX);
    struct news_peer *peer = &news->peers[news->count++];
    *peer = (struct news_peer){.id = id};
    return peer;
}

void news_clear(struct news *news)
{
    news->count = 0;
}

void news_keep(struct news *news, const struct raft_members *members)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < news->count; i++) {
        if (member_find(members, news->peers[i].id) != NULL) {
            news->peers[kept] = news->peers[i];
            kept++;
        }
    }
    news->count = kept;
}

void news_asked(struct news *news, node_id origin, raft_index index)
{
    struct news_peer *peer = peer_of(news, origin);
    if (index > peer->asked) {
        peer->asked = index;
    }
}

static void sent(struct news_peer *peer, raft_index commit)
{
    if (commit > peer->told) {
        peer->told = commit;
    }
    if (peer->waits && peer->message.commit <= peer->told) {
        peer->waits = false;
    }
}

bool news_may_leave(struct news *news, raft_time now,
                    const struct raft_message *message)
{
    assert(message->type == RAFT_APPEND);
    struct news_peer *peer = peer_of(news, message->to);
    bool only_news = message->count == 0 && message->sent == 0;
    if (!only_news || peer->asked > peer->told) {
        sent(peer, message->commit);
        return true;
    }
    if (!peer->waits) {
        peer->waits = true;
        peer->since = now;
    }
    peer->message = *message;
    return false;
}

static void take(struct news_peer *peer, struct raft_message *out)
{
    *out = peer->message;
    sent(peer, out->commit);
}

bool news_take(struct news *news, node_id id, raft_index index,
               struct raft_message *out)
{
    struct news_peer *peer = peer_of(news, id);
    if (!peer->waits || peer->told >= index) {
        return false;
    }
    take(peer, out);
    return true;
}

bool news_take_late(struct news *news, raft_time now, struct raft_message *out)
{
    for (uint32_t i = 0; i < news->count; i++) {
        struct news_peer *peer = &news->peers[i];
        if (peer->waits && now >= peer->since + NEWS_DELAY_US) {
            take(peer, out);
            return true;
        }
    }
    return false;
}

raft_time news_deadline(const struct news *news)
{
    raft_time deadline = UINT64_MAX;
    for (uint32_t i = 0; i < news->count; i++) {
        const struct news_peer *peer = &news->peers[i];
        if (peer->waits && peer->since + NEWS_DELAY_US < deadline) {
            deadline = peer->since + NEWS_DELAY_US;
        }
    }
    return deadline;
}
