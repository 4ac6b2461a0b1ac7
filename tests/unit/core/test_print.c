/* Messages as text, and which fields each type has. */
#include "raft/core/raft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Each type with every field set, to a number of its own. What is long here
 * must not change unnoticed: docs/formats.md has the same fields in the same
 * order. */
static const struct {
    enum raft_message_type type;
    const char *in_short, *in_long;
} texts[] = {
    {RAFT_PREVOTE, "1->2 term=3 PREVOTE last=5@6 transfer",
     "1->2 term=3 PREVOTE boot=4 prev_index=5 prev_term=6 transfer=1"},
    {RAFT_PREVOTE_REPLY, "1->2 term=3 PREVOTE_REPLY yes",
     "1->2 term=3 PREVOTE_REPLY boot=4 granted=1"},
    {RAFT_VOTE, "1->2 term=3 VOTE last=5@6 transfer",
     "1->2 term=3 VOTE boot=4 prev_index=5 prev_term=6 transfer=1"},
    {RAFT_VOTE_REPLY, "1->2 term=3 VOTE_REPLY yes",
     "1->2 term=3 VOTE_REPLY boot=4 granted=1 quiet=20"},
    {RAFT_APPEND, "1->2 term=3 APPEND prev=5@6 count=10 commit=8",
     "1->2 term=3 APPEND boot=4 prev_index=5 prev_term=6 commit=8 first=9 "
     "count=10 quorum_ok=1 behind=1 trim=13 sent=14 lease_boot=15 "
     "lease_asked=16 lease_us=17 revoke=1"},
    {RAFT_APPEND_REPLY, "1->2 term=3 APPEND_REPLY yes match=22",
     "1->2 term=3 APPEND_REPLY boot=4 sent=14 granted=1 newcomer=1 match=22 "
     "seen=23 asked=24 dropped=25 hint=26 hint_term=27 applied=28"},
    {RAFT_READ, "1->2 term=3 READ", "1->2 term=3 READ boot=4 read_id=29"},
    {RAFT_READ_REPLY, "1->2 term=3 READ_REPLY yes index=30",
     "1->2 term=3 READ_REPLY boot=4 granted=1 read_id=29 read_index=30"},
    {RAFT_TIMEOUT_NOW, "1->2 term=3 TIMEOUT_NOW",
     "1->2 term=3 TIMEOUT_NOW boot=4"},
};

enum { TYPES = sizeof(texts) / sizeof(texts[0]) };

static struct raft_message all_set(enum raft_message_type type)
{
    struct raft_message message = {.type = type};
    const struct raft_message_field *field = raft_message_fields;
    for (; field->name != NULL; field++) {
        raft_message_set(&message, field,
                         (uint64_t)(field - raft_message_fields) + 1);
    }
    return message;
}

static void assert_print(struct raft_message message, enum raft_form form,
                         const char *expected)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    raft_message_print(&message, form, out);
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
}

static void each_type_has_its_fields(void **state)
{
    (void)state;
    assert_int_equal(TYPES, RAFT_MESSAGE_TYPES_END - 1);
    for (size_t i = 0; i < TYPES; i++) {
        assert_int_equal(texts[i].type, i + 1);
        assert_print(all_set(texts[i].type), RAFT_LONG, texts[i].in_long);
    }
}

static void short_is_what_one_follows_a_story_by(void **state)
{
    (void)state;
    for (size_t i = 0; i < TYPES; i++) {
        assert_print(all_set(texts[i].type), RAFT_SHORT, texts[i].in_short);
    }
}

static void what_is_unset_is_said_in_short(void **state)
{
    (void)state;
    struct raft_message m = {.from = 0xab, .to = 0xcd, .term = 3};
    m.type = RAFT_VOTE;
    assert_print(m, RAFT_SHORT, "ab->cd term=3 VOTE last=0@0");
    m.type = RAFT_VOTE_REPLY;
    assert_print(m, RAFT_SHORT, "ab->cd term=3 VOTE_REPLY no");
    m.type = RAFT_APPEND;
    assert_print(m, RAFT_SHORT,
                 "ab->cd term=3 APPEND prev=0@0 count=0 commit=0 no-quorum");
    m.type = RAFT_APPEND_REPLY;
    m.hint = 7;
    m.hint_term = 2;
    assert_print(m, RAFT_SHORT, "ab->cd term=3 APPEND_REPLY no hint=7@2");
}

static void an_unknown_type_is_no_crash(void **state)
{
    (void)state;
    struct raft_message m = {
        .type = RAFT_MESSAGE_TYPES_END, .from = 1, .to = 2, .term = 3};
    assert_print(m, RAFT_SHORT, "1->2 term=3 ?");
    assert_print(m, RAFT_LONG, "1->2 term=3 ?");
}

/* The first of the table that lies at or behind `at`. */
static const struct raft_message_field *field_from(size_t at)
{
    const struct raft_message_field *found = NULL;
    const struct raft_message_field *field = raft_message_fields;
    for (; field->name != NULL; field++) {
        if (field->at >= at && (found == NULL || field->at < found->at)) {
            found = field;
        }
    }
    return found;
}

/* A field that is in the struct alone would be lost on the wire: so between
 * those of the table there is nothing but what alignment asks for. */
static void every_field_is_in_the_table(void **state)
{
    (void)state;
    size_t at = sizeof(enum raft_message_type);
    const struct raft_message_field *field;
    while ((field = field_from(at)) != NULL) {
        at = (at + field->size - 1) / field->size * field->size;
        assert_int_equal(field->at, at);
        at += field->size;
    }
    assert_true(sizeof(struct raft_message) - at < sizeof(uint64_t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_has_its_fields),
        cmocka_unit_test(short_is_what_one_follows_a_story_by),
        cmocka_unit_test(what_is_unset_is_said_in_short),
        cmocka_unit_test(an_unknown_type_is_no_crash),
        cmocka_unit_test(every_field_is_in_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
