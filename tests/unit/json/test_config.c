#include "raft/json/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char good[] =
    "{\"version\":1,\"cluster\":\"raftfs\","
    "\"cluster_id\":\"0123456789abcdef\",\"name\":\"n1\","
    "\"listen\":\"127.0.0.1:7381\",\"nodes\":["
    "{\"name\":\"n2\",\"address\":\"127.0.0.1:7382\"},"
    "{\"name\":\"n1\",\"address\":\"127.0.0.1:7381\"}],"
    "\"heartbeat_ms\":50,\"election_ms\":400,\"lease_ms\":300,"
    "\"session_timeout_ms\":5000,\"op_timeout_ms\":2000}";

static struct bytes text_bytes(const char *text)
{
    return (struct bytes){text, strlen(text)};
}

static int decode(const char *text, struct config *config, char error[256])
{
    memset(error, 0, 256);
    return config_decode(text_bytes(text), config, error);
}

/* `good` with the first occurrence of `from` replaced; heap. */
static char *good_with(const char *from, const char *to)
{
    const char *at = strstr(good, from);
    assert_non_null(at);
    char *text = NULL;
    int size = asprintf(&text, "%.*s%s%s", (int)(at - good), good, to,
                        at + strlen(from));
    assert_true(size > 0);
    return text;
}

/* Replacing from by to must give an error that contains each of the words. */
static void assert_refused(const char *from, const char *to, const char *key,
                           const char *allowed)
{
    struct config config;
    char error[256];
    char *text = good_with(from, to);
    assert_int_equal(decode(text, &config, error), -1);
    if (strstr(error, key) != error || strstr(error, allowed) == NULL) {
        fail_msg("\"%s\" should begin with \"%s\" and say \"%s\"", error, key,
                 allowed);
    }
    config_release(&config);
    free(text);
}

static void a_whole_configuration_is_read(void **state)
{
    (void)state;
    struct config config;
    char error[256];
    assert_int_equal(decode(good, &config, error), 0);
    assert_int_equal(config.version, 1);
    assert_true(config.cluster_id == 0x0123456789abcdef);
    assert_string_equal(config.cluster, "raftfs");
    assert_string_equal(config.name, "n1");
    assert_int_equal(config.node_count, 2);
    assert_string_equal(config.nodes[0].name, "n1");
    assert_string_equal(config.nodes[1].address, "127.0.0.1:7382");
    assert_true(config.nodes[0].id == config_node_id("n1"));
    assert_int_equal(config.election_ms, 400);
    assert_int_equal(config.op_timeout_ms, 2000);
    assert_string_equal(config_node_name(&config, config_node_id("n2")), "n2");
    assert_null(config_find(&config, config_node_id("n3")));
    config_release(&config);
}

static void what_is_left_out_gets_its_default(void **state)
{
    (void)state;
    struct config config;
    char error[256];
    assert_int_equal(decode("{\"version\":1,\"cluster\":\"c\",\"name\":\"b\","
                            "\"cluster_id\":\"00000000000000ff\",\"nodes\":"
                            "[{\"name\":\"b\",\"address\":\"[::1]:99\"}]}",
                            &config, error),
                     0);
    assert_string_equal(config.listen, "[::1]:99");
    assert_int_equal(config.heartbeat_ms, 100);
    assert_int_equal(config.election_ms, 700);
    assert_int_equal(config.lease_ms, 500);
    assert_int_equal(config.session_timeout_ms, 30000);
    assert_int_equal(config.op_timeout_ms, 10000);
    config_release(&config);
}

