/* t_open.c -- open(2): flags, modes, permissions. */
#define GROUP "open"
#include "tests/posix/posix.h"

#include <sys/statvfs.h>

CASE(makes_a_file)
{
    struct stat up = noted("");
    int fd = p_open("file", O_CREAT | O_WRONLY, 0640);
    must(1, fd >= 0);
    struct stat st, seen;
    eq(0, fstat(fd, &st));
    eq(0, p_stat("file", &seen));
    eq(st.st_ino, seen.st_ino);
    eq(S_IFREG | 0640, seen.st_mode);
    eq(0, seen.st_size);
    eq(0, seen.st_blocks);
    eq(1, seen.st_nlink);
    eq(geteuid(), seen.st_uid);
    eq(getegid(), seen.st_gid);
    eq(MC, moved("", &up) & MC);
    eq(0, compare_times(seen.st_mtim, seen.st_ctim));
    eq(0, compare_times(seen.st_atim, seen.st_ctim));
    close(fd);
}

CASE(mode_and_umask)
{
    static const mode_t modes[] = {0,    0777, 0644,  0400, 0751,
                                   0200, 0111, 07777, 01644};
    static const mode_t masks[] = {0, 022, 0151};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        for (size_t j = 0; j < sizeof masks / sizeof *masks; j++) {
            note("mode %o umask %o", modes[i], masks[j]);
            umask(masks[j]);
            int fd = p_open("file", O_CREAT | O_EXCL | O_RDWR, modes[i]);
            eq(1, fd >= 0);
            eq(modes[i] & ~masks[j], mode_of("file"));
            eq(1, write(fd, "x", 1)); /* whatever the mode is */
            close(fd);
            eq(0, p_unlink("file"));
        }
    }
    umask(0);
}

CASE(existing_file_is_not_changed_by_o_creat)
{
    must(0, p_create("file", 0600));
    struct stat st = noted("file"), up = noted("");
    int fd = p_open("file", O_CREAT | O_RDWR, 0777);
    must(1, fd >= 0);
    eq(0600, mode_of("file"));
    eq(0, moved("file", &st) & MC);
    eq(0, moved("", &up) & MC);
    close(fd);
}

CASE(o_trunc)
{
    must(3, p_put("file", "abc"));
    struct stat st = noted("file");
    int fd = p_open("file", O_WRONLY | O_TRUNC, 0);
    must(1, fd >= 0);
    eq(0, size_of("file"));
    eq(MC, moved("file", &st) & MC);
    eq(0, stat_of("file").st_blocks);
    close(fd);
    st = noted("file");
    fd = p_open("file", O_WRONLY | O_TRUNC, 0); /* empty already */
    eq(MC, moved("file", &st) & MC);
    close(fd);
    must(3, p_put("file", "abc"));
    fd = p_open("file", O_WRONLY | O_TRUNC | O_CREAT, 0777);
    eq(0, size_of("file"));
    close(fd);
    must(3, p_put("file", "abc"));
    fd = p_open("file", O_WRONLY, 0);
    eq(3, size_of("file"));
    int other = p_open("file", O_WRONLY | O_TRUNC, 0);
    eq(1, pwrite(fd, "x", 1, 5));
    eq(6, size_of("file"));
    char text[8];
    eq(6, p_read("file", text, sizeof text));
    eqm("\0\0\0\0\0x", text, 6);
    close(fd);
    close(other);
}

CASE(o_excl)
{
    static const char types[] = "fdpsl";
    for (const char *type = types; *type != '\0'; type++) {
        char name[] = {*type, '\0'};
        must(0, p_make(*type, name, 0644));
        struct stat st = noted(name);
        note("type %c", *type);
        eq(-EEXIST, p_open(name, O_CREAT | O_EXCL | O_RDWR, 0644));
        eq(-EEXIST, p_open(name, O_CREAT | O_EXCL | O_RDONLY, 0644));
        eq(-EEXIST, p_open(name, O_CREAT | O_EXCL | O_WRONLY | O_TRUNC, 0644));
        eq(0, moved(name, &st) & MC);
    }
}

