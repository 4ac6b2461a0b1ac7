/* The lines of `raftfs log`. */
#include "fs/command.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct line {
    char *at;
    size_t left; /* with room for the NUL */
};

static void put(struct line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void put(struct line *line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line->at, line->left, format, args);
    va_end(args);
    assert(length >= 0);
    size_t used = (size_t)length < line->left ? (size_t)length : line->left - 1;
    line->at += used;
    line->left -= used;
}

/* Names come from anybody and go to terminals and into columns: controls
 * (C1 in UTF-8 as well), blanks and backslashes are shown as \xNN. */
static void put_name(struct line *line, struct bytes name)
{
    const uint8_t *at = name.data;
    for (size_t i = 0; i < name.size; i++) {
        bool c1 = at[i] == 0xc2 && i + 1 < name.size && at[i + 1] >= 0x80 &&
                  at[i + 1] < 0xa0;
        if (at[i] <= ' ' || at[i] == 0x7f || at[i] == '\\' || c1) {
            put(line, "\\x%02x", at[i]);
        } else {
            put(line, "%c", at[i]);
        }
    }
}

static void put_path(struct line *line, uint64_t parent, struct bytes name)
{
    put(line, " %" PRIu64 "/", parent);
    put_name(line, name);
}

static void put_time(struct line *line, const char *what, int64_t ns)
{
    int64_t seconds = ns / 1000000000, rest = ns % 1000000000;
    if (rest < 0) {
        rest += 1000000000;
        seconds--;
    }
    put(line, " %s %" PRId64 ".%09" PRId64, what, seconds, rest);
}

static void put_setattr(struct line *line, const struct command *c)
{
    put(line, " %" PRIu64, c->ino);
    if (c->set & SET_MODE) {
        put(line, " mode %04o", c->mode & 07777u);
    }
    if (c->set & SET_UID) {
        put(line, " uid %" PRIu32, c->new_uid);
    }
    if (c->set & SET_GID) {
        put(line, " gid %" PRIu32, c->new_gid);
    }
    if (c->set & SET_SIZE) {
        put(line, " size %" PRIu64, c->size);
    }
    if (c->set & SET_ATIME_NOW) {
        put(line, " atime now");
    } else if (c->set & SET_ATIME) {
        put_time(line, "atime", c->atime);
    }
    if (c->set & SET_MTIME_NOW) {
        put(line, " mtime now");
    } else if (c->set & SET_MTIME) {
        put_time(line, "mtime", c->mtime);
    }
}

static void put_reap(struct line *line, const struct command *c)
{
    struct reader r =
        reader_init((struct bytes){c->inos, 8 * (size_t)c->ino_count});
    for (uint32_t i = 0; i < c->ino_count; i++) {
        put(line, " %" PRIu64, read_u64(&r));
    }
}

static void put_rename(struct line *line, const struct command *c)
{
    put_path(line, c->parent, c->name);
    put(line, (c->flags & RENAME_EXCHANGE) != 0 ? " <->" : " ->");
    put_path(line, c->new_parent, c->new_name);
    if ((c->flags & RENAME_NOREPLACE) != 0) {
        put(line, " noreplace");
    }
    if ((c->flags & RENAME_WHITEOUT) != 0) {
        put(line, " whiteout");
    }
}

static void put_create(struct line *line, const struct command *c)
{
    put_path(line, c->parent, c->name);
    put(line, " mode %04o", c->mode & ~c->umask & 07777u);
    if (c->op == OP_CREATE && (c->flags & O_EXCL) != 0) {
        put(line, " excl");
    }
    if (c->op == OP_CREATE && (c->flags & O_TRUNC) != 0) {
        put(line, " trunc");
    }
}

static void put_write(struct line *line, const struct command *c,
                      uint64_t payload_size)
{
    put(line, " %" PRIu64 " %" PRIu64 " bytes", c->ino, payload_size);
    if ((c->flags & O_APPEND) != 0) {
        put(line, " at the end");
    } else {
        put(line, " at %" PRIu64, c->offset);
    }
}

static void put_range(struct line *line, const struct command *c)
{
    if (c->start != 0 || c->last != LOCK_LAST_MAX) {
        put(line, " %" PRIu64 " to", c->start);
        if (c->last == LOCK_LAST_MAX) {
            put(line, " the end");
        } else {
            put(line, " %" PRIu64, c->last);
        }
    }
}

