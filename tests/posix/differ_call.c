/* differ_call.c -- making a call and writing down what it gave. */
#include "differ.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

/* --- bytes --- */

void bytes_fill(uint64_t seed, char *out, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        out[i] = (char)('!' + ((seed >> i % 57) + i * 31) % 90);
    }
}

uint64_t bytes_hash(const void *bytes, size_t size, uint64_t hash)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ at[i]) * 0x100000001b3ull + 1;
    }
    return hash;
}

/* --- what came back --- */

static void took(struct outcome *out, long long result)
{
    out->result = result;
    out->error = result < 0 ? errno : 0;
}

static void took_bytes(struct outcome *out, long long result, const void *bytes)
{
    took(out, result);
    if (result > 0) {
        out->hash = bytes_hash(bytes, (size_t)result, 0);
    }
}

/* Descriptors have other numbers on both sides. */
static void took_descriptor(struct outcome *out, int fd)
{
    took(out, fd < 0 ? -1 : 0);
}

static int flags_of(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 ? 0 : flags;
}

/* --- descriptors --- */

static void do_open(const struct call *call, struct side *side,
                    struct outcome *out)
{
    int *slot = &side->slots[call->slot];
    struct stat st;
    if (*slot >= 0) {
        close(*slot);
        *slot = -1;
    }
    if (stat(call->path, &st) == 0 &&
        (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))) {
        return; /* nobody knows what that would do to this machine */
    }
    *slot = open(call->path, (int)call->flags, call->mode);
    took_descriptor(out, *slot);
    if (*slot < 0 || fstat(*slot, &st) < 0) {
        return;
    }
    snprintf(out->text, sizeof out->text, "%06o", st.st_mode);
    /* Pipes are of one machine. */
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
        close(*slot);
        *slot = -1;
    }
}

static void do_close(const struct call *call, struct side *side,
                     struct outcome *out)
{
    took(out, close(side->slots[call->slot]));
    side->slots[call->slot] = -1;
}

static char data[DATA_MAX];

static void do_write(const struct call *call, struct side *side,
                     struct outcome *out)
{
    bytes_fill(call->seed, data, (size_t)call->size);
    took(out, write(side->slots[call->slot], data, (size_t)call->size));
}

static void do_pwrite(const struct call *call, struct side *side,
                      struct outcome *out)
{
    bytes_fill(call->seed, data, (size_t)call->size);
    took(out, pwrite(side->slots[call->slot], data, (size_t)call->size,
                     call->offset));
}

static void do_read(const struct call *call, struct side *side,
                    struct outcome *out)
{
    int fd = side->slots[call->slot];
    struct stat st;
    if ((flags_of(fd) & O_APPEND) != 0) {
        lseek(fd, call->offset, SEEK_SET);
    }
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        lseek(fd, 0, SEEK_SET); /* a listing has ended where it likes */
    }
    took_bytes(out, read(fd, data, (size_t)call->size), data);
}

static void do_pread(const struct call *call, struct side *side,
                     struct outcome *out)
{
    took_bytes(
        out,
        pread(side->slots[call->slot], data, (size_t)call->size, call->offset),
        data);
}

static void do_seek(const struct call *call, struct side *side,
                    struct outcome *out)
{
    static const int whences[] = {SEEK_SET, SEEK_CUR, SEEK_END, 77};
    int fd = side->slots[call->slot];
    int whence = whences[call->seed % 4];
    struct stat st;
    if (whence == SEEK_CUR && (flags_of(fd) & O_APPEND) != 0) {
        return;
    }
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        return; /* offsets of directories are a filesystem's own */
    }
    took(out, lseek(fd, call->offset, whence));
}

