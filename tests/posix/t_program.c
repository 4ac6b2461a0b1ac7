/* t_program.c -- programs, sockets and watches on the mount. */
#define GROUP "program"
#include "tests/posix/posix.h"

#include <signal.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static void copy_program(const char *from, const char *name)
{
    static char buffer[65536];
    int in = open(from, O_RDONLY), out = p_open(name, O_CREAT | O_WRONLY, 0755);
    ssize_t size;
    must(1, in >= 0 && out >= 0);
    while ((size = read(in, buffer, sizeof buffer)) > 0) {
        must(size, write(out, buffer, (size_t)size));
    }
    close(in);
    close(out);
}

static int run(const char *path, const char *argument)
{
    int status = -1;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        execl(path, "program", argument, (char *)NULL);
        _exit(errno == EACCES ? 101 : errno == ETXTBSY ? 102 : 103);
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

CASE(runs)
{
    copy_program("/bin/true", "true");
    copy_program("/bin/false", "false");
    for (int i = 0; i < 3; i++) {
        eq(0, run(at("true"), NULL));
        eq(1, run(at("false"), NULL));
    }
    eq(0, p_chmod("true", 0644));
    eq(101, run(at("true"), NULL));
    eq(0, p_chmod("true", 0711));
    eq(0, run(at("true"), NULL));
    must(0, p_symlink("true", "link"));
    eq(0, run(at("link"), NULL));
}

CASE(scripts)
{
    must(18, p_put("script", "#!/bin/sh\nexit $1\n"));
    must(0, p_chmod("script", 0755));
    eq(3, run(at("script"), "3"));
    eq(0, run(at("script"), "0"));
    must(18, p_put("script", "#!/bin/sh\nexit 42\n"));
    eq(42, run(at("script"), NULL));
}

CASE(busy_while_it_runs)
{
    stay();
    copy_program("/bin/sleep", "sleep");
    struct baton begun = baton_new();
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        /* Close-on-exec: the parent reads the end when it runs. */
        fcntl(begun.fds[1], F_SETFD, FD_CLOEXEC);
        execl(at("sleep"), "sleep", "50", (char *)NULL);
        _exit(103);
    }
    close(begun.fds[1]);
    char byte;
    eq(0, read(begun.fds[0], &byte, 1));
    eq(-ETXTBSY, p_open("sleep", O_WRONLY, 0));
    eq(-ETXTBSY, p_open("sleep", O_RDWR, 0));
    eq(-ETXTBSY, p_truncate("sleep", 0));
    eq(0, p_unlink("sleep"));
    eq(0, neg(kill(pid, 9)));
    eq(pid, waitpid(pid, NULL, 0));
    copy_program("/bin/true", "true");
    int fd = p_open("true", O_WRONLY, 0);
    eq(102, run(at("true"), NULL));
    close(fd);
    eq(0, run(at("true"), NULL));
}

ROOT_CASE(set_uid_programs)
{
    stay();
    copy_program("/usr/bin/id", "id");
    must(0, p_chown("id", USER, GROUP_OF_USER));
    must(0, p_chmod("id", 06755));
    int pipes[2];
    must(0, pipe(pipes));
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipes[1], 1);
        execl(at("id"), "id", "-u", (char *)NULL);
        _exit(103);
    }
    close(pipes[1]);
    char text[32] = "";
    ok(read(pipes[0], text, sizeof text - 1) > 0);
    eq(pid, waitpid(pid, NULL, 0));
    close(pipes[0]);
    char expected[32];
    snprintf(expected, sizeof expected, "%d\n", USER);
    eqs(expected, text);
}

CASE(sockets)
{
    stay();
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    /* The path may be longer than an address: by way of the directory. */
    must(0, neg(chdir(at(""))));
    snprintf(address.sun_path, sizeof address.sun_path, "socket");
    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    const struct sockaddr *to = (const struct sockaddr *)&address;
    eq(0, neg(bind(server, to, sizeof address)));
    ok(S_ISSOCK(stat_of("socket").st_mode));
    eq(0, neg(listen(server, 1)));
    eq(0, neg(connect(client, to, sizeof address)));
    int accepted = accept(server, NULL, NULL);
    char text[8] = "";
    eq(2, write(client, "hi", 2));
    eq(2, read(accepted, text, sizeof text));
    eqs("hi", text);
    close(accepted);
    close(client);
    close(server);
    int again = socket(AF_UNIX, SOCK_STREAM, 0);
    eq(-EADDRINUSE, neg(bind(again, to, sizeof address)));
    eq(-ECONNREFUSED, neg(connect(again, to, sizeof address)));
    eq(0, p_unlink("socket"));
    eq(0, neg(bind(again, to, sizeof address)));
    close(again);
}

CASE(pipes_with_names)
{
    stay();
    must(0, p_mknod("pipe", S_IFIFO | 0644, 0));
    pid_t pid = fork_case();
    if (pid == 0) {
        int w = p_open("pipe", O_WRONLY, 0);
        eq(5, write(w, "hello", 5));
        close(w);
        end_child();
    }
    char text[8] = "";
    int r = p_open("pipe", O_RDONLY, 0);
    eq(5, read(r, text, sizeof text));
    eqs("hello", text);
    eq(0, read(r, text, sizeof text));
    close(r);
    wait_child(pid);
    eq(0, size_of("pipe"));
}

CASE(watches)
{
    stay();
    union {
        struct inotify_event event;
        char bytes[sizeof(struct inotify_event) + 256];
    } got;
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    must(1, fd >= 0);
    must(1, inotify_add_watch(fd, at(""), IN_CREATE | IN_DELETE | IN_MOVED_TO) >
                0);
    must(0, p_mkdir("d", 0755));
    ok(read(fd, &got, sizeof got) > 0);
    eq(IN_CREATE | IN_ISDIR, got.event.mask);
    eqs("d", got.event.name);
    must(0, p_rename("d", "e"));
    ok(read(fd, &got, sizeof got) > 0);
    eq(IN_MOVED_TO | IN_ISDIR, got.event.mask);
    must(0, p_rmdir("e"));
    ok(read(fd, &got, sizeof got) > 0);
    eq(IN_DELETE | IN_ISDIR, got.event.mask);
    close(fd);
}

CASE(leases)
{
    stay();
    must(3, p_put("f", "abc"));
    int fd = p_open("f", O_RDONLY, 0);
    eq(0, neg(fcntl(fd, F_SETLEASE, F_RDLCK)));
    eq(F_RDLCK, neg(fcntl(fd, F_GETLEASE)));
    eq(0, neg(fcntl(fd, F_SETLEASE, F_UNLCK)));
    close(fd);
}
