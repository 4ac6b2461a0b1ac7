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
    RECORD_CONFIG = 3,     /* membership; reserved */
    RECORD_SETTINGS = 4,   /* cluster-wide settings; reserved */
    RECORD_BARRIER = 5,    /* does nothing; reserved */
};

enum {
    RAFT_NODES_MAX = 16, /* a handful of machines; bounds every peer table */
};

struct raft_member {
    node_id id;
    bool voter; /* false: learner */
};

struct raft_members {
    uint32_t count;
    struct raft_member list[RAFT_NODES_MAX];
};

#endif
