#include "fs/submission.h"

#include "fs/node.h"

#include <string.h>

static void end(struct request *request, int error)
{
    struct node *node = request->node;
    struct submission *s =
        &node->submissions.list[request->submission % SUBMISSIONS];
    if (s->id == request->submission) {
        s->waiting = false;
        s->error = s->ended != NULL ? s->ended(node, s->arg, error) : error;
    }
}

static void done(struct request *request, const struct hull_result *result)
{
    (void)result;
    end(request, 0);
}

static void failed(struct request *request, int error)
{
    end(request, error);
}

json_t *submission_begin(struct node *node, struct command *command,
                         struct bytes payload, submission_ended *ended,
                         uint64_t arg)
{
    struct submissions *all = &node->submissions;
    struct submission *s = &all->list[(all->last + 1) % SUBMISSIONS];
    if (s->waiting) {
        return json_pack("{s:s}", "error",
                         "too much of this kind is waiting already");
    }
    *s = (struct submission){
        .id = ++all->last, .waiting = true, .ended = ended, .arg = arg};
    struct request *request = request_new(node, NULL, done);
    request->failed = failed;
    request->submission = s->id;
    node_want_tick(node); /* nobody waits longer than op_timeout */
    request_command(request, command, payload);
    return json_pack("{s:I}", "submission", (json_int_t)s->id);
}

json_t *submission_control(struct node *node, const json_t *request)
{
    uint64_t id =
        (uint64_t)json_integer_value(json_object_get(request, "submission"));
    const struct submission *s = &node->submissions.list[id % SUBMISSIONS];
    if (id == 0 || s->id != id) {
        return json_pack("{s:s}", "error", "there is no such submission");
    }
    if (s->waiting) {
        return json_pack("{s:b}", "waiting", true);
    }
    return json_pack("{s:b, s:i, s:s}", "waiting", false, "errno", s->error,
                     "text", strerror(s->error));
}
