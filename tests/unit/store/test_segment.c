#include "tests/unit/store/testing.h"

#include "store/error.h"
#include "store/io.h"
#include "store/segment.h"
#include "store/segment_int.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct segments *open_segments(void **state)
{
    struct segments *segments = NULL;
    assert_ok(segments_open(scratch_path(state, "segments"), &segments));
    return segments;
}

static const char *file_path(void **state, unsigned id)
{
    char name[64];
    snprintf(name, sizeof(name), "segments/%016x.seg", id);
    return scratch_path(state, name);
}

static off_t file_size(void **state, unsigned id)
{
    struct stat st;
    return stat(file_path(state, id), &st) == 0 ? st.st_size : -1;
}

static struct place append_text(struct segment_writer *writer, const char *text)
{
    struct place place = {0};
    assert_ok(
        segment_append(writer, (struct view){text, strlen(text)}, &place));
    return place;
}

static void assert_text(struct segments *segments, struct place place,
                        const char *text)
{
    char buffer[256] = "";
    assert_ok(segments_read_checked(segments, place, buffer, strlen(text)));
    assert_string_equal(buffer, text);
}

static bool directory_synced;

static int watch_fsync(int fd)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        directory_synced = true;
    }
    return fsync(fd);
}

/* Fills whole segments quickly. */
static struct place append_big(struct segment_writer *writer, uint8_t fill)
{
    static uint8_t big[SEGMENT_RECORD_MAX];
    struct place place = {0};
    memset(big, fill, sizeof(big));
    assert_ok(segment_append(writer, (struct view){big, sizeof(big)}, &place));
    return place;
}

static void sync_writer(struct segment_writer *writer, int expected)
{
    int fds[8];
    int count = segment_writer_dirty(writer, fds, 8);
    assert_int_equal(count, expected);
    for (int i = 0; i < count; i++) {
        assert_int_equal(fdatasync(fds[i]), 0);
    }
    segment_writer_synced(writer);
}

static void what_was_appended_is_read(void **state)
{
    struct segments *segments = open_segments(state);
    struct segment_writer *writer;
    char part[4] = "";
    assert_ok(segment_writer_open(segments, &writer));
    assert_int_equal(file_size(state, 1), -1); /* none before it is needed */
    struct place a = append_text(writer, "first");
    struct place b = append_text(writer, "the second one");
    assert_int_equal(a.segment, 1);
    assert_int_equal(a.position, SEGMENT_HEADER_SIZE + SEGMENT_RECORD_HEADER);
    assert_text(segments, b, "the second one");
    assert_text(segments, a, "first");
    assert_ok(segments_read(segments, b, 4, part, 3));
    assert_string_equal(part, "sec");
    segment_writer_close(writer);
    assert_text(segments, a, "first");
    segments_close(segments);
}

static void places_survive_a_restart_and_a_new_segment_begins(void **state)
{
    struct segments *segments = open_segments(state);
    struct segment_writer *writer;
    assert_ok(segment_writer_open(segments, &writer));
    struct place a = append_text(writer, "before");
    segment_writer_close(writer);
    segments_close(segments);
    segments = open_segments(state);
    assert_ok(segment_writer_open(segments, &writer));
    struct place b = append_text(writer, "after");
    assert_int_equal(b.segment, 2);
    assert_text(segments, a, "before");
    assert_text(segments, b, "after");
    segment_writer_close(writer);
    segments_close(segments);
}

/* A file that is synced and has no name is lost all the same. */
static void the_name_of_a_new_segment_is_durable(void **state)
{
    struct segments *segments = open_segments(state);
    struct segment_writer *writer = NULL;
    assert_ok(segment_writer_open(segments, &writer));
    struct store_io was = store_io;
    store_io.fsync = watch_fsync;
    directory_synced = false;
    append_text(writer, "first");
    assert_true(directory_synced);
    store_io = was;
    segment_writer_close(writer);
    segments_close(segments);
}

