/* posix.h -- what the cases of the conformance suite share.
 *
 *   posix [OPTION...] DIRECTORY...
 *
 * A case is a function: CASE(what_it_shows) { ... }, registered by being
 * linked. It has an empty directory of its own and names files in it. With
 * several DIRECTORYs, the mounts of several nodes of one cluster, each call
 * goes to the next of them: made on one, looked at on another, removed on a
 * third. Calls that take two names use one mount for both. stay() keeps a case
 * on one mount, where the kernel does not promise more than one machine.
 *
 * p_x() is x(2) with names below the case's directory: what it returns, or a
 * negative errno. eq() and its kind count an assertion and say what is wrong;
 * must() leaves the case. Children (fork_case()) count as well.
 *
 * A case is right when it passes on a local filesystem. tests/posix/deviations
 * names those that a mount is known to fail; one that passes there all the same
 * is a failure too.
 */
#ifndef POSIX_H
#define POSIX_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* --- cases --- */

struct posix_case {
    const char *group, *name;
    void (*run)(void);
    bool needs_root;
    struct posix_case *next;
};
void case_register(struct posix_case *one);

#define CASE_(id, root)                                                        \
    static void id(void);                                                      \
    static struct posix_case id##_case = {                                     \
        .group = GROUP, .name = #id, .run = id, .needs_root = (root)};         \
    __attribute__((constructor)) static void id##_register(void)               \
    {                                                                          \
        case_register(&id##_case);                                             \
    }                                                                          \
    static void id(void)
#define CASE(id) CASE_(id, false)
/* Needs root: other users, devices, trusted attributes. */
#define ROOT_CASE(id) CASE_(id, true)

/* --- assertions --- */

bool check_eq(const char *file, int line, const char *text, long long expected,
              long long actual);
bool check_str(const char *file, int line, const char *text,
               const char *expected, const char *actual);
bool check_mem(const char *file, int line, const char *text,
               const void *expected, const void *actual, size_t size);
_Noreturn void leave_case(void);

#define eq(expected, actual)                                                   \
    check_eq(__FILE__, __LINE__, #actual, (long long)(expected),               \
             (long long)(actual))
#define ok(condition) check_eq(__FILE__, __LINE__, #condition, 1, !!(condition))
#define eqs(expected, actual)                                                  \
    check_str(__FILE__, __LINE__, #actual, expected, actual)
#define eqm(expected, actual, size)                                            \
    check_mem(__FILE__, __LINE__, #actual, expected, actual, size)
#define must(expected, actual)                                                 \
    do {                                                                       \
        if (!eq(expected, actual)) {                                           \
            leave_case();                                                      \
        }                                                                      \
    } while (0)
/* What a system call returned, or its errno, negative. */
#define neg(call) neg_errno((long long)(call))
long long neg_errno(long long rc);
/* In messages of assertions: what a loop is at. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --- places --- */

/* Absolute path of a name in the case's directory, by the next mount; by the
 * same mount as the last one. Good for a few dozen calls. */
const char *at(const char *name);
const char *same(const char *name);
void stay(void);
bool is_spread(void); /* several mounts, and no stay() */
/* A path of another filesystem, for EXDEV; NULL if there is none. */
const char *elsewhere(void);
/* A name of that many bytes. */
const char *long_name(size_t size);

/* --- identities; all of them in the same process --- */

enum {
    USER = 65534,
    GROUP_OF_USER = 65533,
    OTHER = 65532,
    GROUP_OF_OTHER = 65531
};
void as(uid_t uid, gid_t gid); /* without other groups */
void as_groups(uid_t uid, gid_t gid, size_t count, const gid_t *groups);
void as_root(void);

/* --- children --- */

/* As fork(2), but what the child asserts counts. */
pid_t fork_case(void);
_Noreturn void end_child(void);
void wait_child(pid_t pid);
/* One byte from one to the other: waits for it. */
struct baton {
    int fds[2];
};
struct baton baton_new(void);
void baton_give(struct baton *baton);
void baton_take(struct baton *baton);

/* --- calls --- */

int p_open(const char *name, int flags, mode_t mode);
int p_create(const char *name, mode_t mode); /* open(O_CREAT|O_EXCL), close */
int p_mkdir(const char *name, mode_t mode);
int p_rmdir(const char *name);
int p_unlink(const char *name);
int p_link(const char *from, const char *to);
int p_symlink(const char *target, const char *name);
int p_readlink(const char *name, char *out, size_t size);
int p_rename(const char *from, const char *to);
int p_rename2(const char *from, const char *to, unsigned flags);
int p_mknod(const char *name, mode_t mode, dev_t device);
int p_chmod(const char *name, mode_t mode);
int p_chown(const char *name, uid_t uid, gid_t gid);
int p_lchown(const char *name, uid_t uid, gid_t gid);
int p_truncate(const char *name, off_t size);
int p_stat(const char *name, struct stat *out);
int p_lstat(const char *name, struct stat *out);
int p_access(const char *name, int mode);
int p_utimens(const char *name, const struct timespec times[2], int flags);
/* One of "fdpscbl": file, directory, pipe, socket, devices, symbolic link. */
int p_make(char type, const char *name, mode_t mode);
int p_remove(char type, const char *name);
/* Whole contents; write makes or cuts the file. */
int p_write(const char *name, const void *data, size_t size);
int p_put(const char *name, const char *text);
int p_read(const char *name, void *out, size_t size);
bool p_is_root(void);

/* --- attributes --- */

struct stat stat_of(const char *name); /* lstat; fails the case */
mode_t mode_of(const char *name);      /* permission bits */
long long size_of(const char *name);
long long links_of(const char *name);
bool exists(const char *name);

/* --- times --- */

enum { A = 1, M = 2, C = 4, MC = M | C };
/* Waits until the clock of files has gone on. */
void tick(void);
/* Notes the times of a name, then ticks. */
struct stat noted(const char *name);
/* Which of them are later than noted. */
int moved(const char *name, const struct stat *since);
int moved_fd(int fd, const struct stat *since);
int compare_times(struct timespec a, struct timespec b);

#endif
