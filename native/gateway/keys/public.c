#include "keys/public.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#define LEAST_RSA_BITS 2048
#define MOST_RSA_BITS 16384

static const struct key_type types[] = {
    {"ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com", KEY_ED25519, NULL, NULL, false},
    {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256-cert-v01@openssh.com", KEY_ECDSA, "P-256", "nistp256",
     false},
    {"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384-cert-v01@openssh.com", KEY_ECDSA, "P-384", "nistp384",
     false},
    {"ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521-cert-v01@openssh.com", KEY_ECDSA, "P-521", "nistp521",
     false},
    {"ssh-rsa", "ssh-rsa-cert-v01@openssh.com", KEY_RSA, NULL, NULL, false},
    {"sk-ssh-ed25519@openssh.com", "sk-ssh-ed25519-cert-v01@openssh.com", KEY_ED25519, NULL, NULL, true},
    {"sk-ecdsa-sha2-nistp256@openssh.com", "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", KEY_ECDSA, "P-256",
     "nistp256", true},
};

const struct key_type *key_type_of(struct bytes name) {
    for (size_t index = 0; index < sizeof types / sizeof types[0]; index++)
        if (bytes_are(name, types[index].name))
            return &types[index];
    return NULL;
}

const struct key_type *key_type_of_certificate(struct bytes name) {
    for (size_t index = 0; index < sizeof types / sizeof types[0]; index++)
        if (bytes_are(name, types[index].certificate))
            return &types[index];
    return NULL;
}

// ---- keys ----------------------------------------------------------------------------------------------

static EVP_PKEY *make(const char *name, OSSL_PARAM *parameters) {
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, name, NULL);
    if (context == NULL || EVP_PKEY_fromdata_init(context) <= 0 ||
        EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, parameters) <= 0)
        pkey = NULL;
    EVP_PKEY_CTX_free(context);
    return pkey;
}

static EVP_PKEY *make_ecdsa(const char *group, struct bytes point) {
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)point.at, point.length),
        OSSL_PARAM_construct_end()};
    // Uncompressed points alone (RFC 5656 section 3.1).
    if (point.length == 0 || point.at[0] != 4)
        return NULL;
    EVP_PKEY *pkey = make("EC", parameters);
    EVP_PKEY_CTX *context = pkey != NULL ? EVP_PKEY_CTX_new(pkey, NULL) : NULL;
    bool on_curve = context != NULL && EVP_PKEY_public_check(context) == 1;
    EVP_PKEY_CTX_free(context);
    if (on_curve)
        return pkey;
    EVP_PKEY_free(pkey);
    return NULL;
}

static EVP_PKEY *make_rsa(struct bytes exponent, struct bytes modulus) {
    if (modulus.length * 8 < LEAST_RSA_BITS || modulus.length * 8 > MOST_RSA_BITS || exponent.length == 0 ||
        exponent.length > 8 || (exponent.at[exponent.length - 1] & 1) == 0)
        return NULL;
    EVP_PKEY *pkey = NULL;
    BIGNUM *e = BN_bin2bn(exponent.at, (int)exponent.length, NULL);
    BIGNUM *n = BN_bin2bn(modulus.at, (int)modulus.length, NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    if (e != NULL && n != NULL && builder != NULL && BN_num_bits(n) >= LEAST_RSA_BITS && !BN_is_one(e) &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1) {
        OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
        if (parameters != NULL)
            pkey = make("RSA", parameters);
        OSSL_PARAM_free(parameters);
    }
    OSSL_PARAM_BLD_free(builder);
    BN_free(e);
    BN_free(n);
    return pkey;
}

bool public_key_read(struct public_key *key, const struct key_type *type, struct blob_reader *reader) {
    *key = (struct public_key){.type = type};
    if (type->kind == KEY_ED25519) {
        struct bytes point = blob_string(reader);
        if (point.length == 32)
            key->pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, point.at, point.length);
    } else if (type->kind == KEY_ECDSA) {
        struct bytes curve = blob_string(reader), point = blob_string(reader);
        if (bytes_are(curve, type->curve))
            key->pkey = make_ecdsa(type->group, point);
    } else {
        struct bytes exponent = blob_mpint(reader), modulus = blob_mpint(reader);
        key->pkey = make_rsa(exponent, modulus);
    }
    if (type->token)
        key->application = blob_string(reader);
    if (key->pkey != NULL && !reader->bad)
        return true;
    public_key_close(key);
    return false;
}

bool public_key_open(struct public_key *key, struct bytes blob) {
    *key = (struct public_key){0};
    struct blob_reader reader = blob_open(blob);
    const struct key_type *type = key_type_of(blob_string(&reader));
    if (type == NULL || !public_key_read(key, type, &reader))
        return false;
    if (blob_whole(&reader))
        return true;
    public_key_close(key);
    return false;
}

void public_key_close(struct public_key *key) {
    EVP_PKEY_free(key->pkey);
    key->pkey = NULL;
}

void fingerprint(struct bytes blob, char text[FINGERPRINT_SIZE]) {
    uint8_t digest[SHA256_DIGEST_LENGTH];
    unsigned char encoded[4 * ((SHA256_DIGEST_LENGTH + 2) / 3) + 1];
    (void)SHA256(blob.at, blob.length, digest);
    (void)EVP_EncodeBlock(encoded, digest, sizeof digest);
    (void)snprintf(text, FINGERPRINT_SIZE, "SHA256:%.*s", (int)strcspn((char *)encoded, "="),
                   (char *)encoded);
}
