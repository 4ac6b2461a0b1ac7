/* t_error.c -- what is wrong with arguments other than paths: addresses,
 * descriptors, flags, numbers. And that nothing has been done then. */
#define GROUP "error"
#include "tests/posix/posix.h"

#include <linux/openat2.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>

enum { PAGE = 4096 };

/* Memory of two pages, of which only the first is there; the address of the
 * second. */
static char *edge(void)
{
    char *m = mmap(NULL, 2 * (size_t)PAGE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED) {
        abort();
    }
    memset(m, 'm', PAGE);
    munmap(m + PAGE, PAGE);
    return m + PAGE;
}

static long getdents(int fd, void *out, size_t size)
{
    return syscall(SYS_getdents64, fd, out, size);
}

CASE(addresses_of_results)
{
    char *bad = edge();
    void *volatile hidden = bad;
    must(3, p_put("f", "abc"));
    must(0, p_symlink("target", "l"));
    must(0, p_mkdir("d", 0755));
    must(0, neg(setxattr(at("f"), "user.x", "value", 5, 0)));
    int fd = p_open("f", O_RDWR, 0), dir = p_open("d", O_RDONLY, 0);
    must(1, fd >= 0 && dir >= 0);
    eq(-EFAULT, neg(read(fd, hidden, 3)));
    eq(0, lseek(fd, 0, SEEK_CUR));
    eq(-EFAULT, neg(pread(fd, hidden, 3, 1)));
    eq(-EFAULT, neg(getdents(dir, hidden, PAGE)));
    eq(-EFAULT, neg(syscall(SYS_readlink, at("l"), hidden, 10)));
    eq(-EFAULT, neg(syscall(SYS_stat, at("f"), hidden)));
    eq(-EFAULT, neg(syscall(SYS_fstat, fd, hidden)));
    eq(-EFAULT, neg(syscall(SYS_statx, AT_FDCWD, at("f"), 0, 0x7ff, hidden)));
    eq(-EFAULT, neg(syscall(SYS_statfs, at("f"), hidden)));
    eq(-EFAULT, neg(syscall(SYS_fcntl, fd, F_GETLK, hidden)));
    eq(-EFAULT, neg(syscall(SYS_fcntl, fd, F_SETLK, hidden)));
    eq(-EFAULT, neg(getxattr(at("f"), "user.x", hidden, 5)));
    eq(-EFAULT, neg(listxattr(at("f"), hidden, 100)));
    /* What fits is given. */
    eq(3, pread(fd, bad - 3, 10, 0));
    eqm("abc", bad - 3, 3);
    close(fd);
    close(dir);
}

CASE(addresses_of_names)
{
    void *volatile hidden = edge();
    const char *bad = hidden;
    must(0, p_create("f", 0644));
    eq(-EFAULT, neg(open(bad, O_RDONLY)));
    eq(-EFAULT, neg(open(bad, O_RDWR | O_CREAT, 0644)));
    eq(-EFAULT, neg(mkdir(bad, 0755)));
    eq(-EFAULT, neg(unlink(bad)));
    eq(-EFAULT, neg(rmdir(bad)));
    eq(-EFAULT, neg(rename(at("f"), bad)));
    eq(-EFAULT, neg(rename(bad, at("f"))));
    eq(-EFAULT, neg(link(at("f"), bad)));
    eq(-EFAULT, neg(symlink(bad, at("l"))));
    eq(-EFAULT, neg(symlink("t", bad)));
    eq(-EFAULT, neg(truncate(bad, 0)));
    eq(-EFAULT, neg(chdir(bad)));
    eq(-EFAULT, neg(chmod(bad, 0644)));
    eq(-EFAULT, neg(setxattr(at("f"), bad, "x", 1, 0)));
    eq(-EFAULT, neg(setxattr(at("f"), "user.x", bad, 1, 0)));
    eq(-EFAULT, neg(syscall(SYS_utimensat, AT_FDCWD, at("f"), bad, 0)));
    /* A name that ends where memory does. */
    char *name = (char *)hidden - 2;
    memcpy(name, "f", 2);
    struct stat st;
    int dir = p_open("", O_RDONLY | O_DIRECTORY, 0);
    eq(0, neg(fstatat(dir, name, &st, 0)));
    name[1] = 'f';
    eq(-EFAULT, neg(fstatat(dir, name, &st, 0)));
    close(dir);
    eq(false, exists("l"));
}

