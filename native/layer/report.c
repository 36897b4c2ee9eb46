#include "report.h"

#include <inttypes.h>
#include <stdio.h>

// Names come from archives: what is not printable is shown as \xHH, so that the message stays one line
// and no terminal acts on it.
static void print_quoted(const char *text) {
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte < ' ' || byte == 0x7f || byte == '\\')
            (void)fprintf(stderr, "\\x%02x", byte);
        else
            (void)fputc(byte, stderr);
    }
}

int fail(const struct err *err, const char *path, bool has_offset, uint64_t offset) {
    char text[512];
    err_text(err, text, sizeof text);
    (void)fputs("dockersh-layer: ", stderr);
    if (path != NULL && path[0] != '\0') {
        (void)fputs("entry '", stderr);
        print_quoted(path);
        (void)fputs("'", stderr);
    }
    if (has_offset)
        (void)fprintf(stderr, "%s%" PRIu64, path != NULL ? " at offset " : "at offset ", offset);
    if (has_offset || (path != NULL && path[0] != '\0'))
        (void)fputs(": ", stderr);
    print_quoted(text);
    (void)fputc('\n', stderr);
    return err->number != 0 ? EXIT_SYSTEM : EXIT_DATA;
}
