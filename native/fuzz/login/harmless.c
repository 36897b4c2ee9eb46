// Fuzzes what is left of a session's bytes for a terminal that looks at it: however they are cut, the same;
// nothing of what is left is left out when it is looked at again, and there is no control of 8 bits and no
// ENQ in it.

#include "terminal/harmless.h"
#include "fuzz.h"

static size_t in_pieces(const uint8_t *bytes, size_t length, size_t piece, char *out) {
    struct harmless filter = {0};
    size_t used = 0;
    for (size_t at = 0; at < length; at += piece) {
        size_t part = piece < length - at ? piece : length - at;
        char *copy = malloc(part); // so that a read behind it is seen
        if (copy == NULL)
            abort();
        memcpy(copy, bytes + at, part);
        used += harmless_take(&filter, copy, part, out + used);
        free(copy);
    }
    return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    if (length < 2)
        return 0;
    size_t size = length + HARMLESS_HELD;
    char *whole = malloc(size), *cut = malloc(size);
    if (whole == NULL || cut == NULL)
        abort();
    struct harmless filter = {0};
    size_t used = harmless_take(&filter, (const char *)bytes + 1, length - 1, whole);
    REQUIRE(used <= length - 1 + HARMLESS_HELD);
    REQUIRE(in_pieces(bytes + 1, length - 1, 1 + bytes[0] % 13, cut) == used &&
            memcmp(whole, cut, used) == 0);
    for (size_t at = 0; at < used; at++) {
        REQUIRE(whole[at] != 0x05 && whole[at] != 0x7f);
        REQUIRE(at == 0 || (uint8_t)whole[at - 1] != 0xc2 || (uint8_t)whole[at] >= 0xa0);
    }
    struct harmless again = {0};
    REQUIRE(harmless_take(&again, whole, used, cut) == used && memcmp(whole, cut, used) == 0);
    free(whole);
    free(cut);
    return 0;
}
