#include "keeper/record/cast.h"

#include <stdio.h>
#include <string.h>

#define ONES 0x0101010101010101ull
#define HIGHS 0x8080808080808080ull

// Whether none of eight bytes is a control character, a quotation mark, a backslash or beyond ASCII. A
// difference has its high bit where the byte was below what is taken away; a byte next to such a one may be
// looked at in vain.
static bool are_plain(uint64_t word) {
    uint64_t quotes = word ^ (ONES * '"'), slashes = word ^ (ONES * '\\');
    uint64_t special = (word - ONES * 0x20) | (quotes - ONES) | (slashes - ONES) | word;
    return (special & HIGHS) == 0;
}

static char *put_replacement(char *out) {
    memcpy(out, "\xef\xbf\xbd", 3);
    return out + 3;
}

// What follows the backslash: of a character that is written by its number, u.
static const char escapes[0x80] = {
    [0x00 ... 0x07] = 'u', ['\b'] = 'b', ['\t'] = 't',          ['\n'] = 'n', [0x0b] = 'u',
    ['\f'] = 'f',          ['\r'] = 'r', [0x0e ... 0x1f] = 'u', ['"'] = '"',  ['\\'] = '\\',
};

static inline char *put_ascii(char *out, uint8_t byte) {
    static const char digits[] = "0123456789abcdef";
    char escape = escapes[byte];
    if (escape == 0) {
        *out = (char)byte;
        return out + 1;
    }
    out[0] = '\\';
    out[1] = escape;
    if (escape != 'u')
        return out + 2;
    out[2] = out[3] = '0';
    out[4] = digits[byte >> 4];
    out[5] = digits[byte & 0xf];
    return out + 6;
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

size_t cast_text(struct cast_held *held, const uint8_t *bytes, size_t length, char *out) {
    const char *begin = out;
    const uint8_t *end = bytes + length;
    while (bytes < end) {
        uint64_t word;
        while (held->count == 0 && end - bytes >= (ptrdiff_t)sizeof word) {
            memcpy(&word, bytes, sizeof word);
            if (!are_plain(word))
                break;
            memcpy(out, &word, sizeof word);
            out += sizeof word;
            bytes += sizeof word;
        }
        // Past the byte that was in the way.
        for (unsigned count = 0; count < sizeof word && bytes < end; count++, bytes++)
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
