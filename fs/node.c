#include "fs/node.h"

#include "fs/control.h"
#include "fs/log.h"
#include "fs/snapshot.h"
#include "store/error.h"
#include "store/image.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
    LOG_WAL_BYTES = 8 * 1024 * 1024, /* when it is checkpointed */
    TICK_MS = 100,
    LOCK_PAUSE_MS = 50,
    LOCK_TRIES = 60,
};

raft_time node_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (raft_time)now.tv_sec * 1000000u + (raft_time)now.tv_nsec / 1000u;
}

void node_fault(struct node *node, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    node->faulted = true;
    /* Not from inside the hull: the loop does it before it sleeps. */
    if (node->fault_pending[0] == '\0') {
        snprintf(node->fault_pending, sizeof node->fault_pending, "%s", text);
    }
}

/* --- wake-ups of the loop --- */

static void on_log_synced(void *arg, uint64_t token, int status)
{
    struct node *node = arg; /* on the log thread */
    pthread_mutex_lock(&node->sync.lock);
    node->sync.done = true;
    node->sync.done_token = token;
    node->sync.done_status = status;
    pthread_mutex_unlock(&node->sync.lock);
    uv_async_send(&node->synced);
}

static void on_background_wake(void *arg)
{
    struct node *node = arg; /* on the background thread */
    uv_async_send(&node->background);
}

static void on_synced(uv_async_t *async)
{
    struct node *node = async->data;
    if (node->hull != NULL) {
        logapi_synced(node);
    }
}

static void background_step(struct node *node)
{
    uint64_t durable = node->tree_durable;
    int rc = node_commit_tree(node); /* a checkpoint can end only outside */
    if (rc == 0) {
        rc = reclaim_step(node->reclaim, &durable);
    }
    if (rc < 0) {
        node_fault(node, "background work failed: %s", store_error_text());
        rc = 0;
    }
    if (durable > node->tree_durable) {
        node->tree_durable = durable;
        hull_tree_durable(node->hull, node_now(), durable);
    }
    if (rc == 0) {
        uv_idle_stop(&node->again);
        node->again_running = false;
    }
}

static void on_again(uv_idle_t *idle)
{
    background_step(idle->data);
}

/* An idle handle keeps the loop turning, so that work in slices goes on between
 * requests, not instead of them. */
static void on_background(uv_async_t *async)
{
    struct node *node = async->data;
    if (!node->again_running && !node->stopping) {
        node->again_running = true;
        uv_idle_start(&node->again, on_again);
    }
}

int node_commit_tree(struct node *node)
{
    room_prepare(node); /* a transaction that fails cannot be tried again */
    int rc = apply_flush(node->apply);
    if (rc == 0) {
        rc = tree_commit(node->tree);
    }
    if (rc == 0) {
        node->committed = tree_applied(node->tree);
    }
    return rc;
}