static void errors_name_the_key_and_what_is_allowed(void **state)
{
    (void)state;
    assert_refused("\"version\":1", "\"version\":2", "version: ", "1 to 1");
    assert_refused("\"version\":1,", "", "version: is missing", "1 to 1");
    assert_refused("0123456789abcdef", "0123", "cluster_id: \"0123\"",
                   "16 hexadecimal");
    assert_refused("0123456789abcdef", "0000000000000000",
                   "cluster_id: ", "not be 0");
    assert_refused("\"cluster\":\"raftfs\"", "\"cluster\":\"\"",
                   "cluster: \"\" is not a name", "letters, digits");
    assert_refused("\"name\":\"n1\",\"l", "\"name\":\"n3\",\"l",
                   "name: \"n3\" is not in nodes", "one of them");
    assert_refused("\"name\":\"n1\",\"l", "\"name\":7,\"l",
                   "name: ", "only a string");
    assert_refused("\"listen\":\"127.0.0.1:7381\"", "\"listen\":\"x\"",
                   "listen: \"x\" is not HOST:PORT", "1 to 65535");
    assert_refused("127.0.0.1:7382", "foo",
                   "nodes[0].address: \"foo\" is not HOST:PORT", "[V6]:PORT");
    assert_refused("127.0.0.1:7382", "foo:65536",
                   "nodes[0].address: ", "65535");
    assert_refused("127.0.0.1:7382", "127.0.0.1:7381\"},{\"name\":\"x",
                   "nodes[1].address: is missing", "string");
    assert_refused("\"n2\"", "\"-x\"", "nodes[0].name: \"-x\"", "letter");
    assert_refused("\"n2\"", "\"n1\"", "nodes[1].name: \"n1\"", "its own");
    assert_refused("127.0.0.1:7382", "127.0.0.1:7381",
                   "nodes[1].address: \"127.0.0.1:7381\"", "its own");
    assert_refused("\"nodes\":[", "\"nodes\":{},\"x\":[", "nodes: ", "1 to 16");
    assert_refused("\"nodes\":[", "\"nodes\":[],\"x\":[", "nodes: ", "1 to 16");
    assert_refused("\"nodes\":[", "\"nodes\":[null,", "nodes[0]: ", "object");
}

static void timeouts_are_checked_against_each_other(void **state)
{
    (void)state;
    assert_refused("\"heartbeat_ms\":50", "\"heartbeat_ms\":4",
                   "heartbeat_ms: 4", "5 to 60000");
    assert_refused("\"heartbeat_ms\":50", "\"heartbeat_ms\":1e2",
                   "heartbeat_ms: ", "whole number");
    assert_refused("\"heartbeat_ms\":50", "\"heartbeat_ms\":\"50\"",
                   "heartbeat_ms: ", "whole number");
    assert_refused("\"heartbeat_ms\":50", "\"heartbeat_ms\":134",
                   "election_ms: 400", "402");
    assert_refused("\"election_ms\":400", "\"election_ms\":316",
                   "election_ms: 316", "at least 317");
    assert_refused("\"lease_ms\":300", "\"lease_ms\":99", "lease_ms: 99",
                   "(100)");
    assert_refused("\"session_timeout_ms\":5000", "\"session_timeout_ms\":799",
                   "session_timeout_ms: 799", "800");
    assert_refused("\"op_timeout_ms\":2000", "\"op_timeout_ms\":-1",
                   "op_timeout_ms: -1", "100 to ");

    struct config config;
    char error[256];
    char *text = good_with("\"election_ms\":400", "\"election_ms\":317");
    assert_int_equal(decode(text, &config, error), 0);
    free(text);
    config_release(&config);
    text = good_with("\"lease_ms\":300", "\"lease_ms\":0");
    assert_int_equal(decode(text, &config, error), 0);
    free(text);
    config_release(&config);
}

static void a_syntax_error_says_where(void **state)
{
    (void)state;
    struct config config;
    char error[256];
    assert_int_equal(decode("{\n \"version\": 1,\n oops}", &config, error), -1);
    assert_non_null(strstr(error, "line 3"));
    assert_int_equal(decode("[]", &config, error), -1);
    assert_non_null(strstr(error, "object"));
    assert_int_equal(decode("", &config, error), -1);
    assert_int_equal(decode("{\"version\":1,\"version\":1}", &config, error),
                     -1);
    assert_non_null(strstr(error, "duplicate"));
}

static void messages_stay_one_line(void **state)
{
    (void)state;
    assert_refused("127.0.0.1:7382", "a\\nb\\u001b[1m",
                   "nodes[0].address: \"a?b?[1m\"", "HOST:PORT");
    char address[280];
    memset(address, 'a', sizeof(address) - 1);
    address[sizeof(address) - 1] = '\0';
    assert_refused("127.0.0.1:7382", address, "nodes[0].address: \"aaa",
                   "...\" is not HOST:PORT");
    char name[65];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_refused("n2", name, "nodes[0].name: \"nnn", "63 bytes");
}

