/* t_rename.c -- rename(2), renameat2(2). */
#define GROUP "rename"
#include "tests/posix/posix.h"

CASE(to_a_new_name)
{
    static const char types[] = "fdpsl";
    must(0, p_mkdir("from", 0755));
    must(0, p_mkdir("to", 0755));
    for (const char *type = types; *type != '\0'; type++) {
        must(0, p_make(*type, "from/x", 0640));
        struct stat st = noted("from/x"), a = noted("from"), b = noted("to");
        note("type %c", *type);
        eq(0, p_rename("from/x", "to/y"));
        eq(false, exists("from/x"));
        struct stat now = stat_of("to/y");
        eq(st.st_ino, now.st_ino);
        eq(st.st_mode, now.st_mode);
        eq(st.st_nlink, now.st_nlink);
        eq(C, moved("to/y", &st) & MC);
        eq(MC, moved("from", &a) & MC);
        eq(MC, moved("to", &b) & MC);
        eq(b.st_nlink + (*type == 'd' ? 1 : 0), links_of("to"));
        eq(a.st_nlink - (*type == 'd' ? 1 : 0), links_of("from"));
        eq(0, p_rename("to/y", "to/z"));
        eq(st.st_ino, stat_of("to/z").st_ino);
        eq(-ENOENT, p_rename("to/y", "to/w"));
        eq(0, p_remove(*type, "to/z"));
    }
}

/* What may replace what. */
CASE(over_every_type)
{
    static const char types[] = "fpld";
    for (const char *from = types; *from != '\0'; from++) {
        for (const char *to = types; *to != '\0'; to++) {
            int expected = (*from == 'd') == (*to == 'd') ? 0
                           : *to == 'd'                   ? -EISDIR
                                                          : -ENOTDIR;
            must(0, p_make(*from, "a", 0640));
            must(0, p_make(*to, "b", 0604));
            struct stat a = noted("a"), b = noted("b"), up = noted("");
            note("%c over %c", *from, *to);
            eq(expected, p_rename("a", "b"));
            if (expected == 0) {
                eq(false, exists("a"));
                eq(a.st_ino, stat_of("b").st_ino);
                eq(C, moved("b", &a) & MC);
                eq(MC, moved("", &up) & MC);
                eq(0, p_remove(*from, "b"));
            } else {
                eq(0, moved("a", &a));
                eq(0, moved("b", &b));
                eq(0, moved("", &up));
                eq(0, p_remove(*from, "a"));
                eq(0, p_remove(*to, "b"));
            }
        }
    }
}

CASE(over_one_of_two_links)
{
    must(3, p_put("a", "abc"));
    must(0, p_create("b", 0644));
    must(0, p_link("b", "c"));
    struct stat st = noted("c");
    eq(0, p_rename("a", "b"));
    eq(1, links_of("c"));
    eq(C, moved("c", &st) & MC);
    eq(3, size_of("b"));
}

CASE(two_names_of_one_file)
{
    must(0, p_create("a", 0644));
    must(0, p_link("a", "b"));
    eq(0, p_rename("a", "b"));
    eq(true, exists("a"));
    eq(true, exists("b"));
    eq(2, links_of("a"));
    eq(0, p_rename("a", "a"));
    eq(true, exists("a"));
    must(0, p_mkdir("d", 0755));
    eq(0, p_rename("d", "d"));
    eq(true, exists("d"));
    eq(-EEXIST, p_rename2("a", "b", RENAME_NOREPLACE));
    eq(-EEXIST, p_rename2("a", "a", RENAME_NOREPLACE));
    eq(0, p_rename2("a", "b", RENAME_EXCHANGE));
}

CASE(over_a_full_directory)
{
    static const char types[] = "fdpsl";
    must(0, p_mkdir("a", 0755));
    must(0, p_mkdir("b", 0755));
    for (const char *type = types; *type != '\0'; type++) {
        must(0, p_make(*type, "b/x", 0644));
        struct stat up = noted("");
        note("type %c", *type);
        eq(-ENOTEMPTY, p_rename("a", "b"));
        eq(0, moved("", &up));
        must(0, p_remove(*type, "b/x"));
    }
    must(0, p_create("a/inside", 0644));
    eq(0, p_rename("a", "b"));
    eq(true, exists("b/inside"));
    /* Its own parent is not empty either. */
    must(0, p_mkdir("b/c", 0755));
    eq(-ENOTEMPTY, p_rename("b/c", "b"));
    eq(-ENOTEMPTY, p_rename("b/inside", "b"));
}

