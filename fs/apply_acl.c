/* apply_acl.c -- access control lists: what the kernel leaves to the filesystem.
 *
 * The kernel checks permissions by them; here they are inherited, and kept in
 * step with the mode.
 */
#include "fs/acl.h"
#include "fs/apply_int.h"

#include "store/error.h"

#include <assert.h>
#include <string.h>
#include <sys/stat.h>

static const struct view access_name = {ACL_ACCESS_NAME,
                                        sizeof ACL_ACCESS_NAME - 1};
static const struct view default_name = {ACL_DEFAULT_NAME,
                                         sizeof ACL_DEFAULT_NAME - 1};

static bool is_name(struct bytes name, struct view other)
{
    return name.size == other.size &&
           memcmp(name.data, other.data, name.size) == 0;
}

bool apply_acl_is_name(struct bytes name)
{
    return is_name(name, access_name) || is_name(name, default_name);
}

/* 1 and *out, 0 there is none, or a negative code. */
static int get(struct call *call, uint64_t ino, struct view name,
               struct acl *out)
{
    struct view value;
    int rc = tree_xattr_get(call->tree, ino, name, &value);
    if (rc < 0) {
        return rc == STORE_NOT_FOUND ? 0 : rc;
    }
    if (acl_decode((struct bytes){value.data, value.size}, out) < 0) {
        return store_fail(STORE_CORRUPT, "inode %llu: its ACL is none",
                          (unsigned long long)ino);
    }
    return 1;
}

static int set(struct call *call, uint64_t ino, struct view name,
               const struct acl *acl)
{
    uint8_t bytes[ACL_SIZE_MAX];
    size_t size = acl_encode(acl, bytes);
    return tree_xattr_set(call->tree, ino, name, (struct view){bytes, size});
}

static int drop(struct call *call, uint64_t ino, struct view name)
{
    int rc = tree_xattr_remove(call->tree, ino, name);
    return rc == STORE_NOT_FOUND ? 0 : rc;
}

int apply_acl_has_access(struct call *call, uint64_t ino)
{
    struct acl acl;
    return get(call, ino, access_name, &acl);
}

int apply_acl_inherit(struct call *call, const struct inode *dir,
                      struct inode *inode)
{
    assert(!S_ISLNK(inode->mode));
    struct acl acl;
    int rc = get(call, dir->ino, default_name, &acl);
    if (rc == 0) {
        inode->mode &= ~(call->command->umask & ACCESSPERMS);
    }
    if (rc <= 0) {
        return rc;
    }
    rc = S_ISDIR(inode->mode) ? set(call, inode->ino, default_name, &acl) : 0;
    if (rc == 0 && !acl_create(&acl, &inode->mode)) {
        rc = set(call, inode->ino, access_name, &acl);
    }
    return rc;
}

int apply_acl_chmod(struct call *call, const struct inode *inode)
{
    struct acl acl;
    int rc = get(call, inode->ino, access_name, &acl);
    if (rc <= 0) {
        return rc;
    }
    acl_chmod(&acl, inode->mode);
    return set(call, inode->ino, access_name, &acl);
}

static int set_access(struct call *call, struct inode *inode,
                      const struct acl *acl)
{
    bool is_mode = acl_to_mode(acl, &inode->mode);
    if ((call->command->flags & COMMAND_KILL_SGID) != 0) {
        inode->mode &= ~(uint32_t)S_ISGID;
    }
    return is_mode ? drop(call, inode->ino, access_name)
                   : set(call, inode->ino, access_name, acl);
}

int apply_acl_set(struct call *call, struct inode *inode, struct view value)
{
    bool is_access = is_name(call->command->name, access_name);
    struct acl acl;
    if (S_ISLNK(inode->mode)) {
        return EOPNOTSUPP;
    }
    if (!is_access && !S_ISDIR(inode->mode)) {
        return EACCES;
    }
    if (acl_decode((struct bytes){value.data, value.size}, &acl) < 0) {
        return value.size > ACL_SIZE_MAX ? E2BIG : EINVAL;
    }
    if (acl.count == 0) { /* stands for none */
        return drop(call, inode->ino, is_access ? access_name : default_name);
    }
    return is_access ? set_access(call, inode, &acl)
                     : set(call, inode->ino, default_name, &acl);
}
