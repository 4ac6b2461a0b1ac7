/* The rules of logs, for the one that tests of the hull use. */
#include "tests/unit/hull/bench.h"
#include "tests/unit/hull/log_rules.h"

static struct bench b;

static struct log_api open_log(void)
{
    b = (struct bench){.now = 1000};
    return bench_log(&b);
}

static void close_log(void)
{
    memory_log_release(&b.disk);
}

static void finish_sync(void)
{
    raft_token token = b.disk.syncing;
    b.disk.syncing = 0;
    log_rules_durable(token, 0);
}

int main(void)
{
    const struct log_subject subject = {
        .open = open_log, .close = close_log, .finish_sync = finish_sync};
    return log_rules_run(&subject);
}
