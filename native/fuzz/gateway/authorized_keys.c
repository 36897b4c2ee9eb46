// Fuzzes lines of authorized_keys: whatever stands there, a key counts only by a line whose options are
// understood.

#include "auth/keys/lines.h"
#include "fuzz.h"
#include "log.h"

#define KEY "AAAAC3NzaC1lZDI1NTE5AAAAID4M1gmgeRMj0njWn9/1Tne6/uL+Aea0yJ6FDgVRUwO5"

void log_line(int level, const char *format, ...) {
    (void)level;
    (void)format;
}

static const uint8_t blob[] =
    "\0\0\0\013ssh-ed25519\0\0\0\x20\x3e\x0c\xd6\x09\xa0\x79\x13\x23\xd2\x78\xd6\x9f\xdf"
    "\xf5\x4e\x77\xba\xfe\xe2\xfe\x01\xe6\xb4\xc8\x9e\x85\x0e\x05\x51\x53\x03\xb9";

static bool found(struct key_search *search, struct key_line *line) {
    const struct grant *grant = &line->options.grant;
    (void)search;
    REQUIRE(line->number > 0 && line->length == sizeof blob - 1);
    REQUIRE(grant->opens.count <= MOST_GRANTS && grant->opens.texts[grant->opens.count] == NULL);
    REQUIRE(grant->command == NULL || strlen(grant->command) < 20000);
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct key_search search = {
        .blob = {.at = blob, .length = sizeof blob - 1}, .place = "a file", .found = found};
    char *text = malloc(length + 1), *line = NULL;
    if (text == NULL)
        abort();
    memcpy(text, bytes, length);
    REQUIRE(!key_lines_search(&search, text, length));
    // The same in front of a key that fits.
    int size = asprintf(&line, "%.*s ssh-ed25519 " KEY "\n", (int)length, text);
    if (size >= 0)
        (void)key_lines_search(&search, line, (size_t)size);
    free(line);
    free(text);
    return 0;
}
