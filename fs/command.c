#include "fs/command.h"

#include <assert.h>
#include <string.h>

enum { COMMAND_VERSION = 1, SET_ALL = 511 };

enum field {
    END, /* of the list */
    INO,
    PARENT,
    NEW_PARENT,
    SIZE,
    OFFSET,
    NUMBER,
    SESSION,
    RDEV,
    ATIME,
    MTIME,
    MODE,
    UMASK,
    FLAGS,
    SET,
    NEW_UID,
    NEW_GID,
    NAME,
    NEW_NAME,
    TARGET,
    INOS,
    OWNER,
    START,
    LAST,
    XATTR_NAME, /* in .name; may contain / */
    SOURCE,
    SOURCE_OFFSET,
};

/* The fields of each operation, in the order of their bytes. Encoding and
 * decoding walk the same lists, so they cannot differ. */
static const struct shape {
    const char *name;
    uint8_t fields[9];
} shapes[OP_END] = {
    [OP_SESSION_OPEN] = {"session-open", {NAME, NUMBER}},
    [OP_SESSION_END] = {"session-end", {SESSION}},
    [OP_REAP] = {"reap", {INOS}},
    [OP_CREATE] = {"create", {PARENT, NAME, MODE, UMASK, FLAGS}},
    [OP_MKNOD] = {"mknod", {PARENT, NAME, MODE, UMASK, RDEV}},
    [OP_MKDIR] = {"mkdir", {PARENT, NAME, MODE, UMASK}},
    [OP_SYMLINK] = {"symlink", {PARENT, NAME, TARGET}},
    [OP_LINK] = {"link", {INO, PARENT, NAME}},
    [OP_UNLINK] = {"unlink", {PARENT, NAME}},
    [OP_RMDIR] = {"rmdir", {PARENT, NAME}},
    [OP_RENAME] = {"rename", {PARENT, NAME, NEW_PARENT, NEW_NAME, FLAGS}},
    [OP_SETATTR] = {"setattr",
                    {INO, SET, MODE, NEW_UID, NEW_GID, SIZE, ATIME, MTIME}},
    [OP_WRITE] = {"write", {INO, OFFSET, FLAGS}},
    [OP_LOCK] = {"lock", {INO, OWNER, FLAGS, START, LAST}},
    [OP_LOCK_CANCEL] = {"lock-cancel",
                        {INO, OWNER, NUMBER, FLAGS, START, LAST}},
    [OP_LOCK_RELEASE] = {"lock-release", {INO, OWNER, FLAGS}},
    [OP_LOCK_BREAK] = {"lock-break", {INO, NUMBER}},
    [OP_SETTING] = {"setting", {NAME, TARGET}},
    [OP_SETXATTR] = {"setxattr", {INO, XATTR_NAME, FLAGS}},
    [OP_REMOVEXATTR] = {"removexattr", {INO, XATTR_NAME}},
    [OP_FALLOCATE] = {"fallocate", {INO, OFFSET, SIZE, FLAGS}},
    [OP_COPY_RANGE] = {"copy-range",
                       {INO, OFFSET, SOURCE, SOURCE_OFFSET, SIZE}},
    [OP_TMPFILE] = {"tmpfile", {PARENT, MODE, UMASK}},
    [OP_REMOVE_ACL] = {"remove-acl", {INO, XATTR_NAME, FLAGS}},
};

static bool op_is_known(uint16_t op)
{
    return op < OP_END && shapes[op].name != NULL;
}

const char *command_op_name(uint16_t op)
{
    return op_is_known(op) ? shapes[op].name : "unknown";
}

/* Where the numbers are. */
static uint64_t *field_u64(struct command *c, enum field field)
{
    switch (field) {
    case INO:
        return &c->ino;
    case PARENT:
        return &c->parent;
    case NEW_PARENT:
        return &c->new_parent;
    case SIZE:
        return &c->size;
    case OFFSET:
        return &c->offset;
    case NUMBER:
        return &c->number;
    case SESSION:
        return &c->session;
    case RDEV:
        return &c->rdev;
    case OWNER:
        return &c->owner;
    case START:
        return &c->start;
    case LAST:
        return &c->last;
    case SOURCE:
        return &c->source;
    case SOURCE_OFFSET:
        return &c->source_offset;
    default:
        return NULL;
    }
}

static int64_t *field_i64(struct command *c, enum field field)
{
    return field == ATIME ? &c->atime : field == MTIME ? &c->mtime : NULL;
}

static uint32_t *field_u32(struct command *c, enum field field)
{
    switch (field) {
    case MODE:
        return &c->mode;
    case UMASK:
        return &c->umask;
    case FLAGS:
        return &c->flags;
    case SET:
        return &c->set;
    case NEW_UID:
        return &c->new_uid;
    case NEW_GID:
        return &c->new_gid;
    default:
        return NULL;
    }
}

static struct bytes *field_bytes(struct command *c, enum field field)
{
    return field == NAME || field == XATTR_NAME ? &c->name
           : field == NEW_NAME                  ? &c->new_name
           : field == TARGET                    ? &c->target
                                                : NULL;
}

/* --- encoding --- */

static size_t field_size(struct command *c, enum field field)
{
    if (field_u64(c, field) != NULL || field_i64(c, field) != NULL) {
        return 8;
    }
    if (field_u32(c, field) != NULL) {
        return 4;
    }
    if (field == INOS) {
        return 4 + 8 * (size_t)c->ino_count;
    }
    return (field == TARGET ? 2 : 1) + field_bytes(c, field)->size;
}

