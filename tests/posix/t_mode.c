/* t_mode.c -- chmod(2). */
#define GROUP "mode"
#include "tests/posix/posix.h"

CASE(every_bit)
{
    static const char types[] = "fdps";
    for (const char *type = types; *type != '\0'; type++) {
        must(0, p_make(*type, "x", 0644));
        mode_t format = stat_of("x").st_mode & S_IFMT;
        for (int bit = 0; bit < 12; bit++) {
            note("type %c bit %d", *type, bit);
            eq(0, p_chmod("x", 1u << bit));
            eq(format | 1u << bit, stat_of("x").st_mode);
        }
        eq(0, p_chmod("x", 07777));
        eq(07777, mode_of("x"));
        eq(0, p_chmod("x", 0));
        eq(0, mode_of("x"));
        eq(0, p_chmod("x", 0100644)); /* the type is not to be changed */
        eq(format | 0644, stat_of("x").st_mode);
        eq(0, p_remove(*type, "x"));
    }
}

CASE(times)
{
    static const char types[] = "fdps";
    for (const char *type = types; *type != '\0'; type++) {
        must(0, p_make(*type, "x", 0644));
        struct stat st = noted("x"), up = noted("");
        note("type %c", *type);
        eq(0, p_chmod("x", 0600));
        eq(C, moved("x", &st));
        eq(0, moved("", &up));
        st = noted("x");
        eq(0, p_chmod("x", 0600)); /* the same again */
        eq(C, moved("x", &st));
        eq(0, p_remove(*type, "x"));
    }
}

CASE(descriptors_and_links)
{
    must(0, p_create("f", 0644));
    must(0, p_symlink("f", "l"));
    int fd = p_open("f", O_RDONLY, 0);
    eq(0, neg(fchmod(fd, 0604)));
    eq(0604, mode_of("f"));
    close(fd);
    eq(0, p_chmod("l", 0640));
    eq(0640, mode_of("f"));
    eq(0777, mode_of("l"));
    eq(-EOPNOTSUPP,
       neg(fchmodat(AT_FDCWD, at("l"), 0600, AT_SYMLINK_NOFOLLOW)));
    eq(0777, mode_of("l"));
    must(0, p_symlink("missing", "dangling"));
    eq(-ENOENT, p_chmod("dangling", 0600));
}

ROOT_CASE(only_the_owner)
{
    static const char types[] = "fdps";
    for (const char *type = types; *type != '\0'; type++) {
        must(0, p_make(*type, "x", 0644));
        must(0, p_chown("x", USER, GROUP_OF_USER));
        struct stat st = noted("x");
        note("type %c", *type);
        as(OTHER, GROUP_OF_USER);
        eq(-EPERM, p_chmod("x", 0666));
        as_root();
        eq(0, moved("x", &st));
        as(USER, GROUP_OF_USER);
        eq(0, p_chmod("x", 0));
        eq(0, p_chmod("x", 0111));
        as_root();
        eq(0111, mode_of("x"));
        eq(0, p_remove(*type, "x"));
    }
}

ROOT_CASE(set_gid_needs_the_group)
{
    static const char types[] = "fps";
    gid_t groups[] = {GROUP_OF_OTHER};
    for (const char *type = types; *type != '\0'; type++) {
        must(0, p_make(*type, "x", 0755));
        must(0, p_chown("x", USER, GROUP_OF_OTHER));
        note("type %c", *type);
        as(USER, GROUP_OF_USER);
        eq(0, p_chmod("x", 02755));
        eq(0755, mode_of("x"));
        eq(0, p_chmod("x", 02745)); /* also without g+x */
        eq(0745, mode_of("x"));
        eq(0, p_chmod("x", 04755));
        eq(04755, mode_of("x"));
        as_root();
        as_groups(USER, GROUP_OF_USER, 1, groups);
        eq(0, p_chmod("x", 02755));
        eq(02755, mode_of("x"));
        as_root();
        eq(0, p_remove(*type, "x"));
    }
    must(0, p_mkdir("d", 0755));
    must(0, p_chown("d", USER, GROUP_OF_OTHER));
    as(USER, GROUP_OF_USER);
    eq(0, p_chmod("d", 03755));
    eq(01755, mode_of("d"));
    as_root();
}

ROOT_CASE(sticky_bit_of_files)
{
    must(0, p_create("f", 0644));
    must(0, p_chown("f", USER, GROUP_OF_USER));
    as(USER, GROUP_OF_USER);
    eq(0, p_chmod("f", 01644)); /* Linux lets anybody */
    eq(01644, mode_of("f"));
    as_root();
}

/* write(2) of whoever is not root takes the bits away. */
ROOT_CASE(writing_clears_set_id_bits)
{
    static const mode_t modes[] = {04777, 02777, 06777, 04766, 06777, 02767};
    for (size_t i = 0; i < 6; i++) {
        must(0, p_create("f", 0));
        must(0, p_chown("f", USER, GROUP_OF_USER));
        must(0, p_chmod("f", modes[i]));
        note("mode %o", modes[i]);
        as(OTHER, GROUP_OF_OTHER);
        int fd = p_open("f", O_WRONLY, 0);
        eq(modes[i], mode_of("f")); /* not by opening */
        eq(0, write(fd, "", 0));
        eq(modes[i], mode_of("f"));
        eq(1, write(fd, "x", 1));
        eq(modes[i] & 0777, mode_of("f"));
        as_root();
        must(0, p_chmod("f", modes[i]));
        as(USER, GROUP_OF_USER);
        eq(1, pwrite(fd, "x", 1, 100));
        /* Mandatory locking, where it is for a member of the group. */
        eq(modes[i] & ((modes[i] & 010) != 0 ? 0777 : 02777), mode_of("f"));
        as_root();
        must(0, p_chmod("f", modes[i]));
        eq(1, pwrite(fd, "x", 1, 100)); /* root */
        eq(modes[i], mode_of("f"));
        close(fd);
        must(0, p_unlink("f"));
    }
}

ROOT_CASE(execution_needs_a_bit)
{
    must(0, p_create("f", 0644));
    eq(-EACCES, p_access("f", X_OK)); /* root too */
    eq(0, p_access("f", R_OK | W_OK));
    must(0, p_chmod("f", 0));
    eq(0, p_access("f", R_OK | W_OK));
    must(0, p_chmod("f", 001));
    eq(0, p_access("f", X_OK));
    must(0, p_mkdir("d", 0));
    eq(0, p_access("d", R_OK | W_OK | X_OK));
}
