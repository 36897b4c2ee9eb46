// Makes host keys, and writes them as OpenSSH's programs do: docs and tools of ssh's know what to do with
// them.
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "keys/private.h"

#define RSA_BITS 3072
#define MOST_BYTES 8192
#define LINE 70

static void put_number(struct blob_writer *writer, EVP_PKEY *pkey, const char *name) {
    uint8_t bytes[1024];
    BIGNUM *number = NULL;
    if (EVP_PKEY_get_bn_param(pkey, name, &number) != 1 || BN_num_bytes(number) > (int)sizeof bytes) {
        writer->overflow = true;
        BN_clear_free(number);
        return;
    }
    blob_put_mpint(writer, bytes, (size_t)BN_bn2bin(number, bytes));
    OPENSSL_cleanse(bytes, sizeof bytes);
    BN_clear_free(number);
}

static void put_point(struct blob_writer *writer, EVP_PKEY *pkey, const struct key_type *type) {
    uint8_t point[256];
    size_t length = 0;
    bool got = type->kind == KEY_ED25519
                   ? (length = sizeof point, EVP_PKEY_get_raw_public_key(pkey, point, &length) == 1)
                   : EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point,
                                                     &length) == 1;
    writer->overflow = writer->overflow || !got;
    blob_put_string(writer, point, length);
}

static void put_public(struct blob_writer *writer, EVP_PKEY *pkey, const struct key_type *type) {
    blob_put_text(writer, type->name);
    if (type->kind == KEY_RSA) {
        put_number(writer, pkey, OSSL_PKEY_PARAM_RSA_E);
        put_number(writer, pkey, OSSL_PKEY_PARAM_RSA_N);
        return;
    }
    if (type->kind == KEY_ECDSA)
        blob_put_text(writer, type->curve);
    put_point(writer, pkey, type);
}

static void put_seed(struct blob_writer *writer, EVP_PKEY *pkey) {
    uint8_t pair[64];
    size_t half = 32, other = 32;
    if (EVP_PKEY_get_raw_private_key(pkey, pair, &half) != 1 ||
        EVP_PKEY_get_raw_public_key(pkey, pair + 32, &other) != 1)
        writer->overflow = true;
    blob_put_string(writer, pair, sizeof pair);
    OPENSSL_cleanse(pair, sizeof pair);
}

static void put_secret(struct blob_writer *writer, EVP_PKEY *pkey, const struct key_type *type) {
    static const char *const rsa[] = {OSSL_PKEY_PARAM_RSA_N,       OSSL_PKEY_PARAM_RSA_E,
                                      OSSL_PKEY_PARAM_RSA_D,       OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
                                      OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2};
    uint32_t check = 0;
    (void)RAND_bytes((unsigned char *)&check, sizeof check);
    blob_put_u32(writer, check);
    blob_put_u32(writer, check);
    if (type->kind == KEY_RSA) {
        blob_put_text(writer, type->name);
        for (size_t index = 0; index < sizeof rsa / sizeof rsa[0]; index++)
            put_number(writer, pkey, rsa[index]);
    } else {
        put_public(writer, pkey, type);
        if (type->kind == KEY_ED25519)
            put_seed(writer, pkey);
        else
            put_number(writer, pkey, OSSL_PKEY_PARAM_PRIV_KEY);
    }
    blob_put_text(writer, "dockersh-gateway");
    for (uint8_t pad = 1; writer->used % 8 != 0 && !writer->overflow; pad++)
        blob_put(writer, &pad, 1);
}

static void put_file(struct blob_writer *writer, EVP_PKEY *pkey, const struct key_type *type) {
    uint8_t room[MOST_BYTES];
    struct blob_writer part = {.bytes = room, .size = sizeof room};
    blob_put(writer, "openssh-key-v1", sizeof "openssh-key-v1");
    blob_put_text(writer, "none");
    blob_put_text(writer, "none");
    blob_put_text(writer, "");
    blob_put_u32(writer, 1);
    put_public(&part, pkey, type);
    blob_put_string(writer, room, part.used);
    part.used = 0;
    put_secret(&part, pkey, type);
    blob_put_string(writer, room, part.used);
    writer->overflow = writer->overflow || part.overflow;
    OPENSSL_cleanse(room, sizeof room);
}

// By another name first: a file that is there is whole.
static int write_file(const char *path, mode_t mode, const char *text, struct err *err) {
    char other[4096];
    (void)snprintf(other, sizeof other, "%s.new", path);
    (void)unlink(other);
    cleanup_fd int fd = open(other, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || fsync(fd) != 0 ||
        rename(other, path) != 0)
        return err_disk(err, FAILURE_SYSTEM, "write the host key", path);
    return 0;
}

static int write_private(EVP_PKEY *pkey, const struct key_type *type, const char *path, struct err *err) {
    static uint8_t bytes[MOST_BYTES];
    static char encoded[2 * MOST_BYTES], text[3 * MOST_BYTES];
    struct blob_writer writer = {.bytes = bytes, .size = sizeof bytes};
    put_file(&writer, pkey, type);
    if (writer.overflow)
        return err_plain(err, FAILURE_SYSTEM, "the host key can't be written", path);
    int length = EVP_EncodeBlock((unsigned char *)encoded, bytes, (int)writer.used);
    char *at = stpcpy(text, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
    for (int from = 0; from < length; from += LINE)
        at += sprintf(at, "%.*s\n", length - from < LINE ? length - from : LINE, encoded + from);
    (void)stpcpy(at, "-----END OPENSSH PRIVATE KEY-----\n");
    int written = write_file(path, 0600, text, err);
    OPENSSL_cleanse(bytes, sizeof bytes);
    OPENSSL_cleanse(encoded, sizeof encoded);
    OPENSSL_cleanse(text, sizeof text);
    return written;
}

static int write_public(EVP_PKEY *pkey, const struct key_type *type, const char *path, struct err *err) {
    uint8_t blob[MOST_BYTES / 4];
    char encoded[MOST_BYTES / 2], text[MOST_BYTES], name[4096];
    struct blob_writer writer = {.bytes = blob, .size = sizeof blob};
    put_public(&writer, pkey, type);
    if (writer.overflow)
        return err_plain(err, FAILURE_SYSTEM, "the host key can't be written", path);
    (void)EVP_EncodeBlock((unsigned char *)encoded, blob, (int)writer.used);
    (void)snprintf(text, sizeof text, "%s %s dockersh-gateway\n", type->name, encoded);
    (void)snprintf(name, sizeof name, "%s.pub", path);
    return write_file(name, 0644, text, err);
}

int private_key_make(const char *name, const char *path, struct err *err) {
    const struct key_type *type =
        key_type_of((struct bytes){.at = (const uint8_t *)name, .length = strlen(name)});
    EVP_PKEY *pkey = NULL;
    if (type != NULL && !type->token)
        pkey = type->kind == KEY_RSA     ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)RSA_BITS)
               : type->kind == KEY_ECDSA ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", type->group)
                                         : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    if (pkey == NULL)
        return err_plain(err, FAILURE_SYSTEM, "a host key can't be made", name);
    int made = write_public(pkey, type, path, err) == 0 && write_private(pkey, type, path, err) == 0 ? 0 : -1;
    EVP_PKEY_free(pkey);
    return made;
}
