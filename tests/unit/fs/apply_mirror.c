#include "tests/unit/fs/apply_mirror.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- both sides --- */

static bool times_are_fine(const char *path)
{
    struct stat before, after;
    for (int i = 0; i < 50; i++) {
        if (stat(path, &before) != 0 || chmod(path, 0700) != 0 ||
            stat(path, &after) != 0 ||
            memcmp(&before.st_ctim, &after.st_ctim, sizeof before.st_ctim) ==
                0) {
            return false;
        }
    }
    return true;
}

static bool links_are_counted(int root)
{
    struct stat st;
    assert_int_equal(mkdirat(root, "probe", 0700), 0);
    assert_int_equal(fstat(root, &st), 0);
    assert_int_equal(unlinkat(root, "probe", AT_REMOVEDIR), 0);
    return st.st_nlink == 3;
}

struct mirror *mirror_new(void)
{
    struct mirror *m = calloc(1, sizeof *m);
    assert_non_null(m);
    const char *base = getenv("TMPDIR");
    snprintf(m->path, sizeof m->path, "%s/raftfs-mirror-XXXXXX",
             base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(m->path));
    m->root = open(m->path, O_RDONLY | O_DIRECTORY);
    assert_true(m->root >= 0);
    m->has_fine_times = times_are_fine(m->path);
    m->has_dir_links = links_are_counted(m->root);
    m->as_root = geteuid() == 0;
    for (int i = 0; i < MIRROR_HELD; i++) {
        m->held[i].fd = -1;
    }
    m->world = world_new();
    m->world->session = world_session(m->world, "me", 1);
    m->world->caller = (struct command_caller){
        .uid = geteuid(), .gid = getegid(), .comm = "mirror"};
    struct command own = {.op = OP_SETATTR,
                          .ino = TREE_ROOT,
                          .set = SET_MODE | SET_UID | SET_GID | SET_ANYWAY,
                          .mode = 0700,
                          .new_uid = geteuid(),
                          .new_gid = getegid()};
    assert_int_equal(world_run(m->world, own), 0);
    return m;
}

void mirror_free(struct mirror *m)
{
    for (int i = 0; i < MIRROR_HELD; i++) {
        mirror_drop(m, i);
    }
    world_check(m->world);
    world_free(m->world);
    close(m->root);
    world_remove_files(m->path);
    free(m);
}

/* --- walking as the kernel does --- */

struct spot {
    uint64_t parent;
    char name[16];
};

static int walk(struct mirror *m, const char *path, struct spot *out)
{
    out->parent = TREE_ROOT;
    for (;;) {
        size_t size = strcspn(path, "/");
        assert_in_range(size, 1, sizeof out->name - 1);
        memcpy(out->name, path, size);
        out->name[size] = '\0';
        if (path[size] == '\0') {
            return 0;
        }
        uint64_t ino = world_lookup(m->world, out->parent, out->name);
        if (ino == 0) {
            return ENOENT;
        }
        uint32_t mode = world_inode(m->world, ino).mode;
        if (!S_ISDIR(mode)) {
            return S_ISLNK(mode) ? ENOENT /* it dangles */ : ENOTDIR;
        }
        out->parent = ino;
        path += size + 1;
    }
}

static int find(struct mirror *m, const char *path, uint64_t *ino)
{
    struct spot spot;
    int rc = walk(m, path, &spot);
    if (rc == 0) {
        *ino = world_lookup(m->world, spot.parent, spot.name);
        rc = *ino == 0 ? ENOENT : 0;
    }
    return rc;
}

static uint32_t mode_of(struct mirror *m, const char *path)
{
    uint64_t ino = 0;
    return find(m, path, &ino) == 0 ? world_inode(m->world, ino).mode : 0;
}

/* --- comparing one call --- */

static void watch_fd(struct mirror *m, int fd, uint64_t ino)
{
    assert_in_range(m->watched_count, 0, MIRROR_WATCHED - 1);
    struct watched *w = &m->watched[m->watched_count++];
    w->fd = fd;
    w->ino = ino;
    w->ours = world_inode(m->world, ino);
    assert_int_equal(fstat(fd, &w->theirs), 0);
}

