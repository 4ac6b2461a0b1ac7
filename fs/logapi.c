/* logapi.c -- struct log_api over store/raftlog, segments and the syncer. */
#include "fs/node.h"

#include "fs/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { COMPACT_MOST = 16384 }; /* rows a call: not less than the hull's batch */

static uint64_t wall_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int append_rows(struct node *node, const struct log_row *rows,
                       size_t count)
{
    int fault = faults_hit(&node->faults, FAIL_LOG_WRITE);
    if (fault == 0) {
        fault = faults_hit(&node->faults, FAIL_LOG_FULL);
    }
    return fault < 0 ? fault : raftlog_append(node->log, rows, count);
}

static int log_append(void *self, struct record *const *records, size_t count)
{
    struct node *node = self;
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += record_size(records[i], records[i]->place.segment == 0);
    }
    struct log_row *rows = calloc(count, sizeof *rows);
    uint8_t *bytes = malloc(total == 0 ? 1 : total);
    if (rows == NULL || bytes == NULL) {
        abort();
    }
    uint8_t *at = bytes;
    for (size_t i = 0; i < count; i++) {
        const struct record *record = records[i];
        bool inside = record->place.segment == 0;
        size_t size = record_size(record, inside);
        record_encode(record, inside, at);
        rows[i] = (struct log_row){
            .index = record->index,
            .term = record->term,
            .chain = record->chain,
            .size = (uint32_t)record_size(record, true),
            .bytes = {.data = at, .size = size},
            .place = {.segment = record->place.segment,
                      .position = record->place.position},
            .payload_size = inside ? 0 : (uint32_t)record->payload_size,
        };
        at += size;
    }
    int rc;
    do {
        rc = append_rows(node, rows, count);
    } while (room_made(node, rc));
    space_written(node, (uint64_t)(at - bytes));
    free(bytes);
    free(rows);
    return rc;
}

static int log_truncate(void *self, raft_index from)
{
    struct node *node = self;
    int fault = faults_hit(&node->faults, FAIL_LOG_CUT);
    if (fault < 0) {
        return fault;
    }
    node->sync.truncated = true;
    int rc;
    do {
        rc = raftlog_truncate(node->log, from, wall_ns());
    } while (room_made(node, rc));
    return rc < 0 ? rc : quarantine_cut(node);
}

static int log_save(void *self, raft_term term, node_id vote)
{
    struct node *node = self;
    int rc;
    do {
        rc = raftlog_save_vote(node->log, term, vote);
    } while (room_made(node, rc));
    return rc;
}

/* The encoding ends with the payload, so a record whose payload lies in a
 * segment is whole again when the two are put one behind the other. */
static int decode_with_segment(struct node *node, const struct log_row *row,
                               struct record **out)
{
    size_t size = row->bytes.size + row->payload_size;
    uint8_t *whole = malloc(size);
    if (whole == NULL) {
        abort();
    }
    memcpy(whole, row->bytes.data, row->bytes.size);
    int rc = segments_read_checked(node->segments, row->place,
                                   whole + row->bytes.size,
                                   row->payload_size);
    size_t used;
    if (rc == 0 && record_decode((struct bytes){.data = whole, .size = size},
                                 true, out, &used) < 0) {
        rc = store_fail(STORE_CORRUPT, "log record %llu cannot be decoded",
                        (unsigned long long)row->index);
    }
    free(whole);
    return rc;
}

int logapi_decode_front(const struct log_row *row, struct record **out)
{
    struct bytes bytes = {.data = row->bytes.data, .size = row->bytes.size};
    size_t used;
    return record_decode(bytes, row->place.segment == 0, out, &used) == 0
               ? 0
               : store_fail(STORE_CORRUPT, "log record %llu cannot be decoded",
                            (unsigned long long)row->index);
}

int logapi_decode(struct node *node, const struct log_row *row,
                  struct record **out)
{
    int rc = row->place.segment != 0 ? decode_with_segment(node, row, out)
                                     : logapi_decode_front(row, out);
    if (rc == 0) {
        (*out)->place = (struct record_place){.segment = row->place.segment,
                                              .position = row->place.position};
    }
    return rc;
}

static int log_read(void *self, raft_index index, struct record **out)
{
    struct node *node = self;
    struct log_row row;
    int rc = raftlog_read(node->log, index, &row);
    return rc < 0 ? rc : logapi_decode(node, &row, out);
}

