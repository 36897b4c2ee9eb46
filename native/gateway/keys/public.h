// Public keys as ssh has them (RFC 4253 section 6.6, RFC 5656, RFC 8709, OpenSSH's PROTOCOL.u2f), and what
// they have signed. The types and algorithms that are not here are the ones that nobody should use any more.
#pragma once

#include <openssl/evp.h>
#include <stdbool.h>

#include "keys/blob.h"

#define MOST_BLOB (16 * 1024)
#define FINGERPRINT_SIZE 64

enum key_kind { KEY_ED25519, KEY_ECDSA, KEY_RSA };

struct key_type {
    const char *name, *certificate;
    enum key_kind kind;
    const char *group; // of ECDSA
    const char *curve; // ssh's name of it
    bool token;        // held by a security key: PROTOCOL.u2f
};

struct public_key {
    const struct key_type *type;
    EVP_PKEY *pkey;
    struct bytes application; // of a security key; within what the key was made of
};

// By the name of the key's type, or of its certificates'; NULL: none that is known.
const struct key_type *key_type_of(struct bytes name);
const struct key_type *key_type_of_certificate(struct bytes name);

// Makes a key of a blob, which has to outlive it.
bool public_key_open(struct public_key *key, struct bytes blob);
// The same of what comes after the type's name, where a certificate has it as well.
bool public_key_read(struct public_key *key, const struct key_type *type, struct blob_reader *reader);
void public_key_close(struct public_key *key);

// What a security key says of how it was used.
struct presence {
    bool touched, verified;
};

// Whether `signature`, by `algorithm`, is of `data` and this key. `presence` is set where it is, of a
// security key.
bool public_key_verify(const struct public_key *key, const char *algorithm, struct bytes signature,
                       struct bytes data, struct presence *presence);
// Whether a signature of this key's may have that name.
bool public_key_takes(const struct key_type *type, const char *algorithm);

// "SHA256:…", as ssh-keygen -l prints it.
void fingerprint(struct bytes blob, char text[FINGERPRINT_SIZE]);
