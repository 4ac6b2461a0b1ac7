#include "raft/core/configs.h"

#include "raft/core/memory.h"

#include <assert.h>
#include <string.h>

void configs_init(struct configs *configs, const struct raft_config *first)
{
    *configs = (struct configs){.list = NULL};
    configs_push(configs, first);
}

void configs_release(struct configs *configs)
{
    free(configs->list);
    *configs = (struct configs){.list = NULL};
}

void configs_push(struct configs *configs, const struct raft_config *config)
{
    assert(configs->count == 0 ||
           config->index > configs_latest(configs)->index);
    if (configs->count == configs->capacity) {
        configs->capacity = configs->capacity == 0 ? 4 : configs->capacity * 2;
        configs->list = xrealloc(configs->list,
                                 configs->capacity * sizeof(*configs->list));
    }
    configs->list[configs->count] = *config;
    configs->count++;
}

bool configs_truncate(struct configs *configs, raft_index from)
{
    size_t before = configs->count;
    while (configs->count > 1 && configs_latest(configs)->index >= from) {
        configs->count--;
    }
    assert(configs_latest(configs)->index < from);
    return configs->count != before;
}

bool configs_commit(struct configs *configs, raft_index commit)
{
    size_t gone = 0;
    while (gone + 1 < configs->count &&
           configs->list[gone + 1].index <= commit) {
        gone++;
    }
    configs->count -= gone;
    memmove(configs->list, configs->list + gone,
            configs->count * sizeof(*configs->list));
    return gone > 0;
}

void configs_install(struct configs *configs, const struct raft_config *base,
                     raft_index index, bool keeps)
{
    size_t from = 0;
    while (from < configs->count && configs->list[from].index <= index) {
        from++;
    }
    if (from == 0) {
        return; /* a later one is committed already */
    }
    size_t above = keeps ? configs->count - from : 0;
    memmove(configs->list + 1, configs->list + from,
            above * sizeof(*configs->list));
    if (base->index > 0) {
        configs->list[0] = *base;
    }
    configs->count = 1 + above;
}

const struct raft_config *configs_latest(const struct configs *configs)
{
    assert(configs->count > 0);
    return &configs->list[configs->count - 1];
}

const struct raft_config *configs_committed(const struct configs *configs)
{
    assert(configs->count > 0);
    return &configs->list[0];
}

const struct raft_config *configs_at(const struct configs *configs,
                                     raft_index index)
{
    for (size_t i = 0; i < configs->count; i++) {
        if (configs->list[i].index == index) {
            return &configs->list[i];
        }
    }
    return NULL;
}
