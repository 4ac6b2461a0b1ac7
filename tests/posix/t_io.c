/* t_io.c -- reading, writing, positions. */
#define GROUP "io"
#include "tests/posix/posix.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static unsigned char pattern(size_t i, unsigned seed)
{
    return (unsigned char)((i * 2654435761u + seed) >> 11);
}

static void fill(unsigned char *out, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++) {
        out[i] = pattern(i, seed);
    }
}

CASE(sizes_around_the_page)
{
    static const size_t sizes[] = {
        1,    2,     511,   512,   513,    4095,    4096,    4097,    8191,
        8192, 65535, 65536, 65537, 131072, 1048575, 1048576, 1048577, 3000000};
    static unsigned char data[3000000], back[3000001];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        note("%zu bytes", sizes[i]);
        fill(data, sizes[i], (unsigned)i);
        eq(sizes[i], p_write("f", data, sizes[i]));
        eq(sizes[i], size_of("f"));
        eq(sizes[i], p_read("f", back, sizeof back));
        eqm(data, back, sizes[i]);
    }
}

CASE(positions)
{
    int fd = p_open("f", O_CREAT | O_RDWR, 0644);
    char text[16] = "";
    must(1, fd >= 0);
    eq(10, write(fd, "0123456789", 10));
    eq(10, lseek(fd, 0, SEEK_CUR));
    eq(3, lseek(fd, 3, SEEK_SET));
    eq(4, read(fd, text, 4));
    eqm("3456", text, 4);
    eq(7, lseek(fd, 0, SEEK_CUR));
    eq(5, lseek(fd, -2, SEEK_CUR));
    eq(8, lseek(fd, -2, SEEK_END));
    eq(2, read(fd, text, 10));
    eq(0, read(fd, text, 10));
    eq(-EINVAL, neg(lseek(fd, -1, SEEK_SET)));
    eq(-EINVAL, neg(lseek(fd, -100, SEEK_END)));
    eq(-EINVAL, neg(lseek(fd, 0, 99)));
    eq(10, lseek(fd, 0, SEEK_CUR));
    eq(20, lseek(fd, 20, SEEK_SET));
    eq(0, read(fd, text, 10));
    eq(10, size_of("f"));
    eq(1, write(fd, "x", 1));
    eq(21, size_of("f"));
    eq(11, pread(fd, text, 16, 10));
    eqm("\0\0\0\0\0\0\0\0\0\0x", text, 11);
    eq(21, lseek(fd, 0, SEEK_CUR)); /* pread does not move it */
    int copy = dup(fd);
    eq(5, lseek(copy, 5, SEEK_SET));
    eq(5, lseek(fd, 0, SEEK_CUR));
    close(copy);
    eq(-EINVAL, neg(pread(fd, text, 1, -1)));
    eq(-EBADF, neg(lseek(9999, 0, SEEK_SET)));
    close(fd);
}

CASE(end_of_file_of_another_descriptor)
{
    int w = p_open("f", O_CREAT | O_WRONLY, 0644);
    int r = p_open("f", O_RDONLY, 0);
    must(1, w >= 0 && r >= 0);
    char text[8];
    for (int i = 0; i < 20; i++) {
        char byte = (char)('a' + i);
        note("round %d", i);
        eq(0, read(r, text, sizeof text));
        eq(1, write(w, &byte, 1));
        eq(1, read(r, text, sizeof text));
        eq(byte, text[0]);
        eq(i + 1, lseek(r, 0, SEEK_END));
    }
    eq(0, neg(ftruncate(w, 5)));
    eq(5, lseek(r, 0, SEEK_END));
    eq(5, pread(r, text, sizeof text, 0));
    close(w);
    close(r);
}

