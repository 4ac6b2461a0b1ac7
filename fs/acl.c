#include "fs/acl.h"

#include <assert.h>

enum { ACL_VERSION = 2, ACL_NO_ID = -1, CLASS = 7 };

/* --- bytes --- */

/* Tags come in the order of their bits; which may repeat, which must be there? */
static bool is_valid(const struct acl *acl)
{
    uint16_t seen = 0;
    for (uint32_t i = 0; i < acl->count; i++) {
        uint16_t tag = acl->entries[i].tag;
        bool named = tag == ACL_USER || tag == ACL_GROUP;
        if (seen >= 2 * tag || (!named && (seen & tag) != 0) ||
            acl->entries[i].perm > CLASS) {
            return false;
        }
        if (named && acl->entries[i].id == (uint32_t)ACL_NO_ID) {
            return false;
        }
        seen |= tag;
    }
    uint16_t needed = ACL_USER_OBJ | ACL_GROUP_OBJ | ACL_OTHER;
    if ((seen & (ACL_USER | ACL_GROUP)) != 0) {
        needed |= ACL_MASK;
    }
    return acl->count == 0 || (seen & needed) == needed;
}

static bool tag_is_known(uint16_t tag)
{
    switch (tag) {
    case ACL_USER_OBJ:
    case ACL_USER:
    case ACL_GROUP_OBJ:
    case ACL_GROUP:
    case ACL_MASK:
    case ACL_OTHER:
        return true;
    default:
        return false;
    }
}

int acl_decode(struct bytes src, struct acl *out)
{
    struct reader r = reader_init(src);
    *out = (struct acl){.count = 0};
    if (read_u32(&r) != ACL_VERSION || src.size > ACL_SIZE_MAX ||
        (src.size - 4) % 8 != 0) {
        return -1;
    }
    uint32_t count = (uint32_t)(src.size - 4) / 8;
    for (uint32_t i = 0; i < count; i++) {
        out->entries[i].tag = read_u16(&r);
        out->entries[i].perm = read_u16(&r);
        out->entries[i].id = read_u32(&r);
        if (!tag_is_known(out->entries[i].tag)) {
            return -1;
        }
    }
    out->count = count;
    return reader_done(&r) && is_valid(out) ? 0 : -1;
}

size_t acl_encode(const struct acl *acl, void *out)
{
    assert(acl->count <= ACL_ENTRIES_MAX);
    size_t size = 4 + 8 * (size_t)acl->count;
    struct writer w = writer_init(out, size);
    write_u32(&w, ACL_VERSION);
    for (uint32_t i = 0; i < acl->count; i++) {
        uint16_t tag = acl->entries[i].tag;
        bool named = tag == ACL_USER || tag == ACL_GROUP;
        write_u16(&w, tag);
        write_u16(&w, acl->entries[i].perm);
        /* One form of each ACL: whatever stood in a field that means nothing. */
        write_u32(&w, named ? acl->entries[i].id : (uint32_t)ACL_NO_ID);
    }
    return size;
}

/* --- meaning --- */

/* How far a tag's permissions stand to the left in a mode; the group class is
 * that of the mask, where there is one. -1: it is not in the mode. */
static int mode_shift(const struct acl *acl, uint16_t tag)
{
    bool has_mask = false;
    for (uint32_t i = 0; i < acl->count; i++) {
        has_mask = has_mask || acl->entries[i].tag == ACL_MASK;
    }
    switch (tag) {
    case ACL_USER_OBJ:
        return 6;
    case ACL_GROUP_OBJ:
        return has_mask ? -1 : 3;
    case ACL_MASK:
        return 3;
    case ACL_OTHER:
        return 0;
    default:
        return -1;
    }
}

static bool is_minimal(const struct acl *acl)
{
    return acl->count == 3; /* it is valid: owner, group, others */
}

bool acl_to_mode(const struct acl *acl, uint32_t *mode)
{
    for (uint32_t i = 0; i < acl->count; i++) {
        int shift = mode_shift(acl, acl->entries[i].tag);
        if (shift >= 0) {
            *mode &= ~((uint32_t)CLASS << shift);
            *mode |= (uint32_t)acl->entries[i].perm << shift;
        }
    }
    return is_minimal(acl);
}

void acl_chmod(struct acl *acl, uint32_t mode)
{
    for (uint32_t i = 0; i < acl->count; i++) {
        int shift = mode_shift(acl, acl->entries[i].tag);
        if (shift >= 0) {
            acl->entries[i].perm = (uint16_t)(mode >> shift & CLASS);
        }
    }
}

bool acl_create(struct acl *acl, uint32_t *mode)
{
    for (uint32_t i = 0; i < acl->count; i++) {
        int shift = mode_shift(acl, acl->entries[i].tag);
        if (shift >= 0) {
            acl->entries[i].perm &= (uint16_t)(*mode >> shift & CLASS);
        }
    }
    return acl_to_mode(acl, mode);
}
