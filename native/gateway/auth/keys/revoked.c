#include "auth/keys/revoked.h"

#include <stdlib.h>
#include <string.h>

#include "auth/keys/lines.h"
#include "auth/keys/source.h"
#include "cleanup.h"
#include "log.h"
#include "monitor/self.h"

#define KRL "SSHKRL\n"

static bool found(struct key_search *search, struct key_line *line) {
    (void)search;
    (void)line;
    return true;
}

static bool has(struct bytes blob, const char *path, const char *text, size_t length) {
    struct key_search search = {.blob = blob, .place = path, .found = found};
    return key_lines_search(&search, text, length);
}

// The key within a certificate, as one of its own.
static struct bytes plain_of(const struct shown_key *shown, uint8_t *room, size_t size) {
    struct blob_reader reader = blob_open(shown->blob);
    struct public_key key;
    struct blob_writer writer = {.bytes = room, .size = size};
    (void)blob_string(&reader);
    (void)blob_string(&reader);
    const uint8_t *from = reader.at;
    if (!public_key_read(&key, shown->type, &reader))
        return (struct bytes){.at = room, .length = 0};
    public_key_close(&key);
    blob_put_text(&writer, shown->type->name);
    blob_put(&writer, from, (size_t)(reader.at - from));
    return (struct bytes){.at = room, .length = writer.overflow ? 0 : writer.used};
}

bool key_is_revoked(const struct monitor *monitor, const struct shown_key *shown) {
    static uint8_t plain[MOST_BLOB];
    const char *path = monitor->world->settings->revoked_keys, *why = NULL;
    const struct reader root = {.name = "root"};
    size_t length = 0;
    if (path == NULL)
        return false;
    cleanup_free char *text = source_file(&root, path, "/", &length, &why);
    if (text == NULL || strncmp(text, KRL, strlen(KRL)) == 0) {
        log_line(LOG_ERR, "No key lets anybody in: %s can't be read (revoked_keys): %s.", path,
                 text != NULL  ? "it is no list of public keys, one a line"
                 : why != NULL ? why
                               : "it is not there");
        return true;
    }
    bool revoked = has(shown->blob, path, text, length);
    if (shown->certificate != NULL)
        revoked = revoked || has(shown->certificate->ca, path, text, length) ||
                  has(plain_of(shown, plain, sizeof plain), path, text, length);
    if (revoked)
        log_line(LOG_WARNING, "A key that is revoked is shown for %s from %s.", monitor->auth.user,
                 monitor->address);
    return revoked;
}
