#include "fs/patience.h"

enum {
    HOPE_US = 1000000,
    SHORT_MAX_US = 2000000, /* peers dial every second at least */
};

static raft_time least(raft_time a, raft_time b)
{
    return a < b ? a : b;
}

raft_time patience_deadline(const struct patience *patience, raft_time now)
{
    raft_time full = now + patience->full_us;
    if (!patience->in_vain) {
        return full;
    }
    raft_time quiet_us = now - patience->gave_up;
    raft_time most_us = least(patience->full_us / 2, SHORT_MAX_US);
    raft_time deadline = now + least(quiet_us, most_us);
    if (deadline < patience->hope) {
        deadline = patience->hope;
    }
    return least(deadline, full);
}

void patience_answered(struct patience *patience, raft_time now)
{
    patience->answered = now;
    patience->in_vain = false;
}

void patience_timed_out(struct patience *patience, raft_time began,
                        raft_time now)
{
    if (now - began >= patience->full_us && patience->answered <= began) {
        patience->in_vain = true;
    }
    patience->gave_up = now;
}

void patience_leader_heard(struct patience *patience, raft_time now)
{
    patience->hope = now + HOPE_US;
}
