// The layout of a message of the domain name system (RFC 1035, section 4.1).
#pragma once

#include <stddef.h>
#include <stdint.h>

// Header: id, flags, and how many questions, answers, authorities and additional records there are.
enum offset { ID = 0, FLAGS = 2, QUESTIONS = 4, ANSWERS = 6, AUTHORITIES = 8, ADDITIONAL = 10 };
enum flag {
    RESPONSE = 0x8000,
    OPERATION = 0x7800,
    AUTHORITATIVE = 0x0400,
    TRUNCATED = 0x0200,
    DESIRED = 0x0100,
    AVAILABLE = 0x0080,
    CODE = 0x000f
};
enum { INTERNET = 1 };

static inline uint16_t u16(const uint8_t *bytes) {
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline uint32_t u32(const uint8_t *bytes) {
    return (uint32_t)u16(bytes) << 16 | u16(bytes + 2);
}

static inline size_t put16(uint8_t *bytes, uint16_t number) {
    bytes[0] = (uint8_t)(number >> 8);
    bytes[1] = (uint8_t)number;
    return 2;
}
