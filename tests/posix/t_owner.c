/* t_owner.c -- chown(2). */
#define GROUP "owner"
#include "tests/posix/posix.h"

ROOT_CASE(every_type)
{
    static const char types[] = "fdpsl";
    for (const char *type = types; *type != '\0'; type++) {
        must(0, p_make(*type, "x", 0644));
        struct stat st = noted("x"), up = noted("");
        note("type %c", *type);
        eq(0, p_lchown("x", 123, 456));
        eq(123, stat_of("x").st_uid);
        eq(456, stat_of("x").st_gid);
        eq(C, moved("x", &st));
        eq(0, moved("", &up));
        eq(0, p_lchown("x", 789, (gid_t)-1));
        eq(789, stat_of("x").st_uid);
        eq(456, stat_of("x").st_gid);
        eq(0, p_lchown("x", (uid_t)-1, 42));
        eq(789, stat_of("x").st_uid);
        eq(42, stat_of("x").st_gid);
        st = noted("x");
        eq(0, p_lchown("x", (uid_t)-1, (gid_t)-1));
        eq(789, stat_of("x").st_uid);
        eq(42, stat_of("x").st_gid);
        eq(C, moved("x", &st));
        eq(0, p_lchown("x", 4294967294u, 4294967294u));
        eq(4294967294u, stat_of("x").st_uid);
        eq(4294967294u, stat_of("x").st_gid);
        eq(0, p_remove(*type, "x"));
    }
}

ROOT_CASE(links_are_followed_or_not)
{
    must(0, p_create("f", 0644));
    must(0, p_symlink("f", "l"));
    eq(0, p_chown("l", 1, 2));
    eq(1, stat_of("f").st_uid);
    eq(0, stat_of("l").st_uid);
    eq(0, p_lchown("l", 3, 4));
    eq(1, stat_of("f").st_uid);
    eq(3, stat_of("l").st_uid);
    eq(4, stat_of("l").st_gid);
    int fd = p_open("f", O_RDONLY, 0);
    eq(0, neg(fchown(fd, 5, 6)));
    eq(5, stat_of("f").st_uid);
    eq(6, stat_of("f").st_gid);
    eq(0, neg(fchownat(fd, "", 7, 8, AT_EMPTY_PATH)));
    eq(7, stat_of("f").st_uid);
    close(fd);
}

ROOT_CASE(who_may)
{
    static const char types[] = "fdpsl";
    gid_t groups[] = {GROUP_OF_OTHER};
    for (const char *type = types; *type != '\0'; type++) {
        must(0, p_make(*type, "x", 0644));
        must(0, p_lchown("x", USER, GROUP_OF_USER));
        note("type %c", *type);
        struct stat st = noted("x");
        as(USER, GROUP_OF_USER);
        eq(-EPERM, p_lchown("x", OTHER, (gid_t)-1));
        eq(-EPERM, p_lchown("x", 0, 0));
        eq(-EPERM, p_lchown("x", (uid_t)-1, GROUP_OF_OTHER));
        as_root();
        eq(0, moved("x", &st));
        as_groups(USER, GROUP_OF_USER, 1, groups);
        eq(0, p_lchown("x", USER, GROUP_OF_OTHER));
        eq(GROUP_OF_OTHER, stat_of("x").st_gid);
        eq(0, p_lchown("x", (uid_t)-1, GROUP_OF_USER));
        eq(0, p_lchown("x", USER, (gid_t)-1));
        as_root();
        as_groups(OTHER, GROUP_OF_USER, 1, groups);
        eq(-EPERM, p_lchown("x", (uid_t)-1, GROUP_OF_OTHER));
        eq(-EPERM, p_lchown("x", OTHER, (gid_t)-1));
        as_root();
        eq(USER, stat_of("x").st_uid);
        eq(GROUP_OF_USER, stat_of("x").st_gid);
        eq(0, p_remove(*type, "x"));
    }
}

/* Without group execution the set-gid bit stays when a member of the group changes
 * the file, by whichever of his groups. */
ROOT_CASE(set_gid_without_execution_stays_for_the_group)
{
    gid_t groups[] = {GROUP_OF_OTHER};
    for (int member = 0; member < 2; member++) {
        note("member %d", member);
        for (int how = 0; how < 4; how++) {
            must(0, p_create("f", 0));
            must(0, p_chown("f", 0, GROUP_OF_OTHER));
            must(0, p_chmod("f", 02666));
            as_groups(USER, GROUP_OF_USER, (size_t)member, groups);
            int fd = p_open("f", O_RDWR, 0);
            int rc = how == 0   ? (int)write(fd, "x", 1) - 1
                     : how == 1 ? ftruncate(fd, 10)
                     : how == 2 ? fallocate(fd, 0, 0, 100)
                                : (int)pwrite(fd, "x", 1, 5000) - 1;
            eq(0, rc);
            close(fd);
            as_root();
            note("member %d, way %d", member, how);
            eq(member == 1 ? 02666 : 0666, mode_of("f"));
            must(0, p_unlink("f"));
        }
    }
}

/* chown(2) takes set-id bits away, also when nothing changes, and for root. */
ROOT_CASE(set_id_bits_go)
{
    static const mode_t modes[] = {06555, 04555, 02555, 06777, 04711};
    gid_t groups[] = {GROUP_OF_OTHER};
    for (size_t i = 0; i < 5; i++) {
        must(0, p_create("f", 0));
        must(0, p_chown("f", USER, GROUP_OF_USER));
        note("mode %o", modes[i]);
        must(0, p_chmod("f", modes[i]));
        as_groups(USER, GROUP_OF_USER, 1, groups);
        eq(0, p_chown("f", (uid_t)-1, GROUP_OF_OTHER));
        as_root();
        eq(modes[i] & 0777, mode_of("f"));
        must(0, p_chmod("f", modes[i]));
        as(USER, GROUP_OF_OTHER);
        eq(0, p_chown("f", USER, GROUP_OF_OTHER));
        as_root();
        eq(modes[i] & 0777, mode_of("f"));
        must(0, p_chmod("f", modes[i]));
        eq(0, p_chown("f", OTHER, GROUP_OF_OTHER));
        eq(modes[i] & 0777, mode_of("f"));
        must(0, p_chmod("f", modes[i]));
        eq(0, p_chown("f", (uid_t)-1, (gid_t)-1));
        eq(modes[i] & 0777, mode_of("f"));
        must(0, p_unlink("f"));
    }
    must(0, p_mkdir("d", 0755));
    must(0, p_chmod("d", 06755));
    eq(0, p_chown("d", USER, GROUP_OF_USER));
    eq(06755, mode_of("d"));
}

ROOT_CASE(set_gid_without_group_execution)
{
    must(0, p_create("f", 0));
    must(0, p_chmod("f", 02745));
    eq(0, p_chown("f", USER, GROUP_OF_USER));
    eq(02745, mode_of("f"));
    as(USER, GROUP_OF_USER);
    eq(0, p_chown("f", USER, GROUP_OF_USER));
    as_root();
    eq(02745, mode_of("f"));
}

ROOT_CASE(times_do_not_move_where_it_is_forbidden)
{
    must(0, p_create("f", 0644));
    struct stat st = noted("f");
    as(USER, GROUP_OF_USER);
    eq(-EPERM, p_chown("f", USER, GROUP_OF_USER));
    eq(-EPERM, p_chown("f", USER, (gid_t)-1));
    as_root();
    eq(0, moved("f", &st));
}
