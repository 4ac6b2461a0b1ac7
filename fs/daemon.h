/* daemon.h -- a node as a process: from the command line to its exit code. */
#ifndef FS_DAEMON_H
#define FS_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

enum read_mode {
    READS_LEASE, /* the leader is asked, but not while this node has a lease */
    READS_INDEX, /* the leader is asked each time */
    READS_LOCAL, /* nobody is asked: old but at once */
};

struct daemon_options {
    const char *datadir;
    const char *mountpoint; /* NULL: a node without a mount */
    bool foreground;        /* stay, and log to stderr */
    bool allow_faults;      /* obey `raftfs fault` (simulated partitions) */
    bool allow_other;
    bool read_only;
    /* Everything belongs to this user, this group, as far as this mount shows;
     * and what is made here to them. */
    bool has_uid, has_gid;
    uint32_t uid, gid;
    enum read_mode reads;
    uint32_t op_timeout_ms; /* 0: as configured */
    int log_level;          /* fs/log.h */
    const char *extra_fuse_options; /* comma separated, or NULL */
};

/* Runs the node. In the background case it returns in the calling process as
 * soon as the mount is usable, or there but without quorum (which is said), or
 * failed (said on stderr). Returns the exit code. */
int daemon_run(const struct daemon_options *options);

#endif
