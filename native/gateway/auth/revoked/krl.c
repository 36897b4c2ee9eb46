#include "auth/revoked/krl.h"

#include <openssl/sha.h>
#include <string.h>

#define MAGIC "SSHKRL\n" // with the NUL behind it
#define VERSION 1

enum section { CERTIFICATES = 1, KEYS = 2, KEYS_SHA1 = 3, SIGNATURE = 4, KEYS_SHA256 = 5, EXTENSION = 255 };
enum part { SERIALS = 0x20, SERIAL_RANGE = 0x21, SERIAL_BITS = 0x22, IDS = 0x23, PART_EXTENSION = 0x39 };

struct look {
    struct bytes key;
    const struct certificate *certificate;
    bool found;
};

bool krl_is(struct bytes list) {
    return list.length >= sizeof MAGIC && memcmp(list.at, MAGIC, sizeof MAGIC) == 0;
}

// An extension that has to be understood is not.
static bool pass_extension(struct blob_reader *reader) {
    (void)blob_string(reader);
    bool critical = blob_u8(reader) != 0;
    (void)blob_string(reader);
    return !critical && blob_whole(reader);
}

// ---- certificates --------------------------------------------------------------------------------------

// Bit N of the number is the serial `first` + N.
static bool has_bit(struct bytes bits, uint64_t first, uint64_t serial) {
    if (serial < first || (serial - first) / 8 >= bits.length)
        return false;
    uint64_t bit = serial - first;
    return (bits.at[bits.length - 1 - bit / 8] >> (bit % 8) & 1) != 0;
}

static bool look_at_part(struct look *look, uint8_t type, struct bytes part) {
    const struct certificate *certificate = look->certificate;
    struct blob_reader reader = blob_open(part);
    uint64_t first, last;
    switch (type) {
    case SERIALS:
        while (reader.at < reader.end && !reader.bad)
            look->found |= blob_u64(&reader) == certificate->serial;
        return blob_whole(&reader);
    case SERIAL_RANGE:
        first = blob_u64(&reader);
        last = blob_u64(&reader);
        look->found |= certificate->serial >= first && certificate->serial <= last;
        return blob_whole(&reader);
    case SERIAL_BITS:
        first = blob_u64(&reader);
        look->found |= has_bit(blob_mpint(&reader), first, certificate->serial);
        return blob_whole(&reader);
    case IDS:
        while (reader.at < reader.end && !reader.bad)
            look->found |= bytes_equal(blob_string(&reader), certificate->id);
        return blob_whole(&reader);
    case PART_EXTENSION:
        return pass_extension(&reader);
    default:
        return false;
    }
}

// Of one CA's, or without one of everybody's.
static bool look_at_certificates(struct look *look, struct blob_reader reader) {
    struct bytes ca = blob_string(&reader);
    (void)blob_string(&reader);
    bool counts = look->certificate != NULL && (ca.length == 0 || bytes_equal(ca, look->certificate->ca));
    while (reader.at < reader.end && !reader.bad) {
        uint8_t type = blob_u8(&reader);
        struct bytes part = blob_string(&reader);
        if (reader.bad || (counts && !look_at_part(look, type, part)))
            return false;
    }
    return !reader.bad;
}

// ---- keys ----------------------------------------------------------------------------------------------

// Whatever stands for a key in this kind of section: itself, or a digest.
static struct bytes name_of(uint8_t type, struct bytes key, uint8_t digest[SHA256_DIGEST_LENGTH]) {
    if (type == KEYS_SHA1)
        return (struct bytes){.at = SHA1(key.at, key.length, digest), .length = SHA_DIGEST_LENGTH};
    if (type == KEYS_SHA256)
        return (struct bytes){.at = SHA256(key.at, key.length, digest), .length = SHA256_DIGEST_LENGTH};
    return key;
}

static bool look_at_keys(struct look *look, uint8_t type, struct blob_reader reader) {
    uint8_t own[SHA256_DIGEST_LENGTH], other[SHA256_DIGEST_LENGTH];
    struct bytes key = name_of(type, look->key, own), ca = {.at = own, .length = 0};
    if (look->certificate != NULL)
        ca = name_of(type, look->certificate->ca, other);
    while (reader.at < reader.end && !reader.bad) {
        struct bytes name = blob_string(&reader);
        look->found |= bytes_equal(name, key) || (ca.length > 0 && bytes_equal(name, ca));
    }
    return blob_whole(&reader);
}

static bool look_at_section(struct look *look, uint8_t type, struct bytes section) {
    struct blob_reader reader = blob_open(section);
    switch (type) {
    case CERTIFICATES:
        return look_at_certificates(look, reader);
    case KEYS:
    case KEYS_SHA1:
    case KEYS_SHA256:
        return look_at_keys(look, type, reader);
    case EXTENSION:
        return pass_extension(&reader);
    default:
        return false;
    }
}

enum krl_verdict krl_look(struct bytes list, struct bytes key, const struct certificate *certificate) {
    struct look look = {.key = key, .certificate = certificate};
    struct blob_reader reader = blob_open(list);
    bool understood = krl_is(list);
    (void)blob_take(&reader, sizeof MAGIC);
    understood = blob_u32(&reader) == VERSION && understood;
    (void)blob_u64(&reader); // number, time and flags of the list
    (void)blob_u64(&reader);
    (void)blob_u64(&reader);
    (void)blob_string(&reader);
    (void)blob_string(&reader); // a comment
    while (understood && reader.at < reader.end && !reader.bad) {
        uint8_t type = blob_u8(&reader);
        struct bytes section = blob_string(&reader);
        if (type == SIGNATURE) // who can write the file is root
            break;
        understood = !reader.bad && look_at_section(&look, type, section);
    }
    if (look.found)
        return KRL_REVOKED;
    return understood && !reader.bad ? KRL_FINE : KRL_DAMAGED;
}
