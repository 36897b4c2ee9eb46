#include "tar/write.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "tar/header.h"

enum { BUFFER_BYTES = 256 * 1024 };

int tar_writer_open(struct tar_writer *writer, int fd, struct err *err) {
    *writer = (struct tar_writer){.fd = fd, .buffer = malloc(BUFFER_BYTES)};
    return writer->buffer != NULL ? 0 : err_sys(err, "allocate a buffer", "");
}

void tar_writer_close(struct tar_writer *writer) {
    free(writer->buffer);
    writer->buffer = NULL;
}

uint64_t tar_entry_held(const struct tar_entry *entry) {
    return entry->segment_count > 0 ? entry->stored : entry->size;
}

int tar_write_flush(struct tar_writer *writer, struct err *err) {
    for (size_t at = 0; at < writer->used;) {
        ssize_t wrote = write(writer->fd, writer->buffer + at, writer->used - at);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return err_sys(err, "write the archive", "");
        at += (size_t)wrote;
    }
    writer->used = 0;
    return 0;
}

int tar_write_bytes(struct tar_writer *writer, const void *bytes, size_t length, struct err *err) {
    const uint8_t *from = bytes;
    writer->offset += length;
    while (length > 0) {
        size_t part = BUFFER_BYTES - writer->used;
        part = part < length ? part : length;
        memcpy(writer->buffer + writer->used, from, part);
        writer->used += part;
        from += part;
        length -= part;
        if (writer->used == BUFFER_BYTES && tar_write_flush(writer, err) < 0)
            return -1;
    }
    return 0;
}

int tar_write_zeros(struct tar_writer *writer, uint64_t length, struct err *err) {
    static const uint8_t zeros[TAR_BLOCK];
    while (length > 0) {
        size_t part = length < sizeof zeros ? (size_t)length : sizeof zeros;
        if (tar_write_bytes(writer, zeros, part, err) < 0)
            return -1;
        length -= part;
    }
    return 0;
}

int tar_write_padding(struct tar_writer *writer, uint64_t size, struct err *err) {
    return tar_write_zeros(writer, (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK, err);
}

int tar_write_end(struct tar_writer *writer, struct err *err) {
    return tar_write_zeros(writer, (uint64_t)2 * TAR_BLOCK, err) < 0 ? -1 : tar_write_flush(writer, err);
}

// A growing pax header.
struct records {
    uint8_t *bytes;
    size_t length;
};

static void free_records(struct records *records) {
    free(records->bytes);
}

// "LENGTH KEY=VALUE\n", where LENGTH counts itself.
static int add_record(struct records *records, const char *prefix, const char *key, const void *value,
                      size_t length, struct err *err) {
    size_t rest = 1 + strlen(prefix) + strlen(key) + 1 + length + 1;
    char head[600];
    size_t total = rest + 1;
    // The digits of the length are part of the length: at most one more round settles it.
    while (rest + (size_t)snprintf(NULL, 0, "%zu", total) != total)
        total = rest + (size_t)snprintf(NULL, 0, "%zu", total);
    int head_length = snprintf(head, sizeof head, "%zu %s%s=", total, prefix, key);
    if (head_length < 0 || (size_t)head_length >= sizeof head)
        return err_plain(err, FAILURE_REFUSED, "an attribute's name is too long", key);
    uint8_t *grown = realloc(records->bytes, records->length + total);
    if (grown == NULL)
        return err_sys(err, "compose a pax header", "");
    records->bytes = grown;
    uint8_t *at = grown + records->length;
    memcpy(at, head, (size_t)head_length);
    if (length > 0)
        memcpy(at + head_length, value, length);
    at[total - 1] = '\n';
    records->length += total;
    return 0;
}

static int add_text(struct records *records, const char *key, const char *text, struct err *err) {
    return add_record(records, "", key, text, strlen(text), err);
}

// Seconds since the epoch as a decimal, the fraction without trailing zeros.
static int add_time(struct records *records, struct timespec time, struct err *err) {
    int64_t whole = time.tv_sec;
    long nanos = time.tv_nsec;
    bool negative = whole < 0;
    if (negative && nanos > 0) {
        whole++;
        nanos = 1000000000 - nanos;
    }
    char text[64];
    uint64_t magnitude = negative ? (uint64_t)-whole : (uint64_t)whole;
    int length = snprintf(text, sizeof text, "%s%" PRIu64, negative ? "-" : "", magnitude);
    if (nanos > 0) {
        length += snprintf(text + length, sizeof text - (size_t)length, ".%09ld", nanos);
        while (text[length - 1] == '0')
            text[--length] = '\0';
    }
    return add_text(records, "mtime", text, err);
}

static int add_number(struct records *records, const char *key, uint64_t number, struct err *err) {
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, number);
    return add_text(records, key, text, err);
}

