#include "fs/acl.h"
#include "tests/fuzz/fuzz.h"

/* Whatever is done to a valid list, it stays one, and says what the mode says. */
static void must_follow(struct acl acl, uint32_t mode, bool creates)
{
    uint8_t bytes[ACL_SIZE_MAX];
    struct acl again;
    uint32_t granted = mode;
    if (creates) {
        acl_create(&acl, &granted);
        must((granted & ~mode) == 0);
    } else {
        acl_chmod(&acl, mode);
    }
    uint32_t said = 0;
    acl_to_mode(&acl, &said);
    must(said == (granted & 0777));
    size_t size = acl_encode(&acl, bytes);
    must(acl_decode((struct bytes){bytes, size}, &again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct acl acl;
    uint8_t bytes[ACL_SIZE_MAX];
    if (acl_decode((struct bytes){data, size}, &acl) < 0) {
        return 0;
    }
    must(acl_encode(&acl, bytes) == size);
    if (acl.count > 0) {
        uint32_t mode = 0100000 | (data[size - 1] & 7u) * 0111 |
                        (data[4] & 7u) << 3;
        must_follow(acl, mode, false);
        must_follow(acl, mode, true);
    }
    return 0;
}
