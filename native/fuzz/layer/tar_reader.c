// Fuzzes whole archives: every entry's data is as long as its map says, and a stream ends or is refused.
// Checksums are made right first, so that what stands behind them is reached.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "tar/reader.h"

static int file = -1;

// In every block that could be a header, as the type of an entry is one that there is.
static void correct_checksums(uint8_t *bytes, size_t length) {
    for (size_t at = 0; at + TAR_BLOCK <= length; at += TAR_BLOCK) {
        uint8_t *block = bytes + at;
        unsigned sum = 8 * ' ';
        if (memcmp(block + 257, "ustar", 5) != 0)
            continue;
        for (size_t index = 0; index < TAR_BLOCK; index++)
            sum += index >= 148 && index < 156 ? 0 : block[index];
        (void)snprintf((char *)block + 148, 8, "%06o", sum);
        block[155] = ' ';
    }
}

static void read_data(struct tar_reader *reader, const struct tar_entry *entry, struct err *err) {
    uint64_t stored = 0;
    const uint8_t *bytes;
    ssize_t got;
    while ((got = tar_reader_data(reader, &bytes, 300, err)) > 0) {
        REQUIRE(got <= 300);
        for (ssize_t index = 0; index < got; index += 64)
            stored += bytes[index] == 0 ? 0 : 0;
        stored += (uint64_t)got;
    }
    REQUIRE(got < 0 || stored == entry->stored);
}

static void check_entry(const struct tar_entry *entry) {
    uint64_t end = 0, sum = 0;
    REQUIRE(entry->path != NULL && entry->link != NULL);
    REQUIRE(entry->path[0] != '\0' || entry->kind == TAR_DIRECTORY);
    REQUIRE(entry->kind == TAR_FILE || entry->size == 0);
    for (size_t index = 0; index < entry->segment_count; index++) {
        const struct tar_segment *segment = &entry->segments[index];
        REQUIRE(segment->offset >= end && segment->length <= entry->size - segment->offset);
        end = segment->offset + segment->length;
        sum += segment->length;
    }
    REQUIRE(entry->kind != TAR_FILE || sum == entry->stored);
}

static void read_archive(uint64_t most, bool with_data, bool seekable) {
    struct tar_reader reader;
    struct err err = {0};
    if (lseek(file, 0, SEEK_SET) != 0 || tar_reader_open(&reader, file, most, &err) != 0)
        abort();
    reader.seekable = seekable;
    for (int found = 1; found > 0;) {
        struct tar_entry entry;
        found = tar_reader_next(&reader, &entry, &err);
        if (found > 0) {
            check_entry(&entry);
            if (with_data)
                read_data(&reader, &entry, &err);
        }
        REQUIRE(found >= 0 || err.what[0] != '\0');
        tar_entry_clear(&entry);
    }
    tar_reader_close(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    if (file < 0)
        file = memfd_create("archive", MFD_CLOEXEC);
    uint8_t *archive = malloc(length + 1);
    memcpy(archive, bytes, length);
    correct_checksums(archive, length);
    if (ftruncate(file, 0) != 0 || pwrite(file, archive, length, 0) != (ssize_t)length)
        abort();
    free(archive);
    read_archive(1u << 20, true, false);
    read_archive(UINT64_MAX, false, true);
    return 0;
}
