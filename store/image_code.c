#include "store/image_int.h"

#include "store/error.h"

#include <assert.h>
#include <string.h>
#include <sys/stat.h>

/* --- bytes --- */

struct image_reader image_reader_of(struct view src)
{
    const uint8_t *data = src.data;
    return (struct image_reader){
        .at = data,
        .end = src.size == 0 ? data : data + src.size,
    };
}

uint64_t image_read(struct image_reader *r, int bytes)
{
    uint64_t value = 0;
    if (r->bad || r->end - r->at < bytes) {
        r->bad = true;
        return 0;
    }
    for (int i = 0; i < bytes; i++) {
        value |= (uint64_t)r->at[i] << (8 * i);
    }
    r->at += bytes;
    return value;
}

struct view image_read_view(struct image_reader *r, uint64_t size)
{
    if (r->bad || (uint64_t)(r->end - r->at) < size) {
        r->bad = true;
        return (struct view){0};
    }
    struct view view = {r->at, (size_t)size};
    r->at += size;
    return view;
}

static struct view read_rest(struct image_reader *r)
{
    return image_read_view(r, (uint64_t)(r->end - r->at));
}

static uint8_t *extend(struct blob *out, size_t size)
{
    size_t at = out->size;
    return blob_resize(out, at + size) + at;
}

static void put(uint8_t *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

void image_write(struct blob *out, uint64_t value, int bytes)
{
    put(extend(out, (size_t)bytes), value, bytes);
}

void image_write_view(struct blob *out, struct view src)
{
    if (src.size > 0) {
        memcpy(extend(out, src.size), src.data, src.size);
    }
}

/* --- questions --- */

static void write_ask(struct blob *out, const struct image_ask *ask)
{
    image_write(out, ask->index, 8);
    image_write(out, ask->time_ns, 8);
    image_write(out, ask->cursor.phase, 1);
    image_write(out, ask->cursor.part, 1);
    image_write(out, ask->cursor.ino, 8);
    image_write(out, ask->cursor.key, 8);
    image_write(out, ask->ctime, 8);
    image_write(out, ask->pass.upto, 8);
    image_write(out, ask->pass.since, 8);
    image_write(out, ask->pass.part, 1);
    image_write(out, ask->pass.key, 8);
    image_write(out, ask->pass.ctime, 8);
}

static bool cursor_ok(const struct image_cursor *cursor)
{
    return cursor->phase >= IMAGE_DELTA && cursor->phase <= IMAGE_END &&
           cursor->part <= IMAGE_CONTENT && cursor->ino <= INT64_MAX &&
           cursor->key <= INT64_MAX;
}

static struct image_cursor read_cursor(struct image_reader *r)
{
    struct image_cursor cursor;
    cursor.phase = (uint8_t)image_read(r, 1);
    cursor.part = (uint8_t)image_read(r, 1);
    cursor.ino = image_read(r, 8);
    cursor.key = image_read(r, 8);
    r->bad = r->bad || !cursor_ok(&cursor);
    return cursor;
}

static void read_ask(struct image_reader *r, struct image_ask *out)
{
    out->index = image_read(r, 8);
    out->time_ns = image_read(r, 8);
    out->cursor = read_cursor(r);
    out->ctime = image_read(r, 8);
    out->pass.upto = image_read(r, 8);
    out->pass.since = image_read(r, 8);
    out->pass.part = (uint8_t)image_read(r, 1);
    out->pass.key = image_read(r, 8);
    out->pass.ctime = image_read(r, 8);
    r->bad = r->bad || out->pass.upto > INT64_MAX ||
             out->pass.since > INT64_MAX || out->pass.key > INT64_MAX ||
             out->time_ns > INT64_MAX || out->pass.part > IMAGE_CONTENT;
}

void image_ask_encode(const struct image_ask *ask, uint8_t out[IMAGE_ASK_SIZE])
{
    struct blob bytes = BLOB_EMPTY;
    write_ask(&bytes, ask);
    assert(bytes.size == IMAGE_ASK_SIZE);
    memcpy(out, bytes.data, IMAGE_ASK_SIZE);
    blob_release(&bytes);
}

bool image_ask_decode(struct view src, struct image_ask *out)
{
    struct image_reader r = image_reader_of(src);
    read_ask(&r, out);
    return !r.bad && r.at == r.end;
}

bool image_ask_equal(const struct image_ask *a, const struct image_ask *b)
{
    uint8_t left[IMAGE_ASK_SIZE];
    uint8_t right[IMAGE_ASK_SIZE];
    image_ask_encode(a, left);
    image_ask_encode(b, right);
    return memcmp(left, right, sizeof(left)) == 0;
}

/* --- positions --- */

struct image_pass image_rebase(const struct image_ask *ask)
{
    const struct image_cursor *at = &ask->cursor;
    if (ask->index == 0 || at->phase == IMAGE_DELTA) {
        /* Some of it is newer than that: the oldest counts. */
        return ask->pass;
    }
    if (at->phase == IMAGE_UNITS && at->ino <= TREE_ROOT) {
        return (struct image_pass){.upto = 0};
    }
    if (at->phase == IMAGE_UNITS) {
        return (struct image_pass){
            .upto = at->ino - 1,
            .since = ask->time_ns,
            .part = at->part,
            .key = at->key,
            .ctime = at->part == IMAGE_INODE ? 0 : ask->ctime,
        };
    }
    return (struct image_pass){.upto = INT64_MAX, .since = ask->time_ns};
}

struct image_cursor image_pass_begin(const struct image_pass *pass)
{
    return (struct image_cursor){
        .phase = pass->upto > 0 ? IMAGE_DELTA : IMAGE_UNITS, .ino = 1};
}

/* --- items --- */

size_t image_item_begin(struct blob *out, enum image_item_type type)
{
    image_write(out, type, 1);
    image_write(out, 0, 4);
    return out->size;
}

void image_item_end(struct blob *out, size_t begun)
{
    size_t size = out->size - begun;
    assert(size <= IMAGE_ITEM_MAX);
    put(out->data + begun - 4, size, 4);
}

void image_put_inode(struct blob *out, const struct inode *inode,
                     struct view target)
{
    const uint64_t wide[] = {
        inode->rdev,
        inode->size,
        inode->blocks,
        (uint64_t)inode->atime,
        (uint64_t)inode->mtime,
        (uint64_t)inode->ctime,
        (uint64_t)inode->btime,
        inode->parent,
        inode->body,
        inode->data_hash,
        inode->orphaned,
    };
    size_t begun = image_item_begin(out, ITEM_INODE);
    image_write(out, inode->ino, 8);
    image_write(out, inode->mode, 4);
    image_write(out, inode->uid, 4);
    image_write(out, inode->gid, 4);
    image_write(out, inode->nlink, 4);
    for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
        image_write(out, wide[i], 8);
    }
    image_write_view(out, target);
    image_item_end(out, begun);
}

