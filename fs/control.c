#include "fs/control.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char socket_name[] = "control.sock";

struct client {
    uv_pipe_t pipe;
    uv_write_t write;
    struct control *control;
    struct client *older, *newer;
    char *reply;      /* owned; being written, or NULL */
    bool close_after; /* the reply */
    size_t used;      /* of line: a request, or a part of it */
    char line[CONTROL_LINE_MAX];
};

struct control {
    uv_pipe_t listener;
    int directory; /* owned fd */
    json_t *(*handle)(void *arg, const json_t *request);
    void *arg;
    struct client *newest, *oldest;
    unsigned client_count;
    unsigned handles; /* not closed yet; with the last one the memory goes */
};

static void read_on(struct client *client);

static void drop_handle(struct control *control)
{
    assert(control->handles > 0);
    control->handles--;
    if (control->handles == 0) {
        close(control->directory);
        free(control);
    }
}

/* --- clients --- */

static void on_client_closed(uv_handle_t *handle)
{
    struct client *client = handle->data;
    drop_handle(client->control);
    free(client->reply);
    free(client);
}

static void client_close(struct client *client)
{
    struct control *control = client->control;
    if (uv_is_closing((uv_handle_t *)&client->pipe)) {
        return;
    }
    if (client->newer != NULL) {
        client->newer->older = client->older;
    } else {
        control->newest = client->older;
    }
    if (client->older != NULL) {
        client->older->newer = client->newer;
    } else {
        control->oldest = client->newer;
    }
    control->client_count--;
    uv_close((uv_handle_t *)&client->pipe, on_client_closed);
}

static void on_written(uv_write_t *write, int status)
{
    struct client *client = write->data;
    free(client->reply);
    client->reply = NULL;
    if (uv_is_closing((uv_handle_t *)&client->pipe)) {
        return;
    }
    if (status < 0 || client->close_after) {
        client_close(client);
        return;
    }
    read_on(client);
}

static json_t *error_reply(const char *text)
{
    json_t *reply = json_pack("{s:s}", "error", text);
    assert(reply != NULL);
    return reply;
}

/* Takes the reply. */
static void client_answer(struct client *client, json_t *reply)
{
    assert(client->reply == NULL);
    char *text = json_dumps(reply, JSON_COMPACT);
    json_decref(reply);
    assert(text != NULL);
    size_t size = strlen(text);
    text = realloc(text, size + 2);
    assert(text != NULL);
    memcpy(text + size, "\n", 2);
    client->reply = text;
    uv_buf_t buffer = uv_buf_init(text, (unsigned)(size + 1));
    uv_read_stop((uv_stream_t *)&client->pipe);
    client->write.data = client;
    if (uv_write(&client->write, (uv_stream_t *)&client->pipe, &buffer, 1,
                 on_written) < 0) {
        client_close(client);
    }
}

static json_t *answer_line(struct control *control, const char *line,
                           size_t size)
{
    json_error_t problem;
    json_t *request = json_loadb(line, size, JSON_REJECT_DUPLICATES, &problem);
    if (!json_is_object(request)) {
        json_decref(request);
        return error_reply("a request is one JSON object on a line");
    }
    json_t *reply = control->handle(control->arg, request);
    json_decref(request);
    return reply != NULL ? reply : error_reply("unknown command");
}

/* Answers the first line of what was read. False: there is none yet. */
static bool answer_next(struct client *client)
{
    char *end = memchr(client->line, '\n', client->used);
    if (end == NULL && client->used < sizeof(client->line)) {
        return false;
    }
    if (end == NULL) {
        client->close_after = true;
        client->used = 0;
        client_answer(client, error_reply("the request is too long"));
        return true;
    }
    size_t size = (size_t)(end - client->line);
    json_t *reply = answer_line(client->control, client->line, size);
    client->used -= size + 1;
    memmove(client->line, end + 1, client->used);
    client_answer(client, reply);
    return true;
}

static void on_room_wanted(uv_handle_t *handle, size_t hint, uv_buf_t *out)
{
    struct client *client = handle->data;
    (void)hint;
    *out = uv_buf_init(client->line + client->used,
                       (unsigned)(sizeof(client->line) - client->used));
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct client *client = stream->data;
    (void)buffer;
    if (size < 0) {
        client_close(client); /* the end, or an error */
        return;
    }
    client->used += (size_t)size;
    answer_next(client);
}

/* A request that came together with the last one is answered first. */
static void read_on(struct client *client)
{
    if (answer_next(client)) {
        return;
    }
    if (uv_read_start((uv_stream_t *)&client->pipe, on_room_wanted, on_read) <
        0) {
        client_close(client);
    }
}

/* --- the listener --- */

static void on_connection(uv_stream_t *stream, int status)
{
    struct control *control = stream->data;
    if (status < 0) {
        return;
    }
    if (control->client_count == CONTROL_CLIENTS_MAX) {
        client_close(control->oldest);
    }
    struct client *client = calloc(1, sizeof(*client));
    assert(client != NULL);
    client->control = control;
    int rc = uv_pipe_init(stream->loop, &client->pipe, 0);
    assert(rc == 0);
    client->pipe.data = client;
    control->handles++;
    control->client_count++;
    client->older = control->newest;
    if (client->older != NULL) {
        client->older->newer = client;
    } else {
        control->oldest = client;
    }
    control->newest = client;
    if (uv_accept(stream, (uv_stream_t *)&client->pipe) < 0) {
        client_close(client);
        return;
    }
    read_on(client);
}

static void on_listener_closed(uv_handle_t *handle)
{
    drop_handle(handle->data);
}

/* Between bind and listen nobody can connect: no moment at which others could
 * come in before the mode is set. */
static int start_listening(struct control *control)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", control->directory,
             socket_name);
    if (unlinkat(control->directory, socket_name, 0) < 0 && errno != ENOENT) {
        return uv_translate_sys_error(errno);
    }
    int rc = uv_pipe_bind(&control->listener, path);
    if (rc < 0) {
        return rc;
    }
    if (fchmodat(control->directory, socket_name, 0600, 0) < 0) {
        return uv_translate_sys_error(errno);
    }
    return uv_listen((uv_stream_t *)&control->listener, CONTROL_CLIENTS_MAX,
                     on_connection);
}

int control_open(uv_loop_t *loop, const char *datadir,
                 json_t *(*handle)(void *arg, const json_t *request), void *arg,
                 struct control **out)
{
    int directory = open(datadir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        return uv_translate_sys_error(errno);
    }
    struct control *control = calloc(1, sizeof(*control));
    assert(control != NULL);
    control->directory = directory;
    control->handle = handle;
    control->arg = arg;
    int rc = uv_pipe_init(loop, &control->listener, 0);
    assert(rc == 0);
    control->listener.data = control;
    control->handles = 1;
    rc = start_listening(control);
    if (rc < 0) {
        control_close(control);
        return rc;
    }
    *out = control;
    return 0;
}

void control_close(struct control *control)
{
    while (control->oldest != NULL) {
        client_close(control->oldest);
    }
    /* libuv removes the socket too, but only if it bound it. */
    unlinkat(control->directory, socket_name, 0);
    uv_close((uv_handle_t *)&control->listener, on_listener_closed);
}
