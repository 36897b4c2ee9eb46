#include "tar/write_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { ZERO_BLOCK = 4096 };

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

int tar_write_file(struct tar_writer *writer, uint8_t *buffer, int fd, uint64_t size, bool *shrank,
                   struct err *err) {
    for (uint64_t at = 0; at < size;) {
        uint64_t start, end;
        find_run(fd, at, size, &start, &end);
        if (write_hole(writer, start - at, err) < 0)
            return -1;
        at = start;
        int whole = write_run(writer, buffer, fd, &at, end, err);
        if (whole < 0)
            return -1;
        if (whole == 0) {
            *shrank = true;
            if (write_hole(writer, size - at, err) < 0)
                return -1;
            break;
        }
    }
    return writer->skip_zeros ? 0 : tar_write_padding(writer, size, err);
}
