// Tests of archives: headers, pax records, sparse maps, the reader on whole and on damaged streams, and that
// what the writer writes the reader reads. Needs no privilege.

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "cleanup.h"
#include "tar/header.h"
#include "tar/pax.h"
#include "tar/reader.h"
#include "tar/write.h"

static void test_numbers(void) {
    int64_t value = -1;
    CHECK(tar_number((const uint8_t *)"0000644", 8, &value) == 0 && value == 0644);
    CHECK(tar_number((const uint8_t *)"  644 ", 6, &value) == 0 && value == 0644);
    CHECK(tar_number((const uint8_t *)"\0\0\0\0\0\0\0", 8, &value) == 0 && value == 0);
    CHECK(tar_number((const uint8_t *)"77777777777", 12, &value) == 0 && value == 077777777777);
    CHECK(tar_number((const uint8_t *)"0000648", 8, &value) < 0);
    CHECK(tar_number((const uint8_t *)"-000644", 8, &value) < 0);
    CHECK(tar_number((const uint8_t *)"\x80\0\0\0\0\0\0\0\0\x01\0\0", 12, &value) == 0 && value == 65536);
    CHECK(tar_number((const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", 12, &value) == 0 &&
          value == -2);
    CHECK(tar_number((const uint8_t *)"\x80\0\0\1\0\0\0\0\0\0\0\0", 12, &value) < 0);
    CHECK(tar_number((const uint8_t *)"\x80\0\0\0\x80\0\0\0\0\0\0\0", 12, &value) < 0);
}

static void test_header_round_trip(void) {
    struct tar_header written = {.name = "etc/passwd",
                                 .link = "x",
                                 .type = '0',
                                 .mode = 04755,
                                 .uid = 65535,
                                 .gid = 7,
                                 .size = 123456789,
                                 .mtime = 1700000000};
    struct tar_header read;
    struct err err = {0};
    uint8_t block[TAR_BLOCK];
    tar_header_write(&written, block);
    CHECK(!tar_block_is_zero(block));
    CHECK(tar_header_parse(block, &read, &err) == 0);
    CHECK(strcmp(read.name, "etc/passwd") == 0 && strcmp(read.link, "x") == 0 && read.type == '0');
    CHECK(read.mode == 04755 && read.uid == 65535 && read.gid == 7 && read.size == 123456789);
    CHECK(read.mtime == 1700000000 && !read.gnu);
    for (size_t at = 0; at < TAR_BLOCK; at++) {
        uint8_t damaged[TAR_BLOCK];
        memcpy(damaged, block, sizeof damaged);
        damaged[at] ^= 1;
        // Damage to any byte is noticed, but for the two bytes that end the checksum's text.
        CHECK(tar_header_parse(damaged, &read, &err) < 0 || at == 154 || at == 155);
    }
}

static void checksum(uint8_t block[TAR_BLOCK]) {
    unsigned sum = 0;
    memset(block + 148, ' ', 8);
    for (size_t at = 0; at < TAR_BLOCK; at++)
        sum += block[at];
    (void)snprintf((char *)block + 148, 8, "%06o", sum);
}

static void test_prefix(void) {
    struct tar_header header = {.name = "name", .type = '0'};
    struct err err = {0};
    uint8_t block[TAR_BLOCK];
    tar_header_write(&header, block);
    memset(block + 345, 'p', 155);
    memset(block, 'n', 100);
    checksum(block);
    CHECK(tar_header_parse(block, &header, &err) == 0);
    CHECK(strlen(header.name) == 155 + 1 + 100 && header.name[155] == '/');
}

static int parse(const char *text, struct pax *pax) {
    struct err err = {0};
    return pax_parse((const uint8_t *)text, strlen(text), pax, &err);
}

static void test_pax(void) {
    struct pax pax = {0};
    CHECK(parse("14 path=a/b/c\n12 uid=1234\n16 mtime=12.250\n", &pax) == 0);
    CHECK(strcmp(pax.path, "a/b/c") == 0 && pax.has_uid && pax.uid == 1234);
    CHECK(pax.mtime.tv_sec == 12 && pax.mtime.tv_nsec == 250000000);
    CHECK(parse("14 mtime=-1.5\n", &pax) == 0);
    CHECK(pax.mtime.tv_sec == -2 && pax.mtime.tv_nsec == 500000000);
    CHECK(parse("27 SCHILY.xattr.user.a=xyz\n", &pax) == 0);
    CHECK(pax.attributes.xattr_count == 1 && strcmp(pax.attributes.xattrs[0].name, "user.a") == 0);
    CHECK(pax.attributes.xattrs[0].length == 3);
    pax_clear(&pax);
    static const char *const malformed[] = {
        "path=a\n",
        "99 path=a\n",
        "9 path=ab\n",
        "3 \n",
        "5 a=b",
        "x",
        "-1 path=a\n",
        "0 path=a\n",
        "6 =abc\n",
        "8 nokey\n",
        "11 uid=-12\n",
        "14 size=99x99\n",
        "99999999999999999999 path=a\n",
        "2 path=a\n",
        " path=a\n",
        "27 GNU.sparse.numbytes=512\n",
        "22 GNU.sparse.map=1,2,3\n",
    };
    for (size_t index = 0; index < sizeof malformed / sizeof *malformed; index++) {
        CHECK(parse(malformed[index], &pax) < 0);
        pax_clear(&pax);
    }
}

static int stream_of(const void *bytes, size_t length) {
    int fd = memfd_create("stream", MFD_CLOEXEC);
    CHECK(fd >= 0 && write(fd, bytes, length) == (ssize_t)length && lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

// Writes one file with every kind of record, and reads it again.
static void test_write_read(void) {
    char path[301];
    memset(path, 'p', 300);
    path[300] = '\0';
    char target[201];
    memset(target, 't', 200);
    target[200] = '\0';
    cleanup_fd int fd = memfd_create("archive", MFD_CLOEXEC);
    struct err err = {0};
    struct tar_writer writer;
    CHECK(tar_writer_open(&writer, fd, &err) == 0);
    struct tar_entry file = {.kind = TAR_FILE,
                             .path = path,
                             .mode = 06755,
                             .uid = 1,
                             .gid = 2,
                             .size = 5,
                             .mtime = {.tv_sec = -3, .tv_nsec = 1}};
    CHECK(tar_entry_add_xattr(&file, "user.b", 6, "a\0\nb", 4) == 0);
    CHECK(tar_write_entry(&writer, &file, &err) == 0 && tar_write_bytes(&writer, "hello", 5, &err) == 0);
    CHECK(tar_write_padding(&writer, 5, &err) == 0);
    struct tar_entry link = {.kind = TAR_SYMLINK, .path = path, .link = target, .mode = 0777};
    CHECK(tar_write_entry(&writer, &link, &err) == 0 && tar_write_end(&writer, &err) == 0);
    tar_writer_close(&writer);
    CHECK(writer.offset % TAR_BLOCK == 0 && lseek(fd, 0, SEEK_SET) == 0);

    struct tar_reader reader;
    struct tar_entry entry;
    const uint8_t *bytes;
    CHECK(tar_reader_open(&reader, fd, 1 << 20, &err) == 0);
    CHECK(tar_reader_next(&reader, &entry, &err) == 1);
    CHECK(strcmp(entry.path, path) == 0 && entry.mode == 06755 && entry.uid == 1 && entry.gid == 2);
    CHECK(entry.mtime.tv_sec == -3 && entry.mtime.tv_nsec == 1 && entry.size == 5);
    CHECK(entry.xattr_count == 1 && entry.xattrs[0].length == 4);
    CHECK(memcmp(entry.xattrs[0].value, "a\0\nb", 4) == 0);
    CHECK(tar_reader_data(&reader, &bytes, 100, &err) == 5 && memcmp(bytes, "hello", 5) == 0);
    tar_entry_clear(&entry);
    CHECK(tar_reader_next(&reader, &entry, &err) == 1);
    CHECK(entry.kind == TAR_SYMLINK && strcmp(entry.link, target) == 0);
    tar_entry_clear(&entry);
    CHECK(tar_reader_next(&reader, &entry, &err) == 0);
    CHECK(tar_reader_next(&reader, &entry, &err) == 0);
    tar_reader_close(&reader);
    file.path = NULL;
    tar_entry_clear(&file);
}

// Reads a whole stream and throws everything away.
static int read_all(const void *bytes, size_t length, uint64_t max_bytes) {
    cleanup_fd int fd = stream_of(bytes, length);
    struct tar_reader reader;
    struct tar_entry entry;
    struct err err = {0};
    CHECK(tar_reader_open(&reader, fd, max_bytes, &err) == 0);
    int found;
    do {
        found = tar_reader_next(&reader, &entry, &err);
        tar_entry_clear(&entry);
    } while (found > 0);
    tar_reader_close(&reader);
    return found;
}

static size_t small_archive(uint8_t *bytes) {
    struct tar_header header = {.name = "file", .type = '0', .mode = 0644, .size = 700};
    memset(bytes, 0, 10240);
    tar_header_write(&header, bytes);
    memset(bytes + TAR_BLOCK, 'd', 700);
    return TAR_BLOCK * 5;
}

static void test_short_streams(void) {
    static uint8_t bytes[10240];
    size_t length = small_archive(bytes);
    CHECK(read_all(bytes, length, 1 << 20) == 0);
    CHECK(read_all(bytes, sizeof bytes, 1 << 20) == 0); // padded, as tar pads to 10 KiB
    CHECK(read_all(bytes, length, length) == 0);
    CHECK(read_all(bytes, length, length - 1) < 0);
    // Cut anywhere before the end marker (one block of zeros is enough), it is refused.
    for (size_t cut = 0; cut < length - TAR_BLOCK; cut += 37)
        CHECK(read_all(bytes, cut, 1 << 20) < 0);
}

static void test_noise(void) {
    static uint8_t bytes[10240];
    unsigned seed = 1;
    for (int round = 0; round < 2000; round++) {
        size_t length = small_archive(bytes);
        for (int count = 0; count < 4; count++) {
            seed = seed * 1103515245 + 12345;
            bytes[(seed >> 8) % TAR_BLOCK] = (uint8_t)(seed >> 20);
        }
        if (round % 2 == 0)
            checksum(bytes); // so that what lies behind the checksum is reached
        (void)read_all(bytes, length, 1 << 20);
    }
}

static void test_gnu_sparse(void) {
    static uint8_t bytes[TAR_BLOCK * 4];
    struct tar_header header = {.name = "sparse", .type = 'S', .mode = 0644, .size = 4};
    struct err err = {0};
    struct tar_reader reader;
    struct tar_entry entry;
    memset(bytes, 0, sizeof bytes);
    tar_header_write(&header, bytes);
    memcpy(bytes + 257, "ustar  ", 8);
    memcpy(bytes + 386,
           "00000010000\0"
           "00000000004",
           23);
    memcpy(bytes + 483, "00000100000", 11);
    checksum(bytes);
    memcpy(bytes + TAR_BLOCK, "data", 4);
    cleanup_fd int fd = stream_of(bytes, sizeof bytes);
    CHECK(tar_reader_open(&reader, fd, 1 << 20, &err) == 0 && tar_reader_next(&reader, &entry, &err) == 1);
    CHECK(entry.size == 0100000 && entry.stored == 4 && entry.segment_count == 1);
    CHECK(entry.segments[0].offset == 010000 && entry.segments[0].length == 4);
    tar_entry_clear(&entry);
    tar_reader_close(&reader);
    bytes[483 + 5] = '0'; // the file now ends before its data
    checksum(bytes);
    CHECK(read_all(bytes, sizeof bytes, 1 << 20) < 0);
}

int main(void) {
    test_numbers();
    test_header_round_trip();
    test_prefix();
    test_pax();
    test_write_read();
    test_short_streams();
    test_noise();
    test_gnu_sparse();
    (void)puts("tar_test: ok");
    return 0;
}
