#include "fs/newer.h"

#include "fs/node.h"

#include <assert.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    OPCODE_TMPFILE = 51,
    OPCODE_STATX = 52,
    /* Of the second 32 bits of the flags of INIT. */
    FLAGS2_DIRECT_IO_ALLOW_MMAP = 1 << 4,
};

struct statx_time {
    int64_t seconds;
    uint32_t ns;
    int32_t reserved;
};

struct statx_out {
    uint64_t attr_valid;
    uint32_t attr_valid_ns;
    uint32_t flags;
    uint64_t reserved[2];
    uint32_t mask;
    uint32_t blksize;
    uint64_t attributes;
    uint32_t nlink;
    uint32_t uid;
    uint32_t gid;
    uint16_t mode;
    uint16_t reserved2;
    uint64_t ino;
    uint64_t size;
    uint64_t blocks;
    uint64_t attributes_mask;
    struct statx_time atime, btime, ctime, mtime;
    uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
    uint64_t reserved3[14];
};
static_assert(sizeof(struct statx_out) == 32 + 256, "as the kernel has it");

static bool offers_mapping(const struct fuse_in_header *header)
{
    struct fuse_init_in init = {0};
    if (header->len < sizeof *header + sizeof init) {
        return false; /* before Linux 5.17 */
    }
    memcpy(&init, header + 1, sizeof init);
    return (init.flags & FUSE_INIT_EXT) != 0 &&
           (init.flags2 & FLAGS2_DIRECT_IO_ALLOW_MMAP) != 0;
}

static void translate(struct newer *newer, struct fuse_in_header *header)
{
    newer->statx = header->opcode == OPCODE_STATX;
    switch (header->opcode) {
    case OPCODE_TMPFILE:
        header->opcode = FUSE_CREATE;
        break;
    case OPCODE_STATX:
        header->opcode = FUSE_GETATTR; /* its fields come first */
        break;
    case FUSE_INIT:
        newer->init_unique = header->unique;
        newer->maps_direct = offers_mapping(header);
        break;
    default:
        break;
    }
}

static ssize_t on_read(int fd, void *buffer, size_t size, void *userdata)
{
    struct node *node = userdata;
    ssize_t got = read(fd, buffer, size);
    if (got >= (ssize_t)sizeof(struct fuse_in_header)) {
        translate(&node->newer, buffer);
    }
    return got;
}

static void offer_more(struct fuse_init_out *init)
{
    init->flags |= FUSE_INIT_EXT;
    init->flags2 |= FLAGS2_DIRECT_IO_ALLOW_MMAP;
}

static ssize_t on_writev(int fd, struct iovec *parts, int count, void *userdata)
{
    struct node *node = userdata;
    const struct fuse_out_header *header = parts[0].iov_base;
    if (header->unique == node->newer.init_unique && header->error == 0 &&
        node->newer.maps_direct && count == 2 &&
        parts[1].iov_len == sizeof(struct fuse_init_out)) {
        offer_more(parts[1].iov_base);
    }
    return writev(fd, parts, count);
}

const struct fuse_custom_io newer_io = {.read = on_read, .writev = on_writev};

bool newer_is_statx(fuse_req_t fuse)
{
    const struct node *node = fuse_req_userdata(fuse);
    return node->newer.statx;
}

static struct statx_time time_of(struct timespec time)
{
    return (struct statx_time){.seconds = time.tv_sec,
                               .ns = (uint32_t)time.tv_nsec};
}

void newer_reply_statx(fuse_req_t fuse, const struct stat *st,
                       struct timespec birth)
{
    struct statx_out out = {
        .mask = STATX_BASIC_STATS | STATX_BTIME,
        .blksize = (uint32_t)st->st_blksize,
        .nlink = (uint32_t)st->st_nlink,
        .uid = st->st_uid,
        .gid = st->st_gid,
        .mode = (uint16_t)st->st_mode,
        .ino = st->st_ino,
        .size = (uint64_t)st->st_size,
        .blocks = (uint64_t)st->st_blocks,
        .atime = time_of(st->st_atim),
        .btime = time_of(birth),
        .ctime = time_of(st->st_ctim),
        .mtime = time_of(st->st_mtim),
        .rdev_major = major(st->st_rdev),
        .rdev_minor = minor(st->st_rdev),
    };
    fuse_reply_buf(fuse, (const char *)&out, sizeof out);
}
