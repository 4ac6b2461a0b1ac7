#include "raft/wire/cursor.h"

#include <assert.h>
#include <string.h>

struct reader reader_init(struct bytes src)
{
    assert(src.data != NULL || src.size == 0);
    const uint8_t *at = src.data != NULL ? src.data : (const uint8_t *)"";
    return (struct reader){.at = at, .end = at + src.size};
}

size_t reader_left(const struct reader *r)
{
    assert(r->at <= r->end);
    return (size_t)(r->end - r->at);
}

void reader_fail(struct reader *r)
{
    r->bad = true;
    r->at = r->end; /* whatever is read from now on is 0 */
}

bool reader_ok(const struct reader *r)
{
    return !r->bad;
}

bool reader_done(const struct reader *r)
{
    return !r->bad && r->at == r->end;
}

static uint64_t read_number(struct reader *r, unsigned size)
{
    if (reader_left(r) < size) {
        reader_fail(r);
        return 0;
    }
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)r->at[i] << (8 * i);
    }
    r->at += size;
    return value;
}

uint8_t read_u8(struct reader *r)
{
    return (uint8_t)read_number(r, 1);
}

uint16_t read_u16(struct reader *r)
{
    return (uint16_t)read_number(r, 2);
}

uint32_t read_u32(struct reader *r)
{
    return (uint32_t)read_number(r, 4);
}

uint64_t read_u64(struct reader *r)
{
    return read_number(r, 8);
}

struct bytes read_bytes(struct reader *r, size_t size)
{
    if (reader_left(r) < size) {
        reader_fail(r);
        return (struct bytes){.data = r->end, .size = 0};
    }
    struct bytes view = {.data = r->at, .size = size};
    r->at += size;
    return view;
}

struct writer writer_init(void *data, size_t size)
{
    assert(data != NULL || size == 0);
    return (struct writer){.at = data, .end = (uint8_t *)data + size};
}

size_t writer_left(const struct writer *w)
{
    assert(w->at <= w->end);
    return (size_t)(w->end - w->at);
}

static void write_number(struct writer *w, uint64_t value, unsigned size)
{
    assert(writer_left(w) >= size);
    for (unsigned i = 0; i < size; i++) {
        w->at[i] = (uint8_t)(value >> (8 * i));
    }
    w->at += size;
}

void write_u8(struct writer *w, uint8_t v)
{
    write_number(w, v, 1);
}

void write_u16(struct writer *w, uint16_t v)
{
    write_number(w, v, 2);
}

void write_u32(struct writer *w, uint32_t v)
{
    write_number(w, v, 4);
}

void write_u64(struct writer *w, uint64_t v)
{
    write_number(w, v, 8);
}

void write_bytes(struct writer *w, struct bytes src)
{
    assert(writer_left(w) >= src.size);
    if (src.size > 0) { /* memcpy must not see NULL */
        memcpy(w->at, src.data, src.size);
        w->at += src.size;
    }
}
