/* SQLite's files on the simulated disk, with the locks and the shared memory by
 * which its connections know of each other. All connections are in this process;
 * those of one database share a struct shared.
 */
#include "tests/sim/full/full.h"

#include "raft/core/memory.h"

#include <assert.h>
#include <errno.h>
#include <sqlite3.h>
#include <string.h>

enum { SHM_SLOTS = 8, SHM_REGIONS = 64 };

struct shared { /* of one file: who holds which lock */
    char path[96];
    struct shared *next;
    unsigned refs;
    unsigned readers; /* connections at SHARED or above */
    const void *reserved, *pending, *exclusive;
    unsigned shm_users;
    void *regions[SHM_REGIONS]; /* owned */
    unsigned slot_readers[SHM_SLOTS];
    const void *slot_writer[SHM_SLOTS];
};

struct sim_file {
    sqlite3_file base;
    struct file *file;
    struct shared *shared;
    struct disk *own; /* owned: a temporary file has a disk for itself */
    int level;
    bool shm, persist_wal;
    uint8_t slots_shared;
};

static struct shared *all_shared;
static int last_errno;

static struct sim_file *of(sqlite3_file *file)
{
    return (struct sim_file *)(void *)file;
}

static struct shared *shared_get(const char *path)
{
    struct shared *shared = all_shared;
    while (shared != NULL && strcmp(shared->path, path) != 0) {
        shared = shared->next;
    }
    if (shared == NULL) {
        shared = xcalloc(1, sizeof(*shared));
        snprintf(shared->path, sizeof(shared->path), "%s", path);
        shared->next = all_shared;
        all_shared = shared;
    }
    shared->refs++;
    return shared;
}

static void shm_drop(struct shared *shared)
{
    for (int i = 0; i < SHM_REGIONS; i++) {
        free(shared->regions[i]);
        shared->regions[i] = NULL;
    }
}

static void shared_put(struct shared *shared)
{
    if (--shared->refs > 0) {
        return;
    }
    struct shared **at = &all_shared;
    while (*at != shared) {
        at = &(*at)->next;
    }
    *at = shared->next;
    shm_drop(shared);
    free(shared);
}

static int code_of(int error, int code)
{
    last_errno = error;
    return error == ENOSPC ? SQLITE_FULL : code;
}

static int sim_unlock(sqlite3_file *base, int level);

static int sim_close(sqlite3_file *base)
{
    struct sim_file *file = of(base);
    sim_unlock(base, SQLITE_LOCK_NONE);
    file_let_go(file->file);
    shared_put(file->shared);
    if (file->own != NULL) {
        disk_release(file->own);
        free(file->own);
    }
    return SQLITE_OK;
}

static int sim_read(sqlite3_file *base, void *out, int size, sqlite3_int64 at)
{
    size_t got = file_read(of(base)->file, out, (size_t)size, (uint64_t)at);
    if (got < (size_t)size) {
        memset((char *)out + got, 0, (size_t)size - got);
        return SQLITE_IOERR_SHORT_READ;
    }
    return SQLITE_OK;
}

static int sim_write(sqlite3_file *base, const void *from, int size,
                     sqlite3_int64 at)
{
    int error = file_write(of(base)->file, from, (size_t)size, (uint64_t)at);
    return error == 0 ? SQLITE_OK : code_of(error, SQLITE_IOERR_WRITE);
}

static int sim_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    int error = file_truncate(of(base)->file, (uint64_t)size);
    return error == 0 ? SQLITE_OK : code_of(error, SQLITE_IOERR_TRUNCATE);
}

static int sim_sync(sqlite3_file *base, int flags)
{
    (void)flags;
    int error = file_sync(of(base)->file);
    return error == 0 ? SQLITE_OK : code_of(error, SQLITE_IOERR_FSYNC);
}

static int sim_size(sqlite3_file *base, sqlite3_int64 *size)
{
    *size = (sqlite3_int64)file_size(of(base)->file);
    return SQLITE_OK;
}

/* --- locks of the database file --- */

