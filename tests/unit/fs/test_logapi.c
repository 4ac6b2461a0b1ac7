/* The rules of logs, for the one of a node: log.db, segments and the log
 * thread. What the process had written outlives it here; what a loss of power
 * leaves is the simulator's (tests/sim/full). */
#include "fs/node.h"

#include "tests/unit/hull/log_rules.h"

#include "tests/unit/fs/apply_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLUSTER = 4711, SELF = 1 };

static struct node *node;
static char dir[256];
static pthread_cond_t synced = PTHREAD_COND_INITIALIZER;

/* --- what the log wants of the rest of a node --- */

raft_time node_now(void)
{
    return 0;
}

int faults_hit(struct faults *faults, enum fault_point point)
{
    (void)faults, (void)point;
    return 0;
}

bool room_made(struct node *of, int rc)
{
    (void)of, (void)rc;
    return false;
}

void space_written(struct node *of, uint64_t bytes)
{
    (void)of, (void)bytes;
}

int quarantine_cut(struct node *of)
{
    (void)of;
    return 0;
}

void hull_log_durable(struct hull *hull, raft_time now, raft_token token,
                      int status)
{
    (void)hull, (void)now;
    log_rules_durable(token, status);
}

/* logapi_boot() is not called. */
int members_boot(struct node *of, const struct log_head *head,
                 struct raft_boot *boot, struct raft_config **configs)
{
    (void)of, (void)head, (void)boot, (void)configs;
    abort();
}

void settings_adopt(struct node *of)
{
    (void)of;
    abort();
}

struct hull_settings settings_of_hull(const struct node *of)
{
    (void)of;
    abort();
}

void hull_options_default(struct hull_options *options)
{
    (void)options;
    abort();
}

struct hull *hull_new(const struct hull_options *options,
                      const struct raft_boot *boot, uint64_t last_time_ns,
                      const struct pilot *pilot, const struct log_api *log)
{
    (void)options, (void)boot, (void)last_time_ns, (void)pilot, (void)log;
    abort();
}

/* --- the subject --- */

static const char *path_of(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void on_synced(void *arg, uint64_t token, int status)
{
    struct node *of = arg; /* on the log thread */
    pthread_mutex_lock(&of->sync.lock);
    of->sync.done = true;
    of->sync.done_token = token;
    of->sync.done_status = status;
    pthread_cond_signal(&synced);
    pthread_mutex_unlock(&of->sync.lock);
}

static struct log_api open_node(struct log_kept *kept)
{
    node = calloc(1, sizeof *node);
    assert_non_null(node);
    pthread_mutex_init(&node->sync.lock, NULL);
    assert_int_equal(segments_open(path_of("segments"), &node->segments), 0);
    struct log_head head;
    int rc = raftlog_open(path_of("log.db"), node->segments, &node->log, &head);
    assert_int_equal(rc, 0);
    *kept = (struct log_kept){.term = head.term,
                              .vote = head.vote,
                              .base = head.base_index,
                              .base_term = head.base_term,
                              .last = head.base_index + head.count};
    free(head.terms);
    free(head.sizes);
    rc = tree_open(path_of("tree.db"), node->segments, &node->tree);
    assert_int_equal(rc, 0);
    rc = segment_writer_open(node->segments, &node->staging);
    assert_int_equal(rc, 0);
    assert_int_equal(syncer_start(on_synced, node, &node->syncer), 0);
    logapi_fill(node);
    return node->log_api;
}

static void close_node(void)
{
    syncer_stop(node->syncer);
    segment_writer_close(node->staging);
    tree_close(node->tree);
    raftlog_close(node->log);
    segments_close(node->segments);
    pthread_mutex_destroy(&node->sync.lock);
    free(node);
}

static struct log_api open_log(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/raftfs-logapi-XXXXXX",
             base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(raftlog_create(path_of("log.db"), CLUSTER, SELF), 0);
    assert_int_equal(tree_create(path_of("tree.db"), CLUSTER), 0);
    struct log_kept kept;
    return open_node(&kept);
}

static void close_log(void)
{
    close_node();
    world_remove_files(dir);
}

/* Some payloads stay in the log, as the small ones do. */
static void stage(struct record *record)
{
    if (record->index % 2 != 0) {
        return;
    }
    struct place place;
    struct view payload = {record->payload.data, record->payload.size};
    assert_int_equal(segment_append(node->staging, payload, &place), 0);
    record->place.segment = place.segment;
    record->place.position = place.position;
}

static void finish_sync(void)
{
    pthread_mutex_lock(&node->sync.lock);
    while (!node->sync.done) {
        pthread_cond_wait(&synced, &node->sync.lock);
    }
    pthread_mutex_unlock(&node->sync.lock);
    logapi_synced(node);
}

static struct log_api reopen(struct log_kept *kept)
{
    close_node();
    return open_node(kept);
}

/* --- what is durable --- */

static void append(struct log_api api, raft_index index, const char *payload)
{
    struct record *record =
        record_new(RECORD_COMMAND, (struct bytes){"body", 4},
                   (struct bytes){payload, strlen(payload)});
    record->index = index;
    record->term = 1;
    if (record->payload_size > 0) {
        stage(record);
    }
    assert_int_equal(api.append(api.self, &record, 1), 0);
    record_unref(record);
}

/* The bytes at the place did not reach the disk. */
static void lose(struct place place, size_t size)
{
    char name[64];
    snprintf(name, sizeof name, "segments/%016llx.seg",
             (unsigned long long)place.segment);
    FILE *file = fopen(path_of(name), "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)place.position, SEEK_SET), 0);
    for (size_t i = 0; i < size; i++) {
        fputc(0, file);
    }
    assert_int_equal(fclose(file), 0);
}

/* Else a payload that a loss of power took would be damage, and no torn tail.
 */
static void what_is_written_during_a_sync_is_not_called_durable(void **state)
{
    (void)state;
    struct log_api api = open_log();
    append(api, 1, "");
    api.sync(api.self, 1);
    append(api, 2, "a payload");
    finish_sync();
    append(api, 3, ""); /* with the mark */
    struct log_row row;
    assert_int_equal(raftlog_read(node->log, 2, &row), 0);
    assert_true(row.place.segment != 0);
    close_node();
    lose(row.place, row.payload_size);
    struct log_kept kept;
    open_node(&kept);
    assert_int_equal(kept.last, 1);
    close_log();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_during_a_sync_is_not_called_durable),
    };
    const struct log_subject subject = {.open = open_log,
                                        .close = close_log,
                                        .stage = stage,
                                        .finish_sync = finish_sync,
                                        .reopen = reopen};
    int failed = log_rules_run(&subject);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
