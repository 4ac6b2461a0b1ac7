/* locker.c -- fcntl(2) and flock(2) locks for the tests.
 *
 * locker count FILE TIMES   adds 1 to the number in FILE, so often, each time
 *                           under an fcntl(2) lock; a lock that fails for want
 *                           of a leader is asked for again
 * locker hold FILE [flock]  locks it all, says "held", and waits to be killed;
 *                           at each SIGUSR1 tries to change it, and says how
 * locker wait FILE [flock]  waits for it; says "got" or the error. A SIGUSR1
 *                           interrupts
 * locker test FILE          says whether a lock for writing would be granted
 * locker deadlock FILE1 FILE2  locks the first, says "held", and after a SIGUSR1
 *                           waits for the second; says "got" or the error
 * locker split FILE         takes parts of a lock away; says what is left free
 */
#define _GNU_SOURCE /* strerrorname_np() */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int say(const char *text)
{
    puts(text);
    fflush(stdout);
    return 0;
}

static int say_error(const char *what)
{
    printf("%s: %s\n", what, strerrorname_np(errno));
    fflush(stdout);
    return 1;
}

static int lock_range(int fd, int command, short type, off_t start, off_t size)
{
    struct flock lock = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = size};
    return fcntl(fd, command, &lock);
}

static int lock_all(int fd, int with_flock)
{
    return with_flock ? flock(fd, LOCK_EX)
                      : lock_range(fd, F_SETLKW, F_WRLCK, 0, 0);
}

static int add_one(int fd)
{
    char text[32] = "";
    if (pread(fd, text, sizeof(text) - 1, 0) < 0) {
        return -1;
    }
    int size = snprintf(text, sizeof(text), "%ld\n", strtol(text, NULL, 10) + 1);
    return pwrite(fd, text, (size_t)size, 0) == size ? 0 : -1;
}

static int count(const char *path, long times)
{
    int fd = open(path, O_RDWR);
    while (fd >= 0 && times > 0) {
        if (lock_all(fd, 0) < 0) {
            if (errno != EROFS && errno != ETIMEDOUT) {
                return say_error("lock");
            }
            continue;
        }
        if (add_one(fd) < 0) {
            return say_error("write");
        }
        if (lock_range(fd, F_SETLK, F_UNLCK, 0, 0) < 0) {
            return say_error("unlock");
        }
        times--;
    }
    return fd < 0 ? say_error("open") : 0;
}

static void nothing(int number)
{
    (void)number;
}

static int hold(int fd, int with_flock)
{
    if (lock_all(fd, with_flock) < 0) {
        return say_error("lock");
    }
    say("held");
    for (;;) {
        pause();
        if (pwrite(fd, "late\n", 5, 0) == 5) {
            say("wrote");
        } else {
            say_error("write");
        }
        if (ftruncate(fd, 1000) == 0) {
            say("cut");
        } else {
            say_error("ftruncate");
        }
        if (fallocate(fd, 0, 0, 1000) == 0) {
            say("allocated");
        } else {
            say_error("fallocate");
        }
    }
}

static int deadlock(int fd, const char *other)
{
    int second = open(other, O_RDWR);
    if (lock_all(fd, 0) < 0) {
        return say_error("lock");
    }
    say("held");
    pause();
    return lock_all(second, 0) < 0 ? say_error("lock") : say("got");
}

/* From another process: one's own locks never stand in one's way. */
static int is_free(int fd, off_t start, off_t size)
{
    struct flock lock = {.l_type = F_WRLCK,
                         .l_whence = SEEK_SET,
                         .l_start = start,
                         .l_len = size};
    return fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
}

static int split(int fd)
{
    if (lock_range(fd, F_SETLK, F_WRLCK, 0, 0) < 0 ||
        lock_range(fd, F_SETLK, F_UNLCK, 10, 10) < 0 ||
        lock_range(fd, F_SETLK, F_RDLCK, 30, 10) < 0) {
        return say_error("lock");
    }
    say("held");
    pause();
    return 0;
}

static int probe(int fd)
{
    printf("0-9 %d, 10-19 %d, 20- %d\n", is_free(fd, 0, 10),
           is_free(fd, 10, 10), is_free(fd, 20, 0));
    return 0;
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = nothing};
    if (argc < 3) {
        return 100;
    }
    sigaction(SIGUSR1, &action, NULL); /* without SA_RESTART */
    if (strcmp(argv[1], "count") == 0) {
        return count(argv[2], strtol(argv[3], NULL, 10));
    }
    int fd = open(argv[2], O_RDWR);
    int with_flock = argc > 3 && strcmp(argv[3], "flock") == 0;
    if (fd < 0) {
        return say_error("open");
    }
    if (strcmp(argv[1], "hold") == 0) {
        return hold(fd, with_flock);
    }
    if (strcmp(argv[1], "wait") == 0) {
        return lock_all(fd, with_flock) < 0 ? say_error("lock") : say("got");
    }
    if (strcmp(argv[1], "deadlock") == 0) {
        return deadlock(fd, argv[3]);
    }
    if (strcmp(argv[1], "split") == 0) {
        return split(fd);
    }
    return probe(fd);
}
