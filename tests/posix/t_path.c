/* t_path.c -- what every call with a path has in common: each of them with each
 * thing that can be wrong with a path. */
#define GROUP "path"
#include "tests/posix/posix.h"

#include <dirent.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

enum {
    MAKES = 1,   /* the name must be new */
    CHANGES = 2, /* needs write permission in the directory */
    FOLLOWS = 4, /* a symbolic link at the end */
    CREAT = 8,   /* does not mind a name that is not there */
};

static int closed(int fd)
{
    return fd < 0 ? -errno : close(fd);
}

static int open_r(const char *path)
{
    return closed(open(path, O_RDONLY));
}
static int open_w(const char *path)
{
    return closed(open(path, O_WRONLY));
}
static int open_path(const char *path)
{
    return closed(open(path, O_PATH));
}
static int open_creat(const char *path)
{
    return closed(open(path, O_RDWR | O_CREAT, 0644));
}
static int open_excl(const char *path)
{
    return closed(open(path, O_RDWR | O_CREAT | O_EXCL, 0644));
}
static int open_trunc(const char *path)
{
    return closed(open(path, O_RDWR | O_TRUNC));
}
static int call_stat(const char *path)
{
    struct stat st;
    return (int)neg(stat(path, &st));
}
static int call_lstat(const char *path)
{
    struct stat st;
    return (int)neg(lstat(path, &st));
}
static int call_statx(const char *path)
{
    struct statx st;
    return (int)neg(statx(AT_FDCWD, path, 0, STATX_ALL, &st));
}
static int call_statfs(const char *path)
{
    struct statfs st;
    return (int)neg(statfs(path, &st));
}
static int call_access(const char *path)
{
    return (int)neg(access(path, F_OK));
}
static int call_chmod(const char *path)
{
    return (int)neg(chmod(path, 0644));
}
static int call_chown(const char *path)
{
    return (int)neg(chown(path, (uid_t)-1, (gid_t)-1));
}
static int call_lchown(const char *path)
{
    return (int)neg(lchown(path, (uid_t)-1, (gid_t)-1));
}
static int call_truncate(const char *path)
{
    return (int)neg(truncate(path, 0));
}
static int call_utimens(const char *path)
{
    return (int)neg(utimensat(AT_FDCWD, path, NULL, 0));
}
static int call_lutimens(const char *path)
{
    return (int)neg(utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW));
}
static int call_readlink(const char *path)
{
    char target[16];
    return (int)neg(readlink(path, target, sizeof target));
}
static int call_mkdir(const char *path)
{
    return (int)neg(mkdir(path, 0755));
}
static int call_mkfifo(const char *path)
{
    return (int)neg(mkfifo(path, 0644));
}
static int call_mknod(const char *path)
{
    return (int)neg(mknod(path, S_IFREG | 0644, 0));
}
static int call_symlink(const char *path)
{
    return (int)neg(symlink("target", path));
}
static int link_from(const char *path)
{
    return (int)neg(link(path, same("link to")));
}
static int link_to(const char *path)
{
    return (int)neg(link(same("source"), path));
}
static int rename_from(const char *path)
{
    return (int)neg(rename(path, same("renamed")));
}
static int rename_to(const char *path)
{
    return (int)neg(rename(same("source"), path));
}
static int exchange(const char *path)
{
    return (int)neg(
        renameat2(AT_FDCWD, same("source"), AT_FDCWD, path, RENAME_EXCHANGE));
}
static int rename_new(const char *path)
{
    return (int)neg(
        renameat2(AT_FDCWD, same("source"), AT_FDCWD, path, RENAME_NOREPLACE));
}
static int call_unlink(const char *path)
{
    return (int)neg(unlink(path));
}
static int call_rmdir(const char *path)
{
    return (int)neg(rmdir(path));
}
static int call_chdir(const char *path)
{
    return (int)neg(chdir(path));
}
static int call_getxattr(const char *path)
{
    char value[16];
    return (int)neg(getxattr(path, "user.none", value, sizeof value));
}
static int call_lgetxattr(const char *path)
{
    char value[16];
    return (int)neg(lgetxattr(path, "user.none", value, sizeof value));
}
static int call_setxattr(const char *path)
{
    return (int)neg(setxattr(path, "user.some", "x", 1, 0));
}
static int call_listxattr(const char *path)
{
    char names[256];
    return (int)neg(listxattr(path, names, sizeof names));
}
static int call_removexattr(const char *path)
{
    return (int)neg(removexattr(path, "user.none"));
}

