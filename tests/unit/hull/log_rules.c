#include "tests/unit/hull/log_rules.h"

#include "tests/unit/hull/cmocka_all.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct log_subject *subject;
static struct log_api api;
static struct {
    raft_token token; /* the last one that was announced */
    unsigned count;
} durable;

void log_rules_durable(raft_token token, int status)
{
    assert_int_equal(status, 0);
    durable.token = token;
    durable.count++;
}

/* --- short hands --- */

static uint64_t chain_of(raft_index index, raft_term term)
{
    return ~(index << 32 | term); /* also above what is signed */
}

static struct record *record_of(raft_index index, raft_term term,
                                const char *payload)
{
    char body[32];
    int size = snprintf(body, sizeof(body), "body %llu of %llu",
                        (unsigned long long)index, (unsigned long long)term);
    struct record *record =
        record_new(RECORD_COMMAND, (struct bytes){body, (size_t)size},
                   (struct bytes){payload, strlen(payload)});
    record->index = index;
    record->term = term;
    record->time_ns = 1000 * index;
    record->origin = 3;
    record->session = 7;
    record->serial = index;
    record->chain = chain_of(index, term);
    if (record->payload_size > 0 && subject->stage != NULL) {
        subject->stage(record);
    }
    return record;
}

static int append_one(raft_index index, raft_term term)
{
    struct record *record = record_of(index, term, "");
    int rc = api.append(api.self, &record, 1);
    record_unref(record);
    return rc;
}

/* first..last in one call. */
static void append(raft_index first, raft_index last, raft_term term)
{
    struct record *list[64] = {NULL};
    size_t count = 0;
    for (raft_index i = first; i <= last; i++) {
        list[count] = record_of(i, term, i % 3 == 0 ? "a payload" : "");
        count++;
    }
    assert_int_equal(api.append(api.self, list, count), 0);
    for (size_t i = 0; i < count; i++) {
        record_unref(list[i]);
    }
}

static int cut(raft_index from)
{
    if (subject->undone != NULL) {
        subject->undone(from);
    }
    return api.truncate(api.self, from);
}

static int compact(raft_index upto)
{
    if (subject->tree_durable != NULL) {
        subject->tree_durable(upto);
    }
    return api.compact(api.self, upto);
}

static int reset(raft_index index, raft_term term)
{
    if (subject->undone != NULL) {
        subject->undone(index + 1);
    }
    return api.reset(api.self, index, term, chain_of(index, term), index + 1);
}

static void sync_now(raft_token token)
{
    unsigned before = durable.count;
    api.sync(api.self, token);
    subject->finish_sync();
    assert_int_equal(durable.count, before + 1);
    assert_true(durable.token == token);
}

static void expect_chain(raft_index index, raft_term term)
{
    uint64_t chain = 0;
    assert_int_equal(api.chain(api.self, index, &chain), 0);
    assert_true(chain == chain_of(index, term));
}

static void expect(raft_index index, raft_term term)
{
    struct record *record = NULL;
    expect_chain(index, term);
    assert_int_equal(api.read(api.self, index, &record), 0);
    assert_non_null(record);
    assert_true(record->index == index);
    assert_true(record->term == term);
    assert_true(record->chain == chain_of(index, term));
    record_unref(record);
}

static void expect_range(raft_index first, raft_index last, raft_term term)
{
    for (raft_index i = first; i <= last; i++) {
        expect(i, term);
    }
}

static void expect_none(raft_index index)
{
    struct record *record = NULL;
    assert_true(api.read(api.self, index, &record) < 0);
    assert_null(record);
}

/* The caller breaks its promise: nothing is changed, or the process ends. */
static void expect_refused(int (*call)(raft_index index), raft_index index)
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 2); /* an assertion would tell what we know */
        _exit(call(index) < 0 ? 0 : 1);
    }
    int status;
    assert_true(waitpid(pid, &status, 0) == pid);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
}

