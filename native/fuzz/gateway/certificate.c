// Fuzzes public keys, certificates and signatures: what strangers show before anybody has logged in.

#include "keys/certificate.h"

#include "fuzz.h"
#include "keys/match.h"

static void look_through(const struct certificate *certificate) {
    struct blob_reader reader = blob_open(certificate->options);
    struct bytes name, value;
    while (certificate_next(&reader, &name, &value))
        REQUIRE(name.length + value.length <= certificate->options.length);
    (void)certificate_names(certificate, "ada");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static const char *const algorithms[] = {"ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512",
                                             "sk-ssh-ed25519@openssh.com",
                                             "sk-ecdsa-sha2-nistp256@openssh.com"};
    struct certificate certificate;
    struct public_key key;
    struct presence presence;
    char print[FINGERPRINT_SIZE];
    // A length, the key, and then what it is said to have signed with.
    if (length < 2)
        return 0;
    size_t first = (size_t)(bytes[0] << 8 | bytes[1]) % (length - 1);
    const struct bytes blob = {.at = bytes + 2, .length = first},
                       rest = {bytes + 2 + first, length - 2 - first};
    fingerprint(blob, print);
    if (certificate_open(&certificate, blob)) {
        look_through(&certificate);
        certificate_close(&certificate);
    }
    if (!public_key_open(&key, blob))
        return 0;
    for (size_t index = 0; index < sizeof algorithms / sizeof algorithms[0]; index++)
        (void)public_key_verify(&key, algorithms[index], rest, blob, &presence);
    public_key_close(&key);
    return 0;
}
