/* t_times.c -- utimensat(2) and its relatives. */
#define GROUP "times"
#include "tests/posix/posix.h"

#include <sys/time.h>
#include <utime.h>

static struct timespec ts(time_t seconds, long ns)
{
    return (struct timespec){.tv_sec = seconds, .tv_nsec = ns};
}

static void expect(const char *name, struct timespec a, struct timespec m)
{
    struct stat st = stat_of(name);
    eq(a.tv_sec, st.st_atim.tv_sec);
    eq(a.tv_nsec, st.st_atim.tv_nsec);
    eq(m.tv_sec, st.st_mtim.tv_sec);
    eq(m.tv_nsec, st.st_mtim.tv_nsec);
}

CASE(nanoseconds_of_every_type)
{
    static const char types[] = "fdpsl";
    for (const char *type = types; *type != '\0'; type++) {
        must(0, p_make(*type, "x", 0644));
        struct timespec times[2] = {ts(100000000, 1), ts(200000000, 999999999)};
        struct stat st = noted("x"), up = noted("");
        note("type %c", *type);
        eq(0, p_utimens("x", times, AT_SYMLINK_NOFOLLOW));
        expect("x", times[0], times[1]);
        eq(C, moved("x", &st) & C);
        eq(0, moved("", &up));
        eq(0, p_remove(*type, "x"));
    }
}

/* ext4 keeps 1901 to 2446. */
CASE(long_ago_and_far_away)
{
    static const time_t seconds[] = {
        0,
        1,
        -1,
        -2,
        -86400,
        -2147483647ll,
        2147483647ll,
        2147483648ll,
        4294967295ll,
        4294967296ll,
        8589934592ll,
        9000000000ll,
        12884901888ll,
        15032385534ll,
    };
    must(0, p_create("f", 0644));
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        struct timespec times[2] = {ts(seconds[i], 123456789),
                                    ts(seconds[i], 500000000)};
        note("%lld", (long long)seconds[i]);
        eq(0, p_utimens("f", times, 0));
        expect("f", times[0], times[1]);
    }
}

CASE(now_and_omit)
{
    must(0, p_create("f", 0644));
    struct timespec old = ts(1000, 7);
    struct timespec both[2] = {old, old};
    eq(0, p_utimens("f", both, 0));
    struct timespec a_now[2] = {ts(0, UTIME_NOW), ts(0, UTIME_OMIT)};
    struct stat st = noted("f");
    eq(0, p_utimens("f", a_now, 0));
    eq(A | C, moved("f", &st));
    eq(1000, stat_of("f").st_mtim.tv_sec);
    eq(7, stat_of("f").st_mtim.tv_nsec);
    eq(0, p_utimens("f", both, 0));
    struct timespec m_now[2] = {ts(0, UTIME_OMIT), ts(0, UTIME_NOW)};
    st = noted("f");
    eq(0, p_utimens("f", m_now, 0));
    eq(MC, moved("f", &st));
    eq(1000, stat_of("f").st_atim.tv_sec);
    eq(0, p_utimens("f", both, 0));
    struct timespec omit[2] = {ts(0, UTIME_OMIT), ts(0, UTIME_OMIT)};
    st = noted("f");
    eq(0, p_utimens("f", omit, 0));
    eq(0, moved("f", &st));
    expect("f", old, old);
    st = noted("f");
    eq(0, p_utimens("f", NULL, 0));
    eq(A | M | C, moved("f", &st));
    struct timespec mixed[2] = {ts(5, 6), ts(0, UTIME_NOW)};
    st = noted("f");
    eq(0, p_utimens("f", mixed, 0));
    eq(MC, moved("f", &st));
    eq(5, stat_of("f").st_atim.tv_sec);
    struct timespec mixed2[2] = {ts(0, UTIME_OMIT), ts(9, 8)};
    eq(0, p_utimens("f", mixed2, 0));
    expect("f", ts(5, 6), ts(9, 8));
    struct timespec now[2] = {ts(0, UTIME_NOW), ts(0, UTIME_NOW)};
    st = noted("f");
    eq(0, p_utimens("f", now, 0));
    eq(A | M | C, moved("f", &st));
    eq(0, compare_times(stat_of("f").st_atim, stat_of("f").st_mtim));
}

CASE(errors)
{
    must(0, p_create("f", 0644));
    struct timespec bad[2] = {ts(0, 1000000000), ts(0, 0)};
    struct stat st = noted("f");
    eq(-EINVAL, p_utimens("f", bad, 0));
    bad[0] = ts(0, 0);
    bad[1] = ts(0, -1);
    eq(-EINVAL, p_utimens("f", bad, 0));
    eq(-EINVAL, p_utimens("f", NULL, 0x4000000));
    eq(0, moved("f", &st));
    eq(-EBADF, neg(futimens(9999, NULL)));
}

