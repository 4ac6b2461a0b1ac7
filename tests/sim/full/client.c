/* Programs that use the file systems, one call at a time each, and what must be
 * true of what they see.
 *
 * Besides random work on a few names, all append to one file, the journal, lines
 * that carry a number. Whoever reads it can tell:
 *  - it only grows, and is the same for everybody;
 *  - each line is there at most once, whole;
 *  - a line whose write was acknowledged before the read began is there;
 *  - a line whose write was refused is not, ever.
 * Contents of small and large lines take different ways (row, segment).
 */
#include "tests/sim/full/full.h"

#include "fs/ops.h"

#include "raft/core/memory.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { LINE_HEAD = 16, JOURNAL_ENOUGH = 512 * 1024, JOURNAL_MAX = 16 * 1024 * 1024 };

static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
static const char *const directories[] = {"d0", "d1"};

static const char *some_name(void)
{
    return names[rng_below(&world.work, 6)];
}

/* --- the journal --- */

static uint8_t filling(uint64_t number, size_t at)
{
    return (uint8_t)((number * 131 + at) * 2654435761u >> 16);
}

static size_t line_make(uint64_t number, uint8_t **out)
{
    struct token *token = &world.tokens[number];
    uint32_t size = token->size;
    uint8_t *line = xmalloc(size);
    memcpy(line, &number, 8);
    memcpy(line + 8, &size, 4);
    memset(line + 12, 0x5a, 4);
    for (size_t i = LINE_HEAD; i < size; i++) {
        line[i] = filling(number, i);
    }
    *out = line;
    return size;
}

static uint64_t token_new(void)
{
    if (world.token_count == world.token_capacity) {
        world.token_capacity = world.token_capacity * 2 + 256;
        world.tokens = xrealloc(
            world.tokens, world.token_capacity * sizeof(*world.tokens));
    }
    uint32_t size = LINE_HEAD + (uint32_t)rng_below(&world.work, 200);
    if (rng_chance(&world.work, world.params.big_ppm)) {
        size = 3500 + (uint32_t)rng_below(&world.work, 9000);
    }
    world.tokens[world.token_count] = (struct token){.size = size};
    return world.token_count++;
}

/* What is new in the journal since it was longest. */
static void journal_grows(struct sim_node *sim, const char *bytes, size_t size)
{
    size_t at = world.journal_size;
    world.journal = xrealloc(world.journal, size);
    memcpy(world.journal + at, bytes + at, size - at);
    world.journal_size = size;
    while (at < size) {
        uint64_t number = UINT64_MAX;
        uint8_t *line;
        if (size - at >= LINE_HEAD) {
            memcpy(&number, bytes + at, 8);
        }
        if (number >= world.token_count) {
            sim_fail(sim, "journal", "no line begins at %zu of %zu", at, size);
        }
        struct token *token = &world.tokens[number];
        line_make(number, &line);
        if (size - at < token->size ||
            memcmp(line, bytes + at, token->size) != 0) {
            sim_fail(sim, "journal", "line %llu at %zu is damaged",
                     (unsigned long long)number, at);
        }
        free(line);
        if (token->seen || token->fate == TOKEN_REFUSED) {
            sim_fail(sim, "journal", "line %llu at %zu is there %s",
                     (unsigned long long)number, at,
                     token->seen ? "twice" : "although it was refused");
        }
        token->seen = true;
        at += token->size;
    }
}

static void journal_read(struct sim_node *sim, const struct fuse_req *request,
                         const struct answer *answer)
{
    size_t size = answer->size;
    size_t both = size < world.journal_size ? size : world.journal_size;
    if (both > 0 && memcmp(answer->bytes, world.journal, both) != 0) {
        sim_fail(sim, "journal", "two reads differ in the first %zu bytes",
                 both);
    }
    if (size > world.journal_size) {
        journal_grows(sim, answer->bytes, size);
    }
    bool *there = xcalloc(world.token_count + 1, sizeof(*there));
    for (size_t at = 0; at < size;) {
        uint64_t number;
        memcpy(&number, world.journal + at, 8);
        there[number] = true;
        at += world.tokens[number].size;
    }
    for (size_t i = 0; i < world.token_count; i++) {
        const struct token *token = &world.tokens[i];
        if (token->fate == TOKEN_ACKED && token->acked_at < request->began &&
            !there[i]) {
            sim_fail(sim, "stale read",
                     "line %zu, acknowledged at %llu, is not there", i,
                     (unsigned long long)token->acked_at);
        }
    }
    free(there);
}

