/* t_dir.c -- listing directories. */
#define GROUP "dir"
#include "tests/posix/posix.h"

#include <dirent.h>

/* How often each of "0" to "N-1" was seen, and how many other names. */
static int others(DIR *dir, int *seen, int count)
{
    int rest = 0;
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        char *end;
        long i = strtol(entry->d_name, &end, 10);
        if (*end == '\0' && end != entry->d_name && i >= 0 && i < count) {
            seen[i]++;
        } else {
            rest++;
        }
    }
    return rest;
}

static void make_numbered(const char *dir, int count)
{
    char name[64];
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s/%d", dir, i);
        must(0, p_create(name, 0644));
    }
}

static void all_once(const int *seen, int count)
{
    for (int i = 0; i < count; i++) {
        note("name %d", i);
        eq(1, seen[i]);
    }
    note("%s", "");
}

CASE(names_types_and_numbers)
{
    static const char types[] = "fdpsl";
    static const unsigned char d_types[] = {DT_REG, DT_DIR, DT_FIFO, DT_SOCK,
                                            DT_LNK};
    must(0, p_mkdir("d", 0755));
    for (const char *type = types; *type != '\0'; type++) {
        char name[] = {'d', '/', *type, '\0'};
        must(0, p_make(*type, name, 0644));
    }
    for (int round = 0; round < 3; round++) {
        DIR *dir = opendir(at("d"));
        must(1, dir != NULL);
        int count = 0;
        struct dirent *entry;
        while ((entry = readdir(dir)) != NULL) {
            const char *found = strchr(types, entry->d_name[0]);
            count++;
            if (found != NULL && entry->d_name[1] == '\0') {
                char name[] = {'d', '/', *found, '\0'};
                note("type %c", *found);
                eq(d_types[found - types], entry->d_type);
                eq(stat_of(name).st_ino, entry->d_ino);
            } else if (strcmp(entry->d_name, ".") == 0) {
                eq(stat_of("d").st_ino, entry->d_ino);
                eq(DT_DIR, entry->d_type);
            } else {
                eqs("..", entry->d_name);
                eq(stat_of("").st_ino, entry->d_ino);
                eq(DT_DIR, entry->d_type);
            }
        }
        eq(7, count);
        closedir(dir);
    }
}

CASE(empty)
{
    must(0, p_mkdir("d", 0755));
    DIR *dir = opendir(at("d"));
    must(1, dir != NULL);
    eq(2, others(dir, NULL, 0));
    rewinddir(dir);
    eq(2, others(dir, NULL, 0));
    closedir(dir);
}

CASE(two_hundred)
{
    enum { COUNT = 200 };
    static int seen[COUNT];
    memset(seen, 0, sizeof seen);
    must(0, p_mkdir("d", 0755));
    make_numbered("d", COUNT);
    DIR *dir = opendir(at("d"));
    must(1, dir != NULL);
    eq(2, others(dir, seen, COUNT));
    all_once(seen, COUNT);
    closedir(dir);
}

CASE(tell_and_seek)
{
    enum { COUNT = 60 };
    long places[COUNT + 2];
    char names[COUNT + 2][256];
    must(0, p_mkdir("d", 0755));
    make_numbered("d", COUNT);
    DIR *dir = opendir(at("d"));
    must(1, dir != NULL);
    int count = 0;
    struct dirent *entry;
    for (;;) {
        long place = telldir(dir);
        entry = readdir(dir);
        if (entry == NULL || count >= COUNT + 2) {
            break;
        }
        places[count] = place;
        snprintf(names[count], sizeof names[count], "%s", entry->d_name);
        count++;
    }
    eq(COUNT + 2, count);
    for (int i = count - 1; i >= 0; i -= 3) {
        seekdir(dir, places[i]);
        entry = readdir(dir);
        must(1, entry != NULL);
        eqs(names[i], entry->d_name);
    }
    rewinddir(dir);
    entry = readdir(dir);
    must(1, entry != NULL);
    eqs(names[0], entry->d_name);
    closedir(dir);
}

/* Names that are there throughout are found once; new and removed ones at most
 * once. */
CASE(changes_while_it_is_read)
{
    enum { COUNT = 200 };
    static int seen[COUNT];
    char name[64];
    memset(seen, 0, sizeof seen);
    must(0, p_mkdir("d", 0755));
    make_numbered("d", COUNT);
    DIR *dir = opendir(at("d"));
    must(1, dir != NULL);
    struct dirent *entry;
    for (int i = 0; i < 20 && (entry = readdir(dir)) != NULL; i++) {
        char *end;
        long number = strtol(entry->d_name, &end, 10);
        if (*end == '\0') {
            seen[number]++;
        }
    }
    for (int i = 0; i < COUNT; i += 7) {
        snprintf(name, sizeof name, "d/%d", i);
        must(0, p_unlink(name));
    }
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "d/new%d", i);
        must(0, p_create(name, 0644));
    }
    others(dir, seen, COUNT);
    for (int i = 0; i < COUNT; i++) {
        note("name %d", i);
        if (i % 7 == 0) {
            ok(seen[i] <= 1);
        } else {
            eq(1, seen[i]);
        }
    }
    closedir(dir);
}