/* The object of that path, if there is one. */
static void watch(struct mirror *m, const char *path)
{
    uint64_t ino = 0;
    int fd = openat(m->root, path, O_PATH | O_NOFOLLOW);
    if (find(m, path, &ino) == 0) {
        assert_true(fd >= 0);
        watch_fd(m, fd, ino);
    } else if (fd >= 0) {
        close(fd);
    }
}

static void watch_parent(struct mirror *m, const char *path)
{
    char parent[256];
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash == NULL) {
        watch_fd(m, dup(m->root), TREE_ROOT);
        return;
    }
    *slash = '\0';
    watch(m, parent);
}

static bool moved(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec || a.tv_nsec != b.tv_nsec;
}

static void compare_change(const struct mirror *m, const struct watched *w,
                           const char *what, bool ours, bool theirs,
                           bool is_exact)
{
    /* Coarse clocks hide changes, but do not invent them. */
    if ((theirs && !ours) ||
        (is_exact && m->has_fine_times && ours != theirs)) {
        fail_msg("%s: %s: %s of inode %llu changes: ours %d, theirs %d",
                 m->context, m->call, what, (unsigned long long)w->ino, ours,
                 theirs);
    }
}

static void compare_watched(struct mirror *m, struct watched *w, bool is_exact)
{
    struct stat theirs;
    struct inode ours = world_inode(m->world, w->ino);
    assert_int_equal(fstat(w->fd, &theirs), 0);
    compare_change(m, w, "mtime", ours.mtime != w->ours.mtime,
                   moved(theirs.st_mtim, w->theirs.st_mtim), is_exact);
    compare_change(m, w, "ctime", ours.ctime != w->ours.ctime,
                   moved(theirs.st_ctim, w->theirs.st_ctim), is_exact);
}

static void unwatch(struct mirror *m, bool is_exact)
{
    for (int i = 0; i < m->watched_count; i++) {
        compare_watched(m, &m->watched[i], is_exact);
        close(m->watched[i].fd);
    }
    m->watched_count = 0;
}

static const char *errno_name(int error)
{
    return error == 0 ? "done" : strerrorname_np(error);
}

static void same_errno(struct mirror *m, int ours, int theirs)
{
    if (ours != theirs) {
        fail_msg("%s: %s: ours %s, theirs %s", m->context, m->call,
                 errno_name(ours), errno_name(theirs));
    }
}

static void same(struct mirror *m, int ours, int theirs)
{
    same_errno(m, ours, theirs);
    unwatch(m, true);
}

/* What an orphan may do is tested while it is held; others go at once. */
static void reap_gone(struct mirror *m, uint64_t gone)
{
    for (int i = 0; i < MIRROR_HELD; i++) {
        if (gone != 0 && m->held[i].fd >= 0 && m->held[i].ino == gone) {
            return;
        }
    }
    if (gone != 0) {
        assert_int_equal(world_reap(m->world, gone), 0);
    }
}

#define CALL(m, ...) snprintf((m)->call, sizeof(m)->call, __VA_ARGS__)
#define ERRNO_OF(call) ((call) < 0 ? errno : 0)

/* --- names --- */

static int create_ours(struct mirror *m, const char *path, uint32_t mode,
                       uint32_t mask, int flags, int theirs)
{
    struct spot spot;
    int rc = walk(m, path, &spot);
    if (rc != 0) {
        return rc;
    }
    rc = world_run(m->world, (struct command){.op = OP_CREATE,
                                              .parent = spot.parent,
                                              .name = world_text(spot.name),
                                              .mode = mode,
                                              .umask = mask,
                                              .flags = (uint32_t)flags});
    /* Of what is no file the kernel knew before it asked us. */
    return rc == ESTALE && !S_ISREG(mode_of(m, path)) ? theirs : rc;
}

void mirror_create(struct mirror *m, const char *path, uint32_t mode,
                   uint32_t mask, int flags, int slot)
{
    CALL(m, "create %s %o umask %o flags %x", path, mode, mask, flags);
    watch_parent(m, path);
    watch(m, path);
    umask(mask);
    flags |= O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
    int fd = openat(m->root, path, flags, mode);
    int theirs = ERRNO_OF(fd);
    if (fd >= 0 && !S_ISREG(mode_of(m, path)) && mode_of(m, path) != 0) {
        close(fd); /* a pipe: open, but not ours to compare */
        unwatch(m, false);
        return;
    }
    int ours = create_ours(m, path, mode, mask, flags, theirs);
    uint64_t ino = m->world->result.value[VALUE_INO];
    /* Not every file system touches the times of an empty file that is cut. */
    same_errno(m, ours, theirs);
    unwatch(m, (flags & O_TRUNC) == 0);
    if (ours == 0 && slot >= 0) {
        mirror_drop(m, slot);
        m->held[slot] = (struct held){.fd = fd, .ino = ino};
    } else if (fd >= 0) {
        close(fd);
    }
}

