/* t_acl.c -- POSIX.1e access control lists, as bytes of their attributes. */
#define GROUP "acl"
#include "tests/posix/posix.h"

#include <sys/xattr.h>

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

enum {
    OWNER = 1,
    NAMED_USER = 2,
    GROUP_OBJ = 4,
    NAMED_GROUP = 8,
    MASK = 16,
    REST = 32
};

struct entry {
    uint16_t tag, permissions;
    uint32_t id;
};
struct acl {
    uint32_t version;
    struct entry entries[12];
};

#define E(tag, permissions)                                                    \
    {                                                                          \
        tag, permissions, UINT32_MAX                                           \
    }
#define U(id, permissions)                                                     \
    {                                                                          \
        NAMED_USER, permissions, id                                            \
    }
#define G(id, permissions)                                                     \
    {                                                                          \
        NAMED_GROUP, permissions, id                                           \
    }

static long long set(const char *name, const char *which, size_t count,
                     const struct entry *entries)
{
    struct acl acl = {.version = 2};
    memcpy(acl.entries, entries, count * sizeof *entries);
    return neg(setxattr(at(name), which, &acl, 4 + count * sizeof *entries, 0));
}

static size_t get(const char *name, const char *which, struct acl *out)
{
    memset(out, 0, sizeof *out);
    long long size = neg(getxattr(at(name), which, out, sizeof *out));
    return size < 4 ? 0 : (size_t)(size - 4) / sizeof *out->entries;
}

/* Does the list grant id, of that tag, exactly these permissions? */
static void grants(const struct acl *acl, size_t count, uint16_t tag,
                   uint32_t id, int permissions)
{
    int found = -1;
    for (size_t i = 0; i < count; i++) {
        if (acl->entries[i].tag == tag && acl->entries[i].id == id) {
            found = acl->entries[i].permissions;
        }
    }
    eq(permissions, found);
}

static const struct entry six[] = {E(OWNER, 6),     U(USER, 4),
                                   E(GROUP_OBJ, 0), G(GROUP_OF_OTHER, 6),
                                   E(MASK, 6),      E(REST, 0)};
#define COUNT(list) (sizeof(list) / sizeof *(list))

static int rw(const char *name)
{
    int r = p_open(name, O_RDONLY, 0), w = p_open(name, O_WRONLY, 0);
    int result = (r >= 0 ? 4 : 0) | (w >= 0 ? 2 : 0);
    if (r >= 0) {
        close(r);
    }
    if (w >= 0) {
        close(w);
    }
    return result;
}

ROOT_CASE(enforced)
{
    must(0, p_create("f", 0600));
    must(0, set("f", ACCESS, COUNT(six), six));
    eq(0660, mode_of("f"));
    as(USER, GROUP_OF_USER);
    eq(4, rw("f"));
    as_root();
    as(OTHER, GROUP_OF_OTHER);
    eq(6, rw("f"));
    as_root();
    as(OTHER, GROUP_OF_USER);
    eq(0, rw("f"));
    gid_t groups[] = {GROUP_OF_OTHER};
    as_root();
    as_groups(OTHER, GROUP_OF_USER, 1, groups);
    eq(6, rw("f"));
    as_root();
    must(0, p_chmod("f", 0640)); /* the mask */
    as(OTHER, GROUP_OF_OTHER);
    eq(4, rw("f"));
    as_root();
    must(0, p_chmod("f", 0600));
    as(USER, GROUP_OF_USER);
    eq(0, rw("f"));
    as_root();
    struct acl acl;
    size_t count = get("f", ACCESS, &acl);
    eq(6, count);
    grants(&acl, count, MASK, UINT32_MAX, 0);
    grants(&acl, count, NAMED_USER, USER, 4);
    eq(0, neg(removexattr(at("f"), ACCESS)));
    eq(0600, mode_of("f"));
    eq(-ENODATA, neg(getxattr(at("f"), ACCESS, &acl, sizeof acl)));
}

CASE(list_and_mode_follow_each_other)
{
    struct acl acl;
    must(0, p_create("f", 0600));
    eq(0, get("f", ACCESS, &acl));
    static const struct entry small[] = {E(OWNER, 7), E(GROUP_OBJ, 5),
                                         E(REST, 1)};
    eq(0, set("f", ACCESS, COUNT(small), small));
    eq(0751, mode_of("f"));
    eq(-ENODATA, neg(getxattr(at("f"), ACCESS, &acl, sizeof acl)));
    eq(0, set("f", ACCESS, COUNT(six), six));
    struct stat st = noted("f");
    eq(0, p_chmod("f", 04755));
    eq(C, moved("f", &st));
    eq(04755, mode_of("f"));
    size_t count = get("f", ACCESS, &acl);
    grants(&acl, count, OWNER, UINT32_MAX, 7);
    grants(&acl, count, GROUP_OBJ, UINT32_MAX, 0);
    grants(&acl, count, MASK, UINT32_MAX, 5);
    grants(&acl, count, REST, UINT32_MAX, 5);
    eq(0, neg(removexattr(at("f"), ACCESS)));
    eq(04755, mode_of("f"));
}

