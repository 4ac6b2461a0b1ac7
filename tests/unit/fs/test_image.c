/* A tree that travels: what arrives is what was sent, however often the way was
 * broken, whoever went on with it, and whatever came instead of a chunk.
 *
 * Random lives (apply_life.h) are exported and imported. Two nodes have the same
 * tree when tree_check() finds nothing, the digests agree, and their images are
 * the same byte for byte: an image holds everything, and the digest guards all
 * but the bytes of files. */
#include "tests/unit/fs/apply_life.h"

#include "store/error.h"
#include "store/image.h"
#include "tests/unit/store/faults.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BIG = 3 * 1000 * 1000, PIECE = 700 * 1000 };

#define assert_ok(call)                                                        \
    do {                                                                       \
        int assert_ok_rc = (call);                                             \
        if (assert_ok_rc < 0) {                                                \
            fail_msg("%s: %d: %s", #call, assert_ok_rc, store_error_text());   \
        }                                                                      \
    } while (0)

/* --- worlds --- */

static struct life *a_life(uint64_t seed, int records)
{
    life_seed(seed);
    struct life *life = life_new();
    life_live(life, records);
    world_commit(life->world);
    return life;
}

static void write_at(struct world *world, uint64_t ino, uint64_t offset,
                     uint8_t first, size_t size)
{
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(first + i * 7 + (i >> 12));
    }
    assert_int_equal(world_write(world, ino, offset, 0, bytes, size), 0);
    free(bytes);
}

/* A large file with a hole, a sparse one, a large directory: what needs several
 * chunks. */
static void add_large_things(struct world *world)
{
    world->session = world_session(world, "large", 9);
    uint64_t big = world_file(world, TREE_ROOT, "big");
    for (uint64_t at = 0; at < BIG; at += PIECE) {
        write_at(world, big, at, (uint8_t)at, PIECE);
    }
    uint64_t sparse = world_file(world, TREE_ROOT, "sparse");
    write_at(world, sparse, 5000, 1, 3);
    write_at(world, sparse, 1ull << 40, 2, 200000);
    assert_int_equal(world_truncate(world, sparse, 1ull << 41), 0);
    uint64_t dir = world_dir(world, TREE_ROOT, "many");
    for (int i = 0; i < 3000; i++) {
        char name[64];
        snprintf(name, sizeof name, "a rather long name for number %d", i);
        world_file(world, dir, name);
    }
    world_commit(world);
}

/* A node that has nothing yet. */
static struct world *new_node(void)
{
    return world_new();
}

/* --- export and import --- */

static struct image_export *export_of(struct world *world)
{
    struct image_export *export;
    assert_ok(image_export_open(world->dir, world->segments, NULL, &export));
    return export;
}

static struct image_import *import_into(struct world *world, bool from_own,
                                        bool go_on)
{
    const struct image_import_options options = {
        .datadir = world->dir,
        .segments = world->segments,
        .cluster_id = 4711,
        .from_own = from_own,
        .go_on = go_on,
    };
    struct image_import *import;
    assert_ok(image_import_open(&options, NULL, &import));
    return import;
}

/* One question and its answer; what image_import_chunk() returns. */
static int step(struct image_export *export, struct image_import *import)
{
    struct image_ask ask;
    struct blob chunk = BLOB_EMPTY;
    image_import_ask(import, &ask);
    assert_ok(image_export_chunk(export, &ask, &chunk));
    int rc = image_import_chunk(import, (struct view){chunk.data, chunk.size});
    blob_release(&chunk);
    return rc;
}

static void finish(struct image_import *import, struct world *world)
{
    assert_ok(image_import_finish(import));
    image_import_close(import, false);
    world_close(world);
    assert_int_equal(image_settle(world->dir), 1);
    assert_int_equal(image_settle(world->dir), 0);
    world_open(world);
}

static void carry(struct image_export *export, struct image_import *import)
{
    int rc;
    do {
        rc = step(export, import);
        assert_ok(rc);
    } while (rc == 0);
}

/* The whole image, as one that has nothing gets it. */
static void whole_image(struct world *world, struct blob *out)
{
    struct image_export *export = export_of(world);
    struct world *nobody = new_node();
    struct image_import *import = import_into(nobody, false, false);
    int rc;
    do {
        struct image_ask ask;
        struct blob chunk = BLOB_EMPTY;
        image_import_ask(import, &ask);
        assert_ok(image_export_chunk(export, &ask, &chunk));
        rc = image_import_chunk(import,
                                (struct view){chunk.data, chunk.size});
        assert_ok(rc);
        size_t at = out->size;
        blob_resize(out, at + chunk.size);
        memcpy(out->data + at, chunk.data, chunk.size);
        blob_release(&chunk);
    } while (rc == 0);
    image_import_close(import, true);
    image_export_close(export);
    world_free(nobody);
}

