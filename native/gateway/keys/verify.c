// Verifies what a key has signed (RFC 4253 section 6.6, RFC 5656, RFC 8332, RFC 8709, OpenSSH's
// PROTOCOL.u2f).
#include <openssl/ecdsa.h>
#include <openssl/sha.h>
#include <string.h>

#include "keys/public.h"

enum presence_flag { TOUCHED = 1, VERIFIED = 4 };

// Each algorithm with the kind of key that makes it; SHA-1's, "ssh-rsa", is not among them.
static const struct algorithm {
    const char *name;
    enum key_kind kind;
    const char *curve;
    const char *digest;
    bool token;
} algorithms[] = {
    {"ssh-ed25519", KEY_ED25519, NULL, NULL, false},
    {"ecdsa-sha2-nistp256", KEY_ECDSA, "nistp256", "SHA256", false},
    {"ecdsa-sha2-nistp384", KEY_ECDSA, "nistp384", "SHA384", false},
    {"ecdsa-sha2-nistp521", KEY_ECDSA, "nistp521", "SHA512", false},
    {"rsa-sha2-256", KEY_RSA, NULL, "SHA256", false},
    {"rsa-sha2-512", KEY_RSA, NULL, "SHA512", false},
    {"sk-ssh-ed25519@openssh.com", KEY_ED25519, NULL, NULL, true},
    {"sk-ecdsa-sha2-nistp256@openssh.com", KEY_ECDSA, "nistp256", "SHA256", true},
};

static const struct algorithm *find(const struct key_type *type, const char *name) {
    for (size_t index = 0; index < sizeof algorithms / sizeof algorithms[0]; index++) {
        const struct algorithm *algorithm = &algorithms[index];
        if (strcmp(algorithm->name, name) == 0 && algorithm->kind == type->kind &&
            algorithm->token == type->token &&
            (type->curve == NULL || strcmp(type->curve, algorithm->curve) == 0))
            return algorithm;
    }
    return NULL;
}

bool public_key_takes(const struct key_type *type, const char *algorithm) {
    return find(type, algorithm) != NULL;
}

static bool check(EVP_PKEY *pkey, const char *digest, struct bytes signature, struct bytes data) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context != NULL &&
                EVP_DigestVerifyInit_ex(context, NULL, digest, NULL, NULL, pkey, NULL) == 1 &&
                EVP_DigestVerify(context, signature.at, signature.length, data.at, data.length) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

// ssh has the two numbers one after the other, the library wants them in DER.
static bool check_ecdsa(EVP_PKEY *pkey, const char *digest, struct bytes signature, struct bytes data) {
    struct blob_reader reader = blob_open(signature);
    struct bytes r = blob_mpint(&reader), s = blob_mpint(&reader);
    if (!blob_whole(&reader) || r.length == 0 || r.length > 66 || s.length == 0 || s.length > 66)
        return false;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *first = BN_bin2bn(r.at, (int)r.length, NULL), *second = BN_bin2bn(s.at, (int)s.length, NULL);
    uint8_t *der = NULL;
    bool good = false;
    if (pair != NULL && first != NULL && second != NULL && ECDSA_SIG_set0(pair, first, second) == 1) {
        first = second = NULL; // the pair's
        int length = i2d_ECDSA_SIG(pair, &der);
        good = length > 0 && check(pkey, digest, (struct bytes){.at = der, .length = (size_t)length}, data);
    }
    OPENSSL_free(der);
    BN_free(first);
    BN_free(second);
    ECDSA_SIG_free(pair);
    return good;
}

// A signature may have lost the zeros in front (RFC 8332 section 3).
static bool check_rsa(EVP_PKEY *pkey, const char *digest, struct bytes signature, struct bytes data) {
    uint8_t padded[2048];
    int size = EVP_PKEY_get_size(pkey);
    if (size <= 0 || (size_t)size > sizeof padded || signature.length > (size_t)size || signature.length == 0)
        return false;
    size_t missing = (size_t)size - signature.length;
    memset(padded, 0, missing);
    memcpy(padded + missing, signature.at, signature.length);
    return check(pkey, digest, (struct bytes){.at = padded, .length = (size_t)size}, data);
}

static bool check_plain(const struct public_key *key, const char *digest, struct bytes signature,
                        struct bytes data) {
    switch (key->type->kind) {
    case KEY_ED25519:
        return signature.length == 64 && check(key->pkey, NULL, signature, data);
    case KEY_ECDSA:
        return check_ecdsa(key->pkey, digest, signature, data);
    case KEY_RSA:
        return check_rsa(key->pkey, digest, signature, data);
    }
    return false;
}

// A security key signs digests of what it is for and of the data, with its own flags and counter between.
static bool check_token(const struct public_key *key, const char *digest, struct bytes signature,
                        struct blob_reader *rest, struct bytes data, struct presence *presence) {
    uint8_t message[2 * SHA256_DIGEST_LENGTH + 5];
    uint8_t flags = blob_u8(rest);
    struct bytes counter = blob_take(rest, 4);
    if (!blob_whole(rest))
        return false;
    (void)SHA256(key->application.at, key->application.length, message);
    message[SHA256_DIGEST_LENGTH] = flags;
    memcpy(message + SHA256_DIGEST_LENGTH + 1, counter.at, 4);
    (void)SHA256(data.at, data.length, message + SHA256_DIGEST_LENGTH + 5);
    if (!check_plain(key, digest, signature, (struct bytes){.at = message, .length = sizeof message}))
        return false;
    *presence = (struct presence){.touched = (flags & TOUCHED) != 0, .verified = (flags & VERIFIED) != 0};
    return true;
}

bool public_key_verify(const struct public_key *key, const char *name, struct bytes signature,
                       struct bytes data, struct presence *presence) {
    const struct algorithm *algorithm = find(key->type, name);
    struct blob_reader reader = blob_open(signature);
    struct bytes said = blob_string(&reader), inner = blob_string(&reader);
    if (algorithm == NULL || reader.bad || !bytes_are(said, algorithm->name))
        return false;
    if (algorithm->token)
        return check_token(key, algorithm->digest, inner, &reader, data, presence);
    return blob_whole(&reader) && check_plain(key, algorithm->digest, inner, data);
}
