#include "store/segment_int.h"

#include "store/error.h"
#include "store/io.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
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

static void insert_file(struct segments *segments, struct segment_file *file)
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

static struct segment_file *file_new(uint64_t id, uint64_t bytes, int fd)
{
    struct segment_file *file = malloc(sizeof(*file));
    assert(file != NULL);
    *file = (struct segment_file){.id = id, .bytes = bytes, .fd = fd};
    return file;
}

static void file_free(struct segment_file *file)
{
    if (file->fd >= 0) {
        close(file->fd);
    }
    free(file);
}

/* --- open and close --- */

static int lock_directory(struct segments *segments)
{
    char path[SEGMENT_PATH_MAX];
    snprintf(path, sizeof(path), "%s/lock", segments->directory);
    segments->lock_fd = store_io.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (segments->lock_fd < 0) {
        return store_fail_errno(errno, "%s: cannot open", path);
    }
    if (flock(segments->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        return store_fail(STORE_LOCKED, "%s: in use by another process",
                          segments->directory);
    }
    return 0;
}

static int make_directory(const char *directory)
{
    if (mkdir(directory, 0700) < 0) {
        return errno == EEXIST
                   ? 0
                   : store_fail_errno(errno, "%s: cannot create", directory);
    }
    return store_sync_directory_of(directory);
}

/* Only names that segment_path() makes. */
static bool parse_name(const char *name, uint64_t *id)
{
    int used = 0;
    return strlen(name) == 20 &&
           sscanf(name, "%16" SCNx64 ".seg%n", id, &used) == 1 && used == 20 &&
           *id != 0;
}

static int tidy_file(struct segments *segments, uint64_t id,
                     struct segment_look *look)
{
    char path[SEGMENT_PATH_MAX];
    segment_path(segments->directory, id, path);
    if (look->empty) {
        return store_io.unlink(path) < 0
                   ? store_fail_errno(errno, "%s: cannot remove", path)
                   : 0;
    }
    if (look->end == look->size) {
        return 0;
    }
    int fd = store_io.open(path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) {
        return store_fail_errno(errno, "%s: cannot open", path);
    }
    int rc = store_io.ftruncate(fd, (off_t)look->end);
    if (rc < 0) {
        rc = store_fail_errno(errno, "%s: cannot truncate", path);
    } else {
        look->size = look->end;
    }
    close(fd);
    return rc;
}

static int add_found(struct segments *segments, uint64_t id)
{
    struct segment_look look;
    int rc = segment_file_look(segments->directory, id, &look);
    if (rc == 0 && segments->lock_fd >= 0) {
        rc = tidy_file(segments, id, &look);
    }
    if (rc < 0) {
        return rc;
    }
    if (!look.empty) {
        insert_file(segments, file_new(id, look.size, -1));
    } else if (segments->next_id <= id) {
        /* Not used again in this process: somebody may hold a place in it. */
        segments->next_id = id + 1;
    }
    return 0;
}

static int list_directory(struct segments *segments)
{
    DIR *dir = opendir(segments->directory);
    if (dir == NULL) {
        return store_fail_errno(errno, "%s: cannot open", segments->directory);
    }
    int rc = 0;
    const struct dirent *entry;
    while (rc == 0 && (entry = readdir(dir)) != NULL) {
        uint64_t id;
        if (parse_name(entry->d_name, &id)) {
            rc = add_found(segments, id);
            if (rc == STORE_NOT_FOUND && segments->lock_fd < 0) {
                rc = 0; /* the running node removed it just now */
            }
        }
    }
    closedir(dir);
    return rc;
}

static struct segments *segments_new(const char *directory)
{
    struct segments *segments = calloc(1, sizeof(*segments));
    assert(segments != NULL);
    segments->directory = strdup(directory);
    assert(segments->directory != NULL);
    segments->lock_fd = -1;
    segments->next_id = 1;
    pthread_mutex_init(&segments->lock, NULL);
    return segments;
}

int segments_open(const char *directory, struct segments **out)
{
    struct segments *segments = segments_new(directory);
    int rc = make_directory(directory);
    if (rc == 0) {
        rc = lock_directory(segments);
    }
    if (rc == 0) {
        rc = list_directory(segments);
    }
    if (rc < 0) {
        segments_close(segments);
        return rc;
    }
    *out = segments;
    return 0;
}

int segments_inspect(const char *directory, struct segments **out)
{
    struct segments *segments = segments_new(directory);
    int rc = list_directory(segments);
    if (rc < 0) {
        segments_close(segments);
        return rc;
    }
    *out = segments;
    return 0;
}

void segments_close(struct segments *segments)
{
    if (segments == NULL) {
        return;
    }
    for (size_t i = 0; i < segments->count; i++) {
        assert(segments->files[i]->users == 0);
        file_free(segments->files[i]);
    }
    assert(segments->removed_count == 0);
    if (segments->lock_fd >= 0) {
        close(segments->lock_fd);
    }
    pthread_mutex_destroy(&segments->lock);
    free(segments->removed);
    free(segments->files);
    free(segments->directory);
    free(segments);
}

/* --- get and put --- */

/* Takes the descriptor that was not used for longest out of the table, when
 * there are too many; the caller closes it after unlocking. */
static int take_surplus_fd(struct segments *segments)
{
    struct segment_file *oldest = NULL;
    if (segments->open_fds <= SEGMENT_FDS_MAX) {
        return -1;
    }
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

/* The lock is not held: opening may take long. The file cannot go, since we
 * hold it. */
static int open_file(struct segments *segments, struct segment_file *file)
{
    char path[SEGMENT_PATH_MAX];
    segment_path(segments->directory, file->id, path);
    int fd = store_io.open(path, O_RDONLY | O_CLOEXEC, 0);
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
        file_free(gone);
    }
    if (surplus >= 0) {
        close(surplus);
    }
}

/* --- for the writers --- */

int segments_add(struct segments *segments, struct segment_file **out)
{
    assert(segments->lock_fd >= 0);
    pthread_mutex_lock(&segments->lock);
    /* Used up even if the creation fails: a file may be left behind. */
    uint64_t id = segments->next_id++;
    pthread_mutex_unlock(&segments->lock);
    uint64_t bytes;
    int fd;
    int rc = segment_file_create(segments->directory, id, &fd, &bytes);
    if (rc < 0) {
        return rc;
    }
    struct segment_file *file = file_new(id, bytes, fd);
    file->users = 1;
    file->writing = true;
    pthread_mutex_lock(&segments->lock);
    insert_file(segments, file);
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
        file_free(unused);
    }
    return 0;
}

uint64_t segments_bytes(const struct segments *segments)
{
    return segments->bytes;
}
