// Helpers of the C tests: a check that names its place, and numbers that look random and are the same in
// every run.
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            (void)fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, __func__, #condition);              \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

// xorshift64*: `state` must not be 0.
static inline uint64_t next_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dull;
}

static inline size_t random_below(uint64_t *state, size_t limit) {
    return (size_t)(next_random(state) % limit);
}

// Damages a message the way that a bug or an attacker would: single bytes, lengths, cuts, and runs
// of one byte. Returns its new length, at most `length`.
static inline size_t damage(uint64_t *state, uint8_t *bytes, size_t length) {
    static const uint32_t numbers[] = {0, 1, 7, 8, 0x7fffffff, 0x80000000, 0xfffffff7, 0xffffffff};
    for (size_t times = 1 + random_below(state, 4); times > 0 && length >= 4; times--) {
        size_t at = random_below(state, length - 3);
        switch (random_below(state, 4)) {
        case 0:
            bytes[at] ^= (uint8_t)(1u << random_below(state, 8));
            break;
        case 1: {
            uint32_t number = numbers[random_below(state, sizeof numbers / sizeof numbers[0])];
            for (size_t index = 0; index < 4; index++)
                bytes[at + index] = (uint8_t)(number >> (8 * index));
            break;
        }
        case 2:
            for (size_t index = at; index < length && index < at + 16; index++)
                bytes[index] = 0;
            break;
        default:
            length = at;
        }
    }
    return length;
}
