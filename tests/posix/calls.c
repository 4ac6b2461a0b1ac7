/* calls.c -- system calls with names of the case's directory. */
#include "tests/posix/posix.h"

#include <sys/sysmacros.h>

#define CALL(call) ((int)neg(call))

int p_open(const char *name, int flags, mode_t mode)
{
    return CALL(open(at(name), flags | O_CLOEXEC, mode));
}

int p_create(const char *name, mode_t mode)
{
    int fd = p_open(name, O_CREAT | O_EXCL | O_WRONLY, mode);
    return fd < 0 ? fd : CALL(close(fd));
}

int p_mkdir(const char *name, mode_t mode)
{
    return CALL(mkdir(at(name), mode));
}

int p_rmdir(const char *name)
{
    return CALL(rmdir(at(name)));
}

int p_unlink(const char *name)
{
    return CALL(unlink(at(name)));
}

int p_link(const char *from, const char *to)
{
    const char *path = at(from);
    return CALL(link(path, same(to)));
}

int p_symlink(const char *target, const char *name)
{
    return CALL(symlink(target, at(name)));
}

int p_readlink(const char *name, char *out, size_t size)
{
    return CALL(readlink(at(name), out, size));
}

int p_rename(const char *from, const char *to)
{
    const char *path = at(from);
    return CALL(rename(path, same(to)));
}

int p_rename2(const char *from, const char *to, unsigned flags)
{
    const char *path = at(from);
    return CALL(renameat2(AT_FDCWD, path, AT_FDCWD, same(to), flags));
}

int p_mknod(const char *name, mode_t mode, dev_t device)
{
    return CALL(mknod(at(name), mode, device));
}

int p_chmod(const char *name, mode_t mode)
{
    return CALL(chmod(at(name), mode));
}

int p_chown(const char *name, uid_t uid, gid_t gid)
{
    return CALL(chown(at(name), uid, gid));
}

int p_lchown(const char *name, uid_t uid, gid_t gid)
{
    return CALL(lchown(at(name), uid, gid));
}

int p_truncate(const char *name, off_t size)
{
    return CALL(truncate(at(name), size));
}

int p_stat(const char *name, struct stat *out)
{
    return CALL(stat(at(name), out));
}

int p_lstat(const char *name, struct stat *out)
{
    return CALL(lstat(at(name), out));
}

int p_access(const char *name, int mode)
{
    return CALL(access(at(name), mode));
}

int p_utimens(const char *name, const struct timespec times[2], int flags)
{
    return CALL(utimensat(AT_FDCWD, at(name), times, flags));
}

int p_make(char type, const char *name, mode_t mode)
{
    switch (type) {
    case 'f':
        return p_create(name, mode);
    case 'd':
        return p_mkdir(name, mode);
    case 'p':
        return p_mknod(name, S_IFIFO | mode, 0);
    case 's':
        return p_mknod(name, S_IFSOCK | mode, 0);
    case 'c':
        return p_mknod(name, S_IFCHR | mode, makedev(1, 3));
    case 'b':
        return p_mknod(name, S_IFBLK | mode, makedev(7, 200));
    default:
        return p_symlink("nowhere", name);
    }
}

int p_remove(char type, const char *name)
{
    return type == 'd' ? p_rmdir(name) : p_unlink(name);
}

int p_write(const char *name, const void *data, size_t size)
{
    int fd = p_open(name, O_CREAT | O_TRUNC | O_WRONLY, 0644);
    if (fd < 0) {
        return fd;
    }
    int rc = CALL(write(fd, data, size));
    close(fd);
    return rc;
}

int p_put(const char *name, const char *text)
{
    return p_write(name, text, strlen(text));
}

int p_read(const char *name, void *out, size_t size)
{
    int fd = p_open(name, O_RDONLY, 0);
    if (fd < 0) {
        return fd;
    }
    int rc = CALL(read(fd, out, size));
    close(fd);
    return rc;
}

/* --- attributes --- */

struct stat stat_of(const char *name)
{
    struct stat st = {0};
    must(0, p_lstat(name, &st));
    return st;
}

mode_t mode_of(const char *name)
{
    return stat_of(name).st_mode & ALLPERMS;
}

long long size_of(const char *name)
{
    return stat_of(name).st_size;
}

long long links_of(const char *name)
{
    return (long long)stat_of(name).st_nlink;
}

bool exists(const char *name)
{
    struct stat st;
    return p_lstat(name, &st) == 0;
}

/* --- times --- */

int compare_times(struct timespec a, struct timespec b)
{
    if (a.tv_sec != b.tv_sec) {
        return a.tv_sec < b.tv_sec ? -1 : 1;
    }
    return a.tv_nsec < b.tv_nsec ? -1 : a.tv_nsec > b.tv_nsec;
}

/* The kernel stamps files with its coarse clock. */
void tick(void)
{
    struct timespec begin, now;
    for (int i = 0; i < 2; i++) {
        clock_gettime(CLOCK_REALTIME_COARSE, &begin);
        do {
            usleep(500);
            clock_gettime(CLOCK_REALTIME_COARSE, &now);
        } while (compare_times(begin, now) == 0);
    }
}

struct stat noted(const char *name)
{
    struct stat st = stat_of(name);
    tick();
    return st;
}

static int later(const struct stat *now, const struct stat *since)
{
    return (compare_times(now->st_atim, since->st_atim) > 0 ? A : 0) |
           (compare_times(now->st_mtim, since->st_mtim) > 0 ? M : 0) |
           (compare_times(now->st_ctim, since->st_ctim) > 0 ? C : 0);
}

int moved(const char *name, const struct stat *since)
{
    struct stat now = stat_of(name);
    return later(&now, since);
}

int moved_fd(int fd, const struct stat *since)
{
    struct stat now;
    must(0, fstat(fd, &now));
    return later(&now, since);
}