static void on_commit(uv_timer_t *timer)
{
    struct node *node = timer->data;
    if (node_commit_tree(node) < 0) {
        node_fault(node, "the tree cannot be written: %s", store_error_text());
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct node *node = timer->data;
    hull_tick(node->hull, node_now());
}

static void on_tick(uv_timer_t *timer)
{
    struct node *node = timer->data;
    requests_tick(node);
    if (!requests_need_tick(node)) {
        uv_timer_stop(timer);
        node->tick_running = false;
    }
}

void node_want_tick(struct node *node)
{
    if (!node->tick_running) {
        node->tick_running = true;
        uv_timer_start(&node->tick, on_tick, 1, TICK_MS);
    }
}

/* Callers have waited in vain, and a leader is known now: the node asks for
 * itself, so that the next caller need not find out with little patience. */
static void ask_leader(struct node *node)
{
    struct patience *patience = &node->patience;
    raft_time now = node_now();
    if (patience->in_vain && !patience->asking &&
        hull_leader(node->hull) != 0) {
        patience->asking =
            hull_read(node->hull, now, now + patience->full_us, patience) == 0;
    }
}

static void on_second(uv_timer_t *timer)
{
    struct node *node = timer->data;
    space_tick(node);
    session_tick(node);
    snapshots_tick(node->snapshots);
    ask_leader(node);
    members_tick(node);
    room_tick(node);
    node_tell_ready(node);
}

static void set_timer(struct node *node)
{
    raft_time deadline = hull_deadline(node->hull), now = node_now();
    if (deadline == UINT64_MAX) {
        uv_timer_stop(&node->timer);
        return;
    }
    uint64_t ms = deadline <= now ? 0 : (deadline - now + 999) / 1000;
    uv_update_time(&node->loop);
    uv_timer_start(&node->timer, on_timer, ms, 0);
}

/* Before the loop sleeps: one log write, one frame per peer, one commit for all
 * that came in during this turn. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct node *node = prepare->data;
    if (node->fault_pending[0] != '\0') {
        hull_fault(node->hull, node_now(), node->fault_pending);
        node->fault_pending[0] = '\0';
    }
    if (node->settings.changed) {
        settings_adopt(node);
    }
    rejoin_step(node);
    hull_flush(node->hull, node_now());
    set_timer(node);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct node *node = handle->data;
    log_event(LOG_INFO, "signal", "number=%d", number);
    node_stop(node);
}

static void on_hangup(uv_signal_t *handle, int number)
{
    (void)number;
    log_reopen();
    (void)handle;
}

/* --- opening --- */

static int fail(char why[512], const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int fail(char why[512], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, 512, format, args);
    va_end(args);
    return 111;
}

static int read_config(struct node *node, char why[512])
{
    char path[4096], error[256];
    snprintf(path, sizeof path, "%s/raftfs.json", node->options.datadir);
    if (config_read(path, &node->config, error) < 0) {
        fail(why, "%s", error);
        return access(path, R_OK) == 0 ? 100 : 111;
    }
    node->self = config_node_id(node->config.name);
    node->settings.timeout_given = node->options.op_timeout_ms != 0;
    if (!node->settings.timeout_given) {
        node->options.op_timeout_ms = node->config.op_timeout_ms;
    }
    node->patience = (struct patience){
        .full_us = (raft_time)node->options.op_timeout_ms * 1000,
    };
    settings_init(node);
    return 0;
}

static const char *path_in(const struct node *node, const char *name,
                           char path[4096])
{
    snprintf(path, 4096, "%s/%s", node->options.datadir, name);
    return path;
}

int node_start_reclaim(struct node *node)
{
    struct reclaim_options options;
    reclaim_options_default(&options);
    return reclaim_start(node->options.datadir, node->segments, node->log,
                         node->tree, &options, on_background_wake, node,
                         &node->reclaim);
}

static int open_log(struct node *node, struct log_head *head)
{
    char path[4096];
    return raftlog_open(path_in(node, "log.db", path), node->segments,
                        &node->log, head);
}

/* A tree that came as a snapshot, just before the end: the log is to begin
 * behind it. */
static int finish_install(struct node *node, struct log_head *head)
{
    int rc = image_installed(node->tree);
    if (rc <= 0) {
        return rc;
    }
    uint64_t applied = tree_applied(node->tree);
    if (head->base_index < applied) {
        rc = raftlog_reset(node->log, applied, tree_applied_term(node->tree),
                           tree_applied_chain(node->tree),
                           applied + 1, node->pilot.wall_ns(node));
        raftlog_close(node->log);
        node->log = NULL;
        free(head->terms);
        free(head->sizes);
        *head = (struct log_head){0};
        rc = rc < 0 ? rc : open_log(node, head);
    }
    if (rc >= 0) {
        rc = image_installed_done(node->tree);
    }
    return rc < 0 ? rc : tree_commit(node->tree);
}

/* Whoever was unmounted a moment ago may not have ended yet. */
static int take_segments(struct node *node)
{
    char path[4096];
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000};
    int rc = STORE_LOCKED;
    for (int tries = 0; rc == STORE_LOCKED && tries < LOCK_TRIES; tries++) {
        if (tries > 0) {
            nanosleep(&pause, NULL);
        }
        rc = segments_open(path_in(node, "segments", path), &node->segments);
    }
    return rc;
}

static int open_store(struct node *node, struct log_head *head)
{
    char path[4096];
    int rc = take_segments(node);
    if (rc == 0) { /* the node is ours now */
        rc = image_settle(node->options.datadir);
        rc = rc < 0 ? rc : 0;
    }
    if (rc == 0) {
        rc = open_log(node, head);
    }
    if (rc == 0) {
        rc = tree_open(path_in(node, "tree.db", path), node->segments,
                       &node->tree);
    }
    if (rc == 0) {
        rc = finish_install(node, head);
    }
    if (rc == 0) {
        rc = raftlog_extend(node->log, LOG_WAL_BYTES);
    }
    if (rc == 0) {
        rc = segment_writer_open(node->segments, &node->staging);
    }
    if (rc == 0) {
        rc = apply_open(node->tree, &node->apply);
    }
    if (rc == 0) {
        rc = syncer_start(on_log_synced, node, &node->syncer);
    }
    if (rc == 0) {
        snapshots_hold_leftover(node->snapshots);
        rc = node_start_reclaim(node);
    }
    return rc;
}

