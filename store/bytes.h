/* bytes.h -- views and buffers of store/, which knows no other room. */
#ifndef STORE_BYTES_H
#define STORE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct view { /* borrowed */
    const void *data;
    size_t size;
};
struct blob { /* owned, heap */
    uint8_t *data;
    size_t size, capacity;
};
/* clang-format off */
#define BLOB_EMPTY {0}
/* clang-format on */
void blob_release(struct blob *blob);
/* Room for size bytes; content up to the old size stays. No memory: abort. */
uint8_t *blob_resize(struct blob *blob, size_t size);

/* Where bytes lie on this node: never leaves it. */
struct place {
    uint64_t segment; /* 0: nowhere */
    uint64_t position;
};

uint64_t store_hash64(struct view src, uint64_t seed); /* XXH3 */
void store_hash128(struct view src, uint64_t out[2]);

#endif