static void two_writers_have_a_segment_each(void **state)
{
    struct segments *segments = open_segments(state);
    struct segment_writer *a, *b;
    assert_ok(segment_writer_open(segments, &a));
    assert_ok(segment_writer_open(segments, &b));
    assert_int_not_equal(append_text(a, "a").segment,
                         append_text(b, "b").segment);
    assert_int_equal(segments_bytes(segments), 2 * SEGMENT_STEP);
    segment_writer_close(a);
    segment_writer_close(b);
    segments_close(segments);
}

static void closing_gives_back_the_preallocated_tail(void **state)
{
    struct segments *segments = open_segments(state);
    struct segment_writer *writer;
    assert_ok(segment_writer_open(segments, &writer));
    append_text(writer, "12345");
    assert_int_equal(file_size(state, 1), SEGMENT_STEP);
    segment_writer_close(writer);
    assert_int_equal(file_size(state, 1), 64 + 24);
    assert_int_equal(segments_bytes(segments), 64 + 24);
    segments_close(segments);
}

/* Leaves the files as a killed process does. */
static void kill_copy(void **state)
{
    remove_tree(scratch_path(state, "killed"));
    copy_tree(scratch_path(state, "segments"), scratch_path(state, "killed"));
}

static struct segments *open_killed(void **state)
{
    struct segments *segments = NULL;
    remove_tree(scratch_path(state, "segments"));
    assert_int_equal(
        rename(scratch_path(state, "killed"), scratch_path(state, "segments")),
        0);
    assert_ok(segments_open(scratch_path(state, "segments"), &segments));
    return segments;
}

static void opening_after_a_kill_trims_the_tail_but_no_record(void **state)
{
    struct segments *segments = open_segments(state);
    struct segment_writer *writer;
    uint8_t zeros[1000] = {0}, out[1000];
    struct place place;
    assert_ok(segment_writer_open(segments, &writer));
    append_text(writer, "12345");
    assert_ok(
        segment_append(writer, (struct view){zeros, sizeof(zeros)}, &place));
    kill_copy(state);
    segment_writer_close(writer);
    segments_close(segments);
    segments = open_killed(state);
    assert_int_equal(file_size(state, 1), 64 + 24 + 1016);
    assert_ok(segments_read_checked(segments, place, out, sizeof(out)));
    segments_close(segments);
}

static void damaged_header_in_the_middle_hides_no_record(void **state)
{
    struct segments *segments = open_segments(state);
    struct segment_writer *writer;
    assert_ok(segment_writer_open(segments, &writer));
    append_text(writer, "first");
    struct place second = append_text(writer, "second");
    kill_copy(state);
    segment_writer_close(writer);
    segments_close(segments);
    int fd = open(scratch_path(state, "killed/0000000000000001.seg"), O_RDWR);
    assert_int_equal(pwrite(fd, "x", 1, 64), 1);
    close(fd);
    segments = open_killed(state);
    assert_text(segments, second, "second");
    segments_close(segments);
}

static void empty_segment_goes_when_opened(void **state)
{
    struct segments *segments = open_segments(state);
    struct segment_writer *writer;
    assert_ok(segment_writer_open(segments, &writer));
    append_text(writer, "12345");
    kill_copy(state);
    segment_writer_close(writer);
    segments_close(segments);
    /* As if nothing but the header had reached the disk. */
    const char *path = scratch_path(state, "killed/0000000000000001.seg");
    assert_int_equal(truncate(path, 64), 0);
    assert_int_equal(truncate(path, SEGMENT_STEP), 0);
    segments = open_killed(state);
    assert_int_equal(file_size(state, 1), -1);
    assert_ok(segment_writer_open(segments, &writer));
    /* The number is not used again while somebody may hold a place in it. */
    assert_int_equal(append_text(writer, "x").segment, 2);
    segment_writer_close(writer);
    segments_close(segments);
}

static void unfinished_creation_goes_when_opened(void **state)
{
    segments_close(open_segments(state));
    for (unsigned id = 1; id <= 2; id++) {
        int fd = open(file_path(state, id), O_RDWR | O_CREAT, 0600);
        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, id == 1 ? 0 : SEGMENT_STEP), 0);
        close(fd);
    }
    segments_close(open_segments(state));
    assert_int_equal(file_size(state, 1), -1);
    assert_int_equal(file_size(state, 2), -1);
}

