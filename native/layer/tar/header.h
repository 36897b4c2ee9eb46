// Parses and writes the 512-byte header block of a tar archive. Formats: v7, ustar and pax (POSIX.1-2024,
// "pax Interchange Format" and "ustar Interchange Format"), GNU, and star's prefix. Pure: bytes in, numbers
// out, no system call.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define TAR_BLOCK 512

struct tar_header {
    char name[100 + 155 + 2]; // prefix and name joined
    char link[100 + 1];
    char type;
    bool gnu; // GNU's layout: no prefix, sparse map in its place
    uint32_t mode;
    uint64_t uid;
    uint64_t gid;
    uint64_t size;
    int64_t mtime;
};

bool tar_block_is_zero(const uint8_t block[TAR_BLOCK]);

// A number field: octal text, or base 256 where the first bit is set (GNU, star). -1: neither.
int tar_number(const uint8_t *field, size_t length, int64_t *value);

// Checks the checksum and takes the fields apart. Returns -1 with `err` where the block is no header.
int tar_header_parse(const uint8_t block[TAR_BLOCK], struct tar_header *header, struct err *err);

// Writes a ustar block. Numbers and names that do not fit are cut: the caller writes a pax header
// before it that holds them whole (write.h).
void tar_header_write(const struct tar_header *header, uint8_t block[TAR_BLOCK]);
