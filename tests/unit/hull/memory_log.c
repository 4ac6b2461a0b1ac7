#include "tests/unit/hull/memory_log.h"

#include <assert.h>
#include <string.h>

static raft_index last(const struct memory_log *log)
{
    return log->base + log->count;
}

static bool holds(const struct memory_log *log, raft_index index)
{
    return index > log->base && index <= last(log);
}

static int append(void *self, struct record *const *records, size_t count)
{
    struct memory_log *log = self;
    assert(count <= MEMORY_LOG_MAX - log->count);
    for (size_t i = 0; i < count; i++) {
        assert(records[i]->index == last(log) + 1);
        log->list[log->count] = record_ref(records[i]);
        log->count++;
    }
    return 0;
}

static int truncate(void *self, raft_index from)
{
    struct memory_log *log = self;
    assert(from > log->base);
    while (last(log) >= from) {
        log->count--;
        record_unref(log->list[log->count]);
    }
    return 0;
}

static int save(void *self, raft_term term, node_id vote)
{
    struct memory_log *log = self;
    assert(term >= log->term);
    log->term = term;
    log->vote = vote;
    return 0;
}

static int read(void *self, raft_index index, struct record **out)
{
    struct memory_log *log = self;
    if (!holds(log, index)) {
        return -1;
    }
    *out = record_ref(log->list[index - log->base - 1]);
    return 0;
}

static int chain(void *self, raft_index index, uint64_t *out)
{
    struct memory_log *log = self;
    if (index == log->base) {
        *out = log->base_chain;
        return 0;
    }
    if (!holds(log, index)) {
        return -1;
    }
    *out = log->list[index - log->base - 1]->chain;
    return 0;
}

static int compact(void *self, raft_index upto)
{
    struct memory_log *log = self;
    assert(upto <= last(log));
    if (upto <= log->base) {
        return 0;
    }
    size_t gone = (size_t)(upto - log->base);
    log->base_term = log->list[gone - 1]->term;
    log->base_chain = log->list[gone - 1]->chain;
    for (size_t i = 0; i < gone; i++) {
        record_unref(log->list[i]);
    }
    log->count -= gone;
    memmove(log->list, log->list + gone, log->count * sizeof(log->list[0]));
    log->base = upto;
    return 0;
}

static int reset(void *self, raft_index index, raft_term term, uint64_t hash,
                 raft_index doubtful)
{
    struct memory_log *log = self;
    (void)doubtful; /* there is no quarantine */
    assert(index > log->base);
    if (holds(log, index) && log->list[index - log->base - 1]->term == term) {
        return compact(log, index);
    }
    truncate(log, log->base + 1);
    log->base = index;
    log->base_term = term;
    log->base_chain = hash;
    return 0;
}

static void sync(void *self, raft_token token)
{
    struct memory_log *log = self;
    assert(log->syncing == 0); /* at most one is under way */
    log->syncing = token;
}

void memory_log_release(struct memory_log *log)
{
    truncate(log, log->base + 1);
    *log = (struct memory_log){.count = 0};
}

struct log_api memory_log_api(struct memory_log *log)
{
    return (struct log_api){
        .self = log,
        .append = append,
        .truncate = truncate,
        .save = save,
        .read = read,
        .chain = chain,
        .compact = compact,
        .reset = reset,
        .sync = sync,
    };
}
