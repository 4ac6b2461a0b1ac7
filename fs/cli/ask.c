#include "fs/cli/ask.h"

#include "fs/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    LOOK_MS = 100,    /* between two looks */
    ANSWER_MS = 2000, /* then the question, or its answer, was lost */
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value != NULL ? value : "";
}

int ask_datadir(const struct cli *cli, const struct found *found, char **out)
{
    char error[256] = "";
    json_t *status = NULL;
    if (!found->is_mount) {
        *out = strdup(found->path);
        return 0;
    }
    if (find_status(found, &status, error) != FIND_RUNNING) {
        return cli_fail(cli, CLI_FAILED, "the node mounted on %s is not running",
                        found->path);
    }
    *out = strdup(text_of(status, "data_dir"));
    json_decref(status);
    return 0;
}

/* --- a change --- */

struct talk {
    const struct cli *cli;
    struct ask_change *change;
    json_int_t id; /* of the question; 0: it has to be asked (again) */
    int64_t asked; /* ms */
    int tries;
    bool accepted; /* it is in the leader's log */
    char said[256];
};

static int call(struct talk *talk, const json_t *request, json_t **reply)
{
    char error[256] = "";
    int rc = control_call(talk->change->datadir, request, reply, error);
    if (rc == CONTROL_NOT_RUNNING) {
        return cli_fail(talk->cli, CLI_FAILED, "the node in %s is not running",
                        talk->change->datadir);
    }
    return rc < 0 ? cli_fail(talk->cli, CLI_FAILED, "%s", error) : 0;
}

static void say(struct talk *talk, const char *text)
{
    if (text[0] != '\0' && strcmp(text, talk->said) != 0) {
        snprintf(talk->said, sizeof(talk->said), "%s", text);
        fprintf(stderr, "%s\n", text);
    }
}

static int ask(struct talk *talk)
{
    json_t *reply = NULL;
    int rc = call(talk, talk->change->request, &reply);
    if (rc != 0) {
        return rc;
    }
    talk->id = json_integer_value(json_object_get(reply, "id"));
    talk->asked = now_ms();
    talk->tries += talk->id != 0;
    json_decref(reply);
    if (talk->id == 0) {
        say(talk, "waiting for a leader");
    }
    return 0;
}

/* "unknown" to a question that was repeated: the first one removed it. */
static bool is_answered_before(const struct talk *talk, const char *result)
{
    return talk->tries > 1 && strcmp(result, "unknown") == 0 &&
           strcmp(text_of(talk->change->request, "action"), "remove") == 0;
}

static int take_result(struct talk *talk, const json_t *reply)
{
    const char *result = text_of(reply, "result");
    if (result[0] == '\0') {
        if (now_ms() - talk->asked > ANSWER_MS) {
            talk->id = 0;
        }
        return 0;
    }
    if (strcmp(result, "ok") == 0 || strcmp(result, "same") == 0 ||
        is_answered_before(talk, result)) {
        talk->accepted = true;
        return 0;
    }
    if (strcmp(result, "not-leader") == 0 || strcmp(result, "busy") == 0) {
        talk->id = 0;
        return 0;
    }
    return cli_fail(talk->cli, CLI_FAILED, "refused: %s",
                    text_of(reply, "text"));
}

static int look_for_result(struct talk *talk)
{
    json_t *reply = NULL;
    json_t *request =
        json_pack("{s:s,s:I}", "command", "change-result", "id", talk->id);
    int rc = call(talk, request, &reply);
    json_decref(request);
    if (rc == 0) {
        rc = take_result(talk, reply);
    }
    json_decref(reply);
    return rc;
}

/* 1: done. */
static int look_at_members(struct talk *talk)
{
    struct ask_change *change = talk->change;
    char text[256] = "";
    json_t *members = NULL;
    json_t *request = json_pack("{s:s}", "command", "members");
    int rc = call(talk, request, &members);
    json_decref(request);
    if (rc != 0) {
        return rc;
    }
    bool done = change->done(members, change->arg);
    if (!done && now_ms() - talk->asked > ANSWER_MS &&
        strcmp(text_of(change->request, "action"), "transfer") == 0) {
        talk->accepted = false; /* the target did not make it: once more */
        talk->id = 0;
    }
    if (!done && talk->accepted) {
        change->progress(members, change->arg, text);
        say(talk, text);
    }
    json_decref(members);
    return done ? -1 : 0;
}

static int turn(struct talk *talk)
{
    int rc = 0;
    if (!talk->accepted && talk->id == 0) {
        rc = ask(talk);
    }
    if (rc == 0 && !talk->accepted && talk->id != 0) {
        rc = look_for_result(talk);
    }
    return rc == 0 && talk->accepted ? look_at_members(talk) : rc;
}

int ask_change(const struct cli *cli, struct ask_change *change)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    struct talk talk = {.cli = cli, .change = change};
    int64_t end = now_ms() + (int64_t)change->timeout_s * 1000;
    json_object_set_new(change->request, "command", json_string("change"));
    int rc = turn(&talk);
    while (rc == 0 && now_ms() < end) {
        nanosleep(&pause, NULL);
        rc = turn(&talk);
    }
    json_decref(change->request);
    if (rc == 0) {
        return cli_fail(cli, CLI_FAILED, "not done within %u s%s",
                        change->timeout_s,
                        talk.accepted ? "; the leader goes on with it" : "");
    }
    return rc < 0 ? CLI_OK : rc;
}

/* --- a command --- */

int ask_submitted(const struct cli *cli, const struct found *found,
                  const json_t *reply)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    json_int_t id = json_integer_value(json_object_get(reply, "submission"));
    int64_t told_at = now_ms() + 2000;
    for (;;) {
        json_t *answer = NULL;
        int rc = find_ask(cli, found,
                          json_pack("{s:s, s:I}", "command", "submission",
                                    "submission", id),
                          &answer);
        if (rc != 0) {
            return rc;
        }
        bool waiting = json_is_true(json_object_get(answer, "waiting"));
        if (!waiting &&
            json_integer_value(json_object_get(answer, "errno")) != 0) {
            rc = cli_fail(cli, CLI_FAILED, "%s", text_of(answer, "text"));
        }
        json_decref(answer);
        if (!waiting) {
            return rc;
        }
        if (now_ms() > told_at) {
            fprintf(stderr, "waiting for a majority of the nodes...\n");
            told_at = INT64_MAX;
        }
        nanosleep(&pause, NULL);
    }
}
