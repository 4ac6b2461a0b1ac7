#include "fs/events.h"

#include "fs/log.h"
#include "fs/node.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t wall_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* --- as text --- */

static void put_time(char *out, size_t size, uint64_t ns)
{
    time_t seconds = (time_t)(ns / 1000000000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t used = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + used, size - used, ".%03" PRIu64 "Z",
             ns % 1000000000 / 1000000);
}

/* key=value, of what there is. */
static void put_values(const struct node *node, const struct hull_note *note,
                       FILE *out)
{
    if (note->peer != 0) {
        fprintf(out, "peer=%s ", members_name(node, note->peer));
    }
    if (note->term != 0) {
        fprintf(out, "term=%" PRIu64 " ", note->term);
    }
    if (note->index != 0) {
        fprintf(out, "index=%" PRIu64 " ", note->index);
    }
    if (note->error != 0) {
        fprintf(out, "error=%d ", note->error);
    }
    fprintf(out, "text=\"%s\"", note->text);
}

char *events_errors(struct node *node)
{
    char *text = NULL, time[40];
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        abort();
    }
    const struct event_entry *entry = event_ring_get(&node->events, 1);
    for (; entry != NULL;
         entry = event_ring_get(&node->events, entry->number + 1)) {
        enum event_severity severity = event_severity(entry->note.code);
        if (severity >= EVENT_WARN) {
            put_time(time, sizeof(time), entry->time_ns);
            fprintf(out, "%s %s %s ", time, event_severity_name(severity),
                    event_name(entry->note.code));
            put_values(node, &entry->note, out);
            fputc('\n', out);
        }
    }
    fclose(out);
    return text;
}

/* --- what happens --- */

static void write_log(const struct node *node, const struct hull_note *note)
{
    static const int levels[] = {
        [EVENT_INFO] = LOG_INFO,
        [EVENT_WARN] = LOG_WARN,
        [EVENT_FAULT] = LOG_ERROR,
        [EVENT_FATAL] = LOG_ERROR,
    };
    char values[512] = "";
    FILE *out = fmemopen(values, sizeof(values), "w");
    if (out == NULL) {
        abort();
    }
    put_values(node, note, out);
    fclose(out);
    log_event(levels[event_severity(note->code)], event_name(note->code), "%s",
              values);
}

/* Names and messages of others are in the text. */
static void make_harmless(char *text)
{
    for (char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f) {
            *at = '?';
        }
    }
}

void node_note(struct node *node, const struct hull_note *note)
{
    struct hull_note plain = *note;
    make_harmless(plain.text);
    event_ring_add(&node->events, wall_ns(), &plain);
    write_log(node, &plain);
}

void node_event(struct node *node, enum hull_event code, node_id peer,
                raft_index index, const char *format, ...)
{
    struct hull_note note = {
        .code = code, .peer = peer, .term = node->term, .index = index};
    va_list args;
    va_start(args, format);
    vsnprintf(note.text, sizeof(note.text), format, args);
    va_end(args);
    node_note(node, &note);
}

/* --- as JSON --- */

/* Bytes of strangers may be in it, which JSON does not know. */
static json_t *text_json(const char *text)
{
    json_t *out = json_string(text);
    if (out == NULL) {
        char plain[EVENT_TEXT_SIZE];
        snprintf(plain, sizeof(plain), "%s", text);
        for (char *at = plain; *at != '\0'; at++) {
            *at = (unsigned char)*at < 0x80 ? *at : '?';
        }
        out = json_string(plain);
    }
    return out;
}

static json_t *entry_json(const struct node *node,
                          const struct event_entry *entry)
{
    const struct hull_note *note = &entry->note;
    char time[40];
    put_time(time, sizeof(time), entry->time_ns);
    const char *peer =
        note->peer != 0 ? members_name(node, note->peer) : NULL;
    json_t *out = json_pack(
        "{s:I, s:s, s:s, s:s, s:s?, s:I, s:I, s:i, s:o}", "number",
        (json_int_t)entry->number, "time", time, "severity",
        event_severity_name(event_severity(note->code)), "code",
        event_name(note->code), "peer", peer, "term", (json_int_t)note->term,
        "index", (json_int_t)note->index, "error", note->error, "text",
        text_json(note->text));
    assert(out != NULL);
    return out;
}

static json_t *counts_json(const struct node *node)
{
    json_t *out = json_object();
    for (int code = 0; code < EVENT_CODES; code++) {
        if (node->events.counts[code] > 0) {
            json_object_set_new(
                out, event_name((enum hull_event)code),
                json_integer((json_int_t)node->events.counts[code]));
        }
    }
    return out;
}

json_t *events_json(struct node *node, const json_t *request)
{
    json_int_t from = json_integer_value(json_object_get(request, "from"));
    bool warnings = json_is_true(json_object_get(request, "warnings"));
    json_t *list = json_array();
    uint64_t next = from > 0 ? (uint64_t)from : 1;
    const struct event_entry *entry = event_ring_get(&node->events, next);
    while (entry != NULL) {
        if (!warnings || event_severity(entry->note.code) >= EVENT_WARN) {
            json_array_append_new(list, entry_json(node, entry));
        }
        next = entry->number + 1;
        entry = event_ring_get(&node->events, next);
    }
    json_t *out = json_pack("{s:o, s:I, s:o}", "events", list, "next",
                            (json_int_t)next, "counts", counts_json(node));
    assert(out != NULL);
    return out;
}
