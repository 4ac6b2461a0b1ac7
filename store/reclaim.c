#include "store/reclaim_int.h"

#include "store/error.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- sets of segments --- */

bool places_has(const struct places *places, uint64_t id)
{
    for (size_t i = places->count; i > 0; i--) {
        if (places->ids[i - 1] == id) {
            return true;
        }
    }
    return false;
}

void places_add(struct places *places, uint64_t id)
{
    if (places_has(places, id)) {
        return;
    }
    if (places->count == places->capacity) {
        places->capacity = places->capacity * 2 + 16;
        places->ids =
            realloc(places->ids, places->capacity * sizeof(*places->ids));
        assert(places->ids != NULL);
    }
    places->ids[places->count++] = id;
}

/* --- the thread --- */

bool reclaim_is_stopping(struct reclaim *reclaim)
{
    pthread_mutex_lock(&reclaim->lock);
    bool stopping = reclaim->stopping;
    pthread_mutex_unlock(&reclaim->lock);
    return stopping;
}

/* May segments be judged? Not while a swap waits, or its commit does. */
static bool swaps_are_done(struct reclaim *reclaim)
{
    pthread_mutex_lock(&reclaim->lock);
    bool done =
        reclaim->offered == NULL &&
        atomic_load(&reclaim->tree->commits) >= reclaim->offered_commits;
    pthread_mutex_unlock(&reclaim->lock);
    return done;
}

/* Merges, moves, unlinks; 1: again at once, 0: wait. */
static int tidy(struct reclaim *reclaim)
{
    reclaim_take_touched(reclaim);
    if (!swaps_are_done(reclaim)) {
        return 0;
    }
    reclaim->building->no_room = false;
    int rc = reclaim_merge(reclaim);
    int more = rc < 0 ? rc : reclaim_segments(reclaim);
    if (more < 0) {
        return more;
    }
    rc = reclaim_offer(reclaim);
    if (rc == 1) {
        reclaim->wake(reclaim->arg);
        return 0; /* the loop pokes us when it has taken all */
    }
    return rc < 0 ? rc : more;
}

static int look(struct reclaim *reclaim)
{
    int news = reclaim_sync_tree(reclaim);
    for (int i = 0; news >= 0 && i < WALS; i++) {
        int rc = reclaim_checkpoint(reclaim, i);
        news = rc < 0 ? rc : news | rc;
    }
    if (news < 0) {
        return news;
    }
    if (news > 0) {
        reclaim->wake(reclaim->arg);
    }
    return reclaim_is_stopping(reclaim) ? 0 : tidy(reclaim);
}

static void wait_for_work(struct reclaim *reclaim)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns =
        (uint64_t)until.tv_nsec + reclaim->options.interval_ms * 1000000ull;
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    pthread_mutex_lock(&reclaim->lock);
    int rc = 0;
    while (!reclaim->stopping && !reclaim->poked && rc != ETIMEDOUT) {
        rc = pthread_cond_timedwait(&reclaim->poke, &reclaim->lock, &until);
    }
    reclaim->poked = false;
    pthread_mutex_unlock(&reclaim->lock);
}

void *reclaim_run(void *arg)
{
    struct reclaim *reclaim = arg;
    while (!reclaim_is_stopping(reclaim)) {
        int rc = look(reclaim);
        if (rc < 0) {
            pthread_mutex_lock(&reclaim->lock);
            reclaim->failed = rc;
            snprintf(reclaim->why, sizeof(reclaim->why), "%s",
                     store_error_text());
            pthread_mutex_unlock(&reclaim->lock);
            reclaim->wake(reclaim->arg);
            return NULL;
        }
        if (rc == 0) {
            wait_for_work(reclaim);
        }
    }
    return NULL;
}

/* --- the loop's side --- */

static void poke(struct reclaim *reclaim)
{
    pthread_mutex_lock(&reclaim->lock);
    reclaim->poked = true;
    pthread_cond_signal(&reclaim->poke);
    pthread_mutex_unlock(&reclaim->lock);
}

void reclaim_touched(struct reclaim *reclaim, uint64_t body)
{
    pthread_mutex_lock(&reclaim->lock);
    uint32_t at = reclaim->touched_count; /* search the latest first */
    while (at > 0 && reclaim->touched[at - 1].body != body) {
        at--;
    }
    if (at > 0) {
        reclaim->touched[at - 1].count++;
    } else if (reclaim->touched_count < RECLAIM_TOUCHED_MAX) {
        reclaim->touched[reclaim->touched_count++] =
            (struct touch){.body = body, .count = 1};
    }
    pthread_mutex_unlock(&reclaim->lock);
}