static int mkdir_ours(struct mirror *m, uint64_t parent, const char *name,
                      uint32_t mode, uint32_t mask)
{
    return world_run(m->world, (struct command){.op = OP_MKDIR,
                                                .parent = parent,
                                                .name = world_text(name),
                                                .mode = mode,
                                                .umask = mask});
}

void mirror_mkdir(struct mirror *m, const char *path, uint32_t mode,
                  uint32_t mask)
{
    struct spot spot;
    CALL(m, "mkdir %s %o umask %o", path, mode, mask);
    watch_parent(m, path);
    umask(mask);
    int theirs = ERRNO_OF(mkdirat(m->root, path, mode));
    int ours = walk(m, path, &spot);
    if (ours == 0) {
        ours = mkdir_ours(m, spot.parent, spot.name, mode, mask);
    }
    same(m, ours, theirs);
}

void mirror_mkdir_at(struct mirror *m, int slot, const char *name)
{
    const struct held *held = &m->held[slot];
    if (held->fd < 0 || !held->is_dir) {
        return;
    }
    CALL(m, "mkdirat %llu %s", (unsigned long long)held->ino, name);
    watch_fd(m, dup(held->fd), held->ino);
    umask(022);
    int theirs = ERRNO_OF(mkdirat(held->fd, name, 0755));
    same(m, mkdir_ours(m, held->ino, name, 0755, 022), theirs);
}

void mirror_mknod(struct mirror *m, const char *path, uint32_t mode,
                  uint32_t mask)
{
    struct spot spot;
    CALL(m, "mknod %s %o umask %o", path, mode, mask);
    watch_parent(m, path);
    umask(mask);
    int theirs = ERRNO_OF(mknodat(m->root, path, mode, 0));
    int ours = walk(m, path, &spot);
    if (ours == 0) {
        ours =
            world_run(m->world, (struct command){.op = OP_MKNOD,
                                                 .parent = spot.parent,
                                                 .name = world_text(spot.name),
                                                 .mode = mode,
                                                 .umask = mask});
    }
    same(m, ours, theirs);
}

void mirror_symlink(struct mirror *m, const char *path, const char *target)
{
    struct spot spot;
    CALL(m, "symlink %s", path);
    watch_parent(m, path);
    int theirs = ERRNO_OF(symlinkat(target, m->root, path));
    int ours = walk(m, path, &spot);
    if (ours == 0) {
        ours = world_symlink(m->world, spot.parent, spot.name, target);
    }
    same(m, ours, theirs);
}

void mirror_link(struct mirror *m, const char *from, const char *to)
{
    struct spot spot;
    uint64_t ino = 0;
    CALL(m, "link %s %s", from, to);
    watch(m, from);
    watch_parent(m, to);
    int theirs = ERRNO_OF(linkat(m->root, from, m->root, to, 0));
    int ours = find(m, from, &ino);
    if (ours == 0) {
        ours = walk(m, to, &spot);
    }
    if (ours == 0) {
        ours = world_link(m->world, ino, spot.parent, spot.name);
    }
    same(m, ours, theirs);
}

static void remove_both(struct mirror *m, const char *path, int flags)
{
    struct spot spot;
    watch_parent(m, path);
    watch(m, path);
    int theirs = ERRNO_OF(unlinkat(m->root, path, flags));
    int ours = walk(m, path, &spot);
    uint64_t gone = 0;
    if (ours == 0) {
        ours = flags == 0 ? world_unlink(m->world, spot.parent, spot.name)
                          : world_rmdir(m->world, spot.parent, spot.name);
        gone = m->world->result.value[VALUE_GONE];
    }
    same(m, ours, theirs);
    reap_gone(m, gone);
}

