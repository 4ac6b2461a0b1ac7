/* t_mmap.c -- files as memory. */
#define GROUP "mmap"
#include "tests/posix/posix.h"

#include <sys/mman.h>

enum { PAGE = 4096 };

static char *map(int fd, size_t size, int protection, int flags)
{
    char *at_ = mmap(NULL, size, protection, flags, fd, 0);
    return at_ == MAP_FAILED ? NULL : at_;
}

CASE(private_reading)
{
    must(5, p_put("f", "abcde"));
    int fd = p_open("f", O_RDONLY, 0);
    char *m = map(fd, PAGE, PROT_READ, MAP_PRIVATE);
    must(1, m != NULL);
    eqm("abcde\0\0", m, 7);
    close(fd);
    eqm("abcde", m, 5);
    eq(0, munmap(m, PAGE));
}

CASE(private_writing_stays_private)
{
    must(5, p_put("f", "abcde"));
    int fd = p_open("f", O_RDONLY, 0);
    char *m = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    must(1, m != NULL);
    m[0] = 'X';
    char text[8] = "";
    eq(5, p_read("f", text, sizeof text));
    eqs("abcde", text);
    eq(0, munmap(m, PAGE));
    close(fd);
}

CASE(shared_writing_and_msync)
{
    must(0, p_create("f", 0644));
    int fd = p_open("f", O_RDWR, 0);
    must(0, neg(ftruncate(fd, 3 * PAGE)));
    char *m = map(fd, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
    must(1, m != NULL);
    struct stat st = noted("f");
    memcpy(m + 100, "hello", 5);
    memcpy(m + 2 * PAGE, "third", 5);
    eq(0, neg(msync(m, 3 * PAGE, MS_SYNC)));
    static char back[3 * PAGE];
    eq(3 * PAGE, p_read("f", back, sizeof back));
    eqm("hello", back + 100, 5);
    eqm("third", back + 2 * PAGE, 5);
    eq(M, moved("f", &st) & M);
    memcpy(m, "again", 5);
    eq(0, munmap(m, 3 * PAGE));
    eq(0, neg(fsync(fd)));
    close(fd);
    eq(3 * PAGE, p_read("f", back, sizeof back));
    eqm("again", back, 5);
}

CASE(write_is_seen_in_the_mapping)
{
    stay();
    must(5, p_put("f", "abcde"));
    int fd = p_open("f", O_RDWR, 0);
    char *m = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
    must(1, m != NULL);
    eq('a', m[0]);
    eq(1, pwrite(fd, "X", 1, 0));
    eq('X', m[0]);
    m[1] = 'Y';
    char text[8] = "";
    eq(5, pread(fd, text, sizeof text, 0));
    eqs("XYcde", text);
    eq(0, munmap(m, PAGE));
    close(fd);
}

CASE(mapping_is_not_longer_than_the_file)
{
    must(5, p_put("f", "abcde"));
    int fd = p_open("f", O_RDWR, 0);
    char *m = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
    must(1, m != NULL);
    m[10] = 'x'; /* behind the end: never in the file */
    eq(0, neg(msync(m, PAGE, MS_SYNC)));
    eq(5, size_of("f"));
    eq(0, munmap(m, PAGE));
    eq(0, neg(ftruncate(fd, 20)));
    char text[24];
    eq(20, p_read("f", text, sizeof text));
    eqm("abcde\0\0\0\0\0\0", text, 11);
    close(fd);
}

CASE(permissions)
{
    must(5, p_put("f", "abcde"));
    int r = p_open("f", O_RDONLY, 0), w = p_open("f", O_WRONLY, 0);
    must(1, r >= 0 && w >= 0);
    errno = 0;
    ok(map(r, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED) == NULL);
    eq(EACCES, errno);
    ok(map(w, PAGE, PROT_READ, MAP_SHARED) == NULL);
    eq(EACCES, errno);
    char *m = map(r, PAGE, PROT_READ, MAP_SHARED);
    must(1, m != NULL);
    eq(-EACCES, neg(mprotect(m, PAGE, PROT_READ | PROT_WRITE)));
    munmap(m, PAGE);
    close(r);
    close(w);
}

CASE(of_an_unlinked_file)
{
    must(5, p_put("f", "abcde"));
    int fd = p_open("f", O_RDWR, 0);
    char *m = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
    must(1, m != NULL);
    close(fd);
    eq(0, p_unlink("f"));
    eqm("abcde", m, 5);
    m[0] = 'X';
    eq(0, neg(msync(m, PAGE, MS_SYNC)));
    eq('X', m[0]);
    eq(0, munmap(m, PAGE));
}

CASE(shared_by_two_processes)
{
    stay();
    must(0, p_create("f", 0644));
    int fd = p_open("f", O_RDWR, 0);
    must(0, neg(ftruncate(fd, PAGE)));
    struct baton there = baton_new(), back = baton_new();
    pid_t pid = fork_case();
    if (pid == 0) {
        int own = p_open("f", O_RDWR, 0);
        char *m = map(own, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
        must(1, m != NULL);
        baton_take(&there);
        eq('1', m[0]);
        m[1] = '2';
        baton_give(&back);
        end_child();
    }
    char *m = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
    if (ok(m != NULL)) {
        m[0] = '1';
    }
    baton_give(&there);
    baton_take(&back);
    if (m != NULL) {
        eq('2', m[1]);
    }
    wait_child(pid);
    close(fd);
}

/* Each opened right after another node wrote, or appending, or direct. */
CASE(of_descriptors_of_every_kind)
{
    static const int flags[] = {O_RDWR, O_RDWR | O_APPEND, O_RDWR | O_DIRECT,
                                O_RDWR | O_SYNC};
    for (int i = 0; i < 4; i++) {
        must(5, p_put("f", "abcde"));
        int fd = p_open("f", flags[i], 0);
        note("flags %o", flags[i]);
        must(1, fd >= 0);
        char *m = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
        if (ok(m != NULL)) {
            eqm("abcde", m, 5);
            m[0] = 'X';
            eq(0, neg(msync(m, PAGE, MS_SYNC)));
            char text[8] = "";
            eq(5, p_read("f", text, sizeof text));
            eqs("Xbcde", text);
            munmap(m, PAGE);
        }
        close(fd);
    }
}

CASE(a_large_mapping)
{
    enum { LARGE = 2 * 1024 * 1024 };
    int fd = p_open("f", O_CREAT | O_RDWR, 0644);
    must(0, neg(ftruncate(fd, LARGE)));
    char *m = map(fd, LARGE, PROT_READ | PROT_WRITE, MAP_SHARED);
    must(1, m != NULL);
    for (size_t i = 0; i < LARGE; i += PAGE) {
        memcpy(m + i, &i, sizeof i);
    }
    eq(0, neg(msync(m, LARGE, MS_SYNC)));
    int other = p_open("f", O_RDONLY, 0);
    for (size_t i = 0; i < LARGE; i += PAGE * 16) {
        size_t got = 1;
        eq(sizeof got, pread(other, &got, sizeof got, (off_t)i));
        eq(i, got);
    }
    munmap(m, LARGE);
    close(fd);
    close(other);
}
