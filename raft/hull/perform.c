#include "raft/hull/hull_int.h"

#include <stdio.h>

static void wrote(struct hull *hull, const struct raft_effect *effect)
{
    assert(effect->token > hull->written);
    hull->written = effect->token;
}

static void perform_save(struct hull *hull, const struct raft_effect *effect)
{
    int rc = hull->log->save(hull->log->self, effect->term, effect->vote);
    if (rc < 0) {
        hull_fail(hull, EVENT_SAVE_FAILED, 0, rc);
        return;
    }
    wrote(hull, effect);
}

/* Newest first, so that the pilot takes its steps back in reverse. */
static void perform_undo(struct hull *hull, const struct raft_effect *effect)
{
    assert(effect->first > hull->commit);
    for (raft_index i = effect->last; i >= effect->first; i--) {
        struct record *record = hull_record_get(hull, i);
        if (record == NULL) {
            return;
        }
        int rc = hull->pilot->undo(hull->pilot->self, record);
        inflight_remove(&hull->inflight, record, i);
        submit_superseded(hull, record);
        record_unref(record);
        if (rc < 0) {
            hull_fail(hull, EVENT_UNDO_FAILED, i, rc);
            return;
        }
        hull->count.undone++;
    }
}

static void perform_truncate(struct hull *hull,
                             const struct raft_effect *effect)
{
    assert(effect->first > hull->commit);
    cache_truncate(&hull->cache, effect->first);
    dirty_truncate(&hull->dirty, effect->first);
    reads_truncated(hull, effect->first);
    int rc = hull->log->truncate(hull->log->self, effect->first);
    if (rc < 0) {
        hull_fail(hull, EVENT_TRUNCATE_FAILED, effect->first, rc);
        return;
    }
    wrote(hull, effect);
}

/* Index, term and time: from here on the record is the same everywhere. */
static void stamp(struct hull *hull, const struct raft_effect *effect,
                  struct record **records, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t wall = hull->pilot->wall_ns(hull->pilot->self);
        uint64_t next = hull->last_time_ns + 1;
        assert(records[i]->index == 0);
        records[i]->index = effect->first + i;
        records[i]->term = effect->term;
        records[i]->time_ns = wall > next ? wall : next;
        hull->last_time_ns = records[i]->time_ns;
    }
}

/* Two logs with the same record at a place are the same up to there, and the chain
 * shows whether that is so. Only a fault of a program or of a disk breaks it. */
static int chain(struct hull *hull, struct record **records, uint32_t count,
                 bool ours)
{
    raft_index before = records[0]->index - 1;
    struct record *record = cache_get(&hull->cache, before);
    uint64_t hash = record != NULL ? record->chain : 0;
    int rc = record != NULL
                 ? 0
                 : hull->log->chain(hull->log->self, before, &hash);
    if (rc < 0) {
        hull_fail(hull, EVENT_READ_FAILED, before, rc);
        return -1;
    }
    for (uint32_t i = 0; i < count; i++) {
        hash = record_chain(records[i], hash);
        if (ours) {
            records[i]->chain = hash;
        } else if (records[i]->chain != hash) {
            hull_fail(hull, EVENT_DIVERGED, records[i]->index, 0);
            return -1;
        }
    }
    return 0;
}

static int stage(struct hull *hull, struct record **records, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (records[i]->payload_size == 0) {
            continue;
        }
        int rc = hull->pilot->stage(hull->pilot->self, records[i]);
        if (rc < 0) {
            hull_fail(hull, EVENT_STAGE_FAILED, records[i]->index, rc);
            return -1;
        }
    }
    return 0;
}

static void keep(struct hull *hull, struct record **records, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        cache_put(&hull->cache, records[i]);
        if (hull->role == RAFT_LEADER && records[i]->origin != hull->self &&
            hull_is_member(hull, records[i]->origin)) {
            news_asked(&hull->news, records[i]->origin, records[i]->index);
        }
        inflight_put(&hull->inflight, records[i], records[i]->index);
        if (hull->options.raft.lease_ask) {
            dirty_add(&hull->dirty, hull->pilot, records[i], hull->applied);
        }
        if (records[i]->time_ns > hull->last_time_ns) {
            hull->last_time_ns = records[i]->time_ns;
        }
    }
    hull->count.records_written += count;
}

