#include "fs/cli/status_print.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* --- values --- */

static long long number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static bool has_number(const json_t *object, const char *key)
{
    return json_is_integer(json_object_get(object, key));
}

static bool is_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

/* "" when it is missing or null. */
static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value != NULL ? value : "";
}

static void put_bytes(FILE *out, long long bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    int unit = 0;
    while (value >= 1024 && unit < 4) {
        value /= 1024;
        unit++;
    }
    fprintf(out, unit == 0 || value >= 100 ? "%.0f %s" : "%.1f %s", value,
            units[unit]);
}

static void put_seconds(FILE *out, long long seconds)
{
    if (seconds < 120) {
        fprintf(out, "%lld s", seconds);
    } else if (seconds < 7200) {
        fprintf(out, "%lld min", seconds / 60);
    } else if (seconds < 48 * 3600) {
        fprintf(out, "%lld h %lld min", seconds / 3600, seconds / 60 % 60);
    } else {
        fprintf(out, "%lld days", seconds / 86400);
    }
}

static void put_ms(FILE *out, long long ms)
{
    if (ms < 0) {
        fputs("never", out);
    } else if (ms < 10000) {
        fprintf(out, "%lld ms ago", ms);
    } else {
        put_seconds(out, ms / 1000);
        fputs(" ago", out);
    }
}

/* --- tables: cells first, then widths, then lines --- */

enum { COLUMNS_MAX = 8 };

struct table {
    int columns;
    size_t rows, capacity;
    char **cells; /* owned strings, row by row */
};

/* The next cell, filled by whoever writes to the stream until cell_end(). */
static FILE *cell_begin(struct table *table, size_t *size)
{
    if (table->rows == table->capacity) {
        table->capacity = table->capacity == 0 ? 64 : 2 * table->capacity;
        table->cells = realloc(table->cells, table->capacity * sizeof(char *));
        assert(table->cells != NULL);
    }
    FILE *cell = open_memstream(&table->cells[table->rows++], size);
    assert(cell != NULL);
    return cell;
}

