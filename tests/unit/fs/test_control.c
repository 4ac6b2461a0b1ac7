#include "fs/control.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* The server runs on a loop of its own, in a thread of its own; each test has a
 * fresh one. */
struct world {
    char directory[PATH_MAX];
    uv_loop_t loop;
    uv_async_t stop;
    struct control *control;
    pthread_t thread;
    size_t reply_size; /* of "fill" */
};

static json_t *handle(void *arg, const json_t *request)
{
    struct world *world = arg;
    const char *command =
        json_string_value(json_object_get(request, "command"));
    if (command == NULL) {
        return NULL;
    }
    if (strcmp(command, "echo") == 0) {
        return json_pack("{s:O}", "text", json_object_get(request, "text"));
    }
    if (strcmp(command, "fill") == 0) {
        char *text = malloc(world->reply_size + 1);
        assert_non_null(text);
        memset(text, 'x', world->reply_size);
        text[world->reply_size] = '\0';
        json_t *reply = json_pack("{s:s}", "text", text);
        free(text);
        return reply;
    }
    return json_pack("{s:s}", "error", "refused, for a reason");
}

static void on_stop(uv_async_t *stop)
{
    struct world *world = stop->data;
    control_close(world->control);
    uv_close((uv_handle_t *)stop, NULL);
}

static void *run_loop(void *arg)
{
    struct world *world = arg;
    uv_run(&world->loop, UV_RUN_DEFAULT);
    return NULL;
}

static struct world *start_in(const char *directory)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    snprintf(world->directory, sizeof(world->directory), "%s", directory);
    assert_int_equal(uv_loop_init(&world->loop), 0);
    world->stop.data = world;
    assert_int_equal(uv_async_init(&world->loop, &world->stop, on_stop), 0);
    assert_int_equal(
        control_open(&world->loop, directory, handle, world, &world->control),
        0);
    assert_int_equal(pthread_create(&world->thread, NULL, run_loop, world), 0);
    return world;
}

/* Every handle must be closed, or the loop would not end and not close. */
static void stop(struct world *world)
{
    uv_async_send(&world->stop);
    pthread_join(world->thread, NULL);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    free(world);
}

static int make_directory(void **state)
{
    const char *base = getenv("TMPDIR");
    char *path;
    if (asprintf(&path, "%s/control.XXXXXX", base != NULL ? base : "/tmp") <
            0 ||
        mkdtemp(path) == NULL) {
        return -1;
    }
    *state = path;
    return 0;
}

static int remove_directory(void **state)
{
    int rc = rmdir(*state); /* empty: the socket must be gone */
    free(*state);
    return rc;
}

/* --- plain clients --- */

static int dial(const char *directory)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%.90s/control.sock",
             directory);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)),
                     0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads until `lines` lines or the end; the text is static. */
static const char *hear(int fd, int lines)
{
    static char text[4096];
    size_t used = 0;
    while (lines > 0 && used < sizeof(text) - 1) {
        ssize_t got = read(fd, text + used, 1);
        if (got <= 0) {
            break;
        }
        lines -= text[used] == '\n';
        used++;
    }
    text[used] = '\0';
    return text;
}

static json_t *ask(const char *directory, const char *command, int expected,
                   char error[256])
{
    json_t *reply = NULL;
    json_t *request =
        json_pack("{s:s, s:s}", "command", command, "text", "hello");
    assert_int_equal(control_call(directory, request, &reply, error), expected);
    json_decref(request);
    return reply;
}

static void assert_answers(const char *directory)
{
    char error[256] = "";
    json_t *reply = ask(directory, "echo", CONTROL_OK, error);
    assert_string_equal(json_string_value(json_object_get(reply, "text")),
                        "hello");
    json_decref(reply);
}

/* --- tests --- */

static void a_request_is_answered(void **state)
{
    struct world *world = start_in(*state);
    assert_answers(*state);
    assert_answers(*state);
    stop(world);
}

static void a_refusal_is_told(void **state)
{
    char error[256] = "";
    struct world *world = start_in(*state);
    assert_null(ask(*state, "something else", CONTROL_REFUSED, error));
    assert_string_equal(error, "refused, for a reason");
    stop(world);
}

static void nobody_there_is_told(void **state)
{
    char error[256] = "";
    struct world *world = start_in(*state);
    stop(world);
    assert_null(ask(*state, "echo", CONTROL_NOT_RUNNING, error));
    assert_non_null(strstr(error, "control.sock"));
    assert_null(ask("/nowhere", "echo", CONTROL_FAILED, error));
}

static void requests_are_answered_in_order_however_they_are_cut(void **state)
{
    struct world *world = start_in(*state);
    int fd = dial(*state);
    say(fd, "{\"command\":\"echo\",\"text\":1}\n{\"comm");
    assert_string_equal(hear(fd, 1), "{\"text\":1}\n");
    say(fd, "and\":\"echo\",\"text\":2}\n{\"command\":\"echo\",\"text\":3}\n");
    assert_string_equal(hear(fd, 2), "{\"text\":2}\n{\"text\":3}\n");
    close(fd);
    stop(world);
}

static void one_who_says_no_more_still_gets_all_answers(void **state)
{
    struct world *world = start_in(*state);
    int fd = dial(*state);
    say(fd, "{\"command\":\"echo\",\"text\":1}\n"
            "{\"command\":\"echo\",\"text\":2}\n");
    shutdown(fd, SHUT_WR);
    assert_string_equal(hear(fd, 9), "{\"text\":1}\n{\"text\":2}\n");
    close(fd);
    stop(world);
}