CASE(vectors)
{
    char a[3], b[5], c[4];
    struct iovec out[] = {{"abc", 3}, {"", 0}, {"defgh", 5}, {"ij", 2}};
    struct iovec in[] = {{a, 3}, {b, 5}, {c, 4}};
    int fd = p_open("f", O_CREAT | O_RDWR, 0644);
    must(1, fd >= 0);
    eq(10, writev(fd, out, 4));
    eq(10, size_of("f"));
    eq(0, lseek(fd, 0, SEEK_SET));
    eq(10, readv(fd, in, 3));
    eqm("abc", a, 3);
    eqm("defgh", b, 5);
    eqm("ij", c, 2);
    eq(10, pwritev(fd, out, 4, 5));
    eq(15, size_of("f"));
    eq(10, preadv(fd, in, 3, 5));
    eqm("abc", a, 3);
    eq(0, neg(writev(fd, out, 0)));
    eq(10, pwritev2(fd, out, 4, 0, RWF_APPEND));
    eq(25, size_of("f"));
    eq(10, pwritev2(fd, out, 4, 0, RWF_SYNC));
    close(fd);
}

CASE(many_vectors_are_one_append)
{
    enum { PARTS = 1000 };
    struct iovec out[PARTS];
    static char back[PARTS * 8];
    for (int i = 0; i < PARTS; i++) {
        out[i] = (struct iovec){"1234567\n", 8};
    }
    int fd = p_open("f", O_CREAT | O_WRONLY | O_APPEND, 0644);
    eq(PARTS * 8, writev(fd, out, PARTS));
    eq(PARTS * 8, size_of("f"));
    eq(PARTS * 8, p_read("f", back, sizeof back));
    for (int i = 0; i < PARTS; i += 37) {
        eqm("1234567\n", back + i * 8, 8);
    }
    close(fd);
}

/* pwritev2(2) makes one call append. */
CASE(one_call_appends)
{
    struct iovec part = {"XY", 2};
    char text[16];
    must(3, p_put("f", "abc"));
    int fd = p_open("f", O_RDWR, 0), other = p_open("f", O_WRONLY, 0);
    must(1, fd >= 0 && other >= 0);
    eq(3, lseek(fd, 0, SEEK_END));
    eq(5, pwrite(other, "defgh", 5, 3));
    eq(2, pwritev2(fd, &part, 1, 0, RWF_APPEND));
    eq(10, p_read("f", text, sizeof text));
    eqm("abcdefghXY", text, 10);
    close(fd);
    close(other);
}

CASE(overwriting)
{
    static unsigned char data[300000], back[300000];
    static const struct {
        size_t at, size;
    } pieces[] = {{0, 1},           {4095, 2},       {1, 4094},
                  {100000, 100000}, {65536, 65536},  {299999, 1},
                  {131071, 3},      {50000, 200000}, {4096, 4096}};
    fill(data, sizeof data, 1);
    must(300000, p_write("f", data, sizeof data));
    int fd = p_open("f", O_RDWR, 0);
    must(1, fd >= 0);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        note("piece %zu", i);
        fill(data + pieces[i].at, pieces[i].size, 100 + (unsigned)i);
        eq(pieces[i].size, pwrite(fd, data + pieces[i].at, pieces[i].size,
                                  (off_t)pieces[i].at));
        eq(300000, p_read("f", back, sizeof back));
        eqm(data, back, sizeof data);
        eq(300000, pread(fd, back, sizeof back, 0));
        eqm(data, back, sizeof data);
    }
    close(fd);
}

CASE(holes_read_as_zeros)
{
    static unsigned char back[70000], zeros[70000];
    int fd = p_open("f", O_CREAT | O_RDWR, 0644);
    must(1, fd >= 0);
    eq(1, pwrite(fd, "x", 1, 1000000));
    eq(1000001, size_of("f"));
    eq(70000, pread(fd, back, sizeof back, 5));
    eqm(zeros, back, sizeof zeros);
    eq(1, pwrite(fd, "y", 1, 500000));
    eq(70000, pread(fd, back, sizeof back, 499999));
    eq(0, back[0]);
    eq('y', back[1]);
    eqm(zeros, back + 2, sizeof zeros - 2);
    close(fd);
}

