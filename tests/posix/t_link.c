/* t_link.c -- link(2). */
#define GROUP "link"
#include "tests/posix/posix.h"

CASE(another_name)
{
    static const char types[] = "fps";
    for (const char *type = types; *type != '\0'; type++) {
        must(0, p_make(*type, "a", 0640));
        must(0, p_mkdir("d", 0755));
        struct stat st = noted("a"), up = noted("d"), here = noted("");
        note("type %c", *type);
        eq(0, p_link("a", "d/b"));
        struct stat a = stat_of("a"), b = stat_of("d/b");
        eq(a.st_ino, b.st_ino);
        eq(2, a.st_nlink);
        eq(2, b.st_nlink);
        eq(C, moved("a", &st) & MC);
        eq(MC, moved("d", &up) & MC);
        eq(0, moved("", &here) & MC);
        eq(0, p_chmod("d/b", 0604));
        eq(0604, mode_of("a"));
        eq(0, p_link("d/b", "d/c"));
        eq(3, links_of("a"));
        eq(0, p_unlink("a"));
        eq(2, links_of("d/c"));
        eq(0, p_unlink("d/b"));
        eq(1, links_of("d/c"));
        eq(0, p_unlink("d/c"));
        eq(0, p_rmdir("d"));
    }
}

CASE(one_file_by_all_names)
{
    must(3, p_put("a", "abc"));
    must(0, p_link("a", "b"));
    int fd = p_open("b", O_RDWR, 0);
    eq(1, pwrite(fd, "x", 1, 1));
    char text[8] = "";
    eq(3, p_read("a", text, sizeof text));
    eqs("axc", text);
    eq(0, p_truncate("a", 1));
    struct stat st;
    eq(0, fstat(fd, &st));
    eq(1, st.st_size);
    eq(2, st.st_nlink);
    close(fd);
}

CASE(existing_target)
{
    static const char types[] = "fdpsl";
    must(0, p_create("a", 0644));
    for (const char *type = types; *type != '\0'; type++) {
        must(0, p_make(*type, "x", 0644));
        struct stat st = noted("a"), up = noted("");
        note("type %c", *type);
        eq(-EEXIST, p_link("a", "x"));
        eq(0, moved("a", &st));
        eq(0, moved("", &up));
        must(0, p_remove(*type, "x"));
    }
    eq(-EEXIST, p_link("a", "a"));
    eq(1, links_of("a"));
}

CASE(directories_have_one_name)
{
    must(0, p_mkdir("d", 0755));
    eq(-EPERM, p_link("d", "e"));
    eq(-EPERM, p_link("d", "d/e"));
    eq(-EPERM, p_link(".", "e"));
    eq(-EEXIST, p_link("d", "d"));
    eq(2, links_of("d"));
}

CASE(a_link_to_a_link)
{
    must(0, p_create("a", 0644));
    must(0, p_symlink("a", "l"));
    eq(0, p_link("l", "m")); /* Linux does not follow */
    ok(S_ISLNK(stat_of("m").st_mode));
    eq(2, links_of("l"));
    const char *from = at("l");
    eq(0, neg(linkat(AT_FDCWD, from, AT_FDCWD, same("n"), AT_SYMLINK_FOLLOW)));
    ok(S_ISREG(stat_of("n").st_mode));
    eq(2, links_of("a"));
    must(0, p_symlink("missing", "dangling"));
    eq(0, p_link("dangling", "dangling too"));
    from = at("dangling");
    eq(-ENOENT,
       neg(linkat(AT_FDCWD, from, AT_FDCWD, same("x"), AT_SYMLINK_FOLLOW)));
    eq(-EINVAL, neg(linkat(AT_FDCWD, from, AT_FDCWD, same("x"), 0x40000)));
}

CASE(descriptor_with_an_empty_path)
{
    must(3, p_put("a", "abc"));
    int fd = p_open("a", O_RDONLY, 0);
    const char *b = same("b"), *c = same("c"); /* on the mount of fd */
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    eq(0, neg(linkat(AT_FDCWD, path, AT_FDCWD, b, AT_SYMLINK_FOLLOW)));
    eq(2, links_of("b"));
    eq(0, p_unlink("a"));
    eq(0, p_unlink("b"));
    /* The last name has gone, and does not come back. */
    eq(-ENOENT, neg(linkat(AT_FDCWD, path, AT_FDCWD, c, AT_SYMLINK_FOLLOW)));
    eq(false, exists("c"));
    close(fd);
}

CASE(other_filesystem)
{
    const char *there = elsewhere();
    char path[PATH_MAX];
    if (there == NULL) {
        return;
    }
    must(0, p_create("a", 0644));
    snprintf(path, sizeof path, "%s/posix-%d", there, (int)getpid());
    eq(-EXDEV, neg(link(at("a"), path)));
    eq(-EXDEV, neg(rename(at("a"), path)));
    int fd = open(path, O_CREAT | O_WRONLY, 0644);
    close(fd);
    eq(-EXDEV, neg(link(path, at("b"))));
    eq(-EXDEV, neg(rename(path, at("b"))));
    unlink(path);
    eq(false, exists("b"));
}

CASE(many_names)
{
    char name[32];
    must(0, p_create("a", 0644));
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "l%d", i);
        must(0, p_link("a", name));
    }
    eq(61, links_of("a"));
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "l%d", i);
        must(0, p_unlink(name));
    }
    eq(1, links_of("a"));
}

ROOT_CASE(permissions)
{
    must(0, p_chmod("", 0777));
    must(0, p_create("a", 0600));
    must(0, p_mkdir("open", 0777));
    must(0, p_mkdir("closed", 0755));
    as(USER, GROUP_OF_USER);
    must(0, p_create("own", 0644));
    eq(-EACCES, p_link("own", "closed/b"));
    /* Whether foreign files may be linked is the system's choice
     * (fs.protected_hardlinks), but never by the mode of the file alone. */
    int rc = p_link("a", "open/b");
    ok(rc == 0 || rc == -EPERM);
    must(0, p_create("mine", 0));
    eq(0, p_link("mine", "open/mine"));
    eq(2, links_of("mine"));
    as_root();
}