CASE(links_and_descriptors)
{
    must(0, p_create("f", 0644));
    must(0, p_symlink("f", "l"));
    struct timespec times[2] = {ts(11, 12), ts(13, 14)};
    struct stat st = noted("l");
    eq(0, p_utimens("l", times, 0));
    expect("f", times[0], times[1]);
    eq(0, moved("l", &st) & MC);
    times[0].tv_sec = 15;
    eq(0, p_utimens("l", times, AT_SYMLINK_NOFOLLOW));
    expect("l", times[0], times[1]);
    eq(11, stat_of("f").st_atim.tv_sec);
    int fd = p_open("f", O_RDONLY, 0);
    times[1].tv_sec = 16;
    eq(0, neg(futimens(fd, times)));
    expect("f", times[0], times[1]);
    close(fd);
    struct timeval tv[2] = {{21, 22}, {23, 24}};
    eq(0, neg(utimes(at("f"), tv)));
    expect("f", ts(21, 22000), ts(23, 24000));
    struct utimbuf seconds = {31, 32};
    eq(0, neg(utime(at("f"), &seconds)));
    expect("f", ts(31, 0), ts(32, 0));
}

/* The owner sets anything; who may write may set "now"; nobody else. */
ROOT_CASE(who_may)
{
    struct timespec set[2] = {ts(1, 0), ts(2, 0)};
    struct timespec now[2] = {ts(0, UTIME_NOW), ts(0, UTIME_NOW)};
    struct timespec half[2] = {ts(0, UTIME_NOW), ts(0, UTIME_OMIT)};
    struct timespec omit[2] = {ts(0, UTIME_OMIT), ts(0, UTIME_OMIT)};
    static const struct {
        mode_t mode;
        uid_t uid;
        int set, now, half;
    } tries[] = {
        {0444, USER, 0, 0, 0},
        {0000, USER, 0, 0, 0},
        {0644, OTHER, -EPERM, -EACCES, -EPERM},
        {0666, OTHER, -EPERM, 0, -EPERM},
        {0777, OTHER, -EPERM, 0, -EPERM},
        {0755, OTHER, -EPERM, -EACCES, -EPERM},
        {0000, 0, 0, 0, 0},
    };
    must(0, p_create("f", 0));
    must(0, p_chown("f", USER, GROUP_OF_USER));
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        must(0, p_chmod("f", tries[i].mode));
        as(tries[i].uid, tries[i].uid == 0 ? 0 : GROUP_OF_OTHER);
        note("mode %o as %u", tries[i].mode, tries[i].uid);
        eq(tries[i].set, p_utimens("f", set, 0));
        eq(tries[i].now, p_utimens("f", now, 0));
        eq(tries[i].now, p_utimens("f", NULL, 0));
        eq(tries[i].half, p_utimens("f", half, 0));
        eq(0, p_utimens("f", omit, 0));
        as_root();
    }
    /* A descriptor for writing is not asked again. */
    must(0, p_chmod("f", 0666));
    as(OTHER, GROUP_OF_OTHER);
    int fd = p_open("f", O_WRONLY, 0);
    as_root();
    must(0, p_chmod("f", 0600));
    as(OTHER, GROUP_OF_OTHER);
    eq(-EACCES, neg(futimens(fd, NULL)));
    as_root();
    close(fd);
}

CASE(set_times_stay)
{
    must(3, p_put("f", "abc"));
    struct timespec times[2] = {ts(1234567890, 123456789),
                                ts(1111111111, 111111111)};
    eq(0, p_utimens("f", times, 0));
    char text[4];
    eq(3, p_read("f", text, sizeof text));
    int fd = p_open("f", O_RDWR, 0);
    close(fd);
    eq(0, p_chmod("f", 0600));
    eq(0, p_rename("f", "g"));
    eq(0, p_link("g", "h"));
    struct stat st = stat_of("h");
    eq(1111111111, st.st_mtim.tv_sec);
    eq(111111111, st.st_mtim.tv_nsec);
    struct statx sx;
    eq(0, neg(statx(AT_FDCWD, at("h"), 0, STATX_BASIC_STATS, &sx)));
    eq(1111111111, sx.stx_mtime.tv_sec);
    eq(111111111, sx.stx_mtime.tv_nsec);
}

CASE(birth_time)
{
    struct statx sx;
    struct timespec before, after;
    clock_gettime(CLOCK_REALTIME_COARSE, &before);
    must(0, p_create("f", 0644));
    eq(0,
       neg(statx(AT_FDCWD, at("f"), 0, STATX_BASIC_STATS | STATX_BTIME, &sx)));
    must(STATX_BTIME, sx.stx_mask & STATX_BTIME);
    struct timespec birth = ts(sx.stx_btime.tv_sec, sx.stx_btime.tv_nsec);
    tick();
    clock_gettime(CLOCK_REALTIME, &after);
    /* The clock of another node, perhaps, in a cluster of one machine. */
    ok(compare_times(before, birth) <= 0 && compare_times(birth, after) <= 0);
    struct timespec times[2] = {ts(5, 5), ts(6, 6)};
    eq(0, p_utimens("f", times, 0));
    eq(0, p_chmod("f", 0600));
    eq(0, neg(statx(AT_FDCWD, at("f"), 0, STATX_BTIME, &sx)));
    eq(birth.tv_sec, sx.stx_btime.tv_sec);
    eq(birth.tv_nsec, sx.stx_btime.tv_nsec);
}
