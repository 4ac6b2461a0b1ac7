/* The disk of a node: files in memory, and what a crash leaves of them.
 *
 * A file is what everybody sees (`now`) and what is certain to be there after a
 * loss of power (`durable`), with the list of changes between them. When power
 * goes, of each change any sectors may have got there, or none: a disk reorders.
 * Names are durable after a sync of their directory, or (SQLite's files) with
 * the first sync of the file.
 */
#include "tests/sim/full/full.h"

#include "raft/core/memory.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { SECTOR = 512, SLOWEST_US = 2000000 };

struct image {
    uint8_t *bytes; /* owned */
    size_t size, capacity;
};

struct change {
    bool truncates; /* to `at` */
    uint64_t at;
    size_t size;
    uint8_t *bytes; /* owned */
};

struct file {
    char path[96];
    char old_path[96]; /* before a rename whose directory is not synced */
    struct disk *disk;
    bool directory;
    bool named;    /* its name is durable */
    bool unlinked; /* has no name any more, perhaps not for good */
    struct image now, durable;
    struct change *changes; /* owned; not durable yet */
    size_t change_count, change_capacity;
    uint64_t change_first; /* number of the first of them */
    unsigned refs;
};

static void image_resize(struct image *image, uint64_t size)
{
    if (size > image->capacity) {
        image->capacity = (size_t)size * 2 + 4096;
        image->bytes = xrealloc(image->bytes, image->capacity);
    }
    if (size > image->size) {
        memset(image->bytes + image->size, 0, (size_t)size - image->size);
    }
    image->size = (size_t)size;
}

static void image_write(struct image *image, const void *from, size_t size,
                        uint64_t at)
{
    if (at + size > image->size) {
        image_resize(image, at + size);
    }
    memcpy(image->bytes + at, from, size);
}

static void image_copy(struct image *to, const struct image *from)
{
    *to = (struct image){.bytes = NULL};
    image_resize(to, from->size);
    if (from->size > 0) {
        memcpy(to->bytes, from->bytes, from->size);
    }
}

static void change_apply(const struct change *change, struct image *image)
{
    if (change->truncates) {
        image_resize(image, change->at);
    } else {
        image_write(image, change->bytes, change->size, change->at);
    }
}

static void forget_changes(struct file *file, size_t count)
{
    if (count == 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        free(file->changes[i].bytes);
    }
    memmove(file->changes, file->changes + count,
            (file->change_count - count) * sizeof(*file->changes));
    file->change_count -= count;
    file->change_first += count;
}

static struct change *add_change(struct file *file)
{
    if (file->change_count == file->change_capacity) {
        file->change_capacity = file->change_capacity * 2 + 16;
        file->changes = xrealloc(file->changes, file->change_capacity *
                                                    sizeof(*file->changes));
    }
    struct change *out = &file->changes[file->change_count++];
    *out = (struct change){.at = 0};
    return out;
}

static void file_free(struct file *file)
{
    forget_changes(file, file->change_count);
    free(file->changes);
    free(file->now.bytes);
    free(file->durable.bytes);
    free(file);
}

void disk_release(struct disk *disk)
{
    for (size_t i = 0; i < disk->count; i++) {
        file_free(disk->files[i]);
    }
    free(disk->files);
    *disk = (struct disk){.files = NULL};
}

struct file *disk_find(struct disk *disk, const char *path)
{
    for (size_t i = 0; i < disk->count; i++) {
        if (!disk->files[i]->unlinked &&
            strcmp(disk->files[i]->path, path) == 0) {
            return disk->files[i];
        }
    }
    return NULL;
}

static struct file *add_file(struct disk *disk)
{
    if (disk->count == disk->capacity) {
        disk->capacity = disk->capacity * 2 + 16;
        disk->files =
            xrealloc(disk->files, disk->capacity * sizeof(*disk->files));
    }
    struct file *file = xcalloc(1, sizeof(*file));
    file->disk = disk;
    disk->files[disk->count++] = file;
    return file;
}

struct file *disk_make(struct disk *disk, const char *path, bool directory)
{
    struct file *file = add_file(disk);
    snprintf(file->path, sizeof(file->path), "%s", path);
    file->directory = directory;
    return file;
}

void file_hold(struct file *file)
{
    file->refs++;
}

void file_let_go(struct file *file)
{
    assert(file->refs > 0);
    file->refs--;
}

const char *file_path(const struct file *file)
{
    return file->path;
}

bool file_is_directory(const struct file *file)
{
    return file->directory;
}

uint64_t file_size(const struct file *file)
{
    return file->now.size;
}

size_t file_read(const struct file *file, void *to, size_t size, uint64_t at)
{
    if (at >= file->now.size) {
        return 0;
    }
    size_t left = file->now.size - (size_t)at;
    size = size < left ? size : left;
    memcpy(to, file->now.bytes + at, size);
    return size;
}