static int append_at(raft_index index)
{
    return append_one(index, 9);
}

static int setup(void **state)
{
    (void)state;
    durable.token = 0;
    api = subject->open();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    subject->close();
    return 0;
}

/* --- append and read --- */

static void an_empty_log_has_nothing(void **state)
{
    (void)state;
    expect_none(0);
    expect_none(1);
    expect_none(UINT64_MAX);
}

static void a_record_is_read_as_it_was_appended(void **state)
{
    (void)state;
    struct record *records[] = {record_of(1, 2, ""),
                                record_of(2, 3, "the bytes of a write")};
    assert_int_equal(api.append(api.self, records, 2), 0);
    for (size_t i = 0; i < 2; i++) {
        const struct record *was = records[i];
        struct record *is = NULL;
        assert_int_equal(api.read(api.self, i + 1, &is), 0);
        assert_true(is->index == was->index && is->term == was->term);
        assert_true(is->time_ns == was->time_ns);
        assert_int_equal(is->code, was->code);
        assert_true(is->origin == was->origin && is->session == was->session);
        assert_true(is->serial == was->serial);
        assert_int_equal(is->body.size, was->body.size);
        assert_memory_equal(is->body.data, was->body.data, was->body.size);
        assert_true(is->payload_size == was->payload_size);
        assert_int_equal(is->payload.size, was->payload.size);
        assert_memory_equal(is->payload.data, was->payload.data,
                            was->payload.size);
        assert_true(is->place.segment == was->place.segment);
        record_unref(is);
        record_unref(records[i]);
    }
}

static void an_append_is_at_the_end_and_nowhere_else(void **state)
{
    (void)state;
    expect_refused(append_at, 0);
    expect_refused(append_at, 2);
    append(1, 3, 1);
    expect_refused(append_at, 3);
    expect_refused(append_at, 5);
    append(4, 4, 1);
    expect_range(1, 4, 1);
    expect_none(5);
}

/* What was read stays as it is when the log goes on. */
static void a_record_that_was_read_is_ours(void **state)
{
    (void)state;
    append(1, 3, 1);
    struct record *record = NULL;
    assert_int_equal(api.read(api.self, 3, &record), 0);
    assert_int_equal(cut(2), 0);
    append(2, 3, 2);
    assert_int_equal(compact(3), 0);
    assert_true(record->index == 3 && record->term == 1);
    assert_memory_equal(record->payload.data, "a payload", 9);
    record_unref(record);
}

/* --- truncate --- */

static void a_cut_takes_all_from_there_on(void **state)
{
    (void)state;
    append(1, 5, 1);
    assert_int_equal(cut(4), 0);
    expect_range(1, 3, 1);
    expect_none(4);
    expect_none(5);
    expect_refused(append_at, 5);
    append(4, 6, 2);
    expect_range(1, 3, 1);
    expect_range(4, 6, 2);
    assert_int_equal(cut(1), 0);
    expect_none(1);
    append(1, 1, 3);
    expect(1, 3);
}

static void a_cut_behind_the_end_takes_nothing(void **state)
{
    (void)state;
    append(1, 3, 1);
    assert_int_equal(cut(4), 0);
    expect_range(1, 3, 1);
    append(4, 4, 1);
}

/* What was compacted was committed. */
static void what_was_compacted_cannot_be_cut(void **state)
{
    (void)state;
    append(1, 5, 1);
    assert_int_equal(compact(3), 0);
    expect_refused(cut, 3);
    expect_refused(cut, 1);
    assert_int_equal(cut(4), 0);
    expect_none(4);
    append(4, 4, 2);
    expect(4, 2);
}

/* --- compact --- */

static void compaction_leaves_what_is_behind(void **state)
{
    (void)state;
    append(1, 6, 1);
    assert_int_equal(compact(2), 0);
    expect_chain(2, 1);
    expect_range(3, 6, 1);
    append(7, 7, 1);
    assert_int_equal(compact(5), 0);
    expect_range(6, 7, 1);
    expect_none(0);
}