static void append(struct hull *hull, const struct raft_effect *effect,
                   struct record **records)
{
    uint32_t count = (uint32_t)(effect->last - effect->first + 1);
    bool ours = effect->source != RAFT_FROM_MESSAGE;
    if (ours) {
        stamp(hull, effect, records, count);
    }
    assert(records[0]->index == effect->first);
    assert(records[count - 1]->index == effect->last);
    if (chain(hull, records, count, ours) < 0 ||
        stage(hull, records, count) < 0) {
        return;
    }
    int rc = hull->log->append(hull->log->self, records, count);
    if (rc < 0) {
        hull_fail(hull, EVENT_APPEND_FAILED, effect->first, rc);
        return;
    }
    keep(hull, records, count);
    wrote(hull, effect);
}

static void perform_append(struct hull *hull, const struct raft_effect *effect)
{
    uint64_t count = effect->last - effect->first + 1;
    switch (effect->source) {
    case RAFT_FROM_SUBMIT:
        assert(count == hull->batch_count);
        append(hull, effect, hull->batch);
        /* Our disk works while the frames are made and sent. */
        hull_sync_start(hull);
        return;
    case RAFT_FROM_MESSAGE:
        assert(effect->skip + count <= hull->attached_count);
        append(hull, effect, hull->attached + effect->skip);
        return;
    case RAFT_FROM_CORE:
        break;
    }
    assert(count == 1);
    struct record *record =
        effect->code == RECORD_CONFIG
            ? change_record(hull, effect->first)
            : record_new(RECORD_TERM_START, (struct bytes){0},
                         (struct bytes){0});
    record->origin = hull->self;
    append(hull, effect, &record);
    record_unref(record);
}

/* Gives frame.data NULL when a record could not be read (the node is faulted
 * then). */
static struct frame encode(struct hull *hull,
                           const struct raft_message *message)
{
    struct frame frame = {0};
    uint32_t count = message->type == RAFT_APPEND ? message->count : 0;
    if (count == 0) {
        return frame_encode_raft(message, NULL);
    }
    struct record **records = xcalloc(count, sizeof(struct record *));
    uint32_t got = 0;
    while (got < count) {
        records[got] = hull_record_get(hull, message->first + got);
        if (records[got] == NULL) {
            break;
        }
        got++;
    }
    if (got == count) {
        frame = frame_encode_raft(message, records);
    }
    for (uint32_t i = 0; i < got; i++) {
        record_unref(records[i]);
    }
    free(records);
    return frame;
}

static void send_news(struct hull *hull, const struct raft_message *message)
{
    struct frame frame = frame_encode_raft(message, NULL);
    hull_send(hull, message->to, &frame);
}

void hull_news(struct hull *hull)
{
    struct raft_message message;
    while (news_take_late(&hull->news, hull->now, &message)) {
        send_news(hull, &message);
    }
}

/* False: it is held back. */
static bool check_news(struct hull *hull, const struct raft_message *message)
{
    struct raft_message news;
    if (message->type == RAFT_APPEND) {
        return news_may_leave(&hull->news, hull->now, message);
    }
    if (message->type == RAFT_READ_REPLY && message->granted &&
        news_take(&hull->news, message->to, message->read_index, &news)) {
        send_news(hull, &news);
    }
    return true;
}

static void perform_send(struct hull *hull, const struct raft_effect *effect)
{
    if (!check_news(hull, &effect->message)) {
        return;
    }
    struct frame frame = encode(hull, &effect->message);
    if (frame.data == NULL) {
        return;
    }
    if (effect->after > hull->synced) {
        held_put(&hull->held, effect->after, effect->message.to, frame);
    } else {
        hull_send(hull, effect->message.to, &frame);
    }
}

