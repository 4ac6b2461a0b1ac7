#include "fs/snapshot_int.h"

#include "fs/members.h"
#include "raft/wire/cursor.h"
#include "store/error.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- room --- */

bool take_is_at_work(const struct snapshots *snapshots)
{
    enum take_state state = snapshots->take.state;
    return state == TAKE_OPENING || state == TAKE_WORKING ||
           state == TAKE_FINISHING;
}

static void wait_for_room(struct snapshots *snapshots, uint64_t missing)
{
    struct snapshot_take *take = &snapshots->take;
    take->state = TAKE_NO_ROOM;
    if (take->missing == 0) {
        node_event(snapshots->node, EVENT_SNAPSHOT_WAITS, take->from,
                   take->progress.index, "%" PRIu64 " MiB are missing",
                   (missing >> 20) + 1);
    }
    take->missing = missing;
}

/* Said once, until there was room. */
static bool has_room(struct snapshots *snapshots)
{
    struct snapshot_take *take = &snapshots->take;
    uint64_t needs = take->needs + LEAST_ROOM;
    uint64_t there = space_above_reserve(snapshots->node);
    if (needs > there) {
        wait_for_room(snapshots, needs - there);
        return false;
    }
    take->missing = 0;
    return true;
}

/* Nobody removes the segments of what is left. */
static void keep_leftover(struct snapshots *snapshots)
{
    if (!snapshots->leftover) {
        snapshots->leftover = true;
        segments_pin(snapshots->node->segments);
    }
}

/* The disk was full all the same. What was committed is gone on with. */
static void stop_for_room(struct snapshots *snapshots)
{
    struct snapshot_take *take = &snapshots->take;
    keep_leftover(snapshots);
    image_import_close(take->import, false);
    take->import = NULL;
    take->retry_at = node_now() + TRY_AGAIN_US;
    wait_for_room(snapshots, LEAST_ROOM);
}

/* --- asking --- */

static void ask(struct snapshots *snapshots)
{
    struct snapshot_take *take = &snapshots->take;
    struct node *node = snapshots->node;
    struct image_ask question;
    uint8_t body[2 + IMAGE_ASK_SIZE];
    image_import_progress(take->import, &take->progress);
    take->from = hull_leader(node->hull);
    take->needs = take->progress.left;
    if (!has_room(snapshots)) {
        return; /* the tick looks again */
    }
    take->state = TAKE_ASKED;
    take->asked = node_now();
    take->tag++;
    if (take->from == 0 || take->from == node->self) {
        return; /* the tick asks again */
    }
    image_import_ask(take->import, &question);
    struct writer w = writer_init(body, sizeof body);
    write_u16(&w, (uint16_t)take->progress.permille);
    image_ask_encode(&question, body + 2);
    snapshot_frame(node, take->from, SNAPSHOT_ASK, take->tag,
                   (struct bytes){body, sizeof body});
}

static void drop(struct snapshots *snapshots)
{
    struct snapshot_take *take = &snapshots->take;
    image_import_close(take->import, true);
    take->import = NULL;
    take->state = TAKE_IDLE;
    take->needs = take->missing = 0;
}

/* What we had did not lead to the leader's tree: without it, next time. */
static void fail(struct snapshots *snapshots)
{
    struct snapshot_take *take = &snapshots->take;
    node_event(snapshots->node, EVENT_SNAPSHOT_FAILED, take->from,
               take->progress.index, "it cannot be taken: %s", take->why);
    drop(snapshots);
    take->failed++;
    take->scratch = true;
    take->retry_at = node_now() + TRY_AGAIN_US;
}

/* --- opening --- */

static void on_open_thread(uv_work_t *work)
{
    struct snapshots *snapshots = work->data;
    struct snapshot_take *take = &snapshots->take;
    take->rc =
        image_import_open(&take->options, &snapshots->stop, &take->import);
    snapshot_why(take->why, take->rc);
}

static void forget_leftover(struct snapshots *snapshots)
{
    if (snapshots->leftover) {
        snapshots->leftover = false;
        segments_unpin(snapshots->node->segments);
    }
}

static void on_opened(uv_work_t *work, int status)
{
    struct snapshots *snapshots = work->data;
    struct snapshot_take *take = &snapshots->take;
    (void)status; /* never cancelled */
    if (take->rc != STORE_FULL) {
        forget_leftover(snapshots); /* the import has a pin of its own */
    }
    take->state = TAKE_IDLE;
    if (snapshots->stopping) {
        return;
    }
    if (take->rc == STORE_FULL) {
        stop_for_room(snapshots);
        return;
    }
    if (take->rc < 0) {
        fail(snapshots);
        return;
    }
    node_event(snapshots->node, EVENT_SNAPSHOT_BEGUN,
               hull_leader(snapshots->node->hull), 0, "%s",
               take->options.from_own ? "with what has changed"
                                      : "with nothing");
    ask(snapshots);
    take->began = node_now();
    take->permille_began = take->progress.permille;
}

