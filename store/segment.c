#include "store/segment_int.h"

#include "store/error.h"
#include "store/io.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- the array --- */

/* Where id is, or would be. */
static size_t find_slot(const struct segments *segments, uint64_t id)
{
    size_t low = 0, high = segments->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (segments->files[middle]->id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct segment_file *find_file(const struct segments *segments,
                                      uint64_t id)
{
    size_t slot = find_slot(segments, id);
    return slot < segments->count && segments->files[slot]->id == id
               ? segments->files[slot]
               : NULL;
}

void segments_insert(struct segments *segments, struct segment_file *file)
{
    size_t slot = find_slot(segments, file->id);
    if (segments->count == segments->capacity) {
        segments->capacity = segments->capacity * 2 + 64;
        segments->files = realloc(
            segments->files, segments->capacity * sizeof(*segments->files));
        assert(segments->files != NULL);
    }
    memmove(&segments->files[slot + 1], &segments->files[slot],
            (segments->count - slot) * sizeof(*segments->files));
    segments->files[slot] = file;
    segments->count++;
    segments->bytes += file->bytes;
    if (segments->next_id <= file->id) {
        segments->next_id = file->id + 1;
    }
}

struct segment_file *segment_file_new(uint64_t id, uint64_t bytes, int fd)
{
    struct segment_file *file = malloc(sizeof(*file));
    assert(file != NULL);
    *file = (struct segment_file){.id = id, .bytes = bytes, .fd = fd};
    return file;
}

void segment_file_free(struct segment_file *file)
{
    if (file->fd >= 0) {
        close(file->fd);
    }
    free(file);
}

/* --- get and put --- */

/* Takes the descriptor that was not used for longest out of the table; the caller
 * closes it after unlocking. -1: all are in use. */
static int take_idle_fd(struct segments *segments)
{
    struct segment_file *oldest = NULL;
    for (size_t i = 0; i < segments->count; i++) {
        struct segment_file *file = segments->files[i];
        if (file->fd >= 0 && file->users == 0 &&
            (oldest == NULL || file->used < oldest->used)) {
            oldest = file;
        }
    }
    if (oldest == NULL) {
        return -1;
    }
    int fd = oldest->fd;
    oldest->fd = -1;
    segments->open_fds--;
    return fd;
}

static int take_surplus_fd(struct segments *segments)
{
    return segments->open_fds > SEGMENT_FDS_MAX ? take_idle_fd(segments) : -1;
}

/* True: there was one, and what needs a descriptor may be tried again. */
static bool close_idle_fd(struct segments *segments)
{
    pthread_mutex_lock(&segments->lock);
    int fd = take_idle_fd(segments);
    pthread_mutex_unlock(&segments->lock);
    return fd >= 0 && close(fd) == 0;
}

/* The lock is not held: opening may take long. The file cannot go, since we
 * hold it. */
static int open_file(struct segments *segments, struct segment_file *file)
{
    char path[SEGMENT_PATH_MAX];
    segment_path(segments->directory, file->id, path);
    int fd;
    do {
        fd = store_io.open(path, O_RDONLY | O_CLOEXEC, 0);
    } while (fd < 0 && store_code_of_errno(errno) == STORE_TOO_MANY &&
             close_idle_fd(segments));
    if (fd < 0) {
        return store_fail_errno(errno, "%s: cannot open", path);
    }
    int surplus = fd;
    pthread_mutex_lock(&segments->lock);
    if (file->fd < 0) {
        file->fd = fd;
        segments->open_fds++;
        surplus = take_surplus_fd(segments);
    }
    pthread_mutex_unlock(&segments->lock);
    if (surplus >= 0) {
        close(surplus);
    }
    return 0;
}

int segments_settle(struct segments *segments, uint64_t id, uint64_t position)
{
    char path[SEGMENT_PATH_MAX];
    segment_path(segments->directory, id, path);
    return store_rewrite(path, position - SEGMENT_RECORD_HEADER);
}

int segments_get(struct segments *segments, uint64_t id, int *fd)
{
    pthread_mutex_lock(&segments->lock);
    struct segment_file *file = find_file(segments, id);
    if (file != NULL) {
        file->users++;
        file->used = ++segments->clock;
        *fd = file->fd;
    }
    pthread_mutex_unlock(&segments->lock);
    if (file == NULL) {
        return store_fail(STORE_NOT_FOUND, "%s: no segment %" PRIu64,
                          segments->directory, id);
    }
    if (*fd >= 0) {
        return 0;
    }
    int rc = open_file(segments, file);
    if (rc < 0) {
        segments_put(segments, id);
        return rc;
    }
    /* Ours to read: it does not change while we hold the file. */
    *fd = file->fd;
    return 0;
}

/* Ends one hold. Returns the file when that was the last of a removed one. */
static struct segment_file *drop(struct segments *segments,
                                 struct segment_file *file)
{
    assert(file->users > 0);
    file->users--;
    if (!file->removed || file->users > 0) {
        return NULL;
    }
    for (size_t i = 0; i < segments->removed_count; i++) {
        if (segments->removed[i] == file) {
            segments->removed[i] = segments->removed[--segments->removed_count];
            return file;
        }
    }
    assert(!"a removed file is in its list");
    return NULL;
}

static struct segment_file *find_removed(const struct segments *segments,
                                         uint64_t id)
{
    for (size_t i = 0; i < segments->removed_count; i++) {
        if (segments->removed[i]->id == id) {
            return segments->removed[i];
        }
    }
    return NULL;
}

void segments_put(struct segments *segments, uint64_t id)
{
    pthread_mutex_lock(&segments->lock);
    struct segment_file *file = find_file(segments, id);
    if (file == NULL) {
        file = find_removed(segments, id);
    }
    assert(file != NULL);
    struct segment_file *gone = drop(segments, file);
    int surplus = take_surplus_fd(segments);
    pthread_mutex_unlock(&segments->lock);
    if (gone != NULL) {
        segment_file_free(gone);
    }
    if (surplus >= 0) {
        close(surplus);
    }
}

/* --- for the writers --- */

static uint64_t take_id(struct segments *segments)
{
    pthread_mutex_lock(&segments->lock);
    /* Used up even if the creation fails: a file may be left behind. */
    uint64_t id = segments->next_id++;
    pthread_mutex_unlock(&segments->lock);
    return id;
}

int segments_add(struct segments *segments, struct segment_file **out)
{
    assert(segments->lock_fd >= 0);
    uint64_t id, bytes;
    int fd, rc;
    do {
        id = take_id(segments);
        rc = segment_file_create(segments->directory, id, &fd, &bytes);
    } while (rc == STORE_TOO_MANY && close_idle_fd(segments));
    if (rc < 0) {
        return rc;
    }
    struct segment_file *file = segment_file_new(id, bytes, fd);
    file->users = 1;
    file->writing = true;
    pthread_mutex_lock(&segments->lock);
    segments_insert(segments, file);
    segments->open_fds++;
    pthread_mutex_unlock(&segments->lock);
    *out = file;
    return 0;
}

void segments_end_writing(struct segments *segments, struct segment_file *file)
{
    pthread_mutex_lock(&segments->lock);
    assert(file->writing);
    file->writing = false;
    const struct segment_file *gone = drop(segments, file);
    int surplus = take_surplus_fd(segments);
    pthread_mutex_unlock(&segments->lock);
    assert(gone == NULL); /* it could not be removed until now */
    if (surplus >= 0) {
        close(surplus);
    }
}

void segments_set_bytes(struct segments *segments, struct segment_file *file,
                        uint64_t bytes)
{
    pthread_mutex_lock(&segments->lock);
    segments->bytes += bytes - file->bytes;
    file->bytes = bytes;
    pthread_mutex_unlock(&segments->lock);
}

/* --- for reclaiming --- */

struct listed {
    uint64_t id, bytes;
    bool writing;
};

void segments_each(struct segments *segments,
                   void (*each)(void *arg, uint64_t id, uint64_t bytes,
                                bool writing),
                   void *arg)
{
    /* A copy, so that `each` runs without the lock and may call us. */
    pthread_mutex_lock(&segments->lock);
    size_t count = segments->count;
    struct listed *list = calloc(count + 1, sizeof(*list));
    assert(list != NULL);
    for (size_t i = 0; i < count; i++) {
        const struct segment_file *file = segments->files[i];
        list[i] = (struct listed){file->id, file->bytes, file->writing};
    }
    pthread_mutex_unlock(&segments->lock);
    for (size_t i = 0; i < count; i++) {
        each(arg, list[i].id, list[i].bytes, list[i].writing);
    }
    free(list);
}

void segments_pin(struct segments *segments)
{
    segments->pins++;
}

void segments_unpin(struct segments *segments)
{
    unsigned before = segments->pins--;
    assert(before > 0);
}

bool segments_pinned(const struct segments *segments)
{
    return segments->pins > 0;
}

/* Takes the file out of the table. Returns it when nobody holds it; else the
 * last put frees it. */
static struct segment_file *take_out(struct segments *segments, uint64_t id)
{
    size_t slot = find_slot(segments, id);
    struct segment_file *file = find_file(segments, id);
    if (file == NULL) {
        return NULL; /* another thread was faster */
    }
    segments->count--;
    memmove(&segments->files[slot], &segments->files[slot + 1],
            (segments->count - slot) * sizeof(*segments->files));
    segments->bytes -= file->bytes;
    if (file->fd >= 0) {
        segments->open_fds--;
    }
    file->removed = true;
    if (file->users == 0) {
        return file;
    }
    size_t count = segments->removed_count + 1;
    segments->removed =
        realloc(segments->removed, count * sizeof(*segments->removed));
    assert(segments->removed != NULL);
    segments->removed[segments->removed_count++] = file;
    return NULL;
}

int segments_remove(struct segments *segments, uint64_t id)
{
    char path[SEGMENT_PATH_MAX];
    assert(segments->lock_fd >= 0);
    pthread_mutex_lock(&segments->lock);
    const struct segment_file *there = find_file(segments, id);
    bool writing = there != NULL && there->writing;
    pthread_mutex_unlock(&segments->lock);
    if (there == NULL) {
        return store_fail(STORE_NOT_FOUND, "%s: no segment %" PRIu64,
                          segments->directory, id);
    }
    if (writing) {
        return store_fail(STORE_INVALID,
                          "segment %" PRIu64 " is open for writing", id);
    }
    segment_path(segments->directory, id, path);
    if (store_io.unlink(path) < 0 && errno != ENOENT) {
        return store_fail_errno(errno, "%s: cannot remove", path);
    }
    pthread_mutex_lock(&segments->lock);
    struct segment_file *unused = take_out(segments, id);
    pthread_mutex_unlock(&segments->lock);
    if (unused != NULL) {
        segment_file_free(unused);
    }
    return 0;
}

uint64_t segments_bytes(const struct segments *segments)
{
    return segments->bytes;
}
