/* t_range.c -- fallocate(2), copy_file_range(2), SEEK_DATA and SEEK_HOLE. */
#define GROUP "range"
#include "tests/posix/posix.h"

enum { SIZE = 40000 };
static unsigned char data[SIZE], back[2 * SIZE];

static int begin(void)
{
    memset(data, 'd', sizeof data);
    must(SIZE, p_write("f", data, sizeof data));
    int fd = p_open("f", O_RDWR, 0);
    must(1, fd >= 0);
    return fd;
}

static void contents(long long size)
{
    eq(size, size_of("f"));
    eq(size, p_read("f", back, sizeof back));
    eqm(data, back, (size_t)(size < SIZE ? size : SIZE));
}

CASE(allocate)
{
    int fd = begin();
    eq(0, neg(fallocate(fd, 0, 0, 1000)));
    contents(SIZE);
    eq(0, neg(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 100000)));
    contents(SIZE);
    eq(0, neg(fallocate(fd, 0, SIZE, 5000)));
    contents(SIZE + 5000);
    eq(0, back[SIZE]);
    eq(0, posix_fallocate(fd, SIZE + 6000, 10));
    contents(SIZE + 6010);
    eq(-EINVAL, neg(fallocate(fd, 0, 0, 0)));
    eq(-EINVAL, neg(fallocate(fd, 0, -1, 10)));
    eq(-EINVAL, neg(fallocate(fd, 0, 0, -1)));
    eq(-EFBIG, neg(fallocate(fd, 0, INT64_MAX, INT64_MAX)));
    eq(-EOPNOTSUPP, neg(fallocate(fd, 0x800, 0, 10)));
    close(fd);
    eq(-EBADF, neg(fallocate(fd, 0, 0, 10)));
    fd = p_open("f", O_RDONLY, 0);
    eq(-EBADF, neg(fallocate(fd, 0, 0, 10)));
    close(fd);
    must(0, p_mkdir("d", 0755));
    fd = p_open("d", O_RDONLY, 0);
    eq(-EBADF, neg(fallocate(fd, 0, 0, 10)));
    close(fd);
}

CASE(punch)
{
    enum { MODE = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE };
    int fd = begin();
    eq(0, neg(fallocate(fd, MODE, 100, 50)));
    memset(data + 100, 0, 50);
    contents(SIZE);
    eq(0, neg(fallocate(fd, MODE, 4096, 8192)));
    memset(data + 4096, 0, 8192);
    contents(SIZE);
    eq(0, neg(fallocate(fd, MODE, 5000, 20000)));
    memset(data + 5000, 0, 20000);
    contents(SIZE);
    eq(0, neg(fallocate(fd, MODE, SIZE - 10, 1000)));
    memset(data + SIZE - 10, 0, 10);
    contents(SIZE);
    eq(0, neg(fallocate(fd, MODE, SIZE + 1000, 1000)));
    contents(SIZE);
    eq(-EOPNOTSUPP, neg(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10)));
    long long before = stat_of("f").st_blocks;
    eq(0, neg(fallocate(fd, MODE, 0, SIZE)));
    memset(data, 0, SIZE);
    contents(SIZE);
    eq(0, neg(fsync(fd)));
    ok(stat_of("f").st_blocks < before);
    close(fd);
}

CASE(zero)
{
    int fd = begin();
    int rc = (int)neg(fallocate(fd, FALLOC_FL_ZERO_RANGE, 1000, 9000));
    must(0, rc);
    memset(data + 1000, 0, 9000);
    contents(SIZE);
    eq(0, neg(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
                        SIZE - 5, 100)));
    memset(data + SIZE - 5, 0, 5);
    contents(SIZE);
    eq(0, neg(fallocate(fd, FALLOC_FL_ZERO_RANGE, SIZE - 5, 100)));
    contents(SIZE + 95);
    close(fd);
}

CASE(collapse_and_insert)
{
    static unsigned char wide[16384], got[32768];
    for (size_t i = 0; i < sizeof wide; i++) {
        wide[i] = (unsigned char)('A' + i / 4096);
    }
    must(16384, p_write("f", wide, sizeof wide));
    int fd = p_open("f", O_RDWR, 0);
    eq(-EINVAL, neg(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 1, 4096)));
    eq(-EINVAL, neg(fallocate(fd, FALLOC_FL_INSERT_RANGE, 1, 4096)));
    eq(0, neg(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 4096, 4096)));
    eq(12288, p_read("f", got, sizeof got));
    eq('C', got[4096]);
    eq(0, neg(fallocate(fd, FALLOC_FL_INSERT_RANGE, 4096, 8192)));
    eq(20480, p_read("f", got, sizeof got));
    eq(0, got[4096]);
    eq('C', got[12288]);
    close(fd);
}

CASE(set_id_bits_go)
{
    if (!p_is_root()) {
        return;
    }
    int fd = begin();
    must(0, p_chown("f", USER, GROUP_OF_USER));
    static const int modes[] = {0, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE};
    for (int i = 0; i < 2; i++) {
        must(0, p_chmod("f", 06777));
        as(OTHER, GROUP_OF_OTHER);
        note("mode %d", modes[i]);
        eq(0, neg(fallocate(fd, modes[i], 0, 100)));
        as_root();
        eq(0777, mode_of("f"));
    }
    close(fd);
}

