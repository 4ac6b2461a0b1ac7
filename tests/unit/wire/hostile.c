#include "tests/unit/wire/hostile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool try(hostile_decode decode, const void *data, size_t size)
{
    void *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, data, size);
    bool taken = decode((struct bytes){copy, size});
    free(copy);
    return taken;
}

void hostile_cuts(struct bytes good, hostile_decode decode)
{
    assert_true(try(decode, good.data, good.size));
    for (size_t size = 0; size < good.size; size++) {
        assert_false(try(decode, good.data, size));
    }
    uint8_t *longer = malloc(good.size + 1);
    assert_non_null(longer);
    memcpy(longer, good.data, good.size);
    longer[good.size] = 0;
    assert_false(try(decode, longer, good.size + 1));
    free(longer);
}

void hostile_flips_refused(struct bytes good, hostile_decode decode)
{
    uint8_t *copy = malloc(good.size);
    assert_non_null(copy);
    memcpy(copy, good.data, good.size);
    for (size_t bit = 0; bit < 8 * good.size; bit++) {
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(decode((struct bytes){copy, good.size}));
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(copy);
}

static uint64_t next_random(uint64_t *state) /* splitmix64 */
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void hostile_noise(struct bytes good, hostile_decode decode)
{
    uint64_t state = 7;
    uint8_t *copy = malloc(good.size + 64);
    assert_non_null(copy);
    for (int round = 0; round < 3000; round++) {
        memset(copy, 0xff, good.size + 64);
        memcpy(copy, good.data, good.size);
        uint64_t changes = 1 + next_random(&state) % 4;
        for (uint64_t i = 0; i < changes; i++) {
            size_t at = next_random(&state) % good.size;
            copy[at] = (uint8_t)next_random(&state);
        }
        size_t size = good.size;
        if (round % 3 == 0) {
            size = next_random(&state) % (good.size + 65);
        }
        try(decode, copy, size);
    }
    free(copy);
}