/* --- writing, and what can go wrong --- */

static struct sim_node *owner(const struct disk *disk)
{
    for (uint32_t i = 0; i < world.params.nodes; i++) {
        if (&world.nodes[i].disk == disk) {
            return &world.nodes[i];
        }
    }
    return NULL;
}

/* 0 or an errno. */
static int trouble(struct disk *disk)
{
    if (disk->doomed) {
        return 0;
    }
    if (disk->crash_at > 0 && --disk->crash_at == 0) {
        struct sim_node *sim = owner(disk);
        world.counters.mid_write++;
        node_crash(sim, !sim->power_off);
    }
    if (disk->io_error_at > 0 && --disk->io_error_at == 0) {
        world.counters.io_errors++;
        sim_trace(owner(disk), "disk: input/output error");
        return EIO;
    }
    return 0;
}

static int take_room(struct disk *disk, const struct file *file, uint64_t end)
{
    if (end <= file->now.size) {
        return 0;
    }
    uint64_t more = end - file->now.size;
    if (disk->doomed) {
        return 0;
    }
    if (more > disk->room) {
        world.counters.full++;
        return ENOSPC;
    }
    disk->room -= more;
    return 0;
}

int file_write(struct file *file, const void *from, size_t size, uint64_t at)
{
    struct disk *disk = file->disk;
    int error = trouble(disk);
    if (error == 0) {
        error = take_room(disk, file, at + size);
    }
    size = error != 0 ? size / 2 : size;
    struct change *change = add_change(file);
    change->at = at;
    change->size = size;
    change->bytes = xmalloc(size);
    memcpy(change->bytes, from, size);
    change_apply(change, &file->now);
    return error;
}

static int set_size(struct file *file, uint64_t size)
{
    struct change *change = add_change(file);
    change->truncates = true;
    change->at = size;
    change_apply(change, &file->now);
    return 0;
}

int file_truncate(struct file *file, uint64_t size)
{
    int error = trouble(file->disk);
    return error != 0 ? error : set_size(file, size);
}

int file_allocate(struct file *file, uint64_t size)
{
    int error = trouble(file->disk);
    if (error == 0) {
        error = take_room(file->disk, file, size);
    }
    return error != 0 || size <= file->now.size ? error : set_size(file, size);
}

static void make_durable(struct file *file, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        change_apply(&file->changes[i], &file->durable);
    }
    forget_changes(file, count);
}

int file_sync(struct file *file)
{
    struct disk *disk = file->disk;
    world.counters.syncs++;
    uint64_t end = file->change_first + file->change_count; /* later ones are
                                                            * not covered */
    if (on_fiber() && !disk->doomed) {
        uint64_t us = rng_tail(&world.disk, world.params.sync_us) + 1;
        if (!world.calm && rng_chance(&world.disk, world.params.stall_ppm)) {
            us += rng_below(&world.disk, 1000 * 1000);
        }
        us *= disk->slow > 0 ? disk->slow : 1;
        fiber_sleep(us < SLOWEST_US ? us : SLOWEST_US);
    }
    if (disk->doomed) {
        return 0;
    }
    /* Somebody else may have synced it meanwhile. */
    size_t count =
        end > file->change_first ? (size_t)(end - file->change_first) : 0;
    if (disk->sync_failed) {
        world.counters.failed_syncs++;
        disk->sync_failed = false; /* the pages are clean now, and gone */
        forget_changes(file, count);
        return EIO;
    }
    make_durable(file, count);
    file->named = true;
    return 0;
}

/* --- names --- */

int disk_unlink(struct disk *disk, const char *path)
{
    int error = trouble(disk);
    struct file *file = disk_find(disk, path);
    if (error != 0 || file == NULL) {
        return error != 0 ? error : ENOENT;
    }
    file->unlinked = true;
    disk->room += file->now.size;
    return 0;
}

int disk_rename(struct disk *disk, const char *from, const char *to)
{
    int error = trouble(disk);
    struct file *file = disk_find(disk, from), *old = disk_find(disk, to);
    if (error != 0 || file == NULL) {
        return error != 0 ? error : ENOENT;
    }
    if (old != NULL) {
        old->unlinked = true;
    }
    memcpy(file->old_path, file->path, sizeof(file->path));
    snprintf(file->path, sizeof(file->path), "%s", to);
    return 0;
}

/* Directly in the directory. */
static bool is_in(const char *directory, const char *path)
{
    size_t size = strlen(directory);
    return strncmp(path, directory, size) == 0 && path[size] == '/' &&
           strchr(path + size + 1, '/') == NULL;
}