static int sim_lock(sqlite3_file *base, int level)
{
    struct sim_file *file = of(base);
    struct shared *shared = file->shared;
    if (level <= file->level) {
        return SQLITE_OK;
    }
    if (level == SQLITE_LOCK_SHARED) {
        if (shared->pending != NULL || shared->exclusive != NULL) {
            return SQLITE_BUSY;
        }
        shared->readers++;
    } else if (level == SQLITE_LOCK_RESERVED) {
        if (shared->reserved != NULL && shared->reserved != file) {
            return SQLITE_BUSY;
        }
        shared->reserved = file;
    } else {
        if ((shared->reserved != NULL && shared->reserved != file) ||
            (shared->pending != NULL && shared->pending != file)) {
            return SQLITE_BUSY;
        }
        shared->pending = file;
        if (shared->readers > 1) {
            file->level = SQLITE_LOCK_PENDING;
            return SQLITE_BUSY;
        }
        shared->exclusive = file;
    }
    file->level = level;
    return SQLITE_OK;
}

static int sim_unlock(sqlite3_file *base, int level)
{
    struct sim_file *file = of(base);
    struct shared *shared = file->shared;
    if (level >= file->level) {
        return SQLITE_OK;
    }
    if (shared->reserved == file) {
        shared->reserved = NULL;
    }
    if (shared->pending == file) {
        shared->pending = NULL;
    }
    if (shared->exclusive == file) {
        shared->exclusive = NULL;
    }
    if (level == SQLITE_LOCK_NONE && file->level >= SQLITE_LOCK_SHARED) {
        shared->readers--;
    }
    file->level = level;
    return SQLITE_OK;
}

static int sim_check_lock(sqlite3_file *base, int *out)
{
    *out = of(base)->shared->reserved != NULL;
    return SQLITE_OK;
}

/* --- shared memory --- */

static int sim_shm_map(sqlite3_file *base, int region, int size, int extend,
                       void volatile **out)
{
    struct sim_file *file = of(base);
    struct shared *shared = file->shared;
    if (!file->shm) {
        file->shm = true;
        shared->shm_users++;
    }
    assert(region < SHM_REGIONS);
    if (shared->regions[region] == NULL && extend) {
        shared->regions[region] = xcalloc(1, (size_t)size);
    }
    *out = shared->regions[region];
    return SQLITE_OK;
}

static int sim_shm_lock(sqlite3_file *base, int offset, int n, int flags)
{
    struct sim_file *file = of(base);
    struct shared *shared = file->shared;
    for (int i = offset; i < offset + n && (flags & SQLITE_SHM_LOCK); i++) {
        bool mine = (file->slots_shared & (1u << i)) != 0;
        if ((shared->slot_writer[i] != NULL &&
             shared->slot_writer[i] != file) ||
            ((flags & SQLITE_SHM_EXCLUSIVE) &&
             shared->slot_readers[i] > (mine ? 1u : 0u))) {
            return SQLITE_BUSY;
        }
    }
    for (int i = offset; i < offset + n; i++) {
        uint8_t bit = (uint8_t)(1u << i);
        if ((flags & SQLITE_SHM_EXCLUSIVE) != 0) {
            shared->slot_writer[i] = flags & SQLITE_SHM_LOCK ? file : NULL;
        } else if ((flags & SQLITE_SHM_LOCK) != 0) {
            shared->slot_readers[i] += (file->slots_shared & bit) == 0;
            file->slots_shared |= bit;
        } else {
            shared->slot_readers[i] -= (file->slots_shared & bit) != 0;
            file->slots_shared &= (uint8_t)~bit;
        }
    }
    return SQLITE_OK;
}

static void sim_shm_barrier(sqlite3_file *base)
{
    (void)base;
}

static int sim_shm_unmap(sqlite3_file *base, int remove)
{
    struct sim_file *file = of(base);
    struct shared *shared = file->shared;
    if (!file->shm) {
        return SQLITE_OK;
    }
    for (int i = 0; i < SHM_SLOTS; i++) {
        shared->slot_readers[i] -= (file->slots_shared & (1u << i)) != 0;
        if (shared->slot_writer[i] == file) {
            shared->slot_writer[i] = NULL;
        }
    }
    file->shm = false;
    file->slots_shared = 0;
    if (--shared->shm_users == 0 || remove) {
        shm_drop(shared);
    }
    return SQLITE_OK;
}