static const struct operation {
    const char *name;
    int (*call)(const char *path);
    int kind;
} operations[] = {
    {"open for reading", open_r, FOLLOWS},
    {"open for writing", open_w, FOLLOWS},
    {"open O_PATH", open_path, FOLLOWS},
    {"open O_CREAT", open_creat, FOLLOWS | CREAT},
    {"open O_EXCL", open_excl, MAKES},
    {"open O_TRUNC", open_trunc, FOLLOWS},
    {"stat", call_stat, FOLLOWS},
    {"lstat", call_lstat, 0},
    {"statx", call_statx, FOLLOWS},
    {"statfs", call_statfs, FOLLOWS},
    {"access", call_access, FOLLOWS},
    {"chmod", call_chmod, FOLLOWS},
    {"chown", call_chown, FOLLOWS},
    {"lchown", call_lchown, 0},
    {"truncate", call_truncate, FOLLOWS},
    {"utimensat", call_utimens, FOLLOWS},
    {"utimensat nofollow", call_lutimens, 0},
    {"readlink", call_readlink, 0},
    {"mkdir", call_mkdir, MAKES},
    {"mkfifo", call_mkfifo, MAKES},
    {"mknod", call_mknod, MAKES},
    {"symlink", call_symlink, MAKES},
    {"link from", link_from, 0},
    {"link to", link_to, MAKES},
    {"rename from", rename_from, CHANGES},
    {"rename to", rename_to, CREAT},
    {"rename exchange", exchange, CHANGES},
    {"rename noreplace", rename_new, MAKES},
    {"unlink", call_unlink, CHANGES},
    {"rmdir", call_rmdir, CHANGES},
    {"chdir", call_chdir, FOLLOWS},
    {"getxattr", call_getxattr, FOLLOWS},
    {"lgetxattr", call_lgetxattr, 0},
    {"setxattr", call_setxattr, FOLLOWS},
    {"listxattr", call_listxattr, FOLLOWS},
    {"removexattr", call_removexattr, FOLLOWS},
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

/* Every operation that is of one of these kinds (0: all) fails like this. */
static void all_fail(int kinds, const char *path, int error)
{
    for (int i = 0; i < OPERATIONS; i++) {
        const struct operation *op = &operations[i];
        if (kinds == 0 || (op->kind & kinds) != 0) {
            note("%s", op->name);
            eq(error, op->call(at(path)));
        }
    }
    note("%s", "");
}

static void none_creates_fail(const char *path, int error)
{
    for (int i = 0; i < OPERATIONS; i++) {
        const struct operation *op = &operations[i];
        if ((op->kind & (MAKES | CREAT)) == 0) {
            note("%s", op->name);
            eq(error, op->call(at(path)));
        }
    }
    note("%s", "");
}

CASE(file_as_directory)
{
    p_create("source", 0644);
    must(0, p_create("file", 0644));
    all_fail(0, "file/x", -ENOTDIR);
    all_fail(0, "file/x/y", -ENOTDIR);
    must(0, p_mkdir("d", 0755));
    all_fail(0, "d/../file/x", -ENOTDIR);
    p_mknod("fifo", S_IFIFO | 0644, 0);
    all_fail(0, "fifo/x", -ENOTDIR);
    eq(true, exists("source"));
}

CASE(missing_directory)
{
    p_create("source", 0644);
    all_fail(0, "missing/x", -ENOENT);
    all_fail(0, "missing/..", -ENOENT);
    must(0, p_symlink("missing", "dangling"));
    all_fail(0, "dangling/x", -ENOENT);
    eq(false, exists("missing"));
}

CASE(missing_name)
{
    p_create("source", 0644);
    none_creates_fail("missing", -ENOENT);
    must(0, p_mkdir("d", 0755));
    none_creates_fail("d/missing", -ENOENT);
    must(0, p_create("d/gone", 0644));
    must(0, p_unlink("d/gone"));
    none_creates_fail("d/gone", -ENOENT);
    must(0, p_symlink("missing", "dangling"));
    for (int i = 0; i < OPERATIONS; i++) {
        if (operations[i].kind == FOLLOWS) {
            note("%s", operations[i].name);
            eq(-ENOENT, operations[i].call(at("dangling")));
        }
    }
}

CASE(empty_path)
{
    p_create("source", 0644);
    for (int i = 0; i < OPERATIONS; i++) {
        note("%s", operations[i].name);
        same("");
        eq(-ENOENT, operations[i].call(""));
    }
}

CASE(existing_name)
{
    static const char types[] = "fdpsl";
    p_create("source", 0644);
    for (const char *type = types; *type != '\0'; type++) {
        char name[] = {'x', *type, '\0'};
        must(0, p_make(*type, name, 0644));
        all_fail(MAKES, name, -EEXIST);
    }
    eq(true, exists("source"));
    must(0, p_symlink("xf", "to file"));
    all_fail(MAKES, "to file", -EEXIST);
    must(0, p_symlink("to loop", "to loop"));
    all_fail(MAKES, "to loop", -EEXIST);
}

CASE(name_of_255_bytes)
{
    const char *name = long_name(255);
    must(0, p_create("source", 0644));
    for (int i = 0; i < OPERATIONS; i++) {
        if ((operations[i].kind & MAKES) != 0) {
            p_create("source", 0644);
            note("%s", operations[i].name);
            eq(0, operations[i].call(at(name)));
            note("%s", "");
            eq(true, exists(name));
            eq(0, p_remove(S_ISDIR(stat_of(name).st_mode) ? 'd' : 'f', name));
        }
    }
    eq(0, p_mkdir(name, 0755));
    char below[600];
    snprintf(below, sizeof below, "%s/%s", name, long_name(255));
    eq(0, p_create(below, 0644));
    eq(0, size_of(below));
    eq(0, p_unlink(below));
    eq(0, p_rename(name, "short"));
    eq(0, p_rename("short", name));
    eq(0, p_rmdir(name));
}

CASE(name_of_256_bytes)
{
    char below[600];
    p_create("source", 0644);
    all_fail(0, long_name(256), -ENAMETOOLONG);
    all_fail(0, long_name(1000), -ENAMETOOLONG);
    all_fail(0, long_name(2000), -ENAMETOOLONG);
    snprintf(below, sizeof below, "%s/x", long_name(256));
    all_fail(0, below, -ENAMETOOLONG);
    eq(true, exists("source"));
}

/* A name whose path has exactly that many bytes, made of long directories; the
 * last piece, of 100 to 200 bytes, is not made. */
static void name_of_path_size(size_t size, char *out)
{
    size_t left = size - strlen(at("")) - 1, used = 0;
    while (left - used > 200) {
        size_t piece = left - used > 450 ? 250 : 100;
        memset(out + used, 'd', piece);
        out[used + piece] = '\0';
        int rc = p_mkdir(out, 0755);
        must(1, rc == 0 || rc == -EEXIST);
        out[used + piece] = '/';
        used += piece + 1;
    }
    memset(out + used, 'x', left - used);
    out[left] = '\0';
    eq(size, strlen(at(out)));
}

CASE(path_of_4095_bytes)
{
    char name[PATH_MAX + 1];
    stay();
    name_of_path_size(PATH_MAX - 1, name);
    eq(0, p_mkdir(name, 0755));
    eq(true, exists(name));
    eq(0, p_rmdir(name));
    eq(0, p_create(name, 0644));
    eq(0, p_chmod(name, 0600));
    eq(0600, mode_of(name));
    eq(0, p_rename(name, "y"));
    eq(0, p_link("y", name));
    eq(2, links_of("y"));
    eq(0, p_unlink(name));
    eq(0, p_symlink("y", name));
    eq(0, p_unlink(name));
}

CASE(path_of_4096_bytes)
{
    char name[PATH_MAX + 2];
    stay();
    p_create("source", 0644);
    name_of_path_size(PATH_MAX, name);
    all_fail(0, name, -ENAMETOOLONG);
}

CASE(loop_of_links)
{
    p_create("source", 0644);
    must(0, p_symlink("loop2", "loop1"));
    must(0, p_symlink("loop1", "loop2"));
    must(0, p_symlink("self", "self"));
    all_fail(0, "loop1/x", -ELOOP);
    for (int i = 0; i < OPERATIONS; i++) {
        if ((operations[i].kind & FOLLOWS) != 0) {
            note("%s", operations[i].name);
            eq(-ELOOP, operations[i].call(at(i % 2 ? "loop2" : "self")));
        }
    }
}

CASE(chain_of_40_links)
{
    char name[16], target[16];
    must(3, p_put("0", "end"));
    for (int i = 1; i <= 41; i++) {
        snprintf(name, sizeof name, "%d", i);
        snprintf(target, sizeof target, "%d", i - 1);
        must(0, p_symlink(target, name));
    }
    char text[8];
    eq(3, p_read("40", text, sizeof text));
    eq(-ELOOP, p_read("41", text, sizeof text));
}

CASE(slash_at_the_end_of_a_file)
{
    must(0, p_create("file", 0644));
    p_create("source", 0644);
    for (int i = 0; i < OPERATIONS; i++) {
        const struct operation *op = &operations[i];
        if ((op->kind & (MAKES | CREAT)) == 0) {
            note("%s", op->name);
            eq(-ENOTDIR, op->call(at("file/")));
        }
    }
    note("%s", "");
    eq(-EISDIR, open_creat(at("file/")));
    eq(-EISDIR, open_creat(at("new/")));
    eq(-EEXIST, call_mkdir(at("file/")));
    eq(-EEXIST, call_symlink(at("file/")));
    eq(-ENOENT, call_mkfifo(at("new/")));
    eq(-ENOENT, call_symlink(at("new/")));
    eq(-ENOENT, link_to(at("new/")));
    eq(0, call_mkdir(at("new/")));
    eq(0, call_rmdir(at("new/")));
    eq(false, exists("new"));
}

CASE(slash_at_the_end_of_a_link)
{
    must(0, p_mkdir("d", 0755));
    must(0, p_symlink("d", "l"));
    struct stat st;
    eq(0, p_lstat("l/", &st));
    ok(S_ISDIR(st.st_mode));
    eq(0, p_lstat("l", &st));
    ok(S_ISLNK(st.st_mode));
    eq(-ENOTDIR, p_unlink("l/"));
    eq(-ENOTDIR, p_rmdir("l/"));
    eq(-ENOTDIR, p_rmdir("l"));
    eq(-ENOTDIR, p_rename("l/", "m"));
    eq(0, p_mkdir("l/e", 0755));
    eq(0, p_rmdir("d/e"));
}

CASE(dot_and_dot_dot)
{
    struct stat d, up;
    must(0, p_mkdir("d", 0755));
    must(0, p_mkdir("d/e", 0755));
    eq(0, p_lstat("d", &d));
    eq(0, p_lstat("d/.", &up));
    eq(d.st_ino, up.st_ino);
    eq(0, p_lstat("d/e/..", &up));
    eq(d.st_ino, up.st_ino);
    eq(0, p_lstat("d/e/../.././d/e/..", &up));
    eq(d.st_ino, up.st_ino);
    eq(-EINVAL, p_rmdir("d/e/."));
    eq(-ENOTEMPTY, p_rmdir("d/e/.."));
    eq(-EISDIR, p_unlink("d/e/."));
    eq(-EISDIR, p_unlink("d/.."));
    eq(-EEXIST, p_mkdir("d/.", 0755));
    eq(-EEXIST, p_mkdir("d/..", 0755));
    eq(-EBUSY, p_rename("d/.", "x"));
    eq(-EBUSY, p_rename("d/e", "d/.."));
    eq(-EEXIST, p_symlink("t", "d/."));
    eq(-EEXIST, p_symlink("t", "d/.."));
}

ROOT_CASE(no_search_permission)
{
    p_create("source", 0644);
    must(0, p_mkdir("closed", 0700));
    must(0, p_create("closed/file", 0666));
    must(0, p_mkdir("closed/d", 0777));
    as(USER, GROUP_OF_USER);
    all_fail(0, "closed/file", -EACCES);
    all_fail(0, "closed/missing", -EACCES);
    all_fail(0, "closed/d/x", -EACCES);
    as_root();
    must(0, p_chmod("closed", 0766));
    as(USER, GROUP_OF_USER);
    all_fail(0, "closed/file", -EACCES);
    as_root();
    /* Each of the three kinds of users by its own bits. */
    static const struct {
        mode_t mode;
        uid_t uid;
        gid_t gid;
        int result;
    } tries[] = {
        {0677, USER, GROUP_OF_USER, -EACCES},
        {0177, USER, GROUP_OF_USER, 0},
        {0767, OTHER, GROUP_OF_USER, -EACCES},
        {0717, OTHER, GROUP_OF_USER, 0},
        {0776, OTHER, GROUP_OF_OTHER, -EACCES},
        {0771, OTHER, GROUP_OF_OTHER, 0},
    };
    must(0, p_chown("closed", USER, GROUP_OF_USER));
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        must(0, p_chmod("closed", tries[i].mode));
        as(tries[i].uid, tries[i].gid);
        note("mode %o uid %u gid %u", tries[i].mode, tries[i].uid,
             tries[i].gid);
        eq(tries[i].result, call_stat(at("closed/file")));
        eq(tries[i].result, open_r(at("closed/file")));
        as_root();
    }
}