static void all_may_be_compacted(void **state)
{
    (void)state;
    append(1, 3, 1);
    assert_int_equal(compact(3), 0);
    expect_none(4);
    expect_refused(append_at, 1);
    expect_refused(append_at, 5);
    append(4, 4, 2);
    expect(4, 2);
}

/* --- reset --- */

static void a_reset_behind_the_end_forgets_all(void **state)
{
    (void)state;
    append(1, 3, 1);
    assert_int_equal(reset(20, 4), 0);
    expect_chain(20, 4);
    for (raft_index i = 0; i <= 21; i++) {
        expect_none(i);
    }
    expect_refused(append_at, 4);
    expect_refused(append_at, 20);
    expect_refused(append_at, 22);
    append(21, 22, 4);
    expect_range(21, 22, 4);
}

static void a_reset_of_an_empty_log(void **state)
{
    (void)state;
    assert_int_equal(reset(10, 2), 0);
    expect_none(10);
    append(11, 11, 2);
    expect(11, 2);
}

static void a_reset_at_our_record_leaves_what_follows(void **state)
{
    (void)state;
    append(1, 3, 1);
    append(4, 6, 2);
    assert_int_equal(reset(3, 1), 0);
    expect_chain(3, 1);
    for (raft_index i = 0; i <= 3; i++) {
        expect_none(i);
    }
    expect_range(4, 6, 2);
    append(7, 7, 2);
    assert_int_equal(reset(7, 2), 0); /* the last one: nothing follows */
    expect_none(7);
    expect_refused(append_at, 7);
    append(8, 8, 3);
    expect(8, 3);
}

static void a_reset_at_a_record_of_another_term_forgets_all(void **state)
{
    (void)state;
    append(1, 6, 1);
    assert_int_equal(reset(3, 2), 0);
    expect_chain(3, 2);
    for (raft_index i = 0; i <= 7; i++) {
        expect_none(i);
    }
    expect_refused(append_at, 7);
    append(4, 5, 2);
    expect_range(4, 5, 2);
    expect_none(6);
}

static void a_reset_after_a_compaction(void **state)
{
    (void)state;
    append(1, 6, 1);
    assert_int_equal(compact(3), 0);
    assert_int_equal(reset(5, 1), 0);
    expect_none(5);
    expect(6, 1);
    assert_int_equal(reset(6, 8), 0);
    expect_none(6);
    append(7, 7, 8);
}

/* --- sync --- */

static void a_sync_says_its_token_once(void **state)
{
    (void)state;
    sync_now(1); /* of nothing */
    append(1, 2, 1);
    sync_now(2);
    append(3, 3, 1);
    assert_int_equal(cut(3), 0);
    sync_now(7); /* tokens grow, but not by one */
    assert_int_equal(api.save(api.self, 3, 2), 0);
    sync_now(8);
    expect_range(1, 2, 1);
}

static void what_was_synced_is_there_afterwards(void **state)
{
    (void)state;
    struct log_kept kept;
    append(1, 3, 1);
    assert_int_equal(api.save(api.self, 2, 1), 0);
    append(4, 4, 2);
    sync_now(5);
    api = subject->reopen(&kept);
    assert_true(kept.term == 2 && kept.vote == 1);
    assert_true(kept.base == 0 && kept.base_term == 0);
    assert_true(kept.last == 4);
    expect_range(1, 3, 1);
    expect(4, 2);
    append(5, 5, 2); /* and it goes on from there */
}

/* What came after the sync may be there or not, but from the front and as it
 * was. */
static void what_was_not_synced_has_no_gap(void **state)
{
    (void)state;
    struct log_kept kept;
    append(1, 2, 1);
    sync_now(1);
    append(3, 3, 1);
    api.sync(api.self, 2); /* covers 3 alone */
    append(4, 9, 1);
    subject->finish_sync();
    api = subject->reopen(&kept);
    assert_true(kept.last >= 3 && kept.last <= 9);
    expect_range(1, kept.last, 1);
    expect_none(kept.last + 1);
    append(kept.last + 1, kept.last + 1, 2);
}

