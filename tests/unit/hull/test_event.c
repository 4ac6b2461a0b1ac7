/* The table of events, its memory, and that every code has a test. */
#include "raft/hull/event.h"

#include "tests/unit/hull/cmocka_all.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Which test provokes a code: in `file` there is `test`, and after that the
 * name of the code, or of its constant. */
static const struct {
    const char *file, *test;
} provoked[EVENT_CODES] = {
#define HULL(test) {"tests/unit/hull/test_faults.c", test}
    [EVENT_LOST_QUORUM] = HULL("a_leader_without_a_majority"),
    [EVENT_TRUNCATED] = HULL("an_undo_takes_the_newest_first"),
    [EVENT_DIVERGED] = HULL("a_contradicted_commit_is_never_obeyed"),
    [EVENT_VOTE_REFUSED] = HULL("a_candidate_that_nobody_needs"),
    [EVENT_NEEDS_SNAPSHOT] = {"tests/unit/core/test_replicate.c",
                              "RAFT_NOTE_NEEDS_SNAPSHOT"},
    [EVENT_MEMBERS_CHANGED] = HULL("a_configuration_that_is_superseded"),
    [EVENT_MEMBERS_RESTORED] = HULL("a_configuration_that_is_superseded"),
    [EVENT_REMOVED] = HULL("a_node_that_is_not_wanted_any_more"),
    [EVENT_HANDS_OVER] = HULL("a_peer_that_is_preferred"),
    [EVENT_NEEDS_UPGRADE] = HULL("a_configuration_of_another_version"),
    [EVENT_SAVE_FAILED] = HULL("a_failed_save"),
    [EVENT_UNDO_FAILED] = HULL("a_failed_undo_writes_nothing"),
    [EVENT_TRUNCATE_FAILED] = HULL("a_failed_truncate"),
    [EVENT_STAGE_FAILED] = HULL("a_failed_stage"),
    [EVENT_APPEND_FAILED] = HULL("a_failed_append"),
    [EVENT_SYNC_FAILED] = HULL("a_failed_sync"),
    [EVENT_READ_FAILED] = HULL("a_failed_read"),
    [EVENT_APPLY_FAILED] = HULL("a_failed_apply"),
    [EVENT_APPLIED_FAILED] = HULL("a_failed_end_of_apply"),
    [EVENT_COMPACT_FAILED] = HULL("a_failed_compact"),
    [EVENT_PEER_CANNOT_SYNC] = HULL("a_peer_that_cannot_follow"),
    [EVENT_OUT_OF_SERVICE] = HULL("the_program_may_say_so"),
#undef HULL
#define UV(test) {"tests/unit/uv/test_transport.c", test}
    [EVENT_PEER_CONNECTED] = UV("frames_go_both_ways"),
    [EVENT_PEER_UNREACHABLE] = UV("an_absent_peer_is_told_of_once"),
    [EVENT_PEER_LOST] = UV("a_restarted_peer_is_found_again"),
    [EVENT_PEER_SILENT] = UV("a_cut_is_silent_and_heals"),
    [EVENT_ACCEPT_FAILED] = UV("without_descriptors_nobody_is_accepted"),
#undef UV
    [EVENT_PEER_REFUSED] = {"tests/unit/uv/test_strangers.c",
                            "another_cluster_is_refused_once_on_both_sides"},
    [EVENT_GARBAGE] = {"tests/unit/uv/test_strangers.c",
                       "garbage_is_noted_once"},
#define BATS(test) {"tests/cluster/20-events.bats", test}
    [EVENT_ROLE] = BATS("events have codes"),
    [EVENT_SETTING] = BATS("settings change under load"),
    [EVENT_SESSION_OPENED] = BATS("events have codes"),
    [EVENT_SESSION_ENDED] = BATS("a node that was away"),
    [EVENT_SESSION_TIMED_OUT] = BATS("a node that was away"),
    [EVENT_LOCK_LOST] = BATS("a node that was away"),
#undef BATS
#define SNAPSHOT(test) {"tests/cluster/21-snapshot.bats", test}
    [EVENT_SNAPSHOT_BEGUN] = SNAPSHOT("behind the log"),
    [EVENT_SNAPSHOT_INSTALLED] = SNAPSHOT("behind the log"),
    [EVENT_SNAPSHOT_FAILED] = SNAPSHOT("a damaged segment"),
    [EVENT_SNAPSHOT_WAITS] = SNAPSHOT("does not fit waits for room"),
#undef SNAPSHOT
    [EVENT_REJOINED] = {"tests/cluster/13-rejoin.bats", "is refused, and rejoins"},
    [EVENT_QUARANTINE_FULL] = {"tests/cluster/21-faults.bats",
                               "what was retried is not in quarantine"},
    [EVENT_DISK_FULL] = {"tests/cluster/21-faults.bats", "a full disk on one"},
    [EVENT_DISK_ROOM] = {"tests/cluster/21-faults.bats", "a full disk on one"},
    [EVENT_DISK_LOW] = {"tests/cluster/21-faults.bats",
                        "a real disk that fills up"},
    [EVENT_DIGESTS_DIFFER] = {"tests/cluster/11-review.bats",
                              "of three nodes the one whose state differs"},
};

