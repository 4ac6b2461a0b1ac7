/* t_remove.c -- unlink(2), rmdir(2), and who may in sticky directories. */
#define GROUP "remove"
#include "tests/posix/posix.h"

CASE(unlink_of_every_type)
{
    static const char types[] = "fpsl";
    for (const char *type = types; *type != '\0'; type++) {
        must(0, p_make(*type, "x", 0644));
        must(0, p_make(*type, "y", 0644));
        note("type %c", *type);
        struct stat up = noted("");
        eq(-ENOTDIR, p_rmdir("x"));
        eq(true, exists("x"));
        eq(0, p_unlink("x"));
        eq(false, exists("x"));
        eq(true, exists("y"));
        eq(MC, moved("", &up) & MC);
        eq(-ENOENT, p_unlink("x"));
        eq(0, p_unlink("y"));
    }
}

CASE(unlink_of_one_of_two_links)
{
    must(3, p_put("a", "abc"));
    must(0, p_link("a", "b"));
    struct stat st = noted("a");
    eq(0, p_unlink("b"));
    eq(C, moved("a", &st) & MC);
    eq(1, links_of("a"));
    eq(3, size_of("a"));
}

CASE(unlink_of_a_directory)
{
    must(0, p_mkdir("d", 0755));
    struct stat st = noted("d"), up = noted("");
    eq(-EISDIR, p_unlink("d"));
    eq(0, moved("d", &st));
    eq(0, moved("", &up));
}

CASE(rmdir_of_an_empty_directory)
{
    must(0, p_mkdir("up", 0755));
    must(0, p_mkdir("up/d", 0755));
    struct stat up = noted("up");
    eq(0, p_rmdir("up/d"));
    eq(false, exists("up/d"));
    eq(MC, moved("up", &up) & MC);
    eq(up.st_nlink - 1, links_of("up"));
    eq(-ENOENT, p_rmdir("up/d"));
}

CASE(rmdir_of_a_full_directory)
{
    static const char types[] = "fdpsl";
    must(0, p_mkdir("d", 0755));
    for (const char *type = types; *type != '\0'; type++) {
        must(0, p_make(*type, "d/x", 0755));
        struct stat st = noted("d"), up = noted("");
        note("type %c", *type);
        eq(-ENOTEMPTY, p_rmdir("d"));
        eq(0, moved("d", &st));
        eq(0, moved("", &up));
        must(0, p_remove(*type, "d/x"));
    }
    eq(0, p_rmdir("d"));
}

CASE(rmdir_of_what_has_links)
{
    must(0, p_mkdir("d", 0755));
    must(0, p_symlink("d", "l"));
    eq(-ENOTDIR, p_rmdir("l"));
    eq(0, p_rmdir("d"));
    eq(true, exists("l"));
}

/* Who may remove what in a directory with the sticky bit: its owner, the owner
 * of the file, root. */
ROOT_CASE(sticky_directories)
{
    static const uid_t owners[] = {0, USER, OTHER};
    static const char types[] = "fd";
    must(0, p_mkdir("d", 0777));
    for (int d = 0; d < 3; d++) {
        for (int f = 0; f < 3; f++) {
            for (const char *type = types; *type != '\0'; type++) {
                must(0, p_chown("d", owners[d], 0));
                must(0, p_chmod("d", 01777));
                must(0, p_make(*type, "d/x", 0644));
                must(0, p_lchown("d/x", owners[f], 0));
                bool may = owners[d] == USER || owners[f] == USER;
                as(USER, GROUP_OF_USER);
                note("directory of %u, %c of %u", owners[d], *type, owners[f]);
                eq(may ? 0 : -EPERM, p_remove(*type, "d/x"));
                as_root();
                if (!may) {
                    as(USER, GROUP_OF_USER);
                    /* A directory that is not one's own cannot get another
                     * parent either, but that is not asked before. */
                    eq(-EPERM, p_rename("d/x", "d/y"));
                    as_root();
                    must(0, p_chmod("d", 0777));
                    as(USER, GROUP_OF_USER);
                    eq(0, p_remove(*type, "d/x"));
                    as_root();
                }
            }
        }
    }
}

ROOT_CASE(sticky_directories_and_rename_over)
{
    static const uid_t owners[] = {0, USER, OTHER};
    must(0, p_mkdir("d", 0777));
    for (int d = 0; d < 3; d++) {
        for (int f = 0; f < 3; f++) {
            must(0, p_chown("d", owners[d], 0));
            must(0, p_chmod("d", 01777));
            must(0, p_create("d/x", 0644));
            must(0, p_chown("d/x", owners[f], 0));
            as(USER, GROUP_OF_USER);
            must(0, p_create("d/mine", 0644));
            bool may = owners[d] == USER || owners[f] == USER;
            note("directory of %u, target of %u", owners[d], owners[f]);
            eq(may ? 0 : -EPERM, p_rename("d/mine", "d/x"));
            eq(may ? -ENOENT : -EPERM,
               p_rename2("d/mine", "d/x", RENAME_EXCHANGE));
            as_root();
            p_unlink("d/mine");
            p_unlink("d/x");
        }
    }
}

CASE(a_hundred_names_go)
{
    char name[32];
    must(0, p_mkdir("d", 0755));
    for (int i = 0; i < 120; i++) {
        snprintf(name, sizeof name, "d/%d", i);
        must(0, p_create(name, 0644));
    }
    eq(-ENOTEMPTY, p_rmdir("d"));
    for (int i = 0; i < 120; i++) {
        snprintf(name, sizeof name, "d/%d", i);
        eq(0, p_unlink(name));
    }
    eq(0, p_rmdir("d"));
}
