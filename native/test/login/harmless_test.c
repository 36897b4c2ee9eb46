// Tests of what an administrator's terminal gets who looks at somebody's session.
#include <string.h>

#include "check.h"
#include "terminal/harmless.h"

static void check(const char *in, size_t length, const char *expected) {
    char out[512];
    for (size_t piece = 1; piece <= length + 1; piece++) {
        struct harmless filter = {0};
        size_t used = 0;
        for (size_t at = 0; at < length; at += piece)
            used += harmless_take(&filter, in + at, piece < length - at ? piece : length - at, out + used);
        CHECK(used == strlen(expected) && memcmp(out, expected, used) == 0);
    }
}

#define SHOWN(in, expected) check(in, sizeof(in) - 1, expected)

// Of test/fixtures/harmless.json, which the filter in TypeScript is tested with as well.
static void test_rows(void) {
    size_t count = 0;
#define ROW(what, in, out) SHOWN(in, out), count++;
#include "harmless_rows.h"
#undef ROW
    CHECK(count > 20);
}

// Bytes that are no character could be controls of 8 bits where a terminal takes no UTF-8.
static void test_no_characters(void) {
    SHOWN("a\x9b"
          "31mb\xff\xc3(\xe2\x82z",
          "a?31mb?\?(?z");
}

int main(void) {
    test_rows();
    test_no_characters();
    (void)printf("harmless_test: ok\n");
    return 0;
}
