/* cursor.h -- bounded little-endian reader and writer.
 *
 * A reader cannot run over: a read past the end gives 0 and makes the reader
 * bad, once and for all; ask reader_ok() at the end. A writer asserts, since
 * running over its own buffer is our bug, not the peer's.
 */
#ifndef RAFT_WIRE_CURSOR_H
#define RAFT_WIRE_CURSOR_H

#include "raft/core/types.h"

struct reader {
    const uint8_t *at, *end;
    bool bad;
};
struct writer {
    uint8_t *at, *end;
};

struct reader reader_init(struct bytes src);
uint8_t read_u8(struct reader *r);
uint16_t read_u16(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
struct bytes read_bytes(struct reader *r, size_t size); /* a view into src */
size_t reader_left(const struct reader *r);
void reader_fail(struct reader *r); /* the caller found the content invalid */
bool reader_ok(const struct reader *r);   /* nothing ran over */
bool reader_done(const struct reader *r); /* ok and nothing is left */

struct writer writer_init(void *data, size_t size);
void write_u8(struct writer *w, uint8_t v);
void write_u16(struct writer *w, uint16_t v);
void write_u32(struct writer *w, uint32_t v);
void write_u64(struct writer *w, uint64_t v);
void write_bytes(struct writer *w, struct bytes src);
size_t writer_left(const struct writer *w);

#endif