static void damaged_file_header_is_corrupt(void **state)
{
    struct segments *segments = open_segments(state);
    struct segment_writer *writer;
    assert_ok(segment_writer_open(segments, &writer));
    append_text(writer, "12345");
    segment_writer_close(writer);
    segments_close(segments);
    int fd = open(file_path(state, 1), O_RDWR);
    assert_int_equal(pwrite(fd, "x", 1, 20), 1);
    assert_int_equal(segments_open(scratch_path(state, "segments"), &segments),
                     STORE_CORRUPT);
    close(fd);
}

static void changed_bytes_are_found_by_the_checked_read(void **state)
{
    struct segments *segments = open_segments(state);
    struct segment_writer *writer;
    char buffer[16];
    assert_ok(segment_writer_open(segments, &writer));
    struct place place = append_text(writer, "12345");
    assert_int_equal(segments_read_checked(segments, place, buffer, 4),
                     STORE_CORRUPT);
    int fd = open(file_path(state, 1), O_RDWR);
    assert_int_equal(pwrite(fd, "x", 1, (off_t)place.position + 2), 1);
    close(fd);
    assert_int_equal(segments_read_checked(segments, place, buffer, 5),
                     STORE_CORRUPT);
    place.position = 3;
    assert_int_equal(segments_read_checked(segments, place, buffer, 5),
                     STORE_CORRUPT);
    place.position = SEGMENT_SIZE;
    assert_int_equal(segments_read(segments, place, 0, buffer, 5),
                     STORE_CORRUPT);
    place.segment = 99;
    assert_int_equal(segments_read(segments, place, 0, buffer, 5),
                     STORE_NOT_FOUND);
    segment_writer_close(writer);
    segments_close(segments);
}

static void full_segment_is_rolled_and_held_until_synced(void **state)
{
    struct segments *segments = open_segments(state);
    struct segment_writer *writer;
    static uint8_t out[SEGMENT_RECORD_MAX];
    assert_ok(segment_writer_open(segments, &writer));
    sync_writer(writer, 0);
    struct place first = append_big(writer, 1), last = first;
    for (int i = 2; last.segment == 1; i++) {
        last = append_big(writer, (uint8_t)i);
        assert_true(i < 20);
    }
    assert_int_equal(last.segment, 2);
    assert_true(file_size(state, 1) <= SEGMENT_SIZE);
    assert_int_equal(segments_remove(segments, 1), STORE_INVALID);
    sync_writer(writer, 2);
    sync_writer(writer, 0);
    assert_ok(segments_read_checked(segments, first, out, sizeof(out)));
    assert_int_equal(out[sizeof(out) - 1], 1);
    assert_ok(segments_remove(segments, 1));
    assert_int_equal(segments_remove(segments, 2), STORE_INVALID);
    segment_writer_close(writer);
    segments_close(segments);
}

static void bytes_appended_during_a_sync_are_dirty_again(void **state)
{
    struct segments *segments = open_segments(state);
    struct segment_writer *writer;
    int fds[2];
    assert_ok(segment_writer_open(segments, &writer));
    append_text(writer, "a");
    assert_int_equal(segment_writer_dirty(writer, fds, 2), 1);
    append_text(writer, "b");
    segment_writer_synced(writer);
    sync_writer(writer, 1);
    sync_writer(writer, 0);
    segment_writer_close(writer);
    segments_close(segments);
}

static void oldest_are_synced_first_when_there_is_little_room(void **state)
{
    struct segments *segments = open_segments(state);
    struct segment_writer *writer;
    int fds[1];
    assert_ok(segment_writer_open(segments, &writer));
    while (append_big(writer, 7).segment == 1) {
    }
    for (int i = 0; i < 2; i++) {
        struct stat st, expected;
        assert_int_equal(segment_writer_dirty(writer, fds, 1), 1);
        assert_int_equal(fstat(fds[0], &st), 0);
        assert_int_equal(stat(file_path(state, (unsigned)i + 1), &expected), 0);
        assert_true(st.st_ino == expected.st_ino);
        segment_writer_synced(writer);
    }
    assert_int_equal(segment_writer_dirty(writer, fds, 1), 0);
    segment_writer_close(writer);
    segments_close(segments);
}

