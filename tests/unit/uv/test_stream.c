#include "raft/uv/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct frame make_frame(size_t body_size, uint8_t fill)
{
    struct frame frame = frame_new(body_size);
    memset(frame.data + FRAME_HEADER_SIZE, fill, body_size);
    frame_seal(&frame, FRAME_NOTICE, 0, 1, 2);
    return frame;
}

/* Fills the room, again and again, as a socket would. */
static void feed(struct stream *stream, const uint8_t *data, size_t size)
{
    while (size > 0) {
        size_t room;
        uint8_t *to = stream_room(stream, &room);
        size_t n = room < size ? room : size;
        memcpy(to, data, n);
        stream_filled(stream, n);
        data += n;
        size -= n;
    }
}

static void frames_come_out_whole_whatever_the_pieces(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 300; piece = piece * 2 + 1) {
        struct stream stream;
        struct frame_header header;
        struct bytes bytes;
        const char *why;
        size_t taken = 0;
        stream_init(&stream, FRAME_BODY_MAX);
        for (size_t i = 0; i < 20; i++) {
            struct frame frame = make_frame(i * 37, (uint8_t)i);
            for (size_t at = 0; at < frame.size; at += piece) {
                size_t n = frame.size - at < piece ? frame.size - at : piece;
                feed(&stream, frame.data + at, n);
                int rc = stream_take(&stream, &header, &bytes, &why);
                assert_int_equal(rc, at + n == frame.size ? 1 : 0);
                if (rc == 1) {
                    assert_int_equal(bytes.size, frame.size);
                    assert_memory_equal(bytes.data, frame.data, frame.size);
                    assert_int_equal(header.kind, FRAME_NOTICE);
                    taken++;
                }
            }
            frame_release(&frame);
        }
        assert_int_equal(taken, 20);
        assert_int_equal(stream_size(&stream), 0);
        stream_release(&stream);
    }
}

static void many_frames_come_out_of_one_piece(void **state)
{
    (void)state;
    struct stream stream;
    struct frame_header header;
    struct bytes bytes;
    const char *why;
    stream_init(&stream, FRAME_BODY_MAX);
    struct frame frame = make_frame(10, 7);
    uint8_t all[20 * (FRAME_HEADER_SIZE + 10)];
    for (size_t i = 0; i < 20; i++) {
        memcpy(all + i * frame.size, frame.data, frame.size);
    }
    feed(&stream, all, sizeof(all));
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(stream_take(&stream, &header, &bytes, &why), 1);
    }
    assert_int_equal(stream_take(&stream, &header, &bytes, &why), 0);
    frame_release(&frame);
    stream_release(&stream);
}

static void the_largest_frame_fits_and_the_buffer_stays_bounded(void **state)
{
    (void)state;
    struct stream stream;
    struct frame_header header;
    struct bytes bytes;
    const char *why;
    stream_init(&stream, FRAME_BODY_MAX);
    struct frame frame = make_frame(FRAME_BODY_MAX, 1);
    for (int i = 0; i < 3; i++) {
        feed(&stream, frame.data, frame.size);
        assert_int_equal(stream_take(&stream, &header, &bytes, &why), 1);
    }
    assert_true(stream.capacity <=
                2 * ((size_t)FRAME_BODY_MAX + FRAME_HEADER_SIZE));
    frame_release(&frame);
    stream_release(&stream);
}

static void a_huge_length_is_refused_before_memory_is_spent(void **state)
{
    (void)state;
    struct stream stream;
    struct frame_header header;
    struct bytes bytes;
    const char *why = NULL;
    struct frame frame = make_frame(10, 1);
    memset(frame.data + 8, 0xff, 4);
    stream_init(&stream, FRAME_BODY_MAX);
    feed(&stream, frame.data, FRAME_HEADER_SIZE);
    assert_int_equal(stream_take(&stream, &header, &bytes, &why), -1);
    assert_non_null(why);
    assert_true(stream.capacity <= 4096);
    frame_release(&frame);
    stream_release(&stream);
}

static void strangers_may_only_say_little(void **state)
{
    (void)state;
    struct stream stream;
    struct frame_header header;
    struct bytes bytes;
    const char *why = NULL;
    struct frame frame = make_frame(1025, 1);
    stream_init(&stream, 1024);
    feed(&stream, frame.data, FRAME_HEADER_SIZE);
    assert_int_equal(stream_take(&stream, &header, &bytes, &why), -1);
    stream_allow(&stream, FRAME_BODY_MAX);
    feed(&stream, frame.data + FRAME_HEADER_SIZE, 1025);
    assert_int_equal(stream_take(&stream, &header, &bytes, &why), 1);
    frame_release(&frame);
    stream_release(&stream);
}

static void a_changed_bit_is_noticed(void **state)
{
    (void)state;
    struct frame frame = make_frame(20, 3);
    for (size_t bit = 0; bit < 8 * frame.size; bit++) {
        struct stream stream;
        struct frame_header header;
        struct bytes bytes;
        const char *why;
        stream_init(&stream, FRAME_BODY_MAX);
        frame.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        feed(&stream, frame.data, frame.size);
        /* A longer length waits for more; all else is refused. */
        assert_int_not_equal(stream_take(&stream, &header, &bytes, &why), 1);
        frame.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        stream_release(&stream);
    }
    frame_release(&frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_out_whole_whatever_the_pieces),
        cmocka_unit_test(many_frames_come_out_of_one_piece),
        cmocka_unit_test(the_largest_frame_fits_and_the_buffer_stays_bounded),
        cmocka_unit_test(a_huge_length_is_refused_before_memory_is_spent),
        cmocka_unit_test(strangers_may_only_say_little),
        cmocka_unit_test(a_changed_bit_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
