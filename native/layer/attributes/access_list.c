#include "attributes/access_list.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "decimal.h"
#include "report.h"

enum { VERSION = 2, HEADER_BYTES = 4, ENTRY_BYTES = 8, TAG_USER = 0x02, TAG_GROUP = 0x08 };

static const uint32_t NO_ID = UINT32_MAX; // of entries that are about nobody in particular

bool access_list_is(const char *name) {
    return strcmp(name, ACCESS_LIST) == 0 || strcmp(name, DEFAULT_ACCESS_LIST) == 0;
}

static uint16_t tag_of(const uint8_t *entry) {
    uint16_t tag;
    memcpy(&tag, entry, sizeof tag);
    return le16toh(tag);
}

static uint32_t id_of(const uint8_t *entry) {
    uint32_t id;
    memcpy(&id, entry + 4, sizeof id);
    return le32toh(id);
}

static void put_entry(uint8_t *entry, uint16_t tag, uint16_t permissions, uint32_t id) {
    tag = htole16(tag);
    permissions = htole16(permissions);
    id = htole32(id);
    memcpy(entry, &tag, sizeof tag);
    memcpy(entry + 2, &permissions, sizeof permissions);
    memcpy(entry + 4, &id, sizeof id);
}

int access_list_check(const struct tar_xattr *xattr, struct err *err) {
    uint32_t version = 0;
    if (xattr->length >= HEADER_BYTES)
        memcpy(&version, xattr->value, sizeof version);
    if (le32toh(version) != VERSION || (xattr->length - HEADER_BYTES) % ENTRY_BYTES != 0)
        return err_plain(err, FAILURE_DAMAGED, "malformed attribute", xattr->name);
    for (size_t at = HEADER_BYTES; at < xattr->length; at += ENTRY_BYTES) {
        uint16_t tag = tag_of(xattr->value + at);
        if ((tag == TAG_USER || tag == TAG_GROUP) && id_of(xattr->value + at) > ID_MAX)
            return err_plain(err, FAILURE_IDS, "an id above 65535 in the attribute", xattr->name);
    }
    return 0;
}

void access_list_shift(uint8_t *value, size_t length, const struct id_map *uids, const struct id_map *gids) {
    for (size_t at = HEADER_BYTES; at + ENTRY_BYTES <= length; at += ENTRY_BYTES) {
        uint16_t tag = tag_of(value + at);
        if (tag != TAG_USER && tag != TAG_GROUP)
            continue;
        uint32_t id = htole32(id_map_inside(tag == TAG_USER ? uids : gids, id_of(value + at)));
        memcpy(value + at + 4, &id, sizeof id);
    }
}

bool access_list_to_host(uint8_t *value, size_t length, const struct id_map *uids,
                         const struct id_map *gids) {
    for (size_t at = HEADER_BYTES; at + ENTRY_BYTES <= length; at += ENTRY_BYTES) {
        uint16_t tag = tag_of(value + at);
        uint32_t id;
        if (tag != TAG_USER && tag != TAG_GROUP)
            continue;
        if (!id_map_host(tag == TAG_USER ? uids : gids, id_of(value + at), &id))
            return false;
        id = htole32(id);
        memcpy(value + at + 4, &id, sizeof id);
    }
    return true;
}

// The next field, up to a colon or the end of the entry.
static size_t field(const char **at, const char *end, const char **start) {
    *start = *at;
    const char *colon = memchr(*at, ':', (size_t)(end - *at));
    *at = colon != NULL ? colon + 1 : end;
    return (size_t)((colon != NULL ? colon : end) - *start);
}

static bool is(const char *text, size_t length, const char *one, const char *other) {
    return (length == strlen(one) && memcmp(text, one, length) == 0) ||
           (length == strlen(other) && memcmp(text, other, length) == 0);
}

// linux/posix_acl_xattr.h. Returns 0 for a tag that is none.
static uint16_t tag_named(const char *text, size_t length, bool anybody) {
    if (is(text, length, "user", "u"))
        return anybody ? 0x01 : TAG_USER;
    if (is(text, length, "group", "g"))
        return anybody ? 0x04 : TAG_GROUP;
    if (is(text, length, "mask", "m"))
        return anybody ? 0x10 : 0;
    return is(text, length, "other", "o") && anybody ? 0x20 : 0;
}

static int permissions_of(const char *text, size_t length, uint16_t *bits) {
    static const char letters[] = "rwx";
    *bits = 0;
    for (size_t index = 0; index < length; index++) {
        const char *letter = text[index] != '\0' ? strchr(letters, text[index]) : NULL;
        if (letter != NULL)
            *bits |= (uint16_t)(4 >> (letter - letters));
        else if (text[index] != '-')
            return -1;
    }
    return 0;
}

static int parse_entry(const char *text, const char *end, uint8_t *to, struct err *err) {
    const char *tag, *who, *permissions, *number;
    size_t tag_length = field(&text, end, &tag);
    size_t who_length = field(&text, end, &who);
    size_t permissions_length = field(&text, end, &permissions);
    size_t number_length = field(&text, end, &number);
    uint16_t kind = tag_named(tag, tag_length, who_length == 0);
    uint16_t bits;
    if (kind == 0 || permissions_length == 0 || permissions_of(permissions, permissions_length, &bits) < 0)
        return err_plain(err, FAILURE_DAMAGED, "malformed access list", "");
    uint64_t id = NO_ID;
    if (who_length > 0) {
        if (number_length == 0)
            number = who, number_length = who_length;
        if (decimal_parse(number, number_length, &id) < 0)
            return err_plain(err, FAILURE_NAMELESS, "an access list that names somebody without a number",
                             "");
        if (id > ID_MAX)
            return err_plain(err, FAILURE_IDS, "an id above 65535 in an access list", "");
    }
    put_entry(to, kind, bits, (uint32_t)id);
    return 0;
}

// The kernel wants entries in the order of their tags, and by id where tags are the same.
static int by_tag_and_id(const void *left, const void *right) {
    uint64_t one = (uint64_t)tag_of(left) << 32 | id_of(left);
    uint64_t other = (uint64_t)tag_of(right) << 32 | id_of(right);
    return (one > other) - (one < other);
}

int access_list_parse(const char *text, const char *name, struct tar_entry *entry, struct err *err) {
    size_t most = 1;
    for (const char *at = text; *at != '\0'; at++)
        most += *at == ',' || *at == '\n' ? 1 : 0;
    cleanup_free uint8_t *value = malloc(HEADER_BYTES + most * ENTRY_BYTES);
    if (value == NULL)
        return err_sys(err, "remember an access list", "");
    const uint32_t version = htole32(VERSION);
    memcpy(value, &version, sizeof version);
    size_t count = 0;
    for (const char *at = text; *at != '\0';) {
        const char *end = at + strcspn(at, ",\n");
        if (end > at && parse_entry(at, end, value + HEADER_BYTES + count++ * ENTRY_BYTES, err) < 0)
            return -1;
        at = *end != '\0' ? end + 1 : end;
    }
    qsort(value + HEADER_BYTES, count, ENTRY_BYTES, by_tag_and_id);
    size_t length = HEADER_BYTES + count * ENTRY_BYTES;
    if (tar_entry_add_xattr(entry, name, strlen(name), value, length) < 0)
        return err_sys(err, "remember an access list", "");
    return 0;
}
