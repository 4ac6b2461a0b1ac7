/* Locks: what is told of each rule, then random commands against a model that
 * keeps a letter for each byte. A seed may be given as an argument. */
#include "tests/unit/fs/apply_world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { READ = LOCK_IS_POSIX, WRITE = LOCK_IS_POSIX | LOCK_FOR_WRITE };

struct who { /* whose command it is */
    uint64_t session, owner;
};

static uint64_t first_seed = 1;

static int run_as(struct world *w, struct who who, struct command command)
{
    struct record *record = world_record(w, &command, (struct bytes){0});
    record->session = who.session;
    int error = world_apply(w, record);
    record_unref(record);
    return error;
}

static int lock(struct world *w, struct who who, uint64_t ino, uint32_t flags,
                uint64_t start, uint64_t last)
{
    struct command command = {.op = OP_LOCK,
                              .ino = ino,
                              .owner = who.owner,
                              .flags = flags,
                              .start = start,
                              .last = last};
    return run_as(w, who, command);
}

static int lock_all(struct world *w, struct who who, uint64_t ino,
                    uint32_t flags)
{
    return lock(w, who, ino, flags, 0, LOCK_LAST_MAX);
}

static int cancel(struct world *w, struct who who, uint64_t ino,
                  uint64_t serial, uint32_t flags)
{
    struct command command = {.op = OP_LOCK_CANCEL,
                              .ino = ino,
                              .owner = who.owner,
                              .number = serial,
                              .flags = flags,
                              .last = LOCK_LAST_MAX};
    return run_as(w, who, command);
}

static int release(struct world *w, struct who who, uint64_t ino,
                   uint32_t flags)
{
    struct command command = {.op = OP_LOCK_RELEASE,
                              .ino = ino,
                              .owner = who.owner,
                              .flags = flags};
    return run_as(w, who, command);
}

static void assert_queued(struct world *w, int error)
{
    assert_int_equal(error, 0);
    assert_int_equal(w->result.value[VALUE_LOCK], LOCK_QUEUED);
}

static void assert_granted(struct world *w, int error)
{
    assert_int_equal(error, 0);
    assert_int_equal(w->result.value[VALUE_LOCK], LOCK_GRANTED);
}

static void assert_grants(struct world *w, size_t count,
                          const uint64_t *serials)
{
    const struct apply_change *change = apply_last_change(w->apply);
    assert_int_equal(change->grant_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(change->grants[i].serial, serials[i]);
    }
}

struct setting {
    struct world *w;
    uint64_t ino;
    struct who a, b, c; /* c is on another node */
};

static struct setting set(void **state)
{
    struct world *w = *state;
    uint64_t other = world_session(w, "other", 2);
    return (struct setting){.w = w,
                            .ino = world_file(w, TREE_ROOT, "f"),
                            .a = {w->session, 1},
                            .b = {w->session, 2},
                            .c = {other, 1}};
}

static void readers_share_and_writers_do_not(void **state)
{
    struct setting s = set(state);
    for (int posix = 0; posix < 2; posix++) {
        uint32_t kind = posix ? LOCK_IS_POSIX : 0;
        assert_granted(s.w, lock_all(s.w, s.a, s.ino, kind));
        assert_granted(s.w, lock_all(s.w, s.c, s.ino, kind));
        assert_int_equal(lock_all(s.w, s.b, s.ino, kind | LOCK_FOR_WRITE),
                         EAGAIN);
        assert_int_equal(release(s.w, s.a, s.ino, kind), 0);
        assert_int_equal(release(s.w, s.c, s.ino, kind), 0);
        assert_granted(s.w, lock_all(s.w, s.b, s.ino, kind | LOCK_FOR_WRITE));
        assert_int_equal(lock_all(s.w, s.c, s.ino, kind), EAGAIN);
        assert_int_equal(release(s.w, s.b, s.ino, kind), 0);
    }
    assert_int_equal(tree_lock_count(s.w->tree), 0);
}

static int break_lock(struct world *w, struct who who, uint64_t ino,
                      uint64_t id)
{
    struct command command = {.op = OP_LOCK_BREAK, .ino = ino, .number = id};
    return run_as(w, who, command);
}

