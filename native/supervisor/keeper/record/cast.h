// Writes lines of an asciicast: a terminal's bytes, which may be any, as text of JSON. A character of UTF-8
// that two events share is held back until it is whole; what is none becomes U+FFFD, one for as much of it as
// could have begun one.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// How often a byte is more than itself at most: \u001b.
#define CAST_GROWTH 6
// Of what is held back, and of an event around its text.
#define CAST_FRAME 64

// The beginning of a character that the next bytes may end.
struct cast_held {
    uint8_t bytes[4];
    uint8_t count;
    uint8_t length;      // of the character
    uint8_t least, most; // of its next byte
};

// Adds `bytes` to `out`, which has room for CAST_GROWTH times as many and CAST_FRAME; returns how many that
// are.
size_t cast_text(struct cast_held *held, const uint8_t *bytes, size_t length, char *out);
// The same for what is still held back.
size_t cast_text_end(struct cast_held *held, char *out);

enum cast_version { CAST_2 = 2, CAST_3 = 3 };

struct cast_clock {
    enum cast_version version;
    uint64_t start_us, last_us;
};

// `[1.000000,"o","`: seconds since the beginning (version 2), or since the event before (version 3).
size_t cast_event_begin(struct cast_clock *clock, char kind, uint64_t now_us, char *out);
// `"]` and the end of the line.
size_t cast_event_end(char *out);

struct cast_header {
    enum cast_version version;
    uint16_t columns, rows;
    uint64_t unix_seconds;
    const char *term, *title; // "": none
};

// The first line. `out` has room for CAST_GROWTH times of both texts, and 256.
size_t cast_header(const struct cast_header *header, char *out);