ROOT_CASE(no_write_permission)
{
    must(0, p_chmod("", 0777));
    must(0, p_create("source", 0666));
    must(0, p_chown("source", USER, GROUP_OF_USER));
    must(0, p_mkdir("closed", 0755));
    must(0, p_create("closed/file", 0666));
    must(0, p_chown("closed/file", USER, GROUP_OF_USER));
    must(0, p_mkdir("closed/d", 0777));
    must(0, p_chown("closed/d", USER, GROUP_OF_USER));
    as(USER, GROUP_OF_USER);
    all_fail(MAKES, "closed/new", -EACCES);
    eq(-EACCES, open_creat(at("closed/new")));
    eq(-EACCES, rename_to(at("closed/new")));
    eq(-EACCES, rename_to(at("closed/file")));
    eq(-EACCES, rename_from(at("closed/file")));
    eq(-EACCES, rename_from(at("closed/d")));
    eq(-EACCES, exchange(at("closed/file")));
    eq(-EACCES, call_unlink(at("closed/file")));
    eq(-EACCES, call_rmdir(at("closed/d")));
    eq(-ENOENT, call_unlink(at("closed/new")));
    eq(-ENOENT, call_rmdir(at("closed/new")));
    eq(-EEXIST, call_mkdir(at("closed/file")));
    eq(0, open_creat(at("closed/file")));
    eq(0, call_chmod(at("closed/file")));
    as_root();
    must(0, p_chmod("closed", 0757));
    as(USER, GROUP_OF_USER);
    all_fail(MAKES, "closed/file", -EEXIST);
    eq(0, call_mkdir(at("closed/new")));
    eq(0, call_rmdir(at("closed/new")));
    eq(0, rename_to(at("closed/file")));
    as_root();
}