static void read_inode(struct image_reader *r, struct image_item *out)
{
    struct inode *inode = &out->inode;
    inode->ino = image_read(r, 8);
    inode->mode = (uint32_t)image_read(r, 4);
    inode->uid = (uint32_t)image_read(r, 4);
    inode->gid = (uint32_t)image_read(r, 4);
    inode->nlink = (uint32_t)image_read(r, 4);
    inode->rdev = image_read(r, 8);
    inode->size = image_read(r, 8);
    inode->blocks = image_read(r, 8);
    inode->atime = (int64_t)image_read(r, 8);
    inode->mtime = (int64_t)image_read(r, 8);
    inode->ctime = (int64_t)image_read(r, 8);
    inode->btime = (int64_t)image_read(r, 8);
    inode->parent = image_read(r, 8);
    inode->body = image_read(r, 8);
    inode->data_hash = image_read(r, 8);
    inode->orphaned = image_read(r, 8);
    out->bytes = read_rest(r);
    out->ino = inode->ino;
    bool link = S_ISLNK(inode->mode);
    bool has_data = inode->blocks > 0;
    if (out->ino == 0 || out->ino > INT64_MAX || inode->size > INT64_MAX ||
        inode->body > INT64_MAX || link != (out->bytes.size > 0) ||
        (has_data && (!S_ISREG(inode->mode) || inode->body == 0))) {
        r->bad = true;
    }
}