static void put_lock(struct line *line, const struct command *c)
{
    bool is_posix = (c->flags & LOCK_IS_POSIX) != 0;
    put(line, " %" PRIu64 " %s owner %016" PRIx64, c->ino,
        is_posix ? "fcntl" : "flock", c->owner);
    if (c->op == OP_LOCK) {
        put(line, (c->flags & LOCK_UNLOCK) != 0      ? " unlock"
                  : (c->flags & LOCK_FOR_WRITE) != 0 ? " write"
                                                     : " read");
        put_range(line, c);
        put(line, (c->flags & LOCK_WAIT) != 0 ? " wait" : "");
    } else if (c->op == OP_LOCK_CANCEL) {
        put(line, " serial %" PRIu64, c->number);
        put(line, (c->flags & LOCK_GIVE_BACK) != 0 ? " give back" : "");
    }
}

static void put_xattr(struct line *line, const struct command *c)
{
    put(line, " %" PRIu64 " ", c->ino);
    put_name(line, c->name);
}

static void put_fallocate(struct line *line, const struct command *c)
{
    put(line, " %" PRIu64 " %" PRIu64 " bytes at %" PRIu64, c->ino, c->size,
        c->offset);
    if ((c->flags & FALLOC_FL_PUNCH_HOLE) != 0) {
        put(line, " punch");
    }
    if ((c->flags & FALLOC_FL_ZERO_RANGE) != 0) {
        put(line, " zero");
    }
    if ((c->flags & FALLOC_FL_KEEP_SIZE) != 0) {
        put(line, " keep-size");
    }
}

void command_print(const struct command *c, uint64_t payload_size, char *out,
                   size_t size)
{
    assert(size > 0);
    struct line line = {.at = out, .left = size};
    put(&line, "%s", command_op_name(c->op));
    switch (c->op) {
    case OP_SESSION_OPEN:
        put(&line, " ");
        put_name(&line, c->name);
        break;
    case OP_SESSION_END:
        put(&line, " %" PRIu64, c->session);
        break;
    case OP_REAP:
        put_reap(&line, c);
        break;
    case OP_CREATE:
    case OP_MKNOD:
    case OP_MKDIR:
        put_create(&line, c);
        break;
    case OP_SYMLINK:
        put_path(&line, c->parent, c->name);
        put(&line, " -> ");
        put_name(&line, c->target);
        break;
    case OP_LINK:
        put(&line, " %" PRIu64 " ->", c->ino);
        put_path(&line, c->parent, c->name);
        break;
    case OP_UNLINK:
    case OP_RMDIR:
        put_path(&line, c->parent, c->name);
        break;
    case OP_RENAME:
        put_rename(&line, c);
        break;
    case OP_SETATTR:
        put_setattr(&line, c);
        break;
    case OP_WRITE:
        put_write(&line, c, payload_size);
        break;
    case OP_LOCK:
    case OP_LOCK_CANCEL:
    case OP_LOCK_RELEASE:
        put_lock(&line, c);
        break;
    case OP_LOCK_BREAK:
        put(&line, " %" PRIu64 " of %" PRIu64, c->number, c->ino);
        break;
    case OP_SETTING:
        put(&line, " ");
        put_name(&line, c->name);
        put(&line, " = ");
        put_name(&line, c->target);
        break;
    case OP_SETXATTR:
        put_xattr(&line, c);
        put(&line, " %" PRIu64 " bytes", payload_size);
        break;
    case OP_REMOVEXATTR:
    case OP_REMOVE_ACL:
        put_xattr(&line, c);
        break;
    case OP_FALLOCATE:
        put_fallocate(&line, c);
        break;
    case OP_COPY_RANGE:
        put(&line, " %" PRIu64 " %" PRIu64 " bytes at %" PRIu64, c->ino,
            c->size, c->offset);
        put(&line, " from %" PRIu64 " at %" PRIu64, c->source,
            c->source_offset);
        break;
    case OP_TMPFILE:
        put(&line, " in %" PRIu64 " mode %04o", c->parent,
            c->mode & ~c->umask & 07777u);
        break;
    default:
        break;
    }
}
