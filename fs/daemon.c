#include "fs/daemon.h"

#include "fs/log.h"
#include "fs/node.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    READY_PATIENCE_US = 5000000, /* longer than an election */
    MESSAGE_MAX = 512,
};

/* What the background process tells the one that the shell waits for: one
 * letter and a sentence. */
enum ready { READY_USABLE = 'R', READY_WITHOUT_QUORUM = 'W', READY_FAILED = 'E' };

static void tell(struct node *node, enum ready what, const char *text)
{
    if (node->ready_fd < 0) {
        return;
    }
    char message[MESSAGE_MAX + 2];
    int size = snprintf(message, sizeof message, "%c%s", what, text);
    if (size > (int)sizeof message - 1) {
        size = (int)sizeof message - 1;
    }
    if (write(node->ready_fd, message, (size_t)size) < 0) {
        log_event(LOG_WARN, "shell is gone", "errno=%d", errno);
    }
    close(node->ready_fd);
    node->ready_fd = -1;
}

void node_tell_ready(struct node *node)
{
    if (node->ready_fd < 0) {
        return;
    }
    char text[256];
    const char *why = node_why_not_writable(node, text);
    if (why == NULL || node->options.read_only) {
        tell(node, READY_USABLE, "");
    } else if (node_now() - node->started > READY_PATIENCE_US) {
        tell(node, READY_WITHOUT_QUORUM, why);
    }
}

static int run_node(const struct daemon_options *options, int ready_fd)
{
    char why[512] = "";
    struct node *node = calloc(1, sizeof *node);
    if (node == NULL) {
        abort();
    }
    node->ready_fd = ready_fd;
    int rc = node_open(node, options, why);
    if (rc == 0) {
        log_event(LOG_INFO, "node started", "name=%s pid=%d mountpoint=\"%s\"",
                  node->config.name, (int)getpid(),
                  options->mountpoint == NULL ? "-" : options->mountpoint);
        rc = node_run(node);
        log_event(LOG_INFO, "node stops", "rc=%d", rc);
    } else {
        if (ready_fd < 0) {
            fprintf(stderr, "raftfs: %s\n", why);
        }
        tell(node, READY_FAILED, why);
    }
    node_close(node);
    if (node->ready_fd >= 0) {
        tell(node, READY_FAILED, "the node was stopped");
    }
    free(node);
    return rc;
}

static int run_in_background(const struct daemon_options *options, int ready_fd)
{
    char path[PATH_MAX];
    setsid();
    snprintf(path, sizeof path, "%s/raftfs.log", options->datadir);
    if (log_open(path) < 0) {
        dprintf(ready_fd, "%ccannot write %s: %s", READY_FAILED, path,
                strerror(errno));
        return 111;
    }
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    close(null);
    if (chdir("/") < 0) { /* else the folder we were started from stays busy */
        dprintf(ready_fd, "%ccannot go to /: %s", READY_FAILED,
                strerror(errno));
        return 111;
    }
    return run_node(options, ready_fd);
}

/* The shell's side: one message, or the end of the process. */
static int await(pid_t child, int fd, const struct daemon_options *options)
{
    char message[MESSAGE_MAX + 2];
    size_t size = 0;
    ssize_t got;
    while (size < sizeof message - 1 &&
           ((got = read(fd, message + size, sizeof message - 1 - size)) > 0 ||
            (got < 0 && errno == EINTR))) {
        size += got > 0 ? (size_t)got : 0;
    }
    message[size] = '\0';
    if (size > 0 && message[0] == READY_USABLE) {
        return 0;
    }
    if (size > 0 && message[0] == READY_WITHOUT_QUORUM) {
        fprintf(stderr,
                "raftfs: %s is mounted, but cannot be used yet: %s\n"
                "raftfs: it will work by itself as soon as that has changed; "
                "see `raftfs status %s`\n",
                options->mountpoint, message + 1, options->datadir);
        return 0;
    }
    int status = 0;
    waitpid(child, &status, 0);
    fprintf(stderr, "raftfs: %s\n",
            size > 1 ? message + 1 : "the node died while starting; see the log");
    return WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status)
                                                         : 111;
}

/* The background process keeps no relative paths: it may be started from any
 * folder and that folder may go. */
static char *absolute(const char *path)
{
    char *resolved = realpath(path, NULL);
    if (resolved != NULL) {
        return resolved;
    }
    /* A dead mount cannot be resolved, its parent can. */
    char *copy = strdup(path), out[PATH_MAX];
    size_t size = strlen(copy);
    while (size > 1 && copy[size - 1] == '/') {
        copy[--size] = '\0';
    }
    char *slash = strrchr(copy, '/');
    const char *last = slash == NULL ? copy : slash + 1;
    char *parent = slash == NULL    ? realpath(".", NULL)
                   : slash == copy ? strdup("/")
                                   : (*slash = '\0', realpath(copy, NULL));
    if (parent != NULL) {
        snprintf(out, sizeof out, "%s/%s", parent, last);
        resolved = strdup(out);
    }
    free(parent);
    free(copy);
    return resolved;
}

/* Where the shell gave us none, a database or socket would get the number of
 * standard error, and messages would be written into it. */
static int open_standard_files(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    return fd < 0 ? -1 : close(fd);
}

/* A soft limit of 1024 is for programs that use select(2). Segments, connections
 * and open databases have no other bound than the hard one. */
static void raise_open_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

int daemon_run(const struct daemon_options *given)
{
    struct daemon_options options = *given;
    char *datadir = NULL, *mountpoint = NULL;
    int pipes[2], rc = 111;
    if (open_standard_files() < 0) {
        fprintf(stderr, "raftfs: /dev/null: %s\n", strerror(errno));
        goto out;
    }
    datadir = realpath(given->datadir, NULL);
    if (datadir == NULL) {
        fprintf(stderr, "raftfs: %s: %s\n", given->datadir, strerror(errno));
        goto out;
    }
    if (given->mountpoint != NULL) {
        mountpoint = absolute(given->mountpoint);
    }
    if (given->mountpoint != NULL && mountpoint == NULL) {
        fprintf(stderr, "raftfs: %s: %s\n", given->mountpoint,
                strerror(errno));
        goto out;
    }
    options.datadir = datadir;
    options.mountpoint = mountpoint;
    log_set_level(options.log_level);
    raise_open_files();
    signal(SIGPIPE, SIG_IGN);
    if (options.foreground) {
        rc = run_node(&options, -1);
        goto out;
    }
    if (pipe2(pipes, O_CLOEXEC) < 0) {
        fprintf(stderr, "raftfs: pipe: %s\n", strerror(errno));
        goto out;
    }
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        fprintf(stderr, "raftfs: fork: %s\n", strerror(errno));
    } else if (child == 0) {
        close(pipes[0]);
        rc = run_in_background(&options, pipes[1]);
        free(datadir);
        free(mountpoint);
        _exit(rc);
    } else {
        close(pipes[1]);
        rc = await(child, pipes[0], &options);
    }
    close(pipes[0]);
out:
    free(datadir);
    free(mountpoint);
    return rc;
}
