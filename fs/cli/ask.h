/* ask.h -- questions to the running node that a person means, whose answer takes
 * a while. */
#ifndef FS_CLI_ASK_H
#define FS_CLI_ASK_H

#include "fs/cli/find.h"

/* The data directory of the node, for control_call(). 0 or an exit code (told).
 * The caller frees *out. */
int ask_datadir(const struct cli *cli, const struct found *found, char **out);

/* Asks for a change of the members (or of who leads), and waits until it is
 * done: done() looks at what the command "members" answers. Says on stderr what
 * it waits for. Takes request. The exit code (told). */
struct ask_change {
    const char *datadir;
    json_t *request; /* owned: the change */
    bool (*done)(const json_t *members, void *arg);
    /* What is missing at present, for people; "" when that cannot be said. */
    void (*progress)(const json_t *members, void *arg, char text[256]);
    void *arg;
    unsigned timeout_s;
};
int ask_change(const struct cli *cli, struct ask_change *change);

/* The node has answered {"submission": N}: waits until that has ended, and says
 * after a moment that it waits. The exit code (told). */
int ask_submitted(const struct cli *cli, const struct found *found,
                  const json_t *reply);

#endif