CASE(o_creat_through_a_dangling_link)
{
    must(0, p_mkdir("d", 0755));
    must(0, p_symlink("d/new", "link"));
    eq(-ENOENT, p_open("link", O_RDONLY, 0));
    eq(-EEXIST, p_open("link", O_CREAT | O_EXCL | O_RDONLY, 0644));
    int fd = p_open("link", O_CREAT | O_WRONLY, 0644);
    ok(fd >= 0);
    close(fd);
    ok(S_ISREG(stat_of("d/new").st_mode));
    ok(S_ISLNK(stat_of("link").st_mode));
}

CASE(directories)
{
    must(0, p_mkdir("d", 0755));
    eq(-EISDIR, p_open("d", O_WRONLY, 0));
    eq(-EISDIR, p_open("d", O_RDWR, 0));
    eq(-EISDIR, p_open("d", O_RDONLY | O_TRUNC, 0));
    eq(-EISDIR, p_open("d", O_CREAT | O_RDONLY, 0644));
    eq(-EISDIR, p_open("d", O_CREAT | O_RDWR, 0644));
    eq(-EINVAL, p_open("d", O_CREAT | O_DIRECTORY, 0644));
    int fd = p_open("d", O_RDONLY, 0);
    must(1, fd >= 0);
    char byte;
    eq(-EISDIR, neg(read(fd, &byte, 1)));
    eq(-EBADF, neg(write(fd, "x", 1)));
    ok(neg(ftruncate(fd, 0)) == -EINVAL);
    eq(0, neg(fsync(fd)));
    eq(0, neg(fchmod(fd, 0700)));
    eq(0700, mode_of("d"));
    close(fd);
    fd = p_open("d", O_RDONLY | O_DIRECTORY, 0);
    ok(fd >= 0);
    close(fd);
}

CASE(o_directory)
{
    static const char types[] = "fps";
    for (const char *type = types; *type != '\0'; type++) {
        char name[] = {*type, '\0'};
        must(0, p_make(*type, name, 0644));
        note("type %c", *type);
        eq(-ENOTDIR, p_open(name, O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0));
        eq(-ENOTDIR, p_open(name, O_PATH | O_DIRECTORY, 0));
    }
    eq(-ENOENT, p_open("missing", O_RDONLY | O_DIRECTORY, 0));
    must(0, p_symlink("f", "l"));
    eq(-ENOTDIR, p_open("l", O_RDONLY | O_DIRECTORY, 0));
}

CASE(o_nofollow)
{
    must(0, p_create("file", 0644));
    must(0, p_symlink("file", "link"));
    eq(-ELOOP, p_open("link", O_RDONLY | O_NOFOLLOW, 0));
    eq(-ELOOP, p_open("link", O_WRONLY | O_NOFOLLOW | O_CREAT, 0644));
    eq(-ENOTDIR, p_open("link", O_RDONLY | O_NOFOLLOW | O_DIRECTORY, 0));
    int fd = p_open("file", O_RDONLY | O_NOFOLLOW, 0);
    ok(fd >= 0);
    close(fd);
    fd = p_open("link", O_PATH | O_NOFOLLOW, 0);
    must(1, fd >= 0);
    struct stat st;
    char target[8];
    eq(0, neg(fstat(fd, &st)));
    ok(S_ISLNK(st.st_mode));
    eq(4, neg(readlinkat(fd, "", target, sizeof target)));
    close(fd);
}

CASE(o_path)
{
    must(3, p_put("file", "abc"));
    int fd = p_open("file", O_PATH, 0);
    must(1, fd >= 0);
    char byte;
    struct stat st;
    eq(-EBADF, neg(read(fd, &byte, 1)));
    eq(-EBADF, neg(write(fd, "x", 1)));
    eq(-EBADF, neg(fchmod(fd, 0600)));
    eq(-EBADF, neg(fchown(fd, 0, 0)));
    eq(-EBADF, neg(ftruncate(fd, 0)));
    eq(0, neg(fstat(fd, &st)));
    eq(3, st.st_size);
    eq(0, neg(fstatat(fd, "", &st, AT_EMPTY_PATH)));
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = open(path, O_RDONLY);
    ok(again >= 0);
    eq(1, neg(read(again, &byte, 1)));
    close(again);
    close(fd);
}

