#include "fs/errno.h"

#include "store/error.h"

#include <errno.h>

int errno_of_store(int code)
{
    switch (code) {
    case STORE_OK:
        return 0;
    case STORE_NOT_FOUND:
        return ENOENT;
    case STORE_EXISTS:
        return EEXIST;
    case STORE_FULL:
        return ENOSPC;
    case STORE_LOCKED:
        return EBUSY;
    case STORE_INVALID:
        return EINVAL;
    case STORE_ACCESS:
        return EACCES;
    default: /* damage, broken disks, other versions, too many open files: for
              * read(2) and write(2) ENFILE is none of theirs */
        return EIO;
    }
}

int errno_of_outcome(enum hull_outcome outcome, bool is_write)
{
    switch (outcome) {
    case HULL_DONE:
        return 0;
    case HULL_NOT_DONE:
        /* The change was certainly not made, and will not be: "read-only" is
         * the one errno that programs take that way. */
        return is_write ? EROFS : ETIMEDOUT;
    case HULL_UNKNOWN:
        return ETIMEDOUT;
    case HULL_CANCELLED:
        return EINTR;
    case HULL_STOPPED:
        return EIO;
    }
    return EIO;
}
