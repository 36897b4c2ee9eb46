#include "tar/header.h"
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    NAME = 0,
    MODE = 100,
    UID = 108,
    GID = 116,
    SIZE = 124,
    MTIME = 136,
    CHECKSUM = 148,
    TYPE = 156,
    LINK = 157,
    MAGIC = 257,
    PREFIX = 345,
    STAR_TAIL = 508,
};

bool tar_block_is_zero(const uint8_t block[TAR_BLOCK]) {
    for (size_t index = 0; index < TAR_BLOCK; index++)
        if (block[index] != 0)
            return false;
    return true;
}

// Two's complement, most significant byte first; the first byte's top bit marks the encoding and is
// no part of the number.
static int base256(const uint8_t *field, size_t length, int64_t *value) {
    bool negative = (field[0] & 0x40) != 0;
    uint64_t filler = negative ? 0xff : 0;
    uint64_t number = negative ? UINT64_MAX : 0;
    for (size_t index = 0; index < length; index++) {
        uint64_t byte = field[index];
        if (index == 0)
            byte = negative ? byte | 0x80 : byte & 0x7f;
        if (length - index > 8 && byte != filler)
            return -1;
        number = (number << 8) | byte;
    }
    if (((number >> 63) != 0) != negative)
        return -1;
    *value = (int64_t)number;
    return 0;
}

int tar_number(const uint8_t *field, size_t length, int64_t *value) {
    if (length > 0 && (field[0] & 0x80) != 0)
        return base256(field, length, value);
    size_t at = 0;
    while (at < length && field[at] == ' ')
        at++;
    uint64_t number = 0;
    for (; at < length && field[at] >= '0' && field[at] <= '7'; at++) {
        if (number > (uint64_t)INT64_MAX >> 3)
            return -1;
        number = (number << 3) | (uint64_t)(field[at] - '0');
    }
    for (; at < length; at++)
        if (field[at] != ' ' && field[at] != '\0')
            return -1;
    *value = (int64_t)number;
    return 0;
}

// POSIX sums unsigned bytes, old programs signed ones; the field itself counts as blanks.
static bool checksum_holds(const uint8_t block[TAR_BLOCK]) {
    int64_t wanted, plain = 0, with_sign = 0;
    if (tar_number(block + CHECKSUM, 8, &wanted) < 0)
        return false;
    for (size_t index = 0; index < TAR_BLOCK; index++) {
        uint8_t byte = index >= CHECKSUM && index < TYPE ? ' ' : block[index];
        plain += byte;
        with_sign += (int8_t)byte;
    }
    return wanted == plain || wanted == with_sign;
}

// Copies a text field, which ends at a NUL or at its last byte.
static size_t text(char *to, const uint8_t *field, size_t length) {
    size_t used = strnlen((const char *)field, length);
    memcpy(to, field, used);
    to[used] = '\0';
    return used;
}

static void join_name(const uint8_t block[TAR_BLOCK], struct tar_header *header) {
    bool ustar = memcmp(block + MAGIC, "ustar", 6) == 0;
    bool star = ustar && memcmp(block + STAR_TAIL, "tar", 4) == 0;
    size_t used = 0;
    if (ustar && block[PREFIX] != '\0') {
        used = text(header->name, block + PREFIX, star ? 131 : 155);
        header->name[used++] = '/';
    }
    (void)text(header->name + used, block + NAME, 100);
}

static int unsigned_field(const uint8_t *field, size_t length, uint64_t *value, const char *name,
                          struct err *err) {
    int64_t number;
    if (tar_number(field, length, &number) < 0 || number < 0)
        return err_plain(err, FAILURE_DAMAGED, "malformed number in the header, field", name);
    *value = (uint64_t)number;
    return 0;
}

int tar_header_parse(const uint8_t block[TAR_BLOCK], struct tar_header *header, struct err *err) {
    memset(header, 0, sizeof *header);
    if (!checksum_holds(block))
        return err_plain(err, FAILURE_DAMAGED, "not a tar header (its checksum is wrong)", "");
    uint64_t mode = 0;
    if (unsigned_field(block + MODE, 8, &mode, "mode", err) < 0 ||
        unsigned_field(block + UID, 8, &header->uid, "uid", err) < 0 ||
        unsigned_field(block + GID, 8, &header->gid, "gid", err) < 0 ||
        unsigned_field(block + SIZE, 12, &header->size, "size", err) < 0)
        return -1;
    if (tar_number(block + MTIME, 12, &header->mtime) < 0)
        return err_plain(err, FAILURE_DAMAGED, "malformed number in the header, field", "mtime");
    header->mode = (uint32_t)(mode & 07777);
    header->type = (char)block[TYPE];
    header->gnu = memcmp(block + MAGIC, "ustar  ", 8) == 0;
    join_name(block, header);
    (void)text(header->link, block + LINK, 100);
    return 0;
}

// Octal text, blank-filled left with zeros, ended by a NUL. What is too large is written as zero.
static void octal(uint8_t *field, size_t length, uint64_t value) {
    if (value >> (3 * (length - 1)) != 0)
        value = 0;
    for (size_t index = length - 1; index-- > 0; value >>= 3)
        field[index] = (uint8_t)('0' + (value & 7));
    field[length - 1] = '\0';
}

void tar_header_write(const struct tar_header *header, uint8_t block[TAR_BLOCK]) {
    memset(block, 0, TAR_BLOCK);
    memcpy(block + NAME, header->name, strnlen(header->name, 100));
    memcpy(block + LINK, header->link, strnlen(header->link, 100));
    octal(block + MODE, 8, header->mode);
    octal(block + UID, 8, header->uid);
    octal(block + GID, 8, header->gid);
    octal(block + SIZE, 12, header->size);
    octal(block + MTIME, 12, header->mtime < 0 ? 0 : (uint64_t)header->mtime);
    block[TYPE] = (uint8_t)header->type;
    memcpy(block + MAGIC,
           "ustar\0"
           "00",
           8);
    octal(block + 329, 8, 0); // device numbers: devices are never packed
    octal(block + 337, 8, 0);
    memset(block + CHECKSUM, ' ', 8);
    uint64_t sum = 0;
    for (size_t index = 0; index < TAR_BLOCK; index++)
        sum += block[index];
    octal(block + CHECKSUM, 7, sum);
}
