#include "ssh/cipher.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "values.h"

#define TAG 16
#define LENGTH 4
#define GCM_IV 12
#define CHACHA_KEY 32

struct span {
    uint8_t *at;
    size_t length;
};

static bool span_of(napi_env env, napi_value value, size_t least, struct span *span) {
    void *bytes;
    if (napi_get_buffer_info(env, value, &bytes, &span->length) == napi_ok && span->length >= least &&
        span->length <= INT32_MAX) {
        span->at = bytes;
        return true;
    }
    (void)napi_throw_type_error(env, NULL, "expected a Buffer that is long enough");
    return false;
}

static napi_value fail(napi_env env) {
    (void)napi_throw_error(env, NULL, "OpenSSL does not encrypt");
    return NULL;
}

static napi_value truth(napi_env env, bool is) {
    napi_value value = NULL;
    (void)napi_get_boolean(env, is, &value);
    return value;
}

static void put_u32(uint8_t *bytes, uint32_t number) {
    for (int index = 0; index < 4; index++)
        bytes[index] = (uint8_t)(number >> (24 - 8 * index));
}

// Fetched once: what OpenSSL does for each packet otherwise takes longer than to encrypt it. Only the main
// thread comes here.
static EVP_CIPHER *fetched(EVP_CIPHER **cipher, const char *name) {
    if (*cipher == NULL)
        *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    return *cipher;
}

static EVP_CIPHER_CTX *context(void) {
    static EVP_CIPHER_CTX *made;
    if (made == NULL)
        made = EVP_CIPHER_CTX_new();
    return made;
}

// ---- AES in Galois/Counter Mode (RFC 5647) --------------------------------------------------------------

struct gcm_packet {
    const uint8_t *length;
    uint8_t *body, *tag;
    size_t size; // of the body
};

static bool gcm(const struct span *key, const struct span *iv, const struct gcm_packet *packet, int seals) {
    static EVP_CIPHER *small, *large;
    int written;
    EVP_CIPHER *cipher = key->length == 16 ? fetched(&small, "AES-128-GCM") : fetched(&large, "AES-256-GCM");
    EVP_CIPHER_CTX *with = context();
    bool done = cipher != NULL && with != NULL && key->length == (size_t)EVP_CIPHER_get_key_length(cipher) &&
                EVP_CipherInit_ex2(with, cipher, key->at, iv->at, seals, NULL) == 1 &&
                (seals == 1 || EVP_CIPHER_CTX_ctrl(with, EVP_CTRL_AEAD_SET_TAG, TAG, packet->tag) == 1) &&
                EVP_CipherUpdate(with, NULL, &written, packet->length, LENGTH) == 1 &&
                EVP_CipherUpdate(with, packet->body, &written, packet->body, (int)packet->size) == 1 &&
                EVP_CipherFinal_ex(with, packet->body + packet->size, &written) == 1 &&
                (seals == 0 || EVP_CIPHER_CTX_ctrl(with, EVP_CTRL_AEAD_GET_TAG, TAG, packet->tag) == 1);
    // The last eight bytes count packets.
    for (int index = GCM_IV - 1; index >= 4 && ++iv->at[index] == 0; index--)
        ;
    return done;
}

// sealGcm(key, iv, packet): the packet's length in clear, its body, and room for the tag.
napi_value gcm_seal(napi_env env, napi_callback_info info) {
    napi_value values[3];
    struct span key, iv, packet;
    if (!arguments(env, info, 3, values) || !span_of(env, values[0], 16, &key) ||
        !span_of(env, values[1], GCM_IV, &iv) || !span_of(env, values[2], LENGTH + TAG, &packet))
        return NULL;
    const struct gcm_packet whole = {.length = packet.at,
                                     .body = packet.at + LENGTH,
                                     .size = packet.length - LENGTH - TAG,
                                     .tag = packet.at + packet.length - TAG};
    return gcm(&key, &iv, &whole, 1) ? NULL : fail(env);
}

// openGcm(key, iv, length, body, tag)
napi_value gcm_open(napi_env env, napi_callback_info info) {
    napi_value values[5];
    struct span key, iv, body, tag;
    uint8_t length[LENGTH];
    uint32_t number;
    if (!arguments(env, info, 5, values) || !span_of(env, values[0], 16, &key) ||
        !span_of(env, values[1], GCM_IV, &iv) || !u32_of(env, values[2], &number) ||
        !span_of(env, values[3], 0, &body) || !span_of(env, values[4], TAG, &tag))
        return NULL;
    put_u32(length, number);
    const struct gcm_packet whole = {.length = length, .body = body.at, .size = body.length, .tag = tag.at};
    return truth(env, gcm(&key, &iv, &whole, 0));
}

