// Sums of bytes (FNV-1a, 64 bits), to tell what has changed from what has not. No protection from anybody.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SUM_START UINT64_C(0xcbf29ce484222325)

static inline void sum_add(uint64_t *sum, const void *bytes, size_t length) {
    const uint8_t *at = bytes;
    for (size_t index = 0; index < length; index++)
        *sum = (*sum ^ at[index]) * UINT64_C(0x100000001b3);
}
