/* t_mount.c -- mounts on and of the tree: names that are mount points, and
 * trees that are mounted read-only, without programs or without devices. */
#define GROUP "mount"
#include "tests/posix/posix.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

static bool alone(void)
{
    return unshare(CLONE_NEWNS) == 0 &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* Containers may not have mounts of their own. */
static bool allowed(void)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        _exit(alone() ? 0 : 1);
    }
    return waitpid(pid, &status, 0) == pid && status == 0;
}

/* As fork_case(); the child has mounts of its own. */
static pid_t begin(void)
{
    pid_t pid = fork_case();
    if (pid == 0) {
        stay();
        must(true, alone());
    }
    return pid;
}

static void bind(const char *from, const char *to)
{
    must(0, neg(mount(at(from), same(to), NULL, MS_BIND, NULL)));
}

static void again(const char *name, unsigned long flags)
{
    must(0,
         neg(mount(NULL, at(name), NULL, MS_BIND | MS_REMOUNT | flags, NULL)));
}

ROOT_CASE(points)
{
    if (!allowed()) {
        return;
    }
    pid_t pid = begin();
    if (pid == 0) {
        must(0, p_mkdir("d", 0755));
        must(0, p_mkdir("on", 0755));
        must(0, p_mkdir("free", 0755));
        must(3, p_put("f", "abc"));
        must(0, p_create("file on", 0644));
        must(0, p_create("file", 0644));
        bind("d", "on");
        bind("f", "file on");
        eq(stat_of("d").st_ino, stat_of("on").st_ino);
        eq(3, size_of("file on"));
        eq(-EBUSY, p_rmdir("on"));
        eq(-EBUSY, p_rename("on", "x"));
        eq(-EBUSY, p_rename("free", "on"));
        eq(-EBUSY, p_rename2("free", "on", RENAME_EXCHANGE));
        eq(-EBUSY, p_unlink("file on"));
        eq(-EBUSY, p_rename("file on", "x"));
        eq(-EBUSY, p_rename("file", "file on"));
        /* One filesystem, but two mounts. */
        must(0, p_create("on/inside", 0644));
        eq(true, exists("d/inside"));
        eq(-EXDEV, p_rename("on/inside", "x"));
        eq(-EXDEV, p_link("on/inside", "x"));
        eq(-EXDEV, p_rename("on/inside", "d/inside"));
        eq(0, p_rename("d/inside", "d/other"));
        eq(true, exists("on/other"));
        eq(0, p_write("file on", "defgh", 5) == 5 ? 0 : -1);
        eq(5, size_of("f"));
        must(0, neg(umount(at("on"))));
        must(0, neg(umount(at("file on"))));
        eq(0, size_of("file on"));
        eq(0, p_rmdir("on"));
        eq(0, p_unlink("file on"));
        end_child();
    }
    wait_child(pid);
}

/* Others may remove what is a mount point only here. */
ROOT_CASE(a_point_is_removed_elsewhere)
{
    if (!allowed()) {
        return;
    }
    struct baton mounted = baton_new(), removed = baton_new();
    must(0, p_mkdir("d", 0755));
    must(0, p_mkdir("d/on", 0755));
    must(0, p_create("d/inside", 0644));
    pid_t pid = begin();
    if (pid == 0) {
        bind("d", "d/on");
        baton_give(&mounted);
        baton_take(&removed);
        eq(false, exists("d/on"));
        eq(true, exists("d/inside"));
        end_child();
    }
    baton_take(&mounted);
    eq(0, p_rmdir("d/on"));
    baton_give(&removed);
    wait_child(pid);
}

