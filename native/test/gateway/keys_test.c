// Tests of host keys, signatures and certificates (gateway/keys): made, read, signed with and verified, and
// what is damaged anywhere is refused.

#include "keys/certificate.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "keys/match.h"
#include "keys/private.h"

// Made by ssh-keygen: for ada and students, serial 42, with force-command and source-address.
#define CERTIFICATE                                                                                          \
    "AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAINB2UIdikDBZhCdniSUwT73zxi/"                        \
    "hPKXexvqP7LZGzJnVAAAAIPrhefhcrkluUsEJqxl/"                                                              \
    "NrcuuaWfpcoyYlG1DTBbYWBeAAAAAAAAACoAAAABAAAAEWFkYSBvbiBoZXIgbGFwdG9wAAAAEwAAAANhZGEAAAAIc3R1ZGVudHMAAA" \
    "AAaVW5AAAAAABrNuyAAAAAVgAAAA1mb3JjZS1jb21tYW5kAAAADQAAAAkvYmluL3RydWUAAAAOc291cmNlLWFkZHJlc3MAAAAeAAAA" \
    "GjE5Mi4wLjIuMC8yNCwyMDAxOmRiODo6LzMyAAAAZQAAABdwZXJtaXQtYWdlbnQtZm9yd2FyZGluZwAAAAAAAAAWcGVybWl0LXBvcn" \
    "QtZm9yd2FyZGluZwAAAAAAAAAKcGVybWl0LXB0eQAAAAAAAAAOcGVybWl0LXVzZXItcmMAAAAAAAAAAAAAADMAAAALc3NoLWVkMjU1" \
    "MTkAAAAgPgzWCaB5EyPSeNaf3/"                                                                             \
    "VOd7r+"                                                                                                 \
    "4v4B5rTInoUOBVFTA7kAAABTAAAAC3NzaC1lZDI1NTE5AAAAQGGz33Oe9BDF7EesL11eXaXLQqbQGAi1eGho1M2bsgCLhJuEV+"     \
    "RW1MAmf2C5iBFRR8JR3UL9JcYC2jkWQN7r3A4="
#define CA "AAAAC3NzaC1lZDI1NTE5AAAAID4M1gmgeRMj0njWn9/1Tne6/uL+Aea0yJ6FDgVRUwO5"

static struct bytes decoded(const char *text, uint8_t *bytes) {
    int length = EVP_DecodeBlock(bytes, (const uint8_t *)text, (int)strlen(text));
    CHECK(length > 0);
    for (const char *end = text + strlen(text); end[-1] == '='; end--)
        length--;
    return (struct bytes){.at = bytes, .length = (size_t)length};
}

static const struct bytes data = {.at = (const uint8_t *)"what is signed", .length = 14};

static void check_signatures(const struct private_key *key, const char *algorithm) {
    uint8_t signature[2048];
    struct public_key public;
    struct presence presence;
    CHECK(public_key_open(&public, (struct bytes){.at = key->blob, .length = key->blob_length}));
    size_t length = private_key_sign(key, algorithm, data, signature, sizeof signature);
    struct bytes signed_bytes = {.at = signature, .length = length};
    CHECK(length > 0 && public_key_verify(&public, algorithm, signed_bytes, data, &presence));
    CHECK(!public_key_verify(&public, "ssh-rsa", signed_bytes, data, &presence));
    CHECK(!public_key_verify(&public, algorithm, signed_bytes, (struct bytes){data.at, 13}, &presence));
    for (size_t cut = 0; cut < length; cut++)
        CHECK(!public_key_verify(&public, algorithm, (struct bytes){signature, cut}, data, &presence));
    for (size_t at = 0; at < length; at += length / 37 + 1) {
        signature[at] ^= 0x20;
        CHECK(!public_key_verify(&public, algorithm, signed_bytes, data, &presence));
        signature[at] ^= 0x20;
    }
    public_key_close(&public);
    CHECK(private_key_sign(key, "ssh-dss", data, signature, sizeof signature) == 0);
    CHECK(private_key_sign(key, algorithm, data, signature, 16) == 0);
}

static void test_host_keys(const char *folder) {
    static const struct {
        const char *type, *algorithms[2];
    } kinds[] = {{"ssh-ed25519", {"ssh-ed25519"}},
                 {"ecdsa-sha2-nistp256", {"ecdsa-sha2-nistp256"}},
                 {"ecdsa-sha2-nistp384", {"ecdsa-sha2-nistp384"}},
                 {"ecdsa-sha2-nistp521", {"ecdsa-sha2-nistp521"}},
                 {"ssh-rsa", {"rsa-sha2-256", "rsa-sha2-512"}}};
    char path[256], public[300];
    struct err err = {0};
    struct private_key key;
    for (size_t kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++) {
        (void)snprintf(path, sizeof path, "%s/%zu", folder, kind);
        (void)snprintf(public, sizeof public, "%s.pub", path);
        CHECK(private_key_make(kinds[kind].type, path, &err) == 0 && private_key_load(&key, path, &err) == 0);
        CHECK(strcmp(key.type->name, kinds[kind].type) == 0);
        for (size_t index = 0; index < 2 && kinds[kind].algorithms[index] != NULL; index++)
            check_signatures(&key, kinds[kind].algorithms[index]);
        private_key_close(&key);
        CHECK(chmod(path, 0640) == 0 && private_key_load(&key, path, &err) != 0);
        CHECK(chmod(path, 0600) == 0 && truncate(path, 300) == 0 && private_key_load(&key, path, &err) != 0);
        CHECK(unlink(path) == 0 && unlink(public) == 0 && private_key_load(&key, path, &err) != 0);
    }
    CHECK(private_key_make("ssh-dss", path, &err) != 0);
}