CASE(o_append)
{
    must(3, p_put("file", "abc"));
    int fd = p_open("file", O_WRONLY | O_APPEND, 0);
    int other = p_open("file", O_WRONLY | O_APPEND, 0);
    must(1, fd >= 0 && other >= 0);
    eq(2, write(fd, "de", 2));
    eq(1, write(other, "f", 1));
    eq(2, write(fd, "gh", 2));
    eq(0, lseek(fd, 0, SEEK_SET));
    eq(1, write(fd, "i", 1));
    /* Linux appends with pwrite(2) too. */
    eq(1, pwrite(fd, "j", 1, 0));
    char text[16];
    eq(10, p_read("file", text, sizeof text));
    eqm("abcdefghij", text, 10);
    close(fd);
    close(other);
    /* The flag may come later, and go. */
    fd = p_open("file", O_RDWR, 0);
    eq(0, neg(fcntl(fd, F_SETFL, O_APPEND)));
    eq(1, write(fd, "k", 1));
    eq(0, neg(fcntl(fd, F_SETFL, 0)));
    eq(1, pwrite(fd, "A", 1, 0));
    eq(11, p_read("file", text, sizeof text));
    eqm("Abcdefghijk", text, 11);
    eq(11, pread(fd, text, sizeof text, 0));
    eqm("Abcdefghijk", text, 11);
    close(fd);
}

CASE(o_append_moves_the_position)
{
    must(3, p_put("file", "abc"));
    int fd = p_open("file", O_WRONLY | O_APPEND, 0);
    int other = p_open("file", O_WRONLY | O_APPEND, 0);
    must(1, fd >= 0 && other >= 0);
    eq(2, write(fd, "de", 2));
    eq(5, lseek(fd, 0, SEEK_CUR));
    eq(1, write(other, "f", 1));
    eq(2, write(fd, "gh", 2));
    eq(8, lseek(fd, 0, SEEK_CUR));
    eq(8, lseek(fd, 0, SEEK_END));
    close(fd);
    close(other);
}

CASE(o_sync_and_o_dsync)
{
    int fd = p_open("file", O_CREAT | O_RDWR | O_SYNC, 0644);
    must(1, fd >= 0);
    eq(3, write(fd, "abc", 3));
    eq(3, size_of("file"));
    ok((fcntl(fd, F_GETFL) & O_SYNC) == O_SYNC);
    close(fd);
    fd = p_open("file", O_RDWR | O_DSYNC, 0);
    eq(3, write(fd, "def", 3));
    eq(0, neg(fsync(fd)));
    eq(0, neg(fdatasync(fd)));
    close(fd);
}

CASE(o_direct)
{
    static char page[4096] __attribute__((aligned(4096)));
    static char back[4096] __attribute__((aligned(4096)));
    int fd = p_open("file", O_CREAT | O_RDWR | O_DIRECT, 0644);
    must(1, fd >= 0);
    memset(page, 'd', sizeof page);
    eq(4096, write(fd, page, sizeof page));
    eq(4096, size_of("file"));
    eq(4096, pread(fd, back, sizeof back, 0));
    eqm(page, back, sizeof page);
    eq(0, pread(fd, back, sizeof back, 4096));
    /* A reader with pages sees it, and it sees what he writes. */
    int other = p_open("file", O_RDWR, 0);
    eq(4096, pread(other, back, sizeof back, 0));
    eqm(page, back, sizeof page);
    page[100] = 'x';
    eq(1, pwrite(other, "x", 1, 100));
    eq(4096, pread(fd, back, sizeof back, 0));
    eqm(page, back, sizeof page);
    close(fd);
    close(other);
}