static void append_answered(struct client *client)
{
    struct token *token = &world.tokens[client->token];
    int error = client->answer.error;
    if (error == 0) {
        assert(client->answer.size == token->size);
        token->fate = TOKEN_ACKED;
        token->acked_at = world.now;
        world.counters.appends++;
    } else if (error == EROFS) {
        token->fate = TOKEN_REFUSED;
        if (token->seen) {
            sim_fail(client->sim, "journal", "line %llu was refused but done",
                     (unsigned long long)client->token);
        }
    }
}

/* --- calls --- */

static fuse_ino_t some_directory(const struct client *client)
{
    return client->parent != 0 && rng_chance(&world.work, 500000)
               ? client->parent
               : FUSE_ROOT_ID;
}

static void ask_by_name(struct client *client, enum op_kind kind)
{
    struct fuse_req *request = kernel_request(client, kind);
    fuse_ino_t parent = some_directory(client);
    const char *name = some_name();
    struct fuse_file_info file = {.flags = O_RDWR | O_CREAT};
    switch (kind) {
    case DO_LOOKUP:
        request->is_read = true;
        op_lookup(request, parent, name);
        break;
    case DO_CREATE:
        op_create(request, parent, name, 0644, &file);
        break;
    case DO_MKDIR:
        op_mkdir(request, FUSE_ROOT_ID,
                 directories[rng_below(&world.work, 2)], 0755);
        break;
    case DO_RMDIR:
        op_rmdir(request, FUSE_ROOT_ID,
                 directories[rng_below(&world.work, 2)]);
        break;
    case DO_UNLINK:
        op_unlink(request, parent, name);
        break;
    case DO_RENAME:
        op_rename(request, parent, name, some_directory(client), some_name(),
                  rng_chance(&world.work, 200000) ? RENAME_EXCHANGE : 0);
        break;
    case DO_LINK:
        op_link(request, client->ino, parent, name);
        break;
    default:
        op_symlink(request, "target", parent, name);
        break;
    }
}

static void ask_by_inode(struct client *client, enum op_kind kind)
{
    struct fuse_req *request = kernel_request(client, kind);
    uint64_t ino = client->ino;
    struct stat attr = {.st_mode = 0600,
                        .st_size = (off_t)rng_below(&world.work, 9000)};
    switch (kind) {
    case DO_GETATTR:
        request->is_read = ino != FUSE_ROOT_ID;
        op_getattr(request, ino, NULL);
        break;
    case DO_TRUNCATE:
        op_setattr(request, ino, &attr, FUSE_SET_ATTR_SIZE, NULL);
        break;
    case DO_CHMOD:
        op_setattr(request, ino, &attr, FUSE_SET_ATTR_MODE, NULL);
        break;
    case DO_SETXATTR:
        op_setxattr(request, ino, "user.x", some_name(), 1, 0);
        break;
    case DO_GETXATTR:
        request->is_read = ino != FUSE_ROOT_ID;
        op_getxattr(request, ino, "user.x", 100);
        break;
    default:
        op_readdir(request, FUSE_ROOT_ID, 4000, 0,
                   &(struct fuse_file_info){.fh = 0});
        break;
    }
}

