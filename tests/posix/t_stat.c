/* t_stat.c -- stat(2), statx(2), access(2), statfs(2). */
#define GROUP "stat"
#include "tests/posix/posix.h"

#include <sys/statvfs.h>

CASE(one_number_for_one_file)
{
    char name[16];
    ino_t inos[50];
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "f%d", i);
        must(0, p_make("fdpsl"[i % 5], name, 0644));
        inos[i] = stat_of(name).st_ino;
        ok(inos[i] != 0);
        for (int j = 0; j < i; j++) {
            ok(inos[i] != inos[j]);
        }
    }
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "f%d", i);
        eq(inos[i], stat_of(name).st_ino);
        eq(inos[i], stat_of(name).st_ino);
        eq(inos[i], stat_of(name).st_ino);
    }
}

CASE(all_calls_agree)
{
    must(5, p_put("f", "abcde"));
    must(0, p_symlink("f", "l"));
    struct stat a, b, c, d;
    struct statx x;
    const char *path = at("f");
    int fd = open(path, O_RDONLY);
    eq(0, neg(stat(path, &a)));
    eq(0, neg(lstat(path, &b)));
    eq(0, neg(fstat(fd, &c)));
    eq(0, neg(stat(same("l"), &d)));
    eq(0, neg(statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &x)));
    struct stat *all[] = {&b, &c, &d};
    for (int i = 0; i < 3; i++) {
        note("way %d", i);
        eq(a.st_dev, all[i]->st_dev);
        eq(a.st_ino, all[i]->st_ino);
        eq(a.st_mode, all[i]->st_mode);
        eq(a.st_nlink, all[i]->st_nlink);
        eq(a.st_uid, all[i]->st_uid);
        eq(a.st_gid, all[i]->st_gid);
        eq(a.st_size, all[i]->st_size);
        eq(a.st_blocks, all[i]->st_blocks);
        eq(0, compare_times(a.st_mtim, all[i]->st_mtim));
        eq(0, compare_times(a.st_ctim, all[i]->st_ctim));
    }
    eq(a.st_ino, x.stx_ino);
    eq(a.st_mode, x.stx_mode);
    eq(a.st_size, x.stx_size);
    eq(a.st_blocks, x.stx_blocks);
    eq(a.st_nlink, x.stx_nlink);
    eq(a.st_ctim.tv_nsec, x.stx_ctime.tv_nsec);
    eq(4096, a.st_blksize);
    close(fd);
}

CASE(device_is_one)
{
    must(0, p_mkdir("d", 0755));
    must(0, p_create("d/f", 0644));
    must(0, p_symlink("f", "d/l"));
    stay();
    dev_t device = stat_of("").st_dev;
    eq(device, stat_of("d").st_dev);
    eq(device, stat_of("d/f").st_dev);
    eq(device, stat_of("d/l").st_dev);
}

CASE(blocks)
{
    static char data[100000];
    memset(data, 'x', sizeof data);
    must(0, p_create("f", 0644));
    eq(0, stat_of("f").st_blocks);
    must(100000, p_write("f", data, sizeof data));
    int fd = p_open("f", O_RDWR, 0);
    eq(0, neg(fsync(fd)));
    long long blocks = stat_of("f").st_blocks;
    ok(blocks >= 100000 / 512 && blocks <= 100000 / 512 + 64);
    eq(0, neg(ftruncate(fd, 10000000)));
    eq(0, neg(fsync(fd)));
    eq(blocks, stat_of("f").st_blocks);
    eq(0, neg(ftruncate(fd, 0)));
    eq(0, neg(fsync(fd)));
    eq(0, stat_of("f").st_blocks);
    eq(1, pwrite(fd, "x", 1, 5000000));
    eq(0, neg(fsync(fd)));
    blocks = stat_of("f").st_blocks;
    ok(blocks > 0 && blocks <= 64);
    close(fd);
}

CASE(directories_have_a_size)
{
    must(0, p_mkdir("d", 0755));
    ok(size_of("d") > 0);
    ok(stat_of("d").st_blocks > 0);
    must(0, p_symlink("12345", "l"));
    eq(5, size_of("l"));
}

