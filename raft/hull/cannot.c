#include "raft/hull/cannot.h"

#include "raft/hull/hull_int.h"

#include <stdio.h>
#include <string.h>

static struct cannot_peer *find(struct cannot *cannot, node_id id)
{
    for (size_t i = 0; i < RAFT_NODES_MAX; i++) {
        if (cannot->peers[i].id == id) {
            return &cannot->peers[i];
        }
    }
    return NULL;
}

bool cannot_hear(struct cannot *cannot, node_id id,
                 const struct cannot_sync *what)
{
    struct cannot_peer *peer = find(cannot, id);
    if (peer == NULL) {
        peer = find(cannot, 0);
    }
    if (peer == NULL) {
        return false; /* of nodes that are no members any more */
    }
    bool same = peer->id == id && peer->what.index == what->index &&
                strcmp(peer->what.code, what->code) == 0;
    *peer = (struct cannot_peer){.id = id, .what = *what};
    return !same;
}

void cannot_forget(struct cannot *cannot, node_id id)
{
    struct cannot_peer *peer = find(cannot, id);
    if (peer != NULL) {
        peer->id = 0;
    }
}

void cannot_forget_all(struct cannot *cannot)
{
    memset(cannot->peers, 0, sizeof(cannot->peers));
}

const struct cannot_sync *cannot_find(const struct cannot *cannot, node_id id)
{
    for (size_t i = 0; i < RAFT_NODES_MAX; i++) {
        if (cannot->peers[i].id == id) {
            return &cannot->peers[i].what;
        }
    }
    return NULL;
}

/* --- the hull's part --- */

void cannot_say(struct hull *hull, node_id to)
{
    struct cannot *cannot = &hull->cannot;
    bool lately =
        cannot->said != 0 && hull->now < cannot->said + CANNOT_SYNC_EVERY_US;
    if (to == 0 || to == hull->self || lately) {
        return;
    }
    cannot->said = hull->now;
    struct cannot_sync what = {.index = hull->fault.index,
                               .term = hull->fault.term,
                               .error = hull->fault.error};
    snprintf(what.code, sizeof(what.code), "%s", event_name(hull->fault.code));
    struct frame frame = frame_encode_cannot_sync(hull->self, to, &what);
    hull_send(hull, to, &frame);
}

void cannot_receive(struct hull *hull, node_id from, struct bytes body)
{
    struct cannot_sync what;
    if (frame_decode_cannot_sync(body, &what) < 0) {
        hull->count.frames_bad++;
        return;
    }
    if (!cannot_hear(&hull->cannot, from, &what)) {
        return;
    }
    struct hull_note note = {.code = EVENT_PEER_CANNOT_SYNC,
                             .peer = from,
                             .term = what.term,
                             .index = what.index,
                             .error = what.error};
    snprintf(note.text, sizeof(note.text), "%s", what.code);
    hull_note_send(hull, &note);
}

const struct cannot_sync *hull_cannot_sync(const struct hull *hull,
                                           node_id peer)
{
    return hull->role == RAFT_LEADER ? cannot_find(&hull->cannot, peer) : NULL;
}
