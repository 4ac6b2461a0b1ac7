/* Chunks of a snapshot, and the items in them. */
#include "store/image_int.h"
#include "tests/fuzz/fuzz.h"

static void decode_names(struct view src)
{
    struct image_reader r = image_reader_of(src);
    struct dentry dentry;
    while (image_name_next(&r, &dentry) == 1) {
        must(dentry.name.size > 0 && dentry.name.size <= TREE_NAME_MAX);
    }
}

static void decode_items(struct view src)
{
    struct image_reader r = image_reader_of(src);
    struct image_item item;
    while (image_item_next(&r, &item) == 1) {
        must(r.at <= r.end);
        must(item.bytes.size <= src.size);
        if (item.type == ITEM_NAMES) {
            decode_names(item.bytes);
        }
    }
}

/* As somebody who can compute a checksum would send it. */
static void decode_with_right_checksum(struct view src)
{
    struct image_chunk chunk;
    struct blob copy = BLOB_EMPTY;
    image_write_view(&copy, src);
    image_write(&copy, store_hash64(src, 0), 8);
    struct view whole = {copy.data, copy.size};
    if (image_chunk_decode(whole, &chunk) == 0) {
        decode_items(chunk.items);
    }
    blob_release(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image_ask ask;
    struct image_chunk chunk;
    struct view src = {data, size};
    if (image_ask_decode(src, &ask)) {
        uint8_t again[IMAGE_ASK_SIZE];
        image_ask_encode(&ask, again);
        must(memcmp(data, again, size) == 0);
    }
    must(size == 0 || image_chunk_decode(src, &chunk) < 0 || size > 8);
    decode_items(src);
    decode_with_right_checksum(src);
    return 0;
}