CASE(data_and_holes)
{
    int fd = p_open("f", O_CREAT | O_RDWR, 0644);
    must(1, fd >= 0);
    eq(-ENXIO, neg(lseek(fd, 0, SEEK_DATA)));
    eq(-ENXIO, neg(lseek(fd, 0, SEEK_HOLE)));
    memset(data, 'd', 4096);
    eq(4096, pwrite(fd, data, 4096, 0));
    eq(4096, pwrite(fd, data, 4096, 1048576));
    eq(0, neg(ftruncate(fd, 2097152)));
    eq(0, neg(fsync(fd)));
    eq(0, neg(lseek(fd, 0, SEEK_DATA)));
    eq(100, neg(lseek(fd, 100, SEEK_DATA)));
    eq(4096, neg(lseek(fd, 0, SEEK_HOLE)));
    eq(4096, neg(lseek(fd, 4095, SEEK_HOLE)));
    eq(5000, neg(lseek(fd, 5000, SEEK_HOLE)));
    eq(1048576, neg(lseek(fd, 4096, SEEK_DATA)));
    eq(1048576 + 4096, neg(lseek(fd, 1048576, SEEK_HOLE)));
    eq(-ENXIO, neg(lseek(fd, 1048576 + 4096, SEEK_DATA)));
    eq(2097151, neg(lseek(fd, 2097151, SEEK_HOLE)));
    eq(-ENXIO, neg(lseek(fd, 2097152, SEEK_HOLE)));
    eq(-ENXIO, neg(lseek(fd, 2097152, SEEK_DATA)));
    eq(-ENXIO, neg(lseek(fd, -1, SEEK_DATA)));
    int other = p_open("f", O_RDONLY, 0);
    eq(1048576, neg(lseek(other, 4096, SEEK_DATA)));
    close(other);
    close(fd);
    must(4096, p_write("full", data, 4096));
    fd = p_open("full", O_RDONLY, 0);
    eq(4096, neg(lseek(fd, 0, SEEK_HOLE))); /* the end is a hole */
    close(fd);
}

static long long copied(int from, long long at_from, int to, long long at_to,
                        size_t size)
{
    size_t done = 0;
    while (done < size) {
        loff_t in = at_from + (loff_t)done, out = at_to + (loff_t)done;
        ssize_t rc = copy_file_range(from, &in, to, &out, size - done, 0);
        if (rc <= 0) {
            return rc < 0 ? -errno : (long long)done;
        }
        done += (size_t)rc;
    }
    return (long long)done;
}

CASE(copy)
{
    int from = begin();
    for (size_t i = 0; i < SIZE; i++) {
        data[i] = (unsigned char)(i / 7);
    }
    eq(SIZE, pwrite(from, data, SIZE, 0));
    int to = p_open("to", O_CREAT | O_RDWR, 0644);
    struct stat st = noted("to");
    eq(SIZE, copied(from, 0, to, 0, SIZE));
    eq(MC, moved("to", &st) & MC);
    eq(SIZE, p_read("to", back, sizeof back));
    eqm(data, back, SIZE);
    eq(5000, copied(from, 1000, to, 50000, 5000));
    eq(55000, size_of("to"));
    eq(5000, pread(to, back, 5000, 50000));
    eqm(data + 1000, back, 5000);
    eq(10, copied(from, SIZE - 10, to, 0, 5000));
    eq(0, copied(from, SIZE, to, 0, 5000));
    eq(0, copied(from, SIZE + 1000, to, 0, 5000));
    /* Afterwards they are two files. */
    eq(1, pwrite(from, "X", 1, 2000));
    eq(1, pread(to, back, 1, 51000));
    eq(data[2000], back[0]);
    eq(0, lseek(from, 0, SEEK_SET));
    eq(100, lseek(to, 100, SEEK_SET));
    eq(50, neg(copy_file_range(from, NULL, to, NULL, 50, 0)));
    eq(50, lseek(from, 0, SEEK_CUR));
    eq(150, lseek(to, 0, SEEK_CUR));
    close(to);
    close(from);
}

CASE(copy_within_a_file_and_errors)
{
    int fd = begin();
    loff_t in, out;
    eq(1000, copied(fd, 0, fd, 20000, 1000));
    eq(-EINVAL, copied(fd, 0, fd, 500, 1000));
    eq(-EINVAL, copied(fd, 500, fd, 0, 1000));
    in = 0, out = 50000;
    eq(-EINVAL, neg(copy_file_range(fd, &in, fd, &out, 10, 1)));
    int r = p_open("f", O_RDONLY, 0);
    eq(-EBADF, copied(fd, 0, r, 50000, 10));
    int w = p_open("w", O_CREAT | O_WRONLY, 0644);
    eq(-EBADF, copied(w, 0, fd, 0, 10));
    int a = p_open("w", O_WRONLY | O_APPEND, 0);
    eq(-EBADF, copied(fd, 0, a, 0, 10));
    must(0, p_mkdir("d", 0755));
    int d = p_open("d", O_RDONLY, 0);
    eq(-EISDIR, copied(d, 0, w, 0, 10));
    eq(0, neg(copy_file_range(r, NULL, w, NULL, 0, 0)));
    close(d);
    close(a);
    close(w);
    close(r);
    close(fd);
}
