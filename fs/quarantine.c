#include "fs/quarantine.h"

#include "fs/node.h"
#include "raft/wire/hash.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t hash_of(const struct record *record)
{
    return hash64(record->body,
                  record->payload_hash[0] ^ record->payload_hash[1]);
}

/* --- bytes --- */

/* One record with its payload, which a thread of the pool reads. */
struct fetch {
    uv_work_t work;
    struct node *node;
    uint64_t id;
    struct log_row row;    /* with bytes of its own */
    struct record *record; /* owned; NULL: not there yet, or damaged */
    bool done;
};

static void fetch_free(struct fetch *fetch)
{
    if (fetch != NULL) {
        record_unref(fetch->record);
        free((void *)(uintptr_t)fetch->row.bytes.data);
        free(fetch);
    }
}

static void on_fetch_thread(uv_work_t *work)
{
    struct fetch *fetch = work->data;
    if (logapi_decode(fetch->node, &fetch->row, &fetch->record) < 0) {
        fetch->record = NULL;
    }
}

static void on_fetched(uv_work_t *work, int status)
{
    struct fetch *fetch = work->data;
    (void)status; /* never cancelled */
    fetch->done = true;
    fetch->node->reads_under_way--;
}

static void fetch_begin(struct node *node, uint64_t id,
                        const struct log_row *row)
{
    struct fetch *fetch = calloc(1, sizeof *fetch);
    uint8_t *bytes = malloc(row->bytes.size);
    assert(fetch != NULL && bytes != NULL);
    memcpy(bytes, row->bytes.data, row->bytes.size);
    *fetch = (struct fetch){.node = node, .id = id, .row = *row};
    fetch->row.bytes.data = bytes;
    fetch->work.data = fetch;
    node->quarantine.fetch = fetch;
    node->reads_under_way++;
    uv_queue_work(&node->loop, &fetch->work, on_fetch_thread, on_fetched);
}

/* --- the table --- */

static void add(struct quarantine *quarantine, uint64_t id,
                const struct record *record)
{
    if (quarantine->count == quarantine->capacity) {
        quarantine->capacity = quarantine->capacity * 2 + 16;
        quarantine->list = realloc(
            quarantine->list, quarantine->capacity * sizeof *quarantine->list);
        assert(quarantine->list != NULL);
    }
    quarantine->list[quarantine->count++] =
        (struct quarantined){.id = id,
                             .origin = record->origin,
                             .session = record->session,
                             .serial = record->serial,
                             .hash = hash_of(record)};
}

static int drop(struct node *node, size_t at)
{
    struct quarantine *quarantine = &node->quarantine;
    int rc = raftlog_quarantine_drop(node->log, &quarantine->list[at].id, 1);
    if (rc == 0) {
        quarantine->count--;
        memmove(&quarantine->list[at], &quarantine->list[at + 1],
                (quarantine->count - at) * sizeof *quarantine->list);
    }
    return rc;
}

static size_t find(const struct quarantine *quarantine, uint64_t id)
{
    size_t at = 0;
    while (at < quarantine->count && quarantine->list[at].id != id) {
        at++;
    }
    return at;
}

void quarantine_release(struct quarantine *quarantine)
{
    fetch_free(quarantine->fetch);
    free(quarantine->list);
    *quarantine = (struct quarantine){.list = NULL};
}

/* --- what comes in --- */

static bool is_wanted(const struct node *node, const struct record *record)
{
    return record->code == RECORD_COMMAND && record->session != 0 &&
           !apply_was_done(node->apply, record->session, record->serial);
}

static int look_at(struct node *node, const struct quarantined_row *row)
{
    struct record *record;
    uint64_t id = row->id;
    if (logapi_decode_front(&row->row, &record) < 0) {
        return 0; /* nobody can use it, but somebody may want to see that */
    }
    int rc = 0;
    if (is_wanted(node, record)) {
        add(&node->quarantine, id, record);
    } else {
        rc = raftlog_quarantine_drop(node->log, &id, 1);
    }
    record_unref(record);
    return rc;
}

static int look_at_new_ones(struct node *node)
{
    struct quarantine *quarantine = &node->quarantine;
    struct quarantined_row row;
    int rc;
    while ((rc = raftlog_quarantine_next(node->log, quarantine->seen, &row)) ==
           1) {
        quarantine->seen = row.id;
        rc = look_at(node, &row);
        if (rc < 0) {
            return rc;
        }
    }
    return rc;
}

int quarantine_open(struct node *node)
{
    return look_at_new_ones(node);
}