// GNU's sparse format of version 1.0, which star and bsdtar read as well; the map stands before the data
// (write_file.c).
static int add_sparse(struct records *records, const struct tar_entry *entry, struct err *err) {
    int failed = add_number(records, "GNU.sparse.major", 1, err);
    failed |= add_number(records, "GNU.sparse.minor", 0, err);
    failed |= add_text(records, "GNU.sparse.name", entry->path, err);
    return failed | add_number(records, "GNU.sparse.realsize", entry->size, err);
}

static int compose(struct records *records, const struct tar_entry *entry, struct err *err) {
    int failed = 0;
    if (entry->segment_count > 0)
        failed |= add_sparse(records, entry, err);
    else if (strlen(entry->path) > 100)
        failed |= add_text(records, "path", entry->path, err);
    if (entry->link != NULL && strlen(entry->link) > 100)
        failed |= add_text(records, "linkpath", entry->link, err);
    if (tar_entry_held(entry) > 077777777777)
        failed |= add_number(records, "size", tar_entry_held(entry), err);
    if (entry->mtime.tv_nsec != 0 || entry->mtime.tv_sec < 0 || entry->mtime.tv_sec > 077777777777)
        failed |= add_time(records, entry->mtime, err);
    for (size_t index = 0; index < entry->xattr_count && failed == 0; index++) {
        const struct tar_xattr *xattr = &entry->xattrs[index];
        failed |= add_record(records, "SCHILY.xattr.", xattr->name, xattr->value, xattr->length, err);
    }
    return failed;
}

static char type_of(enum tar_kind kind) {
    switch (kind) {
    case TAR_HARDLINK:
        return '1';
    case TAR_SYMLINK:
        return '2';
    case TAR_DIRECTORY:
        return '5';
    case TAR_FIFO:
        return '6';
    case TAR_FILE:
    case TAR_DEVICE:
        break;
    }
    return '0';
}

static int write_header(struct tar_writer *writer, const struct tar_header *header, struct err *err) {
    uint8_t block[TAR_BLOCK];
    tar_header_write(header, block);
    return tar_write_bytes(writer, block, sizeof block, err);
}

int tar_write_entry(struct tar_writer *writer, const struct tar_entry *entry, struct err *err) {
    struct records records __attribute__((cleanup(free_records))) = {0};
    if (compose(&records, entry, err) < 0)
        return -1;
    if (records.length > 0) {
        struct tar_header extended = {.name = "pax", .type = 'x', .mode = 0644, .size = records.length};
        if (write_header(writer, &extended, err) < 0 ||
            tar_write_bytes(writer, records.bytes, records.length, err) < 0 ||
            tar_write_padding(writer, records.length, err) < 0)
            return -1;
    }
    struct tar_header header = {.type = type_of(entry->kind),
                                .mode = entry->mode,
                                .uid = entry->uid,
                                .gid = entry->gid,
                                .size = tar_entry_held(entry),
                                .mtime = entry->mtime.tv_sec};
    memcpy(header.name, entry->path, strnlen(entry->path, 100));
    if (entry->link != NULL)
        memcpy(header.link, entry->link, strnlen(entry->link, 100));
    return write_header(writer, &header, err);
}
