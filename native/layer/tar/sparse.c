// Reads the maps of sparse files that stand in the archive itself: GNU tar's own (type S, in the header and
// in blocks behind it) and pax version 1.0 (as text before the data).

#include <stdbool.h>

#include "decimal.h"
#include "report.h"
#include "tar/reader.h"

enum { PAIR_BYTES = 24, FIRST_PAIRS = 4, MORE_PAIRS = 21 };

static int add_pairs(const uint8_t *pairs, int count, struct tar_entry *entry, struct err *err) {
    for (int index = 0; index < count; index++, pairs += PAIR_BYTES) {
        int64_t offset, length;
        if (pairs[0] == '\0')
            return 0; // unused
        if (tar_number(pairs, 12, &offset) < 0 || tar_number(pairs + 12, 12, &length) < 0 || offset < 0 ||
            length < 0)
            return err_plain(err, FAILURE_DAMAGED, "malformed map of a sparse file", "");
        if (pax_add_segment(&entry->segments, &entry->segment_count, (uint64_t)offset, (uint64_t)length,
                            err) < 0)
            return -1;
    }
    return 0;
}

int tar_sparse_gnu(struct tar_reader *reader, const uint8_t *block, struct tar_entry *entry,
                   struct err *err) {
    int64_t size;
    if (tar_number(block + 483, 12, &size) < 0 || size < 0)
        return err_plain(err, FAILURE_DAMAGED, "malformed size of a sparse file", "");
    entry->size = (uint64_t)size;
    bool more = block[482] != 0;
    if (add_pairs(block + 386, FIRST_PAIRS, entry, err) < 0)
        return -1;
    while (more) {
        // These blocks stand between header and data and are not counted in the entry's size.
        uint8_t next[TAR_BLOCK];
        if (tar_reader_block(reader, next, err) < 0)
            return -1;
        if (add_pairs(next, MORE_PAIRS, entry, err) < 0)
            return -1;
        more = next[504] != 0;
    }
    return 0;
}

// Reads the next decimal number, ended by a newline, from the entry's data.
static int next_number(struct tar_reader *reader, uint64_t *value, struct err *err) {
    char text[20];
    size_t length = 0;
    for (;;) {
        const uint8_t *byte;
        ssize_t got = tar_reader_data(reader, &byte, 1, err);
        if (got < 0)
            return -1;
        if (got == 0 || length == sizeof text)
            return err_plain(err, FAILURE_DAMAGED, "malformed map of a sparse file", "");
        if (*byte == '\n')
            break;
        text[length++] = (char)*byte;
    }
    return decimal_parse(text, length, value) < 0
               ? err_plain(err, FAILURE_DAMAGED, "malformed map of a sparse file", "")
               : 0;
}

int tar_sparse_pax(struct tar_reader *reader, struct tar_entry *entry, struct err *err) {
    uint64_t count;
    if (next_number(reader, &count, err) < 0)
        return -1;
    for (uint64_t index = 0; index < count; index++) {
        uint64_t offset, length;
        if (next_number(reader, &offset, err) < 0 || next_number(reader, &length, err) < 0)
            return -1;
        if (pax_add_segment(&entry->segments, &entry->segment_count, offset, length, err) < 0)
            return -1;
    }
    // The map is padded to a whole block, which counts as data of the entry.
    uint64_t used = entry->stored - reader->data_left;
    uint64_t rest = (TAR_BLOCK - used % TAR_BLOCK) % TAR_BLOCK;
    while (rest > 0) {
        const uint8_t *bytes;
        ssize_t got = tar_reader_data(reader, &bytes, (size_t)rest, err);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        rest -= (uint64_t)got;
    }
    entry->stored = reader->data_left;
    return 0;
}