static void garbage_is_answered_with_an_error(void **state)
{
    struct world *world = start_in(*state);
    int fd = dial(*state);
    static const char *const bad[] = {"\n", "nonsense\n", "[1]\n", "{\n",
                                      "{\"a\":1,\"a\":2}\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        say(fd, bad[i]);
        assert_string_equal(
            hear(fd, 1),
            "{\"error\":\"a request is one JSON object on a line\"}\n");
    }
    say(fd, "{}\n"); /* the handler has no answer */
    assert_string_equal(hear(fd, 1), "{\"error\":\"unknown command\"}\n");
    close(fd);
    stop(world);
}

static void a_line_without_end_is_cut_off(void **state)
{
    struct world *world = start_in(*state);
    int fd = dial(*state);
    char *line = malloc(CONTROL_LINE_MAX);
    assert_non_null(line);
    memset(line, ' ', CONTROL_LINE_MAX);
    assert_int_equal(send(fd, line, CONTROL_LINE_MAX, MSG_NOSIGNAL),
                     CONTROL_LINE_MAX);
    free(line);
    assert_string_equal(hear(fd, 2),
                        "{\"error\":\"the request is too long\"}\n");
    close(fd);
    assert_answers(*state);
    stop(world);
}

static void the_longest_line_is_taken(void **state)
{
    struct world *world = start_in(*state);
    int fd = dial(*state);
    char *line = malloc(CONTROL_LINE_MAX);
    assert_non_null(line);
    memset(line, ' ', CONTROL_LINE_MAX);
    static const char request[] = "{\"command\":\"echo\",\"text\":1}";
    memcpy(line, request, sizeof(request) - 1);
    line[CONTROL_LINE_MAX - 1] = '\n';
    assert_int_equal(send(fd, line, CONTROL_LINE_MAX, MSG_NOSIGNAL),
                     CONTROL_LINE_MAX);
    free(line);
    assert_string_equal(hear(fd, 1), "{\"text\":1}\n");
    close(fd);
    stop(world);
}

static void one_who_does_not_listen_holds_nobody_up(void **state)
{
    struct world *world = start_in(*state);
    world->reply_size = 2 * 1024 * 1024; /* more than a socket takes */
    int deaf = dial(*state);
    say(deaf, "{\"command\":\"fill\"}\n{\"command\":\"fill\"}\n");
    assert_answers(*state);
    stop(world); /* with the answer still on its way */
    close(deaf);
}

static void a_large_answer_comes_whole(void **state)
{
    char error[256];
    struct world *world = start_in(*state);
    world->reply_size = 1024 * 1024;
    json_t *reply = ask(*state, "fill", CONTROL_OK, error);
    assert_int_equal(json_string_length(json_object_get(reply, "text")),
                     1024 * 1024);
    json_decref(reply);
    world->reply_size = CONTROL_REPLY_MAX;
    assert_null(ask(*state, "fill", CONTROL_FAILED, error));
    stop(world);
}

static void of_too_many_clients_the_oldest_is_dropped(void **state)
{
    struct world *world = start_in(*state);
    int fds[CONTROL_CLIENTS_MAX + 1];
    for (int i = 0; i <= CONTROL_CLIENTS_MAX; i++) {
        fds[i] = dial(*state);
        say(fds[i], "{\"command\":\"echo\",\"text\":1}\n");
        assert_string_equal(hear(fds[i], 1), "{\"text\":1}\n");
    }
    assert_string_equal(hear(fds[0], 1), ""); /* the end */
    say(fds[1], "{\"command\":\"echo\",\"text\":2}\n");
    assert_string_equal(hear(fds[1], 1), "{\"text\":2}\n");
    for (int i = 0; i <= CONTROL_CLIENTS_MAX; i++) {
        close(fds[i]);
    }
    assert_answers(*state);
    stop(world);
}

static void a_dead_socket_is_replaced_and_only_the_owner_gets_in(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    char path[128];
    snprintf(path, sizeof(path), "%s/control.sock", (char *)*state);
    snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", path);
    int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(dead, (struct sockaddr *)&address, sizeof(address)),
                     0);
    close(dead);
    struct world *world = start_in(*state);
    assert_answers(*state);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    stop(world);
    assert_int_equal(stat(path, &st), -1);
}

static void a_long_path_works(void **state)
{
    char path[PATH_MAX], name[200];
    memset(name, 'd', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    snprintf(path, sizeof(path), "%.500s/%s", (char *)*state, name);
    assert_int_equal(mkdir(path, 0700), 0);
    struct world *world = start_in(path);
    assert_answers(path);
    stop(world);
    assert_int_equal(rmdir(path), 0);
}

static void a_directory_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct control *control = NULL;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(control_open(&loop, "/nowhere", handle, NULL, &control),
                     UV_ENOENT);
    assert_null(control);
    assert_int_equal(uv_loop_close(&loop), 0);
}

#define TEST(f)                                                                \
    cmocka_unit_test_setup_teardown(f, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_answered),
        TEST(a_refusal_is_told),
        TEST(nobody_there_is_told),
        TEST(requests_are_answered_in_order_however_they_are_cut),
        TEST(one_who_says_no_more_still_gets_all_answers),
        TEST(garbage_is_answered_with_an_error),
        TEST(a_line_without_end_is_cut_off),
        TEST(the_longest_line_is_taken),
        TEST(one_who_does_not_listen_holds_nobody_up),
        TEST(a_large_answer_comes_whole),
        TEST(of_too_many_clients_the_oldest_is_dropped),
        TEST(a_dead_socket_is_replaced_and_only_the_owner_gets_in),
        TEST(a_long_path_works),
        TEST(a_directory_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
