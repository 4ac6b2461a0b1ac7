/* error.h -- what can go wrong on the disk, in one table.
 *
 * Functions of store/ return 0 or one of these negative codes. The sentence
 * with the details is made once, where the error is born, and kept per thread
 * until the next error: store_error_text().
 */
#ifndef STORE_ERROR_H
#define STORE_ERROR_H

/*    name             code  sentence */
#define STORE_ERRORS(X)                                                        \
    X(STORE_NOT_FOUND, -1, "not there")                                        \
    X(STORE_EXISTS, -2, "is there already")                                    \
    X(STORE_CORRUPT, -3, "what is on disk is damaged")                         \
    X(STORE_FULL, -4, "no space left")                                         \
    X(STORE_IO, -5, "input/output error")                                      \
    X(STORE_LOCKED, -6, "in use by another process")                           \
    X(STORE_VERSION, -7, "written by another version")                         \
    X(STORE_INVALID, -8, "refused")                                            \
    X(STORE_ACCESS, -9, "permission denied")                                   \
    X(STORE_TOO_MANY, -10, "too many open files")

#define STORE_ERROR_ENUM(name, code, text) name = code,
enum store_code { STORE_OK = 0, STORE_ERRORS(STORE_ERROR_ENUM) };
#undef STORE_ERROR_ENUM

const char *store_code_name(int code);
const char *store_code_sentence(int code);
/* Remembers the sentence (thread-local) and returns code. */
int store_fail(int code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Same, from errno of a system call: ENOSPC and EDQUOT become STORE_FULL,
 * ENOENT STORE_NOT_FOUND, EACCES/EPERM/EROFS STORE_ACCESS, EMFILE and ENFILE
 * STORE_TOO_MANY, others STORE_IO; ": " and strerror follow. */
int store_fail_errno(int sys_errno, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The code that an errno becomes. */
int store_code_of_errno(int sys_errno);
const char *store_error_text(void);

#endif
