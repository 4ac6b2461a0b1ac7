#include "store/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

void blob_release(struct blob *blob)
{
    free(blob->data);
    *blob = (struct blob)BLOB_EMPTY;
}

/* Grows by half at least, so that a blob filled step by step is copied a few
 * times only. */
static size_t grown_capacity(const struct blob *blob, size_t size)
{
    size_t capacity = blob->capacity + blob->capacity / 2;
    if (capacity < 64) {
        capacity = 64;
    }
    return capacity < size ? size : capacity;
}

uint8_t *blob_resize(struct blob *blob, size_t size)
{
    if (size > blob->capacity) {
        size_t capacity = grown_capacity(blob, size);
        uint8_t *data = realloc(blob->data, capacity);
        if (data == NULL) {
            fprintf(stderr, "out of memory: %zu bytes\n", capacity);
            abort();
        }
        blob->data = data;
        blob->capacity = capacity;
    }
    blob->size = size;
    return blob->data;
}

uint64_t store_hash64(struct view src, uint64_t seed)
{
    return XXH3_64bits_withSeed(src.data, src.size, seed);
}

void store_hash128(struct view src, uint64_t out[2])
{
    XXH128_hash_t hash = XXH3_128bits(src.data, src.size);
    out[0] = hash.low64;
    out[1] = hash.high64;
}