static void write_field(struct writer *w, struct command *c, enum field field)
{
    if (field_u64(c, field) != NULL) {
        write_u64(w, *field_u64(c, field));
    } else if (field_i64(c, field) != NULL) {
        write_u64(w, (uint64_t)*field_i64(c, field));
    } else if (field_u32(c, field) != NULL) {
        write_u32(w, *field_u32(c, field));
    } else if (field == INOS) {
        assert(c->ino_count <= COMMAND_REAP_MAX);
        write_u32(w, c->ino_count);
        write_bytes(w, (struct bytes){c->inos, 8 * (size_t)c->ino_count});
    } else if (field == TARGET) {
        assert(c->target.size > 0 && c->target.size <= COMMAND_TARGET_MAX);
        write_u16(w, (uint16_t)c->target.size);
        write_bytes(w, c->target);
    } else {
        struct bytes name = *field_bytes(c, field);
        assert(name.size > 0 && name.size <= COMMAND_NAME_MAX);
        write_u8(w, (uint8_t)name.size);
        write_bytes(w, name);
    }
}

static size_t encoded_size(struct command *c, size_t comm_size)
{
    size_t size = 2 + 2 + 3 * 4 + 1 + comm_size + 8;
    for (const uint8_t *f = shapes[c->op].fields; *f != END; f++) {
        size += field_size(c, *f);
    }
    return size;
}

size_t command_encode(const struct command *command, void *out, size_t size)
{
    assert(op_is_known(command->op));
    struct command c = *command; /* the accessors are shared with decoding */
    struct bytes comm = {c.caller.comm,
                         strnlen(c.caller.comm, sizeof(c.caller.comm) - 1)};
    size_t needed = encoded_size(&c, comm.size);
    assert(needed <= COMMAND_BODY_MAX);
    if (out == NULL) {
        return needed;
    }
    assert(size >= needed);
    struct writer w = writer_init(out, needed);
    write_u16(&w, COMMAND_VERSION);
    write_u16(&w, c.op);
    write_u32(&w, c.caller.uid);
    write_u32(&w, c.caller.gid);
    write_u32(&w, c.caller.pid);
    write_u8(&w, (uint8_t)comm.size);
    write_bytes(&w, comm);
    write_u64(&w, c.ack_below);
    for (const uint8_t *f = shapes[c.op].fields; *f != END; f++) {
        write_field(&w, &c, *f);
    }
    assert(writer_left(&w) == 0);
    return needed;
}

/* --- decoding --- */

/* What no directory can hold. */
static bool name_is_legal(struct bytes name)
{
    const char *text = name.data;
    if (name.size == 0 || name.size > COMMAND_NAME_MAX ||
        memchr(text, '/', name.size) != NULL ||
        memchr(text, '\0', name.size) != NULL) {
        return false;
    }
    bool dot = name.size == 1 && text[0] == '.';
    bool dot_dot = name.size == 2 && text[0] == '.' && text[1] == '.';
    return !dot && !dot_dot;
}

static bool target_is_legal(struct bytes target)
{
    return target.size > 0 && target.size <= COMMAND_TARGET_MAX &&
           memchr(target.data, '\0', target.size) == NULL;
}

static bool xattr_name_is_legal(struct bytes name)
{
    return name.size > 0 && name.size <= COMMAND_NAME_MAX &&
           memchr(name.data, '\0', name.size) == NULL;
}

static void read_inos(struct reader *r, struct command *c)
{
    c->ino_count = read_u32(r);
    if (c->ino_count > COMMAND_REAP_MAX) {
        reader_fail(r);
        c->ino_count = 0;
    }
    c->inos = read_bytes(r, 8 * (size_t)c->ino_count).data;
}

static void read_field(struct reader *r, struct command *c, enum field field)
{
    if (field_u64(c, field) != NULL) {
        *field_u64(c, field) = read_u64(r);
    } else if (field_i64(c, field) != NULL) {
        *field_i64(c, field) = (int64_t)read_u64(r);
    } else if (field_u32(c, field) != NULL) {
        *field_u32(c, field) = read_u32(r);
    } else if (field == INOS) {
        read_inos(r, c);
    } else if (field == TARGET) {
        c->target = read_bytes(r, read_u16(r));
        if (!target_is_legal(c->target)) {
            reader_fail(r);
        }
    } else {
        struct bytes name = read_bytes(r, read_u8(r));
        if (field == XATTR_NAME ? !xattr_name_is_legal(name)
                                : !name_is_legal(name)) {
            reader_fail(r);
        }
        *field_bytes(c, field) = name;
    }
}

static void read_caller(struct reader *r, struct command_caller *caller)
{
    caller->uid = read_u32(r);
    caller->gid = read_u32(r);
    caller->pid = read_u32(r);
    struct bytes comm = read_bytes(r, read_u8(r));
    if (comm.size >= sizeof(caller->comm) ||
        memchr(comm.data, '\0', comm.size) != NULL) {
        reader_fail(r);
        return;
    }
    memcpy(caller->comm, comm.data, comm.size);
}

int command_decode(struct bytes src, struct command *out)
{
    *out = (struct command){.op = 0};
    if (src.size > COMMAND_BODY_MAX) {
        return -1;
    }
    struct reader r = reader_init(src);
    uint16_t version = read_u16(&r);
    out->op = read_u16(&r);
    read_caller(&r, &out->caller);
    out->ack_below = read_u64(&r);
    if (!reader_ok(&r) || version != COMMAND_VERSION || !op_is_known(out->op)) {
        return -1;
    }
    for (const uint8_t *f = shapes[out->op].fields; *f != END; f++) {
        read_field(&r, out, *f);
    }
    if ((out->set & ~(uint32_t)SET_ALL) != 0) {
        return -1;
    }
    return reader_done(&r) ? 0 : -1;
}