static void test_certificate(void) {
    static uint8_t bytes[2048], ca[256], damaged[2048];
    struct bytes blob = decoded(CERTIFICATE, bytes), authority = decoded(CA, ca);
    struct certificate certificate;
    CHECK(certificate_open(&certificate, blob));
    CHECK(certificate.serial == 42 && certificate.kind == CERTIFICATE_USER);
    CHECK(bytes_are(certificate.id, "ada on her laptop") && bytes_equal(certificate.ca, authority));
    CHECK(certificate_names(&certificate, "ada") && certificate_names(&certificate, "students"));
    CHECK(!certificate_names(&certificate, "ad") && !certificate_names(&certificate, ""));
    CHECK(certificate.valid_after < certificate.valid_before);
    struct blob_reader reader = blob_open(certificate.options);
    struct bytes name, value;
    CHECK(certificate_next(&reader, &name, &value) && bytes_are(name, "force-command"));
    CHECK(certificate_next(&reader, &name, &value) && bytes_are(name, "source-address"));
    CHECK(!certificate_next(&reader, &name, &value) && !reader.bad);
    certificate_close(&certificate);
    for (size_t cut = 0; cut < blob.length; cut++)
        CHECK(!certificate_open(&certificate, (struct bytes){.at = bytes, .length = cut}));
    // All of it is signed, or is the signature.
    for (size_t at = 0; at < blob.length; at++) {
        memcpy(damaged, bytes, blob.length);
        damaged[at] ^= 1;
        CHECK(!certificate_open(&certificate, (struct bytes){.at = damaged, .length = blob.length}));
    }
}

static void test_algorithms(void) {
    char plain[64];
    CHECK(certificate_algorithm("rsa-sha2-512-cert-v01@openssh.com", plain, sizeof plain));
    CHECK(strcmp(plain, "rsa-sha2-512") == 0);
    CHECK(certificate_algorithm("sk-ssh-ed25519-cert-v01@openssh.com", plain, sizeof plain));
    CHECK(strcmp(plain, "sk-ssh-ed25519@openssh.com") == 0);
    CHECK(!certificate_algorithm("ssh-ed25519", plain, sizeof plain));
    CHECK(!certificate_algorithm("-cert-v01@openssh.com", plain, sizeof plain));
    CHECK(!certificate_algorithm("ssh-ed25519-cert-v01@openssh.com", plain, 5));
}

static void test_public_keys(void) {
    static const char *const refused[] = {
        // ssh-dss, RSA of 1024 bits, and a point that is not on its curve
        "AAAAB3NzaC1kc3MAAAAA",
        "AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7l1b1JtCVBxO1pzz0Jp1rN6fG0WzIg2bY1zSKX8vvZ1vV8m8R0Y0H4Y1K3m2m0Zk6m9"
        "7n7r8Wl9g7Z7Yl1d6m9z9r8k5m1pVg9o2r7m5h3c9g8o0Y8xV5kGmQfN0v1p3c8J9v3t1Zk6m97n7r8Wl9g7Z7Yl1d6m9z9r8k5"
        "m1pVg9o2r7m5h3c9g8o0w==",
        "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABAAAA"
        "AA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB"};
    static uint8_t bytes[2048];
    struct public_key key;
    for (size_t index = 0; index < sizeof refused / sizeof refused[0]; index++)
        CHECK(!public_key_open(&key, decoded(refused[index], bytes)));
    CHECK(!public_key_open(&key, (struct bytes){.at = bytes, .length = 0}));
}

static void test_addresses(void) {
    CHECK(match_address("192.0.2.*", "192.0.2.7") && !match_address("192.0.2.*", "192.0.20.7"));
    CHECK(match_address("10.0.0.0/8,192.0.2.0/24", "192.0.2.200") &&
          !match_address("192.0.2.0/25", "192.0.2.200"));
    CHECK(match_address("2001:db8::/32", "2001:db8:1::1") && !match_address("2001:db8::/32", "192.0.2.1"));
    CHECK(!match_address("*,!192.0.2.7", "192.0.2.7") && match_address("*,!192.0.2.7", "192.0.2.8"));
    CHECK(!match_address("!192.0.2.7", "192.0.2.8") && !match_address("", "192.0.2.8"));
    CHECK(!match_address("192.0.2.0/33", "192.0.2.1") && !match_address("192.0.2.0/", "192.0.2.1"));
    CHECK(!match_address("192.0.2.0/-1", "192.0.2.1") && match_address("0.0.0.0/0", "192.0.2.1"));
    CHECK(match_address("?92.0.2.1", "192.0.2.1") && !match_address("example.org", "192.0.2.1"));
    CHECK(match_word("ada, bob", (struct bytes){(const uint8_t *)"bob", 3}));
    CHECK(!match_word("ada,bobby", (struct bytes){(const uint8_t *)"bob", 3}));
}

int main(void) {
    char folder[] = "/tmp/dockersh-test-keys-XXXXXX";
    CHECK(mkdtemp(folder) != NULL);
    test_host_keys(folder);
    CHECK(rmdir(folder) == 0);
    test_certificate();
    test_algorithms();
    test_public_keys();
    test_addresses();
    return 0;
}
