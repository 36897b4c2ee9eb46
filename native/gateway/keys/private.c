#include "keys/private.h"

#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/param_build.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"

#define MOST_FILE (64 * 1024)
#define BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----"
#define END "-----END OPENSSH PRIVATE KEY-----"
#define MAGIC "openssh-key-v1" // with the NUL behind it

// ---- keys of numbers -----------------------------------------------------------------------------------

static EVP_PKEY *make_ecdsa(const char *group, struct bytes point, struct bytes number) {
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM *parameters = NULL;
    BIGNUM *d = BN_bin2bn(number.at, (int)number.length, NULL);
    if (context != NULL && builder != NULL && d != NULL &&
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, group, 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point.at, point.length) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, d) == 1 &&
        (parameters = OSSL_PARAM_BLD_to_param(builder)) != NULL && EVP_PKEY_fromdata_init(context) > 0 &&
        EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_KEYPAIR, parameters) <= 0)
        pkey = NULL;
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(context);
    BN_clear_free(d);
    return pkey;
}

enum rsa_number { RSA_N, RSA_E, RSA_D, RSA_IQMP, RSA_P, RSA_Q, RSA_DMP1, RSA_DMQ1, RSA_NUMBERS };
static const char *const rsa_names[RSA_NUMBERS] = {
    OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
    OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
    OSSL_PKEY_PARAM_RSA_FACTOR1,   OSSL_PKEY_PARAM_RSA_FACTOR2,
    OSSL_PKEY_PARAM_RSA_EXPONENT1, OSSL_PKEY_PARAM_RSA_EXPONENT2};

// d modulo one less than a prime: what makes signing fast.
static BIGNUM *rest(const BIGNUM *d, const BIGNUM *prime) {
    BIGNUM *less = BN_dup(prime), *result = BN_new();
    BN_CTX *context = BN_CTX_new();
    if (less == NULL || result == NULL || context == NULL || BN_sub_word(less, 1) != 1 ||
        BN_mod(result, d, less, context) != 1) {
        BN_clear_free(result);
        result = NULL;
    }
    BN_CTX_free(context);
    BN_clear_free(less);
    return result;
}

static EVP_PKEY *make_rsa(struct blob_reader *reader) {
    BIGNUM *numbers[RSA_NUMBERS] = {NULL};
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM *parameters = NULL;
    bool good = context != NULL && builder != NULL;
    for (int index = 0; index <= RSA_Q; index++) {
        struct bytes number = blob_mpint(reader);
        numbers[index] = BN_bin2bn(number.at, (int)number.length, NULL);
    }
    numbers[RSA_DMP1] = rest(numbers[RSA_D], numbers[RSA_P]);
    numbers[RSA_DMQ1] = rest(numbers[RSA_D], numbers[RSA_Q]);
    for (int index = 0; index < RSA_NUMBERS; index++)
        good = good && numbers[index] != NULL &&
               OSSL_PARAM_BLD_push_BN(builder, rsa_names[index], numbers[index]) == 1;
    if (good && (parameters = OSSL_PARAM_BLD_to_param(builder)) != NULL &&
        EVP_PKEY_fromdata_init(context) > 0 &&
        EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_KEYPAIR, parameters) <= 0)
        pkey = NULL;
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(context);
    for (int index = 0; index < RSA_NUMBERS; index++)
        BN_clear_free(numbers[index]);
    return pkey;
}

static EVP_PKEY *make_pkey(const struct key_type *type, struct blob_reader *reader) {
    if (type->kind == KEY_RSA)
        return make_rsa(reader);
    if (type->kind == KEY_ED25519) {
        struct bytes point = blob_string(reader), seed = blob_string(reader);
        return point.length == 32 && seed.length == 64
                   ? EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed.at, 32)
                   : NULL;
    }
    (void)blob_string(reader);
    struct bytes point = blob_string(reader);
    return make_ecdsa(type->group, point, blob_mpint(reader));
}

// ---- files ---------------------------------------------------------------------------------------------

// All of one key's file is this: cipher and its kind "none", one key.
static int parse(struct private_key *key, struct bytes file, const char *path, struct err *err) {
    struct blob_reader reader = blob_open(file);
    struct bytes magic = blob_take(&reader, sizeof MAGIC);
    if (!bytes_equal(magic, (struct bytes){.at = (const uint8_t *)MAGIC, .length = sizeof MAGIC}))
        return err_plain(err, FAILURE_REFUSED, "this is no private key of OpenSSH's", path);
    struct bytes cipher = blob_string(&reader);
    (void)blob_string(&reader);
    (void)blob_string(&reader);
    uint32_t count = blob_u32(&reader);
    struct bytes blob = blob_string(&reader), secret = blob_string(&reader);
    if (!bytes_are(cipher, "none"))
        return err_plain(err, FAILURE_REFUSED, "a host key can't have a passphrase", path);
    if (reader.bad || count != 1 || blob.length > sizeof key->blob)
        return err_plain(err, FAILURE_REFUSED, "the private key is damaged", path);
    reader = blob_open(secret);
    uint32_t check = blob_u32(&reader);
    bool same = blob_u32(&reader) == check;
    key->type = key_type_of(blob_string(&reader));
    if (!same || key->type == NULL || key->type->token)
        return err_plain(err, FAILURE_REFUSED, "this kind of private key is not known", path);
    key->pkey = make_pkey(key->type, &reader);
    if (key->pkey == NULL || reader.bad)
        return err_plain(err, FAILURE_REFUSED, "the private key is damaged", path);
    memcpy(key->blob, blob.at, blob.length);
    key->blob_length = blob.length;
    return 0;
}

static int decode(struct private_key *key, const char *text, const char *path, struct err *err) {
    static uint8_t decoded[MOST_FILE];
    const char *from = strstr(text, BEGIN), *to = strstr(text, END);
    int used = 0, last = 0;
    if (from == NULL || to == NULL || to < from)
        return err_plain(err, FAILURE_REFUSED, "this is no private key of OpenSSH's", path);
    from += strlen(BEGIN);
    EVP_ENCODE_CTX *context = EVP_ENCODE_CTX_new();
    if (context == NULL)
        return err_plain(err, FAILURE_MEMORY, "memory is short", NULL);
    EVP_DecodeInit(context);
    bool good = EVP_DecodeUpdate(context, decoded, &used, (const uint8_t *)from, (int)(to - from)) >= 0 &&
                EVP_DecodeFinal(context, decoded + used, &last) >= 0;
    EVP_ENCODE_CTX_free(context);
    int parsed = good ? parse(key, (struct bytes){.at = decoded, .length = (size_t)(used + last)}, path, err)
                      : err_plain(err, FAILURE_REFUSED, "the private key is damaged", path);
    OPENSSL_cleanse(decoded, sizeof decoded);
    return parsed;
}

int private_key_load(struct private_key *key, const char *path, struct err *err) {
    static char text[MOST_FILE];
    struct stat status;
    *key = (struct private_key){0};
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status) != 0)
        return err_sys(err, "open the host key", path);
    if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 077) != 0)
        return err_plain(err, FAILURE_REFUSED, "a host key has to be root's, and of mode 0600", path);
    ssize_t length = read(fd, text, sizeof text - 1);
    if (length < 0)
        return err_sys(err, "read the host key", path);
    text[length] = '\0';
    int decoded = decode(key, text, path, err);
    OPENSSL_cleanse(text, sizeof text);
    if (decoded != 0)
        private_key_close(key);
    return decoded;
}

void private_key_close(struct private_key *key) {
    EVP_PKEY_free(key->pkey);
    *key = (struct private_key){0};
}