static void writing_and_reading_is_an_exact_round_trip(void **state)
{
    (void)state;
    struct config first, second;
    char error[256];
    assert_int_equal(decode(good, &first, error), 0);
    char *once = config_encode(&first);
    assert_int_equal(decode(once, &second, error), 0);
    char *twice = config_encode(&second);
    assert_string_equal(once, twice);

    config_release(&first);
    config_release(&second);
    free(once);
    free(twice);
}

static void a_configuration_made_by_hand_can_be_read_back(void **state)
{
    (void)state;
    struct config config, back;
    char error[256];
    config_init(&config);
    assert_int_equal(config.node_count, 1);
    assert_int_equal(config_validate(&config, error), -1);
    snprintf(config.cluster, sizeof(config.cluster), "%s", "c");
    snprintf(config.name, sizeof(config.name), "%s", "me");
    snprintf(config.nodes[0].name, sizeof(config.nodes[0].name), "%s", "me");
    config.cluster_id = config_cluster_id(&config);
    assert_int_equal(config_validate(&config, error), 0);
    char *text = config_encode(&config);
    assert_int_equal(decode(text, &back, error), 0);
    assert_true(back.cluster_id == config.cluster_id);
    assert_memory_equal(&back.nodes, &config.nodes, sizeof(back.nodes));
    free(text);
    config_release(&config);
    config_release(&back);
}

static void foreign_keys_are_kept_in_their_order(void **state)
{
    (void)state;
    struct config config;
    char error[256];
    char *text = good_with(
        "\"version\":1,",
        "\"//\":\"mine\",\"version\":1,\"zoo\":{\"b\":[1,2.5,null],\"a\":true},"
        "\"apple\":12345678901234567,");
    char *copy = strdup(text);
    char *at = strstr(copy, "{\"name\":\"n2\"");
    char *whole = NULL;
    assert_true(asprintf(&whole, "%.*s{\"rack\":\"b4\",%s", (int)(at - copy),
                         copy, at + 1) > 0);
    assert_int_equal(decode(whole, &config, error), 0);
    config.op_timeout_ms = 4000;
    char *out = config_encode(&config);
    const char *order[] = {"\"//\": \"mine\"",
                           "\"version\": 1",
                           "\"zoo\": {",
                           "\"b\": [",
                           "2.5",
                           "\"a\": true",
                           "\"apple\": 12345678901234567",
                           "\"cluster\"",
                           "\"name\": \"n1\"",
                           "\"rack\": \"b4\"",
                           "\"name\": \"n2\"",
                           "\"op_timeout_ms\": 4000"};
    const char *from = out;
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        from = strstr(from, order[i]);
        if (from == NULL) {
            fail_msg("%s is not in its place in %s", order[i], out);
        }
    }
    free(out);
    free(whole);
    free(copy);
    free(text);
    config_release(&config);
}

static void addresses_are_split(void **state)
{
    (void)state;
    char host[256], port[16];
    assert_int_equal(config_split_address("a.b-c:1", host, port), 0);
    assert_string_equal(host, "a.b-c");
    assert_string_equal(port, "1");
    assert_int_equal(config_split_address("[fe80::1%eth0]:65535", host, port),
                     0);
    assert_string_equal(host, "fe80::1%eth0");
    assert_string_equal(port, "65535");
    const char *bad[] = {
        "",         ":",       "a",     "a:",       ":1",
        "a:0",      "a:65536", "a:1x",  "a:-1",     "a:+1",
        "a:1 ",     "::1:80",  "[::1]", "[::1]80",  "[]:80",
        "[abc]:80", "[::1:80", "a b:1", "a:000001", "a:99999999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (config_split_address(bad[i], host, port) != -1) {
            fail_msg("\"%s\" was taken for an address", bad[i]);
        }
    }
    char longest[300];
    memset(longest, 'a', 256);
    memcpy(longest + 256, ":1", 3);
    assert_int_equal(config_split_address(longest, host, port), -1);
    memcpy(longest + 255, ":1", 3);
    assert_int_equal(config_split_address(longest, host, port), 0);
}