static void a_broken_lock_goes_to_who_waits(void **state)
{
    struct setting s = set(state);
    struct tree_locks locks = {0};
    assert_granted(s.w, lock_all(s.w, s.a, s.ino, LOCK_FOR_WRITE));
    assert_queued(s.w,
                  lock_all(s.w, s.c, s.ino, LOCK_FOR_WRITE | LOCK_WAIT));
    assert_int_equal(tree_locks_all(s.w->tree, &locks), 0);
    assert_int_equal(locks.count, 2);
    uint64_t held = locks.rows[0].id, waits = locks.rows[1].id;
    assert_true(locks.rows[1].waits);
    assert_int_equal(break_lock(s.w, s.b, s.ino, waits), ENOENT);
    assert_int_equal(break_lock(s.w, s.b, s.ino + 1, held), ENOENT);
    assert_int_equal(apply_last_change(s.w->apply)->broken.session, 0);
    assert_int_equal(break_lock(s.w, s.b, s.ino, held), 0);
    const struct apply_change *change = apply_last_change(s.w->apply);
    assert_int_equal(change->grant_count, 1);
    assert_int_equal(change->grants[0].session, s.c.session);
    assert_int_equal(change->broken.session, s.a.session);
    assert_int_equal(change->broken.owner, s.a.owner);
    assert_int_equal(change->broken.ino, s.ino);
    assert_int_equal(break_lock(s.w, s.b, s.ino, held), ENOENT);
    assert_int_equal(tree_lock_count(s.w->tree), 1);
    tree_locks_release(&locks);
}

static void the_two_kinds_do_not_know_each_other(void **state)
{
    struct setting s = set(state);
    assert_granted(s.w, lock_all(s.w, s.a, s.ino, WRITE));
    assert_granted(s.w, lock_all(s.w, s.b, s.ino, LOCK_FOR_WRITE));
    assert_int_equal(release(s.w, s.b, s.ino, LOCK_IS_POSIX), 0);
    assert_int_equal(lock_all(s.w, s.c, s.ino, 0), EAGAIN);
}

static void the_same_owner_number_of_another_node_is_another_owner(void **state)
{
    struct setting s = set(state);
    assert_granted(s.w, lock_all(s.w, s.a, s.ino, WRITE));
    assert_int_equal(s.a.owner, s.c.owner);
    assert_int_equal(lock_all(s.w, s.c, s.ino, WRITE), EAGAIN);
    assert_int_equal(lock_all(s.w, s.c, s.ino, READ | LOCK_UNLOCK), 0);
    assert_int_equal(lock_all(s.w, s.b, s.ino, WRITE), EAGAIN);
}

static void who_waits_is_granted_in_the_order_of_the_log(void **state)
{
    struct setting s = set(state);
    uint64_t serials[3];
    assert_granted(s.w, lock_all(s.w, s.a, s.ino, LOCK_FOR_WRITE));
    assert_queued(s.w, lock_all(s.w, s.b, s.ino, LOCK_WAIT));
    serials[0] = s.w->serial;
    assert_queued(s.w,
                  lock_all(s.w, s.c, s.ino, LOCK_FOR_WRITE | LOCK_WAIT));
    uint64_t writer = s.w->serial;
    struct who d = {s.c.session, 9};
    assert_queued(s.w, lock_all(s.w, d, s.ino, LOCK_WAIT));
    serials[1] = s.w->serial;
    /* The readers go together, the writer between them goes next. */
    assert_int_equal(release(s.w, s.a, s.ino, 0), 0);
    assert_grants(s.w, 2, serials);
    assert_int_equal(apply_last_change(s.w->apply)->grants[1].session,
                     d.session);
    assert_int_equal(release(s.w, s.b, s.ino, 0), 0);
    assert_grants(s.w, 0, NULL);
    assert_int_equal(release(s.w, d, s.ino, 0), 0);
    assert_grants(s.w, 1, &writer);
}

static void waiting_survives_a_restart(void **state)
{
    struct setting s = set(state);
    assert_granted(s.w, lock_all(s.w, s.a, s.ino, WRITE));
    assert_queued(s.w, lock_all(s.w, s.c, s.ino, WRITE | LOCK_WAIT));
    uint64_t serial = s.w->serial;
    world_commit(s.w);
    world_reopen(s.w);
    assert_int_equal(tree_lock_count(s.w->tree), 2);
    assert_int_equal(release(s.w, s.a, s.ino, LOCK_IS_POSIX), 0);
    assert_grants(s.w, 1, &serial);
}

