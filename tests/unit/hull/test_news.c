#include "raft/hull/news.h"

#include "tests/unit/hull/cmocka_all.h"

static struct raft_message only_news(node_id to, raft_index commit)
{
    return (struct raft_message){
        .type = RAFT_APPEND, .to = to, .commit = commit};
}

static void news_wait_for_the_next_append(void **state)
{
    (void)state;
    struct news news = {0};
    struct raft_message m = only_news(2, 5), out;
    assert_false(news_may_leave(&news, 1000, &m));
    assert_int_equal(news_deadline(&news), 1000 + NEWS_DELAY_US);
    m = (struct raft_message){
        .type = RAFT_APPEND, .to = 2, .commit = 5, .count = 1, .sent = 7};
    assert_true(news_may_leave(&news, 1100, &m));
    assert_int_equal(news_deadline(&news), UINT64_MAX);
    assert_false(news_take_late(&news, 100000, &out));
}

static void news_leave_when_they_have_waited_long_enough(void **state)
{
    (void)state;
    struct news news = {0};
    struct raft_message m = only_news(2, 5), out;
    assert_false(news_may_leave(&news, 1000, &m));
    m.commit = 6;
    assert_false(news_may_leave(&news, 2000, &m)); /* counts from the first */
    assert_false(news_take_late(&news, 999 + NEWS_DELAY_US, &out));
    assert_true(news_take_late(&news, 1000 + NEWS_DELAY_US, &out));
    assert_int_equal(out.commit, 6);
    assert_false(news_take_late(&news, 1000000, &out));
}

static void whoever_forwarded_a_record_is_told_at_once(void **state)
{
    (void)state;
    struct news news = {0};
    news_asked(&news, 2, 5);
    struct raft_message m = only_news(2, 5);
    assert_true(news_may_leave(&news, 1000, &m));
    m.commit = 6; /* somebody else's */
    assert_false(news_may_leave(&news, 1000, &m));
    m.to = 3;
    assert_false(news_may_leave(&news, 1000, &m));
}

static void a_read_index_takes_its_news_along(void **state)
{
    (void)state;
    struct news news = {0};
    struct raft_message m = only_news(2, 5), out;
    assert_false(news_take(&news, 2, 5, &out));
    assert_false(news_may_leave(&news, 1000, &m));
    assert_false(news_take(&news, 3, 5, &out));
    assert_true(news_take(&news, 2, 5, &out));
    assert_int_equal(out.commit, 5);
    assert_false(news_take(&news, 2, 5, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(news_wait_for_the_next_append),
        cmocka_unit_test(news_leave_when_they_have_waited_long_enough),
        cmocka_unit_test(whoever_forwarded_a_record_is_told_at_once),
        cmocka_unit_test(a_read_index_takes_its_news_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
