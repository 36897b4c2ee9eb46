#include "tar/write_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tar/header.h"
#include "tar/pax.h"

enum { ZERO_BLOCK = 4096, MOST_RUNS = 64 * 1024 };

static bool all_zero(const uint8_t *bytes, size_t length) {
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

static int write_blocks(struct tar_writer *writer, const uint8_t *bytes, size_t length, uint64_t at,
                        struct err *err) {
    for (size_t from = 0; from < length;) {
        size_t block = ZERO_BLOCK - (at + from) % ZERO_BLOCK;
        block = block < length - from ? block : length - from;
        uint64_t place = at + from;
        if (!all_zero(bytes + from, block) && (tar_write_bytes(writer, &place, sizeof place, err) < 0 ||
                                               tar_write_bytes(writer, bytes + from, block, err) < 0))
            return -1;
        from += block;
    }
    return 0;
}

static int write_data(struct tar_writer *writer, const uint8_t *bytes, size_t length, uint64_t at,
                      struct err *err) {
    return writer->skip_zeros ? write_blocks(writer, bytes, length, at, err)
                              : tar_write_bytes(writer, bytes, length, err);
}

static int write_hole(struct tar_writer *writer, uint64_t length, struct err *err) {
    return writer->skip_zeros ? 0 : tar_write_zeros(writer, length, err);
}

// Reads from `*at` to the end of a run of data, at most to `end`. 0: the file has become shorter.
static int write_run(struct tar_writer *writer, uint8_t *buffer, int fd, uint64_t *at, uint64_t end,
                     struct err *err) {
    while (*at < end) {
        size_t wanted = end - *at < TAR_FILE_BUFFER ? (size_t)(end - *at) : TAR_FILE_BUFFER;
        ssize_t got = pread(fd, buffer, wanted, (off_t)*at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_sys(err, "read", "");
        if (got == 0)
            return 0;
        if (write_data(writer, buffer, (size_t)got, *at, err) < 0)
            return -1;
        *at += (uint64_t)got;
    }
    return 1;
}

// Where data begins and ends from `at` on; a file system that cannot tell has data everywhere.
static void find_run(int fd, uint64_t at, uint64_t size, uint64_t *start, uint64_t *end) {
    off_t data = lseek(fd, (off_t)at, SEEK_DATA);
    off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
    bool none = data < 0 && errno == ENXIO; // a hole up to the end
    *start = none ? size : data < 0 ? at : (uint64_t)data;
    *end = none || hole < 0 ? size : (uint64_t)hole;
    *start = *start < size ? *start : size;
    *end = *end < size ? *end : size;
}

// From `at` up to `end`, holes included.
static int write_part(struct tar_writer *writer, uint8_t *buffer, int fd, uint64_t at, uint64_t end,
                      bool *shrank, struct err *err) {
    while (at < end) {
        uint64_t start, stop;
        find_run(fd, at, end, &start, &stop);
        if (write_hole(writer, start - at, err) < 0)
            return -1;
        at = start;
        int whole = write_run(writer, buffer, fd, &at, stop, err);
        if (whole < 0)
            return -1;
        if (whole == 0) {
            *shrank = true;
            return write_hole(writer, end - at, err);
        }
    }
    return 0;
}

static int add_segment(struct tar_entry *entry, uint64_t start, uint64_t end, struct err *err) {
    return pax_add_segment(&entry->segments, &entry->segment_count, start, end - start, err);
}

// "COUNT\n", then "OFFSET\n" and "LENGTH\n" of each.
static int write_numbers(struct tar_writer *writer, const struct tar_entry *entry, uint64_t *length,
                         struct err *err) {
    *length = 0;
    for (size_t index = 0; index <= 2 * entry->segment_count; index++) {
        const struct tar_segment *segment = &entry->segments[(index + 1) / 2 - (index > 0)];
        uint64_t number = index == 0       ? entry->segment_count
                          : index % 2 == 1 ? segment->offset
                                           : segment->length;
        char text[24];
        int digits = snprintf(text, sizeof text, "%" PRIu64 "\n", number);
        *length += (uint64_t)digits;
        if (writer != NULL && tar_write_bytes(writer, text, (size_t)digits, err) < 0)
            return -1;
    }
    return 0;
}

int tar_find_data(int fd, struct tar_entry *entry, struct err *err) {
    uint64_t data = 0;
    for (uint64_t at = 0; at < entry->size;) {
        uint64_t start, end;
        find_run(fd, at, entry->size, &start, &end);
        end = entry->segment_count + 1 == MOST_RUNS ? entry->size : end;
        // One that ends in a hole has an empty run there, as GNU tar has it.
        if (add_segment(entry, start, end, err) < 0)
            return -1;
        data += end - start;
        at = end;
    }
    uint64_t map;
    if (write_numbers(NULL, entry, &map, err) < 0)
        return -1;
    entry->stored = (map + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK + data;
    return 0;
}

static int write_sparse(struct tar_writer *writer, uint8_t *buffer, int fd, const struct tar_entry *entry,
                        bool *shrank, struct err *err) {
    uint64_t map;
    if (write_numbers(writer, entry, &map, err) < 0 || tar_write_padding(writer, map, err) < 0)
        return -1;
    for (size_t index = 0; index < entry->segment_count; index++) {
        const struct tar_segment *segment = &entry->segments[index];
        uint64_t end = segment->offset + segment->length;
        if (write_part(writer, buffer, fd, segment->offset, end, shrank, err) < 0)
            return -1;
    }
    return tar_write_padding(writer, entry->stored, err);
}

int tar_write_file(struct tar_writer *writer, uint8_t *buffer, int fd, const struct tar_entry *entry,
                   bool *shrank, struct err *err) {
    if (entry->segment_count > 0)
        return write_sparse(writer, buffer, fd, entry, shrank, err);
    if (write_part(writer, buffer, fd, 0, entry->size, shrank, err) < 0)
        return -1;
    return writer->skip_zeros ? 0 : tar_write_padding(writer, entry->size, err);
}
