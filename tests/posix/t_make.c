/* t_make.c -- mkdir(2), mknod(2), symlink(2), readlink(2). */
#define GROUP "make"
#include "tests/posix/posix.h"

#include <sys/sysmacros.h>

static const mode_t modes[] = {0, 0777, 0755, 0644, 0700, 0151, 0020};
static const mode_t masks[] = {022, 0777, 0151};
enum {
    MODES = sizeof modes / sizeof *modes,
    MASKS = sizeof masks / sizeof *masks
};

CASE(mode_and_umask)
{
    static const char types[] = "fdp";
    for (const char *type = types; *type != '\0'; type++) {
        for (int i = 0; i < MODES; i++) {
            for (int j = 0; j < MASKS; j++) {
                note("type %c mode %o umask %o", *type, modes[i], masks[j]);
                umask(masks[j]);
                eq(0, p_make(*type, "x", modes[i]));
                eq(modes[i] & ~masks[j], mode_of("x"));
                eq(0, p_remove(*type, "x"));
            }
        }
    }
    umask(0);
}

CASE(mkdir_and_special_bits)
{
    static const struct {
        mode_t mode, result;
    } tries[] = {{01777, 01777}, {02777, 0777}, {04777, 0777}, {07777, 01777}};
    for (size_t i = 0; i < 4; i++) {
        must(0, p_mkdir("d", tries[i].mode));
        note("mode %o", tries[i].mode);
        eq(tries[i].result, mode_of("d"));
        must(0, p_rmdir("d"));
    }
    must(0, p_mknod("f", S_IFREG | 07777, 0));
    eq(07777, mode_of("f"));
    must(0, p_mknod("p", S_IFIFO | 07777, 0));
    eq(07777, mode_of("p"));
}

CASE(directory)
{
    must(0, p_mkdir("up", 0755));
    struct stat up = noted("up");
    must(0, p_mkdir("up/d", 0755));
    eq(MC, moved("up", &up) & MC);
    eq(up.st_nlink + 1, links_of("up"));
    struct stat st = stat_of("up/d");
    eq(S_IFDIR | 0755, st.st_mode);
    eq(2, st.st_nlink);
    eq(0, compare_times(st.st_mtim, st.st_ctim));
    ok(compare_times(st.st_ctim, up.st_ctim) > 0);
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "up/d%d", i);
        must(0, p_mkdir(name, 0755));
        eq(up.st_nlink + 2 + (unsigned)i, links_of("up"));
    }
}

CASE(every_type_in_stat)
{
    static const char types[] = "fdpsl";
    static const mode_t formats[] = {S_IFREG, S_IFDIR, S_IFIFO, S_IFSOCK,
                                     S_IFLNK};
    for (size_t i = 0; i < 5; i++) {
        char name[] = {types[i], '\0'};
        struct stat up = noted("");
        must(0, p_make(types[i], name, 0640));
        note("type %c", types[i]);
        struct stat st = stat_of(name);
        eq(formats[i], st.st_mode & S_IFMT);
        eq(types[i] == 'l' ? 0777 : 0640, st.st_mode & ALLPERMS);
        eq(types[i] == 'd' ? 2 : 1, st.st_nlink);
        eq(0, st.st_rdev);
        eq(geteuid(), st.st_uid);
        eq(getegid(), st.st_gid);
        eq(MC, moved("", &up) & MC);
        ok(compare_times(st.st_ctim, up.st_ctim) > 0);
        ok(compare_times(st.st_mtim, up.st_ctim) > 0);
        ok(compare_times(st.st_atim, up.st_ctim) > 0);
        eq(types[i] == 'l' ? 7 : 0, types[i] == 'd' ? 0 : st.st_size);
    }
}

ROOT_CASE(devices)
{
    static const struct {
        unsigned major, minor;
    } numbers[] = {{1, 3}, {0, 0}, {255, 255}, {4095, 1048575}, {8, 65536}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        dev_t device = makedev(numbers[i].major, numbers[i].minor);
        note("%u:%u", numbers[i].major, numbers[i].minor);
        eq(0, p_mknod("c", S_IFCHR | 0600, device));
        eq(0, p_mknod("b", S_IFBLK | 0660, device));
        eq(device, stat_of("c").st_rdev);
        eq(device, stat_of("b").st_rdev);
        eq(S_IFCHR | 0600, stat_of("c").st_mode);
        eq(S_IFBLK | 0660, stat_of("b").st_mode);
        eq(0, p_unlink("c"));
        eq(0, p_unlink("b"));
    }
    must(0, p_chmod("", 0777));
    as(USER, GROUP_OF_USER);
    eq(-EPERM, p_mknod("c", S_IFCHR | 0600, makedev(1, 3)));
    eq(-EPERM, p_mknod("b", S_IFBLK | 0600, makedev(1, 3)));
    eq(0, p_mknod("p", S_IFIFO | 0600, 0));
    eq(0, p_mknod("s", S_IFSOCK | 0600, 0));
    eq(0, p_mknod("f", S_IFREG | 0600, 0));
    as_root();
    eq(-EPERM, p_mknod("d", S_IFDIR | 0700, 0));
    eq(-EINVAL, p_mknod("l", S_IFLNK | 0700, 0));
    eq(0, p_mknod("z", 0600, 0));
    eq(S_IFREG | 0600, stat_of("z").st_mode);
}

ROOT_CASE(device_works)
{
    stay();
    must(0, p_mknod("null", S_IFCHR | 0666, makedev(1, 3)));
    int fd = p_open("null", O_RDWR, 0);
    must(1, fd >= 0);
    char byte;
    eq(1, write(fd, "x", 1));
    eq(0, read(fd, &byte, 1));
    close(fd);
    eq(0, size_of("null"));
}

