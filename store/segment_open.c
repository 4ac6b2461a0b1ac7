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
        segments_insert(segments, segment_file_new(id, look.size, -1));
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
        segment_file_free(segments->files[i]);
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
