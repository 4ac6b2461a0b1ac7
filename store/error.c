#include "store/error.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char last_text[512];

struct code_row {
    int code;
    const char *name, *sentence;
};

#define CODE_ROW(name, code, text) {code, #name, text},
static const struct code_row codes[] = {{STORE_OK, "STORE_OK", "no error"},
                                        STORE_ERRORS(CODE_ROW)};
#undef CODE_ROW

static const struct code_row *find_code(int code)
{
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].code == code) {
            return &codes[i];
        }
    }
    return NULL;
}

const char *store_code_name(int code)
{
    const struct code_row *row = find_code(code);
    return row != NULL ? row->name : "STORE_UNKNOWN";
}

const char *store_code_sentence(int code)
{
    const struct code_row *row = find_code(code);
    return row != NULL ? row->sentence : "unknown error";
}

int store_fail(int code, const char *format, ...)
{
    assert(code < 0);
    /* The arguments may point into the last text: print beside it. */
    char text[sizeof(last_text)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    memcpy(last_text, text, sizeof(text));
    return code;
}

int store_code_of_errno(int sys_errno)
{
    switch (sys_errno) {
    case ENOSPC:
    case EDQUOT:
        return STORE_FULL;
    case ENOENT:
        return STORE_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return STORE_ACCESS;
    case EMFILE:
    case ENFILE:
        return STORE_TOO_MANY;
    default:
        return STORE_IO;
    }
}

int store_fail_errno(int sys_errno, const char *format, ...)
{
    char text[sizeof(last_text) - 128];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return store_fail(store_code_of_errno(sys_errno), "%s: %s", text,
                      strerror(sys_errno));
}

const char *store_error_text(void)
{
    return last_text;
}