/* Our own tree is copied first, if nothing is there to go on with. */
static uint64_t size_of_own(const struct node *node)
{
    char path[4096];
    struct stat own;
    snprintf(path, sizeof path, "%s/tree.db", node->options.datadir);
    return stat(path, &own) == 0 ? (uint64_t)own.st_size : 0;
}

static void begin(struct snapshots *snapshots)
{
    struct node *node = snapshots->node;
    struct snapshot_take *take = &snapshots->take;
    take->from = hull_leader(node->hull);
    if (take->needs == 0 && !snapshots->leftover && !take->scratch) {
        take->needs = size_of_own(node);
    }
    if (!has_room(snapshots)) {
        return;
    }
    take->options = (struct image_import_options){
        .datadir = node->options.datadir,
        .segments = node->segments,
        .cluster_id = node->config.cluster_id,
        .from_own = !take->scratch && node->committed > 0,
        .go_on = !take->scratch || snapshots->leftover,
    };
    take->state = TAKE_OPENING;
    take->began = node_now();
    take->progress = (struct image_progress){0};
    take->chunk_from = 0;
    take->moved = false;
    uv_queue_work(&node->loop, &take->work, on_open_thread, on_opened);
}

void take_wanted(struct snapshots *snapshots)
{
    struct snapshot_take *take = &snapshots->take;
    take->wanted = node_now();
    if (take->state == TAKE_IDLE && take->wanted >= take->retry_at &&
        !snapshots->node->faulted) {
        begin(snapshots);
    } else if (take->state == TAKE_ASKED &&
               take->from != hull_leader(snapshots->node->hull)) {
        ask(snapshots);
    }
}

/* --- the new tree in the place of the old --- */

static int reopen(struct node *node)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/tree.db", node->options.datadir);
    int rc = tree_open(path, node->segments, &node->tree);
    if (rc == 0) {
        rc = apply_open(node->tree, &node->apply);
    }
    return rc < 0 ? rc : node_start_reclaim(node);
}

/* A node without a tree is none: the process ends, and finds everything in
 * order when it starts again. */
static void end_process(const char *what)
{
    fprintf(stderr, "raftfs: %s: %s\n", what, store_error_text());
    abort();
}

static void swap_trees(struct node *node)
{
    uv_timer_stop(&node->commit);
    reclaim_stop(node->reclaim);
    apply_close(node->apply);
    tree_close(node->tree); /* what is not committed comes anew, or has come */
    node->reclaim = NULL;
    node->apply = NULL;
    node->tree = NULL;
    if (image_settle(node->options.datadir) < 0 || reopen(node) < 0) {
        end_process("the tree of a snapshot cannot be opened");
    }
}

/* What was remembered of the old tree. */
static void forget_old_tree(struct node *node)
{
    struct apply_session session;
    memset(node->digests, 0, sizeof node->digests);
    node->last_digest = (struct digest_point){0};
    requests_look_again(node);
    node->settings.changed = true;
    if (session_is_open(node) &&
        !apply_session_get(node->apply, node->session.id, &session)) {
        session_lost(node);
    }
}

static void tell_hull(struct node *node)
{
    struct hull_snapshot snapshot = {
        .index = tree_applied(node->tree),
        .term = tree_applied_term(node->tree),
        .chain = tree_applied_chain(node->tree),
        .time_ns = tree_time_ns(node->tree),
    };
    if (members_of_tree(node, &snapshot.config) < 0) {
        end_process("the tree of a snapshot cannot be used");
    }
    node->tree_durable = node->committed = snapshot.index;
    hull_installed(node->hull, node_now(), &snapshot);
    if (node->faulted) {
        return; /* the next start puts the log behind it */
    }
    if (image_installed_done(node->tree) < 0 || node_commit_tree(node) < 0) {
        node_fault(node, "the tree cannot be written: %s", store_error_text());
    }
}

static void install(struct snapshots *snapshots)
{
    struct snapshot_take *take = &snapshots->take;
    struct node *node = snapshots->node;
    uint64_t before = tree_applied(node->tree);
    if (node_commit_tree(node) < 0) { /* the log may have been faster */
        node_fault(node, "the tree cannot be written: %s", store_error_text());
        drop(snapshots);
        return;
    }
    swap_trees(node);
    if (tree_applied(node->tree) > before) {
        tell_hull(node);
        forget_old_tree(node);
        take->installed++;
        take->resumed += take->progress.resumed || take->moved;
        node_event(node, EVENT_SNAPSHOT_INSTALLED, take->from,
                   tree_applied(node->tree), "%" PRIu64 " bytes came",
                   take->progress.bytes);
    }
    /* Only now is what lies in segments the tree's. */
    drop(snapshots);
    take->scratch = false;
}