static int log_compact(void *self, raft_index upto)
{
    struct node *node = self;
    int rc = raftlog_compact(node->log, upto, COMPACT_MOST);
    if (rc >= 0 && tree_begin(node->tree) == 0) {
        rc = tree_results_trim(node->tree, upto);
    }
    return rc < 0 ? rc : 0;
}

static int log_chain(void *self, raft_index index, uint64_t *chain)
{
    struct node *node = self;
    return raftlog_chain(node->log, index, chain);
}

static int log_reset(void *self, raft_index index, raft_term term,
                     uint64_t chain, raft_index doubtful)
{
    struct node *node = self;
    node->sync.truncated = true;
    int rc;
    do {
        rc = raftlog_reset(node->log, index, term, chain, doubtful, wall_ns());
    } while (room_made(node, rc));
    return rc < 0 ? rc : quarantine_cut(node);
}

static void log_sync(void *self, raft_token token)
{
    struct node *node = self;
    int fds[SYNCER_FDS_MAX];
    int count = segment_writer_dirty(node->staging, fds, SYNCER_FDS_MAX - 1);
    node->sync.segments = count > 0;
    fds[count++] = raftlog_wal_fd(node->log);
    node->sync.last = raftlog_last(node->log);
    node->sync.truncated = false;
    syncer_submit(node->syncer, token, fds, count);
}

void logapi_synced(struct node *node)
{
    pthread_mutex_lock(&node->sync.lock);
    bool done = node->sync.done;
    uint64_t token = node->sync.done_token;
    int status = node->sync.done_status;
    node->sync.done = false;
    pthread_mutex_unlock(&node->sync.lock);
    if (!done) {
        return;
    }
    if (status == 0) {
        status = faults_hit(&node->faults, FAIL_SYNC);
    }
    if (node->sync.segments) {
        segment_writer_synced(node->staging);
    }
    if (status == 0 && !node->sync.truncated) {
        raftlog_durable(node->log, node->sync.last);
    }
    hull_log_durable(node->hull, node_now(), token, status);
}

void logapi_fill(struct node *node)
{
    node->log_api = (struct log_api){
        .self = node,
        .append = log_append,
        .truncate = log_truncate,
        .save = log_save,
        .read = log_read,
        .compact = log_compact,
        .chain = log_chain,
        .reset = log_reset,
        .sync = log_sync,
    };
}

/* The largest time stamp this node has seen: of the last record, or of the tree
 * when the log is empty. */
static int last_time(struct node *node, uint64_t *time_ns)
{
    *time_ns = tree_time_ns(node->tree);
    struct record *record;
    uint64_t last = raftlog_last(node->log);
    int rc = last == 0 ? STORE_NOT_FOUND : log_read(node, last, &record);
    if (rc == STORE_NOT_FOUND) {
        return 0;
    }
    if (rc == 0) {
        if (record->time_ns > *time_ns) {
            *time_ns = record->time_ns;
        }
        record_unref(record);
    }
    return rc;
}

int logapi_boot(struct node *node, const struct log_head *head)
{
    uint64_t time_ns;
    int rc = last_time(node, &time_ns);
    if (rc < 0) {
        return rc;
    }
    struct raft_boot boot = {
        .now = node_now(),
        .term = head->term,
        .vote = head->vote,
        .base_index = head->base_index,
        .base_term = head->base_term,
        .applied = tree_applied(node->tree),
        .count = head->count,
        .terms = head->terms,
        .sizes = head->sizes,
        .newcomer = node->rejoin.newcomer,
    };
    struct raft_config *configs;
    rc = members_boot(node, head, &boot, &configs);
    if (rc < 0) {
        goto out;
    }
    struct hull_options options;
    hull_options_default(&options);
    settings_adopt(node);
    struct hull_settings settings = settings_of_hull(node);
    options.log_trailing = settings.log_trailing;
    options.log_trailing_bytes = settings.log_trailing_bytes;
    options.raft.self = node->self;
    options.raft.boot = node->boot;
    options.raft.seed = node->boot;
    options.raft.heartbeat_us = settings.raft.heartbeat_us;
    options.raft.window_bytes = settings.raft.window_bytes;
    options.raft.election_us = node->config.election_ms * 1000;
    options.raft.lease_us = node->config.lease_ms * 1000;
    options.raft.lease_ask = settings.raft.lease_ask;
    node->hull = hull_new(&options, &boot, time_ns, &node->pilot,
                          &node->log_api);
out:
    free(configs);
    return rc;
}