CASE(into_itself)
{
    must(0, p_mkdir("d", 0755));
    must(0, p_mkdir("d/e", 0755));
    must(0, p_mkdir("d/e/f", 0755));
    eq(-EINVAL, p_rename("d", "d/x"));
    eq(-EINVAL, p_rename("d", "d/e/x"));
    eq(-EINVAL, p_rename("d", "d/e/f/x"));
    eq(-EINVAL, p_rename("d", "d/e"));
    eq(-EINVAL, p_rename2("d", "d/e", RENAME_EXCHANGE));
    eq(-EINVAL, p_rename2("d/e", "d", RENAME_EXCHANGE));
    eq(-EINVAL, p_rename2("d", "d/x", RENAME_NOREPLACE));
    eq(0, p_rename("d/e/f", "d/f"));
    eq(0, p_rename("d/e", "d/f/e"));
    eq(true, exists("d/f/e"));
}

CASE(directory_takes_its_parent_along)
{
    struct stat st;
    must(0, p_mkdir("a", 0755));
    must(0, p_mkdir("b", 0755));
    must(0, p_mkdir("a/d", 0755));
    must(0, p_mkdir("a/d/e", 0755));
    must(0, p_create("a/d/e/file", 0644));
    eq(0, p_rename("a/d", "b/d"));
    eq(0, p_lstat("b/d/..", &st));
    eq(stat_of("b").st_ino, st.st_ino);
    eq(2, links_of("a"));
    eq(3, links_of("b"));
    eq(true, exists("b/d/e/file"));
    eq(-ENOENT, p_lstat("a/d/e/file", &st));
    eq(0, p_rmdir("a"));
}

CASE(noreplace)
{
    static const char types[] = "fdpsl";
    must(0, p_create("a", 0644));
    for (const char *type = types; *type != '\0'; type++) {
        must(0, p_make(*type, "b", 0644));
        note("type %c", *type);
        eq(-EEXIST, p_rename2("a", "b", RENAME_NOREPLACE));
        eq(true, exists("a"));
        must(0, p_remove(*type, "b"));
    }
    eq(0, p_rename2("a", "b", RENAME_NOREPLACE));
    eq(false, exists("a"));
    eq(-ENOENT, p_rename2("a", "c", RENAME_NOREPLACE));
}

CASE(exchange)
{
    static const char types[] = "fld";
    must(0, p_mkdir("one", 0755));
    must(0, p_mkdir("two", 0755));
    for (const char *a = types; *a != '\0'; a++) {
        for (const char *b = types; *b != '\0'; b++) {
            must(0, p_make(*a, "one/a", 0640));
            must(0, p_make(*b, "two/b", 0604));
            struct stat sa = noted("one/a"), sb = noted("two/b");
            struct stat one = stat_of("one"), two = stat_of("two");
            note("%c and %c", *a, *b);
            eq(0, p_rename2("one/a", "two/b", RENAME_EXCHANGE));
            eq(sb.st_ino, stat_of("one/a").st_ino);
            eq(sa.st_ino, stat_of("two/b").st_ino);
            eq(C, moved("one/a", &sb) & MC);
            eq(C, moved("two/b", &sa) & MC);
            eq(MC, moved("one", &one) & MC);
            eq(MC, moved("two", &two) & MC);
            int shift = (*b == 'd') - (*a == 'd');
            eq((long long)one.st_nlink + shift, links_of("one"));
            eq((long long)two.st_nlink - shift, links_of("two"));
            eq(0, p_remove(*b, "one/a"));
            eq(0, p_remove(*a, "two/b"));
        }
    }
    must(0, p_create("one/a", 0644));
    eq(-ENOENT, p_rename2("one/a", "two/missing", RENAME_EXCHANGE));
    eq(-ENOENT, p_rename2("two/missing", "one/a", RENAME_EXCHANGE));
}

CASE(exchange_of_full_directories)
{
    must(0, p_mkdir("a", 0755));
    must(0, p_mkdir("b", 0755));
    must(0, p_create("a/1", 0644));
    must(0, p_mkdir("b/2", 0755));
    eq(0, p_rename2("a", "b", RENAME_EXCHANGE));
    eq(true, exists("b/1"));
    eq(true, exists("a/2"));
    eq(0, p_rename2("a/2", "b", RENAME_EXCHANGE));
    eq(true, exists("a/2/1"));
}