static void removed_segment_is_readable_until_the_last_put(void **state)
{
    struct segments *segments = open_segments(state);
    struct segment_writer *writer;
    char buffer[6] = "";
    int a, b, c;
    assert_ok(segment_writer_open(segments, &writer));
    struct place place = append_text(writer, "12345");
    segment_writer_close(writer);
    assert_ok(segments_get(segments, place.segment, &a));
    assert_ok(segments_get(segments, place.segment, &b));
    assert_int_equal(a, b);
    assert_ok(segments_remove(segments, place.segment));
    assert_int_equal(file_size(state, 1), -1);
    assert_int_equal(segments_bytes(segments), 0);
    assert_int_equal(segments_get(segments, place.segment, &c),
                     STORE_NOT_FOUND);
    segments_put(segments, place.segment);
    assert_int_equal(pread(b, buffer, 5, (off_t)place.position), 5);
    assert_string_equal(buffer, "12345");
    segments_put(segments, place.segment);
    assert_int_equal(fcntl(b, F_GETFD), -1);
    segments_close(segments);
}

struct listing {
    uint64_t ids, bytes, writing;
};

static void add_to_listing(void *arg, uint64_t id, uint64_t bytes, bool writing)
{
    struct listing *listing = arg;
    listing->ids = listing->ids * 10 + id;
    listing->bytes += bytes;
    listing->writing += writing;
}

static void each_lists_in_order(void **state)
{
    struct segments *segments = open_segments(state);
    struct segment_writer *a, *b;
    struct listing listing = {0};
    assert_ok(segment_writer_open(segments, &a));
    assert_ok(segment_writer_open(segments, &b));
    append_text(a, "a");
    append_text(b, "b");
    segment_writer_close(a);
    segments_each(segments, add_to_listing, &listing);
    assert_int_equal(listing.ids, 12);
    assert_int_equal(listing.writing, 1);
    assert_int_equal(listing.bytes, segments_bytes(segments));
    segment_writer_close(b);
    segments_close(segments);
}

static void second_opening_is_refused_but_inspection_is_not(void **state)
{
    struct segments *segments = open_segments(state), *other = NULL;
    struct segment_writer *writer;
    assert_ok(segment_writer_open(segments, &writer));
    struct place place = append_text(writer, "seen");
    assert_int_equal(segments_open(scratch_path(state, "segments"), &other),
                     STORE_LOCKED);
    assert_ok(segments_inspect(scratch_path(state, "segments"), &other));
    assert_text(other, place, "seen");
    assert_int_equal(file_size(state, 1), SEGMENT_STEP);
    segments_close(other);
    segment_writer_close(writer);
    segments_close(segments);
}

static void descriptors_have_a_limit(void **state)
{
    enum { COUNT = SEGMENT_FDS_MAX + 20 };
    struct segments *segments = open_segments(state);
    struct segment_writer *writer;
    static struct place places[COUNT];
    for (int i = 0; i < COUNT; i++) {
        assert_ok(segment_writer_open(segments, &writer));
        places[i] = append_text(writer, "x");
        segment_writer_close(writer);
        assert_true(segments->open_fds <= SEGMENT_FDS_MAX + 1);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_text(segments, places[i], "x");
        assert_true(segments->open_fds <= SEGMENT_FDS_MAX);
    }
    segments_close(segments);
}

/* The next descriptor would have the number `limit`; RLIM_INFINITY: as before. */
static void limit_descriptors(rlim_t limit)
{
    static struct rlimit before;
    struct rlimit now;
    if (limit != RLIM_INFINITY) {
        getrlimit(RLIMIT_NOFILE, &before);
    }
    now = before;
    now.rlim_cur = limit != RLIM_INFINITY ? limit : before.rlim_cur;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
}

