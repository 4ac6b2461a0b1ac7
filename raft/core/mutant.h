/* mutant.h -- rules of the core that the simulator can break on purpose.
 *
 * tests/sim/mutants shows that each of these is noticed. In every build but the
 * simulator's own the conditions are the constant false.
 */
#ifndef RAFT_CORE_MUTANT_H
#define RAFT_CORE_MUTANT_H

#include <stdint.h>

enum raft_mutant {
    MUTANT_NONE,
    MUTANT_EARLY_COMMIT,   /* commit on a majority, only the writer waits */
    MUTANT_RECEIPT,        /* a lease counts from the grant's receipt */
    MUTANT_NO_DRIFT,       /* clocks are believed to be equal */
    MUTANT_NO_WAIT,        /* a new leader does not wait for older leases */
    MUTANT_NO_CAP,         /* a grant is not capped by the quorum's support */
    MUTANT_NO_DIRTY,       /* a holder does not look at uncommitted records */
    MUTANT_NO_TERM,        /* a lease outlives its term */
    MUTANT_RESTART_QUIET,  /* a restarted voter claims long quiet */
    MUTANT_NO_MATCH,       /* granted to who lacks committed records */
    MUTANT_SURVIVE,        /* a lease survives a crash */
    MUTANT_LEADER_READ,    /* a leader reads without support */
    MUTANT_COUNT,          /* holders are counted, not asked one by one */
    MUTANT_OLD_REQUEST,    /* takes a grant that an earlier life asked for */
    MUTANT_EX_LEADER,      /* who led claims the quiet from before */
    MUTANT_NO_GATE,        /* commit does not wait for holders */
    MUTANT_NO_TERM_START,  /* reads and grants before an own-term commit */
    MUTANT_OLD_SEEN,       /* memory counts across a restart */
    MUTANT_OLD_LIFE,       /* late words of an earlier life are believed */
    MUTANT_REVOKE_AT_ONCE, /* revoked when said, not when answered */
    MUTANT_OLD_DROP,       /* a late answer to a revoke ends a newer lease */
    MUTANT_HASTY_JOIN,     /* any message shows that a peer is in our term */
    MUTANTS_END
};

#ifdef RAFT_MUTANTS
extern enum raft_mutant raft_mutant;
extern uint64_t lease_survivors[]; /* what a crash should have ended, by node */
#define MUTANT(name) (raft_mutant == MUTANT_##name)
#else
#define MUTANT(name) false
#endif

#endif