/* The tree as it is now must be durable before anybody relies on its applied
 * index. It is never ahead of the log: a record is applied only when it is
 * durable here, too. */
static int settle(struct node *node)
{
    uint64_t applied = tree_applied(node->tree);
    if (raftlog_last(node->log) < applied) {
        return store_fail(STORE_CORRUPT,
                          "log.db ends at %" PRIu64
                          " but tree.db has applied %" PRIu64
                          ": one of them was replaced or damaged",
                          raftlog_last(node->log), applied);
    }
    int rc = tree_settle(node->tree);
    if (rc < 0) {
        return rc;
    }
    node->tree_durable = node->committed = applied;
    return 0;
}

static int check_identity(const struct node *node, const struct log_head *head,
                          char why[512])
{
    if (head->cluster_id != node->config.cluster_id) {
        return fail(why,
                    "log.db belongs to cluster %016" PRIx64
                    ", raftfs.json says cluster_id %016" PRIx64,
                    head->cluster_id, node->config.cluster_id);
    }
    if (head->node != node->self) {
        return fail(why, "log.db was made for another node than \"%s\"",
                    node->config.name);
    }
    return 0;
}

static void init_handles(struct node *node)
{
    uv_loop_t *loop = &node->loop;
    uv_loop_init(loop);
    node->loop_open = true;
    uv_prepare_init(loop, &node->prepare);
    uv_timer_init(loop, &node->timer);
    uv_timer_init(loop, &node->tick);
    uv_timer_init(loop, &node->second);
    uv_timer_init(loop, &node->commit);
    uv_timer_init(loop, &node->farewell);
    uv_async_init(loop, &node->synced, on_synced);
    uv_async_init(loop, &node->background, on_background);
    uv_idle_init(loop, &node->again);
    uv_signal_init(loop, &node->sigterm);
    uv_signal_init(loop, &node->sigint);
    uv_signal_init(loop, &node->sighup);
    node->prepare.data = node->timer.data = node->tick.data =
        node->second.data = node->commit.data = node->synced.data = node->background.data =
            node->again.data = node->sigterm.data = node->sigint.data =
                node->sighup.data = node->farewell.data = node;
    node->second.timer_cb = on_second;
    node->commit.timer_cb = on_commit;
}

static void start_handles(struct node *node)
{
    uv_prepare_start(&node->prepare, on_prepare);
    uv_timer_start(&node->second, on_second, 0, 1000);
}

/* Before there is a mount, which a node that dies would leave behind. */
static void watch_signals(struct node *node)
{
    uv_signal_start(&node->sigterm, on_signal, SIGTERM);
    uv_signal_start(&node->sigint, on_signal, SIGINT);
    uv_signal_start(&node->sighup, on_hangup, SIGHUP);
}

/* --- network --- */

static void on_frame(void *self, struct bytes frame)
{
    struct node *node = self;
    if (node->hull == NULL) {
        return; /* closing */
    }
    hull_receive(node->hull, node_now(), frame);
}

static void on_transport_note(void *self, enum hull_event code, node_id peer,
                              const char *text)
{
    struct node *node = self;
    node_event(node, code, peer, 0, "%s", text);
}

static int open_transport(struct node *node, char why[512])
{
    struct transport_options options;
    struct transport_calls calls = {
        .self = node,
        .receive = on_frame,
        .note = on_transport_note,
        .knows = rejoin_knows};
    char error[256] = "";
    transport_options_default(&options);
    options.cluster_id = node->config.cluster_id;
    options.self = node->self;
    options.boot = node->boot;
    options.disk = node->rejoin.disk;
    options.rejoined = node->rejoin.rejoined;
    options.lease_us = node->config.lease_ms * 1000;
    snprintf(options.name, sizeof options.name, "%s", node->config.name);
    members_transport(node, &options);
    int rc = transport_open(&node->loop, &options, &calls, &node->transport,
                            error);
    if (rc < 0) {
        return fail(why, "%s", error);
    }
    transport_set_members(node->transport, node->members.index,
                          &node->members.members);
    return 0;
}

