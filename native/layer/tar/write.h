// Writes entries in one canonical way, so that one tree always gives one stream, byte for byte: ustar
// headers, with a pax header before them only for what ustar cannot say, its records in a fixed order.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "tar/entry.h"

// Bytes of data that the archive has of the entry: of a sparse file, with segments, the map of them as well.
uint64_t tar_entry_held(const struct tar_entry *entry);

struct tar_writer {
    int fd; // borrowed
    uint8_t *buffer;
    size_t used;
    uint64_t offset;
    // Of the data of files only what is not zero, each block with its place: no archive, but what tells two
    // trees apart as one would, and takes no time for what a file has not got. Set by the caller after
    // opening.
    bool skip_zeros;
};

int tar_writer_open(struct tar_writer *writer, int fd, struct err *err);
void tar_writer_close(struct tar_writer *writer);

// The headers of one entry. Its xattrs must be sorted by name. tar_entry_held() bytes of data follow.
int tar_write_entry(struct tar_writer *writer, const struct tar_entry *entry, struct err *err);
int tar_write_bytes(struct tar_writer *writer, const void *bytes, size_t length, struct err *err);
int tar_write_zeros(struct tar_writer *writer, uint64_t length, struct err *err);
// Fills the last block of data that was `size` bytes long.
int tar_write_padding(struct tar_writer *writer, uint64_t size, struct err *err);
// Everything that was written goes out.
int tar_write_flush(struct tar_writer *writer, struct err *err);
// The same, after two blocks of zeros.
int tar_write_end(struct tar_writer *writer, struct err *err);
