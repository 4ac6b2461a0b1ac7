/* control.h -- how a program on this machine talks to a running node.
 *
 * A UNIX socket, DATADIR/control.sock, mode 0600. A request is one line with a
 * JSON object, {"command": "status"}; the answer is one line with a JSON
 * object,
 * {"error": "..."} when it did not work. More requests may follow on the same
 * connection; they are answered in order.
 *
 * A client cannot hold anything up: nothing more is read from one that has not
 * taken its answer yet, lines have a maximum, and when too many clients are
 * there the one that has been there longest is dropped.
 *
 * The path of a socket has room for 107 characters only; data directories are
 * reached through /proc/self/fd/N, so that their length does not matter.
 *
 * Thread: control_open() to control_close(): the loop's. control_call(): any.
 */
#ifndef FS_CONTROL_H
#define FS_CONTROL_H

#include <jansson.h>
#include <uv.h>

enum {
    CONTROL_LINE_MAX = 64 * 1024,        /* a request */
    CONTROL_REPLY_MAX = 4 * 1024 * 1024, /* what control_call() takes */
    CONTROL_CLIENTS_MAX = 16,
    CONTROL_TIMEOUT_MS = 5000,
};

struct control;

/* Listens. handle() gets a JSON object and returns a new reference. A socket
 * that is there already is replaced: the caller holds the lock on the data
 * directory, so that it is a dead one. 0 or a negative libuv error. */
int control_open(uv_loop_t *loop, const char *datadir,
                 json_t *(*handle)(void *arg, const json_t *request), void *arg,
                 struct control **out);
/* Stops listening, drops clients, removes the socket. The memory goes when the
 * loop has run the close callbacks; handle() is not called any more. */
void control_close(struct control *control);

enum control_code {
    CONTROL_OK = 0,
    CONTROL_NOT_RUNNING = -1, /* nobody listens in that directory */
    CONTROL_FAILED = -2,      /* no whole answer in time */
    CONTROL_REFUSED = -3,     /* the node answered {"error": ...} */
};
/* Asks the node that runs in datadir. *reply is a new reference when the result
 * is CONTROL_OK; else error holds a sentence. */
int control_call(const char *datadir, const json_t *request, json_t **reply,
                 char error[256]);

#endif
