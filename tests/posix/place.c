/* place.c -- where a case works, and as whom. */
#include "tests/posix/posix.h"

#include <dirent.h>
#include <ftw.h>
#include <grp.h>

enum { PATHS = 64, MOUNTS_MAX = 16 };

void place_begin(char *const *directories, int count);
void place_case(int number);
void place_case_end(void);
void place_end(void);

static char mounts[MOUNTS_MAX][PATH_MAX];
static int mount_count, turn, at_case;
static bool stays;
static char base[64];

/* --- directories --- */

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    if (remove(path) < 0 && errno != ENOENT) {
        perror(path);
    }
    return 0;
}

static void remove_all(const char *path)
{
    nftw(path, remove_one, 20, FTW_DEPTH | FTW_PHYS);
}

void place_begin(char *const *directories, int count)
{
    char path[PATH_MAX + 64];
    if (count > MOUNTS_MAX) {
        fputs("posix: too many directories\n", stderr);
        exit(100);
    }
    snprintf(base, sizeof base, "posix.%d", (int)getpid());
    for (int i = 0; i < count; i++) {
        if (realpath(directories[i], mounts[i]) == NULL) {
            perror(directories[i]);
            exit(100);
        }
    }
    mount_count = count;
    snprintf(path, sizeof path, "%s/%s", mounts[0], base);
    if (mkdir(path, 0755) < 0) {
        perror(path);
        exit(111);
    }
    if (p_is_root()) {
        as(USER, GROUP_OF_USER);
        if (access(path, X_OK) < 0) {
            fprintf(stderr, "%s: other users cannot get there\n", path);
            exit(100);
        }
        as_root();
    }
}

static const char *path_of(int mount, const char *name)
{
    static char paths[PATHS][3 * PATH_MAX];
    static int next;
    char *out = paths[next = (next + 1) % PATHS];
    snprintf(out, sizeof paths[0], "%s/%s/%d%s%s", mounts[mount], base, at_case,
             name[0] != '\0' ? "/" : "", name);
    return out;
}

void place_case(int number)
{
    at_case = number;
    turn = number;
    stays = false;
    if (mkdir(path_of(0, ""), 0777) < 0) {
        perror(path_of(0, ""));
        exit(111);
    }
}

void place_case_end(void)
{
    if (chdir("/") < 0) {
        abort();
    }
    remove_all(path_of(0, ""));
}

void place_end(void)
{
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", mounts[0], base);
    if (rmdir(path) < 0) {
        perror(path);
    }
}

const char *at(const char *name)
{
    turn += stays ? 0 : 1;
    return same(name);
}

const char *same(const char *name)
{
    return path_of(turn % mount_count, name);
}

void stay(void)
{
    stays = true;
}

bool is_spread(void)
{
    return mount_count > 1 && !stays;
}

const char *elsewhere(void)
{
    static const char *const candidates[] = {"/dev/shm", "/tmp", "/run", "/"};
    struct stat here, there;
    if (stat(mounts[0], &here) < 0) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        if (stat(candidates[i], &there) == 0 && there.st_dev != here.st_dev &&
            access(candidates[i], W_OK) == 0) {
            return candidates[i];
        }
    }
    return NULL;
}

const char *long_name(size_t size)
{
    static char names[4][PATH_MAX + 64];
    static int next;
    char *out = names[next = (next + 1) % 4];
    memset(out, 'n', size);
    out[size] = '\0';
    return out;
}

/* --- identities --- */

static void change(uid_t uid, gid_t gid, size_t count, const gid_t *groups)
{
    if (geteuid() != 0 && (setresuid(0, 0, 0) < 0 || setresgid(0, 0, 0) < 0)) {
        perror("back to root");
        exit(111);
    }
    if (setgroups(count, groups) < 0 || setresgid(gid, gid, 0) < 0 ||
        setresuid(uid, uid, 0) < 0) {
        perror("another user");
        exit(111);
    }
}

void as_groups(uid_t uid, gid_t gid, size_t count, const gid_t *groups)
{
    change(uid, gid, count, groups);
}

void as(uid_t uid, gid_t gid)
{
    change(uid, gid, 0, NULL);
}

void as_root(void)
{
    if (p_is_root()) {
        change(0, 0, 0, NULL);
    }
}

bool p_is_root(void)
{
    uid_t real, effective, saved;
    return getresuid(&real, &effective, &saved) == 0 && saved == 0;
}