CASE(any_byte_in_names)
{
    for (int first = 0; first < 256; first += 16) {
        char name[18] = "", text[32] = "", target[32] = "";
        size_t size = 0;
        for (int byte = first; byte < first + 16; byte++) {
            if (byte != 0 && byte != '/') {
                name[size++] = (char)byte;
            }
        }
        note("bytes from %d", first);
        eq(size, p_put(name, name));
        eq(size, p_read(name, text, sizeof text));
        eqm(name, text, size);
        eq(0, p_symlink(name, "l"));
        eq(size, p_readlink("l", target, sizeof target));
        eqm(name, target, size);
        eq(size, p_read("l", text, sizeof text));
        DIR *dir = opendir(at(""));
        int found = 0;
        for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
            found += strcmp(e->d_name, name) == 0;
        }
        closedir(dir);
        eq(1, found);
        eq(0, p_unlink("l"));
        eq(0, p_unlink(name));
    }
    static const char *const odd[] = {
        "...", "..x", ".x", " ", "-", "\\", "*", "\xff\xfe", "a\nb", ".raftfs"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        note("%s", odd[i]);
        p_unlink(odd[i]);
        eq(0, p_mkdir(odd[i], 0755));
        eq(true, exists(odd[i]));
        eq(0, p_rmdir(odd[i]));
        eq(false, exists(odd[i]));
    }
}

