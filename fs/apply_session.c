/* apply_session.c -- who may still act, and what was done already.
 *
 * A session row: u16 version · u64 node · u64 boot · u64 open_serial ·
 * u64 opened_ns · u64 ack_below · u8 size, name · u32 count · results, each
 * u64 serial · u32 error · u8 mask of the values that are not 0 · those, u64.
 * Serials grow, and none is below ack_below.
 */
#include "fs/apply_int.h"

#include "store/error.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROW_VERSION = 1,
    ROW_HEAD_MAX = 2 + 5 * 8 + 1 + 64 + 4,
    ROW_RESULT_MAX = 8 + 4 + 1 + 4 * 8,
    VALUES = 4,
};

/* --- results of one session --- */

static const struct kept_result *kept_at(const struct session *session,
                                         size_t at)
{
    assert(at < session->kept_count);
    return &session->kept[session->kept_first + at];
}

/* How many kept serials are below this one. */
static size_t kept_below(const struct session *session, uint64_t serial)
{
    size_t low = 0;
    size_t high = session->kept_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (kept_at(session, middle)->serial < serial) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool apply_session_seen(const struct session *session, uint64_t serial,
                        struct apply_result *result)
{
    if (serial < session->seen.ack_below) {
        /* Done or not, nobody can know any more; and nobody waits for it, but
         * for a caller that was overtaken by a whole window of others. */
        *result = (struct apply_result){.error = ETIMEDOUT};
        return true;
    }
    size_t at = kept_below(session, serial);
    if (at == session->kept_count || kept_at(session, at)->serial != serial) {
        return false;
    }
    *result = kept_at(session, at)->result;
    return true;
}

static void kept_reserve_one(struct session *session)
{
    if (session->kept_first + session->kept_count < session->kept_capacity) {
        return;
    }
    if (session->kept_first > session->kept_count) {
        memcpy(session->kept, session->kept + session->kept_first,
               session->kept_count * sizeof *session->kept);
        session->kept_first = 0;
        return;
    }
    size_t capacity =
        session->kept_capacity == 0 ? 16 : session->kept_capacity * 2;
    session->kept = realloc(session->kept, capacity * sizeof *session->kept);
    assert(session->kept != NULL);
    session->kept_capacity = capacity;
}

static void kept_insert(struct session *session, uint64_t serial,
                        const struct apply_result *result)
{
    kept_reserve_one(session);
    size_t at = kept_below(session, serial);
    struct kept_result *slot = session->kept + session->kept_first + at;
    memmove(slot + 1, slot, (session->kept_count - at) * sizeof *slot);
    *slot = (struct kept_result){.serial = serial, .result = *result};
    session->kept_count++;
}

static void kept_forget(struct session *session, uint64_t below)
{
    size_t count = kept_below(session, below);
    session->kept_first += count;
    session->kept_count -= count;
    session->seen.ack_below = below;
}

void apply_session_keep(struct session *session, uint64_t serial,
                        uint64_t ack_below, const struct apply_result *result)
{
    kept_insert(session, serial, result);
    /* A caller cannot have got this result yet, whatever it says. */
    uint64_t below = ack_below < serial ? ack_below : serial;
    if (below > session->seen.ack_below) {
        kept_forget(session, below);
    }
    if (session->kept_count > APPLY_WINDOW_MAX) {
        kept_forget(session, kept_at(session, 0)->serial + 1);
    }
    session->changed = true;
}

/* --- the table --- */

struct session *apply_session_find(const struct apply *apply, uint64_t id)
{
    for (size_t i = 0; i < apply->session_count; i++) {
        if (apply->sessions[i].seen.id == id) {
            return &apply->sessions[i];
        }
    }
    return NULL;
}

static struct session *table_add(struct apply *apply, uint64_t id)
{
    assert(apply->session_count == 0 ||
           apply->sessions[apply->session_count - 1].seen.id < id);
    if (apply->session_count == apply->session_capacity) {
        apply->session_capacity = apply->session_capacity * 2 + 8;
        apply->sessions = realloc(apply->sessions, apply->session_capacity *
                                                       sizeof *apply->sessions);
        assert(apply->sessions != NULL);
    }
    struct session *session = &apply->sessions[apply->session_count++];
    *session = (struct session){.seen.id = id};
    return session;
}

static int table_remove(struct call *call, struct session *session)
{
    struct apply *apply = call->apply;
    uint64_t id = session->seen.id;
    size_t at = (size_t)(session - apply->sessions);
    assert(at < apply->session_count);
    apply->change.session_ended = true;
    /* No row yet: it was opened since the last flush. */
    int rc = tree_session_remove(apply->tree, id);
    free(session->kept);
    apply->session_count--;
    memmove(session, session + 1,
            (apply->session_count - at) * sizeof *session);
    if (rc < 0 && rc != STORE_NOT_FOUND) {
        return rc;
    }
    return apply_locks_end_session(call, id);
}

void apply_sessions_free(struct apply *apply)
{
    for (size_t i = 0; i < apply->session_count; i++) {
        free(apply->sessions[i].kept);
    }
    free(apply->sessions);
}

static void seen_get(const struct session *session, struct apply_session *out)
{
    *out = session->seen;
    out->results = (uint32_t)session->kept_count;
}

bool apply_was_done(const struct apply *apply, uint64_t session,
                    uint64_t serial)
{
    const struct session *found = apply_session_find(apply, session);
    if (found == NULL) {
        return false;
    }
    size_t at = kept_below(found, serial);
    return at < found->kept_count && kept_at(found, at)->serial == serial;
}

bool apply_session_get(const struct apply *apply, uint64_t session,
                       struct apply_session *out)
{
    const struct session *found = apply_session_find(apply, session);
    if (found == NULL) {
        return false;
    }
    seen_get(found, out);
    return true;
}

size_t apply_sessions(const struct apply *apply, struct apply_session *out,
                      size_t max)
{
    size_t count = apply->session_count < max ? apply->session_count : max;
    for (size_t i = 0; i < count; i++) {
        seen_get(&apply->sessions[i], &out[i]);
    }
    return count;
}

/* --- opening and ending --- */

static bool is_of_node(const struct session *session, struct call *call)
{
    struct bytes name = call->command->name;
    return session->seen.node == call->record->origin ||
           (strlen(session->seen.name) == name.size &&
            memcmp(session->seen.name, name.data, name.size) == 0);
}

/* The same record may be in the log twice, since it was forwarded again when no
 * answer came. The second one must not end the session that the first opened.
 */
static bool is_open_already(struct call *call, int *rc)
{
    const struct apply *apply = call->apply;
    for (size_t i = 0; i < apply->session_count; i++) {
        const struct session *session = &apply->sessions[i];
        if (session->seen.node != call->record->origin ||
            session->seen.boot != call->command->number ||
            session->open_serial < call->record->serial) {
            continue;
        }
        bool is_same = session->open_serial == call->record->serial;
        call->result->value[VALUE_INO] = session->seen.id;
        *rc = is_same ? 0 : ESTALE; /* an older one, come late */
        return true;
    }
    return false;
}

static int end_earlier(struct call *call)
{
    struct apply *apply = call->apply;
    size_t at = 0;
    while (at < apply->session_count) {
        if (!is_of_node(&apply->sessions[at], call)) {
            at++;
            continue;
        }
        int rc = table_remove(call, &apply->sessions[at]);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* The root was made with the store, on each node at another time; it gets the
 * time at which the cluster begins to be used, and whoever runs the first node
 * owns it: so that an ordinary user can write to what he mounts. */
static int begin_root(struct call *call)
{
    struct inode root;
    int rc = apply_inode_get(call, TREE_ROOT, &root);
    if (rc != 0 || root.btime != 0) {
        return rc;
    }
    root.atime = root.mtime = root.ctime = root.btime = call->now;
    root.uid = call->command->caller.uid;
    root.gid = call->command->caller.gid;
    return apply_inode_put(call, &root);
}

int apply_session_open(struct call *call)
{
    const struct command *command = call->command;
    struct session *session = NULL;
    if (call->record->session != 0 || call->record->origin == 0 ||
        command->name.size >= sizeof session->seen.name) {
        return EINVAL;
    }
    int rc = 0;
    if (is_open_already(call, &rc)) {
        return rc;
    }
    if (call->apply->session_count == APPLY_SESSIONS_MAX) {
        return ENFILE;
    }
    rc = end_earlier(call);
    if (rc == 0) {
        rc = begin_root(call);
    }
    if (rc != 0) {
        return rc;
    }
    session = table_add(call->apply, call->record->index);
    session->seen.node = call->record->origin;
    session->seen.boot = command->number;
    session->seen.opened_ns = call->record->time_ns;
    memcpy(session->seen.name, command->name.data, command->name.size);
    session->open_serial = call->record->serial;
    session->changed = true;
    call->result->value[VALUE_INO] = session->seen.id;
    return 0;
}

int apply_session_end(struct call *call)
{
    struct session *session =
        apply_session_find(call->apply, call->command->session);
    if (session == NULL) {
        return ESTALE;
    }
    return table_remove(call, session);
}

/* --- rows --- */

static void encode_result(struct writer *w, const struct kept_result *kept)
{
    uint8_t mask = 0;
    for (unsigned i = 0; i < VALUES; i++) {
        mask |= (uint8_t)((kept->result.value[i] != 0) << i);
    }
    write_u64(w, kept->serial);
    write_u32(w, (uint32_t)kept->result.error);
    write_u8(w, mask);
    for (unsigned i = 0; i < VALUES; i++) {
        if ((mask >> i & 1) != 0) {
            write_u64(w, kept->result.value[i]);
        }
    }
}

/* Returns the size of the row. */
static size_t encode_session(const struct session *session, uint8_t *out,
                             size_t size)
{
    struct writer w = writer_init(out, size);
    size_t name_size = strlen(session->seen.name);
    write_u16(&w, ROW_VERSION);
    write_u64(&w, session->seen.node);
    write_u64(&w, session->seen.boot);
    write_u64(&w, session->open_serial);
    write_u64(&w, session->seen.opened_ns);
    write_u64(&w, session->seen.ack_below);
    write_u8(&w, (uint8_t)name_size);
    write_bytes(&w, (struct bytes){session->seen.name, name_size});
    write_u32(&w, (uint32_t)session->kept_count);
    for (size_t i = 0; i < session->kept_count; i++) {
        encode_result(&w, kept_at(session, i));
    }
    return size - writer_left(&w);
}

static void decode_result(struct reader *r, struct session *session)
{
    uint64_t serial = read_u64(r);
    struct apply_result result = {.error = (int32_t)read_u32(r)};
    uint8_t mask = read_u8(r);
    for (unsigned i = 0; i < VALUES; i++) {
        if ((mask >> i & 1) != 0) {
            result.value[i] = read_u64(r);
        }
    }
    bool grows = session->kept_count == 0 ||
                 kept_at(session, session->kept_count - 1)->serial < serial;
    if (!grows || serial < session->seen.ack_below || mask >> VALUES != 0) {
        reader_fail(r);
    }
    if (reader_ok(r)) {
        kept_insert(session, serial, &result);
    }
}

/* What is decoded stays in *session even if it turns out to be bad. */
static bool decode_session(struct view row, struct session *session)
{
    struct reader r = reader_init((struct bytes){row.data, row.size});
    if (read_u16(&r) != ROW_VERSION) {
        reader_fail(&r);
    }
    session->seen.node = read_u64(&r);
    session->seen.boot = read_u64(&r);
    session->open_serial = read_u64(&r);
    session->seen.opened_ns = read_u64(&r);
    session->seen.ack_below = read_u64(&r);
    struct bytes name = read_bytes(&r, read_u8(&r));
    uint32_t count = read_u32(&r);
    if (name.size >= sizeof session->seen.name || count > APPLY_WINDOW_MAX) {
        reader_fail(&r);
    }
    if (!reader_ok(&r)) {
        return false;
    }
    if (name.size > 0) {
        memcpy(session->seen.name, name.data, name.size);
    }
    for (uint32_t i = 0; i < count && reader_ok(&r); i++) {
        decode_result(&r, session);
    }
    return reader_done(&r);
}

struct load {
    struct apply *apply;
    bool is_bad; /* a row is damaged: */
    uint64_t bad;
};

static bool load_row(void *arg, uint64_t id, struct view row)
{
    struct load *load = arg;
    size_t count = load->apply->session_count;
    bool grows = count == 0 || load->apply->sessions[count - 1].seen.id < id;
    if (!grows || id == 0 || !decode_session(row, table_add(load->apply, id))) {
        load->is_bad = true;
        load->bad = id;
        return false;
    }
    return true;
}

int apply_sessions_load(struct apply *apply)
{
    struct load load = {.apply = apply};
    int rc = tree_session_each(apply->tree, load_row, &load);
    if (rc == 0 && load.is_bad) {
        rc = store_fail(STORE_CORRUPT, "the row of session %llu is damaged",
                        (unsigned long long)load.bad);
    }
    return rc;
}

static int flush_session(struct apply *apply, struct session *session)
{
    size_t size = ROW_HEAD_MAX + session->kept_count * ROW_RESULT_MAX;
    uint8_t *row = malloc(size);
    assert(row != NULL);
    size_t used = encode_session(session, row, size);
    int rc = tree_session_put(apply->tree, session->seen.id,
                              (struct view){row, used});
    free(row);
    session->changed = rc < 0;
    return rc;
}

int apply_flush(struct apply *apply)
{
    int rc = apply->failed;
    for (size_t i = 0; rc == 0 && i < apply->session_count; i++) {
        if (apply->sessions[i].changed) {
            rc = flush_session(apply, &apply->sessions[i]);
        }
    }
    apply->failed = rc;
    return rc;
}
