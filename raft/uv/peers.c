/* Who the peers are: the members of the configuration in force, those who were
 * members a moment ago, and those who know a newer configuration than we do.
 */
#include "raft/uv/incoming.h"

#include "raft/core/memory.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- one peer --- */

struct peer *peers_add(struct transport *transport,
                       const struct transport_peer *place)
{
    if (transport->peer_count == RAFT_PEERS_MAX ||
        !route_add(transport->route, place->id)) {
        return NULL;
    }
    struct peer *peer = xcalloc(1, sizeof(*peer));
    assert(place->id != 0);
    *peer = (struct peer){.transport = transport,
                          .place = *place,
                          .strange_since = transport_now(),
                          .why = "not tried yet"};
    peer->options = &peer->place;
    transport->peers[transport->peer_count] = peer;
    transport->peer_count++;
    return peer;
}

void peer_unref(struct peer *peer)
{
    assert(peer->references > 0);
    peer->references--;
    if (peer->references == 0) {
        assert(peer->gone && peer->outgoing == NULL);
        free(peer);
    }
}

static void drop(struct transport *transport, uint32_t at)
{
    struct peer *peer = transport->peers[at];
    if (peer->incoming != NULL) {
        incoming_close(peer->incoming);
    }
    route_remove(transport->route, peer->options->id);
    transport->peer_count--;
    transport->peers[at] = transport->peers[transport->peer_count];
    dialer_stop(peer);
}

/* --- places --- */

/* HOST:PORT or [V6]:PORT; false: neither. */
static bool split(const char *address, struct transport_peer *out)
{
    const char *colon = strrchr(address, ':');
    bool v6 = address[0] == '[';
    const char *host = v6 ? address + 1 : address;
    if (colon == NULL || (v6 && (colon == address || colon[-1] != ']'))) {
        return false;
    }
    size_t size = (size_t)(colon - host) - (v6 ? 1 : 0);
    if (size == 0 || size >= sizeof(out->host) || colon[1] == '\0' ||
        strlen(colon + 1) >= sizeof(out->port)) {
        return false;
    }
    memcpy(out->host, host, size);
    out->host[size] = '\0';
    snprintf(out->port, sizeof(out->port), "%s", colon + 1);
    return true;
}

/* "All addresses of this machine" is a place to listen at, not one to dial. */
static bool is_wildcard(const char *host)
{
    return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

static bool same_place(const struct transport_peer *a,
                       const struct transport_peer *b)
{
    return strcmp(a->host, b->host) == 0 && strcmp(a->port, b->port) == 0;
}

static void readdress(struct peer *peer, const struct transport_peer *to)
{
    if (is_wildcard(to->host) || same_place(&peer->place, to)) {
        return;
    }
    peer->old = peer->place;
    peer->place = *to;
    if (peer->state == DIAL_WAITING) {
        dialer_hint(peer);
    }
}

/* --- the configuration --- */

static void use_member(struct transport *transport,
                       const struct raft_member *member)
{
    struct transport_peer place = {.id = member->id};
    if (!split(member->address, &place)) {
        return;
    }
    snprintf(place.name, sizeof(place.name), "%s", member->name);
    struct peer *peer = transport_find(transport, member->id);
    if (peer == NULL) {
        peer = peers_add(transport, &place);
        if (peer == NULL) {
            return; /* strangers take the room; they go soon */
        }
        dialer_start(peer);
    }
    readdress(peer, &place);
    peer->member = true;
}

void transport_set_members(struct transport *transport, raft_index config,
                           const struct raft_members *list)
{
    struct transport_options *options = &transport->options;
    options->config = config;
    for (uint32_t i = 0; i < transport->peer_count; i++) {
        struct peer *peer = transport->peers[i];
        peer->strange_since =
            peer->member ? transport_now() : peer->strange_since;
        peer->member = false;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->list[i].id != options->self) {
            use_member(transport, &list->list[i]);
        }
    }
}

/* --- strangers --- */

/* It may be elsewhere than the list says, when it was moved and does not know it
 * yet, or we do not. */
static void hear_place(struct peer *peer, const struct hello *hello)
{
    struct transport_peer at = peer->place;
    if (split(hello->address, &at) && !is_wildcard(at.host) &&
        !same_place(&at, &peer->place)) {
        peer->old = at;
    }
}

struct peer *peers_admit(struct transport *transport, const struct hello *hello,
                         const char *host)
{
    struct peer *peer = transport_find(transport, hello->node);
    struct transport_peer place = {.id = hello->node};
    if (peer == NULL && hello->config > transport->options.config &&
        split(hello->address, &place)) {
        snprintf(place.name, sizeof(place.name), "%s", hello->name);
        if (is_wildcard(place.host)) {
            snprintf(place.host, sizeof(place.host), "%s", host);
        }
        peer = peers_add(transport, &place);
        if (peer != NULL) {
            dialer_start(peer);
        }
    }
    if (peer != NULL && hello->config > peer->config) {
        peer->config = hello->config;
    }
    if (peer != NULL) {
        hear_place(peer, hello);
    }
    return peer;
}

void peers_tick(struct transport *transport)
{
    raft_time now = transport_now();
    for (uint32_t i = transport->peer_count; i > 0; i--) {
        struct peer *peer = transport->peers[i - 1];
        bool knows_more = peer->config > transport->options.config;
        if (peer->member || (knows_more && peer->incoming != NULL)) {
            peer->strange_since = now;
        } else if (now - peer->strange_since > STRANGER_US) {
            drop(transport, i - 1);
        }
    }
}