ROOT_CASE(o_noatime)
{
    must(3, p_put("file", "abc"));
    struct stat st = noted("file");
    char byte;
    int fd = p_open("file", O_RDONLY | O_NOATIME, 0);
    must(1, fd >= 0);
    eq(1, read(fd, &byte, 1));
    close(fd);
    eq(0, moved("file", &st));
    must(0, p_chmod("file", 0666));
    as(USER, GROUP_OF_USER);
    eq(-EPERM, p_open("file", O_RDONLY | O_NOATIME, 0));
    as_root();
    must(0, p_chown("file", USER, GROUP_OF_USER));
    as(USER, GROUP_OF_USER);
    fd = p_open("file", O_RDONLY | O_NOATIME, 0);
    ok(fd >= 0);
    close(fd);
    as_root();
}

CASE(access_modes)
{
    must(3, p_put("file", "abc"));
    char byte;
    int fd = p_open("file", O_RDONLY, 0);
    eq(-EBADF, neg(write(fd, "x", 1)));
    eq(-EINVAL, neg(ftruncate(fd, 0)));
    eq(1, read(fd, &byte, 1));
    close(fd);
    fd = p_open("file", O_WRONLY, 0);
    eq(-EBADF, neg(read(fd, &byte, 1)));
    eq(-EBADF, neg(pread(fd, &byte, 1, 0)));
    eq(1, write(fd, "x", 1));
    close(fd);
    fd = p_open("file", O_RDWR, 0);
    eq(1, read(fd, &byte, 1));
    eq('x', byte);
    eq(1, write(fd, "y", 1));
    close(fd);
}

ROOT_CASE(permissions_of_the_file)
{
    static const int flags[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC};
    static const int wants[] = {4, 2, 6, 6};
    static const struct {
        uid_t uid;
        gid_t gid;
        int shift;
    } who[] = {{USER, GROUP_OF_USER, 6},
               {USER, GROUP_OF_OTHER, 6},
               {OTHER, GROUP_OF_USER, 3},
               {OTHER, GROUP_OF_OTHER, 0}};
    must(0, p_create("file", 0));
    must(0, p_chown("file", USER, GROUP_OF_USER));
    for (int bits = 0; bits < 8; bits++) {
        for (size_t w = 0; w < 4; w++) {
            /* What the others have must not matter. */
            must(0, p_chmod("file", (0777 & ~(7u << who[w].shift)) |
                                        ((unsigned)bits << who[w].shift)));
            as(who[w].uid, who[w].gid);
            for (size_t f = 0; f < 4; f++) {
                bool allowed = (bits & wants[f]) == wants[f];
                if (f == 3) { /* O_TRUNC needs write, O_RDONLY read */
                    allowed = (bits & 6) == 6;
                }
                int fd = p_open("file", flags[f], 0);
                note("bits %o as %zu flags %o", bits, w, flags[f]);
                eq(allowed ? 0 : -EACCES, fd < 0 ? fd : 0);
                if (fd >= 0) {
                    close(fd);
                }
                fd = p_open("file", flags[f] | O_CREAT, 0777);
                eq(allowed ? 0 : -EACCES, fd < 0 ? fd : 0);
                if (fd >= 0) {
                    close(fd);
                }
            }
            as_root();
        }
    }
    /* Other groups count. */
    must(0, p_chmod("file", 0060));
    gid_t groups[] = {GROUP_OF_OTHER, GROUP_OF_USER};
    as_groups(OTHER, GROUP_OF_OTHER, 2, groups);
    int fd = p_open("file", O_RDWR, 0);
    ok(fd >= 0);
    close(fd);
    as_root();
    must(0, p_chmod("file", 0));
    fd = p_open("file", O_RDWR, 0);
    ok(fd >= 0);
    close(fd);
}

ROOT_CASE(o_trunc_needs_write_permission)
{
    must(3, p_put("file", "abc"));
    must(0, p_chmod("file", 0444));
    as(USER, GROUP_OF_USER);
    eq(-EACCES, p_open("file", O_RDONLY | O_TRUNC, 0));
    eq(3, size_of("file"));
    as_root();
}