static void ids_come_from_names(void **state)
{
    (void)state;
    assert_true(config_node_id("n1") != config_node_id("n2"));
    assert_true(config_node_id("n1") == config_node_id("n1"));
    assert_true(config_node_id("n1") >> 63 == 0 && config_node_id("n1") != 0);

    struct config a, b;
    config_init(&a);
    a.node_count = 3;
    snprintf(a.cluster, sizeof(a.cluster), "%s", "c");
    snprintf(a.nodes[0].name, sizeof(a.nodes[0].name), "%s", "x");
    snprintf(a.nodes[1].name, sizeof(a.nodes[1].name), "%s", "y");
    snprintf(a.nodes[2].name, sizeof(a.nodes[2].name), "%s", "z");
    b = a;
    snprintf(b.nodes[0].name, sizeof(b.nodes[0].name), "%s", "z");
    snprintf(b.nodes[2].name, sizeof(b.nodes[2].name), "%s", "x");
    assert_true(config_cluster_id(&a) == config_cluster_id(&b));
    snprintf(b.cluster, sizeof(b.cluster), "%s", "d");
    assert_true(config_cluster_id(&a) != config_cluster_id(&b));
    /* A cluster of one has nobody to agree with. */
    a.node_count = 1;
    assert_true(config_cluster_id(&a) != config_cluster_id(&a));
}

static void a_file_is_replaced_whole_or_not_at_all(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    char directory[200], path[256], other[300], error[256];
    struct config config, back;
    snprintf(directory, sizeof(directory), "%s/raftfs-config-XXXXXX",
             base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/raftfs.json", directory);

    assert_int_equal(decode(good, &config, error), 0);
    assert_int_equal(config_write(path, &config, error), 0);
    assert_int_equal(chmod(path, 0600), 0);
    config.op_timeout_ms = 7777;
    assert_int_equal(config_write(path, &config, error), 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(config_read(path, &back, error), 0);
    assert_int_equal(back.op_timeout_ms, 7777);
    config_release(&back);

    snprintf(other, sizeof(other), "%s/nowhere/x.json", directory);
    assert_int_equal(config_write(other, &config, error), -1);
    assert_non_null(strstr(error, "nowhere"));
    assert_int_equal(config_read(other, &back, error), -1);
    assert_non_null(strstr(error, "No such file"));
    config_release(&back);

    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("{\"version\": 3}", file);
    fclose(file);
    assert_int_equal(config_read(path, &back, error), -1);
    assert_non_null(strstr(error, "version: 3"));
    assert_non_null(strstr(error, "raftfs.json"));
    config_release(&back);

    config_release(&config);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0); /* no temporary file is left */
}

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void garbage_is_refused_or_round_trips(void **state)
{
    (void)state;
    static const char spice[] = "{}[]\",:0123456789-+.eE\\ntrue\x80\xff ";
    uint32_t seed = 20240607;
    for (int round = 0; round < 20000; round++) {
        char text[sizeof(good)];
        memcpy(text, good, sizeof(good));
        size_t size = sizeof(good) - 1;
        uint32_t edits = 1 + next_random(&seed) % 4;
        for (uint32_t i = 0; i < edits; i++) {
            text[next_random(&seed) % size] =
                spice[next_random(&seed) % sizeof(spice)];
        }
        if (next_random(&seed) % 8 == 0) {
            size = next_random(&seed) % size;
        }
        struct config config;
        char error[256] = "";
        if (config_decode((struct bytes){text, size}, &config, error) == 0) {
            char *once = config_encode(&config);
            struct config back;
            assert_int_equal(decode(once, &back, error), 0);
            char *twice = config_encode(&back);
            assert_string_equal(once, twice);
            free(once);
            free(twice);
            config_release(&back);
        } else {
            assert_true(strlen(error) > 0);
        }
        config_release(&config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_configuration_is_read),
        cmocka_unit_test(what_is_left_out_gets_its_default),
        cmocka_unit_test(errors_name_the_key_and_what_is_allowed),
        cmocka_unit_test(timeouts_are_checked_against_each_other),
        cmocka_unit_test(a_syntax_error_says_where),
        cmocka_unit_test(messages_stay_one_line),
        cmocka_unit_test(writing_and_reading_is_an_exact_round_trip),
        cmocka_unit_test(a_configuration_made_by_hand_can_be_read_back),
        cmocka_unit_test(foreign_keys_are_kept_in_their_order),
        cmocka_unit_test(addresses_are_split),
        cmocka_unit_test(ids_come_from_names),
        cmocka_unit_test(a_file_is_replaced_whole_or_not_at_all),
        cmocka_unit_test(garbage_is_refused_or_round_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