/* The oldest had to go: forget them here, too. */
static void forget_the_lost(struct node *node)
{
    struct quarantine *quarantine = &node->quarantine;
    uint64_t lost = raftlog_quarantine_lost(node->log);
    struct quarantined_row row;
    if (lost == quarantine->lost) {
        return;
    }
    node_event(node, EVENT_QUARANTINE_FULL, 0, 0,
               "%" PRIu64 " records were let go for newer ones",
               lost - quarantine->lost);
    quarantine->lost = lost;
    bool any = raftlog_quarantine_next(node->log, 0, &row) == 1;
    size_t gone = 0;
    while (gone < quarantine->count &&
           (!any || quarantine->list[gone].id < row.id)) {
        gone++;
    }
    quarantine->count -= gone;
    memmove(quarantine->list, quarantine->list + gone,
            quarantine->count * sizeof *quarantine->list);
}

int quarantine_cut(struct node *node)
{
    int rc = look_at_new_ones(node);
    forget_the_lost(node);
    return rc;
}

/* --- what goes --- */

static bool is_same(const struct quarantined *old, const struct record *record,
                    uint64_t hash)
{
    return old->origin == record->origin && old->serial == record->serial &&
           (old->session == record->session || old->hash == hash);
}

int quarantine_applied(struct node *node, const struct record *record,
                       int error)
{
    struct quarantine *quarantine = &node->quarantine;
    if (quarantine->count == 0 || record->session == 0) {
        return 0;
    }
    struct apply_session session;
    if (error == ESTALE &&
        !apply_session_get(node->apply, record->session, &session)) {
        return 0; /* refused: its session has ended */
    }
    uint64_t hash = hash_of(record);
    for (size_t i = 0; i < quarantine->count; i++) {
        if (is_same(&quarantine->list[i], record, hash)) {
            /* On a full disk the row stays; it is looked at again at the start. */
            int rc = drop(node, i);
            return rc == STORE_FULL ? 0 : rc;
        }
    }
    return 0;
}

/* --- for people --- */

static json_t *refuse(const char *text)
{
    return json_pack("{s:s}", "error", text);
}

static json_t *refuse_missing(const struct node *node, uint64_t id)
{
    const struct quarantine *quarantine = &node->quarantine;
    return refuse(find(quarantine, id) < quarantine->count
                      ? "the bytes of that record are damaged"
                      : "there is no such record in quarantine");
}

