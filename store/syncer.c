#include "store/syncer.h"

#include "store/error.h"
#include "store/io.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

struct job {
    uint64_t token;
    int fds[SYNCER_FDS_MAX];
    int count;
};

struct syncer {
    void (*done)(void *arg, uint64_t token, int status);
    void *arg;
    pthread_t thread;
    int failed; /* log thread: the first failure, for ever */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    /* guarded by lock */
    struct job job;
    bool waiting; /* job is there and not taken yet */
    bool busy;    /* submitted, and done() not called yet */
    bool stopping;
};

static int sync_all(const struct job *job)
{
    for (int i = 0; i < job->count; i++) {
        int rc;
        do {
            rc = store_io.fdatasync(job->fds[i]);
        } while (rc < 0 && errno == EINTR);
        if (rc < 0) {
            return store_fail_errno(errno, "cannot sync the log");
        }
    }
    return 0;
}

static bool take_job(struct syncer *syncer, struct job *job)
{
    pthread_mutex_lock(&syncer->lock);
    while (!syncer->waiting && !syncer->stopping) {
        pthread_cond_wait(&syncer->wake, &syncer->lock);
    }
    bool there = syncer->waiting;
    *job = syncer->job;
    syncer->waiting = false;
    pthread_mutex_unlock(&syncer->lock);
    return there;
}

static void run_job(struct syncer *syncer, const struct job *job)
{
    if (syncer->failed == 0) {
        syncer->failed = sync_all(job);
    }
    /* Free before done(), which may make the owner submit the next at once. */
    pthread_mutex_lock(&syncer->lock);
    syncer->busy = false;
    pthread_mutex_unlock(&syncer->lock);
    syncer->done(syncer->arg, job->token, syncer->failed);
}

static void *log_thread(void *arg)
{
    struct syncer *syncer = arg;
    struct job job;
    while (take_job(syncer, &job)) {
        run_job(syncer, &job);
    }
    return NULL;
}

/* Signals are for the other threads. */
static int start_thread(struct syncer *syncer)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&syncer->thread, NULL, log_thread, syncer);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

static void syncer_free(struct syncer *syncer)
{
    pthread_cond_destroy(&syncer->wake);
    pthread_mutex_destroy(&syncer->lock);
    free(syncer);
}

int syncer_start(void (*done)(void *arg, uint64_t token, int status), void *arg,
                 struct syncer **out)
{
    struct syncer *syncer = calloc(1, sizeof(*syncer));
    assert(syncer != NULL);
    syncer->done = done;
    syncer->arg = arg;
    pthread_mutex_init(&syncer->lock, NULL);
    pthread_cond_init(&syncer->wake, NULL);
    int rc = start_thread(syncer);
    if (rc != 0) {
        syncer_free(syncer);
        return store_fail_errno(rc, "cannot start the log thread");
    }
    *out = syncer;
    return 0;
}

void syncer_stop(struct syncer *syncer)
{
    if (syncer == NULL) {
        return;
    }
    pthread_mutex_lock(&syncer->lock);
    syncer->stopping = true;
    pthread_cond_signal(&syncer->wake);
    pthread_mutex_unlock(&syncer->lock);
    pthread_join(syncer->thread, NULL);
    syncer_free(syncer);
}

void syncer_submit(struct syncer *syncer, uint64_t token, const int *fds,
                   int count)
{
    assert(count >= 0);
    assert(count <= SYNCER_FDS_MAX);
    pthread_mutex_lock(&syncer->lock);
    assert(!syncer->busy);
    syncer->job.token = token;
    syncer->job.count = count;
    for (int i = 0; i < count; i++) {
        syncer->job.fds[i] = fds[i];
    }
    syncer->busy = true;
    syncer->waiting = true;
    pthread_cond_signal(&syncer->wake);
    pthread_mutex_unlock(&syncer->lock);
}
