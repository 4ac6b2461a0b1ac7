/* locks_json.c -- `raftfs locks`: who holds and who waits, and taking a lock away. */
#include "fs/node.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static json_t *range_json(const struct tree_lock *lock)
{
    bool to_the_end = lock->last == LOCK_LAST_MAX;
    return json_pack("[I, o]", (json_int_t)lock->start,
                     to_the_end ? json_null()
                                : json_integer((json_int_t)lock->last));
}

static json_t *lock_json(struct node *node, const struct tree_lock *lock)
{
    struct apply_session session = {0};
    int64_t now = (int64_t)node->pilot.wall_ns(node);
    char owner[20], comm[sizeof lock->comm * 6];
    snprintf(owner, sizeof owner, "%016" PRIx64, lock->owner);
    /* A program's name may be any bytes; JSON's are UTF-8. */
    size_t used = 0;
    for (const char *at = lock->comm; *at != '\0'; at++) {
        bool plain = *at >= ' ' && *at < 0x7f;
        comm[used++] = plain ? *at : '?';
    }
    comm[used] = '\0';
    apply_session_get(node->apply, lock->session, &session);
    json_t *out = json_pack(
        "{s:I, s:I, s:s, s:I, s:s, s:s, s:s, s:s, s:b, s:o, s:f}",
        "id", (json_int_t)lock->id, "inode", (json_int_t)lock->ino,
        "node", session.name, "pid", (json_int_t)lock->pid, "command", comm,
        "owner", owner,
        "kind", lock->kind == TREE_LOCK_POSIX ? "fcntl" : "flock",
        "type", lock->write ? "write" : "read", "waits", (int)lock->waits,
        "range", range_json(lock), "age_s",
        now > lock->since ? (double)((now - lock->since) / 1000000) / 1000 : 0.0);
    return out;
}

static json_t *list_all(struct node *node)
{
    struct tree_locks locks = {0};
    json_t *list = json_array();
    if (tree_locks_all(node->tree, &locks) < 0) {
        node_fault(node, "locks cannot be read: %s", store_error_text());
    }
    for (size_t i = 0; i < locks.count; i++) {
        json_array_append_new(list, lock_json(node, &locks.rows[i]));
    }
    tree_locks_release(&locks);
    return json_pack("{s:o}", "locks", list);
}

/* The row may be gone when the record is applied: ENOENT then. */
static json_t *break_one(struct node *node, uint64_t id)
{
    struct tree_locks locks = {0};
    const struct tree_lock *found = NULL;
    if (tree_locks_all(node->tree, &locks) < 0) {
        node_fault(node, "locks cannot be read: %s", store_error_text());
    }
    for (size_t i = 0; i < locks.count && found == NULL; i++) {
        found = locks.rows[i].id == id ? &locks.rows[i] : NULL;
    }
    json_t *reply;
    if (found == NULL || found->waits) {
        reply = json_pack("{s:s}", "error",
                          found == NULL ? "there is no such lock"
                                        : "that one waits, and holds nothing");
    } else {
        struct command command = {.op = OP_LOCK_BREAK,
                                  .ino = found->ino,
                                  .number = id,
                                  .caller = {.comm = "raftfs"}};
        reply =
            submission_begin(node, &command, (struct bytes){0}, NULL, 0);
    }
    tree_locks_release(&locks);
    return reply;
}

json_t *locks_control(struct node *node, const json_t *request)
{
    const char *action = json_string_value(json_object_get(request, "action"));
    if (action != NULL && strcmp(action, "break") == 0) {
        return break_one(node, (uint64_t)json_integer_value(
                                   json_object_get(request, "id")));
    }
    return list_all(node);
}