CASE(upper_and_lower_case_are_different)
{
    must(1, p_put("name", "1"));
    must(2, p_put("NAME", "22"));
    must(3, p_put("n\xc3\xa4me", "333"));
    must(4, p_put("na\xcc\x88me", "4444"));
    eq(1, size_of("name"));
    eq(2, size_of("NAME"));
    eq(3, size_of("n\xc3\xa4me"));
    eq(4, size_of("na\xcc\x88me"));
}

CASE(a_hundred_and_fifty_levels)
{
    char path[1024] = "d";
    must(0, p_mkdir(path, 0755));
    int up = p_open(path, O_RDONLY | O_DIRECTORY, 0);
    for (size_t i = 1; i < 150; i++) {
        note("level %zu", i);
        must(0, neg(mkdirat(up, "d", 0755)));
        int fd = (int)neg(openat(up, "d", O_RDONLY | O_DIRECTORY));
        must(1, fd >= 0);
        close(up);
        up = fd;
        memcpy(path + 2 * i - 1, "/d", 3);
    }
    close(up);
    eq(true, exists(path));
    eq(-ENOTEMPTY, p_rmdir("d"));
    eq(-EINVAL, p_rename("d", path));
    memcpy(path + strlen(path), "/file", 6);
    eq(4, p_put(path, "deep"));
    eq(0, p_rename("d", "e"));
    path[0] = 'e';
    eq(4, size_of(path));
}