static void put_time(char *out, size_t size, uint64_t ns)
{
    time_t seconds = (time_t)(ns / 1000000000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

/* Names need not be UTF-8, which JSON is. */
static json_t *text_json(char *text)
{
    json_t *out = json_string(text);
    if (out == NULL) {
        for (char *at = text; *at != '\0'; at++) {
            *at = (unsigned char)*at < 0x80 ? *at : '?';
        }
        out = json_string(text);
    }
    return out;
}

static json_t *record_json(struct node *node, const struct record *record)
{
    struct command command;
    char operation[8192] = "not a command", time[40];
    put_time(time, sizeof time, record->time_ns);
    json_t *out = json_pack("{s:I, s:I, s:s, s:s}", "index",
                            (json_int_t)record->index, "term",
                            (json_int_t)record->term, "time", time, "node",
                            members_name(node, record->origin));
    if (record->code == RECORD_COMMAND &&
        command_decode(record->body, &command) == 0) {
        command_print(&command, record->payload_size, operation,
                      sizeof operation);
        json_object_set_new(out, "uid", json_integer(command.caller.uid));
        json_object_set_new(out, "pid", json_integer(command.caller.pid));
        json_object_set_new(out, "comm", text_json(command.caller.comm));
    }
    json_object_set_new(out, "operation", text_json(operation));
    json_object_set_new(out, "size",
                        json_integer((json_int_t)record->payload_size));
    return out;
}

static bool find_row(struct node *node, uint64_t id,
                     struct quarantined_row *out)
{
    return id != 0 && raftlog_quarantine_next(node->log, id - 1, out) == 1 &&
           out->id == id;
}

/* One reference; NULL: it is not there, or damaged. */
static struct record *read_front(struct node *node, uint64_t id,
                                 uint64_t *cut_ns)
{
    struct quarantined_row row;
    struct record *record;
    if (!find_row(node, id, &row)) {
        return NULL;
    }
    *cut_ns = row.cut_ns;
    return logapi_decode_front(&row.row, &record) < 0 ? NULL : record;
}

/* With the payload. False: that is being read, or something else is. True: *out
 * is one reference; NULL: it is not there, or damaged. */
static bool read_whole(struct node *node, uint64_t id, struct record **out,
                       uint64_t *cut_ns)
{
    struct fetch *fetch = node->quarantine.fetch;
    struct quarantined_row row;
    *out = NULL;
    if (!find_row(node, id, &row)) {
        return true;
    }
    *cut_ns = row.cut_ns;
    if (row.row.place.segment == 0) {
        *out = read_front(node, id, cut_ns);
        return true;
    }
    if (fetch != NULL && !fetch->done) {
        return false;
    }
    bool is_there = fetch != NULL && fetch->id == id;
    if (is_there) {
        *out = fetch->record;
        fetch->record = NULL;
    }
    fetch_free(fetch);
    node->quarantine.fetch = NULL;
    if (!is_there) {
        fetch_begin(node, id, &row.row);
    }
    return is_there;
}

static json_t *is_being_read(void)
{
    return json_pack("{s:b}", "waiting", true);
}

static json_t *entry_json(struct node *node, uint64_t id,
                          const struct record *record, uint64_t cut_ns)
{
    char time[40];
    json_t *out = record_json(node, record);
    put_time(time, sizeof time, cut_ns);
    json_object_set_new(out, "id", json_integer((json_int_t)id));
    json_object_set_new(out, "superseded", json_string(time));
    return out;
}

static json_t *list_all(struct node *node)
{
    json_t *list = json_array();
    for (size_t i = 0; i < node->quarantine.count; i++) {
        uint64_t id = node->quarantine.list[i].id, cut_ns;
        struct record *record = read_front(node, id, &cut_ns);
        if (record != NULL) {
            json_array_append_new(list, entry_json(node, id, record, cut_ns));
            record_unref(record);
        }
    }
    return json_pack("{s:o, s:I}", "quarantine", list, "lost",
                     (json_int_t)raftlog_quarantine_lost(node->log));
}

static json_t *hex_json(struct bytes bytes)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = bytes.data;
    char *text = malloc(2 * bytes.size + 1);
    assert(text != NULL);
    for (size_t i = 0; i < bytes.size; i++) {
        text[2 * i] = digits[from[i] >> 4];
        text[2 * i + 1] = digits[from[i] & 15];
    }
    json_t *out = json_stringn(text, 2 * bytes.size);
    free(text);
    return out;
}

/* Both sides of the conflict: the record, and what stands in its place. */
static json_t *show_one(struct node *node, uint64_t id)
{
    uint64_t cut_ns;
    struct record *now, *record;
    struct log_row row;
    if (!read_whole(node, id, &record, &cut_ns)) {
        return is_being_read();
    }
    if (record == NULL) {
        return refuse_missing(node, id);
    }
    json_t *out = entry_json(node, id, record, cut_ns);
    json_object_set_new(out, "payload", hex_json(record->payload));
    bool there = record->index <= raftlog_last(node->log) &&
                 raftlog_read(node->log, record->index, &row) == 0 &&
                 logapi_decode_front(&row, &now) == 0;
    json_object_set_new(out, "instead",
                        there ? record_json(node, now) : json_null());
    if (there) {
        record_unref(now);
    }
    record_unref(record);
    return out;
}

/* --- again --- */

static int replay_ended(struct node *node, uint64_t id, int error)
{
    struct quarantine *quarantine = &node->quarantine;
    size_t at = find(quarantine, id);
    quarantine->replaying = 0;
    if (error == 0 && at < quarantine->count && drop(node, at) < 0) {
        error = EIO;
    }
    return error;
}

static json_t *replay(struct node *node, uint64_t id)
{
    uint64_t cut_ns;
    struct command command;
    struct record *record;
    if (!read_whole(node, id, &record, &cut_ns)) {
        return is_being_read();
    }
    if (record == NULL) {
        return refuse_missing(node, id);
    }
    json_t *reply;
    if (node->quarantine.replaying != 0) {
        reply = refuse("another record is being submitted again");
    } else if (command_decode(record->body, &command) < 0) {
        reply = refuse("that is not a command");
    } else if (command.op >= OP_LOCK && command.op <= OP_LOCK_BREAK) {
        reply = refuse("a lock cannot be taken for a program that is gone");
    } else {
        node->quarantine.replaying = id; /* it may end at once */
        reply = submission_begin(node, &command, record->payload, replay_ended,
                                 id);
        if (json_object_get(reply, "error") != NULL) {
            node->quarantine.replaying = 0;
        }
    }
    record_unref(record);
    return reply;
}

static json_t *drop_one(struct node *node, uint64_t id)
{
    size_t at = find(&node->quarantine, id);
    if (at == node->quarantine.count) {
        return refuse_missing(node, id);
    }
    return drop(node, at) < 0 ? refuse(store_error_text()) : json_object();
}

json_t *quarantine_control(struct node *node, const json_t *request)
{
    const char *action = json_string_value(json_object_get(request, "action"));
    uint64_t id =
        (uint64_t)json_integer_value(json_object_get(request, "id"));
    if (action == NULL || strcmp(action, "list") == 0) {
        return list_all(node);
    }
    if (strcmp(action, "show") == 0) {
        return show_one(node, id);
    }
    if (strcmp(action, "drop") == 0) {
        return drop_one(node, id);
    }
    if (strcmp(action, "replay") == 0) {
        return replay(node, id);
    }
    return refuse("an action is list, show, drop or replay");
}