int node_open(struct node *node, const struct daemon_options *options,
              char why[512])
{
    struct log_head head = {0};
    node->options = *options;
    node->started = node->leaderless_since = node_now();
    node->started_wall = time(NULL);
    pthread_mutex_init(&node->sync.lock, NULL);
    if (getrandom(&node->boot, sizeof node->boot, 0) != sizeof node->boot) {
        return fail(why, "getrandom: %s", strerror(errno));
    }
    node->boot |= 1;
    node->requests.next_serial = 1;
    config_init(&node->config);
    int rc = read_config(node, why);
    if (rc != 0) {
        return rc;
    }
    init_handles(node);
    node->snapshots = snapshots_new(node);
    pilot_fill(node);
    logapi_fill(node);
    rc = open_store(node, &head);
    if (rc < 0) {
        rc = fail(why, "%s", store_error_text());
        goto out;
    }
    rc = check_identity(node, &head, why);
    if (rc != 0) {
        goto out;
    }
    rejoin_open(node, &head);
    rc = settle(node);
    if (rc == 0) {
        rc = quarantine_open(node);
    }
    if (rc == 0) {
        rc = logapi_boot(node, &head);
    }
    if (rc == 0) {
        room_open(node);
    }
    if (rc < 0) {
        rc = fail(why, "%s", store_error_text());
        goto out;
    }
    rc = open_transport(node, why);
    if (rc == 0 && control_open(&node->loop, options->datadir, node_control,
                                node, &node->control) < 0) {
        rc = fail(why, "cannot listen on %s/control.sock", options->datadir);
    }
    if (rc == 0) {
        watch_signals(node);
    }
    if (rc == 0 && options->mountpoint != NULL) {
        rc = fuse_open(node, why);
    }
out:
    free(head.terms);
    free(head.sizes);
    return rc;
}

/* --- running and closing --- */

int node_run(struct node *node)
{
    start_handles(node);
    if (node->fuse != NULL && fuse_start(node) < 0) {
        log_event(LOG_ERROR, "fuse descriptor cannot be watched", "rc=111");
        return 111;
    }
    uv_run(&node->loop, UV_RUN_DEFAULT);
    return node->exit_code;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

static void on_transport_closed(void *arg)
{
    bool *closed = arg;
    *closed = true;
}

/* From here on nothing but the closing of handles happens on the loop. */
static void stop_handles(struct node *node)
{
    uv_prepare_stop(&node->prepare);
    uv_timer_stop(&node->timer);
    uv_timer_stop(&node->tick);
    uv_timer_stop(&node->second);
    uv_timer_stop(&node->farewell);
    uv_timer_stop(&node->commit);
    uv_idle_stop(&node->again);
    if (node->fuse_watched) {
        uv_poll_stop(&node->fuse_poll);
    }
}

static void close_network(struct node *node)
{
    bool closed = node->transport == NULL;
    if (node->control != NULL) {
        control_close(node->control);
    }
    if (node->transport != NULL) {
        transport_close(node->transport, on_transport_closed, &closed);
    }
    while (!closed && uv_run(&node->loop, UV_RUN_ONCE) != 0) {
    }
    node->transport = NULL;
}

/* They wake the loop: no loop may be gone before them. */
static void stop_threads(struct node *node)
{
    reclaim_stop(node->reclaim);
    syncer_stop(node->syncer);
    node->reclaim = NULL;
    node->syncer = NULL;
}

static void close_store(struct node *node)
{
    if (node->snapshots != NULL) {
        snapshots_release(node->snapshots);
        snapshots_free(node->snapshots);
        node->snapshots = NULL;
    }
    if (node->apply != NULL) {
        if (!node->faulted && node_commit_tree(node) < 0) {
            log_event(LOG_ERROR, "tree cannot be written", "why=\"%s\"",
                      store_error_text());
        }
        apply_close(node->apply);
    }
    if (node->tree != NULL) {
        tree_close(node->tree);
    }
    if (node->staging != NULL) {
        segment_writer_close(node->staging);
    }
    if (node->log != NULL) {
        raftlog_close(node->log);
    }
    if (node->segments != NULL) {
        segments_close(node->segments);
    }
}

void node_close(struct node *node)
{
    node->stopping = true;
    if (node->loop_open) {
        stop_handles(node);
    }
    while (node->reads_under_way > 0 ||
           (node->snapshots != NULL && snapshots_stop(node->snapshots))) {
        uv_run(&node->loop, UV_RUN_ONCE);
    }
    requests_stop(node);
    if (node->hull != NULL) {
        hull_free(node->hull); /* answers what waits */
        node->hull = NULL;
    }
    fuse_close(node);
    stop_threads(node);
    if (node->loop_open) {
        close_network(node);
        uv_walk(&node->loop, close_handle, NULL);
        uv_run(&node->loop, UV_RUN_DEFAULT);
        uv_loop_close(&node->loop);
    }
    close_store(node);
    session_release(&node->session);
    openfiles_release(&node->openfiles);
    quarantine_release(&node->quarantine);
    locks_free(&node->locks);
    config_release(&node->config);
    pthread_mutex_destroy(&node->sync.lock);
}
