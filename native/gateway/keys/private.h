// Host keys: read from files of OpenSSH's ("openssh-key-v1", without a passphrase), made where there are
// none, and signed with. The process that has them is root's.
#pragma once

#include "err.h"
#include "keys/public.h"

struct private_key {
    const struct key_type *type;
    EVP_PKEY *pkey;
    uint8_t blob[2048]; // the public key
    size_t blob_length;
};

int private_key_load(struct private_key *key, const char *path, struct err *err);
// Makes one, and its file, which is root's alone, and `path`.pub beside it.
int private_key_make(const char *type, const char *path, struct err *err);
void private_key_close(struct private_key *key);

// A signature of `data` in ssh's form; the length, or 0 where the key does not sign with that algorithm.
size_t private_key_sign(const struct private_key *key, const char *algorithm, struct bytes data,
                        uint8_t *signature, size_t size);
