/* news.h -- which peers are told at once that the commit index has grown.
 *
 * A follower must learn it at once when a caller of its own waits for a record,
 * or when it has a read index that it has not reached yet. The others can learn
 * it from the next APPEND: a message less for each operation and each follower,
 * and a wake-up less of a thread that has nothing to answer. But not later than
 * NEWS_DELAY_US, for the sake of those who watch it (locks that are waited for,
 * reads=local).
 *
 * A message that only tells a commit index may be lost without harm, so holding
 * it back cannot be wrong, only slow.
 *
 * Thread: loop.
 */
#ifndef RAFT_HULL_NEWS_H
#define RAFT_HULL_NEWS_H

#include "raft/core/message.h"

enum { NEWS_DELAY_US = 2000 };

struct news_peer {
    node_id id;
    raft_index told;  /* largest commit index that was sent */
    raft_index asked; /* last record in our log that it forwarded */
    bool waits;
    raft_time since; /* it waits */
    struct raft_message message;
};

struct news {
    uint32_t count;
    struct news_peer peers[RAFT_PEERS_MAX];
};

/* Another term: whatever was held back is the past. */
void news_clear(struct news *news);
/* Forgets all who are not members. */
void news_keep(struct news *news, const struct raft_members *members);
/* A record that `origin` forwarded is in our log at index. */
void news_asked(struct news *news, node_id origin, raft_index index);
/* About to send an APPEND. False: it only tells a commit index and is held
 * back; it was copied. */
bool news_may_leave(struct news *news, raft_time now,
                    const struct raft_message *message);
/* What was held back for peer, if it tells of `index`; false: nothing. It counts
 * as sent. */
bool news_take(struct news *news, node_id peer, raft_index index,
               struct raft_message *out);
/* One that has waited long enough at `now`; false: none. */
bool news_take_late(struct news *news, raft_time now,
                    struct raft_message *out);
/* When the next one has waited long enough; UINT64_MAX: none waits. */
raft_time news_deadline(const struct news *news);

#endif