CASE(wrong_lists)
{
    static const struct entry no_owner[] = {E(GROUP_OBJ, 5), E(REST, 1)};
    static const struct entry no_mask[] = {E(OWNER, 7), U(5, 5),
                                           E(GROUP_OBJ, 5), E(REST, 1)};
    static const struct entry unknown[] = {E(OWNER, 7), E(GROUP_OBJ, 5),
                                           E(64, 1)};
    static const struct entry bits[] = {E(OWNER, 15), E(GROUP_OBJ, 5),
                                        E(REST, 1)};
    static const struct entry twice[] = {E(OWNER, 7), E(OWNER, 7),
                                         E(GROUP_OBJ, 5), E(REST, 1)};
    static const struct entry order[] = {E(REST, 7), E(GROUP_OBJ, 5),
                                         E(OWNER, 1)};
    must(0, p_create("f", 0640));
    must(0, p_mkdir("d", 0750));
    eq(-EINVAL, set("f", ACCESS, COUNT(no_owner), no_owner));
    eq(-EINVAL, set("f", ACCESS, COUNT(no_mask), no_mask));
    eq(-EINVAL, set("f", ACCESS, COUNT(unknown), unknown));
    eq(-EINVAL, set("f", ACCESS, COUNT(bits), bits));
    eq(-EINVAL, set("f", ACCESS, COUNT(twice), twice));
    eq(-EINVAL, set("f", ACCESS, COUNT(order), order));
    eq(-EINVAL, set("d", DEFAULT, COUNT(no_mask), no_mask));
    eq(-EACCES, set("f", DEFAULT, COUNT(six), six));
    eq(0640, mode_of("f"));
    eq(0750, mode_of("d"));
    struct acl acl = {.version = 1};
    eq(-EOPNOTSUPP, neg(setxattr(at("f"), ACCESS, &acl, 4, 0)));
}

ROOT_CASE(only_the_owner_sets)
{
    must(0, p_create("f", 0666));
    must(0, p_chown("f", USER, GROUP_OF_USER));
    as(OTHER, GROUP_OF_USER);
    eq(-EPERM, set("f", ACCESS, COUNT(six), six));
    eq(-EPERM, neg(removexattr(at("f"), ACCESS)));
    as_root();
    as(USER, GROUP_OF_USER);
    eq(0, set("f", ACCESS, COUNT(six), six));
    as_root();
}

ROOT_CASE(set_gid_goes_for_strangers_of_the_group)
{
    must(0, p_create("f", 0));
    must(0, p_chown("f", USER, GROUP_OF_OTHER));
    must(0, p_chmod("f", 02755));
    as(USER, GROUP_OF_USER);
    eq(0, set("f", ACCESS, COUNT(six), six));
    as_root();
    eq(0660, mode_of("f"));
    must(0, p_chmod("f", 02755));
    as(USER, GROUP_OF_OTHER);
    eq(0, set("f", ACCESS, COUNT(six), six));
    as_root();
    eq(02660, mode_of("f"));
}

CASE(inherited)
{
    static const struct entry list[] = {
        E(OWNER, 7), U(USER, 7), E(GROUP_OBJ, 5), E(MASK, 7), E(REST, 0)};
    struct acl acl;
    must(0, p_mkdir("d", 0755));
    must(0, set("d", DEFAULT, COUNT(list), list));
    eq(0755, mode_of("d"));
    umask(077); /* means nothing here */
    eq(0, p_create("d/f", 0666));
    eq(0, p_mkdir("d/e", 0777));
    eq(0, p_mkdir("d/e/g", 0750));
    eq(0, p_mknod("d/p", S_IFIFO | 0640, 0));
    eq(0, p_symlink("x", "d/l"));
    umask(0);
    eq(0660, mode_of("d/f"));
    size_t count = get("d/f", ACCESS, &acl);
    eq(5, count);
    grants(&acl, count, NAMED_USER, USER, 7);
    grants(&acl, count, MASK, UINT32_MAX, 6);
    grants(&acl, count, OWNER, UINT32_MAX, 6);
    eq(0, get("d/f", DEFAULT, &acl));
    eq(0770, mode_of("d/e"));
    count = get("d/e", DEFAULT, &acl);
    eq(5, count);
    grants(&acl, count, MASK, UINT32_MAX, 7);
    eq(0750, mode_of("d/e/g"));
    eq(0640, mode_of("d/p"));
    eq(0777, mode_of("d/l"));
    eq(0, get("d/l", ACCESS, &acl));
    count = get("d/e/g", ACCESS, &acl);
    grants(&acl, count, MASK, UINT32_MAX, 5);
    eq(0, neg(removexattr(at("d"), DEFAULT)));
    umask(027);
    eq(0, p_create("d/after", 0666));
    umask(0);
    eq(0640, mode_of("d/after"));
}

CASE(inherited_by_files_without_a_name)
{
    static const struct entry list[] = {
        E(OWNER, 7), U(USER, 7), E(GROUP_OBJ, 5), E(MASK, 7), E(REST, 0)};
    struct acl acl;
    must(0, p_mkdir("d", 0755));
    must(0, set("d", DEFAULT, COUNT(list), list));
    int fd = p_open("d", O_TMPFILE | O_RDWR, 0666);
    must(1, fd >= 0);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    eq(0,
       neg(linkat(AT_FDCWD, path, AT_FDCWD, same("d/f"), AT_SYMLINK_FOLLOW)));
    eq(0660, mode_of("d/f"));
    eq(5, get("d/f", ACCESS, &acl));
    close(fd);
}

ROOT_CASE(search_by_a_list)
{
    static const struct entry list[] = {
        E(OWNER, 7), U(USER, 1), E(GROUP_OBJ, 0), E(MASK, 7), E(REST, 0)};
    must(0, p_mkdir("d", 0700));
    must(0, p_create("d/f", 0644));
    must(0, set("d", ACCESS, COUNT(list), list));
    as(USER, GROUP_OF_USER);
    eq(true, exists("d/f"));
    eq(-EACCES, p_open("d", O_RDONLY, 0));
    eq(-EACCES, p_create("d/new", 0644));
    as_root();
    as(OTHER, GROUP_OF_USER);
    eq(-EACCES, p_access("d/f", F_OK));
    as_root();
}