static char *read_source(const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", SOURCE_DIR, name);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return NULL;
    }
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

/* EVENT_PEER_LOST of peer-lost. */
static void constant_of(const char *name, char out[64])
{
    size_t used = (size_t)snprintf(out, 64, "EVENT_");
    for (; *name != '\0'; name++) {
        out[used++] = *name == '-' ? '_' : (char)toupper((unsigned char)*name);
    }
    out[used] = '\0';
}

static bool is_provoked(enum hull_event code)
{
    if (provoked[code].file == NULL) {
        return false;
    }
    char constant[64];
    char *text = read_source(provoked[code].file);
    const char *test = text == NULL ? NULL : strstr(text, provoked[code].test);
    constant_of(event_name(code), constant);
    /* A note of the core is named like the event. */
    bool found = test != NULL && (strstr(test, event_name(code)) != NULL ||
                                  strstr(test, constant) != NULL ||
                                  strstr(test, constant + 6) != NULL);
    free(text);
    return found;
}

static void every_code_has_a_test(void **state)
{
    (void)state;
    int missing = 0;
    for (enum hull_event code = 0; code < EVENT_CODES; code++) {
        if (!is_provoked(code)) {
            print_error("nothing provokes %s\n", event_name(code));
            missing++;
        }
    }
    assert_int_equal(missing, 0);
}

/* docs/operating.md lists what programs may rely on. */
static void every_code_is_documented(void **state)
{
    (void)state;
    int missing = 0;
    char *text = read_source("docs/operating.md");
    assert_non_null(text);
    for (enum hull_event code = 0; code < EVENT_CODES; code++) {
        char quoted[80];
        snprintf(quoted, sizeof(quoted), "`%s`", event_name(code));
        if (strstr(text, quoted) == NULL) {
            print_error("docs/operating.md does not name %s\n", quoted);
            missing++;
        }
    }
    free(text);
    assert_int_equal(missing, 0);
}

static void names_are_words_and_found_again(void **state)
{
    (void)state;
    for (enum hull_event code = 0; code < EVENT_CODES; code++) {
        const char *name = event_name(code);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz-"),
                         strlen(name));
        assert_int_equal(event_of_name(name), code);
        assert_true(strlen(event_sentence(code)) > 10);
    }
    assert_int_equal(event_of_name("unheard-of"), EVENT_CODES);
}

static void the_ring_keeps_the_last_ones(void **state)
{
    (void)state;
    static struct event_ring ring;
    assert_null(event_ring_get(&ring, 1));
    for (uint64_t i = 1; i <= EVENT_RING + 5; i++) {
        const struct hull_note note = {.code = EVENT_GARBAGE, .index = i};
        event_ring_add(&ring, 100 + i, &note);
        assert_int_equal(event_ring_get(&ring, i)->number, i);
        assert_null(event_ring_get(&ring, i + 1));
    }
    assert_int_equal(ring.counts[EVENT_GARBAGE], EVENT_RING + 5);
    const struct event_entry *oldest = event_ring_get(&ring, 0);
    assert_int_equal(oldest->number, 6);
    assert_int_equal(oldest->note.index, 6);
    assert_int_equal(oldest->time_ns, 106);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_a_test),
        cmocka_unit_test(every_code_is_documented),
        cmocka_unit_test(names_are_words_and_found_again),
        cmocka_unit_test(the_ring_keeps_the_last_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
