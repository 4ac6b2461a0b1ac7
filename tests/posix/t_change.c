/* t_change.c -- which times every operation moves, of the file and of its
 * directory, when it succeeds and when it fails. */
#define GROUP "change"
#include "tests/posix/posix.h"

#include <sys/xattr.h>

/* Times of a file "f", and of the directory it is in. */
static struct stat file, up;

static void begin(void)
{
    file = noted("f");
    up = noted("");
}

static void expect(int of_file, int of_up)
{
    eq(of_file, moved("f", &file));
    eq(of_up, moved("", &up));
}

CASE(contents)
{
    must(3, p_put("f", "abc"));
    int fd = p_open("f", O_RDWR, 0);
    must(1, fd >= 0);
    char byte;
    begin();
    eq(1, pwrite(fd, "x", 1, 0));
    expect(MC, 0);
    begin();
    eq(0, pwrite(fd, "", 0, 0));
    expect(0, 0);
    begin();
    eq(1, pwrite(fd, "x", 1, 100));
    expect(MC, 0);
    begin();
    eq(0, neg(ftruncate(fd, 10)));
    expect(MC, 0);
    begin();
    eq(0, neg(ftruncate(fd, 20)));
    expect(MC, 0);
    begin();
    eq(0, p_truncate("f", 10));
    expect(MC, 0);
    begin();
    eq(0, p_truncate("f", 0));
    expect(MC, 0);
    begin();
    eq(-EINVAL, neg(ftruncate(fd, -1)));
    eq(-EBADF, neg(pwrite(-1, "x", 1, 0)));
    expect(0, 0);
    begin();
    eq(0, neg(fsync(fd)));
    eq(0, lseek(fd, 0, SEEK_SET));
    eq(0, pread(fd, &byte, 1, 50));
    eq(0, moved("f", &file) & MC);
    eq(0, moved("", &up));
    begin();
    eq(0, neg(fallocate(fd, 0, 0, 1000)));
    expect(MC, 0);
    begin();
    eq(0,
       neg(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 500)));
    expect(MC, 0);
    close(fd);
}

CASE(attributes)
{
    must(0, p_create("f", 0644));
    struct timespec times[2] = {{1, 1}, {2, 2}};
    begin();
    eq(0, p_chmod("f", 0600));
    expect(C, 0);
    begin();
    eq(0, p_chown("f", geteuid(), getegid()));
    expect(C, 0);
    begin();
    eq(0, p_utimens("f", times, 0));
    expect(C, 0);
    begin();
    eq(0, neg(setxattr(at("f"), "user.x", "1", 1, 0)));
    expect(C, 0);
    begin();
    eq(0, neg(setxattr(at("f"), "user.x", "2", 1, XATTR_REPLACE)));
    expect(C, 0);
    begin();
    eq(-EEXIST, neg(setxattr(at("f"), "user.x", "2", 1, XATTR_CREATE)));
    eq(-ENODATA, neg(setxattr(at("f"), "user.y", "2", 1, XATTR_REPLACE)));
    eq(-ENODATA, neg(removexattr(at("f"), "user.y")));
    expect(0, 0);
    begin();
    eq(0, neg(removexattr(at("f"), "user.x")));
    expect(C, 0);
}

CASE(names)
{
    must(0, p_create("f", 0644));
    begin();
    eq(0, p_link("f", "g"));
    expect(C, MC);
    begin();
    eq(0, p_unlink("g"));
    expect(C, MC);
    begin();
    eq(0, p_rename("f", "h"));
    eq(0, p_rename("h", "f"));
    expect(C, MC);
    begin();
    eq(0, p_mkdir("d", 0755));
    expect(0, MC);
    begin();
    eq(0, p_rmdir("d"));
    expect(0, MC);
    begin();
    eq(0, p_symlink("f", "l"));
    expect(0, MC);
    begin();
    eq(0, p_unlink("l"));
    expect(0, MC);
    begin();
    eq(0, p_mknod("p", S_IFIFO | 0644, 0));
    expect(0, MC);
    begin();
    eq(0, p_rename("p", "q"));
    expect(0, MC);
    begin();
    eq(0, p_unlink("q"));
    expect(0, MC);
}

