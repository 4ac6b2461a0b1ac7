/* install.c -- the tree has come as a snapshot: the log begins behind it.
 *
 * What the snapshot holds is committed, so our own records up to there are of no
 * more use. Records behind it stay only if ours at its index is of its term:
 * else they follow another past, and a log that kept the record at the base
 * would refuse the leader's next one for ever.
 */
#include "raft/core/raft_int.h"

#include <assert.h>

void install_done(struct raft *r, const struct raft_event *event)
{
    raft_index index = event->index;
    raft_term term = event->term;
    assert(r->role != RAFT_LEADER);
    assert(index > r->applied && term > 0);
    bool keeps = tail_term(&r->tail, index) == term;
    if (keeps) {
        tail_compact(&r->tail, index);
    } else {
        assert(index > r->commit);
        tail_release(&r->tail);
        tail_init(&r->tail, index, term);
    }
    writes_reset(&r->writes, index, !keeps);
    if (r->commit < index) {
        r->commit = index;
    }
    if (r->told < index) {
        r->told = index;
    }
    r->applied = index;
    config_install(r, event->configs, index, keeps);
    lease_void(r);
    emit_commit(r);
}
