// Fuzzes what becomes of a terminal's bytes in a recording: however they are cut, the same text, in which a
// string of JSON ends nowhere but at its end, and which is UTF-8.

#include "keeper/record/cast.h"
#include "fuzz.h"

// The first byte says where it is cut.
static size_t in_pieces(const uint8_t *bytes, size_t length, uint8_t piece, char *out) {
    struct cast_held held = {0};
    size_t used = 0;
    for (size_t at = 0; at < length;) {
        size_t part = 1 + piece % 13 < length - at ? 1 + piece % 13 : length - at;
        uint8_t *copy = malloc(part); // so that a read behind it is seen
        if (copy == NULL)
            abort();
        memcpy(copy, bytes + at, part);
        used += cast_text(&held, copy, part, out + used);
        free(copy);
        at += part;
    }
    return used + cast_text_end(&held, out + used);
}

static void check_escapes(const char *out, size_t length) {
    for (size_t at = 0; at < length; at++) {
        uint8_t byte = (uint8_t)out[at];
        REQUIRE(byte >= 0x20 && byte != '"');
        if (byte != '\\')
            continue;
        REQUIRE(++at < length && strchr("\"\\bfnrtu", out[at]) != NULL);
        if (out[at] == 'u')
            REQUIRE(at + 4 < length && strncmp(out + at, "u00", 3) == 0);
    }
}

static void check_utf8(const char *out, size_t length) {
    for (size_t at = 0; at < length;) {
        uint8_t byte = (uint8_t)out[at];
        unsigned follow = byte < 0x80 ? 0 : byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;
        REQUIRE(byte < 0x80 || (byte >= 0xc2 && byte <= 0xf4));
        REQUIRE(at + follow < length);
        for (unsigned count = 1; count <= follow; count++)
            REQUIRE(((uint8_t)out[at + count] & 0xc0) == 0x80);
        at += 1 + follow;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    if (length == 0)
        return 0;
    size_t size = (length - 1) * CAST_GROWTH + CAST_FRAME;
    char *whole = malloc(size), *cut = malloc(size);
    if (whole == NULL || cut == NULL)
        abort();
    struct cast_held held = {0};
    size_t used = cast_text(&held, bytes + 1, length - 1, whole);
    used += cast_text_end(&held, whole + used);
    REQUIRE(used <= size);
    REQUIRE(in_pieces(bytes + 1, length - 1, bytes[0], cut) == used && memcmp(whole, cut, used) == 0);
    check_escapes(whole, used);
    check_utf8(whole, used);
    free(whole);
    free(cut);
    return 0;
}
