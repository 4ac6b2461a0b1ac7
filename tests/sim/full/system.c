/* The system calls of the product, joined to the simulated machine by the linker
 * (--wrap). Descriptors of simulated files start at FIRST_FD; others are real.
 */
#include "tests/sim/full/full.h"

#include "raft/core/memory.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

enum { FIRST_FD = 1 << 20, FDS_MAX = 4096 };

static struct descriptor {
    struct file *file; /* NULL: free */
    struct sim_node *sim;
    bool locked;
} table[FDS_MAX];

static struct file *file_of(int fd)
{
    assert(fd >= FIRST_FD && fd < FIRST_FD + FDS_MAX);
    assert(table[fd - FIRST_FD].file != NULL);
    return table[fd - FIRST_FD].file;
}

static int fail(int error)
{
    errno = error;
    return -1;
}

static int result(int error)
{
    return error == 0 ? 0 : fail(error);
}

/* --- files --- */

int __wrap_open64(const char *path, int flags, ...);
int __wrap_close(int fd);
ssize_t __wrap_pread64(int fd, void *to, size_t size, off_t at);
ssize_t __wrap_preadv64v2(int fd, const struct iovec *iov, int count, off_t at,
                          int flags);
ssize_t __wrap_pwrite64(int fd, const void *from, size_t size, off_t at);
ssize_t __wrap_pwritev64(int fd, const struct iovec *iov, int count, off_t at);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);
int __wrap_fallocate64(int fd, int mode, off_t at, off_t size);
int __wrap_ftruncate64(int fd, off_t size);
int __wrap_unlink(const char *path);
int __wrap_rename(const char *from, const char *to);
int __wrap_flock(int fd, int operation);
int __wrap_fstat64(int fd, struct stat *st);
int __wrap_stat64(const char *path, struct stat *st);
int __wrap_access(const char *path, int mode);
int __wrap_mkdir(const char *path, mode_t mode);
DIR *__wrap_opendir(const char *path);
struct dirent *__wrap_readdir64(DIR *dir);
int __wrap_closedir(DIR *dir);
int __wrap_statvfs64(const char *path, struct statvfs *st);
FILE *__wrap_fopen64(const char *path, const char *mode);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);
time_t __wrap_time(time_t *out);
ssize_t __wrap_getrandom(void *to, size_t size, unsigned flags);
pid_t __wrap_getpid(void);

int __wrap_open64(const char *path, int flags, ...)
{
    struct disk *disk = &here->disk;
    struct file *file = disk_find(disk, path);
    if (file != NULL && (flags & O_EXCL) != 0) {
        return fail(EEXIST);
    }
    if (file == NULL && (flags & O_CREAT) == 0) {
        return fail(ENOENT);
    }
    if (file == NULL) {
        if (disk->room == 0) {
            return fail(ENOSPC);
        }
        file = disk_make(disk, path, false);
    }
    int at = 0;
    while (at < FDS_MAX && table[at].file != NULL) {
        at++;
    }
    assert(at < FDS_MAX); /* descriptors leak */
    table[at] = (struct descriptor){.file = file, .sim = here};
    file_hold(file);
    if ((flags & O_TRUNC) != 0) {
        file_truncate(file, 0);
    }
    return FIRST_FD + at;
}

int __wrap_close(int fd)
{
    file_let_go(file_of(fd));
    table[fd - FIRST_FD] = (struct descriptor){.file = NULL};
    return 0;
}

ssize_t __wrap_pread64(int fd, void *to, size_t size, off_t at)
{
    return (ssize_t)file_read(file_of(fd), to, size, (uint64_t)at);
}

/* Now and then the bytes are not in memory. */
ssize_t __wrap_preadv64v2(int fd, const struct iovec *iov, int count, off_t at,
                          int flags)
{
    assert(count == 1);
    if ((flags & RWF_NOWAIT) != 0 && rng_chance(&world.disk, 300000)) {
        return fail(EAGAIN);
    }
    return __wrap_pread64(fd, iov->iov_base, iov->iov_len, at);
}

ssize_t __wrap_pwrite64(int fd, const void *from, size_t size, off_t at)
{
    int error = file_write(file_of(fd), from, size, (uint64_t)at);
    return error != 0 ? fail(error) : (ssize_t)size;
}

ssize_t __wrap_pwritev64(int fd, const struct iovec *iov, int count, off_t at)
{
    size_t size = 0;
    for (int i = 0; i < count; i++) {
        size += iov[i].iov_len;
    }
    uint8_t *all = xmalloc(size);
    size_t done = 0;
    for (int i = 0; i < count; i++) {
        memcpy(all + done, iov[i].iov_base, iov[i].iov_len);
        done += iov[i].iov_len;
    }
    ssize_t wrote = __wrap_pwrite64(fd, all, size, at);
    free(all);
    return wrote;
}