static void perform_role(struct hull *hull, const struct raft_effect *effect)
{
    if (effect->role != hull->role || effect->term != hull->term) {
        news_clear(&hull->news);
    }
    if ((effect->role == RAFT_LEADER) != (hull->role == RAFT_LEADER)) {
        cannot_forget_all(&hull->cannot);
    }
    hull->role = effect->role;
    hull->term = effect->term;
    hull->leader = effect->leader;
    hull->submit_retry_at = 0;
    if (hull->leader != 0 && !hull->faulted) {
        forward_leader_known(hull);
        hull->read_retry_at = hull->now; /* whom we asked may be gone */
    }
    hull->pilot->role(hull->pilot->self, effect->role, effect->term,
                      effect->leader);
}

static void perform_note(struct hull *hull, const struct raft_effect *effect)
{
    static const enum hull_event codes[] = {
        [RAFT_NOTE_NONE] = EVENT_CODES,
        [RAFT_NOTE_LOST_QUORUM] = EVENT_LOST_QUORUM,
        [RAFT_NOTE_TRUNCATED] = EVENT_TRUNCATED,
        [RAFT_NOTE_DIVERGED] = EVENT_DIVERGED,
        [RAFT_NOTE_VOTE_REFUSED] = EVENT_VOTE_REFUSED,
        [RAFT_NOTE_NEEDS_SNAPSHOT] = EVENT_NEEDS_SNAPSHOT,
        [RAFT_NOTE_MEMBERS] = EVENT_MEMBERS_CHANGED,
        [RAFT_NOTE_MEMBERS_CUT] = EVENT_MEMBERS_RESTORED,
        [RAFT_NOTE_REMOVED] = EVENT_REMOVED,
        [RAFT_NOTE_HANDS_OVER] = EVENT_HANDS_OVER,
    };
    assert((size_t)effect->note < sizeof(codes) / sizeof(codes[0]));
    struct hull_note note = {
        .code = codes[effect->note],
        .peer = effect->peer,
        .term = hull->term,
        .index = effect->first != 0 ? effect->first : effect->index,
    };
    const char *sentence = event_sentence(note.code);
    if (note.code == EVENT_TRUNCATED) {
        snprintf(note.text, sizeof(note.text), "%llu..%llu: %s",
                 (unsigned long long)effect->first,
                 (unsigned long long)effect->last, sentence);
    } else {
        snprintf(note.text, sizeof(note.text), "%s", sentence);
    }
    hull_note_send(hull, &note);
}

static void perform_one(struct hull *hull, const struct raft_effect *effect)
{
    switch (effect->type) {
    case RAFT_DO_SAVE:
        perform_save(hull, effect);
        break;
    case RAFT_DO_UNDO:
        perform_undo(hull, effect);
        break;
    case RAFT_DO_TRUNCATE:
        perform_truncate(hull, effect);
        break;
    case RAFT_DO_APPEND:
        perform_append(hull, effect);
        break;
    case RAFT_DO_SEND:
        perform_send(hull, effect);
        break;
    case RAFT_DO_COMMIT:
        assert(effect->index >= hull->commit);
        hull->commit = effect->index;
        break;
    case RAFT_DO_READ_OK:
        reads_answered(hull, effect->read_id, effect->index);
        break;
    case RAFT_DO_READ_FAIL:
        reads_failed(hull, effect->read_id);
        break;
    case RAFT_DO_SNAPSHOT:
        hull->pilot->snapshot_wanted(hull->pilot->self, effect->peer);
        break;
    case RAFT_DO_ROLE:
        perform_role(hull, effect);
        break;
    case RAFT_DO_MEMBERS:
        change_members(hull);
        break;
    case RAFT_DO_NOTE:
        perform_note(hull, effect);
        break;
    case RAFT_DO_FATAL:
        hull_fail(hull, EVENT_DIVERGED, effect->index, 0);
        hull->fault.peer = effect->peer;
        break;
    }
}

/* What a node that is out of service may still do: tell its pilot. */
static bool is_harmless(const struct raft_effect *effect)
{
    return effect->type == RAFT_DO_ROLE || effect->type == RAFT_DO_NOTE;
}

/* In order; that is the core's contract. After a failure nothing more is
 * written or sent, since what follows may rely on what failed. */
void hull_perform(struct hull *hull)
{
    for (size_t i = 0; i < hull->effects.count; i++) {
        const struct raft_effect *effect = &hull->effects.list[i];
        if (!hull->faulted || is_harmless(effect)) {
            perform_one(hull, effect);
        }
    }
}
