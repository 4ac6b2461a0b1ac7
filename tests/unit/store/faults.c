#include "tests/unit/store/faults.h"

#include "store/io.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static struct {
    bool armed, lasting, fired, paused;
    enum fault_kind kind;
    unsigned left;
} plan;

void faults_arm(enum fault_kind kind, unsigned n, bool lasting)
{
    assert(n > 0);
    plan.armed = true;
    plan.fired = false;
    plan.kind = kind;
    plan.left = n;
    plan.lasting = lasting;
}

void faults_disarm(void)
{
    plan.armed = false;
}

void faults_pause(void)
{
    plan.paused = true;
}

void faults_resume(void)
{
    plan.paused = false;
}

bool faults_fired(void)
{
    return plan.fired;
}

/* Sets errno when the call must fail. */
static bool fails(bool needs_space)
{
    if (!plan.armed || plan.paused ||
        (plan.kind == FAULT_FULL && !needs_space)) {
        return false;
    }
    if (plan.left > 1) {
        plan.left--;
        return false;
    }
    plan.fired = true;
    plan.armed = plan.lasting;
    errno = plan.kind == FAULT_FULL ? ENOSPC : EIO;
    return true;
}

/* --- SQLite's files --- */

struct faulty_file {
    sqlite3_file base;
    sqlite3_file *real; /* in the memory behind this struct */
};

static sqlite3_file *real_file(sqlite3_file *file)
{
    return ((struct faulty_file *)(void *)file)->real;
}

static int space_error(int io_error)
{
    return plan.kind == FAULT_FULL ? SQLITE_FULL : io_error;
}

static int faulty_close(sqlite3_file *file)
{
    return real_file(file)->pMethods->xClose(real_file(file));
}

static int faulty_read(sqlite3_file *file, void *out, int size,
                       sqlite3_int64 at)
{
    return real_file(file)->pMethods->xRead(real_file(file), out, size, at);
}

/* A write that fails has written its first half. */
static int faulty_write(sqlite3_file *file, const void *src, int size,
                        sqlite3_int64 at)
{
    sqlite3_file *real = real_file(file);
    if (fails(true)) {
        int why = errno;
        real->pMethods->xWrite(real, src, size / 2, at);
        errno = why;
        return space_error(SQLITE_IOERR_WRITE);
    }
    return real->pMethods->xWrite(real, src, size, at);
}

static int faulty_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return fails(false)
               ? SQLITE_IOERR_TRUNCATE
               : real_file(file)->pMethods->xTruncate(real_file(file), size);
}

static int faulty_sync(sqlite3_file *file, int flags)
{
    (void)file;
    (void)flags;
    return fails(false) ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int faulty_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real_file(file)->pMethods->xFileSize(real_file(file), size);
}

static int faulty_lock(sqlite3_file *file, int level)
{
    return real_file(file)->pMethods->xLock(real_file(file), level);
}

static int faulty_unlock(sqlite3_file *file, int level)
{
    return real_file(file)->pMethods->xUnlock(real_file(file), level);
}

static int faulty_check_lock(sqlite3_file *file, int *out)
{
    return real_file(file)->pMethods->xCheckReservedLock(real_file(file), out);
}

static int faulty_control(sqlite3_file *file, int op, void *arg)
{
    return real_file(file)->pMethods->xFileControl(real_file(file), op, arg);
}

static int faulty_sector_size(sqlite3_file *file)
{
    return real_file(file)->pMethods->xSectorSize(real_file(file));
}

static int faulty_characteristics(sqlite3_file *file)
{
    return real_file(file)->pMethods->xDeviceCharacteristics(real_file(file));
}

static int faulty_shm_map(sqlite3_file *file, int page, int size, int extend,
                          void volatile **out)
{
    return fails(true) ? space_error(SQLITE_IOERR_SHMMAP)
                       : real_file(file)->pMethods->xShmMap(
                             real_file(file), page, size, extend, out);
}

static int faulty_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return real_file(file)->pMethods->xShmLock(real_file(file), offset, n,
                                               flags);
}

static void faulty_shm_barrier(sqlite3_file *file)
{
    real_file(file)->pMethods->xShmBarrier(real_file(file));
}

