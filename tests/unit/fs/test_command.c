#include "fs/command.h"
#include "tests/unit/wire/golden.h"
#include "tests/unit/wire/hostile.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <cmocka.h>

#define TEXT(s)                                                                \
    {                                                                          \
        (s), sizeof(s) - 1                                                     \
    }
#define CALLER                                                                 \
    .caller = {.uid = 1000, .gid = 100, .pid = 4711, .comm = "bash"},          \
    .ack_below = 17

static const uint8_t two_inos[16] = {5, 0, 0, 0, 0, 0, 0, 0,
                                     6, 1, 0, 0, 0, 0, 0, 0};

/* One command of each op, and the line that `raftfs log` shows. */
static const struct sample {
    struct command command;
    const char *line;
} samples[] = {
    {{CALLER, .op = OP_SESSION_OPEN, .name = TEXT("n1"), .number = 0xb007},
     "session-open n1"},
    {{CALLER, .op = OP_SESSION_END, .session = 42}, "session-end 42"},
    {{CALLER, .op = OP_REAP, .ino_count = 2, .inos = two_inos}, "reap 5 262"},
    {{CALLER, .op = OP_CREATE, .parent = 1, .name = TEXT("a b"),
      .mode = S_IFREG | 0666, .umask = 022, .flags = O_EXCL},
     "create 1/a\\x20b mode 0644 excl"},
    {{CALLER, .op = OP_MKNOD, .parent = 1, .name = TEXT("pipe"),
      .mode = S_IFIFO | 0600, .umask = 022, .rdev = 0},
     "mknod 1/pipe mode 0600"},
    {{CALLER, .op = OP_MKDIR, .parent = 1, .name = TEXT("dir"), .mode = 0777,
      .umask = 027},
     "mkdir 1/dir mode 0750"},
    {{CALLER, .op = OP_SYMLINK, .parent = 1, .name = TEXT("link"),
      .target = TEXT("../x")},
     "symlink 1/link -> ../x"},
    {{CALLER, .op = OP_LINK, .ino = 9, .parent = 2, .name = TEXT("hard")},
     "link 9 -> 2/hard"},
    {{CALLER, .op = OP_UNLINK, .parent = 2, .name = TEXT("hard")},
     "unlink 2/hard"},
    {{CALLER, .op = OP_RMDIR, .parent = 1, .name = TEXT("dir")}, "rmdir 1/dir"},
    {{CALLER, .op = OP_RENAME, .parent = 12, .name = TEXT("a"),
      .new_parent = 15, .new_name = TEXT("b")},
     "rename 12/a -> 15/b"},
    {{CALLER, .op = OP_SETATTR, .ino = 3,
      .set = SET_MODE | SET_SIZE | SET_MTIME | SET_ATIME_NOW, .mode = 0640,
      .size = 5, .mtime = -1},
     "setattr 3 mode 0640 size 5 atime now mtime -1.999999999"},
    {{CALLER, .op = OP_WRITE, .ino = 3, .offset = 4096},
     "write 3 512 bytes at 4096"},
    {{CALLER, .op = OP_LOCK, .ino = 3, .owner = 0xabc,
      .flags = LOCK_IS_POSIX | LOCK_FOR_WRITE | LOCK_WAIT, .start = 10,
      .last = 19},
     "lock 3 fcntl owner 0000000000000abc write 10 to 19 wait"},
    {{CALLER, .op = OP_LOCK_CANCEL, .ino = 3, .owner = 0xabc, .number = 9,
      .flags = LOCK_IS_POSIX | LOCK_GIVE_BACK, .start = 10, .last = 19},
     "lock-cancel 3 fcntl owner 0000000000000abc serial 9 give back"},
    {{CALLER, .op = OP_LOCK_RELEASE, .ino = 3, .owner = 0xabc},
     "lock-release 3 flock owner 0000000000000abc"},
    {{CALLER, .op = OP_LOCK_BREAK, .ino = 3, .number = 9}, "lock-break 9 of 3"},
    {{CALLER, .op = OP_SETTING, .name = TEXT("window_mb"),
      .target = TEXT("16")},
     "setting window_mb = 16"},
    {{CALLER, .op = OP_SETXATTR, .ino = 3, .name = TEXT("user.a/b"),
      .flags = XATTR_CREATE},
     "setxattr 3 user.a/b 512 bytes"},
    {{CALLER, .op = OP_REMOVEXATTR, .ino = 3, .name = TEXT("user.a/b")},
     "removexattr 3 user.a/b"},
    {{CALLER, .op = OP_FALLOCATE, .ino = 3, .offset = 7, .size = 100,
      .flags = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE},
     "fallocate 3 100 bytes at 7 punch keep-size"},
    {{CALLER, .op = OP_COPY_RANGE, .ino = 3, .offset = 7, .source = 4,
      .source_offset = 8, .size = 100},
     "copy-range 3 100 bytes at 7 from 4 at 8"},
    {{CALLER, .op = OP_TMPFILE, .parent = 3, .mode = S_IFREG | 0666,
      .umask = 022},
     "tmpfile in 3 mode 0644"},
    {{CALLER, .op = OP_REMOVE_ACL, .ino = 3,
      .name = TEXT("system.posix_acl_access"), .flags = COMMAND_ANYWAY},
     "remove-acl 3 system.posix_acl_access"},
};

