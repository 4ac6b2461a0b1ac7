/* Random calls on a tree of ours and on a real directory: same errnos, same
 * tree. A seed and a number of calls may be given as arguments. */
#include "tests/unit/fs/apply_mirror.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t first_seed = 1;
static uint64_t seeds = 3;
static uint64_t calls = 2000;
static uint64_t state; /* of the generator */

static uint64_t random_below(uint64_t bound)
{
    return world_random(&state, bound);
}

/* A few names, so that calls meet: a, a/b, c/a/d. */
static const char *random_path(void)
{
    static char paths[4][16];
    static unsigned next;
    char *path = paths[next++ % 4];
    uint64_t dice = random_below(10);
    unsigned depth = dice < 4 ? 1 : dice < 8 ? 2 : 3;
    for (unsigned i = 0; i < depth; i++) {
        path[2 * i] = (char)('a' + random_below(4));
        path[2 * i + 1] = '/';
    }
    path[2 * depth - 1] = '\0';
    return path;
}

/* Who is not root must still be able to use what he made: permissions are the
 * kernel's business, not ours. */
static uint32_t random_mode(const struct mirror *m)
{
    static const uint32_t modes[] = {0755,  0644,  0600,  0777,  0700,
                                     04755, 02755, 06711, 02644, 01777};
    uint32_t mode = modes[random_below(sizeof modes / sizeof modes[0])];
    return m->as_root ? mode : mode | 0700;
}

static uint32_t random_mask(void)
{
    static const uint32_t masks[] = {0, 022, 027, 077};
    return masks[random_below(4)];
}

static uint32_t random_owner(uint32_t own, bool as_root)
{
    uint64_t dice = random_below(4);
    if (dice == 0) {
        return UINT32_MAX;
    }
    return as_root ? (uint32_t)(1000 + dice) : own;
}

static struct timespec random_time(void)
{
    uint64_t dice = random_below(4);
    struct timespec time = {.tv_sec = (time_t)random_below(2000000000),
                            .tv_nsec = (long)random_below(1000000000)};
    time.tv_nsec = dice == 0   ? UTIME_NOW
                   : dice == 1 ? UTIME_OMIT
                               : time.tv_nsec;
    return time;
}

static void random_create(struct mirror *m, int slot)
{
    static const int flags[] = {0, 0, O_EXCL, O_TRUNC};
    mirror_create(m, random_path(), random_mode(m), random_mask(),
                  flags[random_below(4)], slot);
}

static void random_mknod(struct mirror *m)
{
    static const uint32_t types[] = {0, S_IFREG, S_IFIFO, S_IFSOCK};
    uint32_t type = types[random_below(4)];
    mirror_mknod(m, random_path(), type | random_mode(m), random_mask());
}

static void random_rename(struct mirror *m)
{
    static const unsigned flags[] = {0,
                                     0,
                                     0,
                                     RENAME_NOREPLACE,
                                     RENAME_EXCHANGE,
                                     RENAME_NOREPLACE | RENAME_EXCHANGE};
    const char *from = random_path();
    mirror_rename(m, from, random_path(), flags[random_below(6)]);
}

static void random_chown(struct mirror *m)
{
    uint32_t uid = random_owner(geteuid(), m->as_root);
    uint32_t gid = random_owner(getegid(), m->as_root);
    if (uid != UINT32_MAX || gid != UINT32_MAX) {
        mirror_chown(m, random_path(), uid, gid);
    }
}

static void random_utimens(struct mirror *m)
{
    struct timespec times[2];
    times[0] = random_time();
    times[1] = random_time();
    if (times[0].tv_nsec != UTIME_OMIT || times[1].tv_nsec != UTIME_OMIT) {
        mirror_utimens(m, random_path(), times);
    }
}

static void random_write(struct mirror *m, int slot)
{
    static uint8_t bytes[MIRROR_WRITE_MAX];
    size_t size = random_below(random_below(8) == 0 ? MIRROR_WRITE_MAX : 500);
    memset(bytes, (int)random_below(256), size);
    mirror_write(m, slot, random_below(20000), random_below(2) == 0, bytes,
                 size);
}

static void random_call(struct mirror *m)
{
    int slot = (int)random_below(MIRROR_HELD);
    switch (random_below(26)) {
    case 0:
    case 1:
    case 2:
        random_create(m, random_below(3) == 0 ? slot : -1);
        break;
    case 3:
    case 4:
    case 5:
        mirror_mkdir(m, random_path(), random_mode(m), random_mask());
        break;
    case 6:
        random_mknod(m);
        break;
    case 7:
        mirror_symlink(m, random_path(), "nowhere/at/all");
        break;
    case 8:
    case 9: {
        const char *from = random_path();
        mirror_link(m, from, random_path());
        break;
    }
    case 10:
    case 11:
        mirror_unlink(m, random_path());
        break;
    case 12:
    case 24:
        mirror_rmdir(m, random_path());
        break;
    case 13:
    case 14:
    case 15:
        random_rename(m);
        break;
    case 16:
        mirror_chmod(m, random_path(), random_mode(m));
        break;
    case 17:
        random_chown(m);
        break;
    case 18:
        random_utimens(m);
        break;
    case 19:
        if (random_below(2) == 0) {
            mirror_truncate(m, random_path(), random_below(20000));
        } else {
            mirror_ftruncate(m, slot, random_below(3) * 3000);
        }
        break;
    case 20:
        mirror_hold(m, random_path(), slot);
        break;
    case 21:
    case 25:
        if (random_below(2) == 0) {
            mirror_mkdir_at(m, slot, "x");
        } else {
            mirror_rename_to(m, random_path(), slot, "x");
        }
        break;
    default:
        random_write(m, slot);
        break;
    }
}

static void run_seed(uint64_t seed)
{
    char context[64];
    struct mirror *m = mirror_new();
    m->context = context;
    state = seed;
    for (uint64_t i = 0; i < calls; i++) {
        snprintf(context, sizeof context, "seed %llu call %llu",
                 (unsigned long long)seed, (unsigned long long)i);
        random_call(m);
        if (i % 50 == 49 || i + 1 == calls) {
            mirror_compare(m);
        }
    }
    mirror_free(m);
}

static void a_random_life_is_the_same_as_in_a_real_directory(void **unused)
{
    (void)unused;
    for (uint64_t seed = first_seed; seed < first_seed + seeds; seed++) {
        run_seed(seed);
    }
}

static int run_group(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_random_life_is_the_same_as_in_a_real_directory),
    };
    print_message("seeds from %llu on, uid %u\n",
                  (unsigned long long)first_seed, (unsigned)geteuid());
    return cmocka_run_group_tests_name("apply_mirror", tests, NULL, NULL);
}

/* Root's writes keep set-uid bits, others' do not: try both if we can. */
static int run_as_nobody(void)
{
    pid_t child = fork();
    if (child == 0) {
        bool is_nobody =
            setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0;
        exit(is_nobody ? run_group() : 1);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        return 1;
    }
    return status == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        first_seed = strtoull(argv[1], NULL, 10);
        seeds = 1;
    }
    if (argc > 2) {
        calls = strtoull(argv[2], NULL, 10);
    }
    const char *base = getenv("TMPDIR");
    bool as_both =
        geteuid() == 0 && (base == NULL || strcmp(base, "/tmp") == 0);
    int failed = as_both ? run_as_nobody() : 0;
    return failed + run_group();
}
