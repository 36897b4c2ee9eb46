#include "terminal/harmless.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MOST_PARAMETERS 64

static bool is_one_of(unsigned code, const char *set) {
    return code != 0 && code < 0x80 && strchr(set, (int)code) != NULL;
}

static void to(struct harmless *filter, unsigned state) {
    filter->state = state;
    filter->length = 0;
}

static void hold(struct harmless *filter, char byte) {
    if (filter->length < HARMLESS_HELD)
        filter->held[filter->length] = byte;
    filter->length++;
}

static void begin_sequence(struct harmless *filter) {
    to(filter, SEQUENCE);
    hold(filter, '\x1b');
    hold(filter, '[');
}

static void begin_escape(struct harmless *filter) {
    to(filter, ESCAPE);
    hold(filter, '\x1b');
}

// What is held, with this byte behind it.
static char *show(struct harmless *filter, char byte, char *out) {
    memcpy(out, filter->held, filter->length);
    out += filter->length;
    *out++ = byte;
    to(filter, GROUND);
    return out;
}

// ---- sequences -------------------------------------------------------------------------------------------

// Numbers with what stands between them, each of at most four digits: none repeats, inserts or scrolls for
// minutes.
static bool are_numbers(const char *text, size_t length, size_t *count) {
    size_t digits = 0;
    *count = 1;
    for (size_t at = 0; at < length; at++) {
        bool is_digit = text[at] >= '0' && text[at] <= '9';
        if (!is_digit && text[at] != ';' && text[at] != ':')
            return false;
        digits = is_digit ? digits + 1 : 0;
        *count += is_digit ? 0 : 1;
        if (digits > 4)
            return false;
    }
    return true;
}

// Modes that change what is drawn, and nothing of what is typed or reported.
static bool are_modes(const char *text, size_t length, bool is_private) {
    static const int drawing[] = {5, 6, 7, 12, 25, 45, 47, 69, 1047, 1048, 1049, 2026}, ansi[] = {4, 20};
    const int *known = is_private ? drawing : ansi;
    size_t most = is_private ? sizeof drawing / sizeof drawing[0] : sizeof ansi / sizeof ansi[0];
    for (const char *end = text + length;;) {
        char *next;
        bool found = false;
        long mode = strtol(text, &next, 10);
        for (size_t index = 0; index < most; index++)
            found |= next != text && known[index] == mode;
        if (!found)
            return false;
        if (next >= end)
            return true;
        text = next + 1;
    }
}

static bool is_drawing(const char *text, size_t length, char final) {
    size_t count = 0;
    if (are_numbers(text, length, &count)) {
        if (final == 'h' || final == 'l')
            return are_modes(text, length, false);
        // "T" with five of them follows the mouse.
        return is_one_of((unsigned char) final, "@ABCDEFGHIJKLMPSTX`abdefgmrsu") &&
               (final == 'm' || count <= 2);
    }
    if (text[0] == '?' && are_numbers(text + 1, length - 1, &count)) {
        if (final == 'J' || final == 'K')
            return true;
        return (final == 'h' || final == 'l') && are_modes(text + 1, length - 1, true);
    }
    bool is_cursor = final == 'q' && text[length - 1] == ' ' &&
                     (length == 1 || (length == 2 && text[0] >= '0' && text[0] <= '9'));
    return is_cursor || (final == 'p' && length == 1 && text[0] == '!');
}

static char *sequence(struct harmless *filter, unsigned code, char *out) {
    if (code == 0x1b) {
        begin_escape(filter);
        return out;
    }
    if (code < 0x20)
        return out; // what a terminal does between is not worth telling
    if (code < 0x40) {
        hold(filter, (char)code);
        return out;
    }
    size_t length = filter->length - 2;
    bool fits = code < 0x7f && filter->length < HARMLESS_HELD && length <= MOST_PARAMETERS - 2;
    if (fits)
        filter->held[filter->length] = '\0'; // where a number ends
    if (fits && is_drawing(filter->held + 2, length, (char)code))
        return show(filter, (char)code, out);
    to(filter, GROUND);
    return out;
}

// ---- everything else -------------------------------------------------------------------------------------

static char *escape(struct harmless *filter, unsigned code, char *out) {
    if (code == 0x1b) {
        begin_escape(filter);
        return out;
    }
    if (filter->length > 1) { // ESC ( B, and the like
        if (code >= 0x30 && code < 0x7f && !is_one_of((unsigned char)filter->held[1], "% "))
            return show(filter, (char)code, out);
        to(filter, GROUND);
        return out;
    }
    if (code == '[') {
        begin_sequence(filter);
    } else if (is_one_of(code, "P]X^_")) {
        to(filter, STRING);
    } else if (is_one_of(code, "()*+-./#% ")) {
        hold(filter, (char)code);
    } else if (is_one_of(code, "78DEHMc")) {
        return show(filter, (char)code, out);
    } else {
        to(filter, GROUND);
    }
    return out;
}

static char *ground(struct harmless *filter, unsigned code, char *out) {
    if (code == 0x1b) {
        begin_escape(filter);
    } else if (code == 0x9b) {
        begin_sequence(filter);
    } else if (code == 0x90 || code == 0x98 || (code >= 0x9d && code <= 0x9f)) {
        to(filter, STRING);
    } else if (code != 0x05 && code != 0 && !(code >= 0x7f && code <= 0x9f)) { // ENQ has it answer
        memcpy(out, filter->character, filter->count);
        return out + filter->count;
    }
    return out;
}

static char *take(struct harmless *filter, unsigned code, char *out) {
    if (code == 0x18 || code == 0x1a) { // CAN, SUB: whatever it was is over
        to(filter, GROUND);
        return out;
    }
    switch (filter->state) {
    case ESCAPE:
        return escape(filter, code, out);
    case SEQUENCE:
        return sequence(filter, code, out);
    case STRING:
        if (code == 0x1b)
            to(filter, STRING_ESCAPE);
        else if (code == 0x07 || code == 0x9c)
            to(filter, GROUND);
        return out;
    case STRING_ESCAPE:
        if (code == '\\') {
            to(filter, GROUND);
            return out;
        }
        begin_escape(filter);
        return escape(filter, code, out);
    default:
        return ground(filter, code, out);
    }
}

static unsigned code_of(const struct harmless *filter) {
    static const unsigned char masks[] = {0x7f, 0x7f, 0x1f, 0x0f, 0x07};
    unsigned code = (unsigned char)filter->character[0] & masks[filter->count];
    for (unsigned index = 1; index < filter->count; index++)
        code = code << 6 | ((unsigned char)filter->character[index] & 0x3f);
    return code;
}

// A byte that is no part of a character could be a control of 8 bits.
static char *unknown(struct harmless *filter, char *out) {
    filter->character[0] = '?';
    filter->count = 1;
    out = take(filter, '?', out);
    filter->count = 0;
    return out;
}

size_t harmless_take(struct harmless *filter, const char *bytes, size_t length, char *out) {
    const char *begin = out;
    for (size_t at = 0; at < length; at++) {
        unsigned char byte = (unsigned char)bytes[at];
        bool continues = byte >= 0x80 && byte < 0xc0;
        if (filter->count > 0 && !continues)
            out = unknown(filter, out);
        if ((filter->count == 0 && continues) || byte > 0xf4) {
            out = unknown(filter, out);
            continue;
        }
        if (filter->count == 0)
            filter->needed = byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
        filter->character[filter->count++] = (char)byte;
        if (filter->count < filter->needed)
            continue;
        out = take(filter, code_of(filter), out);
        filter->count = 0;
    }
    return (size_t)(out - begin);
}