/* Of a write(2) from memory that ends, what is there is written. */
CASE(addresses_of_data)
{
    static const int flags[] = {O_RDWR, O_RDWR | O_APPEND, O_RDWR | O_SYNC};
    char *bad = edge();
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        note("flags %o", flags[i]);
        must(3, p_put("f", "abc"));
        int fd = p_open("f", flags[i], 0);
        must(1, fd >= 0);
        eq(-EFAULT, neg(write(fd, bad, 10)));
        eq(-EFAULT, neg(pwrite(fd, bad, 10, 1)));
        struct iovec none[] = {{bad, 1}, {"x", 1}};
        eq(-EFAULT, neg(writev(fd, none, 2)));
        eq(3, size_of("f"));
        eq(3, lseek(fd, 0, SEEK_END));
        eq(5, neg(write(fd, bad - 5, 10)));
        eq(8, size_of("f"));
        struct iovec some[] = {{"xyz", 3}, {bad, 5}};
        eq(3, neg(writev(fd, some, 2)));
        char text[16];
        eq(11, p_read("f", text, sizeof text));
        eqm("abcmmmmmxyz", text, 11);
        close(fd);
    }
}

CASE(closed_and_foreign_descriptors)
{
    char byte;
    struct stat st;
    struct iovec part = {&byte, 1};
    int pipes[2];
    must(0, pipe(pipes));
    eq(-EBADF, neg(read(9999, &byte, 1)));
    eq(-EBADF, neg(readv(9999, &part, 1)));
    eq(-EBADF, neg(write(9999, "x", 1)));
    eq(-EBADF, neg(close(9999)));
    eq(-EBADF, neg(fsync(9999)));
    eq(-EBADF, neg(fdatasync(9999)));
    eq(-EBADF, neg(syncfs(9999)));
    eq(-EBADF, neg(fstat(9999, &st)));
    eq(-EBADF, neg(fchmod(9999, 0644)));
    eq(-EBADF, neg(fchown(9999, 0, 0)));
    eq(-EBADF, neg(fchdir(9999)));
    eq(-EBADF, neg(getdents(9999, &byte, 1)));
    eq(-EBADF, neg(openat(9999, "x", O_RDONLY)));
    eq(-EBADF, neg(unlinkat(9999, "x", 0)));
    eq(-EBADF, neg(fgetxattr(9999, "user.x", &byte, 1)));
    eq(EBADF, posix_fadvise(9999, 0, 1, POSIX_FADV_NORMAL));
    eq(ESPIPE, posix_fadvise(pipes[0], 0, 1, POSIX_FADV_NORMAL));
    eq(-ESPIPE, neg(lseek(pipes[0], 0, SEEK_CUR)));
    eq(-ESPIPE, neg(pread(pipes[0], &byte, 1, 0)));
    eq(-ESPIPE, neg(fallocate(pipes[1], 0, 0, 1)));
    eq(-EINVAL, neg(ftruncate(pipes[1], 0)));
    eq(-EINVAL, neg(fsync(pipes[1])));
    close(pipes[0]);
    close(pipes[1]);
    must(0, p_create("f", 0644));
    int fd = p_open("f", O_RDWR, 0);
    eq(-ENOTDIR, neg(fchdir(fd)));
    eq(-ENOTDIR, neg(getdents(fd, &byte, 1)));
    eq(-ENOTDIR, neg(openat(fd, "x", O_RDONLY)));
    eq(-ENOTDIR, neg(mkdirat(fd, "x", 0755)));
    eq(-ENOTDIR, neg(linkat(fd, "x", fd, "y", 0)));
    eq(-ENOTDIR, neg(renameat(fd, "x", fd, "y")));
    close(fd);
}