static void expect_same(struct world *a, struct world *b)
{
    struct blob left = BLOB_EMPTY;
    struct blob right = BLOB_EMPTY;
    assert_int_equal(tree_applied(a->tree), tree_applied(b->tree));
    assert_int_equal(world_digest(a), world_digest(b));
    world_check(a);
    world_check(b);
    whole_image(a, &left);
    whole_image(b, &right);
    assert_int_equal(left.size, right.size);
    assert_memory_equal(left.data, right.data, left.size);
    blob_release(&left);
    blob_release(&right);
}

/* Records that were made in `from` since. */
static void replay(struct world *to, struct world *from)
{
    while (tree_applied(to->tree) < from->record_count) {
        world_apply(to, from->records[tree_applied(to->tree)]);
    }
    world_commit(to);
}

/* --- the tests --- */

static void what_arrives_is_what_was_sent(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct life *life = a_life(seed, 1500);
        struct world *to = new_node();
        add_large_things(life->world);
        struct image_export *export = export_of(life->world);
        struct image_import *import = import_into(to, false, false);
        carry(export, import);
        finish(import, to);
        image_export_close(export);
        expect_same(life->world, to);
        /* And it lives on as any other. */
        life_live(life, 300);
        world_commit(life->world);
        replay(to, life->world);
        expect_same(life->world, to);
        world_free(to);
        life_free(life);
    }
}

static void two_nodes_send_the_same_bytes(void **state)
{
    (void)state;
    struct life *life = a_life(11, 1000);
    add_large_things(life->world);
    struct world *other = new_node();
    /* Another place for all that lies in segments. */
    struct place place;
    for (int i = 0; i < 5; i++) {
        assert_ok(segment_append(other->writer, (struct view){"junk", 4},
                                 &place));
    }
    replay(other, life->world);
    expect_same(life->world, other);
    world_free(other);
    life_free(life);
}

/* The exporter goes, and another node goes on, at a later index; at every place
 * where that can be. */
static void another_node_goes_on_from_every_place(void **state)
{
    (void)state;
    struct life *life = a_life(21, 600);
    add_large_things(life->world);
    struct world *second = new_node();
    replay(second, life->world);
    struct image_export *first = export_of(life->world);
    life_live(life, 100);
    world_commit(life->world);
    replay(second, life->world);
    second->session = life->world->session;
    second->serial = life->world->serial + 1000;
    second->time_ns = life->world->time_ns;
    /* Something before, in and behind what may have been sent. */
    uint64_t big = world_lookup(second, TREE_ROOT, "big");
    assert_int_equal(world_write(second, big, 100, 0, "new", 3), 0);
    assert_int_equal(world_unlink(second, TREE_ROOT, "sparse"), 0);
    world_file(second, TREE_ROOT, "late");
    world_commit(second);
    struct image_export *next = export_of(second);
    bool ended = false;
    int steps = 0;
    for (; !ended; steps++) {
        struct world *to = new_node();
        struct image_import *import = import_into(to, false, false);
        for (int i = 0; i < steps && !ended; i++) {
            int rc = step(first, import);
            assert_ok(rc);
            ended = rc == 1;
        }
        if (!ended) {
            carry(next, import);
            struct image_progress progress;
            image_import_progress(import, &progress);
            assert_int_equal(progress.resumed, steps > 0);
            finish(import, to);
            assert_int_equal(world_digest(to), world_digest(second));
            world_check(to);
            if (steps % 5 == 0) {
                expect_same(to, second);
            }
        } else {
            image_import_close(import, true);
        }
        world_free(to);
    }
    assert_in_range(steps, 10, 1000);
    image_export_close(first);
    image_export_close(next);
    world_free(second);
    life_free(life);
}

/* Views that change with every chunk; the file in progress is not sent again as
 * long as nobody touches it. */
static void a_view_may_change_with_every_chunk(void **state)
{
    (void)state;
    struct life *life = a_life(31, 400);
    add_large_things(life->world);
    struct world *to = new_node();
    struct image_import *import = import_into(to, false, false);
    int rc = 0;
    int steps = 0;
    while (rc == 0) {
        struct image_export *export = export_of(life->world);
        rc = step(export, import);
        assert_ok(rc);
        if (rc == 0) {
            rc = step(export, import); /* or it would never get on */
            assert_ok(rc);
        }
        image_export_close(export);
        if (rc == 0 && steps < 60) {
            life_live(life, 3);
            world_commit(life->world);
        }
        steps++;
        assert_in_range(steps, 0, 500);
    }
    finish(import, to);
    expect_same(life->world, to);
    world_free(to);
    life_free(life);
}

