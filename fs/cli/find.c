#include "fs/cli/find.h"

#include "fs/control.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- mounts --- */

/* The kernel writes blanks and backslashes in paths as \ooo. */
static void unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; to++) {
        if (from[0] == '\\' && strspn(from + 1, "01234567") >= 3) {
            *to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 |
                         (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

/* Of a line of mountinfo: its mount point, when it is one of ours. */
static char *mount_of_line(char *line)
{
    char *type = strstr(line, " - ");
    if (type == NULL || strncmp(type + 3, "fuse.raftfs ", 12) != 0) {
        return NULL;
    }
    char *next = line, *word = NULL;
    for (int i = 0; i < 5; i++) { /* the fifth word */
        word = strsep(&next, " ");
    }
    unescape(word);
    return word;
}

/* Calls each() for every raftfs mount until it returns true. */
static void each_mount(bool (*each)(void *arg, const char *path), void *arg)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t size = 0;
    while (file != NULL && getline(&line, &size, file) > 0) {
        const char *path = mount_of_line(line);
        if (path != NULL && each(arg, path)) {
            break;
        }
    }
    free(line);
    if (file != NULL) {
        fclose(file);
    }
}

struct only {
    char *path; /* owned: the first one */
    char *all;  /* owned: a line each */
    int count;
};

static bool count_mount(void *arg, const char *path)
{
    struct only *only = arg;
    char *all = NULL;
    if (asprintf(&all, "%s\n  %s", only->all != NULL ? only->all : "", path) <
        0) {
        abort();
    }
    free(only->all);
    only->all = all;
    only->count++;
    if (only->path == NULL) {
        only->path = strdup(path);
    }
    return false;
}

struct same {
    const char *path;
    bool found;
};

static bool compare_mount(void *arg, const char *path)
{
    struct same *same = arg;
    same->found = strcmp(path, same->path) == 0;
    return same->found;
}

static bool is_mount(const char *path)
{
    struct same same = {.path = path};
    each_mount(compare_mount, &same);
    return same.found;
}

/* --- paths --- */

/* Without touching the last part: if that is the mount of a node that hangs, so
 * would we. NULL when the folder above is not there. */
static char *absolute(const char *text)
{
    char copy[PATH_MAX], *out = NULL;
    size_t size = strlen(text);
    while (size > 1 && text[size - 1] == '/') {
        size--;
    }
    if (size == 0 || size >= sizeof(copy)) {
        return NULL;
    }
    memcpy(copy, text, size);
    copy[size] = '\0';
    char *slash = strrchr(copy, '/');
    const char *last = slash != NULL ? slash + 1 : copy;
    if (strcmp(last, ".") == 0 || strcmp(last, "..") == 0 ||
        strcmp(copy, "/") == 0) {
        return realpath(copy, NULL);
    }
    char *parent;
    if (slash == NULL) {
        parent = realpath(".", NULL);
    } else {
        *slash = '\0';
        parent = realpath(slash == copy ? "/" : copy, NULL);
    }
    if (parent != NULL &&
        asprintf(&out, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, last) <
            0) {
        abort();
    }
    free(parent);
    return out;
}

static bool has_file(const char *directory, const char *name)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/%s", directory, name);
    return length < (int)sizeof(path) && access(path, F_OK) == 0;
}

static int check_datadir(const struct cli *cli, const char *path)
{
    if (has_file(path, "raftfs.json") || has_file(path, "log.db")) {
        return 0;
    }
    if (errno == EACCES) {
        return cli_fail(cli, CLI_SYSTEM, "%s: %s", path, strerror(errno));
    }
    return cli_fail(cli, CLI_FAILED,
                    "%s is neither a mounted raftfs nor the data directory of "
                    "a node",
                    path);
}

static int find_only(const struct cli *cli, struct found *out)
{
    struct only only = {.count = 0};
    int rc = 0;
    each_mount(count_mount, &only);
    if (only.count == 1) {
        *out = (struct found){.is_mount = true, .path = only.path};
        only.path = NULL;
    } else if (only.count == 0) {
        rc =
            cli_misuse(cli, "no raftfs is mounted here; which data directory?");
    } else {
        rc = cli_misuse(cli, "%d raftfs are mounted here; which one?%s",
                        only.count, only.all);
    }
    free(only.all);
    free(only.path);
    return rc;
}

int find_node(const struct cli *cli, const char *text, struct found *out)
{
    *out = (struct found){.path = NULL};
    if (text == NULL) {
        return find_only(cli, out);
    }
    char *path = absolute(text);
    if (path != NULL && is_mount(path)) {
        *out = (struct found){.is_mount = true, .path = path};
        return 0;
    }
    free(path);
    path = realpath(text, NULL); /* through symbolic links */
    if (path == NULL) {
        return cli_fail(cli, CLI_FAILED, "%s: %s", text, strerror(errno));
    }
    *out = (struct found){.is_mount = is_mount(path), .path = path};
    int rc = out->is_mount ? 0 : check_datadir(cli, path);
    if (rc != 0) {
        found_release(out);
    }
    return rc;
}

void found_release(struct found *found)
{
    free(found->path);
    found->path = NULL;
}

/* --- status --- */

static int status_of_mount(const char *mount, json_t **out, char error[256])
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/.raftfs/status", mount);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        bool dead = errno == ENOTCONN || errno == ECONNABORTED;
        snprintf(error, 256, "%.180s: %s", path, strerror(errno));
        return dead ? FIND_NOT_RUNNING : FIND_FAILED;
    }
    *out = json_loadf(file, 0, NULL);
    fclose(file);
    if (*out == NULL) {
        snprintf(error, 256, "%.180s cannot be read", path);
        return FIND_FAILED;
    }
    return FIND_RUNNING;
}

int find_status(const struct found *found, json_t **out, char error[256])
{
    if (found->is_mount) {
        return status_of_mount(found->path, out, error);
    }
    json_t *request = json_pack("{s:s}", "command", "status");
    int rc = control_call(found->path, request, out, error);
    json_decref(request);
    return rc == CONTROL_OK            ? FIND_RUNNING
           : rc == CONTROL_NOT_RUNNING ? FIND_NOT_RUNNING
                                       : FIND_FAILED;
}

/* A mount knows its data directory. */
int find_ask(const struct cli *cli, const struct found *found, json_t *request,
             json_t **reply)
{
    char error[256] = "";
    json_t *status = NULL;
    const char *datadir = found->path;
    int code = CONTROL_NOT_RUNNING;
    if (!found->is_mount) {
        code = control_call(datadir, request, reply, error);
    } else if (find_status(found, &status, error) == FIND_RUNNING) {
        datadir = json_string_value(json_object_get(status, "data_dir"));
        code = control_call(datadir != NULL ? datadir : "", request, reply,
                            error);
    }
    json_decref(request);
    json_decref(status);
    if (code == CONTROL_NOT_RUNNING) {
        return cli_fail(cli, CLI_FAILED, "the node %s %s is not running",
                        found->is_mount ? "mounted on" : "in", found->path);
    }
    return code == CONTROL_OK ? CLI_OK
                              : cli_fail(cli, CLI_FAILED, "%s", error);
}