static int faulty_shm_unmap(sqlite3_file *file, int remove)
{
    return real_file(file)->pMethods->xShmUnmap(real_file(file), remove);
}

/* Version 2: with shared memory, without mapping the file. */
static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = faulty_close,
    .xRead = faulty_read,
    .xWrite = faulty_write,
    .xTruncate = faulty_truncate,
    .xSync = faulty_sync,
    .xFileSize = faulty_size,
    .xLock = faulty_lock,
    .xUnlock = faulty_unlock,
    .xCheckReservedLock = faulty_check_lock,
    .xFileControl = faulty_control,
    .xSectorSize = faulty_sector_size,
    .xDeviceCharacteristics = faulty_characteristics,
    .xShmMap = faulty_shm_map,
    .xShmLock = faulty_shm_lock,
    .xShmBarrier = faulty_shm_barrier,
    .xShmUnmap = faulty_shm_unmap,
};

static sqlite3_vfs *real_vfs;
static sqlite3_vfs faulty_vfs;

static int faulty_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file,
                       int flags, int *out_flags)
{
    (void)vfs;
    struct faulty_file *faulty = (struct faulty_file *)(void *)file;
    faulty->real = (sqlite3_file *)(void *)(faulty + 1);
    file->pMethods = NULL;
    if (fails(false)) {
        return SQLITE_CANTOPEN;
    }
    int rc = real_vfs->xOpen(real_vfs, name, faulty->real, flags, out_flags);
    if (rc == SQLITE_OK) {
        file->pMethods = &methods;
    }
    return rc;
}

static int faulty_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)vfs;
    return fails(false) ? SQLITE_IOERR_DELETE
                        : real_vfs->xDelete(real_vfs, name, sync);
}

static int faulty_last_error(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    (void)size;
    (void)out;
    return errno;
}

/* --- our own files --- */

static struct store_io real_io;

static int io_open(const char *path, int flags, mode_t mode)
{
    return fails((flags & O_CREAT) != 0) ? -1 : real_io.open(path, flags, mode);
}

/* A write that fails has written its first part. */
static ssize_t io_pwritev(int fd, const struct iovec *iov, int count, off_t at)
{
    if (fails(true)) {
        int why = errno;
        ssize_t n = real_io.pwritev(fd, iov, 1, at);
        (void)n;
        errno = why;
        return -1;
    }
    return real_io.pwritev(fd, iov, count, at);
}

static int io_sync(int fd)
{
    (void)fd;
    return fails(false) ? -1 : 0;
}

static int io_fallocate(int fd, int mode, off_t offset, off_t size)
{
    return fails(true) ? -1 : real_io.fallocate(fd, mode, offset, size);
}

static int io_ftruncate(int fd, off_t size)
{
    return fails(false) ? -1 : real_io.ftruncate(fd, size);
}

static int io_unlink(const char *path)
{
    return fails(false) ? -1 : real_io.unlink(path);
}

/* --- in and out --- */

void faults_install(void)
{
    sqlite3_initialize();
    real_vfs = sqlite3_vfs_find(NULL);
    assert(real_vfs != NULL);
    faulty_vfs = *real_vfs;
    faulty_vfs.zName = "faulty";
    faulty_vfs.szOsFile = (int)sizeof(struct faulty_file) + real_vfs->szOsFile;
    faulty_vfs.xOpen = faulty_open;
    faulty_vfs.xDelete = faulty_delete;
    faulty_vfs.xGetLastError = faulty_last_error;
    int rc = sqlite3_vfs_register(&faulty_vfs, 1);
    assert(rc == SQLITE_OK);
    real_io = store_io;
    store_io = (struct store_io){
        .open = io_open,
        .pwritev = io_pwritev,
        .fdatasync = io_sync,
        .fsync = io_sync,
        .fallocate = io_fallocate,
        .ftruncate = io_ftruncate,
        .unlink = io_unlink,
    };
    plan.armed = false;
    plan.paused = false;
}

void faults_remove(void)
{
    sqlite3_vfs_unregister(&faulty_vfs);
    sqlite3_vfs_register(real_vfs, 1);
    store_io = real_io;
}
