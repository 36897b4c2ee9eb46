#include "auth/keys/place.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "monitor/self.h"

#define MOST_WORD (2 * MOST_BLOB)

struct token {
    char letter;
    const char *text;
};

// NULL: something else stands behind a %, or there is no room.
static char *expand(const char *pattern, const struct token *tokens, size_t count) {
    char *word = malloc(MOST_WORD);
    size_t used = 0;
    for (; word != NULL && *pattern != '\0'; pattern++) {
        const char one[2] = {*pattern, '\0'}, *text = one;
        if (*pattern == '%') {
            pattern++;
            text = NULL;
            for (size_t index = 0; index < count; index++)
                if (tokens[index].letter == *pattern)
                    text = tokens[index].text;
        }
        size_t length = text != NULL ? strlen(text) : MOST_WORD;
        if (length >= MOST_WORD - used) {
            free(word);
            return NULL;
        }
        memcpy(word + used, text, length);
        used += length;
    }
    if (word != NULL)
        word[used] = '\0';
    return word;
}

char *place_of(const struct account *account, const char *pattern) {
    char uid[16];
    (void)snprintf(uid, sizeof uid, "%u", account->uid);
    const struct token tokens[] = {{'h', account->home}, {'u', account->name}, {'U', uid}, {'%', "%"}};
    char *path = expand(pattern, tokens, sizeof tokens / sizeof tokens[0]);
    if (path == NULL || path[0] == '/')
        return path;
    cleanup_free char *relative = path;
    char *whole = NULL;
    return asprintf(&whole, "%s/%s", account->home, relative) < 0 ? NULL : whole;
}

bool command_of(const struct monitor *monitor, const struct shown_key *shown, char *const *patterns,
                char **words) {
    const struct account *account = &monitor->auth.account;
    char uid[16], print[FINGERPRINT_SIZE];
    cleanup_free char *key = malloc(MOST_WORD);
    if (key == NULL || shown->blob.length > MOST_BLOB)
        return false;
    (void)EVP_EncodeBlock((unsigned char *)key, shown->blob.at, (int)shown->blob.length);
    fingerprint(shown->blob, print);
    (void)snprintf(uid, sizeof uid, "%u", account->uid);
    const char *type = shown->certificate != NULL ? shown->type->certificate : shown->type->name;
    const struct token tokens[] = {{'h', account->home}, {'u', account->name}, {'U', uid},  {'%', "%"},
                                   {'t', type},          {'k', key},           {'f', print}};
    for (; *patterns != NULL; patterns++, words++) {
        *words = expand(*patterns, tokens, sizeof tokens / sizeof tokens[0]);
        if (*words == NULL)
            return false;
    }
    return true;
}