static void an_idle_descriptor_is_given_up_where_another_is_needed(void **state)
{
    struct segments *segments = open_segments(state);
    struct segment_writer *writer;
    struct place places[3];
    char buffer[2] = "";
    int held;
    for (int i = 0; i < 3; i++) {
        assert_ok(segment_writer_open(segments, &writer));
        places[i] = append_text(writer, i == 0 ? "a" : i == 1 ? "b" : "c");
        segment_writer_close(writer);
    }
    segments_close(segments);
    segments = open_segments(state);
    assert_text(segments, places[0], "a");
    limit_descriptors(3); /* nothing that is not open yet */
    assert_int_equal(segments->open_fds, 1);
    assert_int_equal(segments_get(segments, places[1].segment, &held),
                     STORE_TOO_MANY); /* not even with the one that was closed */
    assert_int_equal(segments->open_fds, 0);
    limit_descriptors(RLIM_INFINITY);

    assert_ok(segments_get(segments, places[1].segment, &held));
    limit_descriptors((rlim_t)held + 1);
    assert_int_equal(segments_read(segments, places[0], 0, buffer, 1),
                     STORE_TOO_MANY);
    segments_put(segments, places[1].segment);
    assert_text(segments, places[0], "a");
    assert_text(segments, places[2], "c");
    assert_int_equal(segments->open_fds, 1);
    limit_descriptors(RLIM_INFINITY);
    segments_close(segments);
}

static void a_segment_is_made_with_an_idle_descriptor(void **state)
{
    struct segments *segments = open_segments(state);
    struct segment_writer *writer;
    int held;
    assert_ok(segment_writer_open(segments, &writer));
    struct place place = append_text(writer, "a");
    segment_writer_close(writer);
    assert_ok(segment_writer_open(segments, &writer));
    struct place other = append_text(writer, "b");
    segment_writer_close(writer);
    assert_text(segments, place, "a");
    assert_ok(segments_get(segments, other.segment, &held));
    segments_put(segments, other.segment);
    limit_descriptors((rlim_t)held + 1);
    assert_ok(segment_writer_open(segments, &writer));
    append_text(writer, "c");
    limit_descriptors(RLIM_INFINITY);
    segment_writer_close(writer);
    segments_close(segments);
}

struct reading {
    struct segments *segments;
    struct place place;
    int failures;
};

static void *read_many(void *arg)
{
    struct reading *reading = arg;
    char buffer[5];
    for (int i = 0; i < 300; i++) {
        if (segments_read_checked(reading->segments, reading->place, buffer,
                                  5) != 0) {
            reading->failures++;
        }
    }
    return NULL;
}

static void threads_read_while_one_appends(void **state)
{
    struct segments *segments = open_segments(state);
    struct segment_writer *writer;
    struct reading readings[2];
    pthread_t threads[2];
    assert_ok(segment_writer_open(segments, &writer));
    struct place place = append_text(writer, "12345");
    segment_writer_close(writer);
    segments_close(segments);
    segments = open_segments(state);
    assert_ok(segment_writer_open(segments, &writer));
    for (int i = 0; i < 2; i++) {
        readings[i] = (struct reading){segments, place, 0};
        pthread_create(&threads[i], NULL, read_many, &readings[i]);
    }
    for (int i = 0; i < 300; i++) {
        append_text(writer, "more");
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(readings[i].failures, 0);
    }
    segment_writer_close(writer);
    segments_close(segments);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_appended_is_read),
        TEST(places_survive_a_restart_and_a_new_segment_begins),
        TEST(the_name_of_a_new_segment_is_durable),
        TEST(two_writers_have_a_segment_each),
        TEST(closing_gives_back_the_preallocated_tail),
        TEST(opening_after_a_kill_trims_the_tail_but_no_record),
        TEST(damaged_header_in_the_middle_hides_no_record),
        TEST(empty_segment_goes_when_opened),
        TEST(unfinished_creation_goes_when_opened),
        TEST(damaged_file_header_is_corrupt),
        TEST(changed_bytes_are_found_by_the_checked_read),
        TEST(full_segment_is_rolled_and_held_until_synced),
        TEST(bytes_appended_during_a_sync_are_dirty_again),
        TEST(oldest_are_synced_first_when_there_is_little_room),
        TEST(removed_segment_is_readable_until_the_last_put),
        TEST(each_lists_in_order),
        TEST(second_opening_is_refused_but_inspection_is_not),
        TEST(descriptors_have_a_limit),
        TEST(an_idle_descriptor_is_given_up_where_another_is_needed),
        TEST(a_segment_is_made_with_an_idle_descriptor),
        TEST(threads_read_while_one_appends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