static void the_end_of_a_session_frees_and_wakes(void **state)
{
    struct setting s = set(state);
    uint64_t file2 = world_file(s.w, TREE_ROOT, "g");
    uint64_t serials[2];
    assert_granted(s.w, lock_all(s.w, s.c, s.ino, WRITE));
    assert_granted(s.w, lock_all(s.w, s.c, file2, LOCK_FOR_WRITE));
    assert_granted(s.w, lock_all(s.w, s.a, s.ino, LOCK_FOR_WRITE));
    assert_queued(s.w,
                  lock_all(s.w, s.c, s.ino, LOCK_FOR_WRITE | LOCK_WAIT));
    assert_queued(s.w, lock_all(s.w, s.b, s.ino, WRITE | LOCK_WAIT));
    serials[0] = s.w->serial;
    assert_queued(s.w, lock_all(s.w, s.b, file2, LOCK_WAIT));
    serials[1] = s.w->serial;
    struct command end = {.op = OP_SESSION_END, .session = s.c.session};
    assert_int_equal(world_run(s.w, end), 0);
    assert_true(apply_last_change(s.w->apply)->session_ended);
    assert_grants(s.w, 2, serials);
    /* What waited went with its session. */
    assert_int_equal(release(s.w, s.a, s.ino, 0), 0);
    assert_grants(s.w, 0, NULL);
    assert_int_equal(lock_all(s.w, s.c, s.ino, READ), ESTALE);
}

static void a_new_session_of_the_node_ends_the_locks_of_its_old_one(void **state)
{
    struct setting s = set(state);
    assert_granted(s.w, lock_all(s.w, s.c, s.ino, WRITE));
    assert_queued(s.w, lock_all(s.w, s.a, s.ino, WRITE | LOCK_WAIT));
    uint64_t serial = s.w->serial;
    world_session(s.w, "other", 3);
    assert_grants(s.w, 1, &serial);
}

static void a_cancelled_one_waits_no_longer(void **state)
{
    struct setting s = set(state);
    assert_granted(s.w, lock_all(s.w, s.a, s.ino, WRITE));
    assert_queued(s.w, lock_all(s.w, s.b, s.ino, WRITE | LOCK_WAIT));
    assert_int_equal(cancel(s.w, s.b, s.ino, s.w->serial, WRITE), 0);
    assert_int_equal(release(s.w, s.a, s.ino, LOCK_IS_POSIX), 0);
    assert_grants(s.w, 0, NULL);
    assert_int_equal(tree_lock_count(s.w->tree), 0);
}

static void what_is_granted_already_is_given_back_only_if_asked(void **state)
{
    struct setting s = set(state);
    assert_granted(s.w, lock_all(s.w, s.b, s.ino, WRITE));
    uint64_t serial = s.w->serial;
    assert_int_equal(cancel(s.w, s.b, s.ino, serial, WRITE), 0);
    assert_int_equal(lock_all(s.w, s.a, s.ino, WRITE), EAGAIN);
    assert_queued(s.w, lock_all(s.w, s.a, s.ino, WRITE | LOCK_WAIT));
    uint64_t waiter = s.w->serial;
    assert_int_equal(cancel(s.w, s.b, s.ino, serial, WRITE | LOCK_GIVE_BACK),
                     0);
    assert_grants(s.w, 1, &waiter);
}

static void a_cancel_that_comes_first_is_obeyed(void **state)
{
    struct setting s = set(state);
    struct command command = {.op = OP_LOCK,
                              .ino = s.ino,
                              .owner = s.b.owner,
                              .flags = WRITE | LOCK_WAIT,
                              .last = LOCK_LAST_MAX};
    struct record *late = world_record(s.w, &command, (struct bytes){0});
    assert_int_equal(cancel(s.w, s.b, s.ino, late->serial, WRITE), 0);
    late->index = tree_applied(s.w->tree) + 1;
    assert_int_equal(world_apply(s.w, late), EINTR);
    assert_int_equal(tree_lock_count(s.w->tree), 0);
    record_unref(late);
}

static void nonsense_is_refused(void **state)
{
    struct setting s = set(state);
    assert_int_equal(lock(s.w, s.a, s.ino, READ, 2, 1), EINVAL);
    assert_int_equal(lock(s.w, s.a, s.ino, READ, 0, LOCK_LAST_MAX + 1), EINVAL);
    assert_int_equal(lock_all(s.w, s.a, s.ino, 64), EINVAL);
    assert_int_equal(lock_all(s.w, s.a, 4711, READ), ESTALE);
    assert_int_equal(lock_all(s.w, s.a, 4711, READ | LOCK_UNLOCK), 0);
    assert_int_equal(cancel(s.w, s.a, s.ino, 0, READ), EINVAL);
    assert_int_equal(cancel(s.w, s.a, s.ino, s.w->serial + 1, READ), EINVAL);
    assert_int_equal(release(s.w, s.a, s.ino, 64), EINVAL);
}

