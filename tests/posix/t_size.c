/* t_size.c -- truncate(2), ftruncate(2). */
#define GROUP "size"
#include "tests/posix/posix.h"

CASE(shorter_longer_same)
{
    char text[16];
    must(10, p_put("file", "0123456789"));
    int fd = p_open("file", O_RDWR, 0);
    must(1, fd >= 0);
    for (int by_fd = 0; by_fd < 2; by_fd++) {
        note("by %s", by_fd ? "descriptor" : "path");
        static const off_t sizes[] = {5, 8, 0, 3};
        eq(10, pwrite(fd, "0123456789", 10, 0));
        char expected[16] = "0123456789";
        for (size_t i = 0; i < 4; i++) {
            struct stat st = noted("file");
            eq(0, by_fd ? neg(ftruncate(fd, sizes[i]))
                        : p_truncate("file", sizes[i]));
            eq(sizes[i], size_of("file"));
            eq(MC, moved("file", &st) & MC);
            memset(expected + sizes[i], 0, sizeof expected - (size_t)sizes[i]);
            memset(text, 'x', sizeof text);
            eq(sizes[i], pread(fd, text, sizeof text, 0));
            eqm(expected, text, (size_t)sizes[i]);
            eq(sizes[i], p_read("file", text, sizeof text));
            eqm(expected, text, (size_t)sizes[i]);
        }
    }
    note("%s", "");
    struct stat st = noted("file");
    eq(0, neg(ftruncate(fd, 3)));
    eq(MC, moved("file", &st) & MC); /* ftruncate(2) always marks them */
    close(fd);
}

CASE(what_was_cut_does_not_come_back)
{
    static char page[20000], back[20000];
    memset(page, 'p', sizeof page);
    must(20000, p_write("file", page, sizeof page));
    eq(0, p_truncate("file", 5000));
    eq(0, p_truncate("file", 20000));
    memset(page + 5000, 0, 15000);
    eq(20000, p_read("file", back, sizeof back));
    eqm(page, back, sizeof page);
    int fd = p_open("file", O_RDWR, 0);
    eq(0, neg(ftruncate(fd, 100)));
    eq(1, pwrite(fd, "x", 1, 10000));
    memset(page + 100, 0, sizeof page - 100);
    page[10000] = 'x';
    eq(10001, p_read("file", back, sizeof back));
    eqm(page, back, 10001);
    close(fd);
}

CASE(errors)
{
    must(0, p_mkdir("d", 0755));
    must(0, p_mknod("p", S_IFIFO | 0644, 0));
    must(0, p_mknod("s", S_IFSOCK | 0644, 0));
    must(3, p_put("f", "abc"));
    eq(-EISDIR, p_truncate("d", 0));
    eq(-EISDIR, p_truncate("d", 100));
    eq(-EINVAL, p_truncate("p", 0));
    eq(-EINVAL, p_truncate("s", 0));
    eq(-EINVAL, p_truncate("f", -1));
    int fd = p_open("f", O_RDWR, 0);
    eq(-EINVAL, neg(ftruncate(fd, -1)));
    close(fd);
    fd = p_open("f", O_RDONLY, 0);
    eq(-EINVAL, neg(ftruncate(fd, 0)));
    close(fd);
    eq(-EBADF, neg(ftruncate(fd, 0)));
    eq(3, size_of("f"));
}

ROOT_CASE(permissions)
{
    must(3, p_put("file", "abc"));
    must(0, p_chown("file", USER, GROUP_OF_USER));
    must(0, p_chmod("file", 0624));
    struct stat st = noted("file");
    as(OTHER, GROUP_OF_OTHER);
    eq(-EACCES, p_truncate("file", 0));
    as_root();
    eq(0, moved("file", &st));
    as(OTHER, GROUP_OF_USER);
    eq(0, p_truncate("file", 2));
    as_root();
    must(0, p_chmod("file", 0066));
    as(USER, GROUP_OF_USER);
    eq(-EACCES, p_truncate("file", 0));
    as_root();
    /* A descriptor keeps what it was opened with. */
    must(0, p_chmod("file", 0666));
    as(OTHER, GROUP_OF_OTHER);
    int fd = p_open("file", O_RDWR, 0);
    as_root();
    must(0, p_chmod("file", 0600));
    as(OTHER, GROUP_OF_OTHER);
    eq(0, neg(ftruncate(fd, 1)));
    eq(1, pwrite(fd, "x", 1, 0));
    as_root();
    close(fd);
}

CASE(very_large)
{
    static const off_t sizes[] = {
        (off_t)1 << 31,
        ((off_t)1 << 32) + 1,
        (off_t)1 << 40,
        ((off_t)1 << 43) + 12345,
    };
    must(0, p_create("file", 0644));
    int fd = p_open("file", O_RDWR, 0);
    for (size_t i = 0; i < 4; i++) {
        note("size %lld", (long long)sizes[i]);
        char back[8];
        eq(0, p_truncate("file", sizes[i]));
        eq(sizes[i], size_of("file"));
        eq(1, pread(fd, back, 8, sizes[i] - 1));
        eq(0, pread(fd, back, 8, sizes[i]));
        eq(3, pwrite(fd, "end", 3, sizes[i] - 3));
        eq(3, pread(fd, back, 8, sizes[i] - 3));
        eqm("end", back, 3);
        eq(sizes[i], size_of("file"));
        ok(stat_of("file").st_blocks < 1000);
    }
    eq(0, p_truncate("file", 0));
    close(fd);
}

CASE(beyond_what_there_can_be)
{
    must(0, p_create("file", 0644));
    int fd = p_open("file", O_RDWR, 0);
    int rc = (int)neg(ftruncate(fd, INT64_MAX));
    ok(rc == 0 || rc == -EFBIG);
    eq(rc == 0 ? INT64_MAX : 0, size_of("file"));
    eq(-EINVAL, neg(pwrite(fd, "x", 1, INT64_MAX)));
    ok(neg(pwrite(fd, "xy", 2, INT64_MAX - 1)) != 2);
    eq(-EINVAL, neg(pwrite(fd, "x", 1, -1)));
    eq(0, neg(ftruncate(fd, 0)));
    close(fd);
}

ROOT_CASE(set_id_bits_go)
{
    static const mode_t modes[] = {06755, 04711, 02711, 06711};
    must(0, p_chmod("", 0777));
    for (size_t i = 0; i < 4; i++) {
        must(3, p_put("file", "abc"));
        must(0, p_chown("file", USER, GROUP_OF_USER));
        must(0, p_chmod("file", modes[i] | 0022));
        as(OTHER, GROUP_OF_OTHER);
        note("mode %o", modes[i] | 0022);
        eq(0, p_truncate("file", 1));
        as_root();
        eq((modes[i] | 0022) & 0777, mode_of("file"));
        must(0, p_chmod("file", modes[i] | 0022));
        as(USER, GROUP_OF_USER);
        int fd = p_open("file", O_WRONLY | O_TRUNC, 0);
        as_root();
        eq((modes[i] | 0022) & 0777, mode_of("file"));
        must(0, p_chmod("file", modes[i]));
        as(USER, GROUP_OF_USER);
        eq(0, neg(ftruncate(fd, 1)));
        as_root();
        eq(modes[i] & 0777, mode_of("file"));
        close(fd);
    }
}
