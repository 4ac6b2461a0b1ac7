/* fuse.c -- the kernel's side of the loop.
 *
 * The loop reads the FUSE descriptor itself: a request is handled on the thread
 * that received it and costs no hand-over (docs/decisions/0004).
 */
#include "fs/node.h"

#include "fs/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REQUESTS_A_TURN = 64 }; /* then other descriptors get their chance */

static void on_fuse_readable(uv_poll_t *poll, int status, int events)
{
    struct node *node = poll->data;
    (void)status;
    (void)events;
    for (int i = 0; i < REQUESTS_A_TURN; i++) {
        int rc = fuse_session_receive_buf(node->fuse, &node->fuse_buffer);
        if (rc == -EINTR) {
            continue;
        }
        if (rc == -EAGAIN) {
            break;
        }
        if (rc > 0 && node->stopping) {
            node->asked_at = node_now();
        }
        if (rc > 0) {
            fuse_session_process_buf(node->fuse, &node->fuse_buffer);
        }
        if (rc <= 0 || fuse_session_exited(node->fuse)) {
            log_event(LOG_INFO, "unmounted", "mountpoint=\"%s\"",
                      node->options.mountpoint);
            node->mounted = false;
            uv_poll_stop(poll);
            node_stop(node);
            break;
        }
    }
}

/* After kill -9 of a node its mount is a dead end. Mounting again clears it
 * away; nothing can be using it. */
static void clear_dead_mount(const char *mountpoint)
{
    struct stat st;
    if (stat(mountpoint, &st) < 0 && errno == ENOTCONN) {
        if (umount2(mountpoint, MNT_DETACH) < 0) {
            pid_t pid = fork();
            if (pid == 0) {
                execlp("fusermount3", "fusermount3", "-u", "-z", mountpoint,
                       (char *)NULL);
                _exit(127);
            }
            if (pid > 0) {
                int ignored;
                waitpid(pid, &ignored, 0);
            }
        }
    }
}

static int mount_session(struct node *node, struct fuse_args *args,
                         char why[512])
{
    const char *mountpoint = node->options.mountpoint;
    node->fuse = fuse_session_new(args, &fuse_operations,
                                  sizeof fuse_operations, node);
    if (node->fuse == NULL) {
        snprintf(why, 512, "libfuse refused the mount options");
        return 100;
    }
    if (fuse_session_mount(node->fuse, mountpoint) != 0) {
        snprintf(why, 512,
                 "cannot mount at %s (is /dev/fuse there, and may you use "
                 "fusermount3?)",
                 mountpoint);
        fuse_session_destroy(node->fuse);
        node->fuse = NULL;
        return 111;
    }
    node->mounted = true;
    int fd = fuse_session_fd(node->fuse);
    if (fuse_session_custom_io(node->fuse, &newer_io, fd) < 0) {
        snprintf(why, 512, "libfuse does not let its requests be read");
        fuse_close(node);
        return 100;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return 0;
}

int fuse_open(struct node *node, char why[512])
{
    struct stat st;
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    char options[2048]; /* the command line gives up to 1024 */
    const char *mountpoint = node->options.mountpoint;
    clear_dead_mount(mountpoint);
    int error = stat(mountpoint, &st) < 0 ? errno : 0;
    if (error == 0 && !S_ISDIR(st.st_mode)) {
        error = ENOTDIR;
    }
    if (error != 0) {
        snprintf(why, 512, "mount point %s: %s", mountpoint, strerror(error));
        return 111;
    }
    snprintf(options, sizeof options,
             "-ofsname=raftfs:%s,subtype=raftfs%s,default_permissions%s%s%s%s",
             node->config.name,
             /* As every other mount of root: libfuse would say "nosuid,nodev". */
             geteuid() == 0 ? ",suid,dev" : "", node->options.allow_other ? ",allow_other" : "",
             node->options.read_only ? ",ro" : "",
             node->options.extra_fuse_options != NULL &&
                     node->options.extra_fuse_options[0] != '\0'
                 ? ","
                 : "",
             node->options.extra_fuse_options != NULL
                 ? node->options.extra_fuse_options
                 : "");
    fuse_opt_add_arg(&args, "raftfs");
    fuse_opt_add_arg(&args, options);
    int rc = mount_session(node, &args, why);
    fuse_opt_free_args(&args);
    return rc;
}

int fuse_start(struct node *node)
{
    int rc = uv_poll_init(&node->loop, &node->fuse_poll,
                          fuse_session_fd(node->fuse));
    if (rc < 0) {
        return rc;
    }
    node->fuse_watched = true;
    node->fuse_poll.data = node;
    return uv_poll_start(&node->fuse_poll, UV_READABLE, on_fuse_readable);
}

void fuse_close(struct node *node)
{
    if (node->fuse == NULL) {
        return;
    }
    fuse_session_unmount(node->fuse);
    fuse_session_destroy(node->fuse);
    free(node->fuse_buffer.mem);
    node->fuse = NULL;
    node->mounted = false;
}