void image_put_xattr(struct blob *out, uint64_t ino, struct view name,
                     struct view value)
{
    size_t begun = image_item_begin(out, ITEM_XATTR);
    image_write(out, ino, 8);
    image_write(out, name.size, 1);
    image_write_view(out, name);
    image_write_view(out, value);
    image_item_end(out, begun);
}

void image_put_lock(struct blob *out, const struct tree_lock *lock)
{
    size_t begun = image_item_begin(out, ITEM_LOCK);
    const uint64_t wide[] = {
        lock->ino,    lock->id,    lock->session, lock->owner,
        lock->serial, lock->start, lock->last,    (uint64_t)lock->since,
    };
    for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
        image_write(out, wide[i], 8);
    }
    image_write(out, lock->pid, 4);
    image_write(out, lock->kind, 4);
    image_write(out, lock->write, 1);
    image_write(out, lock->waits, 1);
    image_write_view(out, (struct view){lock->comm, strlen(lock->comm)});
    image_item_end(out, begun);
}

static void read_lock(struct image_reader *r, struct image_item *out)
{
    struct tree_lock *lock = &out->lock;
    lock->ino = image_read(r, 8);
    lock->id = image_read(r, 8);
    lock->session = image_read(r, 8);
    lock->owner = image_read(r, 8);
    lock->serial = image_read(r, 8);
    lock->start = image_read(r, 8);
    lock->last = image_read(r, 8);
    lock->since = (int64_t)image_read(r, 8);
    lock->pid = (uint32_t)image_read(r, 4);
    lock->kind = (uint32_t)image_read(r, 4);
    lock->write = image_read(r, 1) != 0;
    lock->waits = image_read(r, 1) != 0;
    struct view comm = read_rest(r);
    if (lock->start > lock->last || comm.size >= sizeof(lock->comm)) {
        r->bad = true;
    } else if (comm.size > 0) {
        memcpy(lock->comm, comm.data, comm.size);
    }
}

static void read_keep(struct image_reader *r, struct image_item *out)
{
    out->bytes = read_rest(r);
    out->count = (uint32_t)(out->bytes.size / 8);
    struct image_reader numbers = image_reader_of(out->bytes);
    uint64_t before = 0;
    r->bad = r->bad || out->count == 0 || out->count > IMAGE_KEEP_MAX ||
             out->bytes.size % 8 != 0;
    for (uint32_t i = 0; !r->bad && i < out->count; i++) {
        uint64_t ino = image_read(&numbers, 8);
        r->bad = ino <= before || ino > INT64_MAX;
        out->ino = i == 0 ? ino : out->ino;
        before = ino;
    }
}

static void read_xattr(struct image_reader *r, struct image_item *out)
{
    out->ino = image_read(r, 8);
    out->name = image_read_view(r, image_read(r, 1));
    out->bytes = read_rest(r);
    r->bad = r->bad || out->name.size == 0 ||
             out->bytes.size > TREE_XATTR_VALUE_MAX;
}

static void read_names(struct image_reader *r, struct image_item *out)
{
    struct dentry dentry;
    out->ino = image_read(r, 8);
    out->bytes = read_rest(r);
    struct image_reader names = image_reader_of(out->bytes);
    int rc = r->bad ? -1 : image_name_next(&names, &dentry);
    while (rc == 1) {
        rc = image_name_next(&names, &dentry);
    }
    r->bad = r->bad || rc < 0;
}

int image_name_next(struct image_reader *r, struct dentry *out)
{
    if (r->at == r->end) {
        return 0;
    }
    out->cookie = image_read(r, 8);
    out->ino = image_read(r, 8);
    out->type = (uint32_t)image_read(r, 4);
    out->name = image_read_view(r, image_read(r, 1));
    return r->bad || out->name.size == 0 || out->ino == 0 ||
                   out->cookie > INT64_MAX
               ? -1
               : 1;
}

static void read_data(struct image_reader *r, struct image_item *out)
{
    out->ino = image_read(r, 8);
    out->offset = image_read(r, 8);
    out->bytes = read_rest(r);
    r->bad = r->bad || out->bytes.size == 0 || out->bytes.size > IMAGE_DATA ||
             out->offset > INT64_MAX - out->bytes.size;
}