static int take_swap(struct reclaim *reclaim, const struct swap *swap)
{
    int rc = tree_begin(reclaim->tree);
    if (rc == 0) {
        rc = tree_swap(reclaim->tree, swap->body, swap->old, swap->count,
                       &swap->merged);
    }
    if (rc < 0) {
        return rc;
    }
    pthread_mutex_lock(&reclaim->lock);
    if (rc == 1) {
        reclaim->status.merges++;
        reclaim->status.extents_merged += swap->count;
    } else {
        reclaim->status.swaps_refused++;
    }
    pthread_mutex_unlock(&reclaim->lock);
    return 0;
}

/* Swaps up to a slice of extents: 1 more are left, 0 done. */
static int take_batch(struct reclaim *reclaim)
{
    pthread_mutex_lock(&reclaim->lock);
    struct batch *batch = reclaim->offered;
    pthread_mutex_unlock(&reclaim->lock);
    if (batch == NULL) {
        return 0;
    }
    uint32_t rows = 0;
    while (batch->taken < batch->count && rows < RECLAIM_RUN_ROWS) {
        const struct swap *swap = &batch->swaps[batch->taken];
        int rc = take_swap(reclaim, swap);
        if (rc < 0) {
            return rc;
        }
        rows += swap->count;
        batch->taken++;
    }
    if (batch->taken < batch->count) {
        return 1;
    }
    pthread_mutex_lock(&reclaim->lock);
    reclaim->offered = NULL;
    reclaim->offered_commits = atomic_load(&reclaim->tree->commits) + 1;
    pthread_mutex_unlock(&reclaim->lock);
    batch_free(batch);
    return 0;
}

static void tell_place(void *arg, uint64_t segment, uint64_t bytes)
{
    struct reclaim *reclaim = arg;
    (void)bytes;
    places_add(&reclaim->places, segment);
    if (segment > reclaim->staged_max) {
        reclaim->staged_max = segment;
    }
}

/* Answers which segments the log refers to, if that was asked. */
static int tell_places(struct reclaim *reclaim)
{
    int rc = 0;
    pthread_mutex_lock(&reclaim->lock);
    bool asked = reclaim->places_state == PLACES_ASKED;
    if (asked) {
        reclaim->places.count = 0;
        rc = raftlog_places(reclaim->log, tell_place, reclaim);
        reclaim->places_state = PLACES_TOLD;
    }
    pthread_mutex_unlock(&reclaim->lock);
    if (asked) {
        poke(reclaim);
    }
    return rc;
}

static int take_slice(struct reclaim *reclaim)
{
    bool own = !reclaim->tree->db.in_transaction;
    int more = take_batch(reclaim);
    if (more < 0) {
        return more;
    }
    int purge = tree_purge_step(reclaim->tree, RECLAIM_PURGE_ROWS);
    if (purge < 0) {
        return purge;
    }
    int rc = own ? tree_commit(reclaim->tree) : 0;
    if (rc == 0 && own) {
        rc = reclaim_finish(reclaim);
    }
    return rc < 0 ? rc : more | purge;
}

int reclaim_step(struct reclaim *reclaim, uint64_t *durable)
{
    pthread_mutex_lock(&reclaim->lock);
    int failed = reclaim->failed;
    bool had_batch = reclaim->offered != NULL;
    if (reclaim->durable > *durable) {
        *durable = reclaim->durable;
    }
    pthread_mutex_unlock(&reclaim->lock);
    if (failed < 0) {
        return store_fail(failed, "background: %s", reclaim->why);
    }
    int more = take_slice(reclaim);
    if (more < 0) {
        return more;
    }
    int rc = tell_places(reclaim);
    pthread_mutex_lock(&reclaim->lock);
    bool has_batch = reclaim->offered != NULL;
    pthread_mutex_unlock(&reclaim->lock);
    if (had_batch && !has_batch) {
        poke(reclaim); /* it waits with the next for this one's end */
    }
    return rc < 0 ? rc : more;
}

void reclaim_get_status(struct reclaim *reclaim, struct reclaim_status *out)
{
    pthread_mutex_lock(&reclaim->lock);
    *out = reclaim->status;
    pthread_mutex_unlock(&reclaim->lock);
    out->segment_bytes = segments_bytes(reclaim->segments);
}
