#include "tests/unit/store/testing.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int scratch_setup(void **state)
{
    const char *base = getenv("TMPDIR");
    char *path = malloc(512);
    assert(path != NULL);
    snprintf(path, 512, "%s/raftfs-store-XXXXXX", base != NULL ? base : "/tmp");
    *state = mkdtemp(path);
    return *state == NULL;
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int scratch_teardown(void **state)
{
    remove_tree(*state);
    free(*state);
    return 0;
}

const char *scratch_path(void **state, const char *name)
{
    static char buffers[4][512];
    static unsigned next;
    char *out = buffers[next++ % 4];
    snprintf(out, sizeof(buffers[0]), "%s/%s", (const char *)*state, name);
    return out;
}

static void copy_file(const char *from, const char *to)
{
    char buffer[65536];
    int in = open(from, O_RDONLY);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert(in >= 0 && out >= 0);
    ssize_t n;
    while ((n = read(in, buffer, sizeof(buffer))) > 0) {
        ssize_t written = write(out, buffer, (size_t)n);
        assert(written == n);
    }
    assert(n == 0);
    close(in);
    close(out);
}

void copy_tree(const char *from, const char *to)
{
    int rc = mkdir(to, 0700);
    assert(rc == 0);
    DIR *dir = opendir(from);
    assert(dir != NULL);
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        char source[1024], target[1024];
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 ||
            strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        snprintf(source, sizeof(source), "%s/%s", from, entry->d_name);
        snprintf(target, sizeof(target), "%s/%s", to, entry->d_name);
        rc = stat(source, &st);
        assert(rc == 0);
        if (S_ISDIR(st.st_mode)) {
            copy_tree(source, target);
        } else {
            copy_file(source, target);
        }
    }
    closedir(dir);
}
