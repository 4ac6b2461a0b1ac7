/* t_lock.c -- flock(2), fcntl(2) locks of processes and of open files. */
#define GROUP "lock"
#include "tests/posix/posix.h"

#include <sys/file.h>

static struct flock range(int type, off_t start, off_t size)
{
    return (struct flock){.l_type = (short)type,
                          .l_whence = SEEK_SET,
                          .l_start = start,
                          .l_len = size};
}

static long long lock(int fd, int command, int type, off_t start, off_t size)
{
    struct flock l = range(type, start, size);
    return neg(fcntl(fd, command, &l));
}

/* What F_GETLK finds in the way of a lock of that type: F_UNLCK, ... */
static struct flock found(int fd, int command, int type, off_t start,
                          off_t size)
{
    struct flock l = range(type, start, size);
    eq(0, neg(fcntl(fd, command, &l)));
    return l;
}

/* In a process of its own, which opens the file anew: the result of one lock.
 */
static long long by_another(const char *name, int command, int type,
                            off_t start, off_t size)
{
    int pipes[2];
    long long result = -1;
    must(0, pipe(pipes));
    at("");
    pid_t pid = fork_case();
    if (pid == 0) {
        int fd = p_open(name, O_RDWR, 0);
        result = lock(fd, command, type, start, size);
        eq(sizeof result, write(pipes[1], &result, sizeof result));
        end_child();
    }
    eq(sizeof result, read(pipes[0], &result, sizeof result));
    close(pipes[0]);
    close(pipes[1]);
    wait_child(pid);
    return result;
}

static int opened(void)
{
    must(0, p_create("f", 0644));
    int fd = p_open("f", O_RDWR, 0);
    must(1, fd >= 0);
    return fd;
}

/* Of nodes, the last close(2) is told to the others a moment later, since the
 * kernel waits for nobody then: there the next one waits. */
static int at_once(void)
{
    return is_spread() ? 0 : LOCK_NB;
}

CASE(flock_excludes)
{
    int a = opened(), b = p_open("f", O_RDWR, 0), c = p_open("f", O_RDONLY, 0);
    eq(0, neg(flock(a, LOCK_EX)));
    eq(-EWOULDBLOCK, neg(flock(b, LOCK_EX | LOCK_NB)));
    eq(-EWOULDBLOCK, neg(flock(b, LOCK_SH | LOCK_NB)));
    eq(0, neg(flock(a, LOCK_EX | LOCK_NB)));
    eq(0, neg(flock(a, LOCK_SH)));
    eq(0, neg(flock(b, LOCK_SH | LOCK_NB)));
    eq(0, neg(flock(c, LOCK_SH | LOCK_NB)));
    eq(-EWOULDBLOCK, neg(flock(c, LOCK_EX | LOCK_NB)));
    eq(0, neg(flock(a, LOCK_UN)));
    eq(0, neg(flock(b, LOCK_UN)));
    eq(0, neg(flock(c, LOCK_UN)));
    eq(0, neg(flock(c, LOCK_EX | LOCK_NB))); /* a reader may */
    eq(0, neg(flock(b, LOCK_UN)));
    eq(-EWOULDBLOCK, neg(flock(b, LOCK_EX | LOCK_NB)));
    close(c);
    eq(0, neg(flock(b, LOCK_EX | at_once())));
    eq(-EINVAL, neg(flock(b, 0)));
    eq(-EBADF, neg(flock(9999, LOCK_EX)));
    close(a);
    close(b);
}

CASE(flock_belongs_to_the_open_file)
{
    int a = opened(), b = p_open("f", O_RDWR, 0);
    int copy = dup(a);
    eq(0, neg(flock(a, LOCK_EX)));
    eq(0, neg(flock(copy, LOCK_EX | LOCK_NB)));
    close(a);
    eq(-EWOULDBLOCK, neg(flock(b, LOCK_EX | LOCK_NB)));
    pid_t pid = fork_case();
    if (pid == 0) {
        eq(0, neg(flock(copy, LOCK_EX | LOCK_NB)));
        end_child();
    }
    wait_child(pid);
    eq(-EWOULDBLOCK, neg(flock(b, LOCK_EX | LOCK_NB)));
    eq(0, neg(flock(copy, LOCK_UN)));
    eq(0, neg(flock(b, LOCK_EX | LOCK_NB)));
    close(copy);
    close(b);
}

