#include "fs/apply_int.h"

#include "store/error.h"

#include <assert.h>
#include <stdlib.h>

int apply_open(struct tree *tree, struct apply **out)
{
    assert(tree != NULL);
    struct apply *apply = calloc(1, sizeof *apply);
    assert(apply != NULL);
    apply->tree = tree;
    int rc = apply_sessions_load(apply);
    if (rc < 0) {
        apply_close(apply);
        return rc;
    }
    *out = apply;
    return 0;
}

void apply_close(struct apply *apply)
{
    if (apply == NULL) {
        return;
    }
    apply_sessions_free(apply);
    free(apply->grants);
    free(apply);
}

void apply_changed(struct call *call, uint64_t ino)
{
    struct apply_change *change = &call->apply->change;
    for (uint32_t i = 0; i < change->ino_count; i++) {
        if (change->inos[i] == ino) {
            return;
        }
    }
    assert(change->ino_count < sizeof change->inos / sizeof change->inos[0]);
    change->inos[change->ino_count++] = ino;
}

const struct apply_change *apply_last_change(const struct apply *apply)
{
    return &apply->change;
}

static int run_op(struct call *call)
{
    switch (call->command->op) {
    case OP_SESSION_OPEN:
        return apply_session_open(call);
    case OP_SESSION_END:
        return apply_session_end(call);
    case OP_REAP:
        return apply_reap(call);
    case OP_CREATE:
        return apply_create(call);
    case OP_MKNOD:
        return apply_mknod(call);
    case OP_MKDIR:
        return apply_mkdir(call);
    case OP_SYMLINK:
        return apply_symlink(call);
    case OP_LINK:
        return apply_link(call);
    case OP_UNLINK:
        return apply_unlink(call);
    case OP_RMDIR:
        return apply_rmdir(call);
    case OP_RENAME:
        return apply_rename(call);
    case OP_SETATTR:
        return apply_setattr(call);
    case OP_WRITE:
        return apply_write(call);
    case OP_LOCK:
        return apply_lock(call);
    case OP_LOCK_CANCEL:
        return apply_lock_cancel(call);
    case OP_LOCK_RELEASE:
        return apply_lock_release(call);
    case OP_LOCK_BREAK:
        return apply_lock_break(call);
    case OP_SETTING:
        return apply_setting(call);
    case OP_SETXATTR:
        return apply_setxattr(call);
    case OP_REMOVEXATTR:
    case OP_REMOVE_ACL:
        return apply_removexattr(call);
    case OP_FALLOCATE:
        return apply_fallocate(call);
    case OP_COPY_RANGE:
        return apply_copy_range(call);
    case OP_TMPFILE:
        return apply_tmpfile(call);
    default:
        return EINVAL;
    }
}

/* The cluster's own housekeeping; anything else is somebody's, and his session
 * says whether he may still act. */
static bool needs_session(uint16_t op)
{
    return op != OP_SESSION_OPEN && op != OP_SESSION_END && op != OP_REAP;
}

static int run_command(struct call *call, bool is_valid)
{
    int rc = EINVAL;
    if (is_valid && call->record->session == 0 &&
        needs_session(call->command->op)) {
        rc = ESTALE;
    } else if (is_valid) {
        rc = run_op(call);
    }
    if (rc < 0) {
        return rc;
    }
    if (rc > 0) {
        *call->result = (struct apply_result){.error = rc};
    }
    return 0;
}

static int apply_command(struct apply *apply, const struct record *record,
                         struct apply_result *result)
{
    const struct session *session = NULL;
    if (record->session != 0) {
        session = apply_session_find(apply, record->session);
        if (session == NULL) {
            result->error = ESTALE;
            return 0;
        }
        if (apply_session_seen(session, record->serial, result)) {
            return 0;
        }
    }
    struct command command = {0};
    bool is_valid = command_decode(record->body, &command) == 0;
    struct call call = {
        .apply = apply,
        .tree = apply->tree,
        .record = record,
        .command = &command,
        .result = result,
        .now = (int64_t)(record->time_ns & INT64_MAX),
    };
    int rc = run_command(&call, is_valid);
    if (rc < 0 || record->session == 0) {
        return rc;
    }
    /* Looked up again: the command may have ended its own session. */
    struct session *after = apply_session_find(apply, record->session);
    if (after != NULL) {
        apply_session_keep(after, record->serial,
                           is_valid ? command.ack_below : 0, result);
    }
    return 0;
}

static int apply_any(struct apply *apply, const struct record *record,
                     struct apply_result *result)
{
    int rc = tree_begin(apply->tree);
    if (rc == 0 && record->code == RECORD_COMMAND) {
        rc = apply_command(apply, record, result);
    }
    if (rc == 0 && record->code == RECORD_CONFIG) {
        rc = tree_config_put(
            apply->tree, record->index,
            (struct view){record->body.data, record->body.size});
    }
    if (rc == 0 && result->error != 0) {
        rc = tree_result_put(apply->tree, record->index, result->error);
    }
    if (rc == 0) {
        rc = tree_set_applied(apply->tree, record->index, record->term,
                              record->time_ns, record->chain);
    }
    return rc;
}

int apply_record(struct apply *apply, const struct record *record,
                 struct apply_result *result)
{
    assert(apply != NULL && record != NULL && result != NULL);
    *result = (struct apply_result){0};
    apply->change = (struct apply_change){0};
    if (apply->failed != 0) {
        return apply->failed;
    }
    uint64_t applied = tree_applied(apply->tree);
    if (record->index != applied + 1) {
        return store_fail(
            STORE_INVALID, "record %llu cannot be applied to a tree at %llu",
            (unsigned long long)record->index, (unsigned long long)applied);
    }
    if (record->code < RECORD_TERM_START || record->code > RECORD_BARRIER) {
        return store_fail(STORE_VERSION,
                          "record %llu is of the unknown kind %u: it was "
                          "written by a newer version",
                          (unsigned long long)record->index,
                          (unsigned)record->code);
    }
    int rc = apply_any(apply, record, result);
    assert(rc <= 0);
    apply->failed = rc;
    return rc;
}
