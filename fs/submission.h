/* submission.h -- commands that somebody asks for at the control socket.
 *
 * The socket answers each request at once, and a command takes a while: so the
 * answer is a number, and a second request asks how it ended.
 *
 * Thread: loop.
 */
#ifndef FS_SUBMISSION_H
#define FS_SUBMISSION_H

#include "fs/command.h"

#include <jansson.h>

struct node;

/* It has ended: error is an errno or 0. What it returns is told instead. */
typedef int submission_ended(struct node *node, uint64_t arg, int error);

enum { SUBMISSIONS = 16 }; /* remembered; older ones are forgotten */

struct submissions {
    uint64_t last;
    struct submission {
        uint64_t id;
        bool waiting;
        int error;
        submission_ended *ended;
        uint64_t arg;
    } list[SUBMISSIONS];
};

/* Submits it in the name of command->caller; payload is copied. ended may be
 * NULL. New reference: {"submission": N}, or an error. */
json_t *submission_begin(struct node *node, struct command *command,
                         struct bytes payload, submission_ended *ended,
                         uint64_t arg);
/* {"command": "submission", "submission": N}: "waiting", and when it is over
 * "errno" and "text". */
json_t *submission_control(struct node *node, const json_t *request);

#endif