static void read_body(struct image_reader *r, struct image_item *out)
{
    switch (out->type) {
    case ITEM_KEEP:
        read_keep(r, out);
        break;
    case ITEM_INODE:
        read_inode(r, out);
        break;
    case ITEM_XATTR:
        read_xattr(r, out);
        break;
    case ITEM_NAMES:
        read_names(r, out);
        break;
    case ITEM_DATA:
        read_data(r, out);
        break;
    case ITEM_CONFIG:
    case ITEM_SESSION:
        out->ino = image_read(r, 8);
        out->bytes = read_rest(r);
        break;
    case ITEM_LOCK:
        read_lock(r, out);
        break;
    case ITEM_END:
        break;
    default:
        r->bad = true;
        break;
    }
}

int image_item_next(struct image_reader *r, struct image_item *out)
{
    if (r->at == r->end) {
        return 0;
    }
    uint64_t type = image_read(r, 1);
    struct view body = image_read_view(r, image_read(r, 4));
    if (r->bad || type >= ITEM_TYPES || body.size > IMAGE_ITEM_MAX) {
        return -1;
    }
    *out = (struct image_item){.type = (enum image_item_type)type};
    struct image_reader b = image_reader_of(body);
    read_body(&b, out);
    return b.bad || b.at != b.end ? -1 : 1;
}

/* --- chunks --- */

enum {
    HEADER_SIZE = 10 * 8,
    CURSOR_SIZE = 2 + 2 * 8,
    FRONT_SIZE = 4 + IMAGE_ASK_SIZE + HEADER_SIZE + CURSOR_SIZE + 8,
    SUM_SIZE = 8,
};

void image_chunk_begin(struct blob *out)
{
    out->size = 0;
    memset(extend(out, FRONT_SIZE), 0, FRONT_SIZE);
}

void image_chunk_seal(struct blob *out, const struct image_chunk *chunk)
{
    const struct image_header *h = &chunk->header;
    const uint64_t wide[] = {
        h->index,     h->term,   h->time_ns, h->next_ino, h->next_cookie,
        h->next_lock, h->digest, h->inodes,  h->bytes,
        h->chain,
    };
    struct blob front = BLOB_EMPTY;
    image_write(&front, IMAGE_FORMAT, 4);
    write_ask(&front, &chunk->ask);
    for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
        image_write(&front, wide[i], 8);
    }
    image_write(&front, chunk->next.phase, 1);
    image_write(&front, chunk->next.part, 1);
    image_write(&front, chunk->next.ino, 8);
    image_write(&front, chunk->next.key, 8);
    image_write(&front, chunk->ctime, 8);
    assert(front.size == FRONT_SIZE);
    memcpy(out->data, front.data, FRONT_SIZE);
    blob_release(&front);
    image_write(out, store_hash64((struct view){out->data, out->size}, 0), 8);
    assert(out->size <= IMAGE_CHUNK_MAX);
}

int image_chunk_decode(struct view src, struct image_chunk *out)
{
    if (src.size < FRONT_SIZE + SUM_SIZE || src.size > IMAGE_CHUNK_MAX) {
        return -1;
    }
    const uint8_t *data = src.data;
    const uint8_t *sum = data + src.size - SUM_SIZE;
    struct image_reader r = {.at = sum, .end = sum + SUM_SIZE};
    struct view covered = {data, src.size - SUM_SIZE};
    if (image_read(&r, 8) != store_hash64(covered, 0)) {
        return -1;
    }
    r = (struct image_reader){.at = data, .end = sum};
    r.bad = image_read(&r, 4) != IMAGE_FORMAT;
    read_ask(&r, &out->ask);
    struct image_header *h = &out->header;
    uint64_t *wide[] = {
        &h->index,     &h->term,   &h->time_ns, &h->next_ino, &h->next_cookie,
        &h->next_lock, &h->digest, &h->inodes,  &h->bytes,
        &h->chain,
    };
    for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
        *wide[i] = image_read(&r, 8);
    }
    out->next = read_cursor(&r);
    out->ctime = image_read(&r, 8);
    bool sane = h->index > 0 && h->index <= INT64_MAX &&
                h->time_ns <= INT64_MAX && h->next_ino <= INT64_MAX &&
                h->next_cookie <= INT64_MAX && h->next_lock <= INT64_MAX;
    out->items = read_rest(&r);
    return r.bad || !sane ? -1 : 0;
}
