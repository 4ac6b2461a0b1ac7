#include "tests/unit/store/testing.h"

#include "store/error.h"
#include "store/io.h"
#include "store/syncer.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

/* The owner's side: waits for each job to be reported. */
struct owner {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    uint64_t token;
    int status;
    bool reported;
};

static struct owner owner = {.lock = PTHREAD_MUTEX_INITIALIZER,
                             .wake = PTHREAD_COND_INITIALIZER};

static void report(void *arg, uint64_t token, int status)
{
    struct owner *to = arg;
    pthread_mutex_lock(&to->lock);
    to->token = token;
    to->status = status;
    to->reported = true;
    pthread_cond_signal(&to->wake);
    pthread_mutex_unlock(&to->lock);
}

static int wait_for(uint64_t token)
{
    pthread_mutex_lock(&owner.lock);
    while (!owner.reported) {
        pthread_cond_wait(&owner.wake, &owner.lock);
    }
    owner.reported = false;
    assert_int_equal(owner.token, token);
    int status = owner.status;
    pthread_mutex_unlock(&owner.lock);
    return status;
}

/* --- a disk that remembers and refuses --- */

static int synced[64];
static int synced_count;
static int failing_fd = -1;
static int interruptions;

static int fake_fdatasync(int fd)
{
    if (interruptions > 0) {
        interruptions--;
        errno = EINTR;
        return -1;
    }
    synced[synced_count++ % 64] = fd;
    errno = EIO;
    return fd == failing_fd ? -1 : 0;
}

static struct store_io real_io;

static int setup(void **state)
{
    (void)state;
    real_io = store_io;
    store_io.fdatasync = fake_fdatasync;
    synced_count = 0;
    failing_fd = -1;
    interruptions = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_io = real_io;
    return 0;
}

static void descriptors_are_synced_in_order(void **state)
{
    (void)state;
    struct syncer *syncer;
    assert_ok(syncer_start(report, &owner, &syncer));
    syncer_submit(syncer, 7, (const int[]){100, 101, 102}, 3);
    assert_int_equal(wait_for(7), 0);
    syncer_stop(syncer);
    assert_int_equal(synced_count, 3);
    assert_int_equal(synced[0], 100);
    assert_int_equal(synced[1], 101);
    assert_int_equal(synced[2], 102);
}

static void jobs_follow_each_other(void **state)
{
    (void)state;
    struct syncer *syncer;
    assert_ok(syncer_start(report, &owner, &syncer));
    for (uint64_t token = 1; token <= 200; token++) {
        syncer_submit(syncer, token, (const int[]){5}, 1);
        assert_int_equal(wait_for(token), 0);
    }
    syncer_stop(syncer);
    assert_int_equal(synced_count, 200);
}

static void empty_job_is_done(void **state)
{
    (void)state;
    struct syncer *syncer;
    assert_ok(syncer_start(report, &owner, &syncer));
    syncer_submit(syncer, 1, NULL, 0);
    assert_int_equal(wait_for(1), 0);
    syncer_stop(syncer);
}

static void stop_waits_for_the_job_under_way(void **state)
{
    (void)state;
    struct syncer *syncer;
    assert_ok(syncer_start(report, &owner, &syncer));
    syncer_submit(syncer, 3, (const int[]){5}, 1);
    syncer_stop(syncer);
    assert_int_equal(synced_count, 1);
    assert_int_equal(wait_for(3), 0);
}

static void interrupted_sync_is_repeated(void **state)
{
    (void)state;
    struct syncer *syncer;
    interruptions = 3;
    assert_ok(syncer_start(report, &owner, &syncer));
    syncer_submit(syncer, 1, (const int[]){5}, 1);
    assert_int_equal(wait_for(1), 0);
    syncer_stop(syncer);
}

static void failure_sticks(void **state)
{
    (void)state;
    struct syncer *syncer;
    failing_fd = 101;
    assert_ok(syncer_start(report, &owner, &syncer));
    syncer_submit(syncer, 1, (const int[]){100, 101, 102}, 3);
    assert_int_equal(wait_for(1), STORE_IO);
    assert_int_equal(synced_count, 2); /* what comes after is not touched */
    syncer_submit(syncer, 2, (const int[]){100}, 1);
    assert_int_equal(wait_for(2), STORE_IO);
    assert_int_equal(synced_count, 2);
    syncer_stop(syncer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(descriptors_are_synced_in_order),
        TEST(jobs_follow_each_other),
        TEST(empty_job_is_done),
        TEST(stop_waits_for_the_job_under_way),
        TEST(interrupted_sync_is_repeated),
        TEST(failure_sticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
