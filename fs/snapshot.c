#include "fs/snapshot_int.h"

#include "fs/members.h"
#include "raft/wire/cursor.h"
#include "raft/wire/frame.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct snapshots *snapshots_new(struct node *node)
{
    struct snapshots *snapshots = calloc(1, sizeof *snapshots);
    if (snapshots == NULL) {
        abort();
    }
    snapshots->node = node;
    uv_timer_init(&node->loop, &snapshots->send.pace);
    snapshots->send.pace.data = snapshots;
    snapshots->send.work.data = snapshots;
    snapshots->take.work.data = snapshots;
    return snapshots;
}

void snapshots_hold_leftover(struct snapshots *snapshots)
{
    char path[4096];
    struct node *node = snapshots->node;
    snprintf(path, sizeof path, "%s/tree.new.db", node->options.datadir);
    if (access(path, F_OK) == 0) {
        snapshots->leftover = true;
        segments_pin(node->segments);
    }
}

void snapshots_tick(struct snapshots *snapshots)
{
    send_tick(snapshots);
    take_tick(snapshots);
}

bool snapshots_stop(struct snapshots *snapshots)
{
    if (!snapshots->stopping) {
        snapshots->stopping = true;
        atomic_store(&snapshots->stop, true);
        uv_timer_stop(&snapshots->send.pace);
    }
    return snapshots->send.job != SEND_NOTHING ||
           take_is_at_work(snapshots);
}

void snapshots_release(struct snapshots *snapshots)
{
    image_export_close(snapshots->send.export);
    image_import_close(snapshots->take.import, false);
    snapshots->send.export = NULL;
    snapshots->take.import = NULL;
    if (snapshots->leftover) {
        segments_unpin(snapshots->node->segments);
    }
}

void snapshots_free(struct snapshots *snapshots)
{
    blob_release(&snapshots->send.chunk);
    blob_release(&snapshots->take.chunk);
    free(snapshots);
}

/* --- frames --- */

void snapshot_frame(struct node *node, node_id to, enum snapshot_kind kind,
                    uint64_t tag, struct bytes body)
{
    struct frame frame = frame_new(SNAPSHOT_FRONT + body.size);
    struct writer w = writer_init(frame.data + FRAME_HEADER_SIZE,
                                  SNAPSHOT_FRONT + body.size);
    write_u8(&w, (uint8_t)kind);
    write_u64(&w, tag);
    write_bytes(&w, body);
    frame_seal(&frame, FRAME_SNAPSHOT, 0, node->self, to);
    transport_send(node->transport, to, &frame);
}

void snapshot_why(char why[256], int rc)
{
    snprintf(why, 256, "%s", rc < 0 ? store_error_text() : "");
}

static void hear_ask(struct snapshots *snapshots, node_id from, uint64_t tag,
                     struct reader *r)
{
    struct snapshot_question question = {.from = from, .tag = tag};
    uint32_t permille = read_u16(r);
    struct bytes ask = read_bytes(r, IMAGE_ASK_SIZE);
    if (reader_done(r) && permille <= 1000 &&
        image_ask_decode((struct view){ask.data, ask.size}, &question.ask)) {
        send_question(snapshots, &question, permille);
    }
}

void snapshot_bulk(void *self, node_id from, struct bytes body)
{
    struct node *node = self;
    struct snapshots *snapshots = node->snapshots;
    struct reader r = reader_init(body);
    uint8_t kind = read_u8(&r);
    uint64_t tag = read_u64(&r);
    if (!reader_ok(&r) || snapshots == NULL || snapshots->stopping) {
        return;
    }
    switch (kind) {
    case SNAPSHOT_ASK:
        hear_ask(snapshots, from, tag, &r);
        break;
    case SNAPSHOT_CHUNK:
        take_chunk(snapshots, tag, read_bytes(&r, reader_left(&r)));
        break;
    case SNAPSHOT_WAIT:
        take_wait(snapshots, tag);
        break;
    default:
        break; /* from a newer version */
    }
}

void snapshot_wanted(void *self, node_id leader)
{
    struct node *node = self;
    (void)leader; /* the one that hull_leader() names */
    if (node->snapshots != NULL && !node->snapshots->stopping) {
        take_wanted(node->snapshots);
    }
}

/* --- for people --- */

static json_t *progress_json(const char *key, const char *name,
                             uint32_t permille, uint64_t bytes,
                             raft_time spent_us, uint32_t permille_done)
{
    json_t *out = json_object();
    json_object_set_new(out, key, json_string(name));
    json_object_set_new(out, "percent", json_real(permille / 10.0));
    json_object_set_new(out, "bytes", json_integer((json_int_t)bytes));
    json_object_set_new(
        out, "left_s",
        permille_done == 0
            ? json_null()
            : json_integer((json_int_t)((double)spent_us / permille_done *
                                        (1000 - permille) / 1000000)));
    return out;
}

json_t *snapshot_json(struct node *node)
{
    const struct snapshots *snapshots = node->snapshots;
    const struct snapshot_take *take = &snapshots->take;
    json_t *out = json_object();
    raft_time now = node_now();
    if (take->state != TAKE_IDLE) {
        json_t *row = progress_json(
            "from", members_name(node, take->from), take->progress.permille,
            take->progress.bytes, now - take->began,
            take->progress.permille - take->permille_began);
        json_object_set_new(row, "index",
                            json_integer((json_int_t)take->progress.index));
        json_object_set_new(row, "room_missing",
                            json_integer((json_int_t)take->missing));
        json_object_set_new(out, "receiving", row);
    }
    json_t *sending = json_array();
    for (size_t i = 0; i < snapshots->send.peer_count; i++) {
        const struct snapshot_peer *peer = &snapshots->send.peers[i];
        json_array_append_new(
            sending, progress_json("to", members_name(node, peer->id),
                                   peer->permille, peer->bytes,
                                   now - peer->began, peer->permille));
    }
    if (json_array_size(sending) > 0) {
        json_object_set(out, "sending", sending);
    }
    json_decref(sending);
    return out;
}

void snapshot_counters(struct node *node, json_t *counters)
{
    const struct snapshots *s = node->snapshots;
    json_object_set_new(counters, "snapshots_sent",
                        json_integer((json_int_t)s->send.sent));
    json_object_set_new(counters, "snapshots_installed",
                        json_integer((json_int_t)s->take.installed));
    json_object_set_new(counters, "snapshots_resumed",
                        json_integer((json_int_t)s->take.resumed));
    json_object_set_new(counters, "snapshots_failed",
                        json_integer((json_int_t)s->take.failed));
}
