// Removes from what a terminal is sent whatever would make it answer, act, or stay in another state than
// before: for an administrator who looks at somebody else's session. src/lib/terminal/harmless.ts does the
// same where a recording is played.
#pragma once

#include <stddef.h>
#include <stdint.h>

// A sequence that is longer is left out whole.
#define HARMLESS_HELD 68

struct harmless {
    enum { GROUND, ESCAPE, SEQUENCE, STRING, STRING_ESCAPE } state;
    char held[HARMLESS_HELD];
    size_t length; // of the sequence, which may be more than is held
    char character[4];
    unsigned count, needed; // of its bytes
};

// `out` has room for HARMLESS_HELD more than `length`. Returns how many bytes are to be shown.
size_t harmless_take(struct harmless *filter, const char *bytes, size_t length, char *out);