int __wrap_fdatasync(int fd)
{
    return result(file_sync(file_of(fd)));
}

int __wrap_fsync(int fd)
{
    struct file *file = file_of(fd);
    struct sim_node *sim = table[fd - FIRST_FD].sim;
    if (file_is_directory(file)) {
        return result(disk_sync_directory(&sim->disk, file_path(file)));
    }
    return result(file_sync(file));
}

int __wrap_fallocate64(int fd, int mode, off_t at, off_t size)
{
    (void)mode;
    return result(file_allocate(file_of(fd), (uint64_t)(at + size)));
}

int __wrap_ftruncate64(int fd, off_t size)
{
    return result(file_truncate(file_of(fd), (uint64_t)size));
}

int __wrap_unlink(const char *path)
{
    return result(disk_unlink(&here->disk, path));
}

int __wrap_rename(const char *from, const char *to)
{
    return result(disk_rename(&here->disk, from, to));
}

int __wrap_flock(int fd, int operation)
{
    (void)operation;
    struct file *file = file_of(fd);
    for (int i = 0; i < FDS_MAX; i++) {
        if (table[i].file == file && table[i].locked) {
            return fail(EWOULDBLOCK);
        }
    }
    table[fd - FIRST_FD].locked = true;
    return 0;
}

static int fill_stat(const struct file *file, struct stat *st)
{
    if (file == NULL) {
        return fail(ENOENT);
    }
    *st = (struct stat){.st_size = (off_t)file_size(file),
                        .st_blocks = (blkcnt_t)(file_size(file) / 512 + 1),
                        .st_mode = file_is_directory(file) ? S_IFDIR | 0700
                                                           : S_IFREG | 0600};
    return 0;
}

int __wrap_fstat64(int fd, struct stat *st)
{
    return fill_stat(file_of(fd), st);
}

int __wrap_stat64(const char *path, struct stat *st)
{
    return fill_stat(disk_find(&here->disk, path), st);
}

int __wrap_access(const char *path, int mode)
{
    (void)mode;
    return disk_find(&here->disk, path) != NULL ? 0 : fail(ENOENT);
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    (void)mode;
    if (disk_find(&here->disk, path) != NULL) {
        return fail(EEXIST);
    }
    disk_make(&here->disk, path, true);
    return 0;
}

struct listing {
    char path[96];
    size_t next;
    struct dirent entry;
};

DIR *__wrap_opendir(const char *path)
{
    struct listing *listing = xcalloc(1, sizeof(*listing));
    snprintf(listing->path, sizeof(listing->path), "%s", path);
    return (DIR *)(void *)listing;
}

struct dirent *__wrap_readdir64(DIR *dir)
{
    struct listing *listing = (struct listing *)(void *)dir;
    const struct file *file =
        disk_list(&here->disk, listing->path, listing->next++);
    if (file == NULL) {
        return NULL;
    }
    snprintf(listing->entry.d_name, sizeof(listing->entry.d_name), "%s",
             strrchr(file_path(file), '/') + 1);
    return &listing->entry;
}

int __wrap_closedir(DIR *dir)
{
    free(dir);
    return 0;
}

int __wrap_statvfs64(const char *path, struct statvfs *st)
{
    (void)path;
    uint64_t blocks = here->disk.room / 4096;
    *st = (struct statvfs){.f_bsize = 4096,
                           .f_frsize = 4096,
                           .f_blocks = 1 << 24,
                           .f_bfree = blocks,
                           .f_bavail = blocks};
    return 0;
}

/* Of /proc there is nothing. */
FILE *__wrap_fopen64(const char *path, const char *mode)
{
    (void)path;
    (void)mode;
    errno = ENOENT;
    return NULL;
}

/* --- clocks and chance --- */

int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    uint64_t us = node_clock(here);
    if (clock == CLOCK_REALTIME) {
        us = (uint64_t)((int64_t)us + here->wall_offset);
    }
    *out = (struct timespec){.tv_sec = (time_t)(us / 1000000),
                             .tv_nsec = (long)(us % 1000000 * 1000)};
    return 0;
}

time_t __wrap_time(time_t *out)
{
    (void)out;
    return (time_t)(world.now / 1000000 + 1700000000);
}

ssize_t __wrap_getrandom(void *to, size_t size, unsigned flags)
{
    (void)flags;
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)to)[i] = (uint8_t)rng_next(&world.core);
    }
    return (ssize_t)size;
}

pid_t __wrap_getpid(void)
{
    return (pid_t)(1000 + here->at);
}
