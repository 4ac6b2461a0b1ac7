/* faults.h -- failures on demand, for tests: what a broken disk would do.
 *
 * Only a node that was started with --allow-faults obeys. Each point stands
 * before the call that it is named after and makes it fail, so many times or
 * until it is mended.
 *
 * Thread: loop.
 */
#ifndef FS_FAULTS_H
#define FS_FAULTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/*    point, name, what the call returns */
#define FAULT_POINTS_TABLE(X)                                                  \
    X(FAIL_LOG_WRITE, "log-write", STORE_IO)                                  \
    X(FAIL_LOG_FULL, "log-full", STORE_FULL)                                  \
    X(FAIL_LOG_CUT, "log-cut", STORE_IO)                                      \
    X(FAIL_SYNC, "sync", STORE_IO)                                            \
    X(FAIL_DISK_FULL, "disk-full", STORE_FULL)                                 \
    X(FAIL_STAGE, "stage", STORE_IO)                                          \
    X(FAIL_UNDO, "undo", STORE_IO)                                            \
    X(FAIL_APPLY, "apply", STORE_IO)

#define FAULT_POINT_ENUM(point, name, code) point,
enum fault_point { FAULT_POINTS_TABLE(FAULT_POINT_ENUM) FAULT_POINTS };
#undef FAULT_POINT_ENUM

struct faults {
    uint64_t left[FAULT_POINTS]; /* how often it fails yet */
};

/* 0, or the code that the call is to fail with. */
int faults_hit(struct faults *faults, enum fault_point point);
/* count 0: until it is mended. False: there is no such point. */
bool faults_set(struct faults *faults, const char *name, uint64_t count);
void faults_mend(struct faults *faults);

struct node;
/* {"command": "fault", "action": "cut" | "uncut" | "heal" | "fail" | "mend"},
 * with "node", or "point" and "count". */
json_t *faults_control(struct node *node, const json_t *request);

#endif
