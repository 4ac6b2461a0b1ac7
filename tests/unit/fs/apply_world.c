#include "tests/unit/fs/apply_world.h"

#include "store/error.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *path_of(const struct world *world, const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", world->dir, name);
    return path;
}

void world_open(struct world *world)
{
    int rc = segments_open(path_of(world, "segments"), &world->segments);
    assert_int_equal(rc, 0);
    rc = segment_writer_open(world->segments, &world->writer);
    assert_int_equal(rc, 0);
    rc = tree_open(path_of(world, "tree.db"), world->segments, &world->tree);
    assert_int_equal(rc, 0);
    rc = apply_open(world->tree, &world->apply);
    assert_int_equal(rc, 0);
}

void world_close(struct world *world)
{
    apply_close(world->apply);
    tree_close(world->tree);
    segment_writer_close(world->writer);
    segments_close(world->segments);
}

struct world *world_new(void)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    const char *base = getenv("TMPDIR");
    snprintf(world->dir, sizeof world->dir, "%s/raftfs-apply-XXXXXX",
             base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(world->dir));
    assert_int_equal(tree_create(path_of(world, "tree.db"), 4711), 0);
    world_open(world);
    world->time_ns = 1700000000ull * 1000000000ull;
    return world;
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void world_remove_files(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

uint64_t world_random(uint64_t *state, uint64_t bound)
{
    *state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % bound;
}

void world_free(struct world *world)
{
    world_close(world);
    for (size_t i = 0; i < world->record_count; i++) {
        record_unref(world->records[i]);
    }
    free(world->records);
    world_remove_files(world->dir);
    free(world);
}

int world_setup(void **state)
{
    struct world *world = world_new();
    world->session = world_session(world, "me", 1);
    *state = world;
    return 0;
}

int world_teardown(void **state)
{
    world_check(*state);
    world_free(*state);
    return 0;
}

void world_commit(struct world *world)
{
    assert_int_equal(apply_flush(world->apply), 0);
    assert_int_equal(tree_begin(world->tree), 0);
    assert_int_equal(tree_commit(world->tree), 0);
}

void world_reopen(struct world *world)
{
    world_close(world);
    world_open(world);
}

static void complain(void *arg, const char *text)
{
    (void)arg;
    print_error("tree_check: %s\n", text);
}

void world_check(struct world *world)
{
    world_commit(world);
    assert_int_equal(tree_check(world->tree, complain, NULL), 0);
}

uint64_t world_digest(struct world *world)
{
    assert_int_equal(tree_begin(world->tree), 0);
    assert_int_equal(apply_flush(world->apply), 0);
    return tree_digest(world->tree);
}

/* --- records --- */

static void stage(struct world *world, struct record *record)
{
    if (record->payload_size <= TREE_INLINE_MAX) {
        return;
    }
    struct place place;
    struct view bytes = {record->payload.data, record->payload.size};
    assert_int_equal(segment_append(world->writer, bytes, &place), 0);
    record->place = (struct record_place){place.segment, place.position};
}

static void keep(struct world *world, struct record *record)
{
    if (record->index != world->record_count + 1) {
        return; /* replayed */
    }
    size_t size = (world->record_count + 1) * sizeof *world->records;
    world->records = realloc(world->records, size);
    assert_non_null(world->records);
    world->records[world->record_count++] = record_ref(record);
}

bool world_footprint_has(const struct footprint *footprint, uint64_t key)
{
    for (uint32_t i = 0; i < footprint->count; i++) {
        if (footprint->keys[i] == key) {
            return true;
        }
    }
    return footprint->all;
}

/* Readers trust it: whatever has changed, and was there before, is in it. */
static void check_footprint(struct world *world,
                            const struct footprint *footprint)
{
    const struct apply_change *change = apply_last_change(world->apply);
    for (uint32_t i = 0; i < change->ino_count; i++) {
        uint64_t ino = change->inos[i];
        struct inode inode = {0};
        tree_inode_get(world->tree, ino, &inode);
        bool is_new = inode.btime == (int64_t)tree_time_ns(world->tree);
        if (!is_new && !world_footprint_has(footprint, ino)) {
            print_error("inode %llu is not in the footprint\n",
                        (unsigned long long)ino);
            fail();
        }
    }
    assert_true(change->ino_count < sizeof change->inos / sizeof *change->inos);
}

int world_apply(struct world *world, struct record *record)
{
    struct footprint footprint;
    footprint_of(world->tree, record, &footprint);
    keep(world, record);
    stage(world, record);
    int rc = apply_record(world->apply, record, &world->result);
    if (rc != 0) {
        print_error("apply: %s\n", store_error_text());
    }
    assert_int_equal(rc, 0);
    check_footprint(world, &footprint);
    record->place = (struct record_place){0}; /* of this world only */
    return world->result.error;
}

struct record *world_record(struct world *world, const struct command *command,
                            struct bytes payload)
{
    uint8_t body[COMMAND_BODY_MAX];
    size_t size = command_encode(command, body, sizeof body);
    struct record *record =
        record_new(RECORD_COMMAND, (struct bytes){body, size}, payload);
    record->index = tree_applied(world->tree) + 1;
    record->term = 3;
    world->time_ns += 1000;
    record->time_ns = world->time_ns;
    record->origin = WORLD_NODE;
    record->session = world->session;
    world->serial++;
    record->serial = world->serial;
    return record;
}

int world_run_with(struct world *world, struct command command,
                   struct bytes payload)
{
    command.caller = world->caller;
    command.ack_below = world->ack_below;
    struct record *record = world_record(world, &command, payload);
    int error = world_apply(world, record);
    record_unref(record);
    return error;
}

int world_run(struct world *world, struct command command)
{
    return world_run_with(world, command, (struct bytes){0});
}

uint64_t world_session(struct world *world, const char *name, uint64_t boot)
{
    struct command command = {
        .op = OP_SESSION_OPEN,
        .caller = world->caller,
        .name = world_text(name),
        .number = boot};
    struct record *record = world_record(world, &command, (struct bytes){0});
    record->session = 0;
    record->origin = WORLD_NODE + strlen(name);
    assert_int_equal(world_apply(world, record), 0);
    record_unref(record);
    return world->result.value[VALUE_INO];
}

struct bytes world_text(const char *text)
{
    return (struct bytes){text, strlen(text)};
}

int world_create(struct world *world, uint64_t parent, const char *name,
                 uint32_t mode, uint32_t flags)
{
    return world_run(world, (struct command){.op = OP_CREATE,
                                             .parent = parent,
                                             .name = world_text(name),
                                             .mode = mode,
                                             .umask = 022,
                                             .flags = flags});
}

int world_mkdir(struct world *world, uint64_t parent, const char *name,
                uint32_t mode)
{
    return world_run(world, (struct command){.op = OP_MKDIR,
                                             .parent = parent,
                                             .name = world_text(name),
                                             .mode = mode,
                                             .umask = 022});
}

int world_symlink(struct world *world, uint64_t parent, const char *name,
                  const char *target)
{
    return world_run(world, (struct command){.op = OP_SYMLINK,
                                             .parent = parent,
                                             .name = world_text(name),
                                             .target = world_text(target)});
}

int world_link(struct world *world, uint64_t ino, uint64_t parent,
               const char *name)
{
    return world_run(world, (struct command){.op = OP_LINK,
                                             .ino = ino,
                                             .parent = parent,
                                             .name = world_text(name)});
}

static int run_name(struct world *world, uint16_t op, uint64_t parent,
                    const char *name)
{
    return world_run(
        world,
        (struct command){.op = op, .parent = parent, .name = world_text(name)});
}

int world_unlink(struct world *world, uint64_t parent, const char *name)
{
    return run_name(world, OP_UNLINK, parent, name);
}

int world_rmdir(struct world *world, uint64_t parent, const char *name)
{
    return run_name(world, OP_RMDIR, parent, name);
}

int world_rename(struct world *world, uint64_t parent, const char *name,
                 uint64_t new_parent, const char *new_name, uint32_t flags)
{
    return world_run(world, (struct command){.op = OP_RENAME,
                                             .parent = parent,
                                             .name = world_text(name),
                                             .new_parent = new_parent,
                                             .new_name = world_text(new_name),
                                             .flags = flags});
}

int world_write(struct world *world, uint64_t ino, uint64_t offset,
                uint32_t flags, const void *data, size_t size)
{
    struct command command = {
        .op = OP_WRITE, .ino = ino, .offset = offset, .flags = flags};
    return world_run_with(world, command, (struct bytes){data, size});
}

int world_truncate(struct world *world, uint64_t ino, uint64_t size)
{
    return world_run(world, (struct command){.op = OP_SETATTR,
                                             .ino = ino,
                                             .set = SET_SIZE,
                                             .size = size});
}

int world_reap(struct world *world, uint64_t ino)
{
    uint8_t inos[8];
    struct writer w = writer_init(inos, sizeof inos);
    write_u64(&w, ino);
    return world_run(
        world, (struct command){.op = OP_REAP, .ino_count = 1, .inos = inos});
}

/* --- looking --- */

uint64_t world_file(struct world *world, uint64_t parent, const char *name)
{
    assert_int_equal(world_create(world, parent, name, 0666, 0), 0);
    return world->result.value[VALUE_INO];
}

uint64_t world_dir(struct world *world, uint64_t parent, const char *name)
{
    assert_int_equal(world_mkdir(world, parent, name, 0777), 0);
    return world->result.value[VALUE_INO];
}

struct inode world_inode(struct world *world, uint64_t ino)
{
    struct inode inode;
    assert_int_equal(tree_inode_get(world->tree, ino, &inode), 0);
    return inode;
}

bool world_has_inode(struct world *world, uint64_t ino)
{
    struct inode inode;
    int rc = tree_inode_get(world->tree, ino, &inode);
    assert_true(rc == 0 || rc == STORE_NOT_FOUND);
    return rc == 0;
}

void world_same_session(const struct apply_session *a,
                        const struct apply_session *b)
{
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->node, b->node);
    assert_int_equal(a->boot, b->boot);
    assert_int_equal(a->opened_ns, b->opened_ns);
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->ack_below, b->ack_below);
    assert_int_equal(a->results, b->results);
}

uint64_t world_lookup(struct world *world, uint64_t parent, const char *name)
{
    struct dentry entry;
    int rc = tree_dentry_get(world->tree, parent,
                             (struct view){name, strlen(name)}, &entry);
    assert_true(rc == 0 || rc == STORE_NOT_FOUND);
    return rc == 0 ? entry.ino : 0;
}