void mirror_unlink(struct mirror *m, const char *path)
{
    CALL(m, "unlink %s", path);
    remove_both(m, path, 0);
}

void mirror_rmdir(struct mirror *m, const char *path)
{
    CALL(m, "rmdir %s", path);
    remove_both(m, path, AT_REMOVEDIR);
}

void mirror_rename(struct mirror *m, const char *from, const char *to,
                   unsigned flags)
{
    struct spot old = {TREE_ROOT, "x"};
    struct spot new = {TREE_ROOT, "y"};
    CALL(m, "rename %s %s flags %x", from, to, flags);
    watch_parent(m, from);
    watch(m, from);
    watch_parent(m, to);
    watch(m, to);
    int theirs = ERRNO_OF(renameat2(m->root, from, m->root, to, flags));
    bool walks = flags != (RENAME_NOREPLACE | RENAME_EXCHANGE);
    int ours = walks ? walk(m, from, &old) : 0;
    if (ours == 0 && walks) {
        ours = walk(m, to, &new);
    }
    uint64_t gone = 0;
    if (ours == 0) {
        ours = world_rename(m->world, old.parent, old.name, new.parent,
                            new.name, flags);
        gone = m->world->result.value[VALUE_GONE];
    }
    same(m, ours, theirs);
    reap_gone(m, gone);
}

void mirror_rename_to(struct mirror *m, const char *from, int slot,
                      const char *name)
{
    const struct held *held = &m->held[slot];
    struct spot old;
    if (held->fd < 0 || !held->is_dir) {
        return;
    }
    CALL(m, "renameat %s %llu/%s", from, (unsigned long long)held->ino, name);
    watch_parent(m, from);
    watch(m, from);
    watch_fd(m, dup(held->fd), held->ino);
    int theirs = ERRNO_OF(renameat(m->root, from, held->fd, name));
    int ours = walk(m, from, &old);
    uint64_t gone = 0;
    if (ours == 0) {
        ours = world_rename(m->world, old.parent, old.name, held->ino, name, 0);
        gone = m->world->result.value[VALUE_GONE];
    }
    same(m, ours, theirs);
    reap_gone(m, gone);
}

/* --- attributes --- */

static int setattr_ours(struct mirror *m, const char *path,
                        struct command command)
{
    int rc = find(m, path, &command.ino);
    command.op = OP_SETATTR;
    return rc != 0 ? rc : world_run(m->world, command);
}

void mirror_chmod(struct mirror *m, const char *path, uint32_t mode)
{
    if (S_ISLNK(mode_of(m, path))) {
        return; /* chmod(2) follows it */
    }
    CALL(m, "chmod %s %o", path, mode);
    watch(m, path);
    int theirs = ERRNO_OF(fchmodat(m->root, path, mode, 0));
    struct command command = {.set = SET_MODE, .mode = mode};
    same(m, setattr_ours(m, path, command), theirs);
}

void mirror_chown(struct mirror *m, const char *path, uint32_t uid,
                  uint32_t gid)
{
    CALL(m, "chown %s %d %d", path, (int)uid, (int)gid);
    watch(m, path);
    int theirs =
        ERRNO_OF(fchownat(m->root, path, uid, gid, AT_SYMLINK_NOFOLLOW));
    struct command command = {.new_uid = uid, .new_gid = gid};
    command.set =
        (uid != UINT32_MAX ? SET_UID : 0u) | (gid != UINT32_MAX ? SET_GID : 0u);
    same(m, setattr_ours(m, path, command), theirs);
}