enum { SAMPLES = sizeof(samples) / sizeof(samples[0]) };

static struct bytes encode(const struct command *command, uint8_t *data,
                           size_t size)
{
    size_t needed = command_encode(command, NULL, 0);
    assert_true(needed <= size);
    assert_int_equal(command_encode(command, data, size), needed);
    return (struct bytes){data, needed};
}

static bool decode(struct bytes src)
{
    struct command command;
    return command_decode(src, &command) == 0;
}

static void assert_same_bytes(struct bytes a, struct bytes b)
{
    assert_int_equal(a.size, b.size);
    if (a.size > 0) {
        assert_memory_equal(a.data, b.data, a.size);
    }
}

static void assert_same(const struct command *a, const struct command *b)
{
    assert_int_equal(a->op, b->op);
    assert_int_equal(a->caller.uid, b->caller.uid);
    assert_int_equal(a->caller.gid, b->caller.gid);
    assert_int_equal(a->caller.pid, b->caller.pid);
    assert_string_equal(a->caller.comm, b->caller.comm);
    assert_true(a->ack_below == b->ack_below);
    assert_true(a->ino == b->ino && a->parent == b->parent);
    assert_true(a->new_parent == b->new_parent);
    assert_same_bytes(a->name, b->name);
    assert_same_bytes(a->new_name, b->new_name);
    assert_same_bytes(a->target, b->target);
    assert_int_equal(a->mode, b->mode);
    assert_int_equal(a->umask, b->umask);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->set, b->set);
    assert_int_equal(a->new_uid, b->new_uid);
    assert_int_equal(a->new_gid, b->new_gid);
    assert_true(a->rdev == b->rdev && a->size == b->size);
    assert_true(a->offset == b->offset && a->number == b->number);
    assert_true(a->session == b->session && a->source == b->source);
    assert_true(a->source_offset == b->source_offset);
    assert_true(a->owner == b->owner);
    assert_true(a->start == b->start && a->last == b->last);
    assert_true(a->atime == b->atime && a->mtime == b->mtime);
    assert_int_equal(a->ino_count, b->ino_count);
    assert_same_bytes((struct bytes){a->inos, 8 * a->ino_count},
                      (struct bytes){b->inos, 8 * b->ino_count});
}

static void every_command_comes_back_as_it_was(void **state)
{
    (void)state;
    size_t known = 0;
    for (uint16_t op = 0; op < OP_END; op++) {
        known += strcmp(command_op_name(op), "unknown") != 0;
    }
    assert_int_equal(SAMPLES, known);
    for (size_t i = 0; i < SAMPLES; i++) {
        uint8_t data[COMMAND_BODY_MAX];
        struct command back;
        struct bytes bytes = encode(&samples[i].command, data, sizeof(data));
        assert_int_equal(command_decode(bytes, &back), 0);
        assert_same(&samples[i].command, &back);
    }
}

static void the_bytes_are_the_golden_ones(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        uint8_t data[COMMAND_BODY_MAX];
        char name[64];
        snprintf(name, sizeof(name), "command-%s",
                 command_op_name(samples[i].command.op));
        golden_check(name, encode(&samples[i].command, data, sizeof(data)));
    }
}

static void commands_are_cut_or_changed_without_harm(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        uint8_t data[COMMAND_BODY_MAX];
        struct bytes bytes = encode(&samples[i].command, data, sizeof(data));
        hostile_cuts(bytes, decode);
        hostile_noise(bytes, decode);
    }
}