static void a_late_follower_gets_what_has_changed(void **state)
{
    (void)state;
    struct life *life = a_life(41, 600);
    add_large_things(life->world);
    struct world *late = new_node();
    replay(late, life->world);
    life_live(life, 400);
    world_unlink(life->world, TREE_ROOT, "sparse");
    world_commit(life->world);
    struct image_export *export = export_of(life->world);
    struct image_import *import = import_into(late, true, false);
    carry(export, import);
    struct image_progress progress;
    image_import_progress(import, &progress);
    assert_in_range(progress.bytes, 1, 1000 * 1000); /* not the 3 MB of big */
    finish(import, late);
    image_export_close(export);
    expect_same(life->world, late);
    world_free(late);
    life_free(life);
}

static void a_crash_loses_what_was_not_committed(void **state)
{
    (void)state;
    struct life *life = a_life(51, 300);
    add_large_things(life->world);
    struct image_export *export = export_of(life->world);
    struct world *to = new_node();
    struct image_import *import = import_into(to, false, false);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(step(export, import), 0);
    }
    image_import_close(import, false); /* stopped in good order */
    world_reopen(to);
    import = import_into(to, false, true);
    struct image_progress progress;
    image_import_progress(import, &progress);
    assert_true(progress.resumed);
    assert_int_equal(progress.index, tree_applied(life->world->tree));
    assert_int_equal(step(export, import), 0);
    carry(export, import);
    finish(import, to);
    expect_same(life->world, to);
    image_export_close(export);
    world_free(to);
    life_free(life);
}

static void a_wrong_chunk_is_refused_without_harm(void **state)
{
    (void)state;
    struct life *life = a_life(61, 300);
    add_large_things(life->world);
    struct image_export *export = export_of(life->world);
    struct world *to = new_node();
    struct image_import *import = import_into(to, false, false);
    struct blob before = BLOB_EMPTY;
    struct blob chunk = BLOB_EMPTY;
    int rc = 0;
    while (rc == 0) {
        struct image_ask ask;
        image_import_ask(import, &ask);
        assert_ok(image_export_chunk(export, &ask, &chunk));
        struct view right = {chunk.data, chunk.size};
        struct view late = {before.data, before.size};
        struct view cut = {chunk.data, chunk.size - 1};
        assert_int_equal(image_import_chunk(import, late), STORE_INVALID);
        assert_int_equal(image_import_chunk(import, cut), STORE_INVALID);
        uint64_t at = life_random(chunk.size);
        chunk.data[at] ^= 0x10;
        assert_int_equal(image_import_chunk(import, right), STORE_INVALID);
        chunk.data[at] ^= 0x10;
        rc = image_import_chunk(import, right);
        assert_ok(rc);
        struct blob other = before;
        before = chunk;
        chunk = other;
    }
    blob_release(&before);
    blob_release(&chunk);
    finish(import, to);
    expect_same(life->world, to);
    image_export_close(export);
    world_free(to);
    life_free(life);
}

static void an_older_view_cannot_go_on(void **state)
{
    (void)state;
    struct life *life = a_life(71, 300);
    struct image_export *old = export_of(life->world);
    add_large_things(life->world);
    struct world *to = new_node();
    struct world *other = new_node();
    replay(other, life->world);
    struct image_export *export = export_of(other);
    struct image_import *import = import_into(to, false, false);
    assert_int_equal(step(export, import), 0);
    struct image_ask ask;
    struct blob chunk = BLOB_EMPTY;
    image_import_ask(import, &ask);
    assert_false(image_export_can(old, &ask));
    assert_int_equal(image_export_chunk(old, &ask, &chunk), STORE_INVALID);
    blob_release(&chunk);
    image_import_close(import, true);
    image_export_close(export);
    image_export_close(old);
    world_free(to);
    world_free(other);
    life_free(life);
}

/* --- a disk that fails --- */