static int64_t ns_of(struct timespec time)
{
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* What FUSE sends for one of the two times. */
static uint32_t set_of(struct timespec time, uint32_t given, uint32_t now)
{
    return time.tv_nsec == UTIME_OMIT  ? 0
           : time.tv_nsec == UTIME_NOW ? given | now
                                       : given;
}

static void compare_times(struct mirror *m, const char *path,
                          const struct timespec times[2])
{
    struct stat st;
    uint64_t ino = 0;
    assert_int_equal(find(m, path, &ino), 0);
    assert_int_equal(fstatat(m->root, path, &st, AT_SYMLINK_NOFOLLOW), 0);
    struct inode inode = world_inode(m->world, ino);
    if (times[0].tv_nsec < 1000000000) {
        assert_int_equal(inode.atime, ns_of(st.st_atim));
    }
    if (times[1].tv_nsec < 1000000000) {
        assert_int_equal(inode.mtime, ns_of(st.st_mtim));
    }
}

void mirror_utimens(struct mirror *m, const char *path,
                    const struct timespec times[2])
{
    CALL(m, "utimens %s", path);
    watch(m, path);
    int theirs = ERRNO_OF(utimensat(m->root, path, times, AT_SYMLINK_NOFOLLOW));
    struct command command = {.atime = ns_of(times[0]),
                              .mtime = ns_of(times[1])};
    command.set = set_of(times[0], SET_ATIME, SET_ATIME_NOW) |
                  set_of(times[1], SET_MTIME, SET_MTIME_NOW);
    int ours = setattr_ours(m, path, command);
    same(m, ours, theirs);
    if (ours == 0) {
        compare_times(m, path, times);
    }
}

void mirror_truncate(struct mirror *m, const char *path, uint64_t size)
{
    char full[600];
    if (S_ISLNK(mode_of(m, path))) {
        return;
    }
    CALL(m, "truncate %s %llu", path, (unsigned long long)size);
    watch(m, path);
    snprintf(full, sizeof full, "%s/%s", m->path, path);
    int theirs = ERRNO_OF(truncate(full, (off_t)size));
    struct command command = {.set = SET_SIZE, .size = size};
    same_errno(m, setattr_ours(m, path, command), theirs);
    unwatch(m, false); /* ext4 lets the times be if the size is the same */
}

/* --- contents, through open files --- */

void mirror_hold(struct mirror *m, const char *path, int slot)
{
    uint64_t ino = 0;
    uint32_t mode = mode_of(m, path);
    if (!S_ISREG(mode) && !S_ISDIR(mode)) {
        return;
    }
    bool is_dir = S_ISDIR(mode);
    int fd = openat(m->root, path, is_dir ? O_RDONLY | O_DIRECTORY : O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(find(m, path, &ino), 0);
    mirror_drop(m, slot);
    m->held[slot] = (struct held){.fd = fd, .ino = ino, .is_dir = is_dir};
}

void mirror_drop(struct mirror *m, int slot)
{
    struct held held = m->held[slot];
    m->held[slot].fd = -1;
    if (held.fd >= 0) {
        close(held.fd);
        bool is_gone = world_inode(m->world, held.ino).nlink == 0;
        reap_gone(m, is_gone ? held.ino : 0);
    }
}

void mirror_write(struct mirror *m, int slot, uint64_t offset, bool append,
                  const void *data, size_t size)
{
    const struct held *held = &m->held[slot];
    if (held->fd < 0 || held->is_dir) {
        return;
    }
    CALL(m, "write %llu %zu at %llu append %d", (unsigned long long)held->ino,
         size, (unsigned long long)offset, append);
    watch_fd(m, dup(held->fd), held->ino);
    assert_int_equal(fcntl(held->fd, F_SETFL, append ? O_APPEND : 0), 0);
    assert_int_equal(lseek(held->fd, (off_t)offset, SEEK_SET), offset);
    ssize_t written = write(held->fd, data, size);
    int ours = world_write(m->world, held->ino, offset, append ? O_APPEND : 0,
                           data, size);
    same(m, ours, ERRNO_OF(written));
    if (ours == 0 && size > 0) {
        uint64_t at = m->world->result.value[VALUE_OFFSET];
        assert_int_equal(m->world->result.value[VALUE_SIZE], written);
        assert_int_equal(lseek(held->fd, 0, SEEK_CUR), at + size);
    }
}

void mirror_ftruncate(struct mirror *m, int slot, uint64_t size)
{
    const struct held *held = &m->held[slot];
    if (held->fd < 0 || held->is_dir) {
        return;
    }
    CALL(m, "ftruncate %llu %llu", (unsigned long long)held->ino,
         (unsigned long long)size);
    watch_fd(m, dup(held->fd), held->ino);
    int theirs = ERRNO_OF(ftruncate(held->fd, (off_t)size));
    struct command command = {.op = OP_SETATTR, .ino = held->ino, .size = size};
    command.set = SET_SIZE | SET_MTIME | SET_MTIME_NOW;
    same_errno(m, world_run(m->world, command), theirs);
    unwatch(m, false);
}