CASE(descriptors_that_are_only_a_path)
{
    must(3, p_put("f", "abc"));
    must(0, p_mkdir("d", 0755));
    int fd = p_open("f", O_PATH, 0), dir = p_open("d", O_PATH, 0);
    must(1, fd >= 0 && dir >= 0);
    char byte;
    eq(-EBADF, neg(flock(fd, LOCK_SH)));
    eq(-EBADF, neg(fsync(fd)));
    eq(-EBADF, neg(lseek(fd, 0, SEEK_SET)));
    eq(-EBADF, neg(fallocate(fd, 0, 0, 1)));
    eq(-EBADF, neg(ioctl(fd, FIONREAD, &byte)));
    eq(-EBADF, neg(fsetxattr(fd, "user.x", "x", 1, 0)));
    eq(-EBADF, neg(fgetxattr(fd, "user.x", &byte, 1)));
    eq(-EBADF, neg(getdents(dir, &byte, 1)));
    ok(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
    eq(EBADF, errno);
    eq(0, neg(fchdir(dir)));
    eq(0, neg(mkdirat(dir, "e", 0755)));
    eq(0, chdir("/"));
    eq(true, exists("d/e"));
    close(fd);
    close(dir);
}

CASE(unknown_flags)
{
    struct stat st;
    struct statx more;
    must(0, p_create("f", 0644));
    must(0, p_mkdir("d", 0755));
    eq(-EINVAL, neg(fstatat(AT_FDCWD, at("f"), &st, 1 << 30)));
    eq(-EINVAL, neg(statx(AT_FDCWD, at("f"), 1 << 30, STATX_ALL, &more)));
    eq(-EINVAL,
       neg(statx(AT_FDCWD, at("f"), AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC,
                 STATX_ALL, &more)));
    eq(-EINVAL, neg(statx(AT_FDCWD, at("f"), 0, 1u << 31, &more)));
    eq(-EINVAL, neg(unlinkat(AT_FDCWD, at("f"), 1)));
    eq(-ENOTDIR, neg(unlinkat(AT_FDCWD, at("f"), AT_REMOVEDIR)));
    eq(-EISDIR, neg(unlinkat(AT_FDCWD, at("d"), 0)));
    eq(-EINVAL, neg(fchownat(AT_FDCWD, at("f"), 0, 0, 1 << 30)));
    eq(-EINVAL, neg(linkat(AT_FDCWD, at("f"), AT_FDCWD, same("g"), 1 << 30)));
    eq(-EINVAL, neg(syscall(SYS_faccessat2, AT_FDCWD, at("f"), R_OK, 1 << 30)));
    eq(-EINVAL, neg(setxattr(at("f"), "user.x", "x", 1, 99)));
    int fd = p_open("f", O_RDWR, 0);
    must(1, fd >= 0);
    eq(-EINVAL, neg(sync_file_range(fd, 0, 1, 99)));
    eq(-EINVAL, neg(sync_file_range(fd, -1, 1, 0)));
    eq(-EINVAL, neg(fcntl(fd, 9999, 0)));
    eq(-EINVAL, neg(copy_file_range(fd, NULL, fd, NULL, 1, 1)));
    struct iovec part = {&st, 1};
    eq(-EOPNOTSUPP, neg(preadv2(fd, &part, 1, 0, 1 << 30)));
    eq(-EOPNOTSUPP, neg(pwritev2(fd, &part, 1, 0, 1 << 30)));
    eq(0, size_of("f"));
    struct flock lock = {.l_type = 99};
    eq(-EINVAL, neg(fcntl(fd, F_SETLK, &lock)));
    lock = (struct flock){.l_type = F_WRLCK, .l_whence = 99};
    eq(-EINVAL, neg(fcntl(fd, F_SETLK, &lock)));
    lock = (struct flock){.l_type = F_WRLCK, .l_start = -1};
    eq(-EINVAL, neg(fcntl(fd, F_SETLK, &lock)));
    lock = (struct flock){.l_type = F_WRLCK, .l_start = 5, .l_len = -6};
    eq(-EINVAL, neg(fcntl(fd, F_SETLK, &lock)));
    lock = (struct flock){
        .l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = INT64_MAX};
    eq(1, lseek(fd, 1, SEEK_SET));
    eq(-EOVERFLOW, neg(fcntl(fd, F_SETLK, &lock)));
    close(fd);
}

CASE(numbers_too_large_or_too_small)
{
    char text[8] = "x";
    struct iovec parts[1025];
    for (int i = 0; i < 1025; i++) {
        parts[i] = (struct iovec){text, 1};
    }
    int fd = p_open("f", O_CREAT | O_RDWR, 0644);
    must(1, fd >= 0);
    struct stat st = noted("f");
    eq(-EINVAL, neg(writev(fd, parts, 1025)));
    parts[0].iov_len = SIZE_MAX;
    eq(-EINVAL, neg(writev(fd, parts, 2)));
    eq(-EINVAL, neg(readv(fd, parts, 2)));
    eq(-EINVAL, neg(pwrite(fd, text, 1, -1)));
    eq(0, neg(write(fd, text, 0)));
    eq(0, neg(pwrite(fd, text, 0, 100)));
    eq(0, moved("f", &st) & MC);
    eq(0, size_of("f"));
    eq(EINVAL, posix_fadvise(fd, 0, -1, POSIX_FADV_NORMAL));
    must(0, p_mkdir("d", 0755));
    int dir = p_open("d", O_RDONLY, 0);
    eq(-EINVAL, neg(getdents(dir, text, sizeof text)));
    close(dir);
    /* The longest possible transfer is no error. */
    eq(3, pwrite(fd, "abc", 3, 0));
    eq(3, pread(fd, text, 3, 0));
    eq(0, pread(fd, text, sizeof text, INT64_MAX - 8));
    close(fd);
}

CASE(no_descriptor_is_left)
{
    pid_t pid = fork_case();
    if (pid == 0) {
        struct rlimit limit = {10, 10};
        eq(0, neg(setrlimit(RLIMIT_NOFILE, &limit)));
        while (dup(0) >= 0) {
        }
        eq(-EMFILE, p_open("f", O_CREAT | O_RDWR, 0644));
        eq(-EMFILE, p_open("", O_TMPFILE | O_RDWR, 0644));
        eq(false, exists("f"));
        end_child();
    }
    wait_child(pid);
    eq(false, exists("f"));
}

CASE(requests_of_ioctl)
{
    must(3, p_put("f", "abc"));
    must(0, p_mkdir("d", 0755));
    int fd = p_open("f", O_RDWR, 0), dir = p_open("d", O_RDONLY, 0);
    int number = -1;
    char room[128];
    eq(-ENOTTY, neg(ioctl(fd, TCGETS, room)));
    eq(-ENOTTY, neg(ioctl(fd, 0x12345678, room)));
    eq(-ENOTTY, neg(ioctl(dir, TIOCGWINSZ, room)));
    eq(0, isatty(fd));
    eq(0, neg(ioctl(fd, FIONREAD, &number)));
    eq(3, number);
    eq(1, read(fd, room, 1));
    eq(0, neg(ioctl(fd, FIONREAD, &number)));
    eq(2, number);
    eq(0, neg(ioctl(fd, FIOCLEX)));
    eq(FD_CLOEXEC, fcntl(fd, F_GETFD));
    close(fd);
    close(dir);
}

/* openat2(2), below a directory. */
static int opened_below(int dir, const char *name, uint64_t resolve)
{
    struct open_how how = {.flags = O_RDONLY, .resolve = resolve};
    long fd = syscall(SYS_openat2, dir, name, &how, sizeof how);
    return fd < 0 ? -errno : close((int)fd);
}

CASE(restricted_walks)
{
    must(0, p_mkdir("d", 0755));
    must(0, p_create("d/f", 0644));
    must(0, p_create("out", 0644));
    must(0, p_symlink("f", "d/l"));
    must(0, p_symlink("../out", "d/up"));
    must(0, p_symlink("/f", "d/root"));
    int dir = p_open("d", O_RDONLY | O_DIRECTORY, 0);
    must(1, dir >= 0);
    eq(0, opened_below(dir, "f", 0));
    eq(0, opened_below(dir, "../out", 0));
    eq(0, opened_below(dir, "f", RESOLVE_BENEATH));
    eq(0, opened_below(dir, "l", RESOLVE_BENEATH));
    eq(-EXDEV, opened_below(dir, "../out", RESOLVE_BENEATH));
    eq(-EXDEV, opened_below(dir, "up", RESOLVE_BENEATH));
    eq(-EXDEV, opened_below(dir, "root", RESOLVE_BENEATH));
    eq(-EXDEV, opened_below(dir, "/", RESOLVE_BENEATH));
    eq(-ELOOP, opened_below(dir, "l", RESOLVE_NO_SYMLINKS));
    eq(0, opened_below(dir, "f", RESOLVE_NO_SYMLINKS));
    eq(0, opened_below(dir, "root", RESOLVE_IN_ROOT));
    eq(-ENOENT, opened_below(dir, "../out", RESOLVE_IN_ROOT));
    eq(0, opened_below(dir, "f", RESOLVE_NO_XDEV));
    eq(-EXDEV, opened_below(dir, "/proc/self", RESOLVE_NO_XDEV));
    eq(-EINVAL, opened_below(dir, "f", 1u << 30));
    close(dir);
}

CASE(mappings_that_cannot_be)
{
    must(3, p_put("f", "abc"));
    must(0, p_mkdir("d", 0755));
    int fd = p_open("f", O_RDWR, 0), dir = p_open("d", O_RDONLY, 0);
    errno = 0;
    ok(mmap(NULL, 0, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
    eq(EINVAL, errno);
    ok(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 1) == MAP_FAILED);
    eq(EINVAL, errno);
    ok(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, dir, 0) == MAP_FAILED);
    eq(ENODEV, errno);
    ok(mmap(NULL, PAGE, PROT_READ, 0, fd, 0) == MAP_FAILED);
    eq(EINVAL, errno);
    /* A page behind the end of the file is there in no mapping. */
    char *m = mmap(NULL, 2 * (size_t)PAGE, PROT_READ, MAP_SHARED, fd, 0);
    must(1, m != MAP_FAILED);
    eqm("abc", m, 4);
    pid_t pid = fork();
    if (pid == 0) {
        struct sigaction dies = {.sa_handler = SIG_DFL}; /* not a sanitizer */
        struct rlimit no_core = {0, 0};
        sigaction(SIGBUS, &dies, NULL);
        setrlimit(RLIMIT_CORE, &no_core);
        _exit(*(volatile char *)(m + PAGE));
    }
    int status = 0;
    eq(pid, waitpid(pid, &status, 0));
    eq(SIGBUS, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    munmap(m, 2 * (size_t)PAGE);
    close(fd);
    close(dir);
}

CASE(copies_that_cannot_be)
{
    must(3, p_put("f", "abc"));
    must(0, p_mknod("p", S_IFIFO | 0644, 0));
    must(0, p_mkdir("d", 0755));
    int fd = p_open("f", O_RDWR, 0);
    int to = p_open("to", O_CREAT | O_RDWR, 0644);
    int append = p_open("to", O_RDWR | O_APPEND, 0);
    int fifo = p_open("p", O_RDWR, 0);
    int dir = p_open("d", O_RDONLY, 0);
    must(1, fd >= 0 && to >= 0 && append >= 0 && fifo >= 0 && dir >= 0);
    loff_t in = 0, out = 0;
    eq(-EINVAL, neg(copy_file_range(fifo, NULL, to, NULL, 1, 0)));
    eq(-EINVAL, neg(copy_file_range(fd, NULL, fifo, NULL, 1, 0)));
    eq(-EISDIR, neg(copy_file_range(dir, NULL, to, NULL, 1, 0)));
    in = -1;
    eq(-EOVERFLOW, neg(copy_file_range(fd, &in, to, NULL, 1, 0)));
    in = 0, out = INT64_MAX;
    eq(-EFBIG, neg(copy_file_range(fd, &in, to, &out, 1, 0)));
    eq(-EINVAL, neg(sendfile(append, fd, NULL, 3)));
    in = -1;
    eq(-EINVAL, neg(sendfile(to, fd, &in, 3)));
    eq(-EINVAL, neg(splice(fd, NULL, to, NULL, 3, 0))); /* neither a pipe */
    out = 0;
    eq(-ESPIPE, neg(splice(fifo, &out, to, NULL, 3, SPLICE_F_NONBLOCK)));
    eq(0, size_of("to"));
    const char *there = elsewhere();
    if (there != NULL) {
        int other = open(there, O_TMPFILE | O_RDWR, 0600);
        if (other >= 0) {
            eq(1, write(other, "x", 1));
            in = 0;
            eq(-EXDEV, neg(copy_file_range(other, &in, to, NULL, 1, 0)));
            eq(-EXDEV, neg(copy_file_range(fd, NULL, other, NULL, 1, 0)));
            close(other);
        }
    }
    close(fd);
    close(to);
    close(append);
    close(fifo);
    close(dir);
}

static void on_signal(int number)
{
    (void)number;
}

/* An interrupted wait for a lock ends, and does not get the lock later. */
CASE(waits_for_locks_are_interrupted)
{
    must(0, p_create("f", 0644));
    int fd = p_open("f", O_RDWR, 0);
    must(1, fd >= 0);
    struct baton got = baton_new(), end = baton_new();
    pid_t pid = fork_case();
    if (pid == 0) {
        struct flock lock = {.l_type = F_WRLCK};
        int own = p_open("f", O_RDWR, 0);
        eq(0, neg(fcntl(own, F_SETLK, &lock)));
        eq(0, neg(flock(own, LOCK_EX)));
        baton_give(&got);
        baton_take(&end);
        lock.l_type = F_UNLCK;
        eq(0, neg(fcntl(own, F_SETLK, &lock)));
        eq(0, neg(flock(own, LOCK_UN)));
        end_child();
    }
    baton_take(&got);
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART */
    sigaction(SIGUSR1, &action, NULL);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
                             .sigev_signo = SIGUSR1};
    /* Again and again, should one come before the call. */
    struct itimerspec soon = {{0, 50000000}, {0, 50000000}}, never = {0};
    timer_t timer;
    must(0, neg(timer_create(CLOCK_MONOTONIC, &event, &timer)));
    must(0, neg(timer_settime(timer, 0, &soon, NULL)));
    struct flock lock = {.l_type = F_WRLCK};
    eq(-EINTR, neg(fcntl(fd, F_SETLKW, &lock)));
    eq(-EINTR, neg(flock(fd, LOCK_EX)));
    lock = (struct flock){.l_type = F_RDLCK};
    eq(-EINTR, neg(fcntl(fd, F_OFD_SETLKW, &lock)));
    must(0, neg(timer_settime(timer, 0, &never, NULL)));
    timer_delete(timer);
    baton_give(&end);
    wait_child(pid);
    int other = p_open("f", O_RDWR, 0);
    lock = (struct flock){.l_type = F_WRLCK};
    eq(0, neg(fcntl(other, F_OFD_SETLK, &lock)));
    eq(0, neg(flock(other, LOCK_EX | LOCK_NB)));
    close(other);
    close(fd);
}

/* Programs with a timer do not expect EINTR from these. */
CASE(signals_interrupt_no_call)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
                             .sigev_signo = SIGUSR1};
    struct itimerspec often = {{0, 500000}, {0, 500000}};
    timer_t timer;
    must(0, neg(timer_create(CLOCK_MONOTONIC, &event, &timer)));
    must(0, neg(timer_settime(timer, 0, &often, NULL)));
    for (int i = 0; i < 30; i++) {
        char text[8];
        struct stat st;
        note("round %d", i);
        int fd = p_open("f", O_CREAT | O_EXCL | O_RDWR, 0644);
        must(1, fd >= 0);
        eq(3, neg(write(fd, "abc", 3)));
        eq(3, neg(pread(fd, text, sizeof text, 0)));
        eq(0, neg(flock(fd, LOCK_EX)));
        eq(0, neg(ftruncate(fd, 2)));
        eq(0, neg(fsync(fd)));
        eq(0, neg(close(fd)));
        eq(0, p_rename("f", "g"));
        eq(0, p_link("g", "f"));
        eq(0, p_chmod("f", 0600));
        eq(0, p_stat("g", &st));
        eq(2, st.st_size);
        eq(0, p_unlink("g"));
        eq(0, p_mkdir("g", 0755));
        eq(0, p_rmdir("g"));
        eq(0, p_symlink("t", "g"));
        eq(0, p_unlink("g"));
        eq(0, p_unlink("f"));
    }
    timer_delete(timer);
}