static void cell(struct table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void cell(struct table *table, const char *format, ...)
{
    size_t size;
    va_list args;
    FILE *out = cell_begin(table, &size);
    va_start(args, format);
    vfprintf(out, format, args);
    va_end(args);
    fclose(out);
}

static void table_print(const struct table *table, FILE *out)
{
    int widths[COLUMNS_MAX] = {0};
    int columns = table->columns;
    assert(columns <= COLUMNS_MAX && table->rows % (size_t)columns == 0);
    for (size_t i = 0; i < table->rows; i++) {
        int width = (int)strlen(table->cells[i]);
        int *widest = &widths[i % (size_t)columns];
        *widest = width > *widest ? width : *widest;
    }
    for (size_t i = 0; i < table->rows; i++) {
        bool last = i % (size_t)columns == (size_t)columns - 1;
        if (last) {
            fprintf(out, "%s\n", table->cells[i]);
        } else {
            fprintf(out, "%-*s  ", widths[i % (size_t)columns],
                    table->cells[i]);
        }
    }
}

static void table_release(struct table *table)
{
    for (size_t i = 0; i < table->rows; i++) {
        free(table->cells[i]);
    }
    free(table->cells);
}

/* --- peers --- */

static void link_cell(struct table *table, const json_t *peer)
{
    size_t size;
    const char *via = text(peer, "via"), *why = text(peer, "why");
    bool connected = is_true(peer, "connected");
    FILE *out = cell_begin(table, &size);
    if (is_true(peer, "cut")) {
        fputs("cut by a test", out);
    } else if (via[0] != '\0') {
        fprintf(out, "through %s", via);
    } else if (!connected) {
        fprintf(out, "not connected%s%s", why[0] != '\0' ? ": " : "", why);
    } else if (json_is_false(json_object_get(peer, "hears"))) {
        fputs("connected, but we do not hear it", out);
    } else if (json_is_false(json_object_get(peer, "heard_by"))) {
        fputs("connected, but it does not hear us", out);
    } else {
        fputs("connected", out);
    }
    if (json_is_false(json_object_get(peer, "voter"))) {
        fputs(", does not vote", out);
    }
    fclose(out);
}

static void heard_cell(struct table *table, const json_t *peer)
{
    size_t size;
    FILE *out = cell_begin(table, &size);
    put_ms(out, has_number(peer, "last_contact_ms")
                    ? number(peer, "last_contact_ms")
                    : -1);
    fclose(out);
}

static void number_cell(struct table *table, const json_t *object,
                        const char *key)
{
    if (has_number(object, key)) {
        cell(table, "%lld", number(object, key));
    } else {
        cell(table, "-");
    }
}

static void print_peers(const json_t *status, FILE *out)
{
    size_t i;
    json_t *peer;
    const json_t *peers = json_object_get(status, "peers");
    struct table table = {.columns = 6};
    if (json_array_size(peers) == 0) {
        return;
    }
    cell(&table, "peer");
    cell(&table, "address");
    cell(&table, "heard");
    cell(&table, "has");
    cell(&table, "lacks");
    cell(&table, "link");
    json_array_foreach(peers, i, peer)
    {
        cell(&table, "%s", text(peer, "name"));
        cell(&table, "%s", text(peer, "address"));
        heard_cell(&table, peer);
        number_cell(&table, peer, "match"); /* only the leader knows */
        number_cell(&table, peer, "lag");
        link_cell(&table, peer);
    }
    fputc('\n', out);
    table_print(&table, out);
    table_release(&table);
}

static void print_sessions(const json_t *status, FILE *out)
{
    size_t i, size;
    json_t *session;
    const json_t *sessions = json_object_get(status, "sessions");
    struct table table = {.columns = 3};
    if (json_array_size(sessions) == 0) {
        return;
    }
    cell(&table, "session");
    cell(&table, "node");
    cell(&table, "since");
    json_array_foreach(sessions, i, session)
    {
        number_cell(&table, session, "id");
        cell(&table, "%s%s", text(session, "node"),
             is_true(session, "this_node") ? " (this node)" : "");
        FILE *since = cell_begin(&table, &size);
        put_seconds(since, number(session, "age_s"));
        fclose(since);
    }
    fputc('\n', out);
    table_print(&table, out);
    table_release(&table);
}

/* --- the node itself --- */

static void print_role(const json_t *status, FILE *out)
{
    const char *leader = text(status, "leader"), *role = text(status, "role");
    fprintf(out, "%s is %s", text(status, "name"), role);
    if (strcmp(role, "leader") != 0) {
        fprintf(out, leader[0] != '\0' ? " of %s" : " without a leader%s",
                leader);
    }
    fprintf(out, " in term %lld of cluster %s.\n", number(status, "term"),
            text(status, "cluster"));
    if (is_true(status, "writable")) {
        fputs("Changes are possible.\n\n", out);
    } else {
        const char *why = text(status, "why");
        fprintf(out, "Changes are NOT possible: %s.\n\n",
                why[0] != '\0' ? why : "the node does not say why");
    }
}

static void print_space(const json_t *space, FILE *out)
{
    if (space == NULL) {
        return;
    }
    fputs("  disk     ", out);
    put_bytes(out, number(space, "free"));
    fputs(" free of ", out);
    put_bytes(out, number(space, "total"));
    fputs("; segments ", out);
    put_bytes(out, number(space, "segments"));
    fputs(", log.db ", out);
    put_bytes(out, number(space, "log_db"));
    fputs(", tree.db ", out);
    put_bytes(out, number(space, "tree_db"));
    fprintf(out, "\n  holds    %lld inodes, ", number(space, "inodes"));
    put_bytes(out, number(space, "bytes"));
    fputc('\n', out);
}

/* The tree on its way, from or to another node. */
static void print_transfer(const json_t *transfer, const char *way, FILE *out)
{
    fprintf(out, "  snapshot %s %s: %.1f %%, ", way, text(transfer, way),
            json_number_value(json_object_get(transfer, "percent")));
    put_bytes(out, number(transfer, "bytes"));
    if (has_number(transfer, "left_s")) {
        fputs(", ", out);
        put_seconds(out, number(transfer, "left_s"));
        fputs(" left", out);
    }
    if (number(transfer, "room_missing") > 0) {
        fputs(", waits for room: ", out);
        put_bytes(out, number(transfer, "room_missing"));
        fputs(" are missing", out);
    }
    fputc('\n', out);
}

static void print_snapshot(const json_t *snapshot, FILE *out)
{
    const json_t *receiving = json_object_get(snapshot, "receiving");
    const json_t *sending = json_object_get(snapshot, "sending");
    size_t i;
    const json_t *row;
    if (receiving != NULL) {
        print_transfer(receiving, "from", out);
    }
    json_array_foreach(sending, i, row) {
        print_transfer(row, "to", out);
    }
}

static void print_node(const json_t *status, FILE *out)
{
    const char *mount = text(status, "mountpoint");
    const json_t *waiting = json_object_get(status, "waiting");
    fprintf(out, "  process  %lld, raftfs %s, up ", number(status, "pid"),
            text(status, "version"));
    put_seconds(out, number(status, "uptime_s"));
    fprintf(out, "\n  data     %s\n", text(status, "data_dir"));
    fprintf(out, "  mount    %s\n", mount[0] != '\0' ? mount : "none");
    fprintf(out,
            "  log      records %lld to %lld, durable to %lld, committed to "
            "%lld\n",
            number(status, "first"), number(status, "last"),
            number(status, "durable"), number(status, "commit"));
    fprintf(out, "  tree     applied to %lld, durable to %lld, digest %s\n",
            number(status, "applied"), number(status, "tree_durable"),
            text(status, "digest"));
    print_space(json_object_get(status, "space"), out);
    print_snapshot(json_object_get(status, "snapshot"), out);
    if (waiting != NULL) {
        fprintf(out, "  waiting  %lld changes, %lld reads\n",
                number(waiting, "commands"), number(waiting, "reads"));
    }
}

/* What peers and configuration hold goes to a terminal: no control characters
 * but newlines. */
static void put_harmless(const char *at, FILE *out)
{
    for (; *at != '\0'; at++) {
        bool control = ((unsigned char)*at < ' ' && *at != '\n') || *at == 0x7f;
        fputc(control ? '?' : *at, out);
    }
}

void status_print(const json_t *status, FILE *out)
{
    char *page = NULL;
    size_t size;
    FILE *stream = open_memstream(&page, &size);
    assert(stream != NULL);
    print_role(status, stream);
    print_node(status, stream);
    print_peers(status, stream);
    print_sessions(status, stream);
    fclose(stream);
    put_harmless(page, out);
    free(page);
}