static int sim_control(sqlite3_file *base, int op, void *arg)
{
    struct sim_file *file = of(base);
    int *persist = arg;
    if (op != SQLITE_FCNTL_PERSIST_WAL) {
        return SQLITE_NOTFOUND;
    }
    if (*persist < 0) {
        *persist = file->persist_wal;
    } else {
        file->persist_wal = *persist != 0;
    }
    return SQLITE_OK;
}

static int sim_sector_size(sqlite3_file *base)
{
    (void)base;
    return 512;
}

/* As on Linux by default. */
static int sim_characteristics(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = sim_close,
    .xRead = sim_read,
    .xWrite = sim_write,
    .xTruncate = sim_truncate,
    .xSync = sim_sync,
    .xFileSize = sim_size,
    .xLock = sim_lock,
    .xUnlock = sim_unlock,
    .xCheckReservedLock = sim_check_lock,
    .xFileControl = sim_control,
    .xSectorSize = sim_sector_size,
    .xDeviceCharacteristics = sim_characteristics,
    .xShmMap = sim_shm_map,
    .xShmLock = sim_shm_lock,
    .xShmBarrier = sim_shm_barrier,
    .xShmUnmap = sim_shm_unmap,
};

/* --- the VFS --- */

static int sim_open(sqlite3_vfs *vfs, sqlite3_filename name,
                    sqlite3_file *base, int flags, int *out_flags)
{
    (void)vfs;
    struct sim_file *file = of(base);
    struct disk *disk = here == NULL ? NULL : &here->disk;
    memset(file, 0, sizeof(*file));
    if (name == NULL) {
        file->own = xcalloc(1, sizeof(*file->own));
        file->own->room = UINT64_MAX;
        disk = file->own;
        name = "temporary";
    }
    assert(disk != NULL);
    file->file = disk_find(disk, name);
    if (file->file == NULL && (flags & SQLITE_OPEN_CREATE) == 0) {
        free(file->own);
        return code_of(ENOENT, SQLITE_CANTOPEN);
    }
    if (file->file == NULL) {
        file->file = disk_make(disk, name, false);
    }
    file_hold(file->file);
    file->shared = shared_get(name);
    base->pMethods = &methods;
    if (out_flags != NULL) {
        *out_flags = flags;
    }
    return SQLITE_OK;
}

static int sim_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)vfs;
    (void)sync;
    int error = disk_unlink(&here->disk, name);
    return error == 0        ? SQLITE_OK
           : error == ENOENT ? SQLITE_IOERR_DELETE_NOENT
                             : code_of(error, SQLITE_IOERR_DELETE);
}

static int sim_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    (void)vfs;
    const struct file *file = disk_find(&here->disk, name);
    /* As SQLite's own: an empty file does not exist. */
    *out = file != NULL &&
           (flags != SQLITE_ACCESS_EXISTS || file_size(file) > 0);
    return SQLITE_OK;
}

static int sim_full_path(sqlite3_vfs *vfs, const char *name, int size,
                         char *out)
{
    (void)vfs;
    snprintf(out, (size_t)size, "%s", name);
    return SQLITE_OK;
}

static int sim_randomness(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    struct rng rng = {world.seed + 77};
    for (int i = 0; i < size; i++) {
        out[i] = (char)rng_next(&rng);
    }
    return size;
}

static int sim_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    if (on_fiber()) {
        fiber_sleep((uint64_t)us);
    }
    return us;
}

static int sim_time(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
    (void)vfs;
    *out = 210866760000000 + (sqlite3_int64)world.now / 1000;
    return SQLITE_OK;
}

static int sim_last_error(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    (void)size;
    (void)out;
    return last_errno;
}

static sqlite3_vfs vfs = {
    .iVersion = 2,
    .szOsFile = sizeof(struct sim_file),
    .mxPathname = 90,
    .zName = "simulated",
    .xOpen = sim_open,
    .xDelete = sim_delete,
    .xAccess = sim_access,
    .xFullPathname = sim_full_path,
    .xRandomness = sim_randomness,
    .xSleep = sim_sleep,
    .xCurrentTimeInt64 = sim_time,
    .xGetLastError = sim_last_error,
};

void vfs_install(void)
{
    sqlite3_initialize();
    int rc = sqlite3_vfs_register(&vfs, 1);
    assert(rc == SQLITE_OK);
}

/* Its generator of random numbers starts anew. */
void vfs_reset(void)
{
    sqlite3_randomness(0, NULL);
}