CASE(relative_to_a_descriptor)
{
    must(0, p_mkdir("d", 0755));
    int d = p_open("d", O_RDONLY | O_DIRECTORY, 0);
    int p = (int)neg(open(same("d"), O_PATH)); /* of the same mount */
    must(0, d < 0 || p < 0);
    eq(0, neg(mkdirat(d, "e", 0755)));
    eq(true, exists("d/e"));
    eq(0, neg(mkdirat(p, "e/f", 0755)));
    eq(true, exists("d/e/f"));
    /* The directory goes elsewhere; the descriptors follow it. */
    eq(0, p_rename("d", "moved"));
    eq(0, neg(mkdirat(d, "g", 0755)));
    eq(true, exists("moved/g"));
    eq(0, neg(unlinkat(p, "g", AT_REMOVEDIR)));
    eq(false, exists("moved/g"));
    eq(0, neg(symlinkat("x", d, "l")));
    eq(0, neg(linkat(d, "l", p, "l2", 0)));
    eq(0, neg(renameat(d, "l", p, "e/l")));
    eq(true, exists("moved/e/l"));
    eq(2, links_of("moved/l2"));
    int file = neg(openat(d, "file", O_CREAT | O_WRONLY, 0644));
    ok(file >= 0);
    eq(-ENOTDIR, neg(openat(file, "x", O_RDONLY)));
    eq(-EBADF, neg(openat(9999, "x", O_RDONLY)));
    close(file);
    close(d);
    close(p);
}