static void every_command_has_its_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        char line[256];
        command_print(&samples[i].command, 512, line, sizeof(line));
        assert_string_equal(line, samples[i].line);
    }
    struct command append = {.op = OP_WRITE, .ino = 3, .flags = O_APPEND};
    char line[256];
    command_print(&append, 6, line, sizeof(line));
    assert_string_equal(line, "write 3 6 bytes at the end");
}

static void a_line_is_cut_to_the_room_there_is(void **state)
{
    (void)state;
    char line[8];
    command_print(&samples[10].command, 0, line, sizeof(line));
    assert_string_equal(line, "rename ");
}

static void names_cannot_draw_on_the_terminal(void **state)
{
    (void)state;
    struct command command = {.op = OP_UNLINK,
                              .parent = 1,
                              .name = TEXT("\033[2J\\\xc2\x9b\xc3\xa4")};
    char line[256];
    command_print(&command, 0, line, sizeof(line));
    assert_string_equal(line, "unlink 1/\\x1b[2J\\x5c\\xc2\x9b\xc3\xa4");
}

/* Encodes an unlink of a legal name, then puts the other in its place. */
static bool name_is_taken(const char *name)
{
    struct command command = {.op = OP_UNLINK, .parent = 1};
    char legal[256];
    memset(legal, 'x', sizeof(legal));
    command.name = (struct bytes){legal, strlen(name) > 0 ? strlen(name) : 1};
    uint8_t data[COMMAND_BODY_MAX];
    struct bytes bytes = encode(&command, data, sizeof(data));
    memcpy(data + bytes.size - command.name.size, name, strlen(name) + 1);
    if (name[0] == '\0') {
        data[bytes.size - 2] = 0; /* the length */
        bytes.size--;
    }
    return decode(bytes);
}

static void names_that_no_directory_can_hold_are_refused(void **state)
{
    (void)state;
    assert_true(name_is_taken("a"));
    assert_true(name_is_taken("..."));
    assert_true(name_is_taken(".a"));
    assert_false(name_is_taken(""));
    assert_false(name_is_taken("."));
    assert_false(name_is_taken(".."));
    assert_false(name_is_taken("a/b"));
    assert_false(name_is_taken("/"));
    struct command nul = {.op = OP_UNLINK, .parent = 1, .name = {"a\0b", 3}};
    uint8_t data[COMMAND_BODY_MAX];
    assert_false(decode(encode(&nul, data, sizeof(data))));
}

static void the_largest_command_fits(void **state)
{
    (void)state;
    static char target[COMMAND_TARGET_MAX];
    memset(target, 't', sizeof(target));
    struct command command = {.op = OP_SYMLINK,
                              .parent = 1,
                              .name = {target, COMMAND_NAME_MAX},
                              .target = {target, sizeof(target)}};
    uint8_t data[COMMAND_BODY_MAX];
    assert_true(decode(encode(&command, data, sizeof(data))));
    static uint8_t inos[8 * COMMAND_REAP_MAX];
    command = (struct command){
        .op = OP_REAP, .inos = inos, .ino_count = COMMAND_REAP_MAX};
    assert_true(decode(encode(&command, data, sizeof(data))));
}

static void unknown_things_are_refused(void **state)
{
    (void)state;
    struct command command = {.op = OP_SESSION_END, .session = 1};
    uint8_t data[COMMAND_BODY_MAX];
    struct bytes bytes = encode(&command, data, sizeof(data));
    assert_true(decode(bytes));
    data[0] = 2; /* version */
    assert_false(decode(bytes));
    data[0] = 1;
    data[2] = OP_END;
    assert_false(decode(bytes));
    data[2] = 0;
    assert_false(decode(bytes));
    command = (struct command){.op = OP_SETATTR, .ino = 1, .set = 512};
    assert_false(decode(encode(&command, data, sizeof(data))));
    assert_string_equal(command_op_name(OP_END), "unknown");
    assert_string_equal(command_op_name(0), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_comes_back_as_it_was),
        cmocka_unit_test(the_bytes_are_the_golden_ones),
        cmocka_unit_test(commands_are_cut_or_changed_without_harm),
        cmocka_unit_test(every_command_has_its_line),
        cmocka_unit_test(a_line_is_cut_to_the_room_there_is),
        cmocka_unit_test(names_cannot_draw_on_the_terminal),
        cmocka_unit_test(names_that_no_directory_can_hold_are_refused),
        cmocka_unit_test(the_largest_command_fits),
        cmocka_unit_test(unknown_things_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