static void ask_by_handle(struct client *client, enum op_kind kind)
{
    static char bytes[16000];
    struct fuse_req *request = kernel_request(client, kind);
    uint64_t ino = client->file_ino;
    struct fuse_file_info file = {.fh = client->file_fh,
                                  .lock_owner = client->at + 1};
    size_t size = rng_below(&world.work, 300) + 1;
    off_t at = (off_t)rng_below(&world.work, 20000);
    struct flock lock = {
        .l_type = kind == DO_UNLOCK                    ? F_UNLCK
                  : rng_chance(&world.work, 300000) ? F_RDLCK
                                                       : F_WRLCK,
        .l_whence = SEEK_SET,
        .l_start = (off_t)rng_below(&world.work, 3),
        .l_len = 4};
    switch (kind) {
    case DO_WRITE:
        if (rng_chance(&world.work, world.params.big_ppm)) {
            size += 4096 + rng_below(&world.work, 8000);
        }
        memset(bytes, (int)rng_below(&world.work, 256), size);
        op_write(request, ino, bytes, size, at, &file);
        break;
    case DO_READ:
        op_read(request, ino, 20000, 0, &file);
        break;
    case DO_FALLOCATE:
        op_fallocate(request, ino, 0, at, (off_t)size, &file);
        break;
    case DO_COPY:
        op_copy_file_range(request, ino, 0, &file, ino, 30000 + at, &file,
                           size, 0);
        break;
    case DO_LOCK:
    case DO_UNLOCK:
        op_setlk(request, ino, &file, &lock,
                 kind == DO_LOCK && rng_chance(&world.work, 500000));
        break;
    case DO_FSYNC:
        op_fsync(request, ino, 0, &file);
        break;
    default:
        client->has_file = false;
        client->has_lock = false;
        op_release(request, ino, &file);
        break;
    }
}

static void ask_journal(struct client *client, enum op_kind kind)
{
    struct fuse_req *request = kernel_request(client, kind);
    struct fuse_file_info file = {.fh = client->journal_fh,
                                  .flags = O_RDWR | O_APPEND};
    uint8_t *line;
    if (kind == DO_APPEND) {
        client->token = token_new();
        size_t size = line_make(client->token, &line);
        op_write(request, world.journal_ino, (char *)line, size, 0, &file);
        free(line);
    } else {
        request->is_read = true;
        op_read(request, world.journal_ino, JOURNAL_MAX, 0, &file);
    }
}

/* Creating it is how one opens it, whoever was first. */
static void ask_for_journal(struct client *client)
{
    struct fuse_req *request = kernel_request(client, DO_OPEN);
    struct fuse_file_info file = {.flags = O_RDWR | O_APPEND | O_CREAT};
    op_create(request, FUSE_ROOT_ID, "journal", 0644, &file);
}

static void ask_random(struct client *client)
{
    static const enum op_kind by_name[] = {
        DO_LOOKUP, DO_LOOKUP, DO_CREATE, DO_CREATE, DO_CREATE, DO_MKDIR,
        DO_RMDIR,  DO_UNLINK, DO_UNLINK, DO_RENAME, DO_LINK,   DO_SYMLINK};
    static const enum op_kind by_inode[] = {DO_GETATTR,  DO_GETATTR,
                                            DO_TRUNCATE, DO_CHMOD,
                                            DO_SETXATTR, DO_GETXATTR,
                                            DO_READDIR};
    static const enum op_kind by_handle[] = {
        DO_WRITE,     DO_WRITE, DO_WRITE, DO_READ,   DO_READ, DO_FSYNC,
        DO_FALLOCATE, DO_COPY,  DO_LOCK,  DO_UNLOCK, DO_RELEASE};
    uint64_t dice = rng_below(&world.work, 10);
    if (dice < 4 || client->ino == 0) {
        ask_by_name(client, by_name[rng_below(&world.work, 12)]);
    } else if (dice < 6 || !client->has_file) {
        ask_by_inode(client, by_inode[rng_below(&world.work, 7)]);
    } else {
        ask_by_handle(client, by_handle[rng_below(&world.work, 11)]);
    }
}

void client_step(struct client *client)
{
    if (client->waits != NULL || client->sim->node == NULL) {
        return;
    }
    if (!client->has_journal) {
        ask_for_journal(client);
    } else if (rng_chance(&world.work, 400000)) {
        ask_journal(client, world.journal_size < JOURNAL_ENOUGH &&
                                    rng_chance(&world.work, 700000)
                                ? DO_APPEND
                                : DO_READ_JOURNAL);
    } else {
        ask_random(client);
    }
    if (client->waits != NULL && rng_chance(&world.work, 5000)) {
        world_push((struct event){
            .at = world.now + rng_tail(&world.work, 200 * 1000),
            .kind = EV_INTERRUPT,
            .node = client->sim->at,
            .life = client->sim->life,
            .what = client,
            .number = client->waits->number});
    }
}

