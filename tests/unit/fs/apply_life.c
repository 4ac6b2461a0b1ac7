#include "tests/unit/fs/apply_life.h"

#include "fs/acl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { PAYLOAD_MAX = 10000 };

static uint64_t state; /* of the generator */

void life_seed(uint64_t seed)
{
    state = seed;
}

uint64_t life_random(uint64_t bound)
{
    return world_random(&state, bound);
}

static uint64_t random_below(uint64_t bound)
{
    return life_random(bound);
}

static struct bytes random_name(void)
{
    static const char letters[] = "abcdef";
    return (struct bytes){letters + random_below(6), 1};
}

static const char *node_name(size_t node)
{
    static const char *names[LIFE_NODES] = {"one", "three", "seven77"};
    return names[node];
}

static const uint16_t ops[] = {
    OP_CREATE,   OP_MKNOD,       OP_MKDIR,     OP_SYMLINK, OP_LINK,
    OP_UNLINK,   OP_RMDIR,       OP_RENAME,    OP_SETATTR, OP_WRITE,
    OP_SETXATTR, OP_REMOVEXATTR, OP_FALLOCATE, OP_COPY_RANGE,
    OP_LOCK,     OP_LOCK_CANCEL, OP_LOCK_RELEASE, OP_LOCK_BREAK, OP_SETTING,
    OP_REMOVE_ACL,
};

static struct bytes random_attribute(void)
{
    static const char *names[] = {"user.a", "user.b", "security.capability",
                                  ACL_ACCESS_NAME, ACL_DEFAULT_NAME};
    return world_text(names[random_below(5)]);
}

/* An ACL, for any attribute: what else is in one means nothing here. */
static size_t random_value(uint8_t *out)
{
    uint16_t perm = (uint16_t)random_below(8);
    struct acl acl = {.count = random_below(2) == 0 ? 3 : 5,
                      .entries = {{ACL_USER_OBJ, 7, 0},
                                  {ACL_GROUP_OBJ, perm, 0},
                                  {ACL_OTHER, 5, 0}}};
    if (acl.count == 5) {
        acl = (struct acl){.count = 5,
                           .entries = {{ACL_USER_OBJ, 7, 0},
                                       {ACL_USER, perm, 1},
                                       {ACL_GROUP_OBJ, 5, 0},
                                       {ACL_MASK, 6, 0},
                                       {ACL_OTHER, perm, 0}}};
    }
    return acl_encode(&acl, out);
}

static struct command random_command(struct life *life)
{
    struct command c = {
        .ino = 1 + random_below(life->ino_max),
        .parent =
            random_below(2) == 0 ? TREE_ROOT : 1 + random_below(life->ino_max),
        .new_parent =
            random_below(2) == 0 ? TREE_ROOT : 1 + random_below(life->ino_max),
        .mode = (uint32_t)random_below(07777),
        .umask = 022,
        .caller.uid = (uint32_t)random_below(2),
    };
    c.op = ops[random_below(sizeof ops / sizeof *ops)];
    bool has_attribute = c.op == OP_SETXATTR || c.op == OP_REMOVEXATTR ||
                         c.op == OP_REMOVE_ACL;
    c.name = has_attribute ? random_attribute() : random_name();
    c.new_name = random_name();
    c.target = c.op == OP_SETTING && random_below(4) == 0 ? world_text("null")
                                                          : random_name();
    c.flags = c.op == OP_RENAME  ? (uint32_t)random_below(4)
              : c.op == OP_WRITE ? (random_below(2) == 0 ? O_APPEND : 0)
              : c.op == OP_SETXATTR || c.op == OP_FALLOCATE
                  ? (uint32_t)random_below(5)
              : c.op == OP_REMOVE_ACL ? (random_below(2) == 0 ? COMMAND_ANYWAY : 0)
                                 : (random_below(3) == 0 ? O_TRUNC : 0);
    c.set = (uint32_t)random_below(512);
    c.size = random_below(3) * 2500;
    c.offset = random_below(20000);
    c.source = 1 + random_below(life->ino_max);
    c.source_offset = random_below(5000);
    c.mtime = (int64_t)random_below(1000000);
    if (c.op >= OP_LOCK && c.op <= OP_LOCK_BREAK) {
        c.flags = (uint32_t)random_below(LOCK_FLAGS + 1);
        c.owner = random_below(3);
        c.start = random_below(20);
        c.last = c.start + random_below(20);
        c.number = 1 + random_below(LIFE_RECORDS / 3);
    }
    return c;
}

static void run(struct life *life, struct record *record)
{
    struct world *w = life->world;
    world_apply(w, record);
    if (record->index <= LIFE_RECORDS) {
        life->results[record->index] = w->result;
    }
    if (w->result.error == 0 && w->result.value[VALUE_INO] > life->ino_max &&
        record->session != 0) {
        life->ino_max = w->result.value[VALUE_INO];
    }
    record_unref(record);
}

/* Sometimes a serial that was there already, or one that comes late. */
static void run_command(struct life *life)
{
    static uint8_t bytes[PAYLOAD_MAX];
    struct life_node *node = &life->nodes[random_below(LIFE_NODES)];
    struct command command = random_command(life);
    struct bytes payload = {0};
    if (command.op == OP_WRITE) {
        payload.data = bytes;
        payload.size = random_below(random_below(4) == 0 ? PAYLOAD_MAX : 200);
        memset(bytes, (int)random_below(256), payload.size);
    } else if (command.op == OP_SETXATTR) {
        payload = (struct bytes){bytes, random_value(bytes)};
    }
    uint64_t dice = random_below(10);
    node->serial += dice == 0 ? 0 : dice == 1 ? 2 : 1;
    command.ack_below = node->serial - random_below(node->serial + 1) % 20;
    struct record *record = world_record(life->world, &command, payload);
    record->session = node->session;
    record->serial = dice == 2 && node->serial > 5
                         ? node->serial - random_below(5)
                         : node->serial;
    run(life, record);
}

static void run_session(struct life *life)
{
    size_t i = random_below(LIFE_NODES);
    struct command command = {.op = OP_SESSION_OPEN,
                              .name = world_text(node_name(i)),
                              .number = random_below(3)};
    bool ends = random_below(3) == 0;
    if (ends) {
        command = (struct command){.op = OP_SESSION_END,
                                   .session = life->nodes[i].session};
    }
    struct record *record =
        world_record(life->world, &command, (struct bytes){0});
    record->session = 0;
    record->origin = WORLD_NODE + i;
    run(life, record);
    if (!ends && life->world->result.error == 0) {
        life->nodes[i].session = life->world->result.value[VALUE_INO];
    }
}

static void run_reap(struct life *life)
{
    uint8_t inos[3 * 8];
    struct writer w = writer_init(inos, sizeof inos);
    for (int i = 0; i < 3; i++) {
        write_u64(&w, 2 + random_below(life->ino_max));
    }
    struct command command = {.op = OP_REAP, .ino_count = 3, .inos = inos};
    struct record *record =
        world_record(life->world, &command, (struct bytes){0});
    record->session = 0;
    run(life, record);
}

void life_live(struct life *life, int records)
{
    for (int i = 0; i < records; i++) {
        uint64_t dice = random_below(100);
        if (dice < 2) {
            run_session(life);
        } else if (dice < 5) {
            run_reap(life);
        } else {
            run_command(life);
        }
    }
}

struct life *life_new(void)
{
    struct life *life = calloc(1, sizeof *life);
    assert_non_null(life);
    life->world = world_new();
    life->ino_max = 1;
    return life;
}

void life_free(struct life *life)
{
    world_free(life->world);
    free(life);
}