CASE(failures_change_nothing)
{
    must(0, p_create("f", 0644));
    must(0, p_mkdir("d", 0755));
    must(0, p_create("d/full", 0644));
    struct stat d = noted("d");
    begin();
    eq(-EEXIST, p_create("f", 0644));
    eq(-EEXIST, p_mkdir("f", 0644));
    eq(-EEXIST, p_mknod("f", S_IFIFO, 0));
    eq(-EEXIST, p_symlink("x", "f"));
    eq(-EEXIST, p_link("f", "d"));
    eq(-ENOTEMPTY, p_rmdir("d"));
    eq(-EISDIR, p_unlink("d"));
    eq(-ENOTDIR, p_rmdir("f"));
    eq(-EISDIR, p_rename("f", "d"));
    eq(-ENOTDIR, p_rename("d", "f"));
    eq(-EINVAL, p_rename("d", "d/x"));
    eq(-EEXIST, p_rename2("f", "d", RENAME_NOREPLACE));
    eq(-ENOENT, p_unlink("missing"));
    eq(-ENOENT, p_rmdir("missing"));
    eq(-ENOENT, p_rename("missing", "f"));
    eq(-ENOENT, p_link("missing", "x"));
    eq(-EPERM, p_link("d", "x"));
    eq(-ENAMETOOLONG, p_mkdir(long_name(256), 0755));
    eq(-ENAMETOOLONG, p_rename("f", long_name(256)));
    expect(0, 0);
    eq(0, moved("d", &d));
}

CASE(two_directories)
{
    must(0, p_mkdir("a", 0755));
    must(0, p_mkdir("b", 0755));
    must(0, p_create("a/f", 0644));
    struct stat a = noted("a"), b = noted("b");
    struct stat top = noted("");
    eq(0, p_rename("a/f", "b/f"));
    eq(MC, moved("a", &a));
    eq(MC, moved("b", &b));
    eq(0, moved("", &top));
    a = noted("a");
    b = noted("b");
    eq(0, p_link("b/f", "a/g"));
    eq(MC, moved("a", &a));
    eq(0, moved("b", &b));
    a = noted("a");
    struct stat f = noted("b/f");
    eq(-EEXIST, p_rename2("a/g", "b/f", RENAME_NOREPLACE));
    eq(0, moved("a", &a));
    eq(0, moved("b/f", &f));
    must(0, p_mkdir("a/d", 0755));
    struct stat d = noted("a/d");
    eq(0, p_rename("a/d", "b/d"));
    eq(C, moved("b/d", &d) & C);
}

CASE(a_directory_that_is_gone)
{
    must(0, p_mkdir("d", 0755));
    int fd = p_open("d", O_RDONLY | O_DIRECTORY, 0);
    must(1, fd >= 0);
    struct stat st = noted("d");
    eq(0, p_rmdir("d"));
    eq(C, moved_fd(fd, &st) & C);
    struct stat now;
    eq(0, neg(fstat(fd, &now)));
    eq(0, now.st_nlink);
    close(fd);
}

CASE(ctime_of_what_is_unlinked)
{
    static const char types[] = "fps";
    for (const char *type = types; *type != '\0'; type++) {
        must(0, p_make(*type, "x", 0644));
        int fd = p_open("x", O_PATH, 0);
        must(0, p_link("x", "y"));
        struct stat st = noted("x");
        note("type %c", *type);
        eq(0, p_unlink("x"));
        eq(C, moved("y", &st));
        st = noted("y");
        eq(0, p_make(*type, "z", 0600));
        eq(0, p_rename("z", "x"));
        eq(0, p_unlink("x"));
        eq(0, moved("y", &st));
        eq(0, p_unlink("y"));
        close(fd);
    }
}