ROOT_CASE(read_only)
{
    if (!allowed()) {
        return;
    }
    pid_t pid = begin();
    if (pid == 0) {
        must(0, p_mkdir("d", 0755));
        must(3, p_put("d/f", "abc"));
        must(0, p_mkdir("d/e", 0755));
        must(0, p_mknod("d/p", S_IFIFO | 0644, 0));
        must(0, p_mknod("d/null", S_IFCHR | 0666, makedev(1, 3)));
        must(0, p_symlink("f", "d/l"));
        bind("d", "d");
        again("d", MS_RDONLY);
        struct stat st = noted("d/f"), up = noted("d");
        eq(-EROFS, p_open("d/f", O_WRONLY, 0));
        eq(-EROFS, p_open("d/f", O_RDWR, 0));
        eq(-EROFS, p_open("d/f", O_RDONLY | O_TRUNC, 0));
        eq(-EROFS, p_open("d/l", O_WRONLY, 0));
        eq(-EROFS, p_open("d/new", O_RDWR | O_CREAT, 0644));
        eq(-EROFS, p_open("d", O_TMPFILE | O_RDWR, 0644));
        eq(-EEXIST, p_open("d/f", O_RDWR | O_CREAT | O_EXCL, 0644));
        int fd = p_open("d/f", O_RDONLY | O_CREAT, 0644);
        must(1, fd >= 0);
        eq(-EROFS, neg(fchmod(fd, 0600)));
        eq(-EROFS, neg(fchown(fd, 1, 1)));
        eq(-EROFS, neg(futimens(fd, NULL)));
        eq(-EROFS, neg(fsetxattr(fd, "user.x", "x", 1, 0)));
        close(fd);
        eq(-EROFS, p_truncate("d/f", 0));
        eq(-EROFS, p_chmod("d/f", 0600));
        eq(-EROFS, p_chown("d/f", 1, 1));
        eq(-EROFS, p_lchown("d/l", 1, 1));
        eq(-EROFS, p_utimens("d/f", NULL, 0));
        eq(-EROFS, p_mkdir("d/new", 0755));
        eq(-EEXIST, p_mkdir("d/e", 0755));
        eq(-EROFS, p_rmdir("d/e"));
        eq(-EROFS, p_rmdir("d/missing"));
        eq(-EROFS, p_unlink("d/f"));
        eq(-EROFS, p_symlink("t", "d/new"));
        eq(-EROFS, p_mknod("d/new", S_IFIFO | 0644, 0));
        eq(-EROFS, p_link("d/f", "d/new"));
        eq(-EROFS, p_rename("d/f", "d/new"));
        eq(-EROFS, neg(setxattr(at("d/f"), "user.x", "x", 1, 0)));
        eq(-EROFS, neg(removexattr(at("d/f"), "user.x")));
        eq(-EROFS, p_access("d/f", W_OK));
        eq(0, p_access("d/f", R_OK));
        eq(0, p_access("d/p", W_OK)); /* not of the filesystem */
        fd = p_open("d/p", O_RDWR, 0);
        ok(fd >= 0);
        close(fd);
        fd = p_open("d/null", O_WRONLY, 0);
        eq(1, neg(write(fd, "x", 1)));
        close(fd);
        char text[8];
        eq(3, p_read("d/f", text, sizeof text));
        eq(0, moved("d/f", &st) & MC);
        eq(0, moved("d", &up) & MC);
        again("d", 0);
        eq(0, p_unlink("d/f"));
        end_child();
    }
    wait_child(pid);
}

/* Not while somebody writes. */
ROOT_CASE(busy_for_read_only)
{
    if (!allowed()) {
        return;
    }
    pid_t pid = begin();
    if (pid == 0) {
        must(0, p_mkdir("d", 0755));
        bind("d", "d");
        int fd = p_open("d/f", O_CREAT | O_RDWR, 0644);
        must(1, fd >= 0);
        eq(-EBUSY, neg(mount(NULL, at("d"), NULL,
                             MS_BIND | MS_REMOUNT | MS_RDONLY, NULL)));
        eq(-EBUSY, neg(umount(at("d"))));
        eq(3, write(fd, "abc", 3));
        close(fd);
        again("d", MS_RDONLY);
        eq(0, neg(umount(at("d"))));
        eq(3, size_of("d/f"));
        end_child();
    }
    wait_child(pid);
}

ROOT_CASE(without_programs_and_devices)
{
    if (!allowed()) {
        return;
    }
    pid_t pid = begin();
    if (pid == 0) {
        must(0, p_mkdir("d", 0755));
        must(18, p_put("d/x", "#!/bin/sh\nexit 0\n\n"));
        must(0, p_chmod("d/x", 0755));
        must(0, p_mknod("d/null", S_IFCHR | 0666, makedev(1, 3)));
        bind("d", "d");
        again("d", MS_NOEXEC | MS_NODEV);
        char *arguments[] = {"x", NULL};
        eq(-EACCES, neg(execv(at("d/x"), arguments)));
        eq(-EACCES, p_access("d/x", X_OK));
        int fd = p_open("d/x", O_RDONLY, 0);
        ok(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) ==
           MAP_FAILED);
        eq(EPERM, errno);
        close(fd);
        eq(-EACCES, p_open("d/null", O_WRONLY, 0));
        end_child();
    }
    wait_child(pid);
}
