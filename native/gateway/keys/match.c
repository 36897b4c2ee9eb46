#include "keys/match.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

// `*` and `?` in the first `length` bytes of the pattern. By going back to the last star: no pattern takes
// longer than its length times the text's.
static bool match_glob(const char *pattern, size_t length, const char *text) {
    const char *end = pattern + length, *star = NULL, *mark = NULL;
    while (*text != '\0') {
        if (pattern < end && *pattern == '*') {
            star = ++pattern;
            mark = text;
        } else if (pattern < end && (*pattern == '?' || *pattern == *text)) {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star;
            text = ++mark;
        } else {
            return false;
        }
    }
    while (pattern < end && *pattern == '*')
        pattern++;
    return pattern == end;
}

static int parse(const char *text, uint8_t bytes[16]) {
    if (inet_pton(AF_INET, text, bytes) == 1)
        return 4;
    return inet_pton(AF_INET6, text, bytes) == 1 ? 16 : 0;
}

static bool same_bits(const uint8_t *one, const uint8_t *other, unsigned bits) {
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(one, other, whole) != 0)
        return false;
    return rest == 0 || (one[whole] ^ other[whole]) >> (8 - rest) == 0;
}

// ADDRESS/BITS. A number that is none, or bits that are not zero behind it, fit nothing.
static bool match_network(const char *pattern, size_t length, const char *slash, const char *address) {
    char text[64];
    uint8_t network[16], bytes[16];
    size_t name = (size_t)(slash - pattern), digits = length - name - 1;
    unsigned bits = 0;
    if (name >= sizeof text || digits == 0 || digits > 3)
        return false;
    memcpy(text, pattern, name);
    text[name] = '\0';
    for (size_t index = 1; index <= digits; index++) {
        if (slash[index] < '0' || slash[index] > '9')
            return false;
        bits = bits * 10 + (unsigned)(slash[index] - '0');
    }
    int size = parse(text, network);
    if (size == 0 || parse(address, bytes) != size || bits > (unsigned)size * 8)
        return false;
    return same_bits(network, bytes, bits);
}

static bool match_one(const char *pattern, size_t length, const char *address) {
    const char *slash = memchr(pattern, '/', length);
    return slash != NULL ? match_network(pattern, length, slash, address)
                         : match_glob(pattern, length, address);
}

bool match_address(const char *list, const char *address) {
    bool found = false;
    for (;;) {
        size_t length = strcspn(list, ",");
        bool negated = length > 0 && list[0] == '!';
        if (length > 0 && match_one(list + negated, length - negated, address)) {
            if (negated)
                return false;
            found = true;
        }
        if (list[length] == '\0')
            return found;
        list += length + 1;
    }
}

bool match_word(const char *list, struct bytes word) {
    for (;;) {
        size_t length = strcspn(list, ", \t\n");
        if (length > 0 && length == word.length && memcmp(list, word.at, length) == 0)
            return true;
        if (list[length] == '\0')
            return false;
        list += length + 1;
    }
}