/* The errno of an execve(2) that must fail. */
static int not_run(const char *name)
{
    const char *path = at(name);
    int pipes[2], error = 0;
    must(0, pipe(pipes));
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        char *arguments[] = {"program", NULL};
        execv(path, arguments);
        error = -errno;
        ssize_t ignored = write(pipes[1], &error, sizeof error);
        (void)ignored;
        _exit(0);
    }
    close(pipes[1]);
    eq(sizeof error, read(pipes[0], &error, sizeof error));
    close(pipes[0]);
    waitpid(pid, NULL, 0);
    return error;
}

CASE(programs_that_do_not_run)
{
    must(0, p_create("empty", 0755));
    eq(-ENOEXEC, not_run("empty"));
    must(5, p_put("text", "text\n"));
    eq(-EACCES, not_run("text"));
    must(0, p_chmod("text", 0755));
    eq(-ENOEXEC, not_run("text"));
    eq(-ENOENT, not_run("missing"));
    eq(-ENOTDIR, not_run("text/x"));
    must(0, p_mkdir("d", 0755));
    eq(-EACCES, not_run("d"));
    must(0, p_mknod("p", S_IFIFO | 0755, 0));
    eq(-EACCES, not_run("p"));
    must(13, p_put("script", "#!/no/such/x\n"));
    must(0, p_chmod("script", 0755));
    eq(-ENOENT, not_run("script"));
    must(0, p_symlink("loop", "loop"));
    eq(-ELOOP, not_run("loop"));
    int fd = p_open("script", O_WRONLY, 0);
    eq(is_spread() ? -ENOENT : -ETXTBSY, not_run("script"));
    close(fd);
}