// ---- chacha20-poly1305@openssh.com (OpenSSH's PROTOCOL.chacha20poly1305) ----------------------------------

// The first half of the key is for the body and for the key of Poly1305, the second one for the length.
static bool chacha(const uint8_t *key, uint32_t number, uint8_t block, uint8_t *bytes, size_t size) {
    static EVP_CIPHER *cipher;
    uint8_t iv[16] = {block};
    int written;
    put_u32(iv + 12, number);
    return fetched(&cipher, "ChaCha20") != NULL && context() != NULL &&
           EVP_CipherInit_ex2(context(), cipher, key, iv, 1, NULL) == 1 &&
           EVP_CipherUpdate(context(), bytes, &written, bytes, (int)size) == 1;
}

static EVP_MAC_CTX *poly1305(void) {
    static EVP_MAC_CTX *made;
    EVP_MAC *mac = made == NULL ? EVP_MAC_fetch(NULL, "POLY1305", NULL) : NULL;
    if (mac != NULL)
        made = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac);
    return made;
}

static bool authenticate(const uint8_t *key, uint32_t number, const uint8_t *length, const struct span *body,
                         uint8_t tag[TAG]) {
    uint8_t own[CHACHA_KEY] = {0};
    size_t written;
    EVP_MAC_CTX *mac = poly1305();
    return mac != NULL && chacha(key, number, 0, own, sizeof own) &&
           EVP_MAC_init(mac, own, sizeof own, NULL) == 1 && EVP_MAC_update(mac, length, LENGTH) == 1 &&
           EVP_MAC_update(mac, body->at, body->length) == 1 && EVP_MAC_final(mac, tag, &written, TAG) == 1;
}

// sealChaCha(key, number, packet): the packet's length in clear, its body, and room for the tag.
napi_value chacha_seal(napi_env env, napi_callback_info info) {
    napi_value values[3];
    struct span key, packet;
    uint32_t number;
    if (!arguments(env, info, 3, values) || !span_of(env, values[0], 2 * CHACHA_KEY, &key) ||
        !u32_of(env, values[1], &number) || !span_of(env, values[2], LENGTH + TAG, &packet))
        return NULL;
    const struct span body = {.at = packet.at + LENGTH, .length = packet.length - LENGTH - TAG};
    bool done = chacha(key.at + CHACHA_KEY, number, 0, packet.at, LENGTH) &&
                chacha(key.at, number, 1, body.at, body.length) &&
                authenticate(key.at, number, packet.at, &body, body.at + body.length);
    return done ? NULL : fail(env);
}

// lengthChaCha(key, number, length): what it is, before anybody knows whether it is true.
napi_value chacha_length(napi_env env, napi_callback_info info) {
    napi_value values[3];
    struct span key, length;
    uint8_t clear[LENGTH];
    uint32_t number;
    if (!arguments(env, info, 3, values) || !span_of(env, values[0], 2 * CHACHA_KEY, &key) ||
        !u32_of(env, values[1], &number) || !span_of(env, values[2], LENGTH, &length))
        return NULL;
    memcpy(clear, length.at, LENGTH);
    if (!chacha(key.at + CHACHA_KEY, number, 0, clear, LENGTH))
        return fail(env);
    return number_value(env, (double)((uint32_t)clear[0] << 24 | (uint32_t)clear[1] << 16 |
                                      (uint32_t)clear[2] << 8 | clear[3]));
}

// openChaCha(key, number, length, body, tag): the length as it came.
napi_value chacha_open(napi_env env, napi_callback_info info) {
    napi_value values[5];
    struct span key, length, body, tag;
    uint8_t own[TAG];
    uint32_t number;
    if (!arguments(env, info, 5, values) || !span_of(env, values[0], 2 * CHACHA_KEY, &key) ||
        !u32_of(env, values[1], &number) || !span_of(env, values[2], LENGTH, &length) ||
        !span_of(env, values[3], 0, &body) || !span_of(env, values[4], TAG, &tag))
        return NULL;
    bool is_true =
        authenticate(key.at, number, length.at, &body, own) && CRYPTO_memcmp(own, tag.at, TAG) == 0;
    return truth(env, is_true && chacha(key.at, number, 1, body.at, body.length));
}
