// Certificates of OpenSSH's (PROTOCOL.certkeys): what they say, and whether their signature is good. Who
// trusts the CA, and whom it lets in, is decided elsewhere.
#pragma once

#include "keys/public.h"

enum certificate_kind { CERTIFICATE_USER = 1, CERTIFICATE_HOST = 2 };

struct certificate {
    struct public_key key;
    uint64_t serial;
    uint32_t kind;
    struct bytes id;
    struct bytes principals; // strings one after the other; empty: none
    uint64_t valid_after, valid_before;
    struct bytes options;    // critical ones: pairs of name and value
    struct bytes extensions; // likewise
    struct bytes ca;         // the blob of the CA's key
};

// Makes one of a blob, which has to outlive it. False: it is none, or its signature is not its CA's.
bool certificate_open(struct certificate *certificate, struct bytes blob);
void certificate_close(struct certificate *certificate);
// Whether one of its principals is this one.
bool certificate_names(const struct certificate *certificate, const char *name);
// The next pair of options or extensions. False: at the end, or damaged (`bad`).
bool certificate_next(struct blob_reader *reader, struct bytes *name, struct bytes *value);
// "ssh-ed25519-cert-v01@openssh.com" is "ssh-ed25519" for who signs; false: it is no such name.
bool certificate_algorithm(const char *algorithm, char *plain, size_t size);