CASE(renamed_while_it_is_read)
{
    enum { COUNT = 80 };
    int found = 0;
    must(0, p_mkdir("d", 0755));
    make_numbered("d", COUNT);
    DIR *dir = opendir(at("d"));
    must(1, dir != NULL);
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL && found < 3 * COUNT) {
        char from[300], to[300];
        if (entry->d_name[0] != '.') {
            snprintf(from, sizeof from, "d/%s", entry->d_name);
            snprintf(to, sizeof to, "d/x%s", entry->d_name);
            eq(0, p_rename(from, to));
            found++;
        }
    }
    ok(found >= COUNT && found <= 2 * COUNT); /* it comes to an end */
    closedir(dir);
}

/* A name that gets another file is there throughout. */
CASE(replaced_while_it_is_read)
{
    enum { COUNT = 80 };
    static int seen[COUNT];
    char name[64];
    memset(seen, 0, sizeof seen);
    must(0, p_mkdir("d", 0755));
    make_numbered("d", COUNT);
    DIR *dir = opendir(at("d"));
    must(1, dir != NULL);
    for (int i = 0; i < 2; i++) {
        struct dirent *entry = readdir(dir);
        must(1, entry != NULL);
        if (entry->d_name[0] != '.') {
            seen[strtol(entry->d_name, NULL, 10)]++;
        }
    }
    for (int i = 0; i < COUNT; i += 5) {
        must(0, p_create("new", 0644));
        snprintf(name, sizeof name, "d/%d", i);
        must(0, p_rename("new", name));
    }
    others(dir, seen, COUNT);
    all_once(seen, COUNT);
    closedir(dir);
}

CASE(removed_while_it_is_read)
{
    enum { COUNT = 80 };
    int removed = 0;
    must(0, p_mkdir("d", 0755));
    make_numbered("d", COUNT);
    DIR *dir = opendir(at("d"));
    must(1, dir != NULL);
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            char name[300];
            snprintf(name, sizeof name, "d/%s", entry->d_name);
            eq(0, p_unlink(name));
            removed++;
        }
    }
    eq(COUNT, removed);
    closedir(dir);
    eq(0, p_rmdir("d"));
}

CASE(rewinddir_shows_what_is_new)
{
    static int seen[10];
    memset(seen, 0, sizeof seen);
    must(0, p_mkdir("d", 0755));
    make_numbered("d", 5);
    DIR *dir = opendir(at("d"));
    must(1, dir != NULL);
    others(dir, seen, 10);
    must(0, p_create("d/7", 0644));
    must(0, p_unlink("d/0"));
    memset(seen, 0, sizeof seen);
    rewinddir(dir);
    eq(2, others(dir, seen, 10));
    eq(0, seen[0]);
    eq(1, seen[7]);
    eq(1, seen[4]);
    closedir(dir);
}

CASE(names_of_255_bytes)
{
    int long_ones = 0;
    must(0, p_mkdir("d", 0755));
    for (int i = 0; i < 30; i++) {
        char name[300];
        snprintf(name, sizeof name, "d/%.253s%02d", long_name(253), i);
        must(0, p_create(name, 0644));
    }
    DIR *dir = opendir(at("d"));
    must(1, dir != NULL);
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        long_ones += strlen(entry->d_name) == 255;
    }
    eq(30, long_ones);
    closedir(dir);
}

CASE(a_removed_directory)
{
    must(0, p_mkdir("d", 0755));
    int fd = p_open("d", O_RDONLY | O_DIRECTORY, 0);
    must(1, fd >= 0);
    eq(0, p_rmdir("d"));
    DIR *dir = fdopendir(fd);
    must(1, dir != NULL);
    errno = 0;
    ok(readdir(dir) == NULL);
    struct stat st;
    eq(0, neg(fstat(fd, &st)));
    eq(0, st.st_nlink);
    eq(-ENOENT, neg(mkdirat(fd, "x", 0755)));
    eq(-ENOENT, neg(openat(fd, "x", O_CREAT | O_WRONLY, 0644)));
    eq(-ENOENT, neg(symlinkat("t", fd, "x")));
    eq(-ENOENT, neg(openat(fd, "x", O_RDONLY)));
    eq(0, neg(fstatat(fd, ".", &st, 0)));
    eq(0, neg(fstatat(fd, "..", &st, 0)));
    closedir(dir);
}

CASE(current_directory_is_removed)
{
    pid_t pid = fork_case();
    if (pid == 0) {
        char path[PATH_MAX];
        must(0, p_mkdir("d", 0755));
        must(0, neg(chdir(at("d"))));
        eq(0, p_rmdir("d"));
        ok(getcwd(path, sizeof path) == NULL || strstr(path, "/d") != NULL);
        eq(-ENOENT, neg(mkdir("x", 0755)));
        eq(-ENOENT, neg(open("x", O_CREAT | O_WRONLY, 0644)));
        struct stat st;
        eq(0, neg(stat(".", &st)));
        eq(0, st.st_nlink);
        end_child();
    }
    wait_child(pid);
}

ROOT_CASE(permissions)
{
    must(0, p_mkdir("d", 0711));
    must(0, p_create("d/f", 0644));
    as(USER, GROUP_OF_USER);
    errno = 0;
    ok(opendir(at("d")) == NULL);
    eq(EACCES, errno);
    eq(true, exists("d/f"));
    as_root();
    must(0, p_chmod("d", 0744));
    as(USER, GROUP_OF_USER);
    DIR *dir = opendir(at("d"));
    must(1, dir != NULL);
    eq(3, others(dir, NULL, 0));
    closedir(dir);
    eq(-EACCES, p_access("d/f", F_OK));
    as_root();
}
