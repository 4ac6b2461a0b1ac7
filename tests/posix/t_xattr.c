/* t_xattr.c -- extended attributes. */
#define GROUP "xattr"
#include "tests/posix/posix.h"

#include <sys/xattr.h>

static long long set(const char *name, const char *key, const char *value)
{
    return neg(setxattr(at(name), key, value, strlen(value), 0));
}

static long long get(const char *name, const char *key, char *out, size_t size)
{
    return neg(getxattr(at(name), key, out, size));
}

static bool listed(const char *name, const char *key)
{
    char names[4096];
    long long size = neg(listxattr(at(name), names, sizeof names));
    for (long long i = 0; i < size; i += (long long)strlen(names + i) + 1) {
        if (strcmp(names + i, key) == 0) {
            return true;
        }
    }
    return false;
}

CASE(set_get_list_remove)
{
    static const char types[] = "fd";
    char value[64] = "";
    for (const char *type = types; *type != '\0'; type++) {
        must(0, p_make(*type, "x", 0755));
        note("type %c", *type);
        eq(-ENODATA, get("x", "user.a", value, sizeof value));
        eq(0, neg(listxattr(at("x"), value, 0)));
        eq(0, set("x", "user.a", "one"));
        eq(3, get("x", "user.a", value, sizeof value));
        eqm("one", value, 3);
        eq(0, set("x", "user.a", "other"));
        eq(5, get("x", "user.a", value, sizeof value));
        eq(0, set("x", "user.empty", ""));
        eq(0, get("x", "user.empty", value, sizeof value));
        eq(true, listed("x", "user.a"));
        eq(true, listed("x", "user.empty"));
        eq(7 + 11, neg(listxattr(at("x"), NULL, 0)));
        eq(0, neg(removexattr(at("x"), "user.a")));
        eq(-ENODATA, get("x", "user.a", value, sizeof value));
        eq(-ENODATA, neg(removexattr(at("x"), "user.a")));
        eq(false, listed("x", "user.a"));
        eq(true, listed("x", "user.empty"));
        eq(0, p_remove(*type, "x"));
    }
}

CASE(sizes_of_buffers)
{
    char value[16];
    must(0, p_create("f", 0644));
    must(0, set("f", "user.a", "12345"));
    eq(5, get("f", "user.a", NULL, 0));
    eq(5, get("f", "user.a", value, 5));
    eq(5, get("f", "user.a", value, 16));
    eq(-ERANGE, get("f", "user.a", value, 4));
    eq(-ERANGE, get("f", "user.a", value, 1));
    eq(-ERANGE, neg(listxattr(at("f"), value, 3)));
    eq(7, neg(listxattr(at("f"), value, 7)));
}

CASE(create_and_replace)
{
    char value[16];
    must(0, p_create("f", 0644));
    eq(-ENODATA, neg(setxattr(at("f"), "user.a", "x", 1, XATTR_REPLACE)));
    eq(0, neg(setxattr(at("f"), "user.a", "x", 1, XATTR_CREATE)));
    eq(-EEXIST, neg(setxattr(at("f"), "user.a", "y", 1, XATTR_CREATE)));
    eq(0, neg(setxattr(at("f"), "user.a", "z", 1, XATTR_REPLACE)));
    eq(1, get("f", "user.a", value, sizeof value));
    eq('z', value[0]);
    eq(-EINVAL, neg(setxattr(at("f"), "user.a", "x", 1, 8)));
}

