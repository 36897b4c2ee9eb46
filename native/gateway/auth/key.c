#include "auth/key.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "auth/keys/allowed.h"
#include "cleanup.h"
#include "log.h"
#include "monitor/self.h"

#define MOST_ALGORITHM 64
#define USERAUTH_REQUEST 50
#define HOST_BOUND "publickey-hostbound-v00@openssh.com"

// What a client shows, opened.
struct show {
    char *algorithm;            // as the client says it
    char plain[MOST_ALGORITHM]; // of the signature
    struct shown_key shown;
    struct public_key key;
    struct certificate certificate;
};

static bool open_certificate(struct show *show) {
    if (!certificate_algorithm(show->algorithm, show->plain, sizeof show->plain) ||
        !certificate_open(&show->certificate, show->shown.blob))
        return false;
    show->shown.certificate = &show->certificate;
    show->shown.type = show->certificate.key.type;
    return true;
}

static bool open_plain(struct show *show) {
    (void)strncpy(show->plain, show->algorithm, sizeof show->plain - 1);
    if (!public_key_open(&show->key, show->shown.blob))
        return false;
    show->shown.type = show->key.type;
    return true;
}

// False: a key of no kind that counts.
static bool show_open(struct show *show, const struct asked *asked) {
    *show = (struct show){.algorithm = asked_text(asked, TAG_NAME, MOST_ALGORITHM - 1)};
    show->shown.blob = asked_bytes(asked, TAG_GW_KEY);
    if (show->algorithm == NULL || show->shown.blob.length > MOST_BLOB)
        return false;
    struct blob_reader reader = blob_open(show->shown.blob);
    bool certified = key_type_of_certificate(blob_string(&reader)) != NULL;
    return (certified ? open_certificate(show) : open_plain(show)) &&
           public_key_takes(show->shown.type, show->plain);
}

static void show_close(struct show *show) {
    public_key_close(&show->key);
    certificate_close(&show->certificate);
    free(show->algorithm);
}

static bool is_own_host_key(const struct monitor *monitor, struct bytes blob) {
    const struct host_keys *keys = monitor->world->host_keys;
    for (size_t index = 0; index < keys->count; index++)
        if (bytes_equal(
                blob, (struct bytes){.at = keys->keys[index].blob, .length = keys->keys[index].blob_length}))
            return true;
    return false;
}

// What has been signed is this request of this connection, and nothing else (RFC 4252 section 7).
static enum outcome check_data(const struct monitor *monitor, const struct show *show, struct bytes data) {
    const struct bytes own = {.at = monitor->session_id, .length = monitor->session_id_length};
    struct blob_reader reader = blob_open(data);
    // The connection process itself puts it there: another one is none of the client's doing.
    if (!bytes_equal(blob_string(&reader), own))
        return OUTCOME_BREACH;
    bool good = blob_u8(&reader) == USERAUTH_REQUEST;
    good = bytes_are(blob_string(&reader), monitor->auth.user) && good;
    good = bytes_are(blob_string(&reader), "ssh-connection") && good;
    struct bytes method = blob_string(&reader);
    bool bound = bytes_are(method, HOST_BOUND);
    good = (bound || bytes_are(method, "publickey")) && good;
    good = blob_u8(&reader) == 1 && good;
    good = bytes_are(blob_string(&reader), show->algorithm) && good;
    good = bytes_equal(blob_string(&reader), show->shown.blob) && good;
    if (bound)
        good = is_own_host_key(monitor, blob_string(&reader)) && good;
    return good && blob_whole(&reader) ? OUTCOME_SUCCESS : OUTCOME_FAILURE;
}

static bool is_used(const struct auth *auth, const char *print) {
    for (size_t index = 0; index < auth->used_count; index++)
        if (strcmp(auth->used_keys[index], print) == 0)
            return true;
    return false;
}

static bool note(struct auth *auth, const struct show *show, const char *print) {
    cleanup_free char *key = malloc(2 * MOST_BLOB);
    if (key == NULL || auth->used_count == MOST_STEPS)
        return false;
    auth->used_keys[auth->used_count] = strdup(print);
    if (auth->used_keys[auth->used_count] == NULL)
        return false;
    auth->used_count++;
    (void)EVP_EncodeBlock((unsigned char *)key, show->shown.blob.at, (int)show->shown.blob.length);
    const char *type =
        show->certificate.key.type != NULL ? show->shown.type->certificate : show->shown.type->name;
    auth_note(auth, "publickey %s %s\n", type, key);
    return true;
}

static enum outcome verify(struct monitor *monitor, const struct show *show, const struct asked *asked,
                           struct key_options *options) {
    struct presence presence = {0};
    char print[FINGERPRINT_SIZE];
    struct bytes data = asked_bytes(asked, TAG_GW_DATA);
    const struct public_key *key = show->shown.certificate != NULL ? &show->certificate.key : &show->key;
    enum outcome checked = check_data(monitor, show, data);
    if (checked != OUTCOME_SUCCESS)
        return checked;
    if (!public_key_verify(key, show->plain, asked_bytes(asked, TAG_GW_SIGNATURE), data, &presence))
        return OUTCOME_FAILURE;
    fingerprint(show->shown.blob, print);
    bool held = !key->type->token ||
                ((presence.touched || options->no_touch) && (presence.verified || !options->verify));
    if (!held) {
        log_line(LOG_NOTICE, "The security key %s of %s has not been touched, or does not know its holder.",
                 print, monitor->auth.user);
        return OUTCOME_FAILURE;
    }
    // Two keys in a row are two keys.
    if (is_used(&monitor->auth, print) || !grant_join(&monitor->auth.grant, &options->grant) ||
        !note(&monitor->auth, show, print))
        return OUTCOME_FAILURE;
    return OUTCOME_SUCCESS;
}

enum outcome auth_by_key(struct monitor *monitor, const struct asked *asked) {
    struct show show;
    struct key_options options = {0};
    enum outcome outcome = OUTCOME_FAILURE;
    if (show_open(&show, asked) && monitor->auth.known && key_is_allowed(monitor, &show.shown, &options)) {
        bool asks = asked_bytes(asked, TAG_GW_SIGNATURE).length == 0;
        outcome = asks ? OUTCOME_WOULD_DO : verify(monitor, &show, asked, &options);
    }
    key_options_free(&options);
    show_close(&show);
    return outcome;
}