CASE(flock_waits)
{
    int a = opened();
    struct baton ready = baton_new(), got = baton_new();
    eq(0, neg(flock(a, LOCK_EX)));
    pid_t pid = fork_case();
    if (pid == 0) {
        int fd = p_open("f", O_RDWR, 0);
        eq(-EWOULDBLOCK, neg(flock(fd, LOCK_EX | LOCK_NB)));
        baton_give(&ready);
        eq(0, neg(flock(fd, LOCK_EX)));
        baton_give(&got);
        end_child();
    }
    baton_take(&ready);
    eq(0, neg(flock(a, LOCK_UN)));
    baton_take(&got);
    wait_child(pid);
    eq(0, neg(flock(a, LOCK_EX | at_once())));
    close(a);
}

CASE(flock_of_a_directory)
{
    must(0, p_mkdir("d", 0755));
    int a = p_open("d", O_RDONLY, 0), b = p_open("d", O_RDONLY, 0);
    eq(0, neg(flock(a, LOCK_EX)));
    eq(-EWOULDBLOCK, neg(flock(b, LOCK_EX | LOCK_NB)));
    close(a);
    eq(0, neg(flock(b, LOCK_EX | LOCK_NB)));
    close(b);
}

CASE(ranges_of_processes)
{
    int fd = opened();
    eq(0, lock(fd, F_SETLK, F_WRLCK, 10, 10));
    eq(-EAGAIN, by_another("f", F_SETLK, F_WRLCK, 10, 10));
    eq(-EAGAIN, by_another("f", F_SETLK, F_RDLCK, 19, 1));
    eq(-EAGAIN, by_another("f", F_SETLK, F_WRLCK, 0, 0));
    eq(0, by_another("f", F_SETLK, F_WRLCK, 20, 10));
    eq(0, by_another("f", F_SETLK, F_WRLCK, 0, 10));
    /* In the middle of it: two are left. */
    eq(0, lock(fd, F_SETLK, F_UNLCK, 13, 4));
    eq(0, by_another("f", F_SETLK, F_WRLCK, 13, 4));
    eq(-EAGAIN, by_another("f", F_SETLK, F_WRLCK, 12, 1));
    eq(-EAGAIN, by_another("f", F_SETLK, F_WRLCK, 17, 1));
    /* Read locks go together. */
    eq(0, lock(fd, F_SETLK, F_RDLCK, 10, 10));
    eq(0, by_another("f", F_SETLK, F_RDLCK, 0, 0));
    eq(-EAGAIN, by_another("f", F_SETLK, F_WRLCK, 15, 1));
    eq(0, lock(fd, F_SETLK, F_WRLCK, 15, 1));
    eq(-EAGAIN, by_another("f", F_SETLK, F_RDLCK, 15, 1));
    eq(0, by_another("f", F_SETLK, F_RDLCK, 16, 1));
    eq(0, lock(fd, F_SETLK, F_UNLCK, 0, 0));
    eq(0, by_another("f", F_SETLK, F_WRLCK, 0, 0));
    close(fd);
}

CASE(getlk_tells)
{
    int fd = opened();
    eq(0, lock(fd, F_SETLK, F_WRLCK, 100, 50));
    eq(F_UNLCK, found(fd, F_GETLK, F_WRLCK, 0, 0).l_type); /* one's own */
    pid_t owner = getpid(), pid = fork_case();
    if (pid == 0) {
        int other = p_open("f", O_RDWR, 0);
        struct flock l = found(other, F_GETLK, F_RDLCK, 0, 0);
        eq(F_WRLCK, l.l_type);
        eq(100, l.l_start);
        eq(50, l.l_len);
        eq(SEEK_SET, l.l_whence);
        if (!is_spread()) {
            eq(owner, l.l_pid);
        }
        eq(F_UNLCK, found(other, F_GETLK, F_WRLCK, 0, 100).l_type);
        eq(F_UNLCK, found(other, F_GETLK, F_WRLCK, 150, 0).l_type);
        eq(F_WRLCK, found(other, F_GETLK, F_WRLCK, 149, 1).l_type);
        l = range(F_UNLCK, 0, 0);
        eq(-EINVAL, neg(fcntl(other, F_GETLK, &l)));
        end_child();
    }
    wait_child(pid);
    close(fd);
}

CASE(getlk_tells_the_process_of_a_node)
{
    stay();
    int fd = opened();
    eq(0, lock(fd, F_SETLK, F_RDLCK, 0, 0));
    pid_t owner = getpid(), pid = fork_case();
    if (pid == 0) {
        int other = p_open("f", O_RDWR, 0);
        struct flock l = found(other, F_GETLK, F_WRLCK, 5, 5);
        eq(F_RDLCK, l.l_type);
        eq(owner, l.l_pid);
        eq(0, l.l_len);
        end_child();
    }
    wait_child(pid);
    close(fd);
}

