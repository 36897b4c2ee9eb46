#include "auth/keys/lines.h"

#include <openssl/evp.h>
#include <string.h>

#include "keys/public.h"
#include "log.h"

#define MOST_LINE 16384

static const char *skip_blanks(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return at;
}

static size_t word_length(const char *at, const char *end) {
    size_t length = 0;
    while (at + length < end && at[length] != ' ' && at[length] != '\t')
        length++;
    return length;
}

static bool is_type(const char *at, size_t length) {
    const struct bytes name = {.at = (const uint8_t *)at, .length = length};
    return key_type_of(name) != NULL;
}

// The bytes of a word in base64; the length, or 0.
static size_t decode(const char *at, size_t length, uint8_t *bytes, size_t size) {
    if (length == 0 || length % 4 != 0 || length / 4 * 3 > size)
        return 0;
    int decoded = EVP_DecodeBlock(bytes, (const uint8_t *)at, (int)length);
    if (decoded <= 0)
        return 0;
    size_t padding = at[length - 1] != '=' ? 0 : at[length - 2] == '=' ? 2 : 1;
    return (size_t)decoded - padding;
}

// [options] type base64 [comment]. True: the search is over.
static bool look_at(struct key_search *search, const char *at, const char *end, unsigned number) {
    static uint8_t blob[MOST_BLOB];
    struct key_line line = {.blob = blob, .number = number};
    const char *problem = NULL;
    at = skip_blanks(at, end);
    if (at == end || *at == '#')
        return false;
    bool plain = is_type(at, word_length(at, end));
    const char *options = at;
    if (!plain) {
        // Past the options without judging them: only the line that has this key is worth a word in the log.
        bool quoted = false;
        for (; at < end && (quoted || (*at != ' ' && *at != '\t')); at++) {
            if (*at == '\\' && at + 1 < end && at[1] == '"')
                at++;
            else if (*at == '"')
                quoted = !quoted;
        }
        at = skip_blanks(at, end);
        if (!is_type(at, word_length(at, end)))
            return false;
    }
    at = skip_blanks(at + word_length(at, end), end);
    line.length = decode(at, word_length(at, end), blob, sizeof blob);
    if (!bytes_equal((struct bytes){.at = blob, .length = line.length}, search->blob))
        return false;
    if (!plain && !key_options_read(&line.options, &options, end, &problem)) {
        log_line(LOG_WARNING, "A key is not taken: line %u of %s has %s.", number, search->place, problem);
        key_options_free(&line.options);
        return false;
    }
    bool over = search->found(search, &line);
    key_options_free(&line.options);
    return over;
}

bool key_lines_search(struct key_search *search, const char *text, size_t length) {
    const char *at = text, *end = text + length;
    for (unsigned number = 1; at < end; number++) {
        const char *next = memchr(at, '\n', (size_t)(end - at));
        const char *last = next != NULL ? next : end;
        if (last > at && last[-1] == '\r')
            last--;
        if (last - at <= MOST_LINE && look_at(search, at, last, number))
            return true;
        at = next != NULL ? next + 1 : end;
    }
    return false;
}