CASE(flags_that_are_wrong)
{
    must(0, p_create("a", 0644));
    must(0, p_create("b", 0644));
    eq(-EINVAL, p_rename2("a", "b", RENAME_NOREPLACE | RENAME_EXCHANGE));
    eq(-EINVAL, p_rename2("a", "b", RENAME_WHITEOUT | RENAME_EXCHANGE));
    eq(-EINVAL, p_rename2("a", "b", 8));
    eq(-EINVAL, p_rename2("a", "b", 1u << 31));
}

ROOT_CASE(whiteout)
{
    must(3, p_put("a", "abc"));
    eq(0, p_rename2("a", "b", RENAME_WHITEOUT));
    struct stat st = stat_of("a");
    eq(S_IFCHR, st.st_mode);
    eq(0, st.st_rdev);
    eq(1, st.st_nlink);
    eq(3, size_of("b"));
    must(0, p_mkdir("d", 0755));
    must(0, p_create("c", 0644));
    eq(0, p_rename2("c", "d/c", RENAME_WHITEOUT));
    eq(S_IFCHR, stat_of("c").st_mode);
    eq(-EEXIST, p_rename2("b", "d/c", RENAME_WHITEOUT | RENAME_NOREPLACE));
    eq(0, p_rename2("b", "d/c", RENAME_WHITEOUT));
    eq(3, size_of("d/c"));
    eq(S_IFCHR, stat_of("b").st_mode);
    eq(0, p_rename2("d", "e", RENAME_WHITEOUT));
    eq(S_IFCHR, stat_of("d").st_mode);
    eq(true, exists("e/c"));
    static const char *const whiteouts[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < 4; i++) {
        eq(0, p_unlink(whiteouts[i]));
    }
    eq(3, links_of("")); /* ".", "..", "e" */
}

/* Who moves a directory to another parent writes its "..". */
ROOT_CASE(foreign_directory_to_another_parent)
{
    must(0, p_mkdir("a", 0777));
    must(0, p_mkdir("b", 0777));
    must(0, p_mkdir("a/d", 0755));
    must(0, p_create("a/f", 0644));
    as(USER, GROUP_OF_USER);
    eq(-EACCES, p_rename("a/d", "b/d"));
    eq(0, p_rename("a/d", "a/e"));
    eq(0, p_rename("a/f", "b/f"));
    as_root();
    must(0, p_chmod("a/e", 0757));
    as(USER, GROUP_OF_USER);
    eq(0, p_rename("a/e", "b/e"));
    as_root();
}

ROOT_CASE(sticky_source_and_target)
{
    static const uid_t owners[] = {0, USER, OTHER};
    must(0, p_mkdir("from", 0777));
    must(0, p_mkdir("to", 0777));
    for (int d = 0; d < 3; d++) {
        for (int f = 0; f < 3; f++) {
            must(0, p_chown("from", owners[d], 0));
            must(0, p_chmod("from", 01777));
            must(0, p_create("from/x", 0644));
            must(0, p_chown("from/x", owners[f], 0));
            bool may = owners[d] == USER || owners[f] == USER;
            as(USER, GROUP_OF_USER);
            note("directory of %u, file of %u", owners[d], owners[f]);
            eq(may ? 0 : -EPERM, p_rename("from/x", "to/x"));
            as_root();
            p_unlink("from/x");
            p_unlink("to/x");
        }
    }
}

CASE(open_file_is_renamed)
{
    must(3, p_put("a", "abc"));
    int fd = p_open("a", O_RDWR, 0);
    must(1, fd >= 0);
    eq(0, p_rename("a", "b"));
    eq(1, pwrite(fd, "X", 1, 0));
    char text[8] = "";
    eq(3, p_read("b", text, sizeof text));
    eqs("Xbc", text);
    must(3, p_put("c", "new"));
    eq(0, p_rename("c", "b"));
    struct stat st;
    eq(0, fstat(fd, &st));
    eq(0, st.st_nlink);
    eq(3, pread(fd, text, sizeof text, 0));
    eqs("Xbc", text);
    eq(3, pwrite(fd, "yyy", 3, 0));
    eq(3, p_read("b", text, sizeof text));
    eqs("new", text);
    close(fd);
}