static void a_cut_that_was_synced_stays(void **state)
{
    (void)state;
    struct log_kept kept;
    append(1, 5, 1);
    sync_now(1);
    assert_int_equal(cut(3), 0);
    append(3, 3, 2);
    sync_now(2);
    api = subject->reopen(&kept);
    assert_true(kept.last == 3);
    expect_range(1, 2, 1);
    expect(3, 2);
}

static void the_last_vote_counts(void **state)
{
    (void)state;
    struct log_kept kept;
    assert_int_equal(api.save(api.self, 1, 2), 0);
    assert_int_equal(api.save(api.self, 2, 0), 0);
    assert_int_equal(api.save(api.self, 2, 3), 0);
    sync_now(1);
    api = subject->reopen(&kept);
    assert_true(kept.term == 2 && kept.vote == 3);
    assert_true(kept.last == 0);
    append(1, 1, 2);
}

static void a_compaction_that_was_synced_stays(void **state)
{
    (void)state;
    struct log_kept kept;
    append(1, 3, 1);
    append(4, 6, 2);
    assert_int_equal(compact(4), 0);
    sync_now(1);
    api = subject->reopen(&kept);
    assert_true(kept.base == 4 && kept.base_term == 2 && kept.last == 6);
    expect_range(5, 6, 2);
}

/* A reset is durable without a sync, with all that was written before. */
static void a_reset_is_durable_on_return(void **state)
{
    (void)state;
    struct log_kept kept;
    append(1, 6, 1);
    assert_int_equal(api.save(api.self, 4, 2), 0);
    assert_int_equal(reset(4, 1), 0);
    api = subject->reopen(&kept);
    assert_true(kept.term == 4 && kept.vote == 2);
    assert_true(kept.base == 4 && kept.base_term == 1 && kept.last == 6);
    expect_range(5, 6, 1);
    assert_int_equal(reset(5, 3), 0);
    api = subject->reopen(&kept);
    assert_true(kept.base == 5 && kept.base_term == 3 && kept.last == 5);
    expect_none(6);
    append(6, 6, 4);
}

#define RULE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int log_rules_run(const struct log_subject *of)
{
    const struct CMUnitTest rules[] = {
        RULE(an_empty_log_has_nothing),
        RULE(a_record_is_read_as_it_was_appended),
        RULE(an_append_is_at_the_end_and_nowhere_else),
        RULE(a_record_that_was_read_is_ours),
        RULE(a_cut_takes_all_from_there_on),
        RULE(a_cut_behind_the_end_takes_nothing),
        RULE(what_was_compacted_cannot_be_cut),
        RULE(compaction_leaves_what_is_behind),
        RULE(all_may_be_compacted),
        RULE(a_reset_behind_the_end_forgets_all),
        RULE(a_reset_of_an_empty_log),
        RULE(a_reset_at_our_record_leaves_what_follows),
        RULE(a_reset_at_a_record_of_another_term_forgets_all),
        RULE(a_reset_after_a_compaction),
        RULE(a_sync_says_its_token_once),
    };
    const struct CMUnitTest rules_of_disks[] = {
        RULE(what_was_synced_is_there_afterwards),
        RULE(what_was_not_synced_has_no_gap),
        RULE(a_cut_that_was_synced_stays),
        RULE(the_last_vote_counts),
        RULE(a_compaction_that_was_synced_stays),
        RULE(a_reset_is_durable_on_return),
    };
    subject = of;
    int failed = cmocka_run_group_tests(rules, NULL, NULL);
    if (subject->reopen != NULL) {
        failed += cmocka_run_group_tests(rules_of_disks, NULL, NULL);
    }
    return failed;
}