/* --- answers --- */

static void think(struct client *client)
{
    if (world.calm) {
        return;
    }
    world_push((struct event){.at = world.now + 1 +
                                    rng_tail(&world.work,
                                             world.params.think_us),
                              .kind = EV_CLIENT,
                              .node = client->sim->at,
                              .life = client->sim->life,
                              .what = client});
}

static void count_answer(const struct fuse_req *request, int error)
{
    struct counters *counters = &world.counters;
    counters->answers++;
    counters->reads += request->is_read && error == 0;
    counters->unknown += error == ETIMEDOUT || error == EINTR;
    counters->not_done += error == EROFS;
    counters->errors += error != 0;
    counters->locks_granted += request->kind == DO_LOCK && error == 0;
}

void client_answered(struct client *client, struct fuse_req *request)
{
    const struct answer *answer = &client->answer;
    bool good = answer->error == 0;
    count_answer(request, answer->error);
    sim_trace(client->sim, "client %u call %llu kind %d: %s", client->at,
              (unsigned long long)request->number, (int)request->kind,
              good ? "done" : strerror(answer->error));
    switch (request->kind) {
    case DO_OPEN:
        if (good) {
            if (world.journal_ino != 0 && world.journal_ino != answer->ino) {
                sim_fail(client->sim, "journal", "there are two");
            }
            world.journal_ino = answer->ino;
            client->journal_fh = answer->fh;
            client->has_journal = true;
        }
        break;
    case DO_APPEND:
        append_answered(client);
        break;
    case DO_READ_JOURNAL:
        if (good) {
            journal_read(client->sim, request, answer);
        }
        break;
    case DO_CREATE:
        if (good) {
            client->ino = client->file_ino = answer->ino;
            client->file_fh = answer->fh;
            client->has_file = true;
        }
        break;
    case DO_LOOKUP:
    case DO_MKDIR:
        if (good) {
            client->ino = answer->ino;
            client->parent = S_ISDIR(answer->attr.st_mode) ? answer->ino
                                                           : client->parent;
        }
        break;
    default:
        break;
    }
    think(client);
}

void clients_start(struct sim_node *sim)
{
    for (uint32_t i = 0; i < world.params.clients; i++) {
        think(&world.clients[sim->at][i]);
    }
}

/* What they waited for will not be heard any more. */
void clients_node_gone(struct sim_node *sim)
{
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = &world.clients[sim->at][i];
        if (client->waits != NULL) {
            client->waits->client = NULL;
        }
        free(client->answer.bytes);
        *client = (struct client){.sim = sim, .at = client->at};
    }
}

/* --- the end --- */

bool clients_ask_last(struct sim_node *sim)
{
    struct client *client = &world.clients[sim->at][0];
    if (client->waits != NULL) {
        return client->waits->kind == DO_LOCK; /* waits without a limit */
    }
    if (client->has_journal) {
        ask_journal(client, DO_APPEND);
    } else {
        ask_for_journal(client);
    }
    node_wake(sim);
    return true;
}

void clients_check_end(void)
{
    for (uint32_t i = 0; i < world.params.nodes; i++) {
        for (uint32_t c = 0; c < world.params.clients; c++) {
            const struct client *client = &world.clients[i][c];
            bool waits_for_lock =
                client->waits != NULL && client->waits->kind == DO_LOCK;
            if (client->waits != NULL && !waits_for_lock) {
                sim_fail(client->sim, "liveness",
                         "client %u waits for call %llu, kind %d", client->at,
                         (unsigned long long)client->waits->number,
                         (int)client->waits->kind);
            }
        }
        const struct client *last = &world.clients[i][0];
        int error = last->answer.error;
        if (is_healed(i) && last->waits == NULL &&
            (error == ETIMEDOUT || error == EROFS || error == EIO ||
             error == EINTR)) {
            sim_fail(last->sim, "liveness", "a call after healing failed: %s",
                     strerror(error));
        }
    }
    for (size_t i = 0; i < world.token_count; i++) {
        if (world.tokens[i].seen && world.tokens[i].fate == TOKEN_REFUSED) {
            sim_fail(NULL, "journal", "line %zu was refused but done", i);
        }
    }
}
