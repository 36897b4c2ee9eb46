#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN_BEGIN = 200, SHOWN_END = 100 };

// Names come from archives: what is not printable is shown as \xHH, so that the message stays one line
// and no terminal acts on it.
static void print_bytes(const char *text, size_t length) {
    for (size_t at = 0; at < length; at++) {
        unsigned char byte = (unsigned char)text[at];
        if (byte < ' ' || byte == 0x7f || byte == '\\')
            (void)fprintf(stderr, "\\x%02x", byte);
        else
            (void)fputc(byte, stderr);
    }
}

// A name may have a megabyte: its beginning and its end say which it is.
static void print_quoted(const char *text) {
    size_t length = strlen(text);
    if (length <= SHOWN_BEGIN + SHOWN_END) {
        print_bytes(text, length);
        return;
    }
    print_bytes(text, SHOWN_BEGIN);
    (void)fputs("[...]", stderr);
    print_bytes(text + length - SHOWN_END, SHOWN_END);
}

void note_left_out(const char *path, const char *why) {
    (void)fputs(MARK_LEFT_OUT "'", stderr);
    print_quoted(path);
    (void)fprintf(stderr, "': %s\n", why);
}

static int status_of(const struct err *err, bool has_entry) {
    if (err->number == ENOSPC || err->number == EDQUOT)
        return FAILURE_FULL;
    if (err->number != 0)
        return has_entry ? FAILURE_ENTRY : FAILURE_SYSTEM;
    return (int)err->code;
}

int fail(const struct err *err, const char *path, bool has_offset, uint64_t offset) {
    char text[512];
    err_text(err, text, sizeof text);
    (void)fputs(MARK_FAILED, stderr);
    bool has_entry = path != NULL && path[0] != '\0';
    if (has_entry) {
        (void)fputs("entry '", stderr);
        print_quoted(path);
        (void)fputs("'", stderr);
    }
    if (has_offset)
        (void)fprintf(stderr, "%s%" PRIu64, path != NULL ? " at offset " : "at offset ", offset);
    if (has_offset || has_entry)
        (void)fputs(": ", stderr);
    print_quoted(text);
    (void)fputc('\n', stderr);
    return status_of(err, has_entry);
}