static void circles_of_posix_waits_are_refused(void **state)
{
    struct setting s = set(state);
    uint64_t g = world_file(s.w, TREE_ROOT, "g");
    uint64_t h = world_file(s.w, TREE_ROOT, "h");
    assert_granted(s.w, lock_all(s.w, s.a, s.ino, WRITE));
    assert_granted(s.w, lock_all(s.w, s.b, g, WRITE));
    assert_granted(s.w, lock_all(s.w, s.c, h, WRITE));
    assert_queued(s.w, lock_all(s.w, s.a, g, WRITE | LOCK_WAIT));
    assert_queued(s.w, lock_all(s.w, s.b, h, WRITE | LOCK_WAIT));
    assert_int_equal(lock_all(s.w, s.c, s.ino, READ | LOCK_WAIT), EDEADLK);
    assert_int_equal(lock_all(s.w, s.c, s.ino, READ), EAGAIN);
    /* flock(2) knows no deadlocks, and is none of this. */
    assert_granted(s.w, lock_all(s.w, s.a, h, LOCK_FOR_WRITE));
    assert_queued(s.w, lock_all(s.w, s.c, h, LOCK_WAIT));
}

static void two_who_share_a_flock_can_both_convert(void **state)
{
    struct setting s = set(state);
    assert_granted(s.w, lock_all(s.w, s.a, s.ino, 0));
    assert_granted(s.w, lock_all(s.w, s.b, s.ino, 0));
    assert_queued(s.w,
                  lock_all(s.w, s.a, s.ino, LOCK_FOR_WRITE | LOCK_WAIT));
    uint64_t first = s.w->serial;
    /* Nobody shares it with him any more. */
    assert_granted(s.w,
                   lock_all(s.w, s.b, s.ino, LOCK_FOR_WRITE | LOCK_WAIT));
    assert_grants(s.w, 0, NULL);
    assert_int_equal(lock_all(s.w, s.b, s.ino, LOCK_UNLOCK), 0);
    assert_grants(s.w, 1, &first);
}

static void a_flock_is_lost_when_converting_it_fails(void **state)
{
    struct setting s = set(state);
    assert_granted(s.w, lock_all(s.w, s.a, s.ino, 0));
    assert_granted(s.w, lock_all(s.w, s.b, s.ino, 0));
    assert_queued(s.w,
                  lock_all(s.w, s.c, s.ino, LOCK_FOR_WRITE | LOCK_WAIT));
    uint64_t waiter = s.w->serial;
    assert_int_equal(lock_all(s.w, s.a, s.ino, LOCK_FOR_WRITE), EAGAIN);
    assert_int_equal(lock_all(s.w, s.b, s.ino, LOCK_UNLOCK), 0);
    assert_grants(s.w, 1, &waiter);
}

static void a_file_has_room_for_so_many_locks(void **state)
{
    struct setting s = set(state);
    uint64_t at = 0;
    int error = 0;
    while (error == 0) {
        error = lock(s.w, s.a, s.ino, READ, at * 3, at * 3);
        at++;
    }
    assert_int_equal(error, ENOLCK);
    assert_true(tree_lock_count(s.w->tree) > 1000);
    assert_int_equal(lock_all(s.w, s.b, s.ino, WRITE | LOCK_WAIT), ENOLCK);
    assert_int_equal(release(s.w, s.a, s.ino, LOCK_IS_POSIX), 0);
    assert_granted(s.w, lock_all(s.w, s.b, s.ino, WRITE | LOCK_WAIT));
}

/* --- against a model --- */

enum { OWNERS = 4, FILES = 2, BYTES = 24, WAITERS = 64, STEPS = 2000 };

struct waiter {
    int owner, file, start, last;
    char type;
    uint64_t serial;
};

struct model {
    struct world *w;
    struct who who[OWNERS];
    uint64_t inos[FILES];
    char held[OWNERS][FILES][BYTES]; /* 0, 'r' or 'w' */
    struct waiter waiters[WAITERS];
    int waiter_count;
    uint64_t grants[WAITERS];
    size_t grant_count;
};

