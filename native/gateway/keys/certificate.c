#include "keys/certificate.h"

#include <stdio.h>
#include <string.h>

#define SUFFIX "-cert-v01@openssh.com"
#define MOST_PRINCIPALS 256

bool certificate_algorithm(const char *algorithm, char *plain, size_t size) {
    size_t length = strlen(algorithm), end = strlen(SUFFIX);
    if (length <= end || strcmp(algorithm + length - end, SUFFIX) != 0)
        return false;
    bool token = strncmp(algorithm, "sk-", 3) == 0;
    int made = snprintf(plain, size, "%.*s%s", (int)(length - end), algorithm, token ? "@openssh.com" : "");
    return made > 0 && (size_t)made < size;
}

// The signature is of everything before it.
static bool is_signed(const struct certificate *certificate, struct bytes before, struct bytes signature) {
    struct public_key ca;
    struct presence presence;
    char algorithm[64];
    struct blob_reader reader = blob_open(signature);
    struct bytes name = blob_string(&reader);
    // A certificate's CA is a key, never another certificate.
    if (reader.bad || name.length >= sizeof algorithm || !public_key_open(&ca, certificate->ca))
        return false;
    memcpy(algorithm, name.at, name.length);
    algorithm[name.length] = '\0';
    bool good =
        strlen(algorithm) == name.length && public_key_verify(&ca, algorithm, signature, before, &presence);
    public_key_close(&ca);
    return good;
}

static bool principals_are_whole(struct bytes principals) {
    struct blob_reader reader = blob_open(principals);
    for (size_t count = 0; reader.at < reader.end && !reader.bad; count++) {
        struct bytes name = blob_string(&reader);
        if (count == MOST_PRINCIPALS || memchr(name.at, '\0', name.length) != NULL)
            return false;
    }
    return blob_whole(&reader);
}

bool certificate_open(struct certificate *certificate, struct bytes blob) {
    *certificate = (struct certificate){0};
    struct blob_reader reader = blob_open(blob);
    const struct key_type *type = key_type_of_certificate(blob_string(&reader));
    (void)blob_string(&reader); // a nonce
    if (type == NULL || !public_key_read(&certificate->key, type, &reader))
        return false;
    certificate->serial = blob_u64(&reader);
    certificate->kind = blob_u32(&reader);
    certificate->id = blob_string(&reader);
    certificate->principals = blob_string(&reader);
    certificate->valid_after = blob_u64(&reader);
    certificate->valid_before = blob_u64(&reader);
    certificate->options = blob_string(&reader);
    certificate->extensions = blob_string(&reader);
    (void)blob_string(&reader); // reserved
    certificate->ca = blob_string(&reader);
    struct bytes before = {.at = blob.at, .length = (size_t)(reader.at - blob.at)};
    struct bytes signature = blob_string(&reader);
    if (blob_whole(&reader) && principals_are_whole(certificate->principals) &&
        is_signed(certificate, before, signature))
        return true;
    certificate_close(certificate);
    return false;
}

void certificate_close(struct certificate *certificate) {
    public_key_close(&certificate->key);
}

bool certificate_names(const struct certificate *certificate, const char *name) {
    struct blob_reader reader = blob_open(certificate->principals);
    while (reader.at < reader.end && !reader.bad)
        if (bytes_are(blob_string(&reader), name))
            return true;
    return false;
}

bool certificate_next(struct blob_reader *reader, struct bytes *name, struct bytes *value) {
    if (reader->at == reader->end || reader->bad)
        return false;
    *name = blob_string(reader);
    *value = blob_string(reader);
    return !reader->bad;
}
