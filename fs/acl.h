/* acl.h -- POSIX access control lists: their bytes, and what acl(5) says of them.
 *
 * On disk and wire an ACL is what programs and the kernel exchange as the
 * attributes system.posix_acl_access and system.posix_acl_default: u32 version
 * (2), then entries of u16 tag, u16 permissions, u32 id, little-endian, in the
 * order owner, named users, group, named groups, mask, others.
 *
 * Pure. Memory: an ACL is a value, without pointers.
 */
#ifndef FS_ACL_H
#define FS_ACL_H

#include "raft/wire/cursor.h"

#define ACL_ACCESS_NAME "system.posix_acl_access"
#define ACL_DEFAULT_NAME "system.posix_acl_default"

enum {
    ACL_ENTRIES_MAX = 511, /* fill the page that the kernel has for them */
    ACL_SIZE_MAX = 4 + 8 * ACL_ENTRIES_MAX,
};

enum acl_tag {
    ACL_USER_OBJ = 0x01,
    ACL_USER = 0x02,
    ACL_GROUP_OBJ = 0x04,
    ACL_GROUP = 0x08,
    ACL_MASK = 0x10,
    ACL_OTHER = 0x20,
};

struct acl {
    uint32_t count;
    struct {
        uint16_t tag, perm; /* perm: 4 read, 2 write, 1 execute */
        uint32_t id;        /* of ACL_USER and ACL_GROUP */
    } entries[ACL_ENTRIES_MAX];
};

/* 0, or -1: not a valid ACL. An ACL without entries (count 0) is valid: it stands
 * for none. */
int acl_decode(struct bytes src, struct acl *out);
/* At most ACL_SIZE_MAX bytes; returns how many. */
size_t acl_encode(const struct acl *acl, void *out);
/* Sets the permission bits of *mode to what the ACL grants owner, group class
 * and others. True: the mode says it all, the ACL is not needed. */
bool acl_to_mode(const struct acl *acl, uint32_t *mode);
/* chmod: owner, group class and others get the permissions of mode. */
void acl_chmod(struct acl *acl, uint32_t mode);
/* A default ACL becomes the access ACL of something made with *mode: neither
 * grants more than both did. True as in acl_to_mode(). */
bool acl_create(struct acl *acl, uint32_t *mode);

#endif