CASE(fifo)
{
    stay();
    must(0, p_mknod("fifo", S_IFIFO | 0644, 0));
    eq(-ENXIO, p_open("fifo", O_WRONLY | O_NONBLOCK, 0));
    int r = p_open("fifo", O_RDONLY | O_NONBLOCK, 0);
    ok(r >= 0);
    int w = p_open("fifo", O_WRONLY | O_NONBLOCK, 0);
    ok(w >= 0);
    eq(3, write(w, "abc", 3));
    char text[4];
    eq(3, read(r, text, sizeof text));
    eq(-ESPIPE, neg(lseek(r, 0, SEEK_SET)));
    eq(-EINVAL, neg(ftruncate(w, 0)));
    close(r);
    close(w);
    must(0, p_mknod("socket", S_IFSOCK | 0644, 0));
    eq(-ENXIO, p_open("socket", O_RDONLY, 0));
    eq(-ENXIO, p_open("socket", O_WRONLY, 0));
    eq(-ENXIO, p_open("socket", O_RDWR | O_NONBLOCK, 0));
}

CASE(o_tmpfile)
{
    must(0, p_mkdir("d", 0755));
    struct stat up = noted("d");
    int fd = p_open("d", O_TMPFILE | O_RDWR, 0640);
    must(1, fd >= 0);
    struct stat st;
    eq(0, fstat(fd, &st));
    eq(0, st.st_nlink);
    eq(S_IFREG | 0640, st.st_mode);
    eq(3, write(fd, "abc", 3));
    eq(0, moved("d", &up));
    eq(0, p_rmdir("d"));
    must(0, p_mkdir("d", 0755));
    close(fd);
    fd = p_open("d", O_TMPFILE | O_RDWR, 0600);
    must(1, fd >= 0);
    eq(3, write(fd, "def", 3));
    char path[64], text[8];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    eq(0, neg(linkat(AT_FDCWD, path, AT_FDCWD, same("d/named"),
                     AT_SYMLINK_FOLLOW)));
    eq(1, links_of("d/named"));
    eq(3, p_read("d/named", text, sizeof text));
    eqm("def", text, 3);
    eq(-EEXIST, neg(linkat(AT_FDCWD, path, AT_FDCWD, same("d/named"),
                           AT_SYMLINK_FOLLOW)));
    close(fd);
    eq(3, size_of("d/named"));
    fd = p_open("d", O_TMPFILE | O_RDWR | O_EXCL, 0600);
    must(1, fd >= 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    eq(-ENOENT, neg(linkat(AT_FDCWD, path, AT_FDCWD, same("d/excl"),
                           AT_SYMLINK_FOLLOW)));
    close(fd);
    eq(-EINVAL, p_open("d", O_TMPFILE | O_RDONLY, 0600));
    eq(-ENOTDIR, p_open("d/named", O_TMPFILE | O_RDWR, 0600));
    eq(-ENOENT, p_open("missing", O_TMPFILE | O_RDWR, 0600));
}

ROOT_CASE(o_tmpfile_needs_write_permission)
{
    must(0, p_mkdir("d", 0755));
    as(USER, GROUP_OF_USER);
    eq(-EACCES, p_open("d", O_TMPFILE | O_RDWR, 0600));
    as_root();
    must(0, p_chmod("d", 02777));
    must(0, p_chown("d", 0, GROUP_OF_OTHER));
    must(0, p_chmod("d", 02777));
    as(USER, GROUP_OF_USER);
    umask(027);
    int fd = p_open("d", O_TMPFILE | O_RDWR, 0666);
    umask(0);
    as_root();
    must(1, fd >= 0);
    struct stat st;
    eq(0, fstat(fd, &st));
    eq(USER, st.st_uid);
    eq(GROUP_OF_OTHER, st.st_gid);
    eq(S_IFREG | 0640, st.st_mode);
    close(fd);
}

CASE(opened_many_times)
{
    int fds[200];
    must(3, p_put("file", "abc"));
    for (int i = 0; i < 200; i++) {
        fds[i] = p_open("file", O_RDWR, 0);
        ok(fds[i] >= 0);
    }
    eq(1, pwrite(fds[0], "x", 1, 1));
    for (int i = 0; i < 200; i += 10) {
        char text[4] = "";
        eq(3, pread(fds[i], text, sizeof text, 0));
        eqs("axc", text);
    }
    for (int i = 0; i < 200; i++) {
        eq(0, close(fds[i]));
    }
}