CASE(names)
{
    char name[300], value[4];
    must(0, p_create("f", 0644));
    snprintf(name, sizeof name, "user.%s", long_name(250));
    eq(0, set("f", name, "x"));
    eq(1, get("f", name, value, sizeof value));
    eq(true, listed("f", name));
    snprintf(name, sizeof name, "user.%s", long_name(251));
    eq(-ERANGE, set("f", name, "x"));
    eq(-ERANGE, get("f", name, value, sizeof value));
    eq(-ERANGE, set("f", "", "x"));
    eq(-EINVAL, set("f", "user.", "x"));
    eq(-EOPNOTSUPP, set("f", "nothing.a", "x"));
    eq(-EOPNOTSUPP, get("f", "nothing.a", value, sizeof value));
    eq(-EOPNOTSUPP, set("f", "system.a", "x"));
    eq(-EOPNOTSUPP, set("f", "user", "x"));
    eq(0, set("f", "user.with spaces and \xff", "x"));
    eq(0, set("f", "user.UPPER", "x"));
    eq(-ENODATA, get("f", "user.upper", value, sizeof value));
}

CASE(values_of_many_sizes)
{
    static const size_t sizes[] = {1, 100, 255, 256, 1000, 2000, 3000};
    char value[4096], back[4096];
    must(0, p_create("f", 0644));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t j = 0; j < sizes[i]; j++) {
            value[j] = (char)(j * 7);
        }
        note("%zu bytes", sizes[i]);
        eq(0, neg(setxattr(at("f"), "user.v", value, sizes[i], 0)));
        eq(sizes[i], get("f", "user.v", back, sizeof back));
        eqm(value, back, sizes[i]);
    }
    static char huge[65537];
    eq(-E2BIG, neg(setxattr(at("f"), "user.v", huge, sizeof huge, 0)));
}

CASE(descriptors)
{
    char value[8];
    must(0, p_create("f", 0644));
    int fd = p_open("f", O_RDONLY, 0);
    eq(0, neg(fsetxattr(fd, "user.a", "x", 1, 0)));
    eq(1, get("f", "user.a", value, sizeof value));
    eq(1, neg(fgetxattr(fd, "user.a", value, sizeof value)));
    eq(7, neg(flistxattr(fd, value, sizeof value)));
    eq(0, p_unlink("f"));
    eq(1, neg(fgetxattr(fd, "user.a", value, sizeof value)));
    eq(0, neg(fremovexattr(fd, "user.a")));
    eq(-ENODATA, neg(fgetxattr(fd, "user.a", value, sizeof value)));
    close(fd);
}

CASE(only_files_and_directories_have_user_attributes)
{
    char value[8];
    must(0, p_create("f", 0644));
    must(0, p_symlink("f", "l"));
    must(0, p_mknod("p", S_IFIFO | 0644, 0));
    must(0, p_mknod("s", S_IFSOCK | 0644, 0));
    eq(-EPERM, neg(lsetxattr(at("l"), "user.a", "x", 1, 0)));
    eq(-EPERM, set("p", "user.a", "x"));
    eq(-EPERM, set("s", "user.a", "x"));
    eq(-ENODATA, neg(lgetxattr(at("l"), "user.a", value, sizeof value)));
    eq(-ENODATA, get("p", "user.a", value, sizeof value));
    eq(0, set("l", "user.a", "x")); /* follows */
    eq(1, get("f", "user.a", value, sizeof value));
}

ROOT_CASE(trusted_and_security)
{
    char value[16];
    static const char types[] = "fdpsl";
    for (const char *type = types; *type != '\0'; type++) {
        must(0, p_make(*type, "x", 0777));
        note("type %c", *type);
        eq(0, neg(lsetxattr(at("x"), "trusted.t", "abc", 3, 0)));
        eq(3, neg(lgetxattr(at("x"), "trusted.t", value, sizeof value)));
        eq(10, neg(llistxattr(at("x"), value, sizeof value)));
        eq(0, neg(lsetxattr(at("x"), "security.s", "abcd", 4, 0)));
        eq(4, neg(lgetxattr(at("x"), "security.s", value, sizeof value)));
        as(USER, GROUP_OF_USER);
        eq(-EPERM, neg(lsetxattr(at("x"), "trusted.t", "x", 1, 0)));
        eq(-ENODATA, neg(lgetxattr(at("x"), "trusted.t", value, sizeof value)));
        eq(-EPERM, neg(lsetxattr(at("x"), "security.s", "x", 1, 0)));
        eq(4, neg(lgetxattr(at("x"), "security.s", value, sizeof value)));
        eq(11, neg(llistxattr(at("x"), value, sizeof value)));
        as_root();
        eq(0, p_remove(*type, "x"));
    }
}