static uint64_t random_state;

static int dice(int bound)
{
    return (int)world_random(&random_state, (uint64_t)bound);
}

static bool stands_in_the_way(const struct model *m, int other,
                              const struct waiter *want)
{
    for (int i = want->start; other != want->owner && i <= want->last; i++) {
        char held = m->held[other][want->file][i];
        if (held == 'w' || (held == 'r' && want->type == 'w')) {
            return true;
        }
    }
    return false;
}

static bool model_blocked(const struct model *m, const struct waiter *want)
{
    for (int other = 0; other < OWNERS; other++) {
        if (stands_in_the_way(m, other, want)) {
            return true;
        }
    }
    return false;
}

/* Whom it would wait for, and for whom these wait, until nobody is new. */
static bool reaches(const struct model *m, const struct waiter *want, int goal)
{
    bool waited_for[OWNERS] = {false}, grows = true;
    for (int other = 0; other < OWNERS; other++) {
        waited_for[other] = stands_in_the_way(m, other, want);
    }
    while (grows) {
        grows = false;
        for (int i = 0; i < m->waiter_count; i++) {
            const struct waiter *next = &m->waiters[i];
            for (int other = 0; other < OWNERS; other++) {
                if (waited_for[next->owner] && !waited_for[other] &&
                    stands_in_the_way(m, other, next)) {
                    waited_for[other] = grows = true;
                }
            }
        }
    }
    return waited_for[goal];
}

static void model_set(struct model *m, const struct waiter *want, char type)
{
    memset(&m->held[want->owner][want->file][want->start], type,
           (size_t)(want->last - want->start + 1));
}

static void model_drop(struct model *m, int at)
{
    m->waiter_count--;
    memmove(&m->waiters[at], &m->waiters[at + 1],
            (size_t)(m->waiter_count - at) * sizeof m->waiters[0]);
}

static void model_wake(struct model *m, int file)
{
    bool again = true;
    while (again) {
        again = false;
        for (int i = 0; i < m->waiter_count; i++) {
            struct waiter want = m->waiters[i];
            if (want.file == file && !model_blocked(m, &want)) {
                model_drop(m, i--);
                model_set(m, &want, want.type);
                m->grants[m->grant_count++] = want.serial;
                again = true;
            }
        }
    }
}

static int model_lock(struct model *m, const struct waiter *want, bool waits,
                      bool *queued)
{
    *queued = false;
    if (!model_blocked(m, want)) {
        model_set(m, want, want->type);
        model_wake(m, want->file);
        return 0;
    }
    if (!waits) {
        return EAGAIN;
    }
    if (reaches(m, want, want->owner)) {
        return EDEADLK;
    }
    m->waiters[m->waiter_count++] = *want;
    *queued = true;
    return 0;
}

static void step_lock(struct model *m)
{
    struct waiter want = {.owner = dice(OWNERS),
                          .file = dice(FILES),
                          .start = dice(BYTES),
                          .type = dice(2) ? 'r' : 'w'};
    want.last = want.start + dice(BYTES - want.start);
    bool waits = dice(2) && m->waiter_count < WAITERS / 2;
    bool queued, unlocks = dice(3) == 0;
    uint32_t flags = LOCK_IS_POSIX | (want.type == 'w' ? LOCK_FOR_WRITE : 0u) |
                     (waits ? LOCK_WAIT : 0u) | (unlocks ? LOCK_UNLOCK : 0u);
    want.serial = m->w->serial + 1;
    int expected = 0;
    if (unlocks) {
        queued = false;
        model_set(m, &want, 0);
        model_wake(m, want.file);
    } else {
        expected = model_lock(m, &want, waits, &queued);
    }
    int error = lock(m->w, m->who[want.owner], m->inos[want.file], flags,
                     (uint64_t)want.start, (uint64_t)want.last);
    assert_int_equal(error, expected);
    if (error == 0) {
        assert_int_equal(m->w->result.value[VALUE_LOCK],
                         queued ? LOCK_QUEUED : LOCK_GRANTED);
    }
}

static void step_cancel(struct model *m)
{
    int at = dice(m->waiter_count);
    struct waiter want = m->waiters[at];
    model_drop(m, at);
    assert_int_equal(cancel(m->w, m->who[want.owner], m->inos[want.file],
                            want.serial, LOCK_IS_POSIX),
                     0);
}

