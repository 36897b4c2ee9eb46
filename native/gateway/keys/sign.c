// Signs with a host key (RFC 4253 section 6.6, RFC 5656, RFC 8332, RFC 8709).
#include <openssl/ecdsa.h>
#include <string.h>

#include "keys/private.h"

static const struct algorithm {
    const char *name, *key, *digest;
} algorithms[] = {
    {"ssh-ed25519", "ssh-ed25519", NULL},
    {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", "SHA256"},
    {"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", "SHA384"},
    {"ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521", "SHA512"},
    {"rsa-sha2-256", "ssh-rsa", "SHA256"},
    {"rsa-sha2-512", "ssh-rsa", "SHA512"},
};

// The library's two numbers in DER, as ssh has them.
static bool put_pair(struct blob_writer *writer, const uint8_t *der, size_t length) {
    uint8_t inner[160], number[80];
    struct blob_writer part = {.bytes = inner, .size = sizeof inner};
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)length);
    if (pair == NULL)
        return false;
    blob_put_mpint(&part, number, (size_t)BN_bn2bin(ECDSA_SIG_get0_r(pair), number));
    blob_put_mpint(&part, number, (size_t)BN_bn2bin(ECDSA_SIG_get0_s(pair), number));
    ECDSA_SIG_free(pair);
    blob_put_string(writer, inner, part.used);
    return !part.overflow;
}

size_t private_key_sign(const struct private_key *key, const char *name, struct bytes data,
                        uint8_t *signature, size_t size) {
    const struct algorithm *algorithm = NULL;
    for (size_t index = 0; index < sizeof algorithms / sizeof algorithms[0]; index++)
        if (strcmp(algorithms[index].name, name) == 0 && strcmp(algorithms[index].key, key->type->name) == 0)
            algorithm = &algorithms[index];
    uint8_t made[2048];
    size_t length = sizeof made;
    EVP_MD_CTX *context = algorithm != NULL ? EVP_MD_CTX_new() : NULL;
    bool good = context != NULL &&
                EVP_DigestSignInit_ex(context, NULL, algorithm->digest, NULL, NULL, key->pkey, NULL) == 1 &&
                EVP_DigestSign(context, made, &length, data.at, data.length) == 1;
    EVP_MD_CTX_free(context);
    if (!good)
        return 0;
    struct blob_writer writer = {.bytes = signature, .size = size};
    blob_put_text(&writer, name);
    if (key->type->kind != KEY_ECDSA)
        blob_put_string(&writer, made, length);
    else if (!put_pair(&writer, made, length))
        return 0;
    return writer.overflow ? 0 : writer.used;
}