CASE(whence_and_length)
{
    int fd = opened();
    eq(10, write(fd, "0123456789", 10));
    eq(4, lseek(fd, 4, SEEK_SET));
    struct flock l = {
        .l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = 1, .l_len = 2};
    eq(0, neg(fcntl(fd, F_SETLK, &l))); /* 5, 6 */
    eq(-EAGAIN, by_another("f", F_SETLK, F_WRLCK, 5, 1));
    eq(-EAGAIN, by_another("f", F_SETLK, F_WRLCK, 6, 1));
    eq(0, by_another("f", F_SETLK, F_WRLCK, 7, 1));
    l = (struct flock){
        .l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = 0, .l_len = -2};
    eq(0, neg(fcntl(fd, F_SETLK, &l))); /* 8, 9 */
    eq(-EAGAIN, by_another("f", F_SETLK, F_WRLCK, 8, 1));
    eq(-EAGAIN, by_another("f", F_SETLK, F_WRLCK, 9, 1));
    eq(0, by_another("f", F_SETLK, F_WRLCK, 10, 0));
    eq(-EINVAL, lock(fd, F_SETLK, F_WRLCK, -1, 1));
    eq(-EINVAL, lock(fd, F_SETLK, F_WRLCK, 5, -10));
    eq(-EINVAL, lock(fd, F_SETLK, 77, 0, 1));
    eq(0, lock(fd, F_SETLK, F_WRLCK, INT64_MAX, 1));
    eq(-EOVERFLOW, lock(fd, F_SETLK, F_WRLCK, INT64_MAX, 2));
    close(fd);
}

CASE(modes_of_descriptors)
{
    must(0, p_create("f", 0644));
    int r = p_open("f", O_RDONLY, 0), w = p_open("f", O_WRONLY, 0);
    eq(-EBADF, lock(r, F_SETLK, F_WRLCK, 0, 1));
    eq(0, lock(r, F_SETLK, F_RDLCK, 0, 1));
    eq(-EBADF, lock(w, F_SETLK, F_RDLCK, 0, 1));
    eq(0, lock(w, F_SETLK, F_WRLCK, 1, 1));
    close(r);
    close(w);
}

CASE(close_ends_them)
{
    int a = opened();
    eq(0, lock(a, F_SETLK, F_WRLCK, 0, 0));
    eq(-EAGAIN, by_another("f", F_SETLK, F_WRLCK, 0, 0));
    close(a);
    eq(0, by_another("f", F_SETLK, F_WRLCK, 0, 0));
}

CASE(close_of_another_descriptor_ends_them)
{
    stay();
    int a = opened();
    eq(0, lock(a, F_SETLK, F_WRLCK, 0, 0));
    int b = p_open("f", O_RDONLY, 0);
    eq(-EAGAIN, by_another("f", F_SETLK, F_WRLCK, 0, 0));
    close(b);
    eq(0, by_another("f", F_SETLK, F_WRLCK, 0, 0));
    close(a);
}

CASE(end_of_the_process_ends_them)
{
    int fd = opened();
    struct baton locked = baton_new(), end = baton_new();
    pid_t pid = fork_case();
    if (pid == 0) {
        int own = p_open("f", O_RDWR, 0);
        eq(0, lock(own, F_SETLK, F_WRLCK, 0, 0));
        baton_give(&locked);
        baton_take(&end);
        end_child();
    }
    baton_take(&locked);
    eq(-EAGAIN, lock(fd, F_SETLK, F_WRLCK, 0, 0));
    baton_give(&end);
    wait_child(pid);
    eq(0, lock(fd, F_SETLKW, F_WRLCK, 0, 0));
    close(fd);
}

CASE(children_do_not_inherit_them)
{
    int fd = opened();
    eq(0, lock(fd, F_SETLK, F_WRLCK, 0, 0));
    pid_t pid = fork_case();
    if (pid == 0) {
        eq(-EAGAIN, lock(fd, F_SETLK, F_WRLCK, 0, 0));
        end_child();
    }
    wait_child(pid);
    eq(-EAGAIN, by_another("f", F_SETLK, F_WRLCK, 0, 0));
    close(fd);
}

