/* t_unlinked.c -- files that are open while their names go. */
#define GROUP "unlinked"
#include "tests/posix/posix.h"

#include <sys/xattr.h>

CASE(lives_on)
{
    must(5, p_put("f", "abcde"));
    int fd = p_open("f", O_RDWR, 0);
    must(1, fd >= 0);
    eq(0, p_unlink("f"));
    eq(false, exists("f"));
    struct stat st;
    char text[16] = "";
    eq(0, neg(fstat(fd, &st)));
    eq(0, st.st_nlink);
    eq(5, st.st_size);
    eq(5, pread(fd, text, sizeof text, 0));
    eqm("abcde", text, 5);
    eq(5, pwrite(fd, "fghij", 5, 5));
    eq(10, pread(fd, text, sizeof text, 0));
    eqm("abcdefghij", text, 10);
    eq(0, neg(ftruncate(fd, 3)));
    eq(0, neg(fchmod(fd, 0600)));
    eq(0, neg(futimens(fd, NULL)));
    eq(0, neg(fsetxattr(fd, "user.a", "x", 1, 0)));
    eq(0, neg(fsync(fd)));
    eq(0, neg(fallocate(fd, 0, 0, 100)));
    eq(0, neg(fstat(fd, &st)));
    eq(100, st.st_size);
    eq(S_IFREG | 0600, st.st_mode);
    close(fd);
}

CASE(opened_by_all)
{
    int fds[6];
    must(5, p_put("f", "abcde"));
    for (int i = 0; i < 6; i++) {
        fds[i] = p_open("f", O_RDWR, 0);
        must(1, fds[i] >= 0);
    }
    eq(0, p_unlink("f"));
    for (int i = 0; i < 6; i++) {
        char byte = (char)('0' + i), text[16] = "";
        note("descriptor %d", i);
        eq(1, pwrite(fds[i], &byte, 1, i));
        for (int j = i; j < 6; j++) {
            ok(pread(fds[j], text, sizeof text, 0) >= 5);
            eq(byte, text[i]);
        }
        close(fds[i]);
    }
}

CASE(name_is_free_at_once)
{
    must(5, p_put("f", "first"));
    int fd = p_open("f", O_RDONLY, 0);
    ino_t first = stat_of("f").st_ino;
    for (int i = 0; i < 10; i++) {
        note("round %d", i);
        eq(0, p_unlink("f"));
        eq(6, p_put("f", "second"));
        ok(stat_of("f").st_ino != first);
    }
    char text[8] = "";
    eq(5, read(fd, text, sizeof text));
    eqs("first", text);
    close(fd);
}

CASE(replaced_by_rename)
{
    must(3, p_put("old", "old"));
    int fd = p_open("old", O_RDWR, 0);
    must(3, p_put("new", "new"));
    int other = p_open("new", O_RDONLY, 0);
    eq(0, p_rename("new", "old"));
    char text[8] = "";
    eq(3, pread(fd, text, sizeof text, 0));
    eqs("old", text);
    eq(3, pread(other, text, sizeof text, 0));
    eqs("new", text);
    eq(3, p_read("old", text, sizeof text));
    eqs("new", text);
    struct stat st;
    eq(0, neg(fstat(fd, &st)));
    eq(0, st.st_nlink);
    eq(0, neg(fstat(other, &st)));
    eq(1, st.st_nlink);
    close(fd);
    close(other);
}

CASE(inherited_by_a_child)
{
    must(5, p_put("f", "abcde"));
    int fd = p_open("f", O_RDWR, 0);
    struct baton gone = baton_new();
    pid_t pid = fork_case();
    if (pid == 0) {
        char text[8] = "";
        baton_take(&gone);
        eq(5, pread(fd, text, sizeof text, 0));
        eqs("abcde", text);
        end_child();
    }
    eq(0, p_unlink("f"));
    close(fd);
    baton_give(&gone);
    wait_child(pid);
}

CASE(directory_with_open_files)
{
    must(0, p_mkdir("d", 0755));
    must(5, p_put("d/f", "abcde"));
    int fd = p_open("d/f", O_RDWR, 0), dir = p_open("d", O_RDONLY, 0);
    eq(0, p_unlink("d/f"));
    eq(0, p_rmdir("d"));
    char text[8] = "";
    eq(5, pread(fd, text, sizeof text, 0));
    eq(-ENOENT, neg(openat(dir, "f", O_RDONLY)));
    eq(0, p_mkdir("d", 0755));
    eq(-ENOENT, neg(openat(dir, "f", O_CREAT | O_WRONLY, 0644)));
    eq(0, p_rmdir("d"));
    close(fd);
    close(dir);
}

CASE(by_o_path)
{
    must(5, p_put("f", "abcde"));
    int fd = p_open("f", O_PATH, 0);
    must(1, fd >= 0);
    eq(0, p_unlink("f"));
    struct stat st;
    eq(0, neg(fstat(fd, &st)));
    eq(0, st.st_nlink);
    eq(5, st.st_size);
    close(fd);
}

CASE(temporary_files)
{
    for (int i = 0; i < 30; i++) {
        char name[16], text[8] = "";
        snprintf(name, sizeof name, "t%d", i);
        int fd = p_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
        must(1, fd >= 0);
        eq(0, p_unlink(name));
        eq(5, write(fd, "abcde", 5));
        eq(5, pread(fd, text, sizeof text, 0));
        eqs("abcde", text);
        close(fd);
    }
}

CASE(blocks_come_back)
{
    static char data[262144];
    must(262144, p_write("f", data, sizeof data));
    int fd = p_open("f", O_RDWR, 0);
    eq(0, p_unlink("f"));
    eq(0, neg(ftruncate(fd, 0)));
    eq(0, neg(fsync(fd)));
    struct stat st;
    eq(0, neg(fstat(fd, &st)));
    eq(0, st.st_blocks);
    close(fd);
}
