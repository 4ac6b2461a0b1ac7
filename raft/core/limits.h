/* limits.h -- the bounds of the core's tables, each with its reason. */
#ifndef RAFT_CORE_LIMITS_H
#define RAFT_CORE_LIMITS_H

enum {
    /* Read indexes that wait at once: at the leader for its confirmation, at a
     * follower for the leader's answer. The hull asks once for a whole batch
     * of reads and peers do the same, so a few per peer are normal; more means
     * that nothing answers, and then READ_FAIL is the better reply. */
    RAFT_READS_MAX = 1024,

    /* Encoded size of a TERM_START record, as far as flow control cares. */
    RAFT_TERM_START_SIZE = 128,
    /* Likewise of a CONFIG record: what sixteen members may need. */
    RAFT_CONFIG_SIZE = 6 * 1024,
};

#endif