static void on_finish_thread(uv_work_t *work)
{
    struct snapshots *snapshots = work->data;
    struct snapshot_take *take = &snapshots->take;
    take->rc = image_import_finish(take->import);
    snapshot_why(take->why, take->rc);
}

static void on_finished(uv_work_t *work, int status)
{
    struct snapshots *snapshots = work->data;
    struct snapshot_take *take = &snapshots->take;
    struct node *node = snapshots->node;
    (void)status; /* never cancelled */
    take->state = TAKE_IDLE;
    if (snapshots->stopping) {
        return; /* the next start finds it */
    }
    if (take->rc == STORE_FULL) {
        stop_for_room(snapshots);
    } else if (take->rc < 0) {
        fail(snapshots);
    } else if (node->faulted || hull_is_leader(node->hull)) {
        drop(snapshots);
    } else {
        install(snapshots);
    }
}

/* --- chunks --- */

static void on_chunk_thread(uv_work_t *work)
{
    struct snapshots *snapshots = work->data;
    struct snapshot_take *take = &snapshots->take;
    struct view chunk = {take->chunk.data, take->chunk.size};
    take->rc = image_import_chunk(take->import, chunk);
    snapshot_why(take->why, take->rc);
}

static void on_chunk_taken(uv_work_t *work, int status)
{
    struct snapshots *snapshots = work->data;
    struct snapshot_take *take = &snapshots->take;
    (void)status; /* never cancelled */
    take->state = TAKE_ASKED;
    if (snapshots->stopping) {
        return;
    }
    if (take->rc >= 0) {
        take->moved = take->moved || (take->chunk_from != 0 &&
                                      take->chunk_from != take->from);
        take->chunk_from = take->from;
    }
    if (take->rc == 1) {
        image_import_progress(take->import, &take->progress);
        take->state = TAKE_FINISHING;
        uv_queue_work(&snapshots->node->loop, &take->work, on_finish_thread,
                      on_finished);
    } else if (take->rc == 0 || take->rc == STORE_INVALID) {
        ask(snapshots);
    } else if (take->rc == STORE_FULL) {
        stop_for_room(snapshots);
    } else {
        fail(snapshots);
    }
}

void take_chunk(struct snapshots *snapshots, uint64_t tag, struct bytes bytes)
{
    struct snapshot_take *take = &snapshots->take;
    if (take->state != TAKE_ASKED || tag != take->tag || bytes.size == 0) {
        return;
    }
    memcpy(blob_resize(&take->chunk, bytes.size), bytes.data, bytes.size);
    take->state = TAKE_WORKING;
    uv_queue_work(&snapshots->node->loop, &take->work, on_chunk_thread,
                  on_chunk_taken);
}

void take_wait(struct snapshots *snapshots, uint64_t tag)
{
    struct snapshot_take *take = &snapshots->take;
    if (take->state == TAKE_ASKED && tag == take->tag) {
        take->asked = node_now(); /* it will be answered; be patient */
    }
}

/* The leader has all we need after all, or the log was faster. */
static bool is_over(const struct snapshots *snapshots)
{
    const struct snapshot_take *take = &snapshots->take;
    const struct node *node = snapshots->node;
    raft_time now = node_now();
    return node->faulted || hull_is_leader(node->hull) ||
           (hull_leader(node->hull) != 0 && now - take->wanted > GIVE_UP_US &&
            now - node->leader_since > GIVE_UP_US);
}

/* An import that an earlier process began, and nobody needs any more. */
static void drop_leftover(struct snapshots *snapshots)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/tree.new.db",
             snapshots->node->options.datadir);
    if (unlink(path) == 0 || errno == ENOENT) {
        forget_leftover(snapshots);
    }
}

static void look_for_room(struct snapshots *snapshots)
{
    struct snapshot_take *take = &snapshots->take;
    if (take->import != NULL) {
        ask(snapshots);
    } else if (node_now() >= take->retry_at) {
        begin(snapshots);
    }
}

void take_tick(struct snapshots *snapshots)
{
    struct snapshot_take *take = &snapshots->take;
    if (take->state == TAKE_IDLE && snapshots->leftover &&
        is_over(snapshots)) {
        drop_leftover(snapshots);
    }
    if (take->state != TAKE_ASKED && take->state != TAKE_NO_ROOM) {
        return;
    }
    if (is_over(snapshots)) {
        drop(snapshots);
    } else if (take->state == TAKE_NO_ROOM) {
        look_for_room(snapshots);
    } else if (node_now() - take->asked > ASK_AGAIN_US || take->from == 0) {
        ask(snapshots);
    }
}
