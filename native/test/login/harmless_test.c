// Tests of what an administrator's terminal gets who looks at somebody's session; test/fixtures/harmless.json
// has more.
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
#define AS_IT_IS(in) check(in, sizeof(in) - 1, in)

static void test_what_draws(void) {
    AS_IT_IS("plain \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\r\n\t\b\a");
    AS_IT_IS("\033[1;31mred\033[0m\033[2J\033[H\033[10;20H\033[K\033[38;2;1;2;3mx");
    AS_IT_IS("\033[?1049h\033[?25l\033[2;23r\0337\0338\033M\033(0\033(B\033[2 q\033[!p\033[?25;7h\033[4h");
    SHOWN("\xc2\x9b"
          "31mx",
          "\033[31mx");
}

static void test_what_acts(void) {
    SHOWN("a\005b\000c\177d", "abcd");
    SHOWN("a\033[c\033[0c\033[>c\033[=c\033[5n\033[6n\033[?6n\033[?2026$p\033[x\033Zb", "ab");
    SHOWN("a\033[21t\033[18t\033[8;50;100tb", "ab");
    SHOWN("a\033]0;rm -rf /\ab\033]52;c;QQ==\033\\c\xc2\x9d"
          "0;x\xc2\x9c"
          "d",
          "abcd");
    SHOWN("a\033P$qm\033\\b\033P+q544e\033\\c\xc2\x90q#0~\xc2\x9c"
          "d\033_Gx\033\\e\033^x\033\\f\033Xx\033\\g",
          "abcdefg");
    SHOWN("a\033[?1h\033[?1000h\033[?1002;1006h\033[?1004h\033[?2004h\033[>4;2m\033[>1u\033[=1u\033[1;2;3;4;"
          "5Tb",
          "ab");
    SHOWN("a\033[5i\033[?4i\033[ib\033%@c\033 Fd\033=e\033>f", "abcdef");
    SHOWN("a\033[99999b\033[9999bc", "a\033[9999bc");
    SHOWN("a\033[;hb\033[?hc\033[hd\033[?25;1004he", "abcde");
}

static void test_what_breaks_off(void) {
    SHOWN("a\033[31\033[32mb\033]0;x\033[1mc\033[3\030d\033]x\032e", "a\033[32mb\033[1mcde");
    SHOWN("a\033[3\n1mb", "a\033[31mb");
    SHOWN("a\033[1111;1111;1111;1111;1111;1111;1111;1111;1111;1111;1111;1111;1111;1111;1111mb", "ab");
    SHOWN("a\033Pb", "a");
    SHOWN("a\033[31", "a");
    SHOWN("a\033\033[1mb", "a\033[1mb");
}

// Bytes that are no character could be controls of 8 bits where a terminal takes no UTF-8.
static void test_no_characters(void) {
    SHOWN("a\x9b"
          "31mb\xff\xc3(\xe2\x82z",
          "a?31mb?\?(?z");
}

int main(void) {
    test_what_draws();
    test_what_acts();
    test_what_breaks_off();
    test_no_characters();
    (void)printf("harmless_test: ok\n");
    return 0;
}
