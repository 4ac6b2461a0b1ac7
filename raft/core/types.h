/* types.h -- the numbers of Raft, named so that they cannot be mixed up.
 *
 * Every room of raft/ includes this file; it includes nothing but the C
 * library.
 */
#ifndef RAFT_CORE_TYPES_H
#define RAFT_CORE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t raft_index; /* position in the log; the first record is 1 */
typedef uint64_t raft_term;
typedef uint64_t node_id;    /* hash of the node's name; 0 is "nobody" */
typedef uint64_t raft_time;  /* microseconds, CLOCK_BOOTTIME of this node */
typedef uint64_t raft_token; /* names one log write; monotone, 0 is "none" */

/* A view of memory that somebody else owns. */
struct bytes {
    const void *data;
    size_t size;
};

/* What a log record is. Values are on disk and on the wire: never reuse one.
 * 128 and up belong to the application. */
enum record_code {
    RECORD_TERM_START = 1, /* first record of each leader (dissertation 6.4) */
    RECORD_COMMAND = 2,    /* the application's command */
    RECORD_CONFIG = 3,     /* the whole membership (raft/wire/members.h) */
    RECORD_SETTINGS = 4,   /* cluster-wide settings; reserved */
    RECORD_BARRIER = 5,    /* does nothing; reserved */
};

enum {
    RAFT_NODES_MAX = 16, /* a handful of machines; bounds every member list */
    RAFT_PEERS_MAX = 24, /* the members, and those who are being told that they
                          * are none any more */
    RAFT_NAME_SIZE = 64, /* with its NUL */
    RAFT_ADDRESS_SIZE = 300,
    RAFT_PRIORITY_DEFAULT = 100,
};

/* The core decides from id, voter, joining and priority; names and addresses
 * travel with them so that whoever learns of a member can reach it. */
struct raft_member {
    node_id id;
    bool voter;       /* false: learner */
    bool joining;     /* a learner that becomes a voter once it has caught up */
    uint8_t priority; /* the voter with the highest leads, when it can */
    char name[RAFT_NAME_SIZE];
    char address[RAFT_ADDRESS_SIZE]; /* HOST:PORT; "" in tests */
};

struct raft_members {
    uint32_t count;
    uint32_t min_voters; /* no change may leave fewer, unless forced */
    struct raft_member list[RAFT_NODES_MAX];
};

/* What a CONFIG record says, and where it stands; index 0: it is older than the
 * log. */
struct raft_config {
    raft_index index;
    struct raft_members members;
};

#endif