int disk_sync_directory(struct disk *disk, const char *path)
{
    int error = trouble(disk);
    if (error != 0) {
        return error;
    }
    for (size_t i = disk->count; i > 0; i--) {
        struct file *file = disk->files[i - 1];
        if (!is_in(path, file->path)) {
            continue;
        }
        file->named = true;
        file->old_path[0] = '\0';
        if (file->unlinked && file->refs == 0) {
            file_free(file);
            memmove(disk->files + i - 1, disk->files + i,
                    (disk->count - i) * sizeof(*disk->files));
            disk->count--;
        } else if (file->unlinked) {
            snprintf(file->path, sizeof(file->path), "gone");
        }
    }
    return 0;
}

struct file *disk_list(struct disk *disk, const char *path, size_t n)
{
    for (size_t i = 0; i < disk->count; i++) {
        struct file *file = disk->files[i];
        if (!file->unlinked && is_in(path, file->path) && n-- == 0) {
            return file;
        }
    }
    return NULL;
}

void disk_settle(struct disk *disk)
{
    for (size_t i = 0; i < disk->count; i++) {
        make_durable(disk->files[i], disk->files[i]->change_count);
        disk->files[i]->named = true;
    }
}

/* --- crashes --- */

/* Some sectors of a write. */
static void write_torn(const struct change *change, struct image *image)
{
    uint64_t at = change->at;
    size_t done = 0;
    while (done < change->size) {
        size_t size = SECTOR - (size_t)(at % SECTOR);
        size = size < change->size - done ? size : change->size - done;
        if (rng_chance(&world.disk, 500000)) {
            image_write(image, change->bytes + done, size, at);
        }
        at += size;
        done += size;
    }
}

/* all: everything written got there; none; the first few; or anything. */
static void lose_some(const struct file *file, struct image *image)
{
    uint64_t mood = rng_below(&world.disk, 4);
    size_t first = (size_t)rng_below(&world.disk, file->change_count + 1);
    for (size_t i = 0; i < file->change_count; i++) {
        const struct change *change = &file->changes[i];
        uint64_t fate = mood == 3 ? rng_below(&world.disk, 3) : 0;
        bool there = mood == 0 || (mood == 2 && i < first) || mood == 3;
        if (mood == 2 && i == first && !change->truncates) {
            write_torn(change, image);
            world.counters.torn++;
        } else if (!there || fate == 1) {
            world.counters.lost_writes++;
        } else if (fate == 2 && !change->truncates) {
            write_torn(change, image);
            world.counters.torn++;
        } else {
            change_apply(change, image);
        }
    }
}

static bool name_is_taken(const struct disk *disk, const struct file *file)
{
    for (size_t i = 0; i < disk->count; i++) {
        if (disk->files[i] != file &&
            strcmp(disk->files[i]->path, file->path) == 0) {
            return true;
        }
    }
    return false;
}

static bool name_survives(const struct disk *disk, const struct file *file,
                          bool with_power)
{
    if (with_power) {
        return !file->unlinked;
    }
    if (file->unlinked) { /* the unlink may not have got there */
        return strcmp(file->path, "gone") != 0 && file->named &&
               !name_is_taken(disk, file) &&
               rng_chance(&world.disk, 300000);
    }
    if (!file->named && rng_chance(&world.disk, 500000)) {
        world.counters.lost_names++;
        return false;
    }
    return true;
}

/* The kernel still has it all, and may lose it later. */
static void copy_changes(struct file *to, const struct file *from)
{
    for (size_t i = 0; i < from->change_count; i++) {
        struct change *change = add_change(to);
        *change = from->changes[i];
        change->bytes = xmalloc(change->size);
        if (change->size > 0) {
            memcpy(change->bytes, from->changes[i].bytes, change->size);
        }
    }
}

void disk_take(struct disk *disk, struct disk *from)
{
    *disk = *from;
    for (size_t i = 0; i < disk->count; i++) {
        disk->files[i]->disk = disk;
    }
    *from = (struct disk){.files = NULL};
}

void disk_after_crash(const struct disk *disk, bool with_power,
                      struct disk *out)
{
    *out = (struct disk){.room = disk->room, .slow = disk->slow};
    for (size_t i = 0; i < disk->count; i++) {
        const struct file *file = disk->files[i];
        if (!name_survives(disk, file, with_power)) {
            continue;
        }
        struct file *copy = disk_make(out, file->path, file->directory);
        copy->named = true;
        image_copy(&copy->durable, &file->durable);
        if (with_power) {
            image_copy(&copy->now, &file->now);
            copy_changes(copy, file);
            copy->named = file->named;
            memcpy(copy->old_path, file->old_path, sizeof(copy->old_path));
            continue;
        }
        if (file->old_path[0] != '\0' && rng_chance(&world.disk, 500000)) {
            memcpy(copy->path, file->old_path, sizeof(copy->path));
        }
        lose_some(file, &copy->durable);
        image_copy(&copy->now, &copy->durable);
    }
}
