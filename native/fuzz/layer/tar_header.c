// Fuzzes header blocks and their numbers: one that is read and fits a plain header is written and read the
// same again.

#include "fuzz.h"
#include "tar/header.h"

static void check_number(const uint8_t *bytes, size_t length) {
    int64_t value;
    if (tar_number(bytes, length, &value) != 0 || length == 0)
        return;
    REQUIRE((bytes[0] & 0x80) != 0 || value >= 0);
}

static void with_checksum(uint8_t block[TAR_BLOCK]) {
    unsigned sum = 0;
    memset(block + 148, ' ', 8);
    for (size_t index = 0; index < TAR_BLOCK; index++)
        sum += block[index];
    (void)snprintf((char *)block + 148, 8, "%06o", sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    uint8_t block[TAR_BLOCK] = {0};
    struct tar_header header, again;
    struct err err = {0};
    check_number(bytes, length < 12 ? length : 12);
    memcpy(block, bytes, length < TAR_BLOCK ? length : TAR_BLOCK);
    (void)tar_block_is_zero(block);
    (void)tar_header_parse(block, &header, &err);
    with_checksum(block);
    if (tar_header_parse(block, &header, &err) != 0)
        return 0;
    REQUIRE(strlen(header.name) <= 256 && strlen(header.link) <= 100 && header.mode <= 07777);
    tar_header_write(&header, block);
    REQUIRE(tar_header_parse(block, &again, &err) == 0);
    REQUIRE(again.type == header.type && again.mode == header.mode && strcmp(again.link, header.link) == 0);
    if (strlen(header.name) <= 100)
        REQUIRE(strcmp(again.name, header.name) == 0);
    REQUIRE(header.size >> 33 != 0 || again.size == header.size);
    REQUIRE(header.uid >> 21 != 0 || again.uid == header.uid);
    return 0;
}
