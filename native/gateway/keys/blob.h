// Reads and writes ssh's own encoding (RFC 4251 section 5). Never fails loudly: a reader that has met its end
// stays there, and a writer that has no room remembers that.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    const uint8_t *at;
    size_t length;
};

struct blob_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
};

static inline struct blob_reader blob_open(struct bytes bytes) {
    return (struct blob_reader){.at = bytes.at, .end = bytes.at + bytes.length};
}

uint8_t blob_u8(struct blob_reader *reader);
uint32_t blob_u32(struct blob_reader *reader);
uint64_t blob_u64(struct blob_reader *reader);
struct bytes blob_string(struct blob_reader *reader);
// So many bytes as they stand.
struct bytes blob_take(struct blob_reader *reader, size_t length);
// A positive number, without the zeros in front.
struct bytes blob_mpint(struct blob_reader *reader);
// Everything has been read, and nothing was missing.
static inline bool blob_whole(const struct blob_reader *reader) {
    return !reader->bad && reader->at == reader->end;
}

bool bytes_equal(struct bytes one, struct bytes other);
bool bytes_are(struct bytes bytes, const char *text);

struct blob_writer {
    uint8_t *bytes;
    size_t size;
    size_t used;
    bool overflow;
};

void blob_put(struct blob_writer *writer, const void *bytes, size_t length);
void blob_put_u32(struct blob_writer *writer, uint32_t value);
void blob_put_string(struct blob_writer *writer, const void *bytes, size_t length);
void blob_put_text(struct blob_writer *writer, const char *text);
// From a number's bytes, the most significant first.
void blob_put_mpint(struct blob_writer *writer, const uint8_t *bytes, size_t length);