static void step_release(struct model *m)
{
    struct waiter all = {
        .owner = dice(OWNERS), .file = dice(FILES), .last = BYTES - 1};
    model_set(m, &all, 0);
    model_wake(m, all.file);
    assert_int_equal(release(m->w, m->who[all.owner], m->inos[all.file],
                             LOCK_IS_POSIX),
                     0);
}

/* The last two owners are of another node. */
static void step_session(struct model *m)
{
    for (int i = 0; i < m->waiter_count; i++) {
        if (m->waiters[i].owner >= 2) {
            model_drop(m, i--);
        }
    }
    for (int file = 0; file < FILES; file++) {
        memset(m->held[2][file], 0, BYTES);
        memset(m->held[3][file], 0, BYTES);
        model_wake(m, file);
    }
    uint64_t session = world_session(m->w, "other", m->w->serial);
    m->who[2].session = m->who[3].session = session;
}

static void compare_rows(struct model *m, int file)
{
    struct tree_locks locks = {0};
    char held[OWNERS][BYTES] = {{0}};
    int waiters = 0;
    assert_int_equal(tree_locks_of_inode(m->w->tree, m->inos[file], &locks), 0);
    for (size_t i = 0; i < locks.count; i++) {
        const struct tree_lock *row = &locks.rows[i];
        int owner = (int)row->owner - 1;
        waiters += row->waits;
        for (uint64_t at = row->start; !row->waits && at <= row->last; at++) {
            assert_int_equal(held[owner][at], 0);
            held[owner][at] = row->write ? 'w' : 'r';
        }
        /* Neighbours of one type are one lock. */
        for (size_t j = 0; !row->waits && j < locks.count; j++) {
            const struct tree_lock *next = &locks.rows[j];
            assert_false(!next->waits && next->owner == row->owner &&
                         next->write == row->write &&
                         next->start == row->last + 1);
        }
    }
    for (int owner = 0; owner < OWNERS; owner++) {
        assert_memory_equal(held[owner], m->held[owner][file], BYTES);
    }
    for (int i = 0; i < m->waiter_count; i++) {
        waiters -= m->waiters[i].file == file;
    }
    assert_int_equal(waiters, 0);
    tree_locks_release(&locks);
}

static void random_locks_are_those_of_the_model(void **state)
{
    static struct model model;
    struct model *m = &model;
    struct setting s = set(state);
    *m = (struct model){
        .w = s.w,
        .who = {{s.a.session, 1}, {s.a.session, 2}, {s.c.session, 3},
                {s.c.session, 4}},
        .inos = {s.ino, world_file(s.w, TREE_ROOT, "g")}};
    random_state = first_seed;
    for (int step = 0; step < STEPS; step++) {
        m->grant_count = 0;
        int which = dice(40);
        if (which == 0) {
            step_session(m);
        } else if (which < 4 && m->waiter_count > 0) {
            step_cancel(m);
        } else if (which < 8) {
            step_release(m);
        } else {
            step_lock(m);
        }
        assert_grants(m->w, m->grant_count, m->grants);
        for (int file = 0; file < FILES; file++) {
            compare_rows(m, file);
        }
        if (step % 500 == 0) {
            world_check(m->w);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        first_seed = strtoull(argv[1], NULL, 10);
    }
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(readers_share_and_writers_do_not),
        TEST(a_broken_lock_goes_to_who_waits),
        TEST(the_two_kinds_do_not_know_each_other),
        TEST(the_same_owner_number_of_another_node_is_another_owner),
        TEST(who_waits_is_granted_in_the_order_of_the_log),
        TEST(waiting_survives_a_restart),
        TEST(the_end_of_a_session_frees_and_wakes),
        TEST(a_new_session_of_the_node_ends_the_locks_of_its_old_one),
        TEST(a_cancelled_one_waits_no_longer),
        TEST(what_is_granted_already_is_given_back_only_if_asked),
        TEST(a_cancel_that_comes_first_is_obeyed),
        TEST(nonsense_is_refused),
        TEST(circles_of_posix_waits_are_refused),
        TEST(two_who_share_a_flock_can_both_convert),
        TEST(a_flock_is_lost_when_converting_it_fails),
        TEST(a_file_has_room_for_so_many_locks),
        TEST(random_locks_are_those_of_the_model),
    };
    return cmocka_run_group_tests_name("apply_lock", tests, NULL, NULL);
}
