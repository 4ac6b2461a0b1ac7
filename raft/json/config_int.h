/* config_int.h -- what the files that make up config share. */
#ifndef RAFT_JSON_CONFIG_INT_H
#define RAFT_JSON_CONFIG_INT_H

#include "raft/json/config.h"

enum {
    CONFIG_VERSION = 1,
    CONFIG_ERROR_SIZE = 256,
    CONFIG_QUOTE_SIZE = 84,
    /* A configuration is a page of text; a file far above that is not one. */
    CONFIG_FILE_MAX = 1024 * 1024,
};

/* The keys that hold a number, in the order of writing. */
struct config_number {
    const char *key;
    size_t offset; /* of the uint32_t in struct config */
    uint32_t value_default, min, max;
};
enum { CONFIG_NUMBERS = 9 };
extern const struct config_number config_numbers[CONFIG_NUMBERS];

uint32_t config_number_get(const struct config *config,
                           const struct config_number *number);
void config_number_set(struct config *config,
                       const struct config_number *number, uint32_t value);

/* Writes the sentence to error, without control characters; always -1, so that
 * callers can return it. */
__attribute__((format(printf, 2, 3))) int
config_fail(char error[CONFIG_ERROR_SIZE], const char *format, ...);

/* The text in quotes, shortened so that the rest of a message has room. */
struct config_quoted {
    char text[CONFIG_QUOTE_SIZE];
};
struct config_quoted config_quote(const char *text);

#endif