/* The n-th access fails; 1: it did, 0: the end was reached before. */
static bool fail_one(struct image_export *export, struct world *to, unsigned n,
                     enum fault_kind kind)
{
    const struct image_import_options options = {.datadir = to->dir,
                                                 .segments = to->segments,
                                                 .cluster_id = 4711,
                                                 .go_on = true};
    struct image_import *import = NULL;
    uint64_t digest = world_digest(to);
    faults_arm(kind, n, true);
    int rc = image_import_open(&options, NULL, &import);
    while (rc == 0) {
        struct image_ask ask;
        struct blob chunk = BLOB_EMPTY;
        image_import_ask(import, &ask);
        faults_pause();
        assert_ok(image_export_chunk(export, &ask, &chunk));
        faults_resume();
        rc = image_import_chunk(import, (struct view){chunk.data, chunk.size});
        blob_release(&chunk);
    }
    if (rc == 1) {
        rc = image_import_finish(import);
    }
    bool fired = faults_fired();
    assert_true(rc == 0 || fired);
    image_import_close(import, false);
    faults_disarm();
    /* Started again: it is the old tree, or the new one. */
    world_close(to);
    int settled = image_settle(to->dir);
    assert_ok(settled);
    world_open(to);
    assert_true(settled == 1 || rc < 0);
    if (settled == 0) {
        assert_int_equal(world_digest(to), digest);
        import = import_into(to, false, true);
        carry(export, import);
        finish(import, to);
    }
    return fired;
}

static void fail_each(enum fault_kind kind)
{
    struct life *life = a_life(81, 200);
    faults_install();
    unsigned n = 1;
    bool fired = true;
    while (fired) {
        struct world *to = new_node();
        struct image_export *export = export_of(life->world);
        fired = fail_one(export, to, n, kind);
        assert_int_equal(world_digest(to), world_digest(life->world));
        world_check(to);
        image_export_close(export);
        world_free(to);
        n += 1 + n / 8; /* not each: that takes a minute */
    }
    life_free(life);
    faults_remove();
    assert_in_range(n, 20, 100000);
}

static void each_failing_access_leaves_a_whole_tree(void **state)
{
    (void)state;
    fail_each(FAULT_IO);
}

static void a_full_disk_leaves_a_whole_tree(void **state)
{
    (void)state;
    fail_each(FAULT_FULL);
}

/* The last renames, stopped after each. */
static void a_crash_between_the_renames_is_mended(void **state)
{
    (void)state;
    static const char *const gone[] = {"tree.db-wal", "tree.db-shm", "tree.db"};
    struct life *life = a_life(91, 200);
    for (size_t steps = 0; steps <= 3; steps++) {
        struct world *to = new_node();
        struct image_export *export = export_of(life->world);
        struct image_import *import = import_into(to, false, false);
        carry(export, import);
        assert_ok(image_import_finish(import));
        image_import_close(import, false);
        world_close(to);
        for (size_t i = 0; i < steps; i++) {
            char path[512];
            snprintf(path, sizeof path, "%s/%s", to->dir, gone[i]);
            unlink(path);
        }
        assert_int_equal(image_settle(to->dir), 1);
        world_open(to);
        image_export_close(export);
        expect_same(life->world, to);
        world_free(to);
    }
    life_free(life);
}

/* --- segments are held --- */

static void count_one(void *arg, uint64_t id, uint64_t bytes, bool writing)
{
    (void)id;
    (void)bytes;
    (void)writing;
    ++*(size_t *)arg;
}

static void pins_are_counted(void **state)
{
    (void)state;
    struct world *world = new_node();
    size_t segments = 0;
    segments_each(world->segments, count_one, &segments);
    struct image_export *export = export_of(world);
    assert_true(segments_pinned(world->segments));
    struct image_import *import = import_into(world, false, false);
    image_export_close(export);
    assert_true(segments_pinned(world->segments));
    image_import_close(import, true);
    assert_false(segments_pinned(world->segments));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_arrives_is_what_was_sent),
        cmocka_unit_test(two_nodes_send_the_same_bytes),
        cmocka_unit_test(another_node_goes_on_from_every_place),
        cmocka_unit_test(a_view_may_change_with_every_chunk),
        cmocka_unit_test(a_late_follower_gets_what_has_changed),
        cmocka_unit_test(a_crash_loses_what_was_not_committed),
        cmocka_unit_test(a_wrong_chunk_is_refused_without_harm),
        cmocka_unit_test(an_older_view_cannot_go_on),
        cmocka_unit_test(each_failing_access_leaves_a_whole_tree),
        cmocka_unit_test(a_full_disk_leaves_a_whole_tree),
        cmocka_unit_test(a_crash_between_the_renames_is_mended),
        cmocka_unit_test(pins_are_counted),
    };
    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
