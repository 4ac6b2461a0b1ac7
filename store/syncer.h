/* syncer.h -- the log thread: makes log.db and the staging segment durable.
 *
 * One job at a time (group commit: whoever comes while one runs waits for the
 * next). A job is a list of descriptors to fdatasync, segments first, so that a
 * record never becomes durable before its payload.
 *
 * A failed fdatasync is final: the kernel may have thrown the dirty pages away,
 * so the error sticks and every later job fails at once.
 *
 * Thread: start and stop from one thread; done() is called on the log thread.
 */
#ifndef STORE_SYNCER_H
#define STORE_SYNCER_H

#include <stdint.h>

enum { SYNCER_FDS_MAX = 16 };

struct syncer;
int syncer_start(void (*done)(void *arg, uint64_t token, int status), void *arg,
                 struct syncer **out);
/* Waits for the job under way. */
void syncer_stop(struct syncer *syncer);
/* Asserts that none is under way. */
void syncer_submit(struct syncer *syncer, uint64_t token, const int *fds,
                   int count);

#endif