ROOT_CASE(owner_and_group)
{
    static const char types[] = "fdpsl";
    must(0, p_mkdir("plain", 0777));
    must(0, p_mkdir("setgid", 0777));
    must(0, p_chown("setgid", 0, GROUP_OF_OTHER));
    must(0, p_chmod("setgid", 02777));
    as(USER, GROUP_OF_USER);
    for (const char *type = types; *type != '\0'; type++) {
        char a[] = {'p', 'l', 'a', 'i', 'n', '/', *type, '\0'};
        char b[] = {'s', 'e', 't', 'g', 'i', 'd', '/', *type, '\0'};
        note("type %c", *type);
        eq(0, p_make(*type, a, 0755));
        eq(USER, stat_of(a).st_uid);
        eq(GROUP_OF_USER, stat_of(a).st_gid);
        eq(0, p_make(*type, b, 0755));
        eq(USER, stat_of(b).st_uid);
        eq(GROUP_OF_OTHER, stat_of(b).st_gid);
        eq(*type == 'd' ? 02755 : *type == 'l' ? 0777 : 0755, mode_of(b));
    }
    /* set-gid for a group that is not one's own: only without g+x */
    int fd = p_open("setgid/gx", O_CREAT | O_RDWR, 02775);
    close(fd);
    eq(0775, mode_of("setgid/gx"));
    fd = p_open("setgid/nox", O_CREAT | O_RDWR, 02765);
    close(fd);
    eq(02765, mode_of("setgid/nox"));
    eq(0, p_mknod("setgid/node", S_IFREG | 02775, 0));
    eq(0775, mode_of("setgid/node"));
    gid_t groups[] = {GROUP_OF_OTHER};
    as_root();
    as_groups(USER, GROUP_OF_USER, 1, groups);
    fd = p_open("setgid/member", O_CREAT | O_RDWR, 02775);
    close(fd);
    eq(02775, mode_of("setgid/member"));
    as_root();
}

/* --- symbolic links --- */

CASE(targets_of_every_length)
{
    static const size_t sizes[] = {1,   59,   60,   61,   255,
                                   256, 1000, 4000, 4094, 4095};
    char target[PATH_MAX + 1], back[PATH_MAX + 1];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t j = 0; j < sizes[i]; j++) {
            target[j] = "abcdefg/."[j % 9];
        }
        target[sizes[i]] = '\0';
        note("target of %zu", sizes[i]);
        int rc = p_symlink(target, "l");
        if (!eq(0, rc)) {
            continue;
        }
        eq(sizes[i], size_of("l"));
        eq(sizes[i], p_readlink("l", back, sizeof back));
        eqm(target, back, sizes[i]);
        eq(0, p_unlink("l"));
    }
    memset(target, 't', PATH_MAX);
    target[PATH_MAX] = '\0';
    eq(-ENAMETOOLONG, p_symlink(target, "l"));
    eq(-ENOENT, p_symlink("", "l"));
    eq(false, exists("l"));
}

CASE(readlink_cuts)
{
    char out[16];
    must(0, p_symlink("0123456789", "l"));
    memset(out, 'x', sizeof out);
    eq(4, p_readlink("l", out, 4));
    eqm("0123xx", out, 6);
    eq(10, p_readlink("l", out, 10));
    eq(-EINVAL, p_readlink("l", out, 0));
    must(0, p_create("f", 0644));
    must(0, p_mkdir("d", 0755));
    must(0, p_mknod("p", S_IFIFO | 0644, 0));
    eq(-EINVAL, p_readlink("f", out, sizeof out));
    eq(-EINVAL, p_readlink("d", out, sizeof out));
    eq(-EINVAL, p_readlink("p", out, sizeof out));
    eq(-ENOENT, p_readlink("missing", out, sizeof out));
}

CASE(links_lead_on)
{
    must(0, p_mkdir("d", 0755));
    must(3, p_put("d/file", "abc"));
    must(0, p_symlink("file", "d/l"));
    must(0, p_symlink("d", "dl"));
    must(0, p_symlink("dl/l", "ll"));
    must(0, p_symlink("../d/file", "d/up"));
    struct stat st;
    static const char *const ways[] = {"d/l",  "dl/l",  "ll",
                                       "d/up", "dl/up", "dl/file"};
    ino_t ino = stat_of("d/file").st_ino;
    for (size_t i = 0; i < 6; i++) {
        note("%s", ways[i]);
        eq(0, p_stat(ways[i], &st));
        eq(ino, st.st_ino);
        eq(3, st.st_size);
    }
    note("%s", "");
    eq(0, p_chmod("ll", 0600));
    eq(0600, mode_of("d/file"));
    eq(0777, mode_of("ll"));
    eq(0, p_truncate("ll", 1));
    eq(1, size_of("d/file"));
    eq(0, p_unlink("ll"));
    eq(true, exists("d/l"));
}

CASE(replaced_by_another_type)
{
    static const char types[] = "fdpslf";
    for (size_t i = 0; i < 5; i++) {
        eq(0, p_make(types[i], "x", 0755));
        note("type %c", types[i]);
        struct stat st = stat_of("x");
        eq(0, p_remove(types[i], "x"));
        eq(-ENOENT, p_lstat("x", &st));
        eq(0, p_make(types[i + 1], "x", 0755));
        eq(0, p_remove(types[i + 1], "x"));
    }
}
