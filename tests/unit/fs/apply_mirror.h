/* apply_mirror.h -- the same calls on a tree of ours and on a real directory.
 *
 * Ours is what the kernel and apply make together: paths are walked here as the
 * kernel walks them, and the record gets what FUSE would send. Theirs is the
 * file system under $TMPDIR. Errnos, and what became of the times of everything
 * that a call touched, are compared call by call; mirror_compare() compares the
 * whole trees.
 */
#ifndef TESTS_APPLY_MIRROR_H
#define TESTS_APPLY_MIRROR_H

#include "tests/unit/fs/apply_world.h"

#include <sys/stat.h>

enum { MIRROR_HELD = 4, MIRROR_WATCHED = 4, MIRROR_WRITE_MAX = 20000 };

struct held { /* an open file or directory */
    int fd;   /* -1: free */
    uint64_t ino;
    bool is_dir;
};

struct watched { /* before the call */
    int fd;      /* O_PATH */
    uint64_t ino;
    struct stat theirs;
    struct inode ours;
};

struct mirror {
    struct world *world;
    char path[256]; /* of the real directory */
    int root;
    bool as_root;
    bool has_dir_links;  /* nlink of a directory counts subdirectories */
    bool has_fine_times; /* two changes never have the same time there */
    struct held held[MIRROR_HELD];
    struct watched watched[MIRROR_WATCHED];
    int watched_count;
    const char *context; /* "seed 3 step 17": for failures */
    char call[512];
};

struct mirror *mirror_new(void);
void mirror_free(struct mirror *mirror);
void mirror_compare(struct mirror *mirror);

/* Each makes one call on both sides and compares its outcome. */
/* Keeps the file open in slot; -1: does not. */
void mirror_create(struct mirror *m, const char *path, uint32_t mode,
                   uint32_t mask, int flags, int slot);
void mirror_mkdir(struct mirror *m, const char *path, uint32_t mode,
                  uint32_t mask);
void mirror_mkdir_at(struct mirror *m, int slot, const char *name);
void mirror_mknod(struct mirror *m, const char *path, uint32_t mode,
                  uint32_t mask);
void mirror_symlink(struct mirror *m, const char *path, const char *target);
void mirror_link(struct mirror *m, const char *from, const char *to);
void mirror_unlink(struct mirror *m, const char *path);
void mirror_rmdir(struct mirror *m, const char *path);
void mirror_rename(struct mirror *m, const char *from, const char *to,
                   unsigned flags);
void mirror_rename_to(struct mirror *m, const char *from, int slot,
                      const char *name);
void mirror_chmod(struct mirror *m, const char *path, uint32_t mode);
void mirror_chown(struct mirror *m, const char *path, uint32_t uid,
                  uint32_t gid); /* UINT32_MAX: as it is; not both */
void mirror_utimens(struct mirror *m, const char *path,
                    const struct timespec times[2]); /* not both UTIME_OMIT */
void mirror_truncate(struct mirror *m, const char *path, uint64_t size);
void mirror_ftruncate(struct mirror *m, int slot, uint64_t size);
void mirror_hold(struct mirror *m, const char *path, int slot);
void mirror_drop(struct mirror *m, int slot);
void mirror_write(struct mirror *m, int slot, uint64_t offset, bool append,
                  const void *data, size_t size);

#endif