CASE(setlkw_waits)
{
    int fd = opened();
    struct baton ready = baton_new();
    eq(0, lock(fd, F_SETLK, F_WRLCK, 0, 10));
    pid_t pid = fork_case();
    if (pid == 0) {
        int own = p_open("f", O_RDWR, 0);
        eq(-EAGAIN, lock(own, F_SETLK, F_RDLCK, 5, 1));
        baton_give(&ready);
        eq(0, lock(own, F_SETLKW, F_RDLCK, 5, 1));
        end_child();
    }
    baton_take(&ready);
    eq(0, lock(fd, F_SETLK, F_UNLCK, 0, 10));
    wait_child(pid);
    close(fd);
}

CASE(deadlock)
{
    int fd = opened();
    struct baton ready = baton_new(), over = baton_new();
    eq(0, lock(fd, F_SETLK, F_WRLCK, 0, 1));
    pid_t pid = fork_case();
    if (pid == 0) {
        int own = p_open("f", O_RDWR, 0);
        eq(0, lock(own, F_SETLK, F_WRLCK, 1, 1));
        baton_give(&ready);
        /* One of the two is told; the other gets the lock. */
        long long rc = lock(own, F_SETLKW, F_WRLCK, 0, 1);
        ok(rc == 0 || rc == -EDEADLK);
        if (rc == -EDEADLK) {
            eq(0, lock(own, F_SETLK, F_UNLCK, 1, 1));
        }
        baton_take(&over);
        end_child();
    }
    baton_take(&ready);
    long long rc = lock(fd, F_SETLKW, F_WRLCK, 1, 1);
    ok(rc == 0 || rc == -EDEADLK);
    eq(0, lock(fd, F_SETLK, F_UNLCK, 0, 0));
    baton_give(&over);
    wait_child(pid);
    close(fd);
}

CASE(locks_of_open_files)
{
    int a = opened(), b = p_open("f", O_RDWR, 0);
    eq(0, lock(a, F_OFD_SETLK, F_WRLCK, 0, 10));
    eq(-EAGAIN, lock(b, F_OFD_SETLK, F_WRLCK, 5, 1));
    eq(-EAGAIN, lock(b, F_OFD_SETLK, F_RDLCK, 5, 1));
    eq(0, lock(b, F_OFD_SETLK, F_WRLCK, 10, 1));
    struct flock l = found(b, F_OFD_GETLK, F_RDLCK, 0, 5);
    eq(F_WRLCK, l.l_type);
    eq(0, l.l_start);
    eq(10, l.l_len);
    int copy = dup(a);
    close(a);
    eq(-EAGAIN, lock(b, F_OFD_SETLK, F_WRLCK, 5, 1));
    eq(0, lock(copy, F_OFD_SETLK, F_RDLCK, 0, 10));
    eq(0, lock(b, F_OFD_SETLK, F_RDLCK, 5, 1));
    eq(0, lock(b, F_OFD_SETLK, F_UNLCK, 5, 1));
    close(copy);
    eq(0, lock(b, F_OFD_SETLKW, F_WRLCK, 0, 0));
    close(b);
}

CASE(getlk_of_an_open_file_has_no_process)
{
    int a = opened(), b = p_open("f", O_RDWR, 0);
    eq(0, lock(a, F_OFD_SETLK, F_WRLCK, 0, 10));
    eq(-1, found(b, F_OFD_GETLK, F_RDLCK, 0, 5).l_pid);
    close(a);
    close(b);
}

CASE(the_two_kinds_are_strangers)
{
    int a = opened(), b = p_open("f", O_RDWR, 0);
    eq(0, neg(flock(a, LOCK_EX)));
    eq(0, lock(b, F_SETLK, F_WRLCK, 0, 0));
    eq(-EWOULDBLOCK, neg(flock(b, LOCK_EX | LOCK_NB)));
    eq(-EAGAIN, by_another("f", F_SETLK, F_WRLCK, 0, 0));
    close(a);
    close(b);
}

CASE(many_small_ranges)
{
    int fd = opened();
    for (int i = 0; i < 50; i++) {
        eq(0, lock(fd, F_SETLK, i % 2 ? F_RDLCK : F_WRLCK, i * 10, 5));
    }
    eq(-EAGAIN, by_another("f", F_SETLK, F_RDLCK, 484, 1));
    eq(0, by_another("f", F_SETLK, F_WRLCK, 485, 1));
    eq(0, by_another("f", F_SETLK, F_RDLCK, 490, 5));
    eq(0, lock(fd, F_SETLK, F_WRLCK, 0, 1000));
    eq(-EAGAIN, by_another("f", F_SETLK, F_RDLCK, 485, 1));
    eq(0, lock(fd, F_SETLK, F_UNLCK, 0, 1000));
    eq(0, by_another("f", F_SETLK, F_WRLCK, 0, 0));
    close(fd);
}
