/* The kernel and libfuse: requests go to the real handlers (fuse_operations), and
 * their replies come back here, each exactly once.
 */
#include "tests/sim/full/full.h"

#include "fs/control.h"
#include "fs/log.h"
#include "raft/core/memory.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

struct fuse_req *kernel_request(struct client *client, enum op_kind kind)
{
    struct fuse_req *request = xcalloc(1, sizeof(*request));
    request->sim = client->sim;
    request->life = client->sim->life;
    request->client = client;
    request->kind = kind;
    request->context = (struct fuse_ctx){.pid = (pid_t)(client->at + 100)};
    request->number = world.requests++;
    request->floor = world.floor;
    request->began = world.now;
    assert(client->waits == NULL);
    client->waits = request;
    free(client->answer.bytes);
    client->answer = (struct answer){.error = 0};
    return request;
}

/* The one answer; frees the request. */
static int answer(fuse_req_t request, int error)
{
    struct client *client = request->client;
    assert(error >= 0);
    if (client != NULL && !request->sim->dying) {
        assert(client->waits == request);
        client->answer.error = error;
        world.answered++;
        watch_read(request->sim, request);
        client->waits = NULL;
        sim_note(request->number * 31 + (uint64_t)error);
        client_answered(client, request);
    } else if (client != NULL) {
        client->waits = NULL; /* nobody will ever hear it */
    }
    free(request);
    return 0;
}

static struct answer *answer_of(fuse_req_t request)
{
    static struct answer nowhere;
    return request->client == NULL ? &nowhere : &request->client->answer;
}

void *fuse_req_userdata(fuse_req_t request)
{
    return request->sim->node;
}

const struct fuse_ctx *fuse_req_ctx(fuse_req_t request)
{
    return &request->context;
}

int fuse_req_getgroups(fuse_req_t request, int size, gid_t list[])
{
    (void)request;
    (void)size;
    (void)list;
    return 0;
}

void fuse_req_interrupt_func(fuse_req_t request, fuse_interrupt_func_t call,
                             void *arg)
{
    request->on_interrupt = call;
    request->on_interrupt_arg = arg;
}

int fuse_reply_err(fuse_req_t request, int error)
{
    return answer(request, error);
}

void fuse_reply_none(fuse_req_t request)
{
    answer(request, 0);
}

int fuse_reply_entry(fuse_req_t request, const struct fuse_entry_param *entry)
{
    answer_of(request)->ino = entry->ino;
    answer_of(request)->attr = entry->attr;
    return answer(request, 0);
}

int fuse_reply_create(fuse_req_t request, const struct fuse_entry_param *entry,
                      const struct fuse_file_info *file)
{
    answer_of(request)->fh = file->fh;
    return fuse_reply_entry(request, entry);
}

int fuse_reply_open(fuse_req_t request, const struct fuse_file_info *file)
{
    answer_of(request)->fh = file->fh;
    return answer(request, 0);
}

int fuse_reply_attr(fuse_req_t request, const struct stat *attr, double timeout)
{
    assert(timeout <= 0);
    answer_of(request)->attr = *attr;
    answer_of(request)->ino = attr->st_ino;
    return answer(request, 0);
}

int fuse_reply_buf(fuse_req_t request, const char *bytes, size_t size)
{
    struct answer *to = answer_of(request);
    if (request->client != NULL && size > 0) {
        to->bytes = xmalloc(size);
        memcpy(to->bytes, bytes, size);
    }
    to->size = size;
    return answer(request, 0);
}

int fuse_reply_write(fuse_req_t request, size_t size)
{
    answer_of(request)->size = size;
    return answer(request, 0);
}

int fuse_reply_readlink(fuse_req_t request, const char *target)
{
    (void)target;
    return answer(request, 0);
}

int fuse_reply_xattr(fuse_req_t request, size_t size)
{
    answer_of(request)->size = size;
    return answer(request, 0);
}

int fuse_reply_statfs(fuse_req_t request, const struct statvfs *st)
{
    (void)st;
    return answer(request, 0);
}

int fuse_reply_lock(fuse_req_t request, const struct flock *lock)
{
    (void)lock;
    return answer(request, 0);
}

int fuse_reply_lseek(fuse_req_t request, off_t offset)
{
    (void)offset;
    return answer(request, 0);
}

size_t fuse_add_direntry(fuse_req_t request, char *to, size_t room,
                         const char *name, const struct stat *st, off_t next)
{
    (void)request;
    (void)st;
    (void)next;
    size_t size = (24 + strlen(name) + 7) / 8 * 8;
    if (size <= room) {
        memset(to, 0, size);
        memcpy(to + 24, name, strlen(name));
    }
    return size;
}

size_t fuse_add_direntry_plus(fuse_req_t request, char *to, size_t room,
                              const char *name,
                              const struct fuse_entry_param *entry, off_t next)
{
    return fuse_add_direntry(request, to, room, name, &entry->attr, next);
}

/* --- what else a node does with the outside --- */

int fuse_open(struct node *node, char why[512])
{
    (void)node;
    (void)why;
    return 0;
}

int fuse_start(struct node *node)
{
    (void)node;
    return 0;
}

void fuse_close(struct node *node)
{
    (void)node;
}

void node_tell_ready(struct node *node)
{
    (void)node;
}

int control_open(uv_loop_t *loop, const char *datadir,
                 json_t *(*handler)(void *arg, const json_t *request),
                 void *arg, struct control **out)
{
    (void)loop;
    (void)datadir;
    (void)handler;
    (void)arg;
    *out = NULL;
    return 0;
}

void control_close(struct control *control)
{
    (void)control;
}

int log_level(void)
{
    return LOG_INFO;
}

void log_set_level(int level)
{
    (void)level;
}

const char *log_level_name(int level)
{
    (void)level;
    return "info";
}

int log_level_from_name(const char *name)
{
    (void)name;
    return -1;
}

void log_reopen(void)
{
}

void log_event(int level, const char *what, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    sim_trace(here, "%s %s %s", level == LOG_ERROR ? "error" : "log", what,
              text);
    /* Digests that differ are never the machine's fault. */
    if (strcmp(what, "digests-differ") == 0) {
        sim_fail(here, "digest", "%s %s", what, text);
    }
}
