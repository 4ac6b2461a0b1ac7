/* log.h -- the only place that writes what a node has to say.
 *
 * One event, one line: time, level, what happened, then key=value:
 *   2026-03-01T12:00:00.123Z warn peer disconnected id=3 why="timeout"
 * error: someone must act; warn: something was lost or retried; info: leader,
 * term, members, mounts; debug: single requests.
 *
 * Goes to stderr until log_open() gives it a file. A file that has grown to
 * LOG_FILE_MAX becomes NAME.1 (the one before is gone) and a new one is begun,
 * so that a node which complains for a year does not fill its own disk.
 *
 * Thread: any; guarded by one lock, held for one write().
 */
#ifndef FS_LOG_H
#define FS_LOG_H

#include <stdarg.h>
#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

enum {
    LOG_FILE_MAX = 8 * 1024 * 1024,
    LOG_LINE_MAX = 1024, /* longer ones are cut */
};

/* Less important events are not written. Default: LOG_INFO. */
void log_set_level(int level);
/* "error", "warn", "info", "debug"; -1: none of these. */
const char *log_level_name(int level);
int log_level(void);
int log_level_from_name(const char *name);
/* Writes to this file from now on, at its end. -1 with errno. */
int log_open(const char *path);
/* The file was moved away by somebody: begins a new one. */
void log_reopen(void);
/* Back to stderr. */
void log_close(void);

/* what: a few words; format: key=value pairs, strings in "". Control characters
 * in the line become '?'. */
void log_event(int level, const char *what, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
