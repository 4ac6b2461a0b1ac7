#include "fs/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static struct {
    pthread_mutex_t lock;
    int level;
    int fd;     /* -1: stderr */
    char *path; /* owned */
    size_t size;
} log_state = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_INFO, .fd = -1};

void log_set_level(int level)
{
    assert(level >= LOG_ERROR && level <= LOG_DEBUG);
    log_state.level = level;
}

const char *log_level_name(int level)
{
    return level_names[level];
}

int log_level(void)
{
    return log_state.level;
}

int log_level_from_name(const char *name)
{
    for (int level = LOG_ERROR; level <= LOG_DEBUG; level++) {
        if (strcmp(name, level_names[level]) == 0) {
            return level;
        }
    }
    return -1;
}

/* --- the file; guarded by the lock --- */

static int open_file(void)
{
    int fd =
        open(log_state.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    struct stat st;
    if (fd < 0) {
        return -1;
    }
    if (log_state.fd >= 0) {
        close(log_state.fd);
    }
    log_state.fd = fd;
    log_state.size = fstat(fd, &st) == 0 ? (size_t)st.st_size : 0;
    return 0;
}

/* If the file cannot be moved or made anew the old one goes on growing: losing
 * events would be worse. */
static void rotate(void)
{
    char *old;
    if (asprintf(&old, "%s.1", log_state.path) < 0) {
        abort();
    }
    if (rename(log_state.path, old) == 0) {
        open_file();
    }
    free(old);
}

static void write_line(const char *line, size_t size)
{
    if (log_state.path != NULL && log_state.size >= LOG_FILE_MAX) {
        rotate();
    }
    int fd = log_state.fd >= 0 ? log_state.fd : STDERR_FILENO;
    while (size > 0) {
        ssize_t written = write(fd, line, size);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return; /* there is nowhere to complain */
        }
        line += written;
        size -= (size_t)written;
        log_state.size += (size_t)written;
    }
}

int log_open(const char *path)
{
    int saved = 0;
    pthread_mutex_lock(&log_state.lock);
    char *old = log_state.path;
    log_state.path = strdup(path);
    if (log_state.path == NULL) {
        abort();
    }
    int rc = open_file();
    if (rc < 0) {
        saved = errno;
        free(log_state.path);
        log_state.path = old;
    } else {
        free(old);
    }
    pthread_mutex_unlock(&log_state.lock);
    errno = saved;
    return rc;
}

void log_reopen(void)
{
    pthread_mutex_lock(&log_state.lock);
    if (log_state.path != NULL) {
        open_file();
    }
    pthread_mutex_unlock(&log_state.lock);
}

void log_close(void)
{
    pthread_mutex_lock(&log_state.lock);
    if (log_state.fd >= 0) {
        close(log_state.fd);
    }
    log_state.fd = -1;
    free(log_state.path);
    log_state.path = NULL;
    pthread_mutex_unlock(&log_state.lock);
}

/* --- lines --- */

static size_t put_time(char *out, size_t size)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t used = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &utc);
    return used + (size_t)snprintf(out + used, size - used, ".%03ldZ ",
                                   now.tv_nsec / 1000000);
}

/* Names and messages of others are in the line: it stays one line, and draws
 * nothing on a terminal. */
static void make_harmless(char *line)
{
    for (char *at = line; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f) {
            *at = '?';
        }
    }
}

void log_event(int level, const char *what, const char *format, ...)
{
    char line[LOG_LINE_MAX + 2];
    va_list args;
    assert(level >= LOG_ERROR && level <= LOG_DEBUG);
    if (level > log_state.level) {
        return;
    }
    size_t used = put_time(line, LOG_LINE_MAX);
    used += (size_t)snprintf(line + used, LOG_LINE_MAX - used, "%s %.200s%s",
                             level_names[level], what,
                             format[0] == '\0' ? "" : " ");
    va_start(args, format);
    vsnprintf(line + used, LOG_LINE_MAX - used, format, args);
    va_end(args);
    make_harmless(line);
    size_t size = strlen(line);
    line[size++] = '\n';
    line[size] = '\0';
    pthread_mutex_lock(&log_state.lock);
    write_line(line, size);
    pthread_mutex_unlock(&log_state.lock);
}