static bool is_zero(int fd, long long from, long long to)
{
    static char bytes[OFFSET_MAX * 2];
    if (to <= from || to - from > (long long)sizeof bytes) {
        return true;
    }
    ssize_t got = pread(fd, bytes, (size_t)(to - from), from);
    for (ssize_t i = 0; i < got; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Where holes begin may differ, but what is called one must be zeros. */
static void hole_check(const struct call *call, struct side *side,
                       struct outcome *out)
{
    int fd = side->slots[call->slot];
    int whence = call->seed % 2 ? SEEK_DATA : SEEK_HOLE;
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        return;
    }
    long long at = lseek(fd, call->offset, whence);
    if (call->offset < 0 || call->offset >= st.st_size) {
        took(out, at);
        return;
    }
    bool right = at >= 0 ? at >= call->offset && at <= st.st_size
                         : whence == SEEK_DATA && errno == ENXIO;
    if (whence == SEEK_DATA) {
        right = right && is_zero(fd, call->offset, at < 0 ? st.st_size : at);
    } else if (right && at < st.st_size) {
        off_t data_at = lseek(fd, at, SEEK_DATA);
        right = is_zero(fd, at, data_at < 0 ? st.st_size : data_at);
    }
    if (!right) {
        took(out, at);
        snprintf(out->text, sizeof out->text, "wrong %s in %lld bytes",
                 whence == SEEK_DATA ? "SEEK_DATA" : "SEEK_HOLE",
                 (long long)st.st_size);
    }
}

static void do_hole(const struct call *call, struct side *side,
                    struct outcome *out)
{
    int fd = side->slots[call->slot];
    off_t before = lseek(fd, 0, SEEK_CUR);
    hole_check(call, side, out);
    lseek(fd, before, SEEK_SET);
}

static void do_fsync(const struct call *call, struct side *side,
                     struct outcome *out)
{
    int fd = side->slots[call->slot];
    took(out, call->seed % 2 ? fsync(fd) : fdatasync(fd));
}

static void do_fallocate(const struct call *call, struct side *side,
                         struct outcome *out)
{
    took(out, fallocate(side->slots[call->slot], (int)call->flags, call->offset,
                        call->size));
}

static void do_copy(const struct call *call, struct side *side,
                    struct outcome *out)
{
    loff_t from = call->source_offset, to = call->offset;
    struct stat st;
    /* As cp(1) does. Without it the kernel goes by the size that it knows
     * (docs/posix.md). */
    (void)!fstat(side->slots[call->source], &st);
    took(out, copy_file_range(side->slots[call->source], &from,
                              side->slots[call->slot], &to, (size_t)call->size,
                              call->seed % 50 == 0));
    snprintf(out->text, sizeof out->text, "%lld %lld", (long long)from,
             (long long)to);
}

static void do_sendfile(const struct call *call, struct side *side,
                        struct outcome *out)
{
    off_t from = call->source_offset;
    int fd = side->slots[call->slot];
    if (lseek(fd, call->offset, SEEK_SET) < 0) {
        return;
    }
    took(out,
         sendfile(fd, side->slots[call->source], &from, (size_t)call->size));
}

/* --- names --- */

static void do_truncate(const struct call *call, struct side *side,
                        struct outcome *out)
{
    (void)side;
    took(out, truncate(call->path, call->offset));
}

static void do_ftruncate(const struct call *call, struct side *side,
                         struct outcome *out)
{
    took(out, ftruncate(side->slots[call->slot], call->offset));
}

static void do_rename(const struct call *call, struct side *side,
                      struct outcome *out)
{
    static const unsigned flags[] = {
        RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_EXCHANGE,
        RENAME_NOREPLACE | RENAME_EXCHANGE, 0x4000};
    uint64_t dice = call->seed % 20;
    unsigned flag = dice < 14    ? 0
                    : dice == 19 ? flags[3 + (call->seed >> 8) % 2]
                                 : flags[dice % 3];
    struct stat st;
    (void)side;
    /* As mv(1) does. Without it the kernel, which cannot move a directory that
     * it knows by another name while it holds the locks of a rename, says
     * ESTALE (docs/posix.md). */
    (void)!lstat(call->path, &st);
    (void)!lstat(call->other, &st);
    snprintf(out->text, sizeof out->text, "flags=%x", flag);
    took(out, renameat2(AT_FDCWD, call->path, AT_FDCWD, call->other, flag));
}

static void do_link(const struct call *call, struct side *side,
                    struct outcome *out)
{
    if (call->by_slot) {
        took(out, linkat(side->slots[call->slot], "", AT_FDCWD, call->other,
                         AT_EMPTY_PATH));
    } else {
        took(out, linkat(AT_FDCWD, call->path, AT_FDCWD, call->other,
                         call->no_follow ? 0 : AT_SYMLINK_FOLLOW));
    }
}

static void do_unlink(const struct call *call, struct side *side,
                      struct outcome *out)
{
    (void)side;
    took(out, unlink(call->path));
}

static void do_mkdir(const struct call *call, struct side *side,
                     struct outcome *out)
{
    (void)side;
    took(out, mkdir(call->path, call->mode));
}

static void do_rmdir(const struct call *call, struct side *side,
                     struct outcome *out)
{
    (void)side;
    took(out, rmdir(call->path));
}

static void do_symlink(const struct call *call, struct side *side,
                       struct outcome *out)
{
    (void)side;
    /* Targets do not lead out of the tree. */
    const char *up = strstr(call->other, "..");
    took(out, symlink(up != NULL ? "a/b" : call->other, call->path));
}

static void do_readlink(const struct call *call, struct side *side,
                        struct outcome *out)
{
    (void)side;
    size_t size = call->seed % 10 == 0 ? 3 : sizeof data;
    took_bytes(out, readlink(call->path, data, size), data);
}

static void do_mknod(const struct call *call, struct side *side,
                     struct outcome *out)
{
    static const unsigned types[] = {S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR,
                                     S_IFBLK, 0,       S_IFDIR};
    unsigned type = types[call->seed % 7];
    (void)side;
    snprintf(out->text, sizeof out->text, "type=%o", type);
    took(out,
         mknod(call->path, type | call->mode,
               makedev(call->seed >> 8 & 0x3ff, call->seed >> 20 & 0xffff)));
}

/* --- attributes --- */

/* Who may change a descriptor's owner, mode and times is decided by the kernel, by
 * the owner that it has seen last (docs/posix.md): so let it look. */
static void look_first(const struct side *side, int slot)
{
    struct stat st;
    (void)!fstat(side->slots[slot], &st);
    errno = 0;
}

static void do_chmod(const struct call *call, struct side *side,
                     struct outcome *out)
{
    if (call->by_slot) {
        look_first(side, call->slot);
        took(out, fchmod(side->slots[call->slot], call->mode));
    } else {
        took(out, chmod(call->path, call->mode));
    }
}

static void do_chown(const struct call *call, struct side *side,
                     struct outcome *out)
{
    static const unsigned ids[] = {0, 1000, 1001, (unsigned)-1};
    unsigned uid = ids[call->seed % 4], gid = ids[(call->seed >> 8) % 4];
    if (call->by_slot) {
        look_first(side, call->slot);
        took(out, fchown(side->slots[call->slot], uid, gid));
    } else {
        took(out, fchownat(AT_FDCWD, call->path, uid, gid,
                           call->no_follow ? AT_SYMLINK_NOFOLLOW : 0));
    }
}

static struct timespec random_time(uint64_t seed)
{
    struct timespec time = {.tv_sec = (time_t)(seed >> 8) % 1400000000,
                            .tv_nsec = (long)(seed >> 16) % 1000000000};
    switch (seed % 10) {
    case 0:
        time.tv_nsec = UTIME_NOW;
        break;
    case 1:
        time.tv_nsec = UTIME_OMIT;
        break;
    case 2:
        time.tv_nsec = 1000000000; /* EINVAL */
        break;
    default:
        break;
    }
    return time;
}

static void do_utimens(const struct call *call, struct side *side,
                       struct outcome *out)
{
    struct timespec times[2] = {random_time(call->seed >> 13),
                                random_time(call->seed)};
    const struct timespec *set = call->seed % 7 == 0 ? NULL : times;
    if (call->by_slot) {
        look_first(side, call->slot);
        took(out, futimens(side->slots[call->slot], set));
    } else {
        took(out, utimensat(AT_FDCWD, call->path, set,
                            call->no_follow ? AT_SYMLINK_NOFOLLOW : 0));
    }
}

static void do_stat(const struct call *call, struct side *side,
                    struct outcome *out)
{
    struct stat st = {0};
    took(out, call->by_slot
                  ? fstat(side->slots[call->slot], &st)
                  : fstatat(AT_FDCWD, call->path, &st,
                            call->no_follow ? AT_SYMLINK_NOFOLLOW : 0));
    if (out->result == 0) {
        snprintf(out->text, sizeof out->text,
                 "%06o uid=%u gid=%u nlink=%lu size=%lld rdev=%llx", st.st_mode,
                 st.st_uid, st.st_gid, (unsigned long)st.st_nlink,
                 S_ISDIR(st.st_mode) ? 0 : (long long)st.st_size,
                 (unsigned long long)st.st_rdev);
    }
}

static void do_access(const struct call *call, struct side *side,
                      struct outcome *out)
{
    (void)side;
    took(out,
         faccessat(AT_FDCWD, call->path, (int)(call->seed % 8), AT_EACCESS));
}

/* --- extended attributes --- */

/* A value that the kernel lets pass under this name. */
static size_t xattr_value(const struct call *call, char *out)
{
    static const unsigned char capability[20] = {1, 0, 0, 2, 0, 4, 0, 0};
    static const unsigned char acl[] = {
        2,   0,   0,   0,  1,   0,   7,   0,   255, 255, 255, 255, /* owner: rwx
                                                                    */
        2,   0,   5,   0,  232, 3,   0,   0, /* user 1000: r-x */
        4,   0,   5,   0,  255, 255, 255, 255, 16,  0,   7,   0,   255,
        255, 255, 255, 32, 0,   4,   0,   255, 255, 255, 255};
    if (strcmp(call->xattr, "security.capability") == 0) {
        memcpy(out, capability, sizeof capability);
        return sizeof capability;
    }
    if (strncmp(call->xattr, "system.posix", 12) == 0) {
        memcpy(out, acl, sizeof acl);
        return sizeof acl - call->seed % 8 / 7 * 3; /* or EINVAL */
    }
    bytes_fill(call->seed, out, 500);
    return call->seed % 500;
}

static void do_setxattr(const struct call *call, struct side *side,
                        struct outcome *out)
{
    static const int flags[] = {0, 0, 0, XATTR_CREATE, XATTR_REPLACE, 3};
    size_t size = xattr_value(call, data);
    int flag = flags[(call->seed >> 30) % 6];
    took(out, call->by_slot ? fsetxattr(side->slots[call->slot], call->xattr,
                                        data, size, flag)
              : call->no_follow
                  ? lsetxattr(call->path, call->xattr, data, size, flag)
                  : setxattr(call->path, call->xattr, data, size, flag));
}

static void do_getxattr(const struct call *call, struct side *side,
                        struct outcome *out)
{
    size_t size = call->seed % 8 == 0 ? 0 : call->seed % 8 == 1 ? 7 : 4096;
    long long got =
        call->by_slot
            ? fgetxattr(side->slots[call->slot], call->xattr, data, size)
        : call->no_follow ? lgetxattr(call->path, call->xattr, data, size)
                          : getxattr(call->path, call->xattr, data, size);
    took(out, got);
    if (got > 0 && size > 0) {
        out->hash = bytes_hash(data, (size_t)got, 0);
    }
}

static void do_removexattr(const struct call *call, struct side *side,
                           struct outcome *out)
{
    took(out, call->by_slot ? fremovexattr(side->slots[call->slot], call->xattr)
              : call->no_follow ? lremovexattr(call->path, call->xattr)
                                : removexattr(call->path, call->xattr));
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void put_sorted(struct outcome *out, char **names, size_t count)
{
    size_t used = 0;
    qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 0; i < count; i++) {
        out->hash = bytes_hash(names[i], strlen(names[i]) + 1, out->hash);
        if (used < sizeof out->text) {
            used += (size_t)snprintf(out->text + used, sizeof out->text - used,
                                     "%s ", names[i]);
        }
    }
}

static void do_listxattr(const struct call *call, struct side *side,
                         struct outcome *out)
{
    size_t size = call->seed % 8 == 0 ? 0 : call->seed % 8 == 1 ? 9 : 4096;
    char *names[64];
    size_t count = 0;
    took(out, call->by_slot ? flistxattr(side->slots[call->slot], data, size)
              : call->no_follow ? llistxattr(call->path, data, size)
                                : listxattr(call->path, data, size));
    for (long long at = 0; size > 0 && at < out->result && count < 64;
         at += (long long)strlen(data + at) + 1) {
        names[count++] = data + at;
    }
    put_sorted(out, names, count);
}

/* --- directories --- */

static void do_list(const struct call *call, struct side *side,
                    struct outcome *out)
{
    enum { NAMES = 512 };
    char *names[NAMES];
    size_t count = 0;
    int fd = call->by_slot
                 ? dup(side->slots[call->slot])
                 : open(call->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        took(out, -1);
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    rewinddir(dir);
    struct dirent *entry;
    errno = 0;
    while ((entry = readdir(dir)) != NULL && count < NAMES) {
        char *name = NULL;
        if (asprintf(&name, "%d:%s", entry->d_type, entry->d_name) > 0) {
            names[count++] = name;
        }
        errno = 0;
    }
    out->error = errno;
    out->result = errno == 0 ? (long long)count : -1;
    put_sorted(out, names, count);
    while (count > 0) {
        free(names[--count]);
    }
    closedir(dir);
}

const struct call_kind call_kinds[] = {
    {"open", 12, do_open},          {"close", 3, do_close},
    {"write", 6, do_write},         {"pwrite", 6, do_pwrite},
    {"read", 3, do_read},           {"pread", 5, do_pread},
    {"seek", 2, do_seek},           {"hole", 3, do_hole},
    {"fsync", 1, do_fsync},         {"fallocate", 4, do_fallocate},
    {"copy", 5, do_copy},           {"sendfile", 1, do_sendfile},
    {"truncate", 2, do_truncate},   {"ftruncate", 4, do_ftruncate},
    {"rename", 10, do_rename},      {"link", 5, do_link},
    {"unlink", 5, do_unlink},       {"mkdir", 7, do_mkdir},
    {"rmdir", 3, do_rmdir},         {"symlink", 3, do_symlink},
    {"readlink", 1, do_readlink},   {"mknod", 2, do_mknod},
    {"chmod", 4, do_chmod},         {"chown", 3, do_chown},
    {"utimens", 3, do_utimens},     {"stat", 5, do_stat},
    {"access", 2, do_access},       {"setxattr", 4, do_setxattr},
    {"getxattr", 3, do_getxattr},   {"removexattr", 1, do_removexattr},
    {"listxattr", 1, do_listxattr}, {"list", 3, do_list},
};
const size_t call_kind_count = sizeof call_kinds / sizeof *call_kinds;

/* --- who and where --- */

static void become(unsigned who)
{
    gid_t group = who + 1;
    if (who != 0 &&
        (setgroups(1, &group) < 0 || setegid(who) < 0 || seteuid(who) < 0)) {
        perror("seteuid");
        exit(2);
    }
}

static void become_root(void)
{
    if (seteuid(0) < 0 || setegid(0) < 0 || setgroups(0, NULL) < 0) {
        perror("seteuid");
        exit(2);
    }
}

void call_perform_on(const struct call *call, struct side *side,
                     struct outcome *out)
{
    *out = (struct outcome){0};
    int from = call->base == NO_SLOT ? side->root : side->slots[call->base];
    if (fchdir(from) < 0) {
        took(out, -1);
        snprintf(out->text, sizeof out->text, "fchdir");
        return;
    }
    umask(call->umask);
    become(call->who);
    errno = 0;
    call->kind->perform(call, side, out);
    become_root();
    umask(0);
}

static void print_path(const char *path)
{
    size_t size = strlen(path);
    if (size > 60) {
        printf(" (%zu bytes, %.20s)", size, path);
    } else {
        printf(" \"%s\"", path);
    }
}

void call_print(const struct call *call)
{
    printf("n%u %-11s", call->root + 1, call->kind->name);
    if (call->who != 0) {
        printf(" uid=%u", call->who);
    }
    if (call->base != NO_SLOT) {
        printf(" at=%d", call->base);
    }
    printf(" slot=%d%s", call->slot, call->by_slot ? " (by it)" : "");
    print_path(call->path);
    print_path(call->other);
    printf(" flags=%o mode=%o umask=%o offset=%lld size=%lld from=%d+%lld %s%s"
           " seed=%llu\n",
           call->flags, call->mode, call->umask, call->offset, call->size,
           call->source, call->source_offset, call->xattr,
           call->no_follow ? " nofollow" : "",
           (unsigned long long)call->seed % 1000000);
}
