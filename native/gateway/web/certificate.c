#include "web/certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "log.h"

#define MOST_FILE (64 * 1024)

enum file { CERTIFICATE, KEY, FILES };

static void free_bytes(char *bytes, size_t length) {
    if (bytes != NULL)
        explicit_bzero(bytes, length);
    free(bytes);
}

// ---- files ---------------------------------------------------------------------------------------------

// Root's, and to be changed by root alone; a key is also to be read by nobody but root and a group of its.
static const char *distrust(const struct stat *status, enum file file) {
    if (!S_ISREG(status->st_mode))
        return "it is no file";
    if (status->st_uid != 0 || (status->st_mode & 022) != 0)
        return "others than root can change it";
    if (file == KEY && (status->st_mode & 007) != 0)
        return "everybody can read it";
    return status->st_size > MOST_FILE ? "it is too long" : NULL;
}

// Behind what `bytes` has room for already. NULL, or the reason why not.
static const char *read_file(const char *path, enum file file, char *bytes, size_t *length) {
    struct stat status;
    // Through a link, by which certificates are often replaced.
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status) != 0)
        return strerror(errno);
    const char *reason = distrust(&status, file);
    if (reason != NULL)
        return reason;
    ssize_t count = read(fd, bytes + *length, MOST_FILE);
    if (count <= 0)
        return count == 0 ? "it is empty" : strerror(errno);
    *length += (size_t)count;
    bytes[(*length)++] = '\n';
    return NULL;
}

// ---- what they say -------------------------------------------------------------------------------------

static int no_password(char *buffer, int size, int writing, void *data) {
    (void)buffer, (void)size, (void)writing, (void)data;
    return -1;
}

// NULL, or what is wrong with the two together.
static const char *mistrust(const char *bytes, size_t certificate_length, size_t length) {
    BIO *first = BIO_new_mem_buf(bytes, (int)certificate_length);
    BIO *second = BIO_new_mem_buf(bytes + certificate_length, (int)(length - certificate_length));
    X509 *certificate = first != NULL ? PEM_read_bio_X509(first, NULL, no_password, NULL) : NULL;
    EVP_PKEY *key = second != NULL ? PEM_read_bio_PrivateKey(second, NULL, no_password, NULL) : NULL;
    const char *reason = certificate == NULL ? "the first is no certificate (PEM)"
                         : key == NULL       ? "the second is no private key (PEM), or has a passphrase"
                         : X509_check_private_key(certificate, key) != 1 ? "the key is another one's"
                                                                         : NULL;
    EVP_PKEY_free(key);
    X509_free(certificate);
    BIO_free(second);
    BIO_free(first);
    ERR_clear_error();
    return reason;
}

static void load(struct certificate *certificate, const struct settings *settings) {
    size_t length = 0;
    char *bytes = malloc(FILES * (MOST_FILE + 1));
    const char *path = settings->web_certificate;
    const char *reason = bytes == NULL ? "memory is short" : read_file(path, CERTIFICATE, bytes, &length);
    size_t certificate_length = length;
    if (reason == NULL)
        reason = read_file(path = settings->web_key, KEY, bytes, &length);
    if (reason == NULL && (reason = mistrust(bytes, certificate_length, length)) != NULL)
        path = settings->web_certificate;
    if (reason != NULL) {
        log_line(LOG_ERR, "The web page's certificate %s with the key %s is not taken: %s: %s. %s.",
                 settings->web_certificate, settings->web_key, path, reason,
                 certificate->bytes != NULL ? "The one from before stays" : "Nobody can come to the page");
        free_bytes(bytes, length);
        return;
    }
    free_bytes(certificate->bytes, certificate->length);
    certificate->bytes = bytes;
    certificate->length = length;
}

// ---- changes -------------------------------------------------------------------------------------------

static bool is_same(const struct stat *one, const struct stat *other) {
    return one->st_ino == other->st_ino && one->st_dev == other->st_dev && one->st_size == other->st_size &&
           one->st_mode == other->st_mode && one->st_uid == other->st_uid &&
           memcmp(&one->st_mtim, &other->st_mtim, sizeof one->st_mtim) == 0 &&
           memcmp(&one->st_ctim, &other->st_ctim, sizeof one->st_ctim) == 0;
}

// False: there are none.
static bool take_names(struct certificate *certificate, const struct settings *settings, bool *others) {
    const char *const names[FILES] = {settings->web_certificate, settings->web_key};
    *others = false;
    for (int file = 0; file < FILES; file++)
        if (names[file] == NULL || certificate->names[file] == NULL ||
            strcmp(names[file], certificate->names[file]) != 0)
            *others = true;
    if (*others)
        certificate_forget(certificate);
    for (int file = 0; *others && file < FILES; file++)
        if (names[CERTIFICATE] == NULL || names[KEY] == NULL ||
            (certificate->names[file] = strdup(names[file])) == NULL)
            return false;
    return true;
}

bool certificate_look(struct certificate *certificate, const struct settings *settings) {
    struct stat now[FILES] = {0};
    bool changed;
    if (!take_names(certificate, settings, &changed))
        return false;
    (void)stat(settings->web_certificate, &now[CERTIFICATE]);
    (void)stat(settings->web_key, &now[KEY]);
    changed = changed || !is_same(&now[CERTIFICATE], &certificate->seen[CERTIFICATE]) ||
              !is_same(&now[KEY], &certificate->seen[KEY]);
    memcpy(certificate->seen, now, sizeof now);
    if (changed)
        load(certificate, settings);
    return certificate->bytes != NULL;
}

void certificate_forget(struct certificate *certificate) {
    free_bytes(certificate->bytes, certificate->length);
    for (int file = 0; file < FILES; file++)
        free(certificate->names[file]);
    *certificate = (struct certificate){0};
}
