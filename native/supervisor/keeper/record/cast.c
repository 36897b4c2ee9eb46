#include "keeper/record/cast.h"

#include <stdio.h>
#include <string.h>

#define ONES 0x0101010101010101ull
#define HIGHS 0x8080808080808080ull

// Which of eight bytes are control characters, quotation marks, backslashes or beyond ASCII: their high bits.
// A difference has its high bit where the byte was below what is taken away; a byte next to such a one may
// have it in vain, so that only the first is certain.
static uint64_t specials(uint64_t word) {
    uint64_t quotes = word ^ (ONES * '"'), slashes = word ^ (ONES * '\\');
    return ((word - ONES * 0x20) | (quotes - ONES) | (slashes - ONES) | word) & HIGHS;
}

static char *put_replacement(char *out) {
    memcpy(out, "\xef\xbf\xbd", 3);
    return out + 3;
}

// As JSON has them, each in eight bytes so that it is copied at once; all others of ASCII stay as they are.
static const char escapes[0x80][8] = {
    "\\u0000", "\\u0001", "\\u0002", "\\u0003", "\\u0004",      "\\u0005",       "\\u0006",
    "\\u0007", "\\b",     "\\t",     "\\n",     "\\u000b",      "\\f",           "\\r",
    "\\u000e", "\\u000f", "\\u0010", "\\u0011", "\\u0012",      "\\u0013",       "\\u0014",
    "\\u0015", "\\u0016", "\\u0017", "\\u0018", "\\u0019",      "\\u001a",       "\\u001b",
    "\\u001c", "\\u001d", "\\u001e", "\\u001f", ['"'] = "\\\"", ['\\'] = "\\\\",
};

static inline bool is_escaped(uint8_t byte) {
    return byte < 0x80 && escapes[byte][0] != '\0';
}

static inline char *put_escaped(char *out, uint8_t byte) {
    memcpy(out, escapes[byte], sizeof escapes[byte]);
    return out + (escapes[byte][1] == 'u' ? 6 : 2);
}

static inline char *put_ascii(char *out, uint8_t byte) {
    if (is_escaped(byte))
        return put_escaped(out, byte);
    *out = (char)byte;
    return out + 1;
}

// Table 3-7 of the Unicode standard: by the first byte, how long the character is and what its second byte
// may be.
static bool begins(struct cast_held *held, uint8_t byte) {
    unsigned length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    if (byte < 0xc2 || byte > 0xf4)
        return false;
    *held = (struct cast_held){
        .bytes = {byte}, .count = 1, .length = (uint8_t)length, .least = 0x80, .most = 0xbf};
    if (byte == 0xe0)
        held->least = 0xa0; // longer than it need be
    else if (byte == 0xed)
        held->most = 0x9f; // surrogates
    else if (byte == 0xf0)
        held->least = 0x90;
    else if (byte == 0xf4)
        held->most = 0x8f; // beyond U+10FFFF
    return true;
}

// A byte that is not a plain one, or that comes while a character is held.
static char *put_byte(struct cast_held *held, uint8_t byte, char *out) {
    if (held->count > 0) {
        if (byte >= held->least && byte <= held->most) {
            held->bytes[held->count++] = byte;
            held->least = 0x80;
            held->most = 0xbf;
            if (held->count < held->length)
                return out;
            memcpy(out, held->bytes, held->length);
            out += held->length;
            held->count = 0;
            return out;
        }
        held->count = 0;
        out = put_replacement(out);
    }
    if (byte < 0x80)
        return put_ascii(out, byte);
    return begins(held, byte) ? out : put_replacement(out);
}

// Characters of ASCII, as many as follow each other; the last few of `bytes` are left.
static const uint8_t *put_plain(const uint8_t *bytes, const uint8_t *end, char **out) {
    uint64_t word;
    while (end - bytes >= (ptrdiff_t)sizeof word) {
        memcpy(&word, bytes, sizeof word);
        memcpy(*out, &word, sizeof word); // what is not plain is written over
        uint64_t special = specials(word);
        unsigned count = special == 0 ? sizeof word : (unsigned)__builtin_ctzll(special) / 8;
        *out += count;
        bytes += count;
        if (special == 0)
            continue;
        if (*bytes >= 0x80)
            break;
        for (; bytes < end && is_escaped(*bytes); bytes++)
            *out = put_escaped(*out, *bytes);
    }
    return bytes;
}

size_t cast_text(struct cast_held *held, const uint8_t *bytes, size_t length, char *out) {
    const char *begin = out;
    const uint8_t *end = bytes + length;
    while (bytes < end) {
        if (held->count == 0)
            bytes = put_plain(bytes, end, &out);
        // What is beyond ASCII, or among the last.
        for (; bytes < end && (*bytes >= 0x80 || held->count > 0 || end - bytes < 8); bytes++)
            out = held->count == 0 && *bytes < 0x80 ? put_ascii(out, *bytes) : put_byte(held, *bytes, out);
    }
    return (size_t)(out - begin);
}

size_t cast_text_end(struct cast_held *held, char *out) {
    if (held->count == 0)
        return 0;
    held->count = 0;
    return (size_t)(put_replacement(out) - out);
}

// snprintf() would take as long as all the rest of a short event.
static char *put_number(char *out, uint64_t number, unsigned least_digits) {
    char digits[20];
    unsigned count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0 || count < least_digits);
    while (count > 0)
        *out++ = digits[--count];
    return out;
}

size_t cast_event_begin(struct cast_clock *clock, char kind, uint64_t now_us, char *out) {
    const char *begin = out;
    if (now_us < clock->last_us)
        now_us = clock->last_us; // players want time to go on
    uint64_t since = now_us - (clock->version == CAST_3 ? clock->last_us : clock->start_us);
    clock->last_us = now_us;
    *out++ = '[';
    out = put_number(out, since / 1000000, 1);
    *out++ = '.';
    out = put_number(out, since % 1000000, 6);
    memcpy(out, ",\"o\",\"", 6);
    out[2] = kind;
    return (size_t)(out + 6 - begin);
}

size_t cast_event_end(char *out) {
    memcpy(out, "\"]\n", 3);
    return 3;
}

static char *put_member(char *out, const char *before, const char *text, const char *after) {
    struct cast_held held = {0};
    out = stpcpy(out, before);
    out += cast_text(&held, (const uint8_t *)text, strlen(text), out);
    out += cast_text_end(&held, out);
    return stpcpy(out, after);
}

size_t cast_header(const struct cast_header *header, char *out) {
    bool is_3 = header->version == CAST_3;
    const char *begin = out;
    out += sprintf(out,
                   is_3 ? "{\"version\":3,\"term\":{\"cols\":%u,\"rows\":%u"
                        : "{\"version\":2,\"width\":%u,\"height\":%u",
                   header->columns, header->rows);
    if (is_3) {
        if (header->term[0] != '\0')
            out = put_member(out, ",\"type\":\"", header->term, "\"");
        out = stpcpy(out, "}");
    }
    out += sprintf(out, ",\"timestamp\":%llu", (unsigned long long)header->unix_seconds);
    if (header->title[0] != '\0')
        out = put_member(out, ",\"title\":\"", header->title, "\"");
    if (!is_3 && header->term[0] != '\0')
        out = put_member(out, ",\"env\":{\"TERM\":\"", header->term, "\"}");
    return (size_t)(stpcpy(out, "}\n") - begin);
}