CASE(sendfile_and_splice)
{
    static unsigned char data[100000], back[100000];
    fill(data, sizeof data, 5);
    must(100000, p_write("from", data, sizeof data));
    int from = p_open("from", O_RDONLY, 0);
    int to = p_open("to", O_CREAT | O_RDWR, 0644);
    must(1, from >= 0 && to >= 0);
    off_t offset = 0;
    while (offset < 100000) {
        if (sendfile(to, from, &offset, 100000) <= 0) {
            break;
        }
    }
    eq(100000, offset);
    eq(100000, p_read("to", back, sizeof back));
    eqm(data, back, sizeof data);
    int pipes[2];
    must(0, pipe(pipes));
    loff_t in = 1000, out = 7;
    eq(4096, neg(splice(from, &in, pipes[1], NULL, 4096, 0)));
    eq(4096, neg(splice(pipes[0], NULL, to, &out, 4096, 0)));
    eq(5096, in);
    eq(4103, out);
    eq(4096, pread(to, back, 4096, 7));
    eqm(data + 1000, back, 4096);
    close(pipes[0]);
    close(pipes[1]);
    close(from);
    close(to);
}

CASE(advice)
{
    must(3, p_put("f", "abc"));
    int fd = p_open("f", O_RDWR, 0);
    static const int advices[] = {POSIX_FADV_NORMAL,   POSIX_FADV_SEQUENTIAL,
                                  POSIX_FADV_RANDOM,   POSIX_FADV_NOREUSE,
                                  POSIX_FADV_WILLNEED, POSIX_FADV_DONTNEED};
    for (int i = 0; i < 6; i++) {
        eq(0, posix_fadvise(fd, 0, 3, advices[i]));
    }
    eq(EINVAL, posix_fadvise(fd, 0, 3, 99));
    eq(0, neg(readahead(fd, 0, 3)));
    eq(0, neg(sync_file_range(fd, 0, 3, SYNC_FILE_RANGE_WRITE)));
    eq(0, neg(syncfs(fd)));
    close(fd);
}

CASE(two_writers)
{
    char name[] = "f";
    static char back[20000];
    struct stat st;
    must(0, p_create(name, 0644));
    pid_t children[4];
    for (int i = 0; i < 4; i++) {
        children[i] = fork_case();
        if (children[i] == 0) {
            char line[100];
            for (int k = 0; k < i; k++) {
                at("");
            }
            int fd = p_open(name, O_WRONLY | O_APPEND, 0);
            memset(line, 'a' + i, sizeof line);
            line[99] = '\n';
            for (int j = 0; j < 50; j++) {
                eq(100, write(fd, line, sizeof line));
            }
            close(fd);
            end_child();
        }
    }
    for (int i = 0; i < 4; i++) {
        wait_child(children[i]);
    }
    eq(0, p_stat(name, &st));
    eq(20000, st.st_size);
    eq(20000, p_read(name, back, sizeof back));
    int counts[4] = {0};
    for (int i = 0; i < 200; i++) {
        char *line = back + (ptrdiff_t)i * 100;
        bool whole = line[99] == '\n';
        for (int j = 1; j < 99; j++) {
            whole = whole && line[j] == line[0];
        }
        ok(whole);
        if (line[0] >= 'a' && line[0] < 'e') {
            counts[line[0] - 'a']++;
        }
    }
    for (int i = 0; i < 4; i++) {
        eq(50, counts[i]);
    }
}

CASE(limit_of_the_file_size)
{
    pid_t pid = fork_case();
    if (pid == 0) {
        int fd = p_open("f", O_CREAT | O_RDWR, 0644);
        struct rlimit limit = {1000, 1000};
        signal(SIGXFSZ, SIG_IGN);
        eq(0, neg(setrlimit(RLIMIT_FSIZE, &limit)));
        eq(1000, pwrite(fd, (char[1200]){0}, 1200, 0));
        eq(-EFBIG, neg(pwrite(fd, "x", 1, 1000)));
        eq(-EFBIG, neg(ftruncate(fd, 1001)));
        eq(0, neg(ftruncate(fd, 1000)));
        eq(-EFBIG, neg(fallocate(fd, 0, 0, 2000)));
        eq(1000, size_of("f"));
        close(fd);
        end_child();
    }
    wait_child(pid);
}
