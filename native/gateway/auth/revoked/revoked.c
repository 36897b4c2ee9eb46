#include "auth/revoked/revoked.h"

#include <stdlib.h>
#include <string.h>

#include "auth/keys/lines.h"
#include "auth/keys/source.h"
#include "auth/revoked/krl.h"
#include "cleanup.h"
#include "log.h"
#include "monitor/self.h"

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

// KRL_DAMAGED: the list can't be gone by.
static enum krl_verdict look(const struct shown_key *shown, const char *path, const char *text,
                             size_t length) {
    static uint8_t room[MOST_BLOB];
    const struct bytes list = {.at = (const uint8_t *)text, .length = length};
    struct bytes plain = shown->certificate != NULL ? plain_of(shown, room, sizeof room) : shown->blob;
    if (krl_is(list))
        return krl_look(list, plain, shown->certificate);
    bool revoked = has(shown->blob, path, text, length) || has(plain, path, text, length) ||
                   (shown->certificate != NULL && has(shown->certificate->ca, path, text, length));
    return revoked ? KRL_REVOKED : KRL_FINE;
}

bool key_is_revoked(const struct monitor *monitor, const struct shown_key *shown) {
    const char *path = monitor->world->settings->revoked_keys, *why = NULL;
    const struct reader root = {.name = "root"};
    size_t length = 0;
    if (path == NULL)
        return false;
    cleanup_free char *text = source_file(&root, path, "/", &length, &why);
    enum krl_verdict verdict = text != NULL ? look(shown, path, text, length) : KRL_DAMAGED;
    if (verdict == KRL_REVOKED)
        log_line(LOG_WARNING, "A key that is revoked is shown for %s from %s.", monitor->auth.user,
                 monitor->address);
    if (verdict == KRL_DAMAGED)
        log_line(LOG_ERR, "No key lets anybody in: %s can't be read (revoked_keys): %s.", path,
                 text != NULL  ? "it is no list that is known"
                 : why != NULL ? why
                               : "it is not there");
    return verdict != KRL_FINE;
}
