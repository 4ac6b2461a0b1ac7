#include "raft/hull/event.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    enum event_severity severity;
    const char *sentence;
} table[EVENT_CODES] = {
#define EVENT_ROW(code, name, severity, sentence)                              \
    [code] = {name, severity, sentence},
    HULL_EVENTS(EVENT_ROW)
#undef EVENT_ROW
};

const char *event_name(enum hull_event code)
{
    assert(code < EVENT_CODES);
    return table[code].name;
}

enum event_severity event_severity(enum hull_event code)
{
    assert(code < EVENT_CODES);
    return table[code].severity;
}

const char *event_sentence(enum hull_event code)
{
    assert(code < EVENT_CODES);
    return table[code].sentence;
}

const char *event_severity_name(enum event_severity severity)
{
    static const char *const names[] = {
        [EVENT_INFO] = "info",
        [EVENT_WARN] = "warn",
        [EVENT_FAULT] = "fault",
        [EVENT_FATAL] = "fatal",
    };
    assert(severity <= EVENT_FATAL);
    return names[severity];
}

enum hull_event event_of_name(const char *name)
{
    enum hull_event code = 0;
    while (code < EVENT_CODES && strcmp(table[code].name, name) != 0) {
        code++;
    }
    return code;
}

void event_ring_add(struct event_ring *ring, uint64_t time_ns,
                    const struct hull_note *note)
{
    assert(note->code < EVENT_CODES);
    ring->next += ring->next == 0;
    ring->counts[note->code]++;
    ring->list[ring->next % EVENT_RING] = (struct event_entry){
        .number = ring->next, .time_ns = time_ns, .note = *note};
    ring->next++;
}

const struct event_entry *event_ring_get(const struct event_ring *ring,
                                         uint64_t number)
{
    uint64_t oldest = ring->next > EVENT_RING ? ring->next - EVENT_RING : 1;
    if (number < oldest) {
        number = oldest;
    }
    return number < ring->next ? &ring->list[number % EVENT_RING] : NULL;
}