CASE(links_of_directories)
{
    must(0, p_mkdir("d", 0755));
    eq(2, links_of("d"));
    must(0, p_create("d/f", 0644));
    eq(2, links_of("d"));
    must(0, p_mkdir("d/a", 0755));
    must(0, p_mkdir("d/b", 0755));
    eq(4, links_of("d"));
    must(0, p_rename("d/a", "d/b"));
    eq(3, links_of("d"));
    must(0, p_rmdir("d/b"));
    eq(2, links_of("d"));
}

/* access(2) by the real user, faccessat(2) with AT_EACCESS by the effective. */
ROOT_CASE(access_of_all_kinds)
{
    static const struct {
        uid_t uid;
        gid_t gid;
        int shift;
    } who[] = {{USER, GROUP_OF_USER, 6},
               {OTHER, GROUP_OF_USER, 3},
               {OTHER, GROUP_OF_OTHER, 0}};
    static const char types[] = "fd";
    for (const char *type = types; *type != '\0'; type++) {
        must(0, p_make(*type, "x", 0));
        must(0, p_chown("x", USER, GROUP_OF_USER));
        for (int w = 0; w < 3; w++) {
            for (int bits = 0; bits < 8; bits++) {
                must(0, p_chmod("x", (mode_t)bits << who[w].shift));
                as(who[w].uid, who[w].gid);
                note("%c, bits %o as %d", *type, bits, w);
                for (int asked = 1; asked < 8; asked += asked < 2   ? 1
                                                        : asked < 4 ? 2
                                                                    : 3) {
                    int expected = (asked & ~bits) == 0 ? 0 : -EACCES;
                    eq(expected, p_access("x", asked));
                    if (asked == 2 || asked == 7) {
                        eq(expected, neg(faccessat(AT_FDCWD, at("x"), asked,
                                                   AT_EACCESS)));
                    }
                }
                eq(0, p_access("x", F_OK));
                as_root();
            }
        }
        must(0, p_remove(*type, "x"));
    }
    eq(-EINVAL, p_access("", 0100));
}

CASE(statfs)
{
    struct statvfs st;
    eq(0, neg(statvfs(at(""), &st)));
    ok(st.f_bsize >= 512);
    ok(st.f_frsize >= 512);
    ok(st.f_blocks > 0);
    ok(st.f_bfree <= st.f_blocks);
    ok(st.f_bavail <= st.f_bfree);
    ok(st.f_files > 0);
    ok(st.f_ffree <= st.f_files);
    eq(255, st.f_namemax);
    eq(0, st.f_flag & ST_RDONLY);
    int fd = p_open("", O_RDONLY, 0);
    struct statvfs again;
    eq(0, neg(fstatvfs(fd, &again)));
    eq(st.f_blocks, again.f_blocks);
    eq(255, neg(fpathconf(fd, _PC_NAME_MAX)));
    eq(4096, neg(fpathconf(fd, _PC_PATH_MAX)));
    close(fd);
}

CASE(handles)
{
    struct {
        struct file_handle handle;
        unsigned char bytes[MAX_HANDLE_SZ];
    } one = {.handle.handle_bytes = MAX_HANDLE_SZ};
    int mount_id;
    stay();
    must(3, p_put("f", "abc"));
    must(0,
         neg(name_to_handle_at(AT_FDCWD, at("f"), &one.handle, &mount_id, 0)));
    if (geteuid() != 0) {
        return;
    }
    int root = p_open("", O_RDONLY | O_DIRECTORY, 0);
    int fd = (int)neg(open_by_handle_at(root, &one.handle, O_RDONLY));
    ok(fd >= 0);
    char text[4];
    eq(3, neg(read(fd, text, sizeof text)));
    close(fd);
    must(0, p_rename("f", "g"));
    fd = (int)neg(open_by_handle_at(root, &one.handle, O_RDONLY));
    ok(fd >= 0);
    close(fd);
    must(0, p_unlink("g"));
    eq(-ESTALE, neg(open_by_handle_at(root, &one.handle, O_RDONLY)));
    close(root);
}
