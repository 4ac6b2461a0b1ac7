#include "fs/snapshot_int.h"

#include "fs/members.h"

#include <inttypes.h>
#include <string.h>

static void go_on(struct snapshots *snapshots);

/* --- who asks --- */

static struct snapshot_peer *peer_of(struct snapshot_send *send, node_id id)
{
    for (size_t i = 0; i < send->peer_count; i++) {
        if (send->peers[i].id == id) {
            return &send->peers[i];
        }
    }
    if (send->peer_count == SNAPSHOT_PEERS) {
        return NULL;
    }
    struct snapshot_peer *peer = &send->peers[send->peer_count++];
    *peer = (struct snapshot_peer){.id = id, .began = node_now()};
    return peer;
}

static void forget_peer(struct snapshot_send *send, node_id id)
{
    for (size_t i = 0; i < send->peer_count; i++) {
        if (send->peers[i].id == id) {
            send->peers[i] = send->peers[--send->peer_count];
            return;
        }
    }
}

/* The last question of each is what counts. */
static void queue_put(struct snapshot_send *send,
                      const struct snapshot_question *question)
{
    for (size_t i = 0; i < send->queued; i++) {
        if (send->queue[i].from == question->from) {
            send->queue[i] = *question;
            return;
        }
    }
    if (send->queued < SNAPSHOT_PEERS) {
        send->queue[send->queued++] = *question;
    }
}

static void queue_take(struct snapshot_send *send,
                       struct snapshot_question *out)
{
    *out = send->queue[0];
    send->queued--;
    memmove(send->queue, send->queue + 1, send->queued * sizeof *send->queue);
}

void send_question(struct snapshots *snapshots,
                   const struct snapshot_question *question, uint32_t permille)
{
    struct snapshot_send *send = &snapshots->send;
    struct snapshot_peer *peer = peer_of(send, question->from);
    if (snapshots->node->faulted) {
        return; /* what we have may be wrong */
    }
    send->asked = node_now();
    if (peer != NULL) {
        peer->asked = send->asked;
        peer->permille = permille;
    }
    queue_put(send, question);
    go_on(snapshots);
}

/* --- the view --- */

static void release_hold(struct snapshots *snapshots)
{
    if (snapshots->send.holds) {
        hull_hold(snapshots->node->hull, 0);
        snapshots->send.holds = false;
    }
}

static bool needs_view(const struct snapshot_send *send,
                       const struct snapshot_question *question)
{
    bool is_old = node_now() - send->opened > VIEW_FRESH_US;
    return send->export == NULL ||
           !image_export_can(send->export, &question->ask) ||
           (question->ask.index == 0 && is_old && send->peer_count == 1);
}

static void on_open_thread(uv_work_t *work)
{
    struct snapshots *snapshots = work->data;
    struct snapshot_send *send = &snapshots->send;
    image_export_close(send->export);
    send->export = NULL;
    send->rc =
        image_export_open(snapshots->node->options.datadir,
                          snapshots->node->segments, &snapshots->stop,
                          &send->export);
    snapshot_why(send->why, send->rc);
}

static void on_opened(uv_work_t *work, int status)
{
    struct snapshots *snapshots = work->data;
    struct snapshot_send *send = &snapshots->send;
    (void)status; /* never cancelled */
    send->job = SEND_NOTHING;
    if (snapshots->stopping) {
        return;
    }
    if (send->rc < 0) {
        node_event(snapshots->node, EVENT_SNAPSHOT_FAILED, send->now.from, 0,
                   "a view cannot be made: %s", send->why);
        release_hold(snapshots);
        return;
    }
    send->opened = node_now();
    queue_put(send, &send->now);
    go_on(snapshots);
}

/* The log behind the view stays: whoever has the view needs it next. The view
 * is made of what is committed to tree.db, now or later. */
static void open_view(struct snapshots *snapshots)
{
    struct node *node = snapshots->node;
    struct snapshot_send *send = &snapshots->send;
    hull_hold(node->hull, node->committed > 0 ? node->committed : 1);
    send->holds = true;
    send->opened = node_now();
    send->job = SEND_OPEN;
    snapshot_frame(node, send->now.from, SNAPSHOT_WAIT, send->now.tag,
                   (struct bytes){0});
    uv_queue_work(&node->loop, &send->work, on_open_thread, on_opened);
}

/* --- chunks --- */

static void on_chunk_thread(uv_work_t *work)
{
    struct snapshots *snapshots = work->data;
    struct snapshot_send *send = &snapshots->send;
    send->rc = image_export_chunk(send->export, &send->now.ask, &send->chunk);
    snapshot_why(send->why, send->rc);
}

static void chunk_sent(struct snapshots *snapshots)
{
    struct snapshot_send *send = &snapshots->send;
    struct snapshot_peer *peer = peer_of(send, send->now.from);
    uint64_t rate = (uint64_t)snapshots->node->config.snapshot_mb_s; /* B/us */
    send->free_at = node_now() + send->chunk.size / rate;
    if (peer != NULL) {
        peer->bytes += send->chunk.size;
    }
    if (send->rc == 1) {
        send->sent++;
        forget_peer(send, send->now.from);
    }
}

static void on_chunk(uv_work_t *work, int status)
{
    struct snapshots *snapshots = work->data;
    struct snapshot_send *send = &snapshots->send;
    (void)status; /* never cancelled */
    send->job = SEND_NOTHING;
    if (snapshots->stopping) {
        return;
    }
    if (send->rc < 0) {
        node_event(snapshots->node, EVENT_SNAPSHOT_FAILED, send->now.from, 0,
                   "a part cannot be read: %s", send->why);
        image_export_close(send->export);
        send->export = NULL;
        return; /* it will ask again */
    }
    snapshot_frame(snapshots->node, send->now.from, SNAPSHOT_CHUNK,
                   send->now.tag,
                   (struct bytes){send->chunk.data, send->chunk.size});
    chunk_sent(snapshots);
    go_on(snapshots);
}

static void on_pace(uv_timer_t *timer)
{
    go_on(timer->data);
}

static void go_on(struct snapshots *snapshots)
{
    struct snapshot_send *send = &snapshots->send;
    raft_time now = node_now();
    if (send->job != SEND_NOTHING || send->queued == 0 ||
        snapshots->stopping) {
        return;
    }
    if (now < send->free_at) {
        uv_timer_start(&send->pace, on_pace, (send->free_at - now) / 1000 + 1,
                       0);
        return;
    }
    queue_take(send, &send->now);
    if (needs_view(send, &send->now)) {
        open_view(snapshots);
        return;
    }
    send->job = SEND_CHUNK;
    uv_queue_work(&snapshots->node->loop, &send->work, on_chunk_thread,
                  on_chunk);
}

void send_tick(struct snapshots *snapshots)
{
    struct snapshot_send *send = &snapshots->send;
    raft_time now = node_now();
    for (size_t i = send->peer_count; i > 0; i--) {
        if (now - send->peers[i - 1].asked > VIEW_IDLE_US) {
            send->peers[i - 1] = send->peers[--send->peer_count];
        }
    }
    if (send->job != SEND_NOTHING) {
        return;
    }
    if (send->export != NULL && now - send->asked > VIEW_IDLE_US) {
        image_export_close(send->export);
        send->export = NULL;
    }
    if (send->export == NULL || now - send->opened > HOLD_MAX_US) {
        release_hold(snapshots);
    }
}
