// Reads an archive as a stream, entry by entry, with constant memory: whoever calls gets the entry
// first and then its data in pieces. Every length is checked before it is believed; a stream that
// ends early, says nothing or never ends is refused.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "tar/entry.h"
#include "tar/header.h"
#include "tar/pax.h"

struct tar_reader {
    int fd;             // borrowed
    uint64_t max_bytes; // of the whole stream, headers and padding included
    uint64_t offset;    // of the next byte that has not been used
    uint64_t entry_at;  // offset of the current entry's first header
    uint64_t data_left; // of the current entry
    unsigned padding;   // after its data, to the next block
    bool at_end;
    bool open_end;   // set by the caller after opening: limits.open_end
    bool seekable;   // set by the caller after opening: `fd` is a file, and data may be skipped unread
    uint8_t *buffer; // owned
    size_t start, end;
    struct pax pax;
};

int tar_reader_open(struct tar_reader *reader, int fd, uint64_t max_bytes, struct err *err);
void tar_reader_close(struct tar_reader *reader);

// The next entry: 1, and the caller clears it; 0 at the end of the archive (all input has been read
// by then); -1 with `err`. Data of the entry before that was not read is skipped.
int tar_reader_next(struct tar_reader *reader, struct tar_entry *entry, struct err *err);

// A view of up to `limit` bytes of the entry's data, valid until the next call; 0 at its end.
ssize_t tar_reader_data(struct tar_reader *reader, const uint8_t **bytes, size_t limit, struct err *err);

// sparse.c: the sparse maps that are not in a pax header. They leave the map in `entry` and the
// data at its first byte.
int tar_sparse_gnu(struct tar_reader *reader, const uint8_t *block, struct tar_entry *entry, struct err *err);
int tar_sparse_pax(struct tar_reader *reader, struct tar_entry *entry, struct err *err);

// fill.c: an entry of its header, which is `block` taken apart, and of reader->pax.
int tar_reader_fill(struct tar_reader *reader, const struct tar_header *header, const uint8_t *block,
                    struct tar_entry *entry, struct err *err);

// For fill.c: so many bytes of data come next.
void tar_reader_expect(struct tar_reader *reader, uint64_t size);

// For sparse.c: the next 512 bytes of the stream.
int tar_reader_block(struct tar_reader *reader, uint8_t block[TAR_BLOCK], struct err *err);