ROOT_CASE(permissions)
{
    char value[8];
    must(0, p_create("f", 0640));
    must(0, p_chown("f", USER, GROUP_OF_USER));
    must(0, set("f", "user.a", "x"));
    as(OTHER, GROUP_OF_OTHER);
    eq(-EACCES, set("f", "user.a", "y"));
    eq(-EACCES, get("f", "user.a", value, sizeof value));
    eq(-EACCES, neg(removexattr(at("f"), "user.a")));
    eq(7, neg(listxattr(at("f"), value, sizeof value)));
    as_root();
    as(OTHER, GROUP_OF_USER);
    eq(1, get("f", "user.a", value, sizeof value));
    eq(-EACCES, set("f", "user.a", "y"));
    as_root();
    as(USER, GROUP_OF_USER);
    eq(0, set("f", "user.a", "y"));
    as_root();
    /* In a sticky directory only its owner. */
    must(0, p_mkdir("d", 0777));
    must(0, p_chmod("d", 01777));
    as(USER, GROUP_OF_USER);
    eq(-EPERM, set("d", "user.a", "x"));
    as_root();
    must(0, p_chmod("d", 0777));
    as(USER, GROUP_OF_USER);
    eq(0, set("d", "user.a", "x"));
    as_root();
}

/* struct vfs_cap_data, version 2: cap_net_bind_service, effective. */
static const char capability[] = {1, 0, 0, 2, 0, 4, 0, 0, 0, 0,
                                  0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

static void grant(void)
{
    must(0, neg(setxattr(at("f"), "security.capability", capability,
                         sizeof capability, 0)));
    ok(listed("f", "security.capability"));
}

ROOT_CASE(capabilities_go_with_changes)
{
    must(3, p_put("f", "abc"));
    int fd = p_open("f", O_RDWR, 0);
    grant();
    eq(1, pwrite(fd, "x", 1, 0));
    eq(false, listed("f", "security.capability"));
    grant();
    eq(0, neg(ftruncate(fd, 1)));
    eq(false, listed("f", "security.capability"));
    grant();
    eq(0, p_chown("f", USER, GROUP_OF_USER));
    eq(false, listed("f", "security.capability"));
    grant();
    eq(0, p_chmod("f", 0755));
    eq(0, p_rename("f", "g"));
    eq(0, p_link("g", "f"));
    eq(true, listed("f", "security.capability"));
    close(fd);
}

CASE(they_stay_with_the_file)
{
    char value[8];
    must(0, p_create("f", 0644));
    must(0, set("f", "user.a", "1"));
    must(0, p_link("f", "g"));
    must(0, set("g", "user.b", "22"));
    eq(2, get("f", "user.b", value, sizeof value));
    must(0, p_rename("f", "h"));
    eq(1, get("h", "user.a", value, sizeof value));
    must(0, p_create("f", 0644));
    eq(-ENODATA, get("f", "user.a", value, sizeof value));
    eq(0, p_rename("f", "h"));
    eq(-ENODATA, get("h", "user.a", value, sizeof value));
    eq(1, get("g", "user.a", value, sizeof value));
}

CASE(many)
{
    char key[32], value[8];
    must(0, p_create("f", 0644));
    for (int i = 0; i < 60; i++) {
        snprintf(key, sizeof key, "user.key%d", i);
        note("%s", key);
        eq(0, set("f", key, key + 8));
    }
    for (int i = 0; i < 60; i++) {
        snprintf(key, sizeof key, "user.key%d", i);
        eq(strlen(key + 8), get("f", key, value, sizeof value));
        eq(true, listed("f", key));
    }
}
